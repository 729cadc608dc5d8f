package resource

import (
	"strings"

	eventsapi "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

var eventsTypes = []*Type{
	{
		Name:  "AWS::Events::Rule",
		Named: "Name", Length: 64,
		Replace: []string{"EventBusName"},
		Create: func(c *Call) error {
			if err := putEventRule(c, c.Properties.Get("Name")); err != nil {
				return err
			}
			if c.ID = c.Text("Name"); c.eventBus() != nil {
				c.ID = *c.eventBus() + "|" + c.ID
			}
			return putEventTargets(c)
		},
		Update: func(c *Call) error {
			if err := putEventRule(c, lastPart(c.ID, "|")); err != nil {
				return err
			}
			if err := putEventTargets(c); err != nil {
				return err
			}
			r, err := c.eventRule()
			if err != nil {
				return err
			}
			return Retag(c, &eventsapi.TagResource, &eventsapi.UntagResource,
				func(in *eventsapi.TagResourceRequest) { in.ResourceARN = r.Arn }, func(in *eventsapi.UntagResourceRequest) { in.ResourceARN = r.Arn })
		},
		Read: func(c *Call) (map[string]any, error) {
			r, err := c.eventRule()
			if err != nil {
				return nil, err
			}
			got := Show(r, "Arn", "Name", "Description", "EventPattern", "RoleArn", "ScheduleExpression", "State")
			got["RuleName"] = *r.Name
			return got, nil
		},
		Delete: func(c *Call) error {
			have, err := eventTargets(c)
			if err != nil {
				return err
			}
			name := lastPart(c.ID, "|")
			if len(have) > 0 {
				if _, err := eventsapi.RemoveTargets.Do(c, c.Peers, &eventsapi.RemoveTargetsRequest{Rule: &name, EventBusName: c.eventBus(), Ids: have}); err != nil {
					return err
				}
			}
			_, err = eventsapi.DeleteRule.Do(c, c.Peers, &eventsapi.DeleteRuleRequest{Name: &name, EventBusName: c.eventBus()})
			return err
		},
	},
	{
		Name: "AWS::Events::EventBus",
		Create: func(c *Call) error {
			if _, err := Do(c.but("Policy"), &eventsapi.CreateEventBus); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("Name")
			return putBusPolicy(c)
		},
		Update: func(c *Call) error {
			if _, err := Change(c.but("Policy", "Tags"), &eventsapi.UpdateEventBus, func(in *eventsapi.UpdateEventBusRequest) { in.Name = &c.ID }); err != nil {
				return err
			}
			if err := putBusPolicy(c); err != nil {
				return err
			}
			arn := c.Stack.arn("events", "event-bus/"+c.ID)
			return Retag(c, &eventsapi.TagResource, &eventsapi.UntagResource,
				func(in *eventsapi.TagResourceRequest) { in.ResourceARN = &arn }, func(in *eventsapi.UntagResourceRequest) { in.ResourceARN = &arn })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := eventsapi.DescribeEventBus.Do(c, c.Peers, &eventsapi.DescribeEventBusRequest{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "Arn", "Name", "Description", "Policy", "KmsKeyIdentifier"), nil
		},
		Delete: func(c *Call) error {
			_, err := eventsapi.DeleteEventBus.Do(c, c.Peers, &eventsapi.DeleteEventBusRequest{Name: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::Events::EventBusPolicy",
		Create: newBusStatement,
		Find:   newBusStatement, // what is put again is what was put
		Update: putBusStatement,
		Delete: func(c *Call) error {
			_, err := eventsapi.RemovePermission.Do(c, c.Peers, &eventsapi.RemovePermissionRequest{EventBusName: c.eventBus(), StatementId: new(c.Text("StatementId"))})
			return err
		},
	},
	{
		Name:  "AWS::Events::Archive",
		Named: "ArchiveName", Length: 48,
		Defaults: map[string]any{"RetentionDays": 0},
		Create: func(c *Call) error {
			_, err := Do(c, &eventsapi.CreateArchive, func(in *eventsapi.CreateArchiveRequest) { in.EventSourceArn = new(c.Text("SourceArn")) })
			if err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("ArchiveName")
			return nil
		},
		Update: func(c *Call) error {
			_, err := Change(c, &eventsapi.UpdateArchive)
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := eventsapi.DescribeArchive.Do(c, c.Peers, &eventsapi.DescribeArchiveRequest{ArchiveName: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "ArchiveName", "Description", "EventPattern", "RetentionDays")
			got["Arn"], got["SourceArn"] = *out.ArchiveArn, *out.EventSourceArn
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := eventsapi.DeleteArchive.Do(c, c.Peers, &eventsapi.DeleteArchiveRequest{ArchiveName: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::Events::Connection",
		Named: "Name", Length: 64,
		Create: func(c *Call) error {
			if _, err := Do(c, &eventsapi.CreateConnection); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("Name")
			return nil
		},
		Update: func(c *Call) error {
			_, err := Change(c, &eventsapi.UpdateConnection)
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := eventsapi.DescribeConnection.Do(c, c.Peers, &eventsapi.DescribeConnectionRequest{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "Name", "AuthorizationType", "Description", "SecretArn")
			got["Arn"], got["ArnForPolicy"] = *out.ConnectionArn, withoutUUID(*out.ConnectionArn)
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := eventsapi.DeleteConnection.Do(c, c.Peers, &eventsapi.DeleteConnectionRequest{Name: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::Events::ApiDestination",
		Named: "Name", Length: 64,
		Defaults: map[string]any{"InvocationRateLimitPerSecond": 300},
		Create: func(c *Call) error {
			if _, err := Do(c, &eventsapi.CreateApiDestination); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("Name")
			return nil
		},
		Update: func(c *Call) error {
			_, err := Change(c, &eventsapi.UpdateApiDestination)
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := eventsapi.DescribeApiDestination.Do(c, c.Peers, &eventsapi.DescribeApiDestinationRequest{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "Name", "ConnectionArn", "Description", "HttpMethod", "InvocationEndpoint", "InvocationRateLimitPerSecond")
			got["Arn"], got["ArnForPolicy"] = *out.ApiDestinationArn, withoutUUID(*out.ApiDestinationArn)
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := eventsapi.DeleteApiDestination.Do(c, c.Peers, &eventsapi.DeleteApiDestinationRequest{Name: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::Events::Endpoint",
		Named: "Name", Length: 64,
		Create: func(c *Call) error {
			if _, err := Do(c, &eventsapi.CreateEndpoint); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("Name")
			return nil
		},
		Ready: func(c *Call) (bool, error) {
			out, err := eventsapi.DescribeEndpoint.Do(c, c.Peers, &eventsapi.DescribeEndpointRequest{Name: &c.ID})
			return err == nil && !strings.HasSuffix(aws.Value(out.State), "ING"), err
		},
		Update: func(c *Call) error {
			_, err := Change(c, &eventsapi.UpdateEndpoint)
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := eventsapi.DescribeEndpoint.Do(c, c.Peers, &eventsapi.DescribeEndpointRequest{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "Arn", "Name", "Description", "EndpointId", "EndpointUrl", "State", "StateReason", "RoleArn"), nil
		},
		Delete: func(c *Call) error {
			_, err := eventsapi.DeleteEndpoint.Do(c, c.Peers, &eventsapi.DeleteEndpointRequest{Name: &c.ID})
			return err
		},
	},
}

// withoutUUID is an ARN but for the id at its end, as policies name the resource.
func withoutUUID(arn string) string { return strings.TrimSuffix(arn, "/"+lastPart(arn, "/")) }

// eventBus is the bus of a rule or a policy; nil for the default one.
func (c *Call) eventBus() *string {
	if name := c.Text("EventBusName"); name != "" && name != "default" {
		return &name
	}
	return nil
}

func (c *Call) eventRule() (*eventsapi.DescribeRuleResponse, error) {
	return eventsapi.DescribeRule.Do(c, c.Peers, &eventsapi.DescribeRuleRequest{Name: new(lastPart(c.ID, "|")), EventBusName: c.eventBus()})
}

// putEventRule puts a rule, whose members that are not given become what they are at first.
func putEventRule(c *Call, name any) error {
	if c.Old != nil {
		c.Take("Description", "EventPattern", "RoleArn", "ScheduleExpression", "State")
	}
	_, err := Do(c.but("Targets"), &eventsapi.PutRule, func(in *eventsapi.PutRuleRequest) {
		in.Name = new(template.Text(name))
		if c.Old != nil {
			in.Tags = nil
		}
	})
	return err
}

// eventTargets are the ids of a rule's targets.
func eventTargets(c *Call) ([]string, error) {
	out, err := eventsapi.ListTargetsByRule.Do(c, c.Peers, &eventsapi.ListTargetsByRuleRequest{Rule: new(lastPart(c.ID, "|")), EventBusName: c.eventBus()})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, t := range out.Targets {
		ids = append(ids, *t.Id)
	}
	return ids, nil
}

// putEventTargets gives a rule its targets, and takes those that it had.
func putEventTargets(c *Call) error {
	if !c.fresh("Targets") {
		return nil
	}
	rule := lastPart(c.ID, "|")
	in := &eventsapi.PutTargetsRequest{Rule: &rule, EventBusName: c.eventBus()}
	if err := Into(c, "Targets", &in.Targets); err != nil {
		return err
	}
	have, err := eventTargets(c)
	if err != nil {
		return err
	}
	for _, t := range in.Targets {
		have = without(have, []string{aws.Value(t.Id)})
	}
	if len(have) > 0 {
		if _, err := eventsapi.RemoveTargets.Do(c, c.Peers, &eventsapi.RemoveTargetsRequest{Rule: &rule, EventBusName: c.eventBus(), Ids: have}); err != nil {
			return err
		}
	}
	if len(in.Targets) == 0 {
		return nil
	}
	out, err := eventsapi.PutTargets.Do(c, c.Peers, in)
	if err != nil {
		return err
	}
	for _, f := range out.FailedEntries {
		return aws.Errorf(400, aws.Value(f.ErrorCode), "%s", aws.Value(f.ErrorMessage))
	}
	return nil
}

// putBusPolicy sets a bus's policy as a whole.
func putBusPolicy(c *Call) error {
	if !c.fresh("Policy") {
		return nil
	}
	if !c.Has("Policy") {
		_, err := eventsapi.RemovePermission.Do(c, c.Peers, &eventsapi.RemovePermissionRequest{EventBusName: &c.ID, RemoveAllPermissions: new(true)})
		return found(err)
	}
	_, err := eventsapi.PutPermission.Do(c, c.Peers, &eventsapi.PutPermissionRequest{EventBusName: &c.ID, Policy: new(Texted(c.Get("Policy")))})
	return err
}

// putBusStatement sets one statement of a bus's policy: by what it consists of, or as it
// is written, among the others.
func putBusStatement(c *Call) error {
	c.Take("EventBusName", "StatementId")
	if !c.Has("Statement") {
		_, err := Do(c, &eventsapi.PutPermission)
		return err
	}
	statement, ok := c.Get("Statement").(*ordered.Object)
	if !ok {
		v, err := ordered.Parse([]byte(c.Text("Statement")))
		if statement, ok = v.(*ordered.Object); err != nil || !ok {
			return invalid("Value of property Statement must be an object")
		}
	}
	statement = omit(statement, []string{"Sid"}).Set("Sid", c.Text("StatementId"))
	out, err := eventsapi.DescribeEventBus.Do(c, c.Peers, &eventsapi.DescribeEventBusRequest{Name: c.eventBus()})
	if err != nil {
		return err
	}
	statements := []any{statement}
	if have, err := ordered.Parse([]byte(aws.Value(out.Policy))); err == nil {
		if o, ok := have.(*ordered.Object); ok {
			for _, s := range objects(o.Get("Statement")) {
				if member(s, "Sid") != c.Text("StatementId") {
					statements = append(statements, s)
				}
			}
		}
	}
	document := ordered.New().Set("Version", "2012-10-17").Set("Statement", statements)
	_, err = eventsapi.PutPermission.Do(c, c.Peers, &eventsapi.PutPermissionRequest{EventBusName: c.eventBus(), Policy: new(Texted(document))})
	return err
}

func newBusStatement(c *Call) error {
	if err := putBusStatement(c); err != nil {
		return err
	}
	c.ID = c.Text("StatementId")
	if c.eventBus() != nil {
		c.ID = *c.eventBus() + "|" + c.ID
	}
	return nil
}
