package provided

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// An archive is an image as `docker save` writes it.
type archive struct {
	*testing.T
	layer *tar.Writer
	file  *os.File
	made  map[string]bool
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "layer.tar"))
	if err != nil {
		t.Fatal(err)
	}
	return &archive{t, tar.NewWriter(f), f, map[string]bool{}}
}

func (a *archive) add(name string, mode int64, data []byte) {
	a.Helper()
	if a.made[name] {
		return
	}
	a.made[name] = true
	err := a.layer.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data))})
	if err == nil {
		_, err = a.layer.Write(data)
	}
	if err != nil {
		a.Fatal(err)
	}
}

// host adds a program of this machine with the libraries that it needs, or a folder.
func (a *archive) host(path string) {
	a.Helper()
	err := filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && (d.Name() == "test" || d.Name() == "__pycache__" || strings.HasPrefix(d.Name(), "config-")) {
				return filepath.SkipDir
			}
			return err
		}
		if st, err := os.Stat(at); err != nil || !st.Mode().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(at)
		if err == nil {
			a.add(at[1:], 0o755, data)
		}
		if err == nil && strings.HasPrefix(string(data), "\x7fELF") {
			a.libraries(at)
		}
		return err
	})
	if err != nil {
		a.Skip(err)
	}
}

// libraries adds what a program or a library needs.
func (a *archive) libraries(path string) {
	a.Helper()
	out, _ := exec.Command("ldd", path).Output() // nothing for what is whole by itself
	for _, lib := range regexp.MustCompile(`/\S+\.so\S*`).FindAllString(string(out), -1) {
		a.add(lib[1:], 0o755, read(a.T, lib))
	}
}

// save writes the image, and gives its ImageUri and ID.
func (a *archive) save(config map[string]any) (uri, id string) {
	a.Helper()
	check := func(err error) {
		a.Helper()
		if err != nil {
			a.Fatal(err)
		}
	}
	check(a.layer.Close())
	check(a.file.Close())
	layer := read(a.T, a.file.Name())
	sum := sha256.Sum256(layer)
	text, err := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}}})
	check(err)
	own := sha256.Sum256(text)
	id = hex.EncodeToString(own[:])
	manifest, err := json.Marshal([]map[string]any{{"Config": id + ".json", "RepoTags": []string{"app:v1"}, "Layers": []string{"layer.tar"}}})
	check(err)
	path := filepath.Join(filepath.Dir(a.file.Name()), "image.tar")
	out, err := os.Create(path)
	check(err)
	whole := &archive{a.T, tar.NewWriter(out), out, map[string]bool{}}
	whole.add(id+".json", 0o644, text)
	whole.add("layer.tar", 0o644, layer)
	whole.add("manifest.json", 0o644, manifest)
	check(whole.layer.Close())
	check(out.Close())
	return "docker-archive:" + path + ":app:v1", id
}

// image makes a function of an image.
func (c *cloud) image(name, uri, id string, change ...func(*lambda.CreateFunctionInput)) {
	c.Helper()
	in := &lambda.CreateFunctionInput{FunctionName: &name, PackageType: types.PackageTypeImage, Role: &c.role, Timeout: aws.Int32(10), MemorySize: aws.Int32(512),
		Code: &types.FunctionCode{ImageUri: &uri}}
	for _, f := range change {
		f(in)
	}
	made, err := c.lambda.CreateFunction(ctx, in)
	c.check(err)
	if *made.CodeSha256 != id || made.PackageType != types.PackageTypeImage {
		c.Errorf("%s: %s %s", name, *made.CodeSha256, made.PackageType)
	}
	c.check(lambda.NewFunctionActiveV2Waiter(c.lambda).Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, time.Minute))
	got, err := c.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &name})
	c.check(err)
	if *got.Code.ImageUri != uri || !strings.HasSuffix(*got.Code.ResolvedImageUri, "@sha256:"+id) {
		c.Errorf("%s: %s %s", name, *got.Code.ImageUri, *got.Code.ResolvedImageUri)
	}
}

// An image with nothing in it but a program made with aws-lambda-go.
func TestImageGo(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	a.add("function", 0o755, built(t, "function"))
	uri, id := a.save(map[string]any{"Entrypoint": []string{"/function"}})
	c := newCloud(t, "800000000011")
	c.image("go", uri, id)
	c.behaves("go", `^{"errorMessage":"no such thing","errorType":"errorString"}$`)
	_, err := c.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("go"),
		ImageConfig: &types.ImageConfig{EntryPoint: []string{"/other"}}})
	c.check(err)
	c.expect("go", `{}`, `^{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: `+requestID+` Error: fork/exec /other: no such file or directory"}$`, "Unhandled", "InvalidEntrypoint")
}

// requestID is the pattern of one, where id is an image's.
const requestID = id

// An image with this machine's Python and AWS's own runtime interface client, started as AWS's base
// images start theirs.
func TestImagePython(t *testing.T) {
	t.Parallel()
	code := files{}
	code.add(t, ric("python"), "var/task")
	a := newArchive(t)
	for name, data := range code {
		a.add(name, 0o755, data)
		if strings.HasSuffix(name, ".so") {
			a.libraries(filepath.Join(ric("python"), strings.TrimPrefix(name, "var/task/")))
		}
	}
	a.add("var/task/index.py", 0o644, read(t, "python/index.py"))
	for _, path := range []string{"/usr/bin/python3", "/usr/lib/python3.11", "/bin/sh"} {
		a.host(path)
	}
	a.add("lambda-entrypoint.sh", 0o755, []byte("#!/bin/sh\nexec python3 -m awslambdaric \"$1\"\n"))
	uri, id := a.save(map[string]any{"Entrypoint": []string{"/lambda-entrypoint.sh"}, "Cmd": []string{"index.none"}, "WorkingDir": "/var/task",
		"Env": []string{"PATH=/usr/bin:/bin", "LAMBDA_TASK_ROOT=/var/task"}})
	c := newCloud(t, "800000000012")
	c.image("python", uri, id, func(in *lambda.CreateFunctionInput) {
		in.ImageConfig = &types.ImageConfig{Command: []string{"index.handler"}}
	})
	c.behaves("python", `"errorMessage": ?"no such thing", ?"errorType": ?"NoSuchThing"`)
}
