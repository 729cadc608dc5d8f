package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"

	lambda "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/authorize"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// authorizerTime is how long a Lambda authorizer may take.
const authorizerTime = maxTimeout * time.Millisecond

// byFunction asks a Lambda authorizer, or what is kept of its answers.
func (x *exchange) byFunction(ctx context.Context, a *authorizer) error {
	x.log.info("Starting authorizer: %s for request: %s", a.id, x.req.id)
	identity, ok := x.identityFor(a)
	if !ok {
		return unauthorized("Unauthorized")
	}
	x.log.info("Incoming identity: %s", mask(identity))
	key := authorize.Key{API: x.program.apiID, Stage: x.stageName, Authorizer: a.id, Version: x.program.deploymentID, Identity: identity}
	answer, kept := x.s.answers.Get(key)
	latency := time.Duration(0)
	if !kept {
		var err error
		start := x.s.Clock.Now()
		if answer, err = x.ask(ctx, a); err != nil {
			return err
		}
		latency = x.s.Clock.Now().Sub(start)
		if len(a.sources) > 0 && x.stage != nil {
			x.s.answers.Put(key, answer, a.ttl)
		}
	}
	x.log.info("Using valid authorizer policy for principal: %s", mask(answer.Principal))
	x.authority = &authority{context: map[string]any{"principalId": answer.Principal, "integrationLatency": latency.Milliseconds()},
		usageKey: answer.UsageKey, verdict: answer.Judge(x.arn(x.req.verb, x.req.path), x.conditionKeys()), answer: answer}
	for name, v := range answer.Context {
		x.authority.context[name] = authorize.Text(v)
	}
	x.about, x.vars = nil, nil // they were made without it
	x.log.info("Successfully completed authorizer execution")
	return nil
}

// identityFor is what a caller is known by: the token, or all sources of identity; false
// where one is missing, or where the token cannot be one.
func (x *exchange) identityFor(a *authorizer) (string, bool) {
	var parts []string
	for _, src := range a.sources {
		values, err := x.read(src, x.req.header, &payload{})
		if err != nil || len(values) == 0 {
			return "", false
		}
		parts = append(parts, values[0])
	}
	identity := strings.Join(parts, "\x00")
	return identity, a.pattern == nil || a.kind != "TOKEN" || a.pattern.MatchString(identity)
}

// conditionKeys are those that an authorizer's policy may ask for.
func (x *exchange) conditionKeys() policy.Context {
	return policy.ContextFunc(func(key string) []string {
		switch key {
		case "aws:sourceip":
			return []string{x.req.sourceIP}
		case "aws:useragent":
			return []string{x.req.userAgent}
		case "aws:currenttime":
			return []string{x.req.at.UTC().Format(time.RFC3339)}
		case "aws:epochtime":
			return []string{strconv.FormatInt(x.req.at.Unix(), 10)}
		}
		return nil
	})
}

// tokenEvent is what a TOKEN authorizer gets.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
type tokenEvent struct {
	Type      string `json:"type"`
	MethodARN string `json:"methodArn"`
	Token     string `json:"authorizationToken"`
}

// requestEvent is what a REQUEST authorizer gets.
type requestEvent struct {
	Type           string              `json:"type"`
	MethodARN      string              `json:"methodArn"`
	Resource       string              `json:"resource"`
	Path           string              `json:"path"`
	HTTPMethod     string              `json:"httpMethod"`
	Headers        map[string]string   `json:"headers"`
	MultiHeaders   map[string][]string `json:"multiValueHeaders"`
	Query          map[string]string   `json:"queryStringParameters"`
	MultiQuery     map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters map[string]string   `json:"pathParameters"`
	StageVariables map[string]string   `json:"stageVariables"`
	RequestContext *requestContext     `json:"requestContext"`
}

func (x *exchange) authorizerEvent(a *authorizer) any {
	r, arn := x.req, x.arn(x.req.verb, x.req.path)
	if a.kind == "TOKEN" {
		token, _ := x.identityFor(a)
		return tokenEvent{Type: a.kind, MethodARN: arn, Token: token}
	}
	return requestEvent{Type: a.kind, MethodARN: arn, Resource: x.method.resourcePath, Path: r.path, HTTPMethod: r.verb,
		Headers: filled(single(r.header)), MultiHeaders: filled(multi(r.header)), Query: filled(single(r.query)), MultiQuery: filled(multi(r.query)),
		PathParameters: filled(single(r.params)), StageVariables: filled(maps.Clone(x.variables)), RequestContext: x.context()}
}

// filled is a map, though it may be empty.
func filled[M ~map[string]V, V any](m M) M {
	if m == nil {
		m = M{}
	}
	return m
}

// ask calls the authorizer's function.
func (x *exchange) ask(ctx context.Context, a *authorizer) (*authorize.Answer, error) {
	uri := x.substitute(a.uri)
	function, ok := functionOf(uri)
	if !ok {
		return nil, authorizerMisconfigured("Invalid Authorizer URI: " + uri)
	}
	event, err := json.Marshal(x.authorizerEvent(a))
	if err != nil {
		return nil, err
	}
	caller, err := x.actFor(ctx, a)
	if err != nil {
		return nil, err
	}
	r := *aws.RequestOf(ctx)
	as := r.As(caller)
	as.ID, as.Region = aws.RandomUUID(x.s.Random), regionOf(uri)
	url := "https://lambda." + regionOf(uri) + ".amazonaws.com/2015-03-31/functions/" + function + "/invocations"
	x.log.info("Endpoint request URI: %s", url)
	x.log.values("Endpoint request headers: ", []gateway.Param{{Name: "X-Amz-Date", Value: x.req.at.UTC().Format("20060102T150405Z")},
		{Name: "x-amzn-apigateway-api-id", Value: x.program.apiID}, {Name: "Accept", Value: "application/json"},
		{Name: "User-Agent", Value: "AmazonAPIGateway_" + x.program.apiID}, {Name: "X-Amzn-Trace-Id", Value: x.req.trace}, {Name: "Content-Type", Value: "application/json"}})
	x.log.data("Endpoint request body after transformations: ", event)
	x.log.info("Sending request to %s", url)
	out, err := x.invokeAuthorizer(aws.WithRequest(context.WithoutCancel(ctx), as), &lambda.InvocationRequest{FunctionName: &function, Payload: event})
	if err != nil {
		return nil, x.authorizerRefused(err)
	}
	x.log.data("Authorizer result body before parsing: ", out.Payload)
	if out.FunctionError != nil {
		return nil, authorizerSaidNo(out.Payload)
	}
	answer, err := authorize.Parse(out.Payload)
	if err != nil {
		return nil, authorizerMisconfigured("Could not parse policy: " + cut(err.Error()))
	}
	return answer, nil
}

// invokeAuthorizer waits for a function, but not for ever.
func (x *exchange) invokeAuthorizer(ctx context.Context, in *lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
	type result struct {
		out *lambda.InvocationResponse
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := lambda.Invoke.Do(ctx, x.s.Peers, in)
		done <- result{out, err}
	}()
	late, stop := x.s.Clock.After(authorizerTime)
	defer stop()
	select {
	case r := <-done:
		return r.out, r.err
	case <-late:
		return nil, errTimeout
	}
}

// actFor is who calls an authorizer's function: API Gateway for the authorizer, or a role
// that it takes on.
func (x *exchange) actFor(ctx context.Context, a *authorizer) (aws.Caller, error) {
	source := aws.NewARN("execute-api", x.program.at.Region, x.program.at.Account, x.program.apiID+"/authorizers/"+a.id).String()
	role := x.substitute(a.credentials)
	if role == "" {
		return aws.ServiceCaller(principal, x.program.at.Account, source), nil
	}
	if arn, _ := aws.ParseARN(role); arn.Account != x.program.at.Account {
		return aws.Caller{}, authorizerMisconfigured("Cross-account pass role is not allowed: " + role)
	}
	r := *aws.RequestOf(ctx)
	r.Region = x.program.at.Region
	c, err := x.s.sessionFor(aws.WithRequest(context.WithoutCancel(ctx), &r), role, source)
	if err != nil {
		return c, authorizerMisconfigured("API Gateway does not have permission to assume the provided role " + role)
	}
	return c, nil
}

// authorizerRefused turns a call that did not happen into a fault.
func (x *exchange) authorizerRefused(err error) error {
	var e *aws.Error
	switch {
	case errors.Is(err, errTimeout):
		return authorizerFailed("Authorizer timed out")
	case !errors.As(err, &e):
		x.s.Logger.Error("an authorizer could not be invoked", "api", x.program.apiID, "id", x.req.id, "error", err)
		return authorizerFailed("Internal error while invoking the authorizer")
	case e.Status == 403 || e.Status == 404:
		return authorizerMisconfigured("Invalid permissions on Lambda function")
	}
	return authorizerFailed(e.Message)
}

// authorizerSaidNo reads what a function failed with: a caller is nobody where that is
// «Unauthorized», to the letter.
func authorizerSaidNo(payload []byte) error {
	var doc struct {
		ErrorMessage string `json:"errorMessage"`
	}
	if json.Unmarshal(payload, &doc) == nil && doc.ErrorMessage == "Unauthorized" {
		return unauthorized("Unauthorized")
	}
	return authorizerFailed("Authorizer error")
}
