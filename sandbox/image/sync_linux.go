package image

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncAll brings all below dir to the disk, with whatever else of its file system is on its way:
// an image has too many files to wait for each.
func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}
