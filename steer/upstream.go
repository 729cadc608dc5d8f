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
	ctx, cancel := context.WithTimeout(ctx, 2*upstreamTime)
	defer cancel()
	q.Id = dns.Id()
	c := dns.Client{Net: "udp", Timeout: upstreamTime, UDPSize: dns.MaxMsgSize - 1}
	answer, _, err := c.ExchangeContext(ctx, q, server)
	if err != nil || answer.Truncated {
		c.Net = "tcp"
		if full, _, err := c.ExchangeContext(ctx, q, server); err == nil {
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

func failure(q *dns.Msg) []byte {
	m := new(dns.Msg)
	m.SetRcode(q, dns.RcodeServerFailure)
	m.RecursionAvailable = true
	return pack(m, 0)
}
