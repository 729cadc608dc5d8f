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
)

// getModelTemplate answers a mapping template that shows a document of the model.
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetModelTemplate.html
func (s *Service) getModelTemplate(ctx context.Context, in *api.GetModelTemplateRequest) (*api.Template, error) {
	m, err := s.getModel(ctx, &api.GetModelRequest{RestApiId: in.RestApiId, ModelName: in.ModelName, Flatten: ptr(true)})
	if err != nil {
		return nil, err
	}
	var schema any
	if err := json.Unmarshal([]byte(aws.Value(m.Schema)), &schema); err != nil {
		return nil, api.BadRequestException("Model %s is not a JSON schema", *in.ModelName)
	}
	var p sampler
	if top, ok := schema.(map[string]any); ok {
		p.root = top
	}
	p.b.WriteString("#set($inputRoot = $input.path('$'))\n")
	p.sample(schema, "$inputRoot", "", 0)
	return &api.Template{Value: ptr(p.b.String())}, nil
}

// A sampler writes the template of a model.
type sampler struct {
	b    strings.Builder
	root map[string]any // the model, in which references lead
}

// Bounds of a sample: models may refer to themselves, and to each other in many ways.
const (
	maxSampleDepth = 8
	maxSample      = 256 << 10
)

// resolve follows a schema's references within the model.
func (p *sampler) resolve(schema any) map[string]any {
	s, _ := schema.(map[string]any)
	for range maxSampleDepth {
		ref, ok := s["$ref"].(string)
		if !ok {
			return s
		}
		var at any = p.root
		for _, part := range pointer(strings.TrimPrefix(ref, "#")) {
			if o, ok := at.(map[string]any); ok && part != "" {
				at = o[part]
			}
		}
		s, _ = at.(map[string]any)
	}
	return s
}

// sample writes a template for the schema, whose document the expression at stands for.
func (p *sampler) sample(schema any, at, indent string, depth int) {
	s, b := p.resolve(schema), &p.b
	properties, _ := s["properties"].(map[string]any)
	switch {
	case depth > maxSampleDepth || b.Len() > maxSample:
		b.WriteString("null")
	case s["type"] == "array":
		elem := fmt.Sprintf("$elem%d", depth)
		fmt.Fprintf(b, "[\n%s#foreach(%s in %s)\n%s  ", indent, elem, at, indent)
		p.sample(s["items"], elem, indent+"  ", depth+1)
		fmt.Fprintf(b, "#if($foreach.hasNext),#end\n%s#end\n%s]", indent, indent)
	case len(properties) > 0:
		b.WriteString("{\n")
		names := slices.Sorted(maps.Keys(properties))
		for i, name := range names {
			fmt.Fprintf(b, "%s  %q : ", indent, name)
			p.sample(properties[name], at+"."+name, indent+"  ", depth+1)
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
