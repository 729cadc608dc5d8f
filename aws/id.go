package aws

import (
	"encoding/hex"
	"fmt"
	"io"
	"sync"
)

// Alphabets of AWS's identifiers.
const (
	Hex       = "0123456789abcdef"
	LowerAlnm = "abcdefghijklmnopqrstuvwxyz0123456789" // REST API ids
	Base32    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"     // access keys, AIDA… and AROA…
	Base62    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// RandomID is n characters of alphabet, chosen evenly by random. It panics if
// random fails: an identifier that is not random must not be given out.
func RandomID(random io.Reader, alphabet string, n int) string {
	limit := 256 - 256%len(alphabet)
	out := make([]byte, 0, n)
	var buf [32]byte
	for len(out) < n {
		mustRead(random, buf[:])
		for _, b := range buf {
			if int(b) < limit && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}

// RandomUUID is a version 4 UUID: request ids, revision ids.
func RandomUUID(random io.Reader) string {
	var b [16]byte
	mustRead(random, b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

func mustRead(random io.Reader, b []byte) {
	if _, err := io.ReadFull(random, b); err != nil {
		panic(fmt.Sprintf("aws: the source of randomness failed: %v", err))
	}
}

// SharedReader lets many goroutines read from one source of randomness.
func SharedReader(random io.Reader) io.Reader { return &sharedReader{r: random} }

type sharedReader struct {
	mu sync.Mutex
	r  io.Reader
}

// Read implements io.Reader.
func (s *sharedReader) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return io.ReadFull(s.r, b)
}
