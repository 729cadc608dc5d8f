package logs

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// pageSize is how many groups or streams a page has at most.
const pageSize = 50

func errBadToken() error {
	return api.InvalidParameterException("The specified nextToken is invalid.")
}

func (s *Service) describeLogGroups(ctx context.Context, in *api.DescribeLogGroupsRequest) (*api.DescribeLogGroupsResponse, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, api.InvalidParameterException("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	wanted, err := groupsWanted(ctx, in)
	if err != nil {
		return nil, err
	}
	o := store.ListOptions{}
	if in.NextToken != nil {
		var after string
		if !aws.ParseToken(*in.NextToken, &after) {
			return nil, errBadToken()
		}
		o.After = []any{after}
	}
	prefix, limit := aws.Value(in.LogGroupNamePrefix), pageSize
	if prefix != "" {
		o.From = []any{prefix}
	}
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &api.DescribeLogGroupsResponse{LogGroups: []api.LogGroup{}}
	err = s.store.View(ctx, func(r store.Reader) error {
		sc := scopeOf(ctx)
		for e, err := range groups.List(ctx, r, sc, o) {
			if err != nil {
				return err
			}
			name := e.Key.String(0)
			if !strings.HasPrefix(name, prefix) {
				return nil
			}
			if !wanted(name, &e.Record) {
				continue
			}
			if len(out.LogGroups) == limit {
				out.NextToken = ptr(aws.Token(*out.LogGroups[limit-1].LogGroupName))
				return nil
			}
			d, err := describeGroup(ctx, r, name, &e.Record)
			if err != nil {
				return err
			}
			out.LogGroups = append(out.LogGroups, d)
		}
		return nil
	})
	return out, err
}

// groupsWanted is the filter that the request's members beside the prefix make.
func groupsWanted(ctx context.Context, in *api.DescribeLogGroupsRequest) (func(string, *group) bool, error) {
	var only map[string]bool
	if in.LogGroupIdentifiers != nil {
		if in.LogGroupNamePrefix != nil || in.LogGroupNamePattern != nil {
			return nil, api.InvalidParameterException("LogGroupIdentifiers cannot be specified with a log group name prefix or pattern.")
		}
		only = map[string]bool{}
		for _, id := range in.LogGroupIdentifiers {
			name, err := groupIdentified(ctx, id)
			if err != nil {
				return nil, err
			}
			only[name] = true
		}
	}
	return func(name string, g *group) bool {
		return (only == nil || only[name]) &&
			(in.LogGroupNamePattern == nil || strings.Contains(name, *in.LogGroupNamePattern)) &&
			(in.LogGroupClass == nil || *in.LogGroupClass == g.Class)
	}, nil
}

func describeGroup(ctx context.Context, r store.Reader, name string, g *group) (api.LogGroup, error) {
	sc := scopeOf(ctx)
	arn := aws.RequestOf(ctx).ARN("logs", "log-group:"+name)
	d := api.LogGroup{
		LogGroupName: &name, Arn: ptr(arn + ":*"), LogGroupArn: &arn, LogGroupClass: &g.Class, CreationTime: &g.Created,
		MetricFilterCount: ptr(int32(0)), StoredBytes: ptr(int64(0)), DeletionProtectionEnabled: ptr(g.Protected),
	}
	if g.Key != "" {
		d.KmsKeyId = &g.Key
	}
	if g.Retention != 0 {
		d.RetentionInDays = &g.Retention
	}
	for e, err := range tails.List(ctx, r, sc, store.ListOptions{Prefix: []any{g.ID}}) {
		if err != nil {
			return d, err
		}
		*d.StoredBytes += e.Record.bytes
	}
	for _, err := range metrics.List(ctx, r, sc, store.ListOptions{Prefix: []any{name}}) {
		if err != nil {
			return d, err
		}
		*d.MetricFilterCount++
	}
	return d, nil
}

// groupIdentified is the name of the group that a logGroupIdentifier means: a name or
// the ARN of a group in the caller's account and region.
func groupIdentified(ctx context.Context, id string) (string, error) {
	if !strings.HasPrefix(id, "arn:") {
		return id, nil
	}
	r := aws.RequestOf(ctx)
	arn, ok := aws.ParseARN(id)
	name, isGroup := strings.CutPrefix(arn.Resource, "log-group:")
	name = strings.TrimSuffix(name, ":*")
	if !ok || !isGroup || arn.Service != "logs" || name == "" || strings.Contains(name, ":") {
		return "", api.InvalidParameterException("The specified log group identifier is not valid.")
	}
	if arn.Account != r.Account() || arn.Region != r.Region {
		return "", errNoGroup()
	}
	return name, nil
}

// groupOf is the name of the group that an input means which takes either.
func groupOf(ctx context.Context, name, identifier *string) (string, error) {
	switch {
	case name != nil && identifier != nil:
		return "", api.InvalidParameterException("LogGroupName and LogGroupIdentifier cannot both be specified.")
	case name != nil:
		return *name, nil
	case identifier != nil:
		return groupIdentified(ctx, *identifier)
	}
	return "", api.InvalidParameterException("Either LogGroupName or LogGroupIdentifier must be specified.")
}

func ptr[T any](v T) *T { return &v }

func either(a, b *string) *string {
	if a != nil {
		return a
	}
	return b
}
