package cloudwatch

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// TestSampleError holds percentiles of many values against the values themselves.
func TestSampleError(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() float64{
		"even":   func() float64 { return random.Float64() * 1000 },
		"narrow": func() float64 { return 100 + random.Float64() },
		"long":   func() float64 { return math.Exp(random.NormFloat64() * 3) },
		"zeroes": func() float64 { return max(0, random.NormFloat64()) },
	} {
		var parts [7]sample
		var values []float64
		for i := range 20000 {
			v := draw()
			values = append(values, v)
			parts[i%len(parts)].see(v, 1)
		}
		var whole sample
		for _, p := range parts {
			whole.add(reread(t, p))
		}
		slices.Sort(values)
		for _, q := range []float64{0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
			got, want := whole.quantile(q), values[int(math.Ceil(q*20000))-1]
			if math.Abs(got-want) > 0.0101*want {
				t.Errorf("%s: p%v is %v, want %v", name, 100*q, got, want)
			}
		}
		if len(whole.Points) > 2500 {
			t.Errorf("%s: %d points", name, len(whole.Points))
		}
		if whole.Count != 20000 || whole.Min != values[0] || whole.Max != values[len(values)-1] {
			t.Errorf("%s: %v values from %v to %v", name, whole.Count, whole.Min, whole.Max)
		}
	}
}

// reread is a sample that was in the store.
func reread(t *testing.T, s sample) sample {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var out sample
	if err := out.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	again, err := out.MarshalBinary()
	if err != nil || !bytes.Equal(b, again) {
		t.Fatalf("a sample changes when it is read: %v", err)
	}
	return out
}

func TestSampleSize(t *testing.T) {
	b, _ := one(1, 250).MarshalBinary()
	if len(b) > 5 {
		t.Errorf("a count takes %d bytes", len(b))
	}
}

func FuzzSample(f *testing.F) {
	for _, s := range []sample{one(1, 1), one(-2.5, 3), summed(3, 6, 1, 3), {Count: 2, Sum: 3, Min: 1, Max: 2, Points: []point{{1, 1}, {2, 1}}}} {
		b, _ := s.MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s sample
		if s.UnmarshalBinary(b) != nil {
			return
		}
		if _, err := s.MarshalBinary(); err != nil {
			t.Error(err)
		}
	})
}

// TestAging follows values through all steps in which they are kept: none is lost, and
// none is counted twice.
func TestAging(t *testing.T) {
	b := newBench(t)
	start := b.house.Clock.Now().Truncate(time.Hour)
	at := func(minutes int) *time.Time { return new(start.Add(time.Duration(minutes) * time.Minute)) }
	var data []api.MetricDatum
	for m := range 60 {
		data = append(data, api.MetricDatum{MetricName: new("m"), Timestamp: at(m), Value: new(float64(m)), StorageResolution: new(int32(1 + 59*(m%2)))})
	}
	for range 3 {
		_, err := b.putMetricData(b.ctx(), &api.PutMetricDataInput{Namespace: new("shop"), MetricData: data})
		b.try(err)
	}
	count := func() (n int) {
		b.try(b.Store.View(b.Context(), func(r store.Reader) error {
			n = 0
			for range samples.All(b.Context(), r) {
				n++
			}
			return nil
		}))
		return n
	}
	check := func(records int) {
		t.Helper()
		out, err := b.getMetricStatistics(b.ctx(), &api.GetMetricStatisticsInput{Namespace: new("shop"), MetricName: new("m"), Period: new(int32(3600)),
			StartTime: at(0), EndTime: at(60), Statistics: []string{"Sum", "SampleCount"}})
		b.try(err)
		if len(out.Datapoints) != 1 || *out.Datapoints[0].Sum != 3*1770 || *out.Datapoints[0].SampleCount != 180 {
			t.Errorf("the values are %+v", out.Datapoints)
		}
		if n := count(); n != records {
			t.Errorf("%d records, want %d", n, records)
		}
	}
	check(180)
	b.house.Clock.Advance(2 * time.Hour)
	b.try(b.tidy(b.Context()))
	check(60)
	b.house.Clock.Advance(4 * time.Hour)
	b.try(b.age(b.Context()))
	check(60)
	b.restart()
	b.house.Clock.Advance(16 * 24 * time.Hour)
	b.try(b.age(b.Context()))
	check(12)
	b.house.Clock.Advance(64 * 24 * time.Hour)
	b.try(b.age(b.Context()))
	check(1)
	b.house.Clock.Advance(400 * 24 * time.Hour)
	if _, err := b.house.Store.Sweep(b.Context()); err != nil || count() != 0 {
		t.Errorf("%d records are left: %v", count(), err)
	}
}

// TestTidyBesideWriters puts values together while others come.
func TestTidyBesideWriters(t *testing.T) {
	b := newBench(t)
	old := b.house.Clock.Now()
	b.house.Clock.Advance(2 * time.Minute)
	var wg sync.WaitGroup
	for range 8 {
		ctx := b.ctx()
		wg.Go(func() {
			for range 100 {
				if _, err := b.putMetricData(ctx, &api.PutMetricDataInput{Namespace: new("shop"), MetricData: []api.MetricDatum{
					{MetricName: new("m"), Value: new(1.0)}, {MetricName: new("m"), Value: new(1.0), Timestamp: &old}}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		b.try(b.tidy(b.Context()))
	}
	wg.Wait()
	b.try(b.tidy(b.Context()))
	out, err := b.getMetricStatistics(b.ctx(), &api.GetMetricStatisticsInput{Namespace: new("shop"), MetricName: new("m"), Period: new(int32(3600)),
		StartTime: new(old.Truncate(time.Hour)), EndTime: new(old.Add(time.Hour)), Statistics: []string{"Sum"}})
	b.try(err)
	if *out.Datapoints[0].Sum != 1600 {
		t.Errorf("%v values of 1600", *out.Datapoints[0].Sum)
	}
}

func TestMeter(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 1000 {
				b.Measure(aws.Measurement{Account: "000000000000", Region: "us-east-1", Namespace: "AWS/SQS", Name: "SentMessageSize", Unit: "Bytes",
					Dimensions: []string{"QueueName", "q"}, Value: float64(j), Times: 2})
				if i == 0 && j%250 == 0 {
					if err := b.flush(context.Background()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	b.try(b.flush(b.Context()))
	out, err := b.getMetricStatistics(b.ctx(), &api.GetMetricStatisticsInput{Namespace: new("AWS/SQS"), MetricName: new("SentMessageSize"), Period: new(int32(60)),
		Dimensions: []api.Dimension{{Name: new("QueueName"), Value: new("q")}}, StartTime: new(b.house.Clock.Now().Add(-time.Hour)), EndTime: new(b.house.Clock.Now()),
		Statistics: []string{"Sum", "SampleCount", "Minimum", "Maximum"}})
	b.try(err)
	if d := out.Datapoints; len(d) != 1 || *d[0].SampleCount != 16000 || *d[0].Sum != 16*999*500 || *d[0].Minimum != 0 || *d[0].Maximum != 999 || *d[0].Unit != "Bytes" {
		t.Errorf("%+v", d)
	}
}

func BenchmarkMeasure(b *testing.B) {
	m := meters{seed: maphash.MakeSeed()}
	x := aws.Measurement{Account: "000000000000", Region: "us-east-1", Namespace: "AWS/SQS", Name: "SentMessageSize", Unit: "Bytes", Dimensions: []string{"QueueName", "q"}, Value: 1}
	b.ReportAllocs()
	for b.Loop() {
		m.add(x, 1)
	}
}

// TestManyMetrics lists more metrics than a page has.
func TestManyMetrics(t *testing.T) {
	b := newBench(t)
	for page := range 3 {
		var data []api.MetricDatum
		for i := range 400 {
			data = append(data, api.MetricDatum{MetricName: new("m"), Value: new(1.0), Dimensions: []api.Dimension{{Name: new("n"), Value: new(itoa(page*400 + i))}}})
		}
		_, err := b.putMetricData(b.ctx(), &api.PutMetricDataInput{Namespace: new("shop"), MetricData: data})
		b.try(err)
	}
	seen, in := map[string]bool{}, &api.ListMetricsInput{}
	var pages []int
	for {
		out, err := b.listMetrics(b.ctx(), in)
		b.try(err)
		pages = append(pages, len(out.Metrics))
		for _, m := range out.Metrics {
			seen[*m.Dimensions[0].Value] = true
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(pages, []int{500, 500, 200}) || len(seen) != 1200 {
		t.Errorf("pages of %v, %d metrics", pages, len(seen))
	}
}

// BenchmarkPut puts from 32 sides at once, into a store on disk.
func BenchmarkPut(b *testing.B) {
	clock := aws.NewManualClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	st, err := store.Open(b.TempDir(), store.Options{Clock: clock})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	s := New(Options{Store: st, Clock: clock, Random: cryptorand.Reader})
	ctx := aws.WithRequest(b.Context(), &aws.Request{Region: "us-east-1", Caller: aws.Caller{Kind: aws.Root, Account: "000000000000"}})
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.putMetricData(ctx, &api.PutMetricDataInput{Namespace: new("shop"), MetricData: []api.MetricDatum{{MetricName: new("m"), Value: new(1.0)}}}); err != nil {
				b.Error(err)
			}
		}
	})
}
