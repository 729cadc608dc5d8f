package logs

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/script"
)

// A ground is a service in an empty house, with the plain list of what was put.
type ground struct {
	t      testing.TB
	h      *script.House
	s      *Service
	ctx    context.Context
	chance *rand.Rand
	put    map[string]api.InputLogEvent // by message, which begins with the stream's name
	n      int
}

const start = 1767323045000 // the house's clock

func newGround(t testing.TB, streams ...string) *ground {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	g := &ground{t: t, h: h, s: house(h), ctx: h.Context(t.Context()), chance: rand.New(rand.NewPCG(1, 2)), put: map[string]api.InputLogEvent{}}
	must(t)(g.s.createLogGroup(g.ctx, &api.CreateLogGroupRequest{LogGroupName: ptr("g")}))
	for _, name := range streams {
		must(t)(g.s.createLogStream(g.ctx, &api.CreateLogStreamRequest{LogGroupName: ptr("g"), LogStreamName: &name}))
	}
	return g
}

func must(t testing.TB) func(any, error) {
	t.Helper()
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// batch puts some events at times of the seconds around now.
func (g *ground) batch(stream string) {
	g.t.Helper()
	var events []api.InputLogEvent
	for range 1 + g.chance.IntN(8) {
		g.n++
		level := []string{"INFO", "ERROR"}[g.chance.IntN(2)]
		e := api.InputLogEvent{Timestamp: ptr(start + g.chance.Int64N(4000)), Message: ptr(fmt.Sprintf("%s %06d %s", stream, g.n, level))}
		if g.chance.IntN(20) == 0 {
			*e.Message += strings.Repeat(" much", 20000)
		}
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(a, b api.InputLogEvent) int { return cmp.Compare(*a.Timestamp, *b.Timestamp) })
	must(g.t)(g.s.putLogEvents(g.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: &stream, LogEvents: events}))
	for _, e := range events {
		g.put[*e.Message] = e
	}
}

// messages are those put so far that are wanted, by their times.
func (g *ground) messages(wanted func(message string, at int64) bool) []string {
	var out []string
	for m, e := range g.put {
		if wanted(m, *e.Timestamp) {
			out = append(out, m)
		}
	}
	g.sort(out)
	return out
}

// sort orders messages by time, and those of one time by themselves: among them the
// service's order is the streams' own.
func (g *ground) sort(messages []string) {
	slices.SortFunc(messages, func(a, b string) int {
		return cmp.Or(cmp.Compare(*g.put[a].Timestamp, *g.put[b].Timestamp), strings.Compare(a, b))
	})
}

// filter collects every page, and does between after each.
func (g *ground) filter(in api.FilterLogEventsRequest, between func()) []string {
	g.t.Helper()
	in.LogGroupName = ptr("g")
	var got []string
	ids := map[string]bool{}
	last := int64(0)
	for {
		out, err := g.s.filterLogEvents(g.ctx, &in)
		if err != nil {
			g.t.Fatal(err)
		}
		for _, e := range out.Events {
			if ids[*e.EventId] || *e.Timestamp < last || !strings.HasPrefix(*e.Message, *e.LogStreamName+" ") {
				g.t.Fatalf("%s: again, out of order or of another stream", *e.EventId)
			}
			ids[*e.EventId], last = true, *e.Timestamp
			got = append(got, *e.Message)
		}
		if out.NextToken == nil {
			return got
		}
		in.NextToken = out.NextToken
		between()
	}
}

// get collects the pages of a stream in one direction, in the order of time.
func (g *ground) get(in api.GetLogEventsRequest, between func()) []string {
	g.t.Helper()
	in.LogGroupName = ptr("g")
	var got []string
	for {
		out, err := g.s.getLogEvents(g.ctx, &in)
		if err != nil {
			g.t.Fatal(err)
		}
		var page []string
		for _, e := range out.Events {
			page = append(page, *e.Message)
		}
		next := out.NextBackwardToken
		if in.StartFromHead != nil && *in.StartFromHead {
			next = out.NextForwardToken
			got = append(got, page...)
		} else {
			got = append(page, got...)
		}
		if in.NextToken != nil && *next == *in.NextToken {
			return got
		}
		in.NextToken = next
		between()
	}
}

func (g *ground) same(what string, got, want []string) {
	g.t.Helper()
	if !slices.IsSortedFunc(got, func(a, b string) int { return cmp.Compare(*g.put[a].Timestamp, *g.put[b].Timestamp) }) {
		g.t.Fatalf("%s: out of order", what)
	}
	got = slices.Clone(got)
	g.sort(got)
	if !slices.Equal(got, want) {
		g.t.Fatalf("%s: %d events, want %d", what, len(got), len(want))
	}
}

// TestReadsEqualSortedPuts holds every way to read against a plain sort and filter.
func TestReadsEqualSortedPuts(t *testing.T) {
	all := []string{"a1", "a2", "b1", "b2"}
	g := newGround(t, all...)
	nothing := func() {}
	for round := range 40 {
		for range 3 {
			g.batch(all[g.chance.IntN(len(all))])
		}
		from, to := start+g.chance.Int64N(4000), start+g.chance.Int64N(4000)
		limit := ptr(int32(1 + g.chance.IntN(40)))
		g.same("all", g.filter(api.FilterLogEventsRequest{Limit: limit}, nothing), g.messages(func(string, int64) bool { return true }))
		g.same("a part", g.filter(api.FilterLogEventsRequest{Limit: limit, StartTime: &from, EndTime: &to, FilterPattern: ptr("ERROR"), LogStreamNamePrefix: ptr("a")}, nothing),
			g.messages(func(m string, at int64) bool {
				return m[0] == 'a' && strings.Contains(m, "ERROR") && from <= at && at <= to
			}))
		g.same("one", g.filter(api.FilterLogEventsRequest{StartTime: &from, LogStreamNames: []string{"b1"}}, nothing),
			g.messages(func(m string, at int64) bool { return m[:2] == "b1" && from <= at }))
		g.same("two", g.filter(api.FilterLogEventsRequest{EndTime: &to, LogStreamNames: []string{"b1", "a2"}}, nothing),
			g.messages(func(m string, at int64) bool { return (m[:2] == "b1" || m[:2] == "a2") && at <= to }))
		head := round%2 == 0
		g.same("a stream", g.get(api.GetLogEventsRequest{LogStreamName: ptr("a1"), Limit: limit, StartFromHead: &head, StartTime: &from, EndTime: &to}, nothing),
			g.messages(func(m string, at int64) bool { return m[:2] == "a1" && from <= at && at < to }))
	}
}

// TestPagesWhileEventsArrive reads page by page while more is put: what was there at
// the start comes exactly once.
func TestPagesWhileEventsArrive(t *testing.T) {
	all := []string{"a", "b", "c"}
	g := newGround(t, all...)
	for range 60 {
		g.batch(all[g.chance.IntN(len(all))])
	}
	more := func() { g.batch(all[g.chance.IntN(len(all))]) }
	check := func(what, stream string, read func() []string) {
		t.Helper()
		want := g.messages(func(m string, _ int64) bool { return strings.HasPrefix(m, stream) })
		seen := map[string]int{}
		for _, m := range read() {
			if seen[m]++; seen[m] > 1 {
				t.Fatalf("%s: %.20q came twice", what, m)
			}
		}
		for _, m := range want {
			if seen[m] == 0 {
				t.Fatalf("%s: %.20q did not come", what, m)
			}
		}
	}
	check("filter", "", func() []string { return g.filter(api.FilterLogEventsRequest{Limit: ptr(int32(20))}, more) })
	check("forwards", "a", func() []string {
		return g.get(api.GetLogEventsRequest{LogStreamName: ptr("a"), Limit: ptr(int32(20)), StartFromHead: ptr(true)}, func() {
			if g.n < 3000 {
				more()
			}
		})
	})
	check("backwards", "a", func() []string {
		return g.get(api.GetLogEventsRequest{LogStreamName: ptr("a"), Limit: ptr(int32(20))}, more)
	})
}
