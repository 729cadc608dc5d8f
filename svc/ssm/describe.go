package ssm

import (
	"context"
	"encoding/base64"
	"iter"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/ssm"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// encoded is how sealed bytes are shown.
func encoded(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// A found parameter, with its newest version.
type found struct {
	p parameter
	v version
}

// walk lists parameters that have not expired, with their newest versions.
func (s *Service) walk(ctx context.Context, r store.Reader, scope store.Scope, o store.ListOptions) iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		now := s.Clock.Now()
		for e, err := range parameters.List(ctx, r, scope, o) {
			f := found{p: e.Record}
			if err == nil && !f.p.Ends.IsZero() && !now.Before(f.p.Ends) {
				continue
			}
			if err == nil {
				f.v, err = versions.Get(ctx, r, scope, f.p.Name, f.p.Newest)
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// compile makes one test of filters, whose keys are those that the operation knows.
func compile(filters []api.ParameterStringFilter, keys ...string) (func(*found) bool, error) {
	var all []func(*found) bool
	for _, f := range filters {
		known := *f.Key
		if strings.HasPrefix(known, "tag:") {
			known = "tag:"
		}
		if !slices.Contains(keys, known) {
			return nil, api.InvalidFilterKey("The following filter key is not valid: %s. Valid filter keys include: [%s].", *f.Key, strings.Join(keys, ", "))
		}
		match, err := compileOne(&f)
		if err != nil {
			return nil, err
		}
		all = append(all, match)
	}
	return func(f *found) bool {
		for _, match := range all {
			if !match(f) {
				return false
			}
		}
		return true
	}, nil
}

// texts are what of a parameter a filter's key looks at.
func texts(f *found, key string) []string {
	switch key {
	case "Name":
		return []string{f.p.Name}
	case "Type":
		return []string{f.v.Type}
	case "KeyId":
		return []string{f.v.Key}
	case "Tier":
		return []string{f.p.Tier}
	case "DataType":
		return []string{f.v.DataType}
	case "Label":
		return f.v.Labels
	}
	if value, ok := f.p.Tags[strings.TrimPrefix(key, "tag:")]; ok {
		return []string{value}
	}
	return nil
}

func compileOne(f *api.ParameterStringFilter) (func(*found) bool, error) {
	option := aws.Value(f.Option)
	if *f.Key == "Path" {
		if option != "Recursive" && option != "OneLevel" {
			return nil, api.InvalidFilterOption("The following filter option is not valid: %s. Valid options include: [Recursive, OneLevel].", option)
		}
		return below(f.Values, option == "Recursive"), nil
	}
	fits, ok := map[string]func(text, want string) bool{
		"": func(text, want string) bool { return text == want }, "Equals": func(text, want string) bool { return text == want },
		"BeginsWith": strings.HasPrefix,
		"Contains":   func(text, want string) bool { return *f.Key == "Name" && strings.Contains(text, want) },
	}[option]
	if !ok {
		return nil, api.InvalidFilterOption("The following filter option is not valid: %s. Valid options include: [BeginsWith, Equals].", option)
	}
	if len(f.Values) == 0 && !strings.HasPrefix(*f.Key, "tag:") {
		return nil, api.InvalidFilterValue("The filter %s has no values.", *f.Key)
	}
	return func(p *found) bool {
		have := texts(p, *f.Key)
		if len(f.Values) == 0 {
			return len(have) > 0
		}
		return slices.ContainsFunc(have, func(text string) bool {
			return slices.ContainsFunc(f.Values, func(want string) bool {
				// Names are found with and without the slash that begins a path.
				return fits(text, want) || *f.Key == "Name" && fits(text, "/"+want)
			})
		})
	}, nil
}

// below tests whether a parameter is in one of the paths.
func below(paths []string, recursive bool) func(*found) bool {
	return func(f *found) bool {
		return slices.ContainsFunc(paths, func(path string) bool {
			rest, inside := strings.CutPrefix(f.p.Name, strings.TrimSuffix(path, "/")+"/")
			return inside && (recursive || !strings.Contains(rest, "/"))
		})
	}
}

func (s *Service) describeParameters(ctx context.Context, in *api.DescribeParametersRequest) (*api.DescribeParametersResult, error) {
	filters := in.ParameterFilters
	for _, f := range in.Filters {
		if len(filters) > len(in.Filters) {
			return nil, api.ValidationException("You can use either Filters or ParameterFilters in a single request.")
		}
		// The older filters match the beginning of names, and equal all else.
		option := "Equals"
		if *f.Key == api.ParametersFilterKeyName {
			option = "BeginsWith"
		}
		filters = append(filters, api.ParameterStringFilter{Key: f.Key, Option: &option, Values: f.Values})
	}
	match, err := compile(filters, "Path", "Name", "Type", "KeyId", "Tier", "DataType", "Label", "tag:")
	if err != nil {
		return nil, err
	}
	o, err := after(store.ListOptions{}, in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := 50
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	scope := scopeOf(ctx)
	out := &api.DescribeParametersResult{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Parameters, out.NextToken = []api.ParameterMetadata{}, nil
		for f, err := range s.walk(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if !match(&f) {
				continue
			}
			if len(out.Parameters) == limit {
				out.NextToken = new(aws.Token(*out.Parameters[limit-1].Name))
				return nil
			}
			out.Parameters = append(out.Parameters, metadata(scope, &f))
		}
		return nil
	})
}

// metadata is all of a parameter but its value.
func metadata(scope store.Scope, f *found) api.ParameterMetadata {
	v := &f.v
	return api.ParameterMetadata{Name: &f.p.Name, ARN: new(arnOf(scope, f.p.Name)), Type: &v.Type, Version: &v.Number, Tier: &v.Tier,
		DataType: &v.DataType, LastModifiedDate: moment(v.Modified), LastModifiedUser: &v.User, Policies: shownPolicies(v),
		KeyId: optional(v.Key), Description: optional(v.Description), AllowedPattern: optional(v.Pattern)}
}
