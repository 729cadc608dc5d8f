package kinesis

import (
	"context"
	"errors"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxTags is how many tags a stream or a consumer has at most.
const maxTags = 50

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return api.InvalidArgumentException("Failed to add tags: there may be at most %d tags, and there would be %d.", maxTags, len(tags))
	}
	return nil
}

// A resource is a stream, or one of its consumers.
type resource struct {
	ref
	consumer *consumerRef // nil for the stream itself
}

// resourceOf reads the ARN of a stream or a consumer.
func resourceOf(ctx context.Context, arn string) (resource, error) {
	if _, ok := parseConsumer(arn); ok {
		c, err := consumerTarget{arn: &arn}.ref(ctx)
		return resource{c.ref, &c}, err
	}
	at, err := target{arn: &arn}.ref(ctx)
	return resource{ref: at}, err
}

// facts are what streams and consumers have alike.
type facts struct {
	tags   map[string]string
	policy string
}

// read reads what a resource has.
func (t resource) read(ctx context.Context, r store.Reader) (facts, error) {
	if t.consumer != nil {
		_, c, err := t.consumer.find(ctx, r)
		return facts{c.Tags, c.Policy}, err
	}
	st, err := t.find(ctx, r)
	return facts{st.Tags, st.Policy}, err
}

// facts reads what a resource has, in a transaction of its own.
func (s *Service) facts(ctx context.Context, t resource) (f facts, err error) {
	err = s.Store.View(ctx, func(r store.Reader) (err error) {
		f, err = t.read(ctx, r)
		return err
	})
	return f, err
}

// change changes what a resource has. The tags are a copy.
func (s *Service) change(ctx context.Context, t resource, change func(f *facts) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		f, err := t.read(ctx, tx)
		if err != nil {
			return err
		}
		tags := map[string]string{}
		maps.Copy(tags, f.tags)
		f.tags = tags
		if err := errors.Join(change(&f), checkTags(f.tags)); err != nil {
			return err
		}
		if t.consumer == nil {
			st, err := t.find(ctx, tx)
			st.Tags, st.Policy = f.tags, f.policy
			return errors.Join(err, streamRecords.Put(tx, t.scope, st, t.name))
		}
		st, c, err := t.consumer.find(ctx, tx)
		c.Tags, c.Policy = f.tags, f.policy
		return errors.Join(err, consumerRecords.Put(tx, t.scope, c, st.Space, t.consumer.consumer))
	})
}

func (s *Service) addTags(ctx context.Context, in *api.AddTagsToStreamInput) (*aws.Empty, error) {
	at, err := target{in.StreamName, in.StreamARN}.ref(ctx)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, resource{ref: at}, func(f *facts) error {
		maps.Copy(f.tags, in.Tags)
		return nil
	})
}

func (s *Service) removeTags(ctx context.Context, in *api.RemoveTagsFromStreamInput) (*aws.Empty, error) {
	at, err := target{in.StreamName, in.StreamARN}.ref(ctx)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, resource{ref: at}, func(f *facts) error { return without(f, in.TagKeys) })
}

func without(f *facts, keys []string) error {
	for _, k := range keys {
		delete(f.tags, k)
	}
	return nil
}

func (s *Service) listTagsForStream(ctx context.Context, in *api.ListTagsForStreamInput) (*api.ListTagsForStreamOutput, error) {
	at, err := target{in.StreamName, in.StreamARN}.ref(ctx)
	if err != nil {
		return nil, err
	}
	f, err := s.facts(ctx, resource{ref: at})
	if err != nil {
		return nil, err
	}
	more := false
	out := &api.ListTagsForStreamOutput{Tags: []api.Tag{}, HasMoreTags: &more}
	for _, t := range tagList(f.tags) {
		if *t.Key <= aws.Value(in.ExclusiveStartTagKey) {
			continue
		}
		if in.Limit != nil && len(out.Tags) == int(*in.Limit) {
			more = true
			break
		}
		out.Tags = append(out.Tags, t)
	}
	return out, nil
}

func tagList(tags map[string]string) []api.Tag {
	out := []api.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		v := tags[k]
		out = append(out, api.Tag{Key: &k, Value: &v})
	}
	return out
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceInput) (*aws.Empty, error) {
	t, err := resourceOf(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, t, func(f *facts) error {
		maps.Copy(f.tags, in.Tags)
		return nil
	})
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceInput) (*aws.Empty, error) {
	t, err := resourceOf(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, t, func(f *facts) error { return without(f, in.TagKeys) })
}

func (s *Service) listTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	t, err := resourceOf(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	f, err := s.facts(ctx, t)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{Tags: tagList(f.tags)}, nil
}
