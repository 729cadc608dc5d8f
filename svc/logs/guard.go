package logs

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
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

// resourceTags reads a group's tags, which its streams share, when a policy asks. One
// that is not there has none.
func (s *Service) resourceTags(name string) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (map[string]string, error) {
		tags, err := s.tagsOf(ctx, name)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			return nil, nil
		}
		return tags, err
	}
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
		return []aws.Access{{Resource: groupResource(ctx, name) + aws.Value(stream), Tags: s.resourceTags(name)}}, nil
	}
}

// unmasking is guard, and asks for what has been masked where the input does.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/mask-sensitive-log-data.html
func unmasking[In any](guard aws.Guard[In], wanted func(*In) *bool) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		needs, err := guard(ctx, in)
		if err == nil && aws.Value(wanted(in)) {
			more := needs[0]
			// It is the group that hides, whichever of its streams is read.
			group, _, _ := strings.Cut(more.Resource, ":log-stream:")
			more.Action, more.Resource = "logs:Unmask", group+":log-stream:"
			needs = append(needs, more)
		}
		return needs, err
	}
}

func (s *Service) guardCreateLogGroup(ctx context.Context, in *api.CreateLogGroupRequest) ([]aws.Access, error) {
	keys, tags := aws.RequestTags(nil, in.Tags), s.resourceTags(*in.LogGroupName)
	needs := []aws.Access{{Resource: groupResource(ctx, *in.LogGroupName), Keys: keys, Tags: tags}}
	if len(in.Tags) > 0 {
		needs = append(needs, aws.Access{Action: api.TagResource.IAMAction(), Keys: keys, Tags: tags,
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
		need := aws.Access{Resource: arn(in)}
		if name, err := groupIdentified(ctx, arn(in)); err == nil {
			// By one name, however it was written: a policy that denies must match.
			need.Resource, need.Tags = aws.RequestOf(ctx).ARN("logs", "log-group:"+name), s.resourceTags(name)
		}
		need.Keys = tagging(in, tags, gone)
		return []aws.Access{need}, nil
	}
}

// tagging are the condition keys of the tags that an input brings or takes away.
func tagging[In any](in *In, tags func(*In) map[string]string, gone func(*In) []string) map[string][]string {
	keys := map[string][]string{}
	if tags != nil {
		aws.RequestTags(keys, tags(in))
	}
	if gone != nil {
		keys["aws:TagKeys"] = gone(in)
	}
	return keys
}

// onTags is onGroup for the older tagging operations, which name the group.
func onTags[In any](s *Service, name func(*In) *string, tags func(*In) map[string]string, gone func(*In) []string) aws.Guard[In] {
	guard := onGroup(s, name)
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		needs, err := guard(ctx, in)
		if err != nil {
			return nil, err
		}
		needs[0].Keys = tagging(in, tags, gone)
		return needs, nil
	}
}
