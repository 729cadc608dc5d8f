package dynamodb

import (
	"context"
	"maps"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// Contributor insights are kept and shown; nothing looks for keys that are much used.

// insight is what is kept of a table's contributor insights, or of an index's.
type insight struct {
	Enabled bool
	Mode    string
	Updated time.Time
}

func (i insight) status() string {
	if i.Enabled {
		return api.ContributorInsightsStatusEnabled
	}
	return api.ContributorInsightsStatusDisabled
}

// checkInsight refuses an index that the table does not have.
func (t *table) checkInsight(at ref, name *string) error {
	if name != nil && t.index(*name) == nil {
		return api.ResourceNotFoundException("Requested resource not found: Table: %s, Index: %s not found", at.name, *name)
	}
	return nil
}

func (s *Service) updateContributorInsights(ctx context.Context, in *api.UpdateContributorInsightsInput) (*api.UpdateContributorInsightsOutput, error) {
	at, err := own(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	now := insight{Enabled: *in.ContributorInsightsAction == api.ContributorInsightsActionEnable, Mode: api.ContributorInsightsModeAccessedAndThrottledKeys, Updated: s.clock.Now()}
	if in.ContributorInsightsMode != nil {
		now.Mode = *in.ContributorInsightsMode
	}
	err = s.alter(ctx, func(tx store.Tx) error {
		old, err := s.describe(ctx, tx, at)
		if err != nil {
			return err
		}
		if err := old.checkInsight(at, in.IndexName); err != nil {
			return err
		}
		t := old.clone()
		if t.Insights == nil {
			t.Insights = map[string]insight{}
		}
		t.Insights[aws.Value(in.IndexName)] = now
		return t.save(tx, at)
	})
	if err != nil {
		return nil, err
	}
	status := api.ContributorInsightsStatusDisabling
	if now.Enabled {
		status = api.ContributorInsightsStatusEnabling
	}
	return &api.UpdateContributorInsightsOutput{TableName: &at.name, IndexName: in.IndexName, ContributorInsightsStatus: &status, ContributorInsightsMode: &now.Mode}, nil
}

func (s *Service) describeContributorInsights(ctx context.Context, in *api.DescribeContributorInsightsInput) (*api.DescribeContributorInsightsOutput, error) {
	at, err := own(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	t, err := s.peek(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	if err := t.checkInsight(at, in.IndexName); err != nil {
		return nil, err
	}
	i, kept := t.Insights[aws.Value(in.IndexName)]
	status := i.status()
	out := &api.DescribeContributorInsightsOutput{TableName: &at.name, IndexName: in.IndexName, ContributorInsightsStatus: &status}
	if kept {
		out.ContributorInsightsMode, out.LastUpdateDateTime = &i.Mode, &i.Updated
	}
	return out, nil
}

// maxInsights is the most tables and indexes that one answer lists.
const maxInsights = 100

// listContributorInsights lists the tables and indexes whose insights were ever turned on or
// off.
func (s *Service) listContributorInsights(ctx context.Context, in *api.ListContributorInsightsInput) (*api.ListContributorInsightsOutput, error) {
	req := aws.RequestOf(ctx)
	limit := maxInsights
	if in.MaxResults != nil && *in.MaxResults > 0 {
		limit = int(*in.MaxResults)
	}
	var after [2]string // table and index
	if in.NextToken != nil && !aws.ParseToken(*in.NextToken, &after) {
		return nil, value.Invalid("Given NextToken is invalid")
	}
	var o store.ListOptions
	if in.TableName != nil {
		at, err := own(ctx, in.TableName)
		if err != nil {
			return nil, err
		}
		o.From, o.To = []any{at.name}, []any{at.name + "\x00"}
	} else if after[0] != "" {
		o.From = []any{after[0]}
	}
	var out *api.ListContributorInsightsOutput
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	err := s.store.View(ctx, func(r store.Reader) error {
		out = &api.ListContributorInsightsOutput{ContributorInsightsSummaries: []api.ContributorInsightsSummary{}}
		var last [2]string
		for e, err := range tableRecords.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			t, err := s.lookup(ctx, r, ref{scope, e.Key.String(0)})
			if err != nil {
				return err
			}
			for _, index := range slices.Sorted(maps.Keys(t.Insights)) {
				if in.NextToken != nil && t.Name == after[0] && index <= after[1] {
					continue
				}
				if len(out.ContributorInsightsSummaries) == limit {
					token := aws.Token(last)
					out.NextToken = &token
					return nil
				}
				i := t.Insights[index]
				status := i.status()
				last = [2]string{t.Name, index}
				out.ContributorInsightsSummaries = append(out.ContributorInsightsSummaries, api.ContributorInsightsSummary{TableName: &t.Name, IndexName: optional(index),
					ContributorInsightsStatus: &status, ContributorInsightsMode: &i.Mode})
			}
		}
		return nil
	})
	return out, err
}
