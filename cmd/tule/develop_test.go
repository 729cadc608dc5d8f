package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
)

// folders are one that everybody may read and one that only its owner may, with a folder
// in it that says otherwise.
func folders(t *testing.T) (open, closed string) {
	t.Helper()
	dir := t.TempDir()
	open, closed = filepath.Join(dir, "open"), filepath.Join(dir, "closed")
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o711, dir: 0o711, open: 0o755, closed: 0o700, closed + "/in": 0o755} {
		if err := os.MkdirAll(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return open, closed
}

func TestClosedTo(t *testing.T) {
	open, closed := folders(t)
	for folder, want := range map[string]string{open: "", open + "/none": "", closed: closed, closed + "/in": closed, closed + "/none": closed,
		filepath.Dir(open): filepath.Dir(open), "/": ""} {
		if got := closedTo(folder); got != want {
			t.Errorf("%s is closed by %q, want %q", folder, got, want)
		}
	}
}

func TestMayBeHot(t *testing.T) {
	open, shut := folders(t)
	data := t.TempDir()
	everybody, named := house{settings: settings{data: data, listen: []string{"127.0.0.1:0"}}}, house{settings: settings{data: data, listen: []string{"0.0.0.0:0"}}}
	outside := named
	named.hotFolders = []string{shut}
	for _, c := range []struct {
		house  *house
		folder string
		want   string
	}{
		{&everybody, open, ""},
		{&everybody, shut, "not everybody"},
		{&everybody, data, "no function is to see"},
		{&everybody, data + "/store", "no function is to see"},
		{&everybody, "/", "no function is to see"},
		{&everybody, "/proc/1", "no function is to see"},
		{&named, shut, ""},
		{&named, shut + "/in", ""},
		{&named, shut + "-not", "none of the folders"},
		{&named, open, "none of the folders"},
		{&outside, open, "not named"},
	} {
		err := c.house.mayBeHot(c.folder)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.folder, err, c.want)
		}
	}
}

func TestMayNameFolders(t *testing.T) {
	as := func(kind aws.PrincipalKind) context.Context {
		return aws.WithRequest(context.Background(), &aws.Request{Caller: aws.Caller{Kind: kind}})
	}
	local, wide := house{settings: settings{listen: []string{"127.0.0.1:0"}}}, house{settings: settings{listen: []string{"0.0.0.0:0"}}}
	if err := local.mayNameFolders(as(aws.Root)); err != nil {
		t.Error(err)
	}
	if local.mayNameFolders(as(aws.AssumedRole)) == nil || wide.mayNameFolders(as(aws.Root)) == nil {
		t.Error("others may name folders")
	}
	wide.hotFolders = []string{"/srv"}
	if err := wide.mayNameFolders(as(aws.AssumedRole)); err != nil {
		t.Error(err)
	}
}

func TestDevelopingSettings(t *testing.T) {
	dir := t.TempDir()
	s, _, err := given(t, map[string]string{"BUCKET_MARKER_LOCAL": "__local__", "TULE_DEBUG_PORT": "9229"}, "--hot-reload", dir)
	if err != nil || s.hotBucket != "__local__" || s.debugPort != 9229 || s.hotFolders[0] != dir {
		t.Errorf("%+v, %v", s.developing, err)
	}
	for text, args := range map[string][]string{
		"has no end":           {"--hot-reload-ignore", "a["},
		"there is no such":     {"--hot-reload", filepath.Join(dir, "none")},
		"give a port such as":  {"--debug-port", "70000"},
		"there is no such fol": {"--hot-reload", os.Args[0]},
	} {
		if _, _, err := given(t, nil, args...); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// A port that is taken is said at the start, and one that is free is closed at the end.
func TestDebugger(t *testing.T) {
	h := house{log: slog.New(slog.DiscardHandler)}
	if l, err := h.debugger(); l != nil || err != nil {
		t.Errorf("without a port: %v, %v", l, err)
	}
	h.debugPort = 1 // which is free wherever tests run as root, and forbidden elsewhere
	l, err := h.debugger()
	if err != nil {
		t.Skip(err)
	}
	other := house{log: h.log, settings: settings{developing: developing{debugPort: 1}}}
	if _, err := other.debugger(); err == nil || !strings.Contains(err.Error(), "Choose another port") {
		t.Errorf("a port that is taken: %v", err)
	}
	l.Close()
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}
