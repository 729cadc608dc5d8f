package logs

import (
	"context"
	"errors"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxSubscriptions is how many subscription filters a group has at most.
const maxSubscriptions = 2

// A subscription is the record of a subscription filter, under its group's id and its
// own name.
type subscription struct {
	outlet
	Created int64  // milliseconds
	Since   uint64 // the number from which on it delivers
	// The members of the input that nothing depends on.
	Transformed *bool    `json:",omitempty"`
	Criteria    *string  `json:",omitempty"`
	Fields      []string `json:",omitempty"`
}

func (s *Service) putSubscriptionFilter(ctx context.Context, in *api.PutSubscriptionFilterRequest) (*aws.Empty, error) {
	p, err := parsePattern(*in.FilterPattern)
	if err != nil {
		return nil, err
	}
	sc, groupName, name := scopeOf(ctx), *in.LogGroupName, *in.FilterName
	o := outlet{Destination: *in.DestinationArn, Role: aws.Value(in.RoleArn), Pattern: *in.FilterPattern, Distribution: aws.Value(in.Distribution)}
	if err := s.store.View(ctx, func(r store.Reader) error { _, err := groupNamed(ctx, r, sc, groupName); return err }); err != nil {
		return nil, err
	}
	if err := s.checkOutlet(ctx, sc, groupName, &o); err != nil {
		return nil, err
	}
	if err := s.number(ctx); err != nil {
		return nil, err
	}
	sub := subscription{outlet: o, Created: s.now(), Transformed: in.ApplyOnTransformedLogs, Criteria: in.FieldSelectionCriteria, Fields: in.EmitSystemFields}
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		g, err := groupNamed(ctx, tx, sc, groupName)
		if err != nil {
			return err
		}
		others, regexes := 0, 0
		sub := sub
		for e, err := range subscriptions.List(ctx, tx, sc, store.ListOptions{Prefix: []any{g.ID}}) {
			switch {
			case err != nil:
				return err
			case e.Key.String(1) == name: // it goes on where it was
				sub.Created, sub.Since = e.Record.Created, e.Record.Since
			default:
				others++
				if q, err := parsePattern(e.Record.Pattern); err == nil && q.HasRegex() {
					regexes++
				}
			}
		}
		if others >= maxSubscriptions || p.HasRegex() && regexes >= maxRegexFilters {
			return api.LimitExceededException("Resource limit exceeded.")
		}
		if sub.Since == 0 {
			if sub.Since, err = s.beginning(); err != nil {
				return err
			}
		}
		// Whoever puts at the same time has read the group, and must see that there is
		// a subscriber.
		g.Fed = true
		return errors.Join(groups.Put(tx, sc, g, groupName), subscriptions.Put(tx, sc, sub, g.ID, name))
	})
}

func (s *Service) deleteSubscriptionFilter(ctx context.Context, in *api.DeleteSubscriptionFilterRequest) (*aws.Empty, error) {
	sc, groupName, name := scopeOf(ctx), *in.LogGroupName, *in.FilterName
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		g, err := groupNamed(ctx, tx, sc, groupName)
		if err != nil {
			return err
		}
		there, others := false, 0
		for e, err := range subscriptions.List(ctx, tx, sc, store.ListOptions{Prefix: []any{g.ID}}) {
			if err != nil {
				return err
			}
			if e.Key.String(1) == name {
				there = true
			} else {
				others++
			}
		}
		if !there {
			return api.ResourceNotFoundException("The specified subscription filter does not exist.")
		}
		if g.Fed = others > 0; !g.Fed {
			if more, err := fed(ctx, tx, sc, groupName, &g); err != nil {
				return err
			} else if !more {
				err = arrivals.DeleteAll(tx, sc, g.ID)
			}
			if err != nil {
				return err
			}
		}
		return errors.Join(groups.Put(tx, sc, g, groupName), subscriptions.Delete(tx, sc, g.ID, name), positions.Delete(tx, sc, g.ID, filterFeed+name))
	})
}

func (s *Service) describeSubscriptionFilters(ctx context.Context, in *api.DescribeSubscriptionFiltersRequest) (*api.DescribeSubscriptionFiltersResponse, error) {
	out := &api.DescribeSubscriptionFiltersResponse{SubscriptionFilters: []api.SubscriptionFilter{}}
	after, limit, err := pageOf(in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	return out, s.store.View(ctx, func(r store.Reader) error {
		sc := scopeOf(ctx)
		g, err := groupNamed(ctx, r, sc, *in.LogGroupName)
		if err != nil {
			return err
		}
		o := store.ListOptions{Prefix: []any{g.ID}}
		if after != "" {
			o.After = []any{g.ID, after}
		}
		for e, err := range subscriptions.List(ctx, r, sc, o) {
			if err != nil {
				return err
			}
			name := e.Key.String(1)
			if !strings.HasPrefix(name, aws.Value(in.FilterNamePrefix)) {
				continue
			}
			if n := len(out.SubscriptionFilters); n == limit {
				out.NextToken = ptr(aws.Token(*out.SubscriptionFilters[n-1].FilterName))
				return nil
			}
			out.SubscriptionFilters = append(out.SubscriptionFilters, e.Record.describe(*in.LogGroupName, name))
		}
		return nil
	})
}

func (f *subscription) describe(group, name string) api.SubscriptionFilter {
	d := api.SubscriptionFilter{LogGroupName: &group, FilterName: &name, FilterPattern: &f.Pattern, DestinationArn: &f.Destination,
		CreationTime: &f.Created, ApplyOnTransformedLogs: ptr(aws.Value(f.Transformed)), FieldSelectionCriteria: f.Criteria, EmitSystemFields: f.Fields}
	if f.Role != "" {
		d.RoleArn = &f.Role
	}
	// Only streams of shards are distributed to.
	if f.Distribution != "" {
		d.Distribution = &f.Distribution
	} else if a, _ := aws.ParseARN(f.Destination); a.Service != "lambda" {
		d.Distribution = ptr(api.DistributionByLogStream)
	}
	return d
}

// pageOf reads a token that is the name at which a page ended, and the size of a page.
func pageOf(token *string, most *int32) (after string, limit int, err error) {
	limit = pageSize
	if most != nil {
		limit = int(*most)
	}
	if token != nil && !aws.ParseToken(*token, &after) {
		return "", 0, errBadToken()
	}
	return after, limit, nil
}
