// Package ecr is Elastic Container Registry's repositories: what they are called, whom
// their policies let in, and how they are set. Deployment tools make one before they do
// anything else.
//
// What differs from AWS on purpose:
//
//   - No image can be pushed yet, and so none is in a repository: what would put one there
//     answers that it is not here. Functions take their images from archives, layouts and
//     other registries.
//   - Lifecycle policies and scans on push are stored and shown; there is nothing yet that
//     they would apply to.
//
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html
package ecr

import (
	"context"

	api "github.com/tule-cloud/tule/api/ecr"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Options are what the service needs, all of them.
type Options struct {
	Store store.Store
	Clock aws.Clock
}

// Service answers the operations of repositories.
type Service struct{ Options }

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service { return &Service{Options: o} }

// What the service keeps.
var repositories = store.NewTable[repository]("ecr", "repository") // name

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.CreateRepository.To(s.createRepository, s.guardCreate),
		api.DescribeRepositories.To(s.describeRepositories, s.guardDescribe),
		api.DeleteRepository.To(s.deleteRepository, on(s, func(in *api.DeleteRepositoryRequest) (r, n *string) { return in.RegistryId, in.RepositoryName })),
		api.PutImageScanningConfiguration.To(s.putScanning, on(s, func(in *api.PutImageScanningConfigurationRequest) (r, n *string) {
			return in.RegistryId, in.RepositoryName
		})),
		api.PutImageTagMutability.To(s.putMutability, on(s, func(in *api.PutImageTagMutabilityRequest) (r, n *string) { return in.RegistryId, in.RepositoryName })),
		api.PutLifecyclePolicy.To(s.putLifecycle, on(s, func(in *api.PutLifecyclePolicyRequest) (r, n *string) { return in.RegistryId, in.RepositoryName })),
		api.GetLifecyclePolicy.To(s.getLifecycle, on(s, func(in *api.GetLifecyclePolicyRequest) (r, n *string) { return in.RegistryId, in.RepositoryName })),
		api.DeleteLifecyclePolicy.To(s.deleteLifecycle, on(s, func(in *api.DeleteLifecyclePolicyRequest) (r, n *string) { return in.RegistryId, in.RepositoryName })),
		api.SetRepositoryPolicy.To(s.setPolicy, on(s, func(in *api.SetRepositoryPolicyRequest) (r, n *string) { return in.RegistryId, in.RepositoryName })),
		api.GetRepositoryPolicy.To(s.getPolicy, on(s, func(in *api.GetRepositoryPolicyRequest) (r, n *string) { return in.RegistryId, in.RepositoryName })),
		api.DeleteRepositoryPolicy.To(s.deletePolicy, on(s, func(in *api.DeleteRepositoryPolicyRequest) (r, n *string) { return in.RegistryId, in.RepositoryName })),
		api.ListImages.To(s.listImages, on(s, func(in *api.ListImagesRequest) (r, n *string) { return in.RegistryId, in.RepositoryName })),
		api.DescribeImages.To(s.describeImages, on(s, func(in *api.DescribeImagesRequest) (r, n *string) { return in.RegistryId, in.RepositoryName })),
		api.TagResource.To(s.tagResource, s.guardTag),
		api.UntagResource.To(s.untagResource, s.guardUntag),
		api.ListTagsForResource.To(s.listTags, s.guardListTags),
	}
}

// registry is the scope that a call is about: the caller's own registry, or the one it names.
func registry(ctx context.Context, id *string) store.Scope {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	if id != nil {
		scope.Account = *id
	}
	return scope
}
