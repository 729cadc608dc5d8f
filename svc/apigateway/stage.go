package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

var (
	stageName     = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	variableName  = regexp.MustCompile(`^[a-zA-Z0-9_]+$`)
	variableValue = regexp.MustCompile(`^[A-Za-z0-9-._~:/?#&=,@]*$`)
)

func noStage() error { return api.NotFoundException("Invalid stage identifier specified") }

func checkStageName(name string) error {
	if !stageName.MatchString(name) && name != "$default" {
		return api.BadRequestException("Stage name only allows a-zA-Z0-9_-")
	}
	return nil
}

func checkVariables(variables map[string]string) error {
	for name, value := range variables {
		if !variableName.MatchString(name) {
			return api.BadRequestException("Stage variable names can only have alphanumeric characters and underscores: %s", name)
		}
		if !variableValue.MatchString(value) {
			return api.BadRequestException("Stage variable values can only have [A-Za-z0-9-._~:/?#&=,@]+ characters: %s", name)
		}
	}
	return nil
}

// freshStage is a stage that shows nothing yet.
func (s *Service) freshStage(name string) *api.Stage {
	return &api.Stage{StageName: &name, CreatedDate: s.now(), LastUpdatedDate: s.now(), CacheClusterEnabled: ptr(false),
		CacheClusterStatus: ptr(api.CacheClusterStatusNotAvailable), MethodSettings: map[string]api.MethodSetting{}, TracingEnabled: ptr(false)}
}

func setCache(st *api.Stage, enabled *bool, size *string) {
	if enabled != nil {
		st.CacheClusterEnabled = enabled
	}
	if size != nil {
		st.CacheClusterSize = size
	}
	st.CacheClusterStatus = ptr(api.CacheClusterStatusNotAvailable)
	if *st.CacheClusterEnabled {
		st.CacheClusterStatus = ptr(api.CacheClusterStatusAvailable)
		if st.CacheClusterSize == nil {
			st.CacheClusterSize = ptr("0.5")
		}
	}
}

func readStage(ctx context.Context, r store.Reader, at store.Scope, apiID, name string) (*api.Stage, error) {
	b, err := stages.Get(ctx, r, at, apiID, name)
	if err != nil {
		return nil, orElse(err, noStage())
	}
	st := new(api.Stage)
	return st, json.Unmarshal(b, st)
}

func writeStage(tx store.Tx, at store.Scope, apiID string, st *api.Stage) error {
	b, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return stages.Put(tx, at, b, apiID, *st.StageName)
}

func (s *Service) createStage(ctx context.Context, in *api.CreateStageRequest) (*api.Stage, error) {
	if err := checkStageName(*in.StageName); err != nil {
		return nil, err
	}
	if err := checkVariables(in.Variables); err != nil {
		return nil, err
	}
	if err := checkCanary(in.CanarySettings); err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.Stage, error) {
		if _, err := lookup(ctx, tx, in.RestApiId); err != nil {
			return nil, err
		}
		if err := require(ctx, tx, deployments, noDeployment(), *in.RestApiId, *in.DeploymentId); err != nil {
			return nil, err
		}
		taken, err := stages.Has(ctx, tx, scope(ctx), *in.RestApiId, *in.StageName)
		if err != nil {
			return nil, err
		}
		if taken {
			return nil, api.ConflictException("Stage already exists")
		}
		st := s.freshStage(*in.StageName)
		st.DeploymentId, st.Description, st.DocumentationVersion = in.DeploymentId, in.Description, in.DocumentationVersion
		st.Variables, st.Tags = in.Variables, in.Tags
		if c := in.CanarySettings; c != nil {
			if c.DeploymentId == nil {
				c.DeploymentId = in.DeploymentId
			}
			if err := require(ctx, tx, deployments, noDeployment(), *in.RestApiId, *c.DeploymentId); err != nil {
				return nil, err
			}
			st.CanarySettings = c
		}
		if in.TracingEnabled != nil {
			st.TracingEnabled = in.TracingEnabled
		}
		setCache(st, in.CacheClusterEnabled, in.CacheClusterSize)
		return st, writeStage(tx, scope(ctx), *in.RestApiId, st)
	})
}

func (s *Service) getStage(ctx context.Context, in *api.GetStageRequest) (*api.Stage, error) {
	return view(ctx, s, func(r store.Reader) (*api.Stage, error) {
		return readStage(ctx, r, scope(ctx), *in.RestApiId, *in.StageName)
	})
}

func (s *Service) getStages(ctx context.Context, in *api.GetStagesRequest) (*api.Stages, error) {
	return view(ctx, s, func(r store.Reader) (*api.Stages, error) {
		if _, err := lookup(ctx, r, in.RestApiId); err != nil {
			return nil, err
		}
		out := &api.Stages{Item: []api.Stage{}}
		for e, err := range stages.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{*in.RestApiId}}) {
			if err != nil {
				return nil, err
			}
			var st api.Stage
			if err := json.Unmarshal(e.Record, &st); err != nil {
				return nil, err
			}
			if in.DeploymentId == nil || *in.DeploymentId == *st.DeploymentId {
				out.Item = append(out.Item, st)
			}
		}
		return out, nil
	})
}

func (s *Service) deleteStage(ctx context.Context, in *api.DeleteStageRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		if err := require(ctx, tx, stages, noStage(), *in.RestApiId, *in.StageName); err != nil {
			return err
		}
		return errors.Join(stages.Delete(tx, scope(ctx), *in.RestApiId, *in.StageName), leavePlans(ctx, tx, *in.RestApiId, *in.StageName))
	})
}

func (s *Service) updateStage(ctx context.Context, in *api.UpdateStageRequest) (*api.Stage, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.Stage, error) {
		st, err := readStage(ctx, tx, scope(ctx), *in.RestApiId, *in.StageName)
		if err != nil {
			return nil, err
		}
		for _, p := range ops {
			if err := s.patchStage(ctx, tx, *in.RestApiId, st, p); err != nil {
				return nil, err
			}
		}
		st.LastUpdatedDate = s.now()
		return st, writeStage(tx, scope(ctx), *in.RestApiId, st)
	})
}

// patchStage applies one patch.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateStage-Patch
func (s *Service) patchStage(ctx context.Context, tx store.Tx, apiID string, st *api.Stage, p patch) error {
	if p.op == "copy" {
		return promote(st, p)
	}
	switch p.parts[0] {
	case "variables":
		if len(p.parts) != 2 {
			return badSetting(p.path)
		}
		if err := checkVariables(map[string]string{p.parts[1]: p.value}); err != nil {
			return err
		}
		if st.Variables = entry(st.Variables, p.parts[1], p, p.value); len(st.Variables) == 0 {
			st.Variables = nil
		}
		return nil
	case "accessLogSettings":
		return patchAccessLog(st, p)
	case "canarySettings":
		return patchCanary(ctx, tx, apiID, st, p)
	}
	switch p.path {
	case "/deploymentId":
		if err := require(ctx, tx, deployments, noDeployment(), apiID, p.value); err != nil {
			return err
		}
		st.DeploymentId = &p.value
	case "/description":
		st.Description = p.text()
	case "/documentationVersion":
		st.DocumentationVersion = p.text()
	case "/clientCertificateId":
		if st.ClientCertificateId = p.text(); st.ClientCertificateId != nil {
			return require(ctx, tx, clientCertificates, noCertificate(), p.value)
		}
	case "/tracingEnabled":
		st.TracingEnabled = p.flag()
	case "/cacheClusterEnabled":
		setCache(st, p.flag(), nil)
	case "/cacheClusterSize":
		if !slices.Contains([]string{"0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237"}, p.value) {
			return api.BadRequestException("Invalid cache cluster size specified: %s", p.value)
		}
		setCache(st, nil, &p.value)
	default:
		return s.patchSetting(ctx, tx, st, p)
	}
	return nil
}

func patchAccessLog(st *api.Stage, p patch) error {
	whole := strings.TrimPrefix(p.path, "/")
	log := api.AccessLogSettings{}
	if st.AccessLogSettings != nil {
		log = *st.AccessLogSettings
	}
	field := map[string]**string{"accessLogSettings/destinationArn": &log.DestinationArn, "accessLogSettings/format": &log.Format}[whole]
	switch {
	case p.op == "remove" && whole == "accessLogSettings":
		st.AccessLogSettings = nil
		return nil
	case p.op == "remove":
		return noSetting(whole)
	case field == nil:
		return api.BadRequestException("Invalid accessLogSettings path. Must be one of : [/accessLogSettings/destinationArn, /accessLogSettings/format]")
	case p.value == "":
		return api.BadRequestException("Access Log value must not be empty")
	}
	if field == &log.DestinationArn {
		if _, ok := aws.ParseARN(p.value); !ok {
			return api.BadRequestException("Invalid ARN. ARN is not well formed %s", p.value)
		}
	}
	*field = &p.value
	if err := checkAccessLog(&log); err != nil {
		return err
	}
	st.AccessLogSettings = &log
	return nil
}
