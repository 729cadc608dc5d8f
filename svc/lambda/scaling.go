package lambda

import (
	"context"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A scaling is how many environments a version has that is on a capacity provider: at least so
// many are kept started, and no more run at once. Nil is no bound.
type scaling struct {
	Min *int32 `json:",omitempty"`
	Max *int32 `json:",omitempty"`
}

// off reports whether the version may have no environment.
func (c *scaling) off() bool { return c != nil && c.Max != nil && *c.Max == 0 }

func (c *scaling) shown() *api.FunctionScalingConfig {
	if c == nil {
		return nil
	}
	return &api.FunctionScalingConfig{MinExecutionEnvironments: c.Min, MaxExecutionEnvironments: c.Max}
}

// state is a version's.
func (v *version) state() string {
	if v.Scaling.off() {
		return api.StateDeactivated
	}
	return api.StateActive
}

// atLeast is how many environments of a version are to be kept started.
func (v *version) atLeast() int {
	if v.Scaling == nil {
		return 0
	}
	return int(aws.Value(v.Scaling.Min))
}

// scaled reads a version that can be scaled, which is one that has a capacity provider.
// $LATEST.PUBLISHED is none yet: nothing publishes to it.
func (s *Service) scaled(ctx context.Context, r store.Reader, at ref, qualifier string) (*target, error) {
	t, err := s.resolve(ctx, r, at, qualifier)
	if err == nil && t.version.Provider == nil {
		err = invalid("The function %s is not configured with a capacity provider.", at.arn(qualifier))
	}
	return t, err
}

func (s *Service) putFunctionScalingConfig(ctx context.Context, in *api.PutFunctionScalingConfigRequest) (*api.PutFunctionScalingConfigResponse, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	var want *scaling
	if c := in.FunctionScalingConfig; c != nil {
		want = &scaling{c.MinExecutionEnvironments, c.MaxExecutionEnvironments}
		if want.Min != nil && want.Max != nil && *want.Min > *want.Max {
			return nil, invalid("MinExecutionEnvironments must not be greater than MaxExecutionEnvironments.")
		}
	}
	var v version
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := s.scaled(ctx, tx, at, qualifier)
		if err != nil {
			return err
		}
		v = *t.version
		v.Scaling = want
		return put(tx, versionRecords, at.scope, &v, at.name, v.Number)
	})
	if err != nil {
		return nil, err
	}
	s.provisioner.again(team{at, v.Number})
	return &api.PutFunctionScalingConfigResponse{FunctionState: ptr(v.state())}, nil
}

func (s *Service) getFunctionScalingConfig(ctx context.Context, in *api.GetFunctionScalingConfigRequest) (*api.GetFunctionScalingConfigResponse, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	var t *target
	err = s.Store.View(ctx, func(r store.Reader) error {
		t, err = s.scaled(ctx, r, at, qualifier)
		return err
	})
	if err != nil {
		return nil, err
	}
	c := t.version.Scaling.shown()
	return &api.GetFunctionScalingConfigResponse{FunctionArn: ptr(t.shown()), AppliedFunctionScalingConfig: c, RequestedFunctionScalingConfig: c}, nil
}

// scaledVersions adds what versions on capacity providers are to have started.
func (p *provisioner) scaledVersions(ctx context.Context, r store.Reader, n map[team]int, targets map[team]*target) error {
	for e, err := range versionRecords.All(ctx, r) {
		if err != nil {
			return err
		}
		v, err := p.s.records.versions.decode(e.Record)
		if err != nil {
			return err
		}
		if v.atLeast() == 0 {
			continue
		}
		of := team{ref{e.Scope, e.Key.String(0)}, v.Number}
		t, err := p.s.resolve(ctx, r, of.at, v.label())
		if err != nil {
			return err
		}
		n[of] = max(n[of], v.atLeast())
		targets[of] = t
	}
	return nil
}

// full reports whether no more invokes of a version may run: each has an environment of its
// own. The caller holds the fleet's mutex.
func (c *crew) full(v *version) bool {
	if v.Scaling == nil || v.Scaling.Max == nil {
		return false
	}
	n := 0
	for e := range c.all {
		if e.serving && e.version.Number == v.Number {
			n++
		}
	}
	return n >= int(*v.Scaling.Max)
}
