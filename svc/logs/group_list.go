package logs

import (
	"context"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) listLogGroups(ctx context.Context, in *api.ListLogGroupsRequest) (*api.ListLogGroupsResponse, error) {
	after, limit, err := pageOf(in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	account := aws.RequestOf(ctx).Account()
	if slices.ContainsFunc(in.AccountIdentifiers, func(id string) bool { return id != account }) {
		return nil, api.InvalidParameterException("There are no linked accounts whose log groups could be listed.")
	}
	o := store.ListOptions{}
	if after != "" {
		o.After = []any{after}
	}
	out := &api.ListLogGroupsResponse{LogGroups: []api.LogGroupSummary{}}
	if in.DataSources != nil {
		return out, nil // no group has one
	}
	return out, s.store.View(ctx, func(r store.Reader) error {
		for e, err := range groups.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			name, g := e.Key.String(0), &e.Record
			if !listed(in, name, g) {
				continue
			}
			if n := len(out.LogGroups); n == limit {
				out.NextToken = ptr(aws.Token(*out.LogGroups[n-1].LogGroupName))
				return nil
			}
			out.LogGroups = append(out.LogGroups, api.LogGroupSummary{LogGroupName: &name, LogGroupClass: &g.Class,
				LogGroupArn: ptr(aws.RequestOf(ctx).ARN("logs", "log-group:"+name))})
		}
		return nil
	})
}

// listed reports whether a group is among those that the input asks for.
func listed(in *api.ListLogGroupsRequest, name string, g *group) bool {
	if in.LogGroupClass != nil && *in.LogGroupClass != g.Class {
		return false
	}
	if in.LogGroupNamePattern != nil && !slices.ContainsFunc(strings.Split(*in.LogGroupNamePattern, "|"), func(p string) bool {
		if start, ok := strings.CutPrefix(p, "^"); ok {
			return strings.HasPrefix(name, start)
		}
		return strings.Contains(name, p)
	}) {
		return false
	}
	for i := range in.LogGroupTags {
		if !tagged(&in.LogGroupTags[i], g.Tags) {
			return false
		}
	}
	for _, field := range in.FieldIndexNames {
		var fields []string
		if g.Index != nil {
			fields, _ = indexFields(g.Index.Document)
		}
		if !slices.Contains(fields, field) {
			return false
		}
	}
	return true
}

// tagged reports whether tags satisfy a filter: one of its values, which may begin or
// end with a star and be negated by an exclamation mark; or any, if it has none.
func tagged(f *api.TagFilter, tags map[string]string) bool {
	v, ok := tags[*f.Key]
	if !ok || len(f.Values) == 0 {
		return ok
	}
	return slices.ContainsFunc(f.Values, func(want string) bool {
		want, not := strings.CutPrefix(want, "!")
		want, open := strings.CutPrefix(want, "*")
		want, more := strings.CutSuffix(want, "*")
		is := v == want
		switch {
		case open && more:
			is = strings.Contains(v, want)
		case open:
			is = strings.HasSuffix(v, want)
		case more:
			is = strings.HasPrefix(v, want)
		}
		return is != not
	})
}
