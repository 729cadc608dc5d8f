package cloudwatch

import (
	"context"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudwatch/rule"
)

// A trigger is an alarm within a composite alarm that is in a state since some time.
type trigger struct {
	ARN, Value string
	At         time.Time
}

// evaluateComposite evaluates an alarm on alarms, and lets actions go that waited for its
// suppressor. It reports whether the alarm's state has changed.
func (s *Service) evaluateComposite(ctx context.Context, scope store.Scope, name string) (changed bool, err error) {
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		changed = false
		a, err := alarmNamed(ctx, tx, scope, name)
		if err != nil || a == nil || a.Composite == nil {
			return err
		}
		parsed, err := rule.Parse(*a.Composite.AlarmRule)
		if err != nil {
			return err
		}
		children := map[string]*alarm{}
		for _, n := range parsed.Alarms {
			if children[n], err = alarmNamed(ctx, tx, scope, alarmName(n)); err != nil {
				return err
			}
		}
		to := stateOK
		if parsed.Holds(func(n string) string {
			if c := children[n]; c != nil {
				return c.State
			}
			return stateInsufficient // it was deleted
		}) {
			to = stateAlarm
		}
		if to == a.State {
			return s.release(ctx, tx, scope, a)
		}
		changed = true
		next := state{Value: to, At: s.Clock.Now()}
		a.Triggers, next.Reason, next.Data = because(scope, parsed.Alarms, children, to)
		return s.transition(ctx, tx, scope, a, next)
	})
	return changed, err
}

// because says which alarm has changed last, and which are in alarm.
func because(scope store.Scope, names []string, children map[string]*alarm, to string) (list []trigger, reason, data string) {
	var last *alarm
	told := []map[string]any{}
	for _, n := range names {
		c := children[n]
		if c == nil {
			continue
		}
		if last == nil || c.Transitioned.After(last.Transitioned) {
			last = c
		}
		if c.State == stateAlarm || to == stateOK {
			arn := alarmARN(scope, c.Name)
			list = append(list, trigger{arn, c.State, c.Transitioned})
			told = append(told, map[string]any{"arn": arn, "state": map[string]string{"value": c.State, "timestamp": stamp(c.Transitioned)}})
		}
	}
	if last == nil {
		return nil, "The alarm rule is always true or false", `{"triggeringAlarms":[]}`
	}
	reason = alarmARN(scope, last.Name) + " transitioned to " + last.State + " at " + last.Transitioned.UTC().Format("Monday 02 January, 2006 15:04:05 MST")
	return list, reason, document(map[string]any{"triggeringAlarms": told})
}

// suppress finds out whether an alarm's actions have to wait for its suppressor: while
// that is in alarm, for the extension period after that, and where the alarm itself has
// just changed, for the wait period.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create_Composite_Alarm_Suppressor.html
func (s *Service) suppress(ctx context.Context, tx store.Tx, scope store.Scope, a *alarm, fresh bool) error {
	if a.Composite.ActionsSuppressor == nil || !fresh && !a.Held {
		return nil
	}
	by, err := alarmNamed(ctx, tx, scope, alarmName(*a.Composite.ActionsSuppressor))
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	wait := time.Duration(aws.Value(a.Composite.ActionsSuppressorWaitPeriod)) * time.Second
	extension := time.Duration(aws.Value(a.Composite.ActionsSuppressorExtensionPeriod)) * time.Second
	a.SuppressedBy, a.SuppressedReason = "", ""
	switch {
	case by == nil:
	case by.State == stateAlarm:
		a.SuppressedBy, a.SuppressedReason = "Alarm", "Actions are suppressed by the suppressor alarm "+by.Name
	case by.Previous.Value == stateAlarm && now.Before(by.Transitioned.Add(extension)):
		a.SuppressedBy, a.SuppressedReason = "ExtensionPeriod", "Actions are suppressed for the extension period after the suppressor alarm "+by.Name
	case a.State == stateAlarm && now.Before(a.Transitioned.Add(wait)):
		a.SuppressedBy, a.SuppressedReason = "WaitPeriod", "Actions wait for the suppressor alarm "+by.Name
	}
	a.Held = a.SuppressedBy != ""
	return nil
}

// release lets go the actions of an alarm that stays in its state, if they waited and do
// not have to any more.
func (s *Service) release(ctx context.Context, tx store.Tx, scope store.Scope, a *alarm) error {
	if !a.Held {
		return nil
	}
	was := a.SuppressedBy
	if err := s.suppress(ctx, tx, scope, a, false); err != nil || a.SuppressedBy == was {
		return err
	}
	if !a.Held {
		if err := s.act(ctx, tx, scope, a); err != nil {
			return err
		}
	}
	return alarms.Put(tx, scope, *a, a.Name)
}
