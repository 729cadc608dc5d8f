package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"iter"
	"time"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// moveTask is a task that moves messages out of a dead-letter queue. What it has moved
// is counted in the transaction that moves.
type moveTask struct {
	ID          string
	Status      string
	Source      string // ARNs
	Destination string `json:",omitempty"` // empty: where each came from
	Rate        int32  `json:",omitempty"` // messages a second; 0 for as fast as it goes
	Started     int64  // milliseconds
	Moved       int64
	ToMove      int64
	Reason      string `json:",omitempty"`
}

// activeTask leads to a task that runs.
type activeTask struct {
	Started int64
	ID      string
}

// The states of a task.
const (
	running    = "RUNNING"
	completed  = "COMPLETED"
	cancelling = "CANCELLING"
	cancelled  = "CANCELLED"
	broken     = "FAILED"
)

// maxTasks is how many tasks of a queue are remembered.
const maxTasks = 10

type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceArn string `json:"sourceArn"`
}

func (t *moveTask) handle() string {
	b, err := json.Marshal(taskHandle{t.ID, t.Source})
	if err != nil {
		panic(err) // two strings
	}
	return base64.StdEncoding.EncodeToString(b)
}

func parseTaskHandle(text string) (h taskHandle, ok bool) {
	b, err := base64.StdEncoding.DecodeString(text)
	return h, err == nil && json.Unmarshal(b, &h) == nil && h.TaskID != ""
}

func badSourceARN() error {
	return invalidParameter("You must use this format to specify the SourceArn: arn:<partition>:<service>:<region>:<account-id>:<resource-id>")
}

func noSource() error {
	return api.ResourceNotFoundException("The resource that you specified for the SourceArn parameter doesn't exist.")
}

func noDestination() error {
	return api.ResourceNotFoundException("The resource that you specified for the DestinationArn parameter doesn't exist.")
}

// deadLetters reads the dead-letter queue of an ARN.
func (s *Service) deadLetters(ctx context.Context, r store.Reader, arn string) (*queue, error) {
	p, ok := placeOfARN(arn)
	if !ok {
		return nil, badSourceARN()
	}
	q, err := s.queue(ctx, r, p)
	if aws.CodeOf(err) == "QueueDoesNotExist" {
		return nil, noSource()
	}
	return q, err
}

func (s *Service) startMessageMoveTask(ctx context.Context, in *api.StartMessageMoveTaskRequest) (*api.StartMessageMoveTaskResult, error) {
	t := moveTask{ID: aws.RandomUUID(s.Random), Status: running, Source: *in.SourceArn, Destination: aws.Value(in.DestinationArn), Rate: aws.Value(in.MaxNumberOfMessagesPerSecond)}
	if in.MaxNumberOfMessagesPerSecond != nil && (t.Rate < 1 || t.Rate > 500) {
		return nil, invalidValue(t.Rate, "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided.")
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		q, err := s.deadLetters(ctx, tx, t.Source)
		if err != nil {
			return err
		}
		if err := s.canMove(ctx, tx, q, t.Destination); err != nil {
			return err
		}
		c, err := s.count(ctx, tx, q)
		if err != nil {
			return err
		}
		t.ToMove, t.Started = int64(c.visible), s.Clock.Now().UnixMilli()
		if err := forgetTasks(ctx, tx, q); err != nil {
			return err
		}
		p := q.place
		return first(tasks.Put(tx, p.scope(), t, p.name, t.Started, t.ID),
			active.Put(tx, store.Scope{}, activeTask{t.Started, t.ID}, p.account, p.region, p.name))
	})
	if err != nil {
		return nil, err
	}
	return &api.StartMessageMoveTaskResult{TaskHandle: new(t.handle())}, nil
}

// canMove refuses a task that cannot start.
func (s *Service) canMove(ctx context.Context, tx store.Tx, q *queue, destination string) error {
	p, source := q.place, false
	for _, err := range sources.List(ctx, tx, p.scope(), store.ListOptions{Prefix: []any{p.name}, Limit: 1}) {
		if err != nil {
			return err
		}
		source = true
	}
	if !source {
		return invalidParameter("Source queue must be configured as a Dead Letter Queue.")
	}
	if destination != "" {
		to, ok := placeOfARN(destination)
		if !ok {
			return noDestination()
		}
		d, err := s.queue(ctx, tx, to)
		switch {
		case aws.CodeOf(err) == "QueueDoesNotExist":
			return noDestination()
		case err != nil:
			return err
		case d.FIFO != q.FIFO:
			return invalidParameter("Destination queue must be same type of queue as the source.")
		case d.Number == q.Number:
			return invalidParameter("Source queue arn and destination queue arn must be different.")
		}
	}
	busy, err := active.Has(ctx, tx, store.Scope{}, p.account, p.region, p.name)
	if err == nil && busy {
		err = invalidParameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
	}
	return err
}

// forgetTasks makes room for one more task of a queue.
func forgetTasks(ctx context.Context, tx store.Tx, q *queue) error {
	n := 0
	for e, err := range tasks.List(ctx, tx, q.place.scope(), store.ListOptions{Prefix: []any{q.Name}, Reverse: true}) {
		if err != nil {
			return err
		}
		if n++; n >= maxTasks {
			if err := tasks.Delete(tx, q.place.scope(), e.Key.Parts()...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) listMessageMoveTasks(ctx context.Context, in *api.ListMessageMoveTasksRequest) (*api.ListMessageMoveTasksResult, error) {
	limit := 1
	if in.MaxResults != nil {
		if limit = int(*in.MaxResults); limit < 1 || limit > maxTasks {
			return nil, invalidValue(limit, "MaxResults", "Must be between 1 and 10, if provided.")
		}
	}
	out := &api.ListMessageMoveTasksResult{}
	err := s.Store.View(ctx, func(r store.Reader) error {
		out.Results = []api.ListMessageMoveTasksResultEntry{}
		q, err := s.deadLetters(ctx, r, *in.SourceArn)
		if err != nil {
			return err
		}
		for e, err := range tasks.List(ctx, r, q.place.scope(), store.ListOptions{Prefix: []any{q.Name}, Reverse: true, Limit: limit}) {
			if err != nil {
				return err
			}
			out.Results = append(out.Results, e.Record.show())
		}
		return nil
	})
	return out, err
}

func (t moveTask) show() api.ListMessageMoveTasksResultEntry {
	e := api.ListMessageMoveTasksResultEntry{Status: &t.Status, SourceArn: &t.Source, StartedTimestamp: &t.Started,
		ApproximateNumberOfMessagesMoved: &t.Moved, ApproximateNumberOfMessagesToMove: &t.ToMove}
	if t.Destination != "" {
		e.DestinationArn = &t.Destination
	}
	if t.Rate != 0 {
		e.MaxNumberOfMessagesPerSecond = &t.Rate
	}
	if t.Reason != "" {
		e.FailureReason = &t.Reason
	}
	if t.Status == running {
		e.TaskHandle = new(t.handle())
	}
	return e
}

func (s *Service) cancelMessageMoveTask(ctx context.Context, in *api.CancelMessageMoveTaskRequest) (*api.CancelMessageMoveTaskResult, error) {
	h, ok := parseTaskHandle(*in.TaskHandle)
	if !ok {
		return nil, invalidParameter("Value for parameter TaskHandle is invalid.")
	}
	out := &api.CancelMessageMoveTaskResult{}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		q, err := s.deadLetters(ctx, tx, h.SourceArn)
		if err != nil {
			return err
		}
		p := q.place
		for e, err := range tasks.List(ctx, tx, p.scope(), store.ListOptions{Prefix: []any{p.name}}) {
			if err != nil {
				return err
			}
			t := e.Record
			if t.ID != h.TaskID {
				continue
			}
			if t.Status != running {
				return api.UnsupportedOperation("Only active tasks can be cancelled.")
			}
			t.Status = cancelled
			out.ApproximateNumberOfMessagesMoved = &t.Moved
			return first(tasks.Put(tx, p.scope(), t, e.Key.Parts()...), active.Delete(tx, store.Scope{}, p.account, p.region, p.name))
		}
		return api.ResourceNotFoundException("Task does not exist.")
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// stride is the most messages that a task moves in one transaction.
const stride = 100

// moveAll takes every task that runs a step further, and reports whether there are any
// left, and whether any could go on at once.
func (s *Service) moveAll(ctx context.Context, elapsed bool) (left, more bool, err error) {
	type job struct {
		p place
		a activeTask
	}
	var jobs []job
	err = s.Store.View(ctx, func(r store.Reader) error {
		jobs = nil
		for e, err := range active.List(ctx, r, store.Scope{}, store.ListOptions{}) {
			if err != nil {
				return err
			}
			jobs = append(jobs, job{place{e.Key.String(1), e.Key.String(0), e.Key.String(2)}, e.Record})
		}
		return nil
	})
	if err != nil {
		return false, false, err
	}
	for _, j := range jobs {
		on, at, err := s.moveSome(ctx, j.p, j.a, elapsed)
		if err != nil {
			return true, false, err
		}
		left, more = left || on, more || at
	}
	return left, more, nil
}

// moveSome takes a task a step further: up to what it may move in a second if one has
// passed, or up to a stride if it may go as fast as it can.
func (s *Service) moveSome(ctx context.Context, p place, a activeTask, elapsed bool) (on, more bool, err error) {
	var h hints
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		on, more = false, false
		h.reset()
		t, err := tasks.Get(ctx, tx, p.scope(), p.name, a.Started, a.ID)
		if isNotFound(err) || err == nil && t.Status != running {
			return active.Delete(tx, store.Scope{}, p.account, p.region, p.name)
		}
		if err != nil {
			return err
		}
		n := stride
		if t.Rate != 0 {
			if n = int(t.Rate); !elapsed {
				on = true
				return nil
			}
		}
		q, err := s.queue(ctx, tx, p)
		if err != nil {
			return err
		}
		done, reason, err := s.moveBatch(ctx, tx, q, &t, n, &h)
		if err != nil {
			return err
		}
		switch {
		case reason != "":
			t.Status, t.Reason = broken, reason
		case done < n:
			t.Status = completed
		}
		if on = t.Status == running; !on {
			if err := active.Delete(tx, store.Scope{}, p.account, p.region, p.name); err != nil {
				return err
			}
		}
		more = on && t.Rate == 0
		return tasks.Put(tx, p.scope(), t, p.name, a.Started, a.ID)
	})
	if err == nil {
		s.tell(&h)
	}
	return on, more, err
}

// moveBatch moves up to n messages that can be received now, until one cannot be moved,
// for the reason returned.
func (s *Service) moveBatch(ctx context.Context, tx store.Tx, q *queue, t *moveTask, n int, h *hints) (done int, reason string, err error) {
	now := s.Clock.Now()
	heads, err := s.ready(ctx, tx, q, n, now.UnixMicro())
	if err != nil {
		return 0, "", err
	}
	for _, x := range heads {
		m, err := messages.Get(ctx, tx, q.place.scope(), q.Number, x.ref[:])
		if isNotFound(err) {
			done++
			continue
		}
		if err != nil {
			return done, "", err
		}
		to := t.Destination
		if to == "" {
			to = m.source
		}
		p, ok := placeOfARN(to)
		if !ok {
			return done, "CouldNotDetermineMessageSource", nil
		}
		d, err := s.queue(ctx, tx, p)
		if aws.CodeOf(err) == "QueueDoesNotExist" {
			return done, "AWS.SimpleQueueService.NonExistentQueue", nil
		}
		if err != nil {
			return done, "", err
		}
		if err := s.remove(ctx, tx, q, x, now.UnixMicro(), h); err != nil {
			return done, "", err
		}
		if err := s.resend(ctx, tx, d, m, now, h); err != nil {
			return done, "", err
		}
		done++
		t.Moved++
	}
	return done, "", nil
}

// resend puts a message into a queue as a new one.
func (s *Service) resend(ctx context.Context, tx store.Tx, q *queue, m message, now time.Time, h *hints) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	m.sent, m.source, m.seq = now.UnixMilli(), "", 0
	if q.FIFO {
		m.seq = s.next(now.UnixMicro())
	}
	return s.shelve(ctx, tx, q, newRef(now.UnixMicro(), id), m, state{}, now.Add(q.limits.delay).UnixMicro(), h)
}

// A spot is where a message that can be received lies.
type spot struct {
	ref   ref
	at    int64
	state state
	group string
	seq   uint64
}

// spots are a queue's messages, in the order in which they are received, more or less.
func (q *queue) spots(ctx context.Context, r store.Reader) iter.Seq2[spot, error] {
	scope, of := q.place.scope(), store.ListOptions{Prefix: []any{q.Number}}
	return func(yield func(spot, error) bool) {
		if q.FIFO {
			for e, err := range members.List(ctx, r, scope, of) {
				if !yield(spot{e.Record.ref, e.Record.at, e.Record.state, e.Key.String(1), e.Key.Uint(2)}, err) {
					return
				}
			}
			return
		}
		for e, err := range index.List(ctx, r, scope, of) {
			if !yield(spot{ref: refOf(e.Key.Bytes(2)), at: e.Key.Int(1), state: e.Record}, err) {
				return
			}
		}
	}
}

// ready are up to n messages that can be received now.
func (s *Service) ready(ctx context.Context, r store.Reader, q *queue, n int, now int64) (out []spot, err error) {
	scope := q.place.scope()
	for e, err := range index.List(ctx, r, scope, store.ListOptions{Prefix: []any{q.Number}, To: []any{q.Number, now + 1}}) {
		if err != nil {
			return nil, err
		}
		if len(out) == n {
			break
		}
		if !q.FIFO {
			out = append(out, spot{ref: refOf(e.Key.Bytes(2)), at: e.Key.Int(1), state: e.Record})
			continue
		}
		name := string(e.Key.Bytes(2))
		for m, err := range members.List(ctx, r, scope, store.ListOptions{Prefix: []any{q.Number, name}, Limit: n - len(out)}) {
			if err != nil {
				return nil, err
			}
			if m.Record.at > now {
				break
			}
			out = append(out, spot{m.Record.ref, m.Record.at, m.Record.state, name, m.Key.Uint(2)})
		}
	}
	return out, nil
}

// remove takes a message out of its queue.
func (s *Service) remove(ctx context.Context, tx store.Tx, q *queue, x spot, now int64, h *hints) error {
	scope := q.place.scope()
	if err := messages.Delete(tx, scope, q.Number, x.ref[:]); err != nil {
		return err
	}
	if !q.FIFO {
		return first(index.Delete(tx, scope, q.Number, x.at, x.ref[:]), forgetMoved(tx, q, x.ref, x.state))
	}
	return first(members.Delete(tx, scope, q.Number, x.group, x.seq), s.settle(ctx, tx, q, x.group, now, h))
}
