package front

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits on what a connection may cost before it has said anything of use.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 128 << 10
	// stopGrace is how long requests under way have when Tule stops.
	stopGrace = 10 * time.Second
)

// A Server serves the door on any number of listeners, HTTP and HTTPS, 1.1 and 2,
// on one and the same port: the first byte tells a TLS client.
type Server struct {
	http *http.Server
	tls  *tls.Config
	log  *slog.Logger
}

// NewServer makes a server. cfg says how to speak TLS and must have a certificate;
// connContext, which may be nil, marks connections.
func NewServer(h http.Handler, cfg *tls.Config, logger *slog.Logger, connContext func(context.Context, net.Conn) context.Context) *Server {
	s := &Server{tls: cfg, log: logger}
	s.http = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       connContext,
		TLSConfig:         cfg,
		Protocols:         new(http.Protocols),
		ErrorLog:          log.New(debugWriter{logger}, "", 0),
	}
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetHTTP2(true)
	s.http.Protocols.SetUnencryptedHTTP2(true)
	return s
}

// Serve accepts connections of l until l is closed or the server stops.
func (s *Server) Serve(l net.Listener) error {
	sniffer := &sniffer{listener: l, done: make(chan struct{})}
	plain := &half{sniffer: sniffer, conns: make(chan net.Conn)}
	secure := &half{sniffer: sniffer, conns: make(chan net.Conn)}
	errs := make(chan error, 3)
	go func() { errs <- s.http.Serve(plain) }()
	go func() { errs <- s.http.ServeTLS(secure, "", "") }()
	go func() { errs <- sniffer.run(plain.conns, secure.conns) }()
	err := <-errs
	sniffer.Close()
	<-errs
	<-errs
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Stop takes no more connections and waits for the requests under way, but not
// longer than a grace.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// sniffer reads the first byte of each connection of a listener.
type sniffer struct {
	listener net.Listener
	once     sync.Once
	done     chan struct{}
	err      error
}

func (s *sniffer) Close() error {
	s.once.Do(func() {
		close(s.done)
		s.err = s.listener.Close()
	})
	return s.err
}

func (s *sniffer) run(plain, secure chan<- net.Conn) error {
	delay := time.Duration(0)
	for {
		c, err := s.listener.Accept()
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() || isTemporary(err) {
				// Out of descriptors: what waits in the backlog may yet be served.
				delay = min(max(2*delay, 5*time.Millisecond), time.Second)
				select {
				case <-time.After(delay):
					continue
				case <-s.done:
				}
			}
			return err
		}
		delay = 0
		go s.sort(c, plain, secure)
	}
}

// isTemporary reports what net still marks so: too many open files.
func isTemporary(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

// sort hands a connection to the half that speaks its language.
func (s *sniffer) sort(c net.Conn, plain, secure chan<- net.Conn) {
	var first [1]byte
	silent := time.AfterFunc(headerTimeout, func() { c.Close() })
	n, err := c.Read(first[:])
	if !silent.Stop() || n == 0 || err != nil {
		c.Close()
		return
	}
	to := plain
	if first[0] == 0x16 { // a TLS handshake record
		to = secure
	}
	select {
	case to <- &sniffed{Conn: c, first: first[0]}:
	case <-s.done:
		c.Close()
	}
}

// sniffed is a connection whose first byte has been read already.
type sniffed struct {
	net.Conn
	first byte
	given bool
}

func (c *sniffed) Read(p []byte) (int, error) {
	if c.given || len(p) == 0 {
		return c.Conn.Read(p)
	}
	c.given = true
	p[0] = c.first
	return 1, nil
}

// ReadFrom lets a file go to the network without being copied.
func (c *sniffed) ReadFrom(src io.Reader) (int64, error) { return io.Copy(c.Conn, src) }

// NetConn is the connection beneath.
func (c *sniffed) NetConn() net.Conn { return c.Conn }

// half is one of the two listeners that a sniffed listener becomes.
type half struct {
	*sniffer
	conns chan net.Conn
}

var _ net.Listener = (*half)(nil)

func (h *half) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *half) Addr() net.Addr { return h.listener.Addr() }

// debugWriter takes what net/http has to say of broken connections.
type debugWriter struct{ log *slog.Logger }

func (d debugWriter) Write(b []byte) (int, error) {
	d.log.Debug("http", "message", string(b))
	return len(b), nil
}
