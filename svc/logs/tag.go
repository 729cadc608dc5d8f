package logs

import (
	"context"
	"maps"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxTags is how many tags a group has at most.
const maxTags = 50

// checkTags says whether added may join what a group has.
func checkTags(have, added map[string]string) error {
	n := len(have)
	for k := range added {
		if len(k) >= 4 && strings.EqualFold(k[:4], "aws:") {
			return api.InvalidParameterException("Tag keys starting with aws: are reserved for AWS.")
		}
		if _, ok := have[k]; !ok {
			n++
		}
	}
	if n > maxTags {
		return api.TooManyTagsException("The resource already has the maximum number of tags (%d).", maxTags)
	}
	return nil
}

// tag adds tags to a group.
func (s *Service) tag(ctx context.Context, name string, tags map[string]string) error {
	return s.changeGroup(ctx, name, func(g *group) error {
		if err := checkTags(g.Tags, tags); err != nil {
			return err
		}
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		maps.Copy(g.Tags, tags)
		return nil
	})
}

// untag takes tags from a group, which need not have them.
func (s *Service) untag(ctx context.Context, name string, keys []string) error {
	return s.changeGroup(ctx, name, func(g *group) error {
		for _, k := range keys {
			delete(g.Tags, k)
		}
		return nil
	})
}

// tagsOf are the tags of a group; never nil.
func (s *Service) tagsOf(ctx context.Context, name string) (map[string]string, error) {
	tags := map[string]string{}
	err := s.store.View(ctx, func(r store.Reader) error {
		g, err := groupNamed(ctx, r, scopeOf(ctx), name)
		maps.Copy(tags, g.Tags)
		return err
	})
	return tags, err
}

func (s *Service) tagLogGroup(ctx context.Context, in *api.TagLogGroupRequest) (*aws.Empty, error) {
	return nil, s.tag(ctx, *in.LogGroupName, in.Tags)
}

func (s *Service) untagLogGroup(ctx context.Context, in *api.UntagLogGroupRequest) (*aws.Empty, error) {
	return nil, s.untag(ctx, *in.LogGroupName, in.Tags)
}

func (s *Service) listTagsLogGroup(ctx context.Context, in *api.ListTagsLogGroupRequest) (*api.ListTagsLogGroupResponse, error) {
	tags, err := s.tagsOf(ctx, *in.LogGroupName)
	return &api.ListTagsLogGroupResponse{Tags: tags}, err
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceRequest) (*aws.Empty, error) {
	name, err := taggable(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, resourceError(s.tag(ctx, name, in.Tags))
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*aws.Empty, error) {
	name, err := taggable(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, resourceError(s.untag(ctx, name, in.TagKeys))
}

func (s *Service) listTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	name, err := taggable(ctx, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, name)
	return &api.ListTagsForResourceResponse{Tags: tags}, resourceError(err)
}

// taggable is the name of the group that an ARN means; nothing else has tags here.
func taggable(ctx context.Context, arn string) (string, error) {
	if _, ok := aws.ParseARN(arn); !ok {
		return "", api.InvalidParameterException("The specified ARN is not valid.")
	}
	name, err := groupIdentified(ctx, arn)
	if err != nil {
		return "", resourceError(errNoGroup())
	}
	return name, nil
}

// resourceError words the absence of a group as the newer operations do.
func resourceError(err error) error {
	if aws.CodeOf(err) == "ResourceNotFoundException" {
		return api.ResourceNotFoundException("The specified resource does not exist.")
	}
	return err
}
