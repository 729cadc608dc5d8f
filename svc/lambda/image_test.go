package lambda

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

// imageEntry makes this test's program the process of an image: a runtime of its own.
const imageEntry = "serve-image"

// serveImage answers events with what a process sees.
func serveImage() {
	at := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(at + "next")
		if err != nil {
			os.Exit(1)
		}
		event, _ := io.ReadAll(next.Body)
		dir, _ := os.Getwd()
		var names []string
		entries, _ := os.ReadDir("/")
		for _, e := range entries {
			names = append(names, e.Name())
		}
		text, _ := os.ReadFile("/data/text")
		made := os.WriteFile("/tmp/x", nil, 0o600) == nil && os.WriteFile("/data/x", nil, 0o600) != nil
		answer, _ := json.Marshal(map[string]any{"event": string(event), "args": os.Args[2:], "dir": dir, "root": strings.Join(names, " "), "uid": os.Getuid() > 0,
			"text": string(text), "made": made, "image": os.Getenv("FROM_IMAGE"), "own": os.Getenv("OWN"), "both": os.Getenv("BOTH"),
			"task": os.Getenv("LAMBDA_TASK_ROOT"), "handler": os.Getenv("_HANDLER")})
		if _, err := http.Post(at+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", bytes.NewReader(answer)); err != nil {
			os.Exit(1)
		}
	}
}

// program is the layer with this test's program, and what it needs of the machine.
func program(t testing.TB) v1.Layer {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"app/serve": exe}
	out, _ := exec.Command("ldd", exe).Output()
	for _, lib := range regexp.MustCompile(`/\S+\.so\S*`).FindAllString(string(out), -1) {
		files[lib[1:]] = lib
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for to, from := range files {
		body, err := os.ReadFile(from)
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: to, Mode: 0o755, Size: int64(len(body))})
		}
		if err == nil {
			_, err = w.Write(body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return packedLayer(t, w, &b)
}

// text is a layer with one file.
func textLayer(t testing.TB, body string) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "data/text", Mode: 0o644, Size: int64(len(body))}), second(io.WriteString(w, body))); err != nil {
		t.Fatal(err)
	}
	return packedLayer(t, w, &b)
}

func second(_ int, err error) error { return err }

func packedLayer(t testing.TB, w *tar.Writer, b *bytes.Buffer) v1.Layer {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }, tarball.WithCompression(compression.None))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func imageOf(t testing.TB, config v1.Config, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err == nil {
		img, err = mutate.Config(img, config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// A shop is a registry on the loopback.
type shop struct {
	t    testing.TB
	host string
}

func newShop(t testing.TB) shop {
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	return shop{t, strings.TrimPrefix(s.URL, "http://")}
}

// push gives the image's URI and digest.
func (s shop) push(tag string, img v1.Image) (uri, digest string) {
	s.t.Helper()
	uri = s.host + "/app:" + tag
	to, err := name.ParseReference(uri)
	if err == nil {
		err = remote.Write(to, img)
	}
	h, failed := img.Digest()
	if err := errors.Join(err, failed); err != nil {
		s.t.Fatal(err)
	}
	return uri, h.Hex
}

func (st *stand) createImage(name, uri string, change ...func(*api.CreateFunctionRequest)) *api.FunctionConfiguration {
	st.t.Helper()
	in := &api.CreateFunctionRequest{FunctionName: &name, PackageType: ptr(api.PackageTypeImage), Timeout: ptr(int32(10)), MemorySize: ptr(int32(256)),
		Role: ptr("arn:aws:iam::000000000000:role/open"), Code: &api.FunctionCode{ImageUri: &uri}}
	for _, c := range change {
		c(in)
	}
	out, err := st.createFunction(st.ctx(), in)
	if err != nil {
		st.t.Fatal(err, errors.Unwrap(err))
	}
	return out
}

// An image's process runs as the image says, in the image and nothing else, with what the function
// says over it; another image takes its place, and the last one's folder goes with it.
func TestImage(t *testing.T) {
	s := newShop(t)
	dir := t.TempDir()
	st := newStand(t, func(o *Options) { o.Images = Images{Dir: dir, Registries: []string{s.host}} })
	if !st.Host.Features().Overlay {
		t.Skip("this kernel has no overlayfs")
	}
	app := program(t)
	first, firstSum := s.push("v1", imageOf(t, v1.Config{Entrypoint: []string{"/app/serve", imageEntry}, Cmd: []string{"index.handler"}, WorkingDir: "/app", User: "1000",
		Env: []string{"PATH=/app", "FROM_IMAGE=1", "BOTH=image", "LAMBDA_TASK_ROOT=/app", "AWS_REGION=elsewhere"}}, app, textLayer(t, "first")))
	made := st.createImage("f", first, func(in *api.CreateFunctionRequest) {
		in.Environment = &api.Environment{Variables: map[string]string{"OWN": "2", "BOTH": "function"}}
	})
	if *made.CodeSha256 != firstSum || *made.PackageType != api.PackageTypeImage || made.Runtime != nil || made.Handler != nil || made.RuntimeVersionConfig != nil || made.ImageConfigResponse != nil || *made.CodeSize != 0 {
		t.Errorf("%+v", made)
	}
	got, err := st.getFunction(st.ctx(), &api.GetFunctionRequest{FunctionName: ptr("f")})
	if err != nil || *got.Code.ImageUri != first || *got.Code.ResolvedImageUri != s.host+"/app@sha256:"+firstSum || *got.Code.RepositoryType != "ECR" || got.Code.Location != nil {
		t.Errorf("%+v, %v", got, err)
	}
	want := `{"args":["index.handler"],"both":"function","dir":"/app","event":"1","handler":"","image":"1","made":true,"own":"2","root":"app data dev etc lib lib64 proc tmp","task":"/app","text":"first","uid":true}`
	for range 2 {
		if got, log := st.call("f", "1"); !sameRoot(got, want) {
			t.Errorf("got  %s\nwant %s\n%s", got, want, log)
		}
	}
	// Words of the function's own, looked up in the image.
	if _, err := st.updateFunctionConfiguration(st.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("f"),
		ImageConfig: &api.ImageConfig{EntryPoint: []string{"serve", imageEntry}, Command: []string{"a", "b"}, WorkingDirectory: ptr("/data")}}); err != nil {
		t.Fatal(err)
	}
	want = strings.NewReplacer(`["index.handler"]`, `["a","b"]`, `"dir":"/app"`, `"dir":"/data"`).Replace(want)
	if got, log := st.call("f", "1"); !sameRoot(got, want) {
		t.Errorf("got  %s\nwant %s\n%s", got, want, log)
	}
	st.replaceImage(s, app, firstSum, dir)
}

// sameRoot compares answers but for the machine's own library folders.
func sameRoot(got, want string) bool {
	libs := regexp.MustCompile(` lib\w*`)
	return libs.ReplaceAllString(got, "") == libs.ReplaceAllString(want, "")
}

// replaceImage goes on with TestImage's function: versions keep their images.
func (st *stand) replaceImage(s shop, app v1.Layer, firstSum, dir string) {
	st.t.Helper()
	check := func(err error) {
		st.t.Helper()
		if err != nil {
			st.t.Fatal(err, errors.Unwrap(err))
		}
	}
	v, err := st.publishVersion(st.ctx(), &api.PublishVersionRequest{FunctionName: ptr("f"), CodeSha256: &firstSum})
	check(err)
	if v.ImageConfigResponse == nil || v.ImageConfigResponse.ImageConfig.EntryPoint[0] != "serve" || *v.CodeSha256 != firstSum {
		st.t.Errorf("%+v", v)
	}
	second, secondSum := s.push("v1", imageOf(st.t, v1.Config{Env: []string{"PATH=/app"}}, app, textLayer(st.t, "second")))
	for _, dry := range []bool{true, false} {
		u, err := st.updateFunctionCode(st.ctx(), &api.UpdateFunctionCodeRequest{FunctionName: ptr("f"), ImageUri: &second, DryRun: &dry})
		check(err)
		if *u.CodeSha256 != secondSum {
			st.t.Errorf("%+v", u)
		}
		if has := st.shelved(dir, secondSum); has == dry {
			st.t.Errorf("a dry run %t leaves an image: %t", dry, has)
		}
	}
	for name, text := range map[string]string{"f": "second", "f:1": "first"} {
		if got, log := st.call(name, "1"); !strings.Contains(got, `"text":"`+text+`"`) {
			st.t.Errorf("%s: %s\n%s", name, got, log)
		}
	}
	_, err = st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: ptr("f"), Qualifier: ptr("1")})
	check(err)
	st.fleet.wg.Wait()
	if st.shelved(dir, firstSum) || !st.shelved(dir, secondSum) {
		st.t.Error("the first image stays, or the second has gone")
	}
	// The next start finds it, without the registry.
	st.stop()
	check(os.Mkdir(filepath.Join(dir, strings.Repeat("0", 64)), 0o755)) // of an upload that was cut short
	next := &stand{Service: New(st.Options), t: st.t, house: st.house, near: st.near, clock: st.clock}
	next.run()
	defer next.stop()
	if got, log := next.call("f", "1"); !strings.Contains(got, `"text":"second"`) {
		st.t.Errorf("%s\n%s", got, log)
	}
	_, err = next.deleteFunction(next.ctx(), &api.DeleteFunctionRequest{FunctionName: ptr("f")})
	check(err)
	next.stop()
	if st.shelved(dir, secondSum) || st.shelved(dir, strings.Repeat("0", 64)) {
		st.t.Error("an image stays that nobody has")
	}
}

func (st *stand) shelved(dir, digest string) bool {
	_, err := os.Stat(filepath.Join(dir, digest))
	return err == nil
}

// What cannot be started says so in AWS's words, and the next image can.
func TestImageFailures(t *testing.T) {
	s := newShop(t)
	st := newStand(t, func(o *Options) { o.Images = Images{Dir: t.TempDir(), Registries: []string{"*"}} })
	uri, _ := s.push("v1", imageOf(t, v1.Config{Entrypoint: []string{"serve"}}, textLayer(t, "x")))
	for i, c := range []struct {
		config *api.ImageConfig
		want   string
	}{
		{nil, `"Runtime.InvalidEntrypoint","errorMessage":"RequestId: \S+ Error: fork/exec serve: no such file or directory"`},
		{&api.ImageConfig{EntryPoint: []string{"/data/text"}}, `Runtime.InvalidEntrypoint.*fork/exec /data/text: permission denied`},
		{&api.ImageConfig{EntryPoint: []string{"/data/text"}, WorkingDirectory: ptr("/none")}, `"Runtime.InvalidWorkingDir","errorMessage":"RequestId: \S+ Error: chdir /none: no such file or directory"`},
	} {
		name := fmt.Sprintf("f%d", i)
		st.createImage(name, uri, func(in *api.CreateFunctionRequest) { in.ImageConfig = c.config })
		if got, log := st.call(name, "1"); !regexp.MustCompile(`^Unhandled .*`+c.want).MatchString(got) || !strings.Contains(log, "Error: ") {
			t.Errorf("%s\n%s", got, log)
		}
	}
	for _, c := range []struct{ uri, code, text string }{
		{s.host + "/app:v2", "InvalidParameterValueException", "Source image " + s.host + "/app:v2 does not exist. Provide a valid source image."},
		{"127.0.0.1:1/app:v1", "ServiceUnavailable", "The image 127.0.0.1:1/app:v1 cannot be read now."},
	} {
		st.refused(c.uri, c.code, c.text, func(in *api.CreateFunctionRequest) {
			in.Runtime, in.Handler, in.PackageType, in.Code = nil, nil, ptr(api.PackageTypeImage), &api.FunctionCode{ImageUri: &c.uri}
		})
	}
}

// Archives and layouts are for those who may name them.
func TestImagePlaces(t *testing.T) {
	folder, other := t.TempDir(), t.TempDir()
	tag, _ := name.NewTag("app:v1")
	img := imageOf(t, v1.Config{Entrypoint: []string{"/x"}}, textLayer(t, "x"))
	for _, d := range []string{folder, other} {
		if err := tarball.WriteToFile(d+"/app.tar", tag, img); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(other+"/app.tar", folder+"/link.tar"); err != nil {
		t.Fatal(err)
	}
	st := newStandOn(t, nil, func(o *Options) { o.Images = Images{Dir: t.TempDir(), Folders: []string{folder}, Anywhere: true} })
	for _, c := range []struct {
		kind  aws.PrincipalKind
		path  string
		allow bool
	}{{aws.User, folder + "/app.tar", true}, {aws.User, other + "/app.tar", false}, {aws.User, folder + "/link.tar", false},
		{aws.User, folder + "/no.tar", false}, {aws.Root, other + "/app.tar", true}, {aws.AssumedRole, folder, false}} {
		ctx := st.ctx()
		aws.RequestOf(ctx).Caller.Kind = c.kind
		up, err := st.fetch(ctx, "docker-archive:"+c.path)
		if (err == nil) != c.allow {
			t.Errorf("%s %s: %v", c.kind, c.path, err)
		}
		if err == nil {
			up.done()
		}
	}
}
