// Package resource is the types of resources that stacks are made of: each a row that says
// by which operations of its service it is created, read, updated and deleted.
//
// A row is short because most of it is known already: schemas.json, written from the
// schemas that AWS publishes, says which properties a type has, which are required, which
// replace the resource when they change, and which hold its tags. Do fills the input of an
// operation from the properties by name.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/introduction.html
package resource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// A Type is a row: a type of resources, and how they come and go. Its functions are called
// again when Tule was stopped in the midst of them; a Call says what is known by then.
type Type struct {
	Name string // "AWS::SQS::Queue"

	// Named is the property that is the resource's name, which is generated where a
	// template gives none, within Length characters; with lower, of small letters only.
	Named  string
	Length int
	Lower  bool
	Suffix func(c *Call) string // what generated names end in: ".fifo"

	// Create makes the resource and sets c.ID, its physical id, and whatever attributes it
	// knows already by c.Set.
	Create func(c *Call) error
	// Find, where it is set, looks for the resource that an interrupted Create has made, and
	// sets c.ID; without it, Create is called again, and what exists under the name that was
	// generated for it is taken for the resource.
	Find func(c *Call) error
	// Ready reports whether a resource is fit for use once Create or Update are done with it.
	Ready func(c *Call) (bool, error)
	// Read is the resource as it is: its attributes and properties, by CloudFormation's names.
	// An error that Gone knows says that there is none.
	Read func(c *Call) (map[string]any, error)
	// Update brings the resource from c.Old to c.Properties. Without it, any change replaces.
	Update func(c *Call) error
	// Delete removes the resource. That there is none is no error.
	Delete func(c *Call) error
	// Ref is what a Ref yields, where it is not the physical id.
	Ref func(c *Call) string

	// Replace are properties whose change replaces the resource, beside those that AWS's
	// schema says.
	Replace []string
	// Defaults are what properties are set to that an update takes away; others are cleared.
	Defaults map[string]any
	// Always says that the resource is updated whether its properties change or not.
	Always bool
	// Free says that the type takes whatever properties it is given.
	Free bool
	// Hidden are attributes that AWS's schema does not name; "Outputs.*" are all that begin so.
	Hidden []string
}

// A Stack is what a resource knows of its stack.
type Stack struct {
	ID, Name        string
	Account, Region string
	Tags            map[string]string
	OldTags         map[string]string // what they were, in an update
	Capabilities    []string          // that its caller acknowledged
	Notify          []string          // topics
}

// A Call is one step of one resource: what its row gets. Its context acts as whoever the
// stack acts for.
type Call struct {
	context.Context
	Peers   aws.Peers
	Clock   aws.Clock
	Random  io.Reader
	Stack   Stack
	Type    *Type
	Logical string
	// Token is the same for every try of one step, and for no other step: an idempotency
	// token of 36 characters.
	Token string
	// Name is the name that was generated before the first try, if the properties have none.
	Name string
	// SignalURL is where signals for the resource are put.
	SignalURL string
	// ResponseURL is where the provider of a custom resource puts its answer.
	ResponseURL string
	// Await waits for that answer, at most so long; nil if it does not come.
	Await func(timeout time.Duration) (*Answer, error)
	// Again says that an earlier try may have got through.
	Again bool

	Properties *ordered.Object // evaluated, with the name
	Old        *ordered.Object // what they were, in an update
	ID         string          // the physical id; "" before Create
	Attributes map[string]any

	taken map[string]bool
}

// Set says what an attribute is.
func (c *Call) Set(name string, value any) {
	if c.Attributes == nil {
		c.Attributes = map[string]any{}
	}
	c.Attributes[name] = value
}

// Get is a property, which is then taken to be seen to; nil where there is none.
func (c *Call) Get(name string) any {
	c.Take(name)
	return c.Properties.Get(name)
}

// Text is a property as text; "" where there is none.
func (c *Call) Text(name string) string { return template.Text(c.Get(name)) }

// Has reports whether a property is given.
func (c *Call) Has(name string) bool { return c.Properties.Has(name) }

// Take says that properties are seen to. What is given and seen to by nobody fails the
// resource, rather than be passed over in silence.
func (c *Call) Take(names ...string) {
	if c.taken == nil {
		c.taken = map[string]bool{}
	}
	for _, name := range names {
		c.taken[name] = true
	}
}

// Changed reports whether one of the properties is not what it was.
func (c *Call) Changed(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		c.Take(name)
		return !template.Equal(c.Properties.Get(name), c.Old.Get(name))
	})
}

// Left are the properties that a step was given, or was to change, and did not see to.
func (c *Call) Left() []string {
	var left []string
	for _, name := range c.Properties.Names() {
		if !c.taken[name] && (c.Old == nil || !template.Equal(c.Properties.Get(name), c.Old.Get(name))) {
			left = append(left, name)
		}
	}
	if c.Old != nil {
		for _, name := range c.Old.Names() {
			if !c.Properties.Has(name) && !c.taken[name] {
				left = append(left, name)
			}
		}
	}
	return left
}

// invalid is the error for properties that cannot be, in AWS's words.
func invalid(format string, args ...any) error {
	return aws.Errorf(400, "InvalidRequest", format, args...)
}

// Gone reports whether an error says that the resource is not there.
func Gone(err error) bool {
	var e *aws.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == 404 || strings.Contains(e.Code, "NotFound") || strings.Contains(e.Code, "NoSuch") || strings.Contains(e.Code, "NonExistent") ||
		strings.Contains(e.Code, "DoesNotExist")
}

// Exists reports whether an error says that there is such a resource already.
func Exists(err error) bool {
	var e *aws.Error
	if !errors.As(err, &e) {
		return false
	}
	if e.Code == "BadRequestException" && strings.Contains(e.Message, "already exists") {
		return true
	}
	return slices.Contains([]string{"EntityAlreadyExists", "EntityAlreadyExistsException", "ResourceAlreadyExistsException", "AlreadyExistsException", "AlreadyExists", "RepositoryAlreadyExistsException", "QueueAlreadyExists", "QueueNameExists",
		"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "ConflictException", "ResourceConflictException", "ResourceInUseException", "TrailAlreadyExistsException", "DuplicateOrganizationalUnitException"}, e.Code)
}

// Busy reports whether an error will pass: the resource is at something else, or the
// service is asked too much.
func Busy(err error) bool {
	var e *aws.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == 429 || e.Status == 503 || strings.Contains(e.Code, "Throttl") || e.Code == "ConcurrentModification" || e.Code == "ConcurrentModificationException" ||
		e.Code == "OperationAborted" || e.Code == "ResourceConflictException" && strings.Contains(e.Message, "in progress") ||
		e.Code == "ResourceInUseException" && (strings.Contains(e.Message, "being") || strings.Contains(e.Message, "not ACTIVE"))
}

// pause waits between two looks at something that takes its time.
func (c *Call) pause(d time.Duration) error {
	come, stop := c.Clock.After(d)
	defer stop()
	select {
	case <-c.Done():
		return c.Err()
	case <-come:
		return nil
	}
}

// Types are all rows.
func Types() []*Type {
	var all []*Type
	for _, of := range [][]*Type{cdkTypes, cloudformationTypes, cloudtrailTypes, cloudwatchTypes, deliveryTypes, dynamodbTypes, ecrTypes,
		eventsTypes, firehoseTypes, gatewayDomainTypes, gatewayPartTypes, gatewayPlanTypes, gatewayStageTypes, gatewayTypes, httpPartTypes,
		httpTypes, iamPolicyTypes, iamProviderTypes, iamTypes, iamUserTypes, kinesisTypes, lambdaAccessTypes, lambdaEventTypes, lambdaTypes,
		lambdaVersionTypes, logsTypes, organizationTypes, s3Types, schedulerTypes, sesTypes, snsTypes, sqsTypes, ssmTypes, subscriptionTypes} {
		all = append(all, of...)
	}
	return all
}

// A Set finds rows by their names.
type Set map[string]*Type

// NewSet returns the set of all rows.
func NewSet() Set {
	s := Set{}
	for _, t := range Types() {
		if s[t.Name] != nil {
			panic(fmt.Sprintf("two rows of %s", t.Name))
		}
		s[t.Name] = t
	}
	return s
}

// await waits until the resource is ready, between two steps of an update.
func (c *Call) await() error {
	for {
		done, err := c.Type.Ready(c)
		if done || err != nil {
			return err
		}
		if err := c.pause(200 * time.Millisecond); err != nil {
			return err
		}
	}
}
