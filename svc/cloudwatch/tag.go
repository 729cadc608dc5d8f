package cloudwatch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxTags is how many tags something has at most.
const maxTags = 50

// Everything that can have tags has them under the last part of its ARN: "alarm:NAME",
// "dashboard/NAME".

// taggedScope is where the tags of a resource are: dashboards are in no region.
func taggedScope(scope store.Scope, resource string) store.Scope {
	if strings.HasPrefix(resource, "dashboard/") {
		scope.Region = ""
	}
	return scope
}

func tagMap(list []api.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range list {
		out[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return out
}

// tagsOf are the tags of a resource.
func tagsOf(ctx context.Context, r store.Reader, scope store.Scope, resource string) (map[string]string, error) {
	t, err := tagRecords.Get(ctx, r, taggedScope(scope, resource), resource)
	if errors.Is(err, store.ErrNotFound) {
		return map[string]string{}, nil
	}
	return t, err
}

// putTags adds tags to those that a resource has.
func putTags(ctx context.Context, tx store.Tx, scope store.Scope, resource string, tags []api.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	have, err := tagsOf(ctx, tx, scope, resource)
	if err != nil {
		return err
	}
	maps.Copy(have, tagMap(tags))
	if len(have) > maxTags {
		return validation("The resource may have at most %d tags.", maxTags)
	}
	for k := range have {
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return validation("Tag keys that begin with aws: are reserved.")
		}
	}
	return tagRecords.Put(tx, taggedScope(scope, resource), have, resource)
}

func dropTags(tx store.Tx, scope store.Scope, resource string) error {
	return tagRecords.Delete(tx, taggedScope(scope, resource), resource)
}

// taggable is the resource that an ARN names, if there is one.
func (s *Service) taggable(ctx context.Context, r store.Reader, arn string) (store.Scope, string, error) {
	scope := scopeOf(ctx)
	a, ok := aws.ParseARN(arn)
	if !ok || a.Service != "cloudwatch" {
		return scope, "", invalidValue("The value %s for parameter ResourceARN is invalid.", arn)
	}
	missing := api.ResourceNotFoundException("The resource %s does not exist.", arn).With(
		&api.ResourceNotFoundExceptionDetail{ResourceId: &a.Resource, ResourceType: new(strings.SplitN(strings.ReplaceAll(a.Resource, "/", ":"), ":", 2)[0])})
	if a.Account != scope.Account || a.Region != scope.Region && !strings.HasPrefix(a.Resource, "dashboard/") {
		return scope, "", missing
	}
	var there bool
	var err error
	kind, name := resourceParts(a.Resource)
	switch kind {
	case "alarm":
		there, err = alarms.Has(ctx, r, scope, name)
	case "alarm-mute-rule":
		there, err = muteRules.Has(ctx, r, scope, name)
	case "dashboard":
		there, err = dashboards.Has(ctx, r, store.Scope{Account: scope.Account}, name)
	case "insight-rule":
		there, err = insightRules.Has(ctx, r, scope, name)
	case "metric-stream":
		there, err = streams.Has(ctx, r, scope, name)
	}
	if err == nil && !there {
		err = missing
	}
	return scope, a.Resource, err
}

// resourceParts cuts "alarm:NAME" and "dashboard/NAME".
func resourceParts(resource string) (kind, name string) {
	at := strings.IndexAny(resource, ":/")
	if at < 0 {
		return resource, ""
	}
	return resource[:at], resource[at+1:]
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		scope, resource, err := s.taggable(ctx, tx, *in.ResourceARN)
		if err != nil {
			return err
		}
		return putTags(ctx, tx, scope, resource, in.Tags)
	})
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		scope, resource, err := s.taggable(ctx, tx, *in.ResourceARN)
		if err != nil {
			return err
		}
		have, err := tagsOf(ctx, tx, scope, resource)
		if err != nil {
			return err
		}
		for _, k := range in.TagKeys {
			delete(have, k)
		}
		return tagRecords.Put(tx, taggedScope(scope, resource), have, resource)
	})
}

func (s *Service) listTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	out := &api.ListTagsForResourceOutput{Tags: []api.Tag{}}
	err := s.Store.View(ctx, func(r store.Reader) error {
		scope, resource, err := s.taggable(ctx, r, *in.ResourceARN)
		if err != nil {
			return err
		}
		have, err := tagsOf(ctx, r, scope, resource)
		for _, k := range slices.Sorted(maps.Keys(have)) {
			out.Tags = append(out.Tags, api.Tag{Key: new(k), Value: new(have[k])})
		}
		return err
	})
	return out, err
}
