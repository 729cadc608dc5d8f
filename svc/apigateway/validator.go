package apigateway

import (
	"context"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func noValidator() error {
	return api.NotFoundException("Invalid Request Validator identifier specified")
}

func (s *Service) createRequestValidator(ctx context.Context, in *api.CreateRequestValidatorRequest) (*api.RequestValidator, error) {
	v := api.RequestValidator{Id: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6)), Name: in.Name,
		ValidateRequestBody: ptr(aws.Value(in.ValidateRequestBody)), ValidateRequestParameters: ptr(aws.Value(in.ValidateRequestParameters))}
	return update(ctx, s, func(tx store.Tx) (*api.RequestValidator, error) {
		if _, err := lookup(ctx, tx, in.RestApiId); err != nil {
			return nil, err
		}
		return &v, validators.Put(tx, scope(ctx), v, *in.RestApiId, *v.Id)
	})
}

func (s *Service) getRequestValidator(ctx context.Context, in *api.GetRequestValidatorRequest) (*api.RequestValidator, error) {
	return view(ctx, s, func(r store.Reader) (*api.RequestValidator, error) {
		v, err := validators.Get(ctx, r, scope(ctx), *in.RestApiId, *in.RequestValidatorId)
		return &v, orElse(err, noValidator())
	})
}

func (s *Service) getRequestValidators(ctx context.Context, in *api.GetRequestValidatorsRequest) (*api.RequestValidators, error) {
	return view(ctx, s, func(r store.Reader) (*api.RequestValidators, error) {
		if _, err := lookup(ctx, r, in.RestApiId); err != nil {
			return nil, err
		}
		items, next, err := page(ctx, r, validators, []any{*in.RestApiId}, in.Limit, in.Position)
		return &api.RequestValidators{Items: items, Position: next}, err
	})
}

func (s *Service) updateRequestValidator(ctx context.Context, in *api.UpdateRequestValidatorRequest) (*api.RequestValidator, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.RequestValidator, error) {
		v, err := validators.Get(ctx, tx, scope(ctx), *in.RestApiId, *in.RequestValidatorId)
		if err != nil {
			return nil, orElse(err, noValidator())
		}
		for _, p := range ops {
			if err := p.listed("/name", "/validateRequestParameters", "/validateRequestBody"); err != nil {
				return nil, err
			}
			switch p.path {
			case "/name":
				if p.value == "" {
					return nil, api.BadRequestException("Request Validator name cannot be blank")
				}
				v.Name = &p.value
			case "/validateRequestParameters":
				v.ValidateRequestParameters = p.flag()
			case "/validateRequestBody":
				v.ValidateRequestBody = p.flag()
			}
		}
		return &v, validators.Put(tx, scope(ctx), v, *in.RestApiId, *v.Id)
	})
}

func (s *Service) deleteRequestValidator(ctx context.Context, in *api.DeleteRequestValidatorRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		if err := require(ctx, tx, validators, noValidator(), *in.RestApiId, *in.RequestValidatorId); err != nil {
			return err
		}
		for e, err := range resources.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{*in.RestApiId}}) {
			if err != nil {
				return err
			}
			for verb, m := range e.Record.Methods {
				if aws.Value(m.RequestValidatorId) == *in.RequestValidatorId {
					return api.ConflictException("Cannot delete validator '%s', is referenced in method request: %s/%s", *in.RequestValidatorId, e.Record.Path, verb)
				}
			}
		}
		return validators.Delete(tx, scope(ctx), *in.RestApiId, *in.RequestValidatorId)
	})
}

// validatorsOf are an API's validators, by id.
func validatorsOf(ctx context.Context, r store.Reader, apiID string) (map[string]api.RequestValidator, error) {
	out := map[string]api.RequestValidator{}
	for e, err := range validators.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{apiID}}) {
		if err != nil {
			return nil, err
		}
		out[*e.Record.Id] = e.Record
	}
	return out, nil
}
