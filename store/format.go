package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatName is a file whose presence says that the folder holds a store, and in
// what format at most. The same number within the store says how far its data has
// been migrated.
const (
	formatName = "STORE"
	formatTemp = "STORE.new"
	formatLine = "tule store, format %d\n"
)

// A Migration changes the data from one format to the next.
type Migration func(ctx context.Context, st Store) error

// readFormat returns the format that a folder says it has, zero if it says nothing.
func readFormat(fs vfs.FS, dir string) (int, error) {
	text, err := readFile(fs, fs.PathJoin(dir, formatName))
	if isMissing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := 0
	if _, err := fmt.Sscanf(text, formatLine, &n); err != nil || n < 1 || text != fmt.Sprintf(formatLine, n) {
		return 0, fmt.Errorf("%w: %s is not readable", ErrDamaged, formatName)
	}
	return n, nil
}

// writeFormat says what format the folder has.
func (p *Pebble) writeFormat(dir string, n int) error {
	fs := p.disk
	if err := writeFile(fs, fs.PathJoin(dir, formatTemp), fmt.Sprintf(formatLine, n), true); err != nil {
		return err
	}
	if err := fs.Rename(fs.PathJoin(dir, formatTemp), fs.PathJoin(dir, formatName)); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

var formatKey = []byte{spaceSystem, 'f'}

// migrate brings the data to the newest format. The folder's format is raised
// before a step and the data's after it, so that no older program touches what a
// step has begun, and an interrupted step runs again.
func (p *Pebble) migrate(dir string, folder int, steps []Migration) error {
	if folder == 0 {
		return p.writeFormat(dir, 1+len(steps))
	}
	data, err := p.dataFormat(folder)
	if err != nil {
		return err
	}
	for ; data <= len(steps); data++ {
		if folder <= data {
			folder = data + 1
			if err := p.setDataFormat(data); err != nil {
				return err
			}
			if err := p.writeFormat(dir, folder); err != nil {
				return err
			}
		}
		if err := steps[data-1](context.Background(), p); err != nil {
			return fmt.Errorf("migrate the data from format %d: %w", data, err)
		}
		if err := p.setDataFormat(data + 1); err != nil {
			return err
		}
	}
	return nil
}

// dataFormat returns the format of the data. If the data does not say, it is the
// one that the folder was made with.
func (p *Pebble) dataFormat(folder int) (int, error) {
	v, closer, err := p.db.Get(formatKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return folder, nil
	}
	if err != nil {
		return 0, readError(err)
	}
	n := 0
	if len(v) == 1 {
		n = int(v[0])
	}
	if err := closer.Close(); err != nil {
		return 0, err
	}
	if n < 1 || n > folder {
		return 0, fmt.Errorf("%w: the data's format %d is not the folder's %d", ErrDamaged, n, folder)
	}
	return n, nil
}

func (p *Pebble) setDataFormat(n int) error {
	return p.db.Set(formatKey, []byte{byte(n)}, pebble.Sync)
}
