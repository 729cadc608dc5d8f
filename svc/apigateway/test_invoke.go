package apigateway

import (
	"context"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// testStage is the stage that a test invocation says it is on.
const testStage = "test-invoke-stage"

// testInvokeMethod runs a method as it now is, deployed or not. The caller's
// permission for this operation stands in for the method's own authorization.
func (s *Service) testInvokeMethod(ctx context.Context, in *api.TestInvokeMethodRequest) (*api.TestInvokeMethodResponse, error) {
	p, r, err := s.testProgram(ctx, in)
	if err != nil {
		return nil, err
	}
	n := p.root.at(r.Path)
	m := n.method(*in.HttpMethod)
	if m == nil {
		return nil, noMethod()
	}
	req := s.testRequest(ctx, in, r)
	if to, params := p.root.match(req.path, nil); to == n {
		req.params = params
	}
	x := &exchange{s: s, program: p, stageName: testStage, variables: in.StageVariables, method: m, req: req, log: &transcript{clock: s.Clock, bodies: true}}
	start := s.Clock.Now()
	out := x.run(ctx)
	if out.has("x-amzn-ErrorType") {
		out.header = slices.DeleteFunc(out.header, func(p gateway.Param) bool { return p.Name == "Content-Type" })
	}
	return &api.TestInvokeMethodResponse{
		Status: ptr(int32(out.status)), Body: ptr(string(out.body)), Headers: single(out.header), MultiValueHeaders: multi(out.header),
		Latency: ptr(s.Clock.Now().Sub(start).Milliseconds()), Log: ptr(x.log.report(req.id)),
	}, nil
}

// testProgram compiles the one resource that is tested.
func (s *Service) testProgram(ctx context.Context, in *api.TestInvokeMethodRequest) (p *program, res resource, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		if res, err = getResourceRecord(ctx, r, in.RestApiId, in.ResourceId); err != nil {
			return err
		}
		a, err := lookup(ctx, r, in.RestApiId)
		if err != nil {
			return err
		}
		p = newProgram(scope(ctx), a, "")
		if p.validators, err = validatorsOf(ctx, r, *in.RestApiId); err != nil {
			return err
		}
		models, err := modelsOf(ctx, r, *in.RestApiId)
		if err != nil {
			return err
		}
		responses, err := ownResponses(ctx, r, *in.RestApiId)
		if err != nil {
			return err
		}
		p.models, p.refusals = texts(models), compileResponses(responses)
		p.add(res)
		return nil
	})
	return p, res, err
}

func (s *Service) testRequest(ctx context.Context, in *api.TestInvokeMethodRequest, r resource) *request {
	about := aws.RequestOf(ctx)
	path, query, _ := strings.Cut(aws.Value(in.PathWithQueryString), "?")
	if path == "" {
		path = r.Path
	}
	req := &request{
		id: aws.RandomUUID(s.Random), extendedID: aws.RandomID(s.Random, aws.Base62, 15) + "=", at: s.Clock.Now(), verb: *in.HttpMethod, path: path, whole: path,
		host: "testPrefix.testDomainName", protocol: "HTTP/1.1", query: parseQuery(query), body: []byte(aws.Value(in.Body)), caller: about.Caller,
		sourceIP: "test-invoke-source-ip", userAgent: about.UserAgent,
		trace: "Root=1-" + strconv.FormatInt(s.Clock.Now().Unix(), 16) + "-" + aws.RandomID(s.Random, aws.Hex, 24),
	}
	for name, value := range in.Headers {
		req.header = append(req.header, gateway.Param{Name: name, Value: value})
	}
	for name, values := range in.MultiValueHeaders {
		for _, value := range values {
			req.header = append(req.header, gateway.Param{Name: name, Value: value})
		}
	}
	slices.SortStableFunc(req.header, func(a, b gateway.Param) int { return strings.Compare(a.Name, b.Name) })
	return req
}
