package steer

import (
	"context"
	"net"
	"sync"
)

// A Gate gathers the connections of any number of networks into one net.Listener,
// so that one server serves them all:
//
//	gate := steer.NewGate(addr)
//	go server.Serve(gate) // with ConnContext: steer.ConnContext
//	detach, err := steer.Attach(ctx, network, steer.Services{..., Streams: map[uint16]steer.Sink{80: gate, 443: gate}})
//
// It queues nothing: while nobody accepts, clients wait in their kernel's backlog.
type Gate struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

var (
	_ net.Listener = (*Gate)(nil)
	_ Sink         = (*Gate)(nil)
)

// NewGate returns an open gate. Its Addr answers addr, for the server's logs.
func NewGate(addr net.Addr) *Gate {
	return &Gate{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Deliver implements Sink: it waits until the connection is accepted.
func (g *Gate) Deliver(ctx context.Context, c net.Conn) error {
	select {
	case <-g.done:
		return net.ErrClosed
	default:
	}
	select {
	case g.conns <- c:
		return nil
	case <-g.done:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Accept implements net.Listener.
func (g *Gate) Accept() (net.Conn, error) {
	select {
	case c := <-g.conns:
		return c, nil
	case <-g.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: g.addr, Err: net.ErrClosed}
	}
}

// Close implements net.Listener. Connections already accepted live on.
func (g *Gate) Close() error {
	g.once.Do(func() { close(g.done) })
	return nil
}

// Addr implements net.Listener.
func (g *Gate) Addr() net.Addr { return g.addr }

// An Origin says where a connection came from.
type Origin struct {
	Network string // the name given to Attach, such as a sandbox's id
	Port    uint16 // the port that the client reached
}

// OriginOf tells where c came from, if it came through Attach. It looks through
// wrappers that have tls.Conn's NetConn method.
func OriginOf(c net.Conn) (Origin, bool) {
	for c != nil {
		if s, ok := c.(*conn); ok {
			return s.origin, true
		}
		w, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = w.NetConn()
	}
	return Origin{}, false
}

type originKey struct{}

// ConnContext is for http.Server's field of that name: it makes FromContext work
// in the handlers.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if o, ok := OriginOf(c); ok {
		return context.WithValue(ctx, originKey{}, o)
	}
	return ctx
}

// FromContext tells where the connection of a request came from, if it came
// through Attach.
func FromContext(ctx context.Context) (Origin, bool) {
	o, ok := ctx.Value(originKey{}).(Origin)
	return o, ok
}
