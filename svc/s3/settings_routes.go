package s3

import (
	"context"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// settingRoutes are the operations on what a bucket is set to.
func (s *Service) settingRoutes() []aws.Route { return nil }

// settingPlanes are the entrances that settings open: websites and forms.
func (s *Service) settingPlanes() []aws.Plane { return nil }

// runSettings does what buckets are set to do in time, until ctx ends.
func (s *Service) runSettings(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// furnish gives a new bucket the settings that its creation brings.
func (s *Service) furnish(context.Context, store.Tx, *bucket, *api.CreateBucketRequest) error {
	return nil
}

// policy is the policy that decides about a bucket, and about an object in it unless
// key is empty.
func (s *Service) policy(ctx context.Context, b *bucket, key string) (string, error) {
	var doc *string
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		doc, err = setting[string](ctx, r, b, policySetting)
		return err
	})
	return aws.Value(doc), err
}

// grants are what a request says of who may do what with its object.
type grants struct {
	ACL                                                      *string
	GrantFullControl, GrantRead, GrantReadACP, GrantWriteACP *string
}

// objectACL is the ACL that a new object gets, for its record; nil for the default one.
func (s *Service) objectACL(context.Context, store.Reader, *bucket, grants) ([]byte, error) {
	return nil, nil
}
