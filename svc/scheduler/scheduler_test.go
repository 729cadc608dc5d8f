package scheduler

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/scheduler"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/events/cron"
)

func parse(text string) (Plan, bool) {
	e, ok := cron.Parse(text)
	return e, ok
}

func newTest(h *script.House) *Service {
	return New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Parse: parse})
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route { return newTest(h).Routes() })
}

// What the tests' schedules call.
const (
	queueARN = "arn:aws:sqs:us-east-1:000000000000:q"
	deadARN  = "arn:aws:sqs:us-east-1:000000000000:dead"
	roleARN  = "arn:aws:iam::000000000000:role/r"
)

// A message is what a queue was sent, and when.
type message struct {
	at         time.Time
	queue      string
	body       string
	group      string
	attributes map[string]string
	caller     aws.Caller
}

// A room is a service in a house, with doubles of SQS and STS. Nothing runs in it but what
// a test tells to, so that the clock moves from one thing that is due to the next.
type room struct {
	t *testing.T
	h *script.House
	*Service
	log *bytes.Buffer

	mu      sync.Mutex
	sent    []message
	asked   []aws.Caller // who wanted to assume the role
	counted map[string]int
	// arrive sees a message before all else. It may wait while others come.
	arrive func(m message)
	// refuse is the error that a message gets instead of being taken; deny that of a role.
	refuse func(m message) error
	deny   func() error
}

func newRoom(t *testing.T, change ...func(*Options)) *room {
	t.Helper()
	r := &room{t: t, h: script.New(), log: &bytes.Buffer{}, counted: map[string]int{}}
	t.Cleanup(func() { r.h.Store.Close() })
	r.h.Add([]aws.Route{sqsapi.SendMessage.To(r.send, aws.Nothing), stsapi.AssumeRole.To(r.assume, aws.Nothing)})
	r.restart(change...)
	return r
}

// restart is another process on the same disk.
func (r *room) restart(change ...func(*Options)) {
	o := Options{Store: r.h.Store, Clock: r.h.Clock, Random: r.h.Random, Peers: r.h, Parse: parse, Meter: r, Logger: slog.New(slog.NewTextHandler(r.log, nil))}
	for _, f := range change {
		f(&o)
	}
	r.Service = New(o)
}

func (r *room) send(ctx context.Context, in *sqsapi.SendMessageRequest) (*sqsapi.SendMessageResult, error) {
	m := message{at: r.h.Clock.Now(), queue: (*in.QueueUrl)[strings.LastIndexByte(*in.QueueUrl, '/')+1:], body: *in.MessageBody, group: aws.Value(in.MessageGroupId),
		attributes: map[string]string{}, caller: aws.RequestOf(ctx).Caller}
	for name, v := range in.MessageAttributes {
		m.attributes[name] = aws.Value(v.StringValue)
	}
	if r.arrive != nil {
		r.arrive(m)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		if err := r.refuse(m); err != nil {
			return nil, err
		}
	}
	r.sent = append(r.sent, m)
	return &sqsapi.SendMessageResult{}, nil
}

func (r *room) assume(ctx context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, aws.RequestOf(ctx).Caller)
	if r.deny != nil {
		if err := r.deny(); err != nil {
			return nil, err
		}
	}
	return &stsapi.AssumeRoleResponse{AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: new("AROA:" + *in.RoleSessionName), Arn: in.RoleArn}}, nil
}

// Measure implements aws.Meter.
func (r *room) Measure(m aws.Measurement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.Dimensions == nil {
		r.counted[m.Name] += int(m.Value)
	}
}

// do calls an operation.
func do[In, Out any](r *room, h aws.Handler[In, Out], in *In) *Out {
	r.t.Helper()
	out, err := h(r.h.Context(context.Background()), in)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// newSchedule is a schedule that sends the time at which it was due to the queue.
func newSchedule(name, expression string, change ...func(*api.CreateScheduleInput)) *api.CreateScheduleInput {
	in := &api.CreateScheduleInput{Name: &name, ScheduleExpression: &expression, FlexibleTimeWindow: &api.FlexibleTimeWindow{Mode: new(api.FlexibleTimeWindowModeOff)},
		Target: &api.Target{Arn: new(queueARN), RoleArn: new(roleARN), Input: new("<aws.scheduler.scheduled-time>")}}
	for _, f := range change {
		f(in)
	}
	return in
}

func (r *room) schedule(name, expression string, change ...func(*api.CreateScheduleInput)) {
	r.t.Helper()
	do(r, r.createSchedule, newSchedule(name, expression, change...))
}

// Changes of a new schedule.
type change = func(*api.CreateScheduleInput)

func zone(name string) change {
	return func(in *api.CreateScheduleInput) { in.ScheduleExpressionTimezone = &name }
}

func from(text string) change {
	return func(in *api.CreateScheduleInput) { in.StartDate = new(instant(text)) }
}

func until(text string) change {
	return func(in *api.CreateScheduleInput) { in.EndDate = new(instant(text)) }
}

func window(minutes int32) change {
	return func(in *api.CreateScheduleInput) {
		in.FlexibleTimeWindow = &api.FlexibleTimeWindow{Mode: new(api.FlexibleTimeWindowModeFlexible), MaximumWindowInMinutes: &minutes}
	}
}

// retries limits the tries and the age in seconds, and names the dead-letter queue.
func retries(attempts, age int32) change {
	return func(in *api.CreateScheduleInput) {
		in.Target.RetryPolicy = &api.RetryPolicy{MaximumRetryAttempts: &attempts, MaximumEventAgeInSeconds: &age}
		in.Target.DeadLetterConfig = &api.DeadLetterConfig{Arn: new(deadARN)}
	}
}

func input(text string) change {
	return func(in *api.CreateScheduleInput) { in.Target.Input = &text }
}

func disabled(in *api.CreateScheduleInput) { in.State = new(api.ScheduleStateDisabled) }

func thenDelete(in *api.CreateScheduleInput) {
	in.ActionAfterCompletion = new(api.ActionAfterCompletionDelete)
}

func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}

// first is the time of the first entry of a table that is ordered by time.
func first[T any](r *room, table store.Table[T]) (at time.Time) {
	r.t.Helper()
	err := r.h.Store.View(context.Background(), func(rd store.Reader) error {
		for e, err := range table.List(context.Background(), rd, store.Scope{}, store.ListOptions{Limit: 1}) {
			if err != nil {
				return err
			}
			at = e.Key.Time(0)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return at
}

// upcoming is when there is next something to do; zero if there never is.
func (r *room) upcoming() time.Time {
	r.t.Helper()
	at := first(r, due)
	if call := first(r, invocations); at.IsZero() || !call.IsZero() && call.Before(at) {
		at = call
	}
	return at
}

// settle does all that is due, and what comes of it at once.
func (r *room) settle() {
	r.t.Helper()
	for range 10_000 {
		if at := r.upcoming(); at.IsZero() || at.After(r.h.Clock.Now()) {
			return
		}
		if _, err := r.fireDue(context.Background()); err != nil {
			r.t.Fatal(err)
		}
		var wg sync.WaitGroup
		if _, err := r.startDue(context.Background(), &wg, make(chan struct{}, together)); err != nil {
			r.t.Fatal(err)
		}
		wg.Wait()
	}
	r.t.Fatal("there is no end of what is due")
}

// pass moves the clock to a time, with a stop at all that is due until then.
func (r *room) pass(to time.Time) {
	r.t.Helper()
	r.settle()
	for at := r.upcoming(); !at.IsZero() && !at.After(to); at = r.upcoming() {
		r.h.Clock.Advance(at.Sub(r.h.Clock.Now()))
		r.settle()
	}
	r.h.Clock.Advance(to.Sub(r.h.Clock.Now()))
}

// after moves the clock by d.
func (r *room) after(d time.Duration) {
	r.t.Helper()
	r.pass(r.h.Clock.Now().Add(d))
}

// bodies are what a queue was sent since it was last asked.
func (r *room) bodies(queue string) []string {
	var list []string
	for _, m := range r.taken(queue) {
		list = append(list, m.body)
	}
	return list
}

func (r *room) taken(queue string) []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []message
	r.sent = slices.DeleteFunc(r.sent, func(m message) bool {
		if m.queue == queue {
			list = append(list, m)
		}
		return m.queue == queue
	})
	// What is due at the same time is called in no order.
	slices.SortFunc(list, func(a, b message) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.body, b.body)) })
	return list
}

// check holds what the queue was sent against what it was to be.
func (r *room) check(want ...string) {
	r.t.Helper()
	if got := r.bodies("q"); !slices.Equal(got, want) {
		r.t.Errorf("the queue got %q, want %q", got, want)
	}
}

// quiet holds that nothing is left to be done.
func (r *room) quiet() {
	r.t.Helper()
	if at := r.upcoming(); !at.IsZero() {
		r.t.Errorf("something is still to be done at %v", at)
	}
}

// measured holds counts of AWS/Scheduler against what they are to be.
func (r *room) measured(want map[string]int) {
	r.t.Helper()
	if !maps.Equal(r.counted, want) {
		r.t.Errorf("measured %v, want %v", r.counted, want)
	}
}

// there reports whether a schedule is.
func (r *room) there(group, name string) bool {
	_, err := r.getSchedule(r.h.Context(context.Background()), &api.GetScheduleInput{GroupName: &group, Name: &name})
	if err != nil && !api.ResourceNotFoundException("").Is(err) {
		r.t.Fatal(err)
	}
	return err == nil
}
