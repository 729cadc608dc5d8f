//go:build !linux || !(amd64 || arm64)

package sandbox

import (
	"fmt"
	"runtime"
)

// openNamespaces refuses: there are none here.
func openNamespaces(Options) (engine, error) {
	return nil, fmt.Errorf("sandbox: %w: it needs Linux on amd64 or arm64, and this is %s/%s; "+
		"start with --isolation=process to run functions as plain processes", ErrUnavailable, runtime.GOOS, runtime.GOARCH)
}
