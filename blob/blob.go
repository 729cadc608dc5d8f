// Package blob keeps large bytes, each under a name of its own making: function
// code, and whatever else is too large for the store. A blob that Put has named is
// on disk and stays as it is until it is deleted; one whose writing was cut short
// never gets a name. Who refers to a blob is the store's to know.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tule-cloud/tule/aws"
)

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("blob: there is none of that name")
	ErrTooLarge = errors.New("blob: larger than allowed")
	ErrFull     = fmt.Errorf("blob: %w", aws.ErrFull)
)

// partial marks files that are being written.
const partial = ".partial"

// A Dir is a folder of blobs. It is safe for concurrent use.
type Dir struct {
	path   string
	random io.Reader
}

// An Info is what Put learned of what it wrote.
type Info struct {
	Name   string
	Size   int64
	SHA256 [sha256.Size]byte
}

// Open opens the folder, which it makes if need be, and removes what a killed
// predecessor was in the middle of writing.
func Open(path string, random io.Reader) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	left, err := filepath.Glob(filepath.Join(path, "*", "*"+partial))
	if err != nil {
		return nil, err
	}
	for _, p := range left {
		if err := os.Remove(p); err != nil {
			return nil, err
		}
	}
	return &Dir{path, random}, nil
}

// Put writes all of r, at most limit bytes, and returns when it is durable.
func (d *Dir) Put(ctx context.Context, r io.Reader, limit int64) (Info, error) {
	info := Info{Name: aws.RandomID(d.random, aws.Hex, 32)}
	target, err := d.file(info.Name)
	if err != nil {
		return Info{}, err
	}
	folder := filepath.Dir(target)
	if err := d.folder(folder); err != nil {
		return Info{}, full(err)
	}
	f, err := os.OpenFile(target+partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Info{}, full(err)
	}
	if err := info.fill(ctx, f, r, limit); err != nil {
		return Info{}, errors.Join(full(err), f.Close(), os.Remove(target+partial))
	}
	if err := f.Close(); err != nil {
		return Info{}, errors.Join(full(err), os.Remove(target+partial))
	}
	if err := os.Rename(target+partial, target); err != nil {
		return Info{}, full(err)
	}
	return info, syncDir(folder)
}

func (i *Info) fill(ctx context.Context, f *os.File, r io.Reader, limit int64) error {
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(contextReader{ctx, r}, limit+1))
	if err != nil {
		return err
	}
	if n > limit {
		return ErrTooLarge
	}
	i.Size = n
	sum.Sum(i.SHA256[:0])
	return f.Sync()
}

// Get opens a blob for reading.
func (d *Dir) Get(name string) (*os.File, error) {
	p, err := d.file(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	return f, err
}

// Delete removes a blob. One that is not there is no error: a delete that was cut
// short may be repeated.
func (d *Dir) Delete(name string) error {
	p, err := d.file(name)
	if err != nil {
		return err
	}
	if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Names calls yield with each blob's name, so that its owner can delete those that
// nothing refers to.
func (d *Dir) Names(yield func(name string) bool) error {
	folders, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		files, err := os.ReadDir(filepath.Join(d.path, folder.Name()))
		if err != nil {
			return err
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), partial) && !yield(f.Name()) {
				return nil
			}
		}
	}
	return nil
}

// file is where a blob lies. Names come from Put, but also back from records.
func (d *Dir) file(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	return filepath.Join(d.path, name[:2], name), nil
}

// checkName returns an error unless name is of the form that blobs' names have.
func checkName(name string) error {
	if _, err := hex.DecodeString(name); err != nil || len(name) != 32 {
		return fmt.Errorf("blob: %q is no blob's name", name)
	}
	return nil
}

// folder makes a folder that survives.
func (d *Dir) folder(p string) error {
	err := os.Mkdir(p, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(d.path)
}

func syncDir(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
