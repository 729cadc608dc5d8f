package ssm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/ssm"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// value is a version's value; that of a secure string as it is sealed, unless it is to be
// opened.
func (s *Service) value(scope store.Scope, name string, v *version, open bool) (string, error) {
	if v.Type != api.ParameterTypeSecureString {
		return v.Value, nil
	}
	if !open {
		return encoded(v.Sealed), nil
	}
	text, err := s.box.Open(v.Sealed, sealContext(scope, name, v.Number))
	if err != nil {
		return "", api.InvalidKeyId("The parameter %s was sealed with other keys than this installation's.", name)
	}
	return string(text), nil
}

// shown is a version as GetParameter shows it.
func (s *Service) shown(scope store.Scope, name string, v *version, open bool) (api.Parameter, error) {
	text, err := s.value(scope, name, v, open)
	return api.Parameter{Name: &name, Type: &v.Type, Value: &text, Version: &v.Number, ARN: new(arnOf(scope, name)),
		DataType: &v.DataType, LastModifiedDate: moment(v.Modified)}, err
}

func moment(t time.Time) *time.Time { return &t }

// read is the version of a parameter that a selector names.
func (s *Service) read(ctx context.Context, r store.Reader, scope store.Scope, sel selector) (parameter, version, error) {
	p, err := s.find(ctx, r, scope, sel.name)
	if err != nil {
		return p, version{}, err
	}
	number := p.Newest
	if sel.number > 0 {
		number = sel.number
	}
	if sel.label != "" {
		if number, err = labelled(ctx, r, scope, &p, sel.label); err != nil {
			return p, version{}, err
		}
	}
	v, err := versions.Get(ctx, r, scope, p.Name, number)
	if errors.Is(err, store.ErrNotFound) {
		return p, v, api.ParameterVersionNotFound("Systems Manager could not find version %s of %s. Verify the version and try again.",
			strings.TrimPrefix(sel.text, ":"), p.Name)
	}
	return p, v, err
}

// labelled is the number of the version that carries a label; 0 if none does.
func labelled(ctx context.Context, r store.Reader, scope store.Scope, p *parameter, label string) (int64, error) {
	for e, err := range versions.List(ctx, r, scope, store.ListOptions{Prefix: []any{p.Name}}) {
		if err != nil {
			return 0, err
		}
		if slices.Contains(e.Record.Labels, label) {
			return e.Record.Number, nil
		}
	}
	return 0, nil
}

func (s *Service) getParameter(ctx context.Context, in *api.GetParameterRequest) (*api.GetParameterResult, error) {
	out := &api.GetParameterResult{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		p, err := s.selectOne(ctx, r, *in.Name, aws.Value(in.WithDecryption))
		out.Parameter = &p
		return err
	})
}

// selectOne is the parameter that a caller's name selects.
func (s *Service) selectOne(ctx context.Context, r store.Reader, name string, open bool) (api.Parameter, error) {
	scope, sel := scopeFor(scopeOf(ctx), name), selected(name)
	_, v, err := s.read(ctx, r, scope, sel)
	if err != nil {
		return api.Parameter{}, err
	}
	p, err := s.shown(scope, sel.name, &v, open)
	if sel.text != "" {
		p.Selector = &sel.text
	}
	return p, err
}

func (s *Service) getParameters(ctx context.Context, in *api.GetParametersRequest) (*api.GetParametersResult, error) {
	seen := map[string]bool{}
	for _, name := range in.Names {
		if seen[selected(name).name] {
			return nil, api.ValidationException("Duplicate parameter name found: %s", name)
		}
		seen[selected(name).name] = true
	}
	out := &api.GetParametersResult{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Parameters, out.InvalidParameters = []api.Parameter{}, []string{}
		for _, name := range in.Names {
			p, err := s.selectOne(ctx, r, name, aws.Value(in.WithDecryption))
			switch {
			case api.ParameterNotFound("").Is(err) || api.ParameterVersionNotFound("").Is(err):
				out.InvalidParameters = append(out.InvalidParameters, name)
				continue
			case err != nil:
				return err
			}
			out.Parameters = append(out.Parameters, p)
		}
		return nil
	})
}

// pathPage is how many parameters of a path an answer has at the most, and without a word.
const pathPage = 10

func (s *Service) getParametersByPath(ctx context.Context, in *api.GetParametersByPathRequest) (*api.GetParametersByPathResult, error) {
	if !strings.HasPrefix(*in.Path, "/") {
		return nil, api.ValidationException("The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\". " +
			"It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore).")
	}
	match, err := compile(in.ParameterFilters, "Type", "KeyId", "Label")
	if err != nil {
		return nil, err
	}
	limit := pathPage
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	scope := scopeOf(ctx)
	path := strings.TrimSuffix(*in.Path, "/") + "/"
	o, err := after(store.ListOptions{From: []any{path}, To: []any{path[:len(path)-1] + "0"}}, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.GetParametersByPathResult{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Parameters, out.NextToken = []api.Parameter{}, nil
		last := ""
		for e, err := range s.walk(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			deeper := strings.Contains(strings.TrimPrefix(e.p.Name, path), "/")
			if deeper && !aws.Value(in.Recursive) || !match(&e) {
				continue
			}
			if len(out.Parameters) == limit {
				out.NextToken = new(aws.Token(last))
				return nil
			}
			last = e.p.Name
			p, err := s.shown(scope, e.p.Name, &e.v, aws.Value(in.WithDecryption))
			if err != nil {
				return err
			}
			out.Parameters = append(out.Parameters, p)
		}
		return nil
	})
}

// after is a list that goes on where a token says.
func after(o store.ListOptions, token *string) (store.ListOptions, error) {
	if token == nil {
		return o, nil
	}
	var name string
	if !aws.ParseToken(*token, &name) {
		return o, api.InvalidNextToken("The specified token isn't valid.")
	}
	o.After = []any{name}
	return o, nil
}

func (s *Service) getParameterHistory(ctx context.Context, in *api.GetParameterHistoryRequest) (*api.GetParameterHistoryResult, error) {
	scope, name := scopeFor(scopeOf(ctx), *in.Name), selected(*in.Name).name
	limit := 50
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	o := store.ListOptions{Prefix: []any{name}, Limit: limit + 1}
	if in.NextToken != nil {
		var number int64
		if !aws.ParseToken(*in.NextToken, &number) {
			return nil, api.InvalidNextToken("The specified token isn't valid.")
		}
		o.After = []any{name, number}
	}
	out := &api.GetParameterHistoryResult{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Parameters, out.NextToken = []api.ParameterHistory{}, nil
		if _, err := s.find(ctx, r, scope, name); err != nil {
			return err
		}
		for e, err := range versions.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			v := &e.Record
			if len(out.Parameters) == limit {
				out.NextToken = new(aws.Token(*out.Parameters[limit-1].Version))
				return nil
			}
			text, err := s.value(scope, name, v, aws.Value(in.WithDecryption))
			if err != nil {
				return err
			}
			h := api.ParameterHistory{Name: &name, Type: &v.Type, Value: &text, Version: &v.Number, Tier: &v.Tier, DataType: &v.DataType,
				LastModifiedDate: moment(v.Modified), LastModifiedUser: &v.User, Labels: slices.Clone(v.Labels), Policies: shownPolicies(v)}
			if h.Labels == nil {
				h.Labels = []string{}
			}
			h.KeyId, h.Description, h.AllowedPattern = optional(v.Key), optional(v.Description), optional(v.Pattern)
			out.Parameters = append(out.Parameters, h)
		}
		return nil
	})
}

// optional is nil for what there is nothing to say of.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func shownPolicies(v *version) []api.ParameterInlinePolicy {
	list := []api.ParameterInlinePolicy{}
	for _, p := range v.Policies {
		list = append(list, api.ParameterInlinePolicy{PolicyText: &p.Text, PolicyType: &p.Type, PolicyStatus: new("Pending")})
	}
	return list
}
