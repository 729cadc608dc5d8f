package resource

import (
	"strings"
	"testing"

	gatewayapi "github.com/tule-cloud/tule/api/apigateway"
	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
)

// mocked is the integration of a method that answers by itself.
const mocked = `"Integration": {"Type": "MOCK", "RequestTemplates": {"application/json": "{\"statusCode\": 200}"}, "IntegrationResponses": [{"StatusCode": 200, "ResponseTemplates": {"application/json": "one"}}]}, "MethodResponses": [{"StatusCode": "200", "ResponseModels": {"application/json": "Empty"}}]`

func TestRestAPI(t *testing.T) {
	w := newWorld(t)
	a := w.create("AWS::ApiGateway::RestApi", "Api", `{"Name": "shop", "Description": "d", "BinaryMediaTypes": ["image/png"], "EndpointConfiguration": {"Types": ["REGIONAL"]}, "Tags": [{"Key": "a", "Value": "b"}],
		"Policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}]}}`)
	w.update(a, `{"Name": "store", "BinaryMediaTypes": ["image/*", "a/b"], "ApiKeySourceType": "AUTHORIZER", "MinimumCompressionSize": "100", "DisableExecuteApiEndpoint": "true", "EndpointConfiguration": {"Types": ["EDGE"]}, "Tags": [{"Key": "a", "Value": "c"}]}`)
	out, err := gatewayapi.GetRestApi.Do(a, a.Peers, &gatewayapi.GetRestApiRequest{RestApiId: &a.ID})
	if err != nil || out.Description != nil || out.Policy != nil || out.EndpointConfiguration.Types[0] != "EDGE" || out.Tags["a"] != "c" {
		t.Errorf("the API is %+v, %v", out, err)
	}
	w.update(a, `{"Name": "store"}`)

	w.create("AWS::ApiGateway::Resource", "Pets", `{"RestApiId": "{Api}", "ParentId": "{Api.RootResourceId}", "PathPart": "pets"}`)
	w.create("AWS::ApiGateway::Model", "Model", `{"RestApiId": "{Api}", "Schema": {"type": "object"}}`)
	validator := w.create("AWS::ApiGateway::RequestValidator", "Validator", `{"RestApiId": "{Api}", "ValidateRequestBody": true}`)
	w.update(validator, `{"RestApiId": "{Api}", "ValidateRequestParameters": "true"}`)
	guard := w.create("AWS::ApiGateway::Authorizer", "Guard", `{"RestApiId": "{Api}", "Name": "pools", "Type": "COGNITO_USER_POOLS", "IdentitySource": "method.request.header.Authorization", "ProviderARNs": ["arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_a"]}`)
	w.update(guard, `{"RestApiId": "{Api}", "Name": "others", "Type": "COGNITO_USER_POOLS", "IdentitySource": "method.request.header.Token", "AuthorizerResultTtlInSeconds": "60", "ProviderARNs": ["arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_b"]}`)
	m := w.create("AWS::ApiGateway::Method", "Get", `{"RestApiId": "{Api}", "ResourceId": "{Pets}", "HttpMethod": "GET", "AuthorizationType": "NONE", "RequestParameters": {"method.request.querystring.a": "true"}, `+mocked+`}`)
	w.update(m, `{"RestApiId": "{Api}", "ResourceId": "{Pets}", "HttpMethod": "GET", "AuthorizationType": "COGNITO_USER_POOLS", "AuthorizerId": "{Guard}", "ApiKeyRequired": true, "RequestValidatorId": "{Validator}", "RequestModels": {"application/json": "{Model}"}, `+
		strings.Replace(mocked, `"one"`, `"two"`, 1)+`}`)
	got, err := gatewayapi.GetIntegrationResponse.Do(a, a.Peers, &gatewayapi.GetIntegrationResponseRequest{RestApiId: &a.ID, ResourceId: new(w.filled("{Pets}")), HttpMethod: new("GET"), StatusCode: new("200")})
	if err != nil || got.ResponseTemplates["application/json"] != "two" {
		t.Errorf("the response is %+v, %v", got, err)
	}
	answer := w.create("AWS::ApiGateway::GatewayResponse", "Answer", `{"RestApiId": "{Api}", "ResponseType": "DEFAULT_4XX", "ResponseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}, "StatusCode": "418"}`)
	w.update(answer, `{"RestApiId": "{Api}", "ResponseType": "DEFAULT_4XX", "ResponseTemplates": {"application/json": "{}"}}`)
	part := w.create("AWS::ApiGateway::DocumentationPart", "Part", `{"RestApiId": "{Api}", "Location": {"Type": "METHOD", "Path": "/pets", "Method": "GET"}, "Properties": "{\"description\": \"d\"}"}`)
	w.update(part, `{"RestApiId": "{Api}", "Location": {"Type": "METHOD", "Path": "/pets", "Method": "GET"}, "Properties": "{\"description\": \"e\"}"}`)
	version := w.create("AWS::ApiGateway::DocumentationVersion", "About", `{"RestApiId": "{Api}", "DocumentationVersion": "1"}`)
	w.update(version, `{"RestApiId": "{Api}", "DocumentationVersion": "1", "Description": "d"}`)
	w.end()
	if left, err := gatewayapi.GetRestApis.Do(a, a.Peers, &gatewayapi.GetRestApisRequest{}); err != nil || len(left.Items) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// An API whose document says what it is, in the template and in a bucket.
func TestRestAPIBody(t *testing.T) {
	w := newWorld(t)
	const paths = `"paths": {"/": {"get": {"responses": {}, "x-amazon-apigateway-integration": {"type": "mock"}}}}`
	a := w.create("AWS::ApiGateway::RestApi", "Api", `{"Body": {"swagger": 2.0, "info": {"title": "from the body", "version": "1"}, `+paths+`}, "MinimumCompressionSize": 5}`)
	if name := w.filled("{Api.Name}"); name != "from the body" {
		t.Errorf("the API is called %q", name)
	}
	w.update(a, `{"Body": {"swagger": "2.0", "info": {"title": "changed", "version": "1"}, `+paths+`}, "Description": "d"}`)
	if got, err := a.Type.Read(a); err != nil || got["Name"] != "changed" || got["Description"] != "d" {
		t.Errorf("the API is %v, %v", got, err)
	}

	bucket := w.create("AWS::S3::Bucket", "Bucket", `{}`)
	text := "swagger: 2.0\ninfo: {title: pets, version: '1'}\npaths:\n  /:\n    get:\n      responses: {}\n      x-amazon-apigateway-integration: {type: mock}\n"
	if _, err := s3api.PutObject.Do(bucket, bucket.Peers, &s3api.PutObjectRequest{Bucket: &bucket.ID, Key: new("api.yaml"), Body: strings.NewReader(text)}); err != nil {
		t.Fatal(err)
	}
	w.create("AWS::ApiGateway::RestApi", "Stored", `{"BodyS3Location": {"Bucket": "{Bucket}", "Key": "api.yaml"}, "Name": "mine", "Parameters": {"endpointConfigurationTypes": "REGIONAL"}}`)
	w.create("AWS::ApiGateway::Deployment", "Deployment", `{"RestApiId": "{Stored}", "StageName": "Stage"}`)
	if _, err := s3api.DeleteObject.Do(bucket, bucket.Peers, &s3api.DeleteObjectRequest{Bucket: &bucket.ID, Key: new("api.yaml")}); err != nil {
		t.Fatal(err)
	}
	w.end()
}

func TestStages(t *testing.T) {
	w := newWorld(t)
	w.role()
	account := w.create("AWS::ApiGateway::Account", "Account", `{"CloudWatchRoleArn": "{Role.Arn}"}`)
	w.update(account, `{"CloudWatchRoleArn": "{Role.Arn}"}`)
	a := w.create("AWS::ApiGateway::RestApi", "Api", `{"Name": "shop"}`)
	w.create("AWS::ApiGateway::Method", "Get", `{"RestApiId": "{Api}", "ResourceId": "{Api.RootResourceId}", "HttpMethod": "GET", `+mocked+`}`)
	certificate := w.create("AWS::ApiGateway::ClientCertificate", "Certificate", `{"Description": "d"}`)
	w.update(certificate, `{"Tags": [{"Key": "a", "Value": "b"}]}`)

	d := w.create("AWS::ApiGateway::Deployment", "Deployment", `{"RestApiId": "{Api}", "StageName": "dev", "Description": "one", "StageDescription": {"Description": "s", "Variables": {"a": "b"}, "LoggingLevel": "INFO", "MetricsEnabled": true, "Tags": [{"Key": "x", "Value": "y"}],
		"MethodSettings": [{"ResourcePath": "/", "HttpMethod": "GET", "ThrottlingRateLimit": 5}]}}`)
	dev := func() *gatewayapi.Stage {
		t.Helper()
		out, err := gatewayapi.GetStage.Do(a, a.Peers, &gatewayapi.GetStageRequest{RestApiId: &a.ID, StageName: new("dev")})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if st := dev(); *st.DeploymentId != d.ID || st.Variables["a"] != "b" || *st.Description != "s" || *st.MethodSettings["*/*"].LoggingLevel != "INFO" ||
		*st.MethodSettings["~1/GET"].ThrottlingRateLimit != 5 || st.Tags["x"] != "y" {
		t.Errorf("the stage is %+v", st)
	}
	w.update(d, `{"RestApiId": "{Api}", "StageName": "dev", "Description": "two", "StageDescription": {"Variables": {"c": "d"}, "MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", "CachingEnabled": true}]}}`)
	if st := dev(); st.Description != nil || len(st.Variables) != 1 || st.Variables["c"] != "d" || len(st.MethodSettings) != 1 || *st.MethodSettings["*/*"].MetricsEnabled || !*st.MethodSettings["*/*"].CachingEnabled {
		t.Errorf("the stage is %+v", st)
	}

	st := w.create("AWS::ApiGateway::Stage", "Stage", `{"RestApiId": "{Api}", "StageName": "prod", "DeploymentId": "{Deployment}", "Description": "s", "Variables": {"a": "b"}, "TracingEnabled": "true", "ClientCertificateId": "{Certificate}",
		"AccessLogSetting": {"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:l", "Format": "$context.requestId"}, "Tags": [{"Key": "a", "Value": "b"}],
		"MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "ERROR", "ThrottlingBurstLimit": "7"}]}`)
	w.create("AWS::ApiGateway::Deployment", "Next", `{"RestApiId": "{Api}", "Description": "next"}`)
	w.last(st)
	w.update(st, `{"RestApiId": "{Api}", "StageName": "prod", "DeploymentId": "{Next}", "Variables": {"a": "c", "d": "f"}, "CacheClusterEnabled": true, "CacheClusterSize": "0.5",
		"AccessLogSetting": {"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:m", "Format": "$context.requestId"},
		"MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "INFO"}], "CanarySetting": {"DeploymentId": "{Deployment}", "PercentTraffic": "12.5", "StageVariableOverrides": {"a": "z"}}}`)
	out, err := gatewayapi.GetStage.Do(a, a.Peers, &gatewayapi.GetStageRequest{RestApiId: &a.ID, StageName: &st.ID})
	if err != nil || out.ClientCertificateId != nil || aws.Value(out.TracingEnabled) || out.Variables["a"] != "c" || *out.MethodSettings["*/*"].ThrottlingBurstLimit != 5000 ||
		*out.CanarySettings.PercentTraffic != 12.5 || out.CanarySettings.StageVariableOverrides["a"] != "z" || out.Tags["a"] != "" {
		t.Errorf("the stage is %+v, %v", out, err)
	}
	w.update(st, `{"RestApiId": "{Api}", "StageName": "prod", "DeploymentId": "{Next}"}`)
	if out, err = gatewayapi.GetStage.Do(a, a.Peers, &gatewayapi.GetStageRequest{RestApiId: &a.ID, StageName: &st.ID}); err != nil || out.CanarySettings != nil || out.AccessLogSettings != nil || len(out.MethodSettings)+len(out.Variables) > 0 {
		t.Errorf("the stage is %+v, %v", out, err)
	}
	w.end()
}

func TestPlans(t *testing.T) {
	w := newWorld(t)
	a := w.create("AWS::ApiGateway::RestApi", "Api", `{"Name": "shop"}`)
	w.create("AWS::ApiGateway::Method", "Get", `{"RestApiId": "{Api}", "ResourceId": "{Api.RootResourceId}", "HttpMethod": "GET", `+mocked+`}`)
	w.create("AWS::ApiGateway::Deployment", "Deployment", `{"RestApiId": "{Api}"}`)
	w.create("AWS::ApiGateway::Stage", "One", `{"RestApiId": "{Api}", "StageName": "one", "DeploymentId": "{Deployment}"}`)
	w.create("AWS::ApiGateway::Stage", "Two", `{"RestApiId": "{Api}", "StageName": "two", "DeploymentId": "{Deployment}"}`)

	key := w.create("AWS::ApiGateway::ApiKey", "Key", `{"Enabled": true, "Description": "d", "StageKeys": [{"RestApiId": "{Api}", "StageName": "{One}"}], "Tags": [{"Key": "a", "Value": "b"}]}`)
	w.update(key, `{"Enabled": "false", "CustomerId": "c", "StageKeys": [{"RestApiId": "{Api}", "StageName": "{Two}"}]}`)
	plan := w.create("AWS::ApiGateway::UsagePlan", "Plan", `{"UsagePlanName": "p", "Description": "d", "Quota": {"Limit": "100", "Period": "MONTH"}, "Throttle": {"RateLimit": 5, "BurstLimit": "10"}, "ApiStages": [{"ApiId": "{Api}", "Stage": "{One}"}]}`)
	w.update(plan, `{"UsagePlanName": "q", "Quota": {"Limit": 7, "Period": "DAY"}, "ApiStages": [{"ApiId": "{Api}", "Stage": "{Two}", "Throttle": {"/pets/GET": {"RateLimit": 1, "BurstLimit": 2}}}], "Tags": [{"Key": "a", "Value": "b"}]}`)
	out, err := gatewayapi.GetUsagePlan.Do(a, a.Peers, &gatewayapi.GetUsagePlanRequest{UsagePlanId: &plan.ID})
	if err != nil || out.Throttle != nil || out.Description != nil || len(out.ApiStages) != 1 || *out.ApiStages[0].Throttle["/pets/GET"].BurstLimit != 2 || out.Tags["a"] != "b" {
		t.Errorf("the plan is %+v, %v", out, err)
	}
	w.update(plan, `{"UsagePlanName": "q", "ApiStages": [{"ApiId": "{Api}", "Stage": "{Two}"}]}`)
	w.create("AWS::ApiGateway::UsagePlanKey", "Link", `{"KeyId": "{Key}", "KeyType": "API_KEY", "UsagePlanId": "{Plan}"}`)
	w.end()
	keys, err := gatewayapi.GetApiKeys.Do(a, a.Peers, &gatewayapi.GetApiKeysRequest{})
	plans, e := gatewayapi.GetUsagePlans.Do(a, a.Peers, &gatewayapi.GetUsagePlansRequest{})
	if err != nil || e != nil || len(keys.Items)+len(plans.Items) > 0 {
		t.Errorf("left are %v and %v, %v, %v", keys, plans, err, e)
	}
}

func TestDomains(t *testing.T) {
	w := newWorld(t)
	w.create("AWS::ApiGateway::RestApi", "Api", `{"Name": "shop"}`)
	w.create("AWS::ApiGateway::RestApi", "Other", `{"Name": "other"}`)
	const certificate = `arn:aws:acm:us-east-1:000000000000:certificate/8c1b0c0e-0000-4000-8000-000000000000`
	d := w.create("AWS::ApiGateway::DomainName", "Domain", `{"DomainName": "api.example.com", "RegionalCertificateArn": "`+certificate+`", "EndpointConfiguration": {"Types": ["REGIONAL"]}, "SecurityPolicy": "TLS_1_2"}`)
	if w.filled("{Domain.RegionalDomainName}") == "" {
		t.Error("the domain name is nowhere")
	}
	w.update(d, `{"DomainName": "api.example.com", "RegionalCertificateArn": "`+strings.Replace(certificate, "8c1b", "9c1b", 1)+`", "EndpointConfiguration": {"Types": ["REGIONAL"]}, "SecurityPolicy": "TLS_1_0", "Tags": [{"Key": "a", "Value": "b"}]}`)
	for logical, path := range map[string]string{"Empty": "", "Path": `, "BasePath": "v1"`} {
		m := w.create("AWS::ApiGateway::BasePathMapping", logical, `{"DomainName": "{Domain}", "RestApiId": "{Api}"`+path+`}`)
		w.update(m, `{"DomainName": "{Domain}", "RestApiId": "{Other}"`+path+`}`)
	}
	w.end()
}
