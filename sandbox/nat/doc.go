// Package nat lets the programs of a network that has no way out reach the outside: packets that
// come from a tun device are taken apart by a TCP and UDP in user space (gVisor's), and each
// connection is joined to one that this process opens from the host's network. So nothing of the
// host is changed: no bridge, no forwarding, no packet filter.
//
// It is IPv4, TCP and UDP, outwards; no ping, and nobody outside can begin. A connection is
// accepted when its other end has accepted, and refused when that refused. Not reached are the
// machine itself, by whatever address, and the places that clouds keep their machines' secrets in.
package nat

// MTU is the device's: large, since no packet of it ever crosses a wire, and fewer of them cost less.
const MTU = 16 << 10
