package logs

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/store"
)

// fill puts a batch of about a megabyte at one time.
func (g *ground) fill(stream string, at int64) {
	g.t.Helper()
	events := make([]api.InputLogEvent, 16)
	for i := range events {
		events[i] = api.InputLogEvent{Timestamp: &at, Message: ptr(stream + " " + strings.Repeat("x", 64<<10-100))}
	}
	must(g.t)(g.s.putLogEvents(g.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: &stream, LogEvents: events}))
}

// TestSearchIsBounded has much to search and little to find: a call ends early, with a
// token, and the calls come to an end even when everything is of one time.
func TestSearchIsBounded(t *testing.T) {
	for name, step := range map[string]int64{"seconds apart": 1000, "at once": 0} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t, "s", "other")
			for i := range int64(40) {
				g.fill("s", start+i*step)
			}
			last := start + 40*step
			must(t)(g.s.putLogEvents(g.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: ptr("other"),
				LogEvents: []api.InputLogEvent{{Timestamp: &last, Message: ptr("other needle")}}}))
			for _, names := range [][]string{nil, {"other"}, {"s", "other"}} {
				pages := 0
				// What is not there no sieve tells.
				got := g.filter(api.FilterLogEventsRequest{FilterPattern: ptr("-xx"), LogStreamNames: names}, func() { pages++ })
				if len(got) != 1 {
					t.Errorf("in %v: found %d", names, len(got))
				}
				if names == nil && step > 0 && pages < 2 {
					t.Errorf("in %v: %d more pages for 40 MB", names, pages)
				}
				if len(names) == 1 && pages > 0 {
					t.Errorf("in %v: %d more pages for one small stream", names, pages)
				}
			}
		})
	}
}

// TestSievesSpareReading searches what takes several calls to read, in one.
func TestSievesSpareReading(t *testing.T) {
	g := newGround(t, "s", "other")
	for i := range int64(40) {
		g.fill("s", start+i*1000)
	}
	must(t)(g.s.putLogEvents(g.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: ptr("other"),
		LogEvents: []api.InputLogEvent{{Timestamp: ptr(int64(start + 40000)), Message: ptr("other needle")}}}))
	for _, pattern := range []string{"needle", `?needle ?pin`, `%needl[ef]%`, `[a, b=needle]`} {
		pages := 0
		if got := g.filter(api.FilterLogEventsRequest{FilterPattern: &pattern}, func() { pages++ }); len(got) != 1 || pages > 0 {
			t.Errorf("%s: found %d, with %d more pages", pattern, len(got), pages)
		}
	}
}

func TestPagesAreAMegabyte(t *testing.T) {
	g := newGround(t, "s")
	for i := range int64(3) {
		g.fill("s", start+i)
	}
	out, err := g.s.filterLogEvents(g.ctx, &api.FilterLogEventsRequest{LogGroupName: ptr("g")})
	if err != nil || out.NextToken == nil || len(out.Events) != 16 {
		t.Errorf("filter: %d events, %v", len(out.Events), err)
	}
	got, err := g.s.getLogEvents(g.ctx, &api.GetLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: ptr("s")})
	if err != nil || len(got.Events) != 16 {
		t.Errorf("get: %d events, %v", len(got.Events), err)
	}
}

func TestLargestBatch(t *testing.T) {
	g := newGround(t, "s")
	put := func(size int) error {
		_, err := g.s.putLogEvents(g.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: ptr("s"),
			LogEvents: []api.InputLogEvent{{Timestamp: ptr(int64(start)), Message: ptr(strings.Repeat("x", size))}}})
		return err
	}
	if err := put(1<<20 - 26); err != nil {
		t.Error(err)
	}
	err := put(1<<20 - 25)
	if err == nil || err.Error() != "InvalidParameterException: Upload too large: 1048577 bytes exceeds limit of 1048576" {
		t.Error(err)
	}
	out, err := g.s.getLogEvents(g.ctx, &api.GetLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: ptr("s")})
	if err != nil || len(out.Events) != 1 || len(*out.Events[0].Message) != 1<<20-26 {
		t.Errorf("the largest event does not come back: %v", err)
	}
}

// chunks puts n events that are so far apart that each is a chunk.
func (g *ground) chunks(stream string, n int, from, step int64) {
	g.t.Helper()
	events := make([]api.InputLogEvent, n)
	for i := range events {
		events[i] = api.InputLogEvent{Timestamp: ptr(from + int64(i)*step), Message: ptr("four")}
	}
	must(g.t)(g.s.putLogEvents(g.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: &stream, LogEvents: events}))
}

// left counts the records that a group's events have in the store.
func (g *ground) left() (n int) {
	must(g.t)(nil, g.h.Store.View(g.ctx, func(r store.Reader) error {
		n = 0
		for _, table := range []store.Table[[]byte]{chunks, index, doomed} {
			for _, err := range table.All(g.ctx, r) {
				if err != nil {
					return err
				}
				n++
			}
		}
		return nil
	}))
	return n
}

func TestSweep(t *testing.T) {
	g := newGround(t, "a", "b")
	must(g.t)(g.s.putRetentionPolicy(g.ctx, &api.PutRetentionPolicyRequest{LogGroupName: ptr("g"), RetentionInDays: ptr(int32(1))}))
	// Each event is a chunk, and the next event the other stream's.
	for i, name := range []string{"a", "b"} {
		g.chunks(name, 1250, start+int64(i)*1001, 2002)
	}
	describe := func() (int64, []api.LogStream) {
		groups, err := g.s.describeLogGroups(g.ctx, &api.DescribeLogGroupsRequest{})
		must(t)(nil, err)
		streams, err := g.s.describeLogStreams(g.ctx, &api.DescribeLogStreamsRequest{LogGroupName: ptr("g")})
		must(t)(nil, err)
		return *groups.LogGroups[0].StoredBytes, streams.LogStreams
	}
	g.h.Clock.Advance(24*time.Hour + 2000*1001*time.Millisecond)
	must(t)(nil, g.s.Sweep(g.ctx))
	bytes, streams := describe()
	if bytes != 500*30 || *streams[0].FirstEventTimestamp != start+2000*1001 || *streams[1].FirstEventTimestamp != start+2001*1001 || g.left() != 1000 {
		t.Errorf("%d bytes and %d records are left, from %d and %d", bytes, g.left(), *streams[0].FirstEventTimestamp, *streams[1].FirstEventTimestamp)
	}
	g.h.Clock.Advance(time.Hour)
	must(t)(nil, g.s.Sweep(g.ctx))
	if bytes, streams = describe(); bytes != 0 || streams[0].FirstEventTimestamp != nil || streams[0].LastIngestionTime == nil || g.left() != 0 {
		t.Errorf("%d bytes and %d records are left", bytes, g.left())
	}
}

// TestSweepFinishesDeletions deletes a stream as a process would that dies halfway.
func TestSweepFinishesDeletions(t *testing.T) {
	g := newGround(t, "s", "t")
	g.chunks("s", 1200, start, 1001)
	g.s.store = failing{g.h.Store, ptr(1)}
	must(t)(g.s.deleteLogStream(g.ctx, &api.DeleteLogStreamRequest{LogGroupName: ptr("g"), LogStreamName: ptr("s")}))
	g.s.store = g.h.Store
	if g.left() != 2401 {
		t.Errorf("%d records are left", g.left())
	}
	if got := g.filter(api.FilterLogEventsRequest{}, func() {}); len(got) != 0 {
		t.Errorf("%d events of a deleted stream", len(got))
	}
	must(t)(nil, g.s.Sweep(g.ctx))
	if g.left() != 0 {
		t.Errorf("%d records are left after the sweep", g.left())
	}
}

// failing is a store that does so many updates.
type failing struct {
	store.Store
	left *int
}

func (f failing) Update(ctx context.Context, fn func(store.Tx) error) error {
	if *f.left--; *f.left < 0 {
		return store.ErrFull
	}
	return f.Store.Update(ctx, fn)
}

func TestRunSweepsNowAndThen(t *testing.T) {
	g := newGround(t, "s")
	must(g.t)(g.s.putRetentionPolicy(g.ctx, &api.PutRetentionPolicyRequest{LogGroupName: ptr("g"), RetentionInDays: ptr(int32(1))}))
	g.batch("s")
	changed := chunks.WatchAll(t.Context(), g.h.Store)
	ctx, stop := context.WithCancel(g.ctx)
	done := make(chan error)
	go func() { done <- g.s.Run(ctx) }()
	for g.h.Clock.Timers() == 0 {
		runtime.Gosched() // until it rests
	}
	g.h.Clock.Advance(24*time.Hour + 2*time.Minute)
	g.h.Clock.Advance(sweepEvery)
	<-changed
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestEventsOfASecondShareAChunk(t *testing.T) {
	var events []api.InputLogEvent
	for _, at := range []int64{0, 1000, 1001, 1500, 9000} {
		events = append(events, api.InputLogEvent{Timestamp: &at, Message: ptr("x")})
	}
	var sizes []int
	for p := (place{Stream: 7, Seq: 5}); len(events) > 0; {
		var c *chunk
		c, events = cutChunk(events, p, 1)
		sizes = append(sizes, len(c.events))
		back, err := decodeChunk(c.place, c.encode())
		if err != nil || !slices.Equal(back.events, c.events) {
			t.Errorf("%v becomes %v: %v", c.events, back, err)
		}
		p.Seq += uint64(len(c.events))
	}
	if !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Errorf("chunks of %v", sizes)
	}
}

// FuzzChunk reads records that are anything: each is damaged or comes back the same.
func FuzzChunk(f *testing.F) {
	f.Add((&chunk{ingested: 3, events: []event{{message: "a"}, {place: place{At: 2}, message: "bc"}}}).encode())
	f.Add([]byte{0, 255, 255, 255, 255, 15})
	f.Add(packed((&chunk{ingested: 3, events: []event{{message: strings.Repeat("abc", 100)}}}).encode()))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeChunk(place{}, b)
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again, err := decodePlain(place{}, c.encode())
		if err != nil || !slices.Equal(again.events, c.events) {
			t.Fatalf("%v becomes %v: %v", c, again, err)
		}
		var tl tail
		if tl.UnmarshalBinary(b) == nil {
			if out, _ := tl.MarshalBinary(); new(tail).UnmarshalBinary(out) != nil {
				t.Fatalf("%+v does not come back", tl)
			}
		}
	})
}

// FuzzStreamToken holds that tokens lead to where they were made, and others nowhere.
func FuzzStreamToken(f *testing.F) {
	f.Add("f/30000001767323045007000000000000000000000000000000000002/s")
	f.Fuzz(func(t *testing.T, text string) {
		if direction, p, ok := parseStreamToken(text); ok && *streamToken(direction, p) != text {
			t.Fatalf("%q is %s %v", text, direction, p)
		}
	})
}
