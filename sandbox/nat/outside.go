//go:build linux

package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// open opens the outer half of a flow.
func (n *NAT) open(network string, to netip.AddrPort) (net.Conn, error) {
	own, err := n.o.Addresses()
	if err != nil {
		return nil, err
	}
	if err := check(to.Addr(), own); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(n.ctx, dialTime)
	defer cancel()
	return n.o.Dial(ctx, network, to)
}

// dial dials from the host's network.
func dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		if network != "udp" {
			return nil
		}
		// Go allows datagrams to a whole network unasked.
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 0)
		})
		return errors.Join(err, failed)
	}}
	return d.DialContext(ctx, network+"4", to.String())
}
