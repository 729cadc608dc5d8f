package apigateway

import (
	"context"
	"regexp"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) putIntegrationResponse(ctx context.Context, in *api.PutIntegrationResponseRequest) (*api.IntegrationResponse, error) {
	out := api.IntegrationResponse{StatusCode: in.StatusCode, SelectionPattern: in.SelectionPattern, ContentHandling: in.ContentHandling,
		ResponseParameters: in.ResponseParameters, ResponseTemplates: in.ResponseTemplates}
	_, err := s.changeMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ context.Context, _ store.Tx, _ resource, m *api.Method) error {
		if m.MethodIntegration == nil {
			return noIntegration()
		}
		if err := checkIntegrationResponse(*m, out); err != nil {
			return err
		}
		m.MethodIntegration.IntegrationResponses = entry(m.MethodIntegration.IntegrationResponses, *in.StatusCode, patch{}, out)
		return nil
	})
	return &out, err
}

var contentType = regexp.MustCompile(`^[^/\s;,]+/[^/\s,]+$`)

func checkIntegrationResponse(m api.Method, r api.IntegrationResponse) error {
	if _, err := selection(aws.Value(r.SelectionPattern)); err != nil {
		return api.BadRequestException("Invalid selection pattern specified: %s", aws.Value(r.SelectionPattern))
	}
	for name := range r.ResponseTemplates {
		if !contentType.MatchString(name) && name != defaultTemplate {
			return api.BadRequestException("Validation Result: warnings : [], errors : [Invalid content type specified: %s]", name)
		}
	}
	declared, known := m.MethodResponses[*r.StatusCode]
	for to, from := range r.ResponseParameters {
		if !strings.HasPrefix(to, responseHeader) {
			return badMapping("Invalid mapping expression specified: %s", to)
		}
		if _, ok := declared.ResponseParameters[to]; known && !ok {
			return badMapping("Invalid mapping expression parameter specified: %s", to)
		}
		if err := checkResponseSource(from); err != nil {
			return err
		}
	}
	return nil
}

// selection compiles a selection pattern, which matches a whole text. AWS's are
// Java's; RE2 has all of their usual forms but look-around and back-references.
func selection(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	return regexp.Compile(`^(?:` + pattern + `)$`)
}

// getIntegrationOf reads the integration of a method. Some operations tell a missing
// method and a missing integration apart.
func getIntegrationOf(ctx context.Context, r store.Reader, apiID, resourceID, verb *string) (*api.Integration, error) {
	_, m, err := getMethodRecord(ctx, r, apiID, resourceID, verb)
	if err != nil {
		return nil, err
	}
	if m.MethodIntegration == nil {
		return nil, noIntegration()
	}
	return m.MethodIntegration, nil
}

func (s *Service) getIntegrationResponse(ctx context.Context, in *api.GetIntegrationResponseRequest) (*api.IntegrationResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.IntegrationResponse, error) {
		i, err := getIntegrationOf(ctx, r, in.RestApiId, in.ResourceId, in.HttpMethod)
		if err != nil {
			return nil, err
		}
		out, ok := i.IntegrationResponses[*in.StatusCode]
		if !ok {
			return nil, noStatus()
		}
		return &out, nil
	})
}

// changeIntegrationResponse writes what change makes of an integration response.
func (s *Service) changeIntegrationResponse(ctx context.Context, apiID, resourceID, verb, status *string, change func(m *api.Method, r *api.IntegrationResponse) error) (out *api.IntegrationResponse, err error) {
	_, err = s.changeMethod(ctx, apiID, resourceID, verb, func(_ context.Context, _ store.Tx, _ resource, m *api.Method) error {
		if m.MethodIntegration == nil {
			return noIntegration()
		}
		r, ok := m.MethodIntegration.IntegrationResponses[*status]
		if !ok {
			return noStatus()
		}
		if err := change(m, &r); err != nil {
			return err
		}
		if out = &r; r.StatusCode == nil {
			delete(m.MethodIntegration.IntegrationResponses, *status)
			return nil
		}
		m.MethodIntegration.IntegrationResponses[*status] = r
		return nil
	})
	return out, err
}

func (s *Service) deleteIntegrationResponse(ctx context.Context, in *api.DeleteIntegrationResponseRequest) (*aws.Empty, error) {
	_, err := s.changeIntegrationResponse(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, in.StatusCode, func(_ *api.Method, r *api.IntegrationResponse) error {
		r.StatusCode = nil
		return nil
	})
	if aws.CodeOf(err) == "NotFoundException" && strings.Contains(err.Error(), "Method") {
		err = noIntegration() // AWS looks for no method here
	}
	return nil, err
}

func (s *Service) updateIntegrationResponse(ctx context.Context, in *api.UpdateIntegrationResponseRequest) (*api.IntegrationResponse, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return s.changeIntegrationResponse(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, in.StatusCode, func(m *api.Method, r *api.IntegrationResponse) error {
		for _, p := range ops {
			if err := patchIntegrationResponse(r, p); err != nil {
				return err
			}
		}
		return checkIntegrationResponse(*m, *r)
	})
}

// patchIntegrationResponse applies one patch.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateIntegrationResponse-Patch
func patchIntegrationResponse(r *api.IntegrationResponse, p patch) error {
	if len(p.parts) == 2 {
		switch key := p.parts[1]; p.parts[0] {
		case "responseTemplates":
			r.ResponseTemplates = entry(r.ResponseTemplates, key, p, p.value)
			return nil
		case "responseParameters":
			r.ResponseParameters = entry(r.ResponseParameters, key, p, p.value)
			return nil
		}
		return badPath(p.path)
	}
	switch p.path {
	case "/selectionPattern":
		r.SelectionPattern = ptr(p.value)
	case "/contentHandling":
		if p.value != "" && p.value != "CONVERT_TO_BINARY" && p.value != "CONVERT_TO_TEXT" {
			return api.BadRequestException("Invalid content handling specified. Valid options are CONVERT_TO_BINARY, CONVERT_TO_TEXT")
		}
		r.ContentHandling = p.text()
	default:
		return badPath(p.path)
	}
	return nil
}
