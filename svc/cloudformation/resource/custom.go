package resource

import (
	"strconv"
	"strings"
	"time"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	snsapi "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// Custom reports whether a type is one of the template's own: whoever stands behind its
// ServiceToken knows what it is.
func Custom(name string) bool {
	return name == "AWS::CloudFormation::CustomResource" || strings.HasPrefix(name, "Custom::")
}

// CustomType is the row of a custom resource: a function or a topic is told what is wanted,
// and puts an answer where it was told to.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
func CustomType(name string) *Type {
	return &Type{Name: name, Free: true, Replace: []string{"ServiceToken"},
		Create: func(c *Call) error { return c.ask("Create") },
		Update: func(c *Call) error { return c.ask("Update") },
		Delete: func(c *Call) error { return c.ask("Delete") },
	}
}

// An Answer is what a custom resource's provider says.
type Answer struct {
	Status, Reason     string
	PhysicalResourceId string
	Data               *ordered.Object
}

const customTimeout = time.Hour

// ask sends a request to the resource's provider, and takes what it answers.
func (c *Call) ask(request string) error {
	to := template.Text(c.Properties.Get("ServiceToken"))
	a, ok := aws.ParseARN(to)
	if !ok || a.Service != "lambda" && a.Service != "sns" {
		return invalid("Invalid service token.")
	}
	timeout := customTimeout
	if n, err := strconv.Atoi(template.Text(c.Properties.Get("ServiceTimeout"))); err == nil && n > 0 && n <= 3600 {
		timeout = time.Duration(n) * time.Second
	}
	answer, err := c.Await(0) // of a try before this one
	if answer == nil && err == nil {
		if err = c.tell(a, c.request(request)); err == nil {
			answer, err = c.Await(timeout)
		}
	}
	switch {
	case err != nil:
		return err
	case answer == nil:
		return aws.Errorf(400, "NotStabilized", "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [%s]. If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can attach the updated version.", c.Token)
	}
	if answer.PhysicalResourceId != "" && request != "Delete" {
		c.ID = answer.PhysicalResourceId
	}
	if answer.Status != "SUCCESS" {
		return aws.Errorf(400, "ValidationError", "Received response status [%s] from custom resource. Message returned: %s (RequestId: %s)", answer.Status, answer.Reason, c.Token)
	}
	if c.ID == "" {
		return invalid("Invalid PhysicalResourceId")
	}
	if answer.Data != nil {
		for _, name := range answer.Data.Names() {
			c.Set(name, answer.Data.Get(name))
		}
	}
	return nil
}

// request is what the provider is told.
func (c *Call) request(kind string) *ordered.Object {
	o := ordered.New().Set("RequestType", kind).Set("ServiceToken", c.Properties.Get("ServiceToken")).Set("ResponseURL", c.ResponseURL).
		Set("StackId", c.Stack.ID).Set("RequestId", c.Token).Set("LogicalResourceId", c.Logical)
	if c.ID != "" {
		o.Set("PhysicalResourceId", c.ID)
	}
	o.Set("ResourceType", c.Type.Name).Set("ResourceProperties", texted(c.Properties))
	if kind == "Update" {
		o.Set("OldResourceProperties", texted(c.Old))
	}
	return o
}

// texted is a tree whose numbers and booleans are texts, as AWS sends them.
func texted(v any) any {
	switch v := v.(type) {
	case *ordered.Object:
		out := ordered.New()
		for _, name := range v.Names() {
			out.Set(name, texted(v.Get(name)))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = texted(v[i])
		}
		return out
	}
	return template.Text(v)
}

func (c *Call) tell(to aws.ARN, request *ordered.Object) error {
	req := *aws.RequestOf(c)
	req.Region = to.Region
	ctx := aws.WithRequest(c, &req)
	text := string(ordered.Compact(request))
	if to.Service == "sns" {
		_, err := snsapi.Publish.Do(ctx, c.Peers, &snsapi.PublishInput{TopicArn: new(to.String()), Subject: new("AWS CloudFormation custom resource request"), Message: &text})
		return err
	}
	_, err := lambdaapi.Invoke.Do(ctx, c.Peers, &lambdaapi.InvocationRequest{FunctionName: new(to.String()), InvocationType: new(lambdaapi.InvocationTypeEvent), Payload: []byte(text)})
	return err
}
