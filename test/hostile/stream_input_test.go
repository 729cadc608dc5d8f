package hostile

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// TestStreamsBadInput sends records, batches, iterators, patterns and numbers that are too
// large, broken or somebody else's: each gets AWS's error, and nothing of it is kept.
func TestStreamsBadInput(t *testing.T) {
	f := flowing(t, house)
	for _, name := range []string{"bad", "other"} {
		f.try(f.streams.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(1)}))
	}
	t.Cleanup(func() {
		for _, name := range []string{"bad", "other"} {
			f.try(f.streams.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &name}))
		}
	})
	record := func(n int) string {
		return `{"Data":"` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `","PartitionKey":"k"}`
	}
	list := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	for _, c := range []struct {
		what, service, target, kind, body, code string
	}{
		{"a record of more than 1 MB", "kinesis", "Kinesis_20131202.PutRecord", "json", `{"StreamName":"bad",` + record(1 << 20)[1:], "InvalidArgumentException"},
		{"501 records", "kinesis", "Kinesis_20131202.PutRecords", "json", `{"StreamName":"bad","Records":[` + list(501, record(1)) + `]}`, "ValidationException"},
		{"more than 10 MB of records", "kinesis", "Kinesis_20131202.PutRecords", "json", `{"StreamName":"bad","Records":[` + list(11, record(1_000_000)) + `]}`, "InvalidArgumentException"},
		{"data that is not base64", "kinesis", "Kinesis_20131202.PutRecord", "json", `{"StreamName":"bad","Data":"*","PartitionKey":"k"}`, "SerializationException"},
		{"half a document", "kinesis", "Kinesis_20131202.PutRecord", "json", `{"StreamName":"bad","Data":"`, "SerializationException"},
		{"CBOR that ends early", "kinesis", "Kinesis_20131202.PutRecord", "cbor", "\xbf\x6aStreamName\x63ba", "SerializationException"},
		{"CBOR that is JSON", "kinesis", "Kinesis_20131202.PutRecord", "cbor", `{"StreamName":"bad"}`, "SerializationException"},
		{"CBOR that says it is long", "kinesis", "Kinesis_20131202.PutRecord", "cbor", "\xa1\x6aStreamName\x7b\x7f\xff\xff\xff\xff\xff\xff\xff", "SerializationException"},
		{"CBOR that is deep", "kinesis", "Kinesis_20131202.PutRecord", "cbor", strings.Repeat("\x81", 100_000), "SerializationException"},
		{"an iterator that is none", "kinesis", "Kinesis_20131202.GetRecords", "json", `{"ShardIterator":"AAAA"}`, "InvalidArgumentException"},
		{"a hash key that is too large", "kinesis", "Kinesis_20131202.PutRecord", "json", `{"StreamName":"bad","Data":"","PartitionKey":"k","ExplicitHashKey":"340282366920938463463374607431768211456"}`, "InvalidArgumentException"},
		{"a record of more than 1000 KiB", "firehose", "Firehose_20150804.PutRecord", "json", `{"DeliveryStreamName":"none","Record":{"Data":"` + base64.StdEncoding.EncodeToString(make([]byte, 1024001)) + `"}}`, "ValidationException"},
		{"501 records", "firehose", "Firehose_20150804.PutRecordBatch", "json", `{"DeliveryStreamName":"none","Records":[` + list(501, `{"Data":""}`) + `]}`, "ValidationException"},
		{"a pattern that is open", "logs", "Logs_20140328.FilterLogEvents", "json", `{"logGroupName":"none","filterPattern":"{ $.a = 1"}`, "InvalidParameterException"},
		{"a pattern that is deep", "logs", "Logs_20140328.FilterLogEvents", "json", `{"logGroupName":"none","filterPattern":"{` + strings.Repeat("(", 1000) + `}"}`, "InvalidParameterException"},
		{"a pattern that would explode", "logs", "Logs_20140328.FilterLogEvents", "json", `{"logGroupName":"none","filterPattern":"%(a+)+$%"}`, "InvalidParameterException"},
		{"a query that is deep", "logs", "Logs_20140328.StartQuery", "json", `{"logGroupName":"none","startTime":1,"endTime":2,"queryString":"filter ` + strings.Repeat("(", 9000) + `"}`, "MalformedQueryException"},
		{"10,001 events", "logs", "Logs_20140328.PutLogEvents", "json", `{"logGroupName":"none","logStreamName":"s","logEvents":[` + list(10_001, `{"timestamp":1,"message":"a"}`) + `]}`, "InvalidParameterException"},
		{"1,001 metrics", "monitoring", "GraniteServiceVersion20100801.PutMetricData", "json", `{"Namespace":"n","MetricData":[` + list(1001, `{"MetricName":"m","Value":1}`) + `]}`, "InvalidParameterValue"},
		{"a value that is no number", "monitoring", "GraniteServiceVersion20100801.PutMetricData", "json", `{"Namespace":"n","MetricData":[{"MetricName":"m","Value":"NaN"}]}`, "InvalidParameterValue"},
	} {
		m := message{service: c.service, method: "POST", path: "/", body: c.body, header: map[string]string{"Content-Type": "application/x-amz-" + c.kind + "-1.1", "X-Amz-Target": c.target}}
		if c.service == "monitoring" {
			m.header["Content-Type"] = "application/x-amz-json-1.0"
		}
		status, text := m.send(t)
		if status != 400 || !strings.Contains(text, c.code) {
			t.Errorf("%s to %s: %d %.200q, want %s", c.what, c.service, status, text, c.code)
		}
		serves(t)
	}
	// An iterator is no key to what it leads to.
	it, err := f.streams.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String("other"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: "TRIM_HORIZON"})
	f.try(it, err)
	m := message{service: "kinesis", method: "POST", path: "/", body: fmt.Sprintf(`{"ShardIterator":%q}`, *it.ShardIterator), key: aws.Credentials{AccessKeyID: "777777777777", SecretAccessKey: "any"},
		header: map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis_20131202.GetRecords"}}
	if status, text := m.send(t); status != 400 || !strings.Contains(text, "AccessDenied") {
		t.Errorf("another account's iterator: %d %s", status, text)
	}
	f.records("bad", func(b []byte) { t.Errorf("the stream has kept %.100q", b) })
}
