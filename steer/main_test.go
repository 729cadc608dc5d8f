package steer

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

func TestMain(m *testing.M) {
	MaybeChild()
	os.Exit(m.Run())
}

// testNow is when the tests' clocks stand; real clients in them check certificates
// by the real time, which is why those tests use newRealAuthority.
var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newAuthority(t testing.TB, o AuthorityOptions) *Authority {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Rand = rand.Reader
	if o.Clock == nil {
		o.Clock = aws.NewManualClock(testNow)
	}
	a, err := OpenAuthority(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newRealAuthority(t testing.TB) *Authority {
	return newAuthority(t, AuthorityOptions{Clock: aws.NewManualClock(time.Now())})
}

// echo is what the tests' server saw of a request.
type echo struct {
	Host, Path, Proto, SNI, From string
	Port                         uint16
	TLS                          bool
}

// serveEcho answers HTTP and HTTPS on l, as Tule's front door does, with an echo
// of each request as JSON.
func serveEcho(t testing.TB, l net.Listener, cfg *tls.Config) {
	t.Helper()
	srv := &http.Server{
		ConnContext: ConnContext,
		Protocols:   new(http.Protocols),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from, _ := FromContext(r.Context())
			e := echo{Host: r.Host, Path: r.URL.Path, Proto: r.Proto, From: from.Network, Port: from.Port, TLS: r.TLS != nil}
			if r.TLS != nil {
				e.SNI = r.TLS.ServerName
			}
			json.NewEncoder(w).Encode(e)
		}),
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(sniffer{l, cfg})
	}()
	t.Cleanup(func() {
		srv.Close()
		l.Close()
		<-done
	})
}

// sniffer speaks TLS with those who begin with it.
type sniffer struct {
	net.Listener
	cfg *tls.Config
}

func (s sniffer) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	p := &peeked{Conn: c, r: bufio.NewReader(c)}
	if first, err := p.r.Peek(1); err == nil && first[0] == 22 {
		return tls.Server(p, s.cfg), nil
	}
	return p, nil
}

type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// NetConn lets OriginOf look through.
func (p *peeked) NetConn() net.Conn { return p.Conn }

// startEcho is a running "Tule": its address.
func startEcho(t testing.TB, a *Authority) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveEcho(t, l, a.TLSConfig())
	return l.Addr().String()
}
