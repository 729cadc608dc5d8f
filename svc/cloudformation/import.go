package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/template"
)

// imports are the exports that a stack's template asks for.
func (d *drive) imports(ctx, act context.Context) ([]string, error) {
	if !strings.Contains(d.plan.version.Body+d.plan.version.Processed, "ImportValue") {
		return nil, nil
	}
	var found []string
	env := d.env(ctx, act)
	env.Import = func(name string) (any, error) {
		if !slices.Contains(found, name) {
			found = append(found, name)
		}
		return template.Unknown{}, nil
	}
	for i := range d.plan.Resources {
		if _, made := d.plan.needs[d.plan.Resources[i].Name]; made {
			if _, err := env.Properties(d.plan.Resources[i].Properties); err != nil {
				return nil, worded(err)
			}
		}
	}
	for i := range d.plan.Outputs {
		if o := &d.plan.Outputs[i]; o.Condition == "" || env.Conditions[o.Condition] {
			if _, _, err := env.Value(o.Value); err != nil {
				return nil, worded(err)
			}
		}
	}
	return found, nil
}

// publish sets the stack's outputs, its exports, and what it imports. reason is why it
// cannot.
func (d *drive) publish(ctx context.Context, tx store.Tx, st *stack, outputs []output, wants []string) (reason string, err error) {
	if reason, err = d.withdraw(ctx, tx, st, outputs); reason != "" || err != nil {
		return reason, err
	}
	for _, o := range outputs {
		if o.Export == "" {
			continue
		}
		have, err := exports.Get(ctx, tx, d.k.Scope, o.Export)
		if err == nil && have.Stack != st.ID {
			return fmt.Sprintf("Export with name %s is already exported by stack %s. ", o.Export, nameOf(have.Stack)), nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
		if err := exports.Put(tx, d.k.Scope, export{o.Export, o.Value, st.ID}, o.Export); err != nil {
			return "", err
		}
	}
	if err := d.release(tx, st); err != nil {
		return "", err
	}
	for _, name := range wants {
		if err := imports.Put(tx, d.k.Scope, st.Name, name, d.k.UUID); err != nil {
			return "", err
		}
	}
	st.Outputs, st.Imports = outputs, wants
	return "", nil
}

// release forgets what the stack imports.
func (d *drive) release(tx store.Tx, st *stack) error {
	for _, name := range st.Imports {
		if err := imports.Delete(tx, d.k.Scope, name, d.k.UUID); err != nil {
			return err
		}
	}
	st.Imports = nil
	return nil
}

// withdraw takes back the exports that are not among the outputs any more. One that
// others import stays, as it is: that is the reason.
func (d *drive) withdraw(ctx context.Context, tx store.Tx, st *stack, outputs []output) (reason string, err error) {
	for _, o := range st.Outputs {
		if o.Export == "" || slices.ContainsFunc(outputs, func(n output) bool { return n.Export == o.Export && n.Value == o.Value }) {
			continue
		}
		used, err := importers(ctx, tx, d.k.Scope, o.Export)
		if err != nil {
			return "", err
		}
		if len(used) > 0 {
			verb := "deleted"
			if slices.ContainsFunc(outputs, func(n output) bool { return n.Export == o.Export }) {
				verb = "updated"
			}
			return fmt.Sprintf("Export %s cannot be %s as it is in use by %s. ", o.Export, verb, strings.Join(used, " and ")), nil
		}
		if err := exports.Delete(tx, d.k.Scope, o.Export); err != nil {
			return "", err
		}
	}
	return "", nil
}
