package cloudformation

import (
	"context"
	"errors"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// remembered is how long a deleted stack is listed.
const remembered = 90 * 24 * time.Hour

func (s *Service) listStacks(ctx context.Context, in *api.ListStacksInput) (*api.ListStacksOutput, error) {
	scope := scopeOf(ctx)
	out := &api.ListStacksOutput{}
	o, err := page(in.NextToken)
	if err != nil {
		return nil, err
	}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.StackSummaries, out.NextToken = []api.StackSummary{}, nil
		last := ""
		for e, err := range stacks.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			st := &e.Record
			if len(in.StackStatusFilter) > 0 && !slices.Contains(in.StackStatusFilter, st.Status) || !st.Deleted.IsZero() && s.Clock.Now().Sub(st.Deleted) > remembered {
				continue
			}
			if len(out.StackSummaries) == pageSize {
				out.NextToken = new(aws.Token([]string{last}))
				break
			}
			last = st.UUID
			out.StackSummaries = append(out.StackSummaries, api.StackSummary{StackId: &st.ID, StackName: &st.Name, TemplateDescription: text(st.Description), CreationTime: moment(st.Created),
				LastUpdatedTime: moment(st.Updated), DeletionTime: moment(st.Deleted), StackStatus: &st.Status, StackStatusReason: text(st.Reason),
				DriftInformation: &api.StackDriftInformationSummary{StackDriftStatus: new(api.StackDriftStatusNotChecked)}})
		}
		slices.SortFunc(out.StackSummaries, func(a, b api.StackSummary) int { return b.CreationTime.Compare(*a.CreationTime) })
		return nil
	})
}

func (s *Service) listResources(ctx context.Context, in *api.ListStackResourcesInput) (*api.ListStackResourcesOutput, error) {
	scope := scopeOf(ctx)
	out := &api.ListStackResourcesOutput{}
	o, err := page(in.NextToken)
	if err != nil {
		return nil, err
	}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.StackResourceSummaries, out.NextToken = []api.StackResourceSummary{}, nil
		st, err := findStack(ctx, r, scope, *in.StackName)
		if err != nil {
			return err
		}
		o := store.ListOptions{Prefix: []any{st.UUID}, After: o.After}
		for e, err := range resources.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			rec := &e.Record
			if len(out.StackResourceSummaries) == pageSize {
				out.NextToken = new(aws.Token([]string{st.UUID, *out.StackResourceSummaries[pageSize-1].LogicalResourceId}))
				return nil
			}
			out.StackResourceSummaries = append(out.StackResourceSummaries, api.StackResourceSummary{LogicalResourceId: &rec.Logical, PhysicalResourceId: text(rec.ID), ResourceType: &rec.Type,
				LastUpdatedTimestamp: moment(rec.Time), ResourceStatus: &rec.Status, ResourceStatusReason: text(rec.Reason),
				DriftInformation: &api.StackResourceDriftInformationSummary{StackResourceDriftStatus: new(api.StackResourceDriftStatusNotChecked)}})
		}
		return nil
	})
}

func (s *Service) describeResource(ctx context.Context, in *api.DescribeStackResourceInput) (*api.DescribeStackResourceOutput, error) {
	scope := scopeOf(ctx)
	out := &api.DescribeStackResourceOutput{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		st, err := findStack(ctx, r, scope, *in.StackName)
		if err != nil {
			return err
		}
		rec, err := resources.Get(ctx, r, scope, st.UUID, *in.LogicalResourceId)
		if errors.Is(err, store.ErrNotFound) {
			return invalid("Resource %s does not exist for stack %s", *in.LogicalResourceId, st.Name)
		} else if err != nil {
			return err
		}
		out.StackResourceDetail = &api.StackResourceDetail{StackName: &st.Name, StackId: &st.ID, LogicalResourceId: &rec.Logical, PhysicalResourceId: text(rec.ID), ResourceType: &rec.Type,
			LastUpdatedTimestamp: moment(rec.Time), ResourceStatus: &rec.Status, ResourceStatusReason: text(rec.Reason), Metadata: new("{}"),
			DriftInformation: &api.StackResourceDriftInformation{StackResourceDriftStatus: new(api.StackResourceDriftStatusNotChecked)}}
		return nil
	})
}

func (s *Service) listExports(ctx context.Context, in *api.ListExportsInput) (*api.ListExportsOutput, error) {
	o, err := page(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListExportsOutput{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Exports, out.NextToken = []api.Export{}, nil
		for e, err := range exports.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			if len(out.Exports) == pageSize {
				out.NextToken = new(aws.Token([]string{*out.Exports[pageSize-1].Name}))
				return nil
			}
			out.Exports = append(out.Exports, api.Export{ExportingStackId: &e.Record.Stack, Name: &e.Record.Name, Value: &e.Record.Value})
		}
		return nil
	})
}

func (s *Service) listImports(ctx context.Context, in *api.ListImportsInput) (*api.ListImportsOutput, error) {
	out := &api.ListImportsOutput{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		var err error
		if out.Imports, err = importers(ctx, r, scopeOf(ctx), *in.ExportName); err == nil && len(out.Imports) == 0 {
			err = invalid("Export '%s' is not imported by any stack.", *in.ExportName)
		}
		return err
	})
}

// importers are the names of the stacks that import an export.
func importers(ctx context.Context, r store.Reader, scope store.Scope, name string) ([]string, error) {
	var out []string
	for e, err := range imports.List(ctx, r, scope, store.ListOptions{Prefix: []any{name}}) {
		if err != nil {
			return nil, err
		}
		out = append(out, e.Record)
	}
	return out, nil
}
