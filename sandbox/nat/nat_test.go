//go:build linux

package nat

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// wire is one end of a device without a kernel.
type wire struct {
	in, out chan []byte
	gone    chan struct{}
	once    *sync.Once
}

func newWire() (a, b wire) {
	x, y := make(chan []byte, 500), make(chan []byte, 500)
	gone, once := make(chan struct{}), new(sync.Once)
	return wire{x, y, gone, once}, wire{y, x, gone, once}
}

func (w wire) Read(b []byte) (int, error) {
	select {
	case p := <-w.in:
		return copy(b, p), nil
	case <-w.gone:
		return 0, os.ErrClosed
	}
}

func (w wire) Write(p []byte) (int, error) {
	select {
	case w.out <- bytes.Clone(p):
	case <-w.gone:
		return 0, os.ErrClosed
	}
	return len(p), nil
}

func (w wire) Close() error {
	w.once.Do(func() { close(w.gone) })
	return nil
}

// function is the network of a function: a stack with one address, behind a NAT.
type function struct {
	t     *testing.T
	nat   *NAT
	stack *stack.Stack
	wire  wire
}

func newFunction(t *testing.T, o Options) *function {
	t.Helper()
	if o.Addresses == nil {
		o.Addresses = func() ([]net.Addr, error) {
			return []net.Addr{&net.IPNet{IP: net.IPv4(198, 51, 100, 7), Mask: net.CIDRMask(24, 32)}}, nil
		}
	}
	ours, theirs := newWire()
	n, err := New(ours, o)
	if err != nil {
		t.Fatal(err)
	}
	f := &function{t, n, stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	}), theirs}
	l := &link{tun: theirs}
	if err := f.stack.CreateNIC(1, l); err != nil {
		t.Fatal(err)
	}
	own := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom4([4]byte{192, 0, 0, 2}).WithPrefix()}
	if err := f.stack.AddProtocolAddress(1, own, stack.AddressProperties{}); err != nil {
		t.Fatal(err)
	}
	f.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	done := make(chan struct{})
	go func() { l.receive(); close(done) }()
	t.Cleanup(func() {
		n.Close()
		<-done
		f.stack.Destroy()
	})
	return f
}

func full(addr string) tcpip.FullAddress {
	ap := netip.MustParseAddrPort(addr)
	return tcpip.FullAddress{Addr: tcpip.AddrFrom4(ap.Addr().As4()), Port: ap.Port()}
}

func (f *function) tcp(to string) (*gonet.TCPConn, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), 5*time.Second)
	defer cancel()
	return gonet.DialContextTCP(ctx, f.stack, full(to), ipv4.ProtocolNumber)
}

func (f *function) udp(to string) *gonet.UDPConn {
	f.t.Helper()
	addr := full(to)
	c, err := gonet.DialUDP(f.stack, nil, &addr, ipv4.ProtocolNumber)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

// outside serves TCP by serve and echoes datagrams in upper case, whatever the address; dialled
// has what was asked for.
type outside struct {
	mu      sync.Mutex
	dialled []string
	err     error // instead of an answer
	stream  net.Listener
	packet  net.PacketConn
}

func newOutside(t *testing.T, serve func(net.Conn)) *outside {
	t.Helper()
	o := &outside{}
	var err error
	if o.stream, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if o.packet, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.stream.Close(); o.packet.Close() })
	go func() {
		for {
			c, err := o.stream.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := o.packet.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = o.packet.WriteTo(bytes.ToUpper(b[:n]), from)
		}
	}()
	return o
}

func (o *outside) dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	o.mu.Lock()
	o.dialled = append(o.dialled, network+" "+to.String())
	err := o.err
	o.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if network == "udp" {
		return new(net.Dialer).DialContext(ctx, network, o.packet.LocalAddr().String())
	}
	return new(net.Dialer).DialContext(ctx, network, o.stream.Addr().String())
}

func (o *outside) asked() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.dialled, ", ")
}

func upper(c net.Conn) {
	b, _ := io.ReadAll(c)
	_, _ = c.Write(bytes.ToUpper(b))
}

// What a function sends arrives whole, and the end of what it sends before the answer's.
func TestStream(t *testing.T) {
	o := newOutside(t, upper)
	f := newFunction(t, Options{Dial: o.dial})
	for _, size := range []int{0, 1, 100_000, 3 << 20} {
		c, err := f.tcp("203.0.113.5:443")
		if err != nil {
			t.Fatal(err)
		}
		sent := bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
		go func() {
			_, _ = c.Write(sent)
			_ = c.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, bytes.ToUpper(sent)) {
			t.Errorf("sent %d bytes, got %d, %v", size, len(got), err)
		}
		c.Close()
	}
	if got := o.asked(); got != strings.Repeat("tcp 203.0.113.5:443, ", 3)+"tcp 203.0.113.5:443" {
		t.Error(got)
	}
	f.settle(0)
}

// settle waits for the number of flows.
func (f *function) settle(want int) {
	f.t.Helper()
	for range 2000 {
		if f.nat.Flows() == want {
			return
		}
		time.Sleep(time.Millisecond)
	}
	f.t.Errorf("%d flows, want %d", f.nat.Flows(), want)
}

// A connection that breaks outside breaks inside, and does not look like an end.
func TestReset(t *testing.T) {
	o := newOutside(t, func(c net.Conn) {
		_, _ = c.Write([]byte("half an ans"))
		_, _ = c.Read(make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	f := newFunction(t, Options{Dial: o.dial})
	c, err := f.tcp("203.0.113.5:443")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 11)); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("x"))
	if n, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF || !strings.Contains(err.Error(), "reset") {
		t.Error(n, err)
	}
	f.settle(0)
}

// What is refused outside is refused inside, at once; what is silent stays silent.
func TestRefused(t *testing.T) {
	o := newOutside(t, upper)
	f := newFunction(t, Options{Dial: o.dial})
	o.err = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	if _, err := f.tcp("203.0.113.5:443"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	o.err = &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := gonet.DialContextTCP(ctx, f.stack, full("203.0.113.6:443"), ipv4.ProtocolNumber); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// The machine itself and what clouds tell their machines is not reached, whatever listens there.
func TestForbidden(t *testing.T) {
	o := newOutside(t, upper)
	f := newFunction(t, Options{Dial: o.dial})
	for _, to := range []string{"127.0.0.1:22", "127.45.66.1:443", "0.0.0.0:80", "169.254.169.254:80", "169.254.170.2:80",
		"198.51.100.7:4566", "192.0.0.2:80", "192.0.0.192:80", "100.100.100.200:80", "168.63.129.16:80", "255.255.255.255:67"} {
		if to[:3] != "127" && to[:2] != "0." && to != "192.0.0.2:80" && to[:3] != "255" { // which do not leave a network at all
			if _, err := f.tcp(to); err == nil || !strings.Contains(err.Error(), "refused") {
				t.Errorf("%s: %v", to, err)
			}
		}
		if _, err := f.nat.open("udp", netip.MustParseAddrPort(to)); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", to, err)
		}
	}
	if got := o.asked(); got != "" {
		t.Error("dialled", got)
	}
	// Not knowing its own addresses, it reaches nothing.
	f = newFunction(t, Options{Dial: o.dial, Addresses: func() ([]net.Addr, error) { return nil, io.ErrUnexpectedEOF }})
	if _, err := f.tcp("203.0.113.5:443"); err == nil || o.asked() != "" {
		t.Error(err, o.asked())
	}
}

// Datagrams keep their size and come from where they were sent to.
func TestDatagrams(t *testing.T) {
	o := newOutside(t, upper)
	f := newFunction(t, Options{Dial: o.dial})
	for _, to := range []string{"203.0.113.5:53", "203.0.113.6:4000"} {
		c := f.udp(to)
		for _, size := range []int{1, 1400, 20_000, 60_000} {
			sent := bytes.Repeat([]byte("x"), size)
			if _, err := c.Write(sent); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			b := make([]byte, 64<<10)
			n, from, err := c.ReadFrom(b)
			if err != nil || !bytes.Equal(b[:n], bytes.ToUpper(sent)) || from.String() != to {
				t.Errorf("%s: sent %d, got %d from %v, %v", to, size, n, from, err)
			}
		}
	}
	if got := o.asked(); got != "udp 203.0.113.5:53, udp 203.0.113.6:4000" {
		t.Error(got)
	}
	f.settle(2)
}

// What stands idle is ended, datagrams before connections; what is used is not.
func TestIdle(t *testing.T) {
	o := newOutside(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	clock := aws.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	f := newFunction(t, Options{Dial: o.dial, Clock: clock})
	use := func(c net.Conn) {
		t.Helper()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	}
	stream, err := f.tcp("203.0.113.5:443")
	if err != nil {
		t.Fatal(err)
	}
	use(stream)
	use(f.udp("203.0.113.5:53"))
	other := f.udp("203.0.113.5:123")
	use(other)
	pass := func(ticks int) {
		for range ticks {
			for clock.Timers() == 0 { // until the sweeper waits again
				time.Sleep(10 * time.Microsecond)
			}
			clock.Advance(tick)
		}
	}
	f.settle(3)
	pass(idleDNS + 1)
	f.settle(2)
	pass(idleUDP - idleDNS - 1)
	use(other)
	pass(idleUDP)
	f.settle(2)
	pass(1)
	f.settle(1)
	use(stream)
	pass(idleTCP)
	f.settle(1)
	pass(1)
	f.settle(0)
	if _, err := stream.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Error(err)
	}
}

// A function that opens all it can gets so many, and again as many when it has closed them.
func TestBounds(t *testing.T) {
	o := newOutside(t, upper)
	f := newFunction(t, Options{Dial: o.dial})
	for range 2 {
		var all []net.Conn
		for range MaxTCP {
			c, err := f.tcp("203.0.113.5:443")
			if err != nil {
				t.Fatal(len(all), err)
			}
			all = append(all, c)
		}
		if _, err := f.tcp("203.0.113.5:443"); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Error(err)
		}
		for _, c := range all {
			c.Close()
		}
		f.settle(0)
	}
	for range MaxUDP + 10 {
		_, _ = f.udp("203.0.113.5:4000").Write([]byte("x"))
	}
	f.settle(MaxUDP)
}

// Pings are not answered in somebody else's name, and nonsense harms nobody.
func TestNonsense(t *testing.T) {
	o := newOutside(t, upper)
	f := newFunction(t, Options{Dial: o.dial})
	for _, p := range [][]byte{
		nil, {0x45}, bytes.Repeat([]byte{0xff}, 100), bytes.Repeat([]byte{0x45}, 20), bytes.Repeat([]byte{0x60}, 60),
		append([]byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 192, 0, 0, 2, 203, 0, 113, 5}, 8, 0, 0xf7, 0xff, 0, 0, 0, 0),
	} {
		if _, err := f.wire.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := f.tcp("203.0.113.5:443"); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	if got := f.stack.Stats().ICMP.V4.PacketsReceived.EchoReply.Value(); got != 0 {
		t.Error(got, "pings answered")
	}
}

// Close ends what is under way: connections, handshakes that nobody answers, dials.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("busy", func(t *testing.T) {
		hangs := make(chan struct{})
		o := newOutside(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		f := newFunction(t, Options{Dial: func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
			if to.Port() == 1 {
				close(hangs)
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return o.dial(ctx, network, to)
		}})
		c, err := f.tcp("203.0.113.5:443")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.udp("203.0.113.5:4000").Write([]byte("x"))
		go func() { _, _ = f.tcp("203.0.113.5:1") }()
		<-hangs
		// A SYN by hand: its handshake is never completed.
		if _, err := f.wire.Write(syn()); err != nil {
			t.Fatal(err)
		}
		for len(f.nat.stack.RegisteredEndpoints()) < 3 {
			time.Sleep(time.Millisecond)
		}
		if err := f.nat.Close(); err != nil {
			t.Error(err)
		}
		if n := f.nat.Flows(); n != 0 {
			t.Error(n, "flows")
		}
		if err := f.nat.Close(); err != nil {
			t.Error(err)
		}
		c.Close()
	})
	for range 500 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	b := make([]byte, 1<<16)
	t.Errorf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), b[:runtime.Stack(b, true)])
}

// syn is the first packet of a connection from 192.0.0.9, which is nobody.
func syn() []byte {
	p := header.IPv4(make([]byte, header.IPv4MinimumSize+header.TCPMinimumSize))
	from, to := tcpip.AddrFrom4([4]byte{192, 0, 0, 9}), tcpip.AddrFrom4([4]byte{203, 0, 113, 5})
	p.Encode(&header.IPv4Fields{TotalLength: uint16(len(p)), TTL: 64, Protocol: uint8(header.TCPProtocolNumber), SrcAddr: from, DstAddr: to})
	p.SetChecksum(^p.CalculateChecksum())
	s := header.TCP(p.Payload())
	s.Encode(&header.TCPFields{SrcPort: 9, DstPort: 443, SeqNum: 1, DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagSyn, WindowSize: 1000})
	s.SetChecksum(^s.CalculateChecksum(header.PseudoHeaderChecksum(header.TCPProtocolNumber, from, to, uint16(len(s)))))
	return p
}
