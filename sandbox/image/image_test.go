package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// file is one entry of a layer, by the words "kind name [to or content] [mode]".
func file(words string) (*tar.Header, string) {
	f := strings.Fields(words)
	h := &tar.Header{Name: f[1], Mode: 0o644, Typeflag: tar.TypeReg}
	body := ""
	switch f[0] {
	case "dir":
		h.Typeflag, h.Mode = tar.TypeDir, 0o755
	case "link":
		h.Typeflag, h.Linkname = tar.TypeSymlink, f[2]
	case "hard":
		h.Typeflag, h.Linkname = tar.TypeLink, f[2]
	case "dev":
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeBlock, 7, 0
	case "fifo":
		h.Typeflag = tar.TypeFifo
	default:
		if len(f) > 2 {
			body = f[2]
		}
	}
	if len(f) > 3 {
		fmt.Sscanf(f[3], "%o", &h.Mode)
	}
	h.Size = int64(len(body))
	h.Uid, h.Gid = 1234, 1234
	return h, body
}

func tarred(t testing.TB, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h, body := file(e)
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// built is an image of layers.
func built(t testing.TB, config v1.Config, layers ...[]string) v1.Image {
	t.Helper()
	img := empty.Image
	for _, entries := range layers {
		raw := tarred(t, entries...)
		l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil })
		if err == nil {
			img, err = mutate.AppendLayers(img, l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.Config, c.OS, c.Architecture = config, "linux", "amd64"
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

func digest(t testing.TB, img v1.Image) string {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.Hex
}

// tree is what lies below a folder.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%v %s", st.Mode(), rel)
		if st.Mode()&fs.ModeSymlink != 0 {
			to, _ := os.Readlink(path)
			fmt.Fprintf(&b, " -> %s", to)
		} else if st.Mode().IsRegular() {
			body, _ := os.ReadFile(path)
			fmt.Fprintf(&b, " %q", body)
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var hello = v1.Config{Entrypoint: []string{"/bin/app"}, Cmd: []string{"index.handler"}, Env: []string{"A=b"}, WorkingDir: "/srv", User: "1000"}

// One image, by every way that there is.
func TestSources(t *testing.T) {
	img := built(t, hello, []string{"dir bin", "file bin/app hello 0755"}, []string{"file srv/data x"})
	old := built(t, hello, []string{"file other x"})
	dir := t.TempDir()
	folder := filepath.Join(dir, "layout")
	l, err := layout.Write(folder, empty.Index)
	if err == nil {
		err = errors.Join(l.AppendImage(img, layout.WithAnnotations(map[string]string{refName: "v1"})),
			l.AppendImage(old, layout.WithAnnotations(map[string]string{imageName: "docker.io/library/app:v0"})))
	}
	tag, _ := name.NewTag("app:v1")
	if err = errors.Join(err, tarball.WriteToFile(filepath.Join(dir, "docker.tar"), tag, img), archiveOf(filepath.Join(dir, "oci.tar"), folder)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	to, _ := name.ParseReference(host + "/team/app:v1")
	if err := remote.Write(to, img); err != nil {
		t.Fatal(err)
	}
	sum := digest(t, img)
	id, _ := img.ConfigName()
	for _, c := range []struct{ uri, digest string }{
		{"oci:" + folder + ":v1", sum}, {"oci:" + folder + ":v1@sha256:" + sum, sum}, {"oci-archive:" + dir + "/oci.tar:v1", sum},
		{"docker-archive:" + dir + "/oci.tar:v1", sum}, {"docker-archive:" + dir + "/docker.tar", id.Hex},
		{"docker-archive:" + dir + "/docker.tar:app:v1", id.Hex}, {host + "/team/app:v1", sum}, {host + "/team/app@sha256:" + sum, sum},
	} {
		got := opened(t, c.uri)
		if got.Digest != c.digest || got.Arch != "amd64" || !slices.Equal(got.Config.Entrypoint, hello.Entrypoint) ||
			!slices.Equal(got.Config.Command, hello.Cmd) || got.Config.Dir != "/srv" || got.Config.Env[0] != "A=b" {
			t.Errorf("%s: %+v", c.uri, got)
		}
		at := t.TempDir()
		if err := got.Unpack(t.Context(), at); err != nil {
			t.Errorf("%s: %v", c.uri, err)
		}
		if got, want := tree(t, at), "drwxr-xr-x bin\n-rwxr-xr-x bin/app \"hello\"\ndrwxr-xr-x srv\n-rw-r--r-- srv/data \"x\"\n"; got != want {
			t.Errorf("%s:\n%s", c.uri, got)
		}
	}
	for uri, want := range map[string]error{
		"oci:" + folder: ErrNotFound, "oci:" + folder + ":v2": ErrNotFound, "oci:" + folder + ":v1@sha256:" + id.Hex: ErrNotFound,
		"oci:" + dir + "/no": ErrNotFound, "oci:" + dir: ErrNotFound, "oci-archive:" + dir + "/no.tar": ErrNotFound,
		"oci-archive:" + dir: ErrInvalid, "docker-archive:" + dir + "/docker.tar:app:v2": ErrNotFound,
		"oci-archive:" + folder + "/index.json": ErrInvalid, host + "/team/app:v2": ErrNotFound, host + "/team/none": ErrNotFound,
	} {
		r, err := Parse(uri)
		if err == nil {
			_, err = Open(t.Context(), r, Options{Arch: "amd64"})
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", uri, err, want)
		}
	}
}

func opened(t *testing.T, uri string) *Image {
	t.Helper()
	r, err := Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	img, err := Open(t.Context(), r, Options{Arch: "amd64"})
	if err != nil {
		t.Fatal(uri, err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

// archiveOf is a folder as one tar file.
func archiveOf(to, folder string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	w := tar.NewWriter(out)
	return errors.Join(w.AddFS(os.DirFS(folder)), w.Close(), out.Close())
}

// An index of several machines leads to the image for this one.
func TestPlatforms(t *testing.T) {
	ours, theirs := built(t, hello, []string{"file ours x"}), built(t, hello, []string{"file theirs x"})
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: theirs, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}},
		mutate.IndexAddendum{Add: ours, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	folder := filepath.Join(t.TempDir(), "layout")
	l, err := layout.Write(folder, empty.Index)
	if err == nil {
		err = l.AppendIndex(index)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := opened(t, "oci:"+folder); got.Digest != digest(t, ours) {
		t.Error(got.Digest)
	}
	r, _ := Parse("oci:" + folder)
	if _, err := Open(t.Context(), r, Options{Arch: "riscv64"}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// What was changed since it was named by its sum is refused.
func TestTampered(t *testing.T) {
	img := built(t, hello, []string{"file app hello"})
	layers, _ := img.Layers()
	first, _ := layers[0].Digest()
	config, _ := img.ConfigName()
	var other bytes.Buffer
	z := gzip.NewWriter(&other)
	z.Write(tarred(t, "file app other"))
	z.Close()
	for what, change := range map[string]struct {
		blob string
		body []byte
	}{"manifest": {digest(t, img), []byte("{}")}, "config": {config.Hex, []byte("{}")}, "layer": {first.Hex, other.Bytes()}, "none": {first.Hex, nil}} {
		folder := filepath.Join(t.TempDir(), "layout")
		l, err := layout.Write(folder, empty.Index)
		if err == nil {
			err = l.AppendImage(img)
		}
		at := filepath.Join(folder, "blobs", "sha256", change.blob)
		if change.body == nil {
			err = errors.Join(err, os.Remove(at))
		} else {
			err = errors.Join(err, os.WriteFile(at, change.body, 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
		r, _ := Parse("oci:" + folder)
		got, err := Open(t.Context(), r, Options{Arch: "amd64"})
		if err == nil {
			err = got.Unpack(t.Context(), t.TempDir())
		}
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestParse(t *testing.T) {
	for uri, want := range map[string]string{
		"oci-archive:/a/b.tar":                 "1 /a/b.tar  ",
		"oci-archive:/a/b.tar:v1":              "1 /a/b.tar v1 ",
		"docker-archive:/a/b.tar:team/app:1.0": "1 /a/b.tar team/app:1.0 ",
		"oci:/a/b":                             "2 /a/b  ",
		"registry.example/a/b:v1":              "0  v1 registry.example",
		"registry.example:5000/a":              "0  latest registry.example:5000",
		"localhost/a":                          "0  latest localhost",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com/app:v1": "0  v1 123456789012.dkr.ecr.us-east-1.amazonaws.com",
		"app:latest": "error", "library/app": "error", "": "error", "oci:": "error", "oci:relative": "error", "oci:/": "error",
		"oci:/a/../b": "error", "oci:/a:t:@x": "error", "oci:/a@sha256:00": "error", "oci:/a:": "error", "registry.example/A B": "error",
		"oci:/a\x00b": "error", "registry.example/" + strings.Repeat("a", 5000): "error",
	} {
		r, err := Parse(uri)
		got := fmt.Sprintf("%d %s %s %s", r.Kind, r.Path, r.Tag, r.Host())
		if err != nil {
			if got = "error"; !errors.Is(err, ErrReference) {
				t.Errorf("%q: %v", uri, err)
			}
		}
		if got != want {
			t.Errorf("%q: got %q, want %q (%v)", uri, got, want, err)
		}
	}
	r, _ := Parse("registry.example/a:v1")
	if got := r.Resolved("00"); got != "registry.example/a@sha256:00" {
		t.Error(got)
	}
	r, _ = Parse("oci-archive:/a.tar:v1")
	if got := r.Resolved("00"); got != "oci-archive:/a.tar@sha256:00" {
		t.Error(got)
	}
}

// What is read as a local reference is spelt again as the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"oci:/a/b:v1@sha256:" + strings.Repeat("0", 64), "docker-archive:/a.tar:x:y", "host:1/a@sha256:x", "a.b/c:d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(r.Resolved(strings.Repeat("a", 64)))
		if err != nil || again.Path != r.Path || again.Kind != r.Kind || again.Host() != r.Host() {
			t.Errorf("%q became %+v, %v", s, again, err)
		}
		if r.Kind != Registry && (!filepath.IsAbs(r.Path) || strings.Contains(r.Path, "..") && filepath.Clean(r.Path) != r.Path) {
			t.Errorf("%q names %q", s, r.Path)
		}
	})
}

var background = context.Background()
