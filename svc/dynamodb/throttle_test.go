package dynamodb

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// A dial remembers what was measured, summed up.
type dial struct {
	mu   sync.Mutex
	sums map[string]float64
}

func (d *dial) Measure(m aws.Measurement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sums == nil {
		d.sums = map[string]float64{}
	}
	if m.Unit == "Milliseconds" {
		m.Value = 1
	}
	d.sums[m.Name+" "+strings.Join(m.Dimensions, "/")] += m.Value
}

// limited is a service with the table "slow" of one unit each, and an index of two.
func limited(t *testing.T) (*Service, context.Context, *dial, *aws.ManualClock) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	d := &dial{}
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Meter: d})
	h.Add(s.Routes())
	ctx := h.Context(t.Context())
	one := &api.ProvisionedThroughput{ReadCapacityUnits: ptr(int64(1)), WriteCapacityUnits: ptr(int64(1))}
	_, err := s.createTable(ctx, &api.CreateTableInput{TableName: ptr("slow"), ProvisionedThroughput: one, AttributeDefinitions: defined("id", "S", "g", "S"), KeySchema: schema("id"),
		GlobalSecondaryIndexes: []api.GlobalSecondaryIndex{{IndexName: ptr("byg"), KeySchema: schema("g"), Projection: &api.Projection{ProjectionType: ptr("ALL")},
			ProvisionedThroughput: &api.ProvisionedThroughput{ReadCapacityUnits: ptr(int64(1)), WriteCapacityUnits: ptr(int64(2))}}}})
	if err != nil {
		t.Fatal(err)
	}
	return s, ctx, d, h.Clock
}

func plainItem(id string) api.Item { return api.Item{{Name: "id", Value: api.String(id)}} }

const slow = "ProvisionedThroughputExceededException"

// A table has a burst of 300 seconds, then what comes each second.
func TestThrottledWrites(t *testing.T) {
	s, ctx, d, clock := limited(t)
	put := func(it api.Item) error {
		_, err := measured(s, "PutItem", s.putItem, one(func(in *api.PutItemInput) *string { return in.TableName }))(ctx, &api.PutItemInput{TableName: ptr("slow"), Item: it})
		return err
	}
	made := func() (n int) {
		t.Helper()
		for ; ; n++ {
			switch err := put(plainItem(fmt.Sprint(n))); {
			case aws.CodeOf(err) == slow:
				return n
			case err != nil:
				t.Fatal(err)
			}
		}
	}
	if n := made(); n != 300 {
		t.Errorf("a burst of %d", n)
	}
	clock.Advance(10 * time.Second)
	if n := made(); n != 10 {
		t.Errorf("%d in 10 seconds", n)
	}
	clock.Advance(time.Hour)
	large := plainItem("large")
	large.Set("x", api.String(strings.Repeat("x", 300<<10))) // 301 units
	if err := put(large); err != nil {
		t.Error(err)
	}
	clock.Advance(time.Second)
	if err := put(plainItem("a")); aws.CodeOf(err) != slow {
		t.Errorf("after a large one: %v", err)
	}
	clock.Advance(time.Second)
	if err := put(plainItem("a")); err != nil {
		t.Error(err)
	}
	want := map[string]float64{"ConsumedWriteCapacityUnits TableName/slow": 612, "WriteThrottleEvents TableName/slow": 3,
		"ThrottledRequests TableName/slow/Operation/PutItem": 3, "SuccessfulRequestLatency TableName/slow/Operation/PutItem": 312}
	if !maps.Equal(d.sums, want) {
		t.Errorf("%v, want %v", d.sums, want)
	}
}

// A global index that cannot keep up holds its table up.
func TestThrottledIndex(t *testing.T) {
	s, ctx, d, clock := limited(t)
	n := 0
	until := func(message string, want int) {
		t.Helper()
		for from := n; ; n++ {
			_, err := s.updateItem(ctx, &api.UpdateItemInput{TableName: ptr("slow"), Key: plainItem("a"), UpdateExpression: ptr("SET g = :g"), ExpressionAttributeValues: api.Item{{Name: ":g", Value: api.String(fmt.Sprint(n))}}})
			if err == nil {
				continue
			}
			if n-from != want || !strings.Contains(err.Error(), message) {
				t.Errorf("after %d: %v", n-from, err)
			}
			return
		}
	}
	until("throughput for the table", 300)
	// The table has some again before the index has.
	if _, err := s.updateTable(ctx, &api.UpdateTableInput{TableName: ptr("slow"), ProvisionedThroughput: &api.ProvisionedThroughput{ReadCapacityUnits: ptr(int64(1)), WriteCapacityUnits: ptr(int64(1000))}}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	until("throughput for one or more global secondary indexes", 2)
	if d.sums["ConsumedWriteCapacityUnits TableName/slow/GlobalSecondaryIndexName/byg"] != 603 || d.sums["WriteThrottleEvents TableName/slow/GlobalSecondaryIndexName/byg"] != 1 {
		t.Errorf("%v", d.sums)
	}
}

// What a batch has no capacity for is unprocessed; a batch of nothing else is refused.
func TestThrottledBatches(t *testing.T) {
	s, ctx, _, clock := limited(t)
	batch := func() (*api.BatchWriteItemOutput, error) {
		in := &api.BatchWriteItemInput{RequestItems: map[string][]api.WriteRequest{}}
		for i := range 25 {
			in.RequestItems["slow"] = append(in.RequestItems["slow"], api.WriteRequest{PutRequest: &api.PutRequest{Item: plainItem(fmt.Sprint(i))}})
		}
		return s.batchWriteItem(ctx, in)
	}
	for range 12 {
		if out, err := batch(); err != nil || len(out.UnprocessedItems) > 0 {
			t.Fatalf("%v, %v", out, err)
		}
	}
	if _, err := batch(); aws.CodeOf(err) != slow {
		t.Errorf("%v", err)
	}
	clock.Advance(20 * time.Second)
	if out, err := batch(); err != nil || len(out.UnprocessedItems["slow"]) != 5 {
		t.Errorf("%v, %v", out, err)
	}
	if _, err := s.transactWriteItems(ctx, &api.TransactWriteItemsInput{TransactItems: []api.TransactWriteItem{{Put: &api.Put{TableName: ptr("slow"), Item: plainItem("t")}}}}); err == nil || !strings.Contains(err.Error(), "[ProvisionedThroughputExceeded]") {
		t.Errorf("%v", err)
	}
	get := &api.BatchGetItemInput{RequestItems: map[string]api.KeysAndAttributes{"slow": {ConsistentRead: ptr(true)}}}
	r := get.RequestItems["slow"]
	for i := range 100 {
		r.Keys = append(r.Keys, plainItem(fmt.Sprint(i)))
	}
	get.RequestItems["slow"] = r
	for range 3 {
		if out, err := s.batchGetItem(ctx, get); err != nil || len(out.UnprocessedKeys) > 0 {
			t.Fatalf("%v, %v", out, err)
		}
	}
	if _, err := s.batchGetItem(ctx, get); aws.CodeOf(err) != slow {
		t.Errorf("%v", err)
	}
	for what, err := range map[string]error{
		"GetItem": func() error {
			_, err := s.getItem(ctx, &api.GetItemInput{TableName: ptr("slow"), Key: plainItem("1")})
			return err
		}(),
		"Scan": func() error { _, err := s.scan(ctx, &api.ScanInput{TableName: ptr("slow")}); return err }(),
	} {
		if aws.CodeOf(err) != slow {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.scan(ctx, &api.ScanInput{TableName: ptr("slow"), IndexName: ptr("byg")}); err != nil {
		t.Errorf("an index has its own: %v", err)
	}
}

// Refusals are measured by their kind.
func TestMeasuredErrors(t *testing.T) {
	s, ctx, d, _ := limited(t)
	call := measured(s, "PutItem", s.putItem, one(func(in *api.PutItemInput) *string { return in.TableName }))
	for _, in := range []*api.PutItemInput{
		{TableName: ptr("slow"), Item: api.Item{}},
		{TableName: ptr("arn:aws:dynamodb:us-east-1:000000000000:table/slow"), Item: plainItem("a"), ConditionExpression: ptr("attribute_exists(id)")},
	} {
		if _, err := call(ctx, in); err == nil {
			t.Error("no error")
		}
	}
	if d.sums["UserErrors "] != 1 || d.sums["ConditionalCheckFailedRequests TableName/slow"] != 1 || d.sums["ConsumedWriteCapacityUnits TableName/slow"] != 1 {
		t.Errorf("%v", d.sums)
	}
}
