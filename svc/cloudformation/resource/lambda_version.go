package resource

import (
	"slices"
	"strconv"
	"strings"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// lambdaVersionTypes are versions of functions and layers, and names of versions.
var lambdaVersionTypes = []*Type{
	{
		Name: "AWS::Lambda::Alias",
		Create: func(c *Call) error {
			shape := c.without("RoutingConfig")
			out, err := Do(shape, &lambdaapi.CreateAlias, func(in *lambdaapi.CreateAliasRequest) { in.RoutingConfig = c.routing() })
			if err != nil && c.Again && Exists(err) {
				out, err = lambdaapi.GetAlias.Do(c, c.Peers, &lambdaapi.GetAliasRequest{FunctionName: new(c.Text("FunctionName")), Name: new(c.Text("Name"))})
			}
			if err != nil {
				return err
			}
			c.ID = *out.AliasArn
			c.Set("AliasArn", c.ID)
			c.Take("FunctionName", "FunctionVersion", "Name", "Description")
			return c.provision("Name")
		},
		Update: func(c *Call) error {
			in := &lambdaapi.UpdateAliasRequest{FunctionName: new(c.Text("FunctionName")), Name: new(c.Text("Name")), FunctionVersion: new(c.Text("FunctionVersion")),
				Description: new(c.Text("Description")), RoutingConfig: c.routing()}
			if in.RoutingConfig == nil {
				in.RoutingConfig = &lambdaapi.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}}
			}
			if _, err := lambdaapi.UpdateAlias.Do(c, c.Peers, in); err != nil {
				return err
			}
			return c.provision("Name")
		},
		Ready: func(c *Call) (bool, error) { return c.provisioned(c.Text("Name")) },
		Read: func(c *Call) (map[string]any, error) {
			out, err := lambdaapi.GetAlias.Do(c, c.Peers, &lambdaapi.GetAliasRequest{FunctionName: new(c.Text("FunctionName")), Name: new(c.Text("Name"))})
			if err != nil {
				return nil, err
			}
			got := Show(out, "AliasArn", "Description", "FunctionVersion", "Name")
			got["FunctionName"] = c.Text("FunctionName")
			return got, nil
		},
		Delete: func(c *Call) error {
			if c.Has("ProvisionedConcurrencyConfig") {
				if err := c.unprovision(c.Text("Name")); err != nil && !Gone(err) {
					return err
				}
			}
			_, err := lambdaapi.DeleteAlias.Do(c, c.Peers, &lambdaapi.DeleteAliasRequest{FunctionName: new(c.Text("FunctionName")), Name: new(c.Text("Name"))})
			return err
		},
	},
	{
		Name:   "AWS::Lambda::Version",
		Create: publish,
		Ready:  func(c *Call) (bool, error) { return c.provisioned(lastPart(c.ID, ":")) },
		Read: func(c *Call) (map[string]any, error) {
			out, err := lambdaapi.GetFunctionConfiguration.Do(c, c.Peers, &lambdaapi.GetFunctionConfigurationRequest{FunctionName: &c.ID})
			if err != nil {
				return nil, err
			}
			return map[string]any{"FunctionArn": c.ID, "Version": *out.Version, "Description": aws.Value(out.Description), "CodeSha256": aws.Value(out.CodeSha256)}, nil
		},
		Delete: func(c *Call) error {
			if c.Has("ProvisionedConcurrencyConfig") {
				if err := c.unprovision(lastPart(c.ID, ":")); err != nil && !Gone(err) {
					return err
				}
			}
			_, err := lambdaapi.DeleteFunction.Do(c, c.Peers, &lambdaapi.DeleteFunctionRequest{FunctionName: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::Lambda::LayerVersion",
		Named: "LayerName", Length: 64,
		Create: func(c *Call) error {
			out, err := Do(c, &lambdaapi.PublishLayerVersion)
			if err != nil {
				return err
			}
			c.ID = *out.LayerVersionArn
			c.Set("LayerVersionArn", c.ID)
			return nil
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := lambdaapi.GetLayerVersionByArn.Do(c, c.Peers, &lambdaapi.GetLayerVersionByArnRequest{Arn: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "CompatibleArchitectures", "CompatibleRuntimes", "Description", "LayerVersionArn", "LicenseInfo"), nil
		},
		Delete: func(c *Call) error {
			layer, version, err := layerVersion(c.ID)
			if err != nil {
				return err
			}
			_, err = lambdaapi.DeleteLayerVersion.Do(c, c.Peers, &lambdaapi.DeleteLayerVersionRequest{LayerName: &layer, VersionNumber: &version})
			return err
		},
	},
	{
		Name: "AWS::Lambda::LayerVersionPermission",
		Create: func(c *Call) error {
			layer, version, err := layerVersion(c.Text("LayerVersionArn"))
			if err != nil {
				return err
			}
			statement := c.steady(100)
			c.ID = c.Text("LayerVersionArn") + "#" + statement
			_, err = Do(c, &lambdaapi.AddLayerVersionPermission, func(in *lambdaapi.AddLayerVersionPermissionRequest) {
				in.LayerName, in.VersionNumber, in.StatementId = &layer, &version, &statement
			})
			return c.made(err)
		},
		Delete: func(c *Call) error {
			arn, statement, _ := strings.Cut(c.ID, "#")
			layer, version, err := layerVersion(arn)
			if err != nil {
				return err
			}
			_, err = lambdaapi.RemoveLayerVersionPermission.Do(c, c.Peers, &lambdaapi.RemoveLayerVersionPermissionRequest{LayerName: &layer, VersionNumber: &version, StatementId: &statement})
			return err
		},
	},
}

// routing is the property RoutingConfig, a list of weights, as Lambda has it; nil without.
func (c *Call) routing() *lambdaapi.AliasRoutingConfiguration {
	o, ok := c.Get("RoutingConfig").(*ordered.Object)
	if !ok {
		return nil
	}
	out := &lambdaapi.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}}
	for _, w := range objects(o.Get("AdditionalVersionWeights")) {
		weight, err := strconv.ParseFloat(member(w, "FunctionWeight"), 64)
		if err == nil { // the schema says that it is a number
			out.AdditionalVersionWeights[member(w, "FunctionVersion")] = weight
		}
	}
	return out
}

// provision keeps as many environments ready for a version or an alias, whose name a
// property holds, as the resource says.
func (c *Call) provision(name string) error {
	if c.Old != nil && !c.Changed("ProvisionedConcurrencyConfig") {
		return nil
	}
	o, ok := c.Get("ProvisionedConcurrencyConfig").(*ordered.Object)
	if !ok {
		if c.Old == nil {
			return nil
		}
		return c.unprovision(c.Text(name))
	}
	in := &lambdaapi.PutProvisionedConcurrencyConfigRequest{FunctionName: new(c.Text("FunctionName")), Qualifier: new(c.Text(name))}
	if name == "" {
		in.Qualifier = new(lastPart(c.ID, ":"))
	}
	if err := FillFrom(&in.ProvisionedConcurrentExecutions, o.Get("ProvisionedConcurrentExecutions"), "ProvisionedConcurrentExecutions"); err != nil {
		return err
	}
	_, err := lambdaapi.PutProvisionedConcurrencyConfig.Do(c, c.Peers, in)
	return err
}

func (c *Call) unprovision(qualifier string) error {
	_, err := lambdaapi.DeleteProvisionedConcurrencyConfig.Do(c, c.Peers, &lambdaapi.DeleteProvisionedConcurrencyConfigRequest{FunctionName: new(c.Text("FunctionName")), Qualifier: &qualifier})
	return err
}

// provisioned reports whether the environments that are to be ready are.
func (c *Call) provisioned(qualifier string) (bool, error) {
	if !c.Has("ProvisionedConcurrencyConfig") {
		return true, nil
	}
	out, err := lambdaapi.GetProvisionedConcurrencyConfig.Do(c, c.Peers, &lambdaapi.GetProvisionedConcurrencyConfigRequest{FunctionName: new(c.Text("FunctionName")), Qualifier: &qualifier})
	if err != nil {
		return false, err
	}
	if aws.Value(out.Status) == "FAILED" {
		return false, aws.Errorf(400, "NotStabilized", "%s", aws.Value(out.StatusReason))
	}
	return aws.Value(out.Status) == "READY", nil
}

// publish makes a version of a function as it is. Lambda answers the version that there
// is where nothing has changed since; that one is some other resource's.
func publish(c *Call) error {
	var have []string
	if !c.Again {
		var err error
		if have, err = versionsOf(c, c.Text("FunctionName")); err != nil {
			return err
		}
	}
	shape := c.without("RuntimePolicy")
	out, err := Do(shape, &lambdaapi.PublishVersion)
	if err != nil {
		return err
	}
	if slices.Contains(have, *out.Version) {
		return aws.Errorf(400, "AlreadyExists", "A version for this Lambda function exists ( %s ). Modify the function to create a new version.", *out.Version)
	}
	c.ID = *out.FunctionArn
	c.Set("FunctionArn", c.ID)
	c.Set("Version", *out.Version)
	c.Take("FunctionName", "Description", "CodeSha256")
	if policy, ok := c.Get("RuntimePolicy").(*ordered.Object); ok {
		in := &lambdaapi.PutRuntimeManagementConfigRequest{FunctionName: new(c.Text("FunctionName")), Qualifier: out.Version}
		if err := FillFrom(&in.UpdateRuntimeOn, policy.Get("UpdateRuntimeOn"), "UpdateRuntimeOn"); err != nil {
			return err
		}
		if arn := template.Text(policy.Get("RuntimeVersionArn")); arn != "" {
			in.RuntimeVersionArn = &arn
		}
		if _, err := lambdaapi.PutRuntimeManagementConfig.Do(c, c.Peers, in); err != nil {
			return err
		}
	}
	return c.provision("")
}

// versionsOf are the numbers of a function's versions.
func versionsOf(c *Call, function string) ([]string, error) {
	var all []string
	in := &lambdaapi.ListVersionsByFunctionRequest{FunctionName: &function}
	for {
		out, err := lambdaapi.ListVersionsByFunction.Do(c, c.Peers, in)
		if err != nil {
			return nil, err
		}
		for _, v := range out.Versions {
			all = append(all, *v.Version)
		}
		if in.Marker = out.NextMarker; aws.Value(in.Marker) == "" {
			return all, nil
		}
	}
}

// layerVersion takes the ARN of a layer's version apart: the layer's own ARN, and the number.
func layerVersion(arn string) (layer string, version int64, err error) {
	number := lastPart(arn, ":")
	version, err = strconv.ParseInt(number, 10, 64)
	if err != nil {
		return "", 0, invalid("Value of property LayerVersionArn is not the ARN of a layer's version: %s", arn)
	}
	return strings.TrimSuffix(arn, ":"+number), version, nil
}
