package organizations

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const maxTags = 50

func (s *Service) tagRoutes() []aws.Route {
	return []aws.Route{
		api.TagResource.To(s.tagResource, onWith(s, steward, func(in *api.TagResourceRequest) []string { return []string{*in.ResourceId} },
			func(in *api.TagResourceRequest) map[string][]string { return aws.RequestTags(nil, given(in.Tags)) })),
		api.UntagResource.To(s.untagResource, onWith(s, steward, func(in *api.UntagResourceRequest) []string { return []string{*in.ResourceId} },
			func(in *api.UntagResourceRequest) map[string][]string {
				return map[string][]string{"aws:TagKeys": in.TagKeys}
			})),
		api.ListTagsForResource.To(s.listTagsForResource, on(s, reader, func(in *api.ListTagsForResourceRequest) []string { return []string{*in.ResourceId} })),
	}
}

func given(tags []api.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range tags {
		out[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return out
}

// tagged is have, which may be nil, with tags set.
func tagged(have map[string]string, tags []api.Tag) (map[string]string, error) {
	out := maps.Clone(have)
	if out == nil && len(tags) > 0 {
		out = map[string]string{}
	}
	seen := map[string]bool{}
	for _, t := range tags {
		if seen[*t.Key] {
			return nil, invalid(api.InvalidInputExceptionReasonDuplicateTagKey, "Tag keys must be unique among the tags attached to the same entity.")
		}
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, invalid(api.InvalidInputExceptionReasonInvalidSystemTagsParameter, "You specified a tag key that is a system tag.")
		}
		seen[*t.Key], out[*t.Key] = true, *t.Value
	}
	if len(out) > maxTags {
		return nil, constraint(api.ConstraintViolationExceptionReasonMaxTagLimitExceeded, "You have exceeded the number of tags allowed on this resource: %d", maxTags)
	}
	return out, nil
}

// retag has fn replace the tags of the root, unit, account, policy or resource policy
// with that id.
func (o *organization) retag(ctx context.Context, tx store.Tx, id string, fn func(map[string]string) (map[string]string, error)) (err error) {
	switch {
	case strings.HasPrefix(id, "p-"):
		p, err := o.own(ctx, tx, id)
		if err != nil {
			return target(err)
		}
		if p.Tags, err = fn(p.Tags); err != nil {
			return err
		}
		return policies.Put(tx, scope(o.Management), *p, id)
	case o.Policy != nil && o.Policy.ID == id:
		if o.Policy.Tags, err = fn(o.Policy.Tags); err != nil {
			return err
		}
		return o.save(tx)
	}
	n, err := o.node(ctx, tx, id, noTarget())
	if err != nil {
		return err
	}
	if n.Tags, err = fn(n.Tags); err != nil {
		return err
	}
	return o.put(tx, n)
}

// target says of a policy that is not there what is said of a target.
func target(err error) error {
	if aws.CodeOf(err) == aws.CodeOf(noPolicy()) {
		return noTarget()
	}
	return err
}

// tags are those of what retag changes.
func (o *organization) tags(ctx context.Context, r store.Reader, id string) (map[string]string, error) {
	switch {
	case strings.HasPrefix(id, "p-"):
		p, err := o.policy(ctx, r, id)
		if err != nil {
			return nil, target(err)
		}
		return p.Tags, nil
	case o.Policy != nil && o.Policy.ID == id:
		return o.Policy.Tags, nil
	}
	n, err := o.node(ctx, r, id, noTarget())
	if err != nil {
		return nil, err
	}
	return n.Tags, nil
}

// tagsOf is tags for conditions: what is not there has none.
func (s *Service) tagsOf(ctx context.Context, o *organization, id string) (tags map[string]string, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		tags, err = o.tags(ctx, r, id)
		return err
	})
	if aws.CodeOf(err) != "" {
		return nil, nil
	}
	return tags, err
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceRequest) (*aws.Empty, error) {
	return nil, s.change(ctx, steward, func(tx store.Tx, o *organization) error {
		return o.retag(ctx, tx, *in.ResourceId, func(have map[string]string) (map[string]string, error) { return tagged(have, in.Tags) })
	})
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*aws.Empty, error) {
	return nil, s.change(ctx, steward, func(tx store.Tx, o *organization) error {
		return o.retag(ctx, tx, *in.ResourceId, func(have map[string]string) (map[string]string, error) {
			out := maps.Clone(have)
			maps.DeleteFunc(out, func(k, _ string) bool { return slices.Contains(in.TagKeys, k) })
			return out, nil
		})
	})
}

func (s *Service) listTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	out := &api.ListTagsForResourceResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) error {
		tags, err := o.tags(ctx, r, *in.ResourceId)
		if err != nil {
			return err
		}
		out.Tags, out.NextToken, err = cut(slices.Collect(maps.Keys(tags)), page{in.NextToken, nil}, func(k string) api.Tag { return api.Tag{Key: &k, Value: ptr(tags[k])} })
		return err
	})
}
