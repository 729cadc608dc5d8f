package sqs

import (
	"context"
	"time"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxVisibility is how long a message stays invisible at most, since it was received.
const maxVisibility = 43200

// here finds the record in a standard queue's index of the receive that a handle is of;
// false if the message is gone, or was received again.
func here(ctx context.Context, tx store.Tx, q *queue, h handle) (at int64, st state, ok bool, err error) {
	scope := q.place.scope()
	at = h.at
	for range 2 {
		st, err = index.Get(ctx, tx, scope, q.Number, at, h.ref[:])
		if err == nil && st.count == h.count {
			return at, st, true, nil
		}
		if err != nil && !isNotFound(err) {
			return 0, st, false, err
		}
		to, err := moved.Get(ctx, tx, scope, q.Number, h.ref[:])
		if isNotFound(err) || err == nil && to.count != h.count {
			return 0, st, false, nil
		}
		if err != nil {
			return 0, st, false, err
		}
		at = to.at
	}
	return 0, st, false, nil
}

// discard deletes the message that a handle is of, if it is there.
func (s *Service) discard(ctx context.Context, tx store.Tx, q *queue, h handle, text string, hs *hints) error {
	scope := q.place.scope()
	if !q.FIFO {
		at, st, ok, err := here(ctx, tx, q, h)
		if err != nil || !ok {
			return err
		}
		return first(index.Delete(tx, scope, q.Number, at, h.ref[:]), messages.Delete(tx, scope, q.Number, h.ref[:]), forgetMoved(tx, q, h.ref, st))
	}
	m, err := members.Get(ctx, tx, scope, q.Number, h.group, h.seq)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	now := s.Clock.Now().UnixMicro()
	if m.count != h.count || m.at <= now {
		return invalidValue(text, "ReceiptHandle", "The receipt handle has expired.")
	}
	return first(members.Delete(tx, scope, q.Number, h.group, h.seq), messages.Delete(tx, scope, q.Number, h.ref[:]),
		s.settle(ctx, tx, q, h.group, now, hs))
}

// conceal changes how long the message that a handle is of stays invisible.
func (s *Service) conceal(ctx context.Context, tx store.Tx, q *queue, h handle, text string, seconds int32, hs *hints) error {
	scope, now := q.place.scope(), s.Clock.Now()
	none := invalidValue(text, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")
	due := now.Add(time.Duration(seconds) * time.Second).UnixMicro()
	if q.FIFO {
		m, err := members.Get(ctx, tx, scope, q.Number, h.group, h.seq)
		switch {
		case isNotFound(err), err == nil && (m.count != h.count || m.at <= now.UnixMicro()):
			return none
		case err != nil:
			return err
		}
		if err := tooLong(m.state, now, seconds); err != nil {
			return err
		}
		m.at = due
		return first(members.Put(tx, scope, m, q.Number, h.group, h.seq), s.settle(ctx, tx, q, h.group, now.UnixMicro(), hs))
	}
	at, st, ok, err := here(ctx, tx, q, h)
	switch {
	case err != nil:
		return err
	case !ok || at <= now.UnixMicro():
		return none
	}
	if err := tooLong(st, now, seconds); err != nil {
		return err
	}
	st.moved = true
	hs.note(q, entry{due, string(h.ref[:])})
	return first(index.Delete(tx, scope, q.Number, at, h.ref[:]), index.Put(tx, scope, st, q.Number, due, h.ref[:]),
		moved.Put(tx, scope, movedTo{due, st.count}, q.Number, h.ref[:]))
}

// tooLong refuses to hide a message for more than twelve hours in all.
func tooLong(st state, now time.Time, seconds int32) error {
	if now.UnixMicro()-st.received+int64(seconds)*1e6 > maxVisibility*1e6 {
		return invalidParameter("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [%d seconds]", seconds, maxVisibility)
	}
	return nil
}

// checkTimeout holds a visibility timeout against its bounds.
func checkTimeout(seconds *int32) error {
	if seconds == nil {
		return missingParameter("The request must contain the parameter VisibilityTimeout.")
	}
	if *seconds < 0 || *seconds > maxVisibility {
		return invalidParameter("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and %d, if provided.", *seconds, maxVisibility)
	}
	return nil
}

// A deed is done to the message of each receipt handle.
type deed func(tx store.Tx, i int, h handle, hs *hints) error

// each does a deed to messages in one transaction, and returns why it could not for
// each; an error of another sort than the callers' undoes all.
func (s *Service) each(ctx context.Context, q *queue, handles []string, do deed) ([]error, error) {
	parsed, errs := make([]handle, len(handles)), make([]error, len(handles))
	var names []string
	for i, text := range handles {
		if parsed[i], errs[i] = parseHandle(q, text); errs[i] == nil && q.FIFO {
			names = append(names, parsed[i].group)
		}
	}
	defer s.lanes.enter(q, names...)()
	var hs hints
	outcome := make([]error, len(handles))
	err := s.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		hs.reset()
		copy(outcome, errs)
		if now, err := s.queue(ctx, tx, q.place); err != nil || now.Number != q.Number {
			return first(err, noQueue())
		}
		for i := range handles {
			if outcome[i] != nil {
				continue
			}
			outcome[i] = do(tx, i, parsed[i], &hs)
			if outcome[i] != nil && aws.CodeOf(outcome[i]) == "" {
				return outcome[i]
			}
		}
		return nil
	})
	if err == nil {
		s.tell(&hs)
	}
	return outcome, err
}

func (s *Service) deleteMessage(ctx context.Context, in *api.DeleteMessageRequest) (*aws.Empty, error) {
	q, err := s.view(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	errs, err := s.deleteAll(ctx, q, []string{*in.ReceiptHandle})
	return nil, firstOf(err, errs)
}

func firstOf(err error, errs []error) error {
	if err != nil {
		return err
	}
	return first(errs...)
}

func (s *Service) deleteAll(ctx context.Context, q *queue, handles []string) ([]error, error) {
	errs, err := s.each(ctx, q, handles, func(tx store.Tx, i int, h handle, hs *hints) error {
		return s.discard(ctx, tx, q, h, handles[i], hs)
	})
	if err == nil {
		b := s.hubs.of(q)
		b.mu.Lock()
		b.flight = max(0, b.flight-len(handles))
		b.mu.Unlock()
		s.measureDeleted(q, errs)
	}
	return errs, err
}

func (s *Service) changeMessageVisibility(ctx context.Context, in *api.ChangeMessageVisibilityRequest) (*aws.Empty, error) {
	q, err := s.view(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkTimeout(in.VisibilityTimeout); err != nil {
		return nil, err
	}
	errs, err := s.each(ctx, q, []string{*in.ReceiptHandle}, func(tx store.Tx, _ int, h handle, hs *hints) error {
		return s.conceal(ctx, tx, q, h, *in.ReceiptHandle, *in.VisibilityTimeout, hs)
	})
	return nil, firstOf(err, errs)
}
