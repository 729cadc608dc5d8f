package steer

import (
	"errors"
	"os"
	"path/filepath"
)

// createFile puts body at path, whole and on disk or not at all. A file that is
// there already stays, and fs.ErrExist is returned.
func createFile(path string, body []byte, mode os.FileMode) error {
	return placeFile(path, body, mode, os.Link)
}

// replaceFile puts body at path, whole and on disk, in place of what was there.
// Who has the old file open, or mounted, keeps it.
func replaceFile(path string, body []byte, mode os.FileMode) error {
	return placeFile(path, body, mode, os.Rename)
}

func placeFile(path string, body []byte, mode os.FileMode, place func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(body)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
