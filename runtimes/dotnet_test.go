package runtimes

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// built are assemblies by what they were made of, so that the same source is compiled
// once in all the tests.
var built = struct {
	sync.Mutex
	dll map[string][]byte
}{dll: map[string][]byte{}}

// onMono is the machine without its .NET: what exceptions and their traces say differs
// between the two, and the scripts have Mono's words.
func onMono(t testing.TB) *Set {
	all := interpreters(t)
	list := slices.Clone(all.list)
	return &Set{dir: all.dir, list: slices.DeleteFunc(list, func(i interpreter) bool { return i.net != nil })}
}

// csharp compiles each C# source in a function's folder to the assembly of its name, with
// stand-ins for the packages of AWS's that functions use. What is in the folder absent is
// there for the compiler alone.
func csharp(t testing.TB, task string) {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(task, "*.cs"))
	if err != nil || len(sources) == 0 {
		return
	}
	mcs, err := exec.LookPath("mcs")
	if err != nil {
		t.Skip("the tests of C# compile it with Debian's mono-mcs, which is not here")
	}
	stands, err := filepath.Glob("testdata/dotnet/*.cs")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(stands) // Core comes first
	references := []string{"-r:System.Core.dll"}
	absent, err := filepath.Glob(filepath.Join(task, "absent", "*.cs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range slices.Concat(stands, absent, sources) {
		folder := task
		if slices.Contains(absent, source) {
			folder = filepath.Join(task, "absent")
		}
		dll := filepath.Join(folder, strings.TrimSuffix(filepath.Base(source), ".cs")+".dll")
		assemble(t, mcs, source, dll, references)
		references = append(references, "-r:"+dll)
	}
	if err := os.RemoveAll(filepath.Join(task, "absent")); err != nil {
		t.Fatal(err)
	}
}

func assemble(t testing.TB, mcs, source, dll string, references []string) {
	t.Helper()
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Base(source) + "\n" + string(text)
	built.Lock()
	defer built.Unlock()
	if b := built.dll[key]; b != nil {
		if err := os.WriteFile(dll, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	argv := append([]string{"-nologo", "-noconfig", "-nowarn:414", kind(text), "-out:" + dll, source}, references...)
	if out, err := exec.Command(mcs, argv...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if built.dll[key], err = os.ReadFile(dll); err != nil {
		t.Fatal(err)
	}
}

// kind is what to make of a source: a library, or a program if there is a Main.
func kind(source []byte) string {
	if strings.Contains(string(source), " Main(") {
		return "-target:exe"
	}
	return "-target:library"
}

func TestNewestNet(t *testing.T) {
	const list = `Microsoft.AspNetCore.App 8.0.11 [/usr/share/dotnet/shared/Microsoft.AspNetCore.App]
Microsoft.NETCore.App 8.0.11 [/usr/share/dotnet/shared/Microsoft.NETCore.App]
Microsoft.NETCore.App 10.0.1 [/usr/share/dotnet/shared/Microsoft.NETCore.App]
Microsoft.NETCore.App 9.0.3 [/home/some one/.dotnet/shared/Microsoft.NETCore.App]
Microsoft.NETCore.App 11.0.0-preview.2 [/usr/share/dotnet/shared/Microsoft.NETCore.App]
what else it may print
`
	for prefix, want := range map[string]string{
		"Microsoft.NETCore.App ":    "10.0.1 /usr/share/dotnet/shared/Microsoft.NETCore.App",
		"Microsoft.AspNetCore.App ": "8.0.11 /usr/share/dotnet/shared/Microsoft.AspNetCore.App",
		"Microsoft.Windows ":        " ",
	} {
		if version, dir := newest(list, prefix); version+" "+dir != want {
			t.Errorf("%s: got %q in %q, want %q", prefix, version, dir, want)
		}
	}
	if version, dir := newest("9.0.100 [/opt/dotnet/sdk]\r\n", ""); version != "9.0.100" || dir != "/opt/dotnet/sdk" {
		t.Errorf("an SDK: got %q in %q", version, dir)
	}
}

func TestClosestNet(t *testing.T) {
	mono := interpreter{family: dotnet, path: "/usr/bin/mono-sgen", prefix: "/none", major: 6}
	three := interpreter{family: dotnet, path: "/3/dotnet", prefix: "/3", major: 3, net: &netHost{}}
	eight := interpreter{family: dotnet, path: "/8/dotnet", prefix: "/8", major: 8, net: &netHost{}}
	other := interpreter{family: node, path: "/node", major: 99}
	for _, c := range []struct {
		list    []interpreter
		runtime string
		want    string
	}{
		{[]interpreter{other, mono, three, eight}, "dotnetcore1.0", "/8/dotnet"},
		{[]interpreter{eight, three, mono}, "dotnet8", "/8/dotnet"},
		{[]interpreter{three, mono}, "dotnetcore3.1", "/3/dotnet"},
		{[]interpreter{three, mono}, "dotnet8", "/usr/bin/mono-sgen"},
		{[]interpreter{mono, eight}, "dotnet10", "/usr/bin/mono-sgen"},
		{[]interpreter{eight, other}, "dotnet10", ""},
	} {
		got := ""
		if i := (&Set{list: c.list}).closest(generationOf(c.runtime)); i != nil {
			got = i.path
		}
		if got != c.want {
			t.Errorf("%s on %d: got %q, want %q", c.runtime, len(c.list), got, c.want)
		}
	}
	_, err := (&Set{list: []interpreter{eight}}).Command("dotnet10", CommandOptions{})
	if !errors.Is(err, ErrUnsupportedRuntime) || !strings.HasSuffix(err.Error(),
		"this machine has not got .NET 10 or newer, or Mono (Debian's mono-runtime and mono-mcs). Found: /8/dotnet.") {
		t.Errorf("too new: %v", err)
	}
	for _, host := range []interpreter{eight, mono} {
		_, err = (&Set{list: []interpreter{host, three}}).Command("dotnet8", CommandOptions{})
		if want := "This machine has " + host.path + ", and no compiler for C#. Install"; !errors.Is(err, ErrUnsupportedRuntime) || !strings.Contains(err.Error(), want) {
			t.Errorf("without a compiler: %v", err)
		}
	}
}

func TestNetConfiguration(t *testing.T) {
	h := &netHost{aspnet: "8.0.2"}
	got, err := h.config("8.0.1", true)
	const want = `{"runtimeOptions":{"configProperties":{"System.GC.Concurrent":false,"System.Globalization.Invariant":true},` +
		`"frameworks":[{"name":"Microsoft.NETCore.App","version":"8.0.1"},{"name":"Microsoft.AspNetCore.App","version":"8.0.2"}]}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s %v", got, err)
	}
}

// What was compiled is kept in the data folder, and shown to sandboxes.
func TestNetBootstrap(t *testing.T) {
	set := onMono(t)
	first, err := set.Command("dotnet8", CommandOptions{Unmounted: true, Waiting: true})
	if errors.Is(err, ErrUnsupportedRuntime) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	exe := first.RuntimeRoot + "/bootstrap.exe"
	if want := []string{set.closest(generationOf("dotnet8")).path, exe, "waiting"}; !slices.Equal(first.Argv, want) {
		t.Errorf("got %q, want %q", first.Argv, want)
	}
	before, err := os.Stat(exe)
	if err != nil {
		t.Fatal(err)
	}
	second, err := onMono(t).Command("dotnetcore1.0", CommandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(second.Mounts, Mount{first.RuntimeRoot, RuntimeRoot}) || second.Argv[1] != RuntimeRoot+"/bootstrap.exe" {
		t.Errorf("another's bootstrap: %+v", second)
	}
	if after, err := os.Stat(exe); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("it was compiled again: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(set.dir, "boot", "tmp-*")); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// beginCSharp starts a function on whichever host is preferred here.
func beginCSharp(t *testing.T, source string) *process {
	t.Helper()
	task := function(t, map[string]string{"Echo.cs": source})
	csharp(t, task)
	p := launch(t, interpreters(t), Config{Runtime: "dotnetcore3.1", Handler: "Echo::Echo::Handle", TaskRoot: task}, nil, CommandOptions{})
	if in, err := p.Init(context.Background()); err != nil || in.Failure != nil {
		t.Fatalf("init: %v %+v %v", err, in.Failure, p.drain())
	}
	return p
}

func TestCSharpSizes(t *testing.T) {
	p := beginCSharp(t, csharpEcho["Echo.cs"])
	for _, n := range []int{0, 1, 65520, 65536, 70000, 6_000_000, 10, 300_000} {
		event := `"` + strings.Repeat("x", n) + `"`
		if r := p.invoke(t, "id", event); string(r.Payload) != event || r.FunctionError != "" {
			t.Fatalf("%d bytes: got %d bytes %.100q %q", n, len(r.Payload), r.Payload, r.FunctionError)
		}
	}
}

func TestCSharpChildrenDoNotInheritTheSocket(t *testing.T) {
	p := beginCSharp(t, csharpChild)
	r := p.invoke(t, "id", "{}")
	for _, l := range p.drain() {
		if pid, err := strconv.Atoi(l.Text); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if r.ErrorType != ExitErrorType {
		t.Errorf("got %s %s", r.Payload, r.ErrorType)
	}
}

// csharpChild starts a process that outlives its own, by the system's call: the base
// library's way takes an assembly more.
const csharpChild = `using System.Runtime.InteropServices;
public class Echo {
	[DllImport("libc")] static extern int posix_spawn(out int pid, string path, System.IntPtr a, System.IntPtr b, string[] argv, string[] env);
	public void Handle() {
		int pid;
		posix_spawn(out pid, "/bin/sleep", System.IntPtr.Zero, System.IntPtr.Zero, new[] { "sleep", "30", null }, new string[] { null });
		System.Console.WriteLine(pid);
		System.Environment.Exit(5);
	}
}`

func FuzzNewest(f *testing.F) {
	f.Add("Microsoft.NETCore.App 8.0.11 [/usr/share/dotnet/shared/Microsoft.NETCore.App]", "Microsoft.NETCore.App ")
	f.Add("9.0.100 [/opt/dotnet/sdk]\n10.0.100-rc.1 [/opt/dotnet/sdk]", "")
	f.Add(" [\n1..2 []\n99999999999999999999 [x]", "")
	f.Fuzz(func(t *testing.T, list, prefix string) {
		if version, dir := newest(list, prefix); version == "" && dir != "" {
			t.Errorf("no version in %q", dir)
		}
	})
}
