package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/runtimes"
)

// flaky are peers that fail, or refuse, whoever wants to invoke a function.
type flaky struct {
	aws.Peers
	err   atomic.Pointer[aws.Error]
	tries atomic.Int32
}

func (f *flaky) Call(ctx context.Context, op *aws.Operation, in any) (any, error) {
	if op.Name == "Invoke" {
		f.tries.Add(1)
		if e := f.err.Load(); e != nil {
			return nil, e
		}
	}
	return f.Peers.Call(ctx, op, in)
}

// destinedStand is a stand whose function f has destinations in a function that logs
// what it is told.
func destinedStand(t *testing.T, change ...func(*Options)) (*stand, *flaky) {
	peers := &flaky{}
	st := newStand(t, append(change, func(o *Options) { peers.Peers, o.Peers = o.Peers, peers })...)
	st.house.Add(st.Routes())
	st.create("f", "nodejs20.x", `exports.handler = async (e) => { if (e.fail) throw new Error("no"); return { got: e.n }; };`)
	st.create("sink", "nodejs20.x", `exports.handler = async (e) => console.log("told", JSON.stringify(e));`)
	sink := ref{st.scope(), "sink"}.arn("")
	_, err := st.putEventConfig(st.ctx(), &api.PutFunctionEventInvokeConfigRequest{FunctionName: ptr("f"), MaximumRetryAttempts: ptr(int32(0)),
		DestinationConfig: &api.DestinationConfig{OnSuccess: &api.OnSuccess{Destination: &sink}, OnFailure: &api.OnFailure{Destination: &sink}}})
	if err != nil {
		t.Fatal(err)
	}
	return st, peers
}

// told waits for n records, and is the newest that the sink has logged.
func (st *stand) told(n int) (newest notice, text string) {
	st.t.Helper()
	st.logged("told ", n)
	for line := range strings.Lines(st.near.written()) {
		_, told, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "told ")
		if !ok {
			continue
		}
		var r notice
		if err := json.Unmarshal([]byte(told), &r); err != nil {
			st.t.Fatal(err, told)
		}
		if r.Timestamp >= newest.Timestamp {
			newest, text = r, told
		}
	}
	return newest, text
}

// What destinations are told of an event, to the letter.
func TestDestinations(t *testing.T) {
	st, _ := destinedStand(t)
	st.send("f", `{"n":1}`)
	r, text := st.told(1)
	want := fmt.Sprintf(`{"version":"1.0","timestamp":"%s","requestContext":{"requestId":"%s","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",`+
		`"condition":"Success","approximateInvokeCount":1},"requestPayload":{"n":1},"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":{"got":1}}`, r.Timestamp, r.Request.RequestID)
	if text != want {
		t.Errorf("told %s\nwant %s", text, want)
	}
	st.logged("START RequestId: "+r.Request.RequestID, 1) // its stream is written beside the sink's
	if _, err := st.updateEventConfig(st.ctx(), &api.UpdateFunctionEventInvokeConfigRequest{FunctionName: ptr("f"), MaximumRetryAttempts: ptr(int32(1))}); err != nil {
		t.Fatal(err)
	}
	st.send("f", `{"fail":1}`)
	until(t, "fail once", func() bool { q := st.queued(); return len(q) == 1 && q[0].Failed == 1 })
	st.clock.advance(time.Minute)
	if r, text = st.told(2); r.Request.Condition != "RetriesExhausted" || r.Request.Count != 2 || r.Response.FunctionError != "Unhandled" || !strings.Contains(text, `"responsePayload":{"errorType":"Error","errorMessage":"no"`) {
		t.Error(text)
	}
	// A function that may not run at all does not keep its events.
	if _, err := st.putFunctionConcurrency(st.ctx(), &api.PutFunctionConcurrencyRequest{FunctionName: ptr("f"), ReservedConcurrentExecutions: ptr(int32(0))}); err != nil {
		t.Fatal(err)
	}
	st.send("f", `{"n":3}`)
	if r, text = st.told(3); r.Request.Condition != "ZeroReservedConcurrency" || r.Response != nil || strings.Contains(text, "response") {
		t.Error(text)
	}
	until(t, "forget them", func() bool { return len(st.queued()) == 0 })
}

// What is to be told outlives failures of the destination, and the process.
func TestDestinationSurvives(t *testing.T) {
	st, peers := destinedStand(t)
	peers.err.Store(aws.Unavailable("not now"))
	st.send("f", `{"n":1}`)
	until(t, "be told in vain", func() bool { q := st.queued(); return len(q) == 1 && q[0].Throttled > 0 && q[0].To != "" })
	st.stop()
	peers.err.Store(nil)
	st.Service = New(st.Options)
	st.house.Add(st.Routes())
	st.run()
	st.clock.advance(10 * time.Second)
	if r, _ := st.told(1); r.Request.Condition != "Success" {
		t.Error(r)
	}
	until(t, "forget it", func() bool { return len(st.queued()) == 0 })
	// What is refused is given up.
	peers.err.Store(aws.AccessDenied("never"))
	before := peers.tries.Load()
	st.send("f", `{"n":2}`)
	until(t, "give up", func() bool { return len(st.queued()) == 0 && peers.tries.Load() > before })
	if n := peers.tries.Load() - before; n != 1 {
		t.Errorf("it was tried %d times", n)
	}
}

// A chain that leads back to a function is stopped after 16 rounds, unless the function
// lets it be.
func TestRecursion(t *testing.T) {
	st, _ := destinedStand(t)
	f, sink := ref{st.scope(), "f"}, ref{st.scope(), "sink"}
	_, err := st.putEventConfig(st.ctx(), &api.PutFunctionEventInvokeConfigRequest{FunctionName: ptr("sink"),
		DestinationConfig: &api.DestinationConfig{OnSuccess: &api.OnSuccess{Destination: ptr(f.arn(""))}}})
	if err != nil {
		t.Fatal(err)
	}
	st.send("f", `{}`)
	st.logged("told ", maxRounds)
	until(t, "stop", func() bool { return len(st.queued()) == 0 })
	if n := strings.Count(st.near.written(), "told "); n != maxRounds {
		t.Errorf("%d rounds", n)
	}
	looped := "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=" + sink.hash() + ":3|" + f.hash() + ":16"
	call := func() error {
		ctx := st.ctx()
		aws.RequestOf(ctx).Trace = looped
		_, err := st.Service.invoke(ctx, &api.InvocationRequest{FunctionName: ptr("f")})
		return err
	}
	if err := call(); aws.CodeOf(err) != "RecursiveInvocationException" {
		t.Error(err)
	}
	at, err := st.find(st.ctx(), ptr("f"), nil)
	if err != nil {
		t.Fatal(err)
	}
	allowed := *at.function
	allowed.RecursiveLoop = api.RecursiveLoopAllow
	if err := st.checkRecursion(&target{at: f, function: &allowed}, looped); err != nil {
		t.Error(err)
	}
}

func TestTrace(t *testing.T) {
	st := New(Options{Clock: newMachineClock(), Random: zeros{}})
	a, b := ref{name: "a"}, ref{name: "b"}
	h := st.through("", a)
	if p := parseTrace(h); p.root == "" || p.rounds(a) != 1 || p.rounds(b) != 0 {
		t.Error(h)
	}
	h = st.through(st.through(h, b), a)
	if p := parseTrace(h); p.rounds(a) != 2 || p.rounds(b) != 1 || strings.Count(h, "|") != 1 {
		t.Error(h)
	}
	if h = st.through("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", b); !strings.HasPrefix(h, "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=0000000000000000;Sampled=1;Lineage=") {
		t.Error(h)
	}
	many := "Lineage="
	for n := range 100 {
		many += fmt.Sprintf("%08x:1|", n)
	}
	if n := len(parseTrace(many).lineage); n != maxLineage {
		t.Errorf("%d are remembered", n)
	}
}

// zeros is no chance at all.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// FuzzTrace looks for a header that makes one which is not read the same again.
func FuzzTrace(f *testing.F) {
	f.Add("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2")
	f.Add("Self=1;Lineage=:;Root=\r\n")
	s := New(Options{Clock: newMachineClock(), Random: zeros{}})
	at := ref{name: "f"}
	f.Fuzz(func(t *testing.T, header string) {
		before := parseTrace(header)
		out := s.through(header, at)
		after := parseTrace(out)
		if after.rounds(at) != before.rounds(at)+1 || before.root != "" && after.root != before.root || strings.ContainsAny(out, "\r\n") {
			t.Errorf("%q became %q", header, out)
		}
	})
}

// One event of each function has its turn, however many another has.
func TestQueueTurns(t *testing.T) {
	st := newStandOn(t, nil)
	st.stop()
	q := newQueue(st.Service)
	a, b := ref{st.scope(), "a"}, ref{st.scope(), "b"}
	for n, at := range []ref{a, a, a, b} {
		q.push(waiting{at: at, id: fmt.Sprint(n), due: st.clock.Now()})
	}
	q.all = eventsTogether - 1
	for n, want := range []string{"2 1", "2 0", "1 0", "0 0"} {
		q.dispatch(context.Background())
		q.wg.Wait()
		if got := fmt.Sprint(len(q.ready[a]), " ", len(q.ready[b])); got != want {
			t.Errorf("after %d: %s wait, want %s", n+1, got, want)
		}
	}
}

// What a destination is told of an answer that is no JSON, and of none.
func TestNewNotice(t *testing.T) {
	at := &target{at: ref{name: "f"}, version: &version{Number: 7}}
	b, err := newNotice(time.UnixMilli(0), "id", at, &event{Payload: []byte(`1`)}, aged, nil)
	if want := `{"version":"1.0","timestamp":"1970-01-01T00:00:00.000Z","requestContext":{"requestId":"id","functionArn":"arn:aws:lambda:::function:f:7","condition":"EventAgeExceeded","approximateInvokeCount":1},"requestPayload":1}`; err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
	b, err = newNotice(time.UnixMilli(0), "id", at, &event{Payload: []byte(`1`), Runs: 2}, succeeded, &runtimes.Result{Payload: []byte("a b")})
	if err != nil || !strings.HasSuffix(string(b), `"approximateInvokeCount":2},"requestPayload":1,"responseContext":{"statusCode":200,"executedVersion":"7"},"responsePayload":"a b"}`) {
		t.Errorf("%s, %v", b, err)
	}
}
