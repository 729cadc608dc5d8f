package ecr

import (
	"context"

	api "github.com/tule-cloud/tule/api/ecr"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// access is the operation's own action on a repository, with its policy and tags.
func (s *Service) access(scope store.Scope, name string) aws.Access {
	read := func(ctx context.Context) (repository, error) {
		p, err := s.view(ctx, scope, name)
		if api.RepositoryNotFoundException("").Is(err) {
			return p, nil
		}
		return p, err
	}
	tags := func(ctx context.Context) (map[string]string, error) {
		p, err := read(ctx)
		return p.Tags, err
	}
	return aws.Access{Resource: arnOf(scope, name), Keys: map[string][]string{}, Tags: tags, Late: aws.LateTags("ecr:ResourceTag/", tags), Policy: func(ctx context.Context) (string, error) {
		p, err := read(ctx)
		return p.Policy, err
	}}
}

// on is the guard of operations on one repository, by its registry and name.
func on[In any](s *Service, names func(*In) (registry, name *string)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		id, name := names(in)
		return []aws.Access{s.access(registry(ctx, id), *name)}, nil
	}
}

func tagMap(list []api.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		tags[*t.Key] = *t.Value
	}
	return tags
}

func (s *Service) guardCreate(ctx context.Context, in *api.CreateRepositoryRequest) ([]aws.Access, error) {
	scope := registry(ctx, in.RegistryId)
	needs := []aws.Access{{Resource: arnOf(scope, *in.RepositoryName), Keys: aws.RequestTags(nil, tagMap(in.Tags))}}
	if len(in.Tags) > 0 {
		tag := s.access(scope, *in.RepositoryName)
		tag.Action, tag.Keys = api.TagResource.IAMAction(), aws.RequestTags(nil, tagMap(in.Tags))
		needs = append(needs, tag)
	}
	return needs, nil
}

func (s *Service) guardDescribe(ctx context.Context, in *api.DescribeRepositoriesRequest) ([]aws.Access, error) {
	scope := registry(ctx, in.RegistryId)
	if len(in.RepositoryNames) == 0 {
		return []aws.Access{{Resource: arnOf(scope, "*")}}, nil
	}
	var needs []aws.Access
	for _, name := range in.RepositoryNames {
		needs = append(needs, s.access(scope, name))
	}
	return needs, nil
}

func (s *Service) byARN(arn string) (aws.Access, error) {
	scope, name, err := tagged(arn)
	return s.access(scope, name), err
}

func (s *Service) guardTag(_ context.Context, in *api.TagResourceRequest) ([]aws.Access, error) {
	need, err := s.byARN(*in.ResourceArn)
	aws.RequestTags(need.Keys, tagMap(in.Tags))
	return []aws.Access{need}, err
}

func (s *Service) guardUntag(_ context.Context, in *api.UntagResourceRequest) ([]aws.Access, error) {
	need, err := s.byARN(*in.ResourceArn)
	need.Keys["aws:TagKeys"] = in.TagKeys
	return []aws.Access{need}, err
}

func (s *Service) guardListTags(_ context.Context, in *api.ListTagsForResourceRequest) ([]aws.Access, error) {
	need, err := s.byARN(*in.ResourceArn)
	return []aws.Access{need}, err
}
