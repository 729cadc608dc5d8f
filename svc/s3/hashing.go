package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"hash"
	"io"
	"sync"
	"sync/atomic"

	"github.com/tule-cloud/tule/aws"
)

// hashing sums up a body as it is read. What ends is remembered: a body is not asked
// again.
type hashing struct {
	r    io.Reader
	md5  hash.Hash
	sum  hash.Hash // nil where the sum comes behind the body, and is right
	algo *algorithm
	n    int64
	err  error
}

func newHashing(r io.Reader, w wanted, trailed bool) *hashing {
	h := &hashing{r: r, md5: md5.New(), algo: algorithmNamed(w.Algorithm)}
	switch {
	case h.algo == nil:
		h.algo = algorithmNamed(usual)
		h.sum = h.algo.make()
	case w.Value != "" || w.assumed || !trailed:
		h.sum = h.algo.make()
	}
	return h
}

func (h *hashing) Read(p []byte) (int, error) {
	if h.err != nil {
		return 0, h.err
	}
	n, err := h.r.Read(p)
	h.n += int64(n)
	h.md5.Write(p[:n])
	if h.sum != nil {
		h.sum.Write(p[:n])
	}
	h.err = err
	return n, err
}

const (
	// chunkSize is how much of a large body is read at a time, and
	chunkSize = 256 << 10
	// chunksAhead how many chunks are on their way at most, of each body.
	chunksAhead = 4
)

// A chunk is some of a body. Uses counts who is not through with it.
type chunk struct {
	b    [chunkSize]byte
	n    int
	uses atomic.Int32
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// WriteTo implements io.WriterTo. Of a body that is longer than a chunk the next bytes
// come while those before are summed up and written: reading, which may hash for the
// sake of a signature, the MD5, and writing each have a goroutine.
func (h *hashing) WriteTo(w io.Writer) (int64, error) {
	c := chunks.Get().(*chunk)
	defer chunks.Put(c)
	h.fill(c)
	if h.err == nil {
		return h.overlap(c, w)
	}
	h.add(c)
	h.md5.Write(c.b[:c.n])
	n, err := w.Write(c.b[:c.n])
	if err == nil && h.err != io.EOF {
		err = h.err
	}
	return int64(n), err
}

// fill reads a chunk, which is full unless the body ends.
func (h *hashing) fill(c *chunk) {
	for c.n = 0; c.n < chunkSize && h.err == nil; {
		var n int
		n, h.err = h.r.Read(c.b[c.n:])
		c.n += n
	}
	h.n += int64(c.n)
}

func (h *hashing) add(c *chunk) {
	if h.sum != nil {
		h.sum.Write(c.b[:c.n])
	}
}

// overlap does all that there is to do with a body at once. It begins with a chunk that
// was read, and returns when everybody is through.
func (h *hashing) overlap(first *chunk, w io.Writer) (total int64, err error) {
	free := make(chan *chunk, chunksAhead)
	toMD5, toWrite := make(chan *chunk, chunksAhead), make(chan *chunk, chunksAhead)
	done := func(c *chunk) {
		if c.uses.Add(-1) == 0 {
			free <- c
		}
	}
	var failed atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for c := range toMD5 {
			h.md5.Write(c.b[:c.n])
			done(c)
		}
	})
	wg.Go(func() {
		for c := range toWrite {
			if err == nil {
				h.add(c)
				var n int
				n, err = w.Write(c.b[:c.n])
				total += int64(n)
				failed.Store(err != nil)
			}
			done(c)
		}
	})
	taken := []*chunk{first}
	for c := first; ; {
		c.uses.Store(2)
		toMD5 <- c
		toWrite <- c
		if h.err != nil || failed.Load() {
			break
		}
		if len(taken) < chunksAhead && len(free) == 0 {
			c = chunks.Get().(*chunk)
			taken = append(taken, c)
		} else {
			c = <-free
		}
		h.fill(c)
	}
	close(toMD5)
	close(toWrite)
	wg.Wait()
	for _, c := range taken[1:] { // the first is its owner's
		chunks.Put(c)
	}
	if err == nil && h.err != io.EOF {
		err = h.err
	}
	return total, err
}

// check holds a body that was read to its end against what was said of it, and tells the
// content of its sums.
func (h *hashing) check(c *content, w wanted, trailed aws.Trailed) error {
	c.md5 = h.md5.Sum(nil)
	if w.size != nil && h.n != *w.size {
		return bodyError(io.ErrUnexpectedEOF)
	}
	if w.md5 != nil && !bytes.Equal(w.md5, c.md5) {
		return aws.Errorf(400, "BadDigest", "The Content-MD5 you specified did not match what we received.").With(&struct {
			ExpectedDigest, CalculatedDigest string
		}{base64.StdEncoding.EncodeToString(w.md5), base64.StdEncoding.EncodeToString(c.md5)})
	}
	c.sum = sum{Algorithm: h.algo.name, Type: "FULL_OBJECT"}
	if h.sum != nil {
		c.sum.Value = base64.StdEncoding.EncodeToString(h.sum.Sum(nil))
	}
	switch {
	case w.Value != "" && w.Value != c.sum.Value:
		return errBadSum(h.algo.name)
	case w.Value != "":
		return nil
	case trailed != nil:
		return h.trailer(c, w, trailed)
	}
	return nil
}

// trailer takes the sum from behind the body. The door has compared it.
func (h *hashing) trailer(c *content, w wanted, trailed aws.Trailed) error {
	for i := range algorithms {
		if v := trailed.Trailer(algorithms[i].header()); v != "" && (w.Algorithm == "" || &algorithms[i] == h.algo) {
			c.sum.Algorithm, c.sum.Value = algorithms[i].name, v
			return nil
		}
	}
	if h.sum == nil {
		return errRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	}
	return nil
}

func errBadSum(name string) error {
	return aws.Errorf(400, "BadDigest", "The %s you specified did not match the calculated checksum.", name)
}
