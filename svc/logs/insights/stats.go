package insights

import (
	"math"
	"slices"
	"strings"
)

// A statsCommand counts rows, by groups.
type statsCommand struct {
	aggregates []aggregate
	columns    []column
	by         []column
}

// A column is an expression with its name.
type column struct {
	name string
	of   expression
	// plain says that it is the field of that name, and nothing is to be computed.
	plain bool
}

// An aggregate is an aggregation over the values of an expression.
type aggregate struct {
	of   expression // nil counts rows
	make func() aggregation
}

// An aggregation is on its way over the rows of a group.
type aggregation interface {
	add(r *row, v value)
	result() value
}

// aggregations are those that there are: whether they have an argument, and a number
// behind it.
var aggregations = map[string]func(n float64) aggregation{
	"count": func(float64) aggregation { return &counting{} }, "count_distinct": func(float64) aggregation { return newDistinct() },
	"sum": func(float64) aggregation { return &summing{} }, "avg": func(float64) aggregation { return &summing{mean: true} },
	"min": func(float64) aggregation { return &extremal{sign: -1} }, "max": func(float64) aggregation { return &extremal{sign: 1} },
	"stddev": func(float64) aggregation { return &spread{} }, "pct": func(n float64) aggregation { return &ranked{percent: n} },
	"percentile": func(n float64) aggregation { return &ranked{percent: n} }, "median": func(float64) aggregation { return &ranked{percent: 50} },
	"earliest": func(float64) aggregation { return &timed{sign: -1} }, "latest": func(float64) aggregation { return &timed{sign: 1} },
	"sortsfirst": func(float64) aggregation { return &extremal{sign: -1, any: true} }, "sortslast": func(float64) aggregation { return &extremal{sign: 1, any: true} },
}

// aggregate reads the arguments of an aggregation, whose parenthesis is open.
func (s *scanner) aggregate(name string, make func(float64) aggregation) (expression, error) {
	stats := s.stats
	s.stats = nil // none within another
	defer func() { s.stats = stats }()
	a := aggregate{make: func() aggregation { return make(0) }}
	switch {
	case name == "count" && (s.sees(")") || s.take("*")):
	default:
		var err error
		if a.of, err = s.expression(); err != nil {
			return nil, err
		}
	}
	if name == "pct" || name == "percentile" {
		if !s.take(",") {
			return nil, s.bad()
		}
		n, ok := s.number()
		if !ok || n < 0 || n > 100 {
			return nil, s.bad()
		}
		a.make = func() aggregation { return make(n) }
	}
	if !s.take(")") {
		return nil, s.bad()
	}
	i := len(stats.aggregates)
	stats.aggregates = append(stats.aggregates, a)
	return func(r *row) value {
		if i >= len(r.aggs) {
			return value{}
		}
		return r.aggs[i]
	}, nil
}

func (c *statsCommand) ordered() bool { return false }
func (c *statsCommand) blocks() bool  { return true }

func (c *statsCommand) stage(run *Run, next stage) stage {
	return &grouping{statsCommand: c, run: run, next: next, groups: map[string]*statsGroup{}}
}

// A grouping is stats on its way.
type grouping struct {
	*statsCommand
	run    *Run
	next   stage
	groups map[string]*statsGroup
	order  []*statsGroup // as they were met
	key    strings.Builder
}

type statsGroup struct {
	by   []value
	aggs []aggregation
}

func (g *grouping) push(r *row) bool {
	g.key.Reset()
	var few [8]value
	by := few[:0]
	for i := range g.by {
		v := g.by[i].of(r)
		by = append(by, v)
		g.key.WriteByte(byte(v.kind)) // what is missing is not what is empty
		g.key.WriteString(v.String())
		g.key.WriteByte(0)
	}
	group := g.groups[g.key.String()]
	if group == nil {
		if len(g.groups) >= maxGroups || !g.run.keep(256+g.key.Len()+64*len(g.aggregates)) {
			g.run.err = ErrTooMuch
			return false
		}
		group = &statsGroup{by: make([]value, len(by))}
		for i, v := range by {
			v.text = strings.Clone(v.text)
			if group.by[i] = v; v.kind == tree {
				group.by[i] = textOf(v.String())
			}
		}
		for i := range g.aggregates {
			group.aggs = append(group.aggs, g.aggregates[i].make())
		}
		g.groups[strings.Clone(g.key.String())] = group
		g.order = append(g.order, group)
	}
	for i := range g.aggregates {
		v := value{}
		if of := g.aggregates[i].of; of != nil {
			v = of(r)
			if v.kind == missing {
				continue
			}
		}
		group.aggs[i].add(r, v)
	}
	return true
}

func (g *grouping) finish() {
	for _, group := range g.order {
		r := &row{added: map[string]value{}, aggs: make([]value, len(group.aggs))}
		for i, a := range group.aggs {
			r.aggs[i] = a.result()
		}
		for i := range g.by {
			r.added[g.by[i].name] = group.by[i]
		}
		for i := range g.columns {
			if v := g.columns[i].of(r); v.kind != missing {
				r.added[g.columns[i].name] = v
			}
		}
		r.aggs = nil
		if !g.next.push(r) {
			break
		}
	}
	g.next.finish()
}

type counting struct{ n int64 }

func (c *counting) add(*row, value) { c.n++ }
func (c *counting) result() value   { return numberOf(float64(c.n)) }

// summing adds numbers, with what rounding loses kept apart.
type summing struct {
	mean      bool
	n         int64
	sum, lost float64
}

func (s *summing) add(_ *row, v value) {
	x, ok := v.number()
	if !ok {
		return
	}
	s.n++
	t := s.sum + x
	if math.Abs(s.sum) >= math.Abs(x) {
		s.lost += (s.sum - t) + x
	} else {
		s.lost += (x - t) + s.sum
	}
	s.sum = t
}

func (s *summing) result() value {
	switch {
	case s.n == 0:
		return value{}
	case s.mean:
		return finite((s.sum + s.lost) / float64(s.n))
	}
	return finite(s.sum + s.lost)
}

// extremal is the least or the greatest: of numbers, or of all values in their order.
type extremal struct {
	sign int
	any  bool
	best value
}

func (e *extremal) add(_ *row, v value) {
	if _, ok := v.number(); !ok && !e.any {
		return
	}
	if e.best.kind == missing || rank(v, e.best)*e.sign > 0 {
		v.text = strings.Clone(v.text)
		e.best = v
	}
}

func (e *extremal) result() value { return e.best }

// timed is the value of the earliest or the latest record.
type timed struct {
	sign int
	at   int64
	best value
}

func (t *timed) add(r *row, v value) {
	at, ok := r.get("@timestamp").number()
	if !ok {
		return
	}
	ms := int64(at)
	if t.best.kind == missing || (ms < t.at) == (t.sign < 0) && ms != t.at {
		v.text = strings.Clone(v.text)
		t.at, t.best = ms, v
	}
}

func (t *timed) result() value { return t.best }

// spread is the standard deviation of all values, by Welford's method.
type spread struct {
	n       float64
	mean, m float64
}

func (s *spread) add(_ *row, v value) {
	x, ok := v.number()
	if !ok {
		return
	}
	s.n++
	d := x - s.mean
	s.mean += d / s.n
	s.m += d * (x - s.mean)
}

func (s *spread) result() value {
	if s.n == 0 {
		return value{}
	}
	return finite(math.Sqrt(s.m / s.n))
}

// maxRanked is how many values a percentile is exact for.
const maxRanked = 20_000

// ranked is a percentile: exact, or from then on by buckets whose bounds are one percent
// apart.
type ranked struct {
	percent float64
	values  []float64
	buckets map[int]int64 // by the logarithm of the amount, twice and plus one if negative
	n       int64
}

const bucketGrowth = 1.01

func (p *ranked) add(_ *row, v value) {
	x, ok := v.number()
	if !ok {
		return
	}
	p.n++
	if p.buckets != nil {
		p.buckets[bucketOf(x)]++
		return
	}
	if p.values = append(p.values, x); len(p.values) > maxRanked {
		p.buckets = map[int]int64{}
		for _, x := range p.values {
			p.buckets[bucketOf(x)]++
		}
		p.values = nil
	}
}

// zeroBucket is for amounts too small to matter.
const zeroBucket = math.MinInt32

func bucketOf(x float64) int {
	if math.Abs(x) < 1e-9 {
		return zeroBucket
	}
	i := 2 * int(math.Floor(math.Log(math.Abs(x))/math.Log(bucketGrowth)))
	if x < 0 {
		i++
	}
	return i
}

// middle is the amount that a bucket stands for.
func middle(bucket int) float64 {
	if bucket == zeroBucket {
		return 0
	}
	negative := bucket&1 != 0
	x := math.Pow(bucketGrowth, float64(bucket>>1)+0.5)
	if negative {
		return -x
	}
	return x
}

func (p *ranked) result() value {
	if p.n == 0 {
		return value{}
	}
	rank := max(int64(math.Ceil(p.percent/100*float64(p.n))), 1) // the nearest
	if p.buckets == nil {
		slices.Sort(p.values)
		return numberOf(p.values[rank-1])
	}
	type bucket struct {
		at float64
		n  int64
	}
	var all []bucket
	for b, n := range p.buckets {
		all = append(all, bucket{middle(b), n})
	}
	slices.SortFunc(all, func(a, b bucket) int {
		if a.at < b.at {
			return -1
		}
		return 1
	})
	for _, b := range all {
		if rank -= b.n; rank <= 0 {
			return finite(b.at)
		}
	}
	return value{}
}
