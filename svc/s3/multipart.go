package s3

import (
	"context"
	"time"

	"github.com/tule-cloud/tule/store"
)

// An upload is the record of a multipart upload under way. What it becomes is its
// object, but for what the parts decide.
type upload struct {
	Object    object
	Key       string
	Initiator string // account
	Started   time.Time
}

// A piece is a part of an object, uploaded and on disk.
type piece struct {
	Blob     string
	Size     int64
	ETag     string
	Modified time.Time
	Sum      sum
	IV       string
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (p piece) MarshalBinary() ([]byte, error) {
	f := make(fields, 0, 128)
	f.text(1, p.Blob)
	f.int(2, p.Size)
	f.text(3, p.ETag)
	f.time(4, p.Modified)
	f.sum(5, p.Sum)
	f.text(8, p.IV)
	return f, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (p *piece) UnmarshalBinary(b []byte) error {
	return eachField(b, func(n byte, v []byte) error {
		switch n {
		case 1:
			p.Blob = string(v)
		case 2:
			p.Size = readInt(v)
		case 3:
			p.ETag = string(v)
		case 4:
			p.Modified = readTime(v)
		case 5, 6, 7:
			p.Sum.field(n-5, v)
		case 8:
			p.IV = string(v)
		}
		return nil
	})
}

// abortAll ends every upload of a bucket that goes away.
func (s *Service) abortAll(ctx context.Context, tx store.Tx, b *bucket) error {
	for e, err := range uploads.List(ctx, tx, b.scope(), store.ListOptions{Prefix: []any{b.ID}}) {
		if err != nil {
			return err
		}
		if err := s.dropUpload(ctx, tx, b, &e.Record); err != nil {
			return err
		}
	}
	return nil
}

// dropUpload removes an upload and its parts.
func (s *Service) dropUpload(ctx context.Context, tx store.Tx, b *bucket, u *upload) error {
	if err := dropPieces(ctx, tx, b, u.Object.ID, nil); err != nil {
		return err
	}
	return uploads.Delete(tx, b.scope(), b.ID, u.Key, u.Object.ID)
}

// dropPieces removes the parts of an object or upload but for those to keep.
func dropPieces(ctx context.Context, tx store.Tx, b *bucket, id uint64, keep map[int64]bool) error {
	for e, err := range pieces.List(ctx, tx, b.scope(), store.ListOptions{Prefix: []any{b.ID, id}}) {
		if err != nil {
			return err
		}
		if keep[e.Key.Int(2)] {
			continue
		}
		if err := release(ctx, tx, b, e.Record.Blob); err != nil {
			return err
		}
		if err := pieces.Delete(tx, b.scope(), e.Key); err != nil {
			return err
		}
	}
	return nil
}
