package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// queuePoller runs a mapping of an SQS queue: it receives messages, calls the function
// with them, and deletes those that the function has dealt with. What it does not delete
// is received again when the queue's visibility timeout is over: nothing is written here,
// so there is nothing that a crash could lose.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
type queuePoller struct {
	*poller
	q      *queueSource
	places *places

	visible struct { // how long messages are the receiver's alone
		sync.Mutex
		timeout time.Duration
		asked   time.Time
	}
}

// How queues are polled.
const (
	receiveMost  = 10 // messages at once, SQS's limit
	receiveWait  = 20 * time.Second
	visibleFor   = 30 * time.Second // if the queue does not tell
	visibleEvery = time.Minute      // how often the queue is asked
)

func newQueuePoller(p *poller) *queuePoller {
	most := placesMost
	if p.m.Concurrency > 0 {
		most = int(p.m.Concurrency)
	} else if p.m.Pollers != nil && p.m.Pollers.Most > 0 {
		most = int(p.m.Pollers.Most) * perPoller
	}
	return &queuePoller{poller: p, q: &queueSource{s: p.s, arn: p.m.Source}, places: newPlaces(p.s, most)}
}

// run receives batches and deals with as many of them at once as there are places, until
// ctx ends.
func (p *queuePoller) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for failed := 0; p.places.take(ctx); {
		batch, err := p.gather(ctx)
		if len(batch) > 0 {
			failed = 0
			wg.Go(func() {
				defer p.places.give()
				p.deal(ctx, batch)
			})
			continue
		}
		p.places.give()
		if err != nil {
			p.trouble(ctx, err)
			if !p.s.pause(ctx, backOff(failed)) {
				return
			}
			failed++
		}
	}
}

// gather receives messages until there are enough for a call, or the first has waited as
// long as the mapping says.
func (p *queuePoller) gather(ctx context.Context) ([]queued, error) {
	var got []queued
	var due time.Time
	places := map[string]int{}
	for size := 0; ; {
		now := p.s.Clock.Now()
		wait := receiveWait
		if !due.IsZero() {
			if wait = min(wait, due.Sub(now)); wait <= 0 {
				return got, nil
			}
		}
		batch, err := p.receive(ctx, min(int(p.m.Batch)-len(got), receiveMost), wait)
		switch {
		case ctx.Err() != nil:
			p.release(append(got, batch...))
			return nil, nil
		case err != nil:
			return got, err
		}
		p.count(eventsPolled, len(batch))
		for _, m := range batch {
			size += len(m.event)
			if i, again := places[m.id]; again { // it has become visible since
				got[i] = m
				continue
			}
			places[m.id] = len(got)
			got = append(got, m)
		}
		if len(batch) > 0 && due.IsZero() {
			due = now.Add(seconds(p.m.Window))
		}
		if len(got) >= int(p.m.Batch) || size >= maxEvent-eventReserve || len(got) > 0 && p.m.Window == 0 {
			return got, nil
		}
		if len(batch) == 0 && p.s.Clock.Now().Sub(now) < wait && !p.s.pause(ctx, min(pollFirst, wait)) {
			p.release(got)
			return nil, nil // a queue that does not wait must not be asked without end
		}
	}
}

// receive asks the queue for messages, for as long as it takes until one is there. What
// wait leaves over of a second is waited, too.
func (p *queuePoller) receive(ctx context.Context, limit int, wait time.Duration) ([]queued, error) {
	as, err := p.as(ctx)
	if err != nil {
		return nil, err
	}
	as, cancel := context.WithCancel(as)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	p.ask(as)
	return p.q.receive(as, limit, int32((wait+time.Second-1)/time.Second))
}

// ask reads the queue's visibility timeout, now and then.
func (p *queuePoller) ask(as context.Context) {
	now := p.s.Clock.Now()
	p.visible.Lock()
	fresh := p.visible.timeout > 0 && now.Sub(p.visible.asked) < visibleEvery
	p.visible.Unlock()
	if fresh {
		return
	}
	d, err := p.q.visibility(as)
	if err != nil {
		d = visibleFor // receiving will say what is wrong
	}
	p.visible.Lock()
	p.visible.timeout, p.visible.asked = d, now
	p.visible.Unlock()
}

// deal filters messages, calls the function with the others, and deletes what is done. At
// the end of its visibility a message is left to be received again.
func (p *queuePoller) deal(ctx context.Context, batch []queued) {
	p.visible.Lock()
	until := batch[0].at.Add(p.visible.timeout)
	p.visible.Unlock()
	var wanted, unwanted []queued
	for _, m := range batch {
		if m.passes(p.filters) {
			wanted = append(wanted, m)
		} else {
			unwanted = append(unwanted, m)
		}
	}
	if len(p.filters) > 0 {
		p.count(eventsFiltered, len(unwanted))
		p.remove(ctx, unwanted, until)
	}
	for len(wanted) > 0 && ctx.Err() == nil {
		n, size := 0, 0
		for n < len(wanted) {
			if size += len(wanted[n].event) + 1; n > 0 && size > maxEvent-eventReserve {
				break
			}
			n++
		}
		if done := p.try(ctx, wanted[:n], until); len(done) > 0 {
			p.count(eventsDeleted, p.remove(ctx, done, until))
		}
		wanted = wanted[n:]
	}
}

// try calls the function with messages, and returns those that it has dealt with.
func (p *queuePoller) try(ctx context.Context, batch []queued, until time.Time) (done []queued) {
	event, err := marshalEvent(batchEvent{Records: eventsOf(batch)})
	if err != nil {
		p.s.warn("write an event", err)
		return nil
	}
	for tries := 0; ; tries++ {
		if ctx.Err() != nil || p.late(ctx, tries, until) {
			return nil
		}
		p.count(eventsInvoked, len(batch))
		out := p.call(ctx, event)
		switch {
		case out.reached && out.failure != "":
			p.count(eventsFailed, len(batch))
			p.note(ctx, resultFailed)
			return nil
		case out.reached:
			done = batch
			if p.m.Partial {
				done = dealtWith(out.answer, batch)
			}
			if len(done) < len(batch) {
				p.count(eventsFailed, len(batch)-len(done))
				p.note(ctx, resultFailed)
			} else {
				p.note(ctx, resultOK)
			}
			return done
		case ctx.Err() != nil:
			return nil
		}
		if out.problem == problemThrottled {
			p.places.halve()
		}
		p.count(eventsFailed, len(batch))
		p.note(ctx, out.problem)
		if !p.s.pause(ctx, backOff(tries)) {
			return nil
		}
	}
}

// late reports whether a call, the tries-th again, would outlast the visibility of its
// messages. In a FIFO queue it must not even end later: the group's next messages could
// be received, and handled, beside it.
func (p *queuePoller) late(ctx context.Context, tries int, until time.Time) bool {
	now := p.s.Clock.Now()
	if tries > 0 && strings.HasSuffix(p.m.Source, fifo) {
		if t, err := p.target(ctx); err == nil {
			now = now.Add(seconds(t.version.Timeout))
		}
	}
	return !now.Before(until)
}

// remove deletes messages, and returns how many. What cannot be deleted before it is visible again is handled
// once more, as AWS says that it may.
func (p *queuePoller) remove(ctx context.Context, batch []queued, until time.Time) (deleted int) {
	work := context.WithoutCancel(ctx) // what is done is done, whether or not there is to be more
	for tries := 0; len(batch) > 0; {
		n := min(len(batch), receiveMost)
		as, err := p.as(work)
		if err == nil {
			err = p.q.remove(as, batch[:n])
		}
		if err == nil {
			batch, tries, deleted = batch[n:], 0, deleted+n
			continue
		}
		if code := aws.CodeOf(err); code == codeNoQueue || code == codeNoQueueQuery {
			return deleted
		}
		p.trouble(ctx, err)
		if p.s.Clock.Now().After(until) || !p.s.pause(ctx, backOff(tries)) {
			return deleted
		}
		tries++
	}
	return deleted
}

// release gives messages back that nobody will be called with, if the role may.
func (p *queuePoller) release(batch []queued) {
	as, err := p.as(context.Background())
	for ; err == nil && len(batch) > 0; batch = batch[min(len(batch), receiveMost):] {
		err = p.q.release(as, batch[:min(len(batch), receiveMost)])
	}
}

// trouble notes that the queue cannot be read.
func (p *queuePoller) trouble(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	text := "PROBLEM: Internal error"
	var e *aws.Error
	switch code := aws.CodeOf(err); {
	case denied(err):
		text = "PROBLEM: Access denied. Please ensure the role can perform the ReceiveMessage, DeleteMessage, and GetQueueAttributes Actions on your queue in IAM."
	case code == codeNoQueue || code == codeNoQueueQuery:
		text = "PROBLEM: Queue not found"
	case errors.As(err, &e) && !e.Server():
		text = "PROBLEM: " + e.Message
	default:
		p.s.warn("poll a queue; trying again", err)
	}
	p.note(ctx, text)
}

// eventsOf are messages as an event holds them.
func eventsOf(batch []queued) []json.RawMessage {
	out := make([]json.RawMessage, len(batch))
	for i, m := range batch {
		out[i] = m.event
	}
	return out
}

// dealtWith are the messages that a function does not report as failed: all or none of
// them if the report makes no sense.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func dealtWith(answer []byte, batch []queued) []queued {
	ids := make(map[string]int, len(batch))
	for i, m := range batch {
		ids[m.id] = i
	}
	failed, ok := failures(answer, ids)
	if !ok {
		return nil
	}
	done := make([]queued, 0, len(batch))
	for i, m := range batch {
		if !failed[i] {
			done = append(done, m)
		}
	}
	return done
}
