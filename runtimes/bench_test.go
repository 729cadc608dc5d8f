package runtimes

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// benchmarkRoundTrips measures one environment that answers with its event.
func benchmarkRoundTrips(b *testing.B, runtime string, files map[string]string) {
	p := begin(b, runtime, files)
	in := Invocation{RequestID: "8b1f9d1c-7d7c-4a43-9d0e-6a3f0a4e1f11", Payload: []byte(`{"key":"value","n":1}`),
		Deadline: time.Now().Add(time.Hour), FunctionARN: "arn:aws:lambda:eu-west-1:000000000000:function:fn"}
	for range 2000 {
		if _, err := p.Invoke(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for range b.N {
		if _, err := p.Invoke(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "roundtrips/s")
}

var (
	nodeEcho   = map[string]string{"index.js": "exports.handler = async (event) => event;"}
	oldEcho    = map[string]string{"index.js": "exports.handler = (event, context, callback) => callback(null, event);"}
	pythonEcho = map[string]string{"index.py": "def handler(event, context):\n    return event\n"}
)

// benchmarkFloor measures what the machine can do at all: the same bytes to and fro
// with a Python that only reads and writes.
func benchmarkFloor(b *testing.B) {
	command, err := interpreters(b).Command("python3.6", CommandOptions{Unmounted: true})
	if err != nil {
		b.Skip(err)
	}
	host, child, err := Socketpair()
	if err != nil {
		b.Fatal(err)
	}
	defer host.Close()
	cmd := exec.Command(command.Argv[0], "-I", "-S", "-c",
		"import posix\nb=posix.read(3,65536)\nwhile b:\n posix.write(3,b)\n b=posix.read(3,65536)")
	cmd.ExtraFiles = []*os.File{child}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	child.Close()
	buf := make([]byte, 200)
	b.ResetTimer()
	for range b.N {
		if _, err := host.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(host, buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "roundtrips/s")
	host.Close()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkRoundTrips(b *testing.B) {
	b.Run("floor", benchmarkFloor)
	b.Run("nodejs20.x", func(b *testing.B) { benchmarkRoundTrips(b, "nodejs20.x", nodeEcho) })
	b.Run("nodejs4.3", func(b *testing.B) { benchmarkRoundTrips(b, "nodejs4.3", oldEcho) })
	b.Run("python3.11", func(b *testing.B) { benchmarkRoundTrips(b, "python3.11", pythonEcho) })
	b.Run("python2.7", func(b *testing.B) { benchmarkRoundTrips(b, "python2.7", pythonEcho) })
}

// BenchmarkColdStart measures process start to first response, beside the floor:
// the interpreter that does nothing, in turns.
func BenchmarkColdStart(b *testing.B) {
	b.Run("nodejs20.x", func(b *testing.B) { benchmarkCold(b, "nodejs20.x", nodeEcho, "-e", "0") })
	b.Run("python3.11", func(b *testing.B) { benchmarkCold(b, "python3.11", pythonEcho, "-I", "-S", "-E", "-c", "pass") })
}

// BenchmarkColdStartCSharp measures the same for C#, beside a program that does nothing,
// and of a process that waited only what is left: its function's code to load and to answer.
func BenchmarkColdStartCSharp(b *testing.B) {
	command, err := onMono(b).Command("dotnet8", CommandOptions{Unmounted: true})
	if err != nil {
		b.Skip(err)
	}
	task := function(b, csharpEcho)
	csharp(b, task)
	bare := func() {
		if err := exec.Command(command.Argv[0], filepath.Join(task, "Nothing.dll")).Run(); err != nil {
			b.Fatal(err)
		}
	}
	answer := func(opt CommandOptions) time.Duration {
		p := launch(b, onMono(b), Config{Runtime: "dotnet8", Handler: "Echo::Echo::Handle", TaskRoot: task}, nil, opt)
		if opt.Waiting {
			time.Sleep(300 * time.Millisecond) // until it is ready, which it does not say
		}
		begun := time.Now()
		if in, err := p.Init(context.Background()); err != nil || in.Failure != nil {
			b.Fatalf("init: %v %+v", err, in.Failure)
		}
		p.invoke(b, "id", `{}`)
		took := time.Since(begun)
		p.kill()
		return took
	}
	var floor, cold, waited []time.Duration
	for range b.N {
		begun := time.Now()
		bare()
		floor = append(floor, time.Since(begun))
		begun = time.Now()
		answer(CommandOptions{})
		cold = append(cold, time.Since(begun))
		waited = append(waited, answer(CommandOptions{Waiting: true}))
	}
	for name, list := range map[string][]time.Duration{"floor-ms": floor, "cold-ms": cold, "waited-ms": waited} {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Microseconds())/1000, name)
	}
}

// csharpEcho answers with its event, and asks for the context.
var csharpEcho = map[string]string{"Echo.cs": `public class Echo {
	public System.IO.Stream Handle(System.IO.Stream s, Amazon.Lambda.Core.ILambdaContext c) { return c.AwsRequestId == "" ? null : s; } }`,
	"Nothing.cs": "class Nothing { static void Main() { } }"}

func benchmarkCold(b *testing.B, runtime string, files map[string]string, floor ...string) {
	command, err := interpreters(b).Command(runtime, CommandOptions{Unmounted: true})
	if err != nil {
		b.Skip(err)
	}
	task := function(b, files)
	var bare, cold time.Duration
	for range b.N {
		begun := time.Now()
		cmd := exec.Command(command.Argv[0], floor...)
		cmd.Env = []string{}
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(begun)
		begun = time.Now()
		p := start(b, runtime, "index.handler", task, nil)
		if in, err := p.Init(context.Background()); err != nil || in.Failure != nil {
			b.Fatalf("init: %v %+v", err, in.Failure)
		}
		p.invoke(b, "id", `{}`)
		cold += time.Since(begun)
		p.kill()
	}
	b.ReportMetric(float64(bare.Microseconds())/float64(b.N)/1000, "floor-ms")
	b.ReportMetric(float64(cold.Microseconds())/float64(b.N)/1000, "cold-ms")
	b.ReportMetric(float64(cold)/float64(bare), "ratio")
}
