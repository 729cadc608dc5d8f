package apigatewayv2

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	lambda "github.com/tule-cloud/tule/api/lambda"
	sts "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// A session is a role that API Gateway has taken on.
type session struct {
	caller aws.Caller
	until  time.Time
}

const (
	sessionTime = 10 * time.Minute // less than the shortest that STS gives
	maxSessions = 1000
	sessionName = "BackplaneAssumeRoleSession"
)

var errTimeout = errors.New("the integration timed out")

// integrate has the back end answer.
func (x *exchange) integrate(ctx context.Context) *reply {
	began := x.s.Clock.Now()
	i := x.route.integration
	var out *reply
	var err error
	switch {
	case i.subtype != nil:
		out, err = x.callService(ctx)
	case aws.Value(i.raw.IntegrationType) == "AWS_PROXY":
		out, err = x.callFunction(ctx)
	default:
		out, err = x.callHTTP(ctx)
	}
	x.waited = max(x.s.Clock.Now().Sub(began), 1)
	if err != nil {
		return x.refuse(err)
	}
	if len(out.body) > maxPayload {
		return x.refuse(internal("The response is larger than 10 MB"))
	}
	x.status = out.status
	return x.transform(out)
}

// transform changes a back end's answer by the mappings of its status.
func (x *exchange) transform(out *reply) *reply {
	mappings := x.route.integration.response[itoa(out.status)]
	if len(mappings) == 0 {
		return out
	}
	from := &answered{exchange: x, reply: out}
	changed := &reply{status: out.status, header: append([]param(nil), out.header...), body: out.body}
	for _, m := range mappings {
		text, ok := m.from.eval(from)
		if m.place == "statuscode" {
			if n := statusOf(text); ok && n != 0 {
				changed.status = n
			}
			continue
		}
		changed.header = m.apply(changed.header, text, ok && m.action != "remove")
	}
	return changed
}

// An answered is an exchange with what its back end said, for expressions.
type answered struct {
	*exchange
	reply *reply
	doc   *document
}

func (a *answered) body() *document {
	if a.doc == nil {
		a.doc = &document{text: string(a.reply.body)}
	}
	return a.doc
}

func (a *answered) variable(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "response.")
	switch {
	case !ok:
		return a.exchange.variable(name)
	case rest == "body":
		return string(a.reply.body), true
	case rest == "statuscode" || rest == "statusCode":
		return itoa(a.reply.status), true
	}
	header, ok := strings.CutPrefix(rest, "header.")
	var values []string
	for _, p := range a.reply.header {
		if strings.EqualFold(p.name, header) {
			values = append(values, p.value)
		}
	}
	return strings.Join(values, ","), ok && len(values) > 0
}

// callFunction is AWS_PROXY: the request as an event, the function's answer as the
// response.
func (x *exchange) callFunction(ctx context.Context) (*reply, error) {
	format := aws.Value(x.route.integration.raw.PayloadFormatVersion)
	var event any = x.eventV1()
	if format == "2.0" {
		event = x.eventV2()
	}
	payload, err := encode(event)
	if err != nil {
		return nil, err
	}
	uri, _ := x.route.integration.uri.eval(x)
	out, err := x.invoke(ctx, uri, payload, x.route.integration)
	if err != nil {
		return nil, err
	}
	if out.FunctionError != nil {
		return nil, internal("Lambda execution failed with status 200 due to customer function error: " + cut(string(out.Payload)))
	}
	got, ok := readAnswer(out.Payload, format)
	if !ok {
		return nil, internal("The response from the Lambda function doesn't match the format that API Gateway expects")
	}
	return got, nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// cut shortens what a back end said, for a log.
func cut(s string) string { return s[:min(len(s), 1024)] }

// invoke calls a function for a route, and waits as long as the integration allows.
func (x *exchange) invoke(ctx context.Context, uri string, payload []byte, i *integration) (*lambda.InvocationResponse, error) {
	function, ok := functionOf(uri)
	if !ok {
		return nil, internal("The integration URI is that of no function: " + uri)
	}
	caller, err := x.act(ctx, aws.Value(i.raw.CredentialsArn))
	if err != nil {
		return nil, err
	}
	out, err := x.s.invoke(ctx, x.staged, caller, function, payload, i.timeout)
	return out, x.refusedBy(err)
}

// refusedBy is what a caller hears of a back end of ours that did not answer.
func (x *exchange) refusedBy(err error) error {
	var e *aws.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTimeout):
		return unavailable("The integration timed out")
	case !errors.As(err, &e):
		x.s.Logger.Error("a back end could not be called", "api", *x.program.api.ApiId, "id", x.req.id, "error", err)
		return internal("Internal error")
	case e.Status == http.StatusForbidden || e.Status == http.StatusNotFound:
		return internal("The IAM role configured on the integration or API Gateway doesn't have permissions to call the integration. Check the permissions and try again.")
	case e.Status == http.StatusTooManyRequests:
		return unavailable(e.Message)
	}
	return internal(e.Message)
}

// invoke calls a function as caller. One that takes longer than allowed goes on, and
// errTimeout says that it did not answer in time.
func (s *Service) invoke(ctx context.Context, st *staged, caller aws.Caller, function string, payload []byte, wait time.Duration) (*lambda.InvocationResponse, error) {
	as := aws.RequestOf(ctx).As(caller)
	arn, _ := aws.ParseARN(function)
	as.ID, as.Region = aws.RandomUUID(s.Random), arn.Region
	ctx = aws.WithRequest(context.WithoutCancel(ctx), as)
	type result struct {
		out *lambda.InvocationResponse
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := lambda.Invoke.Do(ctx, s.Peers, &lambda.InvocationRequest{FunctionName: &function, Payload: payload})
		done <- result{out, err}
	}()
	late, stop := s.Clock.After(wait)
	defer stop()
	select {
	case r := <-done:
		return r.out, r.err
	case <-late:
		return nil, errTimeout
	}
}

// source is the ARN for which API Gateway calls a back end: a route's, with stars for
// the variables of its path.
func (x *exchange) source() string {
	where := *x.program.api.ApiId + "/" + *x.stage.StageName + "/"
	switch {
	case x.route.verb == "":
		where += x.route.key
	default:
		parts := strings.Split(strings.TrimPrefix(x.route.path, "/"), "/")
		for i, p := range parts {
			if strings.HasPrefix(p, "{") {
				parts[i] = "*"
			}
		}
		verb := x.route.verb
		if verb == "ANY" {
			verb = "*"
		}
		where += verb + "/" + strings.Join(parts, "/")
	}
	return aws.NewARN("execute-api", x.owner.Region, x.owner.Account, where).String()
}

// act is who calls the back end: API Gateway itself for the route, a role that it takes
// on, or the request's own caller.
func (x *exchange) act(ctx context.Context, credentials string) (aws.Caller, error) {
	switch {
	case credentials == "":
		return aws.ServiceCaller(principal, x.owner.Account, x.source()), nil
	case credentials == callerCredentials:
		if x.req.caller.Kind == aws.Anonymous {
			return aws.Caller{}, internal("API Gateway does not have permission to assume the provided role")
		}
		return x.req.caller, nil
	}
	c, err := x.s.sessionFor(ctx, x.owner.Account, credentials, x.source())
	if err != nil {
		return c, internal("API Gateway does not have permission to assume the provided role " + credentials)
	}
	return c, nil
}

// sessionFor is a session of a role of an account, one that still holds if there is one.
func (s *Service) sessionFor(ctx context.Context, account, role, source string) (aws.Caller, error) {
	a, _ := aws.ParseARN(role)
	if a.Account != account {
		return aws.Caller{}, aws.AccessDenied("Cross-account pass role is not allowed.")
	}
	r := aws.RequestOf(ctx)
	key := role + " " + r.Region
	now := s.Clock.Now()
	s.programs.mu.RLock()
	have, ok := s.programs.sessions[key]
	s.programs.mu.RUnlock()
	if ok && now.Before(have.until) {
		return have.caller, nil
	}
	out, err := sts.AssumeRole.Do(aws.WithRequest(ctx, r.As(aws.ServiceCaller(principal, account, source))), s.Peers,
		&sts.AssumeRoleRequest{RoleArn: &role, RoleSessionName: ptr(sessionName)})
	if err != nil {
		return aws.Caller{}, err
	}
	if out.AssumedRoleUser == nil || out.AssumedRoleUser.AssumedRoleId == nil {
		return aws.Caller{}, errors.New("AssumeRole answered without a user")
	}
	id, _, _ := strings.Cut(*out.AssumedRoleUser.AssumedRoleId, ":")
	c := aws.RoleSession(role, id, sessionName)
	s.programs.mu.Lock()
	defer s.programs.mu.Unlock()
	if len(s.programs.sessions) >= maxSessions {
		clear(s.programs.sessions)
	}
	s.programs.sessions[key] = session{c, now.Add(sessionTime)}
	return c, nil
}
