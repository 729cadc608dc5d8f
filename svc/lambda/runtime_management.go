package lambda

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// When a function's runtime is updated can be said and is kept. There is one version of
// each runtime, the machine's, which its operator updates for all functions at once: so
// none other can be pinned.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html

// runtimeVersion is the ARN of the one version of a runtime.
func runtimeVersion(scope store.Scope, runtime string) string {
	sum := sha256.Sum256([]byte("runtime " + runtime))
	return aws.NewARN("lambda", scope.Region, "", "runtime:"+hex.EncodeToString(sum[:])).String()
}

// updateOn is when a version's runtime is updated.
func (v *version) updateOn() string {
	if v.UpdateOn == "" {
		return api.UpdateRuntimeOnAuto
	}
	return v.UpdateOn
}

// pinned is the ARN of the runtime that a version keeps; nil for none.
func (v *version) pinned(scope store.Scope) *string {
	if v.UpdateOn != api.UpdateRuntimeOnManual {
		return nil
	}
	return ptr(runtimeVersion(scope, v.Runtime))
}

func (s *Service) getRuntimeManagementConfig(ctx context.Context, in *api.GetRuntimeManagementConfigRequest) (*api.GetRuntimeManagementConfigResponse, error) {
	t, err := s.find(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return &api.GetRuntimeManagementConfigResponse{FunctionArn: ptr(t.shown()), UpdateRuntimeOn: ptr(t.version.updateOn()), RuntimeVersionArn: t.version.pinned(t.at.scope)}, nil
}

func (s *Service) putRuntimeManagementConfig(ctx context.Context, in *api.PutRuntimeManagementConfigRequest) (*api.PutRuntimeManagementConfigResponse, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	manual, given := *in.UpdateRuntimeOn == api.UpdateRuntimeOnManual, aws.Value(in.RuntimeVersionArn)
	if manual != (given != "") {
		return nil, invalid("RuntimeVersionArn must be provided when UpdateRuntimeOn is Manual, and only then.")
	}
	var v version
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := s.resolve(ctx, tx, at, qualifier)
		if err != nil {
			return err
		}
		if t.alias != nil {
			return invalid("Runtime management configurations are of functions and versions, and not of aliases.")
		}
		v = *t.version
		if manual && given != runtimeVersion(at.scope, v.Runtime) {
			return invalid("Runtime version %s is not there. This machine's version of %s is %s.", given, v.Runtime, runtimeVersion(at.scope, v.Runtime))
		}
		v.UpdateOn = *in.UpdateRuntimeOn
		if v.Number > 0 {
			return put(tx, versionRecords, at.scope, &v, at.name, v.Number)
		}
		f := *t.function
		f.Latest = v
		return put(tx, functionRecords, at.scope, &f, at.name)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutRuntimeManagementConfigResponse{FunctionArn: ptr(at.arn(qualifier)), UpdateRuntimeOn: in.UpdateRuntimeOn, RuntimeVersionArn: v.pinned(at.scope)}, nil
}
