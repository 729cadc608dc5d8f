package apigateway

import (
	"context"
	"errors"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// An exchange is one request on its way through a method.
type exchange struct {
	s         *Service
	program   *program
	stage     *api.Stage // nil in a test invocation
	stageName string
	// setting are the settings in force for the method, its own or those of all; nil if
	// there are none.
	setting    *api.MethodSetting
	ownSetting bool
	variables  map[string]string
	method     *method
	req        *request
	// authority is what an authorizer said of the caller; nil where none was asked.
	authority *authority
	// subscriber is who calls by an API key; nil where the method asks for none.
	subscriber *subscriber
	log        *transcript
	waited     time.Duration // for the back end
	canary     bool          // the stage's canary answers
	// looked says that the stage's cache was asked, and hit that it knew.
	looked, hit bool
	failed      *fault // what was answered in place of a back end's answer
	// answerer is what is known of the back end's answer.
	answerer backEndAnswer

	about     *requestContext // made when first asked for
	vars      map[string]any
	requested *template       // that made the request to the back end; nil for none
	integral  endpointRequest // what goes to the back end
	responded gateway.Override
}

// endpointRequest is the request to a back end.
type endpointRequest struct {
	header, query, path []gateway.Param
	body                []byte
}

// endpointResponse is a back end's answer.
type endpointResponse struct {
	status  int
	header  []gateway.Param
	body    []byte
	failure string // what selection patterns are held against
	typed   bool   // its Content-Type says what the body is; a function's is always text
}

func (x *exchange) context() *requestContext {
	if x.about == nil {
		c := x.requestContext()
		x.about = &c
	}
	return x.about
}

func (x *exchange) contextVariables() map[string]any {
	if x.vars == nil {
		x.vars = x.context().variables()
	}
	return x.vars
}

// run answers the request: what it may do, then what it does. An error that is no
// fault is of the caller's connection, or Tule's own.
func (x *exchange) run(ctx context.Context) *reply {
	if x.stage != nil {
		x.log.say("Extended Request Id: ", x.req.extendedID)
	}
	err := x.authorized(ctx)
	if err == nil {
		err = x.admit(ctx)
	}
	var out *reply
	if err == nil {
		x.begin()
		out, err = x.execute(ctx)
	}
	if err != nil {
		var f *fault
		if !errors.As(err, &f) {
			x.s.Logger.Error("a method failed", "api", x.program.apiID, "id", x.req.id, "error", err)
			f = misconfigured("Internal error")
		}
		x.log.fail(f.line)
		x.failed = f
		out := x.refuse(ctx, f)
		x.log.end(out.status)
		return out
	}
	if kind := x.method.integration.kind; kind != "MOCK" && kind != "HTTP_PROXY" {
		out.header = append([]gateway.Param{{Name: "X-Amzn-Trace-Id", Value: x.req.trace}}, out.header...)
	}
	x.log.data("Method response body after transformations: ", out.body)
	x.log.values("Method response headers: ", out.header)
	x.log.say("Successfully completed execution")
	x.log.end(out.status)
	return out
}

func (t *transcript) end(status int) { t.say("Method completed with status: ", strconv.Itoa(status)) }

// begin logs what the request is.
func (x *exchange) begin() {
	if x.log == nil {
		return
	}
	r := x.req
	x.log.say("Starting execution for request: ", r.id)
	x.log.say("HTTP Method: ", r.verb, ", Resource Path: ", r.path)
	x.log.values("Method request path: ", r.params)
	x.log.values("Method request query string: ", r.query)
	x.log.values("Method request headers: ", r.header)
	x.log.data("Method request body before transformations: ", r.body)
}

// execute takes the request through its integration.
func (x *exchange) execute(ctx context.Context) (*reply, error) {
	i := x.method.integration
	if i == nil {
		return nil, misconfigured("No integration defined for method")
	}
	if err := x.validate(); err != nil {
		return nil, err
	}
	if m, ttl := x.caching(); ttl > 0 {
		return x.fromCache(ctx, m, ttl, x.integrate)
	}
	return x.integrate(ctx)
}

// integrate takes the request to its back end and back.
func (x *exchange) integrate(ctx context.Context) (*reply, error) {
	switch x.method.integration.kind {
	case "AWS_PROXY":
		defer x.waiting()()
		return x.proxy(ctx)
	case "HTTP_PROXY":
		defer x.waiting()()
		return x.httpProxy(ctx)
	}
	if err := x.prepare(ctx); err != nil {
		return nil, err
	}
	in, err := x.backEnd(ctx)
	if err != nil {
		return nil, err
	}
	x.answerer.status = in.status
	return x.respond(ctx, in)
}

// backEnd sends what was prepared.
func (x *exchange) backEnd(ctx context.Context) (*endpointResponse, error) {
	defer x.waiting()()
	switch kind := x.method.integration.kind; kind {
	case "MOCK":
		return x.mock()
	case "AWS":
		if !x.method.integration.function {
			return x.callService(ctx)
		}
		return x.invoke(ctx)
	case "HTTP":
		return x.fetch(ctx)
	default:
		return nil, misconfigured("integrations of type " + kind + " are not available in this version of Tule")
	}
}
