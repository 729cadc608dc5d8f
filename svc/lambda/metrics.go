package lambda

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Measures takes what is measured of functions, by the names, units and dimensions of
// AWS's list: what the metrics of the namespace AWS/Lambda are made of.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
type Measures interface {
	// Put takes one value; it must not keep its caller waiting, nor keep dimensions.
	Put(name, unit string, value float64, dimensions Dimensions)
}

// Dimensions say of what a value is: a function, one of its versions or aliases, or all of an
// account in a region.
type Dimensions struct {
	Account, Region string
	FunctionName    string // "" for all of them
	// Resource is the function's name with the version or alias that was asked for, as in
	// "name:live"; "" for the function as a whole, which has each value, too.
	Resource string
	// ExecutedVersion is the version that an alias has led to; "" where Resource is none.
	ExecutedVersion string
	// Mapping is the UUID of an event source mapping, which has metrics of its own; "" for functions'.
	Mapping string
}

// measure notes a count.
func (s *Service) measure(at ref, name string, value float64) { s.put(at, name, "Count", value) }

// took notes a duration.
func (s *Service) took(at ref, name string, d time.Duration) { s.put(at, name, inMilliseconds, ms(d)) }

const inMilliseconds = "Milliseconds"

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (s *Service) put(at ref, name, unit string, value float64) {
	if s.Measures != nil {
		s.Measures.Put(name, unit, value, Dimensions{Account: at.scope.Account, Region: at.scope.Region, FunctionName: at.name})
	}
}

// count notes a count of an invoke's target: of the function, and of the qualifier that was
// asked for.
func (t *target) count(s *Service, name string, value float64) { t.put(s, name, "Count", value) }

func (t *target) put(s *Service, name, unit string, value float64) {
	if s.Measures == nil {
		return
	}
	d := Dimensions{Account: t.at.scope.Account, Region: t.at.scope.Region, FunctionName: t.at.name}
	s.Measures.Put(name, unit, value, d)
	if t.qualifier == "" {
		return
	}
	d.Resource = t.at.name + ":" + t.qualifier
	s.Measures.Put(name, unit, value, d)
	if t.alias != nil {
		d.ExecutedVersion = t.version.label()
		s.Measures.Put(name, unit, value, d)
	}
}

// count notes how many events something has happened to, for mappings that want theirs counted.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics
func (m *mapping) count(s *Service, scope store.Scope, name string, n int) {
	if s.Measures != nil && m.counted() {
		s.Measures.Put(name, "Count", float64(n), Dimensions{Account: scope.Account, Region: scope.Region, Mapping: m.UUID})
	}
}

func (m *mapping) counted() bool {
	return slices.Contains(m.Metrics, api.EventSourceMappingMetricEventCount)
}

// What is counted of a mapping's events. Those that are tried again are invoked, and may fail, again.
const (
	eventsPolled    = "PolledEventCount"
	eventsFiltered  = "FilteredOutEventCount"
	eventsInvoked   = "InvokedEventCount"
	eventsFailed    = "FailedInvokeEventCount"
	eventsDropped   = "DroppedEventCount" // without a destination
	eventsDelivered = "OnFailureDestinationDeliveredEventCount"
	eventsDeleted   = "DeletedEventCount" // of queues
)

func (p *poller) count(name string, n int) { p.m.count(p.s, p.scope, name, n) }

// measure notes how many invokes run, now that e serves one more, or no longer serves one. The
// caller holds mu.
func (f *fleet) measure(e *environment, c *crew) {
	if f.s.Measures == nil {
		return
	}
	if e.target.qualifier != "" {
		n := 0
		for other := range c.all {
			if other.serving && other.target.qualifier == e.target.qualifier {
				n++
			}
		}
		f.s.Measures.Put("ConcurrentExecutions", "Count", float64(n), Dimensions{Account: e.at.scope.Account, Region: e.at.scope.Region,
			FunctionName: e.at.name, Resource: e.at.name + ":" + e.target.qualifier})
	}
	all := ref{scope: e.at.scope}
	f.s.measure(e.at, "ConcurrentExecutions", float64(c.busy))
	f.s.measure(all, "ConcurrentExecutions", float64(f.running[e.at.scope]))
	if e.counted {
		n := float64(f.busy[e.at.scope])
		f.s.measure(all, "UnreservedConcurrentExecutions", n)
		if kept, known := f.reserved[e.at.scope]; known {
			f.s.measure(all, "ClaimedAccountConcurrency", n+float64(kept))
		}
	}
	if e.provisioned {
		busy, stand := 0, 0
		for other := range c.all {
			if !other.provisioned || other.version.Number != e.version.Number {
				continue
			}
			if stand++; other.serving {
				busy++
			}
		}
		e.target.count(f.s, "ProvisionedConcurrentExecutions", float64(busy))
		e.target.count(f.s, "ProvisionedConcurrencyUtilization", float64(busy)/float64(stand))
	}
}

// provision notes whether an invoke has found one of its version's provisioned environments, if
// there are any. The caller holds mu.
func (f *fleet) provision(e *environment, c *crew) {
	if f.s.Measures == nil || c.provisioned == 0 {
		return
	}
	if e.provisioned {
		e.target.count(f.s, "ProvisionedConcurrencyInvocations", 1)
		return
	}
	for other := range c.all {
		if other.provisioned && other.version.Number == e.version.Number {
			e.target.count(f.s, "ProvisionedConcurrencySpilloverInvocations", 1)
			return
		}
	}
}

// shared are Measures that CloudWatch gets, too.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
type shared struct {
	Measures // nil for nobody else
	meter    aws.Meter
}

// measures are those of options; nil if nobody listens.
func (o *Options) measures() Measures {
	if _, nobody := o.Meter.(aws.NoMeter); nobody {
		return o.Measures
	}
	return shared{o.Measures, o.Meter}
}

// Put implements Measures. What is measured of a function is measured of all functions together,
// too, but for how many run at once, which is counted.
func (m shared) Put(name, unit string, value float64, d Dimensions) {
	if m.Measures != nil {
		m.Measures.Put(name, unit, value, d)
	}
	v := aws.Measurement{Account: d.Account, Region: d.Region, Namespace: "AWS/Lambda", Name: name, Unit: unit, Value: value}
	if strings.HasSuffix(name, "Utilization") {
		v.Unit = "None"
	}
	switch {
	case d.Mapping != "":
		v.Dimensions = []string{"EventSourceMappingUUID", d.Mapping}
	case d.FunctionName == "":
	case d.Resource == "":
		if name != "ConcurrentExecutions" {
			m.meter.Measure(v)
		}
		v.Dimensions = []string{"FunctionName", d.FunctionName}
	case d.ExecutedVersion == "":
		v.Dimensions = []string{"FunctionName", d.FunctionName, "Resource", d.Resource}
	default:
		v.Dimensions = []string{"FunctionName", d.FunctionName, "Resource", d.Resource, "ExecutedVersion", d.ExecutedVersion}
	}
	m.meter.Measure(v)
}

// maxMeasured is how many functions have metrics of their own; others share one.
const maxMeasured = 1000

// A Meter is Measures for Prometheus: counters and histograms by AWS's names and the function's ARN without its beginning.
type Meter struct {
	counts  *prometheus.CounterVec
	levels  *prometheus.GaugeVec
	seconds *prometheus.HistogramVec

	mu    sync.Mutex
	known map[Dimensions]string
}

var (
	_ Measures             = (*Meter)(nil)
	_ prometheus.Collector = (*Meter)(nil)
)

// NewMeter returns a Meter that has measured nothing.
func NewMeter() *Meter {
	labels := []string{"metric", "function"}
	return &Meter{
		counts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tule_lambda_total",
			Help: "What has happened to functions, by AWS's metric."}, labels),
		levels: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tule_lambda_level",
			Help: "How many invokes run at present, and of how many, by AWS's metric."}, labels),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tule_lambda_seconds",
			Help: "How long functions and their events took, by AWS's metric.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10)}, labels),
		known: map[Dimensions]string{},
	}
}

// Put implements Measures.
func (m *Meter) Put(name, unit string, value float64, d Dimensions) {
	function := m.label(d)
	switch {
	case unit == inMilliseconds:
		m.seconds.WithLabelValues(name, function).Observe(value / 1000)
	case strings.HasSuffix(name, "Executions"), strings.HasSuffix(name, "Concurrency"), strings.HasSuffix(name, "Utilization"):
		m.levels.WithLabelValues(name, function).Set(value)
	default:
		m.counts.WithLabelValues(name, function).Add(value)
	}
}

// label is the function's, as long as there are not too many.
func (m *Meter) label(d Dimensions) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if text, ok := m.known[d]; ok {
		return text
	}
	if len(m.known) >= maxMeasured {
		return "other"
	}
	text := d.Region + ":" + d.Account + ":" + cmp.Or(d.Mapping, d.Resource, d.FunctionName)
	if d.ExecutedVersion != "" {
		text += ":" + d.ExecutedVersion
	}
	m.known[d] = text
	return text
}

// Describe implements prometheus.Collector.
func (m *Meter) Describe(ch chan<- *prometheus.Desc) {
	m.counts.Describe(ch)
	m.levels.Describe(ch)
	m.seconds.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *Meter) Collect(ch chan<- prometheus.Metric) {
	m.counts.Collect(ch)
	m.levels.Collect(ch)
	m.seconds.Collect(ch)
}
