package apigateway

import (
	"fmt"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
)

// A document is a Swagger 2.0 or OpenAPI 3 definition in API Gateway's terms.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
type document struct {
	API         api.RestApi // without ids
	Resources   []resource  // path and methods; methods name validators, not their ids
	Models      []api.Model
	Validators  []api.RequestValidator
	Responses   []api.GatewayResponse
	Authorizers []api.Authorizer // without ids; methods name them
	Parts       []api.DocumentationPart
	BasePath    string
	Warnings    []string

	root      tree
	openAPI   bool
	validator string // of methods that name none
	inline    int    // models made of schemas without a name
}

func (d *document) warn(format string, args ...any) {
	d.Warnings = append(d.Warnings, fmt.Sprintf(format, args...))
}

// parseDocument reads a definition.
func parseDocument(body []byte) (*document, error) {
	root, err := parseTree(body)
	if err != nil {
		return nil, err
	}
	d := &document{root: root}
	switch version := root.get("swagger").text(); {
	case version == "2" || version == "2.0":
	case strings.HasPrefix(root.get("openapi").text(), "3"):
		d.openAPI = true
	default:
		return nil, api.BadRequestException("Invalid OpenAPI input.")
	}
	if strings.TrimSpace(root.get("info", "title").text()) == "" {
		return nil, api.BadRequestException("Invalid OpenAPI input.").Because(fmt.Errorf("info.title is missing"))
	}
	d.api()
	d.models()
	d.authorizers()
	for _, path := range root.get("paths").keys() {
		if !strings.HasPrefix(path, "/") {
			continue // an extension
		}
		r := resource{Path: strings.TrimSuffix(path, "/")}
		if r.Path == "" {
			r.Path = "/"
		}
		item := root.get("paths", path).follow(root)
		r.Methods = d.methods(item)
		d.Resources = append(d.Resources, r)
	}
	return d, nil
}

// api reads what concerns the API as a whole.
func (d *document) api() {
	root := d.root
	a := &d.API
	a.Name, a.Description, a.Version = root.get("info", "title").optional(), root.get("info", "description").optional(), root.get("info", "version").optional()
	a.BinaryMediaTypes = root.get("x-amazon-apigateway-binary-media-types").texts()
	a.ApiKeySource = root.get("x-amazon-apigateway-api-key-source").upper()
	if n, err := strconv.ParseInt(root.get("x-amazon-apigateway-minimum-compression-size").text(), 10, 32); err == nil {
		a.MinimumCompressionSize = ptr(int32(n))
	}
	if root.has("x-amazon-apigateway-policy") {
		a.Policy = ptr(root.get("x-amazon-apigateway-policy").json())
	}
	if endpoint := root.get("x-amazon-apigateway-endpoint-configuration"); endpoint.truthy() {
		a.DisableExecuteApiEndpoint = ptr(endpoint.get("disableExecuteApiEndpoint").truth())
	}
	d.BasePath = root.get("basePath").text()
	if servers := root.get("servers").list(); len(servers) > 0 {
		if _, after, ok := strings.Cut(servers[0].get("url").text(), "://"); ok {
			_, path, _ := strings.Cut(after, "/")
			d.BasePath = strings.ReplaceAll("/"+path, "/{basePath}", servers[0].get("variables", "basePath", "default").text())
		}
	}
	for _, name := range root.get("x-amazon-apigateway-request-validators").keys() {
		v := root.get("x-amazon-apigateway-request-validators", name)
		d.Validators = append(d.Validators, api.RequestValidator{Name: &name,
			ValidateRequestBody: ptr(v.get("validateRequestBody").truth()), ValidateRequestParameters: ptr(v.get("validateRequestParameters").truth())})
	}
	d.validator = root.get("x-amazon-apigateway-request-validator").text()
	if root.has("x-amazon-apigateway-gateway-responses") {
		d.gatewayResponses(root.get("x-amazon-apigateway-gateway-responses"))
	}
}

// gatewayResponses reads the API's own responses to what goes wrong.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.html
func (d *document) gatewayResponses(all tree) {
	for _, kind := range all.keys() {
		if _, ok := responseTypes[kind]; !ok {
			d.warn("Invalid gateway response type specified: %s", kind)
			continue
		}
		in, r := all.get(kind), defaultResponse(kind)
		r.DefaultResponse = ptr(false)
		if status := in.get("statusCode").text(); status != "" {
			r.StatusCode = &status
		}
		for _, to := range in.get("responseParameters").keys() {
			r.ResponseParameters[to] = in.get("responseParameters", to).text()
		}
		if templates := in.get("responseTemplates"); len(templates.keys()) > 0 {
			r.ResponseTemplates = map[string]string{}
			for _, contentType := range templates.keys() {
				r.ResponseTemplates[contentType] = templates.get(contentType).text()
			}
		}
		if err := checkGatewayResponse(&r); err != nil {
			d.warn("Unable to put gateway response '%s': %s", kind, err.(*aws.Error).Message)
			continue
		}
		d.Responses = append(d.Responses, r)
	}
}

// truthy reports whether there is anything.
func (t tree) truthy() bool { return t.v != nil }

// models reads the definitions.
func (d *document) models() {
	schemas := d.schemas()
	for _, name := range schemas.keys() {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			d.warn("Unable to create model '%s': Model name must be alphanumeric: %s", name, name)
			continue
		}
		schema := schemas.get(name)
		d.Models = append(d.Models, api.Model{Name: &name, ContentType: ptr("application/json"), Description: schema.get("description").optional(), Schema: ptr(schema.json())})
	}
}

// model is the name of the model for a schema: the one that it refers to, or one
// made of it.
func (d *document) model(schema tree) (string, bool) {
	ref := schema.get("$ref").text()
	if ref == "" {
		if !schema.truthy() {
			return "", false
		}
		d.inline++
		name := fmt.Sprintf("MODEL%06x", d.inline)
		d.Models = append(d.Models, api.Model{Name: &name, ContentType: ptr("application/json"), Schema: ptr(schema.json())})
		return name, true
	}
	name := ref[strings.LastIndexByte(ref, '/')+1:]
	for _, m := range d.Models {
		if *m.Name == name {
			return name, true
		}
	}
	if name == "Empty" || name == "Error" {
		return name, true
	}
	d.warn("Unable to find the model %s", ref)
	return "", false
}

// rebase puts the base path before every path, or all of it but its first element,
// as the import's basepath parameter says.
func (d *document) rebase(mode string) error {
	base := strings.Trim(d.BasePath, "/")
	switch mode {
	case "", "ignore":
		return nil
	case "prepend":
	case "split":
		_, base, _ = strings.Cut(base, "/")
	default:
		return api.BadRequestException("Invalid basepath parameter specified. Valid options are ignore, prepend, split")
	}
	if base == "" {
		return nil
	}
	for i, r := range d.Resources {
		d.Resources[i].Path = strings.TrimSuffix("/"+base+r.Path, "/")
	}
	return nil
}

// endpoint is the endpoint configuration that an import's parameters ask for.
func endpoint(parameters map[string]string) (*api.EndpointConfiguration, error) {
	kind, ok := parameters["endpointConfigurationTypes"]
	if !ok {
		return endpoints(nil)
	}
	switch kind {
	case api.EndpointTypeEdge, api.EndpointTypeRegional, api.EndpointTypePrivate:
		return endpoints(&api.EndpointConfiguration{Types: []string{kind}})
	}
	return nil, api.BadRequestException("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE")
}

// checked is the API of a document, held to the rules of CreateRestApi.
func (d *document) checked(s *Service, parameters map[string]string) (*api.RestApi, error) {
	config, err := endpoint(parameters)
	if err != nil {
		return nil, err
	}
	return s.newAPI(&api.CreateRestApiRequest{Name: d.API.Name, Description: d.API.Description, Version: d.API.Version,
		BinaryMediaTypes: d.API.BinaryMediaTypes, ApiKeySource: d.API.ApiKeySource, MinimumCompressionSize: d.API.MinimumCompressionSize,
		Policy: d.API.Policy, DisableExecuteApiEndpoint: d.API.DisableExecuteApiEndpoint, EndpointConfiguration: config})
}
