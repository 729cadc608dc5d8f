package firehose

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
)

// TestPartitions parts records by what jq finds in them, and gives each a line of its own;
// those in which it finds nothing fail.
func TestPartitions(t *testing.T) {
	c := start(t, "")
	defer c.stop()
	bucket := c.bucket("arrivals")
	role := c.role("deliver", allow("s3:PutObject", bucket+"/*"))
	set := func(name types.ProcessorParameterName, value string) types.ProcessorParameter {
		return types.ProcessorParameter{ParameterName: name, ParameterValue: &value}
	}
	_, err := c.firehose.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("s"), ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{
		RoleARN: &role, BucketARN: &bucket, Prefix: aws.String("who=!{partitionKeyFromQuery:who}/year=!{partitionKeyFromQuery:year}/"), ErrorOutputPrefix: aws.String("errors/!{firehose:error-output-type}/"),
		BufferingHints:                   &types.BufferingHints{IntervalInSeconds: aws.Int32(60), SizeInMBs: aws.Int32(64)},
		DynamicPartitioningConfiguration: &types.DynamicPartitioningConfiguration{Enabled: aws.Bool(true)},
		ProcessingConfiguration: &types.ProcessingConfiguration{Enabled: aws.Bool(true), Processors: []types.Processor{
			{Type: types.ProcessorTypeMetadataExtraction, Parameters: []types.ProcessorParameter{set(types.ProcessorParameterNameJsonParsingEngine, "JQ-1.6"),
				set(types.ProcessorParameterNameMetadataExtractionQuery, `{who: .user.name, year: (.at / 31556952 + 1970 | floor | tostring)}`)}},
			{Type: types.ProcessorTypeAppendDelimiterToRecord, Parameters: []types.ProcessorParameter{set(types.ProcessorParameterNameDelimiter, `\n`)}}}}}})
	try(t, err)
	c.put("s", `{"user":{"name":"ann"},"at":1767323045,"n":1}`, `{"user":{"name":"bob"},"at":1767323045,"n":2}`, `{"user":{"name":"ann"},"at":1767323045,"n":3}`, `no JSON`)
	c.pass(61 * time.Second)
	c.eventually(func() error {
		all := c.objects("arrivals", "")
		got := map[string]string{}
		for key, body := range all {
			folder := key[:strings.LastIndexByte(key, '/')]
			if kind, _, ok := strings.Cut(folder, "/20"); ok { // behind it the hour
				folder = kind
				body = fmt.Sprint(strings.Contains(body, `"rawData":"bm8gSlNPTg=="`))
			}
			got[folder] += body
		}
		want := map[string]string{"who=ann/year=2026": `{"user":{"name":"ann"},"at":1767323045,"n":1}` + "\n" + `{"user":{"name":"ann"},"at":1767323045,"n":3}` + "\n",
			"who=bob/year=2026": `{"user":{"name":"bob"},"at":1767323045,"n":2}` + "\n", "errors/processing-failed": "true"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("delivered: %q, want %q", got, want)
		}
		return nil
	})
}
