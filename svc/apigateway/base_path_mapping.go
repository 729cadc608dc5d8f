package apigateway

import (
	"context"
	"errors"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/domain"
	"github.com/tule-cloud/tule/store"
)

// noBase is how an empty base path is written.
const noBase = "(none)"

func noBasePathMapping() error {
	return api.NotFoundException("Invalid base path mapping identifier specified")
}

// basePath is a base path as it is kept.
func basePath(text *string) (string, error) {
	path := aws.Value(text)
	if path == noBase {
		path = ""
	}
	if strings.Contains(path, "/") {
		return "", api.BadRequestException("API Gateway V1 doesn't support the slash character (/) in base path mappings. To create a multi-level base path mapping, use API Gateway V2.")
	}
	if len(path) > 300 || strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$-_.+!*'()") != "" {
		return "", api.BadRequestException("Base path only allows a-zA-Z0-9 and the characters $-_.+!*'()")
	}
	return path, nil
}

func describeMapping(m domain.Mapping) *api.BasePathMapping {
	out := &api.BasePathMapping{BasePath: &m.Path, RestApiId: &m.APIID, Stage: filledText(m.Stage)}
	if m.Path == "" {
		out.BasePath = ptr(noBase)
	}
	return out
}

// checkMapping holds a mapping to what it leads to.
func checkMapping(ctx context.Context, r store.Reader, m domain.Mapping) error {
	if m.Kind != domain.REST {
		return nil // made by API Gateway V2, which has checked it
	}
	if err := require(ctx, r, apis, api.BadRequestException("Invalid REST API identifier specified"), m.APIID); err != nil || m.Stage == "" {
		return err
	}
	return require(ctx, r, stages, api.BadRequestException("Invalid stage identifier specified"), m.APIID, m.Stage)
}

func (s *Service) createBasePathMapping(ctx context.Context, in *api.CreateBasePathMappingRequest) (*api.BasePathMapping, error) {
	path, err := basePath(in.BasePath)
	if err != nil {
		return nil, err
	}
	m := domain.Mapping{ID: aws.RandomID(s.Random, aws.LowerAlnm, 6), Path: path, APIID: *in.RestApiId, Stage: aws.Value(in.Stage), Kind: domain.REST}
	return update(ctx, s, func(tx store.Tx) (*api.BasePathMapping, error) {
		n, err := readDomain(ctx, tx, in.DomainName)
		if err != nil {
			return nil, err
		}
		if err := checkMapping(ctx, tx, m); err != nil {
			return nil, err
		}
		if err := freePath(ctx, tx, n.Name, path); err != nil {
			return nil, err
		}
		return describeMapping(m), domain.Map(tx, scope(ctx), n.Name, m)
	})
}

// freePath refuses a base path that leads somewhere already.
func freePath(ctx context.Context, r store.Reader, name, path string) error {
	_, err := domain.MappingOf(ctx, r, scope(ctx), name, path)
	if err == nil {
		return api.ConflictException("Base path already exists for this domain name")
	}
	return orElse(err, nil)
}

func readMapping(ctx context.Context, r store.Reader, name, path *string) (domain.Name, domain.Mapping, error) {
	n, err := readDomain(ctx, r, name)
	if err != nil {
		return n, domain.Mapping{}, err
	}
	at := aws.Value(path)
	if at == noBase {
		at = ""
	}
	m, err := domain.MappingOf(ctx, r, scope(ctx), n.Name, at)
	return n, m, orElse(err, noBasePathMapping())
}

func (s *Service) getBasePathMapping(ctx context.Context, in *api.GetBasePathMappingRequest) (*api.BasePathMapping, error) {
	return view(ctx, s, func(r store.Reader) (*api.BasePathMapping, error) {
		_, m, err := readMapping(ctx, r, in.DomainName, in.BasePath)
		return describeMapping(m), err
	})
}

func (s *Service) getBasePathMappings(ctx context.Context, in *api.GetBasePathMappingsRequest) (*api.BasePathMappings, error) {
	size, after, err := pageFrom(in.Limit, in.Position)
	if err != nil {
		return nil, err
	}
	return view(ctx, s, func(r store.Reader) (*api.BasePathMappings, error) {
		n, err := readDomain(ctx, r, in.DomainName)
		if err != nil {
			return nil, err
		}
		all, err := domain.Mappings(ctx, r, scope(ctx), n.Name, after, size+1)
		out := &api.BasePathMappings{}
		for i, m := range all {
			if i == size {
				out.Position = ptr(aws.Token(all[i-1].Path))
				break
			}
			out.Items = append(out.Items, *describeMapping(m))
		}
		return out, err
	})
}

// updateBasePathMapping applies patches.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateBasePathMapping-Patch
func (s *Service) updateBasePathMapping(ctx context.Context, in *api.UpdateBasePathMappingRequest) (*api.BasePathMapping, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.BasePathMapping, error) {
		n, m, err := readMapping(ctx, tx, in.DomainName, in.BasePath)
		if err != nil {
			return nil, err
		}
		old := m.Path
		for _, p := range ops {
			if err := p.listed("/basePath", "/stage", "/restapiId"); err != nil {
				return nil, err
			}
			switch p.path {
			case "/basePath":
				if m.Path, err = basePath(&p.value); err != nil {
					return nil, err
				}
			case "/stage":
				m.Stage = p.value
			case "/restapiId":
				m.APIID = p.value
			}
		}
		if err := checkMapping(ctx, tx, m); err != nil {
			return nil, err
		}
		if old != m.Path {
			if err := freePath(ctx, tx, n.Name, m.Path); err != nil {
				return nil, err
			}
		}
		return describeMapping(m), errors.Join(domain.Unmap(tx, scope(ctx), n.Name, old), domain.Map(tx, scope(ctx), n.Name, m))
	})
}

func (s *Service) deleteBasePathMapping(ctx context.Context, in *api.DeleteBasePathMappingRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		n, m, err := readMapping(ctx, tx, in.DomainName, in.BasePath)
		if err != nil {
			return err
		}
		return domain.Unmap(tx, scope(ctx), n.Name, m.Path)
	})
}
