package cloudwatch

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A metric is what values are of.
type metric struct {
	Namespace, Name string
	Dimensions      []dimension // by name
}

type dimension struct{ Name, Value string }

// metricOf is the metric with dimensions as a caller gave them.
func metricOf(namespace, name string, dims []api.Dimension) metric {
	m := metric{Namespace: namespace, Name: name}
	for _, d := range dims {
		m.Dimensions = append(m.Dimensions, dimension{aws.Value(d.Name), aws.Value(d.Value)})
	}
	slices.SortFunc(m.Dimensions, func(a, b dimension) int { return strings.Compare(a.Name, b.Name) })
	return m
}

// packed are the dimensions as one text, which sorts as they do.
func (m metric) packed() string {
	var b strings.Builder
	for _, d := range m.Dimensions {
		b.WriteString(d.Name)
		b.WriteByte(0)
		b.WriteString(d.Value)
		b.WriteByte(0)
	}
	return b.String()
}

// unpacked is the metric whose dimensions packed gave.
func unpacked(namespace, name, dims string) metric {
	m := metric{Namespace: namespace, Name: name}
	for dims != "" {
		n, rest, _ := strings.Cut(dims, "\x00")
		v, rest, _ := strings.Cut(rest, "\x00")
		m.Dimensions = append(m.Dimensions, dimension{n, v})
		dims = rest
	}
	return m
}

// An id is the short name of a metric, under which its values are.
type id [16]byte

func (m metric) id() id {
	h := sha256.New()
	h.Write([]byte(m.Namespace))
	h.Write([]byte{0})
	h.Write([]byte(m.Name))
	h.Write([]byte{0})
	h.Write([]byte(m.packed()))
	return id(h.Sum(nil)[:16])
}

// apiDimensions are the dimensions as an answer shows them.
func apiDimensions(dims []dimension) []api.Dimension {
	out := make([]api.Dimension, 0, len(dims))
	for _, d := range dims {
		out = append(out, api.Dimension{Name: new(d.Name), Value: new(d.Value)})
	}
	return out
}

// value is the value of a dimension.
func (m metric) value(name string) (string, bool) {
	for _, d := range m.Dimensions {
		if d.Name == name {
			return d.Value, true
		}
	}
	return "", false
}

// A listing is what is kept of a metric beside its values.
type listing struct {
	Seen int64 `json:"s"` // the time of its latest value, in seconds
}

// Listings are written anew when they are this old; a metric without values for
// forgotten is not listed, and one without for recent is not active.
const (
	relist    = 5 * 60
	recent    = 3 * 60 * 60
	forgotten = 15 * 24 * 60 * 60
)

// list notes that a metric has a value of the time at, in seconds.
func list(ctx context.Context, tx store.Tx, scope store.Scope, m metric, at int64) error {
	dims := m.packed()
	l, err := listings.Get(ctx, tx, scope, m.Namespace, m.Name, dims)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && at < l.Seen+relist {
		return nil
	}
	return listings.PutExpiring(tx, scope, listing{at}, time.Unix(at+retentions[len(retentions)-1].keep, 0), m.Namespace, m.Name, dims)
}

// pageOfMetrics is how many metrics one answer lists.
const pageOfMetrics = 500

type metricsPosition struct {
	Namespace, Name, Dimensions string
}

func (s *Service) listMetrics(ctx context.Context, in *api.ListMetricsInput) (*api.ListMetricsOutput, error) {
	scope := scopeOf(ctx)
	if in.OwningAccount != nil && *in.OwningAccount != scope.Account {
		return nil, invalidValue("This account is not a monitoring account of %s.", *in.OwningAccount)
	}
	o := store.ListOptions{}
	if in.Namespace != nil {
		o.Prefix = []any{*in.Namespace}
		if in.MetricName != nil {
			o.Prefix = append(o.Prefix, *in.MetricName)
		}
	}
	if in.NextToken != nil {
		var at metricsPosition
		if !aws.ParseToken(*in.NextToken, &at) {
			return nil, invalidValue("Invalid nextToken")
		}
		o.After = []any{at.Namespace, at.Name, at.Dimensions}
	}
	least := s.Clock.Now().Unix() - forgotten
	if in.RecentlyActive != nil {
		least = s.Clock.Now().Unix() - recent - relist
	}
	out := &api.ListMetricsOutput{Metrics: []api.Metric{}}
	err := s.Store.View(ctx, func(r store.Reader) error {
		for m, err := range metrics(ctx, r, scope, o, least) {
			if err != nil {
				return err
			}
			if in.MetricName != nil && m.Name != *in.MetricName || !m.has(in.Dimensions) {
				continue
			}
			if len(out.Metrics) == pageOfMetrics {
				last := out.Metrics[pageOfMetrics-1]
				was := metricOf(*last.Namespace, *last.MetricName, last.Dimensions)
				out.NextToken = new(aws.Token(metricsPosition{was.Namespace, was.Name, was.packed()}))
				return nil
			}
			out.Metrics = append(out.Metrics, api.Metric{Namespace: &m.Namespace, MetricName: &m.Name, Dimensions: apiDimensions(m.Dimensions)})
		}
		return nil
	})
	if err == nil && aws.Value(in.IncludeLinkedAccounts) {
		for range out.Metrics {
			out.OwningAccounts = append(out.OwningAccounts, scope.Account)
		}
	}
	return out, err
}

// metrics yields the metrics that have had values since least, in seconds.
func metrics(ctx context.Context, r store.Reader, scope store.Scope, o store.ListOptions, least int64) func(func(metric, error) bool) {
	return func(yield func(metric, error) bool) {
		for e, err := range listings.List(ctx, r, scope, o) {
			if err != nil {
				yield(metric{}, err)
				return
			}
			if e.Record.Seen < least {
				continue
			}
			if !yield(unpacked(e.Key.String(0), e.Key.String(1), e.Key.String(2)), nil) {
				return
			}
		}
	}
}

// has reports whether a metric has all dimensions that are asked for.
func (m metric) has(filters []api.DimensionFilter) bool {
	for _, f := range filters {
		v, ok := m.value(aws.Value(f.Name))
		if !ok || f.Value != nil && v != *f.Value {
			return false
		}
	}
	return true
}
