package lambda

import (
	"context"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An account's limits, per region.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	accountConcurrency = 1000
	minUnreserved      = 100
	accountCode        = 75 << 30 // bytes
)

// usage is what an account has in a region: functions, and concurrency that is kept for
// some of them, reserved or provisioned.
type usage struct {
	functions int64
	reserved  int
}

func (s *Service) usage(ctx context.Context, r store.Reader, scope store.Scope) (usage, error) {
	var u usage
	for e, err := range functionRecords.List(ctx, r, scope, store.ListOptions{}) {
		if err != nil {
			return u, err
		}
		f, err := s.records.functions.decode(e.Record)
		if err != nil {
			return u, err
		}
		u.functions++
		if f.Reserved != nil {
			u.reserved += int(*f.Reserved)
			continue
		}
		of, err := capacities(ctx, r, ref{scope, f.Name})
		if err != nil {
			return u, err
		}
		u.reserved += int(sum(of))
	}
	return u, nil
}

func (s *Service) getAccountSettings(ctx context.Context, _ *api.GetAccountSettingsRequest) (*api.GetAccountSettingsResponse, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	var u usage
	var bytes int64
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		if u, err = s.usage(ctx, r, scope); err == nil {
			bytes, err = s.stored(ctx, r, scope)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.GetAccountSettingsResponse{
		AccountLimit: &api.AccountLimit{
			CodeSizeUnzipped: ptr(int64(maxUnzipped)), CodeSizeZipped: ptr(int64(maxZipped)), TotalCodeSize: ptr(int64(accountCode)),
			ConcurrentExecutions: ptr(int32(s.Concurrency)), UnreservedConcurrentExecutions: ptr(int32(s.Concurrency - u.reserved)),
		},
		AccountUsage: &api.AccountUsage{FunctionCount: &u.functions, TotalCodeSize: &bytes},
	}, nil
}

// whole is the function of an operation that takes no qualifier.
func whole(ctx context.Context, name *string) (ref, error) {
	at, qualifier, err := parseName(ctx, name, nil)
	if err == nil && qualifier != "" {
		err = invalid("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	}
	return at, err
}

// reserve sets the concurrency that is kept for a function; nil is none.
func (s *Service) reserve(ctx context.Context, name *string, n *int32) error {
	at, err := whole(ctx, name)
	if err != nil {
		return err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		f, err := s.change(ctx, tx, at)
		if err != nil {
			return err
		}
		of, err := capacities(ctx, tx, at)
		if err != nil {
			return err
		}
		if total := sum(of); n != nil && *n < total {
			return invalid(" ReservedConcurrentExecutions  %d should not be lower than function's total provisioned concurrency [%d].", *n, total)
		}
		u, err := s.usage(ctx, tx, at.scope)
		if err != nil {
			return err
		}
		kept := int(sum(of))
		if f.Reserved != nil {
			kept = int(*f.Reserved)
		}
		if left := s.Concurrency - u.reserved + kept - int(aws.Value(n)); n != nil && left < minUnreserved {
			return invalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved)
		}
		f.Reserved = n
		return put(tx, functionRecords, at.scope, f, at.name)
	})
	s.fleet.forgetReserved(at.scope)
	return err
}

func (s *Service) putFunctionConcurrency(ctx context.Context, in *api.PutFunctionConcurrencyRequest) (*api.Concurrency, error) {
	return &api.Concurrency{ReservedConcurrentExecutions: in.ReservedConcurrentExecutions}, s.reserve(ctx, in.FunctionName, in.ReservedConcurrentExecutions)
}

func (s *Service) deleteFunctionConcurrency(ctx context.Context, in *api.DeleteFunctionConcurrencyRequest) (*aws.Empty, error) {
	return nil, s.reserve(ctx, in.FunctionName, nil)
}

func (s *Service) getFunctionConcurrency(ctx context.Context, in *api.GetFunctionConcurrencyRequest) (*api.GetFunctionConcurrencyResponse, error) {
	at, err := whole(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	var f *function
	err = s.Store.View(ctx, func(r store.Reader) error {
		f, err = s.function(ctx, r, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.GetFunctionConcurrencyResponse{ReservedConcurrentExecutions: f.Reserved}, nil
}
