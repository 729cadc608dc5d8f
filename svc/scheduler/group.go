package scheduler

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/scheduler"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// defaultGroup is the group that every account has in every region.
const defaultGroup = "default"

const (
	maxGroups = 500
	maxTags   = 50
	pageSize  = 100
)

// group is what is kept of one.
type group struct {
	Name     string
	Token    string            `json:",omitempty"` // of the call that made it
	Tags     map[string]string `json:",omitempty"`
	Created  time.Time
	Modified time.Time
}

func groupARN(scope store.Scope, name string) string {
	return aws.NewARN("scheduler", scope.Region, scope.Account, "schedule-group/"+name).String()
}

func findGroup(ctx context.Context, r store.Reader, scope store.Scope, name string) (group, error) {
	g, err := groups.Get(ctx, r, scope, name)
	if !errors.Is(err, store.ErrNotFound) {
		return g, err
	}
	if name == defaultGroup {
		return group{Name: defaultGroup}, nil
	}
	return g, api.ResourceNotFoundException("Schedule group %s does not exist.", name)
}

func (s *Service) createGroup(ctx context.Context, in *api.CreateScheduleGroupInput) (*api.CreateScheduleGroupOutput, error) {
	scope, now := scopeOf(ctx), s.Clock.Now()
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := groups.Get(ctx, tx, scope, *in.Name)
		switch {
		case err == nil && have.Token != "" && have.Token == aws.Value(in.ClientToken):
			return nil // the same call again
		case err == nil || *in.Name == defaultGroup:
			return api.ConflictException("Schedule group %s already exists.", *in.Name)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		n := 0
		for _, err := range groups.List(ctx, tx, scope, store.ListOptions{Limit: maxGroups}) {
			if err != nil {
				return err
			}
			n++
		}
		if n >= maxGroups {
			return api.ServiceQuotaExceededException("The quota of schedule groups was exceeded.")
		}
		return groups.Put(tx, scope, group{Name: *in.Name, Token: aws.Value(in.ClientToken), Tags: tags, Created: now, Modified: now}, *in.Name)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateScheduleGroupOutput{ScheduleGroupArn: new(groupARN(scope, *in.Name))}, nil
}

func (s *Service) deleteGroup(ctx context.Context, in *api.DeleteScheduleGroupInput) (*api.DeleteScheduleGroupOutput, error) {
	scope := scopeOf(ctx)
	if *in.Name == defaultGroup {
		return nil, api.ValidationException("The default schedule group cannot be deleted.")
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := findGroup(ctx, tx, scope, *in.Name); err != nil {
			return err
		}
		for e, err := range schedules.List(ctx, tx, scope, store.ListOptions{Prefix: []any{*in.Name}}) {
			if err != nil {
				return err
			}
			if err := undue(tx, scope, &e.Record); err != nil {
				return err
			}
		}
		if err := schedules.DeleteAll(tx, scope, *in.Name); err != nil {
			return err
		}
		return groups.Delete(tx, scope, *in.Name)
	})
}

func (s *Service) getGroup(ctx context.Context, in *api.GetScheduleGroupInput) (*api.GetScheduleGroupOutput, error) {
	scope := scopeOf(ctx)
	var g group
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		g, err = findGroup(ctx, r, scope, *in.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.GetScheduleGroupOutput{Arn: new(groupARN(scope, g.Name)), Name: &g.Name, State: new(api.ScheduleGroupStateActive), CreationDate: moment(g.Created), LastModificationDate: moment(g.Modified)}, nil
}

func (s *Service) listGroups(ctx context.Context, in *api.ListScheduleGroupsInput) (*api.ListScheduleGroupsOutput, error) {
	scope := scopeOf(ctx)
	o, limit, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListScheduleGroupsOutput{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.ScheduleGroups, out.NextToken = []api.ScheduleGroupSummary{}, nil
		var last string
		show := func(g *group) bool {
			if !strings.HasPrefix(g.Name, aws.Value(in.NamePrefix)) {
				return true
			}
			if len(out.ScheduleGroups) == limit {
				out.NextToken = new(aws.Token([]string{last}))
				return false
			}
			last = g.Name
			out.ScheduleGroups = append(out.ScheduleGroups, api.ScheduleGroupSummary{Arn: new(groupARN(scope, g.Name)), Name: &g.Name, State: new(api.ScheduleGroupStateActive), CreationDate: moment(g.Created), LastModificationDate: moment(g.Modified)})
			return true
		}
		// The default group comes in its place, whether anything is kept of it or not.
		missing := o.After == nil || o.After[0].(string) < defaultGroup
		for e, err := range groups.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if missing && e.Record.Name >= defaultGroup {
				missing = false
				if e.Record.Name != defaultGroup && !show(&group{Name: defaultGroup}) {
					return nil
				}
			}
			if !show(&e.Record) {
				return nil
			}
		}
		if missing {
			show(&group{Name: defaultGroup})
		}
		return nil
	})
}

// page is where a list goes on, and how long it may be.
func page(limit *int32, next *string) (o store.ListOptions, most int, err error) {
	most = pageSize
	if limit != nil {
		most = int(*limit)
	}
	if next == nil {
		return o, most, nil
	}
	var after []string
	if !aws.ParseToken(*next, &after) || len(after) == 0 {
		return o, most, api.ValidationException("Invalid NextToken.")
	}
	for _, part := range after {
		o.After = append(o.After, part)
	}
	return o, most, nil
}

func newTags(list []api.Tag) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, t := range list {
		if _, twice := out[*t.Key]; twice || strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, api.ValidationException("Invalid tag key %s.", *t.Key)
		}
		out[*t.Key] = *t.Value
	}
	if len(out) > maxTags {
		return nil, api.ValidationException("A resource may have %d tags.", maxTags)
	}
	return out, nil
}

// taggedGroup is the group that an ARN names.
func taggedGroup(arn string) (store.Scope, string) {
	a, _ := aws.ParseARN(arn)
	return store.Scope{Account: a.Account, Region: a.Region}, strings.TrimPrefix(a.Resource, "schedule-group/")
}

// changeTags rewrites a group's tags.
func (s *Service) changeTags(ctx context.Context, arn string, change func(map[string]string)) error {
	scope, name := taggedGroup(arn)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		g, err := findGroup(ctx, tx, scope, name)
		if err != nil {
			return err
		}
		tags := maps.Clone(g.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		if change(tags); len(tags) > maxTags {
			return api.ValidationException("A resource may have %d tags.", maxTags)
		}
		g.Tags = tags
		return groups.Put(tx, scope, g, name)
	})
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, s.changeTags(ctx, *in.ResourceArn, func(have map[string]string) { maps.Copy(have, tags) })
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return nil, s.changeTags(ctx, *in.ResourceArn, func(have map[string]string) {
		maps.DeleteFunc(have, func(k, _ string) bool { return slices.Contains(in.TagKeys, k) })
	})
}

func (s *Service) listTags(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	scope, name := taggedGroup(*in.ResourceArn)
	out := &api.ListTagsForResourceOutput{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		g, err := findGroup(ctx, r, scope, name)
		if err != nil {
			return err
		}
		out.Tags = []api.Tag{}
		for _, k := range slices.Sorted(maps.Keys(g.Tags)) {
			out.Tags = append(out.Tags, api.Tag{Key: new(k), Value: new(g.Tags[k])})
		}
		return nil
	})
}
