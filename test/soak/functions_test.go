package soak

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Each of the functions does what its event asks for, prints the ids of the events that it
// gets asynchronously, and answers with the generation of its code.
const (
	nodeSource = `
const fs = require("fs"), os = require("os"), path = require("path")
const generation = fs.readFileSync("/var/task/generation", "utf8")
exports.handler = async (e) => {
  switch (e.do) {
  case "event": console.log("event " + e.id); break
  case "throw": throw new TypeError("no such thing")
  case "exit": process.exit(3)
  case "memory": { const all = []; for (;;) all.push(Buffer.alloc(16 << 20, 1)) }
  case "sleep": await new Promise(done => setTimeout(done, 60000)); break
  case "child": require("child_process").spawn("sleep", ["600"], { detached: true, stdio: "ignore" }).unref(); break
  case "file": { const f = path.join(os.tmpdir(), "soak" + e.id); fs.writeFileSync(f, "x".repeat(1 << 20)); fs.unlinkSync(f); break }
  case "log": for (let n = 0; n < 100; n++) console.log("line", n, "x".repeat(100))
  }
  return { id: e.id, generation }
}
`
	pythonSource = `
import os, subprocess, tempfile, time
generation = open("/var/task/generation").read()

def handler(e, context):
    do = e["do"]
    if do == "event":
        print("event " + e["id"])
    elif do == "throw":
        raise ValueError("no such thing")
    elif do == "exit":
        os._exit(3)
    elif do == "memory":
        every = []
        while True:
            every.append(b"x" * (16 << 20))
    elif do == "sleep":
        time.sleep(60)
    elif do == "child":
        subprocess.Popen(["sleep", "600"], start_new_session=True)
    elif do == "file":
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"x" * (1 << 20))
    elif do == "log":
        for n in range(100):
            print("line", n, "x" * 100)
    return {"id": e["id"], "generation": generation}
`
	javaSource = `
import java.nio.file.*;
import java.util.*;

public class Soak {
    static final String generation = read();

    static String read() {
        try { return new String(Files.readAllBytes(Paths.get("/var/task/generation"))); }
        catch (java.io.IOException e) { throw new RuntimeException(e); }
    }

    public Map<String, Object> handle(Map<String, Object> e) throws Exception {
        switch ((String) e.get("do")) {
        case "event": System.out.println("event " + e.get("id")); break;
        case "throw": throw new IllegalStateException("no such thing");
        case "exit": Runtime.getRuntime().halt(3);
        case "memory": { List<byte[]> all = new ArrayList<>(); for (;;) all.add(new byte[16 << 20]); }
        case "sleep": Thread.sleep(60000); break;
        case "child": new ProcessBuilder("sleep", "600").start(); break;
        case "file": { Path f = Files.createTempFile("soak", ""); Files.write(f, new byte[1 << 20]); Files.delete(f); break; }
        case "log": for (int n = 0; n < 100; n++) System.out.println("line " + n); break;
        }
        Map<String, Object> out = new HashMap<>();
        out.put("id", e.get("id"));
        out.put("generation", generation);
        return out;
    }
}
`
)

// A kind is a language that functions are of.
type kind struct {
	runtime types.Runtime
	handler string
	file    string // of the zip
	code    []byte
	memory  int32
	timeout int32 // seconds, without patience
}

var (
	node   = kind{types.RuntimeNodejs20x, "index.handler", "index.js", []byte(nodeSource), 128, 6}
	python = kind{types.RuntimePython311, "index.handler", "index.py", []byte(pythonSource), 128, 6}
)

// java is the kind, compiled; false if this machine cannot.
func java(t *testing.T) (kind, bool) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Soak.java"), []byte(javaSource), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("javac", "-source", "8", "-target", "8", "-nowarn", "-Xlint:-options", filepath.Join(dir, "Soak.java")).CombinedOutput(); err != nil {
		t.Logf("without Java: %v %s", err, out)
		return kind{}, false
	}
	class, err := os.ReadFile(filepath.Join(dir, "Soak.class"))
	if err != nil {
		t.Fatal(err)
	}
	return kind{types.RuntimeJava17, "Soak::handle", "Soak.class", class, 512, 10}, true
}

// provided is the kind of functions that are programs.
func provided(t *testing.T) kind {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bootstrap")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./function")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return kind{types.RuntimeProvidedal2023, "bootstrap", "bootstrap", program, 128, 6}
}

// zip is a generation of the code of the function called name: nobody else has the same.
func (k kind) zip(name string, generation int64) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	put := func(name string, data []byte) error {
		h := &zip.FileHeader{Name: name, Method: zip.Store}
		h.SetMode(0o755)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}
	err := put(k.file, k.code)
	err = errors.Join(err, put("generation", []byte(strconv.FormatInt(generation, 10))), put("name", []byte(name)), z.Close())
	if err != nil {
		panic(err) // a buffer in memory takes all
	}
	return b.Bytes()
}

// kinds are the kinds of n functions: Node and Python by turns, and now and then another.
func kinds(t *testing.T, n int) []kind {
	t.Helper()
	others := []kind{provided(t)}
	if k, ok := java(t); ok {
		others = append(others, k)
	}
	var out []kind
	for i := range n {
		switch {
		case i%12 == 11:
			out = append(out, others[i/12%len(others)])
		case i%2 == 0:
			out = append(out, node)
		default:
			out = append(out, python)
		}
	}
	return out
}

// deploy makes all functions. Some hold others back: they may run twice at once.
func (l *load) deploy(t *testing.T) {
	t.Helper()
	roles := iam.NewFromConfig(l.config)
	made, err := roles.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("soak"),
		AssumeRolePolicyDocument: aws.String(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roles.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("soak"),
		PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")}); err != nil {
		t.Fatal(err)
	}
	for i, k := range kinds(t, functions) {
		f := &function{name: fmt.Sprintf("soak-%d", i), kind: k}
		f.generation.Store(1)
		_, err := l.lambda.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: &f.name, Role: made.Role.Arn, Runtime: k.runtime, Handler: &k.handler,
			MemorySize: &k.memory, Timeout: aws.Int32(k.timeout + l.patience), Code: &types.FunctionCode{ZipFile: k.zip(f.name, 1)},
			Environment: &types.Environment{Variables: map[string]string{mark: l.mark}}})
		if err != nil {
			t.Fatal(err)
		}
		l.functions = append(l.functions, f)
	}
	for _, f := range l.functions[:2] {
		f.reserved = true
		if _, err := l.lambda.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: &f.name, ReservedConcurrentExecutions: aws.Int32(2)}); err != nil {
			t.Fatal(err)
		}
	}
}
