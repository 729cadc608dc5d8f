package lambda

import (
	"context"
	"maps"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// taggable is the function of an ARN given to the tag operations.
func taggable(ctx context.Context, arn *string) (ref, error) {
	at, qualifier, err := parseName(ctx, arn, nil)
	if err == nil && qualifier != "" {
		err = invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	return at, err
}

// retag changes a function's tags.
func (s *Service) retag(ctx context.Context, arn *string, change func(tags map[string]string) error) error {
	at, err := taggable(ctx, arn)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		f, err := s.change(ctx, tx, at)
		if err != nil {
			return err
		}
		f.Tags = maps.Clone(f.Tags)
		if f.Tags == nil {
			f.Tags = map[string]string{}
		}
		if err := change(f.Tags); err != nil {
			return err
		}
		return put(tx, functionRecords, at.scope, f, at.name)
	})
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceRequest) (*aws.Empty, error) {
	if len(in.Tags) == 0 {
		return nil, invalid("An error occurred and the request cannot be processed.")
	}
	return nil, s.retag(ctx, in.Resource, func(tags map[string]string) error {
		maps.Copy(tags, in.Tags)
		if len(tags) > maxTags {
			return invalid("Number of tags exceeds resource tag limit.")
		}
		return nil
	})
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, in.Resource, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
}

func (s *Service) listTags(ctx context.Context, in *api.ListTagsRequest) (*api.ListTagsResponse, error) {
	at, err := taggable(ctx, in.Resource)
	if err != nil {
		return nil, err
	}
	var f *function
	err = s.Store.View(ctx, func(r store.Reader) error {
		f, err = s.function(ctx, r, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsResponse{Tags: f.Tags}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	return out, nil
}
