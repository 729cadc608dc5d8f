package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"github.com/tule-cloud/tule/test/tule"
)

// TestEventsEvery makes the calls of every/steps.txt that are EventBridge's and its
// scheduler's.
func TestEventsEvery(t *testing.T) {
	c := newCloud(t)
	c.config.Region = "us-east-1" // the steps'
	clients := map[string]reflect.Value{"events": reflect.ValueOf(eventbridge.NewFromConfig(c.config)), "scheduler": reflect.ValueOf(scheduler.NewFromConfig(c.config))}
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":["events.amazonaws.com","scheduler.amazonaws.com"]},"Action":"sts:AssumeRole"}}`
	role, err := c.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("events"), AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{"account": c.account, "eventsrole": *role.Role.Arn}
	f, err := os.Open(filepath.Join(tule.Root(), "test", "every", "steps.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	steps := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		service, rest, _ := strings.Cut(lines.Text(), " ")
		client, ok := clients[service]
		if !ok {
			continue
		}
		steps++
		operation, input, _ := strings.Cut(rest, " ")
		for name, value := range known {
			input = strings.ReplaceAll(input, "{"+name+"}", value)
		}
		method := client.MethodByName(operation)
		in := reflect.New(method.Type().In(1).Elem())
		dec := json.NewDecoder(strings.NewReader(input))
		if err := dec.Decode(in.Interface()); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		save := strings.TrimSpace(input[dec.InputOffset():])
		got := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
		if err, _ := got[1].Interface().(error); err != nil {
			t.Fatalf("%s %s: %v", service, operation, err)
		}
		if name, member, ok := strings.Cut(save, "="); ok {
			known[name] = *got[0].Elem().FieldByName(member).Interface().(*string)
		}
	}
	if steps < 60 {
		t.Errorf("%d steps only", steps)
	}
}

// TestCancelReplay cancels a replay of so much that it is still under way.
func TestCancelReplay(t *testing.T) {
	c := newCloud(t)
	events := eventbridge.NewFromConfig(c.config)
	bus := c.arn("events", "event-bus/default")
	made, err := events.CreateArchive(t.Context(), &eventbridge.CreateArchiveInput{ArchiveName: aws.String("a"), EventSourceArn: &bus})
	if err != nil {
		t.Fatal(err)
	}
	entries := make([]eventtypes.PutEventsRequestEntry, 10)
	for i := range entries {
		entries[i] = eventtypes.PutEventsRequestEntry{Source: aws.String("s"), DetailType: aws.String("d"), Detail: aws.String(`{"n":1}`)}
	}
	for range 200 {
		if _, err := events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: entries}); err != nil {
			t.Fatal(err)
		}
	}
	for try := range 20 {
		name := aws.String(fmt.Sprintf("r%d", try))
		_, err := events.StartReplay(t.Context(), &eventbridge.StartReplayInput{ReplayName: name, EventSourceArn: made.ArchiveArn, EventStartTime: aws.Time(time.Now().Add(-time.Hour)),
			EventEndTime: aws.Time(time.Now().Add(time.Hour)), Destination: &eventtypes.ReplayDestination{Arn: &bus}})
		if err != nil {
			t.Fatal(err)
		}
		out, err := events.CancelReplay(t.Context(), &eventbridge.CancelReplayInput{ReplayName: name})
		if err == nil && out.State == eventtypes.ReplayStateCancelling {
			return
		}
	}
	t.Error("no replay could be cancelled")
}
