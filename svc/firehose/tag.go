package firehose

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

// maxTags is how many tags a stream has at most.
const maxTags = 50

// tag adds tags to a stream.
func (st *stream) tag(list []api.Tag) error {
	tags := maps.Clone(st.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	for _, t := range list {
		if strings.HasPrefix(*t.Key, "aws:") {
			return api.InvalidArgumentException("Tag keys must not begin with aws:, which is reserved: %s", *t.Key)
		}
		tags[*t.Key] = aws.Value(t.Value)
	}
	if len(tags) > maxTags {
		return api.LimitExceededException("A delivery stream has at most %d tags.", maxTags)
	}
	st.Tags = tags
	return nil
}

// tagMap is a list of tags by their keys.
func tagMap(list []api.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		tags[*t.Key] = aws.Value(t.Value)
	}
	return tags
}

func (s *Service) tagDeliveryStream(ctx context.Context, in *api.TagDeliveryStreamInput) (*api.TagDeliveryStreamOutput, error) {
	err := s.alter(ctx, refOf(ctx, in.DeliveryStreamName), func(st *stream) error { return st.tag(in.Tags) })
	return &api.TagDeliveryStreamOutput{}, err
}

func (s *Service) untagDeliveryStream(ctx context.Context, in *api.UntagDeliveryStreamInput) (*api.UntagDeliveryStreamOutput, error) {
	err := s.alter(ctx, refOf(ctx, in.DeliveryStreamName), func(st *stream) error {
		for _, k := range in.TagKeys {
			delete(st.Tags, k)
		}
		return nil
	})
	return &api.UntagDeliveryStreamOutput{}, err
}

func (s *Service) listTags(ctx context.Context, in *api.ListTagsForDeliveryStreamInput) (*api.ListTagsForDeliveryStreamOutput, error) {
	st, err := s.look(ctx, refOf(ctx, in.DeliveryStreamName))
	if err != nil {
		return nil, err
	}
	limit := maxTags
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &api.ListTagsForDeliveryStreamOutput{Tags: []api.Tag{}, HasMoreTags: new(false)}
	for _, k := range slices.Sorted(maps.Keys(st.Tags)) {
		if k <= aws.Value(in.ExclusiveStartTagKey) {
			continue
		}
		if len(out.Tags) == limit {
			*out.HasMoreTags = true
			break
		}
		out.Tags = append(out.Tags, api.Tag{Key: &k, Value: new(st.Tags[k])})
	}
	return out, nil
}
