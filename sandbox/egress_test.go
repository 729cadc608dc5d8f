//go:build linux

package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/tule-cloud/tule/steer"
)

// The machine of TestEgress has one address, and one other machine beside it.
const (
	hostAddress    = "198.51.100.7"
	outsideAddress = "203.0.113.1"
)

// inMachine runs the test again in a network of its own, which is to be the host's: there is no
// outside but the one that the test makes. It says whether this is that run.
func inMachine(t testing.TB) bool {
	t.Helper()
	if os.Getenv("SANDBOX_MACHINE") != "" {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("networks are root's to make")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v")
	if _, ok := t.(*testing.B); ok {
		cmd.Args = []string{exe, "-test.run=^$", "-test.bench=^" + t.Name() + "$"}
	}
	cmd.Env = append(os.Environ(), "SANDBOX_MACHINE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	switch {
	case strings.Contains(string(out), "--- SKIP"):
		t.Skip(string(out))
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	default:
		t.Log(string(out))
	}
	return false
}

func ip(t testing.TB, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v %s", c, err, out)
		}
	}
}

// newOutside makes the other machine and returns its network.
func newOutside(t testing.TB) *os.File {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	ip(t, "link set lo up", fmt.Sprintf("link add eth0 type veth peer name eth0 netns %d", cmd.Process.Pid),
		"address add "+hostAddress+"/24 dev eth0", "link set eth0 up", "route add default dev eth0")
	if err := inNetwork(ns, func() error {
		ip(t, "link set lo up", "address add "+outsideAddress+"/24 dev eth0", "link set eth0 up", "route add 198.51.100.0/24 dev eth0")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		ns.Close()
	})
	return ns
}

// serveShout answers on both kinds of port with what it hears, in upper case, and to whom.
func serveShout(t testing.TB, l net.Listener, p net.PacketConn) {
	t.Cleanup(func() { l.Close(); p.Close() })
	shout := func(b []byte, to net.Addr) []byte {
		host, _, _ := net.SplitHostPort(to.String())
		return append(bytes.ToUpper(bytes.TrimSpace(b)), " "+host+"\n"...)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 100)
			n, _ := c.Read(b)
			_, _ = c.Write(shout(b[:n], c.RemoteAddr()))
			c.Close()
		}
	}()
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = p.WriteTo(shout(b[:n], from), from)
		}
	}()
}

// listenBoth listens in ns for both, or in this process's network.
func listenBoth(t testing.TB, ns *os.File, addr string) (l net.Listener, p net.PacketConn) {
	t.Helper()
	f := func() (err error) {
		if l, err = net.Listen("tcp4", addr); err == nil {
			p, err = net.ListenPacket("udp4", addr)
		}
		return err
	}
	err := error(nil)
	if ns == nil {
		err = f()
	} else {
		err = inNetwork(ns, f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l, p
}

// With egress a function reaches the outside, which sees the host; nobody else's function does, and
// the host itself stays out of reach, by all of its addresses.
func TestEgress(t *testing.T) {
	if !inMachine(t) {
		return
	}
	h := openHost(t, func(o *Options) { o.Spare = -1 }) // whose comings and goings would be counted
	if !h.Features().Tun {
		t.Skip("no /dev/net/tun")
	}
	ns := newOutside(t)
	for _, at := range []struct {
		ns   *os.File
		addr string
	}{{ns, outsideAddress + ":7"}, {nil, hostAddress + ":7"}, {nil, "127.0.0.1:7"}} {
		l, p := listenBoth(t, at.ns, at.addr)
		serveShout(t, l, p)
	}
	ask := func(egress Egress, to ...string) string {
		spec := payload(t, "f", "ask")
		spec.Env = append(spec.Env, "SANDBOX_ARGS="+strings.Join(to, " "))
		spec.Egress = egress
		return run(t, h, spec).out
	}
	both := func(addr string) []string { return []string{"tcp/" + addr, "udp/" + addr} }
	if got := ask(EgressNAT, both(outsideAddress+":7")...); got != "tcp PING "+hostAddress+" ok\nudp PING "+hostAddress+" ok\n" {
		t.Error(got)
	}
	if got := ask(EgressNone, both(outsideAddress+":7")...); got != "network is unreachable\nnetwork is unreachable\n" {
		t.Error(got)
	}
	if got := ask(EgressNAT, "tcp/"+outsideAddress+":8", "tcp/"+hostAddress+":7", "tcp/127.0.0.1:7", "tcp/169.254.169.254:80", "tcp/[2001:db8::1]:80"); got !=
		strings.Repeat("connection refused\n", 4)+"network is unreachable\n" {
		t.Error(got)
	}
	if got := ask(EgressNAT, "udp/"+hostAddress+":7"); got != "udp  connection refused\n" {
		t.Error(got)
	}
	before := look(t, h.opts.Dir)
	for range 20 {
		ask(EgressNAT, both(outsideAddress+":7")...)
	}
	settled(t, h.opts.Dir, before)
	spec := payload(t, "f", "no such payload")
	spec.Argv, spec.Egress = []string{"/no/such"}, EgressNAT
	if _, err := h.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "starting the program: no such file") {
		t.Error(err)
	}
	settled(t, h.opts.Dir, before)
}

const asksBoth = `
const http = require('http'), https = require('https')
const show = what => res => res.setEncoding('utf8').on('data', d => console.log(what, d))
https.get('https://dynamodb.us-east-1.amazonaws.com', show('aws')).on('error', e => console.log('aws', e.code))
http.get('http://shop.example:8080', show('shop')).on('error', e => console.log('shop', e.code))
http.get('http://metadata.example', show('metadata')).on('error', e => console.log('metadata', e.code))`

// AWS's names lead to Tule where there is egress, too; others to where the host's servers say.
func TestSteeredEgress(t *testing.T) {
	if !inMachine(t) {
		return
	}
	h := openHost(t)
	if !h.Features().Tun {
		t.Skip("no /dev/net/tun")
	}
	ns := newOutside(t)
	l, p := listenBoth(t, ns, outsideAddress+":53")
	l.Close()
	names := &dns.Server{PacketConn: p, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		to := map[string]string{"shop.example.": outsideAddress, "metadata.example.": "169.254.169.254"}[q.Question[0].Name]
		if q.Question[0].Qtype == dns.TypeA {
			if rr, err := dns.NewRR(q.Question[0].Name + " 5 A " + to); err == nil && to != "" {
				m.Answer = []dns.RR{rr}
			}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = names.ActivateAndServe() }()
	t.Cleanup(func() { _ = names.Shutdown() })
	shop, unused := listenBoth(t, ns, outsideAddress+":8080")
	unused.Close()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { _, _ = io.WriteString(w, q.Host+" outside") })}
	go func() { _ = srv.Serve(shop) }()
	t.Cleanup(func() { srv.Close() })

	g := newSteering(t, steer.ResolverOptions{Upstream: []string{outsideAddress + ":53"}})
	spec := g.steered(t, "f", "/usr/bin/node", "--use-openssl-ca", "-e", asksBoth)
	spec.Egress = EgressNAT
	detach := g.attach(&spec)
	defer detach()
	got := strings.Split(strings.TrimSpace(run(t, h, spec).out), "\n")
	slices.Sort(got)
	want := []string{"aws GET dynamodb.us-east-1.amazonaws.com from f:443", "metadata ECONNREFUSED", "shop shop.example:8080 outside"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// BenchmarkEgress is how much longer a start with egress takes (the medians until Start returned)
// and how fast the way out is.
func BenchmarkEgress(b *testing.B) {
	if !inMachine(b) {
		return
	}
	h := openHost(b)
	ns := newOutside(b)
	l, p := listenBoth(b, ns, outsideAddress+":9")
	p.Close()
	b.Cleanup(func() { l.Close() })
	const size = 256 << 20
	took := make(chan time.Duration, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		t := time.Now()
		if n, err := io.Copy(io.Discard, c); n != size {
			b.Errorf("%d bytes, %v", n, err)
		}
		took <- time.Since(t)
		c.Close()
	}()
	var with, without []time.Duration
	for range 20 {
		for _, egress := range []Egress{EgressNone, EgressNAT} {
			time.Sleep(60 * time.Millisecond)
			t := time.Now()
			s, err := h.Start(b.Context(), Spec{ID: "f", Argv: []string{"/usr/bin/true"}, Dir: "/", Egress: egress})
			if err != nil {
				b.Fatal(err)
			}
			if d := time.Since(t); egress == EgressNAT {
				with = append(with, d)
			} else {
				without = append(without, d)
			}
			s.Close()
		}
	}
	spec := payload(b, "f", "pour")
	spec.Env = append(spec.Env, fmt.Sprintf("SANDBOX_ARGS=%s:9 %d", outsideAddress, size))
	spec.Egress = EgressNAT
	if r := run(b, h, spec); r.out != "poured EOF\n" {
		b.Fatal(r)
	}
	b.ReportMetric(median(with)-median(without), "ms-more")
	b.ReportMetric(size/1e6/(<-took).Seconds(), "MB/s")
	b.ReportMetric(0, "ns/op")
}
