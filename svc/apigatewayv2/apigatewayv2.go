// Package apigatewayv2 is API Gateway's HTTP APIs and WebSocket APIs: the operations
// that describe them, the data plane that answers their callers, and the connections
// that back ends write to.
//
// An API is routes, each with a target integration; a deployment is an immutable copy of
// them, which a stage shows. A stage with automatic deployment gets a new one in the
// transaction that changes its API. A request reads its stage, whose deployment is
// compiled once and kept; nothing is written for it. Connections live in this process,
// and end with it.
//
// What differs from AWS on purpose:
//
//   - A deployment is served at once. An automatic one that no stage shows any longer is
//     forgotten.
//   - The tag _custom_id_ chooses an API's id.
//   - HTTP integrations work where the operator lends a transport; elsewhere they answer
//     as back ends that are not reached do. A private integration, over a VPC link,
//     goes to the host that the TLS configuration or a local name of the target gives.
//   - API keys of WebSocket APIs are not looked up: a route $connect that asks for one
//     refuses everybody. AWS integrations of WebSocket APIs reach functions alone.
//   - Frames are as long as a message may be, 128 KB, and not 32 KB at most.
//   - Access logs go to CloudWatch Logs alone, in the name of delivery.logs.amazonaws.com,
//     to which the caller who turns them on opens the log group by a resource policy.
//   - Portals, their products and routing rules are not built.
package apigatewayv2

import (
	"context"
	"io"
	"log/slog"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/authorize"
	"github.com/tule-cloud/tule/gateway/courier"
	"github.com/tule-cloud/tule/gateway/jwt"
	"github.com/tule-cloud/tule/gateway/memo"
	"github.com/tule-cloud/tule/gateway/throttle"
	"github.com/tule-cloud/tule/store"
)

// Options furnish a Service. All but Allow and HTTP are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader // safe for concurrent use
	Logger *slog.Logger
	Peers  aws.Peers
	Meter  aws.Meter // takes what the service measures of itself; nobody if nil
	// Allow asks whether the caller of ctx may do all of needs: for routes under
	// AWS_IAM. Without it nobody may.
	Allow func(ctx context.Context, needs ...aws.Access) error
	// HTTP reaches the back ends of HTTP integrations. Without it none is reached:
	// what this machine can reach is its operator's to lend.
	HTTP RoundTripper
	// Tokens knows the keys of the issuers of JWTs. Without it no token is good.
	Tokens *jwt.Issuers
}

// Service answers the operations of both kinds of APIs and serves the APIs.
type Service struct {
	Options
	programs programCache
	sockets  sockets
	verdicts *authorize.Cache
	buckets  *throttle.Buckets[bucketKey]
	logs     *courier.Courier
	known    *memo.Memo[string, bool] // which ids are of APIs
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	if o.Allow == nil {
		o.Allow = func(context.Context, ...aws.Access) error { return aws.AccessDenied("nobody decides who may") }
	}
	s := &Service{Options: o, programs: newProgramCache(o.Store), sockets: newSockets(), known: newKnown(o.Store), verdicts: authorize.NewCache(o.Clock), buckets: throttle.New[bucketKey](o.Clock)}
	s.logs = newCourier(s)
	return s
}

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return append(append(s.apiRoutes(), s.routeRoutes()...), s.stageRoutes()...)
}

func (s *Service) apiRoutes() []aws.Route {
	return []aws.Route{
		at(s, &api.CreateApi, s.createAPI, askCreateAPI),
		at(s, &api.GetApi, s.getAPI),
		at(s, &api.GetApis, s.getAPIs),
		at(s, &api.UpdateApi, s.updateAPI, askUpdateAPI),
		at(s, &api.DeleteApi, s.deleteAPI),
		at(s, &api.DeleteCorsConfiguration, s.deleteCors),
		at(s, &api.ImportApi, s.importAPI, askImport),
		at(s, &api.ReimportApi, s.reimportAPI, askReimport),
		at(s, &api.ExportApi, s.exportAPI),
		at(s, &api.CreateModel, s.createModel),
		at(s, &api.GetModel, s.getModel),
		at(s, &api.GetModels, s.getModels),
		at(s, &api.GetModelTemplate, s.getModelTemplate),
		at(s, &api.UpdateModel, s.updateModel),
		at(s, &api.DeleteModel, s.deleteModel),
		at(s, &api.CreateAuthorizer, s.createAuthorizer, askCreateAuthorizer),
		at(s, &api.GetAuthorizer, s.getAuthorizer),
		at(s, &api.GetAuthorizers, s.getAuthorizers),
		at(s, &api.UpdateAuthorizer, s.updateAuthorizer, askUpdateAuthorizer),
		at(s, &api.DeleteAuthorizer, s.deleteAuthorizer),
		at(s, &api.ResetAuthorizersCache, s.resetAuthorizersCache),
		at(s, &api.TagResource, s.tagResource, askTag),
		at(s, &api.UntagResource, s.untagResource, askUntag),
		at(s, &api.GetTags, s.getTags),
	}
}

func (s *Service) routeRoutes() []aws.Route {
	return []aws.Route{
		at(s, &api.CreateRoute, s.createRoute, askCreateRoute),
		at(s, &api.GetRoute, s.getRoute),
		at(s, &api.GetRoutes, s.getRoutes),
		at(s, &api.UpdateRoute, s.updateRoute, askUpdateRoute),
		at(s, &api.DeleteRoute, s.deleteRoute),
		at(s, &api.DeleteRouteRequestParameter, s.deleteRouteRequestParameter),
		at(s, &api.CreateRouteResponse, s.createRouteResponse),
		at(s, &api.GetRouteResponse, s.getRouteResponse),
		at(s, &api.GetRouteResponses, s.getRouteResponses),
		at(s, &api.UpdateRouteResponse, s.updateRouteResponse),
		at(s, &api.DeleteRouteResponse, s.deleteRouteResponse),
		at(s, &api.CreateIntegration, s.createIntegration, askCreateIntegration),
		at(s, &api.GetIntegration, s.getIntegration),
		at(s, &api.GetIntegrations, s.getIntegrations),
		at(s, &api.UpdateIntegration, s.updateIntegration, askUpdateIntegration),
		at(s, &api.DeleteIntegration, s.deleteIntegration),
		at(s, &api.CreateIntegrationResponse, s.createIntegrationResponse),
		at(s, &api.GetIntegrationResponse, s.getIntegrationResponse),
		at(s, &api.GetIntegrationResponses, s.getIntegrationResponses),
		at(s, &api.UpdateIntegrationResponse, s.updateIntegrationResponse),
		at(s, &api.DeleteIntegrationResponse, s.deleteIntegrationResponse),
	}
}

func (s *Service) stageRoutes() []aws.Route {
	return []aws.Route{
		at(s, &api.CreateDeployment, s.createDeployment, askCreateDeployment),
		at(s, &api.GetDeployment, s.getDeployment),
		at(s, &api.GetDeployments, s.getDeployments),
		at(s, &api.UpdateDeployment, s.updateDeployment),
		at(s, &api.DeleteDeployment, s.deleteDeployment),
		at(s, &api.CreateStage, s.createStage, askCreateStage),
		at(s, &api.GetStage, s.getStage),
		at(s, &api.GetStages, s.getStages),
		at(s, &api.UpdateStage, s.updateStage, askUpdateStage),
		at(s, &api.DeleteStage, s.deleteStage),
		at(s, &api.DeleteAccessLogSettings, s.deleteAccessLogSettings),
		at(s, &api.DeleteRouteSettings, s.deleteRouteSettings),
		at(s, &api.CreateVpcLink, s.createVpcLink, askCreateLink),
		at(s, &api.GetVpcLink, s.getVpcLink),
		at(s, &api.GetVpcLinks, s.getVpcLinks),
		at(s, &api.UpdateVpcLink, s.updateVpcLink),
		at(s, &api.DeleteVpcLink, s.deleteVpcLink),
	}
}
