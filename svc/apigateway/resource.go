package apigateway

import (
	"context"
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A resource is one element of the paths of an API, with its methods.
type resource struct {
	ID      string                `json:"id"`
	Parent  string                `json:"parent,omitempty"`
	Part    string                `json:"part,omitempty"` // empty for the root
	Path    string                `json:"path"`           // whole, from "/"
	Methods map[string]api.Method `json:"methods,omitempty"`
}

// maxResources is how many resources an API has at most. AWS allows 300, and more
// on request.
const maxResources = 10000

var pathPart = regexp.MustCompile(`^([a-zA-Z0-9._:-]+|\{[a-zA-Z0-9._:-]+\+?\})$`)

func noResource() error { return api.NotFoundException("Invalid Resource identifier specified") }

// getResourceRecord reads a resource; of an API that is not there, too.
func getResourceRecord(ctx context.Context, r store.Reader, apiID, id *string) (resource, error) {
	res, err := resources.Get(ctx, r, scope(ctx), aws.Value(apiID), aws.Value(id))
	return res, orElse(err, noResource())
}

func putResource(tx store.Tx, at store.Scope, apiID string, r resource) error {
	if r.Parent != "" {
		if err := children.Put(tx, at, r.ID, apiID, r.Parent, r.Part); err != nil {
			return err
		}
	}
	return resources.Put(tx, at, r, apiID, r.ID)
}

// output is the resource as the API shows it; whole says with its methods' settings.
func (r resource) output(embed []string) *api.Resource {
	out := &api.Resource{Id: &r.ID, Path: &r.Path}
	if r.Part != "" {
		out.ParentId, out.PathPart = &r.Parent, &r.Part
	}
	if len(r.Methods) > 0 {
		out.ResourceMethods = r.Methods
		if !slices.Contains(embed, "methods") {
			out.ResourceMethods = make(map[string]api.Method, len(r.Methods))
			for verb := range r.Methods {
				out.ResourceMethods[verb] = api.Method{}
			}
		}
	}
	return out
}

func isVariable(part string) bool { return strings.HasPrefix(part, "{") }
func isGreedy(part string) bool   { return strings.HasSuffix(part, "+}") }

func joinPath(parent, part string) string {
	if parent == "/" {
		return "/" + part
	}
	return parent + "/" + part
}

// checkPart says whether a resource, itself other than except, may have the path
// part below parent.
func checkPart(ctx context.Context, tx store.Tx, apiID string, parent resource, part, except string) error {
	if err := checkName(parent, part); err != nil {
		return err
	}
	for e, err := range children.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{apiID, parent.ID}}) {
		switch have := e.Key.String(2); {
		case err != nil:
			return err
		case e.Record == except:
		case have == part:
			return api.ConflictException("Another resource with the same parent already has this name: %s", part)
		case isVariable(have) && isVariable(part):
			return twoVariables(have)
		}
	}
	return nil
}

func twoVariables(have string) error {
	return api.BadRequestException("A sibling (%s) of this resource already has a variable path part -- only one is allowed", have)
}

// checkName says whether there may be such a path part below parent at all.
func checkName(parent resource, part string) error {
	if !pathPart.MatchString(part) {
		return api.BadRequestException("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.")
	}
	if isGreedy(parent.Part) {
		return api.BadRequestException("Cannot create a child of a resource with a greedy path variable: %s", parent.Part)
	}
	return nil
}

func (s *Service) createResource(ctx context.Context, in *api.CreateResourceRequest) (*api.Resource, error) {
	id, apiID := aws.RandomID(s.Random, aws.LowerAlnm, 6), aws.Value(in.RestApiId)
	return update(ctx, s, func(tx store.Tx) (*api.Resource, error) {
		parent, err := getResourceRecord(ctx, tx, in.RestApiId, in.ParentId)
		if err != nil {
			return nil, err
		}
		if err := checkPart(ctx, tx, apiID, parent, *in.PathPart, ""); err != nil {
			return nil, err
		}
		n := 0
		for _, err := range children.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{apiID}}) {
			if n++; err != nil {
				return nil, err
			}
		}
		if n >= maxResources {
			return nil, api.LimitExceededException("Maximum number of resources for this API has been reached. Please contact AWS if you need additional resources.")
		}
		r := resource{ID: id, Parent: parent.ID, Part: *in.PathPart, Path: joinPath(parent.Path, *in.PathPart)}
		return r.output(nil), putResource(tx, scope(ctx), apiID, r)
	})
}

func (s *Service) getResource(ctx context.Context, in *api.GetResourceRequest) (*api.Resource, error) {
	return view(ctx, s, func(r store.Reader) (*api.Resource, error) {
		res, err := getResourceRecord(ctx, r, in.RestApiId, in.ResourceId)
		return res.output(in.Embed), err
	})
}

func (s *Service) getResources(ctx context.Context, in *api.GetResourcesRequest) (*api.Resources, error) {
	return view(ctx, s, func(r store.Reader) (*api.Resources, error) {
		if _, err := lookup(ctx, r, in.RestApiId); err != nil {
			return nil, err
		}
		items, next, err := page(ctx, r, resources, []any{*in.RestApiId}, in.Limit, in.Position)
		out := &api.Resources{Items: make([]api.Resource, len(items)), Position: next}
		for i, item := range items {
			out.Items[i] = *item.output(in.Embed)
		}
		return out, err
	})
}

func (s *Service) deleteResource(ctx context.Context, in *api.DeleteResourceRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		r, err := getResourceRecord(ctx, tx, in.RestApiId, in.ResourceId)
		if err != nil {
			return err
		}
		if r.Part == "" {
			return api.BadRequestException("Root resource cannot be deleted.")
		}
		if err := children.Delete(tx, scope(ctx), *in.RestApiId, r.Parent, r.Part); err != nil {
			return err
		}
		return s.eachBelow(ctx, tx, *in.RestApiId, r, func(below resource) error {
			if err := children.DeleteAll(tx, scope(ctx), *in.RestApiId, below.ID); err != nil {
				return err
			}
			return resources.Delete(tx, scope(ctx), *in.RestApiId, below.ID)
		})
	})
}

// eachBelow calls do with r and every resource below it, parents first.
func (s *Service) eachBelow(ctx context.Context, tx store.Tx, apiID string, r resource, do func(resource) error) error {
	queue := []resource{r}
	for len(queue) > 0 {
		r, queue = queue[0], queue[1:]
		for e, err := range children.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{apiID, r.ID}}) {
			if err != nil {
				return err
			}
			child, err := resources.Get(ctx, tx, scope(ctx), apiID, e.Record)
			if err != nil {
				return err
			}
			queue = append(queue, child)
		}
		if err := do(r); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) updateResource(ctx context.Context, in *api.UpdateResourceRequest) (*api.Resource, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.Resource, error) {
		r, err := getResourceRecord(ctx, tx, in.RestApiId, in.ResourceId)
		if err != nil {
			return nil, err
		}
		for _, p := range ops {
			if r, err = s.patchResource(ctx, tx, *in.RestApiId, r, p); err != nil {
				return nil, err
			}
		}
		return r.output(nil), nil
	})
}

// patchResource renames or moves a resource with all below it.
func (s *Service) patchResource(ctx context.Context, tx store.Tx, apiID string, r resource, p patch) (resource, error) {
	if err := p.listed("/parentId", "/pathPart"); err != nil {
		return r, err
	}
	if r.Part == "" {
		return r, api.BadRequestException("Root resource cannot update its %s.", p.parts[0])
	}
	parent, err := getResourceRecord(ctx, tx, &apiID, &r.Parent)
	if err != nil {
		return r, err
	}
	part := r.Part
	if p.path == "/pathPart" {
		part = p.value
	} else if parent, err = getResourceRecord(ctx, tx, &apiID, &p.value); err != nil {
		return r, err
	}
	if parent.Path == r.Path || strings.HasPrefix(parent.Path, r.Path+"/") {
		return r, api.BadRequestException("Resources cannot be cyclical.")
	}
	if err := checkPart(ctx, tx, apiID, parent, part, r.ID); err != nil {
		return r, err
	}
	if err := children.Delete(tx, scope(ctx), apiID, r.Parent, r.Part); err != nil {
		return r, err
	}
	old := r.Path
	r.Parent, r.Part, r.Path = parent.ID, part, joinPath(parent.Path, part)
	if isGreedy(part) {
		for range children.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{apiID, r.ID}, Limit: 1}) {
			return r, api.BadRequestException("Cannot create a child of a resource with a greedy path variable: %s", part)
		}
	}
	return r, s.eachBelow(ctx, tx, apiID, r, func(below resource) error {
		if below.ID != r.ID {
			below.Path = r.Path + strings.TrimPrefix(below.Path, old)
		}
		return putResource(tx, scope(ctx), apiID, below)
	})
}
