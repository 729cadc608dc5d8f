package lambda

import (
	"context"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const testAccount = "us-east-1:000000000000:"

// outletStand is a stand with post, whose function f does as it is told.
func outletStand(t *testing.T, change func(*api.CreateFunctionRequest)) (*stand, *post) {
	st := newStand(t, func(o *Options) {
		o.Allow = func(context.Context, ...aws.Access) error { return nil }
	})
	p := newPost(st.clock)
	st.house.Add(p.routes())
	st.create("f", "nodejs20.x", `exports.handler = async (e) => { if (e.fail) throw new Error(e.fail); return { got: e.n }; };`, change)
	return st, p
}

// direct sets f's destinations, and that it is not tried again.
func (st *stand) directTo(success, failure string) {
	st.t.Helper()
	_, err := st.putEventConfig(st.ctx(), &api.PutFunctionEventInvokeConfigRequest{FunctionName: ptr("f"), MaximumRetryAttempts: ptr(int32(0)),
		DestinationConfig: &api.DestinationConfig{OnSuccess: &api.OnSuccess{Destination: &success}, OnFailure: &api.OnFailure{Destination: &failure}}})
	if err != nil {
		st.t.Fatal(err)
	}
}

// Queues, topics and buckets are told what a function would be.
func TestOutlets(t *testing.T) {
	st, p := outletStand(t, func(*api.CreateFunctionRequest) {})
	st.directTo("arn:aws:sqs:"+testAccount+"done", "arn:aws:sns:"+testAccount+"failed")
	st.send("f", `{"n":1}`)
	until(t, "be told", func() bool { return len(p.left("done")) == 1 })
	if text := p.left("done")[0]; !strings.Contains(text, `"condition":"Success"`) || !strings.Contains(text, `"responsePayload":{"got":1}`) {
		t.Error(text)
	}
	st.send("f", `{"fail":"no"}`)
	until(t, "be told", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.published) == 1 })
	if text := *p.published[0].Message; !strings.Contains(text, `"condition":"RetriesExhausted"`) || *p.published[0].TopicArn != "arn:aws:sns:"+testAccount+"failed" {
		t.Error(text)
	}
	st.directTo("arn:aws:s3:::bucket", "")
	st.send("f", `{"n":2}`)
	until(t, "be told", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.objects) == 1 })
	for name, text := range p.objects {
		day := st.clock.Now().Format("2006/01/02/")
		if !strings.HasPrefix(name, "bucket/aws/lambda/async/f/"+day+"f-20") || !strings.Contains(text, `"requestPayload":{"n":2}`) {
			t.Error(name, text)
		}
	}
	until(t, "forget them", func() bool { return len(st.queued()) == 0 })
}

// An event bus is told with a detail type, and of whom it is; one that is not there is given up.
func TestOutletBus(t *testing.T) {
	h := &heard{}
	st, p := outletStand(t, func(*api.CreateFunctionRequest) {})
	st.Measures = h
	bus := "arn:aws:events:" + testAccount + "event-bus/main"
	st.directTo(bus, bus)
	st.send("f", `{"n":1}`)
	st.send("f", `{"fail":"no"}`)
	until(t, "be told", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.events) == 2 })
	kinds := map[string]string{}
	for _, e := range p.events {
		kinds[*e.DetailType] = *e.Detail
		if *e.Source != "lambda" || *e.EventBusName != bus || len(e.Resources) != 2 || e.Resources[0] != bus || e.Resources[1] != "arn:aws:lambda:"+testAccount+"function:f:$LATEST" {
			t.Errorf("told %v of %v by %s", e.Resources, *e.EventBusName, *e.Source)
		}
	}
	if !strings.Contains(kinds[detailSucceeded], `"requestPayload":{"n":1}`) || !strings.Contains(kinds[detailFailed], `"condition":"RetriesExhausted"`) {
		t.Errorf("told %v", kinds)
	}
	st.directTo("arn:aws:events:"+testAccount+"event-bus/missing", "")
	st.send("f", `{"n":2}`)
	until(t, "give up", func() bool { return h.sum("DestinationDeliveryFailures f") == 1 && len(st.queued()) == 0 })
}

// A dead-letter queue gets the event as it was, and why; the destination is told, too.
func TestDeadLetters(t *testing.T) {
	dead := "arn:aws:sqs:" + testAccount + "dead"
	st, p := outletStand(t, func(in *api.CreateFunctionRequest) { in.DeadLetterConfig = &api.DeadLetterConfig{TargetArn: &dead} })
	st.directTo("", "arn:aws:sqs:"+testAccount+"failed")
	st.send("f", `{"n": 1}`)
	st.send("f", `{"fail": "because\u0001"}`)
	until(t, "be told", func() bool { return len(p.left("dead")) == 1 })
	until(t, "forget them", func() bool { return len(st.queued()) == 0 })
	l := p.messages["dead"][0]
	if l.body != `{"fail": "because\u0001"}` || len(p.left("failed")) != 1 {
		t.Error(l.body, p.left("failed"))
	}
	got := map[string]string{}
	for name, v := range l.custom {
		got[name] = *v.DataType + " " + *v.StringValue
	}
	if len(got) != 3 || got["ErrorCode"] != "Number 200" || got["ErrorMessage"] != "String because" || !strings.Contains(p.left("failed")[0], strings.TrimPrefix(got["RequestID"], "String ")) {
		t.Error(got)
	}
	// Neither that the destination refuses nor that the queue is down loses it.
	p.mu.Lock()
	p.missing["failed"], p.broken = true, aws.Unavailable("not now")
	p.mu.Unlock()
	st.send("f", `{"fail": "again"}`)
	until(t, "be told in vain", func() bool { q := st.queued(); return len(q) == 1 && q[0].Throttled > 0 })
	st.stop()
	p.mu.Lock()
	p.broken = nil
	p.mu.Unlock()
	st.Service = New(st.Options)
	st.run()
	st.clock.advance(time.Minute)
	until(t, "be told", func() bool { return len(p.left("dead")) == 2 })
	until(t, "forget it", func() bool { return len(st.queued()) == 0 })
}

// What a mapping has given up is told, under the role its function has, and what was kept
// before there was anybody to tell.
func TestDiscardedTold(t *testing.T) {
	st, p := outletStand(t, func(*api.CreateFunctionRequest) {})
	st.stop()
	h := &heard{}
	m := mapping{UUID: "u", Function: "f", Metrics: []string{api.EventSourceMappingMetricEventCount}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	err := st.Store.Update(t.Context(), func(tx store.Tx) error {
		if err := mappingRecords.Put(tx, st.scope(), m, "u"); err != nil {
			return err
		}
		if err := discardedRecords.Put(tx, st.scope(), discarded{Destination: "arn:aws:sqs:" + testAccount + "lost", Event: []byte(`{"old":1}`), At: at}, "u", "one"); err != nil {
			return err
		}
		lost := discarded{Destination: "arn:aws:s3:::bucket", Event: []byte(`{"new":1}`), At: at, Shard: "shardId-1", Records: 3}
		return eventRecords.Put(tx, st.scope(), m.notice(&lost, "two"), "two")
	})
	if err != nil {
		t.Fatal(err)
	}
	st.Measures = h
	st.Service = New(st.Options)
	st.run()
	until(t, "be told", func() bool { return len(st.queued()) == 0 })
	if n := h.sum(eventsDelivered + " u"); n != 3 {
		t.Errorf("%v records were delivered", n)
	}
	if got := p.left("lost"); len(got) != 1 || got[0] != `{"old":1}` {
		t.Error(got)
	}
	if got := p.objects["bucket/aws/lambda/u/shardId-1/2026/01/02/2026-01-02T03.04.05-two"]; got != `{"new":1}` {
		t.Error(p.objects)
	}
}

func TestErrorMessage(t *testing.T) {
	for in, want := range map[string]string{
		`{"errorMessage":"a\u0000b\n"}`: "ab\n", `{"errorMessage":null}`: `{"errorMessage":null}`, `{"errorType":"X"}`: `{"errorType":"X"}`, "\xff": "\uFFFD", ``: "",
		`{"errorMessage":"` + strings.Repeat("ä", 600) + `"}`: strings.Repeat("ä", 512), `{"errorMessage":"x` + strings.Repeat("ä", 600) + `"}`: "x" + strings.Repeat("ä", 511),
	} {
		if got := errorMessage([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
