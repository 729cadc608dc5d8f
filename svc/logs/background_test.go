package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// A tally is a meter that adds up.
type tally struct {
	mu  sync.Mutex
	sum map[string]float64
}

func (t *tally) Measure(m aws.Measurement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum[m.Namespace+" "+m.Name+" "+m.Unit+" "+strings.Join(m.Dimensions, ",")] += m.Value
}

// take is what was measured since, without what is measured of every put.
func (t *tally) take() map[string]float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.sum
	t.sum = map[string]float64{}
	maps.DeleteFunc(sum, func(name string, _ float64) bool { return strings.HasPrefix(name, "AWS/Logs Incoming") })
	return sum
}

func TestMetricFilters(t *testing.T) {
	p := newPost(t, "a")
	meter := &tally{sum: map[string]float64{}}
	p.stop()
	p.s = New(Options{Store: p.h.Store, Clock: p.h.Clock, Random: p.h.Random, Peers: p.h, Meter: meter})
	p.stop = func() {}
	put := func(name, pattern string, tr api.MetricTransformation) {
		tr.MetricName, tr.MetricNamespace = &name, ptr("App")
		must(t)(p.s.putMetricFilter(p.ctx, &api.PutMetricFilterRequest{LogGroupName: ptr("g"), FilterName: &name, FilterPattern: &pattern, MetricTransformations: []api.MetricTransformation{tr}}))
	}
	p.line("a", "ERROR before")
	if meter.sum["AWS/Logs IncomingLogEvents None LogGroupName,g"] != 1 || meter.sum["AWS/Logs IncomingBytes Bytes "] != 12+eventOverhead {
		t.Errorf("measured %v", meter.sum)
	}
	meter.take()
	put("errors", "ERROR", api.MetricTransformation{MetricValue: ptr("2"), DefaultValue: ptr(0.5)})
	put("took", "{ $.op = * }", api.MetricTransformation{MetricValue: ptr("$.ms"), Unit: ptr("Milliseconds"), Dimensions: map[string]string{"Op": "$.op", "By": "$.user.name"}})
	put("bytes", "[ip, status=5*, size]", api.MetricTransformation{MetricValue: ptr("$size"), Dimensions: map[string]string{"IP": "$ip"}})
	for _, step := range []struct {
		line string
		want map[string]float64
	}{
		{"ERROR", map[string]float64{"App errors None ": 2}},
		{"fine", map[string]float64{}}, // the minute has had one that matches
		{`{"op": "get", "ms": 7.5, "user": {"name": "ann"}}`, map[string]float64{"App took Milliseconds By,ann,Op,get": 7.5}},
		{`{"op": "get", "ms": 7.5}`, map[string]float64{}}, // a dimension is missing
		{`{"op": "get", "ms": "x", "user": {"name": "ann"}}`, map[string]float64{}},
		{"1.2.3.4 503 1024", map[string]float64{"App bytes None IP,1.2.3.4": 1024}},
	} {
		p.line("a", step.line)
		if got := meter.take(); !maps.Equal(got, step.want) {
			t.Errorf("%s: measured %v, want %v", step.line, got, step.want)
		}
	}
	p.h.Clock.Advance(time.Minute)
	p.line("a", "fine")
	p.line("a", "fine")
	if got := meter.take(); !maps.Equal(got, map[string]float64{"App errors None ": 0.5}) {
		t.Errorf("the default value: %v", got)
	}
	must(t)(p.s.deleteMetricFilter(p.ctx, &api.DeleteMetricFilterRequest{LogGroupName: ptr("g"), FilterName: ptr("errors")}))
	p.line("a", "ERROR")
	if got := meter.take(); len(got) != 0 {
		t.Errorf("without a filter: %v", got)
	}
}

// TestQueryGoesOn starts queries and exports that nobody runs; whoever starts next does.
func TestQueryGoesOn(t *testing.T) {
	p := newPost(t, "a/b", "c")
	p.stop()
	for i := range 3 {
		p.line("a/b", fmt.Sprint(i))
	}
	in := &api.StartQueryRequest{LogGroupName: ptr("g"), StartTime: ptr(int64(0)), EndTime: ptr(int64(start)), QueryString: ptr("stats count(*) as n")}
	q, err := p.s.startQuery(p.ctx, in)
	must(t)(q, err)
	stopped, err := p.s.startQuery(p.ctx, in)
	must(t)(stopped, err)
	must(t)(p.s.stopQuery(p.ctx, &api.StopQueryRequest{QueryId: stopped.QueryId}))
	e := &api.CreateExportTaskRequest{LogGroupName: ptr("g"), From: ptr(int64(0)), To: ptr(int64(start + 1)), Destination: ptr("bucket")}
	task, err := p.s.createExportTask(p.ctx, e)
	must(t)(task, err)
	if _, err := p.s.createExportTask(p.ctx, e); aws.CodeOf(err) != "LimitExceededException" {
		t.Errorf("a second export: %v", err)
	}
	p.start()
	deadline := time.Now().Add(20 * time.Second)
	for {
		out, err := p.s.getQueryResults(p.ctx, &api.GetQueryResultsRequest{QueryId: q.QueryId})
		must(t)(out, err)
		tasks, err := p.s.describeExportTasks(p.ctx, &api.DescribeExportTasksRequest{TaskId: task.TaskId})
		must(t)(tasks, err)
		if *out.Status == api.QueryStatusComplete && *tasks.ExportTasks[0].Status.Code == api.ExportTaskStatusCodeCompleted {
			if len(out.Results) != 1 || *out.Results[0][0].Value != "3" {
				t.Errorf("results %v", out.Results)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the query is %s, the export %v", *out.Status, *tasks.ExportTasks[0].Status.Code)
		}
		time.Sleep(time.Millisecond)
	}
	out, err := p.s.getQueryResults(p.ctx, &api.GetQueryResultsRequest{QueryId: stopped.QueryId})
	if must(t)(out, err); *out.Status != api.QueryStatusCancelled || len(out.Results) > 0 {
		t.Errorf("the stopped query is %s", *out.Status)
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	key := "exportedlogs/" + *task.TaskId + "/a-b/000000.gz"
	if _, tried := p.w.objects["exportedlogs/aws-logs-write-test"]; !tried || len(p.w.objects) != 2 {
		t.Fatalf("objects %q", slices.Collect(maps.Keys(p.w.objects)))
	}
	z, err := gzip.NewReader(bytes.NewReader(p.w.objects[key]))
	must(t)(z, err)
	text, err := io.ReadAll(z)
	if must(t)(text, err); string(text) != "2026-01-02T03:04:05.000Z 0\n2026-01-02T03:04:05.000Z 1\n2026-01-02T03:04:05.000Z 2\n" {
		t.Errorf("exported %q", text)
	}
}

// TestQuerySteps reads more than one transaction does: every event once, the newest
// first.
func TestQuerySteps(t *testing.T) {
	g := newGround(t, "a", "b")
	g.s = house(g.h)
	n := 0
	for i := range int64(40) {
		for _, s := range []string{"a", "b"} {
			g.fill(s, start+i*400)
			n += 16
		}
	}
	q, err := g.s.startQuery(g.ctx, &api.StartQueryRequest{LogGroupName: ptr("g"), StartTime: ptr(int64(0)), EndTime: ptr(int64(start * 2)), QueryString: ptr("stats count(*) as n, earliest(@timestamp) as a, latest(@timestamp) as b, count_distinct(@ptr) as c")})
	must(t)(q, err)
	if err := g.s.finish(context.WithoutCancel(g.ctx)); err != nil {
		t.Fatal(err)
	}
	out, err := g.s.getQueryResults(g.ctx, &api.GetQueryResultsRequest{QueryId: q.QueryId})
	must(t)(out, err)
	got := map[string]string{}
	for _, f := range out.Results[0] {
		got[*f.Field] = *f.Value
	}
	if got["n"] != fmt.Sprint(n) || got["c"] != fmt.Sprint(n) || got["a"] != "2026-01-02 03:04:05.000" || got["b"] != "2026-01-02 03:04:20.600" {
		t.Errorf("results %v of %d", got, n)
	}
}

func TestLiveTail(t *testing.T) {
	g := newGround(t, "a", "b")
	g.s = house(g.h)
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	out, err := g.s.startLiveTail(ctx, &api.StartLiveTailRequest{LogGroupIdentifiers: []string{"arn:aws:logs:us-east-1:000000000000:log-group:g"},
		LogStreamNamePrefixes: []string{"a"}, LogEventFilterPattern: ptr("ERROR")})
	must(t)(out, err)
	p := &post{ground: g}
	p.line("a", "ERROR one")
	p.line("a", "fine")
	p.line("b", "ERROR elsewhere")
	seen := 0
	moved := make(chan struct{})
	go func() { // the session waits for the clock
		defer close(moved)
		for ctx.Err() == nil {
			g.h.Clock.Advance(livePulse)
			time.Sleep(time.Millisecond)
		}
	}()
	for e, err := range out.ResponseStream {
		if err != nil {
			if aws.CodeOf(err) != "SessionTimeoutException" {
				t.Error(err)
			}
			break
		}
		if seen++; seen == 1 {
			if e.SessionStart == nil || *e.SessionStart.LogEventFilterPattern != "ERROR" {
				t.Errorf("the session starts with %+v", e)
			}
			continue
		}
		if seen == 2 {
			if r := e.SessionUpdate.SessionResults; len(r) != 1 || *r[0].Message != "ERROR one" || *r[0].LogStreamName != "a" {
				t.Errorf("the session tells of %+v", r)
			}
			for range liveEvents + 1 {
				p.line("a", "ERROR")
			}
		}
		if seen > 2 && len(e.SessionUpdate.SessionResults) == liveEvents {
			if !*e.SessionUpdate.SessionMetadata.Sampled {
				t.Error("more came, and nobody said so")
			}
			cancel()
		}
	}
	<-moved
	g.s.live.mu.Lock()
	if len(g.s.live.sessions) != 0 {
		t.Error("the session has not ended")
	}
	g.s.live.mu.Unlock()
	for range maxLive {
		must(t)(g.s.startLiveTail(g.ctx, &api.StartLiveTailRequest{LogGroupIdentifiers: []string{"g"}}))
	}
	if _, err := g.s.startLiveTail(g.ctx, &api.StartLiveTailRequest{LogGroupIdentifiers: []string{"g"}}); aws.CodeOf(err) != "LimitExceededException" {
		t.Errorf("one session too many: %v", err)
	}
}

// TestPacked reads chunks in both forms, and refuses damaged ones.
func TestPacked(t *testing.T) {
	at := int64(start)
	var events []api.InputLogEvent
	for i := range 100 {
		events = append(events, api.InputLogEvent{Timestamp: &at, Message: ptr(fmt.Sprintf("line %d of a log like any other", i))})
	}
	c, _ := cutChunk(events, place{Stream: 7}, start)
	plain := c.encode()
	packed := packed(plain)
	if packed[0] != packedS2 || len(packed)*3 > len(plain) {
		t.Errorf("%d bytes become %d", len(plain), len(packed))
	}
	for _, b := range [][]byte{plain, packed} {
		back, err := decodeChunk(c.place, b)
		if err != nil || !slices.Equal(back.events, c.events) {
			t.Errorf("read back: %v", err)
		}
	}
	for cut := range len(packed) {
		if _, err := decodeChunk(c.place, packed[:cut]); err == nil {
			t.Errorf("a record of %d bytes was read", cut)
		}
	}
}

func FuzzArrival(f *testing.F) {
	f.Add(encodeArrival([]place{{start, 7, 1}, {start + 5, 8, 900}}))
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeArrival(b)
		if err != nil {
			return
		}
		again, err := decodeArrival(encodeArrival(list))
		if err != nil || !slices.Equal(again, list) {
			t.Errorf("%v becomes %v: %v", list, again, err)
		}
	})
}
