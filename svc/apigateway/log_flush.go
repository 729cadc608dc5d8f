package apigateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	logs "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	flushEvery = 500 * time.Millisecond
	lastFlush  = 10 * time.Second // for what is left at the end
	maxPending = 50_000           // lines; what comes beyond is lost, and counted
	maxEvents  = 10_000           // of one PutLogEvents
	maxBatch   = 1 << 20          // bytes of one PutLogEvents, 26 for each event beside its text
)

// A logFlusher takes execution logs from requests and writes them to CloudWatch
// Logs in batches, under the role that the account names for this.
type logFlusher struct {
	s       *Service
	mu      sync.Mutex
	pending map[logTarget][]logs.InputLogEvent
	count   int
	lost    int
	wake    chan struct{}
}

// logTarget is a stage, whose log is one group.
type logTarget struct {
	owner        store.Scope
	apiID, stage string
}

func newLogFlusher(s *Service) *logFlusher {
	return &logFlusher{s: s, pending: map[logTarget][]logs.InputLogEvent{}, wake: make(chan struct{}, 1)}
}

// post takes the log of one request. It never waits.
func (l *logFlusher) post(owner store.Scope, apiID, stage, id string, lines []logLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count+len(lines) > maxPending {
		l.lost += len(lines)
		return
	}
	to := logTarget{owner, apiID, stage}
	for _, line := range lines {
		l.pending[to] = append(l.pending[to], logs.InputLogEvent{Message: ptr("(" + id + ") " + line.text), Timestamp: ptr(line.at.UnixMilli())})
	}
	l.count += len(lines)
	select {
	case l.wake <- struct{}{}:
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
	l.mu.Unlock()
	if lost > 0 {
		l.s.Logger.Warn("execution log lines were lost: they came faster than they could be written", "lines", lost)
	}
	for to, events := range pending {
		if err := l.write(ctx, to, events); err != nil {
			l.s.Logger.Warn("an execution log could not be written", "api", to.apiID, "stage", to.stage, "lines", len(events), "error", err)
		}
	}
}

// write appends events to the log of a stage.
func (l *logFlusher) write(ctx context.Context, to logTarget, events []logs.InputLogEvent) error {
	ctx = aws.WithRequest(ctx, &aws.Request{ID: aws.RandomUUID(l.s.Random), Region: to.owner.Region, Time: l.s.Clock.Now(),
		Caller: aws.ServiceCaller(principal, to.owner.Account, "")})
	a, err := view(ctx, l.s, func(r store.Reader) (account, error) { return readAccount(ctx, r, to.owner) })
	if err != nil || a.LogRole == "" {
		return err
	}
	caller, err := l.s.sessionFor(ctx, a.LogRole, "")
	if err != nil {
		return err
	}
	ctx = aws.WithRequest(ctx, aws.RequestOf(ctx).As(caller))
	group, stream := "API-Gateway-Execution-Logs_"+to.apiID+"/"+to.stage, streamOf(to)
	slices.SortStableFunc(events, func(a, b logs.InputLogEvent) int { return int(*a.Timestamp - *b.Timestamp) })
	for len(events) > 0 {
		n := batch(events)
		in := &logs.PutLogEventsRequest{LogGroupName: &group, LogStreamName: &stream, LogEvents: events[:n]}
		_, err := logs.PutLogEvents.Do(ctx, l.s.Peers, in)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			if err = l.create(ctx, group, stream); err == nil {
				_, err = logs.PutLogEvents.Do(ctx, l.s.Peers, in)
			}
		}
		if err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// create makes the group and the stream, whichever is missing.
func (l *logFlusher) create(ctx context.Context, group, stream string) error {
	_, err := logs.CreateLogGroup.Do(ctx, l.s.Peers, &logs.CreateLogGroupRequest{LogGroupName: &group})
	if err != nil && aws.CodeOf(err) != "ResourceAlreadyExistsException" {
		return err
	}
	_, err = logs.CreateLogStream.Do(ctx, l.s.Peers, &logs.CreateLogStreamRequest{LogGroupName: &group, LogStreamName: &stream})
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
func streamOf(to logTarget) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{to.owner.Account, to.owner.Region, to.apiID, to.stage}, "/")))
	return hex.EncodeToString(sum[:16])
}
