package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// TestReadBody reads bodies whose lengths are announced rightly, wrongly and not at all: all
// of what came, in room that grows no further than what was announced once enough has come.
func TestReadBody(t *testing.T) {
	for _, c := range []struct{ sent, announced, room int }{
		{0, 0, 512}, {100, 100, 2 << 10}, {100, -1, 2 << 10}, {100, 1 << 40, 80 << 10}, {firstRoom, firstRoom, 80 << 10}, {700 << 10, 700 << 10, 720 << 10}, {700 << 10, 100, 2 << 20},
		{firstRoom, 1 << 40, maxRoom + 80<<10}, {maxRoom + 1, maxRoom + 1, 3 * maxRoom}, {700 << 10, -1, 2 << 20},
	} {
		want := bytes.Repeat([]byte("0123456789abcdef"), c.sent/16+1)[:c.sent]
		buf, err := readBody(iotest.HalfReader(bytes.NewReader(want)), int64(c.announced))
		if err != nil || !bytes.Equal(buf.Bytes(), want) || buf.Cap() > c.room {
			t.Errorf("%d bytes, announced as %d: %d in room for %d, %v", c.sent, c.announced, buf.Len(), buf.Cap(), err)
		}
	}
	for _, n := range []int{10, firstRoom, firstRoom + 10} {
		broken := io.MultiReader(bytes.NewReader(make([]byte, n)), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := readBody(broken, 1<<20); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func BenchmarkReadBody(b *testing.B) {
	body := make([]byte, 700<<10) // PutRecords of 500 records of 1 KB
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readBody(bytes.NewReader(body), int64(len(body))); err != nil {
			b.Fatal(err)
		}
	}
}
