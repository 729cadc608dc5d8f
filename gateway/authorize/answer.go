// Package authorize is what the Lambda authorizers of API Gateway answer, and what it
// permits: the answers are parsed, held against the method that is called, and kept for
// as long as their authorizer says. It calls no function and knows no request: services
// do, and ask here what came of it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
package authorize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/tule-cloud/tule/policy"
)

// An Answer is what a Lambda authorizer said of a caller. It does not change.
type Answer struct {
	// Principal is whom it took the caller for.
	Principal string
	// Policy says what the caller may; nil where Allowed alone does.
	Policy *policy.Policy
	// Allowed is the answer of HTTP APIs' simple responses.
	Allowed bool
	// Context is what it passes on, as JSON has it: texts, json.Number, bool and, in
	// simple responses, anything. Never nil.
	Context map[string]any
	// UsageKey is the API key that the request counts for; "" if it names none.
	UsageKey string
	// Size is about how many bytes it holds.
	Size int
}

// ErrMalformed is wrapped by the errors of Parse and ParseSimple.
var ErrMalformed = errors.New("the authorizer's answer is none")

// maxDepth bounds the nesting of an answer, which encoding/json bounds at 10,000 only.
const maxDepth = 100

// Parse reads an answer with a policy: principalId, policyDocument, context and
// usageIdentifierKey. What its context has may be texts, numbers and booleans; null is
// left out.
func Parse(body []byte) (*Answer, error) {
	var in struct {
		Principal *json.RawMessage           `json:"principalId"`
		Policy    json.RawMessage            `json:"policyDocument"`
		Context   map[string]json.RawMessage `json:"context"`
		UsageKey  *string                    `json:"usageIdentifierKey"`
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	a := &Answer{Context: map[string]any{}, Size: len(body)}
	if in.Principal == nil {
		return nil, fmt.Errorf("%w: it has no principalId", ErrMalformed)
	}
	who, err := scalar(*in.Principal)
	if err != nil || who == nil {
		return nil, fmt.Errorf("%w: its principalId is no text", ErrMalformed)
	}
	a.Principal = Text(who)
	if len(in.Policy) == 0 || in.Policy[0] != '{' {
		return nil, fmt.Errorf("%w: it has no policyDocument", ErrMalformed)
	}
	if a.Policy, err = policy.ParseAndCompile(string(in.Policy)); err != nil {
		return nil, fmt.Errorf("%w: its policyDocument: %w", ErrMalformed, err)
	}
	for name, raw := range in.Context {
		v, err := scalar(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: context.%s: %w", ErrMalformed, name, err)
		}
		if v != nil {
			a.Context[name] = v
		}
	}
	if in.UsageKey != nil {
		a.UsageKey = *in.UsageKey
	}
	return a, nil
}

// ParseSimple reads the answer of format 2.0: isAuthorized, and any context.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
func ParseSimple(body []byte) (*Answer, error) {
	var in struct {
		Allowed *bool          `json:"isAuthorized"`
		Context map[string]any `json:"context"`
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if in.Allowed == nil {
		return nil, fmt.Errorf("%w: it has no isAuthorized", ErrMalformed)
	}
	if in.Context == nil {
		in.Context = map[string]any{}
	}
	return &Answer{Allowed: *in.Allowed, Context: in.Context, Size: len(body)}, nil
}

func decode(body []byte, to any) error {
	if nested(body) > maxDepth {
		return fmt.Errorf("%w: it nests too deep", ErrMalformed)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: more follows it", ErrMalformed)
	}
	return nil
}

// nested is how deep JSON nests.
func nested(body []byte) (most int) {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			most = max(most, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return most
}

// scalar is a JSON text, number, boolean or null.
func scalar(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	switch v.(type) {
	case nil, string, json.Number, bool:
		return v, nil
	}
	return nil, errors.New("lists and objects have no place here")
}

// Text is a value of a Context as REST APIs pass it on: as a text.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// A Verdict is what an answer says of one call.
type Verdict uint8

// The verdicts. Silent is neither: no statement speaks of the call.
const (
	Silent Verdict = iota
	Allowed
	Denied
)

// Invoke is the action that a call of a method is.
const Invoke = "execute-api:Invoke"

// Judge holds an answer against a call of resource, the ARN
// arn:aws:execute-api:region:account:api/stage/verb/path. Keys are the call's condition
// keys; nil: none.
func (a *Answer) Judge(resource string, keys policy.Context) Verdict {
	if a.Policy == nil {
		if a.Allowed {
			return Allowed
		}
		return Denied
	}
	if keys == nil {
		keys = policy.ContextFunc(func(string) []string { return nil })
	}
	account := accountOf(resource)
	d := policy.Evaluate(&policy.Request{
		Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::" + account + ":user/" + a.Principal, AccountID: account, UserID: a.Principal, UserName: a.Principal},
		Action:    Invoke, Resource: resource, ResourceAccount: account, Context: keys,
	}, &policy.Set{Identity: []policy.Source{{ID: "authorizer", Policy: a.Policy}}})
	switch {
	case d.Allowed:
		return Allowed
	case d.Explicit:
		return Denied
	}
	return Silent
}

// accountOf is whose an ARN is.
func accountOf(arn string) string {
	for range 4 {
		_, rest, ok := cut(arn)
		if !ok {
			return ""
		}
		arn = rest
	}
	account, _, _ := cut(arn)
	return account
}

func cut(arn string) (part, rest string, ok bool) {
	for i := range len(arn) {
		if arn[i] == ':' {
			return arn[:i], arn[i+1:], true
		}
	}
	return arn, "", false
}
