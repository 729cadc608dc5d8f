package lambda

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A capacity is a provisioned concurrency configuration, under its function's name and
// the version or alias that has it: so many environments are kept started.
// https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
type capacity struct {
	Requested int32
	Modified  time.Time
}

var capacityRecords = store.NewTable[capacity]("lambda", "capacity")

// capacities are what a function has provisioned, by qualifier.
func capacities(ctx context.Context, r store.Reader, at ref) (map[string]int32, error) {
	out := map[string]int32{}
	for e, err := range capacityRecords.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
		if err != nil {
			return nil, err
		}
		out[e.Key.String(1)] = e.Record.Requested
	}
	return out, nil
}

func sum(of map[string]int32) (n int32) {
	for _, v := range of {
		n += v
	}
	return n
}

// provisionable reads the version or alias that a configuration is of; unpublished is
// the refusal of $LATEST.
func (s *Service) provisionable(ctx context.Context, r store.Reader, at ref, qualifier, unpublished string) (*target, error) {
	if qualifier == latest || qualifier == "" {
		return nil, invalid("%s", unpublished)
	}
	if _, err := strconv.ParseInt(qualifier, 10, 64); err != nil {
		if _, err := s.alias(ctx, r, at, qualifier); err != nil {
			return nil, err
		}
	}
	t, err := s.resolve(ctx, r, at, qualifier)
	if err == nil && t.version.Number == 0 {
		err = invalid("%s", unpublished)
	}
	return t, err
}

// The refusals of $LATEST.
const (
	onlyPublished  = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
	mustBePublic   = "The function resource provided must be an alias or a published version."
	noProvisioning = "No Provisioned Concurrency Config found for this function"
)

func (s *Service) putProvisionedConcurrencyConfig(ctx context.Context, in *api.PutProvisionedConcurrencyConfigRequest) (*api.PutProvisionedConcurrencyConfigResponse, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	rec := capacity{*in.ProvisionedConcurrentExecutions, s.now()}
	var of []share
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := s.provisionable(ctx, tx, at, qualifier, onlyPublished)
		if err != nil {
			return err
		}
		if err := s.checkCapacity(ctx, tx, t, rec.Requested); err != nil {
			return err
		}
		if of, err = s.shares(ctx, tx, at, qualifier, rec.Requested); err != nil {
			return err
		}
		return capacityRecords.Put(tx, at.scope, rec, at.name, qualifier)
	})
	if err != nil {
		return nil, err
	}
	s.fleet.forgetReserved(at.scope)
	for _, share := range of {
		s.provisioner.again(share.team())
	}
	return &api.PutProvisionedConcurrencyConfigResponse{RequestedProvisionedConcurrentExecutions: &rec.Requested, LastModified: ptr(stamp(rec.Modified)),
		AllocatedProvisionedConcurrentExecutions: ptr(int32(0)), AvailableProvisionedConcurrentExecutions: ptr(int32(0)),
		Status: ptr(api.ProvisionedConcurrencyStatusEnumInProgress)}, nil
}

// checkCapacity holds a configuration to those that stand, and to the concurrency of the
// function and the account.
func (s *Service) checkCapacity(ctx context.Context, r store.Reader, t *target, n int32) error {
	have, err := capacities(ctx, r, t.at)
	if err != nil {
		return err
	}
	if t.alias != nil && have[t.version.label()] > 0 {
		return conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
	}
	for q := range have {
		if t.alias != nil || q == t.qualifier {
			continue
		}
		of, err := s.shares(ctx, r, t.at, q, 0)
		if err == nil && slices.ContainsFunc(of, func(o share) bool { return o.alias != nil && o.version.Number == t.version.Number }) {
			return conflict("Version is pointed by a Provisioned Concurrency alias")
		}
	}
	u, err := s.usage(ctx, r, t.at.scope)
	if err != nil {
		return err
	}
	others := sum(have) - have[t.qualifier]
	if reserved := t.function.Reserved; reserved != nil {
		if others+n > *reserved {
			return invalid("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
		}
		return nil
	}
	left := s.Concurrency - u.reserved + int(have[t.qualifier])
	switch {
	case int(n) > left:
		return invalid("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", left)
	case left-int(n) < minUnreserved:
		return invalid("Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved)
	}
	return nil
}

// provisioned is how far a configuration has come: environments that stand, and what
// hinders more.
func (s *Service) provisioned(ctx context.Context, r store.Reader, at ref, qualifier string, rec capacity) (p progress, err error) {
	of, err := s.shares(ctx, r, at, qualifier, rec.Requested)
	if err != nil {
		return p, err
	}
	failed := ""
	for _, share := range of {
		n, why := s.provisioner.state(share.team())
		p.stand += min(int32(n), share.n)
		failed = cmp.Or(failed, why)
	}
	p.status = api.ProvisionedConcurrencyStatusEnumInProgress
	switch {
	case p.stand == rec.Requested:
		p.status = api.ProvisionedConcurrencyStatusEnumReady
	case failed != "":
		p.status, p.reason = api.ProvisionedConcurrencyStatusEnumFailed, &failed
	}
	return p, nil
}

// progress is how far a configuration has come.
type progress struct {
	stand  int32 // environments
	status string
	reason *string
}

func (s *Service) getProvisionedConcurrencyConfig(ctx context.Context, in *api.GetProvisionedConcurrencyConfigRequest) (*api.GetProvisionedConcurrencyConfigResponse, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	var rec capacity
	var p progress
	err = s.Store.View(ctx, func(r store.Reader) error {
		_, err := s.provisionable(ctx, r, at, qualifier, mustBePublic)
		if err == nil {
			rec, err = capacityRecords.Get(ctx, r, at.scope, at.name, qualifier)
		}
		if err == nil {
			p, err = s.provisioned(ctx, r, at, qualifier, rec)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.ProvisionedConcurrencyConfigNotFoundException(noProvisioning).With(&api.ProvisionedConcurrencyConfigNotFoundExceptionDetail{Type: ptr("User")})
	}
	if err != nil {
		return nil, err
	}
	return &api.GetProvisionedConcurrencyConfigResponse{RequestedProvisionedConcurrentExecutions: &rec.Requested, LastModified: ptr(stamp(rec.Modified)),
		AllocatedProvisionedConcurrentExecutions: &p.stand, AvailableProvisionedConcurrentExecutions: &p.stand, Status: &p.status, StatusReason: p.reason}, nil
}

func (s *Service) deleteProvisionedConcurrencyConfig(ctx context.Context, in *api.DeleteProvisionedConcurrencyConfigRequest) (*aws.Empty, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := s.provisionable(ctx, tx, at, qualifier, mustBePublic); err != nil {
			return err
		}
		return capacityRecords.Delete(tx, at.scope, at.name, qualifier)
	})
	if err == nil {
		s.fleet.forgetReserved(at.scope)
		s.provisioner.wake()
	}
	return nil, err
}

func (s *Service) listProvisionedConcurrencyConfigs(ctx context.Context, in *api.ListProvisionedConcurrencyConfigsRequest) (*api.ListProvisionedConcurrencyConfigsResponse, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	o, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	if o.Prefix = []any{at.name}; o.After != nil {
		o.After = []any{at.name, o.After[0]}
	}
	var out *api.ListProvisionedConcurrencyConfigsResponse
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = &api.ListProvisionedConcurrencyConfigsResponse{ProvisionedConcurrencyConfigs: []api.ProvisionedConcurrencyConfigListItem{}}
		if _, err := s.function(ctx, r, at); err != nil {
			return err
		}
		last := ""
		for e, err := range capacityRecords.List(ctx, r, at.scope, o) {
			if err != nil {
				return err
			}
			if len(out.ProvisionedConcurrencyConfigs) == limit {
				out.NextMarker = ptr(aws.Token(last))
				break
			}
			last = e.Key.String(1)
			t, err := s.resolve(ctx, r, at, last)
			if err != nil {
				return err
			}
			p, err := s.provisioned(ctx, r, at, last, e.Record)
			if err != nil {
				return err
			}
			out.ProvisionedConcurrencyConfigs = append(out.ProvisionedConcurrencyConfigs, api.ProvisionedConcurrencyConfigListItem{
				FunctionArn: ptr(t.shown()), RequestedProvisionedConcurrentExecutions: ptr(e.Record.Requested), LastModified: ptr(stamp(e.Record.Modified)),
				AllocatedProvisionedConcurrentExecutions: &p.stand, AvailableProvisionedConcurrentExecutions: &p.stand, Status: &p.status, StatusReason: p.reason})
		}
		return nil
	})
	return out, err
}
