package lambda

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	api "github.com/tule-cloud/tule/api/lambda"
)

// heard is Measures that keep what they get.
type heard struct {
	mu    sync.Mutex
	sums  map[string]float64
	units map[string]string
}

func (h *heard) Put(name, unit string, value float64, d Dimensions) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sums == nil {
		h.sums, h.units = map[string]float64{}, map[string]string{}
	}
	h.sums[name+" "+d.FunctionName] += value
	h.units[name] = unit
}

func (h *heard) sum(name string) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sums[name]
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
		m.Put("Invocations", "Count", 1, Dimensions{"1", "r", fmt.Sprint(n)})
	}
	m.Put("Duration", "Milliseconds", 1500, Dimensions{"1", "r", "0"})
	m.Put("ConcurrentExecutions", "Count", 7, Dimensions{"1", "r", ""})
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
