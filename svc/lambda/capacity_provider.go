package lambda

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A capacityProvider is where functions run that are not to share AWS's machines: instances of
// an account's own. There is one machine here, and so each provider is that: it is kept, shown
// and had by functions, which then do not count towards the account's concurrency. What it says
// of instances, networks and their scaling has no meaning. It is under its name.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances.html
type capacityProvider struct {
	Role           string
	Subnets        []string
	SecurityGroups []string
	Architectures  []string            `json:",omitempty"`
	Allowed        []string            `json:",omitempty"` // types of instances
	Excluded       []string            `json:",omitempty"`
	MaxVCPU        *int32              `json:",omitempty"`
	Mode           string              `json:",omitempty"`
	Policies       []utilisationPolicy `json:",omitempty"`
	Tags           map[string]string   `json:",omitempty"`
	Modified       time.Time
}

// A utilisationPolicy is how busy instances are to be.
type utilisationPolicy struct {
	Metric string
	Target float64
}

var capacityProviderRecords = store.NewTable[capacityProvider]("lambda", "capacity-provider")

// capacityProviderKind begins what ARNs of capacity providers end in.
const capacityProviderKind = "capacity-provider:"

// A provided is the capacity provider that a version has.
type provided struct {
	ARN           string
	MaxInvokes    *int32   `json:",omitempty"` // at once in one environment: here it is one
	MemoryPerVCPU *float64 `json:",omitempty"`
}

// parseProvider is the place and the name that a name or an ARN stands for.
func parseProvider(ctx context.Context, name *string) ref {
	if a, ok := aws.ParseARN(*name); ok {
		return ref{store.Scope{Account: a.Account, Region: a.Region}, strings.TrimPrefix(a.Resource, capacityProviderKind)}
	}
	req := aws.RequestOf(ctx)
	return ref{store.Scope{Account: req.Account(), Region: req.Region}, *name}
}

func providerARN(at ref) string {
	return aws.NewARN("lambda", at.scope.Region, at.scope.Account, capacityProviderKind+at.name).String()
}

// provider reads a capacity provider.
func (s *Service) provider(ctx context.Context, r store.Reader, at ref) (capacityProvider, error) {
	p, err := capacityProviderRecords.Get(ctx, r, at.scope, at.name)
	if errors.Is(err, store.ErrNotFound) {
		err = notFound("Capacity provider not found: %s", providerARN(at))
	}
	return p, err
}

func (p *capacityProvider) shown(at ref, state string) *api.CapacityProvider {
	out := &api.CapacityProvider{CapacityProviderArn: ptr(providerARN(at)), State: &state, LastModified: ptr(stamp(p.Modified)),
		PermissionsConfig: &api.CapacityProviderPermissionsConfig{CapacityProviderOperatorRoleArn: &p.Role},
		VpcConfig:         &api.CapacityProviderVpcConfig{SubnetIds: p.Subnets, SecurityGroupIds: append([]string{}, p.SecurityGroups...)}}
	if len(p.Architectures)+len(p.Allowed)+len(p.Excluded) > 0 {
		out.InstanceRequirements = &api.InstanceRequirements{Architectures: p.Architectures, AllowedInstanceTypes: p.Allowed, ExcludedInstanceTypes: p.Excluded}
	}
	if p.MaxVCPU != nil || p.Mode != "" {
		scale := &api.CapacityProviderScalingConfig{MaxVCpuCount: p.MaxVCPU, ScalingMode: optional(p.Mode)}
		for _, one := range p.Policies {
			scale.ScalingPolicies = append(scale.ScalingPolicies, api.TargetTrackingScalingPolicy{PredefinedMetricType: ptr(one.Metric), TargetValue: ptr(one.Target)})
		}
		out.CapacityProviderScalingConfig = scale
	}
	return out
}

// scale is what Create and Update share; nil is absent.
func (p *capacityProvider) scale(in *api.CapacityProviderScalingConfig) error {
	if in == nil {
		return nil
	}
	if (aws.Value(in.ScalingMode) == api.CapacityProviderScalingModeManual) != (len(in.ScalingPolicies) > 0) {
		return invalid("ScalingPolicies must be specified when ScalingMode is Manual, and only then.")
	}
	p.MaxVCPU, p.Mode, p.Policies = in.MaxVCpuCount, cmp.Or(aws.Value(in.ScalingMode), api.CapacityProviderScalingModeAuto), nil
	for _, one := range in.ScalingPolicies {
		p.Policies = append(p.Policies, utilisationPolicy{*one.PredefinedMetricType, *one.TargetValue})
	}
	return nil
}

func (s *Service) createCapacityProvider(ctx context.Context, in *api.CreateCapacityProviderRequest) (*api.CreateCapacityProviderResponse, error) {
	if in.KmsKeyArn != nil {
		return nil, unbuilt("Encryption of capacity providers by keys of KMS is")
	}
	if len(in.Tags) > maxTags {
		return nil, invalid("Number of tags exceeds resource tag limit.")
	}
	at := parseProvider(ctx, in.CapacityProviderName)
	p := capacityProvider{Role: *in.PermissionsConfig.CapacityProviderOperatorRoleArn, Subnets: in.VpcConfig.SubnetIds, SecurityGroups: in.VpcConfig.SecurityGroupIds,
		Mode: api.CapacityProviderScalingModeAuto, Tags: in.Tags, Modified: s.now()}
	if r := in.InstanceRequirements; r != nil {
		if len(r.AllowedInstanceTypes) > 0 && len(r.ExcludedInstanceTypes) > 0 {
			return nil, invalid("AllowedInstanceTypes and ExcludedInstanceTypes cannot both be specified.")
		}
		p.Architectures, p.Allowed, p.Excluded = r.Architectures, r.AllowedInstanceTypes, r.ExcludedInstanceTypes
	}
	if err := p.scale(in.CapacityProviderScalingConfig); err != nil {
		return nil, err
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		taken, err := capacityProviderRecords.Has(ctx, tx, at.scope, at.name)
		if err == nil && taken {
			err = conflict("Capacity provider already exists: %s", providerARN(at))
		}
		if err != nil {
			return err
		}
		return capacityProviderRecords.Put(tx, at.scope, p, at.name)
	})
	return &api.CreateCapacityProviderResponse{CapacityProvider: p.shown(at, api.CapacityProviderStateActive)}, err
}

func (s *Service) getCapacityProvider(ctx context.Context, in *api.GetCapacityProviderRequest) (*api.GetCapacityProviderResponse, error) {
	at := parseProvider(ctx, in.CapacityProviderName)
	var p capacityProvider
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		p, err = s.provider(ctx, r, at)
		return err
	})
	return &api.GetCapacityProviderResponse{CapacityProvider: p.shown(at, api.CapacityProviderStateActive)}, err
}

func (s *Service) updateCapacityProvider(ctx context.Context, in *api.UpdateCapacityProviderRequest) (*api.UpdateCapacityProviderResponse, error) {
	at := parseProvider(ctx, in.CapacityProviderName)
	var p capacityProvider
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if p, err = s.provider(ctx, tx, at); err != nil {
			return err
		}
		if err := p.scale(in.CapacityProviderScalingConfig); err != nil {
			return err
		}
		p.Modified = s.now()
		return capacityProviderRecords.Put(tx, at.scope, p, at.name)
	})
	return &api.UpdateCapacityProviderResponse{CapacityProvider: p.shown(at, api.CapacityProviderStateActive)}, err
}

func (s *Service) deleteCapacityProvider(ctx context.Context, in *api.DeleteCapacityProviderRequest) (*api.DeleteCapacityProviderResponse, error) {
	at := parseProvider(ctx, in.CapacityProviderName)
	var p capacityProvider
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if p, err = s.provider(ctx, tx, at); err != nil {
			return err
		}
		users, _, err := s.providedVersions(ctx, tx, at, nil, 1)
		if err == nil && len(users) > 0 {
			err = conflict("The capacity provider %s is in use by function versions, such as %s.", providerARN(at), *users[0].FunctionArn)
		}
		if err != nil {
			return err
		}
		return capacityProviderRecords.Delete(tx, at.scope, at.name)
	})
	return &api.DeleteCapacityProviderResponse{CapacityProvider: p.shown(at, api.CapacityProviderStateDeleting)}, err
}

func (s *Service) listCapacityProviders(ctx context.Context, in *api.ListCapacityProvidersRequest) (*api.ListCapacityProvidersResponse, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	o, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListCapacityProvidersResponse{CapacityProviders: []api.CapacityProvider{}}
	if in.State != nil && *in.State != api.CapacityProviderStateActive {
		return out, nil // all are
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		out.CapacityProviders, out.NextMarker = []api.CapacityProvider{}, nil
		last := ""
		for e, err := range capacityProviderRecords.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if len(out.CapacityProviders) == limit {
				out.NextMarker = ptr(aws.Token(last))
				break
			}
			last = e.Key.String(0)
			out.CapacityProviders = append(out.CapacityProviders, *e.Record.shown(ref{scope, last}, api.CapacityProviderStateActive))
		}
		return nil
	})
	return out, err
}

// A versionPlace is where a list of versions goes on.
type versionPlace struct {
	Name   string
	Number int64
}

// providedVersions are the published versions that have a provider, behind after;
// next is the last one if there are more than the limit.
func (s *Service) providedVersions(ctx context.Context, r store.Reader, at ref, after *versionPlace, limit int) (list []api.FunctionVersionsByCapacityProviderListItem, next *versionPlace, err error) {
	list = []api.FunctionVersionsByCapacityProviderListItem{}
	arn := providerARN(at)
	var last *versionPlace
	var o store.ListOptions
	if after != nil {
		o.After = []any{after.Name, after.Number}
	}
	for e, err := range versionRecords.List(ctx, r, at.scope, o) {
		if err != nil {
			return nil, nil, err
		}
		v, err := s.records.versions.decode(e.Record)
		if err != nil {
			return nil, nil, err
		}
		if v.Provider == nil || v.Provider.ARN != arn {
			continue
		}
		if len(list) == limit {
			return list, last, nil
		}
		of := ref{at.scope, e.Key.String(0)}
		list = append(list, api.FunctionVersionsByCapacityProviderListItem{FunctionArn: ptr(of.arn(v.label())), State: ptr(v.state())})
		last = &versionPlace{of.name, v.Number}
	}
	return list, nil, nil
}

func (s *Service) listFunctionVersionsByCapacityProvider(ctx context.Context, in *api.ListFunctionVersionsByCapacityProviderRequest) (*api.ListFunctionVersionsByCapacityProviderResponse, error) {
	at := parseProvider(ctx, in.CapacityProviderName)
	limit := maxPage
	if in.MaxItems != nil {
		limit = min(limit, int(*in.MaxItems))
	}
	var after *versionPlace
	if aws.Value(in.Marker) != "" && !aws.ParseToken(*in.Marker, &after) {
		return nil, invalid("Invalid Marker")
	}
	out := &api.ListFunctionVersionsByCapacityProviderResponse{CapacityProviderArn: ptr(providerARN(at))}
	err := s.Store.View(ctx, func(r store.Reader) error {
		if _, err := s.provider(ctx, r, at); err != nil {
			return err
		}
		list, next, err := s.providedVersions(ctx, r, at, after, limit)
		out.FunctionVersions, out.NextMarker = list, nil
		if next != nil {
			out.NextMarker = ptr(aws.Token(next))
		}
		return err
	})
	return out, err
}

// setProvider gives a version the provider that was asked for; nil leaves what it has.
func (s *Service) setProvider(ctx context.Context, v *version, in *api.CapacityProviderConfig) error {
	if in == nil {
		return nil
	}
	c := in.LambdaManagedInstancesCapacityProviderConfig
	at := parseProvider(ctx, c.CapacityProviderArn)
	v.Provider = &provided{*c.CapacityProviderArn, c.PerExecutionEnvironmentMaxConcurrency, c.ExecutionEnvironmentMemoryGiBPerVCpu}
	return s.Store.View(ctx, func(r store.Reader) error {
		_, err := s.provider(ctx, r, at)
		if req := aws.RequestOf(ctx); at.scope != (store.Scope{Account: req.Account(), Region: req.Region}) || aws.CodeOf(err) == "ResourceNotFoundException" {
			err = invalid("Capacity provider not found: %s", *c.CapacityProviderArn)
		}
		return err
	})
}

// shownProvider is a version's provider as answers show it.
func (v *version) shownProvider() *api.CapacityProviderConfig {
	if v.Provider == nil {
		return nil
	}
	return &api.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: &api.LambdaManagedInstancesCapacityProviderConfig{
		CapacityProviderArn: &v.Provider.ARN, PerExecutionEnvironmentMaxConcurrency: v.Provider.MaxInvokes, ExecutionEnvironmentMemoryGiBPerVCpu: v.Provider.MemoryPerVCPU}}
}

// providerAccess is what an action on a provider needs.
func (s *Service) providerAccess(at ref) aws.Access {
	return aws.Access{Resource: providerARN(at), Tags: func(ctx context.Context) (tags map[string]string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			p, err := capacityProviderRecords.Get(ctx, r, at.scope, at.name)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			tags = p.Tags
			return err
		})
		return tags, err
	}}
}

// onProvider is the guard of an operation on one provider.
func onProvider[In any](s *Service, name func(in *In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		return []aws.Access{s.providerAccess(parseProvider(ctx, name(in)))}, nil
	}
}

func (s *Service) guardCreateProvider(ctx context.Context, in *api.CreateCapacityProviderRequest) ([]aws.Access, error) {
	arn := providerARN(parseProvider(ctx, in.CapacityProviderName))
	keys := aws.RequestTags(nil, in.Tags)
	if keys == nil {
		keys = map[string][]string{}
	}
	keys["lambda:SubnetIds"] = in.VpcConfig.SubnetIds
	if len(in.VpcConfig.SecurityGroupIds) > 0 {
		keys["lambda:SecurityGroupIds"] = in.VpcConfig.SecurityGroupIds
	}
	return []aws.Access{{Resource: arn, Keys: keys}, passRole(*in.PermissionsConfig.CapacityProviderOperatorRoleArn, arn)}, nil
}

// passProvider is the permission to have a function run on a provider.
func (s *Service) passProvider(ctx context.Context, in *api.CapacityProviderConfig) []aws.Access {
	if in == nil {
		return nil
	}
	need := s.providerAccess(parseProvider(ctx, in.LambdaManagedInstancesCapacityProviderConfig.CapacityProviderArn))
	need.Action = "lambda:PassCapacityProvider"
	return []aws.Access{need}
}

func (s *Service) taggedProvider(at ref) tagged {
	return tagged{
		read: func(ctx context.Context, r store.Reader) (map[string]string, error) {
			p, err := s.provider(ctx, r, at)
			return p.Tags, err
		},
		write: func(ctx context.Context, tx store.Tx, tags map[string]string) error {
			p, err := s.provider(ctx, tx, at)
			if err != nil {
				return err
			}
			p.Tags = tags
			return capacityProviderRecords.Put(tx, at.scope, p, at.name)
		},
	}
}
