package apigateway

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/authorize"
)

// An authority is what came of asking an authorizer.
type authority struct {
	context  map[string]any // $context.authorizer
	usageKey string
	verdict  authorize.Verdict
	answer   *authorize.Answer // of a Lambda authorizer
}

// authorized says whether the caller may use the method: the authorization type and the
// API's own policy together.
//
//	type     the API has no policy    the API has one
//	NONE     everybody                whom it allows
//	AWS_IAM  whom IAM allows          of the API's account: whom either allows; of another: both
//	CUSTOM   whom the answer allows   whom either allows, unless either denies
//	COGNITO  whose token is good      of those, whom it allows
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
func (x *exchange) authorized(ctx context.Context) error {
	if x.stage == nil {
		return nil // a test invocation, which its own permission guards
	}
	if why := x.req.stranger; why != nil {
		return forbidden("Access denied. Reason: " + why.Error())
	}
	m := x.method
	switch m.auth {
	case authNone:
		return x.allowedByPolicy(ctx)
	case authIAM:
		if x.req.caller.Kind == aws.Anonymous {
			return missingToken()
		}
		return x.allow(ctx, x.program.policy)
	}
	a := x.program.authorizers[m.authorizerID]
	if a == nil {
		return authorizerMisconfigured("the authorizer " + m.authorizerID + " is not part of the deployment")
	}
	if m.auth == authCognito {
		if err := x.byToken(ctx, a, m.scopes); err != nil {
			return err
		}
		return x.allowedByPolicy(ctx)
	}
	if x.program.policy != "" {
		// Whom the policy denies the authorizer is not asked about.
		if err := x.allow(ctx, x.program.denials); err != nil {
			return err
		}
	}
	if err := x.byFunction(ctx, a); err != nil {
		return err
	}
	switch x.authority.verdict {
	case authorize.Allowed:
		return nil
	case authorize.Denied:
		return denied("User is not authorized to access this resource with an explicit deny")
	}
	if x.program.policy != "" && x.allow(ctx, x.program.policy) == nil {
		return nil
	}
	return denied("User is not authorized to access this resource")
}

// allowedByPolicy holds a caller to the API's policy, where there is one.
func (x *exchange) allowedByPolicy(ctx context.Context) error {
	if x.program.policy == "" {
		return nil
	}
	return x.allow(ctx, x.program.policy)
}

// arn is the request as policies name it.
func (x *exchange) arn(verb, path string) string {
	return aws.NewARN("execute-api", x.program.at.Region, x.program.at.Account, x.program.apiID+"/"+x.stageName+"/"+verb+path).String()
}

// allow asks whether the caller may do what it asks for, with that policy on the API.
func (x *exchange) allow(ctx context.Context, policy string) error {
	return x.may(ctx, authorize.Invoke, policy)
}

// may is allow of another action than to invoke.
func (x *exchange) may(ctx context.Context, action, policy string) error {
	need := aws.Access{Action: action, Resource: x.arn(x.req.verb, x.req.path)}
	if policy != "" {
		need.Policy = func(context.Context) (string, error) { return policy, nil }
	}
	err := x.s.Allow(ctx, need)
	var refused *aws.Error
	if errors.As(err, &refused) && !refused.Server() {
		return denied(refused.Message)
	}
	return err
}

// onlyDenials is a policy that denies what another does and allows all else: it tells
// whom the other denies from whom it does not speak of.
func onlyDenials(policy string) string {
	var doc map[string]any
	if policy == "" || json.Unmarshal([]byte(policy), &doc) != nil {
		return policy
	}
	all := map[string]any{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
	switch have := doc["Statement"].(type) {
	case []any:
		doc["Statement"] = append(have, all)
	case map[string]any:
		doc["Statement"] = []any{have, all}
	default:
		return policy
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return policy
	}
	return string(text)
}
