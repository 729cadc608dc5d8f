package s3

import (
	"context"
	"crypto/cipher"
	"errors"
	"io"
	"sync"

	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/store"
)

// pins are the blobs that are being read one after the other. They are not removed
// meanwhile: nobody has them open yet.
type pins struct {
	mu    sync.Mutex
	count map[string]int
}

func (p *pins) add(all []numbered, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == nil {
		p.count = map[string]int{}
	}
	for _, one := range all {
		if p.count[one.Blob] += n; p.count[one.Blob] == 0 {
			delete(p.count, one.Blob)
		}
	}
}

func (p *pins) has(blob string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count[blob] > 0
}

// openPieces opens a span of an object that has parts.
func (s *Service) openPieces(ctx context.Context, f *found, k *customerKey, p span) (io.ReadCloser, error) {
	r := &pieceReader{ctx: ctx, s: s, key: k, left: p.length}
	for i, one := range f.pieces {
		if p.from < one.Size {
			r.pieces, r.offset = f.pieces[i:], p.from
			break
		}
		p.from -= one.Size
	}
	s.pins.add(r.pieces, 1)
	// If the object is there still, so are its blobs, and stay.
	err := s.Store.View(ctx, func(tx store.Reader) error {
		there, err := pieces.Has(ctx, tx, f.bucket.scope(), f.bucket.ID, f.ID, r.pieces[0].number)
		if err == nil && !there {
			err = blob.ErrNotFound
		}
		return err
	})
	r.pinned = r.pieces
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// A pieceReader reads parts one after the other.
type pieceReader struct {
	ctx    context.Context
	s      *Service
	key    *customerKey
	pieces []numbered // to come
	pinned []numbered
	offset int64 // in the first of them
	left   int64
	open   io.ReadCloser
}

// next opens the next part. io.EOF follows the last.
func (r *pieceReader) next() (err error) {
	for r.open == nil {
		if r.left == 0 {
			return io.EOF
		}
		if len(r.pieces) == 0 {
			return io.ErrUnexpectedEOF
		}
		one, from := r.pieces[0], r.offset
		r.pieces, r.offset = r.pieces[1:], 0
		length := min(one.Size-from, r.left)
		if length == 0 {
			continue
		}
		if r.open, err = r.s.Blobs.Open(r.ctx, one.Blob, from, length); err != nil {
			return err
		}
		r.left -= length
		if r.open, err = decrypted(r.open, r.key, one.IV, from); err != nil {
			return err
		}
	}
	return nil
}

func (r *pieceReader) end() error {
	err := r.open.Close()
	r.open = nil
	return err
}

// Read implements io.Reader.
func (r *pieceReader) Read(p []byte) (int, error) {
	for {
		if err := r.next(); err != nil {
			return 0, err
		}
		n, err := r.open.Read(p)
		if err == io.EOF {
			err = r.end()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// WriteTo implements io.WriterTo.
func (r *pieceReader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if err := r.next(); err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, err
		}
		n, err := io.Copy(w, r.open)
		total += n
		if err := errors.Join(err, r.end()); err != nil {
			return total, err
		}
	}
}

// Close implements io.Closer.
func (r *pieceReader) Close() error {
	r.s.pins.add(r.pinned, -1)
	r.pinned, r.pieces, r.left = nil, nil, 0
	if r.open == nil {
		return nil
	}
	return r.end()
}

// decrypted makes plain bytes of those from offset on, if a key encrypted them.
func decrypted(r io.ReadCloser, k *customerKey, iv string, offset int64) (io.ReadCloser, error) {
	if k == nil {
		return r, nil
	}
	stream, err := k.stream(iv, offset)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{&cipher.StreamReader{S: stream, R: r}, r}, nil
}
