package steer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// A ground is where the command meets Tule: an address of the host's loopback, or
// a network of the command's own.
type ground struct {
	private bool
	address netip.Addr
	detach  func()
}

// aliases are the loopback addresses that Exec looks for a free one among.
func aliases(yield func(netip.Addr) bool) {
	for i := byte(1); i < 255; i++ {
		if !yield(netip.AddrFrom4([4]byte{127, 45, 66, i})) {
			return
		}
	}
}

// findGround opens the ports on a free loopback address, or settles for a network
// of the command's own and says so.
func findGround(ctx context.Context, o *ExecOptions) (ground, error) {
	private := ground{private: true, address: netip.AddrFrom4([4]byte{127, 0, 0, 1}), detach: func() {}}
	if o.Private {
		return private, nil
	}
	servers, err := HostServers()
	if err != nil {
		return ground{}, err
	}
	for addr := range aliases {
		services, err := steered(o, addr, servers)
		if err != nil {
			return ground{}, err
		}
		detach, err := Attach(ctx, HostNetwork{}, services)
		switch {
		case err == nil:
			return ground{address: addr, detach: detach}, nil
		case errors.Is(err, unix.EACCES):
			o.Notice("Without root privileges the command runs in a network of its own: it reaches Tule, and nothing outside.")
			return private, nil
		case !errors.Is(err, unix.EADDRINUSE):
			return ground{}, err
		}
	}
	o.Notice("Another program holds port 53, 80 or 443 on all addresses, so the command runs in a network of its own: it reaches Tule, and nothing outside.")
	return private, nil
}

// steered are the services that a command meets at addr: the ports of the web and
// Tule's own, all joined to the running Tule.
func steered(o *ExecOptions, addr netip.Addr, upstream []string) (Services, error) {
	r, err := NewResolver(ResolverOptions{Address: addr, Zones: o.Zones, Upstream: upstream})
	if err != nil {
		return Services{}, err
	}
	s := Services{Name: "exec", Resolver: r, Streams: map[uint16]Sink{}}
	for _, p := range webPorts(o) {
		s.Streams[p] = Forward(o.Tule)
	}
	return s, nil
}

func webPorts(o *ExecOptions) []uint16 {
	ports := []uint16{80, 443}
	if own, err := portOf(o.Tule); err == nil && own != portDNS && !slices.Contains(ports, own) {
		ports = append(ports, own)
	}
	return ports
}

// privatePorts are what the child opens in the command's own network.
func privatePorts(o *ExecOptions, addr netip.Addr) []port {
	at := func(p uint16) string { return netip.AddrPortFrom(addr, p).String() }
	ports := []port{{"udp", at(portDNS)}, {"tcp", at(portDNS)}}
	for _, p := range webPorts(o) {
		ports = append(ports, port{"tcp", at(p)})
	}
	return ports
}

// receive takes the ports that the child opened, and serves them.
func (g *ground) receive(ctx context.Context, o *ExecOptions, ports []port, oob []byte) error {
	n := receivedNetwork{}
	defer n.close()
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return fmt.Errorf("the child's ports: %w", err)
	}
	var fds []int
	for _, m := range messages {
		got, err := unix.ParseUnixRights(&m)
		if err != nil {
			return fmt.Errorf("the child's ports: %w", err)
		}
		fds = append(fds, got...)
	}
	for i, fd := range fds {
		unix.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "port")
		if i < len(ports) {
			n[ports[i]] = f
		} else {
			f.Close()
		}
	}
	services, err := steered(o, g.address, nil)
	if err != nil {
		return err
	}
	g.detach, err = Attach(ctx, n, services)
	if err != nil {
		g.detach = func() {}
	}
	return err
}

// receivedNetwork is a network whose ports are open already, each for one taker.
type receivedNetwork map[port]*os.File

var _ Network = receivedNetwork{}

// Listen implements Network.
func (n receivedNetwork) Listen(network, addr string) (net.Listener, error) {
	f := n[port{network, addr}]
	if f == nil {
		return nil, fmt.Errorf("port %s %s was not opened", network, addr)
	}
	return net.FileListener(f)
}

// ListenPacket implements Network.
func (n receivedNetwork) ListenPacket(network, addr string) (net.PacketConn, error) {
	f := n[port{network, addr}]
	if f == nil {
		return nil, fmt.Errorf("port %s %s was not opened", network, addr)
	}
	return net.FilePacketConn(f)
}

// close closes our copies; listeners made of them have their own.
func (n receivedNetwork) close() {
	for _, f := range n {
		f.Close()
	}
}
