package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tule-cloud/tule/aws"
)

// trail reads the audit log of a running Tule, for the commands that show it.
type trail struct {
	steering
	account string
}

func (t *trail) flags(c *cobra.Command) {
	t.steering.flags(c)
	c.Flags().Lookup("region").Usage = "the region; without, that of the environment"
	c.Flags().StringVar(&t.account, "account", "", "the account, where Tule listens on loopback alone; without, that of the environment's credentials")
}

// client asks in a region. An account is its own access key, where Tule trusts such.
func (t *trail) client(region string) (*client, error) {
	c := newClient(t.address(), region)
	if t.account != "" {
		if !aws.ValidAccount(t.account) {
			return nil, fmt.Errorf("--account %s: an account is twelve digits", t.account)
		}
		c.keys.AccessKeyID, c.keys.Secret, c.keys.Token = t.account, "test", ""
	}
	return c, nil
}

// A trailEvent is what CloudTrailEvent says.
type trailEvent struct {
	EventID, RequestID                string
	EventTime                         time.Time
	EventSource, EventName, AWSRegion string
	SourceIPAddress, UserAgent        string
	ErrorCode, ErrorMessage           string
	RecipientAccountID                string
	UserIdentity                      trailIdentity
	Resources                         []struct{ ARN string }
	Additional                        trailData `json:"additionalEventData"`
	text                              string    // as it came
}

type trailIdentity struct {
	Type, ARN, AccountID, AccessKeyID, PrincipalID, UserName, InvokedBy string
	SessionContext                                                      struct{ SessionIssuer struct{ ARN string } }
}

type trailData struct {
	Passed, Within bool
	Decisions      []trailDecision
}

type trailDecision struct {
	Action, Resource      string
	Allowed, Passed       bool
	By, Source, Statement string
	Message               string
	Evaluation, Remedy    string
}

// denied reports whether policies refused the call, or would have.
func (e *trailEvent) denied() bool {
	return e.Additional.Passed || e.ErrorCode == "AccessDenied"
}

// own reports whether a command that shows the log put the event there.
func (e *trailEvent) own() bool { return e.EventName == "LookupEvents" && e.UserAgent == agent }

// who is what a person calls who made the call: "user ann", "role web (session s1)".
func (i *trailIdentity) who() string {
	_, rest, _ := strings.Cut(i.ARN, "::"+i.AccountID+":")
	switch i.Type {
	case "Root":
		return "root of " + i.AccountID
	case "IAMUser":
		return "user " + rest[strings.LastIndexByte(rest, '/')+1:]
	case "AssumedRole":
		role := i.SessionContext.SessionIssuer.ARN
		return "role " + role[strings.LastIndexByte(role, '/')+1:] + " (session " + i.ARN[strings.LastIndexByte(i.ARN, '/')+1:] + ")"
	case "FederatedUser":
		return "federated user " + i.ARN[strings.LastIndexByte(i.ARN, '/')+1:]
	case "AWSService":
		return i.InvokedBy
	case "AWSAccount":
		return strings.TrimSpace("account " + i.AccountID + " " + i.PrincipalID)
	}
	return strings.TrimSpace(i.Type + " " + i.UserName)
}

// action is what was asked for, as a policy has it where one was asked.
func (e *trailEvent) action() string {
	for _, d := range e.Additional.Decisions {
		if !d.Allowed {
			return d.Action
		}
	}
	return strings.TrimSuffix(e.EventSource, ".amazonaws.com") + ":" + e.EventName
}

// lookup reads the events of a region that a search finds, the newest first, from a time
// on if it is not zero.
func (c *client) lookup(ctx context.Context, key, value string, since time.Time) ([]trailEvent, error) {
	in := map[string]any{"MaxResults": 50}
	if key != "" {
		in["LookupAttributes"] = []map[string]string{{"AttributeKey": key, "AttributeValue": value}}
	}
	if !since.IsZero() {
		in["StartTime"] = float64(since.UnixMilli()) / 1000
	}
	var all []trailEvent
	for {
		var page struct {
			Events    []struct{ CloudTrailEvent string }
			NextToken string
		}
		if err := c.json(ctx, "cloudtrail", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", in, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			var read trailEvent
			if err := json.Unmarshal([]byte(e.CloudTrailEvent), &read); err != nil {
				return nil, fmt.Errorf("an event of the audit log is not to be read: %w", err)
			}
			read.text = e.CloudTrailEvent
			all = append(all, read)
		}
		if page.NextToken == "" {
			return all, nil
		}
		in["NextToken"] = page.NextToken
	}
}

// byTime puts events in the order in which they happened; those that happened in the
// same second stay in the order of the log.
func byTime(events []trailEvent) {
	slices.Reverse(events)
	slices.SortStableFunc(events, func(a, b trailEvent) int { return a.EventTime.Compare(b.EventTime) })
}

// parseSince is parseStart for a flag called --since.
func parseSince(text string) (time.Time, error) {
	t, err := parseStart(text, systemClock{}.Now())
	if err != nil {
		return t, fmt.Errorf("--since %s: say 1h, 90s, 2d or 2026-01-02T03:04:05Z", text)
	}
	return t, nil
}
