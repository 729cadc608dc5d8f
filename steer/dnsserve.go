package steer

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
)

const (
	dnsIdle     = 10 * time.Second // a TCP client that asks nothing for so long is left
	dnsClients  = 32               // TCP clients of one network at once
	dnsInFlight = 64               // UDP questions of one network under way upstream
)

// servePacket answers the questions that reach pc until it is closed. Ours are
// answered where they are read; those that wait for an upstream server get a
// goroutine each, by spawn, and are dropped while too many wait.
func (r *Resolver) servePacket(ctx context.Context, pc net.PacketConn, spawn func(func())) {
	// A question is one name and one option record; what is longer than this is none.
	buf := make([]byte, ednsSize)
	slots := make(chan struct{}, dnsInFlight)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || !pause(ctx) {
				return
			}
			continue
		}
		answer, err := r.local(buf[:n], ednsSize)
		if err == nil {
			if answer != nil {
				pc.WriteTo(answer, from)
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			continue
		}
		query := append([]byte(nil), buf[:n]...)
		spawn(func() {
			defer func() { <-slots }()
			if answer := r.forward(ctx, query, ednsSize); answer != nil {
				pc.WriteTo(answer, from)
			}
		})
	}
}

// errBusy turns a client away.
var errBusy = errors.New("too many DNS clients")

// tcpServer answers the TCP clients of one network.
type tcpServer struct {
	resolver *Resolver
	slots    chan struct{}
	spawn    func(func())
}

// Deliver implements Sink.
func (s *tcpServer) Deliver(ctx context.Context, c net.Conn) error {
	select {
	case s.slots <- struct{}{}:
	default:
		return errBusy
	}
	s.spawn(func() {
		defer func() { <-s.slots }()
		defer c.Close()
		s.resolver.serveStream(ctx, c)
	})
	return nil
}

// serveStream answers one client's questions, one after the other, until it ends,
// falls silent or sends what is no question.
func (r *Resolver) serveStream(ctx context.Context, c net.Conn) {
	idle := time.AfterFunc(dnsIdle, func() { c.Close() })
	defer idle.Stop()
	var head [2]byte
	for {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(head[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		answer := r.Answer(ctx, query, 0)
		if answer == nil || len(answer) >= maxMessage {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
		idle.Reset(dnsIdle)
	}
}
