package apigateway

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxModels is how many models an API has at most.
const maxModels = 10000

func (s *Service) importRestApi(ctx context.Context, in *api.ImportRestApiRequest) (*api.RestApi, error) {
	d, err := readDocument(in.Body, in.Parameters, aws.Value(in.FailOnWarnings))
	if err != nil {
		return nil, err
	}
	a, err := d.checked(s, in.Parameters)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.RestApi, error) {
		out := *a
		if err := s.addAPI(ctx, tx, &out); err != nil {
			return nil, err
		}
		if err := s.build(ctx, tx, &out, d); err != nil {
			return nil, err
		}
		out.Warnings = d.Warnings
		return &out, nil
	})
}

// readDocument parses a document as an import's parameters ask for.
func readDocument(body []byte, parameters map[string]string, strict bool) (*document, error) {
	d, err := parseDocument(body)
	if err != nil {
		return nil, err
	}
	d.Parts = d.documentation()
	base := parameters["basepath"]
	if base == "" {
		base = parameters["basePath"]
	}
	if err := d.rebase(base); err != nil {
		return nil, err
	}
	if strict && len(d.Warnings) > 0 {
		return nil, api.BadRequestException("Warnings found during import:\n\t%s", strings.Join(d.Warnings, "\n\t"))
	}
	return d, nil
}

// putRestApi merges a document into an API, or makes the API what it says.
func (s *Service) putRestApi(ctx context.Context, in *api.PutRestApiRequest) (*api.RestApi, error) {
	d, err := readDocument(in.Body, in.Parameters, aws.Value(in.FailOnWarnings))
	if err != nil {
		return nil, err
	}
	fresh, err := d.checked(s, in.Parameters)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.RestApi, error) {
		a, err := lookup(ctx, tx, in.RestApiId)
		if err != nil {
			return nil, err
		}
		overwrite := aws.Value(in.Mode) == "overwrite"
		adopt(&a, fresh, overwrite)
		if overwrite {
			if err := s.empty(ctx, tx, &a); err != nil {
				return nil, err
			}
		}
		if err := apis.Put(tx, scope(ctx), a, *a.Id); err != nil {
			return nil, err
		}
		if err := s.build(ctx, tx, &a, d); err != nil {
			return nil, err
		}
		a.Warnings = d.Warnings
		return &a, nil
	})
}

// adopt takes a document's settings over into an API. A merge keeps what the
// document does not mention, and the name.
func adopt(a, from *api.RestApi, overwrite bool) {
	if overwrite {
		a.Name, a.Description, a.Version, a.BinaryMediaTypes = from.Name, from.Description, from.Version, from.BinaryMediaTypes
	} else {
		for _, t := range from.BinaryMediaTypes {
			if !slices.Contains(a.BinaryMediaTypes, t) {
				a.BinaryMediaTypes = append(a.BinaryMediaTypes, t)
			}
		}
	}
	if from.Policy != nil {
		a.Policy = from.Policy
	}
	if from.MinimumCompressionSize != nil {
		a.MinimumCompressionSize = from.MinimumCompressionSize
	}
	if *from.DisableExecuteApiEndpoint {
		a.DisableExecuteApiEndpoint = from.DisableExecuteApiEndpoint
	}
}

// empty removes all that a document describes, but for the root itself.
func (s *Service) empty(ctx context.Context, tx store.Tx, a *api.RestApi) error {
	at := scope(ctx)
	for _, err := range []error{resources.DeleteAll(tx, at, *a.Id), children.DeleteAll(tx, at, *a.Id), models.DeleteAll(tx, at, *a.Id), validators.DeleteAll(tx, at, *a.Id), authorizers.DeleteAll(tx, at, *a.Id), gatewayResponses.DeleteAll(tx, at, *a.Id), documentationParts.DeleteAll(tx, at, *a.Id)} {
		if err != nil {
			return err
		}
	}
	for _, m := range s.defaultModels() {
		if err := models.Put(tx, at, m, *a.Id, *m.Name); err != nil {
			return err
		}
	}
	return resources.Put(tx, at, resource{ID: *a.RootResourceId, Path: "/"}, *a.Id, *a.RootResourceId)
}

// A builder puts a document's parts into an API.
type builder struct {
	s           *Service
	tx          store.Tx
	apiID       string
	byPath      map[string]resource
	variables   map[string]string // parent's id → the variable path part below it; nil until asked for
	validators  map[string]string // name → id
	authorizers map[string]string // name → id
	errors      []string
}

// build puts a document's parts into an API. What is wrong is told all at once.
func (s *Service) build(ctx context.Context, tx store.Tx, a *api.RestApi, d *document) error {
	b := &builder{s: s, tx: tx, apiID: *a.Id, byPath: map[string]resource{}, validators: map[string]string{}, authorizers: map[string]string{}}
	for e, err := range resources.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{b.apiID}}) {
		if err != nil {
			return err
		}
		b.byPath[e.Record.Path] = e.Record
	}
	if len(d.Resources)+len(b.byPath) > maxResources || len(d.Models) > maxModels {
		return api.LimitExceededException("The document has too many resources or models")
	}
	if err := b.definitions(ctx, d); err != nil {
		return err
	}
	if err := b.putAuthorizers(ctx, d); err != nil {
		return err
	}
	if _, err := s.putParts(ctx, tx, b.apiID, d, d.Parts); err != nil {
		return err
	}
	for _, r := range d.Resources {
		if err := b.resource(ctx, r); err != nil {
			return err
		}
	}
	if len(b.errors) > 0 {
		return api.BadRequestException("Errors found during import:\n\t%s", strings.Join(b.errors, "\n\t"))
	}
	return nil
}

// definitions writes the models and validators.
func (b *builder) definitions(ctx context.Context, d *document) error {
	for _, m := range d.Models {
		id := aws.RandomID(b.s.Random, aws.LowerAlnm, 6)
		m.Id = &id
		schema := *m.Schema
		for _, prefix := range []string{`"#/definitions/`, `"#/components/schemas/`} {
			schema = strings.ReplaceAll(schema, prefix, `"https://apigateway.amazonaws.com/restapis/`+b.apiID+`/models/`)
		}
		m.Schema = &schema
		if err := models.Put(b.tx, scope(ctx), m, b.apiID, *m.Name); err != nil {
			return err
		}
	}
	for _, r := range d.Responses {
		if err := gatewayResponses.Put(b.tx, scope(ctx), r, b.apiID, *r.ResponseType); err != nil {
			return err
		}
	}
	for e, err := range validators.List(ctx, b.tx, scope(ctx), store.ListOptions{Prefix: []any{b.apiID}}) {
		if err != nil {
			return err
		}
		b.validators[aws.Value(e.Record.Name)] = *e.Record.Id
	}
	for _, v := range d.Validators {
		id, ok := b.validators[*v.Name]
		if !ok {
			id = aws.RandomID(b.s.Random, aws.LowerAlnm, 6)
		}
		v.Id, b.validators[*v.Name] = &id, id
		if err := validators.Put(b.tx, scope(ctx), v, b.apiID, id); err != nil {
			return err
		}
	}
	return nil
}

// fault notes an error of the document's and returns any other.
func (b *builder) fault(err error, what string) error {
	if e, ok := err.(*aws.Error); ok {
		b.errors = append(b.errors, what+": "+e.Message)
		return nil
	}
	return err
}

// resource writes a resource with its methods, and those above it if need be.
func (b *builder) resource(ctx context.Context, r resource) error {
	have, err := b.ensure(ctx, r.Path)
	if err != nil {
		return b.fault(err, "Unable to create resource at path '"+r.Path+"'")
	}
	for _, verb := range slices.Sorted(maps.Keys(r.Methods)) {
		m := r.Methods[verb]
		about := "'" + verb + "' for resource at path '" + r.Path + "'"
		if err := b.method(ctx, &m); err != nil {
			if err = b.fault(err, "Unable to put method "+about); err != nil {
				return err
			}
			continue
		}
		if err := b.integration(ctx, have.ID, &m); err != nil {
			if err = b.fault(err, "Unable to put integration on "+about); err != nil {
				return err
			}
			continue
		}
		have.Methods = entry(have.Methods, verb, patch{}, m)
	}
	b.byPath[r.Path] = have
	return putResource(b.tx, scope(ctx), b.apiID, have)
}

// ensure is the resource at a path, made with those above it if need be.
func (b *builder) ensure(ctx context.Context, path string) (resource, error) {
	if r, ok := b.byPath[path]; ok {
		return r, nil
	}
	i := strings.LastIndexByte(path, '/')
	above := path[:i]
	if above == "" {
		above = "/"
	}
	parent, err := b.ensure(ctx, above)
	if err != nil {
		return resource{}, err
	}
	part := path[i+1:]
	if err := b.check(parent, part); err != nil {
		return resource{}, err
	}
	r := resource{ID: aws.RandomID(b.s.Random, aws.LowerAlnm, 6), Parent: parent.ID, Part: part, Path: path}
	b.byPath[path] = r
	return r, putResource(b.tx, scope(ctx), b.apiID, r)
}

// check is checkPart for a resource that is not there yet. It goes by those that are known:
// to list siblings in a transaction takes time for each thing that was written in it.
func (b *builder) check(parent resource, part string) error {
	if b.variables == nil {
		b.variables = map[string]string{}
		for _, r := range b.byPath {
			if isVariable(r.Part) {
				b.variables[r.Parent] = r.Part
			}
		}
	}
	if err := checkName(parent, part); err != nil || !isVariable(part) {
		return err
	}
	if have, ok := b.variables[parent.ID]; ok {
		return twoVariables(have)
	}
	b.variables[parent.ID] = part
	return nil
}

// method checks a method: the names of its validator and its authorizer become ids.
func (b *builder) method(ctx context.Context, m *api.Method) error {
	if m.RequestValidatorId != nil {
		id, ok := b.validators[*m.RequestValidatorId]
		if !ok {
			return api.BadRequestException("Invalid Request Validator identifier specified")
		}
		m.RequestValidatorId = &id
	}
	if m.AuthorizerId != nil {
		id, ok := b.authorizers[*m.AuthorizerId]
		if !ok {
			return noAuthorizer()
		}
		m.AuthorizerId = &id
	}
	return checkMethod(ctx, b.tx, b.apiID, *m)
}

func (b *builder) integration(ctx context.Context, resourceID string, m *api.Method) error {
	if m.MethodIntegration == nil {
		return nil
	}
	i := ptr(*m.MethodIntegration) // the document's stays as it is
	m.MethodIntegration = i
	if !slices.Contains([]string{"HTTP", "AWS", "MOCK", "HTTP_PROXY", "AWS_PROXY"}, aws.Value(i.Type)) {
		return api.BadRequestException("Integration type must be one of HTTP, AWS, MOCK, HTTP_PROXY, AWS_PROXY")
	}
	complete(i, resourceID)
	if err := checkIntegration(ctx, *m, *i); err != nil {
		return err
	}
	for _, status := range slices.Sorted(maps.Keys(i.IntegrationResponses)) {
		if len(status) != 3 || strings.Trim(status, "0123456789") != "" || status[0] < '1' || status[0] > '5' {
			return api.BadRequestException("Invalid statusCode: %s", status)
		}
		if err := checkIntegrationResponse(*m, i.IntegrationResponses[status]); err != nil {
			return err
		}
	}
	return nil
}
