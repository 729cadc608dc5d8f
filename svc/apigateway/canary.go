package apigateway

import (
	"context"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A canary is a second deployment on a stage, for a part of its traffic, with some
// variables of its own.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/canary-release.html

func checkCanary(c *api.CanarySettings) error {
	if c == nil {
		return nil
	}
	if p := aws.Value(c.PercentTraffic); math.IsNaN(p) || p < 0 || p > 100 {
		return api.BadRequestException("Percent traffic must be between 0.0 and 100.0")
	}
	return checkVariables(c.StageVariableOverrides)
}

// deployCanary makes a deployment the canary of a stage, which must be there.
func (s *Service) deployCanary(ctx context.Context, tx store.Tx, in *api.CreateDeploymentRequest, id string) error {
	if aws.Value(in.StageName) == "" {
		return api.BadRequestException("Canary deployments require a stage")
	}
	st, err := readStage(ctx, tx, scope(ctx), *in.RestApiId, *in.StageName)
	if err != nil {
		return err
	}
	from := in.CanarySettings
	st.CanarySettings = &api.CanarySettings{DeploymentId: &id, PercentTraffic: ptr(aws.Value(from.PercentTraffic)),
		StageVariableOverrides: from.StageVariableOverrides, UseStageCache: ptr(aws.Value(from.UseStageCache))}
	if err := checkCanary(st.CanarySettings); err != nil {
		return err
	}
	st.LastUpdatedDate = s.now()
	return writeStage(tx, scope(ctx), *in.RestApiId, st)
}

// patchCanary changes a stage's canary.
func patchCanary(ctx context.Context, r store.Reader, apiID string, st *api.Stage, p patch) error {
	if p.op == "remove" && len(p.parts) == 1 {
		st.CanarySettings = nil
		return nil
	}
	c := api.CanarySettings{PercentTraffic: ptr(0.0), UseStageCache: ptr(false), DeploymentId: st.DeploymentId}
	if st.CanarySettings != nil {
		c = *st.CanarySettings
	}
	switch {
	case p.path == "/canarySettings/percentTraffic":
		f, err := strconv.ParseFloat(p.value, 64)
		if err != nil {
			return api.BadRequestException("Invalid percent traffic specified: %s", p.value)
		}
		c.PercentTraffic = &f
	case p.path == "/canarySettings/useStageCache":
		c.UseStageCache = p.flag()
	case p.path == "/canarySettings/deploymentId":
		if err := require(ctx, r, deployments, noDeployment(), apiID, p.value); err != nil {
			return err
		}
		c.DeploymentId = &p.value
	case p.op == "remove" && p.path == "/canarySettings/stageVariableOverrides":
		c.StageVariableOverrides = nil
	case len(p.parts) == 3 && p.parts[1] == "stageVariableOverrides":
		c.StageVariableOverrides = entry(maps.Clone(c.StageVariableOverrides), p.parts[2], p, p.value)
	default:
		return badPath(p.path)
	}
	if err := checkCanary(&c); err != nil {
		return err
	}
	st.CanarySettings = &c
	return nil
}

// promote copies what is the canary's to the stage.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/promote-canary-deployment.html
func promote(st *api.Stage, p patch) error {
	c := st.CanarySettings
	if c == nil {
		return api.BadRequestException("Promotion of a canary needs a canary: the stage has none")
	}
	switch {
	case p.from == "/canarySettings/deploymentId" && p.path == "/deploymentId":
		st.DeploymentId = c.DeploymentId
	case p.from == "/canarySettings/stageVariableOverrides" && p.path == "/variables":
		variables := maps.Clone(st.Variables)
		if variables == nil {
			variables = map[string]string{}
		}
		maps.Copy(variables, c.StageVariableOverrides)
		if st.Variables = variables; len(variables) == 0 {
			st.Variables = nil
		}
	default:
		return api.BadRequestException("Invalid copy operation from '%s' to '%s'", p.from, p.path)
	}
	return nil
}

// shows reports whether a stage, or its canary, shows a deployment.
func shows(st *api.Stage, id string) bool {
	of := []string{aws.Value(st.DeploymentId)}
	if st.CanarySettings != nil {
		of = append(of, aws.Value(st.CanarySettings.DeploymentId))
	}
	return slices.Contains(of, id)
}

// pick is what answers a request: the stage's deployment, or as often as is asked for
// its canary's. The dice are two bytes.
func (st *staged) pick(dice []byte) (p *program, variables map[string]string, canary bool) {
	if st.canary == nil {
		return st.program, st.variables, false
	}
	part := aws.Value(st.stage.CanarySettings.PercentTraffic) / 100
	if float64(binary.BigEndian.Uint16(dice))/(1<<16) < part {
		return st.canary, st.canaryVariables, true
	}
	return st.program, st.variables, false
}

// postLog sends a request's execution log to its group, and a canary's to its own, too.
func (x *exchange) postLog(ctx context.Context, st *staged) {
	if len(x.log.lines) == 0 {
		return
	}
	events := x.log.events()
	x.s.logs.Take(ctx, executionLog(st.owner, x.program.apiID, x.stageName), events...)
	if x.canary {
		x.s.logs.Take(ctx, executionLog(st.owner, x.program.apiID, strings.TrimSuffix(x.stageName, "/")+"/Canary"), events...)
	}
}
