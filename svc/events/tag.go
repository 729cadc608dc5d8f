package events

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const maxTags = 50

func newTags(list []api.Tag) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(list))
	for _, t := range list {
		if _, twice := out[*t.Key]; twice {
			return nil, invalid("Duplicate tag keys are not allowed.")
		}
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, invalid("Tag keys must not begin with aws:.")
		}
		out[*t.Key] = *t.Value
	}
	if len(out) > maxTags {
		return nil, exceeded()
	}
	return out, nil
}

// A tagged is what has tags: a bus, or one of its rules.
type tagged struct {
	bus  busRef
	rule string
}

// parseTagged reads the ARN of what has tags.
func parseTagged(arn string) (tagged, error) {
	if at, ok := parseBus(arn); ok {
		return tagged{bus: at}, nil
	}
	a, ok := aws.ParseARN(arn)
	name, isRule := strings.CutPrefix(a.Resource, "rule/")
	if !ok || a.Service != "events" || !isRule || name == "" {
		return tagged{}, invalid("Parameter ResourceARN is not valid. Reason: Provided Arn is not in correct format.")
	}
	at := busRef{store.Scope{Account: a.Account, Region: a.Region}, defaultBus}
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		at.name, name = name[:i], name[i+1:]
	}
	return tagged{at, name}, nil
}

// tags reads the tags of t.
func (t tagged) tags(ctx context.Context, r store.Reader) (map[string]string, error) {
	if t.rule == "" {
		b, err := getBus(ctx, r, t.bus)
		return b.Tags, err
	}
	found, err := getRule(ctx, r, t.bus, t.rule)
	return found.Tags, err
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceRequest) (*api.TagResourceResponse, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, s.changeTags(ctx, *in.ResourceARN, func(have map[string]string) { maps.Copy(have, tags) })
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*api.UntagResourceResponse, error) {
	return nil, s.changeTags(ctx, *in.ResourceARN, func(have map[string]string) {
		maps.DeleteFunc(have, func(k, _ string) bool { return slices.Contains(in.TagKeys, k) })
	})
}

func (s *Service) changeTags(ctx context.Context, arn string, change func(map[string]string)) error {
	t, err := parseTagged(arn)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := t.tags(ctx, tx)
		if err != nil {
			return err
		}
		if have = maps.Clone(have); have == nil {
			have = map[string]string{}
		}
		if change(have); len(have) > maxTags {
			return exceeded()
		}
		if t.rule == "" {
			b, err := getBus(ctx, tx, t.bus)
			if err != nil {
				return err
			}
			b.Tags = have
			return buses.Put(tx, t.bus.scope, b, t.bus.name)
		}
		r, err := getRule(ctx, tx, t.bus, t.rule)
		if err != nil {
			return err
		}
		r.Tags = have
		return rules.Put(tx, t.bus.scope, r, t.bus.name, t.rule)
	})
}

func (s *Service) listTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	t, err := parseTagged(*in.ResourceARN)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		tags, err := t.tags(ctx, r)
		if err != nil {
			return err
		}
		out.Tags = []api.Tag{}
		for _, k := range slices.Sorted(maps.Keys(tags)) {
			out.Tags = append(out.Tags, api.Tag{Key: new(k), Value: new(tags[k])})
		}
		return nil
	})
}

// tagsOf reads the tags of t for policies; none if it is not there.
func (s *Service) tagsOf(t tagged) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (tags map[string]string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			tags, err = t.tags(ctx, r)
			if api.ResourceNotFoundException("").Is(err) {
				return nil
			}
			return err
		})
		if api.ResourceNotFoundException("").Is(err) {
			err = nil
		}
		return tags, err
	}
}

// busPolicy reads a bus's policy for those who ask it; "" if it has none.
func (s *Service) busPolicy(at busRef) func(context.Context) (string, error) {
	return func(ctx context.Context) (document string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			b, err := buses.Get(ctx, r, at.scope, at.name)
			if errors.Is(err, store.ErrNotFound) {
				err = nil
			}
			document = b.policy()
			return err
		})
		return document, err
	}
}

// busExists is an error unless the bus is there.
func (s *Service) busExists(ctx context.Context, at busRef) error {
	return s.Store.View(ctx, func(r store.Reader) error {
		_, err := getBus(ctx, r, at)
		return err
	})
}
