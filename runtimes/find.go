package runtimes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FindOptions says where to look and where to put things. Dir must be set.
type FindOptions struct {
	// Dir is a folder of Tule's own. The bootstraps are laid out below it, and
	// Provision's modules are found there.
	Dir string
	// Paths are further interpreters to consider, before those of the machine.
	Paths []string
	// Only, if true, considers no others than Paths.
	Only bool
}

// findLimit bounds the whole search; probeLimit one interpreter's answer.
const (
	findLimit  = 20 * time.Second
	probeLimit = 5 * time.Second
)

// An interpreter is one that was found and that answers.
type interpreter struct {
	family       family
	path         string // real, not a shim or a link
	prefix       string // the folder that holds its library, outside of the system's
	major, minor int
	version      string // "3.11.7"
	boot         string // host folder of its bootstrap, laid out; of some it is made when first wanted
	net          *netHost
	jvm          *jvm
}

// A Set is the interpreters of a machine.
type Set struct {
	dir  string
	list []interpreter

	compiling sync.Mutex
	compiled  map[string]string // bootstraps for C#, by host
}

// Find discovers the interpreters of this machine by running each once, and lays
// out their bootstraps below opt.Dir. It takes a few hundred milliseconds, so
// callers keep the Set, and ask when the first function needs one. That none is
// found is no error: Command says so when one is wanted.
func Find(ctx context.Context, opt FindOptions) (*Set, error) {
	if opt.Dir == "" {
		return nil, errors.New("runtimes: Find needs a folder for the bootstraps")
	}
	dir, err := filepath.Abs(opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("runtimes: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, findLimit)
	defer cancel()
	paths := opt.Paths
	if !opt.Only {
		paths = append(append([]string{}, paths...), candidates()...)
	}
	paths = realPaths(paths)
	found := make([]*probed, len(paths))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i, path := range paths {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			found[i] = probe(ctx, path)
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("runtimes: looking for interpreters: %w", err)
	}
	s := &Set{dir: dir}
	for _, p := range found {
		if p == nil {
			continue
		}
		if p.family != dotnet && p.family != java { // see netBoot and javaBoot
			if p.boot, err = layOut(dir, p); err != nil {
				return nil, err
			}
		}
		s.list = append(s.list, p.interpreter)
	}
	return s, nil
}

// candidates is where interpreters are on people's machines, best first.
func candidates() []string {
	var list []string
	add := func(patterns ...string) {
		for _, p := range patterns {
			if m, err := filepath.Glob(p); err == nil {
				list = append(list, m...)
			}
		}
	}
	names := []string{"node", "nodejs", "python3", "python3.[0-9]", "python3.[0-9][0-9]", "python2.7", "python2", "dotnet", "mono", "java", "ruby", "ruby[0-9].[0-9]"}
	for _, dir := range append([]string{"/usr/bin", "/usr/local/bin", "/bin"}, filepath.SplitList(os.Getenv("PATH"))...) {
		for _, n := range names {
			add(filepath.Join(dir, n))
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		add(home+"/.nvm/versions/node/*/bin/node", home+"/.volta/tools/image/node/*/bin/node",
			home+"/.local/share/mise/installs/node/*/bin/node",
			home+"/.pyenv/versions/*/bin/python", home+"/.local/share/uv/python/*/bin/python3",
			home+"/.local/share/mise/installs/python/*/bin/python3", home+"/.dotnet/dotnet",
			home+"/.sdkman/candidates/java/*/bin/java", home+"/.local/share/mise/installs/java/*/bin/java",
			home+"/.rbenv/versions/*/bin/ruby", home+"/.local/share/mise/installs/ruby/*/bin/ruby")
	}
	add("/opt/python*/bin/python3", "/opt/node*/bin/node",
		"/usr/share/dotnet/dotnet", "/usr/lib/dotnet/dotnet", "/opt/dotnet*/dotnet", "/opt/mono*/bin/mono",
		"/usr/lib/jvm/*/bin/java", "/opt/java*/bin/java", "/opt/jdk*/bin/java")
	if home := os.Getenv("JAVA_HOME"); home != "" {
		add(filepath.Join(home, "bin", "java"))
	}
	return list
}

// realPaths follows links, drops what is no program (a version manager's shim is a
// script) and what comes twice.
func realPaths(paths []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, p := range paths {
		real, err := filepath.EvalSymlinks(p)
		if err != nil || seen[real] {
			continue
		}
		seen[real] = true
		if isELF(real) {
			out = append(out, real)
		}
	}
	return out
}

func isELF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = f.Read(magic[:])
	return err == nil && string(magic[:]) == "\x7fELF"
}

// probed is an interpreter and its compiled Python bootstrap.
type probed struct {
	interpreter
	code []byte // what the interpreter loads; nil for Node
}

// probe asks the program at path what it is; nil if it is none of ours.
func probe(ctx context.Context, path string) *probed {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	switch name := filepath.Base(path); {
	case strings.HasPrefix(name, "mono"):
		return probeMono(ctx, path)
	case name == "dotnet":
		return probeNet(ctx, path)
	case strings.HasPrefix(name, "node"):
		out, err := output(ctx, path, nil, "-p", "process.version")
		if err != nil {
			return nil
		}
		version := strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
		return describe(interpreter{family: node, path: path, version: version, prefix: installation(path)}, nil)
	}
	switch name := filepath.Base(path); {
	case name == "java":
		return probeJava(ctx, path)
	case strings.HasPrefix(name, "ruby"):
		return probeRuby(ctx, path)
	}
	out, err := output(ctx, path, pythonSource, "-S", "-E", "-c", pythonProbe)
	if err != nil {
		return nil
	}
	var answer struct {
		Version, Prefix string
		Code            []byte
	}
	if json.Unmarshal(out, &answer) != nil {
		return nil
	}
	return describe(interpreter{family: python, path: path, version: answer.Version, prefix: answer.Prefix}, answer.Code)
}

func probeRuby(ctx context.Context, path string) *probed {
	out, err := output(ctx, path, nil, "--disable=gems", "-e", "print RUBY_VERSION")
	if err != nil {
		return nil
	}
	return describe(interpreter{family: ruby, path: path, version: string(out), prefix: installation(path)}, nil)
}

func describe(i interpreter, code []byte) *probed {
	parts := strings.Split(i.version, ".")
	if len(parts) < 2 {
		return nil
	}
	var err1, err2 error
	i.major, err1 = strconv.Atoi(parts[0])
	i.minor, err2 = strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return nil
	}
	return &probed{i, code}
}

// installation is the folder above bin.
func installation(path string) string { return filepath.Dir(filepath.Dir(path)) }

// pythonProbe prints what probe wants to know, and compiles the bootstrap, which
// it reads from its input, so that no start has to.
const pythonProbe = `import sys, marshal, json, base64
src = getattr(sys.stdin, 'buffer', sys.stdin).read()
code = compile(src, 'bootstrap.py', 'exec', dont_inherit=True, optimize=2) if sys.version_info[0] > 2 else compile(src, 'bootstrap.py', 'exec')
print(json.dumps({'Version': '%d.%d.%d' % sys.version_info[:3], 'Prefix': sys.prefix, 'Code': base64.b64encode(marshal.dumps(code)).decode('ascii')}))`

// output runs a program with an empty environment.
func output(ctx context.Context, path string, stdin []byte, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LANG=C.UTF-8", "PATH=/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.WaitDelay = time.Second
	return cmd.Output()
}
