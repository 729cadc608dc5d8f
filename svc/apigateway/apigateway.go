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
//   - A COGNITO_USER_POOLS authorizer takes any issuer of OpenID Connect: a provider ARN
//     is a user pool's, or of IAM's arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH. Keys
//     come from the operator's folder of issuers, or over the network where it is open.
//   - A stage's cache is memory of this process: of its size, up to what all may have.
//   - Access logs go to CloudWatch Logs and to Firehose under the account's role for
//     logs; AWS has a service-linked role for Firehose.
//   - HTTP integrations work where the operator lends a transport; elsewhere they
//     answer 500. Path parameters go to back ends as they were encoded.
//   - Bodies that are no text reach proxy functions in base64 even where no binary
//     media type names them, so that nothing is lost.
package apigateway

import (
	"context"
	"io"
	"log/slog"
	"slices"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/authorize"
	"github.com/tule-cloud/tule/gateway/courier"
	"github.com/tule-cloud/tule/gateway/jwt"
	"github.com/tule-cloud/tule/gateway/memo"
	"github.com/tule-cloud/tule/gateway/throttle"
	"github.com/tule-cloud/tule/seal"
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
	// Allow asks whether the caller of ctx may do all of needs: for methods under
	// AWS_IAM and APIs with a policy. Without it nobody may.
	Allow func(ctx context.Context, needs ...aws.Access) error
	// HTTP reaches the back ends of HTTP integrations, such as Transport does.
	// Without it none is reached: what this machine can reach is its operator's to
	// lend.
	HTTP RoundTripper
	// Forward answers requests to other services, for AWS integrations. Without it they
	// reach Lambda alone.
	Forward Forwarder
	// Issuers verifies the tokens that COGNITO_USER_POOLS authorizers take; nil: none is
	// taken.
	Issuers *jwt.Issuers
	// Box seals the keys of certificates; without it none is kept.
	Box *seal.Box
	// Rate is how many requests a second an account's APIs in a region answer, all
	// together; on AWS 10,000. 0 for any number.
	Rate float64
}

// Service answers API Gateway's operations and serves the APIs.
type Service struct {
	Options
	programs programCache
	caches   *responseCaches
	logs     *courier.Courier
	counters counters
	buckets  *throttle.Buckets[bucketKey]
	answers  *authorize.Cache // of Lambda authorizers
	// subscribers are whose API keys are.
	subscribers *memo.Memo[keyUse, *subscriber]
	// transports reach back ends that want a certificate, or have their own authority.
	transports *memo.Memo[secured, RoundTripper]
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	s := &Service{Options: o, programs: newProgramCache(o.Store),
		counters: counters{lanes: map[laneKey][]counted{}}, buckets: throttle.New[bucketKey](o.Clock)}
	s.answers, s.subscribers = authorize.NewCache(o.Clock), newSubscribers(o.Store)
	s.transports = newTransports(o.Store)
	if s.Issuers == nil {
		s.Issuers = jwt.New(jwt.Options{Clock: o.Clock})
	}
	s.caches, s.logs = newResponseCaches(o.Clock, o.Random), newCourier(s)
	if s.Allow == nil {
		s.Allow = func(context.Context, ...aws.Access) error { return aws.AccessDenied("nobody decides who may") }
	}
	return s
}

// Run sends execution logs to CloudWatch Logs until ctx ends, and then the rest.
func (s *Service) Run(ctx context.Context) error { return s.logs.Run(ctx) }

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return append(slices.Concat(s.structureRoutes(), s.planRoutes(), s.documentRoutes(), s.accessRoutes()),
		at(s, &api.CreateDeployment, s.createDeployment, askCreateDeployment),
		at(s, &api.GetDeployment, s.getDeployment),
		at(s, &api.GetDeployments, s.getDeployments),
		at(s, &api.UpdateDeployment, s.updateDeployment),
		at(s, &api.DeleteDeployment, s.deleteDeployment),
		at(s, &api.CreateStage, s.createStage, askCreateStage),
		at(s, &api.GetStage, s.getStage),
		at(s, &api.GetStages, s.getStages),
		at(s, &api.UpdateStage, s.updateStage, s.askUpdateStage),
		at(s, &api.DeleteStage, s.deleteStage, s.askDeleteStage),
		at(s, &api.FlushStageCache, s.flushStageCache),
		at(s, &api.GetAccount, s.getAccount),
		at(s, &api.UpdateAccount, s.updateAccount, passAccountRole),
		at(s, &api.TagResource, s.tagResource, askTag),
		at(s, &api.UntagResource, s.untagResource, askUntag),
		at(s, &api.GetTags, s.getTags),
		at(s, &api.TestInvokeMethod, s.testInvokeMethod),
		at(s, &api.ImportRestApi, s.importRestApi, askImport),
		at(s, &api.PutRestApi, s.putRestApi, s.askReimport),
	)
}

// documentRoutes are the operations on what an API says of itself.
func (s *Service) documentRoutes() []aws.Route {
	return []aws.Route{
		at(s, &api.CreateDocumentationPart, s.createDocumentationPart),
		at(s, &api.GetDocumentationPart, s.getDocumentationPart),
		at(s, &api.GetDocumentationParts, s.getDocumentationParts),
		at(s, &api.UpdateDocumentationPart, s.updateDocumentationPart),
		at(s, &api.DeleteDocumentationPart, s.deleteDocumentationPart),
		at(s, &api.ImportDocumentationParts, s.importDocumentationParts),
		at(s, &api.CreateDocumentationVersion, s.createDocumentationVersion),
		at(s, &api.GetDocumentationVersion, s.getDocumentationVersion),
		at(s, &api.GetDocumentationVersions, s.getDocumentationVersions),
		at(s, &api.UpdateDocumentationVersion, s.updateDocumentationVersion),
		at(s, &api.DeleteDocumentationVersion, s.deleteDocumentationVersion),
		at(s, &api.GetExport, s.getExport),
		at(s, &api.GetSdk, s.getSdk),
		at(s, &api.GetSdkType, s.getSdkType),
		at(s, &api.GetSdkTypes, s.getSdkTypes),
	}
}

// planRoutes are the operations on who may call, and how often.
func (s *Service) planRoutes() []aws.Route {
	return []aws.Route{
		at(s, &api.CreateApiKey, s.createAPIKey, askCreateKey),
		at(s, &api.GetApiKey, s.getAPIKey),
		at(s, &api.GetApiKeys, s.getAPIKeys),
		at(s, &api.UpdateApiKey, s.updateAPIKey),
		at(s, &api.DeleteApiKey, s.deleteAPIKey),
		at(s, &api.ImportApiKeys, s.importAPIKeys),
		at(s, &api.CreateUsagePlan, s.createUsagePlan, askCreatePlan),
		at(s, &api.GetUsagePlan, s.getUsagePlan),
		at(s, &api.GetUsagePlans, s.getUsagePlans),
		at(s, &api.UpdateUsagePlan, s.updateUsagePlan),
		at(s, &api.DeleteUsagePlan, s.deleteUsagePlan),
		at(s, &api.CreateUsagePlanKey, s.createUsagePlanKey),
		at(s, &api.GetUsagePlanKey, s.getUsagePlanKey),
		at(s, &api.GetUsagePlanKeys, s.getUsagePlanKeys),
		at(s, &api.DeleteUsagePlanKey, s.deleteUsagePlanKey),
		at(s, &api.GetUsage, s.getUsage),
		at(s, &api.UpdateUsage, s.updateUsage),
	}
}

// structureRoutes are the operations on what a deployment copies.
func (s *Service) structureRoutes() []aws.Route {
	return []aws.Route{
		at(s, &api.CreateRestApi, s.createRestApi, s.askCreateAPI),
		at(s, &api.GetRestApi, s.getRestApi),
		at(s, &api.GetRestApis, s.getRestApis),
		at(s, &api.UpdateRestApi, s.updateRestApi, s.askUpdateAPI),
		at(s, &api.DeleteRestApi, s.deleteRestApi, s.askDeleteAPI),
		at(s, &api.CreateResource, s.createResource),
		at(s, &api.GetResource, s.getResource),
		at(s, &api.GetResources, s.getResources),
		at(s, &api.UpdateResource, s.updateResource),
		at(s, &api.DeleteResource, s.deleteResource),
		at(s, &api.PutMethod, s.putMethod, s.askPutMethod),
		at(s, &api.GetMethod, s.getMethod),
		at(s, &api.UpdateMethod, s.updateMethod, s.askUpdateMethod),
		at(s, &api.DeleteMethod, s.deleteMethod, s.askDeleteMethod),
		at(s, &api.PutMethodResponse, s.putMethodResponse),
		at(s, &api.GetMethodResponse, s.getMethodResponse),
		at(s, &api.UpdateMethodResponse, s.updateMethodResponse),
		at(s, &api.DeleteMethodResponse, s.deleteMethodResponse),
		at(s, &api.PutIntegration, s.putIntegration, passIntegrationRole),
		at(s, &api.GetIntegration, s.getIntegration),
		at(s, &api.UpdateIntegration, s.updateIntegration, passPatchedRole),
		at(s, &api.DeleteIntegration, s.deleteIntegration),
		at(s, &api.PutIntegrationResponse, s.putIntegrationResponse),
		at(s, &api.GetIntegrationResponse, s.getIntegrationResponse),
		at(s, &api.UpdateIntegrationResponse, s.updateIntegrationResponse),
		at(s, &api.DeleteIntegrationResponse, s.deleteIntegrationResponse),
		at(s, &api.CreateModel, s.createModel),
		at(s, &api.GetModel, s.getModel),
		at(s, &api.GetModels, s.getModels),
		at(s, &api.GetModelTemplate, s.getModelTemplate),
		at(s, &api.UpdateModel, s.updateModel),
		at(s, &api.DeleteModel, s.deleteModel),
		at(s, &api.PutGatewayResponse, s.putGatewayResponse),
		at(s, &api.GetGatewayResponse, s.getGatewayResponse),
		at(s, &api.GetGatewayResponses, s.getGatewayResponses),
		at(s, &api.UpdateGatewayResponse, s.updateGatewayResponse),
		at(s, &api.DeleteGatewayResponse, s.deleteGatewayResponse),
		at(s, &api.CreateRequestValidator, s.createRequestValidator),
		at(s, &api.GetRequestValidator, s.getRequestValidator),
		at(s, &api.GetRequestValidators, s.getRequestValidators),
		at(s, &api.UpdateRequestValidator, s.updateRequestValidator),
		at(s, &api.DeleteRequestValidator, s.deleteRequestValidator),
	}
}
