package cloudformation

import (
	"context"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudformation/resource"
	"github.com/tule-cloud/tule/template"
)

// update brings the stack's resources to what the new version says.
func (d *drive) update(ctx, act context.Context, refused error) error {
	failed := map[string]error{}
	if refused == nil {
		failed = walk(ctx, d.order(), d.plan.needs, d.s.Together, false, func(ctx context.Context, name string) error {
			return d.shift(ctx, act, name)
		})
	}
	if err := passing(ctx, failed); err != nil {
		return err
	}
	reason := d.reason(failed, "update")
	if refused != nil {
		reason = message(refused)
	}
	outputs, wants, reason, err := d.yields(ctx, act, reason)
	if err != nil {
		return err
	}
	return d.change(ctx, func(tx store.Tx, st *stack) error {
		why := reason
		if st.Operation.Cancel {
			why = "User Initiated"
		}
		if why == "" {
			var err error
			if why, err = d.publish(ctx, tx, st, outputs, wants); err != nil {
				return err
			}
		}
		if why == "" {
			st.Operation.Phase = phaseCleanup
			return d.s.become(tx, d.k, st, api.StackStatusUpdateCompleteCleanupInProgress, "")
		}
		if st.Operation.Failure == api.OnFailureDoNothing {
			return d.end(tx, st, api.StackStatusUpdateFailed, why)
		}
		st.Operation.Phase = phaseUndo
		return d.s.become(tx, d.k, st, api.StackStatusUpdateRollbackInProgress, why)
	})
}

// calledOff is the failure of what has not begun when somebody has given the operation up.
func (d *drive) calledOff(ctx context.Context) error {
	return d.s.Store.View(ctx, func(r store.Reader) error {
		st, err := stacks.Get(ctx, r, d.k.Scope, d.k.UUID)
		if err == nil && st.Operation != nil && st.Operation.Cancel {
			return failure{"Resource update cancelled"}
		}
		return err
	})
}

// shift makes, changes, replaces or leaves one resource, as the new version says.
func (d *drive) shift(ctx, act context.Context, name string) error {
	rec, err := d.load(ctx, name)
	switch {
	case err != nil:
		return err
	case rec == nil || rec.gone():
		if err := d.calledOff(ctx); err != nil {
			return err
		}
		return d.make(ctx, act, name)
	case rec.Step != nil && rec.Step.Kind == "create":
		return d.make(ctx, act, name)
	case rec.Done == d.mark():
		return rec.outcome()
	}
	r, _ := d.plan.Resource(name)
	t, _ := d.s.typeOf(r.Type)
	if rec.Step == nil {
		if err := d.calledOff(ctx); err != nil {
			return err
		}
		if rec.Before != nil && rec.Before.Replaced { // an update that failed, and was not taken back, left it
			if err := d.discard(ctx, act, rec); err != nil {
				return err
			}
		}
		rec.Before = &before{physical: rec.physical, Type: rec.Type, Op: d.Operation.ID}
		if err := d.prepare(ctx, act, t, r, rec, "update"); err != nil {
			return d.fail(ctx, rec, err)
		}
		replace, same := d.compare(t, rec, rec.Step.Properties.of())
		if same {
			return nil
		}
		rec.Before.Replaced, rec.Before.Tried = replace, true
		if replace {
			return d.replace(ctx, act, t, r, rec)
		}
		rec.Step.Name = ""
		if err := d.save(ctx, rec, api.ResourceStatusUpdateInProgress, ""); err != nil {
			return err
		}
	} else {
		rec.Step.Began = true
	}
	if rec.Step.Kind == "replace" {
		return d.bring(ctx, act, t, rec)
	}
	return d.alter(ctx, act, t, rec)
}

// compare says what new properties do to a resource: replace it, or nothing at all.
func (d *drive) compare(t *resource.Type, rec *record, now *ordered.Object) (replace, same bool) {
	old := rec.Properties.of()
	if t.Name != rec.Type {
		return true, false
	}
	if template.Equal(old, now) {
		retag := t.Schema().Tags != "" && t.Update != nil && !maps.Equal(d.Tags, d.plan.version.Tags)
		return false, !t.Always && !retag
	}
	return len(t.Replaces(old, now)) > 0, false
}

// replace begins to make a new resource in the place of one.
func (d *drive) replace(ctx, act context.Context, t *resource.Type, r *template.Resource, rec *record) error {
	env := d.env(ctx, act)
	policy, err := env.StringValue(r.UpdateReplacePolicy)
	if err != nil {
		return d.fail(ctx, rec, worded(err))
	}
	rec.Before.Policy = policy
	given := template.Text(rec.Step.Properties.of().Get(t.Named))
	if t.Named != "" && given != "" && rec.Type == t.Name && given == template.Text(rec.Properties.of().Get(t.Named)) {
		rec.Before.Replaced, rec.Before.Tried = false, false
		return d.fail(ctx, rec, invalid("CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename %s and update the stack again.", given))
	}
	rec.Step.Kind = "replace"
	old := *rec
	rec.physical, rec.Type = physical{}, t.Name
	const reason = "Requested update requires the creation of a new physical resource; hence creating one."
	err = d.change(ctx, func(tx store.Tx, st *stack) error {
		rec.Status, rec.Reason, rec.Time = api.ResourceStatusUpdateInProgress, reason, d.s.Clock.Now().UTC()
		if err := resources.Put(tx, d.k.Scope, *rec, d.k.UUID, rec.Logical); err != nil {
			return err
		}
		return d.s.tell(tx, d.k, st, &old, api.ResourceStatusUpdateInProgress, reason)
	})
	if err != nil {
		return err
	}
	return d.bring(ctx, act, t, rec)
}

// alter changes a resource where it stands, as a saved step says.
func (d *drive) alter(ctx, act context.Context, t *resource.Type, rec *record) error {
	c := d.call(act, t, rec)
	c.Old, c.Properties = c.Properties, rec.Step.Properties.of()
	c.Stack.OldTags = d.Tags
	if d.Operation.Phase == phaseUndo {
		c.Stack.OldTags = nil // which of them were set already is not known; all are set again
	}
	c.Identify()
	c.Default()
	err := d.patient(ctx, func() error { return t.Update(c) })
	if left := c.Left(); err == nil && left != nil && !t.Free {
		err = worded(invalid("Property %s of %s cannot be changed in this version of Tule.", left[0], t.Name))
	}
	if err == nil {
		err = d.settle(ctx, c)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// What was tried is what there is to be taken back.
	if c.ID != rec.ID && rec.Before != nil {
		rec.Before.Replaced = true // as the providers of custom resources may decide
	}
	rec.ID, rec.Properties, rec.Attributes = c.ID, rec.Step.Properties, attributesOf(c)
	if err != nil {
		return d.fail(ctx, rec, err)
	}
	rec.Step, rec.Done = nil, d.mark()
	return d.save(ctx, rec, api.ResourceStatusUpdateComplete, "")
}

// undo takes back what a failed update has done.
func (d *drive) undo(ctx, act context.Context, refused error) error {
	all, order, needs, err := d.all(ctx)
	if err != nil {
		return err
	}
	failed := map[string]error{}
	if refused == nil {
		failed = walk(ctx, order, needs, d.s.Together, true, func(ctx context.Context, name string) error {
			return d.restore(ctx, act, all[name])
		})
	}
	if err := passing(ctx, failed); err != nil {
		return err
	}
	reason := d.reason(failed, "update")
	if refused != nil {
		reason = message(refused)
	}
	outputs, wants, _, err := d.yields(ctx, act, reason)
	if err != nil {
		return err
	}
	return d.change(ctx, func(tx store.Tx, st *stack) error {
		if reason != "" {
			// The operation stays, for ContinueUpdateRollback to take up.
			if err := d.s.become(tx, d.k, st, api.StackStatusUpdateRollbackFailed, reason); err != nil {
				return err
			}
			return d.rest(tx, st)
		}
		if _, err := d.publish(ctx, tx, st, outputs, wants); err != nil {
			return err
		}
		st.Operation.Phase = phaseUndoCleanup
		return d.s.become(tx, d.k, st, api.StackStatusUpdateRollbackCompleteCleanupInProgress, "")
	})
}

// rest ends the work on an operation that may go on later.
func (d *drive) rest(tx store.Tx, st *stack) error {
	st.Operation.Phase = phaseStuck
	if err := stacks.Put(tx, d.k.Scope, *st, d.k.UUID); err != nil {
		return err
	}
	return work.Delete(tx, store.Scope{}, d.k.parts()...)
}

// all are the stack's resources, in the template's order, and what each needs.
func (d *drive) all(ctx context.Context) (all map[string]*record, order []string, needs map[string][]string, err error) {
	err = d.s.Store.View(ctx, func(r store.Reader) (err error) {
		all, err = recordsOf(ctx, r, d.k)
		return err
	})
	needs = map[string][]string{}
	for name, rec := range all {
		for _, n := range rec.Needs {
			if all[n] != nil {
				needs[name] = append(needs[name], n)
			}
		}
	}
	return all, slices.SortedFunc(maps.Keys(all), func(a, b string) int { return all[a].Place - all[b].Place }), needs, err
}

// restore brings one resource back to what it was before the operation.
func (d *drive) restore(ctx, act context.Context, rec *record) error {
	switch {
	case rec.Before == nil || rec.Before.Op != d.Operation.ID:
		return nil
	case rec.Done == d.mark():
		return rec.outcome()
	case slices.Contains(d.Operation.Skip, rec.Logical):
		rec.physical, rec.Type, rec.Done, rec.Step = rec.Before.physical, rec.Before.Type, d.mark(), nil
		return d.save(ctx, rec, api.ResourceStatusUpdateComplete, "Resource update skipped")
	case rec.Before.Replaced:
		old := *rec.Before
		rec.Before.physical, rec.Before.Type = rec.physical, rec.Type
		rec.physical, rec.Type, rec.Step, rec.Done = old.physical, old.Type, nil, d.mark()
		if rec.Before.ID == "" {
			rec.Before = nil
		} else {
			rec.Before.Policy = "" // what the update made is removed, whatever the policy
		}
		return d.save(ctx, rec, api.ResourceStatusUpdateComplete, "")
	}
	t, ok := d.s.typeOf(rec.Type)
	if !ok || t.Update == nil || !rec.Before.Tried {
		rec.physical, rec.Done, rec.Step = rec.Before.physical, d.mark(), nil
		return d.save(ctx, rec, api.ResourceStatusUpdateComplete, "")
	}
	if rec.Step == nil || rec.Step.Token == "" {
		rec.Step = &step{Kind: "update", Token: aws.RandomUUID(d.s.Random), Properties: rec.Before.Properties}
		if err := d.save(ctx, rec, api.ResourceStatusUpdateInProgress, ""); err != nil {
			return err
		}
	}
	return d.alter(ctx, act, t, rec)
}

// cleanup removes what an update has replaced or left out or, when it was taken back, what
// it had made. What cannot be removed stays behind, as AWS leaves it.
func (d *drive) cleanup(ctx, act context.Context, refused error) error {
	all, order, needs, err := d.all(ctx)
	if err != nil {
		return err
	}
	slices.Reverse(order)
	failed := map[string]error{}
	if refused == nil {
		failed = walk(ctx, order, reversed(needs), d.s.Together, true, func(ctx context.Context, name string) error {
			return d.tidy(ctx, act, all[name])
		})
	}
	if err := passing(ctx, failed); err != nil {
		return err
	}
	env := d.env(ctx, act)
	return d.change(ctx, func(tx store.Tx, st *stack) error {
		status, reason, other := api.StackStatusUpdateComplete, "", st.Operation.From
		if st.Operation.Phase == phaseUndoCleanup {
			status, other = api.StackStatusUpdateRollbackComplete, st.Operation.To
		} else {
			st.Version, st.Description, st.Tags = st.Operation.To, d.plan.version.Description, d.plan.version.Tags
			st.Updated = d.s.Clock.Now().UTC()
		}
		if len(failed) > 0 || refused != nil {
			reason = "Update successful. One or more resources could not be deleted."
		}
		for name, rec := range all {
			if err := d.finish(tx, &env, name, *rec); err != nil {
				return err
			}
		}
		if err := versions.Delete(tx, d.k.Scope, d.k.UUID, int64(other)); err != nil {
			return err
		}
		return d.end(tx, st, status, reason)
	})
}

// surplus reports whether a resource is one that the operation leaves out.
func (d *drive) surplus(rec *record) bool {
	if d.Operation.Phase == phaseUndoCleanup {
		return rec.Fresh == d.Operation.ID
	}
	_, stays := d.plan.needs[rec.Logical]
	return !stays
}

// tidy removes one resource that is left out, or what another was replaced by.
func (d *drive) tidy(ctx, act context.Context, rec *record) error {
	if d.surplus(rec) {
		return d.unmake(ctx, act, rec)
	}
	if rec.Before == nil || !rec.Before.Replaced || rec.Before.Op != d.Operation.ID {
		return nil
	}
	return d.discard(ctx, act, rec)
}

// discard removes what a resource was replaced by, or has replaced. It goes under the same
// logical name.
func (d *drive) discard(ctx, act context.Context, rec *record) error {
	b := rec.Before
	if b.Token == "" {
		b.Token = aws.RandomUUID(d.s.Random)
		if err := d.change(ctx, func(tx store.Tx, _ *stack) error { return resources.Put(tx, d.k.Scope, *rec, d.k.UUID, rec.Logical) }); err != nil {
			return err
		}
	}
	old := record{Logical: rec.Logical, Type: b.Type, physical: b.physical, Step: &step{Kind: "delete", Token: b.Token}}
	tell := func(status, reason string) error {
		return d.change(ctx, func(tx store.Tx, st *stack) error { return d.s.tell(tx, d.k, st, &old, status, reason) })
	}
	t, known := d.s.typeOf(b.Type)
	if b.Policy == "Retain" || !known {
		return tell(api.ResourceStatusDeleteSkipped, "")
	}
	if err := tell(api.ResourceStatusDeleteInProgress, ""); err != nil {
		return err
	}
	c := d.call(act, t, &old)
	if err := d.patient(ctx, func() error { return t.Delete(c) }); err != nil && !resource.Gone(err) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := tell(api.ResourceStatusDeleteFailed, message(err)); err != nil {
			return err
		}
		return failure{message(err)}
	}
	return tell(api.ResourceStatusDeleteComplete, "")
}

// finish brings a record to how it stays once the operation has ended.
func (d *drive) finish(tx store.Tx, env *template.Env, name string, rec record) error {
	if d.surplus(&rec) {
		return resources.Delete(tx, d.k.Scope, d.k.UUID, name)
	}
	r, ok := d.plan.Resource(name)
	if !ok {
		return nil
	}
	rec.Before, rec.Fresh, rec.Step, rec.Done = nil, "", nil, ""
	rec.Needs, rec.Place = d.plan.needs[name], slices.Index(d.order(), name)
	if policy, err := env.StringValue(r.DeletionPolicy); err == nil {
		rec.Policy = policy
	}
	return resources.Put(tx, d.k.Scope, rec, d.k.UUID, name)
}
