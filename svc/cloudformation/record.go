package cloudformation

import (
	"context"
	"encoding/json"
	"time"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
)

// A record is a stack's resource, and the journal of what is being done to it.
type record struct {
	Logical, Type  string
	Status, Reason string
	Time           time.Time
	Place          int // in the template
	physical
	Before      *before  `json:",omitempty"` // what it was, if the operation under way has changed it
	Fresh       string   `json:",omitempty"` // the operation that made it, until that has ended
	Policy      string   `json:",omitempty"` // DeletionPolicy
	Needs       []string `json:",omitempty"` // the resources that it was made after
	Step        *step    `json:",omitempty"` // what is under way
	Done        string   `json:",omitempty"` // the operation and phase that are done with it
	Description string   `json:",omitempty"`
}

// A before is what a resource was before an operation; once it was replaced, it is the
// physical resource that is to be removed.
type before struct {
	physical
	Type     string
	Op       string
	Replaced bool   `json:",omitempty"`
	Token    string `json:",omitempty"` // of its removal
	Tried    bool   `json:",omitempty"` // the operation got as far as to change it
	Policy   string `json:",omitempty"` // UpdateReplacePolicy
}

// A physical is a resource as it is outside the stack.
type physical struct {
	ID         string `json:",omitempty"`
	Name       string `json:",omitempty"` // generated
	Properties tree   `json:",omitzero"`
	Attributes tree   `json:",omitzero"`
}

// A step is one call of a resource's row, from before the first try until its outcome is
// known.
type step struct {
	Kind       string // what the row does: "create", "replace", "update", "delete"
	Token      string
	Name       string `json:",omitempty"` // generated
	Properties tree   `json:",omitzero"`
	Began      bool   `json:",omitempty"` // a try may have got through
}

// A tree is an ordered value in a record.
type tree struct{ *ordered.Object }

// IsZero reports whether there is none.
func (t tree) IsZero() bool { return t.Object == nil }

// MarshalJSON implements json.Marshaler.
func (t tree) MarshalJSON() ([]byte, error) {
	if t.Object == nil {
		return []byte("null"), nil
	}
	return ordered.Compact(t.Object), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *tree) UnmarshalJSON(text []byte) error {
	v, err := ordered.Parse(text)
	t.Object, _ = v.(*ordered.Object)
	return err
}

// of is the tree's object, an empty one if there is none.
func (t tree) of() *ordered.Object {
	if t.Object == nil {
		return ordered.New()
	}
	return t.Object
}

// recordsOf are a stack's resources by their logical names.
func recordsOf(ctx context.Context, r store.Reader, k workKey) (map[string]*record, error) {
	out := map[string]*record{}
	for e, err := range resources.List(ctx, r, k.Scope, store.ListOptions{Prefix: []any{k.UUID}}) {
		if err != nil {
			return nil, err
		}
		out[e.Record.Logical] = &e.Record
	}
	return out, nil
}

// gone reports whether there is no such resource any more.
func (r *record) gone() bool {
	return r.ID == "" && r.Step == nil || r.Status == api.ResourceStatusDeleteComplete || r.Status == api.ResourceStatusDeleteSkipped
}

// note writes a resource's record, and an event that says what has become of it.
func (s *Service) note(tx store.Tx, k workKey, st *stack, rec *record, status, reason string) error {
	rec.Status, rec.Reason, rec.Time = status, reason, s.Clock.Now().UTC()
	if err := resources.Put(tx, k.Scope, *rec, k.UUID, rec.Logical); err != nil {
		return err
	}
	return s.tell(tx, k, st, rec, status, reason)
}

// moment is when an event happens: now, or as soon after the event before it as answers
// tell apart, for clients put them in order by their times.
func (s *Service) moment() time.Time {
	for {
		last, now := s.last.Load(), s.Clock.Now().UnixMilli()
		now = max(now, last+1)
		if s.last.CompareAndSwap(last, now) {
			return time.UnixMilli(now).UTC()
		}
	}
}

// tell writes an event of a resource.
func (s *Service) tell(tx store.Tx, k workKey, st *stack, rec *record, status, reason string) error {
	now := s.moment()
	e := api.StackEvent{StackId: &st.ID, StackName: &st.Name, LogicalResourceId: new(rec.Logical), PhysicalResourceId: new(rec.ID), ResourceType: new(rec.Type),
		Timestamp: &now, ResourceStatus: new(status), ResourceStatusReason: text(reason), ClientRequestToken: text(st.Token)}
	if st.Operation != nil {
		e.OperationId = text(st.Operation.ID)
	}
	if p := rec.Properties; rec.Step != nil && !rec.Step.Properties.IsZero() {
		e.ResourceProperties = new(string(ordered.Compact(rec.Step.Properties.Object)))
	} else if !p.IsZero() {
		e.ResourceProperties = new(string(ordered.Compact(p.Object)))
	}
	e.EventId = new(rec.Logical + "-" + status + "-" + now.Format("2006-01-02T15:04:05.000Z"))
	return events.Put(tx, k.Scope, e, k.UUID, now, int64(s.order.Add(1)))
}

// become gives a stack a status, with its event.
func (s *Service) become(tx store.Tx, k workKey, st *stack, status, reason string) error {
	st.Status, st.Reason = status, reason
	if err := stacks.Put(tx, k.Scope, *st, k.UUID); err != nil {
		return err
	}
	now := s.moment()
	e := api.StackEvent{StackId: &st.ID, StackName: &st.Name, LogicalResourceId: &st.Name, PhysicalResourceId: &st.ID, ResourceType: new("AWS::CloudFormation::Stack"),
		Timestamp: &now, ResourceStatus: &status, ResourceStatusReason: text(reason), ClientRequestToken: text(st.Token), EventId: new(aws.RandomUUID(s.Random))}
	if st.Operation != nil {
		e.OperationId = text(st.Operation.ID)
	}
	return events.Put(tx, k.Scope, e, k.UUID, now, int64(s.order.Add(1)))
}

func (s *Service) describeEvents(ctx context.Context, in *api.DescribeStackEventsInput) (*api.DescribeStackEventsOutput, error) {
	scope := scopeOf(ctx)
	out := &api.DescribeStackEventsOutput{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.StackEvents, out.NextToken = []api.StackEvent{}, nil
		st, err := findStack(ctx, r, scope, aws.Value(in.StackName))
		if aws.CodeOf(err) == "ValidationError" {
			return invalid("Stack [%s] does not exist", aws.Value(in.StackName))
		} else if err != nil {
			return err
		}
		o := store.ListOptions{Prefix: []any{st.UUID}, Reverse: true}
		var last struct {
			Time  time.Time
			Order int64
		}
		if in.NextToken != nil {
			if !aws.ParseToken(*in.NextToken, &last) {
				return invalid("Invalid NextToken")
			}
			o.After = []any{st.UUID, last.Time, last.Order}
		}
		for e, err := range events.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if len(out.StackEvents) == pageSize {
				out.NextToken = new(aws.Token(last))
				return nil
			}
			last.Time, last.Order = e.Key.Time(1), e.Key.Int(2)
			e.Record.Timestamp = moment(*e.Record.Timestamp)
			out.StackEvents = append(out.StackEvents, e.Record)
		}
		return nil
	})
}

func (s *Service) describeResources(ctx context.Context, in *api.DescribeStackResourcesInput) (*api.DescribeStackResourcesOutput, error) {
	scope := scopeOf(ctx)
	out := &api.DescribeStackResourcesOutput{}
	if in.StackName == nil {
		return nil, invalid("Stack for %s does not exist", aws.Value(in.PhysicalResourceId))
	}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.StackResources = []api.StackResource{}
		st, err := findStack(ctx, r, scope, *in.StackName)
		if err != nil {
			return err
		}
		for e, err := range resources.List(ctx, r, scope, store.ListOptions{Prefix: []any{st.UUID}}) {
			if err != nil {
				return err
			}
			rec := &e.Record
			if in.LogicalResourceId != nil && rec.Logical != *in.LogicalResourceId || in.PhysicalResourceId != nil && rec.ID != *in.PhysicalResourceId {
				continue
			}
			out.StackResources = append(out.StackResources, api.StackResource{StackName: &st.Name, StackId: &st.ID, LogicalResourceId: &rec.Logical, PhysicalResourceId: text(rec.ID),
				ResourceType: &rec.Type, Timestamp: moment(rec.Time), ResourceStatus: &rec.Status, ResourceStatusReason: text(rec.Reason),
				DriftInformation: &api.StackResourceDriftInformation{StackResourceDriftStatus: new(api.StackResourceDriftStatusNotChecked)}})
		}
		return nil
	})
}

var (
	_ json.Marshaler   = tree{}
	_ json.Unmarshaler = (*tree)(nil)
)
