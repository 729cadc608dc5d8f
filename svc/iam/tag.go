package iam

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const maxTags = 50

func (s *Service) tagRoutes() []aws.Route {
	return []aws.Route{
		api.TagUser.To(s.tagUser, onWith(s, user, func(in *api.TagUserRequest) *string { return in.UserName },
			func(in *api.TagUserRequest) map[string][]string { return requestTags(nil, in.Tags) })),
		api.UntagUser.To(s.untagUser, onWith(s, user, func(in *api.UntagUserRequest) *string { return in.UserName },
			func(in *api.UntagUserRequest) map[string][]string {
				return map[string][]string{"aws:TagKeys": in.TagKeys}
			})),
		api.ListUserTags.To(s.listUserTags, on(s, user, func(in *api.ListUserTagsRequest) *string { return in.UserName })),
		api.TagRole.To(s.tagRole, onWith(s, role, func(in *api.TagRoleRequest) *string { return in.RoleName },
			func(in *api.TagRoleRequest) map[string][]string { return requestTags(nil, in.Tags) })),
		api.UntagRole.To(s.untagRole, onWith(s, role, func(in *api.UntagRoleRequest) *string { return in.RoleName },
			func(in *api.UntagRoleRequest) map[string][]string {
				return map[string][]string{"aws:TagKeys": in.TagKeys}
			})),
		api.ListRoleTags.To(s.listRoleTags, on(s, role, func(in *api.ListRoleTagsRequest) *string { return in.RoleName })),
		api.TagPolicy.To(s.tagPolicy, onPolicy(s, func(in *api.TagPolicyRequest) *string { return in.PolicyArn },
			func(in *api.TagPolicyRequest) map[string][]string { return requestTags(nil, in.Tags) })),
		api.UntagPolicy.To(s.untagPolicy, onPolicy(s, func(in *api.UntagPolicyRequest) *string { return in.PolicyArn },
			func(in *api.UntagPolicyRequest) map[string][]string {
				return map[string][]string{"aws:TagKeys": in.TagKeys}
			})),
		api.ListPolicyTags.To(s.listPolicyTags, onPolicy(s, func(in *api.ListPolicyTagsRequest) *string { return in.PolicyArn }, nil)),
		api.TagInstanceProfile.To(s.tagInstanceProfile, onProfileWith(s, func(in *api.TagInstanceProfileRequest) *string { return in.InstanceProfileName },
			func(in *api.TagInstanceProfileRequest) map[string][]string { return requestTags(nil, in.Tags) })),
		api.UntagInstanceProfile.To(s.untagInstanceProfile, onProfileWith(s, func(in *api.UntagInstanceProfileRequest) *string { return in.InstanceProfileName },
			func(in *api.UntagInstanceProfileRequest) map[string][]string {
				return map[string][]string{"aws:TagKeys": in.TagKeys}
			})),
		api.ListInstanceProfileTags.To(s.listInstanceProfileTags, onProfile(s, func(in *api.ListInstanceProfileTagsRequest) *string { return in.InstanceProfileName })),
	}
}

func tagsOrNil(tags map[string]string) []api.Tag {
	if len(tags) == 0 {
		return nil
	}
	return apiTags(tags)
}

// newTags are the tags of something new.
func newTags(tags []api.Tag) (map[string]string, error) {
	if len(tags) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	return out, addTags(out, tags)
}

// addTags sets tags. Keys are equal whatever their case.
func addTags(to map[string]string, tags []api.Tag) error {
	given := map[string]bool{}
	for _, t := range tags {
		k := aws.Value(t.Key)
		if given[strings.ToLower(k)] {
			return api.InvalidInputException("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return api.InvalidInputException("Tag keys starting with 'aws:' are reserved for internal use.")
		}
		given[strings.ToLower(k)] = true
		dropTag(to, k)
		to[k] = aws.Value(t.Value)
	}
	if len(to) > maxTags {
		return api.LimitExceededException("The number of tags has reached the maximum limit.")
	}
	return nil
}

func dropTag(from map[string]string, key string) {
	for have := range from {
		if strings.EqualFold(have, key) {
			delete(from, have)
		}
	}
}

// retag changes the tags of a principal.
func (s *Service) retag(ctx context.Context, k kind, name string, add []api.Tag, drop []string) error {
	return s.edit(ctx, k, name, func(_ store.Tx, p *principal) error { return change(&p.Tags, add, drop) })
}

func change(tags *map[string]string, add []api.Tag, drop []string) error {
	if *tags == nil {
		*tags = map[string]string{}
	}
	for _, k := range drop {
		dropTag(*tags, k)
	}
	return addTags(*tags, add)
}

func (s *Service) tagsOf(ctx context.Context, k kind, name string, at page) ([]api.Tag, *string, error) {
	p, err := s.view(ctx, k, name)
	if err != nil {
		return nil, nil, err
	}
	return cut(apiTags(p.Tags), at, func(t *api.Tag) string { return *t.Key })
}

func (s *Service) tagUser(ctx context.Context, in *api.TagUserRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, user, *in.UserName, in.Tags, nil)
}

func (s *Service) untagUser(ctx context.Context, in *api.UntagUserRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, user, *in.UserName, nil, in.TagKeys)
}

func (s *Service) listUserTags(ctx context.Context, in *api.ListUserTagsRequest) (*api.ListUserTagsResponse, error) {
	part, next, err := s.tagsOf(ctx, user, *in.UserName, page{in.Marker, in.MaxItems})
	return &api.ListUserTagsResponse{Tags: part, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) tagRole(ctx context.Context, in *api.TagRoleRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, role, *in.RoleName, in.Tags, nil)
}

func (s *Service) untagRole(ctx context.Context, in *api.UntagRoleRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, role, *in.RoleName, nil, in.TagKeys)
}

func (s *Service) listRoleTags(ctx context.Context, in *api.ListRoleTagsRequest) (*api.ListRoleTagsResponse, error) {
	part, next, err := s.tagsOf(ctx, role, *in.RoleName, page{in.Marker, in.MaxItems})
	return &api.ListRoleTagsResponse{Tags: part, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) tagPolicy(ctx context.Context, in *api.TagPolicyRequest) (*aws.Empty, error) {
	return nil, s.editPolicy(ctx, *in.PolicyArn, func(_ store.Tx, p *managed) error { return change(&p.Tags, in.Tags, nil) })
}

func (s *Service) untagPolicy(ctx context.Context, in *api.UntagPolicyRequest) (*aws.Empty, error) {
	return nil, s.editPolicy(ctx, *in.PolicyArn, func(_ store.Tx, p *managed) error { return change(&p.Tags, nil, in.TagKeys) })
}

func (s *Service) listPolicyTags(ctx context.Context, in *api.ListPolicyTagsRequest) (*api.ListPolicyTagsResponse, error) {
	var tags []api.Tag
	err := s.store.View(ctx, func(r store.Reader) error {
		p, err := s.managed(ctx, r, account(ctx), *in.PolicyArn)
		if err == nil {
			tags = apiTags(p.Tags)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(tags, page{in.Marker, in.MaxItems}, func(t *api.Tag) string { return *t.Key })
	return &api.ListPolicyTagsResponse{Tags: part, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) tagInstanceProfile(ctx context.Context, in *api.TagInstanceProfileRequest) (*aws.Empty, error) {
	return nil, s.editProfile(ctx, *in.InstanceProfileName, func(_ store.Tx, p *profile) (bool, error) { return false, change(&p.Tags, in.Tags, nil) })
}

func (s *Service) untagInstanceProfile(ctx context.Context, in *api.UntagInstanceProfileRequest) (*aws.Empty, error) {
	return nil, s.editProfile(ctx, *in.InstanceProfileName, func(_ store.Tx, p *profile) (bool, error) { return false, change(&p.Tags, nil, in.TagKeys) })
}

func (s *Service) listInstanceProfileTags(ctx context.Context, in *api.ListInstanceProfileTagsRequest) (*api.ListInstanceProfileTagsResponse, error) {
	var tags []api.Tag
	err := s.store.View(ctx, func(r store.Reader) error {
		p, err := loadProfile(ctx, r, account(ctx), *in.InstanceProfileName)
		if err == nil {
			tags = apiTags(p.Tags)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(tags, page{in.Marker, in.MaxItems}, func(t *api.Tag) string { return *t.Key })
	return &api.ListInstanceProfileTagsResponse{Tags: part, IsTruncated: more(next), Marker: next}, err
}
