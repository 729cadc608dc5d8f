package steer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
)

// A Network opens listeners inside a network: a sandbox's namespace or the host's.
type Network interface {
	Listen(network, addr string) (net.Listener, error)
	ListenPacket(network, addr string) (net.PacketConn, error)
}

// An Enterer is a Network that can be entered: Enter runs fn on a thread that is in
// it, where listeners are opened like any others. Attach opens all its ports in one
// such go, since entering anew for each is most of what attaching costs. A Network
// that has the method and cannot be entered after all returns errors.ErrUnsupported
// without running fn; its ports are opened one by one.
type Enterer interface {
	Enter(fn func() error) error
}

// A Sink takes a connection over. Deliver may wait until ctx is done; when it
// returns an error the connection is still the caller's, who closes it.
type Sink interface {
	Deliver(ctx context.Context, c net.Conn) error
}

// SinkFunc makes a Sink of a function that returns at once and serves elsewhere.
type SinkFunc func(ctx context.Context, c net.Conn) error

// Deliver implements Sink.
func (f SinkFunc) Deliver(ctx context.Context, c net.Conn) error { return f(ctx, c) }

// Services are what a network is given.
type Services struct {
	// Name is the network's name, carried by its connections: see OriginOf.
	Name string
	// Resolver answers on port 53. All ports are opened on its address. Required.
	Resolver *Resolver
	// Streams says who takes the connections to a TCP port. The front door sniffs
	// TLS, so that 80 and 443 may go to the same Gate.
	Streams map[uint16]Sink
	// MaxConns bounds the network's open connections, lest one sandbox take all of
	// this process's descriptors; more are closed as they come. 0 is 1024, which is
	// also how many files a function may have open on AWS.
	MaxConns int
}

// portDNS is where resolvers listen.
const portDNS = 53

// Attach opens the ports of s in the network n: DNS over UDP and TCP on 53, and
// each of s.Streams. It costs one goroutine a port. When it returns, they answer.
//
// detach, or the end of ctx, closes the ports and every connection that came
// through them, so that nothing keeps the network alive; detach returns when all
// is gone, and may be called again. When Attach fails, nothing stays open.
func Attach(ctx context.Context, n Network, s Services) (detach func(), err error) {
	if s.Resolver == nil {
		return nil, errors.New("steer: attach without a resolver")
	}
	if s.MaxConns <= 0 {
		s.MaxConns = 1024
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &attachment{ctx: ctx, name: s.Name, max: s.MaxConns, conns: map[*conn]struct{}{}}
	if err := a.open(n, s); err != nil {
		cancel()
		a.close()
		return nil, fmt.Errorf("steer: attach %s: %w", s.Name, err)
	}
	stop := context.AfterFunc(ctx, a.close)
	return func() {
		stop()
		cancel()
		a.close()
		a.wg.Wait()
	}, nil
}

// An attachment is what Attach opened in one network.
type attachment struct {
	ctx  context.Context
	name string
	max  int
	wg   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	opened []interface{ Close() error }
	conns  map[*conn]struct{}
}

// open opens every port first and serves only then, so that a failure leaves no
// goroutine behind.
func (a *attachment) open(n Network, s Services) error {
	streams := map[uint16]Sink{portDNS: &tcpServer{s.Resolver, make(chan struct{}, dnsClients), a.wg.Go}}
	for port, sink := range s.Streams {
		streams[port] = sink
	}
	var pc net.PacketConn
	listeners := make(map[uint16]net.Listener, len(streams))
	listen := func(n Network) (err error) {
		at := func(port uint16) string { return netip.AddrPortFrom(s.Resolver.Address(), port).String() }
		if pc, err = n.ListenPacket("udp", at(portDNS)); err != nil {
			return err
		}
		a.opened = append(a.opened, pc)
		for port := range streams {
			l, err := n.Listen("tcp", at(port))
			if err != nil {
				return err
			}
			a.opened = append(a.opened, l)
			listeners[port] = l
		}
		return nil
	}
	if err := within(n, listen); err != nil {
		return err
	}
	a.wg.Go(func() { s.Resolver.servePacket(a.ctx, pc, a.wg.Go) })
	for port, l := range listeners {
		a.wg.Go(func() { a.accept(l, port, streams[port]) })
	}
	return nil
}

// within runs listen with n, or inside it where it can be entered.
func within(n Network, listen func(Network) error) error {
	if e, ok := n.(Enterer); ok {
		entered := false
		err := e.Enter(func() error {
			entered = true
			return listen(HostNetwork{})
		})
		if entered || !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return listen(n)
}

// accept hands the connections of l to sink until l is closed. Out of file
// descriptors, it waits for some to come back rather than spin.
func (a *attachment) accept(l net.Listener, port uint16, sink Sink) {
	for {
		c, err := l.Accept()
		if err != nil {
			if a.ctx.Err() == nil && temporary(err) && pause(a.ctx) {
				continue
			}
			return
		}
		tracked := &conn{Conn: c, origin: Origin{a.name, port}, owner: a}
		if !a.track(tracked) {
			c.Close()
			continue
		}
		if err := sink.Deliver(a.ctx, tracked); err != nil {
			tracked.Close()
		}
	}
}

// track remembers c, unless there are too many or the end has come.
func (a *attachment) track(c *conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || len(a.conns) >= a.max {
		return false
	}
	a.conns[c] = struct{}{}
	return true
}

func (a *attachment) close() {
	a.mu.Lock()
	opened, conns := a.opened, a.conns
	a.closed, a.opened, a.conns = true, nil, nil
	a.mu.Unlock()
	for _, o := range slices.Backward(opened) {
		o.Close()
	}
	for c := range conns {
		c.Conn.Close()
	}
}

// conn is a connection that remembers where it came from, and is closed with it.
type conn struct {
	net.Conn
	origin Origin
	owner  *attachment
}

func (c *conn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.conns, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite passes the end of what we send on, for protocols that end so.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// HostNetwork is the network that this process is in.
type HostNetwork struct{}

var _ Network = HostNetwork{}

// Listen implements Network. Without multipath TCP, Go's default for listeners: it
// is slower, and the loopback has one path.
func (HostNetwork) Listen(network, addr string) (net.Listener, error) {
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	return c.Listen(context.Background(), network, addr)
}

// ListenPacket implements Network.
func (HostNetwork) ListenPacket(network, addr string) (net.PacketConn, error) {
	return net.ListenPacket(network, addr)
}

// Forward is a Sink that joins each connection to a new one to addr, such as the
// running Tule's "127.0.0.1:4566", byte for byte.
func Forward(addr string) Sink {
	return SinkFunc(func(ctx context.Context, c net.Conn) error {
		go join(ctx, c, addr)
		return nil
	})
}

func portOf(addr string) (uint16, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port", port)
	}
	return uint16(n), nil
}
