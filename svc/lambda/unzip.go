package lambda

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// maxEntries is how many files and folders a zip may have. AWS tells no limit; this
// one keeps what a small zip can cost within bounds.
const maxEntries = 100_000

var (
	errBadZip   = errors.New("lambda: the zip cannot be unpacked")
	errTooLarge = errors.New("lambda: the zip is too large when unpacked")
)

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errBadZip, fmt.Sprintf(format, args...))
}

// unzip unpacks a zip into the folder dir, which is there and empty. What is in it
// can do no harm: nothing is written outside of dir, and no more than maxUnzipped
// bytes and maxEntries entries. All of it is made readable, and nothing writable, to
// others; executable files stay so.
func unzip(dir string, r io.ReaderAt, size int64) error {
	p, err := open(r, size)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := unpacker{root: root, left: maxUnzipped, made: map[string]bool{".": true}}
	for _, f := range p {
		if err := u.entry(f); err != nil {
			return fmt.Errorf("%q: %w", f.name, err)
		}
	}
	return nil
}

// open reads what a zip says that it has, and refuses one that must not be unpacked.
func open(r io.ReaderAt, size int64) ([]planned, error) {
	if err := countEntries(r, size); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, bad("%v", err)
	}
	return plan(z.File)
}

// unzippedSize is how many bytes a zip has when it is unpacked, which unzip holds it to.
func unzippedSize(r io.ReaderAt, size int64) (int64, error) {
	files, err := open(r, size)
	var sum int64
	for _, f := range files {
		sum += int64(f.UncompressedSize64) // no more than maxUnzipped, all together
	}
	return sum, err
}

// countEntries bounds the entries before a reader makes something of each: it counts
// their signatures.
func countEntries(r io.ReaderAt, size int64) error {
	signature := []byte("PK\x01\x02")
	buf := make([]byte, 1<<20)
	n := 0
	for at := int64(0); at < size; at += int64(len(buf)) - 3 {
		got, err := r.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n += bytes.Count(buf[:got], signature); n > maxEntries {
			return bad("more than %d entries", maxEntries)
		}
	}
	return nil
}

// planned is an entry with the clean form of its name.
type planned struct {
	*zip.File
	name string
}

// plan checks the names and kinds of all entries before any is unpacked. Of two
// files of one name the later one counts.
func plan(files []*zip.File) ([]planned, error) {
	var total uint64
	folders, others := map[string]bool{}, map[string]int{}
	var out []planned
	for _, f := range files {
		name, err := cleanName(f.Name)
		if err != nil {
			return nil, err
		}
		if f.Flags&1 != 0 {
			return nil, bad("%q is encrypted", f.Name)
		}
		if total += f.UncompressedSize64; total > maxUnzipped || f.UncompressedSize64 > maxUnzipped {
			return nil, errTooLarge
		}
		mode := f.Mode()
		switch {
		case mode.IsDir():
			folders[name] = true
		case mode.IsRegular() || mode&fs.ModeSymlink != 0:
			if name == "." {
				return nil, bad("a file without a name")
			}
			if i, twice := others[name]; twice {
				out[i].File = f
				continue
			}
			others[name] = len(out)
		default:
			return nil, bad("%q is neither file nor folder nor link", f.Name)
		}
		for p := path.Dir(name); p != "."; p = path.Dir(p) {
			folders[p] = true
		}
		out = append(out, planned{f, name})
	}
	for name := range others {
		if folders[name] {
			return nil, bad("%q is a folder and something else too", name)
		}
	}
	return out, nil
}

// cleanName refuses names that leave the folder.
func cleanName(name string) (string, error) {
	if name == "" || strings.HasPrefix(name, "/") || strings.ContainsRune(name, 0) || len(name) > 4096 {
		return "", bad("an entry's name is %q", name)
	}
	for _, part := range strings.Split(name, "/") {
		if part == ".." || len(part) > 255 {
			return "", bad("an entry's name is %q", name)
		}
	}
	return path.Clean(name), nil
}

// An unpacker writes entries below its root, which they cannot leave.
type unpacker struct {
	root *os.Root
	left int64 // bytes that may still be written
	made map[string]bool
}

func (u *unpacker) entry(f planned) error {
	mode := f.Mode()
	if mode.IsDir() {
		return u.folder(f.name)
	}
	if err := u.folder(path.Dir(f.name)); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return bad("%v", err)
	}
	defer in.Close()
	if mode&fs.ModeSymlink != 0 {
		return u.link(f.name, in)
	}
	return u.file(f.name, mode, in)
}

func (u *unpacker) folder(name string) error {
	if u.made[name] {
		return nil
	}
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	if err := u.root.Mkdir(name, 0o755); err != nil {
		return unwritable(err)
	}
	u.made[name] = true
	return u.root.Chmod(name, 0o755) // whatever the umask
}

// link makes a symbolic link, if it stays inside.
func (u *unpacker) link(name string, in io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(in, 4097))
	if err != nil {
		return bad("%v", err)
	}
	to := string(b)
	end := path.Join(path.Dir(name), to)
	if to == "" || len(to) > 4096 || path.IsAbs(to) || strings.ContainsRune(to, 0) || end == ".." || strings.HasPrefix(end, "../") {
		return bad("a link leads to %q", to)
	}
	return unwritable(u.root.Symlink(to, name))
}

func (u *unpacker) file(name string, mode fs.FileMode, in io.Reader) error {
	out, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return unwritable(err)
	}
	n, err := io.Copy(onlyWriter{out}, io.LimitReader(in, u.left+1))
	u.left -= n
	switch {
	case u.left < 0:
		err = errTooLarge
	case errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF):
		err = bad("%v", err)
	case err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) && !errors.Is(err, syscall.EIO):
		err = bad("%v", err) // what the inflater says
	}
	if err == nil {
		err = out.Chmod(0o644 | mode.Perm()&0o111)
	}
	return errors.Join(err, out.Close())
}

// onlyWriter hides a file's ReadFrom, which has its own buffer.
type onlyWriter struct{ io.Writer }

// unwritable tells a name that this system refuses from a failure of the disk.
func unwritable(err error) error {
	if errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ELOOP) ||
		errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.EILSEQ) {
		return bad("%v", err)
	}
	return err
}
