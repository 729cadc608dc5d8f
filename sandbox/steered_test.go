//go:build linux

package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/steer"
)

// Attach opens all its ports in one go where it can.
var (
	_ steer.Network = (*Sandbox)(nil)
	_ steer.Enterer = (*Sandbox)(nil)
)

// steering is what a Tule has of package steer: an authority, and a server behind a gate.
type steering struct {
	authority *steer.Authority
	services  steer.Services
}

func newSteering(t testing.TB, o steer.ResolverOptions) *steering {
	t.Helper()
	a, err := steer.OpenAuthority(steer.AuthorityOptions{Dir: t.TempDir(), Rand: rand.Reader, Clock: aws.NewManualClock(time.Now())})
	if err != nil {
		t.Fatal(err)
	}
	r, err := steer.NewResolver(o)
	if err != nil {
		t.Fatal(err)
	}
	gate := steer.NewGate(&net.TCPAddr{Port: 443})
	srv := &http.Server{ConnContext: steer.ConnContext, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		from, _ := steer.FromContext(q.Context())
		fmt.Fprintf(w, "%s %s from %s:%d", q.Method, q.Host, from.Network, from.Port)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(tls.NewListener(gate, a.TLSConfig()))
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return &steering{a, steer.Services{Resolver: r, Streams: map[uint16]steer.Sink{80: gate, 443: gate, 9001: gate}}}
}

// attach has the spec's sandbox steered from before its program starts until detach.
func (g *steering) attach(spec *Spec) (detach func()) {
	ends := func() {}
	spec.Prepare = func(s *Sandbox) (err error) {
		services := g.services
		services.Name = s.ID()
		ends, err = steer.Attach(context.Background(), s, services)
		return err
	}
	return func() { ends() }
}

// steered is a spec whose program trusts the steering's authority.
func (g *steering) steered(t testing.TB, id string, argv ...string) Spec {
	t.Helper()
	if _, err := os.Stat(argv[0]); err != nil {
		t.Skip(err)
	}
	root, err := g.authority.Trust().RootFile()
	if err != nil {
		t.Fatal(err)
	}
	return Spec{
		ID: id, Argv: argv, Dir: "/", Memory: 512 << 20,
		Env:    []string{"SSL_CERT_FILE=/var/runtime/ca.pem"},
		Mounts: []Mount{{Host: root, Inside: "/var/runtime/ca.pem"}},
		Files:  []File{{"/etc/resolv.conf", []byte("nameserver 127.0.0.1\n")}},
	}
}

const asksDynamoDB = `
const dns = require('dns'), https = require('https'), host = 'dynamodb.us-east-1.amazonaws.com'
dns.lookup(host, { all: true }, (err, all) => {
  console.log(err ? err.code : all.map(a => a.address).join())
  https.request({ host, method: 'POST' }, res => {
    res.setEncoding('utf8').on('data', d => console.log(res.statusCode, d))
  }).on('error', e => console.log(e.code, e.message)).end('{}')
})
dns.lookup('example.org', err => console.log(err.code))`

// A program with AWS's own names compiled in talks to Tule, from its first instruction on, and
// believes in its certificate; every sandbox is told from the others.
func TestSteered(t *testing.T) {
	h := openHost(t)
	g := newSteering(t, steer.ResolverOptions{})
	for _, id := range []string{"one", "two"} {
		spec := g.steered(t, id, "/usr/bin/node", "--use-openssl-ca", "-e", asksDynamoDB)
		detach := g.attach(&spec)
		got := strings.Split(strings.TrimSpace(run(t, h, spec).out), "\n")
		detach()
		slices.Sort(got)
		want := []string{"127.0.0.1", "200 POST dynamodb.us-east-1.amazonaws.com from " + id + ":443", "ENOTFOUND"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestEnter(t *testing.T) {
	h := openHost(t)
	s, out := started(t, h, payload(t, "f", "wait"))
	line(t, out)
	if h.Features().User {
		if err := s.Enter(func() error { t.Error("entered"); return nil }); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
		return
	}
	where := func() (ns string) { ns, _ = os.Readlink("/proc/thread-self/ns/net"); return ns }
	home := where()
	var inside string
	if err := s.Enter(func() error { inside = where(); return io.ErrUnexpectedEOF }); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
	if want, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", s.PID())); inside != want || inside == home {
		t.Errorf("ran in %s; the sandbox is in %s, this process in %s", inside, want, home)
	}
	// No thread stays inside, whichever one it was.
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil || len(tasks) == 0 {
		t.Fatal(tasks, err)
	}
	for _, task := range tasks {
		if ns, err := os.Readlink(task); err == nil && ns == inside {
			t.Errorf("%s is inside", task)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Enter(func() error { t.Error("entered what is closed"); return nil }); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// A plain process has the host's network, whose ports are not its own.
func TestProcessCannotBeEntered(t *testing.T) {
	h := openHost(t, func(o *Options) { o.Mode = Process })
	s, err := h.Start(t.Context(), Spec{ID: "f", Argv: []string{"/bin/sleep", "10"}, Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Enter(func() error { t.Error("entered"); return nil }); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

// BenchmarkStartSteered is a start with steer's five ports, and without: the medians until Start returned,
// and how much of it was Attach.
func BenchmarkStartSteered(b *testing.B) {
	const program = "/usr/bin/true"
	g := newSteering(b, steer.ResolverOptions{})
	h := openHost(b)
	var bare, steered, attach []time.Duration
	for b.Loop() {
		for _, with := range []bool{false, true} {
			time.Sleep(60 * time.Millisecond) // spare ones are made meanwhile
			spec := g.steered(b, "bench", program)
			detach := func() {}
			if with {
				detach = g.attach(&spec)
				inner := spec.Prepare
				spec.Prepare = func(s *Sandbox) error {
					t := time.Now()
					defer func() { attach = append(attach, time.Since(t)) }()
					return inner(s)
				}
			}
			t := time.Now()
			s, err := h.Start(b.Context(), spec)
			if err != nil {
				b.Fatal(err)
			}
			if d := time.Since(t); with {
				steered = append(steered, d)
			} else {
				bare = append(bare, d)
			}
			detach()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(median(bare), "ms-started")
	b.ReportMetric(median(steered), "ms-started-steered")
	b.ReportMetric(median(attach), "ms-attach")
	b.ReportMetric(0, "ns/op")
}
