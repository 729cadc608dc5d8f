//go:build linux

package nat

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// Bounds on what one network may hold at once. What is beyond is refused (TCP) or dropped (UDP).
const (
	MaxTCP = 256
	MaxUDP = 256
)

const (
	// tcpBuffer is each of the two buffers of a connection's inner half, whose round trip is
	// nothing; those of its outer half are the host's.
	tcpBuffer = 64 << 10
	// dialing bounds the connections that wait for their other end.
	dialing = 64
	// dialTime is how long one waits. The function's own patience usually ends before.
	dialTime = 30 * time.Second
	// tick is how often idle flows are looked for.
	tick = 10 * time.Second
	// Ticks without a byte after which a flow is ended: AWS's NAT gateway waits 350 s and 120 s. A
	// name server has answered or it has not.
	idleTCP = 35
	idleUDP = 12
	idleDNS = 1
)

// Options say what lies outside.
type Options struct {
	// Dial opens the outer half of a flow: "tcp" or "udp", an IPv4 address and port. Nil dials from
	// the host's network. What Outside refuses is never dialled.
	Dial func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)
	// Addresses are this machine's own, which are refused. Nil asks the system each time.
	Addresses func() ([]net.Addr, error)
	// Clock tells when flows are idle. Nil never ends one for that.
	Clock aws.Clock
}

// NAT is the address translation of one network.
type NAT struct {
	o      Options
	stack  *stack.Stack
	link   *link
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	buffers sync.Pool // of *datagram

	mu     sync.Mutex
	closed bool
	flows  map[*flow]struct{}
	count  map[string]int // of flows, by network; of TCP those that are being dialled included
}

// New translates between tun, a device's packets one a read and one a write, and the outside, until
// Close, which closes tun.
func New(tun io.ReadWriteCloser, o Options) (*NAT, error) {
	if o.Dial == nil {
		o.Dial = dial
	}
	if o.Addresses == nil {
		o.Addresses = net.InterfaceAddrs
	}
	n := &NAT{o: o, link: &link{tun: tun}, flows: map[*flow]struct{}{}, count: map[string]int{}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := n.configure(); err != nil {
		n.Close()
		return nil, fmt.Errorf("nat: %s", err)
	}
	n.wg.Go(n.link.receive)
	if o.Clock != nil {
		n.wg.Go(n.sweep)
	}
	return n, nil
}

// configure makes the stack take every packet for its own, and answer with every address.
func (n *NAT) configure() tcpip.Error {
	const nic = 1
	if err := n.stack.CreateNIC(nic, n.link); err != nil {
		return err
	}
	if err := n.stack.SetPromiscuousMode(nic, true); err != nil {
		return err
	}
	if err := n.stack.SetSpoofing(nic, true); err != nil {
		return err
	}
	n.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	still, retries := tcpip.TCPModerateReceiveBufferOption(false), tcpip.TCPSynRetriesOption(2)
	for _, option := range []tcpip.SettableTransportProtocolOption{
		&tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: tcpBuffer, Max: tcpBuffer},
		&tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: tcpBuffer, Max: tcpBuffer},
		&still, &retries,
	} {
		if err := n.stack.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return err
		}
	}
	streams := tcp.NewForwarder(n.stack, tcpBuffer, dialing, n.stream)
	n.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, streams.HandlePacket)
	n.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(n.stack, n.datagrams).HandlePacket)
	return nil
}

// Close ends every flow and closes the device. When it returns, nothing is left.
func (n *NAT) Close() error {
	n.mu.Lock()
	n.closed = true
	flows := n.flows
	n.flows = map[*flow]struct{}{}
	n.mu.Unlock()
	n.cancel()
	err := n.link.tun.Close()
	for f := range flows {
		f.end()
	}
	gone := make(chan struct{})
	go func() {
		n.wg.Wait()
		close(gone)
	}()
	for waiting := true; waiting; {
		// Handshakes under way, of which the stack alone knows, and which nobody answers any more.
		for _, e := range n.stack.RegisteredEndpoints() {
			e.Abort()
		}
		select {
		case <-gone:
			waiting = false
		case <-time.After(time.Millisecond):
		}
	}
	n.stack.Destroy()
	return err
}

// Flows is how many connections and datagram exchanges there are.
func (n *NAT) Flows() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.flows)
}

// reserve counts one more flow, unless there are as many as may be or the end has come. Only then
// may a goroutine be added.
func (n *NAT) reserve(network string, most int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.count[network] >= most {
		return false
	}
	n.count[network]++
	n.wg.Add(1)
	return true
}

func (n *NAT) release(network string) {
	n.mu.Lock()
	n.count[network]--
	n.mu.Unlock()
	n.wg.Done()
}
