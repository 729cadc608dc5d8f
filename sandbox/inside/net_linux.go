package inside

import (
	"unsafe"

	"github.com/tule-cloud/tule/sandbox/plan"
	"golang.org/x/sys/unix"
)

// loopbackUp brings lo up; a new network namespace has it down.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var req [40]byte // struct ifreq
	copy(req[:], "lo")
	*(*uint16)(unsafe.Pointer(&req[16])) = unix.IFF_UP | unix.IFF_RUNNING
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req))); e != 0 {
		return e
	}
	return nil
}

// answerListen opens a socket in this network for Tule, which may not enter it itself when it runs
// without root. The frame's name is one byte, 's' (stream) or 'd' (datagram), then four or sixteen bytes of
// address, then two of port, big endian.
func answerListen(f plan.Frame) bool {
	name := make([]byte, min(f.A, 64))
	if !readFull(name) {
		return false
	}
	fd, err := listen(string(name))
	if err != nil {
		sendFrame(plan.Frame{Type: plan.FrameSocket, A: errnoOf(err)})
		return true
	}
	sendFrame(plan.Frame{Type: plan.FrameSocket}, fd)
	unix.Close(fd)
	return true
}

func listen(name string) (int, error) {
	if len(name) != 1+4+2 && len(name) != 1+16+2 {
		return -1, unix.EINVAL
	}
	typ := unix.SOCK_STREAM
	if name[0] == 'd' {
		typ = unix.SOCK_DGRAM
	}
	port := int(name[len(name)-2])<<8 | int(name[len(name)-1])
	family := unix.AF_INET
	var addr unix.Sockaddr
	if len(name) == 1+4+2 {
		a := &unix.SockaddrInet4{Port: port}
		copy(a.Addr[:], name[1:5])
		addr = a
	} else {
		a := &unix.SockaddrInet6{Port: port}
		copy(a.Addr[:], name[1:17])
		addr, family = a, unix.AF_INET6
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if typ == unix.SOCK_STREAM { // two datagram sockets on one address would share its traffic
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err == nil {
		err = unix.Bind(fd, addr)
	}
	if err == nil && typ == unix.SOCK_STREAM {
		err = unix.Listen(fd, 4096)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
