package apigateway

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
)

// An export writes what a stage serves as an OpenAPI document.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-export-api.html
type export struct {
	deployment
	stage     string
	region    string
	resources []resource // by path
	docs      *documentation
	open      bool // OpenAPI 3, not Swagger 2.0
	// What of API Gateway's own is written, too.
	integrations, authorizers, settings, documented bool

	root    *ordered.Object
	schemes *ordered.Object // what methods ask of their callers
}

// getExport answers the definition of what a stage serves.
func (s *Service) getExport(ctx context.Context, in *api.GetExportRequest) (*api.ExportResponse, error) {
	e, err := s.exported(ctx, in.RestApiId, in.StageName)
	if err != nil {
		return nil, err
	}
	switch *in.ExportType {
	case "swagger":
	case "oas30":
		e.open = true
	default:
		return nil, api.BadRequestException("Invalid export type specified: %s. Valid types are swagger and oas30", *in.ExportType)
	}
	for name := range strings.SplitSeq(in.Parameters["extensions"], ",") {
		switch strings.TrimSpace(name) {
		case "", "postman": // Postman reads the document as it is
		case "integrations":
			e.integrations = true
		case "authorizers":
			e.authorizers = true
		case "apigateway":
			e.integrations, e.authorizers, e.settings, e.documented = true, true, true, true
		case "documentation":
			e.documented = true
		default:
			return nil, api.BadRequestException("Invalid extension specified: %s", name)
		}
	}
	e.write()
	body, suffix := ordered.JSON(e.root), "json"
	switch accept := aws.Value(in.Accepts); {
	case strings.Contains(accept, "yaml"):
		if body, err = ordered.YAML(e.root); err != nil {
			return nil, err
		}
		suffix = "yaml"
	case accept != "" && !strings.Contains(accept, "json") && !strings.Contains(accept, "*/*"):
		return nil, api.BadRequestException("Invalid Accept header specified: %s. Valid types are application/json and application/yaml", accept)
	}
	name := *in.ExportType + "_" + s.now().Format(time.RFC3339) + "." + suffix
	return &api.ExportResponse{Body: body, ContentType: ptr("application/octet-stream"), ContentDisposition: ptr(`attachment; filename="` + name + `"`)}, nil
}

// exported reads what a stage serves.
func (s *Service) exported(ctx context.Context, apiID, stage *string) (*export, error) {
	return view(ctx, s, func(r store.Reader) (*export, error) {
		if _, err := lookup(ctx, r, apiID); err != nil {
			return nil, err
		}
		st, err := readStage(ctx, r, scope(ctx), *apiID, *stage)
		if err != nil {
			return nil, err
		}
		e := &export{stage: *stage, region: aws.RequestOf(ctx).Region}
		if e.deployment, err = deployments.Get(ctx, r, scope(ctx), *apiID, aws.Value(st.DeploymentId)); err != nil {
			return nil, orElse(err, noDeployment())
		}
		for v, err := range snapshots.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{*apiID, e.ID}}) {
			if err != nil {
				return nil, err
			}
			e.resources = append(e.resources, v.Record)
		}
		slices.SortFunc(e.resources, func(a, b resource) int { return strings.Compare(a.Path, b.Path) })
		if st.DocumentationVersion != nil {
			d, err := documentations.Get(ctx, r, scope(ctx), *apiID, *st.DocumentationVersion)
			if err == nil {
				e.docs = &d
			} else if err = orElse(err, nil); err != nil {
				return nil, err
			}
		}
		return e, nil
	})
}

// write makes the document.
func (e *export) write() {
	e.root, e.schemes = ordered.New(), ordered.New()
	info := e.head()
	paths := e.root.Object("paths")
	for _, r := range e.resources {
		if len(r.Methods) > 0 {
			e.path(paths.Object(r.Path), r)
		}
	}
	definitions := e.definitions()
	if e.open {
		if definitions.Len() > 0 {
			e.root.Object("components").Set("schemas", definitions)
		}
		if e.schemes.Len() > 0 {
			e.root.Object("components").Set("securitySchemes", e.schemes)
		}
	} else {
		if e.schemes.Len() > 0 {
			e.root.Set("securityDefinitions", e.schemes)
		}
		if definitions.Len() > 0 {
			e.root.Set("definitions", definitions)
		}
	}
	e.say(e.root, api.DocumentationPartLocation{Type: ptr(api.DocumentationPartTypeApi)})
	info.Set("title", aws.Value(e.API.Name)) // which is the API's, whatever its documentation says
	if e.settings {
		e.extensions()
	}
	if e.documented && e.docs != nil {
		e.root.Set("x-amazon-apigateway-documentation", e.documentation())
	}
}

// head writes what stands before the paths, and returns the part on the API itself.
func (e *export) head() *ordered.Object {
	if e.open {
		e.root.Set("openapi", "3.0.1")
	} else {
		e.root.Set("swagger", "2.0")
	}
	info := e.root.Object("info")
	if d := aws.Value(e.API.Description); d != "" {
		info.Set("description", d)
	}
	version := e.Created.UTC().Format(time.RFC3339)
	if v := aws.Value(e.API.Version); v != "" {
		version = v
	}
	info.Set("version", version).Set("title", aws.Value(e.API.Name))
	host := *e.API.Id + ".execute-api." + e.region + ".amazonaws.com"
	if e.open {
		e.root.Set("servers", []any{ordered.New().Set("url", "https://"+host+"/{basePath}").
			Set("variables", ordered.New().Set("basePath", ordered.New().Set("default", e.stage)))})
	} else {
		e.root.Set("host", host).Set("basePath", "/"+e.stage).Set("schemes", []any{"https"})
	}
	return info
}

// schemasAt is where the document keeps its schemas.
func (e *export) schemasAt() string {
	if e.open {
		return "#/components/schemas/"
	}
	return "#/definitions/"
}

// definitions are the API's models, but for those that every API has and this one
// does not use.
func (e *export) definitions() *ordered.Object {
	used := map[string]bool{}
	for _, r := range e.resources {
		for _, m := range r.Methods {
			for name := range maps.Values(m.RequestModels) {
				used[name] = true
			}
			for _, a := range m.MethodResponses {
				for name := range maps.Values(a.ResponseModels) {
					used[name] = true
				}
			}
		}
	}
	out := ordered.New()
	models := slices.Clone(e.Models)
	slices.SortFunc(models, func(a, b api.Model) int { return strings.Compare(*a.Name, *b.Name) })
	for _, m := range models {
		if (*m.Name == "Empty" || *m.Name == "Error") && !used[*m.Name] {
			continue
		}
		v, err := ordered.Parse([]byte(aws.Value(m.Schema)))
		schema, ok := v.(*ordered.Object)
		if err != nil || !ok {
			schema = ordered.New() // a model of XML, say
		}
		schema.Delete("$schema")
		schema.Delete("id")
		e.local(schema)
		e.say(schema, api.DocumentationPartLocation{Type: ptr(api.DocumentationPartTypeModel), Name: m.Name})
		out.Set(*m.Name, schema)
	}
	return out
}

// local makes references to other models references within the document.
func (e *export) local(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			e.local(item)
		}
	case *ordered.Object:
		for _, name := range v.Names() {
			if ref, ok := v.Get(name).(string); ok && name == "$ref" {
				if _, model, ok := strings.Cut(ref, "/models/"); ok {
					v.Set("$ref", e.schemasAt()+model)
				}
			}
			e.local(v.Get(name))
		}
	}
}

// extensions writes the API's own settings.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
func (e *export) extensions() {
	const own = "x-amazon-apigateway-"
	if v := aws.Value(e.API.ApiKeySource); v != "" && v != api.ApiKeySourceTypeHeader {
		e.root.Set(own+"api-key-source", v)
	}
	if e.API.MinimumCompressionSize != nil {
		e.root.Set(own+"minimum-compression-size", int(*e.API.MinimumCompressionSize))
	}
	if len(e.API.BinaryMediaTypes) > 0 {
		e.root.Set(own+"binary-media-types", list(e.API.BinaryMediaTypes))
	}
	if policy, err := ordered.Parse([]byte(aws.Value(e.API.Policy))); err == nil {
		e.root.Set(own+"policy", policy)
	}
	if aws.Value(e.API.DisableExecuteApiEndpoint) {
		e.root.Object(own+"endpoint-configuration").Set("disableExecuteApiEndpoint", true)
	}
	for _, kind := range slices.Sorted(maps.Keys(e.Responses)) {
		r, out := e.Responses[kind], e.root.Object(own+"gateway-responses").Object(kind)
		if status := aws.Value(r.StatusCode); status != "" {
			out.Set("statusCode", json.Number(status))
		}
		setMap(out, "responseParameters", r.ResponseParameters)
		setMap(out, "responseTemplates", r.ResponseTemplates)
	}
	for _, id := range slices.Sorted(maps.Keys(e.Validators)) {
		v := e.Validators[id]
		e.root.Object(own+"request-validators").Set(aws.Value(v.Name), ordered.New().
			Set("validateRequestParameters", aws.Value(v.ValidateRequestParameters)).Set("validateRequestBody", aws.Value(v.ValidateRequestBody)))
	}
}

// setMap sets a member to a map's entries, if there are any.
func setMap(o *ordered.Object, name string, m map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		o.Object(name).Set(k, m[k])
	}
}

// list is texts as a list's items.
func list(in []string) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = v
	}
	return out
}
