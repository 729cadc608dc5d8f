package cloudwatch

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A retention says how long values are kept in steps of a length, both in seconds.
type retention struct{ step, keep int64 }

// retentions are AWS's: what is too old for one is put together in the next.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
var retentions = []retention{
	{1, 3 * 3600},
	{60, 15 * 86400},
	{300, 63 * 86400},
	{3600, 455 * 86400},
}

// units are those of AWS, by the number that stands for each in keys. New ones go to
// the end.
var units = []string{"None", "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes",
	"Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second", "Megabytes/Second",
	"Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second",
	"Count/Second"}

// unitNumber is the number of a unit; None's for one that is not known.
func unitNumber(name string) uint64 { return uint64(max(slices.Index(units, name), 0)) }

// A datum is what came for a metric at a time.
type datum struct {
	metric metric
	unit   string
	at     int64 // in seconds
	step   int64 // 1 or 60
	sample sample
}

// A spot is where samples of a metric are together: all of a step, with the same unit.
type spot struct {
	at   int64
	unit uint64
}

// serials give each record of values a key of its own: a part that is chance, made when
// the process began, and a count.
type serials struct {
	begun [6]byte
	count atomic.Uint64
}

func (s *serials) begin(random io.Reader) {
	if _, err := io.ReadFull(random, s.begun[:]); err != nil {
		panic("cloudwatch: the source of randomness failed: " + err.Error())
	}
}

func (s *serials) next() []byte {
	return binary.BigEndian.AppendUint64(slices.Clone(s.begun[:]), s.count.Add(1))
}

// write puts data into the store. Nothing that was there is read but when a metric was
// last listed, so writers do not get into each other's way; what lies in one spot is put
// together later (see tidy).
func (s *Service) write(ctx context.Context, tx store.Tx, scope store.Scope, data []datum) error {
	for i := range data {
		d := &data[i]
		if err := list(ctx, tx, scope, d.metric, d.at); err != nil {
			return err
		}
		at := d.at - mod(d.at, d.step)
		gone := time.Unix(at+retentions[len(retentions)-1].keep, 0)
		which := d.metric.id()
		if err := samples.PutExpiring(tx, scope, d.sample, gone, which[:], d.step, at, unitNumber(d.unit), s.serials.next()); err != nil {
			return err
		}
	}
	return nil
}

// mod is a modulo b, never less than zero.
func mod(a, b int64) int64 { return ((a % b) + b) % b }

// A span is a stretch of time that is cut into periods, in seconds.
type span struct{ from, to, period int64 }

// buckets is how many periods a span has.
func (p span) buckets() int64 { return (p.to - p.from + p.period - 1) / p.period }

// read reads the samples of a metric within a span, by the beginning of the period that
// they are in and by their unit. Values kept in steps that do not fit the period are not
// seen, as on AWS.
func read(ctx context.Context, r store.Reader, scope store.Scope, m metric, p span) (map[spot]*sample, error) {
	out, which := map[spot]*sample{}, m.id()
	for _, t := range retentions {
		if p.period%t.step != 0 {
			continue
		}
		o := store.ListOptions{From: []any{which[:], t.step, p.from - mod(p.from, t.step)}, To: []any{which[:], t.step, p.to}}
		for e, err := range samples.List(ctx, r, scope, o) {
			if err != nil {
				return nil, err
			}
			at := e.Key.Int(2)
			if at < p.from {
				at = p.from // the step that the span begins within
			}
			k := spot{p.from + (at-p.from)/p.period*p.period, e.Key.Uint(3)}
			if have := out[k]; have != nil {
				have.add(e.Record)
			} else {
				out[k] = &e.Record
			}
		}
	}
	return out, nil
}

// A reading is a sample and the period that it is of.
type reading struct {
	at     int64
	unit   string
	sample sample
}

// readings are the samples of a metric in a span, the oldest first: of one unit, or of
// all, each unit by itself where apart is set, and together if not.
func readings(ctx context.Context, r store.Reader, scope store.Scope, m metric, p span, unit *string, apart bool) ([]reading, error) {
	found, err := read(ctx, r, scope, m, p)
	if err != nil {
		return nil, err
	}
	together := map[spot]*reading{}
	for k, v := range found {
		name := units[min(int(k.unit), len(units)-1)]
		if unit != nil && name != *unit {
			continue
		}
		if !apart {
			k.unit = math.MaxUint64
		}
		if have := together[k]; have != nil {
			have.sample.add(*v)
		} else {
			together[k] = &reading{k.at, name, *v}
		}
	}
	out := make([]reading, 0, len(together))
	for _, v := range together {
		out = append(out, *v)
	}
	slices.SortFunc(out, func(a, b reading) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return int(unitNumber(a.unit)) - int(unitNumber(b.unit))
	})
	return out, nil
}

// scopeOf is whose state a call works on.
func scopeOf(ctx context.Context) store.Scope {
	r := aws.RequestOf(ctx)
	return store.Scope{Account: r.Account(), Region: r.Region}
}
