//go:build !linux

package image

import (
	"io/fs"
	"path/filepath"
)

// syncAll brings all below dir to the disk.
func syncAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() && !d.IsDir() {
			return err
		}
		return syncFolder(path)
	})
}
