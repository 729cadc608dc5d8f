package apigateway

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// undocumented is a part without an id or content for each thing of an API that has
// no documentation part.
func undocumented(ctx context.Context, r store.Reader, a api.RestApi) ([]api.DocumentationPart, error) {
	have, err := partsOf(ctx, r, *a.Id)
	if err != nil {
		return nil, err
	}
	all, err := documentable(ctx, r, a)
	if err != nil {
		return nil, err
	}
	var out []api.DocumentationPart
	for _, l := range all {
		if !slices.ContainsFunc(have, func(p api.DocumentationPart) bool { return samePlace(p.Location, &l) }) {
			out = append(out, api.DocumentationPart{Location: &l})
		}
	}
	return out, nil
}

// documentable are the locations of all that an API has.
func documentable(ctx context.Context, r store.Reader, a api.RestApi) ([]api.DocumentationPartLocation, error) {
	out := []api.DocumentationPartLocation{{Type: ptr(api.DocumentationPartTypeApi)}}
	for e, err := range models.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{*a.Id}}) {
		if err != nil {
			return nil, err
		}
		out = append(out, api.DocumentationPartLocation{Type: ptr(api.DocumentationPartTypeModel), Name: e.Record.Name})
	}
	var all []resource
	for e, err := range resources.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{*a.Id}}) {
		if err != nil {
			return nil, err
		}
		all = append(all, e.Record)
	}
	slices.SortFunc(all, func(a, b resource) int { return strings.Compare(a.Path, b.Path) })
	for _, res := range all {
		out = append(out, api.DocumentationPartLocation{Type: ptr(api.DocumentationPartTypeResource), Path: &res.Path})
		for _, verb := range slices.Sorted(maps.Keys(res.Methods)) {
			out = append(out, methodPlaces(res.Path, verb, res.Methods[verb])...)
		}
	}
	return out, nil
}

// methodPlaces are the locations of a method and of what it has.
func methodPlaces(path, verb string, m api.Method) []api.DocumentationPartLocation {
	at := func(kind string) api.DocumentationPartLocation {
		return api.DocumentationPartLocation{Type: &kind, Path: &path, Method: &verb}
	}
	out := []api.DocumentationPartLocation{at(api.DocumentationPartTypeMethod)}
	for _, name := range slices.Sorted(maps.Keys(m.RequestParameters)) {
		where, name, _ := strings.Cut(strings.TrimPrefix(name, methodRequest), ".")
		l := at(parameterTypes[where])
		l.Name = &name
		out = append(out, l)
	}
	if len(m.RequestModels) > 0 {
		out = append(out, at(api.DocumentationPartTypeRequestBody))
	}
	for _, status := range slices.Sorted(maps.Keys(m.MethodResponses)) {
		r := m.MethodResponses[status]
		l := at(api.DocumentationPartTypeResponse)
		l.StatusCode = &status
		out = append(out, l)
		for _, name := range slices.Sorted(maps.Keys(r.ResponseParameters)) {
			h := l
			h.Type, h.Name = ptr(api.DocumentationPartTypeResponseHeader), ptr(strings.TrimPrefix(name, responseHeader))
			out = append(out, h)
		}
		if len(r.ResponseModels) > 0 {
			b := l
			b.Type = ptr(api.DocumentationPartTypeResponseBody)
			out = append(out, b)
		}
	}
	return out
}

// parameterTypes are the types of documentation parts by where a parameter stands.
var parameterTypes = map[string]string{"path": api.DocumentationPartTypePathParameter,
	"querystring": api.DocumentationPartTypeQueryParameter, "header": api.DocumentationPartTypeRequestHeader}

// pageOfParts is one page of parts that are in no table; position counts them.
func pageOfParts(all []api.DocumentationPart, limit *int32, position *string) (*api.DocumentationParts, error) {
	size, from := 25, 0
	if limit != nil {
		size = int(*limit)
	}
	if size < 1 || size > 500 {
		return nil, api.BadRequestException("Invalid limit specified. Must be between 1 and 500")
	}
	if aws.Value(position) != "" {
		var text string
		ok := aws.ParseToken(*position, &text)
		if n, err := strconv.Atoi(text); !ok || err != nil || n < 0 {
			return nil, api.BadRequestException("Invalid position parameter specified")
		} else {
			from = min(n, len(all))
		}
	}
	out := &api.DocumentationParts{Items: all[from:min(from+size, len(all))]}
	if from+size < len(all) {
		out.Position = ptr(aws.Token(strconv.Itoa(from + size)))
	}
	return out, nil
}
