package apigateway

import (
	"context"
	"net/url"
	"reflect"
	"regexp"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
)

// at binds a handler to an operation. What API Gateway asks permission for follows
// from the HTTP request: its method is the action, its path the resource.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html
func at[In, Out any](op *aws.Op[In, Out], h aws.Handler[In, Out], further ...aws.Guard[In]) aws.Route {
	return op.To(h, func(ctx context.Context, in *In) ([]aws.Access, error) {
		needs := []aws.Access{{
			Action:   "apigateway:" + op.Method,
			Resource: aws.NewARN("apigateway", aws.RequestOf(ctx).Region, "", path(op.URI, in)).String(),
			Account:  aws.RequestOf(ctx).Account(), // its ARNs name no account
		}}
		for _, g := range further {
			more, err := g(ctx, in)
			if err != nil {
				return nil, err
			}
			needs = append(needs, more...)
		}
		return needs, nil
	})
}

// path is an operation's URI with the members of in that stand in it.
func path(uri string, in any) string {
	uri, _, _ = strings.Cut(uri, "?")
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("aws"), ",")
		if !strings.HasPrefix(options, "uri") {
			continue
		}
		if text, ok := v.Field(i).Interface().(*string); ok {
			uri = strings.Replace(uri, "{"+name+"}", url.PathEscape(aws.Value(text)), 1)
		}
	}
	return uri
}

// pass is the permission to hand a role to API Gateway. A role that stage variables
// choose may be any role, and takes the permission for all that it may be.
func pass(role *string) []aws.Access {
	text := stageVariable.ReplaceAllString(aws.Value(role), "*")
	if text == "" || text == aws.Value(role) && !isRole(text) {
		return nil
	}
	return []aws.Access{{Action: "iam:PassRole", Resource: text,
		Keys: map[string][]string{"iam:PassedToService": {principal}}}}
}

var stageVariable = regexp.MustCompile(`\$\{[^}]*\}?`)

// principal is API Gateway as other services know it.
const principal = "apigateway.amazonaws.com"

// isRole tells a role from the ARN arn:aws:iam::*:user/*, which stands for the
// caller's own credentials.
func isRole(arn string) bool {
	a, ok := aws.ParseARN(arn)
	return ok && a.Service == "iam" && strings.HasPrefix(a.Resource, "role/")
}

func passIntegrationRole(_ context.Context, in *api.PutIntegrationRequest) ([]aws.Access, error) {
	return pass(in.Credentials), nil
}

func passPatchedRole(_ context.Context, in *api.UpdateIntegrationRequest) ([]aws.Access, error) {
	return passPatched(in.PatchOperations, "/credentials"), nil
}

func passAccountRole(_ context.Context, in *api.UpdateAccountRequest) ([]aws.Access, error) {
	return passPatched(in.PatchOperations, "/cloudwatchRoleArn"), nil
}

func passPatched(ops []api.PatchOperation, path string) []aws.Access {
	var needs []aws.Access
	for _, p := range ops {
		if aws.Value(p.Path) == path {
			needs = append(needs, pass(p.Value)...)
		}
	}
	return needs
}

func passImportedRoles(_ context.Context, in *api.ImportRestApiRequest) ([]aws.Access, error) {
	return passAll(in.Body), nil
}

func passReimportedRoles(_ context.Context, in *api.PutRestApiRequest) ([]aws.Access, error) {
	return passAll(in.Body), nil
}

// passAll is the permission to hand over every role that a document's integrations
// name. A document that does not parse is refused by the operation.
func passAll(body []byte) []aws.Access {
	doc, err := parseDocument(body)
	if err != nil {
		return nil
	}
	var needs []aws.Access
	seen := map[string]bool{}
	for _, r := range doc.Resources {
		for _, m := range r.Methods {
			if m.MethodIntegration == nil || seen[aws.Value(m.MethodIntegration.Credentials)] {
				continue
			}
			seen[aws.Value(m.MethodIntegration.Credentials)] = true
			needs = append(needs, pass(m.MethodIntegration.Credentials)...)
		}
	}
	return needs
}
