package cloudformation

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/template"
)

// A preview is what a new version would do to a stack.
type preview struct {
	d       *drive
	act     context.Context // of whoever is to make the changes: attributes of resources are read by it
	old     *version        // nil for a new stack
	all     map[string]*record
	unknown map[string]bool // resources whose physical id, or attributes, would be others
	changed map[string]bool // resources that would change
	changes []api.Change
}

// foresee finds what a plan would change, as the role that is to change it, if there is one.
func (s *Service) foresee(ctx context.Context, k workKey, st *stack, role *string, p *plan, old *version) (*preview, error) {
	w := &preview{d: &drive{s: s, k: k, stack: *st, plan: p}, act: ctx, old: old, unknown: map[string]bool{}, changed: map[string]bool{}}
	as := stack{ID: st.ID, RoleARN: cmp.Or(aws.Value(role), st.RoleARN), Operation: s.begun(ctx, "")}
	var err error
	if as.RoleARN != "" {
		if w.act, err = s.acting(ctx, k, &as); err != nil {
			return nil, err
		}
	}
	err = s.Store.View(ctx, func(r store.Reader) (err error) {
		w.all, err = recordsOf(ctx, r, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	made := map[string]*api.Change{}
	failed := walk(ctx, w.d.order(), p.needs, 1, false, func(ctx context.Context, name string) error {
		c, err := w.resource(ctx, name)
		made[name] = c
		return err
	})
	for _, err := range failed {
		return nil, worded(err)
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		if c := made[name]; c != nil {
			w.changes = append(w.changes, *c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.all)) {
		rec := w.all[name]
		if _, stays := p.needs[name]; !stays && !rec.gone() {
			c := change(api.ChangeActionRemove, rec)
			c.ResourceChange.PolicyAction = new(policyAction(rec.Policy))
			w.changes = append(w.changes, *c)
		}
	}
	return w, nil
}

func policyAction(policy string) string {
	return cmp.Or(map[string]string{"Retain": api.PolicyActionRetain, "Snapshot": api.PolicyActionSnapshot}[policy], api.PolicyActionDelete)
}

func change(action string, rec *record) *api.Change {
	return &api.Change{Type: new(api.ChangeTypeResource), ResourceChange: &api.ResourceChange{Action: &action, LogicalResourceId: new(rec.Logical), PhysicalResourceId: text(rec.ID),
		ResourceType: new(rec.Type), Scope: []string{}, Details: []api.ResourceChangeDetail{}}}
}

// env is what the new version is evaluated in, as far as it can be known.
func (w *preview) env(ctx context.Context) template.Env {
	env := w.d.env(ctx, w.act)
	ref, att := env.Ref, env.GetAtt
	env.Ref = func(name string) (any, error) {
		if w.unknown[name] {
			return template.Unknown{}, nil
		}
		return ref(name)
	}
	env.GetAtt = func(name, attribute string) (any, error) {
		if w.unknown[name] {
			return template.Unknown{}, nil
		}
		v, err := att(name, attribute)
		if err != nil && aws.CodeOf(err) == "" && !errors.Is(err, context.Canceled) {
			return template.Unknown{}, nil
		}
		return v, err
	}
	return env
}

// resource finds what becomes of one resource; nil for nothing.
func (w *preview) resource(ctx context.Context, name string) (*api.Change, error) {
	r, _ := w.d.plan.Resource(name)
	t, _ := w.d.s.typeOf(r.Type)
	rec := w.all[name]
	if rec == nil || rec.gone() {
		w.unknown[name], w.changed[name] = true, true
		return change(api.ChangeActionAdd, &record{Logical: name, Type: r.Type}), nil
	}
	env := w.env(ctx)
	now, err := env.Properties(r.Properties)
	if err != nil {
		return nil, err
	}
	replace, same := w.d.compare(t, rec, now)
	if same {
		return nil, nil
	}
	w.changed[name] = true
	c := change(api.ChangeActionModify, rec)
	out := c.ResourceChange
	out.ResourceType, out.Replacement, out.Scope = &r.Type, new(api.ReplacementFalse), []string{api.ResourceAttributeProperties}
	old := rec.Properties.of()
	replacing := t.Replaces(old, now)
	static := t.Name != rec.Type
	for _, p := range differing(old, now) {
		props, _ := r.Properties.(*ordered.Object)
		details := w.details(p, props.Get(p), now.Get(p), slices.Contains(replacing, p))
		out.Details = append(out.Details, details...)
		static = static || slices.Contains(replacing, p) && *details[0].Evaluation == api.EvaluationTypeStatic
	}
	if tags := t.Schema().Tags; tags != "" && !maps.Equal(w.d.Tags, w.d.plan.version.Tags) {
		out.Scope = append(out.Scope, api.ResourceAttributeTags)
	}
	if replace {
		w.unknown[name] = true
		if out.Replacement = new(api.ReplacementConditional); static {
			out.Replacement = new(api.ReplacementTrue)
		}
	}
	return c, nil
}

// differing are the properties whose values are others.
func differing(old, now *ordered.Object) []string {
	var out []string
	for _, name := range now.Names() {
		if !template.Equal(old.Get(name), now.Get(name)) {
			out = append(out, name)
		}
	}
	for _, name := range old.Names() {
		if !now.Has(name) {
			out = append(out, name)
		}
	}
	return out
}

// details say why a property changes.
func (w *preview) details(property string, expression, value any, replaces bool) []api.ResourceChangeDetail {
	needs := api.RequiresRecreationNever
	if replaces {
		needs = api.RequiresRecreationAlways
	}
	one := func(source, evaluation, entity string) api.ResourceChangeDetail {
		return api.ResourceChangeDetail{ChangeSource: &source, Evaluation: &evaluation, CausingEntity: text(entity),
			Target: &api.ResourceTargetDefinition{Attribute: new(api.ResourceAttributeProperties), Name: &property, RequiresRecreation: &needs}}
	}
	var out []api.ResourceChangeDetail
	_ = w.d.plan.env.Names(expression, func(name, attribute string) error {
		switch {
		case w.changed[name] && attribute == "":
			out = append(out, one(api.ChangeSourceResourceReference, evaluation(value), name))
		case w.changed[name]:
			out = append(out, one(api.ChangeSourceResourceAttribute, evaluation(value), name+"."+attribute))
		case w.old != nil && attribute == "" && w.old.Parameters[name] != w.d.plan.version.Parameters[name]:
			out = append(out, one(api.ChangeSourceParameterReference, api.EvaluationTypeStatic, name))
		}
		return nil
	})
	if out == nil {
		out = append(out, one(api.ChangeSourceDirectModification, evaluation(value), ""))
	}
	return out
}

func evaluation(v any) string {
	if _, unknown := v.(template.Unknown); unknown {
		return api.EvaluationTypeDynamic
	}
	return api.EvaluationTypeStatic
}

// nothing reports whether the new version changes nothing at all.
func (w *preview) nothing() bool {
	if len(w.changes) > 0 || w.old == nil {
		return false
	}
	was, err := w.old.template()
	now := w.d.plan.Template
	return err == nil && maps.Equal(w.old.Tags, w.d.plan.version.Tags) && slices.Equal(w.old.Notify, w.d.plan.version.Notify) &&
		template.Equal(was.Source.Get("Outputs"), now.Source.Get("Outputs")) && template.Equal(was.Source.Get("Metadata"), now.Source.Get("Metadata")) &&
		was.Description == now.Description && template.Equal(metadata(was), metadata(now)) && maps.Equal(w.old.Looked, w.d.plan.version.Looked) && w.sameOutputs()
}

// sameOutputs reports whether the outputs' values, as far as parameters go, are the same.
func (w *preview) sameOutputs() bool {
	for i := range w.d.plan.Outputs {
		same := true
		_ = w.d.plan.env.Names([]any{w.d.plan.Outputs[i].Value, w.d.plan.Outputs[i].Export}, func(name, attribute string) error {
			same = same && (attribute != "" || w.old.Parameters[name] == w.d.plan.version.Parameters[name])
			return nil
		})
		if !same {
			return false
		}
	}
	return true
}

// metadata are what resources have beside their properties.
func metadata(t *template.Template) any {
	o := ordered.New()
	for i := range t.Resources {
		r := &t.Resources[i]
		o.Set(r.Name, []any{r.Metadata, r.DeletionPolicy, r.UpdateReplacePolicy, r.CreationPolicy, r.UpdatePolicy})
	}
	return o
}
