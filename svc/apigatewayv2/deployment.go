package apigatewayv2

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A snapshot is an API as it was deployed. It does not change.
type snapshot struct {
	API                  api.Api
	Routes               []api.Route                          `json:",omitempty"`
	Integrations         []api.Integration                    `json:",omitempty"`
	Authorizers          []api.Authorizer                     `json:",omitempty"`
	Models               []api.Model                          `json:",omitempty"`
	IntegrationResponses map[string][]api.IntegrationResponse `json:",omitempty"` // by integration
	RouteResponses       map[string][]api.RouteResponse       `json:",omitempty"` // by route
}

// read copies an API as it stands.
func read(ctx context.Context, r store.Reader, at store.Scope, a *api.Api) (out snapshot, err error) {
	id := *a.ApiId
	out = snapshot{API: *a, IntegrationResponses: map[string][]api.IntegrationResponse{}, RouteResponses: map[string][]api.RouteResponse{}}
	var errs [4]error
	out.Routes, errs[0] = routes.children(ctx, r, at, id)
	out.Integrations, errs[1] = integrations.children(ctx, r, at, id)
	out.Authorizers, errs[2] = authorizers.children(ctx, r, at, id)
	out.Models, errs[3] = models.children(ctx, r, at, id)
	if err := errors.Join(errs[:]...); err != nil || isHTTP(a) {
		return out, err
	}
	for e, err := range integrationResponses.table.List(ctx, r, at, store.ListOptions{Prefix: []any{id}}) {
		if err != nil {
			return out, err
		}
		of := e.Key.String(1)
		out.IntegrationResponses[of] = append(out.IntegrationResponses[of], e.Record)
	}
	for e, err := range routeResponses.table.List(ctx, r, at, store.ListOptions{Prefix: []any{id}}) {
		if err != nil {
			return out, err
		}
		of := e.Key.String(1)
		out.RouteResponses[of] = append(out.RouteResponses[of], e.Record)
	}
	return out, nil
}

// deploy makes a deployment of an API as it stands.
func (s *Service) deploy(ctx context.Context, tx store.Tx, a *api.Api, auto bool, description *string) (*api.Deployment, error) {
	shot, err := read(ctx, tx, scope(ctx), a)
	if err != nil {
		return nil, err
	}
	if len(shot.Routes) == 0 && !auto {
		return nil, api.BadRequestException("At least one route is required before deploying the API")
	}
	d := api.Deployment{DeploymentId: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6)), CreatedDate: s.now(), AutoDeployed: &auto,
		DeploymentStatus: ptr(api.DeploymentStatusDeployed), Description: description}
	return &d, errors.Join(snapshots.Put(tx, scope(ctx), shot, *a.ApiId, *d.DeploymentId), deployments.Put(tx, scope(ctx), d, *a.ApiId, *d.DeploymentId))
}

// automatic is what automatic deployments are described as.
const automatic = "Automatic deployment triggered by changes to the Api configuration"

// redeploy shows an API as it stands on the stages that deploy by themselves.
func (s *Service) redeploy(ctx context.Context, tx store.Tx, a *api.Api) error {
	all, err := stagesOf(ctx, tx, scope(ctx), *a.ApiId)
	if err != nil {
		return err
	}
	var d *api.Deployment
	var old []string
	kept := map[string]bool{}
	for i := range all {
		st := &all[i]
		if !aws.Value(st.AutoDeploy) {
			kept[aws.Value(st.DeploymentId)] = true
			continue
		}
		if d == nil {
			if d, err = s.deploy(ctx, tx, a, true, ptr(automatic)); err != nil {
				return err
			}
		}
		old = append(old, aws.Value(st.DeploymentId))
		st.DeploymentId, st.LastUpdatedDate = d.DeploymentId, s.now()
		st.LastDeploymentStatusMessage = ptr("Successfully deployed stage with deployment ID '" + *d.DeploymentId + "'")
		if err := writeStage(tx, scope(ctx), *a.ApiId, st); err != nil {
			return err
		}
	}
	for _, id := range old {
		if id != "" && !kept[id] {
			if err := dropAutomatic(ctx, tx, *a.ApiId, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropAutomatic forgets a deployment that API Gateway has made by itself.
func dropAutomatic(ctx context.Context, tx store.Tx, apiID, id string) error {
	d, err := deployments.Get(ctx, tx, scope(ctx), apiID, id)
	if err != nil || !aws.Value(d.AutoDeployed) {
		return orElse(err, nil)
	}
	return errors.Join(deployments.Delete(tx, scope(ctx), apiID, id), snapshots.Delete(tx, scope(ctx), apiID, id))
}

func (s *Service) redeployID(ctx context.Context, tx store.Tx, id string) error {
	a, err := lookup(ctx, tx, &id)
	if err != nil {
		return err
	}
	return s.redeploy(ctx, tx, &a)
}

func readDeployment(ctx context.Context, r store.Reader, apiID, id *string) (api.Deployment, error) {
	if _, err := lookup(ctx, r, apiID); err != nil {
		return api.Deployment{}, err
	}
	d, err := deployments.Get(ctx, r, scope(ctx), *apiID, aws.Value(id))
	return d, orElse(err, api.NotFoundException("Invalid Deployment identifier specified %s", aws.Value(id)))
}

func (s *Service) createDeployment(ctx context.Context, in *api.CreateDeploymentRequest) (*api.CreateDeploymentResponse, error) {
	return update(ctx, s, func(tx store.Tx) (*api.CreateDeploymentResponse, error) {
		a, err := lookup(ctx, tx, in.ApiId)
		if err != nil {
			return nil, err
		}
		d, err := s.deploy(ctx, tx, &a, false, in.Description)
		if err != nil || in.StageName == nil {
			return as[api.CreateDeploymentResponse](orEmpty(d)), err
		}
		st, err := readStage(ctx, tx, in.ApiId, in.StageName)
		if err != nil {
			return nil, err
		}
		if aws.Value(st.AutoDeploy) {
			return nil, api.BadRequestException("Deployment ID cannot be set on a stage with auto deploy enabled")
		}
		st.DeploymentId, st.LastUpdatedDate = d.DeploymentId, s.now()
		return as[api.CreateDeploymentResponse](d), writeStage(tx, scope(ctx), *a.ApiId, &st)
	})
}

func orEmpty[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

func (s *Service) getDeployment(ctx context.Context, in *api.GetDeploymentRequest) (*api.GetDeploymentResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.GetDeploymentResponse, error) {
		d, err := readDeployment(ctx, r, in.ApiId, in.DeploymentId)
		return as[api.GetDeploymentResponse](&d), err
	})
}

func (s *Service) getDeployments(ctx context.Context, in *api.GetDeploymentsRequest) (*api.GetDeploymentsResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.GetDeploymentsResponse, error) {
		if _, err := lookup(ctx, r, in.ApiId); err != nil {
			return nil, err
		}
		items, next, err := page(ctx, r, deployments, []any{*in.ApiId}, in.MaxResults, in.NextToken)
		return &api.GetDeploymentsResponse{Items: items, NextToken: next}, err
	})
}

func (s *Service) updateDeployment(ctx context.Context, in *api.UpdateDeploymentRequest) (*api.UpdateDeploymentResponse, error) {
	return update(ctx, s, func(tx store.Tx) (*api.UpdateDeploymentResponse, error) {
		d, err := readDeployment(ctx, tx, in.ApiId, in.DeploymentId)
		if err != nil {
			return nil, err
		}
		merge(&d, in)
		return as[api.UpdateDeploymentResponse](&d), deployments.Put(tx, scope(ctx), d, *in.ApiId, *d.DeploymentId)
	})
}

func (s *Service) deleteDeployment(ctx context.Context, in *api.DeleteDeploymentRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		d, err := readDeployment(ctx, tx, in.ApiId, in.DeploymentId)
		if err != nil {
			return err
		}
		all, err := stagesOf(ctx, tx, scope(ctx), *in.ApiId)
		if err != nil {
			return err
		}
		for _, st := range all {
			if aws.Value(st.DeploymentId) == *d.DeploymentId {
				return api.BadRequestException("Active stages pointing to this deployment must be moved or deleted")
			}
		}
		return errors.Join(snapshots.Delete(tx, scope(ctx), *in.ApiId, *d.DeploymentId), deployments.Delete(tx, scope(ctx), *in.ApiId, *d.DeploymentId))
	})
}
