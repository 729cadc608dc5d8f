package events

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/events/cron"
	"github.com/tule-cloud/tule/svc/events/pattern"
)

// rule is what is kept of one.
type rule struct {
	Name        string
	Description string            `json:",omitempty"`
	Pattern     string            `json:",omitempty"`
	Schedule    string            `json:",omitempty"`
	State       string            // one of api.RuleState…
	Role        string            `json:",omitempty"`
	ManagedBy   string            `json:",omitempty"` // the service whose rule it is
	CreatedBy   string            // the account
	Tags        map[string]string `json:",omitempty"`
	// Since is when the schedule began, from which a rate counts; Due when it is due next,
	// zero for never.
	Since time.Time `json:",omitzero"`
	Due   time.Time `json:",omitzero"`
}

func (r *rule) enabled() bool { return r.State != api.RuleStateDisabled }

func noRule(at busRef, name string) error {
	return api.ResourceNotFoundException("Rule %s does not exist on EventBus %s.", name, at.name)
}

// getRule reads a rule of a bus that is there.
func getRule(ctx context.Context, r store.Reader, at busRef, name string) (rule, error) {
	if _, err := getBus(ctx, r, at); err != nil {
		return rule{}, err
	}
	found, err := rules.Get(ctx, r, at.scope, at.name, name)
	if errors.Is(err, store.ErrNotFound) {
		return found, noRule(at, name)
	}
	return found, err
}

// checkPattern refuses what is no pattern.
func checkPattern(text string) error {
	if _, err := pattern.Parse(text); err != nil {
		return api.InvalidEventPatternException("Event pattern is not valid. Reason: %s", err)
	}
	return nil
}

// parseSchedule reads the schedule of a rule.
func parseSchedule(text string) (cron.Expression, error) {
	e, ok := cron.Parse(text)
	if !ok || e.Kind == cron.At || e.Kind == cron.Rate && !e.Agrees {
		return e, invalid("Parameter ScheduleExpression is not valid.")
	}
	return e, nil
}

func (s *Service) putRule(ctx context.Context, in *api.PutRuleRequest) (*api.PutRuleResponse, error) {
	at := refBus(ctx, in.EventBusName)
	r := rule{Name: *in.Name, Description: aws.Value(in.Description), Pattern: aws.Value(in.EventPattern), Schedule: aws.Value(in.ScheduleExpression),
		State: api.RuleStateEnabled, Role: aws.Value(in.RoleArn), CreatedBy: aws.RequestOf(ctx).Account()}
	if in.State != nil {
		r.State = *in.State
	}
	switch {
	case r.Pattern == "" && r.Schedule == "":
		return nil, invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case r.Schedule != "" && at.name != defaultBus:
		return nil, invalid("ScheduleExpression is supported only on the default event bus.")
	}
	if r.Pattern != "" {
		if err := checkPattern(r.Pattern); err != nil {
			return nil, err
		}
	}
	if r.Schedule != "" {
		if _, err := parseSchedule(r.Schedule); err != nil {
			return nil, err
		}
	}
	if c := aws.RequestOf(ctx).Caller; c.Kind == aws.ServiceSelf {
		r.ManagedBy = c.ARN
	}
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	r.Tags = tags
	err = s.Store.Update(ctx, func(tx store.Tx) error { return s.keepRule(ctx, tx, at, r) })
	if err != nil {
		return nil, err
	}
	s.poke()
	return &api.PutRuleResponse{RuleArn: new(at.ruleARN(r.Name))}, nil
}

// maxRules is how many a bus may have. AWS's quota of 300 can be raised; to this.
const maxRules = 50_000

// keepRule writes a rule in the stead of one of its name, whose tags it keeps.
func (s *Service) keepRule(ctx context.Context, tx store.Tx, at busRef, r rule) error {
	if _, err := getBus(ctx, tx, at); err != nil {
		return err
	}
	old, err := rules.Get(ctx, tx, at.scope, at.name, r.Name)
	switch {
	case err == nil:
		if old.ManagedBy != "" && old.ManagedBy != r.ManagedBy {
			return managed(r.Name)
		}
		r.Tags, r.CreatedBy = old.Tags, old.CreatedBy
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	return s.writeRule(ctx, tx, at, &old, r)
}

func managed(name string) error {
	return api.ManagedRuleException("Rule %s can't be modified since it is a managed rule.", name)
}

// writeRule writes a rule, says when it is due, and tells those who keep a view of its bus.
func (s *Service) writeRule(ctx context.Context, tx store.Tx, at busRef, old *rule, r rule) error {
	if err := s.plan(tx, at, old, &r); err != nil {
		return err
	}
	if err := changed(ctx, tx, at, change{Rule: r.Name}); err != nil {
		return err
	}
	return rules.Put(tx, at.scope, r, at.name, r.Name)
}

func (s *Service) deleteRule(ctx context.Context, in *api.DeleteRuleRequest) (*aws.Empty, error) {
	at := refBus(ctx, in.EventBusName)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := getBus(ctx, tx, at); err != nil {
			return err
		}
		r, err := rules.Get(ctx, tx, at.scope, at.name, *in.Name)
		if errors.Is(err, store.ErrNotFound) {
			return nil // deleting is idempotent
		}
		if err != nil {
			return err
		}
		if r.ManagedBy != "" && !aws.Value(in.Force) {
			return managed(r.Name)
		}
		for _, err := range targets.List(ctx, tx, at.scope, store.ListOptions{Prefix: []any{at.name, r.Name}, Limit: 1}) {
			if err != nil {
				return err
			}
			return invalid("Rule can't be deleted since it has targets.")
		}
		if err := undue(tx, at, &r); err != nil {
			return err
		}
		if err := changed(ctx, tx, at, change{Rule: r.Name}); err != nil {
			return err
		}
		return rules.Delete(tx, at.scope, at.name, r.Name)
	})
}

func (s *Service) describeRule(ctx context.Context, in *api.DescribeRuleRequest) (*api.DescribeRuleResponse, error) {
	at := refBus(ctx, in.EventBusName)
	var found rule
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		found, err = getRule(ctx, r, at, *in.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeRuleResponse{Arn: new(at.ruleARN(found.Name)), CreatedBy: &found.CreatedBy, Description: text(found.Description), EventBusName: &at.name,
		EventPattern: text(found.Pattern), ManagedBy: text(found.ManagedBy), Name: &found.Name, RoleArn: text(found.Role), ScheduleExpression: text(found.Schedule), State: &found.State}, nil
}

func (s *Service) enableRule(ctx context.Context, in *api.EnableRuleRequest) (*aws.Empty, error) {
	return nil, s.setState(ctx, refBus(ctx, in.EventBusName), *in.Name, api.RuleStateEnabled)
}

func (s *Service) disableRule(ctx context.Context, in *api.DisableRuleRequest) (*aws.Empty, error) {
	return nil, s.setState(ctx, refBus(ctx, in.EventBusName), *in.Name, api.RuleStateDisabled)
}

func (s *Service) setState(ctx context.Context, at busRef, name, state string) error {
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		old, err := getRule(ctx, tx, at, name)
		if err != nil {
			return err
		}
		if c := aws.RequestOf(ctx).Caller; old.ManagedBy != "" && c.ARN != old.ManagedBy {
			return managed(name)
		}
		r := old
		if r.State = state; state == api.RuleStateEnabled && old.enabled() {
			return nil // whichever way it is
		}
		return s.writeRule(ctx, tx, at, &old, r)
	})
	s.poke()
	return err
}

func (s *Service) listRules(ctx context.Context, in *api.ListRulesRequest) (*api.ListRulesResponse, error) {
	at := refBus(ctx, in.EventBusName)
	p, err := newPage(in.NamePrefix, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListRulesResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		if _, err := getBus(ctx, r, at); err != nil {
			return err
		}
		out.Rules = []api.Rule{}
		out.NextToken, err = walk(ctx, r, rules, at.scope, []any{at.name}, p, func(name string, r *rule) bool {
			out.Rules = append(out.Rules, api.Rule{Arn: new(at.ruleARN(name)), Description: text(r.Description), EventBusName: &at.name, EventPattern: text(r.Pattern),
				ManagedBy: text(r.ManagedBy), Name: &name, RoleArn: text(r.Role), ScheduleExpression: text(r.Schedule), State: &r.State})
			return true
		})
		return err
	})
}

func (s *Service) listRuleNamesByTarget(ctx context.Context, in *api.ListRuleNamesByTargetRequest) (*api.ListRuleNamesByTargetResponse, error) {
	at := refBus(ctx, in.EventBusName)
	p, err := newPage(nil, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListRuleNamesByTargetResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		if _, err := getBus(ctx, r, at); err != nil {
			return err
		}
		out.RuleNames, out.NextToken = []string{}, nil
		o := store.ListOptions{Prefix: []any{at.name, *in.TargetArn}}
		last := ""
		for e, err := range byTarget.List(ctx, r, at.scope, o) {
			if err != nil {
				return err
			}
			name := e.Key.String(2)
			if name == last || p.after != "" && name <= p.after {
				continue // a rule may have a target twice
			}
			if len(out.RuleNames) == p.limit {
				out.NextToken = new(aws.Token(last))
				return nil
			}
			out.RuleNames, last = append(out.RuleNames, name), name
		}
		return nil
	})
}

// required are the fields that an event to be tested must have.
var required = []string{"id", "account", "source", "time", "region", "detail-type"}

func (s *Service) testEventPattern(_ context.Context, in *api.TestEventPatternRequest) (*api.TestEventPatternResponse, error) {
	p, err := pattern.Parse(*in.EventPattern)
	if err != nil {
		return nil, api.InvalidEventPatternException("Event pattern is not valid. Reason: %s", err)
	}
	e, err := pattern.ParseEvent(*in.Event)
	if err != nil || strings.TrimSpace(*in.Event) == "" {
		return nil, invalid("Parameter Event is not valid.")
	}
	for _, name := range required {
		if !e.Has(name) {
			return nil, invalid("Parameter Event is not valid.")
		}
	}
	return &api.TestEventPatternResponse{Result: new(p.Matches(e))}, nil
}
