package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	eventsapi "github.com/tule-cloud/tule/api/events"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	snsapi "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// TestMissingData holds what alarms make of missing data against the two tables of AWS's
// guide, the newest data point last: X breaches, 0 does not, - is missing.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
func TestMissingData(t *testing.T) {
	const keeps = ""
	for _, c := range []struct {
		m, n   int32
		points string
		want   [4]string // missing, ignore, breaching, notBreaching
	}{
		{3, 3, "0-X-X", [4]string{stateOK, stateOK, stateOK, stateOK}},
		{3, 3, "----0", [4]string{stateOK, stateOK, stateOK, stateOK}},
		{3, 3, "-----", [4]string{stateInsufficient, keeps, stateAlarm, stateOK}},
		{3, 3, "0XX-X", [4]string{stateAlarm, stateAlarm, stateAlarm, stateAlarm}},
		{3, 3, "--X--", [4]string{stateAlarm, keeps, stateAlarm, stateOK}},
		{2, 3, "0-X-X", [4]string{stateAlarm, stateAlarm, stateAlarm, stateAlarm}},
		{2, 3, "00X0X", [4]string{stateAlarm, stateAlarm, stateAlarm, stateAlarm}},
		{2, 3, "0-X--", [4]string{stateOK, stateOK, stateAlarm, stateOK}},
		{2, 3, "----0", [4]string{stateOK, stateOK, stateAlarm, stateOK}},
		{2, 3, "---X-", [4]string{stateAlarm, keeps, stateAlarm, stateOK}},
		// One that has only begun to breach is no alarm yet.
		{3, 3, "----X", [4]string{keeps, keeps, stateAlarm, stateOK}},
		{1, 1, "--X", [4]string{stateAlarm, stateAlarm, stateAlarm, stateAlarm}},
		{1, 1, "-X0", [4]string{stateOK, stateOK, stateOK, stateOK}},
	} {
		for i, treat := range []string{"missing", "ignore", "breaching", "notBreaching"} {
			a := &alarm{Metric: &api.PutMetricAlarmInput{EvaluationPeriods: &c.n, DatapointsToAlarm: &c.m, Threshold: new(1.0),
				ComparisonOperator: new(api.ComparisonOperatorGreaterThanOrEqualToThreshold), TreatMissingData: &treat}}
			var views []view
			for j := len(c.points) - 1; j >= 0; j-- {
				v := view{has: c.points[j] != '-'}
				if c.points[j] == 'X' {
					v.value = 1
				}
				views = append(views, v)
			}
			if got := a.judge(views).state; got != c.want[i] {
				t.Errorf("%d of %d, %s, %s: %q, want %q", c.m, c.n, c.points, treat, got, c.want[i])
			}
		}
	}
}

// others are the services that alarms act on; they take down what they are told.
type others struct {
	mu    sync.Mutex
	fail  error
	calls []any
	as    []aws.Caller
}

func (o *others) Call(ctx context.Context, op *aws.Operation, in any) (any, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return nil, o.fail
	}
	o.calls = append(o.calls, in)
	o.as = append(o.as, aws.RequestOf(ctx).Caller)
	switch op.Name {
	case "Publish":
		return &snsapi.PublishResponse{}, nil
	case "Invoke":
		return &lambdaapi.InvocationResponse{}, nil
	}
	return &eventsapi.PutEventsResponse{}, nil
}

// of takes the calls of one kind that were made.
func calls[In any](o *others) []*In {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []*In
	var rest []any
	for _, c := range o.calls {
		if in, ok := c.(*In); ok {
			out = append(out, in)
		} else {
			rest = append(rest, c)
		}
	}
	o.calls = rest
	return out
}

// A bench is a service that a test works by hand.
type bench struct {
	*testing.T
	*Service
	house  *script.House
	others *others
}

func newBench(t *testing.T) *bench {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	b := &bench{T: t, house: h, others: &others{}}
	b.restart()
	return b
}

// restart is a new process on the same store.
func (b *bench) restart() {
	b.Service = New(Options{Store: b.house.Store, Clock: b.house.Clock, Random: b.house.Random, Peers: b.others})
}

func (b *bench) try(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) ctx() context.Context { return b.house.Context(b.Context()) }

func (b *bench) put(name string, values ...float64) {
	b.Helper()
	_, err := b.putMetricData(b.ctx(), &api.PutMetricDataInput{Namespace: new("shop"), MetricData: []api.MetricDatum{{MetricName: &name, Values: values}}})
	b.try(err)
}

// pass lets time pass, and looks at all alarms then.
func (b *bench) pass(d time.Duration) {
	b.Helper()
	b.house.Clock.Advance(d)
	b.try(b.evaluate(b.Context(), true))
	_, err := b.runErrands(b.Context())
	b.try(err)
}

func (b *bench) alarm(name string) alarm {
	b.Helper()
	var out *alarm
	b.try(b.Store.View(b.Context(), func(r store.Reader) (err error) {
		out, err = alarmNamed(b.ctx(), r, scopeOf(b.ctx()), name)
		return err
	}))
	if out == nil {
		b.Fatalf("there is no alarm %s", name)
	}
	return *out
}

func (b *bench) watching(name string, change func(in *api.PutMetricAlarmInput)) {
	b.Helper()
	in := &api.PutMetricAlarmInput{AlarmName: &name, Namespace: new("shop"), MetricName: &name, Statistic: new("Sum"), Period: new(int32(60)),
		EvaluationPeriods: new(int32(1)), Threshold: new(5.0), ComparisonOperator: new(api.ComparisonOperatorGreaterThanThreshold),
		AlarmActions: []string{"arn:aws:sns:us-east-1:000000000000:t"}}
	if change != nil {
		change(in)
	}
	_, err := b.putMetricAlarm(b.ctx(), in)
	b.try(err)
}

func TestAlarmTellsTopic(t *testing.T) {
	b := newBench(t)
	b.watching("errors", func(in *api.PutMetricAlarmInput) {
		in.AlarmDescription, in.Dimensions = new("too many"), nil
		in.OKActions = []string{"arn:aws:lambda:us-east-1:000000000000:function:f"}
	})
	b.pass(time.Minute)
	if a := b.alarm("errors"); a.State != stateInsufficient || a.Reason != "Insufficient Data: 1 datapoint was unknown." {
		t.Errorf("without data: %s, %s", a.State, a.Reason)
	}
	b.put("errors", 4, 6)
	b.pass(time.Minute)
	a := b.alarm("errors")
	if a.State != stateAlarm || a.Reason != "Threshold Crossed: 1 out of the last 1 datapoints [10.0 (02/01/26 03:05:00)] was greater than the threshold (5.0) (minimum 1 datapoint for OK -> ALARM transition)." {
		t.Errorf("%s: %s", a.State, a.Reason)
	}
	sent := calls[snsapi.PublishInput](b.others)
	if len(sent) != 1 || *sent[0].Subject != `ALARM: "errors" in US East (N. Virginia)` {
		t.Fatalf("the topic was told %d times: %+v", len(sent), sent)
	}
	var message struct {
		AlarmName, NewStateValue, OldStateValue, Region, StateChangeTime, AWSAccountId string
		Trigger                                                                        struct {
			MetricName, Statistic, StatisticType string
			Period                               int
			Threshold                            float64
		}
	}
	b.try(json.Unmarshal([]byte(*sent[0].Message), &message))
	if message.AlarmName != "errors" || message.NewStateValue != stateAlarm || message.OldStateValue != stateInsufficient || message.Trigger.Statistic != "SUM" ||
		message.Trigger.Period != 60 || message.StateChangeTime != "2026-01-02T03:06:05.000+0000" || message.AWSAccountId != "000000000000" {
		t.Errorf("the topic was told %+v", message)
	}
	var data struct {
		Recent    []float64 `json:"recentDatapoints"`
		Evaluated []struct {
			Timestamp   string
			SampleCount float64
			Value       float64
		} `json:"evaluatedDatapoints"`
	}
	b.try(json.Unmarshal([]byte(a.ReasonData), &data))
	if len(data.Evaluated) != 1 || data.Evaluated[0].Value != 10 || data.Evaluated[0].SampleCount != 2 || data.Evaluated[0].Timestamp != "2026-01-02T03:05:00.000+0000" {
		t.Errorf("reason data %s", a.ReasonData)
	}

	b.put("errors", 1)
	b.pass(time.Minute)
	invoked := calls[lambdaapi.InvocationRequest](b.others)
	if len(invoked) != 1 || *invoked[0].InvocationType != "Event" || !strings.Contains(string(invoked[0].Payload), `"previousState":{"reason":"Threshold Crossed`) {
		t.Fatalf("the function was invoked %d times: %+v", len(invoked), invoked)
	}
	if b.alarm("errors").State != stateOK {
		t.Errorf("with little data: %s", b.alarm("errors").State)
	}
	history, err := b.describeAlarmHistory(b.ctx(), &api.DescribeAlarmHistoryInput{AlarmName: new("errors"), HistoryItemType: new("Action")})
	b.try(err)
	if len(history.AlarmHistoryItems) != 2 || *history.AlarmHistoryItems[1].HistorySummary != "Successfully executed action arn:aws:sns:us-east-1:000000000000:t" {
		t.Errorf("history of actions: %d", len(history.AlarmHistoryItems))
	}
	for _, c := range b.others.as {
		if c.Kind != aws.ServiceSelf || c.SourceARN != "arn:aws:cloudwatch:us-east-1:000000000000:alarm:errors" || c.ARN != principal && c.ARN != lambdaPrincipal {
			t.Errorf("a call as %+v", c)
		}
	}
	events := calls[eventsapi.PutEventsRequest](b.others)
	if len(events) != 3 || *events[1].Entries[0].DetailType != "CloudWatch Alarm State Change" || events[1].Entries[0].Resources[0] != alarmARN(store.Scope{Account: "000000000000", Region: "us-east-1"}, "errors") {
		t.Errorf("%d events", len(events))
	}
}

// TestActionsOutliveTheProcess lets a topic fail, and the process end before it is told.
func TestActionsOutliveTheProcess(t *testing.T) {
	b := newBench(t)
	b.watching("errors", nil)
	b.put("errors", 10)
	b.others.fail = aws.Unavailable("later")
	b.pass(time.Minute)
	b.restart()
	b.others.fail = nil
	b.house.Clock.Advance(tryAfter)
	_, err := b.runErrands(b.Context())
	b.try(err)
	if sent := calls[snsapi.PublishInput](b.others); len(sent) != 1 {
		t.Errorf("the topic was told %d times", len(sent))
	}
	if next, err := b.runErrands(b.Context()); next != 0 || err != nil {
		t.Errorf("there is something left to do: %v, %v", next, err)
	}
	// What is refused is not tried again, and the history says so.
	b.others.fail = aws.AccessDenied("no")
	b.put("errors", 1)
	b.pass(time.Minute)
	b.put("errors", 10)
	b.pass(time.Minute)
	b.others.fail = nil
	b.pass(time.Hour)
	if sent := calls[snsapi.PublishInput](b.others); len(sent) != 0 {
		t.Errorf("the topic was told %d times of what it had refused", len(sent))
	}
	history, err := b.describeAlarmHistory(b.ctx(), &api.DescribeAlarmHistoryInput{AlarmName: new("errors"), HistoryItemType: new("Action"), MaxRecords: new(int32(1))})
	b.try(err)
	if got := *history.AlarmHistoryItems[0].HistorySummary; !strings.HasPrefix(got, "Failed to execute action arn:aws:sns") {
		t.Error(got)
	}
}

func TestMathsAlarm(t *testing.T) {
	b := newBench(t)
	metric := func(id string) api.MetricDataQuery {
		return api.MetricDataQuery{Id: &id, ReturnData: new(false), MetricStat: &api.MetricStat{Period: new(int32(60)), Stat: new("Sum"),
			Metric: &api.Metric{Namespace: new("shop"), MetricName: &id}}}
	}
	_, err := b.putMetricAlarm(b.ctx(), &api.PutMetricAlarmInput{AlarmName: new("rate"), EvaluationPeriods: new(int32(2)), Threshold: new(0.5), TreatMissingData: new("notBreaching"),
		ComparisonOperator: new(api.ComparisonOperatorGreaterThanOrEqualToThreshold), Metrics: []api.MetricDataQuery{metric("errors"), metric("calls"), {Id: new("r"), Expression: new("errors/calls")}}})
	b.try(err)
	for _, want := range []string{stateOK, stateAlarm} {
		b.put("errors", 5)
		b.put("calls", 10)
		b.pass(time.Minute)
		if a := b.alarm("rate"); a.State != want {
			t.Errorf("%s, want %s: %s", a.State, want, a.Reason)
		}
	}
	b.pass(10 * time.Minute)
	if a := b.alarm("rate"); a.Reason != "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [NonBreaching]." {
		t.Errorf("%s: %s", a.State, a.Reason)
	}
}

func TestLowSamples(t *testing.T) {
	b := newBench(t)
	for _, low := range []string{"ignore", "evaluate"} {
		b.watching("latency", func(in *api.PutMetricAlarmInput) {
			in.AlarmName, in.Statistic, in.ExtendedStatistic, in.EvaluateLowSampleCountPercentile = &low, nil, new("p90"), &low
		})
	}
	b.put("latency", 10)
	b.pass(time.Minute)
	if b.alarm("ignore").State != stateInsufficient || b.alarm("evaluate").State != stateAlarm {
		t.Errorf("one value: %s and %s", b.alarm("ignore").State, b.alarm("evaluate").State)
	}
	for range 100 {
		b.put("latency", 10)
	}
	b.pass(time.Minute)
	if b.alarm("ignore").State != stateAlarm {
		t.Errorf("a hundred values: %s", b.alarm("ignore").State)
	}
}

// TestComposite takes an alarm on alarms through its suppressor's periods.
func TestComposite(t *testing.T) {
	b := newBench(t)
	b.watching("a", func(in *api.PutMetricAlarmInput) { in.AlarmActions, in.TreatMissingData = nil, new("ignore") })
	b.watching("quiet", func(in *api.PutMetricAlarmInput) { in.AlarmActions, in.TreatMissingData = nil, new("ignore") })
	_, err := b.putCompositeAlarm(b.ctx(), &api.PutCompositeAlarmInput{AlarmName: new("c"), AlarmRule: new("ALARM(a) AND NOT OK(quiet) OR FALSE"), ActionsSuppressor: new("quiet"),
		ActionsSuppressorWaitPeriod: new(int32(120)), ActionsSuppressorExtensionPeriod: new(int32(300)), AlarmActions: []string{"arn:aws:sns:us-east-1:000000000000:t"}})
	b.try(err)
	set := func(name, to string) {
		t.Helper()
		_, err := b.setAlarmState(b.ctx(), &api.SetAlarmStateInput{AlarmName: &name, StateValue: &to, StateReason: new("test")})
		b.try(err)
	}
	expect := func(d time.Duration, state, by string, told int) {
		t.Helper()
		b.pass(d)
		if c := b.alarm("c"); c.State != state || c.SuppressedBy != by {
			t.Errorf("%s, suppressed by %q; want %s, %q", c.State, c.SuppressedBy, state, by)
		}
		if n := len(calls[snsapi.PublishInput](b.others)); n != told {
			t.Errorf("the topic was told %d times, want %d", n, told)
		}
	}
	expect(time.Minute, stateOK, "", 0)
	set("a", stateAlarm)
	expect(time.Second, stateAlarm, "WaitPeriod", 0)
	expect(time.Minute, stateAlarm, "WaitPeriod", 0)
	expect(time.Minute, stateAlarm, "", 1) // nobody suppressed it in time
	set("a", stateOK)
	expect(time.Minute, stateOK, "", 0)
	set("a", stateAlarm)
	set("quiet", stateAlarm)
	expect(time.Second, stateAlarm, "Alarm", 0)
	expect(time.Hour, stateAlarm, "Alarm", 0)
	set("quiet", stateInsufficient)
	expect(time.Minute, stateAlarm, "ExtensionPeriod", 0)
	b.restart()
	expect(5*time.Minute, stateAlarm, "", 1)
	if c := b.alarm("c"); !strings.HasPrefix(c.Reason, "arn:aws:cloudwatch:us-east-1:000000000000:alarm:") || !strings.Contains(c.Reason, " transitioned to ") || len(c.Triggers) == 0 {
		t.Errorf("reason %q, triggers %v", c.Reason, c.Triggers)
	}
}

func TestMuted(t *testing.T) {
	b := newBench(t)
	b.watching("errors", nil)
	_, err := b.putAlarmMuteRule(b.ctx(), &api.PutAlarmMuteRuleInput{Name: new("m"), MuteTargets: &api.MuteTargets{AlarmNames: []string{"errors"}},
		Rule: &api.Rule{Schedule: &api.Schedule{Expression: new("cron(0 3 * * FRI)"), Duration: new("PT1H")}}})
	b.try(err)
	b.put("errors", 10)
	b.pass(time.Minute) // 03:05 on a Friday
	if n := len(calls[snsapi.PublishInput](b.others)); n != 0 || b.alarm("errors").State != stateAlarm {
		t.Errorf("muted: told %d times, in %s", n, b.alarm("errors").State)
	}
	b.put("errors", 1)
	b.pass(time.Minute)
	b.house.Clock.Advance(time.Hour)
	b.put("errors", 10)
	b.pass(time.Minute)
	if n := len(calls[snsapi.PublishInput](b.others)); n != 1 {
		t.Errorf("not muted: told %d times", n)
	}
}

// TestRun lets Run do all by itself, by the clock.
func TestRun(t *testing.T) {
	b := newBench(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Service.Run(ctx) }()
	b.watching("Errors", func(in *api.PutMetricAlarmInput) { in.Namespace = new("AWS/Lambda") })
	b.Measure(aws.Measurement{Account: "000000000000", Region: "us-east-1", Namespace: "AWS/Lambda", Name: "Errors", Unit: "Count", Value: 10})
	deadline := time.After(20 * time.Second)
	for len(calls[snsapi.PublishInput](b.others)) == 0 {
		b.house.Clock.Advance(5 * time.Second)
		select {
		case <-deadline:
			t.Fatalf("the topic was not told; the alarm is in %s", b.alarm("Errors").State)
		case <-time.After(5 * time.Millisecond):
		}
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
