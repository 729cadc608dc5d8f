package runtimes

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// How long a failed delivery waits for its next attempt: doubled each time.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// dropReason is AWS's.
const dropReason = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."

// A subscriber gets the events of one subscription, in batches: one is delivered
// while the next is gathered, and what comes over and above that is counted and
// dropped.
type subscriber struct {
	subscription
	t      *telemetry
	client *http.Client
	conn   net.Conn // of TCP

	overOnce sync.Once // closes drained

	mu      sync.Mutex
	pending [][]byte
	bytes   int
	lost    logsDropped
	some    chan struct{} // capacity 1: there is something
	full    chan struct{} // capacity 1: there is a batch
	drained chan struct{} // closed when all is delivered that there was at the flush
}

func newSubscriber(t *telemetry, s *subscription) *subscriber {
	sub := &subscriber{subscription: *s, t: t, some: make(chan struct{}, 1), full: make(chan struct{}, 1), drained: make(chan struct{})}
	sub.client = &http.Client{
		Transport: &http.Transport{
			DialContext:        func(context.Context, string, string) (net.Conn, error) { return t.dial(s.port) },
			DisableCompression: true, MaxIdleConns: 1, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return sub
}

// take buffers an event that was subscribed to, or drops it.
func (s *subscriber) take(e published) {
	if !s.wants(e.kind) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) >= s.maxItems || s.bytes > 0 && s.bytes+len(e.body) > s.maxBytes {
		s.lost.Records++
		s.lost.Bytes += len(e.body)
		return
	}
	s.pending = append(s.pending, e.body)
	s.bytes += len(e.body)
	signal(s.some)
	if len(s.pending) >= s.maxItems || s.bytes >= s.maxBytes {
		signal(s.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run delivers until the telemetry is stopped.
func (s *subscriber) run() {
	defer s.client.CloseIdleConnections()
	for s.gather() {
		if !s.deliver(s.batch()) {
			break
		}
	}
	if s.conn != nil {
		s.conn.Close()
	}
}

// gather waits until there is a batch: as much as was asked for, or what has come in
// the time that was. False is the end.
func (s *subscriber) gather() bool {
	select {
	case <-s.some:
	default:
		if !s.rest() {
			return false
		}
	}
	due, stop := s.t.clock.After(s.maxWait)
	defer stop()
	select {
	case <-s.full:
	case <-due:
	case <-s.t.flushing:
	case <-s.t.context.Done():
		return false
	}
	return true
}

// rest waits for something to deliver. Once there is a flush, nothing to deliver means
// that it is over.
func (s *subscriber) rest() bool {
	flushing := s.t.flushing
	for {
		select {
		case <-s.some:
			return true
		case <-flushing:
			s.overOnce.Do(func() { close(s.drained) })
			flushing = nil
		case <-s.t.context.Done():
			return false
		}
	}
}

// batch takes what is buffered, with word of what was dropped.
func (s *subscriber) batch() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.pending
	if s.lost.Records > 0 && s.wants(typeLogsDropped) {
		s.lost.Reason = dropReason
		list = append(list, telemetryEvent(s.t.clock.Now(), typeLogsDropped, s.lost))
	}
	s.pending, s.bytes, s.lost = nil, 0, logsDropped{}
	return list
}

// deliver sends a batch until it is taken; false when there is no more time for it.
func (s *subscriber) deliver(batch [][]byte) bool {
	if len(batch) == 0 {
		return true
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		if s.send(batch) == nil {
			return true
		}
		due, stop := s.t.clock.After(wait)
		select {
		case <-due:
		case <-s.t.context.Done():
			stop()
			return false
		}
		stop()
	}
}

func (s *subscriber) send(batch [][]byte) error {
	if s.path == "" {
		return s.sendTCP(batch)
	}
	body := append(append([]byte{'['}, bytes.Join(batch, []byte{','})...), ']')
	req, err := http.NewRequestWithContext(s.t.context, s.method, "http://sandbox.localdomain:"+itoa(s.port)+s.path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)); err != nil {
		return err
	}
	if resp.StatusCode >= 400 {
		return fmt.Errorf("runtimes: a subscriber answers %d", resp.StatusCode)
	}
	return nil
}

// sendTCP sends one JSON object a line, and knows no more than that it was sent.
func (s *subscriber) sendTCP(batch [][]byte) (err error) {
	if s.conn == nil {
		if s.conn, err = s.t.dial(s.port); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(s.t.context, func() { s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err = s.conn.Write(append(bytes.Join(batch, []byte{'\n'}), '\n')); err != nil {
		s.conn.Close()
		s.conn = nil
	}
	return err
}
