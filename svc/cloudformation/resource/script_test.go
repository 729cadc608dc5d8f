package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/svc/cloudtrail"
	"github.com/tule-cloud/tule/svc/cloudwatch"
	"github.com/tule-cloud/tule/svc/dynamodb"
	"github.com/tule-cloud/tule/svc/events"
	"github.com/tule-cloud/tule/svc/firehose"
	"github.com/tule-cloud/tule/svc/iam"
	"github.com/tule-cloud/tule/svc/kinesis"
	"github.com/tule-cloud/tule/svc/logs"
	"github.com/tule-cloud/tule/svc/s3"
	"github.com/tule-cloud/tule/svc/scheduler"
	"github.com/tule-cloud/tule/svc/ses"
	"github.com/tule-cloud/tule/svc/sns"
	"github.com/tule-cloud/tule/svc/sqs"
	"github.com/tule-cloud/tule/svc/ssm"
	"github.com/tule-cloud/tule/svc/sts"
)

// TestLives runs the scripts in testdata: resources of the rows come and go in a house of
// the real services. Each script is one stack, named «stack»:
//
//	create Queue AWS::SQS::Queue
//	{"DelaySeconds": 5}
//	----
//	what Ref yields, and what the row reads
//
//	update Queue       {properties}: what was read, or which properties replace it
//	lost Queue         the process died when Queue was made, before it was noted: it is found
//	delete Queue       and it is gone
//	call sqs ListQueues {input}: what is left
//
// {{Queue}} stands for a physical id, {{Queue.Arn}} for an attribute.
func TestLives(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newStage(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			out, err := s.step(t, d)
			var e *aws.Error
			switch {
			case errors.As(err, &e):
				return fmt.Sprintf("%s (%d): %s\n", e.Code, e.Status, e.Message)
			case err != nil:
				return "internal: " + err.Error() + "\n"
			}
			return out
		})
	})
}

// A stage is a house with a stack's resources.
type stage struct {
	*script.House
	operations map[string]aws.Route
	rows       Set
	made       map[string]*Call
	tries      int
}

func newStage(t *testing.T) *stage {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s := &stage{House: h, operations: map[string]aws.Route{}, rows: NewSet(), made: map[string]*Call{}}
	keys := seal.New([32]byte{1}, h.Random)
	blobs, err := blob.OpenFolder(t.TempDir(), h.Random)
	if err != nil {
		t.Fatal(err)
	}
	people := iam.New(iam.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Keys: keys})
	mail := ses.New(ses.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h})
	parse := func(string) (scheduler.Plan, bool) { return daily{}, true }
	for _, routes := range [][]aws.Route{
		cloudtrail.New(cloudtrail.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Box: keys.For("cloudtrail")}).Routes(),
		cloudwatch.New(cloudwatch.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h}).Routes(),
		dynamodb.New(dynamodb.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h}).Routes(),
		events.New(events.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Secrets: keys.For("events")}).Routes(),
		firehose.New(firehose.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h}).Routes(),
		people.Routes(), sts.New(sts.Options{Clock: h.Clock, Random: h.Random, Keys: keys, Roles: people, Store: h.Store}).Routes(),
		kinesis.New(kinesis.Options{Store: h.Store, Clock: h.Clock, Random: h.Random}).Routes(),
		logs.New(logs.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h}).Routes(),
		s3.New(s3.Options{Store: h.Store, Blobs: blobs, Clock: h.Clock, Random: h.Random, Peers: h}).Routes(),
		scheduler.New(scheduler.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Parse: parse}).Routes(),
		mail.Routes(), mail.Version2(),
		sns.New(sns.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h}).Routes(),
		sqs.New(sqs.Options{Store: h.Store, Clock: h.Clock, Random: h.Random}).Routes(),
		ssm.New(ssm.Options{Store: h.Store, Clock: h.Clock, Keys: keys}).Routes(),
	} {
		h.Add(routes)
		for _, r := range routes {
			s.operations[r.Op.Service.Package+" "+r.Op.Name] = r
		}
	}
	return s
}

// daily is a plan of schedules.
type daily struct{}

func (daily) Next(after, _ time.Time, _ *time.Location) (time.Time, bool) {
	return after.Add(24 * time.Hour), true
}

// leap is a clock on which who waits has waited already.
type leap struct{ *aws.ManualClock }

func (l leap) After(d time.Duration) (<-chan time.Time, func()) {
	come := make(chan time.Time, 1)
	l.Advance(d)
	come <- l.Now()
	return come, func() {}
}

func (s *stage) step(t *testing.T, d *datadriven.TestData) (string, error) {
	t.Helper()
	input := d.Input
	for name, c := range s.made {
		for attribute, v := range c.Attributes {
			input = strings.ReplaceAll(input, "{{"+name+"."+attribute+"}}", Texted(v))
		}
		input = strings.ReplaceAll(input, "{{"+name+"}}", c.ID)
	}
	in := ordered.New()
	if input != "" {
		v, err := ordered.Parse([]byte(input))
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		in = v.(*ordered.Object)
	}
	name := d.CmdArgs[0].Key
	switch d.Cmd {
	case "call":
		return s.call(t, d, in)
	case "create":
		return s.create(t, name, d.CmdArgs[1].Key, in)
	case "update":
		return s.update(t, s.made[name], in)
	case "lost":
		return s.lose(t, s.made[name])
	case "delete":
		return s.delete(t, s.made[name])
	}
	d.Fatalf(t, "no command %s", d.Cmd)
	return "", nil
}

// call is any operation of a service.
func (s *stage) call(t *testing.T, d *datadriven.TestData, in *ordered.Object) (string, error) {
	r, ok := s.operations[d.CmdArgs[0].Key+" "+d.CmdArgs[1].Key]
	if !ok {
		d.Fatalf(t, "no operation %s", d.CmdArgs[1].Key)
	}
	to := r.New()
	if err := FillFrom(to, in, ""); err != nil {
		return "", err
	}
	out, err := s.Call(s.Context(t.Context()), r.Op, to)
	if err != nil {
		return "", err
	}
	return printed(tree(reflect.ValueOf(out))), nil
}

// again is the call of a next step on a resource.
func (s *stage) again(ctx context.Context, was *Call) *Call {
	s.tries++
	c := *was
	c.Context, c.taken, c.Old, c.Again = s.Context(ctx), nil, nil, false
	c.Token = fmt.Sprintf("00000000-0000-4000-9000-%012d", s.tries)
	return &c
}

func (s *stage) create(t *testing.T, logical, kind string, in *ordered.Object) (string, error) {
	row := s.rows[kind]
	if row == nil {
		t.Fatalf("no row %s", kind)
	}
	if err := row.Check(in); err != nil {
		return "", err
	}
	c := s.again(t.Context(), &Call{Peers: s.House, Clock: leap{s.Clock}, Random: s.Random, Type: row, Logical: logical, Properties: in,
		Stack: Stack{ID: "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/1", Name: "stack", Account: "000000000000", Region: "us-east-1",
			Tags: map[string]string{"team": "a"}}})
	if row.Named != "" && !in.Has(row.Named) {
		c.Name = c.RandomName()
	}
	c.Identify()
	s.made[logical] = c
	if err := row.Create(c); err != nil {
		return "", err
	}
	return s.look(c)
}

// look waits until a resource is ready, and prints it.
func (s *stage) look(c *Call) (string, error) {
	if left := c.Left(); left != nil && !c.Type.Free {
		return "", fmt.Errorf("nobody saw to %v", left)
	}
	for range 100 {
		if c.Type.Ready == nil {
			break
		}
		done, err := c.Type.Ready(c)
		if err != nil {
			return "", err
		}
		if done {
			break
		}
		s.Clock.Advance(time.Second)
	}
	ref := c.ID
	if c.Type.Ref != nil {
		ref = c.Type.Ref(c)
	}
	if c.Type.Read == nil {
		return ref + "\n", nil
	}
	got, err := c.Type.Read(c)
	if err != nil {
		return "", err
	}
	for name, v := range got {
		if c.Type.Attribute(name) {
			c.Set(name, v)
		} else {
			return "", fmt.Errorf("%s has no attribute %s", c.Type.Name, name)
		}
	}
	o := ordered.New()
	for _, name := range sortedNames(c.Attributes) {
		o.Set(name, c.Attributes[name])
	}
	return ref + "\n" + printed(o), nil
}

func (s *stage) update(t *testing.T, was *Call, in *ordered.Object) (string, error) {
	c := s.again(t.Context(), was)
	c.Properties, c.Old, c.Attributes, c.Stack.OldTags = in, was.Properties, nil, was.Stack.Tags
	if err := c.Type.Check(in); err != nil {
		return "", err
	}
	c.Identify()
	if r := c.Type.Replaces(c.Old, c.Properties); len(r) > 0 {
		return fmt.Sprintf("replaced for %v\n", r), nil
	}
	c.Default()
	if err := c.Type.Update(c); err != nil {
		return "", err
	}
	s.made[c.Logical] = c
	return s.look(c)
}

// lose forgets what a Create has made, and has it found again.
func (s *stage) lose(t *testing.T, was *Call) (string, error) {
	c := s.again(t.Context(), was)
	c.ID, c.Attributes, c.Again, c.Token = "", nil, true, was.Token
	if c.Type.Find != nil {
		if err := c.Type.Find(c); err != nil {
			return "", err
		}
	}
	if c.ID == "" {
		if err := c.Type.Create(c); err != nil {
			return "", err
		}
	}
	if c.ID != was.ID {
		return "another: " + c.ID + "\n", nil
	}
	return "found\n", nil
}

func (s *stage) delete(t *testing.T, was *Call) (string, error) {
	c := s.again(t.Context(), was)
	for _, want := range []string{"deleted", "deleted twice"} {
		if err := c.Type.Delete(c); err != nil && !Gone(err) {
			return "", fmt.Errorf("%s: %w", want, err)
		}
	}
	if c.Type.Read != nil {
		if got, err := c.Type.Read(c); err == nil {
			return "still there: " + printed(got), nil
		} else if !Gone(err) {
			return "", err
		}
	}
	return "gone\n", nil
}

func sortedNames(m map[string]any) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func printed(v any) string {
	text, err := json.Marshal(v)
	if o, ok := v.(*ordered.Object); ok {
		text, err = ordered.Compact(o), nil
	}
	if err != nil {
		return err.Error() + "\n"
	}
	return string(text) + "\n"
}
