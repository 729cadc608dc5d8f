package cloudwatch

import (
	"context"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What services measure of themselves is summed up in memory, in some parts that do not
// wait for each other, and put into the store every flushEvery.
const (
	flushEvery = 5 * time.Second
	shards     = 32
	// maxGauges is how many metrics of a minute one part remembers; what comes beyond is
	// dropped until the next flush.
	maxGauges = 4096
)

// meters sum up measurements.
type meters struct {
	seed  maphash.Seed
	parts [shards]struct {
		mu     sync.Mutex
		gauges map[uint64][]*gauge
		count  int
		_      [40]byte // apart from the next one in the cache
	}
}

// A gauge is one metric in one minute.
type gauge struct {
	m      aws.Measurement
	minute int64
	sample sample
}

var _ aws.Meter = (*Service)(nil)

// Measure implements aws.Meter.
func (s *Service) Measure(m aws.Measurement) {
	s.meters.add(m, s.Clock.Now().Unix()/60)
}

func (t *meters) add(m aws.Measurement, minute int64) {
	var h maphash.Hash
	h.SetSeed(t.seed)
	h.WriteString(m.Account)
	h.WriteString(m.Region)
	h.WriteString(m.Namespace)
	h.WriteString(m.Name)
	for _, d := range m.Dimensions {
		h.WriteString(d)
		h.WriteByte(0)
	}
	sum := h.Sum64()
	p := &t.parts[sum%shards]
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.gauges[sum] {
		if g.minute == minute && g.is(&m) {
			g.sample.see(m.Value, float64(max(m.Times, 1)))
			return
		}
	}
	if p.count >= maxGauges {
		return
	}
	if p.gauges == nil {
		p.gauges = map[uint64][]*gauge{}
	}
	m.Dimensions = slices.Clone(m.Dimensions)
	p.gauges[sum] = append(p.gauges[sum], &gauge{m, minute, one(m.Value, float64(max(m.Times, 1)))})
	p.count++
}

// is reports whether the gauge is of the measurement's metric.
func (g *gauge) is(m *aws.Measurement) bool {
	return g.m.Name == m.Name && g.m.Namespace == m.Namespace && g.m.Account == m.Account && g.m.Region == m.Region &&
		g.m.Unit == m.Unit && slices.Equal(g.m.Dimensions, m.Dimensions)
}

// see adds a value to a sample that is nobody else's, in place.
func (s *sample) see(v, times float64) {
	if i, ok := s.find(v); ok && !s.Blurred && v >= 0 {
		s.Count += times
		s.Sum += v * times
		s.Min, s.Max = min(s.Min, v), max(s.Max, v)
		s.Points[i].Times += times
		return
	}
	s.add(one(v, times))
}

// find looks for the point that a value is at.
func (s *sample) find(v float64) (int, bool) {
	if s.Coarse && v > 0 {
		v = middle(rangeOf(v))
	}
	return slices.BinarySearchFunc(s.Points, v, func(p point, v float64) int {
		switch {
		case p.Value < v:
			return -1
		case p.Value > v:
			return 1
		}
		return 0
	})
}

// take takes all that was measured, by whose it is.
func (t *meters) take() map[store.Scope][]datum {
	out := map[store.Scope][]datum{}
	for i := range t.parts {
		p := &t.parts[i]
		p.mu.Lock()
		gauges := p.gauges
		p.gauges, p.count = nil, 0
		p.mu.Unlock()
		for _, list := range gauges {
			for _, g := range list {
				d := datum{metric: metric{Namespace: g.m.Namespace, Name: g.m.Name}, unit: g.m.Unit, at: g.minute * 60, step: 60, sample: g.sample}
				for j := 0; j+1 < len(g.m.Dimensions); j += 2 {
					d.metric.Dimensions = append(d.metric.Dimensions, dimension{g.m.Dimensions[j], g.m.Dimensions[j+1]})
				}
				slices.SortFunc(d.metric.Dimensions, func(a, b dimension) int { return strings.Compare(a.Name, b.Name) })
				scope := store.Scope{Account: g.m.Account, Region: g.m.Region}
				out[scope] = append(out[scope], d)
			}
		}
	}
	return out
}

// flush puts what was measured into the store. What the store does not take is lost.
func (s *Service) flush(ctx context.Context) error {
	all := s.meters.take()
	if len(all) == 0 {
		return nil
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		for scope, data := range all {
			if err := s.write(ctx, tx, scope, data); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		for scope, data := range all {
			s.touched.note(scope, data)
		}
	}
	return err
}

// keepMeters flushes until ctx ends, and once more.
func (s *Service) keepMeters(ctx context.Context) error {
	for {
		c, stop := s.Clock.After(flushEvery)
		select {
		case <-ctx.Done():
			stop()
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			defer cancel()
			if err := s.flush(end); err != nil {
				s.Logger.Warn("cloudwatch: the last measurements are lost", "error", err)
			}
			return ctx.Err()
		case <-c:
		}
		stop()
		if err := s.flush(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Warn("cloudwatch: measurements of some seconds are lost", "error", err)
		}
	}
}
