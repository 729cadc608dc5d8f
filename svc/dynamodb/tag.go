package dynamodb

import (
	"context"
	"errors"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// maxTags is how many tags a table has at most.
const maxTags = 50

func checkTags(tags []api.Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		if seen[aws.Value(t.Key)] {
			return value.Invalidf("Duplicate tag key: %s", aws.Value(t.Key))
		}
		seen[aws.Value(t.Key)] = true
	}
	if len(tags) > maxTags {
		return value.Invalidf("Too many tags: %d, the limit is %d", len(tags), maxTags)
	}
	return nil
}

// tagged reads the ARN of a table whose tags are meant.
func tagged(ctx context.Context, arn *string) (ref, error) {
	if _, ok := aws.ParseARN(aws.Value(arn)); !ok {
		return ref{}, value.Invalid("Invalid TableArn: Invalid ResourceArn provided as input %s", aws.Value(arn))
	}
	return own(ctx, arn)
}

// retag changes a table's tags, a copy of them.
func (s *Service) retag(ctx context.Context, arn *string, change func(tags map[string]string) error) error {
	at, err := tagged(ctx, arn)
	if err != nil {
		return err
	}
	return s.alter(ctx, func(tx store.Tx) error {
		old, err := s.lookup(ctx, tx, at)
		if errors.Is(err, store.ErrNotFound) {
			return noResource(arn)
		}
		if err != nil {
			return err
		}
		t := *old
		t.Tags = map[string]string{}
		maps.Copy(t.Tags, old.Tags)
		if err := change(t.Tags); err != nil {
			return err
		}
		return t.save(tx, at)
	})
}

func noResource(arn *string) error {
	return api.ResourceNotFoundException("Requested resource not found: ResourcArn: %s not found", aws.Value(arn))
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceInput) (*aws.Empty, error) {
	if len(in.Tags) == 0 {
		return nil, value.Invalid("Atleast one Tag needs to be provided as Input.")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	return nil, s.retag(ctx, in.ResourceArn, func(tags map[string]string) error {
		for _, t := range in.Tags {
			tags[aws.Value(t.Key)] = aws.Value(t.Value)
		}
		if len(tags) > maxTags {
			return value.Invalidf("Too many tags: %d, the limit is %d", len(tags), maxTags)
		}
		return nil
	})
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceInput) (*aws.Empty, error) {
	if len(in.TagKeys) == 0 {
		return nil, value.Invalid("Atleast one Tag Key needs to be provided as Input.")
	}
	return nil, s.retag(ctx, in.ResourceArn, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
}

func (s *Service) listTagsOfResource(ctx context.Context, in *api.ListTagsOfResourceInput) (*api.ListTagsOfResourceOutput, error) {
	if _, err := tagged(ctx, in.ResourceArn); err != nil {
		return nil, err
	}
	t, err := s.peek(ctx, in.ResourceArn)
	if aws.CodeOf(err) == "ResourceNotFoundException" {
		return nil, noResource(in.ResourceArn)
	}
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsOfResourceOutput{Tags: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(t.Tags)) {
		v := t.Tags[k]
		out.Tags = append(out.Tags, api.Tag{Key: &k, Value: &v})
	}
	return out, nil
}
