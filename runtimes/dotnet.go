package runtimes

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// C# is run by .NET, or by Mono where there is no .NET that is new enough. The bootstrap
// for it is C#, too, and compiled on the machine, for the host that was found: when the
// first function needs it, and once for the data folder.

//go:embed boot/dotnet/*.cs
var dotnetSources embed.FS

// facadeSource is the program among them that is not a part of the bootstrap.
const facadeSource = "Facade.cs"

// compileLimit bounds the compiler's work: a second on an idle machine.
const compileLimit = 90 * time.Second

// A netHost is what the program dotnet has with it. Mono has none.
type netHost struct {
	shared string // the folder of the base library
	aspnet string // version of the libraries for web applications, "" without
	csc    string // the SDK's compiler, "" without
}

// probeMono asks a Mono what it is.
func probeMono(ctx context.Context, path string) *probed {
	out, err := output(ctx, path, nil, "--version")
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(out), "version ")
	version, _, _ := strings.Cut(rest, " ")
	return describe(interpreter{family: dotnet, path: path, prefix: installation(path), version: version}, nil)
}

// probeNet asks the program dotnet what it has. One without a runtime is none.
func probeNet(ctx context.Context, path string) *probed {
	runtimes, err := output(ctx, path, nil, "--list-runtimes")
	if err != nil {
		return nil
	}
	core, dir := newest(string(runtimes), "Microsoft.NETCore.App ")
	if core == "" {
		return nil
	}
	host := &netHost{shared: filepath.Join(dir, core)}
	host.aspnet, _ = newest(string(runtimes), "Microsoft.AspNetCore.App ")
	if sdks, err := output(ctx, path, nil, "--list-sdks"); err == nil {
		if sdk, dir := newest(string(sdks), ""); sdk != "" {
			host.csc = filepath.Join(dir, sdk, "Roslyn", "bincore", "csc.dll")
		}
	}
	return describe(interpreter{family: dotnet, path: path, prefix: filepath.Dir(path), version: core, net: host}, nil)
}

// newest is the highest version, and its folder, among lines like
// "Microsoft.NETCore.App 8.0.1 [/usr/share/dotnet/shared/Microsoft.NETCore.App]".
func newest(list, prefix string) (version, dir string) {
	var best []int
	for line := range strings.Lines(list) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), prefix)
		name, folder, found := strings.Cut(rest, " [")
		if !ok || !found || strings.Contains(name, "-") {
			continue // another's, or a preview
		}
		var numbers []int
		for part := range strings.SplitSeq(name, ".") {
			n, err := strconv.Atoi(part)
			if err != nil {
				break
			}
			numbers = append(numbers, n)
		}
		if slices.Compare(numbers, best) > 0 {
			best, version, dir = numbers, name, strings.TrimSuffix(folder, "]")
		}
	}
	return version, dir
}

// closestNet is .NET, the newest first, if it is not older than asked for; else Mono,
// which takes what it can load.
func closestNet(list []interpreter, g generation) *interpreter {
	var best *interpreter
	for i := range list {
		c := &list[i]
		switch {
		case c.family != dotnet || c.net != nil && c.major < g.major:
		case best == nil, best.net == nil && c.net != nil,
			(best.net == nil) == (c.net == nil) && c.major > best.major:
			best = c
		}
	}
	return best
}

// netCommand completes c, the way to start C# on a host.
func (s *Set) netCommand(c Command, host *interpreter, opt CommandOptions) (Command, error) {
	boot, err := s.netBoot(host)
	if err != nil {
		return Command{}, err
	}
	if opt.Unmounted {
		c.RuntimeRoot = boot
	} else {
		c.Mounts = hostMounts(host, boot)
	}
	c.Argv = netArgv(host, c.RuntimeRoot)
	if opt.Waiting {
		c.Argv = append(c.Argv, "waiting")
	}
	return c, nil
}

func netArgv(i *interpreter, root string) []string {
	if i.net == nil {
		return []string{i.path, filepath.Join(root, "bootstrap.exe")}
	}
	return []string{i.path, "exec", filepath.Join(root, "bootstrap.dll")}
}

// netBoot is the folder of the bootstrap for a host. The first time it is compiled.
func (s *Set) netBoot(i *interpreter) (string, error) {
	s.compiling.Lock()
	defer s.compiling.Unlock()
	if dir := s.compiled[i.path]; dir != "" {
		return dir, nil
	}
	sources, err := readSources()
	if err != nil {
		return "", err
	}
	compiler := s.compiler(i)
	if compiler == nil {
		return "", aws.Errorf(http.StatusBadRequest, "InvalidParameterValueException",
			"This machine has %s, and no compiler for C#. Install the .NET SDK, or Debian's mono-runtime and mono-mcs.", i.path).Because(ErrUnsupportedRuntime)
	}
	sources["made"] = []byte(strings.Join(append(compiler, i.path, i.version), "\n"))
	dir := filepath.Join(s.dir, "boot", "dotnet-"+digest(sources))
	if _, err := os.Stat(dir); err != nil {
		delete(sources, "made")
		files, err := compile(i, compiler, sources)
		if err == nil {
			err = writeFolder(dir, "", files, nil)
		}
		if err != nil {
			return "", fmt.Errorf("runtimes: making the bootstrap for C#: %w", err)
		}
	}
	if s.compiled == nil {
		s.compiled = map[string]string{}
	}
	s.compiled[i.path] = dir
	return dir, nil
}

func readSources() (map[string][]byte, error) {
	entries, err := dotnetSources.ReadDir("boot/dotnet")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = dotnetSources.ReadFile("boot/dotnet/" + e.Name()); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// compiler is how the C# compiler is run for a host, as far as that is the same for all
// that is compiled; nil if there is none. What Mono's compiles also runs on .NET.
func (s *Set) compiler(i *interpreter) []string {
	if i.net != nil && i.net.csc != "" {
		argv := []string{i.path, "exec", i.net.csc, "-nologo", "-noconfig", "-nostdlib"}
		libraries, err := filepath.Glob(filepath.Join(i.net.shared, "*.dll"))
		if err == nil && len(libraries) > 0 {
			for _, l := range libraries {
				argv = append(argv, "-r:"+l)
			}
			return argv
		}
	}
	for _, c := range s.list {
		mcs := filepath.Join(c.prefix, "lib/mono/4.5/mcs.exe")
		if c.family != dotnet || c.net != nil || i.net == nil && c.path != i.path {
			continue
		}
		if _, err := os.Stat(mcs); err == nil {
			return []string{c.path, mcs, "-nologo", "-noconfig"}
		}
	}
	return nil
}

// compile makes the files of the bootstrap's folder.
func compile(i *interpreter, compiler []string, sources map[string][]byte) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), compileLimit)
	defer cancel()
	work, err := os.MkdirTemp("", "tule-csharp-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	program := []string{"-optimize", "-unsafe", "-out:bootstrap.dll"}
	for name, text := range sources {
		if err := os.WriteFile(filepath.Join(work, name), text, 0o600); err != nil {
			return nil, err
		}
		if name != facadeSource {
			program = append(program, name)
		}
	}
	if err := runCompiler(ctx, work, slices.Concat(compiler, program)); err != nil {
		return nil, err
	}
	dll, err := os.ReadFile(filepath.Join(work, "bootstrap.dll"))
	if err != nil {
		return nil, err
	}
	if i.net != nil {
		config, err := configure(ctx, i, work)
		return map[string][]byte{"bootstrap.dll": dll, configFile: config}, err
	}
	files := map[string][]byte{"bootstrap.exe": dll}
	if native := precompile(ctx, i, work); native != nil {
		files["bootstrap.exe.so"] = native
	}
	files["facade.dll"], err = facade(ctx, i, compiler, work)
	return files, err
}

// precompile makes machine code of Mono's bootstrap, which takes a third off its start; nil
// where the assembler or the linker that Mono needs for it are missing.
func precompile(ctx context.Context, i *interpreter, work string) []byte {
	exe := filepath.Join(work, "bootstrap.exe")
	if err := os.Link(filepath.Join(work, "bootstrap.dll"), exe); err != nil {
		return nil
	}
	if err := runCompiler(ctx, work, []string{i.path, "--aot", exe}); err != nil {
		return nil
	}
	native, err := os.ReadFile(exe + ".so")
	if err != nil {
		return nil
	}
	return native
}

// facade compiles the assembly in which code for .NET Standard finds Mono's base library.
func facade(ctx context.Context, i *interpreter, compiler []string, work string) ([]byte, error) {
	var libraries, references []string
	for _, name := range []string{"mscorlib", "System", "System.Core", "System.Xml", "System.Numerics", "System.Security", "System.Configuration",
		"System.Net.Http", "System.Xml.Linq", "System.Runtime.Serialization", "System.ComponentModel.DataAnnotations", "System.IO.Compression",
		"System.Data", "System.Transactions"} {
		path := filepath.Join(i.prefix, "lib/mono/4.5", name+".dll")
		if _, err := os.Stat(path); err == nil {
			libraries, references = append(libraries, path), append(references, "-r:"+path)
		}
	}
	if err := runCompiler(ctx, work, append(slices.Clone(compiler), "-out:facade.exe", facadeSource)); err != nil {
		return nil, err
	}
	source, err := output(ctx, i.path, nil, append([]string{filepath.Join(work, "facade.exe")}, libraries...)...)
	if err != nil {
		return nil, fmt.Errorf("listing Mono's types: %w", err)
	}
	if err := os.WriteFile(filepath.Join(work, "types.cs"), source, 0o600); err != nil {
		return nil, err
	}
	argv := slices.Concat(compiler, references, []string{"-target:library", "-nowarn:612,618", "-out:facade.dll", "types.cs"})
	if err := runCompiler(ctx, work, argv); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(work, "facade.dll"))
}

// runCompiler runs a compiler in a folder.
func runCompiler(ctx context.Context, dir string, argv []string) error {
	return runIn(ctx, dir, argv, nil, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1")
}

// runIn runs a program in a folder, with a file as its descriptor 3; its error has what it
// printed.
func runIn(ctx context.Context, dir string, argv []string, file *os.File, variables ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append([]string{"LANG=C.UTF-8", "PATH=/usr/bin:/bin", "HOME=" + dir, "DOTNET_CLI_HOME=" + dir}, variables...)
	cmd.WaitDelay = time.Second
	if file != nil {
		cmd.ExtraFiles = []*os.File{file}
	}
	printed, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if text := bytes.TrimSpace(printed); len(text) > 0 {
		return errors.Join(err, errors.New(string(text[:min(len(text), 2000)])))
	}
	return err
}

// configFile is the file by which .NET finds the base library for the bootstrap.
const configFile = "bootstrap.runtimeconfig.json"

// configure finds a configuration with which the bootstrap runs. Without libraries of ICU
// that it knows .NET does not start, unless it is told to do without.
func configure(ctx context.Context, i *interpreter, work string) (config []byte, err error) {
	nobody, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer nobody.Close()
	for _, invariant := range []bool{false, true} {
		if config, err = i.net.config(i.version, invariant); err != nil {
			return nil, err
		}
		if err = os.WriteFile(filepath.Join(work, configFile), config, 0o600); err != nil {
			return nil, err
		}
		// It rehearses, and ends since nobody speaks to it.
		if err = runIn(ctx, work, append(netArgv(i, work), "waiting"), nobody); err == nil {
			return config, nil
		}
	}
	return nil, err
}

func (h *netHost) config(version string, invariant bool) ([]byte, error) {
	type framework struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	frameworks := []framework{{"Microsoft.NETCore.App", version}}
	if h.aspnet != "" {
		frameworks = append(frameworks, framework{"Microsoft.AspNetCore.App", h.aspnet})
	}
	return json.Marshal(map[string]any{"runtimeOptions": map[string]any{
		"frameworks":       frameworks,
		"configProperties": map[string]any{"System.Globalization.Invariant": invariant, "System.GC.Concurrent": false},
	}})
}
