package sns

import (
	"context"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const maxTags = 50

func newTags(list []api.Tag) (map[string]string, error) {
	out := make(map[string]string, len(list))
	for _, t := range list {
		if _, twice := out[*t.Key]; twice {
			return nil, invalid("Duplicated keys are not allowed.")
		}
		out[*t.Key] = *t.Value
	}
	if len(out) > maxTags {
		return nil, api.TagLimitExceededException("Could not complete request: tag quota of per resource exceeded")
	}
	return out, nil
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceRequest) (*api.TagResourceResponse, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, s.changeTags(ctx, in.ResourceArn, func(have map[string]string) { maps.Copy(have, tags) })
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*api.UntagResourceResponse, error) {
	return nil, s.changeTags(ctx, in.ResourceArn, func(have map[string]string) {
		maps.DeleteFunc(have, func(k, _ string) bool { return slices.Contains(in.TagKeys, k) })
	})
}

func noResource() error { return api.ResourceNotFoundException("Resource does not exist") }

func (s *Service) changeTags(ctx context.Context, arn *string, change func(map[string]string)) error {
	at, err := parseRef(ctx, "ResourceArn", arn)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := getTopic(ctx, tx, at)
		if aws.CodeOf(err) == "NotFound" {
			return noResource()
		}
		if err != nil {
			return err
		}
		have := maps.Clone(t.Tags)
		if have == nil {
			have = map[string]string{}
		}
		change(have)
		if len(have) > maxTags {
			return api.TagLimitExceededException("Could not complete request: tag quota of per resource exceeded")
		}
		t.Tags = have
		return topicRecords.Put(tx, at.scope, t, at.name)
	})
}

func (s *Service) listTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	at, err := parseRef(ctx, "ResourceArn", in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := s.topicTags(at)(ctx)
	if err != nil {
		return nil, err
	}
	if tags == nil {
		return nil, noResource()
	}
	out := &api.ListTagsForResourceResponse{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out, nil
}

// topicTags reads a topic's tags; nil if it is not there.
func (s *Service) topicTags(at topicRef) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (tags map[string]string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			t, err := getTopic(ctx, r, at)
			if aws.CodeOf(err) == "NotFound" {
				tags = nil
				return nil
			}
			if tags = t.Tags; tags == nil {
				tags = map[string]string{}
			}
			return err
		})
		return tags, err
	}
}
