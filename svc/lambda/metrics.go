package lambda

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Measures takes what is measured of functions, by the names, units and dimensions of
// AWS's list: what the metrics of the namespace AWS/Lambda are made of.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
type Measures interface {
	// Put takes one value; it must not keep its caller waiting, nor keep dimensions.
	Put(name, unit string, value float64, dimensions Dimensions)
}

// Dimensions say of what a value is: a function, or all of an account in a region.
type Dimensions struct {
	Account, Region string
	FunctionName    string // "" for all of them
}

// measure notes a count.
func (s *Service) measure(at ref, name string, value float64) { s.put(at, name, "Count", value) }

// took notes a duration.
func (s *Service) took(at ref, name string, d time.Duration) {
	s.put(at, name, "Milliseconds", float64(d)/float64(time.Millisecond))
}

func (s *Service) put(at ref, name, unit string, value float64) {
	if s.Measures != nil {
		s.Measures.Put(name, unit, value, Dimensions{at.scope.Account, at.scope.Region, at.name})
	}
}

// measure notes how many invokes run, of a function and, if unreserved, of all without
// a reservation. The caller holds mu.
func (f *fleet) measure(at ref, c *crew, unreserved bool) {
	f.s.measure(at, "ConcurrentExecutions", float64(c.busy))
	if unreserved {
		f.s.measure(ref{scope: at.scope}, "UnreservedConcurrentExecutions", float64(f.busy[at.scope]))
	}
}

// maxMeasured is how many functions have metrics of their own; others share one.
const maxMeasured = 1000

// A Meter is Measures for Prometheus, as long as no CloudWatch takes them: counters and
// histograms by AWS's names and the function's ARN without its beginning.
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
			Help: "How many invokes run at present, by AWS's metric."}, labels),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tule_lambda_seconds",
			Help: "How long functions and their events took, by AWS's metric.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10)}, labels),
		known: map[Dimensions]string{},
	}
}

// Put implements Measures.
func (m *Meter) Put(name, unit string, value float64, d Dimensions) {
	function := m.label(d)
	switch {
	case unit == "Milliseconds":
		m.seconds.WithLabelValues(name, function).Observe(value / 1000)
	case strings.HasSuffix(name, "Executions"):
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
	text := d.Region + ":" + d.Account + ":" + d.FunctionName
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
