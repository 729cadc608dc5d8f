package apigateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// defaultModels are the models that every API begins with.
func (s *Service) defaultModels() []api.Model {
	schema := func(title, rest string) *string {
		return ptr("{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"" + title + " Schema\",\n  \"type\" : \"object\"" + rest + "\n}")
	}
	return []api.Model{
		{Id: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6)), Name: ptr("Empty"), ContentType: ptr("application/json"),
			Description: ptr("This is a default empty schema model"), Schema: schema("Empty", "")},
		{Id: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6)), Name: ptr("Error"), ContentType: ptr("application/json"),
			Description: ptr("This is a default error schema model"),
			Schema:      schema("Error", ",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }")},
	}
}

func noModel(name *string) error {
	return api.NotFoundException("Invalid model name specified: %s", aws.Value(name))
}

func (s *Service) createModel(ctx context.Context, in *api.CreateModelRequest) (*api.Model, error) {
	m := api.Model{Id: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6)), Name: in.Name, ContentType: in.ContentType, Description: in.Description, Schema: in.Schema}
	if aws.Value(in.Name) == "" {
		return nil, api.BadRequestException("Model name must be non-empty")
	}
	if strings.Trim(*in.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return nil, api.BadRequestException("Model name must be alphanumeric: %s", *in.Name)
	}
	if err := checkSchema(m); err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.Model, error) {
		if _, err := lookup(ctx, tx, in.RestApiId); err != nil {
			return nil, err
		}
		taken, err := models.Has(ctx, tx, scope(ctx), *in.RestApiId, *in.Name)
		if err != nil {
			return nil, err
		}
		if taken {
			return nil, api.ConflictException("Model name already exists for this REST API")
		}
		return &m, models.Put(tx, scope(ctx), m, *in.RestApiId, *m.Name)
	})
}

func checkSchema(m api.Model) error {
	schema := aws.Value(m.Schema)
	if schema == "" {
		return api.BadRequestException("Model schema must have at least 1 property or array items defined")
	}
	if t := aws.Value(m.ContentType); strings.Contains(t, "json") && !json.Valid([]byte(schema)) {
		return api.BadRequestException("Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]")
	}
	return nil
}

func (s *Service) getModel(ctx context.Context, in *api.GetModelRequest) (*api.Model, error) {
	return view(ctx, s, func(r store.Reader) (*api.Model, error) {
		m, err := models.Get(ctx, r, scope(ctx), *in.RestApiId, *in.ModelName)
		return &m, orElse(err, noModel(in.ModelName))
	})
}

func (s *Service) getModels(ctx context.Context, in *api.GetModelsRequest) (*api.Models, error) {
	return view(ctx, s, func(r store.Reader) (*api.Models, error) {
		if _, err := lookup(ctx, r, in.RestApiId); err != nil {
			return nil, err
		}
		items, next, err := page(ctx, r, models, []any{*in.RestApiId}, in.Limit, in.Position)
		return &api.Models{Items: items, Position: next}, err
	})
}

func (s *Service) deleteModel(ctx context.Context, in *api.DeleteModelRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		if err := require(ctx, tx, models, noModel(in.ModelName), *in.RestApiId, *in.ModelName); err != nil {
			return err
		}
		for e, err := range resources.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{*in.RestApiId}}) {
			if err != nil {
				return err
			}
			if err := modelUsed(*in.ModelName, e.Record); err != nil {
				return err
			}
		}
		return models.Delete(tx, scope(ctx), *in.RestApiId, *in.ModelName)
	})
}

func modelUsed(name string, r resource) error {
	for _, verb := range slices.Sorted(maps.Keys(r.Methods)) {
		m := r.Methods[verb]
		for _, used := range m.RequestModels {
			if used == name {
				return api.ConflictException("Cannot delete model '%s', is referenced in method request: %s/%s", name, r.Path, verb)
			}
		}
		for _, status := range slices.Sorted(maps.Keys(m.MethodResponses)) {
			for _, used := range m.MethodResponses[status].ResponseModels {
				if used == name {
					return api.ConflictException("Cannot delete model '%s', is referenced in method response: %s/%s/%s", name, r.Path, verb, status)
				}
			}
		}
	}
	return nil
}

func (s *Service) updateModel(ctx context.Context, in *api.UpdateModelRequest) (*api.Model, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.Model, error) {
		m, err := models.Get(ctx, tx, scope(ctx), *in.RestApiId, *in.ModelName)
		if err != nil {
			return nil, orElse(err, noModel(in.ModelName))
		}
		for _, p := range ops {
			if err := p.listed("/description", "/schema"); err != nil {
				return nil, err
			}
			if p.path == "/schema" {
				m.Schema = &p.value
			} else {
				m.Description = &p.value
			}
		}
		if err := checkSchema(m); err != nil {
			return nil, err
		}
		return &m, models.Put(tx, scope(ctx), m, *in.RestApiId, *m.Name)
	})
}

// getModelTemplate answers a mapping template that shows a document of the model.
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetModelTemplate.html
func (s *Service) getModelTemplate(ctx context.Context, in *api.GetModelTemplateRequest) (*api.Template, error) {
	m, err := s.getModel(ctx, &api.GetModelRequest{RestApiId: in.RestApiId, ModelName: in.ModelName})
	if err != nil {
		return nil, err
	}
	var schema any
	if err := json.Unmarshal([]byte(aws.Value(m.Schema)), &schema); err != nil {
		return nil, api.BadRequestException("Model %s is not a JSON schema", *in.ModelName)
	}
	var b strings.Builder
	b.WriteString("#set($inputRoot = $input.path('$'))\n")
	sample(&b, schema, "$inputRoot", "", 0)
	return &api.Template{Value: ptr(b.String())}, nil
}

// sample writes a template for the schema, whose document the expression at stands for.
func sample(b *strings.Builder, schema any, at, indent string, depth int) {
	s, _ := schema.(map[string]any)
	properties, _ := s["properties"].(map[string]any)
	switch {
	case depth > 20:
		b.WriteString("null")
	case s["type"] == "array":
		elem := fmt.Sprintf("$elem%d", depth)
		fmt.Fprintf(b, "[\n%s#foreach(%s in %s)\n%s  ", indent, elem, at, indent)
		sample(b, s["items"], elem, indent+"  ", depth+1)
		fmt.Fprintf(b, "#if($foreach.hasNext),#end\n%s#end\n%s]", indent, indent)
	case len(properties) > 0:
		b.WriteString("{\n")
		names := slices.Sorted(maps.Keys(properties))
		for i, name := range names {
			fmt.Fprintf(b, "%s  %q : ", indent, name)
			sample(b, properties[name], at+"."+name, indent+"  ", depth+1)
			if i < len(names)-1 {
				b.WriteString(",")
			}
			b.WriteString("\n")
		}
		b.WriteString(indent + "}")
	case s["type"] == "string":
		fmt.Fprintf(b, "\"%s\"", at)
	case s["type"] == "object" || s["type"] == nil:
		b.WriteString("{ }")
	default:
		b.WriteString(at)
	}
}
