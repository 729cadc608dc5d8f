package cloudformation

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// updatable are the statuses that a stack can be updated from.
var updatable = []string{"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE", "CREATE_FAILED", "UPDATE_FAILED"}

func notUpdatable(st *stack) error {
	return invalid("Stack:%s is in %s state and can not be updated.", st.ID, st.Status)
}

// current reads a stack with the version that it is made of.
func (s *Service) current(ctx context.Context, scope store.Scope, nameOrID string) (st stack, v version, err error) {
	err = s.Store.View(ctx, func(r store.Reader) (err error) {
		if st, err = findStack(ctx, r, scope, nameOrID); err != nil || st.Version == 0 {
			return err
		}
		v, err = versions.Get(ctx, r, scope, st.UUID, int64(st.Version))
		return err
	})
	return st, v, err
}

func (s *Service) updateStack(ctx context.Context, in *api.UpdateStackInput) (*api.UpdateStackOutput, error) {
	scope := scopeOf(ctx)
	if err := unpoliced(in.StackPolicyBody, in.StackPolicyURL, in.StackPolicyDuringUpdateBody, in.StackPolicyDuringUpdateURL); err != nil {
		return nil, err
	}
	st, old, err := s.current(ctx, scope, *in.StackName)
	if err != nil {
		if aws.CodeOf(err) == "ValidationError" && !strings.HasPrefix(*in.StackName, "arn:") {
			err = invalid("Stack [%s] does not exist", *in.StackName)
		}
		return nil, err
	}
	if in.ClientRequestToken != nil && *in.ClientRequestToken == st.Token {
		return &api.UpdateStackOutput{StackId: &st.ID}, nil
	}
	if !slices.Contains(updatable, st.Status) {
		return nil, notUpdatable(&st)
	}
	src := &source{Body: in.TemplateBody, URL: in.TemplateURL, Previous: aws.Value(in.UsePreviousTemplate), Parameters: in.Parameters, Capabilities: in.Capabilities, Tags: in.Tags, Notify: in.NotificationARNs}
	p, err := s.proposed(ctx, scope, &st, src, &old)
	if err == nil {
		err = autoExpand(&p.version)
	}
	if err != nil {
		return nil, err
	}
	k := workKey{scope, st.UUID}
	w, err := s.foresee(ctx, k, &st, in.RoleARN, p, &old)
	if err != nil {
		return nil, err
	}
	if w.nothing() {
		return nil, invalid("No updates are to be performed.")
	}
	op := s.begun(ctx, phaseUpdate)
	if aws.Value(in.DisableRollback) {
		op.Failure = api.OnFailureDoNothing
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		return s.launch(ctx, tx, k, &p.version, op, func(st *stack) error {
			if in.RoleARN != nil {
				st.RoleARN = *in.RoleARN
			}
			st.Token = aws.Value(in.ClientRequestToken)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	s.poke()
	return &api.UpdateStackOutput{StackId: &st.ID}, nil
}

// proposed is the plan of a source. Tags and topics that it does not name stay what they
// were.
func (s *Service) proposed(ctx context.Context, scope store.Scope, st *stack, src *source, old *version) (*plan, error) {
	v, err := s.bind(ctx, src, old)
	if err != nil {
		return nil, err
	}
	if old != nil && src.Tags == nil {
		v.Tags = old.Tags
	}
	if old != nil && src.Notify == nil {
		v.Notify = old.Notify
	}
	p, err := s.read(scope, st, v)
	if err == nil {
		err = p.acknowledged()
	}
	return p, err
}

// launch begins an update to a version.
func (s *Service) launch(ctx context.Context, tx store.Tx, k workKey, v *version, op *operation, edit func(st *stack) error) error {
	st, err := stacks.Get(ctx, tx, k.Scope, k.UUID)
	if err != nil {
		return err
	}
	if !slices.Contains(updatable, st.Status) {
		return notUpdatable(&st)
	}
	if err := edit(&st); err != nil {
		return err
	}
	begin := *op
	begin.From, begin.To = st.Version, st.Version+1
	st.Operation, st.Updated = &begin, s.Clock.Now().UTC()
	if err := versions.Put(tx, k.Scope, *v, k.UUID, int64(begin.To)); err != nil {
		return err
	}
	if err := s.become(tx, k, &st, api.StackStatusUpdateInProgress, "User Initiated"); err != nil {
		return err
	}
	return work.Put(tx, store.Scope{}, []byte{}, k.parts()...)
}

func (s *Service) cancelUpdate(ctx context.Context, in *api.CancelUpdateStackInput) (*aws.Empty, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := findStack(ctx, tx, scope, *in.StackName)
		if err != nil {
			return err
		}
		if st.Status != api.StackStatusUpdateInProgress || st.Operation == nil {
			return invalid("CancelUpdateStack cannot be called from current stack status")
		}
		st.Operation.Cancel = true
		return stacks.Put(tx, scope, st, st.UUID)
	})
}

func (s *Service) continueRollback(ctx context.Context, in *api.ContinueUpdateRollbackInput) (*api.ContinueUpdateRollbackOutput, error) {
	scope := scopeOf(ctx)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := findStack(ctx, tx, scope, *in.StackName)
		if err != nil {
			return err
		}
		if st.Status != api.StackStatusUpdateRollbackFailed || st.Operation == nil {
			return invalid("Stack:%s is in %s state and can not continue UpdateRollback.", st.ID, st.Status)
		}
		for _, name := range in.ResourcesToSkip {
			rec, err := resources.Get(ctx, tx, scope, st.UUID, name)
			if errors.Is(err, store.ErrNotFound) || err == nil && rec.Status != api.ResourceStatusUpdateFailed {
				return invalid("Resources [%s] are not in UPDATE_FAILED state and cannot be skipped.", name)
			} else if err != nil {
				return err
			}
		}
		if in.RoleARN != nil {
			st.RoleARN = *in.RoleARN
		}
		k := workKey{scope, st.UUID}
		st.Operation.Phase, st.Operation.Skip = phaseUndo, in.ResourcesToSkip
		if err := s.again(ctx, tx, k); err != nil {
			return err
		}
		if err := s.become(tx, k, &st, api.StackStatusUpdateRollbackInProgress, "User Initiated"); err != nil {
			return err
		}
		return work.Put(tx, store.Scope{}, []byte{}, k.parts()...)
	})
	if err == nil {
		s.poke()
	}
	return nil, err
}

// again lets the steps that failed be tried once more.
func (s *Service) again(ctx context.Context, tx store.Tx, k workKey) error {
	all, err := recordsOf(ctx, tx, k)
	for name, rec := range all {
		if err == nil && strings.HasSuffix(rec.Status, "_FAILED") {
			rec.Done, rec.Step = "", nil
			err = resources.Put(tx, k.Scope, *rec, k.UUID, name)
		}
	}
	return err
}

func (s *Service) updateProtection(ctx context.Context, in *api.UpdateTerminationProtectionInput) (*api.UpdateTerminationProtectionOutput, error) {
	scope := scopeOf(ctx)
	out := &api.UpdateTerminationProtectionOutput{}
	return out, s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := findStack(ctx, tx, scope, *in.StackName)
		if err != nil {
			return err
		}
		st.Protected, out.StackId = *in.EnableTerminationProtection, &st.ID
		return stacks.Put(tx, scope, st, st.UUID)
	})
}
