package iam

import (
	"context"
	"crypto/subtle"
	"io"

	"golang.org/x/crypto/argon2"
)

// What a guess at a password costs: the second of the settings that OWASP recommends
// for argon2id. They are kept with each hash, so that they can grow.
const (
	hashPasses  = 2
	hashMemory  = 19 << 10 // KiB
	hashThreads = 1
	hashSize    = 32
	saltSize    = 16
	// maxHashing is how many passwords are hashed at once: each takes hashMemory.
	maxHashing = 2
)

// A hash is a password that can be recognised and not read.
type hash struct {
	Passes, Memory uint32
	Threads        uint8
	Salt, Sum      []byte
}

// turn waits until a password may be hashed; done lets the next.
func (s *Service) turn(ctx context.Context) (done func(), err error) {
	select {
	case s.hashing <- struct{}{}:
		return func() { <-s.hashing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *Service) hash(ctx context.Context, password string) (h hash, err error) {
	done, err := s.turn(ctx)
	if err != nil {
		return h, err
	}
	defer done()
	h = hash{Passes: hashPasses, Memory: hashMemory, Threads: hashThreads, Salt: make([]byte, saltSize)}
	if _, err := io.ReadFull(s.random, h.Salt); err != nil {
		return h, err
	}
	h.Sum = argon2.IDKey([]byte(password), h.Salt, h.Passes, h.Memory, h.Threads, hashSize)
	return h, nil
}

// isPassword reports whether a password is the one that was hashed.
func (s *Service) isPassword(ctx context.Context, h hash, password string) (bool, error) {
	done, err := s.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	sum := argon2.IDKey([]byte(password), h.Salt, h.Passes, h.Memory, h.Threads, hashSize)
	return subtle.ConstantTimeCompare(sum, h.Sum) == 1, nil
}
