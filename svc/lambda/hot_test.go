package lambda

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

func TestHotPrint(t *testing.T) {
	h := HotReload{Ignore: []string{"*.log", "dist/*", "tmp"}}
	dir := t.TempDir()
	print := func() string {
		t.Helper()
		p, err := h.print(dir)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("index.js", "1")
	was := print()
	for name, counts := range map[string]bool{"lib/a.js": true, "a.log": false, "lib/b.log": false, "dist/x": false, "lib/dist/x": true,
		"tmp/deep/er": false, "lib/tmp/x": false, "index.js": true} {
		write(name, "longer")
		now := print()
		if (now != was) != counts {
			t.Errorf("a change of %s counts: %t", name, now != was)
		}
		was = now
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "index.js"), later, later); err != nil {
		t.Fatal(err)
	}
	if print() == was {
		t.Error("a file of the same size is the same file")
	}
	was = print()
	if err := os.Remove(filepath.Join(dir, "lib", "a.js")); err != nil {
		t.Fatal(err)
	}
	if print() == was {
		t.Error("a file that is gone is not missed")
	}
	was = print()
	if err := os.Symlink("/etc", filepath.Join(dir, "etc")); err != nil {
		t.Fatal(err)
	}
	if print() == was {
		t.Error("a link does not count")
	}
}

func BenchmarkHotPrint10000(b *testing.B) {
	dir := b.TempDir()
	for i := range 100 {
		sub := filepath.Join(dir, strconv.Itoa(i))
		if err := os.Mkdir(sub, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range 100 {
			if err := os.WriteFile(filepath.Join(sub, strconv.Itoa(j)), nil, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	h := HotReload{Ignore: []string{".git", "*.pyc", "node_modules/.cache"}}
	for b.Loop() {
		if _, err := h.print(dir); err != nil {
			b.Fatal(err)
		}
	}
}

// Without the operator's word the bucket is one like any other, and one that is not there.
func TestHotOff(t *testing.T) {
	st := newStandOn(t, nil)
	in := &api.CreateFunctionRequest{FunctionName: ptr("f"), Runtime: ptr("provided.al2"), Handler: ptr("x"), Role: ptr("arn:aws:iam::000000000000:role/open"),
		Code: &api.FunctionCode{S3Bucket: ptr("hot-reload"), S3Key: ptr(t.TempDir())}}
	if _, err := st.createFunction(st.ctx(), in); aws.CodeOf(err) != "InvalidParameterValueException" {
		t.Error(err)
	}
}

// A function whose folder may not be shown any more does not run, and is deleted like others.
func TestHotWithdrawn(t *testing.T) {
	allowed := true
	st := newStandOn(t, nil, func(o *Options) {
		o.HotReload = HotReload{Bucket: "hot-reload", Caller: func(context.Context) error { return nil }, Folder: func(string) error {
			if !allowed {
				return errors.New("not any more")
			}
			return nil
		}}
	})
	dir := t.TempDir()
	st.create("f", "provided.al2", "", func(in *api.CreateFunctionRequest) {
		in.Code = &api.FunctionCode{S3Bucket: ptr("hot-reload"), S3Key: &dir}
	})
	f, err := st.find(st.ctx(), ptr("f"), nil)
	if err != nil || f.version.Code.Hot != dir || st.heat(f) != nil || f.hot == "" {
		t.Errorf("%+v, %v", f, err)
	}
	allowed = false
	if err := st.heat(f); aws.CodeOf(err) != "InvalidZipFileException" {
		t.Error(err)
	}
	if _, err := st.publishVersion(st.ctx(), &api.PublishVersionRequest{FunctionName: ptr("f")}); err != nil {
		t.Error(err)
	}
	if _, err := st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: ptr("f")}); err != nil {
		t.Error(err)
	}
}
