package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// A stand is a proxy whose outside is a server of the test's own, for every name.
type stand struct {
	*testing.T
	proxy  *httptest.Server
	client *http.Client
	dialed []string
}

var bad = netip.MustParseAddr("169.254.169.254")

func newStand(t *testing.T, outside *httptest.Server, allow ...string) *stand {
	t.Helper()
	st := &stand{T: t}
	p, err := New(Options{Allow: allow,
		Check: func(a netip.Addr) error {
			if a == bad {
				return errors.New("not there")
			}
			return nil
		},
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			switch {
			case strings.HasPrefix(host, "evil"):
				return []netip.Addr{bad}, nil
			case strings.HasPrefix(host, "six"):
				return []netip.Addr{netip.MustParseAddr("::1")}, nil
			case strings.HasPrefix(host, "none"):
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
			return []netip.Addr{bad, netip.MustParseAddr("192.0.2.1")}, nil
		},
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			st.dialed = append(st.dialed, addr)
			return (&net.Dialer{}).DialContext(ctx, network, outside.Listener.Addr().String())
		}})
	if err != nil {
		t.Fatal(err)
	}
	st.proxy = httptest.NewUnstartedServer(nil)
	st.proxy.Config = p.Server(t.Context())
	st.proxy.Start()
	t.Cleanup(st.proxy.Close)
	at, _ := url.Parse(st.proxy.URL)
	transport := outside.Client().Transport.(*http.Transport).Clone()
	transport.Proxy = http.ProxyURL(at)
	if transport.TLSClientConfig != nil {
		transport.TLSClientConfig.ServerName = "example.com"
	}
	t.Cleanup(transport.CloseIdleConnections)
	st.client = &http.Client{Transport: transport}
	return st
}

func (st *stand) get(url string) string {
	st.Helper()
	r, err := st.client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return fmt.Sprintf("%d %s", r.StatusCode, b)
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "hello %s%s proxy=%q", r.Host, r.URL.Path, r.Header.Get("Proxy-Authorization"))
})

func TestProxy(t *testing.T) {
	plain, tls := httptest.NewServer(hello), httptest.NewTLSServer(hello)
	defer plain.Close()
	defer tls.Close()
	allow := []string{"api.example.com", "*.good.example", "evil.example", "six.example", "none.example", "port.example:8080"}
	st := newStand(t, plain, allow...)
	for url, want := range map[string]string{
		"http://api.example.com/x":        `200 hello api.example.com/x proxy=""`,
		"http://API.example.com./":        `200 hello `,
		"http://a.b.good.example/":        `200 hello`,
		"http://port.example:8080/":       `200 hello port.example:8080/`,
		"http://good.example/":            `403 good.example:80: not allowed by the operator of this Tule`,
		"http://notgood.example/":         `403 `,
		"http://api.example.com.evil.io/": `403 `,
		"http://api.example.com:8080/":    `403 `,
		"http://port.example/":            `403 `,
		"http://127.0.0.1/":               `403 `,
		"http://evil.example/":            `403 not allowed: not there`,
		"http://six.example/":             `403 ::1: no IPv6`,
		"http://none.example/":            `502 `,
	} {
		if got := st.get(url); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
	for _, at := range st.dialed {
		if !strings.HasPrefix(at, "192.0.2.1:") {
			t.Errorf("dialed %s", at)
		}
	}
	st = newStand(t, tls, allow...)
	if got := st.get("https://api.example.com/x"); got != `200 hello api.example.com/x proxy=""` {
		t.Error(got)
	}
	for _, url := range []string{"https://other.example/", "https://evil.example/", "https://port.example/"} {
		if got := st.get(url); !strings.Contains(got, "Forbidden") {
			t.Errorf("%s: %s", url, got)
		}
	}
}

// What is no request of a proxy's is refused, and what comes along with CONNECT is not lost.
func TestRaw(t *testing.T) {
	plain := httptest.NewServer(hello)
	defer plain.Close()
	st := newStand(t, plain, "*:*")
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n":                                   "HTTP/1.1 400",
		"GET https://x.example/ HTTP/1.1\r\nHost: x.example\r\n\r\n":                        "HTTP/1.1 400",
		"GET ftp://x.example/ HTTP/1.1\r\nHost: x.example\r\n\r\n":                          "HTTP/1.1 400",
		"CONNECT x.example HTTP/1.1\r\nHost: x.example\r\n\r\n":                             "HTTP/1.1 403",
		"CONNECT x.example:0 HTTP/1.1\r\nHost: x.example:0\r\n\r\n":                         "HTTP/1.1 403",
		"CONNECT evil.x:443 HTTP/1.1\r\nHost: evil.x:443\r\n\r\n":                           "HTTP/1.1 403",
		"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n":           "HTTP/1.1 403",
		"CONNECT x.example:22 HTTP/1.1\r\nHost: x.example:22\r\n\r\nGET / HTTP/1.0\r\n\r\n": "HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.0 200 OK",
	} {
		c, err := net.Dial("tcp", st.proxy.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(bufio.NewReader(c), got); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", request, got, err)
		}
		c.Close()
	}
}

// A connection through the proxy ends with its sandbox, whatever the other end does.
func TestEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := New(Options{Allow: []string{"*"}, Check: func(netip.Addr) error { return nil },
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, l.Addr().String())
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewUnstartedServer(nil)
	server.Config = p.Server(ctx)
	server.Start()
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: x\r\n\r\n")
	outer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	cancel()
	if _, err := io.ReadAll(outer); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

func TestRules(t *testing.T) {
	for _, text := range []string{"", "*.", "a b", "a/b", "http://a", "a:0", "a:x", "a:70000", "a*b", "[::1]"} {
		if _, err := New(Options{Allow: []string{text}, Check: func(netip.Addr) error { return nil }}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("taken without a check")
	}
}

// A rule lets through what it names, and nothing that only looks like it.
func FuzzPermitted(f *testing.F) {
	f.Add("a.example.com:443", "*.example.com")
	f.Add("example.com.:80", "example.com")
	f.Fuzz(func(t *testing.T, addr, text string) {
		p, err := New(Options{Allow: []string{text}, Check: func(netip.Addr) error { return nil }})
		if err != nil {
			return
		}
		host, port, err := p.permitted(addr)
		if err != nil {
			return
		}
		name, _, _ := strings.Cut(strings.ToLower(text), ":")
		name = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(name, "."), "*"), ".")
		if port == 0 || host == "" || !strings.HasSuffix(host, name) {
			t.Errorf("%q lets %q through, to %s:%d", text, addr, host, port)
		}
	})
}
