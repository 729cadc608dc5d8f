package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// Limits on what is unpacked. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxUnpacked = 10 << 30  // bytes of all files
	maxEntries  = 1_000_000 // of all layers
)

// Unpack writes the image's files below dir, which is there and empty: layer upon layer, with
// what a layer takes away. All of it is its writer's own, whoever the image says; what others may
// do is as the image says, without set-user-id. Devices, fifos and sockets are left out.
func (i *Image) Unpack(ctx context.Context, dir string) error {
	return i.unpack(ctx, dir, maxUnpacked)
}

func (i *Image) unpack(ctx context.Context, dir string, most int64) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := unpacker{root: root, left: most, entries: maxEntries}
	for n, l := range i.layers {
		if err := u.layer(ctx, l); err != nil {
			return fmt.Errorf("layer %d: %w", n+1, err)
		}
	}
	return nil
}

// An unpacker writes below its root, which it cannot leave.
type unpacker struct {
	root    *os.Root
	left    int64           // bytes that may still be written
	entries int             // that may still come
	made    map[string]bool // by the layer at hand, by where they really lie
}

func (u *unpacker) layer(ctx context.Context, l layer) error {
	in, err := l.open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	defer in.Close()
	sum := sha256.New()
	// A little more than what may be written is read: names, and what is left out.
	all := &bounded{r: ending{ctx, in}, left: 2*u.left + 1<<30}
	stream := io.TeeReader(all, sum)
	u.made = map[string]bool{}
	if err := u.apply(tar.NewReader(stream)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return damaged(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != l.sum {
		return bad("its sum is %s, not %s", got, l.sum)
	}
	return nil
}

func (u *unpacker) apply(in *tar.Reader) error {
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return damaged(err)
		}
		if u.entries--; u.entries < 0 {
			return fmt.Errorf("%w: more than %d files", ErrTooLarge, maxEntries)
		}
		if err := u.entry(h, in); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
	}
}

// Names that take away: one file or folder, and all that a folder had. OCI image-spec, layer.md.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

func (u *unpacker) entry(h *tar.Header, in io.Reader) error {
	name, err := clean(h.Name)
	if err != nil || name == "." {
		return err // what the root itself is like is not the image's to say
	}
	parent, err := really(u.root, path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	if base == opaque {
		return u.clear(parent)
	}
	if gone, ok := strings.CutPrefix(base, whiteout); ok {
		return u.takeAway(path.Join(parent, gone))
	}
	if err := u.parents(parent); err != nil {
		return err
	}
	return u.write(path.Join(parent, base), h, in)
}

// write makes what an entry says at name, whose folder is there.
func (u *unpacker) write(name string, h *tar.Header, in io.Reader) error {
	mode := fs.FileMode(h.Mode).Perm()
	if h.Typeflag == tar.TypeDir {
		return u.folder(name, mode)
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeSymlink, tar.TypeLink:
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return unwritable(u.root.RemoveAll(name)) // it takes the place of what was there
	default:
		return nil
	}
	var target string // found first: it may be what is replaced
	if h.Typeflag == tar.TypeLink {
		var err error
		if target, err = u.target(h.Linkname); err != nil || target == name {
			return err
		}
	}
	if err := u.root.RemoveAll(name); err != nil {
		return unwritable(err)
	}
	u.made[name] = true
	switch h.Typeflag {
	case tar.TypeSymlink:
		if h.Linkname == "" || strings.ContainsRune(h.Linkname, 0) {
			return bad("a link leads to %q", h.Linkname)
		}
		return unwritable(u.root.Symlink(h.Linkname, name))
	case tar.TypeLink:
		return unwritable(u.root.Link(target, name))
	}
	return u.file(name, mode, in)
}

// target is what a hard link is to be another name of: a file of the image.
func (u *unpacker) target(to string) (string, error) {
	to, err := clean(to)
	if err != nil {
		return "", err
	}
	dir, err := really(u.root, path.Dir(to))
	if err != nil {
		return "", err
	}
	target := path.Join(dir, path.Base(to))
	st, err := u.root.Lstat(target)
	if err != nil {
		return "", unwritable(err)
	}
	if st.IsDir() {
		return "", bad("a hard link to the folder %q", to)
	}
	return target, nil
}

func (u *unpacker) file(name string, mode fs.FileMode, in io.Reader) error {
	out, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return unwritable(err)
	}
	n, err := io.Copy(onlyWriter{out}, io.LimitReader(in, u.left+1))
	u.left -= n
	if u.left < 0 {
		err = fmt.Errorf("%w: more than AWS's 10 GB", ErrTooLarge)
	} else if err != nil && !full(err) {
		err = damaged(err)
	}
	if err == nil {
		err = out.Chmod(mode)
	}
	return errors.Join(err, out.Close())
}

// folder makes a folder, or gives one that is there another mode. Its writer can always clear it.
func (u *unpacker) folder(name string, mode fs.FileMode) error {
	st, err := u.root.Lstat(name)
	if err == nil && !st.IsDir() {
		if err := u.root.RemoveAll(name); err != nil {
			return unwritable(err)
		}
		err = fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = u.root.Mkdir(name, 0o700)
	}
	if err != nil {
		return unwritable(err)
	}
	u.made[name] = true
	return unwritable(u.root.Chmod(name, mode|0o700))
}

// parents makes the folders down to name that are missing.
func (u *unpacker) parents(name string) error {
	if name == "." {
		return nil
	}
	st, err := u.root.Lstat(name)
	if err == nil && st.IsDir() {
		return nil
	}
	if err == nil {
		return bad("%q is a file, and a folder", name)
	}
	if err := u.parents(path.Dir(name)); err != nil {
		return err
	}
	return u.folder(name, 0o755)
}

// takeAway removes what lower layers have at name; what this one has made stays.
func (u *unpacker) takeAway(name string) error {
	if name == "." || u.made[name] {
		return nil
	}
	return unwritable(u.root.RemoveAll(name))
}

// clear takes away all that lower layers have in a folder.
func (u *unpacker) clear(dir string) error {
	d, err := u.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return unwritable(err)
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return unwritable(err)
	}
	for _, name := range names {
		at := path.Join(dir, name)
		if !u.made[at] {
			err = errors.Join(err, u.root.RemoveAll(at))
			continue
		}
		if st, lerr := u.root.Lstat(at); lerr == nil && st.IsDir() {
			err = errors.Join(err, u.clear(at))
		}
	}
	return unwritable(err)
}

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// really is where a folder lies when the image is somebody's root: symbolic links on the way are
// followed within it, and lead no higher. What is missing of it is as named.
func really(root *os.Root, name string) (string, error) {
	left := strings.Split(name, "/")
	at, links := ".", 0
	for len(left) > 0 {
		part := left[0]
		left = left[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at) // of "." it is "."
			continue
		}
		next := path.Join(at, part)
		st, err := root.Lstat(next)
		if err != nil || st.Mode()&fs.ModeSymlink == 0 {
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", unwritable(err)
			}
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", bad("too many links")
		}
		to, err := root.Readlink(next)
		if err != nil {
			return "", unwritable(err)
		}
		if strings.HasPrefix(to, "/") {
			at = "."
		}
		left = append(strings.Split(to, "/"), left...)
		if len(left) > maxReference {
			return "", bad("a path is too long")
		}
	}
	return at, nil
}

// clean is a name as a path from the root, whatever it climbs.
func clean(name string) (string, error) {
	if strings.ContainsRune(name, 0) || len(name) > maxReference {
		return "", bad("a name of %d bytes", len(name))
	}
	name = path.Clean("/" + name)[1:]
	if name == "" {
		name = "."
	}
	return name, nil
}

// onlyWriter hides a file's ReadFrom, which has its own buffer.
type onlyWriter struct{ io.Writer }

// ending is a reader until its context ends.
type ending struct {
	ctx context.Context
	r   io.Reader
}

func (e ending) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(p)
}

// bounded is a reader of so much, and an error for what is more.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EIO)
}

// damaged says that a stream is none of a layer, unless it is somebody else's fault.
func damaged(err error) error {
	if errors.Is(err, ErrTooLarge) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

// unwritable tells what an image asks for that no file system has from a failure of the disk.
func unwritable(err error) error {
	if err == nil || full(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}
