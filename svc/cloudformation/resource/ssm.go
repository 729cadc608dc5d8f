package resource

import (
	ssmapi "github.com/tule-cloud/tule/api/ssm"
)

var ssmTypes = []*Type{
	{
		Name:  "AWS::SSM::Parameter",
		Named: "Name", Length: 1011,
		Defaults: map[string]any{"Description": "", "AllowedPattern": ""},
		Create: func(c *Call) error {
			_, err := Do(c, &ssmapi.PutParameter)
			if err != nil && (!c.Again || !Exists(err) && !isCode(err, "ParameterAlreadyExists")) {
				return err
			}
			c.ID = c.Text("Name")
			return nil
		},
		Update: func(c *Call) error {
			if c.Changed("Type", "Value", "Description", "AllowedPattern", "DataType", "Policies", "Tier") {
				if _, err := Do(c.but("Tags"), &ssmapi.PutParameter, func(in *ssmapi.PutParameterRequest) { in.Overwrite, in.Tags = new(true), nil }); err != nil {
					return err
				}
			}
			return Retag(c, &ssmapi.AddTagsToResource, &ssmapi.RemoveTagsFromResource,
				func(in *ssmapi.AddTagsToResourceRequest) { in.ResourceId, in.ResourceType = &c.ID, new("Parameter") },
				func(in *ssmapi.RemoveTagsFromResourceRequest) {
					in.ResourceId, in.ResourceType = &c.ID, new("Parameter")
				})
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := ssmapi.GetParameter.Do(c, c.Peers, &ssmapi.GetParameterRequest{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out.Parameter, "Name", "Type", "Value", "DataType")
			got["Arn"] = *out.Parameter.ARN
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := ssmapi.DeleteParameter.Do(c, c.Peers, &ssmapi.DeleteParameterRequest{Name: &c.ID})
			return err
		},
	},
}
