package apigateway

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A deployment is an immutable copy of an API: this, and its resources in the
// table of snapshots.
type deployment struct {
	ID          string                          `json:"id"`
	Created     time.Time                       `json:"created"`
	Description *string                         `json:"description,omitempty"`
	API         api.RestApi                     `json:"api"`
	Validators  map[string]api.RequestValidator `json:"validators,omitempty"`
	Models      []api.Model                     `json:"models,omitempty"`
	Responses   map[string]api.GatewayResponse  `json:"responses,omitempty"`
	Authorizers map[string]api.Authorizer       `json:"authorizers,omitempty"`
	// Summary is the access settings of each method, by path and verb.
	Summary map[string]map[string]api.MethodSnapshot `json:"summary"`
}

func noDeployment() error { return api.NotFoundException("Invalid Deployment identifier specified") }

func (d deployment) output(embed []string) *api.Deployment {
	out := &api.Deployment{Id: &d.ID, CreatedDate: &d.Created, Description: d.Description}
	if slices.Contains(embed, "apisummary") {
		out.ApiSummary = d.Summary
	}
	return out
}

func (s *Service) createDeployment(ctx context.Context, in *api.CreateDeploymentRequest) (*api.Deployment, error) {
	id := aws.RandomID(s.Random, aws.LowerAlnm, 6)
	return update(ctx, s, func(tx store.Tx) (*api.Deployment, error) {
		a, err := lookup(ctx, tx, in.RestApiId)
		if err != nil {
			return nil, err
		}
		d := deployment{ID: id, Created: *s.now(), Description: in.Description, API: a}
		if err := s.snapshot(ctx, tx, &d); err != nil {
			return nil, err
		}
		if in.CanarySettings != nil {
			if err := s.deployCanary(ctx, tx, in, id); err != nil {
				return nil, err
			}
		} else if name := aws.Value(in.StageName); name != "" {
			if err := s.deployTo(ctx, tx, in, id); err != nil {
				return nil, err
			}
		}
		return d.output(nil), deployments.Put(tx, scope(ctx), d, *a.Id, id)
	})
}

// snapshot copies the API of a deployment as it now is.
func (s *Service) snapshot(ctx context.Context, tx store.Tx, d *deployment) error {
	at, apiID := scope(ctx), *d.API.Id
	d.Summary = map[string]map[string]api.MethodSnapshot{}
	for e, err := range resources.List(ctx, tx, at, store.ListOptions{Prefix: []any{apiID}}) {
		if err != nil {
			return err
		}
		r := e.Record
		for verb, m := range r.Methods {
			if m.MethodIntegration == nil {
				return api.BadRequestException("No integration defined for method")
			}
			if d.Summary[r.Path] == nil {
				d.Summary[r.Path] = map[string]api.MethodSnapshot{}
			}
			d.Summary[r.Path][verb] = api.MethodSnapshot{ApiKeyRequired: m.ApiKeyRequired, AuthorizationType: m.AuthorizationType}
		}
		if err := snapshots.Put(tx, at, r, apiID, d.ID, r.ID); err != nil {
			return err
		}
	}
	if len(d.Summary) == 0 {
		return api.BadRequestException("The REST API doesn't contain any methods")
	}
	var err error
	if d.Responses, err = ownResponses(ctx, tx, apiID); err != nil {
		return err
	}
	if d.Authorizers, err = authorizersOf(ctx, tx, apiID); err != nil {
		return err
	}
	if d.Models, err = modelsOf(ctx, tx, apiID); err != nil {
		return err
	}
	d.Validators, err = validatorsOf(ctx, tx, apiID)
	return err
}

// deployTo makes the stage that CreateDeployment names show the deployment, and
// makes the stage if need be.
func (s *Service) deployTo(ctx context.Context, tx store.Tx, in *api.CreateDeploymentRequest, id string) error {
	if err := checkStageName(*in.StageName); err != nil {
		return err
	}
	if err := checkVariables(in.Variables); err != nil {
		return err
	}
	st, err := readStage(ctx, tx, scope(ctx), *in.RestApiId, *in.StageName)
	if aws.CodeOf(err) == "NotFoundException" {
		st, err = s.freshStage(*in.StageName), nil
	}
	if err != nil {
		return err
	}
	if st.CanarySettings != nil {
		return api.BadRequestException("Stage '%s' has a canary: a deployment must have canary settings until it is promoted or removed", *in.StageName)
	}
	st.DeploymentId, st.LastUpdatedDate = &id, s.now()
	if in.StageDescription != nil {
		st.Description = in.StageDescription
	}
	if in.TracingEnabled != nil {
		st.TracingEnabled = in.TracingEnabled
	}
	setCache(st, in.CacheClusterEnabled, in.CacheClusterSize)
	for k, v := range in.Variables {
		st.Variables = entry(st.Variables, k, patch{}, v)
	}
	return writeStage(tx, scope(ctx), *in.RestApiId, st)
}

func (s *Service) getDeployment(ctx context.Context, in *api.GetDeploymentRequest) (*api.Deployment, error) {
	return view(ctx, s, func(r store.Reader) (*api.Deployment, error) {
		d, err := deployments.Get(ctx, r, scope(ctx), *in.RestApiId, *in.DeploymentId)
		return d.output(in.Embed), orElse(err, noDeployment())
	})
}

func (s *Service) getDeployments(ctx context.Context, in *api.GetDeploymentsRequest) (*api.Deployments, error) {
	return view(ctx, s, func(r store.Reader) (*api.Deployments, error) {
		if _, err := lookup(ctx, r, in.RestApiId); err != nil {
			return nil, err
		}
		items, next, err := page(ctx, r, deployments, []any{*in.RestApiId}, in.Limit, in.Position)
		out := &api.Deployments{Items: make([]api.Deployment, len(items)), Position: next}
		for i, d := range items {
			out.Items[i] = *d.output(nil)
		}
		return out, err
	})
}

func (s *Service) updateDeployment(ctx context.Context, in *api.UpdateDeploymentRequest) (*api.Deployment, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.Deployment, error) {
		d, err := deployments.Get(ctx, tx, scope(ctx), *in.RestApiId, *in.DeploymentId)
		if err != nil {
			return nil, orElse(err, noDeployment())
		}
		for _, p := range ops {
			if err := p.listed("/description"); err != nil {
				return nil, err
			}
			d.Description = p.text()
		}
		return d.output(nil), deployments.Put(tx, scope(ctx), d, *in.RestApiId, d.ID)
	})
}

func (s *Service) deleteDeployment(ctx context.Context, in *api.DeleteDeploymentRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		if err := require(ctx, tx, deployments, noDeployment(), *in.RestApiId, *in.DeploymentId); err != nil {
			return err
		}
		for e, err := range stages.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{*in.RestApiId}}) {
			if err != nil {
				return err
			}
			var st api.Stage
			if err := json.Unmarshal(e.Record, &st); err != nil {
				return err
			}
			if shows(&st, *in.DeploymentId) {
				return api.BadRequestException("Active stages pointing to this deployment must be moved or deleted")
			}
		}
		if err := snapshots.DeleteAll(tx, scope(ctx), *in.RestApiId, *in.DeploymentId); err != nil {
			return err
		}
		return deployments.Delete(tx, scope(ctx), *in.RestApiId, *in.DeploymentId)
	})
}
