package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A drive is the work on one stack's operation.
type drive struct {
	s *Service
	k workKey
	stack
	plan *plan
}

// drive does what is under way on a stack, phase by phase.
func (s *Service) drive(ctx context.Context, k workKey) error {
	for {
		d := &drive{s: s, k: k}
		err := s.Store.View(ctx, func(r store.Reader) (err error) {
			if d.stack, err = stacks.Get(ctx, r, k.Scope, k.UUID); err != nil || d.Operation == nil || d.Operation.To == 0 {
				return err
			}
			n := d.Operation.To
			if p := d.Operation.Phase; p == phaseUndo || p == phaseUndoCleanup {
				n = d.Operation.From
			}
			v, err := versions.Get(ctx, r, k.Scope, k.UUID, int64(n))
			if err == nil {
				d.plan, err = s.read(k.Scope, &d.stack, v)
			}
			return err
		})
		if errors.Is(err, store.ErrNotFound) || err == nil && d.Operation == nil {
			return s.Store.Update(ctx, func(tx store.Tx) error { return work.Delete(tx, store.Scope{}, k.parts()...) })
		}
		if err != nil {
			return err
		}
		act, err := s.acting(ctx, k, &d.stack)
		if err != nil && aws.CodeOf(err) == "" {
			return err
		}
		if err = d.phase(ctx, act, err); err != nil {
			return err
		}
	}
}

// phase does the phase that the operation is in, and says which is next. refused is why
// the stack's role cannot be assumed, if it cannot.
func (d *drive) phase(ctx, act context.Context, refused error) error {
	switch d.Operation.Phase {
	case phaseCreate:
		return d.create(ctx, act, refused)
	case phaseUpdate:
		return d.update(ctx, act, refused)
	case phaseUndo:
		return d.undo(ctx, act, refused)
	case phaseCleanup, phaseUndoCleanup:
		return d.cleanup(ctx, act, refused)
	case phaseRollback:
		return d.remove(ctx, act, refused, "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
	case phaseDelete:
		return d.remove(ctx, act, refused, "DELETE_COMPLETE", "DELETE_FAILED")
	}
	return fmt.Errorf("no phase %q", d.Operation.Phase)
}

// change is a transaction on the stack as it is, if the operation is still the drive's.
func (d *drive) change(ctx context.Context, fn func(tx store.Tx, st *stack) error) error {
	return d.s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := stacks.Get(ctx, tx, d.k.Scope, d.k.UUID)
		if err != nil {
			return err
		}
		if st.Operation == nil || st.Operation.ID != d.Operation.ID || st.Operation.Phase != d.Operation.Phase {
			return errOvertaken
		}
		return fn(tx, &st)
	})
}

// end gives the stack its last status, and ends the operation.
func (d *drive) end(tx store.Tx, st *stack, status, reason string) error {
	if err := d.s.become(tx, d.k, st, status, reason); err != nil {
		return err
	}
	st.Operation = nil
	if err := stacks.Put(tx, d.k.Scope, *st, d.k.UUID); err != nil {
		return err
	}
	return work.Delete(tx, store.Scope{}, d.k.parts()...)
}

// create makes what the template names.
func (d *drive) create(ctx, act context.Context, refused error) error {
	failed := map[string]error{}
	if refused == nil {
		order := d.order()
		failed = walk(ctx, order, d.plan.needs, d.s.Together, d.Operation.Failure == api.OnFailureDoNothing, func(ctx context.Context, name string) error {
			return d.make(ctx, act, name)
		})
	}
	if err := passing(ctx, failed); err != nil {
		return err
	}
	reason := d.reason(failed, "create")
	if refused != nil {
		reason = message(refused)
	}
	outputs, wants, reason, err := d.yields(ctx, act, reason)
	if err != nil {
		return err
	}
	return d.change(ctx, func(tx store.Tx, st *stack) error {
		reason := reason
		if reason == "" {
			var err error
			if reason, err = d.publish(ctx, tx, st, outputs, wants); err != nil {
				return err
			}
		}
		if reason == "" {
			return d.end(tx, st, "CREATE_COMPLETE", "")
		}
		switch st.Operation.Failure {
		case api.OnFailureDoNothing:
			return d.end(tx, st, "CREATE_FAILED", reason)
		case api.OnFailureDelete:
			st.Operation.Phase = phaseDelete
			return d.s.become(tx, d.k, st, "DELETE_IN_PROGRESS", reason+"Delete requested by user.")
		}
		st.Operation.Phase = phaseRollback
		return d.s.become(tx, d.k, st, "ROLLBACK_IN_PROGRESS", reason+"Rollback requested by user.")
	})
}

// order are the resources that are to be, as the template has them.
func (d *drive) order() []string {
	var out []string
	for i := range d.plan.Resources {
		if _, made := d.plan.needs[d.plan.Resources[i].Name]; made {
			out = append(out, d.plan.Resources[i].Name)
		}
	}
	return out
}

// passing is the error among failures, if any, that is not a resource's own: the phase is
// to be begun again.
func passing(ctx context.Context, failed map[string]error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, err := range failed {
		if errors.Is(err, errOvertaken) {
			return err
		}
	}
	for _, err := range failed {
		var f failure
		if !errors.As(err, &f) {
			return err
		}
	}
	return nil
}

// A failure is why a resource could not be made, changed or removed. It is in the record.
type failure struct{ reason string }

func (f failure) Error() string { return f.reason }

// reason is what a stack says of the resources that failed.
func (d *drive) reason(failed map[string]error, verb string) string {
	if len(failed) == 0 {
		return ""
	}
	return fmt.Sprintf("The following resource(s) failed to %s: [%s]. ", verb, strings.Join(slices.Sorted(maps.Keys(failed)), ", "))
}

// remove deletes everything that the stack has.
func (d *drive) remove(ctx, act context.Context, refused error, done, undone string) error {
	var all map[string]*record
	err := d.s.Store.View(ctx, func(r store.Reader) (err error) {
		all, err = recordsOf(ctx, r, d.k)
		return err
	})
	if err != nil {
		return err
	}
	failed := map[string]error{}
	needs := map[string][]string{}
	for name, rec := range all {
		for _, n := range rec.Needs {
			if all[n] != nil {
				needs[name] = append(needs[name], n)
			}
		}
	}
	order := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return all[b].Place - all[a].Place })
	if refused == nil {
		failed = walk(ctx, order, reversed(needs), d.s.Together, true, func(ctx context.Context, name string) error {
			return d.unmake(ctx, act, all[name])
		})
	}
	if err := passing(ctx, failed); err != nil {
		return err
	}
	reason := d.reason(failed, "delete")
	if refused != nil {
		reason = message(refused)
	}
	return d.change(ctx, func(tx store.Tx, st *stack) error {
		if reason != "" {
			return d.end(tx, st, undone, reason)
		}
		if why, err := d.withdraw(ctx, tx, st, nil); err != nil {
			return err
		} else if why != "" {
			return d.end(tx, st, undone, why)
		}
		if err := d.release(tx, st); err != nil {
			return err
		}
		if done == "DELETE_COMPLETE" {
			st.Deleted = d.s.Clock.Now().UTC()
			if err := names.Delete(tx, d.k.Scope, st.Name); err != nil {
				return err
			}
		}
		return d.end(tx, st, done, "")
	})
}

// yields are a stack's outputs and what it imports, unless there is a reason already why
// it is to be taken back. That they cannot be had is one.
func (d *drive) yields(ctx, act context.Context, reason string) ([]output, []string, string, error) {
	if reason != "" {
		return nil, nil, reason, nil
	}
	outputs, err := d.outputs(ctx, act)
	var wants []string
	if err == nil {
		wants, err = d.imports(ctx, act)
	}
	if err != nil && aws.CodeOf(err) != "" {
		return nil, nil, message(err), nil
	}
	return outputs, wants, "", err
}

// outputs evaluates the stack's outputs.
func (d *drive) outputs(ctx, act context.Context) ([]output, error) {
	env := d.env(ctx, act)
	var out []output
	for i := range d.plan.Outputs {
		o := &d.plan.Outputs[i]
		if o.Condition != "" && !env.Conditions[o.Condition] {
			continue
		}
		v, _, err := env.Value(o.Value)
		if err != nil {
			return nil, worded(err)
		}
		value, ok := outputText(v)
		if !ok {
			return nil, invalid("Template format error: The Value field of every Outputs member must evaluate to a String.")
		}
		made := output{Key: o.Name, Value: value, Description: o.Description}
		if o.Export != nil {
			if made.Export, err = env.StringValue(o.Export); err != nil {
				return nil, worded(err)
			}
		}
		out = append(out, made)
	}
	return out, nil
}

// nameOf is the name within a stack's id.
func nameOf(id string) string {
	a, _ := aws.ParseARN(id)
	part := strings.Split(a.Resource, "/")
	if len(part) != 3 {
		return id
	}
	return part[1]
}
