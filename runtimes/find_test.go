package runtimes

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
)

func TestGenerations(t *testing.T) {
	for name, want := range map[string]generation{
		"nodejs":          {family: node, minor: 10, legacyNode: true, legacyExit: true, initError: Handled},
		"nodejs4.3":       {family: node, major: 4, minor: 3, legacyNode: true, legacyExit: true, initError: Handled},
		"nodejs4.3-edge":  {family: node, major: 4, minor: 3, legacyNode: true, legacyExit: true, initError: Handled},
		"nodejs6.10":      {family: node, major: 6, minor: 10, legacyNode: true, legacyExit: true, initError: Handled},
		"nodejs8.10":      {family: node, major: 8, minor: 10, legacyExit: true, initError: Unhandled},
		"nodejs20.x":      {family: node, major: 20, initError: Unhandled},
		"nodejs24.x":      {family: node, major: 24, noCallbacks: true, initError: Unhandled},
		"python2.7":       {family: python, major: 2, minor: 7, legacyExit: true, tuples: true, ascii: true, initError: Unhandled},
		"python3.6":       {family: python, major: 3, minor: 6, legacyExit: true, tuples: true, ascii: true, initError: Unhandled},
		"python3.14":      {family: python, major: 3, minor: 14, initError: Unhandled},
		"provided.al2023": {family: provided, initError: Unhandled},
		"go1.x":           {family: provided, initError: Unhandled},
		"dotnetcore2.1":   {family: dotnet, major: 2, minor: 1, legacyExit: true, initError: Unhandled},
		"dotnetcore3.1":   {family: dotnet, major: 3, minor: 1, initError: Unhandled},
		"dotnet5.0":       {family: dotnet, major: 5, initError: Unhandled},
		"dotnet10":        {family: dotnet, major: 10, initError: Unhandled},
		"dotnetcore":      {},
		"java8":           {family: java, major: 8, initError: Unhandled},
		"java8.al2":       {family: java, major: 8, initError: Unhandled},
		"java25":          {family: java, major: 25, initError: Unhandled},
		"java7":           {},
		"javascript":      {},
		"nodejsx":         {},
		"python":          {},
		"python3.x":       {},
		"":                {initError: Unhandled},
	} {
		if got := generationOf(name); got != want {
			t.Errorf("%q: got %+v, want %+v", name, got, want)
		}
	}
}

func made(t *testing.T, versions ...string) *Set {
	s := &Set{dir: t.TempDir()}
	for _, v := range versions {
		name, version, _ := strings.Cut(v, " ")
		f := python
		switch name {
		case "node":
			f = node
		case "java":
			f = java
		}
		p := describe(interpreter{family: f, path: "/opt/" + v + "/bin/" + name, prefix: "/opt/" + v, version: version, boot: "/boot/" + v}, nil)
		if f == java {
			p.jvm = &jvm{}
		}
		s.list = append(s.list, p.interpreter)
	}
	return s
}

func TestClosest(t *testing.T) {
	s := made(t, "node 18.1.0", "node 22.2.0", "python 3.12.1", "python 3.9.18", "python 3.12.9", "python 2.7.18")
	for runtime, want := range map[string]string{
		"nodejs4.3": "22.2.0", "nodejs18.x": "22.2.0", "python3.6": "3.9.18", "python3.9": "3.9.18",
		"python3.10": "3.12.1", "python3.13": "", "python2.7": "2.7.18", "java17": "", "ruby3.2": "",
	} {
		c, err := s.Command(runtime, CommandOptions{Unmounted: true})
		if c.Version != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q %v, want %q", runtime, c.Version, err, want)
		}
	}
	_, err := made(t, "python 3.12.1").Command("python2.7", CommandOptions{})
	if !errors.Is(err, ErrUnsupportedRuntime) || aws.CodeOf(err) != "InvalidParameterValueException" {
		t.Fatal(err)
	}
	if want := "this machine has not got Python 2.7. Found: /opt/python 3.12.1/bin/python."; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %q", err)
	}
}

func TestCommands(t *testing.T) {
	s := made(t, "node 22.2.0", "python 3.12.1", "python 2.7.18")
	modules := filepath.Join(s.dir, "modules/node/node_modules")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := s.Command("nodejs4.3", CommandOptions{MemoryMB: 512})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(c.Argv, " "), "/opt/node 22.2.0/bin/node --use-openssl-ca --max-http-header-size=81920 --no-deprecation --max-old-space-size=460 /var/runtime/index.cjs"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, m := range []Mount{{"/opt/node 22.2.0", "/opt/node 22.2.0"}, {"/boot/node 22.2.0", "/var/runtime"}, {modules, "/var/runtime/node_modules"}} {
		if !slices.Contains(c.Mounts, m) {
			t.Errorf("%v is not in %v", m, c.Mounts)
		}
	}
	for _, m := range c.Mounts {
		if m.Inside == "/etc/ssl" || m.Inside == "/etc" || m.Inside == "/" {
			t.Errorf("%v shows too much", m)
		}
	}
	for runtime, flags := range map[string]string{"python3.12": "-I -S -c", "python2.7": "-E -s -S -c"} {
		c, err := s.Command(runtime, CommandOptions{Unmounted: true})
		if err != nil || !strings.Contains(strings.Join(c.Argv, " "), "/bin/python "+flags+" ") {
			t.Errorf("%s: %q %v", runtime, c.Argv, err)
		}
		if len(c.Mounts) != 0 || !strings.HasPrefix(c.ModulePath, s.dir) || c.Argv[len(c.Argv)-1] != c.ModulePath {
			t.Errorf("%s: %+v", runtime, c)
		}
	}
	c, err = s.Command("provided.al2", CommandOptions{})
	if err != nil || !c.HTTP || c.Argv[0] != "/var/task/bootstrap" || !IsProvided("provided.al2") || IsProvided("nodejs20.x") {
		t.Errorf("provided: %+v %v", c, err)
	}
}

func TestFindOnlyRealPrograms(t *testing.T) {
	dir := t.TempDir()
	shim := filepath.Join(dir, "python3")
	if err := os.WriteFile(shim, []byte("#!/bin/sh\necho shim\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "node") // a program, and no Node
	if err := os.Symlink("/bin/false", other); err != nil {
		t.Fatal(err)
	}
	s, err := Find(context.Background(), FindOptions{Dir: dir, Paths: []string{shim, other, filepath.Join(dir, "none")}, Only: true})
	if err != nil || len(s.list) != 0 {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := Find(context.Background(), FindOptions{}); err == nil {
		t.Error("a search without a folder")
	}
}

func TestBootstrapsAreLaidOutOnce(t *testing.T) {
	dir := t.TempDir()
	p := &probed{interpreter{family: python, version: "3.12.1"}, []byte("code")}
	first, err := layOut(dir, p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := layOut(dir, p)
	if err != nil || again != first {
		t.Errorf("%s, then %s %v", first, again, err)
	}
	p.code = []byte("other")
	if other, err := layOut(dir, p); err != nil || other == first {
		t.Errorf("other code: %s %v", other, err)
	}
	if st, err := os.Stat(filepath.Join(first, sitePackages)); err != nil || !st.IsDir() {
		t.Errorf("no mount point: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "boot", "tmp-*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestEnviron(t *testing.T) {
	list := Environ{Runtime: "nodejs20.x", Handler: "h.f", FunctionName: "fn", Version: "7", Region: "eu-west-1", MemoryMB: 256,
		User: map[string]string{"MINE": "1", "AWS_REGION": "mars", "LANG": "C"}, Further: map[string]string{"MINE": "0", "X": "2"}}.List()
	for _, want := range []string{"MINE=1", "AWS_REGION=eu-west-1", "LANG=C", "X=2", "TZ=:UTC", "_HANDLER=h.f", "LAMBDA_TASK_ROOT=/var/task",
		"LD_LIBRARY_PATH=/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_EXECUTION_ENV=AWS_Lambda_nodejs20.x",
		"NODE_PATH=/opt/nodejs/node20/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"} {
		if !slices.Contains(list, want) {
			t.Errorf("%s is not in %q", want, list)
		}
	}
	for _, v := range list {
		if strings.HasPrefix(v, "AWS_SESSION_TOKEN=") {
			t.Errorf("an empty credential: %s", v)
		}
	}
}

func TestProvision(t *testing.T) {
	s := made(t, "node 22.2.0", "python 3.12.1", "python 3.11.1", "python 3.8.1", "python 2.7.18")
	var runs []string
	fail := ""
	do := func(_ context.Context, _ io.Writer, argv []string) error {
		line := strings.Join(argv, " ")
		if fail != "" && strings.Contains(line, fail) {
			return errors.New("it failed")
		}
		for i, a := range argv {
			if a == "--target" || a == "--prefix" {
				os.MkdirAll(argv[i+1], 0o755)
				os.WriteFile(filepath.Join(argv[i+1], "made"), []byte(line), 0o644)
			}
		}
		runs = append(runs, argv[0]+" "+argv[2])
		return nil
	}
	var progress bytes.Buffer
	fail = "npm"
	if err := s.provision(context.Background(), &progress, do, nil); err == nil {
		t.Error("npm failed and nobody said so")
	}
	want := []string{"/opt/python 3.12.1/bin/python pip", "/opt/python 3.12.1/bin/python compileall", "/opt/python 3.11.1/bin/python compileall",
		"/opt/python 2.7.18/bin/python pip", "/opt/python 2.7.18/bin/python compileall"}
	if !slices.Equal(runs, want) {
		t.Errorf("ran %q\nwant %q", runs, want)
	}
	fail, runs = "", nil
	for range 2 { // the second time all is there
		if err := s.provision(context.Background(), &progress, do, nil); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"npm --prefix"}; !slices.Equal(runs, want) {
		t.Errorf("then ran %q, want %q", runs, want)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "modules", "tmp-*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	runs = nil
	if err := s.provision(context.Background(), &progress, do, []string{"python3.8", "provided.al2"}); err != nil || len(runs) != 2 {
		t.Errorf("%q %v", runs, err)
	}
	if err := s.provision(context.Background(), &progress, do, []string{"python3.13"}); !errors.Is(err, ErrUnsupportedRuntime) {
		t.Error(err)
	}
	if !strings.Contains(progress.String(), "python3.8: done") || !strings.Contains(progress.String(), "is there already") {
		t.Errorf("progress: %s", progress.String())
	}
}
