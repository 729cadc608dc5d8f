package s3

import (
	"context"
	"strings"

	s3api "github.com/tule-cloud/tule/api/s3"
	api "github.com/tule-cloud/tule/api/s3control"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Control answers the operations of S3 Control that buckets have: their tags, by ARN, as
// Terraform reads and sets them. The rest of S3 Control is about what there is not here.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_AWS_S3_Control.html
type Control struct{ s *Service }

// Control is S3 Control for the service's buckets.
func (s *Service) Control() *Control { return &Control{s} }

// Routes are the operations that are answered.
func (c *Control) Routes() []aws.Route {
	return []aws.Route{
		api.ListTagsForResource.To(c.listTags, tagged(c, func(in *api.ListTagsForResourceRequest) *string { return in.ResourceArn }, nil)),
		api.TagResource.To(c.tag, tagged(c, func(in *api.TagResourceRequest) *string { return in.ResourceArn }, func(in *api.TagResourceRequest) (map[string]string, []string) {
			tags := map[string]string{}
			for _, t := range in.Tags {
				tags[*t.Key] = *t.Value
			}
			return tags, nil
		})),
		api.UntagResource.To(c.untag, tagged(c, func(in *api.UntagResourceRequest) *string { return in.ResourceArn },
			func(in *api.UntagResourceRequest) (map[string]string, []string) { return nil, in.TagKeys })),
	}
}

// Within says which hosts are S3 Control's: an account's begin with its number.
func (c *Control) Within(host string) (folder string, ok bool) {
	label, rest, _ := strings.Cut(host, ".")
	if aws.ValidAccount(label) {
		label, _, _ = strings.Cut(rest, ".")
	}
	return "", label == "s3-control"
}

// bucketOfARN is the bucket that an ARN names.
func bucketOfARN(arn string) (string, error) {
	a, ok := aws.ParseARN(arn)
	if !ok || a.Service != "s3" || strings.Contains(a.Resource, "/") {
		return "", aws.Errorf(400, "InvalidRequest", "The ARN %s is not a bucket's.", arn)
	}
	return a.Resource, nil
}

// tagged is the guard of an operation on a bucket's tags; what, if not nil, gives the
// tags that a call sets and the keys of those that it removes.
func tagged[In any](c *Control, arn func(in *In) *string, what func(in *In) (map[string]string, []string)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		name, err := bucketOfARN(*arn(in))
		if err != nil {
			return nil, err
		}
		b, err := c.s.find(ctx, name)
		if err != nil {
			return nil, err
		}
		need := c.s.access(b, "", "")
		if what != nil {
			tags, removed := what(in)
			keys := map[string][]string{}
			for k, v := range need.Keys {
				keys[k] = v
			}
			need.Keys = aws.RequestTags(keys, tags)
			if len(removed) > 0 {
				need.Keys["aws:TagKeys"] = removed
			}
		}
		return []aws.Access{need}, nil
	}
}

func (c *Control) listTags(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResult, error) {
	name, err := bucketOfARN(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceResult{Tags: []api.Tag{}}
	err = c.s.onBucketRead(ctx, &name, in.AccountId, func(r store.Reader, b *bucket) error {
		have, err := setting[s3api.Tagging](ctx, r, b, taggingSetting)
		if err != nil || have == nil {
			return err
		}
		for _, t := range have.TagSet {
			out.Tags = append(out.Tags, api.Tag{Key: t.Key, Value: t.Value})
		}
		return nil
	})
	return out, err
}

func (c *Control) tag(ctx context.Context, in *api.TagResourceRequest) (*api.TagResourceResult, error) {
	return nil, c.change(ctx, in.ResourceArn, in.AccountId, func(have []s3api.Tag) []s3api.Tag {
		for _, t := range in.Tags {
			have = append(without(have, *t.Key), s3api.Tag{Key: t.Key, Value: t.Value})
		}
		return have
	})
}

func (c *Control) untag(ctx context.Context, in *api.UntagResourceRequest) (*api.UntagResourceResult, error) {
	return nil, c.change(ctx, in.ResourceArn, in.AccountId, func(have []s3api.Tag) []s3api.Tag {
		for _, key := range in.TagKeys {
			have = without(have, key)
		}
		return have
	})
}

// without is a set of tags but for one.
func without(tags []s3api.Tag, key string) []s3api.Tag {
	var out []s3api.Tag
	for _, t := range tags {
		if *t.Key != key {
			out = append(out, t)
		}
	}
	return out
}

// change changes a bucket's tags.
func (c *Control) change(ctx context.Context, arn, owner *string, change func(have []s3api.Tag) []s3api.Tag) error {
	name, err := bucketOfARN(*arn)
	if err != nil {
		return err
	}
	return c.s.onBucketDo(ctx, &name, owner, func(tx store.Tx, b *bucket) error {
		have, err := setting[s3api.Tagging](ctx, tx, b, taggingSetting)
		if err != nil {
			return err
		}
		if have == nil {
			have = &s3api.Tagging{}
		}
		have.TagSet = change(have.TagSet)
		if len(have.TagSet) == 0 {
			return dropSetting(tx, b, taggingSetting, "")
		}
		if err := checkTagging(ctx, tx, b, have); err != nil {
			return err
		}
		return putSetting(tx, b, taggingSetting, "", have)
	})
}
