package test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/s3control/types"
)

// TestBucketTagsByARN sets a bucket's tags as Terraform does.
func TestBucketTagsByARN(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	// The account's number goes before the host, where an address has no room for it.
	control := s3control.NewFromConfig(c.config, func(o *s3control.Options) {
		o.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(house.URL(), "http://"))
		}}}
	})
	bucket := c.account + "-tags"
	must(s3.NewFromConfig(c.config, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))(t)
	arn := aws.String("arn:aws:s3:::" + bucket)
	must(control.TagResource(ctx, &s3control.TagResourceInput{AccountId: &c.account, ResourceArn: arn, Tags: []types.Tag{
		{Key: aws.String("team"), Value: aws.String("red")}, {Key: aws.String("tier"), Value: aws.String("1")}}}))(t)
	must(control.UntagResource(ctx, &s3control.UntagResourceInput{AccountId: &c.account, ResourceArn: arn, TagKeys: []string{"tier"}}))(t)
	tags := must(control.ListTagsForResource(ctx, &s3control.ListTagsForResourceInput{AccountId: &c.account, ResourceArn: arn}))(t).Tags
	if len(tags) != 1 || *tags[0].Key != "team" || *tags[0].Value != "red" {
		t.Errorf("tags %v", tags)
	}
	_, err := control.ListTagsForResource(ctx, &s3control.ListTagsForResourceInput{AccountId: &c.account, ResourceArn: aws.String("arn:aws:s3:::none-" + bucket)})
	refused(t, err, "NoSuchBucket", "does not exist")
}
