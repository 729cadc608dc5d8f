package apigateway

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/schema"
)

// A rule is what a method's validator holds requests against.
type rule struct {
	required []string             // "method.request.header.x"
	bodies   map[string]bodyModel // by content type, or "$default"
}

// A bodyModel is a model made ready; it keeps why it is none.
type bodyModel struct {
	schema *schema.Schema
	err    error
}

// compileRule makes what a validator asks of a method's requests ready. Models are
// compiled once for all methods of a program.
func (p *program) compileRule(m *api.Method, v api.RequestValidator) rule {
	var out rule
	if aws.Value(v.ValidateRequestParameters) {
		for _, name := range slices.Sorted(maps.Keys(m.RequestParameters)) {
			if m.RequestParameters[name] {
				out.required = append(out.required, name)
			}
		}
	}
	if !aws.Value(v.ValidateRequestBody) || len(m.RequestModels) == 0 {
		return out
	}
	out.bodies = make(map[string]bodyModel, len(m.RequestModels))
	for contentType, name := range m.RequestModels {
		out.bodies[strings.ToLower(contentType)] = p.model(name)
	}
	return out
}

// model is a model of the program's API, compiled when first asked for.
func (p *program) model(name string) bodyModel {
	if m, ok := p.compiled[name]; ok {
		return m
	}
	s, err := p.models.Compile(name)
	if p.compiled == nil {
		p.compiled = map[string]bodyModel{}
	}
	p.compiled[name] = bodyModel{s, err}
	return p.compiled[name]
}

// validate refuses a request that its method's validator does not let pass: first for
// its parameters, then for its body.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
func (x *exchange) validate() error {
	if err := x.checkRequired(); err != nil {
		return err
	}
	return x.checkBody()
}

// checkRequired refuses a request without the parameters that a validator asks for.
func (x *exchange) checkRequired() error {
	var missing []string
	for _, name := range x.method.rule.required {
		where, name, _ := strings.Cut(strings.TrimPrefix(name, methodRequest), ".")
		var have []string
		switch where {
		case "header":
			have = all(x.req.header, name, true)
		case "querystring":
			have = all(x.req.query, name, false)
		case "path":
			have = all(x.req.params, name, false)
		}
		if len(have) == 0 || have[len(have)-1] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return badParameters("Missing required request parameters: [" + strings.Join(missing, ", ") + "]")
	}
	return nil
}

// checkBody holds the body against the model for its content type. Without one, and
// where the model is for other than JSON, nothing is held.
func (x *exchange) checkBody() error {
	if len(x.method.rule.bodies) == 0 {
		return nil
	}
	sent, ok := last(x.req.header, "Content-Type")
	if !ok || sent == "" {
		sent = "application/json"
	}
	m, ok := x.method.rule.bodies[mediaType(sent)]
	if !ok {
		m, ok = x.method.rule.bodies[defaultTemplate]
	}
	if !ok {
		return nil
	}
	if m.err != nil {
		return misconfigured("Unable to validate the request against its model: " + m.err.Error())
	}
	body := x.req.body
	if len(body) == 0 {
		body = []byte("{}")
	}
	if wrong := m.schema.Check(body); len(wrong) > 0 {
		return badBody(wrong)
	}
	return nil
}

// texts are the schemas of models, by name. A model of other than JSON lets all pass.
func texts(models []api.Model) schema.Models {
	out := make(schema.Models, len(models))
	for _, m := range models {
		out[*m.Name] = aws.Value(m.Schema)
		if !json.Valid([]byte(out[*m.Name])) {
			out[*m.Name] = "{}"
		}
	}
	return out
}
