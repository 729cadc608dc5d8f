//go:build !unix

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

func lockDir(dir string) (*os.File, error) { return os.Open(dir) }

// openProcess refuses: it is written for Unix.
func openProcess(Options) (engine, error) {
	return nil, fmt.Errorf("sandbox: %w: functions do not run on %s", ErrUnavailable, runtime.GOOS)
}

func connect(*os.File, int) error { return errors.ErrUnsupported }
