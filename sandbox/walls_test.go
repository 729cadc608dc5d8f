//go:build linux

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestWalls runs the scripts of testdata/walls. Their commands start a payload in a sandbox of its
// own and print what it saw:
//
//	run <payload> [memory=<MB>] [pids=<n>] [tmp=<MB>] [args…]
//
// In arguments, DATA is the host's data folder, and OTHER the code of another function.
func TestWalls(t *testing.T) {
	h := openHost(t)
	if h.Features().User || h.Features().Memory == "" {
		t.Skip("the scripts are those of root and a memory cgroup, which are not to be had here: ", h.Features())
	}
	secret := filepath.Join(h.opts.Dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := payload(t, "other", "wait")
	s, err := h.Start(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	places := strings.NewReplacer("DATA", h.opts.Dir, "OTHER", other.Code)
	back := strings.NewReplacer(h.opts.Dir, "DATA", other.Code, "OTHER")
	datadriven.Walk(t, "testdata/walls", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "run" {
				t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			}
			spec := payload(t, "f", d.CmdArgs[0].Key)
			var rest []string
			for _, a := range d.CmdArgs[1:] {
				var n int64
				if len(a.Vals) == 1 {
					_, _ = fmt.Sscan(a.Vals[0], &n)
				}
				switch a.Key {
				case "memory":
					spec.Memory = n << 20
				case "pids":
					spec.Pids = int(n)
				case "tmp":
					spec.TmpSize = n << 20
				default:
					rest = append(rest, places.Replace(a.Key))
				}
			}
			spec.Env = append(spec.Env, "SANDBOX_ARGS="+strings.Join(rest, " "))
			r := run(t, h, spec)
			out := back.Replace(r.out)
			if r.exit != (Exit{}) {
				out += fmt.Sprintf("exit code %d, signal %d, out of memory %t\n", r.exit.Code, r.exit.Signal, r.exit.OOM)
			}
			return out
		})
	})
	select {
	case <-s.Done():
		t.Error("the other sandbox did not live on")
	default:
	}
}
