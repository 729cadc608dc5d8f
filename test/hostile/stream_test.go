package hostile

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	firehosetypes "github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/tule-cloud/tule/test/tule"
)

// A flow is clients of one account's streams, deliveries, events and logs.
type flow struct {
	*testing.T
	house   *tule.Tule
	streams *kinesis.Client
	deliver *firehose.Client
	events  *eventbridge.Client
	logs    *cloudwatchlogs.Client
	objects *s3.Client
	role    *string // may put into all of them
}

func flowing(t *testing.T, of *tule.Tule) *flow {
	t.Helper()
	t.Cleanup(func() {
		if of != house && of.Alive() {
			of.Kill()
		}
	})
	c := config(of, "test")
	return &flow{T: t, house: of, streams: kinesis.NewFromConfig(c), deliver: firehose.NewFromConfig(c), events: eventbridge.NewFromConfig(c), logs: cloudwatchlogs.NewFromConfig(c),
		objects: s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })}
}

func (f *flow) try(_ any, err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("%v\n%s", err, f.house.Failures())
	}
}

// lay makes a stream of one shard, a group and a bucket, and a role for what passes
// between them.
func (f *flow) lay() {
	f.Helper()
	people := iam.NewFromConfig(config(f.house, "test"))
	made, err := people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("pass"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["firehose.amazonaws.com","logs.amazonaws.com","events.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`)})
	f.try(made, err)
	f.role = made.Role.Arn
	f.try(people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("pass"), PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","kinesis:*","firehose:*","logs:*"],"Resource":"*"}]}`)}))
	f.try(f.streams.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}))
	f.try(nil, kinesis.NewStreamExistsWaiter(f.streams).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("s")}, time.Minute))
	f.try(f.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("g")}))
	f.try(f.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s")}))
	f.try(f.objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("arrivals")}))
}

// toStream has the events of a source go to a stream of their own.
func (f *flow) toStream() {
	f.Helper()
	f.try(f.streams.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("e"), ShardCount: aws.Int32(1)}))
	f.try(f.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("e"), EventPattern: aws.String(`{"source":["flow"]}`)}))
	f.try(f.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("e"), Targets: []eventbridgetypes.Target{{Id: aws.String("e"), Arn: aws.String("arn:aws:kinesis:" + region + ":000000000000:stream/e"),
		RoleArn: f.role, InputPath: aws.String("$.detail.text")}}}))
}

// toBucket makes a delivery stream to the bucket, which buffers as little as it may.
func (f *flow) toBucket(name string) {
	f.Helper()
	f.try(f.deliver.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: &name, ExtendedS3DestinationConfiguration: &firehosetypes.ExtendedS3DestinationConfiguration{
		RoleARN: f.role, BucketARN: aws.String("arn:aws:s3:::arrivals"), Prefix: aws.String(name + "/"), BufferingHints: &firehosetypes.BufferingHints{IntervalInSeconds: aws.Int32(0), SizeInMBs: aws.Int32(1)}}}))
}

// put puts a text of 50 KB that nothing makes smaller into one of the four.
func (f *flow) put(where, text string) (err error) {
	noise := make([]byte, 25_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	whole := fmt.Sprintf("%s %x;", text, noise)
	switch where {
	case "kinesis":
		_, err = f.streams.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte(whole)})
	case "firehose":
		_, err = f.deliver.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: aws.String("d"), Record: &firehosetypes.Record{Data: []byte(whole)}})
	case "events":
		_, err = f.events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []eventbridgetypes.PutEventsRequestEntry{{Source: aws.String("flow"), DetailType: aws.String("t"), Detail: aws.String(`{"text":"` + whole + `"}`)}}})
	case "logs":
		_, err = f.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"),
			LogEvents: []logstypes.InputLogEvent{{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: &whole}}})
	}
	return err
}

// read is how often each text is in the streams, in the group and in the bucket.
func (f *flow) read() map[string]map[string]int {
	f.Helper()
	all := map[string]map[string]int{"kinesis": {}, "logs": {}, "firehose": f.delivered(), "events": {}}
	word := func(where, text string) { first, _, _ := strings.Cut(text, " "); all[where][first]++ }
	f.records("s", func(b []byte) { word("kinesis", string(b)) })
	f.records("e", func(b []byte) { word("events", strings.TrimPrefix(string(b), `"`)) })
	for p := cloudwatchlogs.NewFilterLogEventsPaginator(f.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g")}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		f.try(page, err)
		for _, e := range page.Events {
			word("logs", *e.Message)
		}
	}
	return all
}

// delivered is how often each text is in the bucket.
func (f *flow) delivered() map[string]int {
	f.Helper()
	all := map[string]int{}
	for p := s3.NewListObjectsV2Paginator(f.objects, &s3.ListObjectsV2Input{Bucket: aws.String("arrivals"), Prefix: aws.String("d/")}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		f.try(page, err)
		for _, o := range page.Contents {
			got, err := f.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("arrivals"), Key: o.Key})
			f.try(got, err)
			body, err := io.ReadAll(got.Body)
			f.try(nil, errors.Join(err, got.Body.Close()))
			for text := range strings.SplitSeq(strings.TrimSuffix(string(body), ";"), ";") {
				first, _, _ := strings.Cut(text, " ")
				all[first]++
			}
		}
	}
	return all
}

// records gives every record of a stream of one shard.
func (f *flow) records(stream string, found func([]byte)) {
	f.Helper()
	it, err := f.streams.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: aws.String("shardId-000000000000"), ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon})
	f.try(it, err)
	for next := it.ShardIterator; ; {
		out, err := f.streams.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
		if slow := (*kinesistypes.ProvisionedThroughputExceededException)(nil); errors.As(err, &slow) {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		f.try(out, err)
		for _, r := range out.Records {
			found(r.Data)
		}
		if next = out.NextShardIterator; *out.MillisBehindLatest == 0 && len(out.Records) == 0 {
			return
		}
	}
}

// TestStreamsOnFullDisk has somebody fill the disk while records, deliveries, events of a
// bus and of logs are put: puts are refused with a clear error, what was acknowledged can be read and is
// delivered once there is room, and after a start all of it is there.
func TestStreamsOnFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	disk := t.TempDir()
	if err := syscall.Mount("tule-test", disk, "tmpfs", 0, "size=96m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	data := filepath.Join(disk, "data")
	house, err := tule.Start(tule.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	f := flowing(t, house)
	f.lay()
	f.toBucket("d")
	f.toStream()
	kinds := []string{"kinesis", "firehose", "events", "logs"}
	acked := map[string][]string{}
	n := 0
	write := func(where string) error {
		n++
		text := fmt.Sprint(n)
		err := f.put(where, text)
		if err == nil {
			acked[where] = append(acked[where], text)
		}
		return err
	}
	for range 10 {
		for _, where := range kinds {
			f.try(nil, write(where))
		}
	}
	filler := fill(t, disk)
	for _, where := range kinds {
		var refused error
		until(t, where+" refuses on a full disk", func() bool { refused = write(where); return refused != nil })
		var e smithy.APIError
		if !errors.As(refused, &e) || !strings.Contains(e.ErrorMessage(), "disk") || !strings.Contains(e.ErrorMessage(), "full") {
			t.Errorf("%s: %v, want an error that says that the disk is full", where, refused)
		}
	}
	f.check(acked, "kinesis", "logs")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for _, where := range kinds {
		until(t, where+" takes more when there is room again", func() bool { return write(where) == nil })
	}
	until(t, "what was put is delivered", func() bool {
		have := f.read()
		for _, where := range []string{"firehose", "events"} {
			for _, text := range acked[where] {
				if have[where][text] == 0 {
					return false
				}
			}
		}
		return true
	})
	if err := house.Stop(); err != nil {
		t.Fatal(err)
	}
	if house, err = tule.Start(tule.Options{Data: data}); err != nil {
		t.Fatal(err)
	}
	f = flowing(t, house)
	f.check(acked, kinds...)
	if err := house.Stop(); err != nil {
		t.Error(err)
	}
}

// check looks for what was acknowledged.
func (f *flow) check(acked map[string][]string, kinds ...string) {
	f.Helper()
	have := f.read()
	for _, where := range kinds {
		for _, text := range acked[where] {
			if have[where][text] != 1 {
				f.Errorf("%s has %s %d times", where, text, have[where][text])
			}
		}
	}
}

// TestDeliveryEndpointHangs has an HTTP endpoint that takes requests and never answers:
// puts go on, others are delivered to, and Tule stops when it is told to.
func TestDeliveryEndpointHangs(t *testing.T) {
	asked, over := make(chan struct{}, 100), make(chan struct{})
	endpoint := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-over
	}))
	t.Cleanup(func() { close(over); endpoint.Close() })
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: endpoint.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	house, err := tule.Start(tule.Options{Env: []string{"SSL_CERT_FILE=" + roots}})
	if err != nil {
		t.Fatal(err)
	}
	f := flowing(t, house)
	f.lay()
	f.toBucket("d")
	f.try(f.deliver.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("hangs"), HttpEndpointDestinationConfiguration: &firehosetypes.HttpEndpointDestinationConfiguration{
		RoleARN: f.role, BufferingHints: &firehosetypes.HttpEndpointBufferingHints{IntervalInSeconds: aws.Int32(0), SizeInMBs: aws.Int32(1)}, RetryOptions: &firehosetypes.HttpEndpointRetryOptions{DurationInSeconds: aws.Int32(0)},
		EndpointConfiguration: &firehosetypes.HttpEndpointConfiguration{Url: aws.String(endpoint.URL + "/in")}, S3Configuration: &firehosetypes.S3DestinationConfiguration{RoleARN: f.role, BucketARN: aws.String("arn:aws:s3:::arrivals"), Prefix: aws.String("failed/")}}}))
	for i := range 20 {
		f.try(f.deliver.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: aws.String("hangs"), Record: &firehosetypes.Record{Data: fmt.Append(nil, "to nobody ", i)}}))
	}
	select {
	case <-asked:
	case <-time.After(30 * time.Second):
		t.Fatal("the endpoint was not asked")
	}
	for i := range 20 {
		began := time.Now()
		f.try(f.deliver.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: aws.String("hangs"), Record: &firehosetypes.Record{Data: fmt.Append(nil, "to nobody ", 20+i)}}))
		f.try(nil, f.put("firehose", fmt.Sprint(i)))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("two puts took %v", took)
		}
	}
	until(t, "the other stream is delivered", func() bool { return len(f.delivered()) == 20 })
	began := time.Now()
	if err := house.Stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("to stop took %v", took)
	}
}

// TestSubscriptionThrottles subscribes a stream of one shard, which others fill with all
// that it takes in a second, to a group: what is refused comes later, and nothing is lost.
func TestSubscriptionThrottles(t *testing.T) {
	house, err := tule.Start(tule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := flowing(t, house)
	f.lay()
	f.try(f.logs.PutSubscriptionFilter(ctx, &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: aws.String("g"), FilterName: aws.String("all"), FilterPattern: aws.String(""),
		DestinationArn: aws.String("arn:aws:kinesis:" + region + ":000000000000:stream/s"), RoleArn: f.role}))
	throttled, end := 0, time.Now().Add(4*time.Second)
	var want []string
	for n := 0; time.Now().Before(end); n++ {
		in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
		for range 10 {
			in.Records = append(in.Records, kinesistypes.PutRecordsRequestEntry{PartitionKey: aws.String("k"), Data: bytes.Repeat([]byte("-"), 100_000)})
		}
		out, err := f.streams.PutRecords(ctx, in)
		f.try(out, err)
		throttled += int(*out.FailedRecordCount)
		if n%3 == 0 {
			text := fmt.Sprint("line ", n)
			f.try(f.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"),
				LogEvents: []logstypes.InputLogEvent{{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: &text}}}))
			want = append(want, text)
		}
	}
	if throttled == 0 {
		t.Error("the stream has taken everything: there is nothing to see")
	}
	var missing []string
	until(t, "all lines have come", func() bool {
		come := map[string]bool{}
		f.records("s", func(b []byte) {
			if b[0] == '-' {
				return
			}
			var m struct{ LogEvents []struct{ Message string } }
			z, err := gzip.NewReader(bytes.NewReader(b))
			f.try(nil, err)
			f.try(nil, json.NewDecoder(z).Decode(&m))
			for _, e := range m.LogEvents {
				come[e.Message] = true
			}
		})
		missing = nil
		for _, text := range want {
			if !come[text] {
				missing = append(missing, text)
			}
		}
		return len(missing) == 0
	})
	t.Logf("%d lines came while %d records were refused", len(want), throttled)
	if err := house.Stop(); err != nil {
		t.Error(err)
	}
}
