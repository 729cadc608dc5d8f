package events

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Global endpoints are kept and shown: there is one installation, and nothing to fail
// over to. What is put to one goes to its bus of the caller's region, else to its first.

func endpointARN(scope store.Scope, name string) string {
	return aws.NewARN("events", scope.Region, scope.Account, "endpoint/"+name).String()
}

func getEndpoint(ctx context.Context, r store.Reader, scope store.Scope, name string) (api.Endpoint, error) {
	e, err := endpoints.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return e, api.ResourceNotFoundException("Endpoint %s does not exist.", name)
	}
	return e, err
}

// checkBuses refuses buses that one endpoint cannot have: it has two of one name in two
// regions, of which one is the caller's.
func checkBuses(ctx context.Context, list []api.EndpointEventBus) error {
	home := aws.RequestOf(ctx).Region
	first, ok := parseBus(*list[0].EventBusArn)
	second, also := parseBus(*list[1].EventBusArn)
	if !ok || !also || first.name != second.name || first.scope.Account != second.scope.Account || first.scope.Region == second.scope.Region || first.scope.Region != home && second.scope.Region != home {
		return invalid("Parameter EventBuses is not valid. Reason: The event buses must have the same name and account and be in different Regions, one of which is this one.")
	}
	return nil
}

func (s *Service) createEndpoint(ctx context.Context, in *api.CreateEndpointRequest) (*api.CreateEndpointResponse, error) {
	scope := scopeOf(ctx)
	if err := checkBuses(ctx, in.EventBuses); err != nil {
		return nil, err
	}
	id := aws.RandomID(s.Random, aws.LowerAlnm, 10) + "." + aws.RandomID(s.Random, "abcdefghijklmnopqrstuvwxyz", 3)
	now := moment(s.Clock.Now())
	replication := in.ReplicationConfig
	if replication == nil {
		replication = &api.ReplicationConfig{State: new(api.ReplicationStateEnabled)}
	}
	e := api.Endpoint{Arn: new(endpointARN(scope, *in.Name)), CreationTime: now, LastModifiedTime: now, Description: in.Description, EndpointId: &id,
		EndpointUrl: new("https://" + id + ".endpoint.events.amazonaws.com"), EventBuses: in.EventBuses, Name: in.Name, ReplicationConfig: replication, RoleArn: in.RoleArn,
		RoutingConfig: in.RoutingConfig, State: new(api.EndpointStateActive)}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if has, err := endpoints.Has(ctx, tx, scope, *in.Name); err != nil {
			return err
		} else if has {
			return api.ResourceAlreadyExistsException("Endpoint %s already exists.", *in.Name)
		}
		return endpoints.Put(tx, scope, e, *in.Name)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateEndpointResponse{Arn: e.Arn, EventBuses: e.EventBuses, Name: e.Name, ReplicationConfig: e.ReplicationConfig, RoleArn: e.RoleArn, RoutingConfig: e.RoutingConfig,
		State: new(api.EndpointStateCreating)}, nil
}

func (s *Service) updateEndpoint(ctx context.Context, in *api.UpdateEndpointRequest) (*api.UpdateEndpointResponse, error) {
	scope := scopeOf(ctx)
	if in.EventBuses != nil {
		if err := checkBuses(ctx, in.EventBuses); err != nil {
			return nil, err
		}
	}
	var e api.Endpoint
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if e, err = getEndpoint(ctx, tx, scope, *in.Name); err != nil {
			return err
		}
		if in.Description != nil {
			e.Description = in.Description
		}
		if in.EventBuses != nil {
			e.EventBuses = in.EventBuses
		}
		if in.ReplicationConfig != nil {
			e.ReplicationConfig = in.ReplicationConfig
		}
		if in.RoleArn != nil {
			e.RoleArn = in.RoleArn
		}
		if in.RoutingConfig != nil {
			e.RoutingConfig = in.RoutingConfig
		}
		e.LastModifiedTime = moment(s.Clock.Now())
		return endpoints.Put(tx, scope, e, *in.Name)
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateEndpointResponse{Arn: e.Arn, EndpointId: e.EndpointId, EndpointUrl: e.EndpointUrl, EventBuses: e.EventBuses, Name: e.Name, ReplicationConfig: e.ReplicationConfig,
		RoleArn: e.RoleArn, RoutingConfig: e.RoutingConfig, State: new(api.EndpointStateUpdating)}, nil
}

func (s *Service) deleteEndpoint(ctx context.Context, in *api.DeleteEndpointRequest) (*api.DeleteEndpointResponse, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := getEndpoint(ctx, tx, scope, *in.Name); err != nil {
			return err
		}
		return endpoints.Delete(tx, scope, *in.Name)
	})
}

func (s *Service) describeEndpoint(ctx context.Context, in *api.DescribeEndpointRequest) (*api.DescribeEndpointResponse, error) {
	scope := scopeOf(ctx)
	if in.HomeRegion != nil {
		scope.Region = *in.HomeRegion
	}
	var e api.Endpoint
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		e, err = getEndpoint(ctx, r, scope, *in.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := api.DescribeEndpointResponse(e)
	return &out, nil
}

func (s *Service) listEndpoints(ctx context.Context, in *api.ListEndpointsRequest) (*api.ListEndpointsResponse, error) {
	scope := scopeOf(ctx)
	if in.HomeRegion != nil {
		scope.Region = *in.HomeRegion
	}
	p, err := newPage(in.NamePrefix, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListEndpointsResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Endpoints = []api.Endpoint{}
		out.NextToken, err = walk(ctx, r, endpoints, scope, nil, p, func(_ string, e *api.Endpoint) bool {
			out.Endpoints = append(out.Endpoints, *e)
			return true
		})
		return err
	})
}

// endpointBus is the ARN of the bus that an endpoint, by its id, leads a caller to.
func (s *Service) endpointBus(ctx context.Context, id string) (string, error) {
	found := ""
	err := s.Store.View(ctx, func(r store.Reader) error {
		found = ""
		for e, err := range endpoints.All(ctx, r) {
			if err != nil {
				return err
			}
			if aws.Value(e.Record.EndpointId) != id || e.Scope.Account != aws.RequestOf(ctx).Account() {
				continue
			}
			for _, b := range e.Record.EventBuses {
				at, _ := parseBus(*b.EventBusArn)
				if found == "" || at.scope.Region == aws.RequestOf(ctx).Region {
					found = *b.EventBusArn
				}
			}
		}
		return nil
	})
	if err == nil && found == "" {
		err = invalid("Endpoint %s does not exist.", id)
	}
	return found, err
}
