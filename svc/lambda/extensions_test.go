package lambda

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tule-cloud/tule/sandbox"
)

// laid makes a folder with empty files.
func laid(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Files of layers' extensions folders are extensions, folders in there are not.
func TestExternalExtensions(t *testing.T) {
	got := externalExtensions([]string{laid(t, "extensions/b", "extensions/lib/x"), laid(t, "nodejs/a"), laid(t, "extensions/b", "extensions/a")})
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
	if got := externalExtensions(nil); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestEntry(t *testing.T) {
	code, empty, layer := laid(t, "bootstrap"), laid(t), laid(t, "bootstrap")
	for _, c := range []struct {
		runtime, handler, code string
		layers                 []string
		plain                  bool
		want                   string
	}{
		{"provided.al2023", "h", code, []string{layer}, false, "/var/task/bootstrap"},
		{"provided.al2023", "h", empty, []string{layer}, false, "/opt/bootstrap"},
		{"provided", "h", empty, nil, false, "/var/task/bootstrap"},
		{"provided.al2", "h", code, nil, true, code + "/bootstrap"},
		{"go1.x", "main", code, nil, false, "/var/task/main"},
		{"go1.x", "bin/../../../main", code, nil, true, code + "/main"},
		{"nodejs22.x", "index.handler", code, nil, false, ""},
	} {
		e := &environment{version: &version{}, layers: c.layers}
		e.version.Runtime, e.version.Handler = c.runtime, c.handler
		if got := e.entry(c.code, c.plain); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.runtime, c.handler, got, c.want)
		}
	}
}

func TestEnded(t *testing.T) {
	if got := ended(sandbox.Exit{Signal: 9, OOMKills: 1}); got.Signal != "killed" || !got.OutOfMemory {
		t.Errorf("got %+v", got)
	}
	if got := ended(sandbox.Exit{Code: 3}); got.Code != 3 || got.Signal != "" || got.OutOfMemory {
		t.Errorf("got %+v", got)
	}
}
