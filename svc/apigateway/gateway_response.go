package apigateway

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// gatewayResponses are those that an API has of its own, by its id and their type.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
var gatewayResponses = store.NewTable[api.GatewayResponse](service, "gateway-response")

// responseTypes are the types of gateway responses, with the status that each has by itself.
var responseTypes = map[string]string{
	api.GatewayResponseTypeDefault4xx: "", api.GatewayResponseTypeDefault5xx: "",
	api.GatewayResponseTypeResourceNotFound: "404", api.GatewayResponseTypeUnauthorized: "401",
	api.GatewayResponseTypeInvalidApiKey: "403", api.GatewayResponseTypeAccessDenied: "403",
	api.GatewayResponseTypeAuthorizerFailure: "500", api.GatewayResponseTypeAuthorizerConfigurationError: "500",
	api.GatewayResponseTypeInvalidSignature: "403", api.GatewayResponseTypeExpiredToken: "403",
	api.GatewayResponseTypeMissingAuthenticationToken: "403", api.GatewayResponseTypeIntegrationFailure: "504",
	api.GatewayResponseTypeIntegrationTimeout: "504", api.GatewayResponseTypeApiConfigurationError: "500",
	api.GatewayResponseTypeUnsupportedMediaType: "415", api.GatewayResponseTypeBadRequestParameters: "400",
	api.GatewayResponseTypeBadRequestBody: "400", api.GatewayResponseTypeRequestTooLarge: "413",
	api.GatewayResponseTypeThrottled: "429", api.GatewayResponseTypeQuotaExceeded: "429", api.GatewayResponseTypeWafFiltered: "403",
}

// defaultResponse is what an API answers with that has no response of its own.
func defaultResponse(kind string) api.GatewayResponse {
	r := api.GatewayResponse{ResponseType: &kind, DefaultResponse: ptr(true), ResponseParameters: map[string]string{},
		ResponseTemplates: map[string]string{"application/json": `{"message":$context.error.messageString}`}}
	if status := responseTypes[kind]; status != "" {
		r.StatusCode = &status
	}
	return r
}

func noGatewayResponse() error {
	return api.NotFoundException("Gateway response type not defined on api")
}

func (s *Service) putGatewayResponse(ctx context.Context, in *api.PutGatewayResponseRequest) (*api.GatewayResponse, error) {
	r := defaultResponse(*in.ResponseType)
	r.DefaultResponse = ptr(false)
	if in.StatusCode != nil {
		r.StatusCode = in.StatusCode
	}
	if in.ResponseParameters != nil {
		r.ResponseParameters = in.ResponseParameters
	}
	if len(in.ResponseTemplates) > 0 {
		r.ResponseTemplates = in.ResponseTemplates
	}
	return s.keepResponse(ctx, in.RestApiId, func(store.Tx) (api.GatewayResponse, error) { return r, nil })
}

// keepResponse writes what is made of a gateway response, if it can be one.
func (s *Service) keepResponse(ctx context.Context, apiID *string, made func(store.Tx) (api.GatewayResponse, error)) (*api.GatewayResponse, error) {
	return update(ctx, s, func(tx store.Tx) (*api.GatewayResponse, error) {
		if _, err := lookup(ctx, tx, apiID); err != nil {
			return nil, err
		}
		r, err := made(tx)
		if err == nil {
			err = checkGatewayResponse(&r)
		}
		if err != nil {
			return nil, err
		}
		return &r, gatewayResponses.Put(tx, scope(ctx), r, *apiID, *r.ResponseType)
	})
}

func checkGatewayResponse(r *api.GatewayResponse) error {
	for _, to := range slices.Sorted(maps.Keys(r.ResponseParameters)) {
		name, ok := strings.CutPrefix(to, gatewayResponse+"header.")
		if !ok || name == "" || strings.ContainsAny(name, " \t\r\n:") {
			return api.BadRequestException("Invalid parameter: %s. Must be of the form gatewayresponse.header.{name}", to)
		}
		src, ok := parseSource(r.ResponseParameters[to], methodRequest)
		if !ok || src.kind == fromBody {
			return api.BadRequestException("Invalid parameter expression: %s", r.ResponseParameters[to])
		}
	}
	return nil
}

const gatewayResponse = "gatewayresponse."

// responseOf is an API's response of a type, or the one that it has by itself.
func responseOf(ctx context.Context, r store.Reader, apiID, kind string) (api.GatewayResponse, error) {
	g, err := gatewayResponses.Get(ctx, r, scope(ctx), apiID, kind)
	if orElse(err, nil) == nil && err != nil {
		return defaultResponse(kind), nil
	}
	return g, err
}

func (s *Service) getGatewayResponse(ctx context.Context, in *api.GetGatewayResponseRequest) (*api.GatewayResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.GatewayResponse, error) {
		if _, err := lookup(ctx, r, in.RestApiId); err != nil {
			return nil, err
		}
		g, err := responseOf(ctx, r, *in.RestApiId, *in.ResponseType)
		return &g, err
	})
}

// getGatewayResponses lists all types, as AWS does: the API's own, and else what it has by itself.
func (s *Service) getGatewayResponses(ctx context.Context, in *api.GetGatewayResponsesRequest) (*api.GatewayResponses, error) {
	return view(ctx, s, func(r store.Reader) (*api.GatewayResponses, error) {
		if _, err := lookup(ctx, r, in.RestApiId); err != nil {
			return nil, err
		}
		out := &api.GatewayResponses{}
		for _, kind := range slices.Sorted(maps.Keys(responseTypes)) {
			g, err := responseOf(ctx, r, *in.RestApiId, kind)
			if err != nil {
				return nil, err
			}
			out.Items = append(out.Items, g)
		}
		return out, nil
	})
}

func (s *Service) deleteGatewayResponse(ctx context.Context, in *api.DeleteGatewayResponseRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		if _, err := lookup(ctx, tx, in.RestApiId); err != nil {
			return err
		}
		if err := require(ctx, tx, gatewayResponses, noGatewayResponse(), *in.RestApiId, *in.ResponseType); err != nil {
			return err
		}
		return gatewayResponses.Delete(tx, scope(ctx), *in.RestApiId, *in.ResponseType)
	})
}

func (s *Service) updateGatewayResponse(ctx context.Context, in *api.UpdateGatewayResponseRequest) (*api.GatewayResponse, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return s.keepResponse(ctx, in.RestApiId, func(tx store.Tx) (api.GatewayResponse, error) {
		r, err := responseOf(ctx, tx, *in.RestApiId, *in.ResponseType)
		if err != nil {
			return r, err
		}
		r.DefaultResponse = ptr(false)
		for _, p := range ops {
			if err := patchGatewayResponse(&r, p); err != nil {
				return r, err
			}
		}
		return r, nil
	})
}

func patchGatewayResponse(r *api.GatewayResponse, p patch) error {
	switch {
	case p.path == "/statusCode":
		if n, err := strconv.Atoi(p.value); p.op != "replace" || err != nil || n < 100 || n > 599 {
			return api.BadRequestException("Invalid status code specified: %s", p.value)
		}
		r.StatusCode = &p.value
	case len(p.parts) == 2 && p.parts[0] == "responseParameters":
		r.ResponseParameters = entry(r.ResponseParameters, p.parts[1], p, p.value)
	case len(p.parts) == 2 && p.parts[0] == "responseTemplates":
		r.ResponseTemplates = entry(r.ResponseTemplates, p.parts[1], p, p.value)
	default:
		return badPath(p.path)
	}
	return nil
}

// A refusal is a gateway response made ready to run.
type refusal struct {
	status    int // 0: the fault's own
	headers   []mapping
	templates map[string]*template
	order     []string // of the templates' content types
}

// compileResponses makes an API's own responses ready.
func compileResponses(all map[string]api.GatewayResponse) map[string]*refusal {
	out := map[string]*refusal{}
	for kind, r := range all {
		status, _ := strconv.Atoi(aws.Value(r.StatusCode))
		f := &refusal{status: status, headers: compileMappings(r.ResponseParameters, gatewayResponse, methodRequest), templates: compileTemplates(r.ResponseTemplates)}
		f.order = slices.Sorted(maps.Keys(f.templates))
		out[kind] = f
	}
	return out
}

// ownResponses are an API's own responses, by type.
func ownResponses(ctx context.Context, r store.Reader, apiID string) (map[string]api.GatewayResponse, error) {
	out := map[string]api.GatewayResponse{}
	for e, err := range gatewayResponses.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{apiID}}) {
		if err != nil {
			return nil, err
		}
		out[*e.Record.ResponseType] = e.Record
	}
	return out, nil
}

// refuse is the answer to a fault: the API's own response of its type, or of all of its kind.
func (x *exchange) refuse(ctx context.Context, f *fault) *reply {
	own := x.program.refusals[f.response]
	if own == nil && f.status < 500 {
		own = x.program.refusals[api.GatewayResponseTypeDefault4xx]
	} else if own == nil {
		own = x.program.refusals[api.GatewayResponseTypeDefault5xx]
	}
	if own == nil {
		return f.reply()
	}
	message, _ := json.Marshal(f.said())
	vars := maps.Clone(x.contextVariables())
	vars["error"] = map[string]any{"message": f.message, "messageString": string(message), "responseType": f.response}
	if f.detail != "" {
		vars["error"].(map[string]any)["validationErrorString"] = f.detail
	}
	out := &reply{status: f.status, header: []gateway.Param{{Name: "x-amzn-ErrorType", Value: f.kind}}}
	if own.status != 0 {
		out.status = own.status
	}
	contentType := own.contentType(x.req.header)
	out.set("Content-Type", contentType)
	if t := own.templates[contentType]; t != nil && t.err == nil {
		text, err := gateway.Render(ctx, t.vtl, &gateway.Event{Path: x.req.params, Query: x.req.query, Header: x.req.header, Context: vars, StageVariables: x.variables}, limits)
		if err != nil {
			return f.reply() // the log has the fault itself
		}
		out.body = text.Body
	}
	x.vars = vars // for headers that are made of the error
	for _, m := range own.headers {
		values, err := x.read(m.from, x.req.header, &payload{})
		if err == nil && m.ok && len(values) > 0 {
			out.set(m.name, values[0])
		}
	}
	return out
}

// contentType is the one of those that the response has templates for that the caller accepts,
// or else JSON, or the first.
func (r *refusal) contentType(header []gateway.Param) string {
	accept, _ := last(header, "Accept")
	for part := range strings.SplitSeq(accept, ",") {
		if t := mediaType(part); r.templates[t] != nil {
			return t
		}
	}
	if len(r.order) == 0 || r.templates["application/json"] != nil {
		return "application/json"
	}
	return r.order[0]
}
