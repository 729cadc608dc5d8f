package courier

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	logs "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// office is CloudWatch Logs, which keeps lines by group.
type office struct {
	mu     sync.Mutex
	groups map[string][]string
	busy   int // how often it is too busy yet
}

func (o *office) routes() []aws.Route {
	return []aws.Route{
		logs.CreateLogGroup.To(func(_ context.Context, in *logs.CreateLogGroupRequest) (*aws.Empty, error) { return nil, nil }, aws.Anywhere),
		logs.CreateLogStream.To(func(_ context.Context, in *logs.CreateLogStreamRequest) (*aws.Empty, error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.groups[*in.LogGroupName] = []string{}
			return nil, nil
		}, aws.Anywhere),
		logs.PutLogEvents.To(func(ctx context.Context, in *logs.PutLogEventsRequest) (*logs.PutLogEventsResponse, error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.busy > 0 {
				o.busy--
				return nil, logs.ServiceUnavailableException("busy")
			}
			if o.groups[*in.LogGroupName] == nil {
				return nil, logs.ResourceNotFoundException("The specified log group does not exist.")
			}
			for _, e := range in.LogEvents {
				o.groups[*in.LogGroupName] = append(o.groups[*in.LogGroupName], *e.Message)
			}
			return &logs.PutLogEventsResponse{}, nil
		}, aws.Anywhere),
	}
}

func newTest(t *testing.T) (c *Courier, o *office, said *bytes.Buffer) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	o, said = &office{groups: map[string][]string{}}, &bytes.Buffer{}
	h.Add(o.routes())
	c = New(Options{Clock: h.Clock, Logger: slog.New(slog.NewTextHandler(said, nil)), Peers: h, As: func(ctx context.Context, to Target) (context.Context, error) {
		if to.Account == "nobody" {
			return nil, ErrNobody
		}
		return h.Context(ctx), nil
	}})
	return c, o, said
}

var group = Target{Group: "group", Stream: "stream", Create: true}

func lines(n int) []Event {
	text, at := "line", int64(0)
	return slices.Repeat([]Event{{Message: &text, Timestamp: &at}}, n)
}

// Whoever gives lines where there is no room for them waits until there is; if they leave
// before, their lines are lost, and the log says how many.
func TestPushBack(t *testing.T) {
	c, o, said := newTest(t)
	c.Take(t.Context(), group, lines(MaxPending)...)
	gone, leave := context.WithCancel(t.Context())
	leave()
	c.Take(gone, group, lines(3)...)
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		c.Take(t.Context(), group, lines(2)...)
	}()
	select {
	case <-taken:
		t.Error("nobody waited")
	default:
	}
	c.Flush(t.Context()) // which makes room
	<-taken
	c.Flush(t.Context())
	if n := len(o.groups["group"]); n != MaxPending+2 {
		t.Errorf("%d lines were written", n)
	}
	if !strings.Contains(said.String(), "lines=3") {
		t.Errorf("%s", said)
	}
}

// What Logs does not take now it gets with the next flush; what is nobody's to write is not
// written.
func TestAgain(t *testing.T) {
	c, o, _ := newTest(t)
	o.busy = 1
	c.Line(t.Context(), group, "one", time.UnixMilli(1))
	c.Line(t.Context(), Target{Account: "nobody", Group: "other", Stream: "s", Create: true}, "two", time.UnixMilli(2))
	c.Flush(t.Context())
	if len(o.groups["group"]) != 0 {
		t.Error(o.groups)
	}
	c.Flush(t.Context())
	if got := o.groups["group"]; len(got) != 1 || got[0] != "one" || o.groups["other"] != nil {
		t.Error(o.groups)
	}
}
