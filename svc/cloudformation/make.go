package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudformation/resource"
	"github.com/tule-cloud/tule/template"
)

// mark tells what an operation's phase has done from what others have.
func (d *drive) mark() string { return d.Operation.ID + " " + d.Operation.Phase }

// load reads a resource's record; nil if it has none.
func (d *drive) load(ctx context.Context, name string) (*record, error) {
	var rec record
	err := d.s.Store.View(ctx, func(r store.Reader) (err error) {
		rec, err = resources.Get(ctx, r, d.k.Scope, d.k.UUID, name)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &rec, err
}

// save writes a resource's record with its event, if the operation is still the drive's.
func (d *drive) save(ctx context.Context, rec *record, status, reason string) error {
	return d.change(ctx, func(tx store.Tx, st *stack) error { return d.s.note(tx, d.k, st, rec, status, reason) })
}

// env is what the template is evaluated in: the resources as they are recorded, and whom
// the operation acts as.
func (d *drive) env(ctx, act context.Context) template.Env {
	env := d.plan.env
	env.Ref = func(name string) (any, error) {
		rec, err := d.load(ctx, name)
		if err != nil || rec == nil {
			return nil, errors.Join(err, fmt.Errorf("resource %s is not there", name))
		}
		t, _ := d.s.typeOf(rec.Type)
		if t.Ref != nil {
			return t.Ref(d.call(act, t, rec)), nil
		}
		return rec.ID, nil
	}
	env.GetAtt = func(name, attribute string) (any, error) {
		rec, err := d.load(ctx, name)
		if err != nil || rec == nil {
			return nil, errors.Join(err, fmt.Errorf("resource %s is not there", name))
		}
		return d.attribute(act, rec, attribute)
	}
	env.Import = func(name string) (any, error) { return d.s.imported(ctx, d.k, name) }
	env.Resolve = d.s.resolver(act)
	return env
}

// attribute is what Fn::GetAtt yields.
func (d *drive) attribute(act context.Context, rec *record, name string) (any, error) {
	if rec.Attributes.of().Has(name) {
		return rec.Attributes.Get(name), nil
	}
	t, _ := d.s.typeOf(rec.Type)
	if t.Read != nil {
		got, err := t.Read(d.call(act, t, rec))
		if err != nil {
			return nil, err
		}
		if v, ok := got[name]; ok {
			return v, nil
		}
	}
	if rec.Properties.of().Has(name) {
		return rec.Properties.Get(name), nil
	}
	return nil, fmt.Errorf("Attribute '%s' does not exist", name)
}

// imported is what another stack exports.
func (s *Service) imported(ctx context.Context, k workKey, name string) (any, error) {
	var e export
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		e, err = exports.Get(ctx, r, k.Scope, name)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, invalid("No export named %s found.", name)
	}
	return e.Value, err
}

// call is what a row is given for a resource.
func (d *drive) call(act context.Context, t *resource.Type, rec *record) *resource.Call {
	c := &resource.Call{Context: act, Peers: d.s.Peers, Clock: d.s.Clock, Random: d.s.Random, Type: t, Logical: rec.Logical, ID: rec.ID, Properties: rec.Properties.of(),
		Stack: resource.Stack{ID: d.ID, Name: d.Name, Account: d.k.Account, Region: d.k.Region, Tags: d.Tags, OldTags: d.Tags}}
	if d.plan != nil {
		c.Stack.Tags, c.Stack.Capabilities, c.Stack.Notify = d.plan.version.Tags, d.plan.version.Capabilities, d.plan.version.Notify
	}
	if !rec.Attributes.IsZero() {
		for _, name := range rec.Attributes.Names() {
			c.Set(name, rec.Attributes.Get(name))
		}
	}
	c.Name, c.SignalURL = rec.Name, d.signalURL(rec)
	if rec.Step != nil {
		c.ResponseURL, c.Await = d.responseURL(rec), d.await(act, rec.Logical, rec.Step.Token)
		c.Token, c.Again = rec.Step.Token, rec.Step.Began
		if rec.Step.Name != "" {
			c.Name = rec.Step.Name
		}
	}
	c.Identify()
	return c
}

const initiated = "Resource creation Initiated"

// A trio is the statuses that a step may have.
type trio struct{ progress, complete, failed string }

func (r *record) statuses() trio {
	verb := "CREATE"
	if r.Step != nil && r.Step.Kind == "delete" {
		verb = "DELETE"
	} else if r.Step != nil && r.Step.Kind != "create" {
		verb = "UPDATE"
	}
	return trio{verb + "_IN_PROGRESS", verb + "_COMPLETE", verb + "_FAILED"}
}

// outcome is what came of a step that is done.
func (r *record) outcome() error {
	if strings.HasSuffix(r.Status, "_FAILED") {
		return failure{r.Reason}
	}
	return nil
}

// make brings one resource of a new stack to be.
func (d *drive) make(ctx, act context.Context, name string) error {
	r, _ := d.plan.Resource(name)
	t, _ := d.s.typeOf(r.Type)
	rec, err := d.load(ctx, name)
	if err != nil {
		return err
	}
	if rec != nil && rec.Done == d.mark() {
		return rec.outcome()
	}
	if rec == nil || rec.gone() {
		rec = &record{Logical: name, Type: r.Type, Needs: d.plan.needs[name], Place: slices.Index(d.order(), name), Fresh: d.Operation.ID}
	}
	if rec.Step == nil {
		if err := d.prepare(ctx, act, t, r, rec, "create"); err != nil {
			return d.fail(ctx, rec, err)
		}
		if err := d.save(ctx, rec, api.ResourceStatusCreateInProgress, ""); err != nil {
			return err
		}
	} else {
		rec.Step.Began = true
	}
	return d.bring(ctx, act, t, rec)
}

// prepare decides all that the first try of a creation needs.
func (d *drive) prepare(ctx, act context.Context, t *resource.Type, r *template.Resource, rec *record, kind string) error {
	rec.Step = &step{Kind: kind, Token: aws.RandomUUID(d.s.Random)}
	env := d.env(ctx, act)
	props, err := env.Properties(r.Properties)
	if err != nil {
		return worded(err)
	}
	rec.Step.Properties = tree{props}
	if err := t.Check(props); err != nil {
		return worded(err)
	}
	c := d.call(act, t, rec)
	c.Properties = props
	if t.Named != "" && !props.Has(t.Named) {
		rec.Step.Name = c.RandomName()
	}
	rec.Policy, err = env.StringValue(r.DeletionPolicy)
	return worded(err)
}

// bring creates the resource of a step that was saved.
func (d *drive) bring(ctx, act context.Context, t *resource.Type, rec *record) error {
	c := d.call(act, t, rec)
	c.Properties = rec.Step.Properties.of()
	c.Identify()
	status := rec.statuses()
	err := d.patient(ctx, func() error {
		if c.Again && c.ID == "" && t.Find != nil {
			if err := t.Find(c); err != nil || c.ID != "" {
				return err
			}
		}
		if rec.ID != "" {
			return nil // it was made, and only not ready yet
		}
		err := t.Create(c)
		c.Again = c.Again || err == nil
		return err
	})
	if left := c.Left(); err == nil && left != nil && !t.Free {
		err = worded(fmt.Errorf("Property %s of %s is not available in this version of Tule.", left[0], t.Name))
	}
	rec.ID = c.ID
	if c.ID != "" {
		rec.Name, rec.Properties, rec.Attributes = rec.Step.Name, rec.Step.Properties, attributesOf(c)
	}
	if err != nil {
		return d.fail(ctx, rec, err)
	}
	ready, err := d.ready(c)
	if err == nil && !ready {
		if err := d.save(ctx, rec, status.progress, initiated); err != nil {
			return err
		}
		err = d.settle(ctx, c)
	}
	if err != nil {
		return d.fail(ctx, rec, err)
	}
	rec.Step, rec.Done = nil, d.mark()
	return d.change(ctx, func(tx store.Tx, st *stack) error {
		if ready {
			if err := d.s.tell(tx, d.k, st, rec, status.progress, initiated); err != nil {
				return err
			}
		}
		return d.s.note(tx, d.k, st, rec, status.complete, "")
	})
}

// attributesOf are the attributes that a row has set.
func attributesOf(c *resource.Call) tree {
	o := ordered.New()
	for name, v := range c.Attributes {
		o.Set(name, v)
	}
	return tree{o}
}

// ready asks a row whether the resource is fit for use.
func (d *drive) ready(c *resource.Call) (bool, error) {
	if c.Type.Ready == nil {
		return true, nil
	}
	return c.Type.Ready(c)
}

// settle waits until a resource is ready.
func (d *drive) settle(ctx context.Context, c *resource.Call) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if done, err := d.ready(c); done || err != nil {
			return err
		}
		if err := d.pause(ctx, wait); err != nil {
			return err
		}
	}
}

func (d *drive) pause(ctx context.Context, wait time.Duration) error {
	come, stop := d.s.Clock.After(wait)
	defer stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-come:
		return nil
	}
}

// patient tries again for a while what will pass.
func (d *drive) patient(ctx context.Context, try func() error) error {
	err := try()
	for wait := 200 * time.Millisecond; resource.Busy(err) && wait < 20*time.Second; wait *= 2 {
		if e := d.pause(ctx, wait); e != nil {
			return e
		}
		err = try()
	}
	return err
}

// fail notes that a step failed, and is the failure. What will pass is no failure: the
// phase is to be begun again.
func (d *drive) fail(ctx context.Context, rec *record, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, aws.ErrFull) || errors.Is(err, errOvertaken) {
		return err
	}
	if aws.CodeOf(err) == "" {
		d.s.Logger.Error("cloudformation: a resource failed", "stack", d.ID, "resource", rec.Logical, "type", rec.Type, "error", err)
		err = aws.InternalFailure(err)
	}
	f, status := failure{handled(rec, err)}, rec.statuses().failed
	rec.Step, rec.Done = nil, d.mark()
	if err := d.save(ctx, rec, status, f.reason); err != nil {
		return err
	}
	return f
}

// unmake deletes one resource, if its policy does not keep it.
func (d *drive) unmake(ctx, act context.Context, rec *record) error {
	t, known := d.s.typeOf(rec.Type)
	switch {
	case rec.Status == api.ResourceStatusDeleteComplete || rec.Status == api.ResourceStatusDeleteSkipped:
		return nil
	case rec.Done == d.mark():
		return rec.outcome()
	case d.kept(rec):
		rec.Done = d.mark()
		return d.save(ctx, rec, api.ResourceStatusDeleteSkipped, "")
	case !known:
		rec.Step = &step{Kind: "delete"}
		return d.fail(ctx, rec, invalid("Unrecognized resource types: [%s]", rec.Type))
	}
	if rec.Step == nil || rec.Step.Kind != "delete" {
		if err := d.forget(ctx, act, t, rec); err != nil {
			return err
		}
		rec.Step = &step{Kind: "delete", Token: aws.RandomUUID(d.s.Random)}
		if rec.ID != "" {
			if err := d.save(ctx, rec, api.ResourceStatusDeleteInProgress, ""); err != nil {
				return err
			}
		}
	}
	if rec.ID != "" {
		c := d.call(act, t, rec)
		err := d.patient(ctx, func() error { return t.Delete(c) })
		if err != nil && !resource.Gone(err) {
			return d.fail(ctx, rec, err)
		}
	}
	if rec.Before != nil && rec.Before.Replaced {
		if err := d.discard(ctx, act, rec); err != nil {
			return err
		}
	}
	rec.Step, rec.Done, rec.Before = nil, d.mark(), nil
	return d.save(ctx, rec, api.ResourceStatusDeleteComplete, "")
}

// forget ends a creation that was under way when its stack was given up: what it has made,
// and nobody has noted, is found again, so that it is deleted.
func (d *drive) forget(ctx, act context.Context, t *resource.Type, rec *record) error {
	if rec.Step == nil || rec.Step.Kind != "create" || rec.ID != "" {
		return nil
	}
	c := d.call(act, t, rec)
	c.Properties, c.Again = rec.Step.Properties.of(), true
	c.Identify()
	err := error(nil)
	switch {
	case t.Find != nil:
		err = t.Find(c)
	case rec.Step.Name != "" && t.Named != "":
		err = t.Create(c) // as its name is its own, this finds it, or makes it to be deleted
	}
	if err != nil && aws.CodeOf(err) == "" {
		return err
	}
	if rec.ID = c.ID; rec.ID != "" {
		rec.Name, rec.Properties, rec.Attributes = rec.Step.Name, rec.Step.Properties, attributesOf(c)
	}
	return nil
}

// kept reports whether the resource outlives its stack.
func (d *drive) kept(rec *record) bool {
	if slices.Contains(d.Operation.Retain, rec.Logical) {
		return true
	}
	return rec.ID != "" && (rec.Policy == "Retain" || rec.Policy == "RetainExceptOnCreate" && d.Operation.Phase == phaseDelete)
}
