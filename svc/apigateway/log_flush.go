package apigateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	firehose "github.com/tule-cloud/tule/api/firehose"
	logs "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	flushEvery = 500 * time.Millisecond
	lastFlush  = 10 * time.Second // for what is left at the end
	maxPending = 50_000           // lines; a request with more of them waits for room
	maxWait    = 5 * time.Second  // for room; what then has none is lost, and counted
	maxEvents  = 10_000           // of one PutLogEvents
	maxBatch   = 1 << 20          // bytes of one PutLogEvents, 26 for each event beside its text
)

// A logFlusher takes execution and access logs from requests and writes them to
// CloudWatch Logs, or Firehose, in batches, under the role that the account names for
// this. Requests that log faster than that wait.
type logFlusher struct {
	s       *Service
	mu      sync.Mutex
	pending map[logTarget][]logs.InputLogEvent // of Firehose's streams, too
	count   int
	lost    int
	wake    chan struct{} // something is pending
	many    chan struct{} // so much that the flush is not to wait
	room    chan struct{} // closed, and replaced, when there is room again
}

// logTarget is where lines go: a stream of a log group, or a delivery stream.
type logTarget struct {
	owner         store.Scope
	group, stream string
	create        bool // the group, if it is not there
	firehose      string
}

func newLogFlusher(s *Service) *logFlusher {
	return &logFlusher{s: s, pending: map[logTarget][]logs.InputLogEvent{}, wake: make(chan struct{}, 1), many: make(chan struct{}, 1), room: make(chan struct{})}
}

// post takes the execution log of one request.
func (l *logFlusher) post(ctx context.Context, owner store.Scope, apiID, stage string, events []logs.InputLogEvent) {
	to := logTarget{owner: owner, group: "API-Gateway-Execution-Logs_" + apiID + "/" + stage, stream: streamOf(owner, apiID, stage), create: true}
	l.take(ctx, to, events...)
}

// add takes one line of an access log.
func (l *logFlusher) add(ctx context.Context, to logTarget, line string, at time.Time) {
	l.take(ctx, to, logs.InputLogEvent{Message: &line, Timestamp: ptr(at.UnixMilli())})
}

// take has events wait for the next flush, once there is room for them.
func (l *logFlusher) take(ctx context.Context, to logTarget, events ...logs.InputLogEvent) {
	room := l.wait(to, events...)
	if room == nil {
		return
	}
	late, stop := l.s.Clock.After(maxWait)
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

func (l *logFlusher) lose(lines int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost += lines
}

// wait has events wait for the next flush; where there is no room for them, what it returns
// is closed when there is.
func (l *logFlusher) wait(to logTarget, events ...logs.InputLogEvent) (room <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count > 0 && l.count+len(events) > maxPending {
		return l.room
	}
	l.pending[to] = append(l.pending[to], events...)
	l.count += len(events)
	signal(l.wake)
	if l.count > maxPending/2 {
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

func (l *logFlusher) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			l.flush(end)
			return ctx.Err()
		case <-l.wake:
		}
		later, stop := l.s.Clock.After(flushEvery)
		select {
		case <-later:
			l.flush(ctx)
		case <-l.many:
			l.flush(ctx)
		case <-ctx.Done():
		}
		stop()
	}
}

// flush writes all that is pending.
func (l *logFlusher) flush(ctx context.Context) {
	l.mu.Lock()
	pending, lost := l.pending, l.lost
	l.pending, l.count, l.lost = map[logTarget][]logs.InputLogEvent{}, 0, 0
	close(l.room)
	l.room = make(chan struct{})
	l.mu.Unlock()
	if lost > 0 {
		l.s.Logger.Warn("log lines were lost: they came faster than they could be written", "lines", lost)
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
		l.s.Logger.Warn("a log could not be written", "group", to.group, "stream", to.stream, "firehose", to.firehose, "lines", len(rest), "error", err)
	}
}

// write sends events where they go. What is left did not get there.
func (l *logFlusher) write(ctx context.Context, to logTarget, events []logs.InputLogEvent) (left []logs.InputLogEvent, err error) {
	ctx = aws.WithRequest(ctx, &aws.Request{ID: aws.RandomUUID(l.s.Random), Region: to.owner.Region, Time: l.s.Clock.Now(),
		Caller: aws.ServiceCaller(principal, to.owner.Account, "")})
	a, err := view(ctx, l.s, func(r store.Reader) (account, error) { return readAccount(ctx, r, to.owner) })
	if err != nil || a.LogRole == "" {
		return events, err
	}
	caller, err := l.s.sessionFor(ctx, a.LogRole, "")
	if err != nil {
		return events, err
	}
	ctx = aws.WithRequest(ctx, aws.RequestOf(ctx).As(caller))
	if to.firehose != "" {
		return l.deliver(ctx, to.firehose, events)
	}
	slices.SortStableFunc(events, func(a, b logs.InputLogEvent) int { return int(*a.Timestamp - *b.Timestamp) })
	for len(events) > 0 {
		n := batch(events)
		in := &logs.PutLogEventsRequest{LogGroupName: &to.group, LogStreamName: &to.stream, LogEvents: events[:n]}
		_, err := logs.PutLogEvents.Do(ctx, l.s.Peers, in)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			if err = l.create(ctx, to); err == nil {
				_, err = logs.PutLogEvents.Do(ctx, l.s.Peers, in)
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
func (l *logFlusher) deliver(ctx context.Context, stream string, events []logs.InputLogEvent) (left []logs.InputLogEvent, err error) {
	for len(events) > 0 {
		n := min(batch(events), maxRecords)
		in := &firehose.PutRecordBatchInput{DeliveryStreamName: &stream}
		for _, e := range events[:n] {
			in.Records = append(in.Records, firehose.Record{Data: []byte(*e.Message + "\n")})
		}
		out, err := firehose.PutRecordBatch.Do(ctx, l.s.Peers, in)
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
func (l *logFlusher) create(ctx context.Context, to logTarget) error {
	if to.create {
		_, err := logs.CreateLogGroup.Do(ctx, l.s.Peers, &logs.CreateLogGroupRequest{LogGroupName: &to.group})
		if err != nil && aws.CodeOf(err) != "ResourceAlreadyExistsException" {
			return err
		}
	}
	_, err := logs.CreateLogStream.Do(ctx, l.s.Peers, &logs.CreateLogStreamRequest{LogGroupName: &to.group, LogStreamName: &to.stream})
	if err != nil && aws.CodeOf(err) != "ResourceAlreadyExistsException" {
		return err
	}
	return nil
}

// batch is how many events fit one PutLogEvents.
func batch(events []logs.InputLogEvent) int {
	bytes, n := 0, 0
	for n < len(events) && n < maxEvents {
		if bytes += len(*events[n].Message) + 26; bytes > maxBatch && n > 0 {
			break
		}
		n++
	}
	return n
}

// streamOf names the stream of a stage: 32 hexadecimal digits.
func streamOf(owner store.Scope, apiID, stage string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{owner.Account, owner.Region, apiID, stage}, "/")))
	return hex.EncodeToString(sum[:16])
}
