package sandbox

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// inNetwork runs f on a thread that is in the network namespace of ns. Sockets stay in the network
// that they were made in, wherever they are used from.
func inNetwork(ns *os.File, f func() error) error {
	errc := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			errc <- err
			return
		}
		defer home.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			errc <- fmt.Errorf("entering the sandbox's network: %w", err)
			return
		}
		err = f()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		} // else Go ends the thread with this goroutine, and nobody else runs in there
		errc <- err
	}()
	return <-errc
}

// literal refuses what would need a resolver: it would ask the host's.
func literal(addr string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return ap, fmt.Errorf("listen %q: not an IP address and a port", addr)
	}
	return ap, nil
}

func listenIn(ns *os.File, network, addr string) (l net.Listener, err error) {
	err = inNetwork(ns, func() (err error) {
		l, err = new(net.ListenConfig).Listen(context.Background(), network, addr)
		return err
	})
	return l, err
}

func listenPacketIn(ns *os.File, network, addr string) (c net.PacketConn, err error) {
	err = inNetwork(ns, func() (err error) {
		c, err = new(net.ListenConfig).ListenPacket(context.Background(), network, addr)
		return err
	})
	return c, err
}
