package apigatewayv2

import (
	"context"
	"maps"
	"net/url"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxTags is how many tags a resource has at most.
const maxTags = 50

// tagged is what carries tags: an API, one of its stages, or a VPC link.
type tagged struct{ apiID, stage, link string }

// parseTagged reads arn:aws:apigateway:REGION::/apis/ID[/stages/NAME] and …/vpclinks/ID.
func parseTagged(ctx context.Context, text *string) (tagged, error) {
	raw := aws.Value(text)
	if plain, err := url.PathUnescape(raw); err == nil {
		raw = plain
	}
	arn, ok := aws.ParseARN(raw)
	parts := strings.Split(strings.TrimPrefix(arn.Resource, "/"), "/")
	if !ok || arn.Service != "apigateway" || arn.Region != aws.RequestOf(ctx).Region {
		return tagged{}, api.BadRequestException("Invalid ARN specified in the request")
	}
	switch {
	case len(parts) == 2 && parts[0] == "apis":
		return tagged{apiID: parts[1]}, nil
	case len(parts) == 4 && parts[0] == "apis" && parts[2] == "stages":
		return tagged{apiID: parts[1], stage: parts[3]}, nil
	case len(parts) == 2 && parts[0] == "vpclinks":
		return tagged{link: parts[1]}, nil
	}
	return tagged{}, api.NotFoundException("Invalid Resource identifier specified")
}

// read is the tags, and what writes others in their place.
func (on tagged) read(ctx context.Context, r store.Reader) (tags map[string]string, write func(store.Tx, map[string]string) error, err error) {
	at := scope(ctx)
	switch {
	case on.stage != "":
		st, err := readStage(ctx, r, &on.apiID, &on.stage)
		return st.Tags, func(tx store.Tx, tags map[string]string) error {
			st.Tags = tags
			return writeStage(tx, at, on.apiID, &st)
		}, err
	case on.link != "":
		l, err := readLink(ctx, r, &on.link)
		return l.Tags, func(tx store.Tx, tags map[string]string) error {
			l.Tags = tags
			return links.Put(tx, at, l, on.link)
		}, err
	}
	a, err := lookup(ctx, r, &on.apiID)
	return a.Tags, func(tx store.Tx, tags map[string]string) error {
		a.Tags = tags
		return apis.Put(tx, at, a, on.apiID)
	}, err
}

// retag writes what change makes of the tags.
func (s *Service) retag(ctx context.Context, arn *string, change func(tags map[string]string)) error {
	on, err := parseTagged(ctx, arn)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		old, write, err := on.read(ctx, tx)
		if err != nil {
			return err
		}
		tags := maps.Clone(old)
		if tags == nil {
			tags = map[string]string{}
		}
		if change(tags); len(tags) > maxTags {
			return api.BadRequestException("Too many tags: %d, the limit is %d", len(tags), maxTags)
		}
		return write(tx, tags)
	})
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceRequest) (*api.TagResourceResponse, error) {
	return nil, s.retag(ctx, in.ResourceArn, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, in.ResourceArn, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

func (s *Service) getTags(ctx context.Context, in *api.GetTagsRequest) (*api.GetTagsResponse, error) {
	on, err := parseTagged(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return view(ctx, s, func(r store.Reader) (*api.GetTagsResponse, error) {
		tags, _, err := on.read(ctx, r)
		if tags == nil {
			tags = map[string]string{}
		}
		return &api.GetTagsResponse{Tags: tags}, err
	})
}
