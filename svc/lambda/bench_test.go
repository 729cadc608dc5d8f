package lambda

import (
	"context"
	"net"
	"os/exec"
	"slices"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
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

// steered makes AWS's names lead out of the sandboxes, as in earnest.
func steered(b *testing.B) func(*Options) {
	resolver, err := steer.NewResolver(steer.ResolverOptions{})
	if err != nil {
		b.Fatal(err)
	}
	gate := steer.NewGate(&net.TCPAddr{})
	b.Cleanup(func() { gate.Close() })
	return func(o *Options) {
		o.Attach = func(ctx context.Context, name string, n Network) (func(), error) {
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
				time.Sleep(25 * time.Millisecond) // spare sandboxes are made meanwhile
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
