package kinesis

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/test/tule"
)

// TestOldSDK has aws-sdk 2.2.19 call streams, logs and metrics as there were in its day, with no endpoint but AWS's names.
func TestOldSDK(t *testing.T) {
	libraries := filepath.Join(tule.Root(), ".cache", "messages", "node", "node_modules")
	if _, err := os.Stat(filepath.Join(libraries, "aws-sdk")); err != nil {
		t.Skip("aws-sdk 2.2.19 was not fetched: setup/clients does")
	}
	house, err := tule.Start(tule.Options{})
	try(t, err)
	dir := t.TempDir()
	text, err := os.ReadFile("old.js")
	try(t, errors.Join(err, os.WriteFile(filepath.Join(dir, "old.js"), text, 0o644), os.Symlink(libraries, filepath.Join(dir, "node_modules"))))
	c := exec.CommandContext(t.Context(), tule.Bin(), "exec", "--data", house.Data, "--", "node", filepath.Join(dir, "old.js"), "310000000003")
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s\n%s", err, out, errs.String(), house.Failures())
	}
	want := []string{
		"2.2.19", "2 shards", "shardId-000000000000", "0 failed", "a=00ff0a b=62c3a9", "0", "InvalidArgumentException",
		"[error] 1|fine é|[error] 2", "[error] 1|[error] 2", "true",
		"3 5", "INSUFFICIENT_DATA", "INSERT 0102", "ResourceNotFoundException",
	}
	if got := strings.Split(strings.TrimSpace(string(out)), "\n"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("it said\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	try(t, house.Stop())
}
