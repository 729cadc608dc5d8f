package apigatewayv2

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

var modelName = regexp.MustCompile(`^[a-zA-Z0-9]{1,128}$`)

func (s *Service) checkModel(ctx context.Context, tx store.Tx, id *string, m *api.Model) error {
	if err := onlySockets(ctx, tx, id, "Models"); err != nil {
		return err
	}
	if !modelName.MatchString(aws.Value(m.Name)) {
		return api.BadRequestException("Model name must be alphanumeric: %s", aws.Value(m.Name))
	}
	if m.ContentType == nil {
		m.ContentType = ptr("application/json")
	}
	var schema map[string]any
	if text := aws.Value(m.Schema); len(text) > 32768 || json.Unmarshal([]byte(text), &schema) != nil {
		return api.BadRequestException("Invalid model schema specified")
	}
	all, err := models.children(ctx, tx, scope(ctx), *id)
	for _, o := range all {
		if *o.Name == *m.Name && *o.ModelId != *m.ModelId {
			return api.ConflictException("Model name already exists for this API")
		}
	}
	return err
}

func (s *Service) createModel(ctx context.Context, in *api.CreateModelRequest) (*api.CreateModelResponse, error) {
	return add[api.CreateModelResponse](ctx, s, models, in, func(tx store.Tx, m *api.Model) error { return s.checkModel(ctx, tx, in.ApiId, m) }, in.ApiId)
}

func (s *Service) getModel(ctx context.Context, in *api.GetModelRequest) (*api.GetModelResponse, error) {
	return show[api.GetModelResponse](ctx, s, models, in.ApiId, in.ModelId)
}

func (s *Service) getModels(ctx context.Context, in *api.GetModelsRequest) (*api.GetModelsResponse, error) {
	items, next, err := list(ctx, s, models, in.MaxResults, in.NextToken, in.ApiId)
	return &api.GetModelsResponse{Items: items, NextToken: next}, err
}

func (s *Service) updateModel(ctx context.Context, in *api.UpdateModelRequest) (*api.UpdateModelResponse, error) {
	return change[api.UpdateModelResponse](ctx, s, models, in, func(tx store.Tx, m *api.Model) error { return s.checkModel(ctx, tx, in.ApiId, m) }, in.ApiId, in.ModelId)
}

func (s *Service) deleteModel(ctx context.Context, in *api.DeleteModelRequest) (*aws.Empty, error) {
	return remove(ctx, s, models, nil, in.ApiId, in.ModelId)
}

// getModelTemplate writes a mapping template that passes on what a model's schema has.
func (s *Service) getModelTemplate(ctx context.Context, in *api.GetModelTemplateRequest) (*api.GetModelTemplateResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.GetModelTemplateResponse, error) {
		m, err := models.get(ctx, r, in.ApiId, in.ModelId)
		if err != nil {
			return nil, err
		}
		var schema map[string]any
		if err := json.Unmarshal([]byte(*m.Schema), &schema); err != nil {
			return nil, api.BadRequestException("Invalid model schema specified")
		}
		var b strings.Builder
		b.WriteString("#set($inputRoot = $input.path('$'))\n")
		template(&b, schema, "$inputRoot", "", 0)
		return &api.GetModelTemplateResponse{Value: ptr(b.String())}, nil
	})
}

// deepest is how far a template goes into a schema.
const deepest = 16

func template(b *strings.Builder, schema map[string]any, at, indent string, depth int) {
	properties, _ := schema["properties"].(map[string]any)
	items, _ := schema["items"].(map[string]any)
	switch kind, _ := schema["type"].(string); {
	case depth < deepest && (kind == "object" || properties != nil):
		b.WriteString("{")
		for i, name := range slices.Sorted(maps.Keys(properties)) {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString("\n" + indent + "  " + quote(name) + " : ")
			p, _ := properties[name].(map[string]any)
			template(b, p, at+"."+name, indent+"  ", depth+1)
		}
		b.WriteString("\n" + indent + "}")
	case depth < deepest && (kind == "array" || items != nil):
		b.WriteString("[\n" + indent + "#foreach($elem in " + at + ")\n" + indent + "  ")
		template(b, items, "$elem", indent+"  ", depth+1)
		b.WriteString("#if($foreach.hasNext),#end\n" + indent + "#end\n" + indent + "]")
	case kind == "integer" || kind == "number" || kind == "boolean":
		b.WriteString(at)
	default:
		b.WriteString(`"` + at + `"`)
	}
}

func quote(text string) string {
	b, _ := json.Marshal(text) // a string always encodes
	return string(b)
}
