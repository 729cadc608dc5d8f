package steer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// mapped is a network for those who may not open its ports: each is opened on one
// that the system chooses.
type mapped struct {
	mu    sync.Mutex
	ports map[string]string // "tcp 127.0.0.1:443" → where it is
}

var _ Network = (*mapped)(nil)

func (m *mapped) note(network, addr string, at net.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ports == nil {
		m.ports = map[string]string{}
	}
	m.ports[network+" "+addr] = at.String()
}

func (m *mapped) Listen(network, addr string) (net.Listener, error) {
	l, err := net.Listen(network, "127.0.0.1:0")
	if err == nil {
		m.note(network, addr, l.Addr())
	}
	return l, err
}

func (m *mapped) ListenPacket(network, addr string) (net.PacketConn, error) {
	pc, err := net.ListenPacket(network, "127.0.0.1:0")
	if err == nil {
		m.note(network, addr, pc.LocalAddr())
	}
	return pc, err
}

func (m *mapped) dial(t *testing.T, port string) *net.TCPConn {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := net.Dial("tcp", m.ports["tcp 127.0.0.1:"+port])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// closedOff is a mapped network that has the method to enter it, and cannot be entered.
type closedOff struct {
	mapped
	err   error
	tried int
}

func (c *closedOff) Enter(func() error) error {
	c.tried++
	return c.err
}

// TestCannotEnter: ports are opened one by one where the network cannot be entered,
// and not at all where entering it fails otherwise.
func TestCannotEnter(t *testing.T) {
	r, err := NewResolver(ResolverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := Services{Resolver: r, Streams: map[uint16]Sink{80: NewGate(nil)}}
	n := &closedOff{err: fmt.Errorf("not root: %w", errors.ErrUnsupported)}
	detach, err := Attach(t.Context(), n, s)
	if err != nil {
		t.Fatal(err)
	}
	defer detach()
	if len(n.ports) != 3 || n.tried != 1 {
		t.Errorf("opened %v after %d tries to enter", n.ports, n.tried)
	}
	n = &closedOff{err: io.ErrUnexpectedEOF}
	if _, err := Attach(t.Context(), n, s); !errors.Is(err, io.ErrUnexpectedEOF) || len(n.ports) > 0 {
		t.Errorf("%v, with %v open", err, n.ports)
	}
}

func attachMapped(t *testing.T, streams map[uint16]Sink) (*mapped, func()) {
	t.Helper()
	r, err := NewResolver(ResolverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := &mapped{}
	detach, err := Attach(t.Context(), m, Services{Name: "n", Resolver: r, Streams: streams})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(detach)
	return m, detach
}

func TestGate(t *testing.T) {
	gate := NewGate(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443})
	m, detach := attachMapped(t, map[uint16]Sink{80: gate, 443: gate})
	for port, number := range map[string]uint16{"80": 80, "443": 443} {
		m.dial(t, port)
		c, err := gate.Accept()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []net.Conn{c, &peeked{Conn: c}} {
			if o, ok := OriginOf(c); !ok || o != (Origin{"n", number}) {
				t.Errorf("port %s: from %+v, %v", port, o, ok)
			}
		}
		if o, ok := FromContext(ConnContext(t.Context(), c)); !ok || o.Port != number {
			t.Errorf("port %s: context has %+v, %v", port, o, ok)
		}
	}
	// One waits that nobody accepts: detach does not wait for it.
	waiting := m.dial(t, "80")
	detach()
	if _, err := waiting.Read(make([]byte, 1)); err == nil {
		t.Error("it was served")
	}
	gate.Close()
	gate.Close()
	if _, err := gate.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed gate: %v", err)
	}
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	if err := gate.Deliver(t.Context(), here); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed gate took a connection: %v", err)
	}
	if _, ok := OriginOf(here); ok {
		t.Error("a stranger has an origin")
	}
	if _, ok := FromContext(ConnContext(t.Context(), here)); ok {
		t.Error("a stranger's context has an origin")
	}
}

// TestForward: bytes go both ways, and so does the end of either.
func TestForward(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			body, _ := io.ReadAll(c) // until the client has ended its side
			c.Write(append([]byte("got "), body...))
			c.Close()
		}
	}()
	m, _ := attachMapped(t, map[uint16]Sink{80: Forward(l.Addr().String()), 81: Forward("127.0.0.1:1")})
	c := m.dial(t, "80")
	io.WriteString(c, "hello")
	c.CloseWrite()
	if answer, err := io.ReadAll(c); err != nil || string(answer) != "got hello" {
		t.Errorf("%q, %v", answer, err)
	}
	if answer, _ := io.ReadAll(m.dial(t, "81")); len(answer) > 0 {
		t.Errorf("nobody answered %q", answer)
	}
}

// TestRefusedConnection: what a sink does not take is closed, and the next comes.
func TestRefusedConnection(t *testing.T) {
	calls := make(chan string, 2)
	m, _ := attachMapped(t, map[uint16]Sink{80: SinkFunc(func(_ context.Context, c net.Conn) error {
		calls <- c.RemoteAddr().String()
		return errors.New("no")
	})})
	for range 2 {
		c := m.dial(t, "80")
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("it was served")
		}
		if got := <-calls; got != c.LocalAddr().String() {
			t.Errorf("the sink saw %s, not %s", got, c.LocalAddr())
		}
	}
}

func TestUnreadyResolver(t *testing.T) {
	m := &mapped{}
	if _, err := Attach(t.Context(), m, Services{}); err == nil || len(m.ports) > 0 {
		t.Errorf("%v, with %v open", err, m.ports)
	}
	if r, err := NewResolver(ResolverOptions{}); err != nil || r.Address() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%v, %v", r, err)
	}
}
