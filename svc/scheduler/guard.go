package scheduler

import (
	"context"

	api "github.com/tule-cloud/tule/api/scheduler"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// tagsOf reads a group's tags for policies; none if it is not there.
func (s *Service) tagsOf(scope store.Scope, name string) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (tags map[string]string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			g, err := findGroup(ctx, r, scope, name)
			if tags = g.Tags; api.ResourceNotFoundException("").Is(err) {
				return nil
			}
			return err
		})
		return tags, err
	}
}

// onSchedule is the operation's own action on a schedule, which has its group's tags.
func (s *Service) onSchedule(ctx context.Context, group, name *string) []aws.Access {
	scope := scopeOf(ctx)
	return []aws.Access{{Resource: scheduleARN(scope, groupOf(group), *name), Tags: s.tagsOf(scope, groupOf(group))}}
}

func onGroup[In any](s *Service, name func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		scope := scopeOf(ctx)
		return []aws.Access{{Resource: groupARN(scope, *name(in)), Tags: s.tagsOf(scope, *name(in))}}, nil
	}
}

// passed is the permission to hand the target's role to the scheduler.
func passed(needs []aws.Access, t *api.Target) []aws.Access {
	return append(needs, aws.Access{Action: "iam:PassRole", Resource: *t.RoleArn, Keys: map[string][]string{
		"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {needs[0].Resource}}})
}

func (s *Service) guardCreateSchedule(ctx context.Context, in *api.CreateScheduleInput) ([]aws.Access, error) {
	return passed(s.onSchedule(ctx, in.GroupName, in.Name), in.Target), nil
}

func (s *Service) guardUpdateSchedule(ctx context.Context, in *api.UpdateScheduleInput) ([]aws.Access, error) {
	return passed(s.onSchedule(ctx, in.GroupName, in.Name), in.Target), nil
}

func (s *Service) guardDeleteSchedule(ctx context.Context, in *api.DeleteScheduleInput) ([]aws.Access, error) {
	return s.onSchedule(ctx, in.GroupName, in.Name), nil
}

func (s *Service) guardGetSchedule(ctx context.Context, in *api.GetScheduleInput) ([]aws.Access, error) {
	return s.onSchedule(ctx, in.GroupName, in.Name), nil
}

func tagKeys(list []api.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		tags[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return tags
}

func (s *Service) guardCreateGroup(ctx context.Context, in *api.CreateScheduleGroupInput) ([]aws.Access, error) {
	need := aws.Access{Resource: groupARN(scopeOf(ctx), *in.Name), Keys: aws.RequestTags(nil, tagKeys(in.Tags))}
	if len(in.Tags) == 0 {
		return []aws.Access{need}, nil
	}
	tag := need
	tag.Action, tag.Tags = api.TagResource.IAMAction(), s.tagsOf(scopeOf(ctx), *in.Name)
	return []aws.Access{need, tag}, nil
}

// tagged is the operation's own action on a group, by its ARN.
func (s *Service) tagged(arn string) aws.Access {
	scope, name := taggedGroup(arn)
	return aws.Access{Resource: arn, Tags: s.tagsOf(scope, name), Keys: map[string][]string{}}
}

func (s *Service) guardTag(_ context.Context, in *api.TagResourceInput) ([]aws.Access, error) {
	need := s.tagged(*in.ResourceArn)
	aws.RequestTags(need.Keys, tagKeys(in.Tags))
	return []aws.Access{need}, nil
}

func (s *Service) guardUntag(_ context.Context, in *api.UntagResourceInput) ([]aws.Access, error) {
	need := s.tagged(*in.ResourceArn)
	need.Keys["aws:TagKeys"] = in.TagKeys
	return []aws.Access{need}, nil
}

func (s *Service) guardListTags(_ context.Context, in *api.ListTagsForResourceInput) ([]aws.Access, error) {
	return []aws.Access{s.tagged(*in.ResourceArn)}, nil
}
