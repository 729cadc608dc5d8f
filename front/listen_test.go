package front

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// echo answers with the scheme and protocol it was asked in.
func echo(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	io.WriteString(w, scheme+" "+r.Proto)
}

func serve(t *testing.T, h http.HandlerFunc) (addr string, s *Server, served <-chan error) {
	t.Helper()
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.StartTLS()
	cert := borrowed.TLS.Certificates[0]
	borrowed.Close()
	s = NewServer(h, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}, slog.New(slog.DiscardHandler), nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	return l.Addr().String(), s, done
}

func TestOnePort(t *testing.T) {
	addr, s, served := serve(t, echo)
	protocols := func(set func(*http.Protocols)) *http.Client {
		p := new(http.Protocols)
		set(p)
		return &http.Client{Transport: &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	}
	for _, c := range []struct {
		url, want string
		client    *http.Client
	}{
		{"http://" + addr, "http HTTP/1.1", protocols(func(p *http.Protocols) { p.SetHTTP1(true) })},
		{"https://" + addr, "https HTTP/1.1", protocols(func(p *http.Protocols) { p.SetHTTP1(true) })},
		{"https://" + addr, "https HTTP/2.0", protocols(func(p *http.Protocols) { p.SetHTTP2(true) })},
		{"http://" + addr, "http HTTP/2.0", protocols(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })},
	} {
		res, err := c.client.Get(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(b) != c.want {
			t.Errorf("answered %q, want %q", b, c.want)
		}
		c.client.CloseIdleConnections()
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the port is still open after Stop")
	}
}

// TestStopWaits shows that a request under way is answered before the end.
func TestStopWaits(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	addr, s, served := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, "whole")
	})
	got := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + addr)
		if err != nil {
			got <- err.Error()
			return
		}
		b, _ := io.ReadAll(res.Body)
		got <- string(b)
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.Background()) }()
	close(leave)
	if body := <-got; body != "whole" {
		t.Errorf("answered %q", body)
	}
	if err := errors.Join(<-stopped, <-served); err != nil {
		t.Error(err)
	}
}

func TestLongHeader(t *testing.T) {
	addr, s, _ := serve(t, echo)
	defer s.Stop(t.Context())
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nA: "+strings.Repeat("a", 2*maxHeader)+"\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%v, %v", res, err)
	}
}
