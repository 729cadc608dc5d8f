package lambda

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/runtimes"
)

// javaDoes is a function that does what its event says, without any of AWS's classes.
const javaDoes = `package demo;

import java.io.*;
import java.util.*;

public class Does {
    static int calls;
    static List<byte[]> kept = new ArrayList<>();

    public Map<String, Object> run(Map<String, String> event) throws Exception {
        System.out.println("call " + ++calls);
        Map<String, Object> out = new TreeMap<>();
        out.put("calls", calls);
        switch (event.getOrDefault("do", "")) {
            case "": return out;
            case "fail": throw new Exception(new IllegalStateException("inner"));
            case "sleep": Thread.sleep(60000); break;
            case "exit": System.exit(3); break;
            case "eat": while (true) kept.add(new byte[1 << 20]);
        }
        out.put("cwd", new File(".").getCanonicalPath());
        out.put("here", new File("demo/Does.class").exists());
        out.put("read", new BufferedReader(new FileReader("note.txt")).readLine());
        out.put("files", new TreeSet<>(Arrays.asList(new File(".").list())));
        out.put("mine", System.getenv("MINE"));
        out.put("child", new BufferedReader(new InputStreamReader(new ProcessBuilder("sh", "-c", "echo $MINE $(pwd)").start().getInputStream())).readLine());
        out.put("tmp", new File("/tmp").list().length);
        out.put("heap", Runtime.getRuntime().maxMemory() >> 20 < 256);
        out.put("zone", TimeZone.getDefault().getID());
        out.put("trust", System.getProperty("javax.net.ssl.trustStore"));
        out.put("java", System.getProperty("java.version").split("[.]")[0]);
        try (FileWriter w = new FileWriter("x")) {
            out.put("written", true);
        } catch (IOException e) {
            out.put("refused", true);
        }
        return out;
    }
}
`

// createJava makes a function of a zip file as Maven's and Gradle's are: classes, and jars in lib.
func (st *stand) createJava(name, runtime string, change ...func(*api.CreateFunctionRequest)) {
	st.t.Helper()
	set, err := interpreters()
	if err != nil {
		st.t.Fatal(err)
	}
	javac, err := exec.LookPath("javac")
	if err != nil {
		st.t.Skip("this machine has no JDK to compile the test's function")
	}
	switch _, err := set.Command(runtime, runtimesPlain); {
	case errors.Is(err, runtimes.ErrUnsupportedRuntime):
		st.t.Skip(err)
	case err != nil:
		st.t.Fatal(err)
	}
	dir := st.t.TempDir()
	source := filepath.Join(dir, "Does.java")
	if err := os.WriteFile(source, []byte(javaDoes), 0o644); err != nil {
		st.t.Fatal(err)
	}
	if out, err := exec.Command(javac, "-J-XX:TieredStopAtLevel=1", "-source", "8", "-target", "8", "-nowarn", "-Xlint:-options", "-d", dir, source).CombinedOutput(); err != nil {
		st.t.Fatalf("%v: %s", err, out)
	}
	class, err := os.ReadFile(filepath.Join(dir, "demo", "Does.class"))
	if err != nil {
		st.t.Fatal(err)
	}
	zip := zipped(st.t, map[string]string{"demo/Does.class": string(class), "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n", "note.txt": "noted\n"})
	st.create(name, runtime, "", append([]func(*api.CreateFunctionRequest){func(in *api.CreateFunctionRequest) {
		in.Handler, in.MemorySize = ptr("demo.Does::run"), ptr(int32(256))
		in.Code = &api.FunctionCode{ZipFile: zip}
		in.Environment = &api.Environment{Variables: map[string]string{"MINE": "1", "TZ": "Asia/Tokyo"}}
	}}, change...)...)
}

// A function cannot tell whether its environment waited for it, fails as it does on AWS, and is ended when it
// takes too long or too much.
func TestJava(t *testing.T) {
	st := newStand(t, func(o *Options) {
		store := filepath.Join(t.TempDir(), "roots.p12")
		if err := os.WriteFile(store, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		o.Trust = TrustFiles{Java: store, JavaProperties: func(path string) []string { return []string{"javax.net.ssl.trustStore=" + path} }}
	})
	st.createJava("does", "java17", func(in *api.CreateFunctionRequest) { in.Timeout = ptr(int32(2)) })
	const want = `,"child":"1 /var/task","cwd":"/var/task","files":["META-INF","demo","note.txt"],"heap":true,"here":true,"java":"17","mine":"1",` +
		`"read":"noted","refused":true,"tmp":0,"trust":"/etc/tule/truststore.p12","zone":"Asia/Tokyo"}`
	for _, calls := range []string{"1", "2"} {
		answer, log := st.call("does", `{"do":"look"}`)
		if answer != `{"calls":`+calls+want && !st.plain() {
			t.Errorf("got  %s\nwant %s", answer, `{"calls":`+calls+want)
		}
		if !strings.Contains(log, "call "+calls+"\n") {
			t.Errorf("log:\n%s", log)
		}
	}
	for what, want := range map[string]string{
		"fail":  `"errorType":"java.lang.Exception"`,
		"sleep": `Task timed out after 2.00 seconds"}`,
		"exit":  `Error: Runtime exited with error: exit status 3"}`,
		"eat":   `Unhandled {"error`, // by the machine itself, or by the kernel
	} {
		if answer, _ := st.call("does", `{"do":"`+what+`"}`); !strings.HasPrefix(answer, "Unhandled ") || !strings.Contains(answer, want) {
			t.Errorf("%s: %.400s", what, answer)
		}
	}
	if answer, _ := st.call("does", `{"do":"fail"}`); !strings.Contains(answer, `"cause":{"errorMessage":"inner","errorType":"java.lang.IllegalStateException"`) {
		t.Errorf("a failure: %s", answer)
	}
	if !runtimes.Waits("java17", nil) || !st.Host.Features().Furnish {
		return
	}
	if got := st.settled(); !strings.Contains(got, "java17/256/false") {
		t.Fatalf("kept ready: %s", got)
	}
	st.fleet.retireAll(ref{name: "does", scope: st.scope()})
	st.fleet.wg.Wait()
	if answer, _ := st.call("does", `{"do":"look"}`); answer != `{"calls":1`+want {
		t.Errorf("one that waited: got  %s\nwant %s", answer, `{"calls":1`+want)
	}
}
