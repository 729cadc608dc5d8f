package firehose

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// As in AWS's post on replicating streams between accounts: N records become objects whose
// concatenation is the records, 300 seconds later, written as a role.
func TestS3(t *testing.T) {
	c := start(t, "")
	defer c.stop()
	bucket := c.bucket("poc")
	role := c.role("firehosedeliveryrole", allow("s3:PutObject", bucket+"/*"))
	_, err := c.firehose.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("prod-s3-firehose"),
		S3DestinationConfiguration: &types.S3DestinationConfiguration{RoleARN: &role, BucketARN: &bucket, Prefix: aws.String("prod-kinesis-data"),
			BufferingHints: &types.BufferingHints{SizeInMBs: aws.Int32(5), IntervalInSeconds: aws.Int32(300)}, CompressionFormat: types.CompressionFormatUncompressed}})
	try(t, err)
	var want []string
	for i := range 250 {
		want = append(want, fmt.Sprintf(`{"event": "page view", "n": %d}`, i))
	}
	c.put("prod-s3-firehose", want...)
	c.pass(295 * time.Second)
	time.Sleep(200 * time.Millisecond) // for real: nothing comes about that could be waited for
	if got := c.objects("poc", ""); len(got) != 0 {
		t.Errorf("%q came too early", keys(got))
	}
	c.pass(10 * time.Second)
	for key, body := range c.delivered("poc", "", 1) {
		if !regexp.MustCompile(`^prod-kinesis-data\d{4}/\d\d/\d\d/\d\d/prod-s3-firehose-1-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(key) {
			t.Errorf("the key is %s", key)
		}
		if body != strings.Join(want, "") {
			t.Errorf("%.200s… of %d bytes", body, len(body))
		}
	}
}

// What policies refuse waits, is logged, and is delivered once they allow it.
func TestPermissions(t *testing.T) {
	c := start(t, "")
	defer c.stop()
	bucket := c.bucket("arrivals")
	logs := cloudwatchlogs.NewFromConfig(c.config)
	_, err := logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("g")})
	try(t, err)
	_, err = logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("l")})
	try(t, err)
	role := c.role("deliver", allow("logs:PutLogEvents", "*"))
	create := &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("s"), ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{
		RoleARN: &role, BucketARN: &bucket, BufferingHints: &types.BufferingHints{IntervalInSeconds: aws.Int32(0), SizeInMBs: aws.Int32(1)},
		CloudWatchLoggingOptions: &types.CloudWatchLoggingOptions{Enabled: aws.Bool(true), LogGroupName: aws.String("g"), LogStreamName: aws.String("l")}}}

	// A user may not make a stream without passing the role to Firehose.
	user, err := c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("ann")})
	try(t, err)
	grant := func(statements ...string) {
		_, err := c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: user.User.UserName, PolicyName: aws.String("p"),
			PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)})
		try(t, err)
	}
	grant(allow("firehose:*", "*"))
	key, err := c.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user.User.UserName})
	try(t, err)
	ann := &cloud{t: t, house: c.house}
	ann.as(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey)
	_, err = ann.firehose.CreateDeliveryStream(ctx, create)
	refused(t, err, "AccessDeniedException")
	grant(allow("firehose:*", "*"), `{"Effect":"Allow","Action":"iam:PassRole","Resource":"`+role+`","Condition":{"StringEquals":{"iam:PassedToService":"firehose.amazonaws.com"}}}`)
	_, err = ann.firehose.CreateDeliveryStream(ctx, create)
	try(t, err)
	grant(allow("firehose:PutRecord", "arn:aws:firehose:us-east-1:"+account+":deliverystream/other"))
	_, err = ann.firehose.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: aws.String("s"), Record: &types.Record{Data: []byte("x")}})
	refused(t, err, "AccessDeniedException")

	c.put("s", "x")
	c.eventually(func() error {
		out, err := logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("l")})
		if err != nil || len(out.Events) == 0 {
			return fmt.Errorf("%v: nothing is logged", err)
		}
		var line map[string]any
		if err := json.Unmarshal([]byte(*out.Events[0].Message), &line); err != nil || line["errorCode"] != "S3.AccessDenied" || line["destination"] != "arn:aws:s3:::arrivals" {
			t.Fatalf("%s", *out.Events[0].Message)
		}
		return nil
	})
	if got := c.objects("arrivals", ""); len(got) != 0 {
		t.Errorf("%q", keys(got))
	}
	c.policy("deliver", allow("s3:PutObject", bucket+"/*"))
	c.eventually(func() error {
		c.pass(time.Minute)
		if got := c.objects("arrivals", ""); len(got) != 1 {
			return fmt.Errorf("%q", keys(got))
		}
		return nil
	})
}

// Records of a Kinesis stream are delivered, of all its shards and their children.
func TestKinesisSource(t *testing.T) {
	c := start(t, "")
	defer c.stop()
	bucket, streams := c.bucket("arrivals"), kinesis.NewFromConfig(c.config)
	_, err := streams.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("k"), ShardCount: aws.Int32(2)})
	try(t, err)
	source := "arn:aws:kinesis:us-east-1:" + account + ":stream/k"
	put := func(from, to int) {
		in := &kinesis.PutRecordsInput{StreamName: aws.String("k")}
		for i := from; i < to; i++ {
			in.Records = append(in.Records, kinesistypes.PutRecordsRequestEntry{Data: []byte(fmt.Sprintf("<%d>", i)), PartitionKey: aws.String(fmt.Sprint(i))})
		}
		out, err := streams.PutRecords(ctx, in)
		try(t, err)
		if *out.FailedRecordCount != 0 {
			t.Fatal("records were not taken")
		}
	}
	put(1000, 1010) // before the delivery stream is there
	role := c.role("deliver", allow("s3:PutObject", bucket+"/*"), allow("kinesis:*", source))
	time.Sleep(5 * time.Millisecond)
	_, err = c.firehose.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("s"), DeliveryStreamType: types.DeliveryStreamTypeKinesisStreamAsSource,
		KinesisStreamSourceConfiguration: &types.KinesisStreamSourceConfiguration{KinesisStreamARN: &source, RoleARN: &role},
		ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{RoleARN: &role, BucketARN: &bucket,
			BufferingHints: &types.BufferingHints{IntervalInSeconds: aws.Int32(60), SizeInMBs: aws.Int32(1)}}})
	try(t, err)
	put(0, 100)
	_, err = streams.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: aws.String("k"), ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: aws.String("1000")})
	try(t, err)
	put(100, 200)
	c.eventually(func() error {
		c.pass(61 * time.Second)
		all := ""
		for _, body := range c.objects("arrivals", "") {
			all += body
		}
		if strings.Contains(all, "<1000>") {
			t.Fatal("a record from before is delivered")
		}
		for i := range 200 {
			if n := strings.Count(all, fmt.Sprintf("<%d>", i)); n != 1 {
				return fmt.Errorf("record %d is there %d times", i, n)
			}
		}
		return nil
	})
}
