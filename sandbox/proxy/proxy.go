// Package proxy is the HTTP proxy by which functions reach the hosts that an operator names, and
// nothing else: CONNECT for what is encrypted, whole URLs for what is not. What it refuses, it
// says so (403); it looks at names alone, and into no connection.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options say what a Proxy lets through.
type Options struct {
	// Allow are host names: "example.com", "*.example.com" for all below it, and "*" for all. A port
	// may follow: ":8443", or ":*". Without, it is 80 and 443.
	Allow []string
	// Check refuses addresses that a name must not lead to.
	Check func(netip.Addr) error
	// Dial connects to an address that Check has let pass. Nil is the host's network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Resolve is the host's resolver unless it is set.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// A Proxy is an http.Handler for a server of its own.
type Proxy struct {
	o       Options
	allow   []rule
	forward *httputil.ReverseProxy
}

// A rule is one of Options.Allow.
type rule struct {
	host  string // in lower case, without "*."
	below bool   // all below it, and not it
	port  uint16 // 0 is 80 and 443
	any   bool   // port
}

// Bounds on what one request may keep.
const (
	dialTime = 30 * time.Second
	maxHead  = 64 << 10
)

// New reads the rules.
func New(o Options) (*Proxy, error) {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Check == nil {
		return nil, errors.New("proxy: Options.Check is missing")
	}
	if o.Resolve == nil {
		o.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
		}
	}
	p := &Proxy{o: o}
	for _, text := range o.Allow {
		r, err := parseRule(text)
		if err != nil {
			return nil, err
		}
		p.allow = append(p.allow, r)
	}
	p.forward = &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.Header.Del("Proxy-Authorization") },
		Transport: &http.Transport{DialContext: p.dial, DisableCompression: true, MaxIdleConns: 64, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: 15 * time.Minute},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			refuse(w, err)
		},
	}
	return p, nil
}

func parseRule(text string) (rule, error) {
	bad := fmt.Errorf("%q names no host: give example.com, *.example.com or *, and :port if it is another than 80 and 443", text)
	host, port, hasPort := strings.Cut(strings.ToLower(text), ":")
	if host == "*." {
		return rule{}, bad
	}
	r := rule{host: strings.TrimSuffix(host, ".")}
	switch {
	case hasPort && port == "*":
		r.any = true
	case hasPort:
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return r, bad
		}
		r.port = uint16(n)
	}
	if r.host == "*" {
		r.host, r.below = "", true
		return r, nil
	}
	r.host, r.below = strings.CutPrefix(r.host, "*.")
	if r.host == "" || strings.ContainsAny(r.host, "*/ \t@[]") {
		return r, bad
	}
	return r, nil
}

func (r rule) lets(host string, port uint16) bool {
	switch {
	case r.any:
	case r.port == 0 && port != 80 && port != 443, r.port != 0 && r.port != port:
		return false
	}
	if r.below {
		return r.host == "" || strings.HasSuffix(host, "."+r.host)
	}
	return host == r.host
}

// ErrRefused is in the chain of errors for what is not allowed.
var ErrRefused = errors.New("not allowed")

// permitted takes an address of a request apart, if the rules let it through.
func (p *Proxy) permitted(addr string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no host and port: %w", addr, ErrRefused)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("%q is no port: %w", text, ErrRefused)
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "" || !slices.ContainsFunc(p.allow, func(r rule) bool { return r.lets(host, uint16(n)) }) {
		return "", 0, fmt.Errorf("%s:%d: %w by the operator of this Tule", host, n, ErrRefused)
	}
	return host, uint16(n), nil
}

// dial connects to a host that is allowed, at an address that is. The address is checked that is
// dialled: a name cannot lead elsewhere a moment later.
func (p *Proxy) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := p.permitted(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	to, err := netip.ParseAddr(host)
	addrs := []netip.Addr{to}
	if err != nil {
		if addrs, err = p.o.Resolve(ctx, host); err != nil {
			return nil, err
		}
	}
	err = fmt.Errorf("%s has no address", host)
	for _, a := range addrs {
		a = a.Unmap()
		if !a.Is4() {
			err = fmt.Errorf("%s: no IPv6: %w", a, ErrRefused)
			continue
		}
		if err = p.o.Check(a); err != nil {
			err = fmt.Errorf("%w: %w", ErrRefused, err)
			continue
		}
		var c net.Conn
		if c, err = p.o.Dial(ctx, network, netip.AddrPortFrom(a, port).String()); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		p.connect(w, r)
	case r.URL.Scheme == "http" && r.URL.Host != "":
		addr := r.URL.Host
		if r.URL.Port() == "" {
			addr = net.JoinHostPort(r.URL.Hostname(), "80")
		}
		if _, _, err := p.permitted(addr); err != nil {
			refuse(w, err)
			return
		}
		p.forward.ServeHTTP(w, r)
	default:
		http.Error(w, "This is a proxy: it takes CONNECT, and whole URLs of http.", http.StatusBadRequest)
	}
}

func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	out, err := p.dial(r.Context(), "tcp", r.Host)
	if err != nil {
		refuse(w, err)
		return
	}
	defer out.Close()
	in, head, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, err)
		return
	}
	defer in.Close()
	defer context.AfterFunc(r.Context(), func() {
		in.Close()
		out.Close()
	})()
	if _, err := io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(out, head) // what came with the request, and all that follows
		finish(out)
	}()
	_, err = io.Copy(in, out)
	finish(in)
	if err != nil {
		return // one of them is gone, and by that the other
	}
	<-done
}

// finish ends one direction of a connection.
func finish(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.Close()
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	var timeout net.Error
	switch {
	case errors.Is(err, ErrRefused):
		status = http.StatusForbidden
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, syscall.ETIMEDOUT):
		status = http.StatusGatewayTimeout
	}
	http.Error(w, err.Error(), status)
}

// Server serves the proxy on a sandbox's listener. What goes through it ends with ctx; the server
// itself is closed as any other.
func (p *Proxy) Server(ctx context.Context) *http.Server {
	return &http.Server{Handler: p, BaseContext: func(net.Listener) context.Context { return ctx },
		MaxHeaderBytes: maxHead, ReadHeaderTimeout: time.Minute, IdleTimeout: 6 * time.Minute}
}
