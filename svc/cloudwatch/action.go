package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	eventsapi "github.com/tule-cloud/tule/api/events"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	snsapi "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// CloudWatch as it calls other services, and as it calls functions.
const (
	principal       = "cloudwatch.amazonaws.com"
	lambdaPrincipal = "lambda.alarms.cloudwatch.amazonaws.com"
)

// An errand is a call on another service that follows from a change of an alarm. It is in
// the store from the change on until the call was made.
type errand struct {
	Alarm   string
	Kind    string // the alarm's
	Target  string // an ARN; "" for an event
	Subject string `json:",omitempty"`
	Body    string
	Type    string `json:",omitempty"` // of an event
	At      time.Time
	Tries   int       `json:",omitempty"`
	Due     time.Time `json:",omitzero"`
}

// Errands that fail are tried again, after tryAfter, twice that, and so on.
const (
	mostTries = 6
	tryAfter  = time.Second
	atOnce    = 16
)

// act prepares the actions of an alarm's state.
func (s *Service) act(ctx context.Context, tx store.Tx, scope store.Scope, a *alarm) error {
	if !a.Enabled {
		return nil
	}
	muted, err := s.muted(ctx, tx, scope, a.Name)
	if err != nil {
		return err
	}
	for _, arn := range a.actions(a.State) {
		if muted != "" {
			if err := s.note(tx, scope, a, api.HistoryItemTypeAction, "Action "+arn+" was muted by "+muted, "{}"); err != nil {
				return err
			}
			continue
		}
		e := errand{Alarm: a.Name, Kind: a.kind(), Target: arn, At: a.Transitioned}
		if target, _ := aws.ParseARN(arn); target.Service == "lambda" {
			e.Body = document(a.event(scope))
		} else {
			e.Subject = subject(a.State + `: "` + a.Name + `" in ` + regionName(scope.Region))
			e.Body = document(a.message(scope))
		}
		if err := s.send(tx, scope, e); err != nil {
			return err
		}
	}
	return nil
}

// subject is a line that SNS takes: no more than 100 characters.
func subject(s string) string {
	if len(s) > 99 {
		return s[:96] + "..."
	}
	return s
}

// announce prepares an event for EventBridge.
func (s *Service) announce(tx store.Tx, scope store.Scope, a *alarm, kind string, detail map[string]any) error {
	return s.send(tx, scope, errand{Alarm: a.Name, Kind: a.kind(), Type: kind, Body: document(detail), At: s.Clock.Now()})
}

func (s *Service) send(tx store.Tx, scope store.Scope, e errand) error {
	return errands.Put(tx, scope, e, s.Clock.Now(), s.serials.next())
}

// now is the state of an alarm in events.
func (a *alarm) now() map[string]any {
	return state{a.State, a.Reason, a.ReasonData, a.Transitioned}.event()
}

func (t state) event() map[string]any {
	out := map[string]any{"value": t.Value, "reason": t.Reason, "timestamp": stamp(t.At)}
	if t.Data != "" {
		out["reasonData"] = t.Data
	}
	return out
}

// changed is the detail of the event that says that the state has changed.
func (a *alarm) changed(scope store.Scope) map[string]any {
	return map[string]any{"alarmName": a.Name, "state": a.now(), "previousState": a.Previous.event(), "configuration": a.configuration()}
}

// configuration is what an alarm watches, as events tell it.
func (a *alarm) configuration() map[string]any {
	out := map[string]any{}
	if d := a.description(); d != nil {
		out["description"] = *d
	}
	if c := a.Composite; c != nil {
		out["alarmRule"] = c.AlarmRule
		if c.ActionsSuppressor != nil {
			out["actionsSuppressor"], out["actionsSuppressorWaitPeriod"], out["actionsSuppressorExtensionPeriod"] =
				c.ActionsSuppressor, c.ActionsSuppressorWaitPeriod, c.ActionsSuppressorExtensionPeriod
		}
		return out
	}
	m := a.Metric
	if len(m.Metrics) == 0 {
		id := metricOf(*m.Namespace, *m.MetricName, m.Dimensions).id()
		out["metrics"] = []any{map[string]any{"id": aws.RandomUUID(strings.NewReader(string(id[:]))), "returnData": true,
			"metricStat": told(m.Namespace, m.MetricName, m.Dimensions, m.Period, value(m.Statistic, aws.Value(m.ExtendedStatistic)), m.Unit)}}
		return out
	}
	list := []any{}
	for _, q := range m.Metrics {
		e := map[string]any{"id": q.Id, "returnData": value(q.ReturnData, true)}
		if q.Expression != nil {
			e["expression"] = q.Expression
		} else {
			st := q.MetricStat
			e["metricStat"] = told(st.Metric.Namespace, st.Metric.MetricName, st.Metric.Dimensions, st.Period, *st.Stat, st.Unit)
		}
		if q.Label != nil {
			e["label"] = q.Label
		}
		list = append(list, e)
	}
	out["metrics"] = list
	return out
}

func told(namespace, name *string, dims []api.Dimension, period *int32, statistic string, unit *string) map[string]any {
	values := map[string]string{}
	for _, d := range dims {
		values[aws.Value(d.Name)] = aws.Value(d.Value)
	}
	out := map[string]any{"metric": map[string]any{"namespace": namespace, "name": name, "dimensions": values}, "period": period, "stat": statistic}
	if unit != nil {
		out["unit"] = unit
	}
	return out
}

// event is what a function gets.
func (a *alarm) event(scope store.Scope) map[string]any {
	data := a.changed(scope)
	return map[string]any{"source": "aws.cloudwatch", "alarmArn": alarmARN(scope, a.Name), "accountId": scope.Account, "time": stamp(a.Transitioned),
		"region": scope.Region, "alarmData": data}
}

// keepErrands runs errands until ctx ends.
func (s *Service) keepErrands(ctx context.Context) error {
	for {
		next, err := s.runErrands(ctx)
		if err != nil && ctx.Err() == nil {
			s.Logger.Warn("cloudwatch: act on alarms", "error", err)
			next = tryAfter
		}
		var due <-chan time.Time
		stop := func() {}
		if next > 0 {
			due, stop = s.Clock.After(next)
		}
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-due:
		case <-s.outgoing:
		}
		stop()
	}
}

// runErrands runs those that are due, and says how long the next one waits; 0 is for ever.
func (s *Service) runErrands(ctx context.Context) (next time.Duration, err error) {
	var due []store.Entry[errand]
	now := s.Clock.Now()
	err = s.Store.View(ctx, func(r store.Reader) error {
		due, next = nil, 0
		for e, err := range errands.All(ctx, r) {
			if err != nil {
				return err
			}
			if wait := e.Record.Due.Sub(now); wait <= 0 {
				due = append(due, e)
			} else if next == 0 || wait < next {
				next = wait
			}
		}
		return nil
	})
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, e := range due {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			s.run(ctx, e)
		})
	}
	wg.Wait()
	if len(due) > 0 {
		s.outgoing.poke() // there may be more, or one to be tried again
	}
	return next, err
}

// run runs one errand, and notes what came of it.
func (s *Service) run(ctx context.Context, e store.Entry[errand]) {
	err := s.call(ctx, e.Scope, &e.Record)
	if ctx.Err() != nil {
		return // the next process runs it
	}
	x := e.Record
	x.Tries++
	var refused *aws.Error
	again := err != nil && x.Tries < mostTries && (!errors.As(err, &refused) || refused.Server() && refused.Status != 501 || refused.Status == 429)
	kept := s.Store.Update(ctx, func(tx store.Tx) error {
		if again {
			x.Due = s.Clock.Now().Add(tryAfter << (x.Tries - 1))
			return errands.Put(tx, e.Scope, x, e.Key.Parts()...)
		}
		if err := errands.Delete(tx, e.Scope, e.Key.Parts()...); err != nil || x.Target == "" {
			return err
		}
		return s.note(tx, e.Scope, &alarm{Name: x.Alarm, Composite: composite(x.Kind)}, api.HistoryItemTypeAction, summary(x.Target, err), x.outcome(err))
	})
	if kept != nil && ctx.Err() == nil {
		s.Logger.Warn("cloudwatch: note what came of an action", "error", kept)
	}
}

// composite is the part of an alarm that says what kind it is of.
func composite(kind string) *api.PutCompositeAlarmInput {
	if kind == api.AlarmTypeCompositeAlarm {
		return &api.PutCompositeAlarmInput{}
	}
	return nil
}

func summary(arn string, err error) string {
	if err == nil {
		return "Successfully executed action " + arn
	}
	return "Failed to execute action " + arn + `. Received error: "` + err.Error() + `"`
}

// outcome is what history tells of an action.
func (e *errand) outcome(err error) string {
	data := map[string]any{"actionState": "Succeeded", "stateUpdateTimestamp": e.At.UnixMilli(), "notificationResource": e.Target}
	if json.Valid([]byte(e.Body)) {
		data["publishedMessage"] = json.RawMessage(e.Body)
	}
	if err != nil {
		data["actionState"], data["error"] = "Failed", err.Error()
	}
	return document(data)
}

// call does what an errand is about.
func (s *Service) call(ctx context.Context, scope store.Scope, e *errand) error {
	arn := alarmARN(scope, e.Alarm)
	as := func(principal, region string) context.Context {
		return aws.WithRequest(ctx, &aws.Request{ID: aws.RandomUUID(s.Random), Region: region, Time: s.Clock.Now(),
			Caller: aws.ServiceCaller(principal, scope.Account, arn)})
	}
	if e.Target == "" {
		_, err := eventsapi.PutEvents.Do(as(principal, scope.Region), s.Peers, &eventsapi.PutEventsRequest{Entries: []eventsapi.PutEventsRequestEntry{{
			Source: new("aws.cloudwatch"), DetailType: &e.Type, Detail: &e.Body, Resources: []string{arn}, Time: &e.At}}})
		return err
	}
	target, _ := aws.ParseARN(e.Target)
	switch target.Service {
	case "sns":
		_, err := snsapi.Publish.Do(as(principal, target.Region), s.Peers, &snsapi.PublishInput{TopicArn: &e.Target, Subject: &e.Subject, Message: &e.Body})
		return err
	case "lambda":
		_, err := lambdaapi.Invoke.Do(as(lambdaPrincipal, target.Region), s.Peers, &lambdaapi.InvocationRequest{FunctionName: &e.Target,
			InvocationType: new("Event"), Payload: []byte(e.Body)})
		return err
	}
	return aws.Errorf(400, "UnsupportedAction", "Actions of %s are not available here.", target.Service)
}
