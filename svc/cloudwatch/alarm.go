package cloudwatch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudwatch/rule"
)

// An alarm watches a metric, or other alarms.
type alarm struct {
	Name      string
	Metric    *api.PutMetricAlarmInput    `json:",omitempty"` // one of these two
	Composite *api.PutCompositeAlarmInput `json:",omitempty"`
	Enabled   bool                        // its actions
	Created   time.Time
	Updated   time.Time // its configuration

	State, Reason, ReasonData string
	Previous                  state     // before it came into its state
	StateUpdated              time.Time // of the state, or of why
	Transitioned              time.Time // into the state

	// Of a composite alarm: actions for its state wait for its suppressor.
	Held                           bool   `json:",omitempty"`
	SuppressedBy, SuppressedReason string `json:",omitempty"`
	Triggers                       []trigger
	// Number counts the changes of state, so that each change's actions are its own.
	Number int
}

// A state is that of an alarm, and why it has it.
type state struct {
	Value, Reason, Data string
	At                  time.Time
}

// The states of alarms.
const (
	stateOK           = api.StateValueOk
	stateAlarm        = api.StateValueAlarm
	stateInsufficient = api.StateValueInsufficientData
	unchecked         = "Unchecked: Initial alarm creation"
)

func (a *alarm) kind() string {
	if a.Composite != nil {
		return api.AlarmTypeCompositeAlarm
	}
	return api.AlarmTypeMetricAlarm
}

func alarmARN(scope store.Scope, name string) string {
	return aws.NewARN("cloudwatch", scope.Region, scope.Account, "alarm:"+name).String()
}

// description is what its owner says of it.
func (a *alarm) description() *string {
	if a.Composite != nil {
		return a.Composite.AlarmDescription
	}
	return a.Metric.AlarmDescription
}

// actions are what is done when the alarm comes into a state.
func (a *alarm) actions(state string) []string {
	ok, alarm, insufficient := a.actionLists()
	switch state {
	case stateOK:
		return ok
	case stateAlarm:
		return alarm
	}
	return insufficient
}

func (a *alarm) actionLists() (ok, alarm, insufficient []string) {
	if c := a.Composite; c != nil {
		return c.OKActions, c.AlarmActions, c.InsufficientDataActions
	}
	return a.Metric.OKActions, a.Metric.AlarmActions, a.Metric.InsufficientDataActions
}

// alarmNamed reads an alarm; nil if there is none.
func alarmNamed(ctx context.Context, r store.Reader, scope store.Scope, name string) (*alarm, error) {
	a, err := alarms.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// putAlarm keeps a new alarm, or another configuration of one.
func (s *Service) putAlarm(ctx context.Context, a *alarm, tags []api.Tag, enabled *bool) error {
	scope := scopeOf(ctx)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		old, err := alarmNamed(ctx, tx, scope, a.Name)
		if err != nil {
			return err
		}
		now := s.Clock.Now()
		next := *a
		next.Enabled, next.Updated = value(enabled, true), now
		if old == nil {
			next.Created, next.StateUpdated, next.Transitioned = now, now, now
			next.State, next.Reason = stateInsufficient, unchecked
			if err := putTags(ctx, tx, scope, "alarm:"+a.Name, tags); err != nil {
				return err
			}
			return errors.Join(alarms.Put(tx, scope, next, a.Name), s.configured(tx, scope, &next, "Create", "created"))
		}
		if old.kind() != next.kind() {
			return validation("The alarm %s exists, and is a %s.", a.Name, old.kind())
		}
		next.Created, next.Number = old.Created, old.Number
		next.State, next.Reason, next.ReasonData = old.State, old.Reason, old.ReasonData
		next.Previous, next.StateUpdated, next.Transitioned = old.Previous, old.StateUpdated, old.Transitioned
		next.Held, next.SuppressedBy, next.SuppressedReason, next.Triggers = old.Held, old.SuppressedBy, old.SuppressedReason, old.Triggers
		return errors.Join(alarms.Put(tx, scope, next, a.Name), s.configured(tx, scope, &next, "Update", "updated"))
	})
	if err == nil {
		s.watch.poke()
	}
	return err
}

func (s *Service) deleteAlarms(ctx context.Context, in *api.DeleteAlarmsInput) (*aws.Empty, error) {
	scope := scopeOf(ctx)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		composites := 0
		for _, name := range in.AlarmNames {
			a, err := alarmNamed(ctx, tx, scope, name)
			if err != nil {
				return err
			}
			if a == nil {
				return api.ResourceNotFound("Alarm(s) not found: %s", name)
			}
			if a.Composite != nil {
				if composites++; composites > 1 {
					return validation("Only one composite alarm can be deleted at a time.")
				}
			}
			if err := errors.Join(alarms.Delete(tx, scope, name), dropTags(tx, scope, "alarm:"+name), s.configured(tx, scope, a, "Delete", "deleted")); err != nil {
				return err
			}
		}
		return nil
	})
	return nil, err
}

func (s *Service) setAlarmState(ctx context.Context, in *api.SetAlarmStateInput) (*aws.Empty, error) {
	if in.StateReasonData != nil && !validJSON(*in.StateReasonData) {
		return nil, api.InvalidFormatFault("TextNotJSON: StateReasonData is not valid JSON.")
	}
	scope := scopeOf(ctx)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		a, err := alarmNamed(ctx, tx, scope, *in.AlarmName)
		if err != nil {
			return err
		}
		if a == nil {
			return api.ResourceNotFound("The alarm %s does not exist.", *in.AlarmName)
		}
		return s.transition(ctx, tx, scope, a, state{*in.StateValue, *in.StateReason, aws.Value(in.StateReasonData), s.Clock.Now()})
	})
	if err == nil {
		s.watch.poke()
		s.outgoing.poke()
	}
	return nil, err
}

func (s *Service) enableAlarmActions(ctx context.Context, in *api.EnableAlarmActionsInput) (*aws.Empty, error) {
	return nil, s.enable(ctx, in.AlarmNames, true)
}

func (s *Service) disableAlarmActions(ctx context.Context, in *api.DisableAlarmActionsInput) (*aws.Empty, error) {
	return nil, s.enable(ctx, in.AlarmNames, false)
}

// enable lets alarms act, or not. Names without an alarm are left out, as on AWS.
func (s *Service) enable(ctx context.Context, names []string, on bool) error {
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		for _, name := range names {
			a, err := alarmNamed(ctx, tx, scope, name)
			if err != nil {
				return err
			}
			if a == nil || a.Enabled == on {
				continue
			}
			a.Enabled, a.Updated = on, s.Clock.Now()
			if err := errors.Join(alarms.Put(tx, scope, *a, name), s.configured(tx, scope, a, "Update", "updated")); err != nil {
				return err
			}
		}
		return nil
	})
}

// pageOf is how many a page has, where the request does not say.
func pageOf(asked *int32, most int) int { return int(value(asked, int32(most))) }

func (s *Service) describeAlarms(ctx context.Context, in *api.DescribeAlarmsInput) (*api.DescribeAlarmsOutput, error) {
	if len(in.AlarmNames) > 0 && in.AlarmNamePrefix != nil {
		return nil, validation("AlarmNames and AlarmNamePrefix can't be given together.")
	}
	types := in.AlarmTypes
	if len(types) == 0 {
		types = []string{api.AlarmTypeMetricAlarm}
		if len(in.AlarmNames) > 0 {
			types = []string{api.AlarmTypeMetricAlarm, api.AlarmTypeCompositeAlarm}
		}
	}
	var after string
	if in.NextToken != nil && !aws.ParseToken(*in.NextToken, &after) {
		return nil, api.InvalidNextToken("The next token is invalid.")
	}
	out := &api.DescribeAlarmsOutput{MetricAlarms: []api.MetricAlarm{}, CompositeAlarms: []api.CompositeAlarm{}}
	most, scope := pageOf(in.MaxRecords, 50), scopeOf(ctx)
	err := s.Store.View(ctx, func(r store.Reader) error {
		family, err := s.family(ctx, r, scope, in)
		if err != nil {
			return err
		}
		o, last := store.ListOptions{}, ""
		if after != "" {
			o.After = []any{after}
		}
		for e, err := range alarms.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			a := &e.Record
			if !slices.Contains(types, a.kind()) || !a.wanted(in) || family != nil && !family[a.Name] {
				continue
			}
			if len(out.MetricAlarms)+len(out.CompositeAlarms) == most {
				out.NextToken = new(aws.Token(last))
				return nil
			}
			last = a.Name
			switch {
			case in.ChildrenOfAlarmName != nil || in.ParentsOfAlarmName != nil:
				a.brief(scope, out)
			case a.Composite != nil:
				out.CompositeAlarms = append(out.CompositeAlarms, a.composite(scope))
			default:
				out.MetricAlarms = append(out.MetricAlarms, a.metric(scope))
			}
		}
		return nil
	})
	return out, err
}

// wanted reports whether a request's filters let an alarm through.
func (a *alarm) wanted(in *api.DescribeAlarmsInput) bool {
	if len(in.AlarmNames) > 0 && !slices.Contains(in.AlarmNames, a.Name) || !strings.HasPrefix(a.Name, aws.Value(in.AlarmNamePrefix)) {
		return false
	}
	if in.StateValue != nil && a.State != *in.StateValue {
		return false
	}
	if in.ActionPrefix == nil {
		return true
	}
	for _, list := range [][]string{a.actions(stateOK), a.actions(stateAlarm), a.actions(stateInsufficient)} {
		if slices.ContainsFunc(list, func(x string) bool { return strings.HasPrefix(x, *in.ActionPrefix) }) {
			return true
		}
	}
	return false
}

// family are the alarms that one alarm's rule names, or those whose rules name it; nil
// where the request does not ask for them.
func (s *Service) family(ctx context.Context, r store.Reader, scope store.Scope, in *api.DescribeAlarmsInput) (map[string]bool, error) {
	if in.ChildrenOfAlarmName == nil && in.ParentsOfAlarmName == nil {
		return nil, nil
	}
	out := map[string]bool{}
	if in.ChildrenOfAlarmName != nil {
		a, err := alarmNamed(ctx, r, scope, *in.ChildrenOfAlarmName)
		if err != nil || a == nil || a.Composite == nil {
			return out, err
		}
		for _, name := range a.children() {
			out[name] = true
		}
		in.AlarmTypes = nil
		return out, nil
	}
	for e, err := range alarms.List(ctx, r, scope, store.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		if slices.Contains(e.Record.children(), *in.ParentsOfAlarmName) {
			out[e.Record.Name] = true
		}
	}
	return out, nil
}

// children are the names of the alarms in a composite alarm's rule.
func (a *alarm) children() []string {
	if a.Composite == nil {
		return nil
	}
	parsed, err := rule.Parse(*a.Composite.AlarmRule)
	if err != nil {
		return nil
	}
	names := map[string]bool{}
	for _, n := range parsed.Alarms {
		names[alarmName(n)] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// alarmName is the name of an alarm that was given by its name or its ARN.
func alarmName(nameOrARN string) string {
	if a, ok := aws.ParseARN(nameOrARN); ok {
		return strings.TrimPrefix(a.Resource, "alarm:")
	}
	return nameOrARN
}

// brief adds what is told of alarms in a family: name, ARN, state and when.
func (a *alarm) brief(scope store.Scope, out *api.DescribeAlarmsOutput) {
	arn := alarmARN(scope, a.Name)
	if a.Composite != nil {
		out.CompositeAlarms = append(out.CompositeAlarms, api.CompositeAlarm{AlarmName: &a.Name, AlarmArn: &arn, StateValue: &a.State,
			StateUpdatedTimestamp: &a.StateUpdated})
		return
	}
	out.MetricAlarms = append(out.MetricAlarms, api.MetricAlarm{AlarmName: &a.Name, AlarmArn: &arn, StateValue: &a.State, StateUpdatedTimestamp: &a.StateUpdated})
}

// optional is a pointer to a text that is not empty.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (a *alarm) metric(scope store.Scope) api.MetricAlarm {
	m := a.Metric
	return api.MetricAlarm{
		AlarmName: &a.Name, AlarmArn: new(alarmARN(scope, a.Name)), AlarmDescription: m.AlarmDescription,
		AlarmConfigurationUpdatedTimestamp: &a.Updated, ActionsEnabled: &a.Enabled,
		OKActions: listed(m.OKActions), AlarmActions: listed(m.AlarmActions), InsufficientDataActions: listed(m.InsufficientDataActions),
		StateValue: &a.State, StateReason: &a.Reason, StateReasonData: optional(a.ReasonData),
		StateUpdatedTimestamp: &a.StateUpdated, StateTransitionedTimestamp: &a.Transitioned,
		Namespace: m.Namespace, MetricName: m.MetricName, Dimensions: append([]api.Dimension{}, m.Dimensions...),
		Statistic: m.Statistic, ExtendedStatistic: m.ExtendedStatistic, Period: m.Period, Unit: m.Unit, Metrics: m.Metrics,
		EvaluationPeriods: m.EvaluationPeriods, DatapointsToAlarm: m.DatapointsToAlarm, Threshold: m.Threshold,
		ComparisonOperator: m.ComparisonOperator, TreatMissingData: m.TreatMissingData, EvaluateLowSampleCountPercentile: m.EvaluateLowSampleCountPercentile,
	}
}

func listed(l []string) []string { return append([]string{}, l...) }

func (a *alarm) composite(scope store.Scope) api.CompositeAlarm {
	c := a.Composite
	return api.CompositeAlarm{
		AlarmName: &a.Name, AlarmArn: new(alarmARN(scope, a.Name)), AlarmDescription: c.AlarmDescription,
		AlarmConfigurationUpdatedTimestamp: &a.Updated, ActionsEnabled: &a.Enabled, AlarmRule: c.AlarmRule,
		OKActions: listed(c.OKActions), AlarmActions: listed(c.AlarmActions), InsufficientDataActions: listed(c.InsufficientDataActions),
		StateValue: &a.State, StateReason: &a.Reason, StateReasonData: optional(a.ReasonData),
		StateUpdatedTimestamp: &a.StateUpdated, StateTransitionedTimestamp: &a.Transitioned,
		ActionsSuppressor: c.ActionsSuppressor, ActionsSuppressorWaitPeriod: c.ActionsSuppressorWaitPeriod,
		ActionsSuppressorExtensionPeriod: c.ActionsSuppressorExtensionPeriod,
		ActionsSuppressedBy:              optional(a.SuppressedBy), ActionsSuppressedReason: optional(a.SuppressedReason),
	}
}

func (s *Service) describeAlarmsForMetric(ctx context.Context, in *api.DescribeAlarmsForMetricInput) (*api.DescribeAlarmsForMetricOutput, error) {
	out := &api.DescribeAlarmsForMetricOutput{MetricAlarms: []api.MetricAlarm{}}
	scope, want := scopeOf(ctx), metricOf(*in.Namespace, *in.MetricName, in.Dimensions).id()
	err := s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range alarms.List(ctx, r, scope, store.ListOptions{}) {
			if err != nil {
				return err
			}
			m := e.Record.Metric
			if m == nil || m.MetricName == nil || metricOf(aws.Value(m.Namespace), *m.MetricName, m.Dimensions).id() != want ||
				in.Statistic != nil && aws.Value(m.Statistic) != *in.Statistic ||
				in.ExtendedStatistic != nil && aws.Value(m.ExtendedStatistic) != *in.ExtendedStatistic ||
				in.Period != nil && aws.Value(m.Period) != *in.Period || in.Unit != nil && aws.Value(m.Unit) != *in.Unit {
				continue
			}
			out.MetricAlarms = append(out.MetricAlarms, e.Record.metric(scope))
		}
		return nil
	})
	return out, err
}

func (s *Service) describeAlarmContributors(ctx context.Context, in *api.DescribeAlarmContributorsInput) (*api.DescribeAlarmContributorsOutput, error) {
	err := s.Store.View(ctx, func(r store.Reader) error {
		a, err := alarmNamed(ctx, r, scopeOf(ctx), *in.AlarmName)
		if err == nil && a == nil {
			err = api.ResourceNotFoundException("The alarm %s does not exist.", *in.AlarmName)
		}
		return err
	})
	return &api.DescribeAlarmContributorsOutput{AlarmContributors: []api.AlarmContributor{}}, err
}
