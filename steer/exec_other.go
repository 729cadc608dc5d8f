//go:build !linux

package steer

import (
	"context"
	"fmt"
)

// MaybeChild does nothing on this system.
func MaybeChild() {}

func run(context.Context, ExecOptions) (int, error) {
	return exitFailed, fmt.Errorf("steer: exec: %w", ErrUnsupported)
}
