package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// A Folder is a Store in a folder of the file system: a file per blob, which lies among
// the staged ones until it is kept. One that is being written lies there, too, under the
// name that nobody knows before it is whole: if its process dies, it is stale.
type Folder struct {
	path   string
	random io.Reader
	stale  []string
}

var _ Store = (*Folder)(nil)

// staged is the folder of blobs that were not kept yet. No blob's name begins so.
const staged = "staged"

// OpenFolder opens the folder, which it makes if need be. What predecessors left among the
// staged is stale.
func OpenFolder(path string, random io.Reader) (*Folder, error) {
	f := &Folder{path: path, random: random}
	if err := os.MkdirAll(f.in(staged), 0o700); err != nil {
		return nil, err
	}
	for i := range 256 {
		if err := os.Mkdir(f.in(fmt.Sprintf("%02x", i)), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	files, err := os.ReadDir(f.in(staged))
	if err != nil {
		return nil, err
	}
	for _, e := range files {
		if checkName(e.Name()) == nil {
			f.stale = append(f.stale, e.Name())
			continue
		}
		if err := os.Remove(f.in(staged, e.Name())); err != nil {
			return nil, err
		}
	}
	return f, syncDir(path)
}

func (f *Folder) in(parts ...string) string {
	return filepath.Join(append([]string{f.path}, parts...)...)
}

// Stage implements Store.
func (f *Folder) Stage(ctx context.Context, r io.Reader, limit int64) (string, int64, error) {
	name := aws.RandomID(f.random, aws.Hex, 32)
	target := f.in(staged, name)
	file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", 0, full(err)
	}
	n, err := write(ctx, file, r, limit)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		// What the sync of the file has put into the file system's log is not written
		// again: the name came before it, and nothing was renamed since.
		err = syncDir(f.in(staged))
	}
	if err != nil {
		return "", 0, errors.Join(full(err), removed(target))
	}
	return name, n, nil
}

func write(ctx context.Context, file *os.File, r io.Reader, limit int64) (int64, error) {
	to := &paced{ctx: ctx, file: file, limit: limit}
	if _, err := io.Copy(to, r); err != nil {
		return to.size, err
	}
	return to.size, file.Sync()
}

// pace is after how many bytes the disk begins to write.
const pace = 8 << 20

// A paced writer writes at most limit bytes, and has the disk write the first while the
// last are yet to come.
type paced struct {
	ctx               context.Context
	file              *os.File
	limit, size, sent int64
}

// Write implements io.Writer.
func (p *paced) Write(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	if p.size+int64(len(b)) > p.limit {
		return 0, ErrTooLarge
	}
	n, err := p.file.Write(b)
	p.size += int64(n)
	if p.size-p.sent >= pace {
		ahead(p.file, p.sent, p.size-p.sent)
		p.sent = p.size
	}
	return n, err
}

// Keep implements Store. The move need not be durable: where a predecessor's was lost,
// the blob is stale, and kept again.
func (f *Folder) Keep(_ context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	err := os.Rename(f.in(staged, name), f.in(name[:2], name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Open implements Store.
func (f *Folder) Open(_ context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	file, err := f.open(name)
	if err != nil {
		return nil, err
	}
	if offset > 0 {
		if _, err := file.Seek(offset, io.SeekStart); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return &Section{io.LimitedReader{R: file, N: length}, file}, nil
}

// open looks where the blob is, and where it may have been moved meanwhile.
func (f *Folder) open(name string) (*os.File, error) {
	for _, p := range []string{f.in(name[:2], name), f.in(staged, name), f.in(name[:2], name)} {
		file, err := os.Open(p)
		if !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return nil, ErrNotFound
}

// A Section reads a part of a file. Where it is written to a connection, the system can
// do that alone.
type Section struct {
	io.LimitedReader
	file *os.File
}

// Close implements io.Closer.
func (s *Section) Close() error { return s.file.Close() }

// WriteTo implements io.WriterTo.
func (s *Section) WriteTo(w io.Writer) (int64, error) {
	if to, ok := w.(io.ReaderFrom); ok {
		return to.ReadFrom(&s.LimitedReader)
	}
	return io.Copy(w, &s.LimitedReader)
}

// Delete implements Store.
func (f *Folder) Delete(_ context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return errors.Join(removed(f.in(staged, name)), removed(f.in(name[:2], name)))
}

func removed(p string) error {
	if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Stale implements Store.
func (f *Folder) Stale(_ context.Context, yield func(string) error) error {
	for _, name := range f.stale {
		if err := yield(name); err != nil {
			return err
		}
	}
	return nil
}

// Kept implements Store.
func (f *Folder) Kept(_ context.Context, prefix string, yield func(string) error) error {
	files, err := os.ReadDir(f.in(prefix))
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range files {
		if checkName(e.Name()) != nil {
			continue
		}
		if err := yield(e.Name()); err != nil {
			return err
		}
	}
	return nil
}
