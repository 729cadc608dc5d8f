package s3

import (
	"context"
	"slices"

	"github.com/tule-cloud/tule/aws"
)

// settingRoutes are the operations on what a bucket is set to.
func (s *Service) settingRoutes() []aws.Route {
	return slices.Concat(s.aclRoutes(), s.policyRoutes(), s.publicAccessRoutes())
}

// settingPlanes are the entrances that settings open: websites and forms.
func (s *Service) settingPlanes() []aws.Plane { return nil }

// runSettings does what buckets are set to do in time, until ctx ends.
func (s *Service) runSettings(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
