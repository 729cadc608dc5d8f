package logs

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// The resource of an action on a group is the group's ARN followed by
// ":log-stream:", as AWS's refusals print it, and that of an action on a stream has
// the stream's name behind that. So the ARN "…:log-group:NAME:*", which AWS says to
// use in policies, covers both. The three newer tagging actions alone have the ARN
// without a tail.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html

func groupResource(ctx context.Context, name string) string {
	return aws.RequestOf(ctx).ARN("logs", "log-group:"+name+":log-stream:")
}

// resourceTags are the condition keys of a group's tags.
func (s *Service) resourceTags(ctx context.Context, name string) (map[string][]string, error) {
	keys := map[string][]string{}
	err := s.store.View(ctx, func(r store.Reader) error {
		g, err := groups.Get(ctx, r, scopeOf(ctx), name)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		for k, v := range g.Tags {
			keys["aws:ResourceTag/"+k] = []string{v}
		}
		return err
	})
	return keys, err
}

// requestTags adds the condition keys of tags that a request carries.
func requestTags(keys map[string][]string, tags map[string]string) map[string][]string {
	for k, v := range tags {
		keys["aws:RequestTag/"+k] = []string{v}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], k)
	}
	return keys
}

// onGroup guards what works on the group that name finds in the input: by its name,
// or by its ARN.
func onGroup[In any](s *Service, name func(*In) *string) aws.Guard[In] {
	return onStream(s, func(in *In) (*string, *string) { return name(in), nil })
}

// onStream guards what works on the stream that find finds in the input.
func onStream[In any](s *Service, find func(*In) (group, stream *string)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		id, stream := find(in)
		if id == nil {
			return []aws.Access{{Resource: groupResource(ctx, "")}}, nil
		}
		name, err := groupIdentified(ctx, *id)
		if err != nil {
			// A group elsewhere is not the caller's to know of.
			if _, ok := aws.ParseARN(*id); ok {
				return []aws.Access{{Resource: *id}}, nil
			}
			return nil, err
		}
		keys, err := s.resourceTags(ctx, name)
		return []aws.Access{{Resource: groupResource(ctx, name) + aws.Value(stream), Keys: keys}}, err
	}
}

func (s *Service) guardCreateLogGroup(ctx context.Context, in *api.CreateLogGroupRequest) ([]aws.Access, error) {
	keys := requestTags(map[string][]string{}, in.Tags)
	needs := []aws.Access{{Resource: groupResource(ctx, *in.LogGroupName), Keys: keys}}
	if len(in.Tags) > 0 {
		needs = append(needs, aws.Access{Action: "logs:TagResource", Keys: keys,
			Resource: aws.RequestOf(ctx).ARN("logs", "log-group:"+*in.LogGroupName)})
	}
	return needs, nil
}

// guardAllGroups guards what looks at all groups, whose name is then empty.
func guardAllGroups[In any](ctx context.Context, _ *In) ([]aws.Access, error) {
	return []aws.Access{{Resource: groupResource(ctx, "")}}, nil
}

// onResource guards the tagging of what an ARN names; tags, if not nil, are those that
// the input brings, and keys those that it takes away.
func onResource[In any](s *Service, arn func(*In) string, tags func(*In) map[string]string, gone func(*In) []string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		keys := map[string][]string{}
		if name, err := groupIdentified(ctx, arn(in)); err == nil {
			if keys, err = s.resourceTags(ctx, name); err != nil {
				return nil, err
			}
		}
		if tags != nil {
			requestTags(keys, tags(in))
		}
		if gone != nil {
			keys["aws:TagKeys"] = gone(in)
		}
		return []aws.Access{{Resource: arn(in), Keys: keys}}, nil
	}
}

// onTags is onGroup for the older tagging operations, which name the group.
func onTags[In any](s *Service, name func(*In) *string, tags func(*In) map[string]string, gone func(*In) []string) aws.Guard[In] {
	guard := onGroup(s, name)
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		needs, err := guard(ctx, in)
		if err != nil {
			return nil, err
		}
		if tags != nil {
			requestTags(needs[0].Keys, tags(in))
		}
		if gone != nil {
			needs[0].Keys["aws:TagKeys"] = gone(in)
		}
		return needs, nil
	}
}
