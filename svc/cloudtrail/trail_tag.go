package cloudtrail

import (
	"context"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxTags is how many tags a trail has: AWS's quota.
const maxTags = 50

// tag adds tags to a trail, by key.
func (t *trail) tag(list []api.Tag) error {
	for _, tag := range list {
		if strings.HasPrefix(strings.ToLower(*tag.Key), "aws:") {
			return api.InvalidTagParameterException("Tag keys cannot begin with aws: (%s).", *tag.Key)
		}
		if i := slices.IndexFunc(t.Tags, func(have api.Tag) bool { return *have.Key == *tag.Key }); i >= 0 {
			t.Tags[i] = tag
		} else {
			t.Tags = append(t.Tags, tag)
		}
	}
	if len(t.Tags) > maxTags {
		return api.TagsLimitExceededException("A trail can have up to %d tags.", maxTags)
	}
	return nil
}

func (s *Service) addTags(ctx context.Context, in *api.AddTagsRequest) (*api.AddTagsResponse, error) {
	if err := taggable(in.ResourceId); err != nil {
		return nil, err
	}
	_, err := s.change(ctx, in.ResourceId, func(tx store.Tx, t *trail) error {
		if err := t.tag(in.TagsList); err != nil {
			return err
		}
		return t.put(tx)
	})
	return nil, err
}

func (s *Service) removeTags(ctx context.Context, in *api.RemoveTagsRequest) (*api.RemoveTagsResponse, error) {
	if err := taggable(in.ResourceId); err != nil {
		return nil, err
	}
	_, err := s.change(ctx, in.ResourceId, func(tx store.Tx, t *trail) error {
		t.Tags = slices.DeleteFunc(t.Tags, func(have api.Tag) bool {
			return slices.ContainsFunc(in.TagsList, func(gone api.Tag) bool { return *gone.Key == *have.Key })
		})
		return t.put(tx)
	})
	return nil, err
}

// maxTagged is how many resources one call lists the tags of.
const maxTagged = 20

func (s *Service) listTags(ctx context.Context, in *api.ListTagsRequest) (*api.ListTagsResponse, error) {
	if in.NextToken != nil {
		return nil, api.InvalidTokenException("Reserved for future use.")
	}
	if len(in.ResourceIdList) > maxTagged {
		return nil, api.InvalidParameterException("Up to %d resources can be named.", maxTagged)
	}
	out := &api.ListTagsResponse{ResourceTagList: []api.ResourceTag{}}
	for i := range in.ResourceIdList {
		id := &in.ResourceIdList[i]
		if err := taggable(id); err != nil {
			return nil, err
		}
		t, err := s.look(ctx, id)
		if err != nil {
			return nil, err
		}
		out.ResourceTagList = append(out.ResourceTagList, api.ResourceTag{ResourceId: id, TagsList: append([]api.Tag{}, t.Tags...)})
	}
	return out, nil
}

// taggable refuses what is not the ARN of a trail.
func taggable(id *string) error {
	a, ok := aws.ParseARN(*id)
	if !ok || a.Service != "cloudtrail" {
		return api.CloudTrailARNInvalidException("The ARN %s is not valid.", *id)
	}
	if !strings.HasPrefix(a.Resource, "trail/") {
		return api.ResourceTypeNotSupportedException("The type of the resource %s is not supported.", *id)
	}
	return nil
}

// tags reads the tags of a trail, for policies.
func (s *Service) tags(n *trailName) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (map[string]string, error) {
		out := map[string]string{}
		err := s.Store.View(ctx, func(r store.Reader) error {
			clear(out)
			t, err := trails.Get(ctx, r, store.Scope{Account: n.account}, n.region, n.name)
			if err != nil {
				return missing(err)
			}
			for _, tag := range t.Tags {
				out[*tag.Key] = aws.Value(tag.Value)
			}
			return nil
		})
		return out, err
	}
}
