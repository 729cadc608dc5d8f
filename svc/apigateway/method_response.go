package apigateway

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func noStatus() error { return api.NotFoundException("Invalid Response status code specified") }

const responseHeader = "method.response.header."

func (s *Service) putMethodResponse(ctx context.Context, in *api.PutMethodResponseRequest) (*api.MethodResponse, error) {
	out := api.MethodResponse{StatusCode: in.StatusCode, ResponseModels: in.ResponseModels, ResponseParameters: in.ResponseParameters}
	_, err := s.changeMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(ctx context.Context, tx store.Tx, _ resource, m *api.Method) error {
		if _, ok := m.MethodResponses[*in.StatusCode]; ok {
			return api.ConflictException("Response already exists for this resource")
		}
		if err := checkMethodResponse(ctx, tx, *in.RestApiId, out); err != nil {
			return err
		}
		m.MethodResponses = entry(m.MethodResponses, *in.StatusCode, patch{}, out)
		return nil
	})
	return &out, err
}

func checkMethodResponse(ctx context.Context, r store.Reader, apiID string, m api.MethodResponse) error {
	for name := range m.ResponseParameters {
		if !strings.HasPrefix(name, responseHeader) || name == responseHeader {
			return badMapping("Invalid mapping expression specified: %s", name)
		}
	}
	for _, name := range m.ResponseModels {
		if err := require(ctx, r, models, api.BadRequestException("Invalid model identifier specified: %s", name), apiID, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) getMethodResponse(ctx context.Context, in *api.GetMethodResponseRequest) (*api.MethodResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.MethodResponse, error) {
		_, m, err := getMethodRecord(ctx, r, in.RestApiId, in.ResourceId, in.HttpMethod)
		if err != nil {
			return nil, err
		}
		out, ok := m.MethodResponses[*in.StatusCode]
		if !ok {
			return nil, noStatus()
		}
		return &out, nil
	})
}

func (s *Service) deleteMethodResponse(ctx context.Context, in *api.DeleteMethodResponseRequest) (*aws.Empty, error) {
	_, err := s.changeMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ context.Context, _ store.Tx, _ resource, m *api.Method) error {
		if _, ok := m.MethodResponses[*in.StatusCode]; !ok {
			return noStatus()
		}
		delete(m.MethodResponses, *in.StatusCode)
		return nil
	})
	return nil, err
}

func (s *Service) updateMethodResponse(ctx context.Context, in *api.UpdateMethodResponseRequest) (out *api.MethodResponse, err error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	_, err = s.changeMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(ctx context.Context, tx store.Tx, _ resource, m *api.Method) error {
		r, ok := m.MethodResponses[*in.StatusCode]
		if !ok {
			return noStatus()
		}
		for _, p := range ops {
			if err := patchMethodResponse(&r, p); err != nil {
				return err
			}
		}
		if err := checkMethodResponse(ctx, tx, *in.RestApiId, r); err != nil {
			return err
		}
		m.MethodResponses[*in.StatusCode], out = r, &r
		return nil
	})
	return out, err
}

// patchMethodResponse applies one patch.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateMethodResponse-Patch
func patchMethodResponse(r *api.MethodResponse, p patch) error {
	if len(p.parts) != 2 {
		return badPath(p.path)
	}
	switch key := p.parts[1]; p.parts[0] {
	case "responseParameters":
		if _, ok := r.ResponseParameters[key]; !ok && p.op != "add" {
			return api.NotFoundException("Invalid parameter name specified")
		}
		r.ResponseParameters = entry(r.ResponseParameters, key, p, *p.flag())
	case "responseModels":
		if _, ok := r.ResponseModels[key]; !ok && p.op != "add" {
			return api.NotFoundException("Content-Type specified was not found")
		}
		r.ResponseModels = entry(r.ResponseModels, key, p, p.value)
	default:
		return badPath(p.path)
	}
	return nil
}
