package dynamodb

import (
	"context"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// updateTimeToLive keeps which attribute says when an item ends; Run deletes by it.
func (s *Service) updateTimeToLive(ctx context.Context, in *api.UpdateTimeToLiveInput) (*api.UpdateTimeToLiveOutput, error) {
	at, err := own(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	attribute, enable := aws.Value(in.TimeToLiveSpecification.AttributeName), aws.Value(in.TimeToLiveSpecification.Enabled)
	err = s.alter(ctx, func(tx store.Tx) error {
		old, err := s.describe(ctx, tx, at)
		if err != nil {
			return err
		}
		switch {
		case enable && old.TimeToLive == attribute:
			return value.Invalid("TimeToLive is already enabled")
		case enable && old.TimeToLive != "":
			return value.Invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", old.TimeToLive)
		case !enable && old.TimeToLive == "":
			return value.Invalid("TimeToLive is already disabled")
		case !enable && old.TimeToLive != attribute:
			return value.Invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", old.TimeToLive)
		}
		t := *old
		t.TimeToLive = ""
		if enable {
			t.TimeToLive = attribute
		}
		return t.save(tx, at)
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateTimeToLiveOutput{TimeToLiveSpecification: in.TimeToLiveSpecification}, nil
}

func (s *Service) describeTimeToLive(ctx context.Context, in *api.DescribeTimeToLiveInput) (*api.DescribeTimeToLiveOutput, error) {
	if _, err := own(ctx, in.TableName); err != nil {
		return nil, err
	}
	t, err := s.peek(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	status := api.TimeToLiveStatusDisabled
	d := &api.TimeToLiveDescription{TimeToLiveStatus: &status}
	if t.TimeToLive != "" {
		status = api.TimeToLiveStatusEnabled
		d.AttributeName = &t.TimeToLive
	}
	return &api.DescribeTimeToLiveOutput{TimeToLiveDescription: d}, nil
}

// describeContinuousBackups tells whether point-in-time recovery is on.
func (s *Service) describeContinuousBackups(ctx context.Context, in *api.DescribeContinuousBackupsInput) (*api.DescribeContinuousBackupsOutput, error) {
	at, err := own(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	t, err := s.peek(ctx, in.TableName)
	if err != nil {
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			return nil, api.TableNotFoundException("Table not found: %s", at.name)
		}
		return nil, err
	}
	return &api.DescribeContinuousBackupsOutput{ContinuousBackupsDescription: s.backups(t)}, nil
}

// describeLimits answers with AWS's initial quotas of an account.
func (s *Service) describeLimits(context.Context, *api.DescribeLimitsInput) (*api.DescribeLimitsOutput, error) {
	account, table := int64(80000), int64(40000)
	return &api.DescribeLimitsOutput{AccountMaxReadCapacityUnits: &account, AccountMaxWriteCapacityUnits: &account,
		TableMaxReadCapacityUnits: &table, TableMaxWriteCapacityUnits: &table}, nil
}

// describeEndpoints answers with the host by which the caller came, so that SDKs
// with endpoint discovery come back.
func (s *Service) describeEndpoints(ctx context.Context, _ *api.DescribeEndpointsRequest) (*api.DescribeEndpointsResponse, error) {
	req := aws.RequestOf(ctx)
	address, minutes := req.Host, int64(1440)
	if address == "" {
		address = "dynamodb." + req.Region + ".amazonaws.com"
	}
	return &api.DescribeEndpointsResponse{Endpoints: []api.Endpoint{{Address: &address, CachePeriodInMinutes: &minutes}}}, nil
}
