//go:build unix

package sandbox

import (
	"errors"
	"os"
	"syscall"
)

// connect begins to connect a socket that does not block to a port of its network's loopback.
func connect(f *os.File, port int) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = c.Control(func(fd uintptr) {
		failed = syscall.Connect(int(fd), &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	})
	if errors.Is(failed, syscall.EINPROGRESS) {
		failed = nil
	}
	return errors.Join(err, os.NewSyscallError("connect", failed))
}
