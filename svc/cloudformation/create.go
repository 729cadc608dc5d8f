package cloudformation

import (
	"context"
	"errors"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// begun is an operation that a call starts.
func (s *Service) begun(ctx context.Context, phase string) *operation {
	req := aws.RequestOf(ctx)
	return &operation{ID: aws.RandomUUID(s.Random), Phase: phase, Began: s.Clock.Now().UTC(), Caller: req.Caller, Scheme: req.Scheme, Host: req.Host}
}

func (s *Service) createStack(ctx context.Context, in *api.CreateStackInput) (*api.CreateStackOutput, error) {
	scope, now := scopeOf(ctx), s.Clock.Now().UTC()
	if !stackName.MatchString(*in.StackName) || len(*in.StackName) > 128 {
		return nil, invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", *in.StackName)
	}
	if in.OnFailure != nil && in.DisableRollback != nil {
		return nil, invalid("You can specify only one of OnFailure and DisableRollback.")
	}
	if err := unpoliced(in.StackPolicyBody, in.StackPolicyURL); err != nil {
		return nil, err
	}
	v, err := s.bind(ctx, &source{Body: in.TemplateBody, URL: in.TemplateURL, Parameters: in.Parameters, Capabilities: in.Capabilities, Tags: in.Tags, Notify: in.NotificationARNs}, nil)
	if err != nil {
		return nil, err
	}
	st := stack{Name: *in.StackName, UUID: aws.RandomUUID(s.Random), Created: now, Description: v.Description, Tags: v.Tags, RoleARN: aws.Value(in.RoleARN),
		DisableRollback: aws.Value(in.DisableRollback), Protected: aws.Value(in.EnableTerminationProtection), Timeout: aws.Value(in.TimeoutInMinutes),
		RetainOnCreate: aws.Value(in.RetainExceptOnCreate), Token: aws.Value(in.ClientRequestToken), Version: 1}
	st.ID = stackID(scope, st.Name, st.UUID)
	p, err := s.read(scope, &st, v)
	if err == nil {
		err = p.acknowledged()
	}
	if err == nil {
		err = autoExpand(&v)
	}
	if err != nil {
		return nil, err
	}
	st.Operation = s.begun(ctx, phaseCreate)
	st.Operation.To = 1
	if st.Operation.Failure = aws.Value(in.OnFailure); st.Operation.Failure == "" {
		if st.Operation.Failure = api.OnFailureRollback; st.DisableRollback {
			st.Operation.Failure = api.OnFailureDoNothing
		}
	}
	id := st.ID
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		id = st.ID
		if uuid, err := names.Get(ctx, tx, scope, st.Name); err == nil {
			have, err := stacks.Get(ctx, tx, scope, uuid)
			if err != nil {
				return err
			}
			if st.Token != "" && have.Token == st.Token {
				id = have.ID // the same call again
				return nil
			}
			return api.AlreadyExistsException("Stack [%s] already exists", st.Name)
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return s.admit(tx, workKey{scope, st.UUID}, &st, p, "CREATE_IN_PROGRESS", "User Initiated")
	})
	if err != nil {
		return nil, err
	}
	s.poke()
	return &api.CreateStackOutput{StackId: &id}, nil
}

// admit writes a new stack, and that there is work on it.
func (s *Service) admit(tx store.Tx, k workKey, st *stack, p *plan, status, reason string) error {
	if err := names.Put(tx, k.Scope, k.UUID, st.Name); err != nil {
		return err
	}
	if err := versions.Put(tx, k.Scope, p.version, k.UUID, int64(st.Version)); err != nil {
		return err
	}
	if err := s.become(tx, k, st, status, reason); err != nil {
		return err
	}
	return work.Put(tx, store.Scope{}, []byte{}, k.parts()...)
}

func (s *Service) deleteStack(ctx context.Context, in *api.DeleteStackInput) (*aws.Empty, error) {
	scope := scopeOf(ctx)
	op := s.begun(ctx, phaseDelete)
	op.Retain = in.RetainResources
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := findStack(ctx, tx, scope, *in.StackName)
		if aws.CodeOf(err) == "ValidationError" {
			return nil // what is not there is deleted
		}
		switch {
		case err != nil:
			return err
		case st.Status == "DELETE_COMPLETE" || st.Status == "DELETE_IN_PROGRESS":
			return nil
		case st.Protected:
			return invalid("Stack [%s] cannot be deleted while TerminationProtection is enabled", st.Name)
		case st.Status == "UPDATE_IN_PROGRESS" || st.Status == "UPDATE_ROLLBACK_IN_PROGRESS" || strings.HasSuffix(st.Status, "CLEANUP_IN_PROGRESS"):
			return invalid("Stack [%s] cannot be deleted while in status %s", st.Name, st.Status)
		case len(op.Retain) > 0 && st.Status != "DELETE_FAILED":
			return invalid("Invalid operation on stack [%s]. When you delete a stack, specify which resources to retain only when the stack is in the DELETE_FAILED state.", st.ID)
		}
		for _, o := range st.Outputs {
			if used, err := importers(ctx, tx, scope, o.Export); err != nil {
				return err
			} else if o.Export != "" && len(used) > 0 {
				return invalid("Export %s cannot be deleted as it is in use by %s", o.Export, strings.Join(used, " and "))
			}
		}
		if in.RoleARN != nil {
			st.RoleARN = *in.RoleARN
		}
		if in.ClientRequestToken != nil {
			st.Token = *in.ClientRequestToken
		}
		st.Operation = op
		if err := s.become(tx, workKey{scope, st.UUID}, &st, "DELETE_IN_PROGRESS", "User Initiated"); err != nil {
			return err
		}
		return work.Put(tx, store.Scope{}, []byte{}, workKey{scope, st.UUID}.parts()...)
	})
	if err == nil {
		s.poke()
	}
	return nil, err
}
