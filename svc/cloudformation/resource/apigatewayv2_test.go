package resource

import (
	"strings"
	"testing"

	httpapi "github.com/tule-cloud/tule/api/apigatewayv2"
	logsapi "github.com/tule-cloud/tule/api/logs"
)

func TestHTTPAPI(t *testing.T) {
	w := newWorld(t)
	a := w.create("AWS::ApiGatewayV2::Api", "Api", `{"Name": "shop", "ProtocolType": "HTTP", "Description": "d", "CorsConfiguration": {"AllowOrigins": ["*"], "MaxAge": "60"}, "Tags": {"a": "b"}}`)
	if got := w.filled("{Api.ApiEndpoint}"); !strings.Contains(got, a.ID) {
		t.Errorf("the API is at %s", got)
	}
	w.update(a, `{"Name": "store", "ProtocolType": "HTTP", "DisableExecuteApiEndpoint": "true", "Tags": {"a": "c"}}`)
	if out, err := httpapi.GetApi.Do(a, a.Peers, &httpapi.GetApiRequest{ApiId: &a.ID}); err != nil || out.CorsConfiguration != nil || out.Description != nil || out.Tags["a"] != "c" {
		t.Errorf("the API is %+v, %v", out, err)
	}
	i := w.create("AWS::ApiGatewayV2::Integration", "Integration", `{"ApiId": "{Api}", "IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "IntegrationUri": "https://example.com", "PayloadFormatVersion": "1.0", "RequestParameters": {"append:header.a": "b", "append:header.c": "d"},
		"ResponseParameters": {"200": {"ResponseParameters": [{"Destination": "append:header.x", "Source": "y"}]}}}`)
	w.update(i, `{"ApiId": "{Api}", "IntegrationType": "HTTP_PROXY", "IntegrationMethod": "POST", "IntegrationUri": "https://example.com/a", "PayloadFormatVersion": "1.0", "TimeoutInMillis": "5000", "RequestParameters": {"append:header.a": "e"},
		"ResponseParameters": {"404": {"ResponseParameters": [{"Destination": "overwrite:statuscode", "Source": "200"}]}}}`)
	out, err := httpapi.GetIntegration.Do(a, a.Peers, &httpapi.GetIntegrationRequest{ApiId: &a.ID, IntegrationId: &i.ID})
	if err != nil || len(out.RequestParameters) != 1 || len(out.ResponseParameters) != 1 || out.ResponseParameters["404"]["overwrite:statuscode"] != "200" {
		t.Errorf("the integration is %+v, %v", out, err)
	}
	guard := w.create("AWS::ApiGatewayV2::Authorizer", "Guard", `{"ApiId": "{Api}", "Name": "g", "AuthorizerType": "JWT", "IdentitySource": ["$request.header.Authorization"], "JwtConfiguration": {"Audience": ["a"], "Issuer": "https://token.example.com"}}`)
	w.update(guard, `{"ApiId": "{Api}", "Name": "h", "AuthorizerType": "JWT", "IdentitySource": ["$request.header.Token"], "JwtConfiguration": {"Audience": ["b"], "Issuer": "https://token.example.com"}}`)
	r := w.create("AWS::ApiGatewayV2::Route", "Route", `{"ApiId": "{Api}", "RouteKey": "GET /pets", "Target": "integrations/{Integration}"}`)
	w.update(r, `{"ApiId": "{Api}", "RouteKey": "GET /pets/{id}", "Target": "integrations/{Integration}", "AuthorizationType": "JWT", "AuthorizerId": "{Guard}", "AuthorizationScopes": ["read"]}`)
	d := w.create("AWS::ApiGatewayV2::Deployment", "Deployment", `{"ApiId": "{Api}", "Description": "d"}`)
	w.update(d, `{"ApiId": "{Api}", "Description": "e"}`)
	if _, err := logsapi.CreateLogGroup.Do(a, a.Peers, &logsapi.CreateLogGroupRequest{LogGroupName: new("l")}); err != nil {
		t.Fatal(err)
	}
	s := w.create("AWS::ApiGatewayV2::Stage", "Stage", `{"ApiId": "{Api}", "StageName": "$default", "DeploymentId": "{Deployment}", "StageVariables": {"a": "b", "c": "d"}, "DefaultRouteSettings": {"ThrottlingRateLimit": 5},
		"RouteSettings": {"GET /pets/{id}": {"ThrottlingBurstLimit": 2}}, "AccessLogSettings": {"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:l", "Format": "$context.requestId"}}`)
	w.update(s, `{"ApiId": "{Api}", "StageName": "$default", "DeploymentId": "{Deployment}", "StageVariables": {"a": "e"}, "Description": "s", "Tags": {"a": "b"}}`)
	st, err := httpapi.GetStage.Do(a, a.Peers, &httpapi.GetStageRequest{ApiId: &a.ID, StageName: &s.ID})
	if err != nil || len(st.StageVariables) != 1 || len(st.RouteSettings) > 0 || st.AccessLogSettings != nil || st.Tags["a"] != "b" {
		t.Errorf("the stage is %+v, %v", st, err)
	}
	w.update(s, `{"ApiId": "{Api}", "StageName": "$default", "AutoDeploy": true}`)
	w.end()
	if left, err := httpapi.GetApis.Do(a, a.Peers, &httpapi.GetApisRequest{}); err != nil || len(left.Items) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestHTTPAPIBody(t *testing.T) {
	w := newWorld(t)
	const paths = `"paths": {"/": {"get": {"responses": {}, "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "https://example.com", "payloadFormatVersion": "1.0"}}}}`
	a := w.create("AWS::ApiGatewayV2::Api", "Api", `{"Body": {"openapi": "3.0.1", "info": {"title": "from the body", "version": "1"}, `+paths+`}, "FailOnWarnings": true, "DisableExecuteApiEndpoint": true}`)
	if name := w.filled("{Api.Name}"); name != "from the body" {
		t.Errorf("the API is called %q", name)
	}
	w.update(a, `{"Body": {"openapi": "3.0.1", "info": {"title": "changed", "version": "1"}, `+paths+`}, "DisableExecuteApiEndpoint": true}`)
	if name := w.filled("{Api.Name}"); name != "changed" {
		t.Errorf("the API is called %q", name)
	}
	w.end()
}

func TestSocketAPI(t *testing.T) {
	w := newWorld(t)
	a := w.create("AWS::ApiGatewayV2::Api", "Api", `{"Name": "chat", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"}`)
	w.create("AWS::ApiGatewayV2::Integration", "Integration", `{"ApiId": "{Api}", "IntegrationType": "MOCK", "RequestTemplates": {"200": "{\"statusCode\": 200}"}, "TemplateSelectionExpression": "200"}`)
	ir := w.create("AWS::ApiGatewayV2::IntegrationResponse", "Answer", `{"ApiId": "{Api}", "IntegrationId": "{Integration}", "IntegrationResponseKey": "$default", "ResponseTemplates": {"200": "{}"}}`)
	w.update(ir, `{"ApiId": "{Api}", "IntegrationId": "{Integration}", "IntegrationResponseKey": "$default", "TemplateSelectionExpression": "a", "ResponseTemplates": {"a": "{}"}}`)
	m := w.create("AWS::ApiGatewayV2::Model", "Model", `{"ApiId": "{Api}", "Name": "M", "ContentType": "application/json", "Schema": {"type": "object"}}`)
	w.update(m, `{"ApiId": "{Api}", "Name": "M", "ContentType": "application/json", "Schema": {"type": "string"}, "Description": "d"}`)
	w.create("AWS::ApiGatewayV2::Route", "Route", `{"ApiId": "{Api}", "RouteKey": "$default", "Target": "integrations/{Integration}", "RouteResponseSelectionExpression": "$default"}`)
	rr := w.create("AWS::ApiGatewayV2::RouteResponse", "Back", `{"ApiId": "{Api}", "RouteId": "{Route}", "RouteResponseKey": "$default"}`)
	w.update(rr, `{"ApiId": "{Api}", "RouteId": "{Route}", "RouteResponseKey": "$default", "ModelSelectionExpression": "a"}`)
	w.end()
	if left, err := httpapi.GetApis.Do(a, a.Peers, &httpapi.GetApisRequest{}); err != nil || len(left.Items) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
