package events

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
)

// down is for how long nobody is there: twice the period of a rule and the age that a target
// lets its events have, and more than the minute in which a rule's event may still come.
const down = 125 * time.Second

// TestMissed kills Tule, and starts it after schedules were due: the scheduler calls a target
// late, but not one whose events may not be that old; a rule is passed over, as EventBridge
// does; and the log says so.
func TestMissed(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	c := start(t, data)
	role, q, rules := c.role("r"), c.queue("q"), c.queue("rules")
	due := time.Now().UTC().Add(3 * time.Second).Format("2006-01-02T15:04:05")
	for name, age := range map[string]int32{"late": 86400, "stale": 60} {
		_, err := c.scheduler.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{Name: &name, ScheduleExpression: aws.String("at(" + due + ")"),
			FlexibleTimeWindow: &schedulertypes.FlexibleTimeWindow{Mode: schedulertypes.FlexibleTimeWindowModeOff},
			Target: &schedulertypes.Target{Arn: q.arn, RoleArn: role, Input: aws.String(name + " <aws.scheduler.scheduled-time>"),
				RetryPolicy: &schedulertypes.RetryPolicy{MaximumEventAgeInSeconds: &age}}})
		try(t, err)
	}
	_, err := c.events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("minutely"), ScheduleExpression: aws.String("rate(1 minute)")})
	try(t, err)
	_, err = c.events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("minutely"), Targets: []types.Target{{Id: aws.String("q"), Arn: rules.arn}}})
	try(t, err)
	c.house.Kill()
	time.Sleep(down)

	c = start(t, data)
	q.cloud, rules.cloud = c, c
	if got := *q.next().Body; got != "late "+due+"Z" {
		t.Errorf("the queue got %q", got)
	}
	if got := q.some(1); len(got) > 0 {
		t.Errorf("the queue got %q, too", *got[0].Body)
	}
	for _, want := range []string{"longer ago than its target lets it be", "schedule=arn:aws:scheduler:us-east-1:000000000000:schedule/default/stale",
		"is not made up for", "rule=arn:aws:events:us-east-1:000000000000:rule/minutely"} {
		if !strings.Contains(c.house.Log(), want) {
			t.Errorf("the log says nothing of %q:\n%s", want, c.house.Log())
		}
	}
	if got := rules.some(1); len(got) > 0 {
		t.Errorf("the rule made up for what it missed: %s", *got[0].Body)
	}
	c.pass(time.Minute)
	if got := event(t, rules.next().Body); got["detail-type"] != "Scheduled Event" {
		t.Errorf("the rule's queue got %v", got)
	}
	try(t, c.house.Stop())
}
