package events

import (
	"context"
	"errors"
	"strings"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxTargets is how many a rule may have.
const maxTargets = 5

func (s *Service) putTargets(ctx context.Context, in *api.PutTargetsRequest) (*api.PutTargetsResponse, error) {
	at := refBus(ctx, in.EventBusName)
	for i := range in.Targets {
		if err := checkTarget(&in.Targets[i]); err != nil {
			return nil, err
		}
	}
	out := &api.PutTargetsResponse{FailedEntries: []api.PutTargetsResultEntry{}, FailedEntryCount: new(int32(0))}
	return out, s.Store.Update(ctx, func(tx store.Tx) error {
		r, err := getRule(ctx, tx, at, *in.Rule)
		if err != nil {
			return err
		}
		if c := aws.RequestOf(ctx).Caller; r.ManagedBy != "" && c.ARN != r.ManagedBy {
			return managed(r.Name)
		}
		ids := map[string]bool{}
		for e, err := range targets.List(ctx, tx, at.scope, store.ListOptions{Prefix: []any{at.name, r.Name}}) {
			if err != nil {
				return err
			}
			ids[e.Key.String(2)] = true
		}
		for i := range in.Targets {
			t := &in.Targets[i]
			if ids[*t.Id] {
				if err := removeTarget(ctx, tx, at, r.Name, *t.Id); err != nil {
					return err
				}
			}
			ids[*t.Id] = true
			if err := targets.Put(tx, at.scope, *t, at.name, r.Name, *t.Id); err != nil {
				return err
			}
			if err := byTarget.Put(tx, at.scope, nil, at.name, *t.Arn, r.Name, *t.Id); err != nil {
				return err
			}
		}
		if len(ids) > maxTargets {
			return exceeded()
		}
		return changed(ctx, tx, at, change{Rule: r.Name})
	})
}

// removeTarget takes a target that is there away.
func removeTarget(ctx context.Context, tx store.Tx, at busRef, rule, id string) error {
	t, err := targets.Get(ctx, tx, at.scope, at.name, rule, id)
	if err != nil {
		return err
	}
	if err := byTarget.Delete(tx, at.scope, at.name, *t.Arn, rule, id); err != nil {
		return err
	}
	return targets.Delete(tx, at.scope, at.name, rule, id)
}

func (s *Service) removeTargets(ctx context.Context, in *api.RemoveTargetsRequest) (*api.RemoveTargetsResponse, error) {
	at := refBus(ctx, in.EventBusName)
	out := &api.RemoveTargetsResponse{}
	return out, s.Store.Update(ctx, func(tx store.Tx) error {
		out.FailedEntries, out.FailedEntryCount = []api.RemoveTargetsResultEntry{}, new(int32(0))
		r, err := getRule(ctx, tx, at, *in.Rule)
		if err != nil {
			return err
		}
		if c := aws.RequestOf(ctx).Caller; r.ManagedBy != "" && c.ARN != r.ManagedBy && !aws.Value(in.Force) {
			return managed(r.Name)
		}
		for _, id := range in.Ids {
			switch err := removeTarget(ctx, tx, at, r.Name, id); {
			case errors.Is(err, store.ErrNotFound):
				// AWS answers with success: what was to be gone is gone.
			case err != nil:
				return err
			}
		}
		return changed(ctx, tx, at, change{Rule: r.Name})
	})
}

func (s *Service) listTargetsByRule(ctx context.Context, in *api.ListTargetsByRuleRequest) (*api.ListTargetsByRuleResponse, error) {
	at := refBus(ctx, in.EventBusName)
	p, err := newPage(nil, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListTargetsByRuleResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		if _, err := getRule(ctx, r, at, *in.Rule); err != nil {
			return err
		}
		out.Targets = []api.Target{}
		out.NextToken, err = walk(ctx, r, targets, at.scope, []any{at.name, *in.Rule}, p, func(_ string, t *api.Target) bool {
			out.Targets = append(out.Targets, *t)
			return true
		})
		return err
	})
}

// needRole are the services that have no policies of resources, so that EventBridge calls
// them as a role.
var needRole = map[string]bool{"kinesis": true, "firehose": true, "states": true, "ecs": true, "batch": true, "codebuild": true, "codepipeline": true,
	"ssm": true, "sagemaker": true, "redshift": true, "redshift-serverless": true, "glue": true, "appsync": true}

// checkTarget refuses what no target can be.
func checkTarget(t *api.Target) error {
	a, ok := aws.ParseARN(*t.Arn)
	if !ok || a.Service == "" {
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", *t.Arn)
	}
	ways := 0
	for _, given := range []bool{t.Input != nil, t.InputPath != nil, t.InputTransformer != nil} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		return invalid("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", *t.Id)
	case needRole[a.Service] && t.RoleArn == nil || isDestination(a) && t.RoleArn == nil:
		return invalid("RoleArn is required for target %s.", *t.Arn)
	case t.Input != nil && !validJSON(*t.Input):
		return invalid("JSON syntax error in input for target %s: not valid JSON", *t.Id)
	}
	if t.InputPath != nil {
		if _, ok := parsePath(*t.InputPath); !ok {
			return invalid("Invalid InputPath for target %s : [Reason: %s is not a valid JSON path]", *t.Id, *t.InputPath)
		}
	}
	if err := checkTransformer(t); err != nil {
		return err
	}
	return checkParameters(t, a)
}

// checkParameters refuses parameters that do not fit the kind of target.
func checkParameters(t *api.Target, a aws.ARN) error {
	fifo := a.Service == "sqs" && strings.HasSuffix(a.Resource, ".fifo")
	switch {
	case t.SqsParameters != nil && a.Service != "sqs":
		return invalid("Parameter SqsParameters is not valid for target %s.", *t.Id)
	case fifo && (t.SqsParameters == nil || aws.Value(t.SqsParameters.MessageGroupId) == ""):
		return invalid("Parameter(s) SqsParameters must be specified for target: %s.", *t.Id)
	case t.KinesisParameters != nil && a.Service != "kinesis":
		return invalid("Parameter KinesisParameters is not valid for target %s.", *t.Id)
	case a.Service == "ecs" && t.EcsParameters == nil:
		return invalid("Parameter(s) EcsParameters must be specified for target: %s.", *t.Id)
	case a.Service == "batch" && t.BatchParameters == nil:
		return invalid("Parameter(s) BatchParameters must be specified for target: %s.", *t.Id)
	}
	if t.KinesisParameters != nil {
		if _, ok := parsePath(*t.KinesisParameters.PartitionKeyPath); !ok {
			return invalid("Invalid PartitionKeyPath for target %s.", *t.Id)
		}
	}
	if d := t.DeadLetterConfig; d != nil && d.Arn != nil {
		if q, ok := aws.ParseARN(*d.Arn); !ok || q.Service != "sqs" {
			return invalid("Parameter DeadLetterConfig.Arn is not valid. Reason: Dead letter queue must be an SQS queue.")
		}
	}
	return nil
}

// isDestination reports whether an ARN is an API destination's.
func isDestination(a aws.ARN) bool {
	return a.Service == "events" && strings.HasPrefix(a.Resource, "api-destination/")
}
