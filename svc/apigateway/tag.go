package apigateway

import (
	"context"
	"maps"
	"net/url"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxTags is how many tags a resource has at most.
const maxTags = 50

// tagged is what carries tags: an API, or one of its stages.
type tagged struct{ apiID, stage string }

// parseTagged reads arn:aws:apigateway:REGION::/restapis/ID[/stages/NAME].
func parseTagged(ctx context.Context, text *string) (tagged, error) {
	raw := aws.Value(text)
	if plain, err := url.PathUnescape(raw); err == nil {
		raw = plain
	}
	arn, ok := aws.ParseARN(raw)
	parts := strings.Split(strings.TrimPrefix(arn.Resource, "/"), "/")
	if !ok || arn.Service != service || arn.Region != aws.RequestOf(ctx).Region {
		return tagged{}, api.BadRequestException("Invalid ARN specified in the request")
	}
	switch {
	case len(parts) == 2 && parts[0] == "restapis":
		return tagged{apiID: parts[1]}, nil
	case len(parts) == 4 && parts[0] == "restapis" && parts[2] == "stages":
		return tagged{apiID: parts[1], stage: parts[3]}, nil
	}
	return tagged{}, api.NotFoundException("Invalid Resource identifier specified")
}

// retag writes what change makes of the tags.
func (s *Service) retag(ctx context.Context, arn *string, change func(tags map[string]string)) error {
	on, err := parseTagged(ctx, arn)
	if err != nil {
		return err
	}
	apply := func(old map[string]string) (map[string]string, error) {
		tags := maps.Clone(old)
		if tags == nil {
			tags = map[string]string{}
		}
		if change(tags); len(tags) > maxTags {
			return nil, api.LimitExceededException("Too many tags: %d, the limit is %d", len(tags), maxTags)
		}
		return tags, nil
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		if on.stage != "" {
			st, err := readStage(ctx, tx, scope(ctx), on.apiID, on.stage)
			if err != nil {
				return err
			}
			if st.Tags, err = apply(st.Tags); err != nil {
				return err
			}
			return writeStage(tx, scope(ctx), on.apiID, st)
		}
		a, err := lookup(ctx, tx, &on.apiID)
		if err != nil {
			return err
		}
		if a.Tags, err = apply(a.Tags); err != nil {
			return err
		}
		return apis.Put(tx, scope(ctx), a, *a.Id)
	})
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, in.ResourceArn, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, in.ResourceArn, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

func (s *Service) getTags(ctx context.Context, in *api.GetTagsRequest) (*api.Tags, error) {
	on, err := parseTagged(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return view(ctx, s, func(r store.Reader) (*api.Tags, error) {
		var tags map[string]string
		if on.stage != "" {
			st, err := readStage(ctx, r, scope(ctx), on.apiID, on.stage)
			if err != nil {
				return nil, err
			}
			tags = st.Tags
		} else {
			a, err := lookup(ctx, r, &on.apiID)
			if err != nil {
				return nil, err
			}
			tags = a.Tags
		}
		if tags == nil {
			tags = map[string]string{}
		}
		return &api.Tags{Tags: tags}, nil
	})
}
