package apigateway

import (
	"context"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
)

// documentationParts are what an API says of itself, by its id and theirs.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-documenting-api-content-representation.html
var documentationParts = store.NewTable[api.DocumentationPart](service, "documentation-part")

// maxParts is how many documentation parts an API has at most.
const maxParts = 2000

// A place is how specific the location of a documentation part is: the members that
// its type has, beside the type.
type place struct{ path, method, status, name bool }

// locations are the members of the locations of each type.
var locations = map[string]place{
	api.DocumentationPartTypeApi:            {},
	api.DocumentationPartTypeAuthorizer:     {name: true},
	api.DocumentationPartTypeModel:          {name: true},
	api.DocumentationPartTypeResource:       {path: true},
	api.DocumentationPartTypeMethod:         {path: true, method: true},
	api.DocumentationPartTypePathParameter:  {path: true, method: true, name: true},
	api.DocumentationPartTypeQueryParameter: {path: true, method: true, name: true},
	api.DocumentationPartTypeRequestHeader:  {path: true, method: true, name: true},
	api.DocumentationPartTypeRequestBody:    {path: true, method: true},
	api.DocumentationPartTypeResponse:       {path: true, method: true, status: true},
	api.DocumentationPartTypeResponseHeader: {path: true, method: true, status: true, name: true},
	api.DocumentationPartTypeResponseBody:   {path: true, method: true, status: true},
}

// checkLocation holds a location to what its type has, and gives what it leaves out
// its default: every path, method and status.
func checkLocation(l *api.DocumentationPartLocation) error {
	has := locations[*l.Type]
	for _, m := range []struct {
		name  string
		value **string
		has   bool
		all   string
	}{{"path", &l.Path, has.path, "/"}, {"method", &l.Method, has.method, "*"}, {"statusCode", &l.StatusCode, has.status, "*"}, {"name", &l.Name, has.name, ""}} {
		switch given := strings.TrimSpace(aws.Value(*m.value)); {
		case !m.has && given != "":
			return api.BadRequestException("Invalid location: '%s' is not a member of locations of the type %s", m.name, *l.Type)
		case m.has && given == "" && m.all == "":
			return api.BadRequestException("Invalid location: '%s' is required by the type %s", m.name, *l.Type)
		case m.has && given == "":
			*m.value = &m.all
		case !m.has:
			*m.value = nil
		}
	}
	if l.Path != nil && !strings.HasPrefix(*l.Path, "/") {
		return api.BadRequestException("Invalid location: the path '%s' must begin with a slash", *l.Path)
	}
	if l.Method != nil && *l.Method != "*" && !slices.Contains(verbs, *l.Method) {
		return api.BadRequestException("Invalid location: there is no method '%s'", *l.Method)
	}
	return nil
}

// checkProperties takes the content of a documentation part: a JSON object.
func checkProperties(text *string) error {
	if strings.TrimSpace(aws.Value(text)) == "" {
		return api.BadRequestException("Documentation part properties must be non-empty")
	}
	v, err := ordered.Parse([]byte(*text))
	if _, ok := v.(*ordered.Object); err != nil || !ok {
		return api.BadRequestException("Documentation part properties must be a valid JSON object")
	}
	return nil
}

// describePlace is a location as refusals name it.
func describePlace(l *api.DocumentationPartLocation) string {
	text := "type '" + *l.Type + "'"
	for _, m := range []struct {
		name  string
		value *string
	}{{"path", l.Path}, {"method", l.Method}, {"status code", l.StatusCode}, {"name", l.Name}} {
		if m.value != nil {
			text += ", " + m.name + " '" + *m.value + "'"
		}
	}
	return text
}

func noPart() error {
	return api.NotFoundException("Invalid Documentation part identifier specified")
}

// samePlace reports whether two checked locations are one.
func samePlace(a, b *api.DocumentationPartLocation) bool {
	return *a.Type == *b.Type && aws.Value(a.Path) == aws.Value(b.Path) && aws.Value(a.Method) == aws.Value(b.Method) &&
		aws.Value(a.StatusCode) == aws.Value(b.StatusCode) && aws.Value(a.Name) == aws.Value(b.Name)
}

// partsOf are an API's documentation parts.
func partsOf(ctx context.Context, r store.Reader, apiID string) ([]api.DocumentationPart, error) {
	var out []api.DocumentationPart
	for e, err := range documentationParts.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{apiID}}) {
		if err != nil {
			return nil, err
		}
		out = append(out, e.Record)
	}
	return out, nil
}

func (s *Service) createDocumentationPart(ctx context.Context, in *api.CreateDocumentationPartRequest) (*api.DocumentationPart, error) {
	p := api.DocumentationPart{Id: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6)), Location: in.Location, Properties: in.Properties}
	if err := checkDocumentation(&p); err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.DocumentationPart, error) {
		if _, err := lookup(ctx, tx, in.RestApiId); err != nil {
			return nil, err
		}
		all, err := partsOf(ctx, tx, *in.RestApiId)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(have api.DocumentationPart) bool { return samePlace(have.Location, p.Location) }) {
			return nil, api.ConflictException("Documentation part already exists for the specified location: %s", describePlace(p.Location))
		}
		if len(all) >= maxParts {
			return nil, api.LimitExceededException("An API has at most %d documentation parts", maxParts)
		}
		return &p, documentationParts.Put(tx, scope(ctx), p, *in.RestApiId, *p.Id)
	})
}

func checkDocumentation(p *api.DocumentationPart) error {
	if err := checkLocation(p.Location); err != nil {
		return err
	}
	return checkProperties(p.Properties)
}

func (s *Service) getDocumentationPart(ctx context.Context, in *api.GetDocumentationPartRequest) (*api.DocumentationPart, error) {
	return view(ctx, s, func(r store.Reader) (*api.DocumentationPart, error) {
		p, err := documentationParts.Get(ctx, r, scope(ctx), *in.RestApiId, *in.DocumentationPartId)
		return &p, orElse(err, noPart())
	})
}

// getDocumentationParts lists parts, or what of the API has none.
func (s *Service) getDocumentationParts(ctx context.Context, in *api.GetDocumentationPartsRequest) (*api.DocumentationParts, error) {
	wanted := func(p *api.DocumentationPart) bool {
		return (in.Type == nil || *in.Type == *p.Location.Type) &&
			strings.Contains(strings.ToLower(aws.Value(p.Location.Name)), strings.ToLower(aws.Value(in.NameQuery))) &&
			(in.Path == nil || *in.Path == aws.Value(p.Location.Path))
	}
	return view(ctx, s, func(r store.Reader) (*api.DocumentationParts, error) {
		a, err := lookup(ctx, r, in.RestApiId)
		if err != nil {
			return nil, err
		}
		if aws.Value(in.LocationStatus) == api.LocationStatusTypeUndocumented {
			all, err := undocumented(ctx, r, a)
			if err != nil {
				return nil, err
			}
			all = slices.DeleteFunc(all, func(p api.DocumentationPart) bool { return !wanted(&p) })
			return pageOfParts(all, in.Limit, in.Position)
		}
		items, next, err := pageOf(ctx, r, documentationParts, []any{*in.RestApiId}, in.Limit, in.Position, wanted)
		return &api.DocumentationParts{Items: items, Position: next}, err
	})
}

func (s *Service) updateDocumentationPart(ctx context.Context, in *api.UpdateDocumentationPartRequest) (*api.DocumentationPart, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.DocumentationPart, error) {
		p, err := documentationParts.Get(ctx, tx, scope(ctx), *in.RestApiId, *in.DocumentationPartId)
		if err != nil {
			return nil, orElse(err, noPart())
		}
		for _, o := range ops {
			if err := o.listed("/properties"); err != nil {
				return nil, err
			}
			p.Properties = &o.value
		}
		if err := checkProperties(p.Properties); err != nil {
			return nil, err
		}
		return &p, documentationParts.Put(tx, scope(ctx), p, *in.RestApiId, *p.Id)
	})
}

func (s *Service) deleteDocumentationPart(ctx context.Context, in *api.DeleteDocumentationPartRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		if err := require(ctx, tx, documentationParts, noPart(), *in.RestApiId, *in.DocumentationPartId); err != nil {
			return err
		}
		return documentationParts.Delete(tx, scope(ctx), *in.RestApiId, *in.DocumentationPartId)
	})
}
