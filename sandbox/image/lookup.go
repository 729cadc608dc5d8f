package image

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A Root is the folder of an unpacked image, seen as its own processes see it: links lead within.
type Root struct{ root *os.Root }

// OpenRoot opens the folder of an unpacked image.
func OpenRoot(dir string) (Root, error) {
	r, err := os.OpenRoot(dir)
	return Root{r}, err
}

// Close lets go of the folder.
func (r Root) Close() error { return r.root.Close() }

// Lookup is the path of a program, as a shell in dir would find it by the variable PATH; the name
// itself if there is none.
func (r Root) Lookup(name, dir, list string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	if strings.Contains(name, "/") {
		return path.Join("/", dir, name)
	}
	for _, at := range filepath.SplitList(list) {
		if !path.IsAbs(at) {
			at = path.Join("/", dir, at)
		}
		if found := path.Join(at, name); r.runs(found) {
			return found
		}
	}
	return name
}

// runs reports whether there is a program at name.
func (r Root) runs(name string) bool {
	at, err := really(r.root, name)
	if err != nil {
		return false
	}
	st, err := r.root.Lstat(at)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// Names are the files of a folder, in order; none if it is not there.
func (r Root) Names(dir string) []string {
	at, err := really(r.root, dir)
	if err != nil {
		return nil
	}
	entries, err := fs.ReadDir(r.root.FS(), at)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}
