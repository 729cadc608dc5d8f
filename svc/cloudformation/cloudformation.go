// Package cloudformation is CloudFormation: stacks of resources that are made, changed and
// removed as templates say.
//
// Every step is in the store before it is made: the name that a resource is about to get,
// the token that makes its creation the same however often it is asked for. So a Tule that
// was killed takes up each stack where it was, and brings it to its end or back.
//
// What a type of resources is stands in package resource; stacks reach the services as any
// caller does, by their operations, as the stack's role or as whoever asked.
//
// What differs from AWS:
//
//   - A change set stands when the call that makes it returns, and what is under way on a
//     resource is never broken off: it is let come to its end.
//   - Topics of NotificationARNs, time-outs of stacks and rollback configurations are not acted
//     upon yet; the topics are kept and shown.
//   - Stack policies and creation policies are refused, for none of them would be kept to.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/Welcome.html
package cloudformation

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudformation/resource"
)

// principal is CloudFormation as it assumes roles and passes calls on.
const principal = "cloudformation.amazonaws.com"

// Options are what the service needs. Store, Clock, Random and Peers are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	// Peers are the other services, as the front door opens them.
	Peers aws.Peers
	// Together is how many resources of a stack are worked on at once; 24 if zero.
	Together int
	// SAM makes a template of one of the Serverless Application Model. Nil says that there
	// is no such transform.
	SAM func(t *ordered.Object, region string, parameters map[string]any) (*ordered.Object, error)
	// Types are the resource types that are known; all rows if nil.
	Types resource.Set
}

// Service answers the operations of CloudFormation.
type Service struct {
	Options
	wake  chan struct{} // there is a stack to work on
	order atomic.Uint64 // tells events of one moment apart
	last  atomic.Int64  // when the last event was, in milliseconds

	mu      sync.Mutex
	running map[workKey]bool // the stacks that are worked on
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Together == 0 {
		o.Together = 24
	}
	if o.Types == nil {
		o.Types = resource.NewSet()
	}
	o.Random = aws.SharedReader(o.Random)
	return &Service{Options: o, wake: make(chan struct{}, 1), running: map[workKey]bool{}}
}

// What the service keeps. A stack is known by the UUID at the end of its id.
var (
	names     = store.NewTable[string]("cloudformation", "name")          // name of a stack that is not deleted
	stacks    = store.NewTable[stack]("cloudformation", "stack")          // UUID
	versions  = store.NewTable[version]("cloudformation", "version")      // UUID, number
	resources = store.NewTable[record]("cloudformation", "resource")      // UUID, logical name
	events    = store.NewTable[api.StackEvent]("cloudformation", "event") // UUID, time, order
	imports   = store.NewTable[string]("cloudformation", "import")        // name of the export, UUID of the importer: its name
	exports   = store.NewTable[export]("cloudformation", "export")        // name
	answers   = store.NewTable[[]byte]("cloudformation", "answer")        // UUID, logical name, token of the step
	work      = store.NewTable[[]byte]("cloudformation", "work")          // installation's: account, region, UUID
)

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.CreateStack.To(s.createStack, s.guardCreate),
		api.UpdateStack.To(s.updateStack, s.guardUpdate),
		api.CancelUpdateStack.To(s.cancelUpdate, onStack(s, func(in *api.CancelUpdateStackInput) *string { return in.StackName })),
		api.ContinueUpdateRollback.To(s.continueRollback, s.guardContinue),
		api.UpdateTerminationProtection.To(s.updateProtection, onStack(s, func(in *api.UpdateTerminationProtectionInput) *string { return in.StackName })),
		api.DeleteStack.To(s.deleteStack, s.guardDelete),
		api.DescribeStacks.To(s.describeStacks, onStack(s, func(in *api.DescribeStacksInput) *string { return in.StackName })),
		api.DescribeStackEvents.To(s.describeEvents, onStack(s, func(in *api.DescribeStackEventsInput) *string { return in.StackName })),
		api.ListStacks.To(s.listStacks, aws.Anywhere),
		api.DescribeStackResource.To(s.describeResource, onStack(s, func(in *api.DescribeStackResourceInput) *string { return in.StackName })),
		api.ListStackResources.To(s.listResources, onStack(s, func(in *api.ListStackResourcesInput) *string { return in.StackName })),
		api.ListExports.To(s.listExports, aws.Anywhere),
		api.ListImports.To(s.listImports, aws.Anywhere),
		api.CreateChangeSet.To(s.createChangeSet, s.guardCreateSet),
		api.DescribeChangeSet.To(s.describeChangeSet, onSet(s, func(in *api.DescribeChangeSetInput) (*string, *string) { return in.StackName, in.ChangeSetName })),
		api.ExecuteChangeSet.To(s.executeChangeSet, onSet(s, func(in *api.ExecuteChangeSetInput) (*string, *string) { return in.StackName, in.ChangeSetName })),
		api.DeleteChangeSet.To(s.deleteChangeSet, onSet(s, func(in *api.DeleteChangeSetInput) (*string, *string) { return in.StackName, in.ChangeSetName })),
		api.ListChangeSets.To(s.listChangeSets, onStack(s, func(in *api.ListChangeSetsInput) *string { return in.StackName })),
		api.GetTemplate.To(s.getTemplate, onStack(s, func(in *api.GetTemplateInput) *string { return in.StackName })),
		api.GetTemplateSummary.To(s.getSummary, s.guardSummary),
		api.ValidateTemplate.To(s.validateTemplate, onTemplate(func(in *api.ValidateTemplateInput) *string { return in.TemplateURL })),
		api.EstimateTemplateCost.To(s.estimate, onTemplate(func(in *api.EstimateTemplateCostInput) *string { return in.TemplateURL })),
		api.DescribeStackResources.To(s.describeResources, onStack(s, func(in *api.DescribeStackResourcesInput) *string { return in.StackName })),
	}
}

// scopeOf is where a call's stacks are.
func scopeOf(ctx context.Context) store.Scope {
	req := aws.RequestOf(ctx)
	return store.Scope{Account: req.Account(), Region: req.Region}
}

// text is a pointer to s, nil for "".
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// moment is a time as answers show it; nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.Truncate(time.Millisecond))
}

// invalid is the error for what CloudFormation cannot make sense of.
func invalid(format string, args ...any) error {
	return aws.Errorf(400, "ValidationError", format, args...)
}
