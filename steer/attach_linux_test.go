//go:build linux

package steer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/miekg/dns"
)

// newServices are a sandbox's, with a server behind the web's ports.
func newServices(t testing.TB, a *Authority) Services {
	r, err := NewResolver(ResolverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	gate := NewGate(&net.TCPAddr{Port: 443})
	serveEcho(t, gate, a.TLSConfig())
	return Services{Resolver: r, Streams: map[uint16]Sink{80: gate, 443: gate}}
}

// client is an HTTP client inside the namespace, which looks names up there.
func (n namespace) client(a *Authority) *http.Client {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		ips, err := n.lookup(ctx, "udp", host)
		if err != nil {
			return nil, err
		}
		return n.Dial("tcp", net.JoinHostPort(ips[0], port))
	}
	return &http.Client{Transport: &http.Transport{
		DialContext: dial, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: pool(a), Time: a.opts.Clock.Now},
	}}
}

func (n namespace) lookup(ctx context.Context, proto, host string) ([]string, error) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return n.Dial(proto, "127.0.0.1:53")
	}}
	return r.LookupHost(ctx, host)
}

func get(t testing.TB, c *http.Client, url string) (e echo) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Error(err)
		return e
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil {
		t.Error(err)
	}
	return e
}

func TestAttach(t *testing.T) {
	a := newAuthority(t, AuthorityOptions{})
	s := newServices(t, a)
	// Two sandboxes, one server, which tells them apart.
	for _, name := range []string{"sandbox-1", "sandbox-2"} {
		n := newNamespace(t)
		s.Name = name
		detach, err := Attach(t.Context(), n, s)
		if err != nil {
			t.Fatal(err)
		}
		defer detach()
		c := n.client(a)
		want := echo{Host: "a.b.s3.eu-west-1.amazonaws.com", Path: "/k", Proto: "HTTP/2.0", SNI: "a.b.s3.eu-west-1.amazonaws.com", From: name, Port: 443, TLS: true}
		if got := get(t, c, "https://a.b.s3.eu-west-1.amazonaws.com/k"); got != want {
			t.Errorf("https: Tule saw %+v, want %+v", got, want)
		}
		want = echo{Host: "w.s3-website-us-east-1.amazonaws.com", Path: "/", Proto: "HTTP/1.1", From: name, Port: 80}
		if got := get(t, c, "http://w.s3-website-us-east-1.amazonaws.com/"); got != want {
			t.Errorf("http: Tule saw %+v, want %+v", got, want)
		}
		if ips, err := n.lookup(t.Context(), "tcp", "sts.amazonaws.com"); err != nil || len(ips) != 1 || ips[0] != "127.0.0.1" {
			t.Errorf("by TCP: %v, %v", ips, err)
		}
		if _, err := n.lookup(t.Context(), "udp", "example.org"); err == nil {
			t.Error("example.org was found")
		}
	}
}

func TestAttachEgress(t *testing.T) {
	n := newNamespace(t)
	r, err := NewResolver(ResolverOptions{Upstream: []string{startUpstream(t)}})
	if err != nil {
		t.Fatal(err)
	}
	// The upstream server is on the host: the question leaves the namespace through us.
	detach, err := Attach(t.Context(), n, Services{Resolver: r})
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	for _, proto := range []string{"udp", "tcp"} {
		if ips, err := n.lookup(t.Context(), proto, "www.example"); err != nil || ips[0] != "192.0.2.0" {
			t.Errorf("%s: %v, %v", proto, ips, err)
		}
	}
}

// TestDetach: what was open is closed, and a client that was served loses its
// connection rather than keep the network alive.
func TestDetach(t *testing.T) {
	n := newNamespace(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, end := range []string{"detach", "context"} {
		detach, err := Attach(ctx, n, newServices(t, newAuthority(t, AuthorityOptions{})))
		if err != nil {
			t.Fatalf("%s: %v", end, err)
		}
		conns := map[string]net.Conn{}
		for _, port := range []string{"53", "80"} {
			c, err := n.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				t.Fatal(err)
			}
			conns[port] = c
		}
		if end == "context" {
			cancel()
		}
		detach()
		detach()
		for port, c := range conns {
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s: port %s still talks", end, port)
			}
			c.Close()
			if c, err := n.Dial("tcp", "127.0.0.1:"+port); err == nil {
				c.Close()
				t.Errorf("%s: port %s still answers", end, port)
			}
		}
	}
}

// TestAttachFails: a port that is taken leaves no other open.
func TestAttachFails(t *testing.T) {
	n := newNamespace(t)
	taken, err := n.Listen("tcp", "127.0.0.1:443")
	if err != nil {
		t.Fatal(err)
	}
	s := newServices(t, newAuthority(t, AuthorityOptions{}))
	if _, err := Attach(t.Context(), n, s); err == nil {
		t.Fatal("attached over a taken port")
	}
	taken.Close()
	detach, err := Attach(t.Context(), n, s)
	if err != nil {
		t.Fatalf("after it was free again: %v", err)
	}
	detach()
	if _, err := Attach(t.Context(), n, Services{}); err == nil {
		t.Error("attached without a resolver")
	}
}

// TestAttachLeavesNothing attaches and detaches 500 times, with traffic.
func TestAttachLeavesNothing(t *testing.T) {
	n := newNamespace(t)
	a := newAuthority(t, AuthorityOptions{})
	s := newServices(t, a)
	once := func(talk bool) {
		detach, err := Attach(t.Context(), n, s)
		if err != nil {
			t.Fatal(err)
		}
		defer detach()
		if talk {
			get(t, n.client(a), "https://sts.amazonaws.com/")
		}
	}
	once(true)
	fds, goroutines := settled(t, 1<<30, 1<<30)
	for i := range 500 {
		once(i%20 == 0)
	}
	if f, g := settled(t, fds, goroutines); f > fds || g > goroutines {
		t.Errorf("%d descriptors and %d goroutines before, %d and %d after", fds, goroutines, f, g)
	}
}

// settled counts descriptors and goroutines, once they are down to what is wanted
// or have had two seconds to get there: closed connections take a moment to be seen.
func settled(t *testing.T, wantFDs, wantGoroutines int) (fds, goroutines int) {
	for range 200 {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		fds, goroutines = len(list), runtime.NumGoroutine()
		if fds <= wantFDs && goroutines <= wantGoroutines && wantFDs < 1<<30 {
			break
		}
		pause(t.Context())
		if wantFDs == 1<<30 {
			wantFDs, wantGoroutines = fds, goroutines // stands still
		}
	}
	return fds, goroutines
}

// TestManyStreams: TCP clients beyond the bound are turned away, and those served
// still are.
func TestManyStreams(t *testing.T) {
	n := newNamespace(t)
	r, _ := NewResolver(ResolverOptions{})
	detach, err := Attach(t.Context(), n, Services{Resolver: r})
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	var served []*dns.Conn
	for range dnsClients {
		c, err := n.Dial("tcp", "127.0.0.1:53")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		served = append(served, &dns.Conn{Conn: c})
		askStream(t, served[len(served)-1])
	}
	c, err := n.Dial("tcp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("one too many was served")
	}
	askStream(t, served[0])
}

// TestMaxConns: what one network has open is bounded, over all its ports, and what
// is closed makes room.
func TestMaxConns(t *testing.T) {
	n := newNamespace(t)
	a := newAuthority(t, AuthorityOptions{})
	s := newServices(t, a)
	s.MaxConns = 2
	detach, err := Attach(t.Context(), n, s)
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	open := func(port string) net.Conn {
		c, err := n.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dnsConn := &dns.Conn{Conn: open("53")}
	askStream(t, dnsConn)
	askStream(t, &dns.Conn{Conn: open("53")})
	if _, err := open("80").Read(make([]byte, 1)); err == nil {
		t.Error("the third was served")
	}
	dnsConn.Close()
	for range 200 { // until the end of the first is seen
		c := open("80")
		io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
		if b, _ := io.ReadAll(c); len(b) > 0 {
			return
		}
		pause(t.Context())
	}
	t.Error("what was closed made no room")
}

// BenchmarkAttach is the cost of one sandbox's five ports, opened and closed: on the
// host, from a thread that is in the sandbox's namespace, and by a new thread that
// enters it for each. And its memory.
func BenchmarkAttach(b *testing.B) {
	needRoot(b)
	r, _ := NewResolver(ResolverOptions{Address: netip.MustParseAddr("127.45.67.1")})
	gate := NewGate(nil)
	s := Services{Resolver: r, Streams: map[uint16]Sink{80: gate, 443: gate, 9001: gate}}
	n := newNamespace(b)
	for _, c := range []struct {
		name    string
		network Network
	}{{"host", HostNetwork{}}, {"inside", newInside(b, n)}, {"entering", n}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				detach, err := Attach(b.Context(), c.network, s)
				if err != nil {
					b.Fatal(err)
				}
				detach()
			}
		})
	}
	b.Run("memory", func(b *testing.B) {
		var before, after runtime.MemStats
		var ends []func()
		for range b.N {
			n := newNamespace(b)
			if ends == nil {
				runtime.GC()
				runtime.ReadMemStats(&before)
			}
			detach, err := Attach(b.Context(), n, s)
			if err != nil {
				b.Fatal(err)
			}
			ends = append(ends, detach)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		per := func(x, y uint64) float64 { return float64(int64(x)-int64(y)) / float64(len(ends)) / 1024 }
		b.ReportMetric(per(after.HeapInuse+after.StackInuse, before.HeapInuse+before.StackInuse), "KB/sandbox")
		for _, end := range ends {
			end()
		}
	})
}

// insideNetwork has one thread that stays in the namespace, as a sandbox may have.
type insideNetwork chan func()

var _ interface {
	Network
	Enterer
} = (insideNetwork)(nil)

func newInside(b *testing.B, n namespace) insideNetwork {
	in := make(insideNetwork)
	go n.enter(func() error {
		for fn := range in {
			fn()
		}
		return nil
	})
	b.Cleanup(func() { close(in) })
	return in
}

func (in insideNetwork) do(fn func()) {
	done := make(chan struct{})
	in <- func() { fn(); close(done) }
	<-done
}

func (in insideNetwork) Enter(fn func() error) (err error) {
	in.do(func() { err = fn() })
	return err
}

func (in insideNetwork) Listen(network, addr string) (l net.Listener, err error) {
	in.do(func() { l, err = HostNetwork{}.Listen(network, addr) })
	return l, err
}

func (in insideNetwork) ListenPacket(network, addr string) (c net.PacketConn, err error) {
	in.do(func() { c, err = net.ListenPacket(network, addr) })
	return c, err
}
