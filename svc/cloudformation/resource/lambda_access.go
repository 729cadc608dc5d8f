package resource

import (
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

// lambdaAccessTypes say who may call functions, and what code they may have.
var lambdaAccessTypes = []*Type{
	{
		Name: "AWS::Lambda::Permission",
		Create: func(c *Call) error {
			c.ID = c.steady(100)
			_, err := Do(c, &lambdaapi.AddPermission, func(in *lambdaapi.AddPermissionRequest) { in.StatementId = &c.ID })
			return c.made(err)
		},
		Read: func(c *Call) (map[string]any, error) {
			_, err := lambdaapi.GetPolicy.Do(c, c.Peers, &lambdaapi.GetPolicyRequest{FunctionName: new(c.Text("FunctionName"))})
			return map[string]any{"Id": c.ID}, err
		},
		Delete: func(c *Call) error {
			_, err := lambdaapi.RemovePermission.Do(c, c.Peers, &lambdaapi.RemovePermissionRequest{FunctionName: new(c.Text("FunctionName")), StatementId: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::Lambda::Url",
		Create: func(c *Call) error {
			out, err := Do(c, &lambdaapi.CreateFunctionUrlConfig, func(in *lambdaapi.CreateFunctionUrlConfigRequest) { in.FunctionName = new(c.Text("TargetFunctionArn")) })
			switch {
			case err == nil:
				c.ID = *out.FunctionArn
				c.Set("FunctionUrl", *out.FunctionUrl)
				c.Set("FunctionArn", c.ID)
			case c.Again && Exists(err):
				return findURL(c)
			}
			return err
		},
		Update: func(c *Call) error {
			_, err := Change(c, &lambdaapi.UpdateFunctionUrlConfig, func(in *lambdaapi.UpdateFunctionUrlConfigRequest) {
				in.FunctionName = new(c.Text("TargetFunctionArn"))
				if in.InvokeMode != nil && *in.InvokeMode == "" {
					in.InvokeMode = new(lambdaapi.InvokeModeBuffered)
				}
			})
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := functionURL(c)
			if err != nil {
				return nil, err
			}
			got := Show(out, "AuthType", "Cors", "FunctionArn", "FunctionUrl", "InvokeMode")
			got["TargetFunctionArn"] = c.Properties.Get("TargetFunctionArn")
			return got, nil
		},
		Delete: func(c *Call) error {
			in := &lambdaapi.DeleteFunctionUrlConfigRequest{FunctionName: new(c.Text("TargetFunctionArn"))}
			if c.Has("Qualifier") {
				in.Qualifier = new(c.Text("Qualifier"))
			}
			_, err := lambdaapi.DeleteFunctionUrlConfig.Do(c, c.Peers, in)
			return err
		},
	},
	{
		Name: "AWS::Lambda::CodeSigningConfig",
		Create: func(c *Call) error {
			out, err := Do(c, &lambdaapi.CreateCodeSigningConfig, func(in *lambdaapi.CreateCodeSigningConfigRequest) { in.Tags = c.marks() })
			if err != nil {
				return err
			}
			c.ID = *out.CodeSigningConfig.CodeSigningConfigArn
			c.Set("CodeSigningConfigArn", c.ID)
			c.Set("CodeSigningConfigId", *out.CodeSigningConfig.CodeSigningConfigId)
			return nil
		},
		Find: findCodeSigning,
		Update: func(c *Call) error {
			_, err := Change(c, &lambdaapi.UpdateCodeSigningConfig, func(in *lambdaapi.UpdateCodeSigningConfigRequest) {
				in.CodeSigningConfigArn = &c.ID
				if p := in.CodeSigningPolicies; p != nil && p.UntrustedArtifactOnDeployment == nil {
					p.UntrustedArtifactOnDeployment = new("Warn")
				}
			})
			if err != nil {
				return err
			}
			return c.retagFunctionPart(&c.ID)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := lambdaapi.GetCodeSigningConfig.Do(c, c.Peers, &lambdaapi.GetCodeSigningConfigRequest{CodeSigningConfigArn: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out.CodeSigningConfig, "AllowedPublishers", "CodeSigningConfigArn", "CodeSigningConfigId", "CodeSigningPolicies", "Description"), nil
		},
		Delete: func(c *Call) error {
			_, err := lambdaapi.DeleteCodeSigningConfig.Do(c, c.Peers, &lambdaapi.DeleteCodeSigningConfigRequest{CodeSigningConfigArn: &c.ID})
			return err
		},
	},
}

// made is the outcome of a creation by a name that is the step's own: that it is there
// already is success when it was tried before, and where there is none, there is no id.
func (c *Call) made(err error) error {
	if err == nil || c.Again && Exists(err) {
		return nil
	}
	c.ID = ""
	return err
}

func functionURL(c *Call) (*lambdaapi.GetFunctionUrlConfigResponse, error) {
	in := &lambdaapi.GetFunctionUrlConfigRequest{FunctionName: new(c.Text("TargetFunctionArn"))}
	if c.Has("Qualifier") {
		in.Qualifier = new(c.Text("Qualifier"))
	}
	return lambdaapi.GetFunctionUrlConfig.Do(c, c.Peers, in)
}

// findURL takes the function's URL, of which there is one, for what was made.
func findURL(c *Call) error {
	out, err := functionURL(c)
	if err == nil {
		c.found(*out.FunctionArn)
		c.Set("FunctionUrl", *out.FunctionUrl)
		c.Set("FunctionArn", c.ID)
	}
	return err
}

// retagFunctionPart brings the tags of what Lambda knows by an ARN up to date.
func (c *Call) retagFunctionPart(arn *string) error {
	return Retag(c, &lambdaapi.TagResource, &lambdaapi.UntagResource,
		func(in *lambdaapi.TagResourceRequest) { in.Resource = arn }, func(in *lambdaapi.UntagResourceRequest) { in.Resource = arn })
}

// markedFunctionPart reports whether what Lambda knows by an ARN is what this step made.
func (c *Call) markedFunctionPart(arn *string) (bool, error) {
	out, err := lambdaapi.ListTags.Do(c, c.Peers, &lambdaapi.ListTagsRequest{Resource: arn})
	if Gone(err) {
		return false, nil
	}
	return err == nil && c.marked(out.Tags), err
}

func findCodeSigning(c *Call) error {
	in := &lambdaapi.ListCodeSigningConfigsRequest{}
	for {
		out, err := lambdaapi.ListCodeSigningConfigs.Do(c, c.Peers, in)
		if err != nil {
			return err
		}
		for _, config := range out.CodeSigningConfigs {
			ours, err := c.markedFunctionPart(config.CodeSigningConfigArn)
			if err != nil {
				return err
			}
			if ours {
				c.found(*config.CodeSigningConfigArn)
				c.Set("CodeSigningConfigArn", c.ID)
				c.Set("CodeSigningConfigId", *config.CodeSigningConfigId)
				return nil
			}
		}
		if in.Marker = out.NextMarker; aws.Value(in.Marker) == "" {
			return nil
		}
	}
}
