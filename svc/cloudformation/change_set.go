package cloudformation

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// changeSet is what is kept of one.
type changeSet struct {
	ID, Name        string
	Type            string
	Status, Reason  string
	Execution       string
	Description     string `json:",omitempty"`
	Created         time.Time
	Version         version
	Changes         []api.Change
	OnFailure       string `json:",omitempty"`
	RoleARN         string `json:",omitempty"`
	Token           string `json:",omitempty"`
	IncludesNested  bool   `json:",omitempty"`
	ImportsExisting bool   `json:",omitempty"`
}

var changeSets = store.NewTable[changeSet]("cloudformation", "changeset") // UUID of the stack, name

const noChanges = "The submitted information didn't contain changes. Submit different information to create a change set."

func (s *Service) createChangeSet(ctx context.Context, in *api.CreateChangeSetInput) (*api.CreateChangeSetOutput, error) {
	scope := scopeOf(ctx)
	kind := api.ChangeSetTypeUpdate
	if in.ChangeSetType != nil {
		kind = *in.ChangeSetType
	}
	if kind == api.ChangeSetTypeImport || len(in.ResourcesToImport) > 0 {
		return nil, aws.Errorf(501, "NotImplemented", "Change sets of type IMPORT are not available in this version of Tule.")
	}
	st, old, fresh, err := s.subject(ctx, scope, *in.StackName, kind)
	if err != nil {
		return nil, err
	}
	var before *version
	if kind == api.ChangeSetTypeUpdate {
		before = &old
	}
	src := &source{Body: in.TemplateBody, URL: in.TemplateURL, Previous: aws.Value(in.UsePreviousTemplate), Parameters: in.Parameters, Capabilities: in.Capabilities, Tags: in.Tags, Notify: in.NotificationARNs}
	p, err := s.proposed(ctx, scope, &st, src, before)
	if err != nil {
		return nil, err
	}
	id := aws.NewARN("cloudformation", scope.Region, scope.Account, "changeSet/"+*in.ChangeSetName+"/"+aws.RandomUUID(s.Random)).String()
	cs := changeSet{ID: id, Name: *in.ChangeSetName, Type: kind, Status: api.ChangeSetStatusCreateComplete, Execution: api.ExecutionStatusAvailable, Description: aws.Value(in.Description),
		Created: s.Clock.Now().UTC(), Version: p.version, OnFailure: aws.Value(in.OnStackFailure), RoleARN: aws.Value(in.RoleARN), Token: aws.Value(in.ClientToken),
		IncludesNested: aws.Value(in.IncludeNestedStacks), ImportsExisting: aws.Value(in.ImportExistingResources)}
	k := workKey{scope, st.UUID}
	w, err := s.foresee(ctx, k, &st, in.RoleARN, p, before)
	switch {
	case aws.CodeOf(err) == "ValidationError":
		cs.Status, cs.Execution, cs.Reason = api.ChangeSetStatusFailed, api.ExecutionStatusUnavailable, message(err)
	case err != nil:
		return nil, err
	case w.nothing():
		cs.Status, cs.Execution, cs.Reason = api.ChangeSetStatusFailed, api.ExecutionStatusUnavailable, noChanges
	default:
		cs.Changes = w.changes
	}
	err = s.keepSet(ctx, k, st, fresh, &cs)
	return &api.CreateChangeSetOutput{Id: &cs.ID, StackId: &st.ID}, err
}

// keepSet writes a new change set, with its stack if that is new too. The same call made
// again finds the first one.
func (s *Service) keepSet(ctx context.Context, k workKey, st stack, fresh bool, cs *changeSet) error {
	scope, made := k.Scope, *cs
	return s.Store.Update(ctx, func(tx store.Tx) error {
		*cs = made
		if fresh {
			if _, err := names.Get(ctx, tx, scope, st.Name); err == nil {
				return api.AlreadyExistsException("Stack [%s] already exists", st.Name)
			}
			st := st
			if err := names.Put(tx, scope, st.UUID, st.Name); err != nil {
				return err
			}
			if err := s.become(tx, k, &st, api.StackStatusReviewInProgress, "User Initiated"); err != nil {
				return err
			}
		}
		have, err := changeSets.Get(ctx, tx, scope, st.UUID, cs.Name)
		if err == nil && have.Token != "" && have.Token == cs.Token {
			*cs = have
			return nil
		}
		if err == nil {
			return api.AlreadyExistsException("ChangeSet %s already exists", cs.Name)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return changeSets.Put(tx, scope, *cs, st.UUID, cs.Name)
	})
}

// subject is the stack that a change set is of; fresh for one that is made with it.
func (s *Service) subject(ctx context.Context, scope store.Scope, name, kind string) (st stack, v version, fresh bool, err error) {
	st, v, err = s.current(ctx, scope, name)
	if kind == api.ChangeSetTypeUpdate {
		if err == nil && (st.Status == api.StackStatusReviewInProgress || st.Status == api.StackStatusDeleteComplete) {
			err = invalid("Stack [%s] does not exist", name)
		} else if aws.CodeOf(err) == "ValidationError" && !strings.HasPrefix(name, "arn:") {
			err = invalid("Stack [%s] does not exist", name)
		}
		return st, v, false, err
	}
	if err == nil {
		if st.Status != api.StackStatusReviewInProgress {
			err = invalid("Stack [%s] already exists and cannot be created again with the changeSet [%s].", st.Name, name)
		}
		return st, v, false, err
	}
	if aws.CodeOf(err) != "ValidationError" || strings.HasPrefix(name, "arn:") {
		return st, v, false, err
	}
	st = stack{Name: name, UUID: aws.RandomUUID(s.Random), Created: s.Clock.Now().UTC()}
	st.ID = stackID(scope, name, st.UUID)
	return st, v, true, nil
}

// findSet finds a change set by its name and stack, or by its id.
func findSet(ctx context.Context, r store.Reader, scope store.Scope, stackName *string, name string) (stack, changeSet, error) {
	if !strings.HasPrefix(name, "arn:") {
		if stackName == nil {
			return stack{}, changeSet{}, invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
		}
		st, err := findStack(ctx, r, scope, *stackName)
		if err != nil {
			return st, changeSet{}, err
		}
		cs, err := changeSets.Get(ctx, r, scope, st.UUID, name)
		if errors.Is(err, store.ErrNotFound) {
			err = api.ChangeSetNotFoundException("ChangeSet [%s] does not exist", name)
		}
		return st, cs, err
	}
	for e, err := range changeSets.List(ctx, r, scope, store.ListOptions{}) {
		if err != nil {
			return stack{}, changeSet{}, err
		}
		if e.Record.ID == name {
			st, err := stacks.Get(ctx, r, scope, e.Key.String(0))
			return st, e.Record, err
		}
	}
	return stack{}, changeSet{}, api.ChangeSetNotFoundException("ChangeSet [%s] does not exist", name)
}

func (s *Service) describeChangeSet(ctx context.Context, in *api.DescribeChangeSetInput) (*api.DescribeChangeSetOutput, error) {
	var out *api.DescribeChangeSetOutput
	return out, s.Store.View(ctx, func(r store.Reader) error {
		st, cs, err := findSet(ctx, r, scopeOf(ctx), in.StackName, *in.ChangeSetName)
		if err != nil {
			return err
		}
		parameters, err := showParameters(&cs.Version)
		*(&out) = &api.DescribeChangeSetOutput{ChangeSetId: &cs.ID, ChangeSetName: &cs.Name, StackId: &st.ID, StackName: &st.Name, Description: text(cs.Description), CreationTime: moment(cs.Created),
			Status: &cs.Status, StatusReason: text(cs.Reason), ExecutionStatus: &cs.Execution, Changes: cs.Changes, Parameters: parameters, Capabilities: cs.Version.Capabilities,
			NotificationARNs: append([]string{}, cs.Version.Notify...), Tags: showTags(cs.Version.Tags), IncludeNestedStacks: &cs.IncludesNested, OnStackFailure: text(cs.OnFailure),
			RollbackConfiguration: &api.RollbackConfiguration{}}
		if out.Changes == nil {
			out.Changes = []api.Change{}
		}
		return err
	})
}

func (s *Service) listChangeSets(ctx context.Context, in *api.ListChangeSetsInput) (*api.ListChangeSetsOutput, error) {
	scope := scopeOf(ctx)
	out := &api.ListChangeSetsOutput{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Summaries = []api.ChangeSetSummary{}
		st, err := findStack(ctx, r, scope, *in.StackName)
		if err != nil {
			return err
		}
		for e, err := range changeSets.List(ctx, r, scope, store.ListOptions{Prefix: []any{st.UUID}}) {
			if err != nil {
				return err
			}
			cs := &e.Record
			out.Summaries = append(out.Summaries, api.ChangeSetSummary{ChangeSetId: &cs.ID, ChangeSetName: &cs.Name, StackId: &st.ID, StackName: &st.Name, Status: &cs.Status, StatusReason: text(cs.Reason),
				ExecutionStatus: &cs.Execution, CreationTime: moment(cs.Created), Description: text(cs.Description), IncludeNestedStacks: &cs.IncludesNested})
		}
		return nil
	})
}

func (s *Service) deleteChangeSet(ctx context.Context, in *api.DeleteChangeSetInput) (*api.DeleteChangeSetOutput, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		st, cs, err := findSet(ctx, tx, scope, in.StackName, *in.ChangeSetName)
		if api.ChangeSetNotFoundException("").Is(err) {
			return nil
		} else if err != nil {
			return err
		}
		return changeSets.Delete(tx, scope, st.UUID, cs.Name)
	})
}

func (s *Service) executeChangeSet(ctx context.Context, in *api.ExecuteChangeSetInput) (*api.ExecuteChangeSetOutput, error) {
	scope := scopeOf(ctx)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		st, cs, err := findSet(ctx, tx, scope, in.StackName, *in.ChangeSetName)
		if err != nil {
			return err
		}
		if in.ClientRequestToken != nil && st.Token == *in.ClientRequestToken {
			return nil // the same call again
		}
		if cs.Execution != api.ExecutionStatusAvailable {
			return api.InvalidChangeSetStatusException("ChangeSet [%s] cannot be executed in its current status of [%s]", cs.ID, cs.Status)
		}
		k := workKey{scope, st.UUID}
		op := s.begun(ctx, phaseCreate)
		op.Failure = cs.OnFailure
		if aws.Value(in.DisableRollback) {
			op.Failure = api.OnFailureDoNothing
		}
		edit := func(st *stack) error {
			st.Token, st.DisableRollback = aws.Value(in.ClientRequestToken), aws.Value(in.DisableRollback)
			if cs.RoleARN != "" {
				st.RoleARN = cs.RoleARN
			}
			return nil
		}
		// Whatever else was proposed was proposed of a stack that is about to be another.
		if err := changeSets.DeleteAll(tx, scope, st.UUID); err != nil {
			return err
		}
		if cs.Type == api.ChangeSetTypeUpdate {
			op.Phase = phaseUpdate
			return s.launch(ctx, tx, k, &cs.Version, op, edit)
		}
		if st.Status != api.StackStatusReviewInProgress {
			return invalid("Stack [%s] already exists and cannot be created again with the changeSet [%s].", st.Name, cs.Name)
		}
		if op.Failure == "" {
			op.Failure = api.OnFailureRollback
		}
		op.To, st.Version, st.Operation = 1, 1, op
		st.Description, st.Tags = cs.Version.Description, cs.Version.Tags
		if err := edit(&st); err != nil {
			return err
		}
		return s.admit(tx, k, &st, &plan{version: cs.Version}, api.StackStatusCreateInProgress, "User Initiated")
	})
	if err == nil {
		s.poke()
	}
	return nil, err
}
