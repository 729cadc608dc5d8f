package steer

import (
	"context"
	"time"

	"github.com/miekg/dns"
)

// upstreamTime bounds one exchange with one server.
const upstreamTime = 2 * time.Second

// forward asks the upstream servers in turn, by UDP and, where the answer does not
// fit, by TCP. SERVFAIL if none answers, or too many questions are under way.
func (r *Resolver) forward(ctx context.Context, query []byte, limit int) []byte {
	var q dns.Msg
	if err := q.Unpack(query); err != nil {
		return refuseBroken(query)
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		return failure(&q)
	}
	for _, server := range r.upstream {
		answer := exchange(ctx, q.Copy(), server)
		if answer == nil {
			continue
		}
		answer.Id = q.Id
		answer.Compress = true
		return pack(answer, replySize(&q, limit))
	}
	return failure(&q)
}

// exchange is one question to one server; nil is no usable answer.
func exchange(ctx context.Context, q *dns.Msg, server string) *dns.Msg {
	q.Id = dns.Id()
	answer, err := converse(ctx, "udp", q, server)
	if err != nil || answer.Truncated {
		if full, err := converse(ctx, "tcp", q, server); err == nil {
			answer = full
		} else if answer == nil {
			return nil
		}
	}
	if answer.Rcode == dns.RcodeServerFailure || answer.Rcode == dns.RcodeRefused {
		return nil
	}
	return answer
}

// converse asks by one protocol. It ends with ctx, which the library alone would
// look at only before it begins.
func converse(ctx context.Context, network string, q *dns.Msg, server string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, upstreamTime)
	defer cancel()
	c := dns.Client{Net: network, Timeout: upstreamTime, UDPSize: dns.DefaultMsgSize}
	conn, err := c.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	answer, _, err := c.ExchangeWithConnContext(ctx, q, conn)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func failure(q *dns.Msg) []byte {
	m := new(dns.Msg)
	m.SetRcode(q, dns.RcodeServerFailure)
	m.RecursionAvailable = true
	return pack(m, 0)
}
