package s3

import (
	"context"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// The ARNs of buckets and objects name no account: an access says whose the bucket is.
// A bucket that is not there is said to be missing to whoever asks, as AWS does.

const listBucket = "s3:ListBucket"

// A demand is an action that a request needs, and the condition keys that the action has
// of the request. One without an action adds its keys to that of the demand before it.
type demand struct {
	action string
	keys   map[string][]string
}

// access is what a call needs on a bucket or, if key is not empty, on an object in it.
// An empty action is the operation's own.
func (s *Service) access(b *bucket, action, key string) aws.Access {
	resource := b.arn()
	if key != "" {
		resource += "/" + key
	}
	keys := map[string][]string{"s3:ResourceAccount": {b.Account}}
	for k, v := range b.tags {
		keys["s3:BucketTag/"+k], keys["aws:ResourceTag/"+k] = []string{v}, []string{v}
	}
	return aws.Access{Action: action, Resource: resource, Account: b.Account, Keys: keys,
		Policy: func(ctx context.Context) (string, error) { return s.policy(ctx, b, key) }}
}

// find reads a bucket outside of a transaction, for guards and planes.
func (s *Service) find(ctx context.Context, name string) (b *bucket, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		if b, err = bucketNamed(ctx, r, name); err == nil {
			b.tags, err = decidingTags(ctx, r, b)
		}
		return err
	})
	return b, err
}

// decidingTags are a bucket's tags if policies may go by them: they do where the bucket
// is set to attribute-based access control.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/buckets-tagging-enable-abac.html
func decidingTags(ctx context.Context, r store.Reader, b *bucket) (map[string]string, error) {
	abac, err := setting[api.AbacStatus](ctx, r, b, abacSetting)
	if err != nil || abac == nil || aws.Value(abac.Status) != api.BucketAbacStatusEnabled {
		return nil, err
	}
	set, err := setting[api.Tagging](ctx, r, b, taggingSetting)
	if err != nil || set == nil {
		return nil, err
	}
	tags := make(map[string]string, len(set.TagSet))
	for _, t := range set.TagSet {
		tags[*t.Key] = *t.Value
	}
	return tags, nil
}

// onBucket guards what works on the bucket that name finds in the input, by the
// operation's own action, or by that given.
func onBucket[In any](s *Service, name func(*In) *string, actions ...string) aws.Guard[In] {
	return onBucketWith(s, name, func(*In) (demands []demand) {
		for _, a := range actions {
			demands = append(demands, demand{action: a})
		}
		return demands
	})
}

// onBucketWith guards what works on the bucket that name finds in the input by what the
// input demands.
func onBucketWith[In any](s *Service, name func(*In) *string, of func(*In) []demand) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		b, err := s.find(ctx, *name(in))
		if err != nil {
			return nil, err
		}
		demands := of(in)
		if len(demands) == 0 {
			demands = []demand{{}}
		}
		needs := make([]aws.Access, len(demands))
		for i, d := range demands {
			needs[i] = s.access(b, d.action, "")
			maps.Copy(needs[i].Keys, d.keys)
		}
		return needs, nil
	}
}

// guardCreateBucket asks for the bucket that is to be, which nobody owns yet but the
// caller, and for what the bucket is to be set to.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
func (s *Service) guardCreateBucket(ctx context.Context, in *api.CreateBucketRequest) ([]aws.Access, error) {
	b := &bucket{Name: *in.Bucket, Account: aws.RequestOf(ctx).Account()}
	headers := grantHeaders{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP}
	own := headers.keys(in.ACL)
	header(own, "s3:x-amz-object-ownership", in.ObjectOwnership)
	header(own, "s3:x-amz-bucket-namespace", in.BucketNamespace)
	demands := []demand{{keys: own}}
	if in.ACL != nil && *in.ACL != api.BucketCannedACLPrivate || !headers.empty() {
		demands = append(demands, demand{"s3:PutBucketAcl", headers.keys(in.ACL)})
	}
	if in.ObjectOwnership != nil {
		demands = append(demands, demand{action: "s3:PutBucketOwnershipControls"})
	}
	if aws.Value(in.ObjectLockEnabledForBucket) {
		demands = append(demands, demand{action: "s3:PutBucketObjectLockConfiguration"}, demand{action: "s3:PutBucketVersioning"})
	}
	if c := in.CreateBucketConfiguration; c != nil {
		header(own, "s3:locationconstraint", c.LocationConstraint)
		if len(c.Tags) > 0 {
			tags := make(map[string]string, len(c.Tags))
			for _, t := range c.Tags {
				tags[*t.Key] = *t.Value
			}
			aws.RequestTags(own, tags)
			demands = append(demands, demand{"s3:TagResource", aws.RequestTags(nil, tags)})
		}
	}
	needs := make([]aws.Access, len(demands))
	for i, d := range demands {
		needs[i] = s.access(b, d.action, "")
		needs[i].Policy = nil
		maps.Copy(needs[i].Keys, d.keys)
	}
	return needs, nil
}

func guardListBuckets(ctx context.Context, _ *api.ListBucketsRequest) ([]aws.Access, error) {
	return []aws.Access{{Action: "s3:ListAllMyBuckets", Resource: "*",
		Keys: map[string][]string{"s3:ResourceAccount": {aws.RequestOf(ctx).Account()}}}}, nil
}

func grantingBucket(in *api.PutBucketAclRequest) []demand {
	return []demand{{keys: grantHeaders{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP}.keys(in.ACL)}}
}

// guardReplication asks besides for what lets S3 have the role.
func (s *Service) guardReplication(ctx context.Context, in *api.PutBucketReplicationRequest) ([]aws.Access, error) {
	if err := checkReplicationRole(in.ReplicationConfiguration); err != nil {
		return nil, err
	}
	needs, err := onBucket(s, func(in *api.PutBucketReplicationRequest) *string { return in.Bucket }, "s3:PutReplicationConfiguration")(ctx, in)
	if err != nil {
		return nil, err
	}
	return append(needs, aws.Access{Action: "iam:PassRole", Resource: *in.ReplicationConfiguration.Role, Keys: map[string][]string{
		"iam:PassedToService": {self}, "iam:AssociatedResourceArn": {"arn:aws:s3:::" + *in.Bucket}}}), nil
}

// reported are the fields that an inventory shows beside those that all do.
func reported(c *api.InventoryConfiguration) map[string][]string {
	if len(c.OptionalFields) == 0 {
		return nil
	}
	return map[string][]string{"s3:InventoryAccessibleOptionalFields": slices.Clone(c.OptionalFields)}
}

// header adds a condition key if the input has the header.
func header(keys map[string][]string, name string, value *string) {
	if value != nil {
		keys[name] = []string{*value}
	}
}

// keys are the condition keys of what headers say about an ACL.
func (h grantHeaders) keys(acl *string) map[string][]string {
	k := map[string][]string{}
	header(k, "s3:x-amz-acl", acl)
	header(k, "s3:x-amz-grant-full-control", h.fullControl)
	header(k, "s3:x-amz-grant-read", h.read)
	header(k, "s3:x-amz-grant-read-acp", h.readACP)
	header(k, "s3:x-amz-grant-write", h.write)
	header(k, "s3:x-amz-grant-write-acp", h.writeACP)
	return k
}
