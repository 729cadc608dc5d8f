package apigateway

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
)

// importDocumentationParts takes the documentation of a definition over, and nothing
// else of it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-documenting-api-quick-start-import-export.html
func (s *Service) importDocumentationParts(ctx context.Context, in *api.ImportDocumentationPartsRequest) (*api.DocumentationPartIds, error) {
	d, err := parseDocument(in.Body)
	if err != nil {
		return nil, err
	}
	d.Warnings = nil // of the rest, which is not imported
	parts := d.documentation()
	return update(ctx, s, func(tx store.Tx) (*api.DocumentationPartIds, error) {
		if _, err := lookup(ctx, tx, in.RestApiId); err != nil {
			return nil, err
		}
		if aws.Value(in.Mode) == "overwrite" {
			if err := documentationParts.DeleteAll(tx, scope(ctx), *in.RestApiId); err != nil {
				return nil, err
			}
		}
		ids, err := s.putParts(ctx, tx, *in.RestApiId, d, parts)
		if err != nil {
			return nil, err
		}
		if aws.Value(in.FailOnWarnings) && len(d.Warnings) > 0 {
			return nil, api.BadRequestException("Warnings found during import:\n\t%s", strings.Join(d.Warnings, "\n\t"))
		}
		return &api.DocumentationPartIds{Ids: ids, Warnings: d.Warnings}, nil
	})
}

// putParts merges parts into an API's: what a location has already keeps the members
// that it is not given anew.
func (s *Service) putParts(ctx context.Context, tx store.Tx, apiID string, d *document, parts []api.DocumentationPart) ([]string, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	have, err := partsOf(ctx, tx, apiID)
	if err != nil {
		return nil, err
	}
	byPlace := make(map[string]api.DocumentationPart, len(have))
	for _, p := range have {
		byPlace[describePlace(p.Location)] = p
	}
	var ids []string
	for _, p := range parts {
		old, ok := byPlace[describePlace(p.Location)]
		switch {
		case ok:
			p.Id, p.Properties = old.Id, mergeProperties(old.Properties, p.Properties)
		case len(byPlace) >= maxParts:
			d.warn("An API has at most %d documentation parts: what follows was left out, from %s", maxParts, describePlace(p.Location))
			return ids, nil
		default:
			p.Id = ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6))
		}
		byPlace[describePlace(p.Location)] = p
		if !slices.Contains(ids, *p.Id) {
			ids = append(ids, *p.Id)
		}
		if err := documentationParts.Put(tx, scope(ctx), p, apiID, *p.Id); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// mergeProperties is what two parts of one location say, the later one's word last.
func mergeProperties(old, given *string) *string {
	x, errX := ordered.Parse([]byte(aws.Value(old)))
	y, errY := ordered.Parse([]byte(aws.Value(given)))
	to, ok := x.(*ordered.Object)
	from, also := y.(*ordered.Object)
	if errX != nil || errY != nil || !ok || !also {
		return given
	}
	to.Merge(from)
	var b bytes.Buffer
	if json.Compact(&b, ordered.JSON(to)) != nil {
		return given
	}
	return ptr(b.String())
}

// documentation is the document's documentation: its extension, and what stands at
// the places that OpenAPI has for it where that says more. An export writes both.
func (d *document) documentation() []api.DocumentationPart {
	out := d.extension()
	said := len(out)
	say := func(l api.DocumentationPartLocation, properties map[string]any) {
		if err := checkLocation(&l); err != nil {
			d.warn("Unable to import the documentation of %s: %s", describePlace(&l), err.(*aws.Error).Message)
			return
		}
		have := told(out[:said], &l)
		for name, v := range properties {
			text := tree{v}.text()
			repeated := have.Has(name) && strings.TrimSpace(string(ordered.JSON(have.Get(name)))) == strings.TrimSpace(string(ordered.JSON(reread(v))))
			if repeated || *l.Type == api.DocumentationPartTypeResponse && text == *l.StatusCode+" response" {
				delete(properties, name)
			}
		}
		if len(properties) > 0 {
			out = append(out, api.DocumentationPart{Location: &l, Properties: ptr(tree{properties}.json())})
		}
	}
	if v := d.root.get("info", "description"); v.text() != "" {
		say(api.DocumentationPartLocation{Type: ptr(api.DocumentationPartTypeApi)}, map[string]any{"info": map[string]any{"description": v.text()}})
	}
	for _, m := range d.Models {
		schema := d.schemas().get(*m.Name)
		say(api.DocumentationPartLocation{Type: ptr(api.DocumentationPartTypeModel), Name: m.Name}, picked(schema, "title", "description"))
	}
	for _, path := range d.root.get("paths").keys() {
		item := d.root.get("paths", path).follow(d.root)
		if !strings.HasPrefix(path, "/") {
			continue
		}
		say(api.DocumentationPartLocation{Type: ptr(api.DocumentationPartTypeResource), Path: &path}, picked(item, "summary", "description"))
		for _, key := range item.keys() {
			if verb, ok := operations[strings.ToLower(key)]; ok {
				d.documentMethod(path, verb, item.get(key), item.get("parameters").list(), say)
			}
		}
	}
	return out
}

// reread is a part of a document as ordered values.
func reread(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	out, _ := ordered.Parse(b)
	return out
}

// extension is what x-amazon-apigateway-documentation says.
func (d *document) extension() (out []api.DocumentationPart) {
	for _, part := range d.root.get("x-amazon-apigateway-documentation", "documentationParts").list() {
		at := part.get("location")
		l := api.DocumentationPartLocation{Type: at.get("type").upper(), Path: at.get("path").optional(), Method: at.get("method").optional(),
			StatusCode: at.get("statusCode").optional(), Name: at.get("name").optional()}
		p := api.DocumentationPart{Location: &l, Properties: ptr(part.get("properties").json())}
		if _, ok := locations[aws.Value(l.Type)]; !ok {
			d.warn("Unable to import a documentation part: there is no type '%s'", aws.Value(l.Type))
		} else if err := checkDocumentation(&p); err != nil {
			d.warn("Unable to import a documentation part: %s", err.(*aws.Error).Message)
		} else {
			out = append(out, p)
		}
	}
	return out
}

// documentMethod says what an operation says of itself.
func (d *document) documentMethod(path, verb string, op tree, shared []tree, say func(api.DocumentationPartLocation, map[string]any)) {
	at := func(kind string) api.DocumentationPartLocation {
		return api.DocumentationPartLocation{Type: &kind, Path: &path, Method: &verb}
	}
	say(at(api.DocumentationPartTypeMethod), picked(op, "tags", "summary", "description", "externalDocs", "deprecated"))
	for _, p := range append(slices.Clone(shared), op.get("parameters").list()...) {
		p = p.follow(d.root)
		where := p.get("in").text()
		if where == "query" {
			where = "querystring"
		}
		if kind, ok := parameterTypes[where]; ok && p.get("name").text() != "" {
			l := at(kind)
			l.Name = ptr(p.get("name").text())
			say(l, picked(p, "description"))
		} else if where == "body" {
			say(at(api.DocumentationPartTypeRequestBody), picked(p, "description"))
		}
	}
	say(at(api.DocumentationPartTypeRequestBody), picked(op.get("requestBody").follow(d.root), "description"))
	for _, status := range op.get("responses").keys() {
		if n, err := strconv.Atoi(status); err != nil || n < 100 || n > 599 {
			continue
		}
		r := op.get("responses", status).follow(d.root)
		l := at(api.DocumentationPartTypeResponse)
		l.StatusCode = &status
		say(l, picked(r, "description"))
		for _, name := range r.get("headers").keys() {
			h := l
			h.Type, h.Name = ptr(api.DocumentationPartTypeResponseHeader), &name
			say(h, picked(r.get("headers", name).follow(d.root), "description"))
		}
	}
}

// picked are the named members that a part of a document has.
func picked(t tree, names ...string) map[string]any {
	out := map[string]any{}
	for _, name := range names {
		if v := t.get(name); v.truthy() {
			out[name] = v.v
		}
	}
	return out
}

// schemas are the document's named schemas.
func (d *document) schemas() tree {
	if d.openAPI {
		return d.root.get("components", "schemas")
	}
	return d.root.get("definitions")
}
