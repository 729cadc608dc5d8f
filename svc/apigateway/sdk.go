package apigateway

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/apigateway/sdk"
)

// sdkTypes are the clients that are made here. AWS's others (java, android,
// objectivec, swift, ruby) are OpenAPI Generator's to make, from an export.
func sdkTypes() []api.SdkType {
	return []api.SdkType{{Id: ptr("javascript"), FriendlyName: ptr("JavaScript"), Description: ptr("JavaScript client SDK"),
		ConfigurationProperties: []api.SdkConfigurationProperty{}}}
}

func (s *Service) getSdkTypes(context.Context, *api.GetSdkTypesRequest) (*api.SdkTypes, error) {
	return &api.SdkTypes{Items: sdkTypes()}, nil
}

func (s *Service) getSdkType(_ context.Context, in *api.GetSdkTypeRequest) (*api.SdkType, error) {
	for _, t := range sdkTypes() {
		if *t.Id == *in.Id {
			return &t, nil
		}
	}
	return nil, api.NotFoundException("Invalid SDK type identifier specified")
}

// getSdk answers a zip archive of a client of what a stage serves.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-generate-sdk.html
func (s *Service) getSdk(ctx context.Context, in *api.GetSdkRequest) (*api.SdkResponse, error) {
	switch *in.SdkType {
	case "javascript":
	case "java", "android", "objectivec", "swift", "ruby":
		return nil, aws.Errorf(501, "NotImplemented", "Tule makes no SDK of type %s: export the API as oas30, and OpenAPI Generator makes one of it.", *in.SdkType)
	default:
		return nil, api.BadRequestException("Invalid SDK type specified: %s", *in.SdkType)
	}
	e, err := s.exported(ctx, in.RestApiId, in.StageName)
	if err != nil {
		return nil, err
	}
	a := sdk.API{Name: aws.Value(e.API.Name), Region: e.region, InvokeURL: "https://" + *e.API.Id + ".execute-api." + e.region + ".amazonaws.com/" + e.stage}
	for _, r := range e.resources {
		for _, verb := range slices.Sorted(maps.Keys(r.Methods)) {
			if verb != "ANY" { // of which a client would not know what to send
				a.Methods = append(a.Methods, clientMethod(r.Path, verb, r.Methods[verb]))
			}
		}
	}
	body, err := sdk.JavaScript(a, e.Created)
	if err != nil {
		return nil, err
	}
	name := "javascript_" + s.now().Format(time.RFC3339) + ".zip"
	return &api.SdkResponse{Body: body, ContentType: ptr("application/octet-stream"), ContentDisposition: ptr(`attachment; filename="` + name + `"`)}, nil
}

// clientMethod is a method as its callers see it.
func clientMethod(path, verb string, m api.Method) sdk.Method {
	out := sdk.Method{Verb: verb, Path: path, Operation: aws.Value(m.OperationName), Signed: aws.Value(m.AuthorizationType) == authIAM,
		Body: len(m.RequestModels) > 0, Required: []string{}, Query: []string{}, Headers: []string{}}
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "+")
			out.PathParams, out.Required = append(out.PathParams, name), append(out.Required, name)
		}
	}
	for _, expr := range slices.Sorted(maps.Keys(m.RequestParameters)) {
		where, name, _ := strings.Cut(strings.TrimPrefix(expr, methodRequest), ".")
		switch where {
		case "querystring":
			out.Query = append(out.Query, name)
		case "header":
			out.Headers = append(out.Headers, name)
		default:
			continue
		}
		if m.RequestParameters[expr] {
			out.Required = append(out.Required, name)
		}
	}
	return out
}
