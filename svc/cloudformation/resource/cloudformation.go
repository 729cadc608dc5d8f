package resource

import (
	"strings"
	"time"

	cfnapi "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

var cloudformationTypes = []*Type{
	{
		// A handle is nothing but the address that signals go to; the stacks' service knows it.
		Name:   "AWS::CloudFormation::WaitConditionHandle",
		Create: func(c *Call) error { c.ID = c.SignalURL; return nil },
		Update: func(*Call) error { return nil },
		Delete: func(*Call) error { return nil },
	},
	{
		Name:  "AWS::CloudFormation::Stack",
		Named: "StackName", Length: 128,
		Always: true,
		Hidden: []string{"Outputs.*"},
		Create: func(c *Call) error {
			in := &cfnapi.CreateStackInput{StackName: &c.Name, DisableRollback: new(true), ClientRequestToken: &c.Token, Capabilities: c.capabilities(), NotificationARNs: c.topics()}
			in.TemplateURL, in.Parameters, in.Tags = c.nested()
			if err := Into(c, "TimeoutInMinutes", &in.TimeoutInMinutes); err != nil {
				return err
			}
			out, err := cfnapi.CreateStack.Do(c, c.Peers, in)
			if err != nil {
				return err
			}
			c.ID = *out.StackId
			return nil
		},
		Ready: func(c *Call) (bool, error) { return c.settledStack("CREATE_COMPLETE", "UPDATE_COMPLETE") },
		Update: func(c *Call) error {
			in := &cfnapi.UpdateStackInput{StackName: &c.ID, ClientRequestToken: &c.Token, Capabilities: c.capabilities(), NotificationARNs: c.topics()}
			in.TemplateURL, in.Parameters, in.Tags = c.nested()
			c.Take("TimeoutInMinutes")
			_, err := cfnapi.UpdateStack.Do(c, c.Peers, in)
			if err != nil && strings.Contains(err.Error(), "No updates are to be performed") {
				return nil
			}
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := cfnapi.DescribeStacks.Do(c, c.Peers, &cfnapi.DescribeStacksInput{StackName: &c.ID})
			if err != nil {
				return nil, err
			}
			got := map[string]any{}
			for _, o := range out.Stacks[0].Outputs {
				got["Outputs."+*o.OutputKey] = *o.OutputValue
			}
			return got, nil
		},
		Delete: func(c *Call) error {
			if _, err := cfnapi.DeleteStack.Do(c, c.Peers, &cfnapi.DeleteStackInput{StackName: &c.ID}); err != nil {
				return err
			}
			for {
				if done, err := c.settledStack("DELETE_COMPLETE"); done || err != nil {
					return err
				}
				if err := c.pause(200 * time.Millisecond); err != nil {
					return err
				}
			}
		},
	},
}

// capabilities are those of the stack around, which speak for what is within it.
func (c *Call) capabilities() []string { return c.Stack.Capabilities }

func (c *Call) topics() []string {
	if own := texts(c.Get("NotificationARNs")); own != nil {
		return own
	}
	return c.Stack.Notify
}

// nested are the template, the parameters and the tags of a stack within a stack.
func (c *Call) nested() (url *string, parameters []cfnapi.Parameter, tags []cfnapi.Tag) {
	if o, ok := c.Get("Parameters").(*ordered.Object); ok {
		for _, name := range o.Names() {
			value := template.Text(o.Get(name))
			if list, ok := o.Get(name).([]any); ok {
				value = strings.Join(texts(list), ",")
			}
			parameters = append(parameters, cfnapi.Parameter{ParameterKey: new(name), ParameterValue: &value})
		}
	}
	c.Take("Tags", "StackName")
	tags = []cfnapi.Tag{}
	SetTags(&tags, c.Tags())
	return new(c.Text("TemplateURL")), parameters, tags
}

// settledStack reports whether a stack has come to one of the statuses. At another one it
// failed.
func (c *Call) settledStack(good ...string) (bool, error) {
	out, err := cfnapi.DescribeStacks.Do(c, c.Peers, &cfnapi.DescribeStacksInput{StackName: &c.ID})
	if err != nil {
		return false, err
	}
	st := out.Stacks[0]
	status := aws.Value(st.StackStatus)
	for _, s := range good {
		if s == status {
			return true, nil
		}
	}
	if strings.HasSuffix(status, "_IN_PROGRESS") {
		return false, nil
	}
	return false, aws.Errorf(400, "ValidationError", "Embedded stack %s was not successfully %s: %s", c.ID, map[bool]string{true: "deleted", false: "updated"}[good[0] == "DELETE_COMPLETE"], aws.Value(st.StackStatusReason))
}
