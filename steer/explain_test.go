//go:build linux

package steer

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestExplain: a refusal by the system says what a person can do; others stay.
func TestExplain(t *testing.T) {
	want := "as root"
	if os.Geteuid() == 0 {
		want = "CAP_SYS_ADMIN"
	}
	for _, err := range []error{
		explain(fmt.Errorf("fork/exec: %w", unix.EPERM)),
		explainText("separate mounts from the host's: operation not permitted"),
		explainText("put a over b: permission denied"),
	} {
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "tule env") {
			t.Errorf("%v; want %q", err, want)
		}
	}
	if err := explain(unix.EMFILE); !errors.Is(err, unix.EMFILE) || strings.Contains(err.Error(), "tule env") {
		t.Errorf("%v", err)
	}
	if got := explainText("the parent has gone: EOF").Error(); got != "the parent has gone: EOF" {
		t.Error(got)
	}
	if got := explainText("denied").Error(); got != "denied" {
		t.Error(got)
	}
}
