package runtimes

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// ErrUnsupportedRuntime is in the chain of the error for a runtime that this
// machine cannot run; the error itself is an *aws.Error with a text for people.
var ErrUnsupportedRuntime = errors.New("runtimes: no interpreter for the runtime")

// A Mount is a folder or file of the host that a sandbox shows, read-only.
type Mount struct{ Host, Inside string }

// CommandOptions says how the process is going to run.
type CommandOptions struct {
	// Unmounted is for a process without a mount namespace: all paths are the
	// host's, and Mounts is empty.
	Unmounted bool
	// MemoryMB sizes Node's and Java's heap, as AWS does; 0 leaves it alone.
	MemoryMB int
	// Waiting is for a process that is started before it is known for which function:
	// it gets ready for any, and for code that uses the AWS SDK if SDK is set. It gets
	// its variables with Config.Environ, and its folder. Waits says who can.
	Waiting, SDK bool
	// Library has a waiting Python get ready for code that uses json, logging or traceback.
	Library bool
	// JavaProperties are system properties, "name=value", for those that the function has not set itself.
	JavaProperties []string
	// Provided is the path of the function's own bootstrap; "" is
	// /var/task/bootstrap. For the provided runtimes.
	Provided string
	// Wrapper is the function's AWS_LAMBDA_EXEC_WRAPPER: a program that gets the
	// interpreter and its arguments, and is to become it. The provided runtimes' own
	// bootstrap sees to it itself.
	Wrapper string
}

// A Command is how to start a bootstrap: with its end of Socketpair as descriptor
// SocketFD, the code's folder as working directory, and Environ's variables with
// RuntimeRoot.
type Command struct {
	Argv        []string
	Mounts      []Mount // the outer ones first
	RuntimeRoot string  // where the process finds the bootstrap
	ModulePath  string  // where it finds Provision's modules, for Environ
	Version     string  // of the interpreter: "20.19.2"
	Java        bool    // takes CommandOptions.JavaProperties
	HTTP        bool    // speaks the HTTP Runtime API: NewHTTP, not New
}

// Command says how to start the bootstrap for a runtime.
func (s *Set) Command(runtime string, opt CommandOptions) (Command, error) {
	g := generationOf(runtime)
	if g.family == provided {
		c := Command{HTTP: true, RuntimeRoot: RuntimeRoot, Argv: []string{or(opt.Provided, TaskRoot+"/bootstrap")}}
		if !opt.Unmounted {
			c.Mounts = systemMounts()
		}
		return c, nil
	}
	found := s.closest(g)
	if found == nil {
		return Command{}, s.unsupported(runtime, g, nil)
	}
	c := Command{RuntimeRoot: RuntimeRoot, Version: found.version}
	if g.family == dotnet {
		c, err := s.netCommand(c, found, opt)
		return wrapped(c, opt), err
	}
	if g.family == java {
		c.Java = true
		if err := s.javaCommand(&c, found, opt); err != nil {
			return Command{}, s.unsupported(runtime, g, err)
		}
		return wrapped(c, opt), nil
	}
	host, name := s.modules(found)
	c.ModulePath = RuntimeRoot + "/" + name
	if opt.Unmounted {
		c.RuntimeRoot, c.ModulePath = found.boot, host
	} else {
		c.Mounts = s.mounts(found)
	}
	switch g.family {
	case node:
		c.Argv = nodeArgv(found, g, opt, c.RuntimeRoot)
	case ruby:
		c.Argv = []string{found.path, filepath.Join(c.RuntimeRoot, "bootstrap.rb")}
	default:
		c.Argv = pythonArgv(found, c.RuntimeRoot, c.ModulePath)
		if opt.Wrapper != "" {
			c.Argv = []string{found.path, filepath.Join(c.RuntimeRoot, "bootstrap.py")}
		}
	}
	if opt.Waiting {
		c.Argv = append(c.Argv, waiting(g, opt))
	}
	return wrapped(c, opt), nil
}

// execWrapper starts the wrapper $0, and says what is wrong with it as AWS's runtimes do.
const execWrapper = `if [ ! -f "$0" ]; then echo "$0: does not exist" >&2; exit 127; fi
if [ ! -x "$0" ]; then echo "$0: is not an executable" >&2; exit 126; fi
exec "$0" "$@"`

// wrapped is the command started by the function's wrapper, if it has one.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html
func wrapped(c Command, opt CommandOptions) Command {
	if opt.Wrapper != "" {
		c.Argv = append([]string{"/bin/sh", "-c", execWrapper, opt.Wrapper}, c.Argv...)
	}
	return c
}

// waiting is what a bootstrap is told to get ready for.
func waiting(g generation, opt CommandOptions) string {
	switch {
	case g.legacyNode:
		return "legacy"
	case opt.SDK && g.family == python:
		return "sdk"
	case opt.Library && g.family == python:
		return "library"
	}
	return "modern"
}

// Waits reports whether a process of the runtime can be started before it is known for
// which function, if that has these variables: an interpreter reads some of them when
// it starts, and never again.
func Waits(runtime string, user map[string]string) bool {
	switch g := generationOf(runtime); g.family {
	case node, python, dotnet, java, ruby:
	default:
		return false
	}
	for name := range user {
		for _, prefix := range []string{"NODE_", "UV_", "DOTNET_", "COMPlus_", "CORECLR_", "MONO_", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "OPENSSL_", "SSL_", "RUBY", "GEM_", "BUNDLE_", "AWS_LAMBDA_EXEC_WRAPPER"} {
			if strings.HasPrefix(name, prefix) {
				return false
			}
		}
	}
	return true
}

// closest is the interpreter for g: any Node, the newest first; the oldest Python or
// Java that is not older than asked for; exactly 2.7 for 2.7; the oldest Ruby that is not
// older, else the newest.
func (s *Set) closest(g generation) *interpreter {
	if g.family == dotnet {
		return closestNet(s.list, g)
	}
	var best *interpreter
	for i := range s.list {
		c := &s.list[i]
		if c.family != g.family || g.family == unknown {
			continue
		}
		if g.family == node {
			if best == nil || c.major > best.major {
				best = c
			}
			continue
		}
		if g.family == java {
			if c.major >= g.major && (best == nil || c.major < best.major) {
				best = c
			}
			continue
		}
		if g.family == ruby {
			if best == nil || nearer(c, best, g) {
				best = c
			}
			continue
		}
		if c.major == g.major && c.minor >= g.minor && (g.major > 2 || c.minor == g.minor) &&
			(best == nil || c.minor < best.minor) {
			best = c
		}
	}
	return best
}

// nearer reports whether Ruby a is better for g than b.
func nearer(a, b *interpreter, g generation) bool {
	number := func(major, minor int) int { return major*100 + minor }
	x, y, want := number(a.major, a.minor), number(b.major, b.minor), number(g.major, g.minor)
	if (x >= want) != (y >= want) {
		return x >= want
	}
	return (x < y) == (x >= want)
}

// unsupported says what this machine is to get for a runtime; why is what failed if it has got that.
func (s *Set) unsupported(runtime string, g generation, why error) error {
	want := wanted(g)
	if g.family == java && why != nil {
		want = "what it takes to run Java (" + why.Error() + ")"
	}
	have := make([]string, 0, len(s.list))
	for _, i := range s.list {
		have = append(have, i.path)
	}
	text := "The runtime parameter of " + runtime + " is not supported: this machine has not got " + want + "."
	if len(have) > 0 {
		text += " Found: " + strings.Join(have, ", ") + "."
	}
	return aws.Errorf(http.StatusBadRequest, "InvalidParameterValueException", "%s", text).Because(ErrUnsupportedRuntime)
}

func nodeArgv(found *interpreter, g generation, opt CommandOptions, root string) []string {
	// With this flag, SSL_CERT_FILE and SSL_CERT_DIR name the authorities. It costs
	// nothing at start, where NODE_EXTRA_CA_CERTS costs more than Node itself.
	argv := []string{found.path, "--use-openssl-ca"}
	if g.legacyNode {
		// Code of that time copies whole events into request headers.
		argv = append(argv, "--max-http-header-size=81920", "--no-deprecation")
	}
	if opt.MemoryMB > 0 {
		argv = append(argv, "--max-old-space-size="+strconv.Itoa(max(opt.MemoryMB*9/10, 64)))
	}
	return append(argv, filepath.Join(root, "index.cjs"))
}

// pythonLoader runs the compiled bootstrap, which costs less than to compile it or
// to let the interpreter find out what kind of file it is.
const pythonLoader = "import sys,marshal;f=open(sys.argv[1],'rb');c=f.read();f.close();exec(marshal.loads(c),{'__name__':'bootstrap'})"

func pythonArgv(found *interpreter, root, modules string) []string {
	flags := []string{"-I", "-S"}
	if found.major == 2 {
		flags = []string{"-E", "-s", "-S"}
	}
	argv := append([]string{found.path}, flags...)
	return append(argv, "-c", pythonLoader, filepath.Join(root, "bootstrap.bin"), modules)
}

// system is what any interpreter needs of the host: the loader, shared libraries,
// certificates (never the folders that hold private keys), programs that functions
// start.
var system = []string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives",
	"/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted",
	"/etc/ImageMagick-6", "/etc/ImageMagick-7", "/etc/mime.types", "/etc/mono"}

func systemMounts() []Mount {
	var list []Mount
	for _, p := range system {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			list = append(list, Mount{real, p})
		}
	}
	return list
}

// hostMounts is the folders that a sandbox shows for an interpreter and its bootstrap.
func hostMounts(i *interpreter, boot string) []Mount {
	list := systemMounts()
	covered := slices.ContainsFunc(list, func(m Mount) bool { return within(m.Host, i.path) && m.Host == m.Inside })
	if !covered {
		list = append(list, Mount{i.prefix, i.prefix})
	}
	return append(list, Mount{boot, RuntimeRoot})
}

// mounts is hostMounts with Provision's modules.
func (s *Set) mounts(i *interpreter) []Mount {
	list := hostMounts(i, i.boot)
	host, name := s.modules(i)
	if st, err := os.Stat(host); err == nil && st.IsDir() {
		list = append(list, Mount{host, RuntimeRoot + "/" + name})
	}
	return list
}

// modules is the host folder of Provision's modules for an interpreter, which may
// not be there, and its name below RuntimeRoot.
func (s *Set) modules(i *interpreter) (host, name string) {
	name = sitePackages
	if i.family == node {
		name = nodeModules
	}
	return filepath.Join(s.dir, "modules", s.group(i), name), name
}

func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
