//go:build linux

package nat

import (
	"io"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// link is the device as the stack sees it.
type link struct {
	tun io.ReadWriteCloser

	mu sync.RWMutex
	up stack.NetworkDispatcher

	writing sync.Mutex
	packet  [MTU]byte // being written
}

var _ stack.LinkEndpoint = (*link)(nil)

// receive hands packets to the stack until the device is closed or gone.
func (l *link) receive() {
	buf := make([]byte, MTU)
	for {
		n, err := l.tun.Read(buf)
		if err != nil {
			return
		}
		if !wanted(buf[:n]) {
			continue
		}
		l.mu.RLock()
		up := l.up
		l.mu.RUnlock()
		if up == nil {
			return
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(buf[:n])})
		up.DeliverNetworkPacket(ipv4.ProtocolNumber, pkt)
		pkt.DecRef()
	}
}

// wanted leaves TCP and UDP over IPv4. The stack would answer a ping itself, in the name of whoever
// was asked.
func wanted(packet []byte) bool {
	if len(packet) < header.IPv4MinimumSize || header.IPVersion(packet) != header.IPv4Version {
		return false
	}
	p := header.IPv4(packet).TransportProtocol()
	return p == header.TCPProtocolNumber || p == header.UDPProtocolNumber
}

// WritePackets implements stack.LinkWriter. What the device does not take is lost, as on any wire.
func (l *link) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	for i, pkt := range list.AsSlice() {
		n := 0
		for _, part := range pkt.AsSlices() {
			n += copy(l.packet[n:], part)
		}
		if _, err := l.tun.Write(l.packet[:n]); err != nil {
			return i, &tcpip.ErrClosedForSend{}
		}
	}
	return list.Len(), nil
}

// Attach implements stack.NetworkLinkEndpoint.
func (l *link) Attach(d stack.NetworkDispatcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = d
}

// IsAttached implements stack.NetworkLinkEndpoint.
func (l *link) IsAttached() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.up != nil
}

// The rest is a wire without addresses. The packets that arrive were made by this very kernel.

func (*link) MTU() uint32                                  { return MTU }
func (*link) SetMTU(uint32)                                {}
func (*link) MaxHeaderLength() uint16                      { return 0 }
func (*link) LinkAddress() tcpip.LinkAddress               { return "" }
func (*link) SetLinkAddress(tcpip.LinkAddress)             {}
func (*link) Capabilities() stack.LinkEndpointCapabilities { return stack.CapabilityRXChecksumOffload }
func (*link) Wait()                                        {}
func (*link) ARPHardwareType() header.ARPHardwareType      { return header.ARPHardwareNone }
func (*link) AddHeader(*stack.PacketBuffer)                {}
func (*link) ParseHeader(*stack.PacketBuffer) bool         { return true }
func (*link) Close()                                       {}
func (*link) SetOnCloseAction(func())                      {}
