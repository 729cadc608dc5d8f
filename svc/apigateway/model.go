package apigateway

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/schema"
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
	text := aws.Value(m.Schema)
	if text == "" {
		return api.BadRequestException("Model schema must have at least 1 property or array items defined")
	}
	if !strings.Contains(aws.Value(m.ContentType), "json") {
		return nil
	}
	if wrong := schema.Faults(text); len(wrong) > 0 {
		return api.BadRequestException("Invalid model specified: Validation Result: warnings : [], errors : [%s]", strings.Join(wrong, ", "))
	}
	return nil
}

// modelsOf are an API's models, by name.
func modelsOf(ctx context.Context, r store.Reader, apiID string) (out []api.Model, err error) {
	for e, err := range models.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{apiID}}) {
		if err != nil {
			return nil, err
		}
		out = append(out, e.Record)
	}
	return out, nil
}

func (s *Service) getModel(ctx context.Context, in *api.GetModelRequest) (*api.Model, error) {
	return view(ctx, s, func(r store.Reader) (*api.Model, error) {
		m, err := models.Get(ctx, r, scope(ctx), *in.RestApiId, *in.ModelName)
		if err != nil || !aws.Value(in.Flatten) {
			return &m, orElse(err, noModel(in.ModelName))
		}
		all, err := modelsOf(ctx, r, *in.RestApiId)
		if err != nil {
			return nil, err
		}
		if flat, err := texts(all).Flat(*in.ModelName); err == nil {
			m.Schema = &flat
		}
		return &m, nil
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
