package s3

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// blockOf is a bucket's public access block, with no switch on where it has none.
func blockOf(ctx context.Context, r store.Reader, b *bucket) (api.PublicAccessBlockConfiguration, error) {
	c, err := setting[api.PublicAccessBlockConfiguration](ctx, r, b, blockSetting)
	return aws.Value(c), err
}

func (s *Service) publicAccessRoutes() []aws.Route {
	block := kind[api.PublicAccessBlockConfiguration]{s, blockSetting, func(b *bucket) error {
		return notThere(b, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}}
	own := kind[api.OwnershipControls]{s, ownershipSetting, func(b *bucket) error {
		return notThere(b, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
	}}
	return []aws.Route{
		drop(&api.DeletePublicAccessBlock, block, "s3:PutBucketPublicAccessBlock",
			func(in *api.DeletePublicAccessBlockRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			}),
		read(&api.GetPublicAccessBlock, block, "s3:GetBucketPublicAccessBlock",
			func(in *api.GetPublicAccessBlockRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			},
			func(c *api.PublicAccessBlockConfiguration) *api.GetPublicAccessBlockOutput {
				return &api.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: c}
			}),
		write(&api.PutPublicAccessBlock, block, "s3:PutBucketPublicAccessBlock",
			func(in *api.PutPublicAccessBlockRequest) (bucket, owner *string, c *api.PublicAccessBlockConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.PublicAccessBlockConfiguration
			},
			func(_ context.Context, _ store.Tx, _ *bucket, c *api.PublicAccessBlockConfiguration) error {
				for _, p := range []**bool{&c.BlockPublicAcls, &c.BlockPublicPolicy, &c.IgnorePublicAcls, &c.RestrictPublicBuckets} {
					if *p == nil {
						*p = new(bool)
					}
				}
				return nil
			}),
		drop(&api.DeleteBucketOwnershipControls, own, "s3:PutBucketOwnershipControls",
			func(in *api.DeleteBucketOwnershipControlsRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			}),
		read(&api.GetBucketOwnershipControls, own, "s3:GetBucketOwnershipControls",
			func(in *api.GetBucketOwnershipControlsRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			},
			func(c *api.OwnershipControls) *api.GetBucketOwnershipControlsOutput {
				return &api.GetBucketOwnershipControlsOutput{OwnershipControls: c}
			}),
		write(&api.PutBucketOwnershipControls, own, "s3:PutBucketOwnershipControls",
			func(in *api.PutBucketOwnershipControlsRequest) (bucket, owner *string, c *api.OwnershipControls) {
				return in.Bucket, in.ExpectedBucketOwner, in.OwnershipControls
			}, checkOwnership),
	}
}

func checkOwnership(ctx context.Context, tx store.Tx, b *bucket, c *api.OwnershipControls) error {
	if len(c.Rules) != 1 {
		return errMalformed()
	}
	if *c.Rules[0].ObjectOwnership != api.ObjectOwnershipBucketOwnerEnforced {
		return nil
	}
	// Nobody may lose by it what an ACL gave him.
	list, err := bucketGrants(ctx, tx, b)
	if err == nil && !fullControlOf(list, b) {
		err = aws.Errorf(400, "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	}
	return err
}

// furnish gives a new bucket the settings that its creation brings: who owns what is put
// into it, what is blocked, its ACL.
func (s *Service) furnish(ctx context.Context, tx store.Tx, b *bucket, in *api.CreateBucketRequest) error {
	own := aws.Value(in.ObjectOwnership)
	if own == "" && !s.Open {
		own = api.ObjectOwnershipBucketOwnerEnforced
	}
	w := wish{canned: in.ACL, headers: grantHeaders{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP}}
	list, err := w.grants(b, b.Account)
	if err != nil {
		return err
	}
	switch {
	case list == nil, fullControlOf(list, b):
	case own == api.ObjectOwnershipBucketOwnerEnforced:
		return aws.Errorf(400, "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	case public(list) && !s.Open:
		return aws.Errorf(400, "InvalidBucketAclWithBlockPublicAccessError", "Bucket cannot have public ACLs set with BlockPublicAccess enabled")
	default:
		err = putSetting(tx, b, aclSetting, "", list)
	}
	if c := in.CreateBucketConfiguration; c != nil && len(c.Tags) > 0 {
		err = errors.Join(err, checkBucketTags(c.Tags), putSetting(tx, b, taggingSetting, "", api.Tagging{TagSet: c.Tags}))
	}
	if own != "" {
		c := api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: &own}}}
		err = errors.Join(err, putSetting(tx, b, ownershipSetting, "", c))
	}
	if !s.Open {
		on := true
		c := api.PublicAccessBlockConfiguration{BlockPublicAcls: &on, BlockPublicPolicy: &on, IgnorePublicAcls: &on, RestrictPublicBuckets: &on}
		err = errors.Join(err, putSetting(tx, b, blockSetting, "", c))
	}
	return err
}
