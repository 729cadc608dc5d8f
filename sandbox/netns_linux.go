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
		if err := enter(ns); err != nil {
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

// enter moves this thread. The file cannot be closed meanwhile, and its number become another's.
func enter(ns *os.File) error {
	c, err := ns.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := c.Control(func(fd uintptr) { failed = unix.Setns(int(fd), unix.CLONE_NEWNET) }); err != nil {
		return ErrClosed
	}
	return failed
}

// literal refuses what would need a resolver: it would ask the host's.
func literal(addr string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return ap, fmt.Errorf("listen %q: not an IP address and a port", addr)
	}
	return ap, nil
}

// listenIn listens without multipath TCP, Go's default for listeners: the loopback has one path.
func listenIn(ns *os.File, network, addr string) (l net.Listener, err error) {
	err = inNetwork(ns, func() (err error) {
		var c net.ListenConfig
		c.SetMultipathTCP(false)
		l, err = c.Listen(context.Background(), network, addr)
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
