package s3

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/tule-cloud/tule/aws"
)

// settingRoutes are the operations on what a bucket is set to.
func (s *Service) settingRoutes() []aws.Route {
	return slices.Concat(s.aclRoutes(), s.policyRoutes(), s.publicAccessRoutes(), s.corsRoutes(), s.websiteRoutes(), s.notificationRoutes(),
		s.lifecycleRoutes(), s.selectRoutes(), s.keptRoutes(), s.droppedRoutes(),
		s.analyticsRoutes(), s.inventoryRoutes(), s.metricsRoutes(), s.intelligentTieringRoutes(), s.metadataRoutes())
}

// settingPlanes are the entrances that settings open: websites and forms.
func (s *Service) settingPlanes() []aws.Plane { return []aws.Plane{s.websitePlane(), s.formPlane()} }

// runSettings does what buckets are set to do in time, until ctx ends.
func (s *Service) runSettings(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.deliver(ctx) })
	g.Go(func() error { return s.runLifecycles(ctx) })
	g.Go(func() error { return s.runDaily(ctx) })
	return g.Wait()
}
