//go:build linux

package nat

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// A flow is one connection, or one exchange of datagrams, with its two halves.
type flow struct {
	inner    net.Conn       // towards the function
	endpoint tcpip.Endpoint // of inner
	outer    net.Conn       // towards the outside
	most     int32          // ticks that it may be idle
	idle     atomic.Int32   // ticks that it has been
}

// end cuts both halves off: who waits for either hears of it at once, as of a broken connection.
func (f *flow) end() {
	if t, ok := f.outer.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	f.outer.Close()
	f.endpoint.Abort()
}

// destination is whom the function asked for.
func destination(id stack.TransportEndpointID) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(id.LocalAddress.As4()), id.LocalPort)
}

// add remembers a flow whose place was reserved, or ends it when the end has come.
func (n *NAT) add(f *flow) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		f.end()
		return false
	}
	n.flows[f] = struct{}{}
	return true
}

func (n *NAT) remove(f *flow) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.flows, f)
}

// sweep ends idle flows.
func (n *NAT) sweep() {
	for {
		c, stop := n.o.Clock.After(tick)
		select {
		case <-c:
		case <-n.ctx.Done():
			stop()
			return
		}
		n.mu.Lock()
		var old []*flow
		for f := range n.flows {
			if f.idle.Add(1) > f.most {
				old = append(old, f)
			}
		}
		n.mu.Unlock()
		for _, f := range old {
			f.end()
		}
	}
}

// stream takes one connection attempt of the function to its end. The stack calls it on a goroutine
// of its own.
func (n *NAT) stream(r *tcp.ForwarderRequest) {
	if !n.reserve("tcp", MaxTCP) {
		r.Complete(true)
		return
	}
	defer n.release("tcp")
	outer, err := n.open("tcp", destination(r.ID()))
	if err != nil {
		// Silence, which the function's kernel meets by asking again, where the outside was silent.
		var late net.Error
		r.Complete(!errors.As(err, &late) || !late.Timeout())
		return
	}
	var wq waiter.Queue
	endpoint, failed := r.CreateEndpoint(&wq)
	r.Complete(failed != nil)
	if failed != nil {
		outer.Close()
		return
	}
	f := &flow{inner: gonet.NewTCPConn(&wq, endpoint), endpoint: endpoint, outer: outer, most: idleTCP}
	if !n.add(f) {
		return
	}
	defer n.remove(f)
	var wg sync.WaitGroup
	wg.Go(func() { f.pour(f.inner, f.outer) })
	f.pour(f.outer, f.inner)
	wg.Wait()
	f.outer.Close()
	f.inner.Close()
}

// pour copies from one half to the other and passes on how it ended.
func (f *flow) pour(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		read, err := from.Read(buf)
		if read > 0 {
			f.idle.Store(0)
			if _, err := to.Write(buf[:read]); err != nil {
				f.end()
				return
			}
		}
		if err == io.EOF {
			if err := to.(interface{ CloseWrite() error }).CloseWrite(); err == nil {
				return
			}
		}
		if err != nil {
			f.end()
			return
		}
	}
}

// datagrams begins an exchange with the packet that no exchange was found for. The stack calls it
// where it takes packets in, and nothing in here waits.
func (n *NAT) datagrams(r *udp.ForwarderRequest) bool {
	if !n.reserve("udp", MaxUDP) {
		return true // as if it had been lost
	}
	to := destination(r.ID())
	outer, err := n.open("udp", to)
	if err != nil {
		n.release("udp")
		return !errors.Is(err, ErrRefused) // "port unreachable", to what is refused
	}
	var wq waiter.Queue
	endpoint, failed := r.CreateEndpoint(&wq)
	if failed != nil {
		outer.Close()
		n.release("udp")
		return true
	}
	f := &flow{inner: gonet.NewUDPConn(&wq, endpoint), endpoint: endpoint, outer: outer, most: idleUDP}
	if to.Port() == 53 {
		f.most = idleDNS
	}
	if !n.add(f) {
		n.release("udp")
		return true
	}
	go n.exchange(f)
	return true
}

// exchange carries datagrams both ways until the flow is ended, or nobody is at the other end.
func (n *NAT) exchange(f *flow) {
	defer n.release("udp")
	defer n.remove(f)
	var wg sync.WaitGroup
	wg.Go(func() { n.carry(f, f.inner, f.outer) })
	n.carry(f, f.outer, f.inner)
	wg.Wait()
	f.inner.Close()
}

// datagram is as large as one can be. There are two to an exchange.
type datagram [64 << 10]byte

func (n *NAT) carry(f *flow, to, from net.Conn) {
	buf, ok := n.buffers.Get().(*datagram)
	if !ok {
		buf = new(datagram)
	}
	defer n.buffers.Put(buf)
	defer f.end()
	for {
		read, err := from.Read(buf[:])
		if err != nil {
			return
		}
		f.idle.Store(0)
		if _, err := to.Write(buf[:read]); err != nil {
			return
		}
	}
}
