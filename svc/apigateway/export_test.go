package apigateway

import (
	"regexp"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/apigateway"
)

// everything is a document with all that an export can say.
const everything = `
swagger: "2.0"
info: {title: all, version: "3", description: All of it}
x-amazon-apigateway-binary-media-types: [image/png]
x-amazon-apigateway-api-key-source: AUTHORIZER
x-amazon-apigateway-minimum-compression-size: 1024
x-amazon-apigateway-policy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: "*", Action: "execute-api:Invoke", Resource: "*"}]}
x-amazon-apigateway-gateway-responses: {QUOTA_EXCEEDED: {statusCode: 402, responseParameters: {gatewayresponse.header.X-Pay: "'now'"}, responseTemplates: {application/json: "{}"}}}
x-amazon-apigateway-request-validators: {all: {validateRequestBody: true, validateRequestParameters: true}}
securityDefinitions:
  api_key: {type: apiKey, name: x-api-key, in: header}
  sigv4: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: awsSigv4}
  gate: {type: apiKey, name: X-Gate, in: header, x-amazon-apigateway-authtype: oauth2, x-amazon-apigateway-authorizer: {type: token, authorizerUri: "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:111122223333:function:gate/invocations", authorizerCredentials: "arn:aws:iam::111122223333:role/gate", identityValidationExpression: "ok-.*", authorizerResultTtlInSeconds: 60}}
  door: {type: apiKey, name: Unused, in: header, x-amazon-apigateway-authtype: custom, x-amazon-apigateway-authorizer: {type: request, authorizerUri: "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:111122223333:function:gate/invocations", identitySource: "method.request.header.A, method.request.querystring.b", authorizerResultTtlInSeconds: 0}}
  pool: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: cognito_user_pools, x-amazon-apigateway-authorizer: {type: cognito_user_pools, providerARNs: ["arn:aws:cognito-idp:us-east-1:111122223333:userpool/us-east-1_abc"]}}
paths:
  /pets/{id}:
    post:
      tags: [pets]
      summary: Change a pet
      operationId: putPet
      consumes: [application/json]
      produces: [application/json]
      parameters:
        - {name: id, in: path, required: true, type: string, description: Its number}
        - {name: limit, in: query, required: true, type: string}
        - {name: X-H, in: header, required: false, type: string}
        - {in: body, name: Pet, schema: {$ref: "#/definitions/Pet"}, description: A pet}
      responses:
        200: {description: ok, schema: {$ref: "#/definitions/Pet"}, headers: {X-Id: {type: string, description: Again}}}
        404: {description: none}
      security: [{sigv4: []}, {api_key: []}]
      x-amazon-apigateway-request-validator: all
      x-amazon-apigateway-integration:
        type: http
        uri: http://example.com/{id}
        httpMethod: POST
        passthroughBehavior: when_no_templates
        contentHandling: CONVERT_TO_TEXT
        timeoutInMillis: 5000
        cacheNamespace: ns
        cacheKeyParameters: [method.request.path.id]
        tlsConfig: {insecureSkipVerification: true}
        requestParameters: {integration.request.path.id: method.request.path.id}
        requestTemplates: {application/json: "$input.json('$')"}
        responses:
          4\d{2}: {statusCode: "404"}
          default: {statusCode: "200", contentHandling: CONVERT_TO_BINARY, responseParameters: {method.response.header.X-Id: integration.response.header.id}, responseTemplates: {application/json: "{}"}}
  /gated:
    get: {responses: {}, security: [{gate: []}], x-amazon-apigateway-integration: {type: mock, timeoutInMillis: 29000}}
    put: {responses: {}, security: [{door: []}, {api_key: []}], x-amazon-apigateway-integration: {type: mock, timeoutInMillis: 29000}}
    post: {responses: {}, security: [{pool: [pets/read, pets/write]}], x-amazon-apigateway-integration: {type: mock, timeoutInMillis: 29000}}
  /{proxy+}:
    x-amazon-apigateway-any-method:
      responses: {}
      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: ANY, uri: "http://example.com/", timeoutInMillis: 29000}
definitions:
  Pet: {type: object, title: A pet, properties: {id: {type: string}, friends: {type: array, items: {$ref: "#/definitions/Pet"}}}}
x-amazon-apigateway-documentation:
  version: "1"
  documentationParts:
    - {location: {type: METHOD}, properties: {description: Of every method}}
    - {location: {type: RESPONSE, statusCode: "404"}, properties: {description: Nothing there}}
`

// documented deploys a document with its documentation, and is the API's id.
func (s *stand) documented(t *testing.T, doc string) string {
	t.Helper()
	if err := s.deploy(t, doc, "prod"); err != nil {
		t.Fatal(err)
	}
	_, err := api.CreateDocumentationVersion.Do(s.house.Context(t.Context()), s.house, &api.CreateDocumentationVersionRequest{
		RestApiId: &s.apiID, DocumentationVersion: ptr("1"), StageName: ptr("prod")})
	s.must(t, err)
	return s.apiID
}

// export is what an API of the stand exports as.
func (s *stand) export(t *testing.T, id, kind, accept, extensions string) string {
	t.Helper()
	out, err := api.GetExport.Do(s.house.Context(t.Context()), s.house, &api.GetExportRequest{RestApiId: &id, StageName: ptr("prod"),
		ExportType: &kind, Accepts: &accept, Parameters: map[string]string{"extensions": extensions}})
	s.must(t, err)
	return string(out.Body)
}

// What is exported imports to the same API, in both forms and both syntaxes.
func TestExportImports(t *testing.T) {
	st := newStand(t)
	cacheNamespace := regexp.MustCompile(`"cacheNamespace" : "[a-z0-9]{6}"`)
	normal := func(text, id string) string {
		return cacheNamespace.ReplaceAllString(strings.ReplaceAll(text, id, "API"), `"cacheNamespace" : "RESOURCE"`)
	}
	for _, kind := range []string{"swagger", "oas30"} {
		id := st.documented(t, everything)
		first := normal(st.export(t, id, kind, "application/json", "apigateway"), id)
		for _, accept := range []string{"application/json", "application/yaml"} {
			id := st.documented(t, strings.ReplaceAll(st.export(t, id, kind, accept, "apigateway"), id, "API"))
			if again := normal(st.export(t, id, kind, "application/json", "apigateway"), id); again != first {
				t.Errorf("%s by %s: the first export is\n%s\nand that of its import\n%s", kind, accept, first, again)
			}
		}
	}
}

// An export says what it is asked for, and no more.
func TestExportExtensions(t *testing.T) {
	st := newStand(t)
	st.documented(t, everything)
	for extensions, want := range map[string]string{
		"":              "",
		"integrations":  "x-amazon-apigateway-integration",
		"authorizers":   "x-amazon-apigateway-authtype",
		"documentation": "x-amazon-apigateway-documentation",
		"postman":       "",
	} {
		got := st.export(t, st.apiID, "swagger", "application/json", extensions)
		for _, name := range []string{"x-amazon-apigateway-integration", "x-amazon-apigateway-authtype", "x-amazon-apigateway-documentation", "x-amazon-apigateway-policy"} {
			if strings.Contains(got, `"`+name+`"`) != (name == want) {
				t.Errorf("with the extensions %q, %s is there: %t", extensions, name, name != want)
			}
		}
		if !strings.Contains(got, "Of every method") || !strings.Contains(got, `"x-amazon-apigateway-any-method"`) {
			t.Errorf("the export lacks what every export has:\n%s", got)
		}
	}
}
