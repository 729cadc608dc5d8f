package logs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	function = "arn:aws:lambda:us-east-1:000000000000:function:f"
	shards   = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
	someRole = "arn:aws:iam::000000000000:role/r"
)

// A post is a ground with a world around it, and the service's background work.
type post struct {
	*ground
	w    *world
	stop func()
}

func newPost(t *testing.T, streams ...string) *post {
	p := &post{ground: newGround(t, streams...), w: newWorld()}
	p.h.Add(p.w.routes())
	p.start()
	t.Cleanup(func() { p.stop() })
	return p
}

// start begins the background work, as after a restart: nothing is left of the
// service's memory.
func (p *post) start() {
	p.s = house(p.h)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.s.Run(ctx) }()
	p.stop = func() { cancel(); <-done }
}

func (p *post) subscribe(name, pattern, destination string) {
	p.t.Helper()
	in := &api.PutSubscriptionFilterRequest{LogGroupName: ptr("g"), FilterName: &name, FilterPattern: &pattern, DestinationArn: &destination}
	if !strings.Contains(destination, ":lambda:") && !strings.Contains(destination, ":logs:") {
		in.RoleArn = ptr(someRole)
	}
	must(p.t)(p.s.putSubscriptionFilter(p.ctx, in))
}

func (p *post) line(stream, message string) {
	p.t.Helper()
	must(p.t)(p.s.putLogEvents(p.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: &stream,
		LogEvents: []api.InputLogEvent{{Timestamp: ptr(p.s.now()), Message: &message}}}))
}

// await waits until lines have arrived; the clock moves on, so that what waits for it
// is tried again.
func (p *post) await(want ...string) {
	p.t.Helper()
	want = slices.Sorted(slices.Values(want))
	deadline := time.After(20 * time.Second)
	for {
		got := p.w.sent()
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-p.w.came:
		case <-deadline:
			p.t.Fatalf("arrived: %q\nwanted: %q", got, want)
		case <-time.After(5 * time.Millisecond):
			p.h.Clock.Advance(time.Second)
		}
	}
}

// settled waits until nothing of a group waits to be delivered.
func (p *post) settled() {
	p.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		n := 0
		err := p.h.Store.View(p.ctx, func(r store.Reader) error {
			for _, err := range arrivals.All(p.ctx, r) {
				if n++; err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && n == 0 {
			return
		}
		if err != nil || time.Now().After(deadline) {
			p.t.Fatalf("%d arrivals are left: %v", n, err)
		}
		p.h.Clock.Advance(time.Second)
		time.Sleep(time.Millisecond)
	}
}

func TestDeliver(t *testing.T) {
	p := newPost(t, "a", "b")
	p.line("a", "before anybody subscribed")
	p.subscribe("errors", "ERROR", function)
	p.subscribe("all", "", shards)
	p.line("a", "ERROR one")
	p.line("b", "fine")
	p.await("f errors g/a ERROR one", "s all g/a ERROR one", "s all g/b fine")
	p.settled()
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	control := p.w.got[0]
	if control.MessageType != "CONTROL_MESSAGE" || control.Owner != "CloudwatchLogs" {
		t.Errorf("the stream was tried with %+v", control)
	}
	keys := map[string]string{}
	for _, d := range p.w.got[1:] {
		if d.MessageType != "DATA_MESSAGE" || d.Owner != "000000000000" || len(d.LogEvents[0].ID) != 56 {
			t.Errorf("arrived: %+v", d)
		}
		if d.to == shards {
			keys[d.LogStream] = d.key
		}
	}
	if keys["a"] == "" || keys["a"] == keys["b"] {
		t.Errorf("partition keys %v", keys)
	}
}

// TestDeliverLater has a destination that refuses for a while, across a restart: all
// arrives, in the order of each stream.
func TestDeliverLater(t *testing.T) {
	p := newPost(t, "a")
	p.subscribe("f", "", function)
	p.w.mu.Lock()
	p.w.refuse = func(aws.Caller, string, int) error { return aws.AccessDenied("not yet") }
	p.w.mu.Unlock()
	var want []string
	for i := range 20 {
		p.line("a", fmt.Sprint(i))
		want = append(want, fmt.Sprintf("f f g/a %d", i))
	}
	p.h.Clock.Advance(time.Hour)
	p.stop()
	p.start()
	p.line("a", "20")
	p.h.Clock.Advance(time.Hour)
	p.w.mu.Lock()
	p.w.refuse = nil
	p.w.mu.Unlock()
	p.await(append(want, "f f g/a 20")...)
	got := p.w.sent()
	if !slices.Equal(got[:20], want) {
		t.Errorf("in the order %q", got)
	}
	p.settled()
}

// TestDeliverGivesUp drops what nobody has taken for a day, and goes on.
func TestDeliverGivesUp(t *testing.T) {
	p := newPost(t, "a")
	p.subscribe("f", "", function)
	p.w.mu.Lock()
	p.w.refuse = func(aws.Caller, string, int) error { return aws.Unavailable("away") }
	p.w.mu.Unlock()
	p.line("a", "lost")
	deadline := time.Now().Add(20 * time.Second)
	for arrived := true; arrived; {
		if time.Now().After(deadline) {
			t.Fatal("it is still tried")
		}
		p.h.Clock.Advance(10 * time.Minute)
		time.Sleep(time.Millisecond)
		err := p.h.Store.View(p.ctx, func(r store.Reader) error {
			arrived = false
			for _, err := range arrivals.All(p.ctx, r) {
				if arrived = true; err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	p.w.mu.Lock()
	p.w.refuse = nil
	p.w.mu.Unlock()
	p.line("a", "kept")
	p.await("f f g/a kept")
}

// TestDeliverPartly has a stream that takes every other record: the rest is sent again,
// and nothing twice.
func TestDeliverPartly(t *testing.T) {
	p := newPost(t, "a", "b", "c", "d")
	p.subscribe("f", "", strings.Replace(shards, "/s", "/narrow", 1))
	p.stop()
	var want []string
	for _, s := range []string{"a", "b", "c", "d"} {
		p.line(s, "x")
		want = append(want, "narrow f g/"+s+" x")
	}
	p.start()
	p.await(want...)
	p.settled()
}

// TestDeliverParcels cuts what is large: no message has more than its receiver takes.
func TestDeliverParcels(t *testing.T) {
	p := newPost(t, "a")
	p.subscribe("f", "", function)
	p.fill("a", start)
	p.settled()
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	n := 0
	for _, d := range p.w.got {
		n += len(d.LogEvents)
		size := 0
		for _, e := range d.LogEvents {
			size += len(e.Message)
		}
		if size > lambdaParcel {
			t.Errorf("a message of %d bytes", size)
		}
	}
	if n != 16 {
		t.Errorf("%d events", n)
	}
}

// TestDeliverDestination crosses to the account of a destination, under its role.
func TestDeliverDestination(t *testing.T) {
	p := newPost(t, "a")
	theirs := "arn:aws:kinesis:us-east-1:111111111111:stream/t"
	p.h.Context(p.ctx)
	r := *aws.RequestOf(p.ctx)
	r.Caller.Account = "111111111111"
	must(t)(p.s.putDestination(aws.WithRequest(p.ctx, &r), &api.PutDestinationRequest{DestinationName: ptr("d"), TargetArn: &theirs, RoleArn: ptr("arn:aws:iam::111111111111:role/old")}))
	p.subscribe("f", "", "arn:aws:logs:us-east-1:111111111111:destination:d")
	p.line("a", "x")
	p.await("t f g/a x")
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if last := p.w.got[len(p.w.got)-1]; last.by != "arn:aws:sts::111111111111:assumed-role/old/CloudWatchLogs" || last.Owner != "000000000000" {
		t.Errorf("arrived: %+v", last)
	}
}

// TestDeliverAccount has a policy for all groups but one, for groups old and new.
func TestDeliverAccount(t *testing.T) {
	p := newPost(t, "a")
	p.line("a", "before")
	must(t)(p.s.putAccountPolicy(p.ctx, &api.PutAccountPolicyRequest{PolicyName: ptr("all"), PolicyType: ptr(api.PolicyTypeSubscriptionFilterPolicy),
		PolicyDocument: ptr(`{"DestinationArn": "` + function + `", "FilterPattern": "[ip, status=4*]"}`), SelectionCriteria: ptr(`LogGroupName NOT IN ["quiet"]`)}))
	for _, name := range []string{"new", "quiet"} {
		must(t)(p.s.createLogGroup(p.ctx, &api.CreateLogGroupRequest{LogGroupName: &name}))
		must(t)(p.s.createLogStream(p.ctx, &api.CreateLogStreamRequest{LogGroupName: &name, LogStreamName: ptr("s")}))
		must(t)(p.s.putLogEvents(p.ctx, &api.PutLogEventsRequest{LogGroupName: &name, LogStreamName: ptr("s"),
			LogEvents: []api.InputLogEvent{{Timestamp: ptr(p.s.now()), Message: ptr("1.2.3.4 404")}}}))
	}
	p.line("a", "1.2.3.4 200")
	p.line("a", "1.2.3.4 403")
	p.await("f all new/s 1.2.3.4 404", "f all g/a 1.2.3.4 403")
	p.settled()
	p.w.mu.Lock()
	if e := p.w.got[len(p.w.got)-1].LogEvents[0].Extracted; e["ip"] != "1.2.3.4" {
		t.Errorf("extracted: %v", e)
	}
	p.w.mu.Unlock()
	must(t)(p.s.deleteAccountPolicy(p.ctx, &api.DeleteAccountPolicyRequest{PolicyName: ptr("all"), PolicyType: ptr(api.PolicyTypeSubscriptionFilterPolicy)}))
	p.line("a", "1.2.3.4 499")
	p.settled()
	if got := p.w.sent(); len(got) != 2 {
		t.Errorf("arrived: %q", got)
	}
}

// TestDeliverEnds takes filters and groups away while they have something to deliver.
func TestDeliverEnds(t *testing.T) {
	p := newPost(t, "a")
	p.subscribe("f", "", function)
	p.w.mu.Lock()
	p.w.refuse = func(aws.Caller, string, int) error { return aws.Unavailable("away") }
	p.w.mu.Unlock()
	p.line("a", "x")
	must(t)(p.s.deleteSubscriptionFilter(p.ctx, &api.DeleteSubscriptionFilterRequest{LogGroupName: ptr("g"), FilterName: ptr("f")}))
	p.settled()
	p.w.mu.Lock()
	p.w.refuse = nil
	p.w.mu.Unlock()
	p.subscribe("f", "", function)
	p.line("a", "y")
	p.await("f f g/a y")
	must(t)(p.s.deleteLogGroup(p.ctx, &api.DeleteLogGroupRequest{LogGroupName: ptr("g")}))
	p.settled()
}
