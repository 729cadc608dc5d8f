package logs

import (
	"context"
	"errors"
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
	return nil, s.retag(ctx, *in.ResourceArn, func(tags map[string]string) error {
		if err := checkTags(tags, in.Tags); err != nil {
			return err
		}
		maps.Copy(tags, in.Tags)
		return nil
	})
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, *in.ResourceArn, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
}

func (s *Service) listTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	tags, err := s.tagsAt(ctx, *in.ResourceArn)
	return &api.ListTagsForResourceResponse{Tags: tags}, err
}

func errNoResource() error {
	return api.ResourceNotFoundException("The specified resource does not exist.")
}

// taggable takes the ARN of something that has tags apart: of the caller's account and
// region.
func taggable(ctx context.Context, arn string) (kind, name string, err error) {
	a, ok := aws.ParseARN(arn)
	if !ok {
		return "", "", api.InvalidParameterException("The specified ARN is not valid.")
	}
	r := aws.RequestOf(ctx)
	kind, name, _ = strings.Cut(a.Resource, ":")
	if kind == "log-group" {
		name = strings.TrimSuffix(name, ":*")
	}
	if a.Service != "logs" || a.Account != r.Account() || a.Region != r.Region || name == "" {
		return "", "", errNoResource()
	}
	return kind, name, nil
}

// retag changes the tags of what an ARN names.
func (s *Service) retag(ctx context.Context, arn string, change func(map[string]string) error) error {
	kind, name, err := taggable(ctx, arn)
	if err != nil {
		return err
	}
	sc := scopeOf(ctx)
	return s.store.Update(ctx, func(tx store.Tx) error {
		switch kind {
		case "log-group":
			return retag(ctx, tx, groups, sc, name, func(g *group) *map[string]string { return &g.Tags }, change)
		case "destination":
			return retag(ctx, tx, destinations, sc, name, func(d *destination) *map[string]string { return &d.Tags }, change)
		case "delivery-source":
			return retag(ctx, tx, deliverySources, sc, name, func(d *deliverySource) *map[string]string { return &d.Tags }, change)
		case "delivery-destination":
			return retag(ctx, tx, deliveryDestinations, sc, name, func(d *deliveryDestination) *map[string]string { return &d.Tags }, change)
		case "delivery":
			return retag(ctx, tx, deliveries, sc, name, func(d *delivery) *map[string]string { return &d.Tags }, change)
		}
		return errNoResource()
	})
}

// retag changes the tags of a record.
func retag[R any](ctx context.Context, tx store.Tx, t store.Table[R], sc store.Scope, name string, of func(*R) *map[string]string, change func(map[string]string) error) error {
	rec, err := t.Get(ctx, tx, sc, name)
	if errors.Is(err, store.ErrNotFound) {
		return errNoResource()
	}
	if err != nil {
		return err
	}
	tags := of(&rec)
	if *tags == nil {
		*tags = map[string]string{}
	}
	if err := change(*tags); err != nil {
		return err
	}
	return t.Put(tx, sc, rec, name)
}

// tagsAt are the tags of what an ARN names; never nil, if it is there.
func (s *Service) tagsAt(ctx context.Context, arn string) (tags map[string]string, err error) {
	kind, name, err := taggable(ctx, arn)
	if err != nil {
		return nil, err
	}
	sc := scopeOf(ctx)
	err = s.store.View(ctx, func(r store.Reader) (err error) {
		switch kind {
		case "log-group":
			var g group
			g, err = groups.Get(ctx, r, sc, name)
			tags = g.Tags
		case "destination":
			var d destination
			d, err = destinations.Get(ctx, r, sc, name)
			tags = d.Tags
		case "delivery-source":
			var d deliverySource
			d, err = deliverySources.Get(ctx, r, sc, name)
			tags = d.Tags
		case "delivery-destination":
			var d deliveryDestination
			d, err = deliveryDestinations.Get(ctx, r, sc, name)
			tags = d.Tags
		case "delivery":
			var d delivery
			d, err = deliveries.Get(ctx, r, sc, name)
			tags = d.Tags
		default:
			err = store.ErrNotFound
		}
		if errors.Is(err, store.ErrNotFound) {
			err = errNoResource()
		}
		return err
	})
	if err == nil && tags == nil {
		tags = map[string]string{}
	}
	return tags, err
}
