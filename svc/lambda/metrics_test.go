package lambda

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

// heard is Measures that keep what they get.
type heard struct {
	mu    sync.Mutex
	sums  map[string]float64
	most  map[string]float64
	units map[string]string
}

func (h *heard) Put(name, unit string, value float64, d Dimensions) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sums == nil {
		h.sums, h.most, h.units = map[string]float64{}, map[string]float64{}, map[string]string{}
	}
	of := name + " " + d.FunctionName + d.Mapping
	if d.Resource != "" {
		of = strings.TrimSuffix(name+" "+d.Resource+" "+d.ExecutedVersion, " ")
	}
	h.sums[of] += value
	h.most[of] = max(h.most[of], value)
	h.units[name] = unit
}

func (h *heard) sum(name string) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sums[name]
}

func (h *heard) peak(name string) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.most[name]
}

// holding is a function whose invokes last as long as the test wants: their event is a time in
// milliseconds.
const holding = `exports.handler = async (e) => { await new Promise(r => setTimeout(r, e)); return process.env.AWS_LAMBDA_INITIALIZATION_TYPE; };`

// An account has so much concurrency: what is kept for functions is not others', and who comes
// too late hears why.
func TestAccountConcurrency(t *testing.T) {
	h := &heard{}
	st := newStand(t, func(o *Options) { o.Concurrency, o.Measures = 103, h })
	for _, name := range []string{"kept", "a", "b"} {
		st.create(name, "nodejs20.x", holding)
	}
	if _, err := st.putFunctionConcurrency(st.ctx(), &api.PutFunctionConcurrencyRequest{FunctionName: ptr("kept"), ReservedConcurrentExecutions: ptr(int32(1))}); err != nil {
		t.Fatal(err)
	}
	st.fleet.mu.Lock()
	st.fleet.busy[st.scope()] = 100 // others' invokes
	st.fleet.mu.Unlock()
	var wg sync.WaitGroup
	for _, name := range []string{"kept", "a", "b"} {
		wg.Go(func() {
			if _, err := st.try(name, "1500"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	until(t, "run", func() bool { return st.fleetBusy("kept")+st.fleetBusy("a")+st.fleetBusy("b") == 3 })
	for name, want := range map[string]string{"kept": api.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded,
		"a": api.ThrottleReasonConcurrentInvocationLimitExceeded, "b": api.ThrottleReasonConcurrentInvocationLimitExceeded} {
		_, err := st.try(name, "0")
		var e *aws.Error
		if !errors.As(err, &e) || e.Code != "TooManyRequestsException" || *e.Detail.(*api.TooManyRequestsExceptionDetail).Reason != want {
			t.Errorf("%s: %v, want the reason %s", name, err, want)
		}
	}
	wg.Wait()
	for name, want := range map[string]float64{"UnreservedConcurrentExecutions ": 102, "ClaimedAccountConcurrency ": 103, "ConcurrentExecutions ": 3, "ConcurrentExecutions kept": 1} {
		if got := h.peak(name); got != want {
			t.Errorf("the most of %s: %v, want %v", name, got, want)
		}
	}
	if h.sum("Throttles kept") != 1 || h.sum("Throttles a") != 1 {
		t.Error(h.sums)
	}
}

// What is measured of provisioned environments, by the alias that they are of.
func TestProvisionedMetrics(t *testing.T) {
	h := &heard{}
	st := newStand(t, func(o *Options) { o.Measures = h })
	st.create("f", "nodejs20.x", holding, published)
	if _, err := st.createAlias(st.ctx(), &api.CreateAliasRequest{FunctionName: ptr("f"), Name: ptr("live"), FunctionVersion: ptr("1")}); err != nil {
		t.Fatal(err)
	}
	st.provision("f", "live", 2)
	st.stands("f", "live", api.ProvisionedConcurrencyStatusEnumReady)
	var wg sync.WaitGroup
	for n := range 3 {
		wg.Go(func() { st.call("f:live", "700") })
		until(t, "run", func() bool { return st.fleetBusy("f") == n+1 })
	}
	wg.Wait()
	if n := h.peak("ConcurrentExecutions f:live"); n != 3 {
		t.Errorf("%v ran at once by the alias", n)
	}
	for name, want := range map[string]float64{"ProvisionedConcurrencyInvocations": 2, "ProvisionedConcurrencySpilloverInvocations": 1, "Invocations": 3} {
		for _, of := range []string{" f", " f:live", " f:live 1"} {
			if got := h.sum(name + of); got != want {
				t.Errorf("%s: %v, want %v", name+of, got, want)
			}
		}
	}
	if n, part := h.peak("ProvisionedConcurrentExecutions f:live"), h.peak("ProvisionedConcurrencyUtilization f:live"); n != 2 || part != 1 {
		t.Errorf("%v ran at once, %v of all", n, part)
	}
}

// What is measured of invokes, events and their ends.
func TestMetrics(t *testing.T) {
	h := &heard{}
	st, _ := destinedStand(t, func(o *Options) { o.Measures = h })
	st.call("f", `{}`)
	st.call("f", `{"fail":1}`)
	if _, err := st.updateEventConfig(st.ctx(), &api.UpdateFunctionEventInvokeConfigRequest{FunctionName: ptr("f"), MaximumRetryAttempts: ptr(int32(0)),
		DestinationConfig: &api.DestinationConfig{OnSuccess: &api.OnSuccess{}, OnFailure: &api.OnFailure{}}}); err != nil {
		t.Fatal(err)
	}
	st.send("f", `{"fail":1}`)
	until(t, "fail", func() bool { return len(st.queued()) == 0 })
	if _, err := st.putFunctionConcurrency(st.ctx(), &api.PutFunctionConcurrencyRequest{FunctionName: ptr("f"), ReservedConcurrentExecutions: ptr(int32(0))}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.try("f", `{}`); err == nil {
		t.Error("it was not throttled")
	}
	for name, want := range map[string]float64{"Invocations": 3, "Errors": 2, "Throttles": 1, "AsyncEventsReceived": 1, "AsyncEventsDropped": 1} {
		if got := h.sum(name + " f"); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if h.sum("Duration f") <= 0 || h.units["Duration"] != "Milliseconds" || h.units["AsyncEventAge"] != "Milliseconds" {
		t.Error(h.sums, h.units)
	}
}

// cloudWatch is a Meter that sums up.
type cloudWatch struct {
	mu   sync.Mutex
	sums map[string]float64
}

func (c *cloudWatch) Measure(m aws.Measurement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sums[strings.Join(append([]string{m.Namespace, m.Name, m.Unit}, m.Dimensions...), " ")] += m.Value
}

// CloudWatch gets what is measured of a function, of an alias, of the version behind it, and of
// all functions together.
func TestCloudWatch(t *testing.T) {
	c := &cloudWatch{sums: map[string]float64{}}
	s := New(Options{Meter: c})
	tg := &target{at: ref{name: "f"}, version: &version{Number: 3}, qualifier: "live", alias: &alias{}}
	tg.count(s, "Errors", 1)
	s.took(ref{name: "g"}, "IteratorAge", 1500*time.Millisecond)
	s.measure(ref{name: "f"}, "ConcurrentExecutions", 2)
	s.measure(ref{}, "ConcurrentExecutions", 5)
	(&mapping{UUID: "u"}).count(s, ref{}.scope, eventsPolled, 7) // does not want it
	(&mapping{UUID: "v", Metrics: []string{api.EventSourceMappingMetricEventCount}}).count(s, ref{}.scope, eventsPolled, 7)
	want := map[string]float64{"AWS/Lambda Errors Count": 1, "AWS/Lambda Errors Count FunctionName f": 1, "AWS/Lambda Errors Count FunctionName f Resource f:live": 1,
		"AWS/Lambda Errors Count FunctionName f Resource f:live ExecutedVersion 3": 1, "AWS/Lambda IteratorAge Milliseconds": 1500, "AWS/Lambda IteratorAge Milliseconds FunctionName g": 1500,
		"AWS/Lambda ConcurrentExecutions Count FunctionName f": 2, "AWS/Lambda PolledEventCount Count EventSourceMappingUUID v": 7, "AWS/Lambda ConcurrentExecutions Count": 5}
	if !maps.Equal(c.sums, want) {
		t.Errorf("got %v\nwant %v", c.sums, want)
	}
}

// What is measured of a function's URL.
func TestURLMetrics(t *testing.T) {
	a, h := &allowed{}, &heard{}
	st := newStand(t, func(o *Options) { o.Allow, o.Measures = a.allow, h })
	st.create("f", "nodejs20.x", `exports.handler = async (e) => ({ statusCode: Number(e.rawPath.slice(1)) });`)
	out, err := st.createURL(st.ctx(), &api.CreateFunctionUrlConfigRequest{FunctionName: ptr("f"), AuthType: ptr("NONE")})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"200", "404", "503", "500"} {
		st.visit("GET", *out.FunctionUrl+path, "", nobody)
	}
	for name, want := range map[string]float64{"UrlRequestCount": 4, "Url4xxCount": 1, "Url5xxCount": 2, "ConcurrentExecutions": 4} {
		if got := h.sum(name + " f"); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// Prometheus gets all metrics, and no more functions than it can bear.
func TestMeter(t *testing.T) {
	m := NewMeter()
	for n := range maxMeasured + 5 {
		m.Put("Invocations", "Count", 1, Dimensions{Account: "1", Region: "r", FunctionName: fmt.Sprint(n)})
	}
	m.Put("Duration", "Milliseconds", 1500, Dimensions{Account: "1", Region: "r", FunctionName: "0"})
	m.Put("ConcurrentExecutions", "Count", 7, Dimensions{Account: "1", Region: "r"})
	r := prometheus.NewRegistry()
	r.MustRegister(m)
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, family := range all {
		got = append(got, fmt.Sprint(family.GetName(), " ", len(family.Metric)))
	}
	if want := []string{"tule_lambda_level 1", fmt.Sprint("tule_lambda_seconds ", 1), fmt.Sprint("tule_lambda_total ", maxMeasured+1)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// counted is a mapping that has its events counted.
func counted(m mapping) mapping {
	m.Metrics = []string{api.EventSourceMappingMetricEventCount}
	return m
}

// expectCounts compares what was counted of the mapping u.
func (h *heard) expectCounts(t *testing.T, want map[string]float64) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range []string{eventsPolled, eventsFiltered, eventsInvoked, eventsFailed, eventsDropped, eventsDelivered, eventsDeleted} {
		if got := h.sums[name+" u"]; got != want[name] {
			t.Errorf("%s: %v, want %v", name, got, want[name])
		}
	}
}

// A stream's events are counted on their ways: through filters, into the function, again, and to their end.
func TestStreamEventCounts(t *testing.T) {
	m := counted(forever())
	m.Batch, m.Retries, m.Partial, m.Filters = 2, 1, true, []string{`{"id": [{"anything-but": "x"}]}`}
	st, h := newPollStand(t, m), &heard{}
	st.s.Measures = h
	st.fn = func(ids []string) outcome {
		switch ids[0] {
		case "bad":
			return failed()
		case "half":
			return fine(`{"batchItemFailures":[{"itemIdentifier":"good"}]}`)
		}
		return fine("")
	}
	st.src.add("s", "a", "b", "x", "bad", "half", "good") // two are read at a time
	st.start()
	st.expect("a b", "bad", "bad", "half good", "good")
	st.stop()
	h.expectCounts(t, map[string]float64{eventsPolled: 6, eventsFiltered: 1, eventsInvoked: 7, eventsFailed: 3, eventsDropped: 1})
}

// Those that a destination is told of are counted when it is told, not as dropped; and nothing is counted
// that nobody wants to be.
func TestStreamEventsNotDropped(t *testing.T) {
	for _, m := range []mapping{counted(forever()), forever()} {
		m.Retries, m.OnFailure = 0, "arn:aws:sqs:us-east-1:000000000000:lost"
		st, h := newPollStand(t, m), &heard{}
		st.s.Measures = h
		st.fn = func([]string) outcome { return failed() }
		st.src.add("s", "a", "b")
		st.start()
		st.expect("a b")
		st.stop()
		want := map[string]float64{eventsPolled: 2, eventsInvoked: 2, eventsFailed: 2}
		if len(m.Metrics) == 0 {
			want = nil
		}
		h.expectCounts(t, want)
	}
}

// A queue's events are counted likewise, and those that are deleted once they have been dealt with.
func TestQueueEventCounts(t *testing.T) {
	st, h := newQueueStand(t, counted(mapping{Partial: true, Filters: []string{`{"body":[{"anything-but":"x"}]}`}})), &heard{}
	st.s.Measures = h
	tries := 0
	st.fn = func(bodies, ids []string) outcome {
		if tries++; tries == 1 {
			return fine(`{"batchItemFailures":[{"itemIdentifier":"` + ids[1] + `"}]}`)
		}
		return fine("")
	}
	st.post.put(queueName, "a", "b", "x")
	st.start()
	st.empty()
	st.stop()
	if got := st.called(); len(got) != 2 || got[1] != "b" {
		t.Errorf("the calls are %q", got)
	}
	h.expectCounts(t, map[string]float64{eventsPolled: 4, eventsFiltered: 1, eventsInvoked: 3, eventsFailed: 1, eventsDeleted: 2})
}

// Code without a signature is counted where one is wanted but not enforced.
func TestSignatureMetrics(t *testing.T) {
	st, h := newStandOn(t, nil), &heard{}
	st.Measures = h
	config := func(policy string) *string {
		out, err := st.createCodeSigningConfig(st.ctx(), &api.CreateCodeSigningConfigRequest{CodeSigningPolicies: &api.CodeSigningPolicies{UntrustedArtifactOnDeployment: &policy}})
		if err != nil {
			t.Fatal(err)
		}
		return out.CodeSigningConfig.CodeSigningConfigArn
	}
	st.create("free", "provided.al2", "")
	st.create("warned", "provided.al2", "", func(in *api.CreateFunctionRequest) { in.CodeSigningConfigArn = config(api.CodeSigningPolicyWarn) })
	update := func(name string) error {
		_, err := st.updateFunctionCode(st.ctx(), &api.UpdateFunctionCodeRequest{FunctionName: &name, ZipFile: zipped(t, map[string]string{"a": "b"})})
		return err
	}
	if err := cmpError(update("free"), update("warned")); err != nil {
		t.Fatal(err)
	}
	strict := config(api.CodeSigningPolicyEnforce)
	if _, err := st.putFunctionCodeSigningConfig(st.ctx(), &api.PutFunctionCodeSigningConfigRequest{FunctionName: ptr("warned"), CodeSigningConfigArn: strict}); err != nil {
		t.Fatal(err)
	}
	if err := update("warned"); aws.CodeOf(err) != "CodeVerificationFailedException" {
		t.Error(err)
	}
	if free, warned := h.sum("SignatureValidationErrors free"), h.sum("SignatureValidationErrors warned"); free != 0 || warned != 2 {
		t.Errorf("counted %v without a configuration, %v with one", free, warned)
	}
}
