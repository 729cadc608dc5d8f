package apigatewayv2

import (
	"context"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// principal is API Gateway as other services know it.
const principal = "apigateway.amazonaws.com"

// A further is what an operation asks beside its method on its path: it adds condition
// keys to that, and returns what else is needed.
type further[In any] func(ctx context.Context, in *In, need *aws.Access) ([]aws.Access, error)

// at binds a handler to an operation. What API Gateway asks permission for follows from
// the HTTP request: its method is the action, its path, without the version, the resource.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
func at[In, Out any](s *Service, op *aws.Op[In, Out], h aws.Handler[In, Out], more ...further[In]) aws.Route {
	return op.To(h, func(ctx context.Context, in *In) ([]aws.Access, error) {
		where := path(op.URI, in)
		r := aws.RequestOf(ctx)
		need := aws.Access{Action: "apigateway:" + op.Method, Resource: aws.NewARN("apigateway", r.Region, "", where).String(),
			Account: r.Account(), Keys: map[string][]string{}, Tags: s.tagsAt(where)}
		if err := s.present(ctx, where, &need); err != nil {
			return nil, err
		}
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

// path is an operation's URI, without its version, with the members of in that stand
// in it, encoded as they are in AWS's refusals.
func path(uri string, in any) string {
	uri, _, _ = strings.Cut(strings.TrimPrefix(uri, "/v2"), "?")
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("aws"), ",")
		if !strings.HasPrefix(options, "uri") {
			continue
		}
		if text, ok := v.Field(i).Interface().(*string); ok {
			value := aws.Value(text)
			if plain, err := url.PathUnescape(value); err == nil && name == "resource-arn" {
				value = plain
			}
			uri = strings.Replace(uri, "{"+name+"}", strings.ReplaceAll(url.QueryEscape(value), "+", "%20"), 1)
		}
	}
	return uri
}

// below is what carries the tags of what is at a path.
func below(ctx context.Context, where string) (on tagged, ok bool) {
	parts := strings.Split(strings.TrimPrefix(where, "/"), "/")
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	switch {
	case len(parts) < 2:
		return on, false
	case parts[0] == "apis":
		on.apiID = parts[1]
		if len(parts) > 3 && parts[2] == "stages" {
			on.stage = parts[3]
		}
		return on, true
	case parts[0] == "vpclinks":
		return tagged{link: parts[1]}, true
	case parts[0] == "tags":
		on, err := parseTagged(ctx, &parts[1])
		return on, err == nil
	}
	return on, false
}

// tagsAt reads the tags of what is at a path: an API's, which all below it inherits; of
// a stage also its own, which go before.
func (s *Service) tagsAt(where string) func(context.Context) (map[string]string, error) {
	if strings.Count(where, "/") < 2 {
		return nil
	}
	return func(ctx context.Context) (map[string]string, error) {
		on, ok := below(ctx, where)
		if !ok {
			return nil, nil
		}
		return view(ctx, s, func(r store.Reader) (map[string]string, error) {
			tags := map[string]string{}
			levels := []tagged{on}
			if on.stage != "" {
				levels = []tagged{{apiID: on.apiID}, on}
			}
			for _, level := range levels {
				own, _, err := level.read(ctx, r)
				if err != nil && aws.CodeOf(err) != "NotFoundException" {
					return nil, err
				}
				maps.Copy(tags, own)
			}
			return tags, nil
		})
	}
}

// The halves of condition keys: what a call brings, and what stands before it.
const (
	ofRequest  = "apigateway:Request/"
	ofResource = "apigateway:Resource/"
)

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

// present sets the keys of what stands at a path that is to change.
func (s *Service) present(ctx context.Context, where string, need *aws.Access) error {
	if need.Action == "apigateway:GET" || need.Action == "apigateway:POST" {
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(where, "/"), "/")
	if parts[0] != "apis" || len(parts) < 2 {
		return nil
	}
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	err := s.Store.View(ctx, func(r store.Reader) error { return describe(ctx, r, parts, need) })
	if aws.CodeOf(err) == "NotFoundException" {
		return nil // which the operation will say to those who may know
	}
	return err
}

func describe(ctx context.Context, r store.Reader, parts []string, need *aws.Access) error {
	a, err := lookup(ctx, r, &parts[1])
	if err != nil {
		return err
	}
	if len(parts) == 2 {
		setText(need, ofResource+"ApiName", a.Name)
		setFlag(need, ofResource+"DisableExecuteApiEndpoint", a.DisableExecuteApiEndpoint)
		return describeStructure(ctx, r, &a, need)
	}
	if len(parts) < 4 {
		return nil
	}
	switch parts[2] {
	case "routes":
		rt, err := routes.get(ctx, r, a.ApiId, &parts[3])
		if err == nil {
			setFlag(need, ofResource+"ApiKeyRequired", rt.ApiKeyRequired)
			setText(need, ofResource+"RouteAuthorizationType", rt.AuthorizationType)
		}
		return err
	case "authorizers":
		auth, err := authorizers.get(ctx, r, a.ApiId, &parts[3])
		if err == nil {
			setText(need, ofResource+"AuthorizerType", auth.AuthorizerType)
			setText(need, ofResource+"AuthorizerUri", auth.AuthorizerUri)
		}
		return err
	case "stages":
		st, err := readStage(ctx, r, a.ApiId, &parts[3])
		if err == nil && st.AccessLogSettings != nil {
			setText(need, ofResource+"AccessLoggingDestination", st.AccessLogSettings.DestinationArn)
			setText(need, ofResource+"AccessLoggingFormat", st.AccessLogSettings.Format)
		}
		return err
	}
	return nil
}

// describeStructure sets the keys of an API's routes and authorizers, all together,
// where the whole API is replaced.
func describeStructure(ctx context.Context, r store.Reader, a *api.Api, need *aws.Access) error {
	if need.Action != "apigateway:PUT" {
		return nil
	}
	shot, err := read(ctx, r, scope(ctx), a)
	setMany(need, ofResource, &shot)
	return err
}

// setMany sets the keys of routes and authorizers.
func setMany(need *aws.Access, half string, shot *snapshot) {
	all := map[string]map[string]bool{}
	put := func(key string, value *string) {
		if value != nil {
			if all[key] == nil {
				all[key] = map[string]bool{}
			}
			all[key][*value] = true
		}
	}
	for _, rt := range shot.Routes {
		put("ApiKeyRequired", ptr(strconv.FormatBool(aws.Value(rt.ApiKeyRequired))))
		put("RouteAuthorizationType", rt.AuthorizationType)
	}
	for _, auth := range shot.Authorizers {
		put("AuthorizerType", auth.AuthorizerType)
		put("AuthorizerUri", auth.AuthorizerUri)
	}
	for key, values := range all {
		need.Keys[half+key] = slices.Sorted(maps.Keys(values))
	}
}

// pass is the permission to hand a role to API Gateway.
func pass(role *string, need *aws.Access) []aws.Access {
	if role == nil || !isRole(*role) {
		return nil
	}
	return []aws.Access{{Action: "iam:PassRole", Resource: *role,
		Keys: map[string][]string{"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {need.Resource}}}}
}

func askCreateAPI(_ context.Context, in *api.CreateApiRequest, need *aws.Access) ([]aws.Access, error) {
	setText(need, ofRequest+"ApiName", in.Name)
	setFlag(need, ofRequest+"DisableExecuteApiEndpoint", ptr(aws.Value(in.DisableExecuteApiEndpoint)))
	aws.RequestTags(need.Keys, in.Tags)
	return pass(in.CredentialsArn, need), nil
}

func askUpdateAPI(_ context.Context, in *api.UpdateApiRequest, need *aws.Access) ([]aws.Access, error) {
	setText(need, ofRequest+"ApiName", in.Name)
	setFlag(need, ofRequest+"DisableExecuteApiEndpoint", in.DisableExecuteApiEndpoint)
	return pass(in.CredentialsArn, need), nil
}

// askDocument asks for what a document brings. One that does not parse is refused by
// the operation.
func askDocument(body *string, need *aws.Access) (needs []aws.Access) {
	doc, err := parseDocument(aws.Value(body))
	if err != nil {
		return nil
	}
	setText(need, ofRequest+"ApiName", doc.API.Name)
	setFlag(need, ofRequest+"DisableExecuteApiEndpoint", ptr(aws.Value(doc.API.DisableExecuteApiEndpoint)))
	setMany(need, ofRequest, &doc.snapshot)
	for _, i := range doc.Integrations {
		needs = append(needs, pass(i.CredentialsArn, need)...)
	}
	for _, auth := range doc.Authorizers {
		needs = append(needs, pass(auth.AuthorizerCredentialsArn, need)...)
	}
	return needs
}

func askImport(_ context.Context, in *api.ImportApiRequest, need *aws.Access) ([]aws.Access, error) {
	return askDocument(in.Body, need), nil
}

func askReimport(_ context.Context, in *api.ReimportApiRequest, need *aws.Access) ([]aws.Access, error) {
	return askDocument(in.Body, need), nil
}

func askCreateRoute(_ context.Context, in *api.CreateRouteRequest, need *aws.Access) ([]aws.Access, error) {
	setFlag(need, ofRequest+"ApiKeyRequired", in.ApiKeyRequired)
	setText(need, ofRequest+"RouteAuthorizationType", in.AuthorizationType)
	return nil, nil
}

func askUpdateRoute(_ context.Context, in *api.UpdateRouteRequest, need *aws.Access) ([]aws.Access, error) {
	setFlag(need, ofRequest+"ApiKeyRequired", in.ApiKeyRequired)
	setText(need, ofRequest+"RouteAuthorizationType", in.AuthorizationType)
	return nil, nil
}

func askCreateIntegration(_ context.Context, in *api.CreateIntegrationRequest, need *aws.Access) ([]aws.Access, error) {
	return pass(in.CredentialsArn, need), nil
}

func askUpdateIntegration(_ context.Context, in *api.UpdateIntegrationRequest, need *aws.Access) ([]aws.Access, error) {
	return pass(in.CredentialsArn, need), nil
}

func askCreateAuthorizer(_ context.Context, in *api.CreateAuthorizerRequest, need *aws.Access) ([]aws.Access, error) {
	setText(need, ofRequest+"AuthorizerType", in.AuthorizerType)
	setText(need, ofRequest+"AuthorizerUri", in.AuthorizerUri)
	return pass(in.AuthorizerCredentialsArn, need), nil
}

func askUpdateAuthorizer(_ context.Context, in *api.UpdateAuthorizerRequest, need *aws.Access) ([]aws.Access, error) {
	setText(need, ofRequest+"AuthorizerType", in.AuthorizerType)
	setText(need, ofRequest+"AuthorizerUri", in.AuthorizerUri)
	return pass(in.AuthorizerCredentialsArn, need), nil
}

func setLog(need *aws.Access, log *api.AccessLogSettings) {
	if log != nil {
		setText(need, ofRequest+"AccessLoggingDestination", log.DestinationArn)
		setText(need, ofRequest+"AccessLoggingFormat", log.Format)
	}
}

func askCreateStage(_ context.Context, in *api.CreateStageRequest, need *aws.Access) ([]aws.Access, error) {
	setLog(need, in.AccessLogSettings)
	aws.RequestTags(need.Keys, in.Tags)
	return nil, nil
}

func askUpdateStage(_ context.Context, in *api.UpdateStageRequest, need *aws.Access) ([]aws.Access, error) {
	setLog(need, in.AccessLogSettings)
	return nil, nil
}

func askCreateLink(_ context.Context, in *api.CreateVpcLinkRequest, need *aws.Access) ([]aws.Access, error) {
	aws.RequestTags(need.Keys, in.Tags)
	return nil, nil
}

func askTag(_ context.Context, in *api.TagResourceRequest, need *aws.Access) ([]aws.Access, error) {
	aws.RequestTags(need.Keys, in.Tags)
	return nil, nil
}

func askUntag(_ context.Context, in *api.UntagResourceRequest, need *aws.Access) ([]aws.Access, error) {
	need.Keys["aws:TagKeys"] = in.TagKeys
	return nil, nil
}

func askCreateDeployment(_ context.Context, in *api.CreateDeploymentRequest, need *aws.Access) ([]aws.Access, error) {
	setText(need, ofRequest+"StageName", in.StageName)
	return nil, nil
}
