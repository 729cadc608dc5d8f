// Package courier takes the lines of API Gateway's execution and access logs from requests
// and writes them to CloudWatch Logs, or Firehose, in batches.
package courier

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	firehose "github.com/tule-cloud/tule/api/firehose"
	logs "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// An Event is a line, with its time in milliseconds since 1970.
type Event = logs.InputLogEvent

// ErrNobody is of lines that there is nobody to write in whose name: they are not written.
var ErrNobody = errors.New("courier: nobody is to write the log")

// Options furnish a Courier. All are required.
type Options struct {
	Clock  aws.Clock
	Logger *slog.Logger
	Peers  aws.Peers
	// As is ctx with the request in whose name lines go to a target; ErrNobody if there is
	// nobody.
	As func(ctx context.Context, to Target) (context.Context, error)
}

const (
	flushEvery = 500 * time.Millisecond
	lastFlush  = 10 * time.Second // for what is left at the end
	MaxPending = 50_000           // lines; a request with more of them waits for room
	maxWait    = 5 * time.Second  // for room; what then has none is lost, and counted
	maxEvents  = 10_000           // of one PutLogEvents
	maxBatch   = 1 << 20          // bytes of one PutLogEvents, 26 for each event beside its text
)

// A Courier takes lines and writes them behind the back of those who give them, who wait
// only where they give them faster than that. It is safe for concurrent use.
type Courier struct {
	o       Options
	mu      sync.Mutex
	pending map[Target][]Event // of Firehose's streams, too
	count   int
	lost    int
	wake    chan struct{} // something is pending
	many    chan struct{} // so much that the flush is not to wait
	room    chan struct{} // closed, and replaced, when there is room again
}

// A Target is where lines go: a stream of a log group, or a delivery stream.
type Target struct {
	Account, Region string // whose it is
	Group, Stream   string
	Create          bool // the group, if it is not there
	Firehose        string
}

// New returns a Courier that has nothing yet. Run has it write.
func New(o Options) *Courier {
	return &Courier{o: o, pending: map[Target][]Event{}, wake: make(chan struct{}, 1), many: make(chan struct{}, 1), room: make(chan struct{})}
}

// Line takes one line.
func (l *Courier) Line(ctx context.Context, to Target, text string, at time.Time) {
	ms := at.UnixMilli()
	l.Take(ctx, to, Event{Message: &text, Timestamp: &ms})
}

// Take has events wait for the next flush, once there is room for them.
func (l *Courier) Take(ctx context.Context, to Target, events ...Event) {
	room := l.wait(to, events...)
	if room == nil {
		return
	}
	late, stop := l.o.Clock.After(maxWait)
	defer stop()
	for room != nil {
		select {
		case <-room:
			room = l.wait(to, events...)
		case <-late:
			l.lose(len(events))
			return
		case <-ctx.Done():
			l.lose(len(events))
			return
		}
	}
}

func (l *Courier) lose(lines int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost += lines
}

// wait has events wait for the next flush; where there is no room for them, what it returns
// is closed when there is.
func (l *Courier) wait(to Target, events ...Event) (room <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count > 0 && l.count+len(events) > MaxPending {
		return l.room
	}
	l.pending[to] = append(l.pending[to], events...)
	l.count += len(events)
	signal(l.wake)
	if l.count > MaxPending/2 {
		signal(l.many)
	}
	return nil
}

// signal leaves one signal in a channel.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends, and then the rest.
func (l *Courier) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			l.Flush(end)
			return ctx.Err()
		case <-l.wake:
		}
		later, stop := l.o.Clock.After(flushEvery)
		select {
		case <-later:
			l.Flush(ctx)
		case <-l.many:
			l.Flush(ctx)
		case <-ctx.Done():
		}
		stop()
	}
}

// Flush writes all that is pending.
func (l *Courier) Flush(ctx context.Context) {
	l.mu.Lock()
	pending, lost := l.pending, l.lost
	l.pending, l.count, l.lost = map[Target][]Event{}, 0, 0
	close(l.room)
	l.room = make(chan struct{})
	l.mu.Unlock()
	if lost > 0 {
		l.o.Logger.Warn("log lines were lost: they came faster than they could be written", "lines", lost)
	}
	for to, events := range pending {
		rest, err := l.write(ctx, to, events)
		if err == nil {
			continue
		}
		if e := aws.CodeOf(err); e == "" || e == "ThrottlingException" || e == "ServiceUnavailableException" {
			if l.wait(to, rest...) != nil { // it may pass, but others wait for the room
				l.lose(len(rest))
			}
		}
		l.o.Logger.Warn("a log could not be written", "group", to.Group, "stream", to.Stream, "firehose", to.Firehose, "lines", len(rest), "error", err)
	}
}

// write sends events where they go. What is left did not get there.
func (l *Courier) write(ctx context.Context, to Target, events []Event) (left []Event, err error) {
	ctx, err = l.o.As(ctx, to)
	if errors.Is(err, ErrNobody) {
		return nil, nil
	}
	if err != nil {
		return events, err
	}
	if to.Firehose != "" {
		return l.deliver(ctx, to.Firehose, events)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return int(*a.Timestamp - *b.Timestamp) })
	for len(events) > 0 {
		n := batch(events)
		in := &logs.PutLogEventsRequest{LogGroupName: &to.Group, LogStreamName: &to.Stream, LogEvents: events[:n]}
		_, err := logs.PutLogEvents.Do(ctx, l.o.Peers, in)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			if err = l.create(ctx, to); err == nil {
				_, err = logs.PutLogEvents.Do(ctx, l.o.Peers, in)
			}
		}
		if err != nil {
			return events, err
		}
		events = events[n:]
	}
	return nil, nil
}

// maxRecords is how many records one PutRecordBatch takes.
const maxRecords = 500

// deliver sends events to a delivery stream, a line each.
func (l *Courier) deliver(ctx context.Context, stream string, events []Event) (left []Event, err error) {
	for len(events) > 0 {
		n := min(batch(events), maxRecords)
		in := &firehose.PutRecordBatchInput{DeliveryStreamName: &stream}
		for _, e := range events[:n] {
			in.Records = append(in.Records, firehose.Record{Data: []byte(*e.Message + "\n")})
		}
		out, err := firehose.PutRecordBatch.Do(ctx, l.o.Peers, in)
		if err != nil {
			return events, err
		}
		for i, r := range out.RequestResponses {
			if r.ErrorCode != nil && i < n {
				left = append(left, events[i])
			}
		}
		events = events[n:]
	}
	if len(left) > 0 {
		err = firehose.ServiceUnavailableException("%d records were not taken", len(left))
	}
	return left, err
}

// create makes the stream, and its group where that is API Gateway's to make.
func (l *Courier) create(ctx context.Context, to Target) error {
	if to.Create {
		_, err := logs.CreateLogGroup.Do(ctx, l.o.Peers, &logs.CreateLogGroupRequest{LogGroupName: &to.Group})
		if err != nil && aws.CodeOf(err) != "ResourceAlreadyExistsException" {
			return err
		}
	}
	_, err := logs.CreateLogStream.Do(ctx, l.o.Peers, &logs.CreateLogStreamRequest{LogGroupName: &to.Group, LogStreamName: &to.Stream})
	if err != nil && aws.CodeOf(err) != "ResourceAlreadyExistsException" {
		return err
	}
	return nil
}

// batch is how many events fit one PutLogEvents.
func batch(events []Event) int {
	bytes, n := 0, 0
	for n < len(events) && n < maxEvents {
		if bytes += len(*events[n].Message) + 26; bytes > maxBatch && n > 0 {
			break
		}
		n++
	}
	return n
}
