package cloudformation

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// stack is what is kept of one.
type stack struct {
	ID, Name, UUID  string
	Status, Reason  string
	Created         time.Time
	Updated         time.Time         `json:",omitzero"`
	Deleted         time.Time         `json:",omitzero"`
	Version         int               // of the template and parameters that it is made of; 0 before the first
	Description     string            `json:",omitempty"`
	Tags            map[string]string `json:",omitempty"`
	Outputs         []output          `json:",omitempty"`
	Imports         []string          `json:",omitempty"` // names of exports
	RoleARN         string            `json:",omitempty"`
	DisableRollback bool              `json:",omitempty"`
	Protected       bool              `json:",omitempty"`
	RetainOnCreate  bool              `json:",omitempty"`
	Timeout         int32             `json:",omitempty"` // minutes
	Token           string            `json:",omitempty"` // of the client's last request
	Operation       *operation        `json:",omitempty"` // what is under way
}

// A version is a template with its parameters, as a stack is or was to be made of it.
type version struct {
	Body         string `json:",omitempty"` // as it was sent
	Processed    string `json:",omitempty"` // after its transforms, where it has any
	Parameters   map[string]string
	Looked       map[string]string `json:",omitempty"` // values of parameters of Systems Manager
	Capabilities []string          `json:",omitempty"`
	Tags         map[string]string `json:",omitempty"`
	Notify       []string          `json:",omitempty"`
	Description  string            `json:",omitempty"`
	Rollback     json.RawMessage   `json:",omitempty"`
}

// An output is one of a stack's outputs.
type output struct {
	Key, Value  string
	Description string `json:",omitempty"`
	Export      string `json:",omitempty"`
}

// An export is a value that a stack offers to others.
type export struct {
	Name, Value string
	Stack       string // its id
}

// An operation is what is under way on a stack.
type operation struct {
	ID      string // tells its steps from those of others
	Phase   string
	Began   time.Time
	From    int        `json:",omitempty"` // versions
	To      int        `json:",omitempty"`
	Failure string     `json:",omitempty"` // what to do when a creation fails: an OnFailure
	Reason  string     `json:",omitempty"` // why it is being taken back
	Retain  []string   `json:",omitempty"` // logical names that a deletion leaves
	Skip    []string   `json:",omitempty"` // logical names that are not taken back
	Cancel  bool       `json:",omitempty"`
	Caller  aws.Caller // who asked
	Scheme  string     // how they reached Tule
	Host    string
}

// The phases of operations.
const (
	phaseCreate      = "create"
	phaseRollback    = "rollback" // of a creation: everything is deleted
	phaseDelete      = "delete"
	phaseUpdate      = "update"
	phaseCleanup     = "cleanup" // what an update has replaced and left out is deleted
	phaseUndo        = "undo"    // of an update
	phaseUndoCleanup = "undo cleanup"
	phaseStuck       = "stuck" // an undo that failed, until it is continued
)

// workKey is a stack that something is under way on.
type workKey struct {
	store.Scope
	UUID string
}

func (k workKey) parts() []any { return []any{k.Account, k.Region, k.UUID} }

var stackName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`)

func stackID(scope store.Scope, name, uuid string) string {
	return aws.NewARN("cloudformation", scope.Region, scope.Account, "stack/"+name+"/"+uuid).String()
}

// missing is the error for a stack that is not there.
func missing(nameOrID string) error { return invalid("Stack with id %s does not exist", nameOrID) }

// findStack finds a stack by its name, if it is not deleted, or by its id.
func findStack(ctx context.Context, r store.Reader, scope store.Scope, nameOrID string) (stack, error) {
	uuid := ""
	if a, ok := aws.ParseARN(nameOrID); ok {
		part := strings.Split(a.Resource, "/")
		if len(part) != 3 || part[0] != "stack" || a.Account != scope.Account || a.Region != scope.Region {
			return stack{}, missing(nameOrID)
		}
		uuid = part[2]
	} else {
		var err error
		if uuid, err = names.Get(ctx, r, scope, nameOrID); errors.Is(err, store.ErrNotFound) {
			return stack{}, missing(nameOrID)
		} else if err != nil {
			return stack{}, err
		}
	}
	st, err := stacks.Get(ctx, r, scope, uuid)
	if errors.Is(err, store.ErrNotFound) {
		err = missing(nameOrID)
	}
	return st, err
}

func (s *Service) describeStacks(ctx context.Context, in *api.DescribeStacksInput) (*api.DescribeStacksOutput, error) {
	scope := scopeOf(ctx)
	out := &api.DescribeStacksOutput{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Stacks, out.NextToken = []api.Stack{}, nil
		if in.StackName != nil {
			st, err := findStack(ctx, r, scope, *in.StackName)
			if err != nil {
				return err
			}
			shown, err := showStack(ctx, r, scope, &st)
			out.Stacks = append(out.Stacks, shown)
			return err
		}
		o, err := page(in.NextToken)
		if err != nil {
			return err
		}
		for e, err := range names.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if len(out.Stacks) == pageSize {
				out.NextToken = new(aws.Token([]string{*out.Stacks[pageSize-1].StackName}))
				return nil
			}
			st, err := stacks.Get(ctx, r, scope, e.Record)
			if err != nil {
				return err
			}
			shown, err := showStack(ctx, r, scope, &st)
			if err != nil {
				return err
			}
			out.Stacks = append(out.Stacks, shown)
		}
		return nil
	})
}

const pageSize = 100

// page is where a list goes on.
func page(next *string) (o store.ListOptions, err error) {
	if next == nil {
		return o, nil
	}
	var after []string
	if !aws.ParseToken(*next, &after) || len(after) == 0 {
		return o, invalid("Invalid NextToken")
	}
	for _, part := range after {
		o.After = append(o.After, part)
	}
	return o, nil
}

func showStack(ctx context.Context, r store.Reader, scope store.Scope, st *stack) (api.Stack, error) {
	out := api.Stack{StackId: &st.ID, StackName: &st.Name, Description: text(st.Description), CreationTime: moment(st.Created), LastUpdatedTime: moment(st.Updated),
		DeletionTime: moment(st.Deleted), StackStatus: &st.Status, StackStatusReason: text(st.Reason), DisableRollback: &st.DisableRollback,
		RoleARN: text(st.RoleARN), EnableTerminationProtection: &st.Protected, Tags: showTags(st.Tags), RollbackConfiguration: &api.RollbackConfiguration{},
		DriftInformation: &api.StackDriftInformation{StackDriftStatus: new(api.StackDriftStatusNotChecked)}, NotificationARNs: []string{}}
	if st.Timeout > 0 {
		out.TimeoutInMinutes = &st.Timeout
	}
	for _, o := range st.Outputs {
		out.Outputs = append(out.Outputs, api.Output{OutputKey: &o.Key, OutputValue: &o.Value, Description: text(o.Description), ExportName: text(o.Export)})
	}
	v, err := versions.Get(ctx, r, scope, st.UUID, int64(max(st.Version, 1)))
	if errors.Is(err, store.ErrNotFound) { // only change sets say yet what is to become of it
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Capabilities, out.NotificationARNs = v.Capabilities, append(out.NotificationARNs, v.Notify...)
	out.Parameters, err = showParameters(&v)
	return out, err
}

// showParameters are a version's parameters; the values of those with NoEcho are hidden.
func showParameters(v *version) ([]api.Parameter, error) {
	t, err := v.template()
	if err != nil {
		return nil, err
	}
	var out []api.Parameter
	for i := range t.Parameters {
		p := &t.Parameters[i]
		value := v.Parameters[p.Name]
		if p.NoEcho {
			value = "****"
		}
		shown := api.Parameter{ParameterKey: new(p.Name), ParameterValue: &value}
		if p.FromStore() {
			shown.ResolvedValue = new(v.Looked[p.Name])
		}
		out = append(out, shown)
	}
	return out, nil
}

func showTags(tags map[string]string) []api.Tag {
	out := []api.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, api.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out
}
