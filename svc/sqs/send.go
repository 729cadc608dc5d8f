package sqs

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// window is how long a deduplication id, and an attempt to receive, is remembered.
const window = 5 * time.Minute

// A parcel is a message on its way into a queue.
type parcel struct {
	message
	id       [16]byte
	traceSum [16]byte
	delay    *int32
	dedupID  *string
	groupID  *string
	known    *sentBefore // it was sent before
}

// pack makes a parcel of what somebody wants sent.
func (s *Service) pack(ctx context.Context, e *api.SendMessageBatchRequestEntry) (*parcel, error) {
	if err := checkBody(e.MessageBody); err != nil {
		return nil, err
	}
	attrs, err := attributesOf(e.MessageAttributes)
	if err != nil {
		return nil, err
	}
	trace, err := traceOf(e.MessageSystemAttributes)
	if err != nil {
		return nil, err
	}
	if err := first(checkID(e.MessageDeduplicationId, "MessageDeduplicationId"), checkID(e.MessageGroupId, "MessageGroupId")); err != nil {
		return nil, err
	}
	r := aws.RequestOf(ctx)
	p := &parcel{delay: e.DelaySeconds, dedupID: e.MessageDeduplicationId, groupID: e.MessageGroupId}
	p.message = message{sender: r.Caller.UserID, group: aws.Value(e.MessageGroupId), dedup: aws.Value(e.MessageDeduplicationId), body: *e.MessageBody, attrs: attrs}
	if r.Caller.Kind == aws.Anonymous {
		p.sender = "anonymous"
	}
	p.bodySum = md5.Sum([]byte(p.body))
	if len(attrs) > 0 {
		p.attrsSum = digest(attrs)
	}
	if trace != nil {
		p.trace, p.traceSum = trace[0].value, digest(trace)
	}
	p.id, err = s.newID()
	return p, err
}

// newID is a new message's id.
func (s *Service) newID() (id [16]byte, err error) {
	_, err = io.ReadFull(s.Random, id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id, err
}

const needsID = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"

// admit holds a parcel against what its queue takes.
func (q *queue) admit(p *parcel) error {
	if p.delay != nil && (*p.delay < 0 || *p.delay > 900) {
		return invalidValue(*p.delay, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
	}
	if !q.FIFO {
		if p.dedupID != nil {
			return invalidValue(*p.dedupID, "MessageDeduplicationId", "The request includes a parameter that is not valid for this queue type.")
		}
		return nil
	}
	if p.delay != nil && *p.delay != 0 {
		return invalidValue(*p.delay, "DelaySeconds", "The request include parameter that is not valid for this queue type.")
	}
	if p.groupID == nil {
		return missingParameter("The request must contain the parameter MessageGroupId.")
	}
	if p.dedupID == nil {
		if !q.limits.byContent {
			return invalidParameter(needsID)
		}
		sum := sha256.Sum256([]byte(p.body))
		p.dedup = hex.EncodeToString(sum[:])
	}
	return nil
}

func (s *Service) sendMessage(ctx context.Context, in *api.SendMessageRequest) (*api.SendMessageResult, error) {
	p, err := s.pack(ctx, &api.SendMessageBatchRequestEntry{MessageBody: in.MessageBody, DelaySeconds: in.DelaySeconds,
		MessageAttributes: in.MessageAttributes, MessageSystemAttributes: in.MessageSystemAttributes,
		MessageDeduplicationId: in.MessageDeduplicationId, MessageGroupId: in.MessageGroupId})
	if err != nil {
		return nil, err
	}
	q, err := s.view(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := q.admit(p); err != nil {
		return nil, err
	}
	if p.size() > q.limits.size {
		return nil, invalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.limits.size)
	}
	if err := s.send(ctx, q, []*parcel{p}); err != nil {
		return nil, err
	}
	out := p.receipt()
	return &api.SendMessageResult{MD5OfMessageBody: out.MD5OfMessageBody, MD5OfMessageAttributes: out.MD5OfMessageAttributes,
		MD5OfMessageSystemAttributes: out.MD5OfMessageSystemAttributes, MessageId: out.MessageId, SequenceNumber: out.SequenceNumber}, nil
}

// receipt is what the sender of a parcel is told.
func (p *parcel) receipt() api.SendMessageBatchResultEntry {
	at, seq := newRef(0, p.id), p.seq
	if p.known != nil {
		at, seq = p.known.ref, p.known.seq
	}
	out := api.SendMessageBatchResultEntry{MD5OfMessageBody: hexOf(p.bodySum), MessageId: new(at.id())}
	if len(p.attrs) > 0 {
		out.MD5OfMessageAttributes = hexOf(p.attrsSum)
	}
	if p.trace != "" {
		out.MD5OfMessageSystemAttributes = hexOf(p.traceSum)
	}
	if seq != 0 {
		out.SequenceNumber = new(digits(seq))
	}
	return out
}

// digits is a sequence number as it is shown.
func digits(seq uint64) string { return fmt.Sprintf("%020d", seq) }

// send puts parcels into a queue, in one transaction.
func (s *Service) send(ctx context.Context, q *queue, parcels []*parcel) error {
	if q.FIFO {
		var names []string
		for _, p := range parcels {
			names = append(names, p.group)
		}
		defer s.lanes.enter(q, names...)()
	}
	var h hints
	// The caller may go away: what is on its way to disk must become known here.
	err := s.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		h.reset()
		now := s.Clock.Now()
		if now, err := s.queue(ctx, tx, q.place); err != nil || now.Number != q.Number {
			return first(err, noQueue())
		}
		for _, p := range parcels {
			if err := s.accept(ctx, tx, q, p, now, &h); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.tell(&h)
		s.measureSent(q, parcels)
	}
	return err
}

// accept takes a parcel into a queue, unless it was sent before.
func (s *Service) accept(ctx context.Context, tx store.Tx, q *queue, p *parcel, now time.Time, h *hints) error {
	micros := now.UnixMicro()
	at := newRef(micros, p.id)
	p.sent, p.known = now.UnixMilli(), nil
	due := micros + q.limits.delay.Microseconds()
	if p.delay != nil && !q.FIFO {
		due = micros + int64(*p.delay)*1e6
	}
	if q.FIFO {
		scope := ""
		if q.limits.byGroup {
			scope = p.group
		}
		switch known, err := sent.Get(ctx, tx, q.place.scope(), q.Number, scope, p.dedup); {
		case err == nil:
			p.known = &known
			return nil
		case !isNotFound(err):
			return err
		}
		p.seq = s.next(micros)
		if err := sent.PutExpiring(tx, q.place.scope(), sentBefore{at, p.seq}, now.Add(window), q.Number, scope, p.dedup); err != nil {
			return err
		}
	}
	return s.shelve(ctx, tx, q, at, p.message, state{}, due, h)
}

// shelve puts a message into a queue, to be received from the time due on.
func (s *Service) shelve(ctx context.Context, tx store.Tx, q *queue, at ref, m message, st state, due int64, h *hints) error {
	scope := q.place.scope()
	if err := messages.Put(tx, scope, m, q.Number, at[:]); err != nil {
		return err
	}
	if !q.FIFO {
		h.note(q, entry{due, string(at[:])})
		return index.Put(tx, scope, st, q.Number, due, at[:])
	}
	if err := members.Put(tx, scope, member{at, due, st}, q.Number, m.group, m.seq); err != nil {
		return err
	}
	_, err := groups.Get(ctx, tx, scope, q.Number, m.group)
	if !isNotFound(err) {
		return err
	}
	h.note(q, entry{due, m.group})
	return first(groups.Put(tx, scope, group{due, m.seq}, q.Number, m.group),
		index.Put(tx, scope, state{}, q.Number, due, []byte(m.group)))
}
