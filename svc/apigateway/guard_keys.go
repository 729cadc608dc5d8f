package apigateway

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Condition keys come in pairs: apigateway:Request/… is what a call brings, and
// apigateway:Resource/… what stands before it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/security_iam_service-with-iam.html#security_iam_service-with-iam-id-based-policies-conditionkeys

// The halves of a pair.
const (
	ofRequest  = "apigateway:Request/"
	ofResource = "apigateway:Resource/"
)

// set is a condition key of values, and none without.
func set(need *aws.Access, key string, values ...string) {
	if len(values) > 0 {
		need.Keys[key] = values
	}
}

func setText(need *aws.Access, key string, value *string) {
	if value != nil {
		need.Keys[key] = []string{*value}
	}
}

func setFlag(need *aws.Access, key string, value *bool) {
	if value != nil {
		need.Keys[key] = []string{strconv.FormatBool(*value)}
	}
}

// describeAPI sets the keys of an API's own settings.
func describeAPI(need *aws.Access, half string, a *api.RestApi) {
	setText(need, half+"ApiName", a.Name)
	setFlag(need, half+"DisableExecuteApiEndpoint", a.DisableExecuteApiEndpoint)
	setText(need, half+"SecurityPolicy", a.SecurityPolicy)
	if a.EndpointConfiguration != nil {
		set(need, half+"EndpointType", a.EndpointConfiguration.Types...)
	}
}

// describeNew sets the keys of an API that is to be made, as it will be: a policy
// that forbids the default is not passed by leaving it out.
func describeNew(need *aws.Access, a *api.RestApi) {
	set(need, ofRequest+"EndpointType", api.EndpointTypeEdge)
	setFlag(need, ofRequest+"DisableExecuteApiEndpoint", ptr(false))
	describeAPI(need, ofRequest, a)
}

// describeMethods sets the keys of methods, all together.
func describeMethods(need *aws.Access, half string, methods ...api.Method) {
	keys, kinds := map[string]bool{}, map[string]bool{}
	for _, m := range methods {
		keys[strconv.FormatBool(aws.Value(m.ApiKeyRequired))] = true
		if m.AuthorizationType != nil {
			kinds[*m.AuthorizationType] = true
		}
	}
	set(need, half+"ApiKeyRequired", slices.Sorted(maps.Keys(keys))...)
	set(need, half+"RouteAuthorizationType", slices.Sorted(maps.Keys(kinds))...)
}

// methodsOf are the methods of resources.
func methodsOf(resources []resource) []api.Method {
	var out []api.Method
	for _, r := range resources {
		out = append(out, slices.Collect(maps.Values(r.Methods))...)
	}
	return out
}

// present reads what stands before a call, for the keys of ofResource. What is not
// there sets none, which the operation will say to those who may know.
func (s *Service) present(ctx context.Context, read func(r store.Reader) error) error {
	err := s.Store.View(ctx, read)
	if aws.CodeOf(err) == "NotFoundException" {
		return nil
	}
	return err
}

// presentAPI sets the keys of an API as it stands.
func (s *Service) presentAPI(ctx context.Context, id *string, need *aws.Access) error {
	return s.present(ctx, func(r store.Reader) error {
		a, err := lookup(ctx, r, id)
		if err == nil {
			describeAPI(need, ofResource, &a)
		}
		return err
	})
}

// presentMethod sets the keys of a method as it stands.
func (s *Service) presentMethod(ctx context.Context, apiID, resourceID, verb *string, need *aws.Access) error {
	return s.present(ctx, func(r store.Reader) error {
		_, m, err := getMethodRecord(ctx, r, apiID, resourceID, verb)
		if err == nil {
			describeMethods(need, ofResource, m)
		}
		return err
	})
}

// presentResources are the resources of an API as it stands.
func (s *Service) presentResources(ctx context.Context, id *string) ([]resource, error) {
	return view(ctx, s, func(r store.Reader) (out []resource, err error) {
		for e, err := range resources.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{aws.Value(id)}}) {
			if err != nil {
				return nil, err
			}
			out = append(out, e.Record)
		}
		return out, nil
	})
}

// setPolicy is the permission to say who may call an API, which is asked beside that
// to make or change the API.
func setPolicy(need *aws.Access) aws.Access {
	more := *need
	more.Action, more.Keys = "apigateway:UpdateRestApiPolicy", maps.Clone(need.Keys)
	return more
}

// askCreateAPI asks, for a copy of another API, for all that the other shows and
// does: to read it, and to hand over its roles.
func (s *Service) askCreateAPI(ctx context.Context, in *api.CreateRestApiRequest, need *aws.Access) (needs []aws.Access, err error) {
	describeNew(need, &api.RestApi{Name: in.Name, DisableExecuteApiEndpoint: in.DisableExecuteApiEndpoint,
		SecurityPolicy: in.SecurityPolicy, EndpointConfiguration: in.EndpointConfiguration})
	if in.Policy != nil {
		needs = append(needs, setPolicy(need))
	}
	aws.RequestTags(need.Keys, in.Tags)
	if in.CloneFrom != nil {
		where := path(api.GetRestApi.URI, &api.GetRestApiRequest{RestApiId: in.CloneFrom})
		source := resourceAccess(ctx, "apigateway:GET", where)
		source.Tags = s.tagsAt(where)
		resources, err := s.presentResources(ctx, in.CloneFrom)
		if err != nil {
			return nil, err
		}
		needs = append(append(needs, source), passAll(resources, need)...)
	}
	return needs, nil
}

func (s *Service) askUpdateAPI(ctx context.Context, in *api.UpdateRestApiRequest, need *aws.Access) (needs []aws.Access, err error) {
	policy := false
	for _, p := range in.PatchOperations {
		switch where := aws.Value(p.Path); {
		case where == "/name":
			setText(need, ofRequest+"ApiName", p.Value)
		case where == "/disableExecuteApiEndpoint":
			setText(need, ofRequest+"DisableExecuteApiEndpoint", p.Value)
		case strings.HasPrefix(where, "/endpointConfiguration/types/") && p.Value != nil:
			need.Keys[ofRequest+"EndpointType"] = append(need.Keys[ofRequest+"EndpointType"], *p.Value)
		case where == "/securityPolicy":
			setText(need, ofRequest+"SecurityPolicy", p.Value)
		case where == "/policy":
			policy = true
		}
	}
	err = s.presentAPI(ctx, in.RestApiId, need)
	if policy {
		needs = append(needs, setPolicy(need))
	}
	return needs, err
}

func (s *Service) askDeleteAPI(ctx context.Context, in *api.DeleteRestApiRequest, need *aws.Access) ([]aws.Access, error) {
	return nil, s.presentAPI(ctx, in.RestApiId, need)
}

// askDocument asks for what a document brings: settings, roles, a policy; fresh says
// that it makes an API. One that does not parse is refused by the operation.
func askDocument(body []byte, parameters map[string]string, fresh bool, need *aws.Access) (needs []aws.Access) {
	doc, err := parseDocument(body)
	if err != nil {
		return nil
	}
	if fresh {
		describeNew(need, &doc.API)
	} else {
		describeAPI(need, ofRequest, &doc.API)
	}
	if kind := parameters["endpointConfigurationTypes"]; kind != "" {
		set(need, ofRequest+"EndpointType", kind)
	}
	describeMethods(need, ofRequest, methodsOf(doc.Resources)...)
	needs = append(needs, askAuthorizers(doc, need)...)
	if doc.API.Policy != nil {
		needs = append(needs, setPolicy(need))
	}
	return append(needs, passAll(doc.Resources, need)...)
}

// askAuthorizers asks for what a document's authorizers bring.
func askAuthorizers(doc *document, need *aws.Access) (needs []aws.Access) {
	kinds, roles := map[string]bool{}, map[string]bool{}
	for _, a := range doc.Authorizers {
		kinds[aws.Value(a.Type)] = true
		if role := aws.Value(a.AuthorizerCredentials); role != "" {
			roles[role] = true
		}
	}
	set(need, ofRequest+"AuthorizerType", slices.Sorted(maps.Keys(kinds))...)
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		needs = append(needs, pass(&role, need)...)
	}
	return needs
}

func askImport(_ context.Context, in *api.ImportRestApiRequest, need *aws.Access) ([]aws.Access, error) {
	return askDocument(in.Body, in.Parameters, true, need), nil
}

func (s *Service) askReimport(ctx context.Context, in *api.PutRestApiRequest, need *aws.Access) ([]aws.Access, error) {
	if err := s.presentAPI(ctx, in.RestApiId, need); err != nil {
		return nil, err
	}
	resources, err := s.presentResources(ctx, in.RestApiId)
	if err != nil {
		return nil, err
	}
	describeMethods(need, ofResource, methodsOf(resources)...)
	err = s.present(ctx, func(r store.Reader) error {
		all, err := authorizersOf(ctx, r, aws.Value(in.RestApiId))
		kinds := map[string]bool{}
		for _, a := range all {
			kinds[aws.Value(a.Type)] = true
		}
		set(need, ofResource+"AuthorizerType", slices.Sorted(maps.Keys(kinds))...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return askDocument(in.Body, in.Parameters, false, need), nil
}

func (s *Service) askPutMethod(ctx context.Context, in *api.PutMethodRequest, need *aws.Access) ([]aws.Access, error) {
	describeMethods(need, ofRequest, api.Method{ApiKeyRequired: in.ApiKeyRequired, AuthorizationType: in.AuthorizationType})
	return nil, s.presentMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, need)
}

func (s *Service) askUpdateMethod(ctx context.Context, in *api.UpdateMethodRequest, need *aws.Access) ([]aws.Access, error) {
	for _, p := range in.PatchOperations {
		switch aws.Value(p.Path) {
		case "/apiKeyRequired":
			setText(need, ofRequest+"ApiKeyRequired", p.Value)
		case "/authorizationType":
			setText(need, ofRequest+"RouteAuthorizationType", p.Value)
		}
	}
	return nil, s.presentMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, need)
}

func (s *Service) askDeleteMethod(ctx context.Context, in *api.DeleteMethodRequest, need *aws.Access) ([]aws.Access, error) {
	return nil, s.presentMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, need)
}

func askCreateDeployment(_ context.Context, in *api.CreateDeploymentRequest, need *aws.Access) ([]aws.Access, error) {
	setText(need, ofRequest+"StageName", in.StageName)
	return nil, nil
}

func askCreateStage(_ context.Context, in *api.CreateStageRequest, need *aws.Access) ([]aws.Access, error) {
	aws.RequestTags(need.Keys, in.Tags)
	return nil, nil
}

func askCreateKey(_ context.Context, in *api.CreateApiKeyRequest, need *aws.Access) ([]aws.Access, error) {
	aws.RequestTags(need.Keys, in.Tags)
	return nil, nil
}

func askCreatePlan(_ context.Context, in *api.CreateUsagePlanRequest, need *aws.Access) ([]aws.Access, error) {
	aws.RequestTags(need.Keys, in.Tags)
	return nil, nil
}

func (s *Service) askUpdateStage(ctx context.Context, in *api.UpdateStageRequest, need *aws.Access) ([]aws.Access, error) {
	for _, p := range in.PatchOperations {
		switch aws.Value(p.Path) {
		case "/accessLogSettings/destinationArn":
			setText(need, ofRequest+"AccessLoggingDestination", p.Value)
		case "/accessLogSettings/format":
			setText(need, ofRequest+"AccessLoggingFormat", p.Value)
		}
	}
	return nil, s.presentStage(ctx, in.RestApiId, in.StageName, need)
}

func (s *Service) askDeleteStage(ctx context.Context, in *api.DeleteStageRequest, need *aws.Access) ([]aws.Access, error) {
	return nil, s.presentStage(ctx, in.RestApiId, in.StageName, need)
}

// presentStage sets the keys of a stage as it stands.
func (s *Service) presentStage(ctx context.Context, apiID, name *string, need *aws.Access) error {
	return s.present(ctx, func(r store.Reader) error {
		st, err := readStage(ctx, r, scope(ctx), aws.Value(apiID), aws.Value(name))
		if err == nil && st.AccessLogSettings != nil {
			setText(need, ofResource+"AccessLoggingDestination", st.AccessLogSettings.DestinationArn)
			setText(need, ofResource+"AccessLoggingFormat", st.AccessLogSettings.Format)
		}
		return err
	})
}

func askTag(_ context.Context, in *api.TagResourceRequest, need *aws.Access) ([]aws.Access, error) {
	aws.RequestTags(need.Keys, in.Tags)
	return nil, nil
}

func askUntag(_ context.Context, in *api.UntagResourceRequest, need *aws.Access) ([]aws.Access, error) {
	need.Keys["aws:TagKeys"] = in.TagKeys
	return nil, nil
}

// describeAuthorizer sets the keys of an authorizer.
func describeAuthorizer(need *aws.Access, half string, kind, uri *string) {
	setText(need, half+"AuthorizerType", kind)
	setText(need, half+"AuthorizerUri", uri)
}

func askCreateAuthorizer(_ context.Context, in *api.CreateAuthorizerRequest, need *aws.Access) ([]aws.Access, error) {
	describeAuthorizer(need, ofRequest, in.Type, in.AuthorizerUri)
	return pass(in.AuthorizerCredentials, need), nil
}

func (s *Service) askUpdateAuthorizer(ctx context.Context, in *api.UpdateAuthorizerRequest, need *aws.Access) ([]aws.Access, error) {
	for _, p := range in.PatchOperations {
		switch aws.Value(p.Path) {
		case "/type":
			setText(need, ofRequest+"AuthorizerType", p.Value)
		case "/authorizerUri":
			setText(need, ofRequest+"AuthorizerUri", p.Value)
		}
	}
	return passPatched(in.PatchOperations, "/authorizerCredentials", need), s.presentAuthorizer(ctx, in.RestApiId, in.AuthorizerId, need)
}

func (s *Service) askDeleteAuthorizer(ctx context.Context, in *api.DeleteAuthorizerRequest, need *aws.Access) ([]aws.Access, error) {
	return nil, s.presentAuthorizer(ctx, in.RestApiId, in.AuthorizerId, need)
}

// presentAuthorizer sets the keys of an authorizer as it stands.
func (s *Service) presentAuthorizer(ctx context.Context, apiID, id *string, need *aws.Access) error {
	return s.present(ctx, func(r store.Reader) error {
		a, err := readAuthorizer(ctx, r, apiID, id)
		if err == nil {
			describeAuthorizer(need, ofResource, a.Type, a.AuthorizerUri)
		}
		return err
	})
}
