package lambda

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/steer"
)

const (
	benchNode   = `exports.handler = async (event) => event;`
	benchPython = "def handler(event, context):\n    return event\n"
)

// BenchmarkWarm invokes a function whose environment is there: the operation's guard
// and handler, without the front door.
func BenchmarkWarm(b *testing.B) {
	for _, c := range []struct{ name, runtime, code string }{
		{"node", "nodejs20.x", benchNode},
		{"python", "python3.11", benchPython},
	} {
		b.Run(c.name, func(b *testing.B) {
			st := newStand(b)
			st.create("f", c.runtime, c.code)
			in := &api.InvocationRequest{FunctionName: ptr("f"), Payload: []byte(`{"key1":"value1","key2":"value2"}`)}
			ctx := st.ctx()
			for b.Loop() {
				if _, err := st.guardInvoke(ctx, in); err != nil {
					b.Fatal(err)
				}
				out, err := st.Service.invoke(ctx, in)
				if err != nil || out.FunctionError != nil {
					b.Fatal(out, err)
				}
			}
		})
	}
}

// BenchmarkWarmAgainstSocket is BenchmarkWarm of Node beside the conversation alone, with the same
// bootstrap in a process without walls, in turns: what the service makes of it.
func BenchmarkWarmAgainstSocket(b *testing.B) {
	st := newStand(b)
	st.create("f", "nodejs20.x", benchNode)
	set, err := st.interpreters(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	cmd, err := set.Command("nodejs20.x", runtimesPlain)
	if err != nil {
		b.Fatal(err)
	}
	task := b.TempDir()
	if err := os.WriteFile(filepath.Join(task, "index.js"), []byte(benchNode), 0o644); err != nil {
		b.Fatal(err)
	}
	host, child, err := runtimes.Socketpair()
	if err != nil {
		b.Fatal(err)
	}
	p := exec.Command(cmd.Argv[0], cmd.Argv[1:]...)
	p.Env, p.ExtraFiles = runtimes.Environ{Runtime: "nodejs20.x", Handler: "index.handler", RuntimeRoot: cmd.RuntimeRoot, TaskRoot: task}.List(), []*os.File{child}
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	child.Close()
	defer func() { host.Close(); p.Wait() }()
	talk := runtimes.New(host, runtimes.Config{Runtime: "nodejs20.x", Handler: "index.handler", TaskRoot: task, Clock: st.clock, Random: st.Random, Sink: func(runtimes.Line) {}})
	if in, err := talk.Init(context.Background()); err != nil || in.Failure != nil {
		b.Fatal(err, in.Failure)
	}
	payload := []byte(`{"key1":"value1","key2":"value2"}`)
	in, ctx := &api.InvocationRequest{FunctionName: ptr("f"), Payload: payload}, st.ctx()
	const turn = 2000
	loop := func(f func() error) float64 {
		begun := time.Now()
		for range turn {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
		return turn / time.Since(begun).Seconds()
	}
	var bare, whole, ratios []float64
	for b.Loop() {
		x := loop(func() error {
			_, err := talk.Invoke(ctx, runtimes.Invocation{RequestID: "r", Payload: payload, Deadline: st.clock.Now().Add(time.Minute), Timeout: time.Minute})
			return err
		})
		y := loop(func() error {
			if _, err := st.guardInvoke(ctx, in); err != nil {
				return err
			}
			_, err := st.Service.invoke(ctx, in)
			return err
		})
		bare, whole, ratios = append(bare, x), append(whole, y), append(ratios, y/x)
	}
	for name, list := range map[string][]float64{"floor/s": bare, "invokes/s": whole, "ratio": ratios} {
		slices.Sort(list)
		b.ReportMetric(list[len(list)/2], name)
	}
	b.ReportMetric(0, "ns/op")
}

// steered makes AWS's names lead out of the sandboxes, as in earnest.
func steered(b *testing.B) func(*Options) {
	resolver, err := steer.NewResolver(steer.ResolverOptions{})
	if err != nil {
		b.Fatal(err)
	}
	gate := steer.NewGate(&net.TCPAddr{})
	b.Cleanup(func() { gate.Close() })
	return func(o *Options) {
		o.Attach = func(ctx context.Context, name string, _ Egress, n Network) (func(), error) {
			return steer.Attach(ctx, n, steer.Services{Name: name, Resolver: resolver, Streams: map[uint16]steer.Sink{80: gate, 443: gate}})
		}
	}
}

func unsteered(*testing.B) func(*Options) { return func(*Options) {} }

// BenchmarkCold invokes a function that has no environment, and beside it starts its
// interpreter alone on the host. It reports medians; the aim is a ratio below 1.5.
func BenchmarkCold(b *testing.B) {
	for _, c := range []struct {
		name, runtime, code string
		bare                []string
		change              func(*testing.B) func(*Options)
	}{
		{"node", "nodejs20.x", benchNode, []string{"-e", "0"}, steered},
		{"node-unsteered", "nodejs20.x", benchNode, []string{"-e", "0"}, unsteered},
		{"python", "python3.11", benchPython, []string{"-I", "-S", "-E", "-c", "pass"}, steered},
		{"java", "java17", "", []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-version"}, unsteered},
		{"java-alone", "java17", "", []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-version"}, unsteered},
		{"python-unsteered", "python3.11", benchPython, []string{"-I", "-S", "-E", "-c", "pass"}, unsteered},
	} {
		b.Run(c.name, func(b *testing.B) {
			st := newStand(b, c.change(b))
			if c.code == "" {
				st.createJava("f", c.runtime, func(in *api.CreateFunctionRequest) {
					if c.name == "java-alone" { // what is read at start only keeps it from waiting
						in.Environment = &api.Environment{Variables: map[string]string{"LC_TIME": "C"}}
					}
				})
			} else {
				st.create("f", c.runtime, c.code)
			}
			set, err := st.interpreters(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			cmd, err := set.Command(c.runtime, runtimesPlain)
			if err != nil {
				b.Fatal(err)
			}
			in := &api.InvocationRequest{FunctionName: ptr("f"), Payload: []byte(`{}`)}
			var bare, cold []time.Duration
			for b.Loop() {
				p := exec.Command(cmd.Argv[0], c.bare...)
				p.Env = []string{"PATH=/usr/bin:/bin"}
				t := time.Now()
				if err := p.Run(); err != nil {
					b.Fatal(err)
				}
				bare = append(bare, time.Since(t))
				st.fleet.retireAll(ref{name: "f", scope: st.scope()})
				st.fleet.wg.Wait()
				st.quiet() // what waits for the next start is ready
				t = time.Now()
				if _, err := st.Service.invoke(st.ctx(), in); err != nil {
					b.Fatal(err)
				}
				cold = append(cold, time.Since(t))
			}
			ms := func(d []time.Duration) float64 {
				slices.Sort(d)
				return float64(d[len(d)/2].Microseconds()) / 1000
			}
			b.ReportMetric(ms(cold)/ms(bare), "ratio")
			b.ReportMetric(ms(bare), "ms-bare")
			b.ReportMetric(ms(cold), "ms-cold")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// quiet waits until what was to be kept ready is, and its interpreter has nothing more to do
// before it gets a function: its processor time does not grow.
func (st *stand) quiet() {
	st.settled()
	last := -1
	for range 200 {
		now := 0
		st.spares.mu.Lock()
		for _, p := range st.spares.ready {
			now += ticks(strconv.Itoa(p.box.PID()))
		}
		st.spares.mu.Unlock()
		if now == last {
			return
		}
		last = now
		time.Sleep(30 * time.Millisecond)
	}
}

// ticks is the processor time of a process and of those that it has started.
func ticks(pid string) (sum int) {
	text, _ := os.ReadFile("/proc/" + pid + "/stat")
	_, rest, _ := strings.Cut(string(text), ") ")
	if f := strings.Fields(rest); len(f) > 12 {
		for _, n := range f[11:13] {
			v, _ := strconv.Atoi(n)
			sum += v
		}
	}
	children, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	for _, child := range strings.Fields(string(children)) {
		sum += ticks(child)
	}
	return sum
}
