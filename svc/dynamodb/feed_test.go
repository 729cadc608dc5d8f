package dynamodb

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A river is Kinesis as small as can be: one stream, "river".
type river struct {
	mu      sync.Mutex
	records []string
	who     string
	refuse  func(n int) bool // the n-th record that comes
	broken  bool
	n       int
}

const riverARN = "arn:aws:kinesis:us-east-1:000000000000:stream/river"

func (r *river) routes() []aws.Route {
	return []aws.Route{kinesisapi.PutRecords.To(r.put, aws.Nothing), kinesisapi.DescribeStreamSummary.To(r.describe, aws.Nothing)}
}

func (r *river) describe(_ context.Context, in *kinesisapi.DescribeStreamSummaryInput) (*kinesisapi.DescribeStreamSummaryOutput, error) {
	if *in.StreamARN != riverARN {
		return nil, kinesisapi.ResourceNotFoundException("no such stream")
	}
	return &kinesisapi.DescribeStreamSummaryOutput{StreamDescriptionSummary: &kinesisapi.StreamDescriptionSummary{}}, nil
}

func (r *river) put(ctx context.Context, in *kinesisapi.PutRecordsInput) (*kinesisapi.PutRecordsOutput, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken {
		return nil, aws.Unavailable("not now")
	}
	r.who = aws.RequestOf(ctx).Caller.ARN
	out := &kinesisapi.PutRecordsOutput{}
	keys := map[string]bool{}
	for _, e := range in.Records {
		if keys[*e.PartitionKey] {
			return nil, aws.Errorf(400, "Twice", "two changes of an item in one put")
		}
		keys[*e.PartitionKey] = true
		if r.n++; r.refuse != nil && r.refuse(r.n) {
			out.Records = append(out.Records, kinesisapi.PutRecordsResultEntry{ErrorCode: text("ProvisionedThroughputExceededException"), ErrorMessage: text("slow down")})
			continue
		}
		r.records = append(r.records, string(e.Data))
		out.Records = append(out.Records, kinesisapi.PutRecordsResultEntry{SequenceNumber: text("1"), ShardId: text("s")})
	}
	return out, nil
}

func (r *river) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.records)
}

func newFeed(t *testing.T) (*dock, *river) {
	d, r := newDock(t), &river{}
	d.house.Add(r.routes())
	d.table("things", 0)
	if _, err := d.s.enableKinesisStreamingDestination(d.ctx(), &api.KinesisStreamingDestinationInput{TableName: text("things"), StreamArn: text(riverARN)}); err != nil {
		t.Fatal(err)
	}
	return d, r
}

func (d *dock) write(id string, n int) {
	d.t.Helper()
	it := plainItem(id)
	it.Set("n", api.Number(fmt.Sprint(n)))
	if _, err := d.s.putItem(d.ctx(), &api.PutItemInput{TableName: text("things"), Item: it}); err != nil {
		d.t.Fatal(err)
	}
}

// Changes reach Kinesis in AWS's form.
func TestFeed(t *testing.T) {
	d, r := newFeed(t)
	d.write("a", 1)
	d.write("a", 1) // changes nothing
	d.write("a", 2)
	if _, err := d.s.deleteItem(d.ctx(), &api.DeleteItemInput{TableName: text("things"), Key: plainItem("a")}); err != nil {
		t.Fatal(err)
	}
	d.until("the changes", func() bool { return r.count() == 3 })
	for i, want := range []string{
		`"eventName":"INSERT","userIdentity":null,"recordFormat":"application/json","tableName":"things","dynamodb":{"ApproximateCreationDateTime":1767323045000,"ApproximateCreationDateTimePrecision":"MILLISECOND","Keys":{"id":{"S":"a"}},"NewImage":{"id":{"S":"a"},"n":{"N":"1"}},"SizeBytes":9},"eventSource":"aws:dynamodb"}`,
		`"Keys":{"id":{"S":"a"}},"NewImage":{"id":{"S":"a"},"n":{"N":"2"}},"OldImage":{"id":{"S":"a"},"n":{"N":"1"}},"SizeBytes":15},`,
		`"eventName":"REMOVE"`,
	} {
		if !strings.Contains(r.records[i], want) {
			t.Errorf("%s, want %s", r.records[i], want)
		}
	}
	if r.who != "arn:aws:iam::000000000000:root" {
		t.Errorf("by %s", r.who)
	}
}

// What a stream refuses comes again, and each item's changes come in their order, through
// refusals, an outage and the end of the process; nothing is left, and nothing comes twice.
func TestFeedOrder(t *testing.T) {
	d, r := newFeed(t)
	r.mu.Lock()
	r.refuse = func(n int) bool { return n%3 == 0 && n < 60 }
	r.mu.Unlock()
	for i := range 60 {
		switch i {
		case 20:
			r.mu.Lock()
			r.broken = true
			r.mu.Unlock()
		case 30:
			d.stop()
		case 40:
			r.mu.Lock()
			r.broken = false
			r.mu.Unlock()
			d.run()
		}
		d.write(fmt.Sprint(i%4), i)
	}
	left := retention - time.Hour // what waits longer than a day is dropped
	d.until("the changes", func() bool {
		if left > 0 {
			d.house.Clock.Advance(time.Second)
			left -= time.Second
		}
		return r.count() >= 60
	})
	last := map[string]int{}
	for _, record := range r.records {
		var c struct {
			Dynamodb struct {
				NewImage struct{ Id, N map[string]string }
			}
		}
		if err := json.Unmarshal([]byte(record), &c); err != nil {
			t.Fatal(err)
		}
		var n int
		fmt.Sscan(c.Dynamodb.NewImage.N["N"], &n)
		id := c.Dynamodb.NewImage.Id["S"]
		if was, ok := last[id]; ok && n != was+4 || !ok && n >= 4 {
			t.Fatalf("%s: %d after %d", id, n, was)
		}
		last[id] = n
	}
	if n := d.waiting(); len(r.records) != 60 || n != 0 {
		t.Errorf("%d records, %d wait", len(r.records), n)
	}
}

func (d *dock) waiting() (n int) {
	d.t.Helper()
	err := d.house.Store.View(d.t.Context(), func(r store.Reader) error {
		n = 0
		for _, err := range waitingRecords.All(d.t.Context(), r) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// The states of a destination.
func TestFeedStates(t *testing.T) {
	d, r := newFeed(t)
	in := &api.KinesisStreamingDestinationInput{TableName: text("things"), StreamArn: text(riverARN)}
	update := func(precision string) error {
		return call(d.s.updateKinesisStreamingDestination(d.ctx(), &api.UpdateKinesisStreamingDestinationInput{TableName: in.TableName, StreamArn: in.StreamArn,
			UpdateKinesisStreamingConfiguration: &api.UpdateKinesisStreamingConfiguration{ApproximateCreationDateTimePrecision: &precision}}))
	}
	if err := update("MICROSECOND"); err != nil {
		t.Fatal(err)
	}
	d.write("a", 1)
	d.until("the change", func() bool { return r.count() == 1 })
	if !strings.Contains(r.records[0], `"ApproximateCreationDateTime":1767323045000000,`) {
		t.Error(r.records[0])
	}
	if err := call(d.s.enableKinesisStreamingDestination(d.ctx(), in)); err == nil || !strings.Contains(err.Error(), "must be DISABLED or ENABLE_FAILED") {
		t.Errorf("%v", err)
	}
	if err := update("MICROSECOND"); err == nil || !strings.Contains(err.Error(), "already set") {
		t.Errorf("%v", err)
	}
	r.mu.Lock()
	r.broken = true
	r.mu.Unlock()
	d.write("b", 1)
	if err := call(d.s.disableKinesisStreamingDestination(d.ctx(), in)); err != nil {
		t.Fatal(err)
	}
	d.write("c", 1)
	if n := d.waiting(); n != 0 {
		t.Errorf("%d changes wait", n)
	}
	if err := call(d.s.disableKinesisStreamingDestination(d.ctx(), in)); err == nil || !strings.Contains(err.Error(), "must be ACTIVE") {
		t.Errorf("%v", err)
	}
	if err := update("MILLISECOND"); err == nil || !strings.Contains(err.Error(), "not in ACTIVE state") {
		t.Errorf("%v", err)
	}
	out, err := d.s.describeKinesisStreamingDestination(d.ctx(), &api.DescribeKinesisStreamingDestinationInput{TableName: in.TableName})
	if err != nil || len(out.KinesisDataStreamDestinations) != 1 || *out.KinesisDataStreamDestinations[0].DestinationStatus != "DISABLED" {
		t.Errorf("%v, %v", out, err)
	}
	if err := call(d.s.enableKinesisStreamingDestination(d.ctx(), &api.KinesisStreamingDestinationInput{TableName: in.TableName, StreamArn: text(riverARN + "x")})); aws.CodeOf(err) != "ValidationException" {
		t.Errorf("%v", err)
	}
	if err := call(d.s.enableKinesisStreamingDestination(d.ctx(), in)); err != nil {
		t.Error(err)
	}
}
