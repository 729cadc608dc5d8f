package apigateway

import (
	"context"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A further is what an operation asks beside its method on its path: it adds
// condition keys to that, and returns what else is needed.
type further[In any] func(ctx context.Context, in *In, need *aws.Access) ([]aws.Access, error)

// at binds a handler to an operation. What API Gateway asks permission for follows
// from the HTTP request: its method is the action, its path the resource.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html
func at[In, Out any](s *Service, op *aws.Op[In, Out], h aws.Handler[In, Out], more ...further[In]) aws.Route {
	return op.To(h, func(ctx context.Context, in *In) ([]aws.Access, error) {
		where := path(op.URI, in)
		need := resourceAccess(ctx, "apigateway:"+op.Method, where)
		need.Tags = s.tagsAt(where)
		needs := []aws.Access{need}
		for _, m := range more {
			extra, err := m(ctx, in, &needs[0])
			if err != nil {
				return nil, err
			}
			needs = append(needs, extra...)
		}
		return needs, nil
	})
}

// resourceAccess is an access to a path of the caller's, since ARNs of API Gateway
// name no account.
func resourceAccess(ctx context.Context, action, where string) aws.Access {
	r := aws.RequestOf(ctx)
	return aws.Access{Action: action, Resource: aws.NewARN("apigateway", r.Region, "", where).String(),
		Account: r.Account(), Keys: map[string][]string{}}
}

// path is an operation's URI with the members of in that stand in it, encoded as they
// are in AWS's refusals: every colon and slash of an ARN, too.
func path(uri string, in any) string {
	uri, _, _ = strings.Cut(uri, "?")
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("aws"), ",")
		if !strings.HasPrefix(options, "uri") {
			continue
		}
		if text, ok := v.Field(i).Interface().(*string); ok {
			value := aws.Value(text)
			if plain, err := url.PathUnescape(value); err == nil && name == "resource_arn" {
				value = plain // as parseTagged reads it
			}
			uri = strings.Replace(uri, "{"+name+"}", strings.ReplaceAll(url.QueryEscape(value), "+", "%20"), 1)
		}
	}
	return uri
}

// tagsAt reads the tags of what is at a path: an API's, which all below it inherits;
// of a stage also its own, which go before. What is not there has none.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
func (s *Service) tagsAt(where string) func(context.Context) (map[string]string, error) {
	parts := strings.Split(strings.TrimPrefix(where, "/"), "/")
	if len(parts) < 2 {
		return nil
	}
	return func(ctx context.Context) (map[string]string, error) {
		var on tagged
		switch parts[0] {
		case "restapis":
			on.apiID, _ = url.PathUnescape(parts[1])
			if len(parts) > 3 && parts[2] == "stages" {
				on.stage, _ = url.PathUnescape(parts[3])
			}
		case "apikeys":
			on.key = parts[1]
		case "usageplans":
			on.plan = parts[1]
		case "domainnames":
			on.domain, _ = url.PathUnescape(parts[1])
		case "clientcertificates":
			on.certificate = parts[1]
		case "vpclinks":
			on.link = parts[1]
		case "tags":
			var err error
			if on, err = parseTagged(ctx, &parts[1]); err != nil {
				return nil, nil // which the operation will say
			}
		}
		if on.apiID == "" {
			return view(ctx, s, func(r store.Reader) (map[string]string, error) {
				tags, _, err := on.read(ctx, r)
				if aws.CodeOf(err) == "NotFoundException" {
					err = nil
				}
				return tags, err
			})
		}
		return view(ctx, s, func(r store.Reader) (map[string]string, error) {
			a, err := apis.Get(ctx, r, scope(ctx), on.apiID)
			if err != nil || on.stage == "" {
				return a.Tags, orElse(err, nil)
			}
			st, err := readStage(ctx, r, scope(ctx), on.apiID, on.stage)
			if aws.CodeOf(err) == "NotFoundException" {
				return a.Tags, nil
			}
			if err != nil {
				return nil, err
			}
			tags := maps.Clone(a.Tags)
			if tags == nil {
				return st.Tags, nil
			}
			maps.Copy(tags, st.Tags)
			return tags, nil
		})
	}
}

// pass is the permission to hand a role to API Gateway. A role that stage variables
// choose may be any role, and takes the permission for all that it may be.
func pass(role *string, need *aws.Access) []aws.Access {
	text := stageVariable.ReplaceAllString(aws.Value(role), "*")
	if text == "" || text == aws.Value(role) && !isRole(text) {
		return nil
	}
	return []aws.Access{{Action: "iam:PassRole", Resource: text,
		Keys: map[string][]string{"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {need.Resource}}}}
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

func passIntegrationRole(_ context.Context, in *api.PutIntegrationRequest, need *aws.Access) ([]aws.Access, error) {
	return pass(in.Credentials, need), nil
}

func passPatchedRole(_ context.Context, in *api.UpdateIntegrationRequest, need *aws.Access) ([]aws.Access, error) {
	return passPatched(in.PatchOperations, "/credentials", need), nil
}

func passAccountRole(_ context.Context, in *api.UpdateAccountRequest, need *aws.Access) ([]aws.Access, error) {
	return passPatched(in.PatchOperations, "/cloudwatchRoleArn", need), nil
}

func passPatched(ops []api.PatchOperation, path string, need *aws.Access) []aws.Access {
	var needs []aws.Access
	for _, p := range ops {
		if aws.Value(p.Path) == path {
			needs = append(needs, pass(p.Value, need)...)
		}
	}
	return needs
}

// passAll is the permission to hand over every role that the integrations of
// resources name.
func passAll(resources []resource, need *aws.Access) []aws.Access {
	var needs []aws.Access
	seen := map[string]bool{}
	for _, r := range resources {
		for _, m := range r.Methods {
			if m.MethodIntegration == nil || seen[aws.Value(m.MethodIntegration.Credentials)] {
				continue
			}
			seen[aws.Value(m.MethodIntegration.Credentials)] = true
			needs = append(needs, pass(m.MethodIntegration.Credentials, need)...)
		}
	}
	slices.SortFunc(needs, func(a, b aws.Access) int { return strings.Compare(a.Resource, b.Resource) })
	return needs
}
