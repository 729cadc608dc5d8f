package front

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tule-cloud/tule/aws"
)

// close ends a call: what panicked is answered, and one line of the access log and
// one measurement say what came of it.
func (f *Front) close(c *call) {
	p := recover()
	if p != nil && p != http.ErrAbortHandler {
		f.Logger.Error("a request panicked", "id", c.req.ID, "panic", p, "stack", string(debug.Stack()))
		f.refuse(c, aws.InternalFailure(errors.New("panic")))
	}
	f.log(c)
	took := f.Clock.Now().Sub(c.start)
	f.metrics.outside(c, took)
	if c.event.Op != nil && f.Audit != nil {
		c.event.Err, c.event.Took = c.err, took
		f.Audit.Record(c.r.Context(), &c.event)
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
}

// log writes the access log's line. Causes, which callers do not see, are there.
func (f *Front) log(c *call) {
	level := slog.LevelInfo
	switch {
	case c.tool:
		level = slog.LevelDebug
	case c.err != nil && c.err.Server() && c.err.Status != http.StatusNotImplemented:
		level = slog.LevelError
	}
	ctx := c.r.Context()
	if !f.Logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs, slog.String("id", c.req.ID))
	if c.service != nil {
		attrs = append(attrs, slog.String("service", c.service.Model.Package))
	} else if c.plane != "" {
		attrs = append(attrs, slog.String("service", c.plane))
	}
	if c.op != nil {
		attrs = append(attrs, slog.String("operation", c.op.Name))
	} else {
		attrs = append(attrs, slog.String("method", c.r.Method), slog.String("path", c.r.URL.Path))
	}
	attrs = append(attrs,
		slog.Int("status", c.w.status),
		slog.Float64("ms", float64(f.Clock.Now().Sub(c.start).Microseconds())/1000),
		slog.Int64("in", max(c.r.ContentLength, int64(len(c.body)))),
		slog.Int64("out", c.w.bytes),
		slog.String("account", c.req.Caller.Account),
		slog.String("caller", c.req.Caller.ARN),
		slog.String("region", c.req.Region),
		slog.String("from", c.req.SourceIP))
	if c.err != nil {
		attrs = append(attrs, slog.String("error", c.err.Code), slog.String("message", clip(c.err.Message, 300)))
		if c.err.Cause != nil {
			attrs = append(attrs, slog.String("cause", clip(c.err.Cause.Error(), 4000)))
		}
	}
	f.Logger.LogAttrs(ctx, level, "request", attrs...)
}

// audit has account kept of what happened within.
func (f *Front) audit(ctx context.Context, e *aws.Event, err error) {
	if f.Audit == nil {
		return
	}
	if err != nil && !errors.As(err, &e.Err) {
		e.Err = aws.InternalFailure(err)
	}
	f.Audit.Record(ctx, e)
}

// logWithin says why a call from one service to another failed by our own fault: the
// caller outside may see no more of it than that something did.
func (f *Front) logWithin(ctx context.Context, op *aws.Operation, err error) {
	var e *aws.Error
	if err == nil || ctx.Err() != nil || errors.As(err, &e) && (!e.Server() || e.Code == "NotImplemented") {
		return
	}
	cause := err
	if e != nil && e.Cause != nil {
		cause = e.Cause
	}
	r := aws.RequestOf(ctx)
	f.Logger.Error("call within failed", "id", r.ID, "service", op.Service.Package, "operation", op.Name,
		"caller", r.Caller.ARN, "error", clip(err.Error(), 300), "cause", clip(cause.Error(), 4000))
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// metrics are what Prometheus collects of the door.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	calls    *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tule_requests_total", Help: "Requests from outside, by what they called and how it was answered."},
			[]string{"service", "operation", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tule_request_seconds", Help: "How long requests took, by service.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 3, 12)},
			[]string{"service"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tule_calls_total", Help: "Calls of services among each other, by what they called and the error's code."},
			[]string{"service", "operation", "error"}),
	}
}

// Collectors are the door's metrics, for a registry.
func (f *Front) Collectors() []prometheus.Collector {
	return []prometheus.Collector{f.metrics.requests, f.metrics.seconds, f.metrics.calls}
}

func (m *metrics) outside(c *call, d time.Duration) {
	service, operation := c.plane, ""
	if c.service != nil {
		service = c.service.Model.Package
	}
	if c.op != nil {
		operation = c.op.Name
	}
	if c.tool {
		service = "tools"
	}
	m.requests.WithLabelValues(service, operation, strconv.Itoa(c.w.status)).Inc()
	m.seconds.WithLabelValues(service).Observe(d.Seconds())
}

func (m *metrics) within(op *aws.Operation, err error, _ time.Duration) {
	code := aws.CodeOf(err)
	if err != nil && code == "" {
		code = "InternalFailure"
		if errors.Is(err, context.Canceled) {
			code = "Canceled"
		}
	}
	m.calls.WithLabelValues(op.Service.Package, op.Name, code).Inc()
}
