package apigateway

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// testInvokeAuthorizer asks an authorizer as it now is, deployed or not. Nothing is kept
// of its answer.
func (s *Service) testInvokeAuthorizer(ctx context.Context, in *api.TestInvokeAuthorizerRequest) (*api.TestInvokeAuthorizerResponse, error) {
	var p *program
	var a *authorizer
	err := s.Store.View(ctx, func(r store.Reader) error {
		record, err := readAuthorizer(ctx, r, in.RestApiId, in.AuthorizerId)
		if err != nil {
			return err
		}
		owner, err := lookup(ctx, r, in.RestApiId)
		p, a = newProgram(scope(ctx), owner, ""), compileAuthorizer(record)
		return err
	})
	if err != nil {
		return nil, err
	}
	req := s.testRequest(ctx, &api.TestInvokeMethodRequest{Body: in.Body, Headers: in.Headers, MultiValueHeaders: in.MultiValueHeaders,
		PathWithQueryString: in.PathWithQueryString, HttpMethod: ptr("GET")}, resource{Path: "/"})
	x := &exchange{s: s, program: p, stageName: testStage, variables: in.StageVariables, method: &method{verb: "GET", resourcePath: "/"}, req: req,
		log: &transcript{clock: s.Clock, bodies: true}}
	out := &api.TestInvokeAuthorizerResponse{ClientStatus: ptr(int32(0))}
	start := s.Clock.Now()
	if a.kind == api.AuthorizerTypeCognitoUserPools {
		err = x.byToken(ctx, a, nil)
	} else {
		err = x.byFunction(ctx, a)
	}
	var f *fault
	switch {
	case errors.As(err, &f):
		x.log.fail(f.line)
		x.log.fail(f.kind)
		out.ClientStatus = ptr(int32(f.status))
	case err != nil:
		return nil, err
	default:
		x.describeAuthority(out)
	}
	out.Latency, out.Log = ptr(s.Clock.Now().Sub(start).Milliseconds()), ptr(x.log.report(req.id))
	return out, nil
}

// describeAuthority says what an authorizer said.
func (x *exchange) describeAuthority(out *api.TestInvokeAuthorizerResponse) {
	if claims, ok := x.authority.context["claims"].(map[string]any); ok {
		out.Claims = map[string]string{}
		for name, v := range claims {
			out.Claims[name], _ = v.(string)
		}
		return
	}
	out.PrincipalId, out.Policy = &x.authority.answer.Principal, ptr(x.authority.answer.Policy.Document().Text())
}

// flushAuthorizers forgets what Lambda authorizers answered for a stage.
func (s *Service) flushAuthorizers(ctx context.Context, in *api.FlushStageAuthorizersCacheRequest) (*aws.Empty, error) {
	if _, err := s.getStage(ctx, &api.GetStageRequest{RestApiId: in.RestApiId, StageName: in.StageName}); err != nil {
		return nil, err
	}
	s.answers.Flush(*in.RestApiId, *in.StageName)
	return nil, nil
}
