package nat

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// ErrRefused is why a destination is not dialled.
var ErrRefused = errors.New("not a place that a function may reach")

// refused are the addresses that lead to this machine or to nobody, and those by which clouds tell
// a machine, and whoever speaks from it, its secrets.
var refused = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),     // link-local; AWS's, Azure's, Google's metadata
	netip.MustParsePrefix("192.0.0.0/24"),       // protocol assignments: the function itself; Oracle's metadata
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba's metadata
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure's platform
	netip.MustParsePrefix("224.0.0.0/3"),        // multicast, reserved, broadcast
}

// check refuses a destination that is not outside. own are this machine's addresses.
func check(to netip.Addr, own []net.Addr) error {
	for _, p := range refused {
		if p.Contains(to) {
			return fmt.Errorf("%s: %w", to, ErrRefused)
		}
	}
	for _, a := range own {
		if p, ok := a.(*net.IPNet); ok && p.IP.Equal(net.IP(to.AsSlice())) {
			return fmt.Errorf("%s is this machine: %w", to, ErrRefused)
		}
	}
	return nil
}

// Outside refuses an IPv4 address that functions may not reach, by whatever way: ErrRefused is in
// the chain of its errors.
func Outside(to netip.Addr) error {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	return check(to, own)
}
