package ssm

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/ssm"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// setTags adds tags to those that a parameter has.
func setTags(have map[string]string, list []api.Tag) error {
	for _, t := range list {
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return api.ValidationException("aws: prefixed tag key names are not allowed for external use.")
		}
		have[*t.Key] = aws.Value(t.Value)
	}
	if len(have) > maxTags {
		return api.TooManyTagsError("The Targets parameter includes too many tags. Remove one or more tags and try the command again.")
	}
	return nil
}

// tagged is the name of the parameter whose tags a call is about.
func tagged(kind, id *string) (string, error) {
	if *kind != api.ResourceTypeForTaggingParameter {
		return "", api.InvalidResourceType("The resource type %s is not available in this version of Tule.", *kind)
	}
	return *id, nil
}

// changeTags rewrites a parameter's tags.
func (s *Service) changeTags(ctx context.Context, kind, id *string, change func(map[string]string) error) error {
	name, err := tagged(kind, id)
	if err != nil {
		return err
	}
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		p, err := s.find(ctx, tx, scope, name)
		if err != nil {
			return noResource(err, name)
		}
		if p.Tags = maps.Clone(p.Tags); p.Tags == nil {
			p.Tags = map[string]string{}
		}
		if err := change(p.Tags); err != nil {
			return err
		}
		return putHead(tx, scope, &p)
	})
}

// noResource is the tag operations' word for a parameter that is not there.
func noResource(err error, name string) error {
	if api.ParameterNotFound("").Is(err) {
		return api.InvalidResourceId("The resource ID %s isn't valid. Verify that you entered the correct ID and try again.", name)
	}
	return err
}

func (s *Service) addTagsToResource(ctx context.Context, in *api.AddTagsToResourceRequest) (*api.AddTagsToResourceResult, error) {
	return nil, s.changeTags(ctx, in.ResourceType, in.ResourceId, func(have map[string]string) error { return setTags(have, in.Tags) })
}

func (s *Service) removeTagsFromResource(ctx context.Context, in *api.RemoveTagsFromResourceRequest) (*api.RemoveTagsFromResourceResult, error) {
	return nil, s.changeTags(ctx, in.ResourceType, in.ResourceId, func(have map[string]string) error {
		maps.DeleteFunc(have, func(k, _ string) bool { return slices.Contains(in.TagKeys, k) })
		return nil
	})
}

func (s *Service) listTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResult, error) {
	name, err := tagged(in.ResourceType, in.ResourceId)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceResult{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		p, err := s.find(ctx, r, scopeOf(ctx), name)
		if err != nil {
			return noResource(err, name)
		}
		out.TagList = []api.Tag{}
		for _, k := range slices.Sorted(maps.Keys(p.Tags)) {
			out.TagList = append(out.TagList, api.Tag{Key: new(k), Value: new(p.Tags[k])})
		}
		return nil
	})
}
