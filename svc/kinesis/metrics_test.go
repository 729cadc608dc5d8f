package kinesis

import (
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// A gauge keeps what is measured, by name and dimensions.
type gauge struct {
	mu sync.Mutex
	of map[string]float64
}

// Measure implements aws.Meter.
func (g *gauge) Measure(m aws.Measurement) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.of[m.Namespace+" "+m.Name+" "+strings.Join(m.Dimensions, " ")] += m.Value
}

func TestMetrics(t *testing.T) {
	h, g := script.New(), &gauge{of: map[string]float64{}}
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Meter: g})
	h.Add(s.Routes())
	ctx := h.Context(t.Context())
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	name, key := new("s"), new("k")
	must(api.CreateStream.Do(ctx, h, &api.CreateStreamInput{StreamName: name, ShardCount: new(int32(1))}))
	must(api.PutRecord.Do(ctx, h, &api.PutRecordInput{StreamName: name, PartitionKey: key, Data: []byte("abc")}))
	if slices.ContainsFunc(keysOf(g.of), func(k string) bool { return strings.Contains(k, "ShardId") }) {
		t.Errorf("shards are measured unasked: %v", g.of)
	}
	must(api.EnableEnhancedMonitoring.Do(ctx, h, &api.EnableEnhancedMonitoringInput{StreamName: name, ShardLevelMetrics: []string{"IncomingBytes", "OutgoingRecords", "WriteProvisionedThroughputExceeded"}}))
	in := &api.PutRecordsInput{StreamName: name}
	for range 3 {
		in.Records = append(in.Records, api.PutRecordsRequestEntry{PartitionKey: key, Data: make([]byte, 500<<10)})
	}
	must(api.PutRecords.Do(ctx, h, in))
	it, err := api.GetShardIterator.Do(ctx, h, &api.GetShardIteratorInput{StreamName: name, ShardId: new("shardId-000000000000"), ShardIteratorType: new("TRIM_HORIZON")})
	must(it, err)
	for range 5 {
		must(api.GetRecords.Do(ctx, h, &api.GetRecordsInput{ShardIterator: it.ShardIterator, Limit: new(int32(1))}))
	}
	if _, err := api.GetRecords.Do(ctx, h, &api.GetRecordsInput{ShardIterator: it.ShardIterator}); err == nil {
		t.Error("the shard's limit was not held")
	}
	shard := " StreamName s ShardId shardId-000000000000"
	for name, want := range map[string]float64{
		"IncomingRecords StreamName s": 3, "IncomingBytes StreamName s": 4 + 2*(500<<10+1), "WriteProvisionedThroughputExceeded StreamName s": 1,
		"PutRecord.Success StreamName s": 1, "PutRecord.Bytes StreamName s": 4, "PutRecords.Success StreamName s": 1, "PutRecords.TotalRecords StreamName s": 3,
		"PutRecords.SuccessfulRecords StreamName s": 2, "PutRecords.ThrottledRecords StreamName s": 1, "GetRecords.Success StreamName s": 5, "GetRecords.Records StreamName s": 5,
		"GetRecords.Bytes StreamName s": 20, "ReadProvisionedThroughputExceeded StreamName s": 1, "GetRecords.IteratorAgeMilliseconds StreamName s": 0,
		"IncomingBytes" + shard: 2 * (500<<10 + 1), "OutgoingRecords" + shard: 5, "WriteProvisionedThroughputExceeded" + shard: 1,
	} {
		if got, ok := g.of["AWS/Kinesis "+name]; !ok || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if _, ok := g.of["AWS/Kinesis IncomingRecords"+shard]; ok {
		t.Error("a shard's metric that was not asked for is measured")
	}
}

func keysOf(m map[string]float64) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}
