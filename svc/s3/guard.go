package s3

import (
	"context"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// The ARNs of buckets and objects name no account: an access says whose the bucket is.
// A bucket that is not there is said to be missing to whoever asks, as AWS does.

const listBucket = "s3:ListBucket"

// access is what a call needs on a bucket or, if key is not empty, on an object in it.
// An empty action is the operation's own.
func (s *Service) access(b *bucket, action, key string) aws.Access {
	resource := "arn:aws:s3:::" + b.Name
	if key != "" {
		resource += "/" + key
	}
	return aws.Access{Action: action, Resource: resource, Account: b.Account,
		Policy: func(ctx context.Context) (string, error) { return s.policy(ctx, b, key) }}
}

// find reads a bucket outside of a transaction, for guards and planes.
func (s *Service) find(ctx context.Context, name string) (b *bucket, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		b, err = bucketNamed(ctx, r, name)
		return err
	})
	return b, err
}

// onBucket guards what works on the bucket that name finds in the input, by the
// operation's own action, or by those given.
func onBucket[In any](s *Service, name func(*In) *string, actions ...string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		b, err := s.find(ctx, *name(in))
		if err != nil {
			return nil, err
		}
		if len(actions) == 0 {
			return []aws.Access{s.access(b, "", "")}, nil
		}
		var needs []aws.Access
		for _, a := range actions {
			needs = append(needs, s.access(b, a, ""))
		}
		return needs, nil
	}
}

// guardCreateBucket asks for the bucket that is to be, which nobody owns yet but the
// caller.
func (s *Service) guardCreateBucket(ctx context.Context, in *api.CreateBucketRequest) ([]aws.Access, error) {
	b := &bucket{Name: *in.Bucket, Account: aws.RequestOf(ctx).Account()}
	need := s.access(b, "", "")
	need.Policy = nil
	return []aws.Access{need}, nil
}

func guardListBuckets(context.Context, *api.ListBucketsRequest) ([]aws.Access, error) {
	return []aws.Access{{Action: "s3:ListAllMyBuckets", Resource: "*"}}, nil
}
