package lambda

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (a *alias) configuration(at ref) *api.AliasConfiguration {
	arn := at.arn(a.Name)
	out := &api.AliasConfiguration{AliasArn: &arn, Name: &a.Name, Description: &a.Description, FunctionVersion: &a.Version, RevisionId: &a.Revision}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &api.AliasRoutingConfiguration{AdditionalVersionWeights: a.Weights}
	}
	return out
}

// route chooses one of the versions that an alias points to, by their weights.
func (s *Service) route(a *alias) string {
	if len(a.Weights) == 0 {
		return a.Version
	}
	var b [8]byte
	if _, err := io.ReadFull(s.Random, b[:]); err != nil {
		return a.Version
	}
	at := float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
	for _, v := range slices.Sorted(maps.Keys(a.Weights)) {
		if at -= a.Weights[v]; at < 0 {
			return v
		}
	}
	return a.Version
}

func (s *Service) createAlias(ctx context.Context, in *api.CreateAliasRequest) (*api.AliasConfiguration, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	a := &alias{Name: *in.Name, Description: aws.Value(in.Description), Version: *in.FunctionVersion}
	if in.RoutingConfig != nil {
		a.Weights = in.RoutingConfig.AdditionalVersionWeights
	}
	a.Revision = aws.RandomUUID(s.Random)
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		taken, err := aliasRecords.Has(ctx, tx, at.scope, at.name, a.Name)
		if err != nil {
			return err
		}
		if taken {
			return conflict("Alias already exists: %s", at.arn(a.Name))
		}
		if err := s.checkAlias(ctx, tx, at, a); err != nil {
			return err
		}
		return put(tx, aliasRecords, at.scope, a, at.name, a.Name)
	})
	return a.configuration(at), err
}

// checkAlias holds an alias to what its function has.
func (s *Service) checkAlias(ctx context.Context, r store.Reader, at ref, a *alias) error {
	if len(a.Weights) > 1 {
		return invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	if len(a.Weights) > 0 && a.Version == latest {
		return invalid("$LATEST is not supported for an alias pointing to more than 1 version")
	}
	targets := []string{a.Version}
	for v := range a.Weights {
		if v == a.Version {
			return invalid("Invalid function version %s. Function version %s is already included in routing configuration.", v, v)
		}
		targets = append(targets, v)
	}
	for _, v := range targets {
		if _, err := strconv.ParseInt(v, 10, 64); err != nil && v != latest {
			return notFound("Function not found: %s", at.arn(v))
		}
		if _, err := s.resolve(ctx, r, at, v); err != nil {
			return err
		}
	}
	return nil
}

// alias reads an alias.
func (s *Service) alias(ctx context.Context, r store.Reader, at ref, name string) (*alias, error) {
	a, err := s.records.aliases.get(ctx, r, aliasRecords, at.scope, at.name, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("Cannot find alias arn: %s", at.arn(name))
	}
	return a, err
}

func (s *Service) getAlias(ctx context.Context, in *api.GetAliasRequest) (*api.AliasConfiguration, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	var a *alias
	err = s.Store.View(ctx, func(r store.Reader) error {
		a, err = s.alias(ctx, r, at, *in.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.configuration(at), nil
}

func (s *Service) updateAlias(ctx context.Context, in *api.UpdateAliasRequest) (*api.AliasConfiguration, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	var changed alias
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		a, err := s.alias(ctx, tx, at, *in.Name)
		if err != nil {
			return err
		}
		changed = *a
		if in.RevisionId != nil && *in.RevisionId != a.Revision {
			return revisionConflict("GetFunction/GetAlias")
		}
		if in.Description != nil {
			changed.Description = *in.Description
		}
		if in.FunctionVersion != nil {
			changed.Version = *in.FunctionVersion
		}
		if in.RoutingConfig != nil {
			changed.Weights = in.RoutingConfig.AdditionalVersionWeights
		}
		if err := s.checkAlias(ctx, tx, at, &changed); err != nil {
			return err
		}
		changed.Revision = aws.RandomUUID(s.Random)
		return put(tx, aliasRecords, at.scope, &changed, at.name, changed.Name)
	})
	s.provisioner.wake() // of another version now, perhaps
	return changed.configuration(at), err
}

func (s *Service) deleteAlias(ctx context.Context, in *api.DeleteAliasRequest) (*aws.Empty, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	defer s.fleet.forgetReserved(at.scope)
	defer s.provisioner.wake()
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := s.function(ctx, tx, at); err != nil {
			return err
		}
		if err := capacityRecords.Delete(tx, at.scope, at.name, *in.Name); err != nil {
			return err
		}
		if err := policyRecords.Delete(tx, at.scope, at.name, *in.Name); err != nil {
			return err
		}
		if err := dropURL(ctx, tx, at, *in.Name); err != nil {
			return err
		}
		return aliasRecords.Delete(tx, at.scope, at.name, *in.Name)
	})
}

func (s *Service) listAliases(ctx context.Context, in *api.ListAliasesRequest) (*api.ListAliasesResponse, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	o, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	o.Prefix, o.Limit = []any{at.name}, 0
	if o.After != nil {
		o.After = []any{at.name, o.After[0]}
	}
	var out *api.ListAliasesResponse
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = &api.ListAliasesResponse{Aliases: []api.AliasConfiguration{}}
		if _, err := s.function(ctx, r, at); err != nil {
			return err
		}
		for e, err := range aliasRecords.List(ctx, r, at.scope, o) {
			if err != nil {
				return err
			}
			a, err := s.records.aliases.decode(e.Record)
			if err != nil {
				return err
			}
			if in.FunctionVersion != nil && *in.FunctionVersion != a.Version {
				continue
			}
			if len(out.Aliases) == limit {
				out.NextMarker = ptr(aws.Token(*out.Aliases[limit-1].Name))
				break
			}
			out.Aliases = append(out.Aliases, *a.configuration(at))
		}
		return nil
	})
	return out, err
}
