package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/tule-cloud/tule/sandbox/plan"
)

// TestLayout prints the plans that specs become, on a host made up by the script:
//
//	host [rootless] [landlock=<version>] [nproc] [apart]    its input: lines "dir PATH", "link PATH TARGET", "file PATH"
//	common                                          the first half of every plan
//	own                                             the second half; its input: lines "field value…"
func TestLayout(t *testing.T) {
	datadriven.Walk(t, "testdata/layout", func(t *testing.T, path string) {
		var l layout
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "host":
				l = madeUp(t, d)
				return ""
			case "common":
				return printed(l.common())
			case "own":
				s := parseSpec(t, d)
				if err := s.complete(); err != nil {
					return "error: " + err.Error() + "\n"
				}
				return printed(l.own(s, l.user(s, 7)))
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

func printed(ops []plan.Op) string {
	var b strings.Builder
	for _, o := range ops {
		if o.Kind == plan.Rebind && strings.HasPrefix(o.B, "/proc/") {
			continue // which of them there are is the kernel's affair
		}
		b.WriteString(o.String() + "\n")
	}
	return b.String()
}

func madeUp(t *testing.T, d *datadriven.TestData) layout {
	l := layout{root: "/data/root", filter: []byte("12345678\x00"), rootless: d.HasArg("rootless"), nproc: d.HasArg("nproc"), apart: d.HasArg("apart")}
	if d.HasArg("landlock") {
		d.ScanArgs(t, "landlock", &l.landlock)
	}
	top := t.TempDir()
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		p := filepath.Join(top, f[1])
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		switch {
		case err != nil:
		case f[0] == "dir":
			err = os.MkdirAll(p, 0o755)
		case f[0] == "link":
			err = os.Symlink(f[2], p)
		default:
			err = os.WriteFile(p, nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	l.findRuntime(top)
	return l
}

func parseSpec(t *testing.T, d *datadriven.TestData) Spec {
	s := Spec{ID: "f", Argv: []string{"/bin/x"}}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		switch f[0] {
		case "id":
			s.ID = f[1]
		case "argv":
			s.Argv = f[1:]
		case "env":
			s.Env = f[1:]
		case "dir":
			s.Dir = f[1]
		case "code":
			s.Code = f[1]
		case "root":
			s.Root = f[1]
		case "layers":
			s.Layers = f[1:]
		case "mount":
			s.Mounts = append(s.Mounts, Mount{Host: f[1], Inside: f[2], Writable: len(f) > 3})
		case "file":
			s.Files = append(s.Files, File{Path: f[1], Content: []byte(strings.Join(f[2:], " "))})
		case "egress":
			s.Egress = EgressNAT
		case "tmp":
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			s.TmpSize = n
		default:
			t.Fatalf("%s: unknown field %q", d.Pos, f[0])
		}
	}
	return s
}

func TestUsersApart(t *testing.T) {
	for uidMap, want := range map[string]bool{
		"         0          0 4294967295\n": true,
		"0 100000 65536\n":                   false,
		"0 1000 1\n1 100000 2000000000\n":    true,
		"0 0 1879048193\n":                   false,
		"":                                   false,
		"x y z\n":                            false,
	} {
		if got := usersApart(uidMap); got != want {
			t.Errorf("%q: %t", uidMap, got)
		}
	}
}
