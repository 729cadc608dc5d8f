package front

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
)

// denialHeader carries why a request was denied, for who may ask
// sts:DecodeAuthorizationMessage. AWS's sentence stays as it is.
const denialHeader = "X-Amzn-Encoded-Authorization-Message"

// Authorization messages are sealed in a box of this purpose, with the account of who
// was denied as their context.
const MessagePurpose = "authorization messages"

// denied is the error for a request that policies refuse.
func (f *Front) denied(message string, q *policy.Request, x policy.Explanation) error {
	err := aws.AccessDenied("%s", message)
	if f.Keys == nil {
		return err
	}
	text, failed := encodeDenial(q, x)
	if failed != nil {
		return err.Because(failed)
	}
	sealed, failed := f.messages.Seal(text, q.Principal.AccountID)
	if failed != nil {
		return err.Because(failed)
	}
	err.Header = http.Header{denialHeader: {base64.StdEncoding.EncodeToString(sealed)}}
	return err
}

// items is how the message writes a list.
type items[T any] struct {
	Items []T `json:"items"`
}

type (
	message struct {
		Allowed           bool             `json:"allowed"`
		ExplicitDeny      bool             `json:"explicitDeny"`
		MatchedStatements items[statement] `json:"matchedStatements"`
		Failures          items[string]    `json:"failures"`
		Context           denialContext    `json:"context"`
	}
	statement struct {
		ID      string     `json:"statementId"`
		Effect  string     `json:"effect"`
		Actions items[val] `json:"actions"`
		Source  string     `json:"sourcePolicyId"`
	}
	denialContext struct {
		Principal  who              `json:"principal"`
		Action     string           `json:"action"`
		Resource   string           `json:"resource"`
		Conditions items[condition] `json:"conditions"`
	}
	who struct {
		ID  string `json:"id"`
		ARN string `json:"arn"`
	}
	condition struct {
		Key    string     `json:"key"`
		Values items[val] `json:"values"`
	}
	val struct {
		Value string `json:"value"`
	}
)

// encodeDenial is the message that DecodeAuthorizationMessage opens, deflated.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
func encodeDenial(q *policy.Request, x policy.Explanation) ([]byte, error) {
	m := message{ExplicitDeny: x.Decision.Explicit, MatchedStatements: items[statement]{[]statement{}}, Failures: items[string]{[]string{}}}
	m.Context = denialContext{Principal: who{q.Principal.UserID, q.Principal.ARN}, Action: q.Action, Resource: q.Resource,
		Conditions: items[condition]{[]condition{}}}
	seen := map[string]bool{}
	for _, p := range x.Policies {
		for _, s := range p.Statements {
			if s.Applies {
				m.MatchedStatements.Items = append(m.MatchedStatements.Items, statement{ID: s.Statement.Sid,
					Effect: s.Statement.Effect.String(), Actions: items[val]{[]val{{q.Action}}}, Source: p.ID})
			}
			for _, c := range s.Conditions {
				if len(c.Actual) == 0 || seen[c.Condition.Key] {
					continue
				}
				seen[c.Condition.Key] = true
				values := make([]val, len(c.Actual))
				for i, v := range c.Actual {
					values[i] = val{v}
				}
				m.Context.Conditions.Items = append(m.Context.Conditions.Items, condition{c.Condition.Key, items[val]{values}})
			}
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(text); err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}
