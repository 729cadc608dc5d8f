package lambda

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/sandbox"
)

// csharpFunction has the handlers of these tests. P1 of the posts is ProcessDynamoEvent.
const csharpFunction = `
using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Amazon.Lambda.Core;
using Amazon.Lambda.DynamoDBEvents;
using Amazon.Lambda.Serialization.Json;

[assembly: LambdaSerializer(typeof(JsonSerializer))]

public class Event { public string Name { get; set; } }

public class Function
{
	static int calls;

	public async Task<string> Hello(Event e, ILambdaContext c)
	{
		await Task.Delay(1);
		Console.WriteLine("hello " + e.Name);
		return "hello " + e.Name + " " + ++calls + " " + c.MemoryLimitInMB;
	}

	public void ProcessDynamoEvent(DynamoDBEvent dynamoEvent)
	{
		Console.WriteLine("Beginning to process " + dynamoEvent.Records.Count + " records...");
		foreach (var record in dynamoEvent.Records)
		{
			Console.WriteLine("Event ID: " + record.EventID);
			Console.WriteLine("Event Name: " + record.EventName);
			Console.WriteLine("DynamoDB Record:");
			Console.WriteLine(record.Dynamodb.NewImage["Id"].N);
		}
		Console.WriteLine("Stream processing complete.");
	}

	public void Fails() { throw new InvalidOperationException("no", new Exception("why")); }
	public void Exits() { Environment.Exit(3); }
	public void Sleeps() { Thread.Sleep(60000); }
	public void Eats() { for (var all = new List<byte[]>();;) { var b = new byte[1 << 20]; for (int i = 0; i < b.Length; i += 4096) b[i] = 1; all.Add(b); } }
	public int Deep() { return Deep() + 1; }

	public List<object> Look(ILambdaContext c)
	{
		string code = "written";
		try { File.WriteAllText("x", ""); } catch (Exception e) { code = e.GetType().Name; }
		var environment = new SortedDictionary<string, string>(StringComparer.Ordinal);
		foreach (System.Collections.DictionaryEntry v in Environment.GetEnvironmentVariables())
			environment[(string)v.Key] = (string)v.Value;
		string[] files = Directory.GetFiles(".");
		Array.Sort(files);
		return new List<object> { environment, Directory.GetCurrentDirectory(), files, code, c.MemoryLimitInMB, TimeZoneInfo.Local.BaseUtcOffset.TotalHours,
			System.Globalization.CultureInfo.CurrentCulture.Name, File.Exists("/etc/shadow"), Path.GetTempPath() };
	}
}
`

// csharpPackage is the function's folder, as files, compiled once; why not, if it cannot be.
var csharpPackage = sync.OnceValues(func() (map[string]string, error) {
	mcs, err := exec.LookPath("mcs")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tule-csharp-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "Fn.cs")
	if err := os.WriteFile(source, []byte(csharpFunction), 0o600); err != nil {
		return nil, err
	}
	stands, err := filepath.Abs("../../runtimes/testdata/dotnet")
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	options := []string{"-nologo", "-noconfig", "-nowarn:414", "-target:library", "-r:System.Core.dll", "-r:System.dll"}
	for _, s := range []string{"Amazon.Lambda.Core", "Amazon.Lambda.Serialization.Json", "Amazon.Lambda.DynamoDBEvents", "Fn"} {
		path := filepath.Join(stands, s+".cs")
		if s == "Fn" {
			path = source
		}
		dll := filepath.Join(dir, s+".dll")
		if out, err := exec.Command(mcs, append(options, "-out:"+dll, path)...).CombinedOutput(); err != nil {
			return nil, &exec.Error{Name: string(out), Err: err}
		}
		b, err := os.ReadFile(dll)
		if err != nil {
			return nil, err
		}
		files[s+".dll"] = string(b)
		options = append(options, "-r:"+dll)
	}
	return files, nil
})

// createCSharp makes a function of one of the handlers.
func (st *stand) createCSharp(name, runtime, handler string, change ...func(*api.CreateFunctionRequest)) {
	st.t.Helper()
	files, err := csharpPackage()
	if err != nil {
		st.t.Skipf("C# is compiled with Debian's mono-mcs: %v", err)
	}
	st.create(name, runtime, "", append(change, func(in *api.CreateFunctionRequest) {
		in.Handler, in.Code.ZipFile = &handler, zipped(st.t, files)
	})...)
}

func TestCSharp(t *testing.T) {
	for _, runtime := range []string{"dotnetcore1.0", "dotnet8"} {
		t.Run(runtime, func(t *testing.T) {
			st := newStand(t)
			st.createCSharp("hello", runtime, "Fn::Function::Hello")
			for _, count := range []string{"1", "2"} {
				answer, log := st.call("hello", `{"name":"x"}`)
				if answer != `"hello x `+count+` 128"` || !strings.Contains(log, "hello x\n") {
					t.Errorf("answer: %s\n%s", answer, log)
				}
				t.Log(log)
			}
			st.createCSharp("ddb", runtime, "Fn::Function::ProcessDynamoEvent")
			answer, log := st.call("ddb", `{"Records":[{"eventID":"e1","eventName":"INSERT","dynamodb":{"NewImage":{"Id":{"N":"101"}}}}]}`)
			if answer != "null" || !strings.Contains(log, "Event Name: INSERT\n") || !strings.Contains(log, "Stream processing complete.\n") {
				t.Errorf("answer: %s\n%s", answer, log)
			}
			if _, log := st.call("ddb", `{"Records":[]}`); !strings.Contains(log, "Beginning to process 0 records...\n") {
				t.Errorf("without records:\n%s", log)
			}
		})
	}
}

func TestCSharpMisbehaviour(t *testing.T) {
	st := newStand(t)
	short := func(in *api.CreateFunctionRequest) { in.Timeout = ptr(int32(2)) }
	for _, c := range []struct {
		handler     string
		change      func(*api.CreateFunctionRequest)
		answer, log string
	}{
		{"Fn::Function::Fails", nil, `"errorType": "InvalidOperationException"`, "System.InvalidOperationException: no"},
		{"Fn::Function::Exits", nil, `exit status 3"}`, "Error Type: Runtime.ExitError"},
		{"Fn::Function::Sleeps", short, `Task timed out after 2.00 seconds"}`, "Status: timeout"},
		{"Fn::Function::Eats", nil, `"errorType":"Runtime.OutOfMemory"`, "Status: error"},
		{"Fn::Function::Deep", nil, `"errorType":"Runtime.ExitError"`, "Status: error"},
		{"Fn::Nobody::Hello", nil, `"errorMessage": "Unable to load type 'Nobody' from assembly 'Fn'."`, "Unable to load type"},
		{"Nothing::Function::Hello", nil, `Could not find the specified handler assembly with the file name 'Nothing, Culture=neutral`, "START "},
	} {
		t.Run(c.handler, func(t *testing.T) {
			st := &stand{Service: st.Service, t: t, house: st.house, near: st.near, clock: st.clock}
			name := strings.ReplaceAll(c.handler, "::", "_")
			if c.change == nil {
				c.change = func(*api.CreateFunctionRequest) {}
			}
			st.createCSharp(name, "dotnet6", c.handler, c.change)
			answer, log := st.call(name, "{}")
			if !strings.HasPrefix(answer, "Unhandled {") || !strings.Contains(answer, c.answer) || !strings.Contains(log, c.log) {
				t.Errorf("answer: %s\n%s", answer, log)
			}
		})
	}
}

// A function cannot tell whether its environment waited for it.
func TestCSharpFurnished(t *testing.T) {
	st := furnishing(t)
	st.createCSharp("look", "dotnet8", "Fn::Function::Look", func(in *api.CreateFunctionRequest) {
		in.Environment = &api.Environment{Variables: map[string]string{"A": "1", "TZ": "Asia/Tokyo"}}
		in.MemorySize = ptr(int32(256))
	})
	if got := st.settled(); got != "dotnet8/0/false/none" {
		t.Fatalf("there waits %q", got)
	}
	waited, log := st.call("look", "{}")
	t.Log(log)
	st.settled()
	files, err := csharpPackage()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.updateFunctionCode(st.ctx(), &api.UpdateFunctionCodeRequest{FunctionName: ptr("look"), ZipFile: zipped(t, files)}); err != nil {
		t.Fatal(err)
	}
	st.spares.close() // from here on, none waits
	cold, log := st.call("look", "{}")
	t.Log(log)
	if mask(waited) != mask(cold) {
		t.Errorf("waited: %s\ncold:   %s", mask(waited), mask(cold))
	}
	if !strings.Contains(waited, `"/var/task"`) || strings.Contains(waited, "written") || !strings.Contains(waited, `256,9,`) {
		t.Error(waited)
	}
}

func TestCSharpPlainProcess(t *testing.T) {
	h, err := sandbox.Open(sandbox.Options{Dir: t.TempDir(), Mode: sandbox.Process})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	st := newStandOn(t, h)
	st.createCSharp("hello", "dotnetcore2.1", "Fn::Function::Hello")
	if answer, _ := st.call("hello", `{"name":"x"}`); answer != `"hello x 1 128"` {
		t.Error(answer)
	}
}

// BenchmarkColdCSharp is BenchmarkCold for C#, for an environment that waited and one that
// did not; bare is a program that does nothing.
func BenchmarkColdCSharp(b *testing.B) {
	st := newStand(b)
	st.createCSharp("f", "dotnet8", "Fn::Function::Hello")
	set, err := st.interpreters(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	cmd, err := set.Command("dotnet8", runtimesPlain)
	if err != nil {
		b.Fatal(err)
	}
	nothing := filepath.Join(b.TempDir(), "Nothing.cs")
	if err := os.WriteFile(nothing, []byte("class Nothing { static void Main() { } }"), 0o600); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("mcs", nothing).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	times := map[string][]time.Duration{}
	measure := func(name string, do func()) {
		begun := time.Now()
		do()
		times[name] = append(times[name], time.Since(begun))
	}
	for b.Loop() {
		measure("ms-bare", func() {
			if err := exec.Command(cmd.Argv[0], strings.TrimSuffix(nothing, ".cs")+".exe").Run(); err != nil {
				b.Fatal(err)
			}
		})
		for _, name := range []string{"ms-waited", "ms-cold"} {
			st.fleet.retireAll(ref{name: "f", scope: st.scope()})
			st.fleet.wg.Wait()
			st.settled()
			time.Sleep(400 * time.Millisecond) // the one that waits rehearses, and does not say when it is done
			if name == "ms-cold" {
				st.spares.take(kind{runtime: "dotnet8"}).close()
			}
			measure(name, func() { st.call("f", `{"name":"x"}`) })
		}
	}
	for name, list := range times {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Microseconds())/1000, name)
	}
}
