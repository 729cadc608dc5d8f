package steer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// DefaultZones are the names that AWS's clients look up, and those that local
// stand-ins of AWS are known by.
func DefaultZones() []string {
	return []string{
		"amazonaws.com", "amazonaws.com.cn", "api.aws",
		"on.aws", // function URLs
		"localhost.localstack.cloud",
		"localhost", // *.localhost; localhost itself is the loopback
		"petstore-demo-endpoint.execute-api.com",
	}
}

// ResolverOptions say what a Resolver answers.
type ResolverOptions struct {
	// Address is where the steered names lead, and where Attach listens. The zero
	// Addr is 127.0.0.1.
	Address netip.Addr
	// Zones are the domains that are steered, each with all names below it; nil
	// is DefaultZones.
	Zones []string
	// Upstream are the servers ("host:port") that answer for all other names, in
	// the order they are asked. Without any (egress is off) no other name exists.
	Upstream []string
	// TTL of the answers, in seconds; 0 is 5.
	TTL uint32
}

// Resolver answers DNS questions. It holds no state but a bound on the questions
// that it forwards at once. Safe for concurrent use, by any number of networks.
type Resolver struct {
	address  netip.Addr
	zones    map[string]bool // fully qualified, lower case
	upstream []string
	ttl      uint32
	slots    chan struct{}
}

// maxForwards bounds the questions under way to the upstream servers.
const maxForwards = 128

// NewResolver checks o and returns its resolver.
func NewResolver(o ResolverOptions) (*Resolver, error) {
	r := &Resolver{address: o.Address, upstream: o.Upstream, ttl: o.TTL, zones: map[string]bool{}, slots: make(chan struct{}, maxForwards)}
	if !r.address.IsValid() {
		r.address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if r.ttl == 0 {
		r.ttl = 5
	}
	if o.Zones == nil {
		o.Zones = DefaultZones()
	}
	for _, z := range o.Zones {
		name, ok := hostName(z)
		if !ok {
			return nil, fmt.Errorf("steer: zone %q is not a domain name", z)
		}
		r.zones[name+"."] = true
	}
	for _, u := range o.Upstream {
		if _, err := portOf(u); err != nil {
			return nil, fmt.Errorf("steer: name server %q: %w", u, err)
		}
	}
	return r, nil
}

// Address is where the steered names lead.
func (r *Resolver) Address() netip.Addr { return r.address }

// Steers reports whether name, with or without a trailing dot, is steered.
func (r *Resolver) Steers(name string) bool {
	name = strings.ToLower(dns.Fqdn(name))
	for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
		if r.zones[name[off:]] {
			return true
		}
	}
	return false
}

// errForward says that the answer is the upstream servers' to give.
var errForward = errors.New("not ours")

// Answer answers one question in DNS's wire form, in at most limit bytes (a
// client's EDNS size counts where it is smaller; 0 is no limit, as over TCP). nil
// is no answer at all: for what is itself an answer, or too broken to reply to.
func (r *Resolver) Answer(ctx context.Context, query []byte, limit int) []byte {
	out, err := r.local(query, limit)
	if errors.Is(err, errForward) {
		return r.forward(ctx, query, limit)
	}
	return out
}

// local answers what needs no other server; errForward is for the rest.
func (r *Resolver) local(query []byte, limit int) ([]byte, error) {
	var q dns.Msg
	if err := q.Unpack(query); err != nil {
		return refuseBroken(query), nil
	}
	if q.Response {
		return nil, nil
	}
	reply := new(dns.Msg)
	reply.SetReply(&q)
	reply.RecursionAvailable = true
	reply.Compress = true
	err := r.fill(reply, &q)
	if err != nil {
		return nil, err
	}
	return pack(reply, replySize(&q, limit)), nil
}

// fill puts the answer to q into reply.
func (r *Resolver) fill(reply, q *dns.Msg) error {
	opt := q.IsEdns0()
	if opt != nil {
		reply.SetEdns0(ednsSize, false)
	}
	switch {
	case q.Opcode != dns.OpcodeQuery:
		reply.Rcode = dns.RcodeNotImplemented
		return nil
	case len(q.Question) != 1:
		reply.Rcode = dns.RcodeFormatError
		return nil
	case opt != nil && opt.Version() != 0:
		reply.SetRcode(q, dns.RcodeBadVers)
		return nil
	case q.Question[0].Qclass != dns.ClassINET:
		reply.Rcode = dns.RcodeRefused
		return nil
	}
	question := q.Question[0]
	if !r.Steers(question.Name) {
		if len(r.upstream) > 0 {
			return errForward
		}
		reply.Rcode = dns.RcodeNameError
		if opt != nil {
			o := reply.IsEdns0()
			o.Option = append(o.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeProhibited, ExtraText: "egress is off"})
		}
		return nil
	}
	reply.Authoritative = true
	reply.Answer = r.records(question)
	return nil
}

// records are the steered name's answers: an address of the family asked for, if
// we have one. No answer and no error is "the name exists, this of it does not",
// which clients take as final at once.
func (r *Resolver) records(q dns.Question) []dns.RR {
	addr := r.address
	if strings.EqualFold(q.Name, "localhost.") {
		if addr = netip.AddrFrom4([4]byte{127, 0, 0, 1}); q.Qtype == dns.TypeAAAA {
			addr = netip.IPv6Loopback()
		}
	}
	hdr := dns.RR_Header{Name: q.Name, Class: dns.ClassINET, Ttl: r.ttl}
	switch {
	case addr.Is4() && (q.Qtype == dns.TypeA || q.Qtype == dns.TypeANY):
		hdr.Rrtype = dns.TypeA
		return []dns.RR{&dns.A{Hdr: hdr, A: addr.AsSlice()}}
	case addr.Is6() && (q.Qtype == dns.TypeAAAA || q.Qtype == dns.TypeANY):
		hdr.Rrtype = dns.TypeAAAA
		return []dns.RR{&dns.AAAA{Hdr: hdr, AAAA: addr.AsSlice()}}
	}
	return nil
}

const (
	ednsSize    = 1232 // what crosses every network unfragmented (DNS flag day 2020)
	plainSize   = 512  // RFC 1035's limit for UDP without EDNS
	maxMessage  = 64 << 10
	headerBytes = 12
)

// replySize is how large the reply to q may be: limit, less where the client has
// room for less. 0 is no limit.
func replySize(q *dns.Msg, limit int) int {
	if limit == 0 {
		return 0
	}
	room := plainSize
	if opt := q.IsEdns0(); opt != nil {
		room = max(int(opt.UDPSize()), plainSize)
	}
	return min(room, limit)
}

// pack is m on the wire, truncated (TC set, ask again by TCP) to size unless 0.
func pack(m *dns.Msg, size int) []byte {
	if size > 0 {
		m.Truncate(size)
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

// refuseBroken is FORMERR for a query that cannot be read beyond its header.
func refuseBroken(query []byte) []byte {
	if len(query) < headerBytes || query[2]&0x80 != 0 {
		return nil
	}
	out := make([]byte, headerBytes)
	copy(out, query[:2])
	out[2] = 0x80 | query[2]&0x79 // an answer; opcode and RD as asked
	out[3] = dns.RcodeFormatError
	return out
}
