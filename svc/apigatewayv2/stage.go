package apigatewayv2

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

var (
	stageName     = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	variableName  = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	variableValue = regexp.MustCompile(`^[A-Za-z0-9-._~:/?#&=,]*$`)
)

func writeStage(tx store.Tx, at store.Scope, apiID string, st *api.Stage) error {
	b, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return stages.Put(tx, at, b, apiID, *st.StageName)
}

// readStage reads a stage of the caller's.
func readStage(ctx context.Context, r store.Reader, apiID, name *string) (st api.Stage, err error) {
	if _, err := lookup(ctx, r, apiID); err != nil {
		return st, err
	}
	b, err := stages.Get(ctx, r, scope(ctx), *apiID, aws.Value(name))
	if err != nil {
		return st, orElse(err, api.NotFoundException("Invalid stage identifier specified %s", aws.Value(name)))
	}
	return st, json.Unmarshal(b, &st)
}

// stagesOf are an API's stages.
func stagesOf(ctx context.Context, r store.Reader, at store.Scope, apiID string) ([]api.Stage, error) {
	var out []api.Stage
	for e, err := range stages.List(ctx, r, at, store.ListOptions{Prefix: []any{apiID}}) {
		var st api.Stage
		if err == nil {
			err = json.Unmarshal(e.Record, &st)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

func checkStage(ctx context.Context, r store.Reader, a *api.Api, st *api.Stage) error {
	name := aws.Value(st.StageName)
	if name != defaultKey && !stageName.MatchString(name) || name == defaultKey && !isHTTP(a) {
		return api.BadRequestException("Stage name only allows a-zA-Z0-9_- characters")
	}
	for k, v := range st.StageVariables {
		if !variableName.MatchString(k) || !variableValue.MatchString(v) || len(k) > 64 || len(v) > 512 {
			return api.BadRequestException("Invalid stage variable specified: %s. Names have A-Za-z0-9_, values A-Za-z0-9-._~:/?#&=,", k)
		}
	}
	if len(st.StageVariables) > 100 {
		return api.BadRequestException("Too many stage variables: %d, the limit is 100", len(st.StageVariables))
	}
	if st.DeploymentId != nil {
		if ok, err := deployments.Has(ctx, r, scope(ctx), *a.ApiId, *st.DeploymentId); err != nil || !ok {
			return errors.Join(err, api.BadRequestException("Invalid deployment identifier specified"))
		}
	}
	settings := []*api.RouteSettings{st.DefaultRouteSettings}
	for key, one := range st.RouteSettings {
		ok, err := routeKeys.Has(ctx, r, scope(ctx), *a.ApiId, signature(key))
		if err != nil || !ok {
			return errors.Join(err, api.NotFoundException("Unable to find Route by key %s within the provided RouteSettings", key))
		}
		settings = append(settings, &one)
	}
	for _, one := range settings {
		if one != nil && isHTTP(a) && (aws.Value(one.DataTraceEnabled) || one.LoggingLevel != nil && *one.LoggingLevel != api.LoggingLevelOff) {
			return api.BadRequestException("Execution logs are not supported on protocolType HTTP")
		}
	}
	if log := st.AccessLogSettings; log != nil {
		return checkAccessLog(log)
	}
	return nil
}

func (s *Service) createStage(ctx context.Context, in *api.CreateStageRequest) (*api.CreateStageResponse, error) {
	if err := s.permit(ctx, in.AccessLogSettings); err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.CreateStageResponse, error) {
		a, err := lookup(ctx, tx, in.ApiId)
		if err != nil {
			return nil, err
		}
		st := api.Stage{CreatedDate: s.now(), LastUpdatedDate: s.now(), Tags: map[string]string{}, RouteSettings: map[string]api.RouteSettings{}, StageVariables: map[string]string{},
			DefaultRouteSettings: &api.RouteSettings{DetailedMetricsEnabled: ptr(false)}}
		if !isHTTP(&a) {
			st.DefaultRouteSettings.DataTraceEnabled, st.DefaultRouteSettings.LoggingLevel = ptr(false), ptr(api.LoggingLevelOff)
		}
		merge(&st, in)
		if aws.Value(st.AutoDeploy) && st.DeploymentId != nil {
			return nil, api.BadRequestException("Deployment ID cannot be set on a stage with auto deploy enabled")
		}
		if err := checkStage(ctx, tx, &a, &st); err != nil {
			return nil, err
		}
		if ok, err := stages.Has(ctx, tx, scope(ctx), *a.ApiId, *st.StageName); err != nil || ok {
			return nil, errors.Join(err, api.ConflictException("Stage already exists"))
		}
		return s.putStage(ctx, tx, &a, &st)
	})
}

// putStage writes a stage, deploys it if it does so by itself, and shows it.
func (s *Service) putStage(ctx context.Context, tx store.Tx, a *api.Api, st *api.Stage) (*api.CreateStageResponse, error) {
	if err := writeStage(tx, scope(ctx), *a.ApiId, st); err != nil {
		return nil, err
	}
	if aws.Value(st.AutoDeploy) {
		if err := s.redeploy(ctx, tx, a); err != nil {
			return nil, err
		}
		now, err := readStage(ctx, tx, a.ApiId, st.StageName)
		if err != nil {
			return nil, err
		}
		st = &now
	}
	return as[api.CreateStageResponse](st), nil
}

func (s *Service) getStage(ctx context.Context, in *api.GetStageRequest) (*api.GetStageResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.GetStageResponse, error) {
		st, err := readStage(ctx, r, in.ApiId, in.StageName)
		return as[api.GetStageResponse](&st), err
	})
}

func (s *Service) getStages(ctx context.Context, in *api.GetStagesRequest) (*api.GetStagesResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.GetStagesResponse, error) {
		if _, err := lookup(ctx, r, in.ApiId); err != nil {
			return nil, err
		}
		records, next, err := page(ctx, r, stages, []any{*in.ApiId}, in.MaxResults, in.NextToken)
		out := &api.GetStagesResponse{Items: make([]api.Stage, len(records)), NextToken: next}
		for i, b := range records {
			err = errors.Join(err, json.Unmarshal(b, &out.Items[i]))
		}
		return out, err
	})
}

func (s *Service) updateStage(ctx context.Context, in *api.UpdateStageRequest) (*api.UpdateStageResponse, error) {
	if err := s.permit(ctx, in.AccessLogSettings); err != nil {
		return nil, err
	}
	return s.changeStage(ctx, in.ApiId, in.StageName, func(st *api.Stage) error {
		if in.DeploymentId != nil && aws.Value(st.AutoDeploy) && (in.AutoDeploy == nil || *in.AutoDeploy) {
			return api.BadRequestException("Deployment ID cannot be set on a stage with auto deploy enabled")
		}
		merge(st, in)
		return nil
	})
}

// changeStage changes a stage of the caller's.
func (s *Service) changeStage(ctx context.Context, apiID, name *string, change func(st *api.Stage) error) (*api.UpdateStageResponse, error) {
	return update(ctx, s, func(tx store.Tx) (*api.UpdateStageResponse, error) {
		a, err := lookup(ctx, tx, apiID)
		if err != nil {
			return nil, err
		}
		st, err := readStage(ctx, tx, apiID, name)
		if err != nil {
			return nil, err
		}
		auto := aws.Value(st.AutoDeploy)
		if err := change(&st); err != nil {
			return nil, err
		}
		if err := checkStage(ctx, tx, &a, &st); err != nil {
			return nil, err
		}
		st.LastUpdatedDate = s.now()
		if auto {
			return as[api.UpdateStageResponse](&st), writeStage(tx, scope(ctx), *a.ApiId, &st)
		}
		out, err := s.putStage(ctx, tx, &a, &st)
		return as[api.UpdateStageResponse](orEmpty(out)), err
	})
}

func (s *Service) deleteAccessLogSettings(ctx context.Context, in *api.DeleteAccessLogSettingsRequest) (*aws.Empty, error) {
	_, err := s.changeStage(ctx, in.ApiId, in.StageName, func(st *api.Stage) error {
		st.AccessLogSettings = nil
		return nil
	})
	return nil, err
}

func (s *Service) deleteRouteSettings(ctx context.Context, in *api.DeleteRouteSettingsRequest) (*aws.Empty, error) {
	_, err := s.changeStage(ctx, in.ApiId, in.StageName, func(st *api.Stage) error {
		if _, ok := st.RouteSettings[*in.RouteKey]; !ok {
			return api.NotFoundException("Unable to find Route by key %s within the provided RouteSettings", *in.RouteKey)
		}
		delete(st.RouteSettings, *in.RouteKey)
		return nil
	})
	return nil, err
}

func (s *Service) deleteStage(ctx context.Context, in *api.DeleteStageRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		st, err := readStage(ctx, tx, in.ApiId, in.StageName)
		if err != nil {
			return err
		}
		if err := stages.Delete(tx, scope(ctx), *in.ApiId, *st.StageName); err != nil {
			return err
		}
		all, err := stagesOf(ctx, tx, scope(ctx), *in.ApiId)
		for _, other := range all {
			if aws.Value(other.DeploymentId) == aws.Value(st.DeploymentId) {
				return err
			}
		}
		return errors.Join(err, dropAutomatic(ctx, tx, *in.ApiId, aws.Value(st.DeploymentId)))
	})
}
