package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// customID is the tag that chooses an API's id, a convention of local stand-ins.
const customID = "_custom_id_"

const maxCompression = 10485760

func (s *Service) createRestApi(ctx context.Context, in *api.CreateRestApiRequest) (*api.RestApi, error) {
	a, err := s.newAPI(in)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.RestApi, error) {
		out := *a
		if in.CloneFrom != nil {
			return s.clone(ctx, tx, out, *in.CloneFrom)
		}
		return &out, s.addAPI(ctx, tx, &out)
	})
}

// newAPI is the record of an API, checked, with its ids chosen.
func (s *Service) newAPI(in *api.CreateRestApiRequest) (*api.RestApi, error) {
	if strings.TrimSpace(aws.Value(in.Name)) == "" {
		return nil, api.BadRequestException("Name cannot be empty")
	}
	if in.Description != nil && *in.Description == "" {
		return nil, api.BadRequestException("Description cannot be an empty string")
	}
	if n := in.MinimumCompressionSize; n != nil && (*n < 0 || *n > maxCompression) {
		return nil, badCompression()
	}
	endpoint, err := endpoints(in.EndpointConfiguration)
	if err != nil {
		return nil, err
	}
	if err := checkPolicy(in.Policy); err != nil {
		return nil, err
	}
	a := &api.RestApi{
		Id: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 10)), RootResourceId: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 10)),
		Name: in.Name, Description: in.Description, Version: in.Version, CreatedDate: s.now(),
		ApiKeySource: in.ApiKeySource, DisableExecuteApiEndpoint: ptr(aws.Value(in.DisableExecuteApiEndpoint)),
		EndpointConfiguration: endpoint, MinimumCompressionSize: in.MinimumCompressionSize, Policy: in.Policy, Tags: in.Tags,
	}
	if len(in.BinaryMediaTypes) > 0 {
		a.BinaryMediaTypes = in.BinaryMediaTypes
	}
	if a.ApiKeySource == nil {
		a.ApiKeySource = ptr(api.ApiKeySourceTypeHeader)
	}
	if id, ok := in.Tags[customID]; ok {
		if id == "" || len(id) > 63 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return nil, api.BadRequestException("Invalid %s tag: '%s'. An API id has a-z, 0-9 and hyphens, 63 at most", customID, id)
		}
		a.Id = &id
	}
	return a, nil
}

// addAPI writes an API with its root and the two models that every API has.
func (s *Service) addAPI(ctx context.Context, tx store.Tx, a *api.RestApi) error {
	at := scope(ctx)
	if owner, err := owners.Get(ctx, tx, store.Scope{}, *a.Id); err == nil {
		taken, err := apis.Has(ctx, tx, owner, *a.Id)
		if err != nil {
			return err
		}
		if taken {
			return api.ConflictException("Rest API already exists with ID: %s", *a.Id)
		}
	} else if orElse(err, nil) != nil {
		return err
	}
	if err := owners.Put(tx, store.Scope{}, at, *a.Id); err != nil {
		return err
	}
	if err := resources.Put(tx, at, resource{ID: *a.RootResourceId, Path: "/"}, *a.Id, *a.RootResourceId); err != nil {
		return err
	}
	for _, m := range s.defaultModels() {
		if err := models.Put(tx, at, m, *a.Id, *m.Name); err != nil {
			return err
		}
	}
	return apis.Put(tx, at, *a, *a.Id)
}

// clone adds the API a as a copy of another of the caller's.
func (s *Service) clone(ctx context.Context, tx store.Tx, a api.RestApi, from string) (*api.RestApi, error) {
	at := scope(ctx)
	source, err := apis.Get(ctx, tx, at, from)
	if err != nil {
		return nil, orElse(err, api.NotFoundException("Invalid API identifier specified for cloning"))
	}
	a.RootResourceId = source.RootResourceId // ids of resources are unique within an API
	if err := s.addAPI(ctx, tx, &a); err != nil {
		return nil, err
	}
	for e, err := range resources.List(ctx, tx, at, store.ListOptions{Prefix: []any{from}}) {
		if err == nil {
			err = putResource(tx, at, *a.Id, e.Record)
		}
		if err != nil {
			return nil, err
		}
	}
	for e, err := range models.List(ctx, tx, at, store.ListOptions{Prefix: []any{from}}) {
		if err == nil {
			err = models.Put(tx, at, e.Record, *a.Id, *e.Record.Name)
		}
		if err != nil {
			return nil, err
		}
	}
	for e, err := range validators.List(ctx, tx, at, store.ListOptions{Prefix: []any{from}}) {
		if err == nil {
			err = validators.Put(tx, at, e.Record, *a.Id, *e.Record.Id)
		}
		if err != nil {
			return nil, err
		}
	}
	for e, err := range gatewayResponses.List(ctx, tx, at, store.ListOptions{Prefix: []any{from}}) {
		if err == nil {
			err = gatewayResponses.Put(tx, at, e.Record, *a.Id, *e.Record.ResponseType)
		}
		if err != nil {
			return nil, err
		}
	}
	for e, err := range authorizers.List(ctx, tx, at, store.ListOptions{Prefix: []any{from}}) {
		if err == nil {
			err = authorizers.Put(tx, at, e.Record, *a.Id, *e.Record.Id)
		}
		if err != nil {
			return nil, err
		}
	}
	return &a, nil
}

func endpoints(in *api.EndpointConfiguration) (*api.EndpointConfiguration, error) {
	out := api.EndpointConfiguration{}
	if in != nil {
		out = *in
	}
	switch {
	case out.Types == nil:
		out.Types = []string{api.EndpointTypeEdge}
	case len(out.Types) == 0:
		return nil, api.BadRequestException("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.")
	case len(out.Types) > 1:
		return nil, api.BadRequestException("Cannot create an api with multiple Endpoint Types.")
	}
	private := out.Types[0] == api.EndpointTypePrivate
	if private && aws.Value(out.IpAddressType) == api.IpAddressTypeIpv4 {
		return nil, onlyDualstack()
	}
	if out.IpAddressType == nil {
		out.IpAddressType = ptr(api.IpAddressTypeIpv4)
		if private {
			out.IpAddressType = ptr(api.IpAddressTypeDualstack)
		}
	}
	return &out, nil
}

func onlyDualstack() error {
	return api.BadRequestException("Only dualstack ipAddressType is supported for Private APIs.")
}

func badCompression() error {
	return api.BadRequestException("Invalid minimum compression size, must be between 0 and 10485760")
}

// checkPolicy refuses a policy that is no JSON object; what it says is evaluated
// when the API is called.
func checkPolicy(policy *string) error {
	var object map[string]any
	if policy != nil && *policy != "" && json.Unmarshal([]byte(*policy), &object) != nil {
		return api.BadRequestException("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
	}
	return nil
}

func (s *Service) getRestApi(ctx context.Context, in *api.GetRestApiRequest) (*api.RestApi, error) {
	return view(ctx, s, func(r store.Reader) (*api.RestApi, error) {
		a, err := lookup(ctx, r, in.RestApiId)
		return &a, err
	})
}

func (s *Service) getRestApis(ctx context.Context, in *api.GetRestApisRequest) (*api.RestApis, error) {
	return view(ctx, s, func(r store.Reader) (*api.RestApis, error) {
		items, next, err := page(ctx, r, apis, nil, in.Limit, in.Position)
		return &api.RestApis{Items: items, Position: next}, err
	})
}

func (s *Service) deleteRestApi(ctx context.Context, in *api.DeleteRestApiRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		a, err := lookup(ctx, tx, in.RestApiId)
		if err != nil {
			return err
		}
		if err := errors.Join(deleteAll(tx, scope(ctx), *a.Id), leavePlans(ctx, tx, *a.Id, "")); err != nil {
			return err
		}
		if err := owners.Delete(tx, store.Scope{}, *a.Id); err != nil {
			return err
		}
		return apis.Delete(tx, scope(ctx), *a.Id)
	})
}

func (s *Service) updateRestApi(ctx context.Context, in *api.UpdateRestApiRequest) (*api.RestApi, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.RestApi, error) {
		a, err := lookup(ctx, tx, in.RestApiId)
		if err != nil {
			return nil, err
		}
		for _, p := range ops {
			if err := patchAPI(&a, p); err != nil {
				return nil, err
			}
		}
		if a.Tags == nil {
			a.Tags = map[string]string{}
		}
		return &a, apis.Put(tx, scope(ctx), a, *a.Id)
	})
}

// patchAPI applies one patch.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateRestApi-Patch
func patchAPI(a *api.RestApi, p patch) error {
	switch p.parts[0] {
	case "binaryMediaTypes":
		if len(p.parts) != 2 {
			return badPath(p.path)
		}
		patchMediaTypes(a, p)
		return nil
	case "endpointConfiguration":
		return patchEndpoint(a, p)
	case "description":
		if p.op == "remove" {
			a.Description = nil
			return nil
		}
	}
	if len(p.parts) != 1 {
		return badPath(p.path)
	}
	if err := p.replaces(); err != nil {
		return err
	}
	switch p.path {
	case "/name":
		if p.value == "" {
			return api.BadRequestException("Name cannot be empty")
		}
		a.Name = p.text()
	case "/description":
		a.Description = p.text()
	case "/policy":
		if err := checkPolicy(p.text()); err != nil {
			return err
		}
		a.Policy = p.text()
	case "/apiKeySource":
		if p.value != api.ApiKeySourceTypeHeader && p.value != api.ApiKeySourceTypeAuthorizer {
			return api.BadRequestException("Invalid API key source specified. Valid options are HEADER,AUTHORIZER")
		}
		a.ApiKeySource = p.text()
	case "/disableExecuteApiEndpoint":
		a.DisableExecuteApiEndpoint = p.flag()
	case "/minimumCompressionSize":
		a.MinimumCompressionSize = nil
		if p.value != "" {
			n, err := strconv.Atoi(p.value)
			if err != nil || n < 0 || n > maxCompression {
				return badCompression()
			}
			a.MinimumCompressionSize = ptr(int32(n))
		}
	default:
		return badPath(p.path)
	}
	return nil
}

func patchMediaTypes(a *api.RestApi, p patch) {
	have := slices.Index(a.BinaryMediaTypes, p.parts[1])
	types := slices.Clone(a.BinaryMediaTypes)
	switch p.op {
	case "add":
		if have < 0 {
			types = append(types, p.parts[1])
		}
	case "remove":
		types = slices.DeleteFunc(types, func(t string) bool { return t == p.parts[1] })
	case "replace":
		types = slices.DeleteFunc(types, func(t string) bool { return t == p.parts[1] })
		types = append(types, p.value)
	}
	if len(types) == 0 {
		types = nil
	}
	a.BinaryMediaTypes = types
}

func patchEndpoint(a *api.RestApi, p patch) error {
	e := *a.EndpointConfiguration
	switch {
	case len(p.parts) == 2 && p.parts[1] == "ipAddressType":
		if err := p.replaces(); err != nil {
			return err
		}
		if p.value != api.IpAddressTypeIpv4 && p.value != api.IpAddressTypeDualstack {
			return api.BadRequestException("ipAddressType must be either ipv4 or dualstack.")
		}
		e.IpAddressType = p.text()
	case len(p.parts) == 3 && p.parts[1] == "types":
		if p.op != "add" && p.op != "remove" && p.op != "replace" {
			return api.BadRequestException("Invalid patch operation specified. Must be 'add'|'remove'|'replace'")
		}
		if !slices.Contains([]string{api.EndpointTypeRegional, api.EndpointTypeEdge, api.EndpointTypePrivate}, p.value) {
			return api.BadRequestException("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE")
		}
		if p.op == "replace" {
			e.Types = []string{p.value}
			if p.value == api.EndpointTypePrivate {
				e.IpAddressType = ptr(api.IpAddressTypeDualstack)
			}
		}
	default:
		return badPath(p.path)
	}
	if e.Types[0] == api.EndpointTypePrivate && *e.IpAddressType == api.IpAddressTypeIpv4 {
		return onlyDualstack()
	}
	a.EndpointConfiguration = &e
	return nil
}
