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

// tun makes a device whose packets are read and written as a file, with one address, and the route
// to everywhere.
func tun(name string, addr uint32, mtu int) (int, error) {
	dev, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := tunUp(dev, name, addr, mtu); err != nil {
		unix.Close(dev)
		return -1, err
	}
	return dev, nil
}

func tunUp(dev int, name string, addr uint32, mtu int) error {
	if len(name) >= unix.IFNAMSIZ {
		return unix.EINVAL
	}
	var req [40]byte // struct ifreq: a name, and one of many things
	copy(req[:], name)
	thing := unsafe.Pointer(&req[unix.IFNAMSIZ])
	ask := func(fd int, what uintptr) error {
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), what, uintptr(unsafe.Pointer(&req))); e != 0 {
			return e
		}
		return nil
	}
	*(*uint16)(thing) = unix.IFF_TUN | unix.IFF_NO_PI
	if err := ask(dev, unix.TUNSETIFF); err != nil {
		return err
	}
	// No IPv6, which nobody would answer. Where there is none anyway, there is no such file.
	_ = writeFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", "1", unix.O_WRONLY, 0)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	*(*int32)(thing) = int32(mtu)
	if err := ask(fd, unix.SIOCSIFMTU); err != nil {
		return err
	}
	*(*unix.RawSockaddrInet4)(thing) = inet4(addr)
	if err := ask(fd, unix.SIOCSIFADDR); err != nil {
		return err
	}
	*(*unix.RawSockaddrInet4)(thing) = inet4(1<<32 - 1)
	if err := ask(fd, unix.SIOCSIFNETMASK); err != nil {
		return err
	}
	*(*uint16)(thing) = unix.IFF_UP | unix.IFF_RUNNING
	if err := ask(fd, unix.SIOCSIFFLAGS); err != nil {
		return err
	}
	return defaultRoute(fd, &req[0])
}

func inet4(addr uint32) unix.RawSockaddrInet4 {
	return unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{byte(addr >> 24), byte(addr >> 16), byte(addr >> 8), byte(addr)}}
}

// defaultRoute leads to everywhere by the device called name, which ends in a zero byte.
func defaultRoute(fd int, name *byte) error {
	route := struct { // struct rtentry
		_                uint64
		to, gateway      unix.RawSockaddrInet4
		mask             unix.RawSockaddrInet4
		flags, _         uint16
		_, _             uint64
		metric           int16
		device           *byte
		mtu, window, irt uint64
	}{to: inet4(0), gateway: inet4(0), mask: inet4(0), flags: unix.RTF_UP, device: name}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCADDRT, uintptr(unsafe.Pointer(&route))); e != 0 {
		return e
	}
	return nil
}

// answerListen opens a socket in this network for Tule, which may not enter it itself when it runs
// without root. The frame's name is one byte, 's' (stream), 'd' (datagram) or 'c' (a stream that Tule
// connects itself), then four or sixteen bytes of address, then two of port, big endian.
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
	if err != nil || name[0] == 'c' {
		return fd, err
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
