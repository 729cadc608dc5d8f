package hostile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// events is a message to EventBridge.
func events(operation string, input map[string]any) message {
	return called("events", "AWSEvents."+operation, input)
}

func called(service, target string, input map[string]any) message {
	body, err := json.Marshal(input)
	if err != nil {
		panic(err) // texts and numbers alone
	}
	return message{service: service, method: "POST", path: "/", body: string(body), header: map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}}
}

// scheduled is a message that makes a schedule.
func scheduled(input map[string]any) message {
	m := called("scheduler", "", input)
	m.path, m.header = "/schedules/bad", map[string]string{"Content-Type": "application/json"}
	return m
}

// crons are expressions of every wrong kind.
var crons = []string{
	"", "cron()", "cron(* * * * *)", "cron(* * * * * *)", "cron(* * * * * * *)", "cron(60 * * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 ? 13 * *)", "cron(0 0 ? * 8 *)",
	"cron(0 0 ? * MON#6 *)", "cron(0 0 ? * ? *)", "cron(0 0 1 * MON *)", "cron(0 0 L-31 * ? *)", "cron(0 0 1 * ? 1969)", "cron(0 0 1 * ? 2200)", "cron(0/0 * * * ? *)", "cron(1- * * * ? *)",
	"cron(1,,2 * * * ? *)", "cron(0 0 1 * ? *", "cron 0 0 1 * ? *", "CRON(0 0 1 * ? *)", "cron(0 0 1 * ? *)\n", "cron(0  0 1 * ? *)x", "cron(" + strings.Repeat("0,", 200) + "0 0 1 * ? *)",
	"cron(99999999999999999999 0 1 * ? *)", "cron(０ 0 1 * ? *)", "rate(0 minutes)", "rate(-1 minutes)", "rate(1 second)", "rate(1.5 hours)", "rate(99999999999999999999 days)", "rate(5minutes)",
	"at(2030-02-30T00:00:00)", "at(2030-01-01T00:00:00Z)", "every 5 minutes",
}

// TestSchedulesBadInput makes rules and schedules by crons of every wrong kind, and with the
// rest of what they are made of wrong: each gets AWS's error, and none of them is there.
func TestSchedulesBadInput(t *testing.T) {
	for _, cron := range crons {
		status, text := events("PutRule", map[string]any{"Name": "bad", "ScheduleExpression": cron}).send(t)
		if status != 400 || !strings.Contains(text, "ValidationException") {
			t.Errorf("a rule by %q: %d %.300q", cron, status, text)
		}
		status, text = scheduled(map[string]any{"ScheduleExpression": cron, "FlexibleTimeWindow": map[string]any{"Mode": "OFF"},
			"Target": map[string]any{"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "RoleArn": "arn:aws:iam::000000000000:role/none"}}).send(t)
		if status != 400 || !strings.Contains(text, "ValidationException") {
			t.Errorf("a schedule by %q: %d %.300q", cron, status, text)
		}
	}
	target := map[string]any{"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "RoleArn": "arn:aws:iam::000000000000:role/none"}
	off := map[string]any{"Mode": "OFF"}
	for what, input := range map[string]map[string]any{
		"a zone that is none":       {"ScheduleExpression": "rate(1 hour)", "ScheduleExpressionTimezone": "Mars/Olympus", "FlexibleTimeWindow": off, "Target": target},
		"a zone that is a path":     {"ScheduleExpression": "rate(1 hour)", "ScheduleExpressionTimezone": "../../../etc/passwd", "FlexibleTimeWindow": off, "Target": target},
		"a window without length":   {"ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": map[string]any{"Mode": "FLEXIBLE"}, "Target": target},
		"a window of days":          {"ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": map[string]any{"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441}, "Target": target},
		"retries without end":       {"ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": off, "Target": map[string]any{"Arn": target["Arn"], "RoleArn": target["RoleArn"], "RetryPolicy": map[string]any{"MaximumRetryAttempts": 186}}},
		"an end before its start":   {"ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": off, "Target": target, "StartDate": 4e9, "EndDate": 3e9},
		"a target that is no ARN":   {"ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": off, "Target": map[string]any{"Arn": "q", "RoleArn": target["RoleArn"]}},
		"an operation that is none": {"ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": off, "Target": map[string]any{"Arn": "arn:aws:scheduler:::aws-sdk:sqs:makeQueue", "RoleArn": target["RoleArn"]}},
	} {
		status, text := scheduled(input).send(t)
		if status != 400 || !strings.Contains(text, "ValidationException") {
			t.Errorf("%s: %d %.300q", what, status, text)
		}
	}
	if status, text := events("DescribeRule", map[string]any{"Name": "bad"}).send(t); !strings.Contains(text, "ResourceNotFoundException") {
		t.Errorf("a rule is there: %d %s", status, text)
	}
	m := message{service: "scheduler", method: "GET", path: "/schedules/bad"}
	if status, text := m.send(t); status != 404 {
		t.Errorf("a schedule is there: %d %s", status, text)
	}
	serves(t)
}

// TestPatternsBadInput makes rules by patterns that are broken, deep, long or too complex.
func TestPatternsBadInput(t *testing.T) {
	list := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	for what, pattern := range map[string]string{
		"open":                      `{"source":["a"`,
		"no object":                 `["a"]`,
		"no list":                   `{"source":"a"}`,
		"empty":                     `{}`,
		"an unknown operator":       `{"source":[{"like":"a"}]}`,
		"deep":                      strings.Repeat(`{"a":`, 1000) + `["x"]` + strings.Repeat("}", 1000),
		"wildcards that explode":    `{"source":[{"wildcard":"*a*a*a*a*a*a*a*a*a*a*b"}]}`,
		"alternatives that explode": `{"$or":[{"a":["1"]},{"b":["1"]},{"c":["1"]},{"d":["1"]}],"x":{"$or":[{"a":["1"]},{"b":["1"]},{"c":["1"]},{"d":["1"]}],"x":{"$or":[{"a":["1"]},{"b":["1"]},{"c":["1"]},{"d":["1"]}],"x":{"$or":[{"a":["1"]},{"b":["1"]},{"c":["1"]},{"d":["1"]}],"x":{"$or":[{"a":["1"]},{"b":["1"]},{"c":["1"]},{"d":["1"]}]}}}}}`,
		"longer than 4096":          `{"source":[` + list(1000, `"aaa"`) + `]}`,
		"a network that is none":    `{"detail":{"ip":[{"cidr":"10.0.0.0/99"}]}}`,
		"a number out of range":     `{"detail":{"n":[{"numeric":[">",1e400]}]}}`,
	} {
		status, text := events("PutRule", map[string]any{"Name": "bad", "EventPattern": pattern}).send(t)
		if status != 400 || !strings.Contains(text, "InvalidEventPatternException") && !strings.Contains(text, "ValidationException") {
			t.Errorf("%s: %d %.300q", what, status, text)
		}
	}
	if status, text := events("DescribeRule", map[string]any{"Name": "bad"}).send(t); !strings.Contains(text, "ResourceNotFoundException") {
		t.Errorf("a rule is there: %d %s", status, text)
	}
	serves(t)
}

// TestEventsBadInput puts events that are too large, too many or broken, and makes targets
// that are wrong.
func TestEventsBadInput(t *testing.T) {
	c := eventbridge.NewFromConfig(config(house, account()))
	put := func(entries ...types.PutEventsRequestEntry) (*eventbridge.PutEventsOutput, error) {
		return c.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries})
	}
	entry := func(detail string) types.PutEventsRequestEntry {
		return types.PutEventsRequestEntry{Source: aws.String("s"), DetailType: aws.String("d"), Detail: &detail}
	}
	sized := func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }
	if _, err := put(entry(sized(1<<20 - 1))); err == nil || !strings.Contains(err.Error(), "ValidationException: Total size of the entries in the request is over the limit.") {
		t.Errorf("an event of a byte more than 1 MB: %v", err)
	}
	if out, err := put(entry(sized(1<<20 - 2))); err != nil || out.FailedEntryCount != 0 {
		t.Errorf("an event of 1 MB: %v, %v", out, err)
	}
	half := entry(sized(1 << 19))
	if _, err := put(half, half); err == nil || !strings.Contains(err.Error(), "over the limit") {
		t.Errorf("two that are too large together: %v", err)
	}
	var many []types.PutEventsRequestEntry
	for range 11 {
		many = append(many, entry("{}"))
	}
	if _, err := put(many...); err == nil || !strings.Contains(err.Error(), "Member must have length less than or equal to 10") {
		t.Errorf("11 events: %v", err)
	}
	out, err := put(entry("{"), entry("[]"), entry(strings.Repeat(`{"a":`, 100_000)+"1"+strings.Repeat("}", 100_000)), entry("\xff"), entry(`{"a":1}{}`), entry("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range out.Entries[:5] {
		if e.EventId != nil || aws.ToString(e.ErrorCode) != "MalformedDetail" {
			t.Errorf("broken entry %d: %v %v", i, aws.ToString(e.EventId), aws.ToString(e.ErrorCode))
		}
	}
	if out.FailedEntryCount != 5 || out.Entries[5].EventId == nil {
		t.Errorf("%d failed", out.FailedEntryCount)
	}

	if _, err := c.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"source":["s"]}`)}); err != nil {
		t.Fatal(err)
	}
	queue := aws.String("arn:aws:sqs:us-east-1:000000000000:q")
	var targets []types.Target
	for n := range 6 {
		targets = append(targets, types.Target{Id: aws.String(fmt.Sprint(n)), Arn: queue})
	}
	for what, list := range map[string][]types.Target{
		"six targets":              targets,
		"a path that is none":      {{Id: aws.String("a"), Arn: queue, InputPath: aws.String("$.a[")}},
		"an input that is no JSON": {{Id: aws.String("a"), Arn: queue, Input: aws.String("{")}},
		"two inputs":               {{Id: aws.String("a"), Arn: queue, Input: aws.String("{}"), InputPath: aws.String("$.a")}},
		"a template of nothing":    {{Id: aws.String("a"), Arn: queue, InputTransformer: &types.InputTransformer{InputTemplate: aws.String("<none>"), InputPathsMap: map[string]string{"aws.x": "$.a"}}}},
	} {
		out, err := c.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("r"), Targets: list})
		if err == nil && out.FailedEntryCount == 0 {
			t.Errorf("%s: are taken", what)
		}
	}
	if out, err := c.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: aws.String("r")}); err != nil || len(out.Targets) > 5 {
		t.Errorf("targets: %v, %v", out, err)
	}
	serves(t)
}
