package steer

import (
	"context"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// silent is a name server that takes questions and never answers, until released.
func silent(t *testing.T) (addr string, asked <-chan struct{}) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	seen := make(chan struct{}, 2*maxForwards)
	go func() {
		buf := make([]byte, 1500)
		for {
			if _, _, err := pc.ReadFrom(buf); err != nil {
				return
			}
			seen <- struct{}{}
		}
	}()
	return pc.LocalAddr().String(), seen
}

func question(name string) (id uint16, query []byte) {
	m := new(dns.Msg).SetQuestion(name, dns.TypeA)
	query, _ = m.Pack()
	return m.Id, query
}

// TestForwardsAreBounded: with as many questions under way as there may be, the
// next is told so at once, and steered names are answered as ever.
func TestForwardsAreBounded(t *testing.T) {
	server, asked := silent(t)
	r, err := NewResolver(ResolverOptions{Upstream: []string{server}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range maxForwards {
		wg.Go(func() {
			_, query := question("slow.example.")
			r.Answer(ctx, query, 512)
		})
	}
	for range maxForwards {
		<-asked
	}
	id, query := question("late.example.")
	if got := describe(id, r.Answer(ctx, query, 512)); got != "SERVFAIL rd ra\n" {
		t.Errorf("one too many: %s", got)
	}
	id, query = question("sts.amazonaws.com.")
	if got := describe(id, r.Answer(ctx, query, 512)); !strings.Contains(got, "127.0.0.1") {
		t.Errorf("a steered name: %s", got)
	}
	cancel()
	wg.Wait()
	if len(r.slots) != 0 {
		t.Errorf("%d places are still taken", len(r.slots))
	}
}

// TestDetachWithQuestionsUnderWay: detach gives up on what the upstream owes.
func TestDetachWithQuestionsUnderWay(t *testing.T) {
	server, asked := silent(t)
	r, err := NewResolver(ResolverOptions{Upstream: []string{server}})
	if err != nil {
		t.Fatal(err)
	}
	m := &mapped{}
	detach, err := Attach(t.Context(), m, Services{Resolver: r})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp", m.ports["udp 127.0.0.1:53"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, query := question("slow.example.")
	c.Write(query)
	<-asked
	done := make(chan struct{})
	go func() { defer close(done); detach() }()
	select {
	case <-done:
	case <-time.After(upstreamTime / 2):
		t.Error("detach waits for the upstream server")
		<-done
	}
	if len(r.slots) != 0 {
		t.Error("a question is still under way")
	}
}

// failing is a listener that fails once, with err, and then has one connection.
type failing struct {
	net.Listener
	once sync.Once
	err  error
}

func (f *failing) Accept() (c net.Conn, err error) {
	f.once.Do(func() { err = &net.OpError{Op: "accept", Err: f.err} })
	if err != nil {
		return nil, err
	}
	return f.Listener.Accept()
}

type failingNetwork struct {
	*mapped
	err error
}

func (n failingNetwork) Listen(network, addr string) (net.Listener, error) {
	l, err := n.mapped.Listen(network, addr)
	return &failing{Listener: l, err: n.err}, err
}

// TestOutOfDescriptors: a port for which there was no descriptor goes on when there
// are some; one that is broken does not spin.
func TestOutOfDescriptors(t *testing.T) {
	r, err := NewResolver(ResolverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := failingNetwork{&mapped{}, syscall.EMFILE}
	detach, err := Attach(t.Context(), n, Services{Resolver: r})
	if err != nil {
		t.Fatal(err)
	}
	askStream(t, &dns.Conn{Conn: n.dial(t, "53")})
	detach()

	n = failingNetwork{&mapped{}, syscall.EINVAL}
	if detach, err = Attach(t.Context(), n, Services{Resolver: r}); err != nil {
		t.Fatal(err)
	}
	detach() // returns, since its goroutines have ended
}
