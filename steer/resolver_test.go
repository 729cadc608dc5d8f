package steer

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/miekg/dns"
)

// TestResolver runs the scripts in testdata/resolver:
//
//	resolver address=A zones=(Z…) ttl=N upstream=(S…)
//	    a new resolver; the server "live" knows the names below .example, "dead" none
//	ask [edns=SIZE] [version=N] [op=N] [tcp]
//	    one question a line: NAME TYPE [CLASS]
func TestResolver(t *testing.T) {
	datadriven.Walk(t, "testdata/resolver", func(t *testing.T, path string) {
		var r *Resolver
		up := startUpstream(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "resolver":
				var err error
				if r, err = scriptResolver(d, up); err != nil {
					return "error: " + err.Error() + "\n"
				}
				return "ok\n"
			case "ask":
				var out strings.Builder
				for line := range strings.Lines(d.Input) {
					out.WriteString(scriptAsk(t, d, r, strings.TrimSpace(line)))
				}
				return out.String()
			}
			d.Fatalf(t, "no command %s", d.Cmd)
			return ""
		})
	})
}

func scriptResolver(d *datadriven.TestData, upstream string) (*Resolver, error) {
	var o ResolverOptions
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "address":
			o.Address = netip.MustParseAddr(arg.Vals[0])
		case "zones":
			o.Zones = arg.Vals
		case "ttl":
			fmt.Sscan(arg.Vals[0], &o.TTL)
		case "upstream":
			if len(arg.Vals) == 0 {
				arg.Vals = []string{"live"}
			}
			for _, v := range arg.Vals {
				o.Upstream = append(o.Upstream, strings.NewReplacer("live", upstream, "dead", "127.0.0.1:1").Replace(v))
			}
		}
	}
	return NewResolver(o)
}

func scriptAsk(t *testing.T, d *datadriven.TestData, r *Resolver, line string) string {
	fields := strings.Fields(line)
	var m dns.Msg
	m.SetQuestion(dns.Fqdn(fields[0]), dns.StringToType[fields[1]])
	if len(fields) > 2 {
		m.Question[0].Qclass = dns.StringToClass[fields[2]]
	}
	limit := ednsSize
	var size, version, op int
	if d.MaybeScanArgs(t, "edns", &size) {
		m.SetEdns0(uint16(size), false)
	}
	if d.MaybeScanArgs(t, "version", &version) {
		m.IsEdns0().SetVersion(uint8(version))
	}
	if d.MaybeScanArgs(t, "op", &op) {
		m.Opcode = op
	}
	if d.HasArg("tcp") {
		limit = 0
	}
	query, err := m.Pack()
	if err != nil {
		return err.Error() + "\n"
	}
	return describe(m.Id, r.Answer(t.Context(), query, limit))
}

// describe is an answer in a line: its code and flags, and what is in it.
func describe(id uint16, answer []byte) string {
	if answer == nil {
		return "no answer\n"
	}
	var m dns.Msg
	if err := m.Unpack(answer); err != nil {
		return err.Error() + "\n"
	}
	out := dns.RcodeToString[m.Rcode]
	if m.Id != id || !m.Response {
		out += " NOT-TO-THIS-QUESTION"
	}
	for _, f := range []struct {
		set  bool
		name string
	}{{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.RecursionDesired, "rd"}, {m.RecursionAvailable, "ra"}} {
		if f.set {
			out += " " + f.name
		}
	}
	for i, rr := range m.Answer {
		if i == 2 {
			out += fmt.Sprintf(" … %d in all", len(m.Answer))
			break
		}
		out += " | " + strings.Join(strings.Fields(rr.String()), " ")
	}
	if opt := m.IsEdns0(); opt != nil {
		out += fmt.Sprintf(" | edns %d", opt.UDPSize())
		for _, o := range opt.Option {
			out += " (" + o.String() + ")"
		}
	}
	return out + "\n"
}

// bothOn is a port of the loopback for UDP and TCP alike, which a free one for UDP need not be.
func bothOn(t *testing.T) (pc net.PacketConn, l net.Listener) {
	t.Helper()
	var err error
	for range 20 {
		if pc, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			break
		}
		if l, err = net.Listen("tcp", pc.LocalAddr().String()); err == nil {
			return pc, l
		}
		pc.Close()
	}
	t.Fatal(err)
	return nil, nil
}

// startUpstream is a name server that knows any name below .example; those below
// many.example have 100 addresses, and refused.example is refused.
func startUpstream(t *testing.T) string {
	pc, l := bothOn(t)
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		m.RecursionAvailable = true
		name := q.Question[0].Name
		n := 1
		switch {
		case !dns.IsSubDomain("example.", name):
			m.Rcode, n = dns.RcodeNameError, 0
		case dns.IsSubDomain("refused.example.", name):
			m.Rcode, n = dns.RcodeRefused, 0
		case dns.IsSubDomain("many.example.", name):
			n = 100
		}
		for i := range n {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(192, 0, 2, byte(i))})
		}
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			m.Truncate(512)
		}
		w.WriteMsg(m)
	})
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h}} {
		go s.ActivateAndServe()
		t.Cleanup(func() { s.Shutdown() })
	}
	return pc.LocalAddr().String()
}

func TestSteers(t *testing.T) {
	r, err := NewResolver(ResolverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"amazonaws.com": true, "S3.AMAZONAWS.com.": true, "a.b.c.d.amazonaws.com": true, "sqs.cn-north-1.amazonaws.com.cn": true,
		"abc.lambda-url.us-east-1.on.aws": true, "dynamodb.us-east-1.api.aws": true,
		"notamazonaws.com": false, "amazonaws.com.evil.org": false, "aws": false, "com": false, "": false, ".": false,
		"petstore-demo-endpoint.execute-api.com": true, "execute-api.com": false,
	} {
		if got := r.Steers(name); got != want {
			t.Errorf("Steers(%q) = %v", name, got)
		}
	}
}

func TestBrokenQueries(t *testing.T) {
	r, _ := NewResolver(ResolverOptions{})
	if got := r.Answer(t.Context(), []byte("short"), 512); got != nil {
		t.Errorf("answered %d bytes to 5", len(got))
	}
	broken := append([]byte{0xab, 0xcd, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 0xff, 0xff)
	got := describe(0xabcd, r.Answer(t.Context(), broken, 512))
	if got != "FORMERR rd\n" {
		t.Errorf("broken question: %q", got)
	}
	broken[2] |= 0x80 // an answer gets none, or two servers would talk for ever
	if got := r.Answer(t.Context(), broken, 512); got != nil {
		t.Errorf("answered an answer")
	}
}

// TestStream asks two questions over one connection, and then breaks off.
func TestStream(t *testing.T) {
	r, _ := NewResolver(ResolverOptions{})
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); r.serveStream(t.Context(), server); server.Close() }()
	for _, name := range []string{"s3.amazonaws.com.", "sts.amazonaws.com."} {
		var m dns.Msg
		query, _ := m.SetQuestion(name, dns.TypeA).Pack()
		client.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...))
		var head [2]byte
		io.ReadFull(client, head[:])
		answer := make([]byte, binary.BigEndian.Uint16(head[:]))
		io.ReadFull(client, answer)
		if got := describe(m.Id, answer); !strings.Contains(got, name+" 5 IN A 127.0.0.1") {
			t.Errorf("%s: %s", name, got)
		}
	}
	client.Write([]byte{0, 3, 1, 2, 3})
	<-done // it hangs up
}

// askStream asks one question over TCP.
func askStream(t *testing.T, c *dns.Conn) {
	t.Helper()
	err := c.WriteMsg(new(dns.Msg).SetQuestion("sts.amazonaws.com.", dns.TypeA))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.ReadMsg(); err != nil || len(m.Answer) != 1 {
		t.Fatalf("%v, %v", m, err)
	}
}

// FuzzResolver: whatever comes, there is no panic, no answer to an answer, and
// every answer can be read, fits, and belongs to its question.
func FuzzResolver(f *testing.F) {
	for _, name := range []string{"s3.amazonaws.com.", "example.org."} {
		var m dns.Msg
		m.SetQuestion(name, dns.TypeAAAA).SetEdns0(4096, true)
		query, _ := m.Pack()
		f.Add(query, 512)
	}
	f.Add([]byte{0xab, 0xcd, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff}, 0)
	r, err := NewResolver(ResolverOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query []byte, limit int) {
		if limit != 0 {
			limit = plainSize + (limit&0x7fff)%1024
		}
		answer := r.Answer(t.Context(), query, limit)
		if answer == nil {
			return
		}
		if query[2]&0x80 != 0 {
			t.Fatal("answered an answer")
		}
		var m dns.Msg
		if err := m.Unpack(answer); err != nil {
			t.Fatalf("unreadable answer: %v", err)
		}
		if !m.Response || m.Id != binary.BigEndian.Uint16(query) || limit != 0 && len(answer) > limit {
			t.Fatalf("%d bytes of at most %d: %v", len(answer), limit, &m)
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	r, _ := NewResolver(ResolverOptions{})
	var m dns.Msg
	query, _ := m.SetQuestion("dynamodb.us-east-1.amazonaws.com.", dns.TypeA).Pack()
	for b.Loop() {
		r.local(query, ednsSize)
	}
}
