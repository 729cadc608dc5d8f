//go:build linux

package steer

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace that stays for as long as its file is open.
type namespace struct{ f *os.File }

var _ Network = namespace{}

// newNamespace makes an empty network namespace with its loopback up.
func newNamespace(t testing.TB) namespace {
	t.Helper()
	needRoot(t)
	var n namespace
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if err := loopbackUp(); err != nil {
			return err
		}
		var err error
		n.f, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		return err
	})
	if err != nil {
		t.Fatalf("a network namespace: %v", err)
	}
	t.Cleanup(func() { n.f.Close() })
	return n
}

// onThread runs fn on a thread of its own, which ends with it.
func onThread(fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends
		done <- fn()
	}()
	return <-done
}

func (n namespace) enter(fn func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.f.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return fn()
	})
}

func (n namespace) Listen(network, addr string) (l net.Listener, err error) {
	err = n.enter(func() error { l, err = HostNetwork{}.Listen(network, addr); return err })
	return l, err
}

func (n namespace) ListenPacket(network, addr string) (c net.PacketConn, err error) {
	err = n.enter(func() error { c, err = net.ListenPacket(network, addr); return err })
	return c, err
}

func (n namespace) Dial(network, addr string) (c net.Conn, err error) {
	err = n.enter(func() error { c, err = net.Dial(network, addr); return err })
	return c, err
}
