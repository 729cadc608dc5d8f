package ssm

import (
	"context"
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/ssm"
	"github.com/tule-cloud/tule/store"
)

const maxLabels = 10

var goodLabel = regexp.MustCompile(`^[a-zA-Z_.-][a-zA-Z0-9_.-]*$`)

// A label is on one version of a parameter at a time.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html
func isLabel(text string) bool {
	lower := strings.ToLower(text)
	return goodLabel.MatchString(text) && !strings.HasPrefix(lower, "aws") && !strings.HasPrefix(lower, "ssm")
}

func (s *Service) labelParameterVersion(ctx context.Context, in *api.LabelParameterVersionRequest) (*api.LabelParameterVersionResult, error) {
	scope := scopeOf(ctx)
	out := &api.LabelParameterVersionResult{}
	return out, s.Store.Update(ctx, func(tx store.Tx) error {
		out.InvalidLabels = []string{}
		var good []string
		for _, label := range in.Labels {
			if isLabel(label) {
				good = append(good, label)
			} else {
				out.InvalidLabels = append(out.InvalidLabels, label)
			}
		}
		p, v, err := s.numbered(ctx, tx, scope, *in.Name, in.ParameterVersion)
		if err != nil {
			return err
		}
		out.ParameterVersion = &v.Number
		if err := unlabel(ctx, tx, scope, &p, v.Number, good); err != nil {
			return err
		}
		for _, label := range good {
			if !slices.Contains(v.Labels, label) {
				v.Labels = append(v.Labels, label)
			}
		}
		if len(v.Labels) > maxLabels {
			return api.ParameterVersionLabelLimitExceeded("A parameter version can have a maximum of 10 labels. Move one or more labels to another version and try again.")
		}
		return versions.Put(tx, scope, v, p.Name, v.Number)
	})
}

// numbered is one version of a parameter, the newest without a number.
func (s *Service) numbered(ctx context.Context, r store.Reader, scope store.Scope, name string, number *int64) (parameter, version, error) {
	sel := selector{name: name}
	if number != nil {
		sel.number, sel.text = *number, decimal(*number)
	}
	return s.read(ctx, r, scope, sel)
}

// unlabel takes labels away from all versions but one.
func unlabel(ctx context.Context, tx store.Tx, scope store.Scope, p *parameter, but int64, labels []string) error {
	var changed []version
	for e, err := range versions.List(ctx, tx, scope, store.ListOptions{Prefix: []any{p.Name}}) {
		if err != nil {
			return err
		}
		v := e.Record
		n := len(v.Labels)
		v.Labels = slices.DeleteFunc(v.Labels, func(l string) bool { return slices.Contains(labels, l) })
		if v.Number != but && len(v.Labels) < n {
			changed = append(changed, v)
		}
	}
	for _, v := range changed {
		if err := versions.Put(tx, scope, v, p.Name, v.Number); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) unlabelParameterVersion(ctx context.Context, in *api.UnlabelParameterVersionRequest) (*api.UnlabelParameterVersionResult, error) {
	scope := scopeOf(ctx)
	out := &api.UnlabelParameterVersionResult{}
	return out, s.Store.Update(ctx, func(tx store.Tx) error {
		out.InvalidLabels, out.RemovedLabels = []string{}, []string{}
		p, v, err := s.numbered(ctx, tx, scope, *in.Name, in.ParameterVersion)
		if err != nil {
			return err
		}
		for _, label := range in.Labels {
			i := slices.Index(v.Labels, label)
			if i < 0 {
				out.InvalidLabels = append(out.InvalidLabels, label)
				continue
			}
			v.Labels = slices.Delete(v.Labels, i, i+1)
			out.RemovedLabels = append(out.RemovedLabels, label)
		}
		return versions.Put(tx, scope, v, p.Name, v.Number)
	})
}
