// Package seal keeps secrets from those who read the disk or a message: what it seals
// is of use only to who has the installation's key file. Access keys' secrets, session
// tokens, functions' environments and the messages that explain a denial are sealed.
//
// The key file holds 32 random bytes in base64, with room for nobody but its owner. It
// lies beside the data and not in it, so that a copy of the store alone opens nothing;
// machines that serve one installation share it. Who loses it loses what it sealed.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrForeign says that a text was not sealed here, for this purpose and in this
// context, or that it was changed since.
var ErrForeign = errors.New("seal: not sealed here")

const (
	format    = 1 // first byte of all that is sealed
	keySize   = 32
	nonceSize = 12
)

// Keys are an installation's keys: one in a file, and one for each purpose that
// follows from it. Safe for concurrent use if its source of chance is.
type Keys struct {
	root   [keySize]byte
	random io.Reader
}

// New returns the keys that follow from a root key; random gives nonces.
func New(root [keySize]byte, random io.Reader) *Keys { return &Keys{root, random} }

// Open reads the key file at path, and makes it where there is none. A file that
// others than its owner may read is refused: what it sealed is no secret.
func Open(path string, random io.Reader) (*Keys, error) {
	k, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(path, random); err == nil || errors.Is(err, fs.ErrExist) {
			k, err = read(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the key file: %w", err)
	}
	return New(k, random), nil
}

func read(path string) (k [keySize]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return k, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return k, err
	}
	if mode := info.Mode(); mode.Perm()&0o077 != 0 {
		return k, fmt.Errorf("%s can be read by others (mode %#o). If nobody did, chmod 600 it", path, mode.Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return k, err
	}
	b, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(b) != keySize {
		return k, fmt.Errorf("%s does not hold a key: %d bytes in base64", path, keySize)
	}
	return [keySize]byte(b), nil
}

// create writes a new key whole or not at all, durable before anything is sealed
// with it; fs.ErrExist says that somebody was faster.
func create(path string, random io.Reader) error {
	var k [keySize]byte
	if _, err := io.ReadFull(random, k[:]); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(k[:]) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// For is the box for one purpose. What one box seals no other opens.
func (k *Keys) For(purpose string) *Box {
	// A key of the right length always makes a cipher.
	key, err := hkdf.Key(sha256.New, k.root[:], nil, "tule "+purpose, keySize)
	if err != nil {
		panic(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return &Box{aead, k.random}
}

// Secret is 32 bytes that follow from the root key and the purpose, for who needs a
// key of his own.
func (k *Keys) Secret(purpose string) []byte {
	b, err := hkdf.Key(sha256.New, k.root[:], nil, "tule secret "+purpose, keySize)
	if err != nil {
		panic(err)
	}
	return b
}

// A Box seals and opens for one purpose. Safe for concurrent use.
type Box struct {
	aead   cipher.AEAD
	random io.Reader
}

// Overhead is by how much a sealed text is longer, in bytes.
const Overhead = 1 + nonceSize + 16

// Seal makes a text that only Open with the same context gives back. The context,
// such as the key of the record, is not in it.
func (b *Box) Seal(text []byte, context string) ([]byte, error) {
	out := make([]byte, 1+nonceSize, Overhead+len(text))
	out[0] = format
	if _, err := io.ReadFull(b.random, out[1:]); err != nil {
		return nil, err
	}
	return b.aead.Seal(out, out[1:], text, append([]byte{format}, context...)), nil
}

// Open is the text that was sealed, or ErrForeign.
func (b *Box) Open(sealed []byte, context string) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != format {
		return nil, ErrForeign
	}
	text, err := b.aead.Open(nil, sealed[1:1+nonceSize], sealed[1+nonceSize:], append([]byte{format}, context...))
	if err != nil {
		return nil, ErrForeign
	}
	return text, nil
}

// Nonce is the nonce within a sealed text, which no other has; nil where there is none.
func Nonce(sealed []byte) []byte {
	if len(sealed) < Overhead {
		return nil
	}
	return sealed[1 : 1+nonceSize]
}
