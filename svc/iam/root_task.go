package iam

import (
	"context"
	"encoding/json"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// taskKey is the condition key by which the sessions are known that AssumeRoot gives of
// another account's root.
const taskKey = "aws:AssumedRoot"

// onTask reports whether a root was lent for a task.
func onTask(c *aws.Caller) bool { return c.Kind == aws.Root && c.Keys[taskKey] != nil }

// taskLimits are what keeps such a root to its tasks. No policy has to allow a root what it
// does, so the policies of tasks are turned round: what they do not name is denied.
func (s *Service) taskLimits(ctx context.Context, c *aws.Caller) ([]policy.Source, error) {
	out := make([]policy.Source, 0, len(c.SessionPolicies))
	return out, s.store.View(ctx, func(r store.Reader) error {
		out = out[:0]
		for _, arn := range c.SessionPolicies {
			p, err := s.managed(ctx, r, c.Account, arn)
			if err != nil && aws.CodeOf(err) == "" {
				return err
			}
			limit := policy.Source{ID: arn} // denies everything
			if err == nil && p.inForce() != nil {
				if text := turnRound(p.inForce().Document); text != "" {
					limit = s.compile(arn, text)
				}
			}
			out = append(out, limit)
		}
		return nil
	})
}

// turnRound makes of a policy that allows some actions on everything one that denies all
// others; "" of any other.
func turnRound(document string) string {
	type statement struct {
		Effect            string
		Action, NotAction []string `json:",omitempty"`
		Resource          string
		Condition         any `json:",omitempty"`
	}
	var read struct{ Statement []statement }
	if err := json.Unmarshal([]byte(document), &read); err != nil || len(read.Statement) == 0 {
		return ""
	}
	limit := statement{Effect: "Deny", Resource: "*"}
	for _, s := range read.Statement {
		if s.Effect != "Allow" || s.Resource != "*" || len(s.Action) == 0 || s.NotAction != nil || s.Condition != nil {
			return ""
		}
		limit.NotAction = append(limit.NotAction, s.Action...)
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []statement{limit}})
	if err != nil {
		return ""
	}
	return string(text)
}
