package cloudwatch

import (
	"encoding/binary"
	"errors"
	"math"
)

// A sample is what is kept of the values that came for a stretch of time: their number,
// sum, least and greatest, and how they are distributed. Up to maxExact different values
// are kept as they are; beyond that each is kept as the middle of a range of values that
// are within 1 % of it, so percentiles are then exact to 1 %.
type sample struct {
	Count, Sum, Min, Max float64
	// Blurred says that the distribution is not known: some values came summed up by
	// their sender, or some are negative, of which AWS makes no percentiles either.
	Blurred bool
	// Coarse says that points are middles of ranges.
	Coarse bool
	Points []point // by value
}

// A point is a value and how often it came.
type point struct{ Value, Times float64 }

// maxExact is how many different values a sample keeps as they are.
const maxExact = 128

// gamma is the ratio of a range's ends: (1+e)/(1-e) for the relative error e of 1 %.
const gamma = 1.01 / 0.99

var logGamma = math.Log(gamma)

// rangeOf is the number of the range that a value above zero is in.
func rangeOf(v float64) int64 { return int64(math.Ceil(math.Log(v) / logGamma)) }

// middle is what stands for the values of a range: at most 1 % from each.
func middle(i int64) float64 { return 2 * math.Exp(float64(i)*logGamma) / (gamma + 1) }

// one is the sample of a value that came some times.
func one(v, times float64) sample {
	s := sample{Count: times, Sum: v * times, Min: v, Max: v}
	if v < 0 {
		s.Blurred = true
	} else {
		s.Points = []point{{v, times}}
	}
	return s
}

// summed is the sample of values that only their sender knows.
func summed(count, sum, least, most float64) sample {
	if least == most && least >= 0 {
		s := one(least, count)
		s.Sum = sum
		return s
	}
	if count == 1 && sum >= 0 {
		return sample{Count: 1, Sum: sum, Min: least, Max: most, Points: []point{{sum, 1}}}
	}
	return sample{Count: count, Sum: sum, Min: least, Max: most, Blurred: true}
}

// add adds to s what o knows. Neither's points are changed in place.
func (s *sample) add(o sample) {
	if o.Count == 0 {
		return
	}
	if s.Count == 0 {
		*s = o
		return
	}
	s.Count += o.Count
	s.Sum += o.Sum
	s.Min = math.Min(s.Min, o.Min)
	s.Max = math.Max(s.Max, o.Max)
	if s.Blurred || o.Blurred {
		s.Blurred, s.Coarse, s.Points = true, false, nil
		return
	}
	a, b := s.Points, o.Points
	if s.Coarse != o.Coarse {
		a, b = coarse(a), coarse(b)
	}
	s.Coarse = s.Coarse || o.Coarse
	s.Points = merge(a, b)
	if !s.Coarse && len(s.Points) > maxExact {
		s.Coarse, s.Points = true, coarse(s.Points)
	}
}

// merge is the union of two lists of points.
func merge(a, b []point) []point {
	out := make([]point, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].Value < b[0].Value:
			out, a = append(out, a[0]), a[1:]
		case a[0].Value > b[0].Value:
			out, b = append(out, b[0]), b[1:]
		default:
			out = append(out, point{a[0].Value, a[0].Times + b[0].Times})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// coarse puts points into ranges. What is coarse stays what it is.
func coarse(points []point) []point {
	out := make([]point, 0, len(points))
	for _, p := range points {
		v := p.Value
		if v > 0 {
			v = middle(rangeOf(v))
		}
		if n := len(out); n > 0 && out[n-1].Value == v {
			out[n-1].Times += p.Times
		} else {
			out = append(out, point{v, p.Times})
		}
	}
	return out
}

// known reports whether there is a distribution.
func (s *sample) known() bool { return !s.Blurred && len(s.Points) > 0 }

// The first byte of an encoded sample says what follows.
const (
	sampleSingle  = 1 << iota // all values are the same: a count and a value
	sampleBlurred             // no points
	sampleCoarse              // points are ranges' numbers
)

var errSample = errors.New("cloudwatch: a damaged sample")

// MarshalBinary implements encoding.BinaryMarshaler: numbers that are whole take a byte
// or a few, others eight.
func (s sample) MarshalBinary() ([]byte, error) {
	if !s.Blurred && len(s.Points) == 1 && s.Min == s.Max && s.Points[0].Value == s.Min && s.Sum == s.Min*s.Count {
		b := append(make([]byte, 0, 20), sampleSingle)
		return number(number(b, s.Count), s.Min), nil
	}
	b := make([]byte, 0, 40+8*len(s.Points))
	var kind byte
	if s.Blurred {
		kind |= sampleBlurred
	}
	if s.Coarse {
		kind |= sampleCoarse
	}
	b = append(b, kind)
	for _, f := range [...]float64{s.Count, s.Sum, s.Min, s.Max} {
		b = number(b, f)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Points)))
	last := int64(0)
	for _, p := range s.Points {
		switch {
		case !s.Coarse:
			b = number(b, p.Value)
		case p.Value == 0:
			b = binary.AppendVarint(b, math.MinInt64)
		default:
			i := int64(math.Round(math.Log(p.Value*(gamma+1)/2) / logGamma))
			b = binary.AppendVarint(b, i-last)
			last = i
		}
		b = number(b, p.Times)
	}
	return b, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (s *sample) UnmarshalBinary(b []byte) error {
	if len(b) == 0 {
		return errSample
	}
	*s = sample{}
	kind, r := b[0], numbers{rest: b[1:]}
	if kind == sampleSingle {
		n := r.next()
		v := r.next()
		*s = sample{Count: n, Sum: v * n, Min: v, Max: v, Points: []point{{v, n}}}
		return r.err
	}
	s.Blurred, s.Coarse = kind&sampleBlurred != 0, kind&sampleCoarse != 0
	s.Count, s.Sum, s.Min, s.Max = r.next(), r.next(), r.next(), r.next()
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		return errSample
	}
	s.Points = make([]point, 0, n)
	last := int64(0)
	for range n {
		var p point
		if !s.Coarse {
			p.Value = r.next()
		} else if d := r.varint(); d != math.MinInt64 {
			last += d
			p.Value = middle(last)
		}
		p.Times = r.next()
		s.Points = append(s.Points, p)
	}
	return r.err
}

// number appends a float: twice a whole number, or the byte 1 and eight more.
func number(b []byte, f float64) []byte {
	if i := int64(f); math.Abs(f) < 1<<53 && float64(i) == f {
		zigzag := uint64(i<<1) ^ uint64(i>>63)
		return binary.AppendUvarint(b, zigzag<<1)
	}
	return binary.BigEndian.AppendUint64(append(b, 1), math.Float64bits(f))
}

// numbers reads what number wrote.
type numbers struct {
	rest []byte
	err  error
}

func (r *numbers) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.err, r.rest = errSample, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *numbers) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.err, r.rest = errSample, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *numbers) next() float64 {
	v := r.uvarint()
	if v&1 == 0 {
		v >>= 1
		return float64(int64(v>>1) ^ -int64(v&1))
	}
	if len(r.rest) < 8 {
		r.err, r.rest = errSample, nil
		return 0
	}
	f := math.Float64frombits(binary.BigEndian.Uint64(r.rest))
	r.rest = r.rest[8:]
	return f
}

// quantile is the least value that at least the part q, from 0 to 1, of the values is
// not above.
func (s *sample) quantile(q float64) float64 {
	if q <= 0 {
		return s.Min
	}
	seen, want := 0.0, q*s.total()
	for _, p := range s.Points {
		if seen += p.Times; seen >= want-1e-9 {
			return s.within(p.Value)
		}
	}
	return s.Max
}

// within is a value, no less than the least and no greater than the greatest.
func (s *sample) within(v float64) float64 { return math.Min(math.Max(v, s.Min), s.Max) }

func (s *sample) total() (n float64) {
	for _, p := range s.Points {
		n += p.Times
	}
	return n
}

// trimmed are the points between two parts, from 0 to 1, of the values; those at the
// edges count as far as they lie within.
func (s *sample) trimmed(from, to float64) []point {
	total := s.total()
	low, high, seen := from*total, to*total, 0.0
	var out []point
	for _, p := range s.Points {
		n := math.Min(seen+p.Times, high) - math.Max(seen, low)
		seen += p.Times
		if n > 1e-9 {
			out = append(out, point{s.within(p.Value), n})
		}
	}
	return out
}

// between are the points with a value above from and no greater than to.
func (s *sample) between(from, to float64) []point {
	var out []point
	for _, p := range s.Points {
		if v := s.within(p.Value); v > from && v <= to {
			out = append(out, point{v, p.Times})
		}
	}
	return out
}

func sums(points []point) (count, sum float64) {
	for _, p := range points {
		count += p.Times
		sum += p.Times * p.Value
	}
	return count, sum
}
