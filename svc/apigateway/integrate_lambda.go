package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	lambda "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// A session is a role that API Gateway has taken on.
type session struct {
	caller aws.Caller
	until  time.Time
}

// sessions are kept this long: less than the shortest that STS gives.
const sessionTime = 10 * time.Minute

// maxSessions is how many are kept.
const maxSessions = 1000

func sessionOf(role, id string) aws.Caller {
	roleID, _, _ := strings.Cut(id, ":")
	return aws.RoleSession(role, roleID, sessionName)
}

// act is who calls the back end: API Gateway itself for the method, a role that it
// takes on, or the request's own caller.
func (x *exchange) act(ctx context.Context) (aws.Caller, error) {
	role := x.substitute(x.method.integration.credentials)
	source := x.arn(x.method.verb, x.method.resourcePath)
	switch {
	case role == "":
		return aws.ServiceCaller(principal, x.program.at.Account, variablesInARN(source)), nil
	case !isRole(role): // arn:aws:iam::*:user/*
		if x.req.caller.Kind == aws.Anonymous {
			return aws.Caller{}, misconfigured("API Gateway does not have permission to assume the provided role")
		}
		return x.req.caller, nil
	}
	if a, _ := aws.ParseARN(role); a.Account != x.program.at.Account {
		return aws.Caller{}, misconfigured("Cross-account pass role is not allowed: " + role)
	}
	c, err := x.s.sessionFor(ctx, role, source)
	if err != nil {
		return c, misconfigured("API Gateway does not have permission to assume the provided role " + role)
	}
	return c, nil
}

// variablesInARN writes a path's variables as *, as permissions name them.
func variablesInARN(arn string) string {
	parts := strings.Split(arn, "/")
	for i, p := range parts {
		if isVariable(p) {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}

// sessionFor is a session of the role, one that still holds if there is one.
func (s *Service) sessionFor(ctx context.Context, role, source string) (aws.Caller, error) {
	key := role + " " + aws.RequestOf(ctx).Region
	now := s.Clock.Now()
	s.programs.mu.RLock()
	have, ok := s.programs.sessions[key]
	s.programs.mu.RUnlock()
	if ok && now.Before(have.until) {
		return have.caller, nil
	}
	c, err := s.assume(ctx, role, source)
	if err != nil {
		return c, err
	}
	s.programs.mu.Lock()
	if len(s.programs.sessions) >= maxSessions {
		clear(s.programs.sessions)
	}
	s.programs.sessions[key] = session{c, now.Add(sessionTime)}
	s.programs.mu.Unlock()
	return c, nil
}

// substitute puts stage variables, ${stageVariables.name}, into a text.
func (x *exchange) substitute(text string) string {
	const open = "${stageVariables."
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, open)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return b.String() + open + rest
		}
		b.WriteString(x.variables[name])
		text = after
	}
}

// target is the integration's URI with stage variables and path parameters in it.
func (x *exchange) target() string {
	uri := x.substitute(x.method.integration.uri)
	for _, p := range x.integral.path {
		uri = strings.ReplaceAll(uri, "{"+p.Name+"}", p.Value)
	}
	return uri
}

// A call to a function.
type invocation struct {
	id      string // Lambda's request id
	out     *lambda.InvocationResponse
	latency time.Duration
}

// call invokes a function with a payload. One that takes longer than the
// integration allows goes on, and the caller hears that it did not answer in time.
func (x *exchange) call(ctx context.Context, payload []byte, header []gateway.Param) (*invocation, error) {
	uri := x.target()
	function, ok := functionOf(uri)
	if !ok {
		return nil, misconfigured("Integrations with " + uri + " are not available in this version of Tule")
	}
	in := &lambda.InvocationRequest{FunctionName: &function, Payload: payload}
	asynchronous := false
	for _, p := range header {
		switch {
		case strings.EqualFold(p.Name, "X-Amz-Invocation-Type"):
			in.InvocationType, asynchronous = &p.Value, p.Value == "Event"
		case strings.EqualFold(p.Name, "X-Amz-Client-Context"):
			in.ClientContext = &p.Value
		}
	}
	url := "https://lambda." + regionOf(uri) + ".amazonaws.com/2015-03-31/functions/" + function + "/invocations"
	r := *aws.RequestOf(ctx)
	r.Region = x.program.at.Region
	ctx = aws.WithRequest(context.WithoutCancel(ctx), &r)
	caller, err := x.act(ctx)
	if err != nil {
		return nil, err
	}
	as := r.As(caller)
	as.ID, as.Region = aws.RandomUUID(x.s.Random), regionOf(uri)
	x.logCall(url, as.ID, header, payload)
	call := &invocation{id: as.ID}
	start := x.s.Clock.Now()
	call.out, err = x.wait(aws.WithRequest(ctx, as), in)
	call.latency = x.s.Clock.Now().Sub(start)
	if err != nil {
		return nil, x.refused(err, call)
	}
	if call.out.StatusCode == nil && asynchronous {
		call.out.StatusCode = ptr(int32(http.StatusAccepted))
	}
	return call, nil
}

func regionOf(uri string) string {
	arn, _ := aws.ParseARN(uri)
	return arn.Region
}

func (x *exchange) logCall(url, id string, header []gateway.Param, payload []byte) {
	if x.log == nil {
		return
	}
	x.log.info("Endpoint request URI: %s", url)
	x.log.values("Endpoint request headers: ", append([]gateway.Param{
		{Name: "x-amzn-lambda-integration-tag", Value: x.req.id}, {Name: "X-Amz-Date", Value: x.req.at.UTC().Format("20060102T150405Z")},
		{Name: "x-amzn-apigateway-api-id", Value: x.program.apiID}, {Name: "Accept", Value: "application/json"},
		{Name: "User-Agent", Value: "AmazonAPIGateway_" + x.program.apiID}, {Name: "X-Amzn-Trace-Id", Value: x.req.trace},
		{Name: "Content-Type", Value: "application/json"}}, header...))
	x.log.data("Endpoint request body after transformations: ", payload)
	x.log.info("Sending request to %s", url)
}

var errTimeout = errors.New("the integration timed out")

// wait invokes the function, for as long as the integration allows.
func (x *exchange) wait(ctx context.Context, in *lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
	type result struct {
		out *lambda.InvocationResponse
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := lambda.Invoke.Do(ctx, x.s.Peers, in)
		done <- result{out, err}
	}()
	late, stop := x.s.Clock.After(x.method.integration.timeout)
	defer stop()
	select {
	case r := <-done:
		return r.out, r.err
	case <-late:
		return nil, errTimeout
	}
}

// refused turns an invocation that did not happen into a fault.
func (x *exchange) refused(err error, call *invocation) error {
	if errors.Is(err, errTimeout) {
		return timedOut()
	}
	var e *aws.Error
	if !errors.As(err, &e) {
		x.s.Logger.Error("a function could not be invoked", "api", x.program.apiID, "id", x.req.id, "error", err)
		return misconfigured("Internal error while invoking the Lambda function")
	}
	x.log.fail("Lambda invocation failed with status: " + strconv.Itoa(e.Status) + ". Lambda request id: " + call.id)
	switch {
	case e.Code == "InvalidRequestContentException":
		return badParameters(e.Message)
	case e.Status == http.StatusForbidden || e.Status == http.StatusNotFound:
		return misconfigured("Invalid permissions on Lambda function")
	}
	return misconfigured(e.Message)
}

// answered logs what a function said.
func (x *exchange) answered(call *invocation) []gateway.Param {
	x.answerer = backEndAnswer{int(aws.Value(call.out.StatusCode)), call.id}
	header := []gateway.Param{{Name: "Content-Type", Value: "application/json"}, {Name: "x-amzn-RequestId", Value: call.id}}
	if e := call.out.FunctionError; e != nil {
		header = append(header, gateway.Param{Name: "X-Amz-Function-Error", Value: *e})
	}
	header = append(header, gateway.Param{Name: "X-Amz-Executed-Version", Value: versionOf(call)}, gateway.Param{Name: "X-Amzn-Trace-Id", Value: x.req.trace})
	x.log.info("Received response. Integration latency: %d ms", call.latency.Milliseconds())
	x.log.data("Endpoint response body before transformations: ", call.out.Payload)
	x.log.values("Endpoint response headers: ", header)
	x.log.info("AWS Integration Endpoint RequestId : %s", call.id)
	return header
}

func versionOf(call *invocation) string {
	if v := call.out.ExecutedVersion; v != nil {
		return *v
	}
	return "$LATEST"
}

// invoke is the AWS integration with a function: the template's text in, the
// function's JSON out.
func (x *exchange) invoke(ctx context.Context) (*endpointResponse, error) {
	call, err := x.call(ctx, x.integral.body, x.integral.header)
	if err != nil {
		return nil, err
	}
	out := &endpointResponse{status: int(aws.Value(call.out.StatusCode)), body: call.out.Payload, header: x.answered(call)}
	var doc struct {
		ErrorMessage json.RawMessage `json:"errorMessage"`
	}
	// The message counts whether or not the function failed.
	if json.Unmarshal(out.body, &doc) == nil && len(doc.ErrorMessage) > 0 {
		if json.Unmarshal(doc.ErrorMessage, &out.failure) != nil {
			out.failure = string(doc.ErrorMessage)
		}
	}
	if call.out.FunctionError != nil {
		x.log.fail("Lambda execution failed with status 200 due to customer function error: " + cut(out.failure) + ". Lambda request id: " + call.id)
	}
	return out, nil
}
