package resource

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/svc/apigateway"
	"github.com/tule-cloud/tule/svc/apigatewayv2"
	"github.com/tule-cloud/tule/svc/ecr"
	"github.com/tule-cloud/tule/svc/iam"
	"github.com/tule-cloud/tule/svc/lambda"
	"github.com/tule-cloud/tule/svc/logs"
	"github.com/tule-cloud/tule/svc/organizations"
	"github.com/tule-cloud/tule/svc/s3"
	"github.com/tule-cloud/tule/svc/sqs"
	"github.com/tule-cloud/tule/template"
)

// A world drives rows against the services themselves, as the engine does: each creation
// is told that it was interrupted, and must find, or make again, the same resource.
type world struct {
	*testing.T
	*script.House
	rows Set
	made []*Call
}

func newWorld(t *testing.T) *world {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	keys := seal.New([32]byte{1}, h.Random)
	code, err := blob.Open(t.TempDir(), h.Random)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := blob.OpenFolder(t.TempDir(), h.Random)
	if err != nil {
		t.Fatal(err)
	}
	allow := func(context.Context, ...aws.Access) error { return nil }
	h.Add(iam.New(iam.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Keys: keys}).Routes())
	h.Add(lambda.New(lambda.Options{Store: h.Store, Blobs: code, Clock: h.Clock, Random: h.Random, Peers: h, Dir: t.TempDir(), Images: lambda.Images{Dir: t.TempDir()}, Allow: allow}).Routes())
	h.Add(apigateway.New(apigateway.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Rate: 10_000, Box: keys.For("gateway")}).Routes())
	h.Add(apigatewayv2.New(apigatewayv2.Options{Store: h.Store, Clock: h.Clock, Random: aws.SharedReader(h.Random), Peers: h}).Routes())
	h.Add(ecr.New(ecr.Options{Store: h.Store, Clock: h.Clock}).Routes())
	h.Add(sqs.New(sqs.Options{Store: h.Store, Clock: h.Clock, Random: h.Random}).Routes())
	h.Add(s3.New(s3.Options{Store: h.Store, Blobs: objects, Clock: h.Clock, Random: h.Random, Peers: h}).Routes())
	h.Add(logs.New(logs.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h}).Routes())
	h.Add(organizations.New(organizations.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h}).Routes())
	h.Add([]aws.Route{stsapi.AssumeRole.To(func(_ context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
		return &stsapi.AssumeRoleResponse{AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: new("AROAEXAMPLE:" + *in.RoleSessionName)},
			Credentials: &stsapi.Credentials{AccessKeyId: new("ASIAEXAMPLE"), SecretAccessKey: new("secret"), SessionToken: new("token"), Expiration: new(h.Clock.Now().Add(time.Hour))}}, nil
	}, aws.Anywhere)})
	return &world{T: t, House: h, rows: NewSet()}
}

func (w *world) call(row, logical, properties string) *Call {
	w.Helper()
	t := w.rows[row]
	if t == nil {
		w.Fatalf("no row %s", row)
	}
	c := &Call{Context: w.Context(w.T.Context()), Peers: w.House, Clock: w.Clock, Random: w.Random, Type: t, Logical: logical, Token: aws.RandomUUID(w.Random),
		Stack: Stack{ID: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/8d9e", Name: "shop", Account: "000000000000", Region: "us-east-1"}}
	c.Properties = object(w.T, w.filled(properties))
	if err := t.Check(c.Properties); err != nil {
		w.Fatalf("%s: %v", logical, err)
	}
	return c
}

// filled is a text with {Logical} for the id of what was made, {Logical.Attribute} for an
// attribute of it.
func (w *world) filled(text string) string {
	for _, c := range w.made {
		text = strings.ReplaceAll(text, "{"+c.Logical+"}", c.ID)
		for {
			_, rest, ok := strings.Cut(text, "{"+c.Logical+".")
			if !ok {
				break
			}
			name, _, _ := strings.Cut(rest, "}")
			text = strings.ReplaceAll(text, "{"+c.Logical+"."+name+"}", w.attribute(c, name))
		}
	}
	return text
}

func (w *world) attribute(c *Call, name string) string {
	w.Helper()
	if v, ok := c.Attributes[name]; ok {
		return template.Text(v)
	}
	if !c.Type.Attribute(name) {
		w.Fatalf("%s has no attribute %s", c.Type.Name, name)
	}
	got, err := c.Type.Read(c)
	if err != nil || got[name] == nil {
		w.Fatalf("%s's %s: %v, %v", c.Logical, name, got[name], err)
	}
	return template.Text(got[name])
}

// twice are types whose interrupted creation leaves something to its parent.
var twice = []string{"AWS::ApiGateway::Deployment", "AWS::ApiGatewayV2::Deployment", "AWS::ApiGatewayV2::Integration", "AWS::Lambda::LayerVersion", "AWS::IAM::AccessKey"}

// create makes a resource, and makes it once more as after a stop that forgot the first.
func (w *world) create(row, logical, properties string) *Call {
	w.Helper()
	c := w.call(row, logical, properties)
	if c.Type.Named != "" && !c.Properties.Has(c.Type.Named) {
		c.Name = c.RandomName()
		c.Identify()
	}
	if err := c.Type.Create(c); err != nil {
		w.Fatalf("%s cannot be created: %v", logical, err)
	}
	w.settle(c)
	w.made = append(w.made, c)
	if slices.Contains(twice, row) {
		return c
	}
	again := *c
	again.ID, again.Attributes, again.taken, again.Again = "", nil, nil, true
	var err error
	if c.Type.Find != nil {
		err = c.Type.Find(&again)
	} else {
		err = c.Type.Create(&again)
	}
	if err != nil || again.ID != c.ID {
		w.Fatalf("%s was %q, and after a stop is %q: %v", logical, c.ID, again.ID, err)
	}
	w.settle(&again)
	for name, v := range c.Attributes {
		if got := w.attribute(&again, name); got != template.Text(v) {
			w.Errorf("%s: attribute %s was %v, and after a stop is %v", logical, name, v, got)
		}
	}
	return c
}

// settle holds a resource that was made or changed against its properties.
func (w *world) settle(c *Call) {
	w.Helper()
	if left := c.Left(); left != nil {
		w.Fatalf("%s: nobody took %v", c.Logical, left)
	}
	if c.Type.Ready != nil {
		if ok, err := c.Type.Ready(c); !ok || err != nil {
			w.Fatalf("%s is not ready: %v", c.Logical, err)
		}
	}
	if c.Type.Read == nil {
		return
	}
	got, err := c.Type.Read(c)
	if err != nil {
		w.Fatalf("%s cannot be read: %v", c.Logical, err)
	}
	for _, name := range c.Properties.Names() {
		want := c.Properties.Get(name)
		if have, ok := got[name]; ok && !alike(have, want) {
			w.Errorf("%s: %s is %s, not %s", c.Logical, name, Texted(have), Texted(want))
		}
	}
	for name := range got {
		if !c.Type.Attribute(name) {
			w.Errorf("%s reads %s, which AWS does not know", c.Type.Name, name)
		}
	}
}

// alike compares values as CloudFormation does, of objects only what is wanted.
func alike(have, want any) bool {
	if o, ok := want.(*ordered.Object); ok {
		h, ok := have.(*ordered.Object)
		if !ok {
			text, err := ordered.Parse([]byte(template.Text(have)))
			h, ok = text.(*ordered.Object)
			if err != nil || !ok {
				return false
			}
		}
		return !slices.ContainsFunc(o.Names(), func(name string) bool { return !alike(h.Get(name), o.Get(name)) })
	}
	if list, ok := want.([]any); ok {
		h, ok := have.([]any)
		if !ok || len(h) != len(list) {
			return false
		}
		for i := range list {
			if !alike(h[i], list[i]) {
				return false
			}
		}
		return true
	}
	return template.Equal(have, want)
}

// update brings a resource to other properties, twice, as a step may be tried twice.
func (w *world) update(c *Call, properties string) {
	w.Helper()
	now := w.call(c.Type.Name, c.Logical, properties)
	now.Name = c.Name
	now.Identify()
	if by := c.Type.Replaces(c.Properties, now.Properties); by != nil {
		w.Fatalf("%s would be replaced for %v", c.Logical, by)
	}
	now.ID, now.Old, now.Attributes = c.ID, c.Properties, c.Attributes
	for range 2 {
		if err := c.Type.Update(now); err != nil {
			w.Fatalf("%s cannot be updated to %s: %v", c.Logical, properties, err)
		}
		w.settle(now)
		now.Again, now.taken = true, nil
	}
	c.Properties, c.ID = now.Properties, now.ID
}

// last says that a resource, as it was changed, needs all others: it goes first.
func (w *world) last(c *Call) {
	w.made = append(slices.DeleteFunc(w.made, func(x *Call) bool { return x == c }), c)
}

// end deletes all that was made, the last first, twice.
func (w *world) end() {
	w.Helper()
	for _, c := range slices.Backward(w.made) {
		for n := range 2 {
			err := c.Type.Delete(c)
			if err != nil && (n == 0 || !Gone(err)) {
				w.Errorf("%s cannot be deleted: %v", c.Logical, err)
			}
		}
		if c.Type.Read != nil && c.Type.Name != "AWS::ApiGateway::Account" {
			if got, err := c.Type.Read(c); !Gone(err) {
				w.Errorf("%s is left: %v, %v", c.Logical, got, err)
			}
		}
	}
	w.made = nil
}

// role makes a role that functions may have.
func (w *world) role() {
	w.create("AWS::IAM::Role", "Role", `{"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "apigateway.amazonaws.com"]}, "Action": "sts:AssumeRole"}]}}`)
}

// function makes a function.
func (w *world) function(logical string) *Call {
	w.Helper()
	return w.create("AWS::Lambda::Function", logical, `{"Role": "{Role.Arn}", "Runtime": "nodejs22.x", "Handler": "index.handler", "Code": {"ZipFile": "exports.handler = async () => 1"}}`)
}
