package cloudwatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// stamp is a moment as CloudWatch writes it in documents.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }

// document is v as JSON, which it always can be.
func document(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(b)
}

// reasonData is what decided, for programs to read.
func (a *alarm) reasonData(views []view, v verdict, now time.Time) string {
	type point struct {
		Timestamp   string   `json:"timestamp"`
		SampleCount *float64 `json:"sampleCount,omitempty"`
		Value       *float64 `json:"value,omitempty"`
	}
	data := struct {
		Version     string    `json:"version"`
		QueryDate   string    `json:"queryDate"`
		StartDate   string    `json:"startDate,omitempty"`
		Unit        *string   `json:"unit,omitempty"`
		Statistic   string    `json:"statistic,omitempty"`
		Period      int64     `json:"period"`
		Recent      []float64 `json:"recentDatapoints"`
		Threshold   float64   `json:"threshold"`
		Evaluated   []point   `json:"evaluatedDatapoints,omitempty"`
		LowSamples  *string   `json:"evaluateLowSampleCountPercentile,omitempty"`
		Description string    `json:"-"`
	}{Version: "1.0", QueryDate: stamp(now), Unit: a.Metric.Unit, Period: a.period(), Threshold: *a.Metric.Threshold, Recent: []float64{},
		Statistic: value(a.Metric.Statistic, aws.Value(a.Metric.ExtendedStatistic))}
	for _, x := range v.used {
		p := point{Timestamp: stamp(time.Unix(x.at, 0)), Value: new(x.value)}
		if x.sample != nil {
			p.SampleCount = &x.sample.Count
		}
		data.Evaluated = append(data.Evaluated, p)
		data.Recent = append(data.Recent, x.value)
	}
	slices.Reverse(data.Recent)
	if n := len(v.used); n > 0 {
		data.StartDate = stamp(time.Unix(v.used[n-1].at, 0))
	} else if len(views) > 0 {
		data.StartDate = stamp(time.Unix(views[len(views)-1].at, 0))
	}
	return document(data)
}

// transition brings an alarm into a state, notes it, and prepares what follows from it:
// all in the caller's transaction.
func (s *Service) transition(ctx context.Context, tx store.Tx, scope store.Scope, a *alarm, to state) error {
	changed := a.State != to.Value
	old := state{a.State, a.Reason, a.ReasonData, a.StateUpdated}
	a.State, a.Reason, a.ReasonData, a.StateUpdated = to.Value, to.Reason, to.Data, to.At
	if !changed {
		return alarms.Put(tx, scope, *a, a.Name)
	}
	a.Previous, a.Transitioned, a.Number = old, to.At, a.Number+1
	a.Held, a.SuppressedBy, a.SuppressedReason = false, "", ""
	if a.Composite != nil {
		if err := s.suppress(ctx, tx, scope, a, true); err != nil {
			return err
		}
	}
	summary := "Alarm updated from " + old.Value + " to " + to.Value
	data := document(map[string]any{"version": "1.0", "oldState": old.told(), "newState": to.told()})
	err := errors.Join(s.note(tx, scope, a, api.HistoryItemTypeStateUpdate, summary, data),
		s.announce(tx, scope, a, "CloudWatch Alarm State Change", a.changed(scope)))
	if err == nil && !a.Held {
		err = s.act(ctx, tx, scope, a)
	}
	return errors.Join(err, alarms.Put(tx, scope, *a, a.Name))
}

// told is a state in the alarm's history.
func (t state) told() map[string]any {
	out := map[string]any{"stateValue": t.Value, "stateReason": t.Reason}
	if t.Data != "" && validJSON(t.Data) {
		out["stateReasonData"] = json.RawMessage(t.Data)
	}
	return out
}

// keptHistory is how long history is kept.
const keptHistory = 30 * 24 * time.Hour

// A memory is one item of an alarm's history.
type memory struct{ Kind, Type, Summary, Data string }

// note adds to an alarm's history.
func (s *Service) note(tx store.Tx, scope store.Scope, a *alarm, kind, summary, data string) error {
	now := s.Clock.Now()
	return memories.PutExpiring(tx, scope, memory{kind, a.kind(), summary, data}, now.Add(keptHistory), a.Name, now, s.serials.next())
}

// configured notes a change of an alarm's configuration, and announces it.
func (s *Service) configured(tx store.Tx, scope store.Scope, a *alarm, what, past string) error {
	data := map[string]any{"version": "1.0", "type": what, map[string]string{"Create": "createdAlarm", "Update": "updatedAlarm", "Delete": "deletedAlarm"}[what]: a.told(scope)}
	detail := map[string]any{"alarmName": a.Name, "operation": map[string]string{"Create": "create", "Update": "update", "Delete": "delete"}[what],
		"state": a.now(), "configuration": a.configuration()}
	return errors.Join(s.note(tx, scope, a, api.HistoryItemTypeConfigurationUpdate, `Alarm "`+a.Name+`" `+past, document(data)),
		s.announce(tx, scope, a, "CloudWatch Alarm Configuration Change", detail))
}

// told is an alarm's configuration in its history.
func (a *alarm) told(scope store.Scope) map[string]any {
	ok, alarm, insufficient := a.actionLists()
	out := map[string]any{"alarmName": a.Name, "alarmArn": alarmARN(scope, a.Name), "alarmDescription": a.description(),
		"actionsEnabled": a.Enabled, "okActions": listed(ok), "alarmActions": listed(alarm), "insufficientDataActions": listed(insufficient),
		"alarmConfigurationUpdatedTimestamp": stamp(a.Updated), "stateValue": a.State, "stateUpdatedTimestamp": stamp(a.StateUpdated)}
	if c := a.Composite; c != nil {
		out["alarmRule"] = c.AlarmRule
		return out
	}
	m := a.Metric
	for k, v := range map[string]any{"namespace": m.Namespace, "metricName": m.MetricName, "statistic": m.Statistic, "period": m.Period,
		"evaluationPeriods": m.EvaluationPeriods, "threshold": m.Threshold, "comparisonOperator": m.ComparisonOperator} {
		out[k] = v
	}
	out["dimensions"] = nameValues(m.Dimensions)
	return out
}

func nameValues(dims []api.Dimension) []map[string]string {
	out := []map[string]string{}
	for _, d := range dims {
		out = append(out, map[string]string{"value": aws.Value(d.Value), "name": aws.Value(d.Name)})
	}
	return out
}

type historyPosition struct {
	Name   string
	At     time.Time
	Serial []byte
}

// remembered is an item of history, with its place.
type remembered struct {
	historyPosition
	memory
}

// wanted reports whether a request's filters let an item through.
func (x *remembered) wanted(in *api.DescribeAlarmHistoryInput) bool {
	types := in.AlarmTypes
	if len(types) == 0 && in.AlarmName == nil {
		types = []string{api.AlarmTypeMetricAlarm}
	}
	return (in.StartDate == nil || !x.At.Before(*in.StartDate)) && (in.EndDate == nil || x.At.Before(*in.EndDate)) &&
		(in.HistoryItemType == nil || x.Kind == *in.HistoryItemType) && (len(types) == 0 || slices.Contains(types, x.Type))
}

func (s *Service) describeAlarmHistory(ctx context.Context, in *api.DescribeAlarmHistoryInput) (*api.DescribeAlarmHistoryOutput, error) {
	var after *historyPosition
	if in.NextToken != nil {
		after = &historyPosition{}
		if !aws.ParseToken(*in.NextToken, after) {
			return nil, api.InvalidNextToken("The next token is invalid.")
		}
	}
	o := store.ListOptions{}
	if in.AlarmName != nil {
		o.Prefix = []any{*in.AlarmName}
	}
	descending := value(in.ScanBy, api.ScanByTimestampDescending) == api.ScanByTimestampDescending
	var found []remembered
	err := s.Store.View(ctx, func(r store.Reader) error {
		found = nil
		for e, err := range memories.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			if x := (remembered{historyPosition{e.Key.String(0), e.Key.Time(1), e.Key.Bytes(2)}, e.Record}); x.wanted(in) {
				found = append(found, x)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	earlier := func(a, b historyPosition) int {
		c := cmp.Or(a.At.Compare(b.At), slices.Compare(a.Serial, b.Serial), cmp.Compare(a.Name, b.Name))
		if descending {
			return -c
		}
		return c
	}
	slices.SortFunc(found, func(a, b remembered) int { return earlier(a.historyPosition, b.historyPosition) })
	out := &api.DescribeAlarmHistoryOutput{AlarmHistoryItems: []api.AlarmHistoryItem{}}
	var last historyPosition
	for _, x := range found {
		if after != nil && earlier(x.historyPosition, *after) <= 0 {
			continue
		}
		if len(out.AlarmHistoryItems) == pageOf(in.MaxRecords, 100) {
			out.NextToken = new(aws.Token(last))
			break
		}
		last = x.historyPosition
		out.AlarmHistoryItems = append(out.AlarmHistoryItems, api.AlarmHistoryItem{AlarmName: &x.Name, AlarmType: &x.Type,
			Timestamp: &x.At, HistoryItemType: &x.Kind, HistorySummary: &x.Summary, HistoryData: &x.Data})
	}
	return out, nil
}
