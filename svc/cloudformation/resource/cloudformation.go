package resource

var cloudformationTypes = []*Type{
	{
		// A handle is nothing but the address that signals go to; the stacks' service knows it.
		Name:   "AWS::CloudFormation::WaitConditionHandle",
		Create: func(c *Call) error { c.ID = c.SignalURL; return nil },
		Update: func(c *Call) error { return nil },
		Delete: func(c *Call) error { return nil },
	},
}
