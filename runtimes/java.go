package runtimes

import (
	"archive/zip"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The bootstrap for Java is compiled: when Tule is built, by runtimes/build, or by a JDK of the machine, the
// first time that it is wanted. Beside the jar lies an archive of its classes, and of the library's that it
// uses, as the virtual machine has them in memory (class-data sharing), made by each machine for itself.

//go:embed boot/java
var javaSources embed.FS

//go:embed bootbin
var bootbin embed.FS

// javaManifest opens to the bootstrap what it needs of the library: descriptor 3, and the variables.
const javaManifest = "Manifest-Version: 1.0\r\nMain-Class: cloud.tule.runtime.Bootstrap\r\n" +
	"Add-Opens: java.base/java.io java.base/java.lang\r\nEnable-Native-Access: ALL-UNNAMED\r\n\r\n"

// javaFlags are the virtual machine's, in a file, whose options those of a function's JAVA_TOOL_OPTIONS win
// over: quick to start, as AWS's are. Without a record of its performance it writes nothing to /tmp.
const javaFlags = "+UseSerialGC\nTieredStopAtLevel=1\n-UsePerfData\n"

const (
	javaJar     = "java.jar"
	javaArchive = "java.jsa"
	javaFlagged = "java.flags"
)

// javaBelow is the jar as a sandbox's process names it, whose folder is TaskRoot. The archive has it by that
// name and is for no other, so it is not an absolute one: it was not made in a sandbox.
const javaBelow = "../runtime/" + javaJar

// JavaJar is the name that the compiled bootstrap has in bootbin: it says of which sources it is.
func JavaJar() string {
	files, err := javaFiles()
	if err != nil {
		panic(err) // they are embedded
	}
	return "java-" + digest(files) + ".jar"
}

func javaFiles() (map[string][]byte, error) {
	files := map[string][]byte{"META-INF/MANIFEST.MF": []byte(javaManifest)}
	err := fs.WalkDir(javaSources, "boot/java", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[strings.TrimPrefix(path, "boot/java/")], err = javaSources.ReadFile(path)
		return err
	})
	return files, err
}

// CompileJava makes the jar of the bootstrap by the compiler at javac, for Java 8 and later.
func CompileJava(ctx context.Context, javac string) ([]byte, error) {
	files, err := javaFiles()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tule-java-")
	if err != nil {
		return nil, fmt.Errorf("runtimes: %w", err)
	}
	defer os.RemoveAll(dir)
	classes := filepath.Join(dir, "classes")
	argv := []string{"-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "-source", "8", "-target", "8", "-encoding", "UTF-8",
		"-proc:none", "-nowarn", "-Xlint:-options", "-g", "-d", classes}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, fmt.Errorf("runtimes: %w", err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, fmt.Errorf("runtimes: %w", err)
		}
		if strings.HasSuffix(name, ".java") {
			argv = append(argv, path)
		}
	}
	if err := os.MkdirAll(classes, 0o755); err != nil {
		return nil, fmt.Errorf("runtimes: %w", err)
	}
	if text, err := exec.CommandContext(ctx, javac, argv...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("runtimes: compiling the bootstrap for Java: %w: %s", err, text)
	}
	return packed(classes)
}

// packed is a jar of the folder's files, the same for the same files. They are stored as they are: that is
// read sooner than it is unpacked.
func packed(dir string) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name string, text []byte) error {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
	if err := add("META-INF/MANIFEST.MF", []byte(javaManifest)); err != nil {
		return nil, err
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return add(filepath.ToSlash(name), text)
	})
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, fmt.Errorf("runtimes: %w", err)
	}
	return b.Bytes(), nil
}

// A jvm is what is known of a Java virtual machine beside its version.
type jvm struct {
	once sync.Once
	boot string // host folder of the bootstrap, laid out
	err  error
}

// probeJava asks the program at path which Java it is.
func probeJava(ctx context.Context, path string) *probed {
	cmd := exec.CommandContext(ctx, path, "-XX:TieredStopAtLevel=1", "-version")
	cmd.Env = []string{"LANG=C.UTF-8", "PATH=/usr/bin:/bin"}
	cmd.WaitDelay = time.Second
	text, err := cmd.CombinedOutput()
	if err != nil {
		return nil
	}
	return describeJava(path, string(text))
}

// describeJava reads what the Java at path says of itself.
func describeJava(path, text string) *probed {
	_, rest, _ := strings.Cut(text, `version "`)
	version, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return nil
	}
	version = strings.TrimPrefix(version, "1.") // 1.8.0_392 is 8.0, 26-ea is 26
	if at := strings.IndexAny(version, "_-+"); at >= 0 {
		version = version[:at]
	}
	if !strings.Contains(version, ".") {
		version += ".0"
	}
	home := installation(path)
	if filepath.Base(home) == "jre" { // of a JDK 8
		home = filepath.Dir(home)
	}
	p := describe(interpreter{family: java, path: path, version: version, prefix: home}, nil)
	if p != nil {
		p.jvm = &jvm{}
	}
	return p
}

// javaBoot is the host folder of the bootstrap for the machine i, which is made at the first call: that
// compiles, unless Tule was built with a compiler at hand, and takes a few seconds.
func (s *Set) javaBoot(i *interpreter) (string, error) {
	i.jvm.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), compileLimit)
		defer cancel()
		i.jvm.boot, i.jvm.err = s.layOutJava(ctx, i)
	})
	return i.jvm.boot, i.jvm.err
}

var errNoCompiler = errors.New("runtimes: neither was Tule built with its bootstrap for Java, nor has this machine a JDK to compile it")

func (s *Set) layOutJava(ctx context.Context, i *interpreter) (string, error) {
	st, err := os.Stat(i.path)
	if err != nil {
		return "", fmt.Errorf("runtimes: %w", err)
	}
	jar := JavaJar()
	// An update of the machine makes its archive useless.
	id := digest(map[string][]byte{jar: []byte(javaFlags), nativeLibrary: nativeELF(runtime.GOARCH), i.path: []byte(i.version + st.ModTime().String())})
	final := filepath.Join(s.dir, "boot", "java-"+id)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	compiled, err := bootbin.ReadFile("bootbin/" + jar)
	if err != nil {
		javac := s.javac()
		if javac == "" {
			return "", errNoCompiler
		}
		if compiled, err = CompileJava(ctx, javac); err != nil {
			return "", err
		}
	}
	files := map[string][]byte{javaJar: compiled, javaFlagged: []byte(javaFlags)}
	if library := nativeELF(runtime.GOARCH); library != nil {
		files[nativeLibrary] = library
	}
	err = writeFolder(final, "", files, func(dir string) error { return i.archive(ctx, dir) })
	if err != nil {
		return "", fmt.Errorf("runtimes: laying out the bootstrap: %w", err)
	}
	return final, nil
}

// javac is a compiler of the machine's, of any version that is found.
func (s *Set) javac() string {
	for n := range s.list {
		path := filepath.Join(s.list[n].prefix, "bin", "javac")
		if s.list[n].family == java && isELF(path) {
			return path
		}
	}
	return ""
}

// archive makes the archive of classes in the folder of the bootstrap. That a machine cannot is no error:
// functions start all the same.
func (i *interpreter) archive(ctx context.Context, dir string) error {
	if i.major < 11 {
		return nil
	}
	// The archive is for a jar of the same name, date and size.
	work, err := os.MkdirTemp(filepath.Dir(dir), "tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.Mkdir(filepath.Join(work, "task"), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(dir, filepath.Join(work, "runtime")); err != nil {
		return err
	}
	list := filepath.Join(work, "classes.txt")
	for _, argv := range [][]string{
		{"-XX:TieredStopAtLevel=1", "-XX:DumpLoadedClassList=" + list, "-jar", javaBelow, "practice"},
		{"-XX:TieredStopAtLevel=1", "-Xshare:dump", "-XX:SharedClassListFile=" + list,
			"-XX:SharedArchiveFile=" + filepath.Join(dir, javaArchive), "-jar", javaBelow},
	} {
		cmd := exec.CommandContext(ctx, i.path, argv...)
		cmd.Dir = filepath.Join(work, "task")
		cmd.Env = []string{"LANG=C.UTF-8", "PATH=/usr/bin:/bin"}
		cmd.WaitDelay = time.Second
		if cmd.Run() != nil {
			return nil
		}
	}
	return nil
}

// javaCommand fills in how to start the bootstrap for Java.
func (s *Set) javaCommand(c *Command, i *interpreter, opt CommandOptions) error {
	boot, err := s.javaBoot(i)
	if err != nil {
		return err
	}
	jar := javaBelow
	c.RuntimeRoot, c.ModulePath = RuntimeRoot, ""
	if opt.Unmounted {
		c.RuntimeRoot = boot
		jar = filepath.Join(boot, javaJar)
	} else {
		c.Mounts = append(hostMounts(i, boot), javaSettings(i.prefix)...)
	}
	c.Argv = []string{i.path, "-XX:Flags=" + filepath.Join(c.RuntimeRoot, javaFlagged), "-Djava.net.preferIPv4Stack=true"}
	if opt.MemoryMB > 0 {
		c.Argv = append(c.Argv, "-XX:MaxHeapSize="+strconv.Itoa(opt.MemoryMB*1024*85/100)+"k")
	}
	if _, err := os.Stat(filepath.Join(boot, javaArchive)); err == nil && !opt.Unmounted {
		c.Argv = append(c.Argv, "-Xshare:auto", "-XX:SharedArchiveFile="+filepath.Join(c.RuntimeRoot, javaArchive))
	}
	c.Argv = append(c.Argv, "-jar", jar)
	c.Argv = append(c.Argv, opt.JavaProperties...)
	if opt.Waiting {
		c.Argv = append(c.Argv, "modern")
	}
	return nil
}

// javaSettings is the folders in which a distribution keeps what belongs into Java's own folder, and which
// are links there: "/etc/java-17-openjdk".
func javaSettings(home string) []Mount {
	var list []Mount
	for _, name := range []string{"conf/security/java.security", "conf/net.properties", "lib/jvm.cfg", "lib/security/java.security",
		"jre/lib/security/java.security", "jre/lib/amd64/jvm.cfg"} {
		real, err := filepath.EvalSymlinks(filepath.Join(home, name))
		if err != nil || !strings.HasPrefix(real, "/etc/") {
			continue
		}
		parts := strings.Split(real, "/") // "", "etc", "java-17-openjdk", …
		top := strings.Join(parts[:3], "/")
		if parts[2] == "java" && len(parts) > 4 { // "/etc/java/java-17-openjdk"
			top = strings.Join(parts[:4], "/")
		}
		if m := (Mount{top, top}); !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// SizesHeap reports whether a runtime's interpreter is told when it starts how much memory the function has.
func SizesHeap(name string) bool {
	f := generationOf(name).family
	return f == node || f == java
}
