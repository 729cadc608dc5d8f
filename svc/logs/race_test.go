package logs

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// putters puts from several goroutines at once until each has put n batches or is told
// that its stream is no more. It returns the messages that were acknowledged.
func (g *ground) putters(stream string, n int) (wait func() []string) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var acknowledged []string
	for w := range 8 {
		wg.Go(func() {
			for i := range n {
				message := fmt.Sprintf("%s %d %d", stream, w, i)
				_, err := g.s.putLogEvents(g.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: &stream,
					LogEvents: []api.InputLogEvent{{Timestamp: ptr(int64(start)), Message: &message}}})
				if aws.CodeOf(err) == "ResourceNotFoundException" {
					return
				}
				if err != nil {
					g.t.Error(err)
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, message)
				mu.Unlock()
			}
		})
	}
	return func() []string {
		wg.Wait()
		return acknowledged
	}
}

// TestPutsAtOnce puts to one stream from everywhere: nothing is lost or overwritten.
func TestPutsAtOnce(t *testing.T) {
	g := newGround(t, "s")
	want := g.putters("s", 30)()
	out, err := g.s.getLogEvents(g.ctx, &api.GetLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: ptr("s")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range out.Events {
		got = append(got, *e.Message)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d events, %d were acknowledged", len(got), len(want))
	}
}

// TestDeletionsAmongPuts deletes under the hands of those who put: what is deleted
// leaves nothing behind.
func TestDeletionsAmongPuts(t *testing.T) {
	for name, drop := range map[string]func(*ground) error{
		"group": func(g *ground) error {
			_, err := g.s.deleteLogGroup(g.ctx, &api.DeleteLogGroupRequest{LogGroupName: ptr("g")})
			return err
		},
		"stream": func(g *ground) error {
			_, err := g.s.deleteLogStream(g.ctx, &api.DeleteLogStreamRequest{LogGroupName: ptr("g"), LogStreamName: ptr("s")})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t, "s")
			began := chunks.WatchAll(t.Context(), g.h.Store)
			wait := g.putters("s", 1_000_000)
			<-began
			must(t)(nil, drop(g))
			wait()
			if g.left() != 0 {
				t.Errorf("%d records are left", g.left())
			}
		})
	}
}

// TestStreamsByTime pages through many streams by the time of their last events.
func TestStreamsByTime(t *testing.T) {
	var all []string
	for i := range 90 {
		all = append(all, fmt.Sprintf("s%02d", i))
	}
	g := newGround(t, all...)
	for range 120 {
		g.batch(all[g.chance.IntN(len(all))])
	}
	last := map[string]int64{}
	for m, e := range g.put {
		name, _, _ := strings.Cut(m, " ")
		last[name] = max(last[name], *e.Timestamp)
	}
	slices.SortStableFunc(all, func(a, b string) int { return int(last[a] - last[b]) })
	for _, descending := range []bool{false, true} {
		in := &api.DescribeLogStreamsRequest{LogGroupName: ptr("g"), OrderBy: ptr(api.OrderByLastEventTime), Descending: &descending, Limit: ptr(int32(7))}
		var got []string
		for {
			out, err := g.s.describeLogStreams(g.ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range out.LogStreams {
				if aws.Value(d.LastEventTimestamp) != last[*d.LogStreamName] {
					t.Errorf("%s ends at %d, not %d", *d.LogStreamName, aws.Value(d.LastEventTimestamp), last[*d.LogStreamName])
				}
				got = append(got, *d.LogStreamName)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		if descending {
			slices.Reverse(got)
		}
		if !slices.Equal(got, all) {
			t.Errorf("descending %v: %v, want %v", descending, got, all)
		}
	}
}
