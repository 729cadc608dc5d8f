package sqs

import (
	"context"
	"encoding/json"
	"slices"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxActions is the most actions of a permission, and maxStatements the most
// statements of a policy.
const (
	maxActions    = 7
	maxStatements = 20
)

// document is a queue's policy, of which statements that AddPermission did not make
// stay as they are.
type document struct {
	Version   string
	ID        string `json:"Id,omitempty"`
	Statement []json.RawMessage
}

type statement struct {
	Sid       string
	Effect    string
	Principal struct{ AWS any }
	Action    any
	Resource  string
}

// grantable are the actions that AddPermission gives.
var grantable = []string{"*", "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes",
	"GetQueueUrl", "ListDeadLetterSourceQueues", "PurgeQueue"}

func (q *queue) document() (document, error) {
	d := document{Version: "2008-10-17", ID: q.place.arn() + "/SQSDefaultPolicy"}
	text := q.Attributes["Policy"]
	if text == "" {
		return d, nil
	}
	var raw struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return d, badAttribute("Policy")
	}
	d.ID = raw.ID
	if raw.Version != "" {
		d.Version = raw.Version
	}
	if len(raw.Statement) > 0 && raw.Statement[0] == '{' {
		d.Statement = []json.RawMessage{raw.Statement}
		return d, nil
	}
	return d, json.Unmarshal(raw.Statement, &d.Statement)
}

func labelled(label string) func(json.RawMessage) bool {
	return func(raw json.RawMessage) bool {
		var s struct{ Sid string }
		return json.Unmarshal(raw, &s) == nil && s.Sid == label
	}
}

func (s *Service) addPermission(ctx context.Context, in *api.AddPermissionRequest) (*aws.Empty, error) {
	if err := checkPermission(in); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, in.QueueUrl, func(_ store.Tx, q *queue) error {
		d, err := q.document()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(d.Statement, labelled(*in.Label)) {
			return invalidValue(*in.Label, "Label", "Already exists.")
		}
		if len(d.Statement) >= maxStatements {
			return api.OverLimit("%d statements were found, maximum allowed is %d.", len(d.Statement)+1, maxStatements)
		}
		st := statement{Sid: *in.Label, Effect: "Allow", Resource: q.place.arn()}
		var principals, actions []string
		for _, id := range in.AWSAccountIds {
			principals = append(principals, aws.NewARN("iam", "", id, "root").String())
		}
		for _, a := range in.Actions {
			actions = append(actions, "SQS:"+a)
		}
		st.Principal.AWS, st.Action = oneOrMany(principals), oneOrMany(actions)
		raw, err := json.Marshal(st)
		if err != nil {
			return err
		}
		d.Statement = append(d.Statement, raw)
		return q.setPolicy(d)
	})
}

func checkPermission(in *api.AddPermissionRequest) error {
	switch {
	case len(in.AWSAccountIds) == 0:
		return missingParameter("The request must contain the parameter PrincipalId.")
	case len(in.Actions) == 0:
		return missingParameter("The request must contain the parameter ActionName.")
	case len(in.Actions) > maxActions:
		return api.OverLimit("%d Actions were found, maximum allowed is %d.", len(in.Actions), maxActions)
	case len(*in.Label) < 1 || len(*in.Label) > 80 || !alphanumeric(*in.Label):
		return invalidValue(*in.Label, "Label", "Must contain only alphanumeric characters, hyphens or underscores, and be 1 to 80 in length.")
	}
	for _, a := range in.Actions {
		if !slices.Contains(grantable, a) {
			return invalidParameter("Value SQS:%s for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions. ", a)
		}
	}
	for _, id := range in.AWSAccountIds {
		if !aws.ValidAccount(id) {
			return invalidParameter("Value [%s] for parameter PrincipalId is invalid. Reason: Unable to verify.", id)
		}
	}
	return nil
}

func oneOrMany(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (q *queue) setPolicy(d document) error {
	if len(d.Statement) == 0 {
		delete(q.Attributes, "Policy")
		return nil
	}
	b, err := json.Marshal(d)
	q.Attributes["Policy"] = string(b)
	return err
}

func (s *Service) removePermission(ctx context.Context, in *api.RemovePermissionRequest) (*aws.Empty, error) {
	return nil, s.change(ctx, in.QueueUrl, func(_ store.Tx, q *queue) error {
		d, err := q.document()
		if err != nil {
			return err
		}
		n := len(d.Statement)
		if d.Statement = slices.DeleteFunc(d.Statement, labelled(*in.Label)); len(d.Statement) == n {
			return invalidValue(*in.Label, "Label", "can't find label.")
		}
		return q.setPolicy(d)
	})
}
