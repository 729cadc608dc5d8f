package blob

import (
	"context"
	"io"
)

// A Store keeps blobs for somebody whose records say which are wanted. Package blobtest
// is the contract that a driver must pass.
//
// A blob is staged, then its owner commits the record that names it, then keeps it. What
// was staged is durable, and can be opened, kept or not. A blob that its owner died
// before committing is among Stale after the next start, or among Kept, where a driver
// cannot tell; and so is one that was committed and not kept yet: the owner's records
// tell which it is.
type Store interface {
	// Stage writes all of r, at most limit bytes, and returns when it is durable.
	Stage(ctx context.Context, r io.Reader, limit int64) (name string, size int64, err error)
	// Keep says that a record names the blob. Doing so twice is no error.
	Keep(ctx context.Context, name string) error
	// Open reads length bytes of a blob from offset on; there must be so many.
	Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// Delete removes a blob, kept or not. One that is not there is no error.
	Delete(ctx context.Context, name string) error
	// Stale yields the blobs that were staged before this Store was opened, or a day
	// ago, and may not have been kept.
	Stale(ctx context.Context, yield func(name string) error) error
	// Kept yields, sorted, the names of the blobs that begin with two hex digits and may
	// have been kept. One that was staged since this Store was opened and not kept is not
	// among them.
	Kept(ctx context.Context, prefix string, yield func(name string) error) error
}
