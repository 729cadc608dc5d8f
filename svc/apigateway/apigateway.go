// Package apigateway is API Gateway's REST APIs: the operations that describe them,
// and the data plane that answers the requests of their callers.
//
// An API is resources, each with its methods; a deployment is an immutable copy of
// them, and a stage gives a deployment a name, variables and settings. A request
// reads its stage, whose deployment is compiled once (routes, parsed templates,
// patterns) and kept; nothing is written for it. Execution logs go to CloudWatch
// Logs in batches, behind the request's back.
//
// What differs from AWS on purpose:
//
//   - Swagger and OpenAPI documents are walked as plain YAML, not through an OpenAPI
//     library: what people import has `swagger: 2.0` as a number, integer response
//     keys and `responses: {}`, which AWS takes and libraries refuse.
//   - A deployment is served at once.
//   - The tag _custom_id_ chooses an API's id.
//   - Authorizers, API keys, usage plans, caching, canaries and validation of bodies
//     against models are not built yet. Nothing is open for lack of them: a method that
//     asks for a key or an authorizer refuses every caller, and the execution log says
//     why.
//   - HTTP integrations work where the operator lends a transport; elsewhere they
//     answer 500. Path parameters go to back ends as they were encoded.
//   - Bodies that are no text reach proxy functions in base64 even where no binary
//     media type names them, so that nothing is lost.
//   - AWS integrations reach Lambda; another service's answers 500 until it is built.
package apigateway

import (
	"context"
	"io"
	"log/slog"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Options furnish a Service. All but Allow and HTTP are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader // safe for concurrent use
	Logger *slog.Logger
	Peers  aws.Peers
	// Allow asks whether the caller of ctx may do all of needs: for methods under
	// AWS_IAM and APIs with a policy. Without it nobody may.
	Allow func(ctx context.Context, needs ...aws.Access) error
	// HTTP reaches the back ends of HTTP integrations, such as Transport does.
	// Without it none is reached: what this machine can reach is its operator's to
	// lend.
	HTTP RoundTripper
}

// Service answers API Gateway's operations and serves the APIs.
type Service struct {
	Options
	programs programCache
	logs     *logFlusher
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	s := &Service{Options: o, programs: newProgramCache()}
	s.logs = newLogFlusher(s)
	if s.Allow == nil {
		s.Allow = func(context.Context, ...aws.Access) error { return aws.AccessDenied("nobody decides who may") }
	}
	return s
}

// Run sends execution logs to CloudWatch Logs until ctx ends, and then the rest.
func (s *Service) Run(ctx context.Context) error { return s.logs.run(ctx) }

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return append(s.structureRoutes(),
		at(&api.CreateDeployment, s.createDeployment),
		at(&api.GetDeployment, s.getDeployment),
		at(&api.GetDeployments, s.getDeployments),
		at(&api.UpdateDeployment, s.updateDeployment),
		at(&api.DeleteDeployment, s.deleteDeployment),
		at(&api.CreateStage, s.createStage),
		at(&api.GetStage, s.getStage),
		at(&api.GetStages, s.getStages),
		at(&api.UpdateStage, s.updateStage),
		at(&api.DeleteStage, s.deleteStage),
		at(&api.GetAccount, s.getAccount),
		at(&api.UpdateAccount, s.updateAccount, passAccountRole),
		at(&api.TagResource, s.tagResource),
		at(&api.UntagResource, s.untagResource),
		at(&api.GetTags, s.getTags),
		at(&api.TestInvokeMethod, s.testInvokeMethod),
		at(&api.ImportRestApi, s.importRestApi, passImportedRoles),
		at(&api.PutRestApi, s.putRestApi, passReimportedRoles),
	)
}

// structureRoutes are the operations on what a deployment copies.
func (s *Service) structureRoutes() []aws.Route {
	return []aws.Route{
		at(&api.CreateRestApi, s.createRestApi),
		at(&api.GetRestApi, s.getRestApi),
		at(&api.GetRestApis, s.getRestApis),
		at(&api.UpdateRestApi, s.updateRestApi),
		at(&api.DeleteRestApi, s.deleteRestApi),
		at(&api.CreateResource, s.createResource),
		at(&api.GetResource, s.getResource),
		at(&api.GetResources, s.getResources),
		at(&api.UpdateResource, s.updateResource),
		at(&api.DeleteResource, s.deleteResource),
		at(&api.PutMethod, s.putMethod),
		at(&api.GetMethod, s.getMethod),
		at(&api.UpdateMethod, s.updateMethod),
		at(&api.DeleteMethod, s.deleteMethod),
		at(&api.PutMethodResponse, s.putMethodResponse),
		at(&api.GetMethodResponse, s.getMethodResponse),
		at(&api.UpdateMethodResponse, s.updateMethodResponse),
		at(&api.DeleteMethodResponse, s.deleteMethodResponse),
		at(&api.PutIntegration, s.putIntegration, passIntegrationRole),
		at(&api.GetIntegration, s.getIntegration),
		at(&api.UpdateIntegration, s.updateIntegration, passPatchedRole),
		at(&api.DeleteIntegration, s.deleteIntegration),
		at(&api.PutIntegrationResponse, s.putIntegrationResponse),
		at(&api.GetIntegrationResponse, s.getIntegrationResponse),
		at(&api.UpdateIntegrationResponse, s.updateIntegrationResponse),
		at(&api.DeleteIntegrationResponse, s.deleteIntegrationResponse),
		at(&api.CreateModel, s.createModel),
		at(&api.GetModel, s.getModel),
		at(&api.GetModels, s.getModels),
		at(&api.GetModelTemplate, s.getModelTemplate),
		at(&api.UpdateModel, s.updateModel),
		at(&api.DeleteModel, s.deleteModel),
		at(&api.CreateRequestValidator, s.createRequestValidator),
		at(&api.GetRequestValidator, s.getRequestValidator),
		at(&api.GetRequestValidators, s.getRequestValidators),
		at(&api.UpdateRequestValidator, s.updateRequestValidator),
		at(&api.DeleteRequestValidator, s.deleteRequestValidator),
	}
}
