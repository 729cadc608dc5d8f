package runtimes

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The Java of the scripts is compiled at one go: the compiler takes longer to start than to compile. So no two
// scripts have a class of the same name.

var scriptClasses = sync.OnceValues(func() (string, error) {
	set, err := machine()
	if err != nil {
		return "", err
	}
	command, err := set.Command("java8", CommandOptions{Unmounted: true})
	if err != nil {
		return "", err
	}
	if set.javac() == "" {
		return "", errors.New("this machine has no JDK to compile the tests' functions")
	}
	dir := filepath.Join(set.dir, "classes")
	scripts, err := filepath.Glob("testdata/scripts/java*")
	if err != nil {
		return "", err
	}
	argv := []string{"-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "-source", "8", "-target", "8", "-g", "-proc:none", "-nowarn", "-Xlint:-options",
		"-cp", filepath.Join(command.RuntimeRoot, javaJar), "-d", dir}
	for i, s := range scripts {
		text, err := os.ReadFile(s)
		if err != nil {
			return "", err
		}
		for n, part := range strings.Split(string(text), "\nstart ") {
			input, _, _ := strings.Cut(part, "\n----\n")
			for name, source := range archive(input + "\n") {
				if !strings.HasSuffix(name, ".java") {
					continue
				}
				path := filepath.Join(set.dir, "sources", fmt.Sprint(i, "-", n), name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return "", err
				}
				if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
					return "", err
				}
				argv = append(argv, path)
			}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if text, err := exec.Command(set.javac(), argv...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, text)
	}
	return dir, nil
})

var javaPackage = regexp.MustCompile(`(?m)^package ([\w.]+);`)

// compiled has class files in the place of Java's sources. A source "lib/x.jar/…/C.java" is in a jar.
func compiled(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	dir, err := scriptClasses()
	if errors.Is(err, ErrUnsupportedRuntime) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, jars := map[string]string{}, map[string]map[string]string{}
	for name, text := range files {
		if !strings.HasSuffix(name, ".java") {
			out[name] = text
			continue
		}
		to := out
		if jar, _, ok := strings.Cut(name, ".jar/"); ok {
			if jars[jar+".jar"] == nil {
				jars[jar+".jar"] = map[string]string{}
			}
			to = jars[jar+".jar"]
		}
		in := strings.ReplaceAll(javaPackage.FindStringSubmatch(text)[1], ".", "/")
		class := strings.TrimSuffix(path.Base(name), ".java")
		for _, pattern := range []string{class + ".class", class + "$*.class"} {
			found, err := filepath.Glob(filepath.Join(dir, in, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				to[path.Join(in, filepath.Base(f))] = string(b)
			}
		}
	}
	for name, classes := range jars {
		out[name] = zipped(t, classes)
	}
	return out
}

func zipped(t *testing.T, files map[string]string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// No Java is told from another by its version alone.
func TestJavaVersions(t *testing.T) {
	for text, want := range map[string]string{
		`openjdk version "1.8.0_392"`:          "8.0 8",
		`openjdk version "17.0.15" 2025-04-15`: "17.0.15 17",
		`openjdk version "21" 2023-09-19`:      "21.0 21",
		`openjdk version "26-ea" 2026-03-17`:   "26.0 26",
		"nothing of the kind":                  "",
	} {
		p := describeJava("/opt/jdk/bin/java", text)
		got := ""
		if p != nil {
			got = fmt.Sprint(p.version, " ", p.major)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if p := describeJava("/opt/jdk8/jre/bin/java", `version "1.8.0_1"`); p.prefix != "/opt/jdk8" {
		t.Errorf("a JDK 8 lies in %s", p.prefix)
	}
}

func TestJavaIsChosen(t *testing.T) {
	s := made(t, "java 17.0.15", "java 25.0.3", "java 11.0.2")
	for _, i := range s.list {
		i.jvm.once.Do(func() {})
	}
	for runtime, want := range map[string]string{"java8": "11.0.2", "java8.al2": "11.0.2", "java11": "11.0.2", "java17": "17.0.15", "java21": "25.0.3", "java25": "25.0.3"} {
		if c, err := s.Command(runtime, CommandOptions{Unmounted: true}); err != nil || c.Version != want {
			t.Errorf("%s: got %q %v, want %q", runtime, c.Version, err, want)
		}
	}
	// Classes for Java 21 would be too new.
	_, err := made(t, "java 17.0.15").Command("java21", CommandOptions{})
	if !errors.Is(err, ErrUnsupportedRuntime) || !strings.Contains(err.Error(), "this machine has not got Java 21 or newer. Found: /opt/java 17.0.15/bin/java.") {
		t.Error(err)
	}
	// Without a compiler there is no bootstrap.
	bare := &Set{dir: t.TempDir(), list: made(t, "java 17.0.15").list}
	bare.list[0].jvm.err = errNoCompiler
	bare.list[0].jvm.once.Do(func() {})
	if _, err := bare.Command("java17", CommandOptions{}); !errors.Is(err, ErrUnsupportedRuntime) || !strings.Contains(err.Error(), "JDK") {
		t.Error(err)
	}
}

func TestJavaCommand(t *testing.T) {
	s := made(t, "java 17.0.15")
	s.list[0].jvm.boot = "/boot/java"
	s.list[0].jvm.once.Do(func() {})
	c, err := s.Command("java17", CommandOptions{MemoryMB: 1024, Waiting: true, JavaProperties: []string{"a=b"}})
	if err != nil || !c.Java {
		t.Fatal(c, err)
	}
	if got, want := strings.Join(c.Argv, " "), "/opt/java 17.0.15/bin/java -XX:Flags=/var/runtime/java.flags -Djava.net.preferIPv4Stack=true "+
		"-XX:MaxHeapSize=891289k -jar ../runtime/java.jar a=b modern"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, m := range []Mount{{"/opt/java 17.0.15", "/opt/java 17.0.15"}, {"/boot/java", "/var/runtime"}} {
		if !slices.Contains(c.Mounts, m) {
			t.Errorf("%v is not in %v", m, c.Mounts)
		}
	}
	if !SizesHeap("java21") || !SizesHeap("nodejs20.x") || SizesHeap("python3.12") {
		t.Error("whose heap has a size")
	}
}

// What a distribution keeps in /etc is in view, and no more of that.
func TestJavaSettings(t *testing.T) {
	for _, i := range interpreters(t).list {
		if i.family != java {
			continue
		}
		for _, m := range javaSettings(i.prefix) {
			if m.Host == "/etc" || m.Host == "/etc/java" || m.Host == "/etc/ssl" || !strings.Contains(m.Host, "java") {
				t.Errorf("%s shows %v", i.path, m)
			}
		}
	}
}

// The archive of classes is used: without it each start takes half as long again.
func TestJavaArchive(t *testing.T) {
	set := interpreters(t)
	c, err := set.Command("java17", CommandOptions{Unmounted: true})
	if errors.Is(err, ErrUnsupportedRuntime) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "task"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(c.RuntimeRoot, filepath.Join(dir, "runtime")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), c.Argv[0], "-XX:Flags="+filepath.Join(c.RuntimeRoot, javaFlagged), "-Xshare:on",
		"-XX:SharedArchiveFile="+filepath.Join(c.RuntimeRoot, javaArchive), "-Xlog:class+load", "-jar", javaBelow, "practice")
	cmd.Dir = filepath.Join(dir, "task")
	out, err := cmd.CombinedOutput()
	if err != nil || !regexp.MustCompile(`cloud\.tule\.runtime\.Bootstrap source: shared objects file`).Match(out) {
		t.Errorf("%v\n%.2000s", err, out)
	}
}
