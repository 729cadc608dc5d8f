package resource

import (
	schedulerapi "github.com/tule-cloud/tule/api/scheduler"
)

var schedulerTypes = []*Type{
	{
		Name:  "AWS::Scheduler::Schedule",
		Named: "Name", Length: 64,
		Replace: []string{"GroupName"},
		Create: func(c *Call) error {
			out, err := Do(c, &schedulerapi.CreateSchedule)
			switch {
			case err == nil:
				c.Set("Arn", *out.ScheduleArn)
			case !c.Again || !Exists(err):
				return err
			}
			c.ID = c.Text("Name")
			return nil
		},
		Update: func(c *Call) error {
			// UpdateSchedule sets all that it is not given to what it is at first.
			for _, name := range c.Old.Names() {
				c.Take(name)
			}
			_, err := Do(c, &schedulerapi.UpdateSchedule)
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := schedulerapi.GetSchedule.Do(c, c.Peers, &schedulerapi.GetScheduleInput{Name: &c.ID, GroupName: c.scheduleGroup()})
			if err != nil {
				return nil, err
			}
			return Show(out, "Arn", "Name", "GroupName", "Description", "ScheduleExpression", "ScheduleExpressionTimezone", "State", "FlexibleTimeWindow", "StartDate", "EndDate"), nil
		},
		Delete: func(c *Call) error {
			_, err := schedulerapi.DeleteSchedule.Do(c, c.Peers, &schedulerapi.DeleteScheduleInput{Name: &c.ID, GroupName: c.scheduleGroup(), ClientToken: &c.Token})
			return err
		},
	},
	{
		Name:  "AWS::Scheduler::ScheduleGroup",
		Named: "Name", Length: 64,
		Create: func(c *Call) error {
			if _, err := Do(c, &schedulerapi.CreateScheduleGroup); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("Name")
			return nil
		},
		Update: func(c *Call) error {
			arn := c.Stack.arn("scheduler", "schedule-group/"+c.ID)
			return Retag(c, &schedulerapi.TagResource, &schedulerapi.UntagResource,
				func(in *schedulerapi.TagResourceInput) { in.ResourceArn = &arn }, func(in *schedulerapi.UntagResourceInput) { in.ResourceArn = &arn })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := schedulerapi.GetScheduleGroup.Do(c, c.Peers, &schedulerapi.GetScheduleGroupInput{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "Arn", "Name", "State", "CreationDate", "LastModificationDate"), nil
		},
		Delete: func(c *Call) error {
			_, err := schedulerapi.DeleteScheduleGroup.Do(c, c.Peers, &schedulerapi.DeleteScheduleGroupInput{Name: &c.ID, ClientToken: &c.Token})
			return err
		},
	},
}

// scheduleGroup is the group that a schedule is in; nil for the default one.
func (c *Call) scheduleGroup() *string {
	if name := c.Text("GroupName"); name != "" {
		return &name
	}
	return nil
}
