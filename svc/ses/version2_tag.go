package ses

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Tags are on identities and templates, by the second version of the API alone.

const maxTags = 50

// tagMap reads tags.
func tagMap(list []apiv2.Tag) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, t := range list {
		if k, v := *t.Key, *t.Value; k == "" || len(k) > 128 || len(v) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return nil, apiv2.BadRequestException("Invalid tag: %s", k)
		}
		if _, twice := out[*t.Key]; twice {
			return nil, apiv2.BadRequestException("Duplicate tag key: %s", *t.Key)
		}
		out[*t.Key] = *t.Value
	}
	return out, nil
}

// tagList shows tags in the order of their keys.
func tagList(tags map[string]string) []apiv2.Tag {
	out := []apiv2.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, apiv2.Tag{Key: &k, Value: new(tags[k])})
	}
	return out
}

// requestTags are the condition keys of tags that a request brings; what cannot be read
// its handler refuses.
func requestTags(list []apiv2.Tag) map[string][]string {
	tags, err := tagMap(list)
	if err != nil {
		return nil
	}
	return aws.RequestTags(nil, tags)
}

// tagged is what tags are on: the tags of a record, and how it is put back.
type tagged struct {
	tags map[string]string
	put  func(store.Tx, map[string]string) error
}

// taggedBy finds what an ARN names.
func taggedBy(ctx context.Context, r store.Reader, arn string) (*tagged, error) {
	scope := scopeOf(ctx)
	a, ok := aws.ParseARN(arn)
	kind, name, found := strings.Cut(a.Resource, "/")
	if !ok || !found || a.Service != "ses" || a.Account != scope.Account || a.Region != scope.Region {
		return nil, apiv2.BadRequestException("Invalid ARN: %s", arn)
	}
	switch kind {
	case "identity":
		i, err := identities.Get(ctx, r, scope, name)
		if errors.Is(err, store.ErrNotFound) {
			return nil, noIdentity2(name)
		}
		return &tagged{i.Tags, func(tx store.Tx, tags map[string]string) error {
			i.Tags = tags
			return identities.Put(tx, scope, i, name)
		}}, err
	case "configuration-set":
		c, err := getSet(ctx, r, scope, name)
		return &tagged{c.Tags, func(tx store.Tx, tags map[string]string) error {
			c.Tags = tags
			return sets.Put(tx, scope, c, name)
		}}, err
	case "contact-list":
		l, err := getList(ctx, r, scope, name)
		return &tagged{l.Tags, func(tx store.Tx, tags map[string]string) error {
			l.Tags = tags
			return lists.Put(tx, scope, l, name)
		}}, err
	case "custom-verification-email-template":
		t, err := readVerification(ctx, r, scope, name)
		return &tagged{t.Tags, func(tx store.Tx, tags map[string]string) error {
			t.Tags = tags
			return verifications.Put(tx, scope, t, name)
		}}, err
	case "template":
		t, err := templates.Get(ctx, r, scope, name)
		if errors.Is(err, store.ErrNotFound) {
			return nil, noTemplate(name)
		}
		return &tagged{t.Tags, func(tx store.Tx, tags map[string]string) error {
			t.Tags = tags
			return templates.Put(tx, scope, t, name)
		}}, err
	}
	return nil, apiv2.BadRequestException("Invalid ARN: %s", arn)
}

// tagsOf reads the tags of what an ARN names, for policies; what is not there has none.
func (s *Service) tagsOf(arn string) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (tags map[string]string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			t, err := taggedBy(ctx, r, arn)
			var e *aws.Error
			if err == nil {
				tags = t.tags
			} else if errors.As(err, &e) {
				return nil
			}
			return err
		})
		return tags, err
	}
}

// onTagged guards what works on the tags of something.
func onTagged[In any](s *Service, arn func(*In) *string, keys func(*In) map[string][]string) aws.Guard[In] {
	return func(_ context.Context, in *In) ([]aws.Access, error) {
		need := aws.Access{Resource: aws.Value(arn(in)), Tags: s.tagsOf(aws.Value(arn(in)))}
		if keys != nil {
			need.Keys = keys(in)
		}
		return []aws.Access{need}, nil
	}
}

func (s *Service) retag(ctx context.Context, arn string, change func(map[string]string) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := taggedBy(ctx, tx, arn)
		if err != nil {
			return err
		}
		tags := maps.Clone(t.tags)
		if tags == nil {
			tags = map[string]string{}
		}
		if err := change(tags); err != nil {
			return err
		}
		if len(tags) > maxTags {
			return apiv2.LimitExceededException("A resource has at most %d tags.", maxTags)
		}
		return t.put(tx, tags)
	})
}

func (s *Service) tagResource2(ctx context.Context, in *apiv2.TagResourceRequest) (*apiv2.TagResourceResponse, error) {
	fresh, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, s.retag(ctx, *in.ResourceArn, func(tags map[string]string) error { maps.Copy(tags, fresh); return nil })
}

func (s *Service) untagResource2(ctx context.Context, in *apiv2.UntagResourceRequest) (*apiv2.UntagResourceResponse, error) {
	return nil, s.retag(ctx, *in.ResourceArn, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
}

func (s *Service) listTags2(ctx context.Context, in *apiv2.ListTagsForResourceRequest) (*apiv2.ListTagsForResourceResponse, error) {
	out := &apiv2.ListTagsForResourceResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		t, err := taggedBy(ctx, r, *in.ResourceArn)
		if err == nil {
			out.Tags = tagList(t.tags)
		}
		return err
	})
}
