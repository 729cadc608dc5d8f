package replication

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// N records in one account become N items in the other, and objects in S3 whose concatenation
// is the N records; without either account's word nothing is written, and what was refused is
// not lost; a mapping that is made again at TRIM_HORIZON makes no item and no object more.
func TestReplication(t *testing.T) {
	r := newReplication(t)
	const n = 400 // more than a batch
	mapping := r.mapping(r.prod, replicate, source)
	r.putRecords(0, n)
	r.refused("no identity-based policy")
	r.trusts(accountRoot("222222222222"))
	r.permit(true)
	r.refused("no role trust policy")
	r.trusts(accountRoot(here))
	r.wait("an item", func() bool { r.advance(10 * time.Second); return len(r.items()) > 0 })
	r.holds(n)
	r.delivered(n)

	functions := lambda.NewFromConfig(r.prod)
	_, err := functions.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: &mapping})
	try(t, err)
	again := r.mapping(r.prod, replicate, source)
	if again == mapping {
		t.Error("the mapping that was deleted is there")
	}
	r.wait("every record's second time", func() bool { return r.done(r.prod, replicate, "replicated") >= 2*n })
	r.holds(n)
	r.putRecords(n, n+1) // behind all that the second time could have brought to S3
	r.holds(n + 1)
	r.delivered(n + 1)

	tables, err := dynamodb.NewFromConfig(r.prod).ListTables(ctx, &dynamodb.ListTablesInput{})
	try(t, err)
	if len(tables.TableNames) != 0 {
		t.Errorf("%s has %v", here, tables.TableNames)
	}
}

// putRecords puts the records from one number to another into the stream, and notes what
// items are to come of them: without what is empty, and with their place in the stream.
func (r *replication) putRecords(from, to int) {
	r.Helper()
	in := &kinesis.PutRecordsInput{StreamName: aws.String("web-analytics")}
	var items []map[string]string
	for i := from; i < to; i++ {
		item := map[string]string{"event": "page view", "useremail_": fmt.Sprintf("user%d@example.com", i%7), "nanotimestamp_": fmt.Sprint(1468000000000000000 + i)}
		record := map[string]any{"referrer": "", "session": nil}
		for k, v := range item {
			record[k] = v
		}
		data, err := json.Marshal(record)
		try(r.T, err)
		items = append(items, item)
		in.Records = append(in.Records, kinesistypes.PutRecordsRequestEntry{Data: data, PartitionKey: aws.String(item["useremail_"])})
	}
	out, err := kinesis.NewFromConfig(r.prod).PutRecords(ctx, in)
	try(r.T, err)
	for i, at := range out.Records {
		if at.SequenceNumber == nil {
			r.Fatalf("a record was not taken: %s", aws.ToString(at.ErrorMessage))
		}
		number := *at.SequenceNumber
		items[i]["sequenceNumber"], items[i]["shardId"] = number, *at.ShardId
		items[i]["seqNumbershardIdHash"] = number[len(number)-3:len(number)-1] + "_shardId-000000000000"
		r.put[number] = items[i]
	}
}

// trusts says who may take on the role that writes the table.
func (r *replication) trusts(principal string) {
	r.Helper()
	_, err := iam.NewFromConfig(r.poc).UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("DynamoDB-ProdAnalyticsWrite-role"), PolicyDocument: trust(principal)})
	try(r.T, err)
}

// refused waits until the function's log says that it was refused the role, and why. Nothing
// is written.
func (r *replication) refused(because string) {
	r.Helper()
	refusal := "An error occurred (AccessDenied) when calling the AssumeRole operation: User: arn:aws:sts::" + here + ":assumed-role/LambdaKinesisDynamo/" + replicate +
		" is not authorized to perform: sts:AssumeRole on resource: " + writer + " because " + because + " allows the sts:AssumeRole action"
	r.wait("the refusal", func() bool {
		r.advance(10 * time.Second) // what failed waits before it is tried again
		return strings.Contains(r.log(r.prod, replicate), refusal)
	})
	if got := r.items(); len(got) != 0 {
		r.Fatalf("%d items are written", len(got))
	}
}

// holds waits until the table holds n items: one of each record.
func (r *replication) holds(n int) {
	r.Helper()
	var got map[string]map[string]string
	r.wait(fmt.Sprint(n, " items"), func() bool { got = r.items(); return len(got) >= n })
	if len(r.put) != n || !reflect.DeepEqual(got, r.put) {
		r.Fatalf("the table holds %d items, want %d of %d records:\n%v\n%v", len(got), n, len(r.put), got, r.put)
	}
}

// delivered waits until n records have been forwarded, moves the clock by what Firehose
// gathers for, and waits until the bucket's objects are those records, each once.
func (r *replication) delivered(n int) {
	r.Helper()
	r.wait("the last record", func() bool { return r.done(r.poc, forward, "forwarded") >= n })
	r.advance(301 * time.Second)
	key := regexp.MustCompile(`^prod-kinesis-data\d{4}/\d\d/\d\d/\d\d/` + delivery + `-1-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	var got []map[string]string
	r.wait(fmt.Sprint(n, " records in S3"), func() bool {
		got = nil
		for name, body := range r.objects() {
			if !key.MatchString(name) {
				r.Fatalf("the key is %s", name)
			}
			got = append(got, r.records(body)...)
		}
		return len(got) >= n
	})
	bySequence := func(a, b map[string]string) int {
		return strings.Compare(a["sequenceNumber"], b["sequenceNumber"])
	}
	slices.SortFunc(got, bySequence)
	if want := slices.SortedFunc(maps.Values(r.put), bySequence); !reflect.DeepEqual(got, want) {
		r.Fatalf("the objects hold %d records, want %d:\n%v\n%v", len(got), len(want), got, want)
	}
}
