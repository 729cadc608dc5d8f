package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	nodeHello   = `exports.handler = async () => ({ hello: "world" })`
	pythonHello = "def handler(event, context):\n    return {'hello': 'world'}\n"
	pythonSDK   = "import boto3\nclient = boto3.client('dynamodb', region_name='us-east-1')\ndef handler(event, context):\n    return {'hello': 'world'}\n"
	javaHello   = `
public class Hello {
	public java.util.Map<String, String> handler(Object event) { return java.util.Collections.singletonMap("hello", "world"); }
	public static void main(String[] args) { System.out.println(new Hello().handler(null)); }
}
`
	csharpHello = `
using System.IO;
using System.Text;
public class Hello {
	public Stream Handler(Stream s) { return new MemoryStream(Encoding.UTF8.GetBytes("{\"hello\":\"world\"}")); }
	public static void Main() { System.Console.WriteLine(new StreamReader(new Hello().Handler(null)).ReadToEnd()); }
}
`
)

// A language is one that functions start cold in: a function, and the interpreter alone
// that loads the same code, calls it and prints what it answers.
type language struct {
	name, runtime, handler string
	files                  map[string]string // of the zip, by name
	compile                []string          // in a folder of those; nil is nothing
	packed                 []string          // what of the folder is the zip; nil is the files
	bare                   []string          // in the folder
	memory                 int
}

var languages = []language{
	{"Node", "nodejs20.x", "index.handler", map[string]string{"index.js": nodeHello}, nil, nil,
		[]string{"/usr/bin/node", "-e", `require("./index.js").handler().then(o => console.log(JSON.stringify(o)))`}, 256},
	{"Python", "python3.11", "index.handler", map[string]string{"index.py": pythonHello}, nil, nil,
		[]string{"/usr/bin/python3", "-c", "import json, index; print(json.dumps(index.handler({}, None)))"}, 256},
	{"Python, boto3 client", "python3.11", "index.handler", map[string]string{"index.py": pythonSDK}, nil, nil,
		[]string{"/usr/bin/python3", "-c", "import json, index; print(json.dumps(index.handler({}, None)))"}, 256},
	{"Java", "java17", "Hello::handler", map[string]string{"Hello.java": javaHello}, []string{"javac", "-source", "8", "-target", "8", "-nowarn", "-Xlint:-options", "Hello.java"},
		[]string{"Hello.class"}, []string{"java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", ".", "Hello"}, 512},
	{"C#", "dotnet8", "Hello::Hello::Handler", map[string]string{"Hello.cs": csharpHello}, []string{"mcs", "-nologo", "-out:Hello.exe", "Hello.cs"},
		[]string{"Hello.exe"}, []string{"mono", "Hello.exe"}, 512},
}

// prepare writes and compiles the code in a folder of its own, and gives the folder and the
// zip's files.
func (l *language) prepare(r *rig) (dir string, files map[string]string, err error) {
	if dir, err = os.MkdirTemp(r.dir, "code-"); err != nil {
		return "", nil, err
	}
	for name, text := range l.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return "", nil, err
		}
	}
	if l.compile == nil {
		return dir, l.files, nil
	}
	cmd := exec.Command(l.compile[0], l.compile[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("%w: %s", err, out)
	}
	files = map[string]string{}
	for _, name := range l.packed {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", nil, err
		}
		files[zipName(name)] = string(b)
	}
	return dir, files, nil
}

// zipName is a file's name in the zip: .NET's functions are libraries.
func zipName(name string) string {
	if filepath.Ext(name) == ".exe" {
		return name[:len(name)-len(".exe")] + ".dll"
	}
	return name
}

// benchCold is a function's first answer against its interpreter doing the same alone. Before
// each, what Tule prepares for it is waited for.
func benchCold(_ context.Context, r *rig) ([]row, error) {
	if err := r.libraries(); err != nil {
		return nil, err
	}
	if err := r.need(); err != nil {
		return nil, err
	}
	var rows []row
	for i, l := range languages {
		if _, err := exec.LookPath(l.bare[0]); err != nil {
			rows = append(rows, row{what: "cold start, " + l.name, tule: "not measured: " + l.bare[0] + " is missing here"})
			continue
		}
		cold, floor, err := l.cold(r, fmt.Sprintf("cold-%d", i))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		rows = append(rows, against("cold start, "+l.name, cold, floor, 1.0))
	}
	return rows, nil
}

func (l *language) cold(r *rig, name string) (cold, floor time.Duration, err error) {
	dir, files, err := l.prepare(r)
	if err != nil {
		return 0, 0, err
	}
	const n = 9
	for i := range n + 1 {
		if err := r.function(fmt.Sprintf("%s-%d", name, i), l.runtime, l.handler, l.memory, files); err != nil {
			return 0, 0, err
		}
	}
	if err := r.invoke(fmt.Sprintf("%s-%d", name, n)); err != nil { // finds the interpreters, once
		return 0, 0, err
	}
	var colds, floors []time.Duration
	for i := range n {
		r.quiet()
		begun := time.Now()
		if err := r.invoke(fmt.Sprintf("%s-%d", name, i)); err != nil {
			return 0, 0, err
		}
		colds = append(colds, time.Since(begun))
		r.quiet()
		cmd := exec.Command(l.bare[0], l.bare[1:]...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=/usr/bin:/bin", "PYTHONPATH=" + r.modules(), "PYTHONDONTWRITEBYTECODE=1"}
		begun = time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, 0, fmt.Errorf("%w: %s", err, out)
		}
		floors = append(floors, time.Since(begun))
	}
	return middle(colds), middle(floors), nil
}

// against is a row of two times.
func against(what string, tule, floor time.Duration, most float64) row {
	ratio := float64(tule) / float64(floor)
	return row{what, ms(tule), ms(floor), fmt.Sprintf("%.2f ×", ratio), fmt.Sprintf("≤ %.1f ×", most), ratio <= most}
}
