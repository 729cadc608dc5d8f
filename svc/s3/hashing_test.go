package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// TestHashingOverlaps shows that bodies of all lengths come through whole and with their
// sums, however they arrive.
func TestHashingOverlaps(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, chunksAhead*chunkSize + 7, 9 * chunkSize} {
		body := make([]byte, size)
		_, _ = random.Read(body)
		for name, r := range map[string]io.Reader{"at once": bytes.NewReader(body), "by halves": iotest.HalfReader(bytes.NewReader(body)), "its end with its last": iotest.DataErrReader(bytes.NewReader(body))} {
			h := newHashing(r, wanted{sum: sum{Algorithm: "CRC32"}}, false)
			var got bytes.Buffer
			if n, err := h.WriteTo(&got); err != nil || n != int64(size) || h.n != n {
				t.Fatalf("%d bytes %s: %d, %v", size, name, n, err)
			}
			c := &content{}
			if err := h.check(c, wanted{}, nil); err != nil {
				t.Fatal(err)
			}
			sum := crc32.NewIEEE()
			sum.Write(body)
			if whole := md5.Sum(body); !bytes.Equal(got.Bytes(), body) || !bytes.Equal(c.md5, whole[:]) || c.sum.Value != base64.StdEncoding.EncodeToString(sum.Sum(nil)) {
				t.Errorf("%d bytes %s differ, or their sums", size, name)
			}
		}
	}
}

// TestHashingBreaksOff shows that the first error ends all.
func TestHashingBreaksOff(t *testing.T) {
	torn := errors.New("torn")
	for _, size := range []int{10, 3 * chunkSize, 20*chunkSize + 1} {
		body := bytes.NewReader(make([]byte, size))
		h := newHashing(io.MultiReader(body, iotest.ErrReader(torn)), wanted{}, false)
		if n, err := h.WriteTo(io.Discard); !errors.Is(err, torn) || n != int64(size) {
			t.Errorf("%d bytes: the reader's error became %v after %d", size, err, n)
		}
		endless := newHashing(zeros{}, wanted{}, false)
		if n, err := endless.WriteTo(&cramped{size}); !errors.Is(err, io.ErrShortBuffer) || n > int64(size) {
			t.Errorf("the writer's error became %v after %d of %d", err, n, size)
		}
	}
}

// cramped takes so many bytes.
type cramped struct{ left int }

func (b *cramped) Write(p []byte) (int, error) {
	if len(p) > b.left {
		return 0, io.ErrShortBuffer
	}
	b.left -= len(p)
	return len(p), nil
}
