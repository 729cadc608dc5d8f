package fanout

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	firehosetypes "github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const (
	source = "arn:aws:kinesis:us-east-1:000000000000:stream/inputStream"
	abroad = "arn:aws:iam::111111111111:role/fanout-abroad"
)

// A role that asks for another external id is refused: its target fails, and the batch comes
// again until all have it. Then 25 records come to all nine targets, in order and once each;
// those that the producer library packed into one are unpacked; and a table's changes come to
// the target that is theirs, as plain JSON.
func TestFanout(t *testing.T) {
	f := newFanout(t)
	f.destinations()
	f.deploys()

	f.trusts("another")
	f.put("first", "first")
	f.wait("the refusal", func() bool {
		return slices.ContainsFunc(f.log("fanout"), func(l string) bool {
			return strings.Contains(l, "failed: abroad: AccessDenied: User: arn:aws:sts::000000000000:assumed-role/fanout/fanout is not authorized to perform: sts:AssumeRole on resource: "+abroad)
		})
	})
	if got := f.records(f.other, "outputStream"); len(got) != 0 {
		t.Fatalf("the other account has %v", got)
	}
	f.trusts("secret")
	f.wait("the batch again", func() bool { f.advance(10 * time.Second); return len(f.records(f.other, "outputStream")) > 0 })
	f.receive("direct")
	f.receive("subscribed")
	before := len(f.records(f.root, "outputStream"))

	var want []string
	for n := range 25 {
		want = append(want, fmt.Sprintf(`{"n":%d}`, n))
	}
	f.put("ann", want...)
	if got := f.lot("outputStream", func() []string { return f.records(f.root, "outputStream")[before:] }, 25); !slices.Equal(got, want) {
		t.Errorf("the stream has %v", got)
	}
	if got := f.lot("the other account", func() []string { return f.records(f.other, "outputStream")[1:] }, 25); !slices.Equal(got, want) {
		t.Errorf("the other account's stream has %v", got)
	}
	for _, queue := range []string{"direct", "subscribed"} {
		var list []string
		f.lot(queue, func() []string { list = append(list, f.receive(queue)...); return list }, 25)
		same(t, queue, list, want)
	}
	f.wait("the documents", func() bool { return len(f.search.all()) >= 26 })
	same(t, "Elasticsearch", slices.Collect(maps.Keys(f.search.all())), append(want, "first"))
	f.wait("the function that is handed the event", func() bool { return len(f.seen()) >= 26 })
	same(t, "the function", slices.DeleteFunc(f.seen(), func(s string) bool { return s == "first" }), want)

	// Of one key the last is kept.
	f.wait("Redis", func() bool {
		return f.ask(f.redis, "GET ann\r\n", "\r\n") != "$-1\r\n" && strings.Contains(f.ask(f.redis, "*2\r\n$3\r\nGET\r\n$3\r\nann\r\n", "}\r\n"), want[24])
	})
	f.wait("memcached", func() bool {
		return strings.Contains(f.ask(f.memcached, "get ann\r\n", "END\r\n"), "\r\n"+want[24]+"\r\n")
	})

	f.packed("carol", "c1", "c2", "c3")
	if got := f.lot("what was packed", func() []string { return f.records(f.root, "outputStream")[before+25:] }, 3); !slices.Equal(got, []string{"c1", "c2", "c3"}) {
		t.Errorf("of what was packed the stream has %v", got)
	}
	f.changes()
	f.archived(append(want, "c1", "c2", "c3"))
	f.measured()
}

// destinations are all that the stream is fanned out to.
func (f *fanout) destinations() {
	f.Helper()
	f.table("targets", false, "sourceArn", "id")
	for _, account := range []aws.Config{f.root, f.other} {
		_, err := kinesis.NewFromConfig(account).CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("outputStream"), ShardCount: aws.Int32(1)})
		try(f.T, err)
	}
	f.role(f.other, "fanout-abroad", service("nobody.amazonaws.com"), allow(`"kinesis:PutRecords"`, "arn:aws:kinesis:eu-west-1:111111111111:stream/outputStream"))

	queues, topics := sqs.NewFromConfig(f.root), sns.NewFromConfig(f.root)
	for _, name := range []string{"direct", "subscribed", "changes"} {
		_, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"Policy": *document(
			`{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}`)}})
		try(f.T, err)
	}
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("news")})
	try(f.T, err)
	_, err = topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:us-east-1:000000000000:subscribed"),
		Attributes: map[string]string{"RawMessageDelivery": "true"}})
	try(f.T, err)

	_, err = s3.NewFromConfig(f.root, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("fanout-archive")})
	try(f.T, err)
	delivery := f.role(f.root, "delivery", service("firehose.amazonaws.com"), allow(`"s3:PutObject"`, "arn:aws:s3:::fanout-archive/*"))
	_, err = firehose.NewFromConfig(f.root).CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("archive"),
		S3DestinationConfiguration: &firehosetypes.S3DestinationConfiguration{RoleARN: &delivery, BucketARN: aws.String("arn:aws:s3:::fanout-archive"),
			BufferingHints: &firehosetypes.BufferingHints{SizeInMBs: aws.Int32(5), IntervalInSeconds: aws.Int32(300)}}})
	try(f.T, err)

	f.function("seen", "seen.handler", f.role(f.root, "seen", service("lambda.amazonaws.com"), allow(`"logs:*"`, "*")), nil, "seen.js")
	f.target(source, "stream", "kinesis", "outputStream")
	f.target(source, "abroad", "kinesis", "outputStream", "region", "eu-west-1", "role", abroad, "externalId", "secret")
	f.target(source, "delivery", "firehose", "archive")
	f.target(source, "topic", "sns", *topic.TopicArn)
	f.target(source, "queue", "sqs", "https://sqs.us-east-1.amazonaws.com/000000000000/direct")
	f.target(source, "function", "lambda", "seen")
	f.target(source, "search", "es", "http://search-shop-1a2b3c.us-east-1.es.amazonaws.com:9200#shop")
	f.target(source, "memcached", "memcached", "shop.1a2b3c.cfg.use1.cache.amazonaws.com:11211")
	f.target(source, "redis", "redis", "shop.1a2b3c.ng.0001.use1.cache.amazonaws.com:6379")
}

// deploys makes the function and its two sources.
func (f *fanout) deploys() {
	f.Helper()
	_, err := kinesis.NewFromConfig(f.root).CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("inputStream"), ShardCount: aws.Int32(1)})
	try(f.T, err)
	changes := f.table("orders", true, "id")
	f.target(changes, "changes", "sqs", "https://sqs.us-east-1.amazonaws.com/000000000000/changes")
	role := f.role(f.root, "fanout", service("lambda.amazonaws.com"), allow(`"logs:*","cloudwatch:PutMetricData"`, "*"),
		allow(`"dynamodb:Query"`, "arn:aws:dynamodb:us-east-1:000000000000:table/targets"),
		allow(`"kinesis:Get*","kinesis:Describe*","kinesis:List*","dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:DescribeStream","dynamodb:ListStreams"`, "*"),
		allow(`"sts:AssumeRole","kinesis:PutRecord*","sqs:SendMessage*","sns:Publish","firehose:PutRecordBatch","lambda:Invoke*"`, "*"))
	f.function("fanout", "fanout.handler", role, map[string]string{"TARGETS": "targets"}, "fanout.js", "destinations.js", "node_modules")
	f.maps(source)
	f.maps(changes)
}

// trusts says which external id the other account's role asks for.
func (f *fanout) trusts(id string) {
	f.Helper()
	_, err := iam.NewFromConfig(f.other).UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("fanout-abroad"), PolicyDocument: document(
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"` + id + `"}}}`)})
	try(f.T, err)
}

// put puts records under one key, in their order.
func (f *fanout) put(key string, data ...string) {
	f.Helper()
	in := &kinesis.PutRecordsInput{StreamName: aws.String("inputStream")}
	for _, d := range data {
		in.Records = append(in.Records, kinesistypes.PutRecordsRequestEntry{Data: []byte(d), PartitionKey: &key})
	}
	out, err := kinesis.NewFromConfig(f.root).PutRecords(ctx, in)
	try(f.T, err)
	if *out.FailedRecordCount > 0 {
		f.Fatalf("%d records were not taken", *out.FailedRecordCount)
	}
}

// packed puts one record of several, as Amazon's producer library packs them.
func (f *fanout) packed(key string, data ...string) {
	f.Helper()
	field := func(number int, b []byte) []byte {
		return append(binary.AppendUvarint([]byte{byte(number<<3 | 2)}, uint64(len(b))), b...)
	}
	message := field(1, []byte(key)) // the table of keys
	for _, d := range data {
		message = append(message, field(3, append([]byte{1 << 3, 0}, field(3, []byte(d))...))...)
	}
	sum := md5.Sum(message)
	f.put(key, string(slices.Concat([]byte{0xF3, 0x89, 0x9A, 0xC2}, message, sum[:])))
}

// records are the data of a stream of one shard.
func (f *fanout) records(account aws.Config, stream string) (list []string) {
	f.Helper()
	c := kinesis.NewFromConfig(account)
	it, err := c.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: aws.String("shardId-000000000000"), ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon})
	try(f.T, err)
	got, err := c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
	if err != nil && strings.Contains(err.Error(), "ProvisionedThroughputExceeded") {
		time.Sleep(250 * time.Millisecond) // five reads a second
		return f.records(account, stream)
	}
	try(f.T, err)
	for _, r := range got.Records {
		list = append(list, string(r.Data))
	}
	return list
}

// receive takes away what is in a queue.
func (f *fanout) receive(queue string) (list []string) {
	f.Helper()
	c, url := sqs.NewFromConfig(f.root), f.house.URL()+"/000000000000/"+queue
	for {
		got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		try(f.T, err)
		for _, m := range got.Messages {
			list = append(list, *m.Body)
			_, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
			try(f.T, err)
		}
		if len(got.Messages) == 0 {
			return list
		}
	}
}

// seen is what the function that is handed events on says it has seen.
func (f *fanout) seen() (list []string) {
	for _, line := range f.log("seen") {
		if _, s, ok := strings.Cut(line, "\tseen "); ok && (s != "first" || !slices.Contains(list, s)) {
			list = append(list, s)
		}
	}
	return list
}

// lot waits until so many are there.
func (f *fanout) lot(what string, get func() []string, n int) (list []string) {
	f.Helper()
	f.wait(fmt.Sprint(n, " records in ", what), func() bool { list = get(); return len(list) >= n })
	return list
}

// same holds what came against what was put, in any order.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("%s has %v, want %v", what, got, want)
	}
}

// changes writes an item into the table, changes and deletes it.
func (f *fanout) changes() {
	f.Helper()
	c, key := dynamodb.NewFromConfig(f.root), map[string]dynamotypes.AttributeValue{"id": &dynamotypes.AttributeValueMemberS{Value: "1"}}
	for n := 1; n <= 2; n++ {
		row := maps.Clone(key)
		row["n"] = &dynamotypes.AttributeValueMemberN{Value: fmt.Sprint(n)}
		row["tags"] = &dynamotypes.AttributeValueMemberL{Value: []dynamotypes.AttributeValue{&dynamotypes.AttributeValueMemberNULL{Value: true}, &dynamotypes.AttributeValueMemberM{Value: key}}}
		_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("orders"), Item: row})
		try(f.T, err)
	}
	_, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("orders"), Key: key})
	try(f.T, err)
	var list []string
	f.lot("changes", func() []string { list = append(list, f.receive("changes")...); return list }, 3)
	for i, change := range list { // the order of attributes is nobody's
		list[i] = strings.NewReplacer(`"tags":[null,{"id":"1"}]`, "T", `"id":"1"`, "I", `"n":`, "N").Replace(change)
	}
	for i, want := range []string{`{"event":"INSERT","keys":{I},"item":`, `{"event":"MODIFY","keys":{I},"item":`, `{"event":"REMOVE","keys":{I}}`} {
		if !slices.ContainsFunc(list, func(s string) bool {
			return strings.HasPrefix(s, want) && (i == 2 || strings.Contains(s, fmt.Sprint("N", i+1)) && strings.Contains(s, "T"))
		}) {
			f.Errorf("of the table's changes there is no %s in %v", want, list)
		}
	}
}

// archived moves the clock by what Firehose gathers for, and reads the bucket.
func (f *fanout) archived(want []string) {
	f.Helper()
	f.advance(301 * time.Second)
	c := s3.NewFromConfig(f.root, func(o *s3.Options) { o.UsePathStyle = true })
	var got []string
	f.wait("the archive", func() bool {
		var all bytes.Buffer
		list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("fanout-archive")})
		try(f.T, err)
		for _, o := range list.Contents {
			object, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("fanout-archive"), Key: o.Key})
			try(f.T, err)
			_, err = io.Copy(&all, object.Body)
			try(f.T, err)
		}
		got = slices.DeleteFunc(strings.Split(strings.TrimSpace(all.String()), "\n"), func(s string) bool { return s == "first" })
		return len(got) >= len(want)
	})
	same(f.T, "the archive", got, want)
}

// measured looks for the function's own metric.
func (f *fanout) measured() {
	f.Helper()
	f.wait("the metric", func() bool {
		out, err := cloudwatch.NewFromConfig(f.root).GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{Namespace: aws.String("Custom/FanOut"), MetricName: aws.String("Records"),
			Dimensions: []cloudwatchtypes.Dimension{{Name: aws.String("source"), Value: aws.String(source)}}, Period: aws.Int32(86400), Statistics: []cloudwatchtypes.Statistic{"Sum"},
			StartTime: aws.Time(time.Now().Add(-time.Hour)), EndTime: aws.Time(time.Now().Add(24 * time.Hour))})
		try(f.T, err)
		return len(out.Datapoints) > 0 && *out.Datapoints[0].Sum >= 29 // the first more than once, 25, and three
	})
}
