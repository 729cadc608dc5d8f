package s3

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"sync"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
)

const (
	// inlineMax is the most bytes that lie in the store.
	inlineMax = 32 << 10
	// putMax is the most bytes that one request brings.
	putMax = 5 << 30
)

// content is what a body brought. Unless a record comes to name it, it is to be dropped.
type content struct {
	inline []byte // if blob is ""
	blob   string
	size   int64
	md5    []byte
	sum    sum
	iv     string
}

var smallBuffers = sync.Pool{New: func() any { return new([inlineMax + 1]byte) }}

// receive reads a body to its end, checks that it is what its sender says, and has it on
// disk or, if it is small, in memory. A key encrypts it.
func (s *Service) receive(ctx context.Context, body io.Reader, w wanted, k *customerKey) (*content, error) {
	if w.size != nil && *w.size > putMax {
		return nil, errTooLarge(*w.size)
	}
	if body == nil {
		body = bytes.NewReader(nil)
	}
	trailed, _ := body.(aws.Trailed)
	h := newHashing(body, w, trailed != nil)
	var plain io.Reader = h
	c := &content{}
	if k != nil {
		var err error
		if plain, c.iv, err = k.encrypt(s.Random, h); err != nil {
			return nil, err
		}
	}
	if err := s.take(ctx, c, plain); err != nil {
		return nil, bodyError(err)
	}
	if err := h.check(c, w, trailed); err != nil {
		return nil, errors.Join(err, s.drop(ctx, c))
	}
	return c, nil
}

// take reads a few bytes, and stages a blob if more come.
func (s *Service) take(ctx context.Context, c *content, r io.Reader) error {
	buf := smallBuffers.Get().(*[inlineMax + 1]byte)
	defer smallBuffers.Put(buf)
	n, err := io.ReadFull(r, buf[:])
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) && endOf(r):
		c.inline, c.size = bytes.Clone(buf[:n]), int64(n)
		return nil
	case err != nil:
		return err
	}
	c.blob, c.size, err = s.Blobs.Stage(ctx, io.MultiReader(bytes.NewReader(buf[:]), r), putMax)
	return err
}

// endOf tells the end of a body from one that was cut off, which io.ReadFull reports
// alike.
func endOf(r io.Reader) bool {
	n, err := r.Read(make([]byte, 1))
	return n == 0 && err == io.EOF
}

// drop removes what no record came to name.
func (s *Service) drop(ctx context.Context, c *content) error {
	if c.blob == "" {
		return nil
	}
	return s.Blobs.Delete(context.WithoutCancel(ctx), c.blob)
}

// keep says that a record names the content. If that fails the record stands: the blob
// is kept with the next start.
func (s *Service) keep(ctx context.Context, blobs ...string) {
	for _, b := range blobs {
		if b == "" {
			continue
		}
		if err := s.Blobs.Keep(context.WithoutCancel(ctx), b); err != nil {
			s.Logger.Warn("a blob was not moved to its place; the next start will", "blob", b, "error", err)
		}
	}
}

// bodyError is the API's error for a body that could not be taken.
func bodyError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return aws.Errorf(400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header").Because(err)
	case errors.Is(err, blob.ErrTooLarge):
		return errTooLarge(putMax + 1)
	}
	return err
}

func errTooLarge(size int64) error {
	return aws.Errorf(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size").With(&struct {
		ProposedSize, MaxSizeAllowed int64
	}{size, putMax})
}

// etag is a content's, as AWS makes it of what it does not encrypt with keys.
func (c *content) etag() string { return hex.EncodeToString(c.md5) }
