package sqs

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/store"
)

// maxFlight is the most messages of a queue that are received and not deleted.
const maxFlight = 120_000

// A demand is what a receiver wants.
type demand struct {
	max        int
	visibility time.Duration
	wait       time.Duration
	attempt    string
}

// A found is a message that a receiver gets.
type found struct {
	message
	state
	handle handle
}

func (q *queue) demand(in *api.ReceiveMessageRequest) (d demand, err error) {
	d = demand{max: 1, visibility: q.limits.visibility, wait: q.limits.wait}
	if in.MaxNumberOfMessages != nil {
		if d.max = int(*in.MaxNumberOfMessages); d.max < 1 || d.max > 10 {
			return d, invalidValue(d.max, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
		}
	}
	if in.VisibilityTimeout != nil {
		if *in.VisibilityTimeout < 0 || *in.VisibilityTimeout > 43200 {
			return d, invalidValue(*in.VisibilityTimeout, "VisibilityTimeout", "Must be between 0 and 43200, if provided.")
		}
		d.visibility = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	if in.WaitTimeSeconds != nil {
		if *in.WaitTimeSeconds < 0 || *in.WaitTimeSeconds > 20 {
			return d, invalidValue(*in.WaitTimeSeconds, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
		}
		d.wait = time.Duration(*in.WaitTimeSeconds) * time.Second
	}
	if err := checkID(in.ReceiveRequestAttemptId, "ReceiveRequestAttemptId"); err != nil {
		return d, err
	}
	if in.ReceiveRequestAttemptId != nil {
		if !q.FIFO {
			return d, invalidValue(*in.ReceiveRequestAttemptId, "ReceiveRequestAttemptId", "The request includes a parameter that is not valid for this queue type.")
		}
		d.attempt = *in.ReceiveRequestAttemptId
	}
	return d, nil
}

func (s *Service) receiveMessage(ctx context.Context, in *api.ReceiveMessageRequest) (*api.ReceiveMessageResult, error) {
	for _, name := range slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames) {
		if name != "All" && !slices.Contains(systemAttributes, name) && !askedOfQueues(name) {
			return nil, api.InvalidAttributeName("Unknown Attribute %s.", name)
		}
	}
	q, err := s.view(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	d, err := q.demand(in)
	if err != nil {
		return nil, err
	}
	got, err := s.receive(ctx, q, d)
	if err != nil {
		return nil, err
	}
	s.measureReceived(q, len(got))
	out := &api.ReceiveMessageResult{}
	for i := range got {
		out.Messages = append(out.Messages, show(&got[i], in))
	}
	return out, nil
}

// askedOfQueues reports whether a name is of a queue's attribute, which a receiver may
// ask for and never gets: AWS's model says that it may.
func askedOfQueues(name string) bool {
	_, number := ranges[name]
	return number || words[name] != nil || slices.Contains(texts, name) || slices.Contains(readable, name)
}

// receive gets messages, and waits for them if there are none and it may.
func (s *Service) receive(ctx context.Context, q *queue, d demand) ([]found, error) {
	var until <-chan time.Time
	for {
		got, err := s.take(ctx, q, d)
		if err != nil || len(got) > 0 || d.wait == 0 {
			return got, err
		}
		if until == nil {
			c, stop := s.Clock.After(d.wait)
			defer stop()
			until = c
		}
		b := s.hubs.of(q)
		if more, err := s.wait(ctx, b, until); err != nil || !more {
			return nil, err
		}
		p := q.place
		if err := s.Store.View(ctx, func(r store.Reader) error { q, err = s.queue(ctx, r, p); return err }); err != nil {
			return nil, err // it was deleted meanwhile
		}
	}
}

// take gets messages that can be received now.
func (s *Service) take(ctx context.Context, q *queue, d demand) ([]found, error) {
	b := s.hubs.of(q)
	if err := s.room(ctx, q, b, d.max); err != nil {
		return nil, err
	}
	if d.attempt != "" {
		if got, err := s.again(ctx, q, d); err != nil || len(got) > 0 {
			return got, err
		}
	}
	var all []found
	var h hints
	defer func() { s.tell(&h) }() // now, and not before: nobody gets a message twice at once
	for len(all) < d.max {
		want := d
		want.max -= len(all)
		entries, err := s.claim(ctx, b, want.max)
		if err != nil || len(entries) == 0 {
			return all, err
		}
		got, err := s.pick(ctx, q, want, entries, &h)
		if err != nil {
			for _, e := range entries {
				h.note(q, e)
			}
			if len(all) > 0 {
				return all, nil
			}
			return nil, err
		}
		all = append(all, got...)
		if d.attempt != "" && len(all) > 0 {
			break // what an attempt got is one transaction's
		}
	}
	b.mu.Lock()
	b.flight += len(all)
	b.mu.Unlock()
	return all, nil
}

// pick receives what is behind entries of the index, as far as it is still there.
func (s *Service) pick(ctx context.Context, q *queue, d demand, entries []entry, all *hints) ([]found, error) {
	if q.FIFO {
		names := make([]string, len(entries))
		for i, e := range entries {
			names[i] = e.id
		}
		defer s.lanes.enter(q, names...)()
	}
	var got []found
	var h hints
	err := s.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		got = got[:0]
		h.reset()
		if now, err := s.queue(ctx, tx, q.place); err != nil || now.Number != q.Number {
			return first(err, noQueue())
		}
		now := s.Clock.Now()
		if q.FIFO {
			return s.pickGroups(ctx, tx, q, d, entries, now, &got, &h)
		}
		for _, e := range entries {
			if err := s.pickOne(ctx, tx, q, d, e, now, &got, &h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all.of, all.all = append(all.of, h.of...), append(all.all, h.all...)
	return got, nil
}

// pickOne receives the message of a standard queue that is behind an entry.
func (s *Service) pickOne(ctx context.Context, tx store.Tx, q *queue, d demand, e entry, now time.Time, got *[]found, h *hints) error {
	scope, at, micros := q.place.scope(), refOf([]byte(e.id)), now.UnixMicro()
	st, err := index.Get(ctx, tx, scope, q.Number, e.at, at[:])
	if isNotFound(err) {
		return nil // somebody else was faster
	}
	if err != nil {
		return err
	}
	if e.at > micros {
		h.note(q, e)
		return nil
	}
	m, err := messages.Get(ctx, tx, scope, q.Number, at[:])
	if err != nil && !isNotFound(err) {
		return err
	}
	if err := first(index.Delete(tx, scope, q.Number, e.at, at[:]), forgetMoved(tx, q, at, st)); err != nil {
		return err
	}
	if err != nil || at.at() <= q.expired(micros) {
		return messages.Delete(tx, scope, q.Number, at[:])
	}
	if q.dead(st) {
		buried, err := s.bury(ctx, tx, q, at, m, st, h)
		if err != nil {
			return err
		}
		if buried {
			return messages.Delete(tx, scope, q.Number, at[:])
		}
	}
	st = st.receivedAt(now)
	due := micros + d.visibility.Microseconds()
	h.note(q, entry{due, e.id})
	*got = append(*got, found{m, st, handle{queue: q.Number, ref: at, at: due, count: st.count}})
	return index.Put(tx, scope, st, q.Number, due, at[:])
}

func forgetMoved(tx store.Tx, q *queue, at ref, st state) error {
	if !st.moved {
		return nil
	}
	return moved.Delete(tx, q.place.scope(), q.Number, at[:])
}

// receivedAt is the state after one more receive.
func (st state) receivedAt(now time.Time) state {
	st.count++
	st.received, st.moved = now.UnixMicro(), false
	if st.first == 0 {
		st.first = now.UnixMilli()
	}
	return st
}

// room refuses to receive when too many messages are in flight. They are counted when
// the hub, which does not see visibility timeouts end, takes them for too many.
func (s *Service) room(ctx context.Context, q *queue, b *hub, n int) error {
	b.mu.Lock()
	sure := b.counted && b.flight+n <= maxFlight
	b.mu.Unlock()
	if sure {
		return nil
	}
	flight := 0
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		flight, err = s.inFlight(ctx, r, q)
		return err
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.flight, b.counted = flight, true
	b.mu.Unlock()
	if flight >= maxFlight {
		return api.OverLimit("Too many messages have been received from this queue and not deleted yet. The limit is %d.", maxFlight)
	}
	return nil
}

// inFlight counts a queue's messages in flight.
func (s *Service) inFlight(ctx context.Context, r store.Reader, q *queue) (n int, err error) {
	now := s.Clock.Now().UnixMicro()
	for e, err := range index.List(ctx, r, q.place.scope(), store.ListOptions{Prefix: []any{q.Number}, From: []any{q.Number, now + 1}}) {
		if err != nil {
			return 0, err
		}
		if !q.FIFO {
			if e.Record.count > 0 {
				n++
			}
			continue
		}
		o := store.ListOptions{Prefix: []any{q.Number, string(e.Key.Bytes(2))}}
		for m, err := range members.List(ctx, r, q.place.scope(), o) {
			if err != nil {
				return 0, err
			}
			if m.Record.count == 0 {
				break
			}
			if m.Record.at > now {
				n++
			}
		}
	}
	return n, nil
}

// show is a message as its receiver wants to see it.
func show(f *found, in *api.ReceiveMessageRequest) api.Message {
	out := api.Message{Body: &f.body, MD5OfBody: hexOf(f.bodySum), MessageId: new(f.handle.ref.id()), ReceiptHandle: new(f.handle.String())}
	for _, names := range [][]string{in.AttributeNames, in.MessageSystemAttributeNames} {
		for _, name := range names {
			f.describe(&out, name)
		}
	}
	var shown []attribute
	for _, a := range f.attrs {
		if wanted(a.name, in.MessageAttributeNames) {
			shown = append(shown, a)
		}
	}
	if len(shown) == 0 {
		return out
	}
	out.MessageAttributes = make(map[string]api.MessageAttributeValue, len(shown))
	for _, a := range shown {
		v := api.MessageAttributeValue{DataType: new(a.kind)}
		if a.binary {
			v.BinaryValue = []byte(a.value)
		} else {
			v.StringValue = new(a.value)
		}
		out.MessageAttributes[a.name] = v
	}
	sum := f.attrsSum
	if len(shown) != len(f.attrs) {
		sum = digest(shown)
	}
	out.MD5OfMessageAttributes = hexOf(sum)
	return out
}

// wanted reports whether a receiver wants an attribute: by its name, or the beginning
// of it, or all.
func wanted(name string, names []string) bool {
	for _, n := range names {
		if n == name || n == "All" || n == ".*" {
			return true
		}
		if prefix, ok := strings.CutSuffix(n, ".*"); ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// describe adds a system attribute to a message, or all.
func (f *found) describe(out *api.Message, name string) {
	if name == "All" {
		for _, n := range systemAttributes {
			f.describe(out, n)
		}
		return
	}
	value := ""
	switch name {
	case "SenderId":
		value = f.sender
	case "SentTimestamp":
		value = strconv.FormatInt(f.sent, 10)
	case "ApproximateReceiveCount":
		value = strconv.FormatUint(f.count, 10)
	case "ApproximateFirstReceiveTimestamp":
		value = strconv.FormatInt(f.first, 10)
	case "SequenceNumber":
		if f.seq != 0 {
			value = digits(f.seq)
		}
	case "MessageDeduplicationId":
		value = f.dedup
	case "MessageGroupId":
		value = f.group
	case "AWSTraceHeader":
		value = f.trace
	case "DeadLetterQueueSourceArn":
		value = f.source
	}
	if value == "" {
		return
	}
	if out.Attributes == nil {
		out.Attributes = make(map[string]string, len(systemAttributes))
	}
	out.Attributes[name] = value
}

var systemAttributes = []string{"SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
	"SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader", "DeadLetterQueueSourceArn"}
