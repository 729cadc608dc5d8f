package test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// layer publishes a version of a layer of one file.
func (c *cloud) layer(name, file, source string) *lambda.PublishLayerVersionOutput {
	c.Helper()
	return must(c.lambda.PublishLayerVersion(ctx, &lambda.PublishLayerVersionInput{LayerName: &name, CompatibleRuntimes: []types.Runtime{types.RuntimeNodejs20x},
		Content: &types.LayerVersionContentInput{ZipFile: zipped(file, source)}}))(c)
}

// Functions have layers, of others too where those allow it.
func TestLayers(t *testing.T) {
	c := newCloud(t)
	mine := c.layer("mine", "nodejs/node_modules/mine/index.js", `module.exports = "mine";`)
	source := `exports.handler = async () => require("mine") + process.env.WORD;`
	c.function("f", types.RuntimeNodejs20x, source, func(in *lambda.CreateFunctionInput) {
		in.Layers, in.Environment = []string{*mine.LayerVersionArn}, &types.Environment{Variables: map[string]string{"WORD": "!"}}
	})
	if got, failure := c.invoke("f", "{}"); got != `"mine!"` || failure != "" {
		t.Error(got, failure)
	}
	got := must(c.lambda.GetLayerVersionByArn(ctx, &lambda.GetLayerVersionByArnInput{Arn: mine.LayerVersionArn}))(c)
	res, err := http.Get(*got.Content.Location)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	equal(c, "the size at the layer's address", res.ContentLength, got.Content.CodeSize)

	_, err = c.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("f"),
		Layers: []string{*mine.LayerArn + ":9"}})
	refused(t, err, "InvalidParameterValueException", "Layer version "+*mine.LayerArn+":9 does not exist.")
	must(c.lambda.DeleteLayerVersion(ctx, &lambda.DeleteLayerVersionInput{LayerName: aws.String("mine"), VersionNumber: aws.Int64(1)}))(c)
	must(c.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("f"), MemorySize: aws.Int32(256)}))(c)
	if got, failure := c.invoke("f", "{}"); got != `"mine!"` || failure != "" {
		t.Error("with a layer that was deleted:", got, failure)
	}
}

// Versions are made of what has changed, and have environments that wait for them.
func TestProvisionedConcurrency(t *testing.T) {
	c := newCloud(t)
	c.function("f", types.RuntimeNodejs20x, `exports.handler = async () => process.env.AWS_LAMBDA_INITIALIZATION_TYPE;`)
	name, one := aws.String("f"), aws.String("1")
	for range 2 { // of the same code, the same version
		equal(c, "the version", *must(c.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name}))(c).Version, "1")
	}
	_, err := c.lambda.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: aws.String("$LATEST"), ProvisionedConcurrentExecutions: aws.Int32(1)})
	refused(t, err, "InvalidParameterValueException", "unpublished function versions")
	must(c.lambda.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: one, ProvisionedConcurrentExecutions: aws.Int32(2)}))(c)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		out := must(c.lambda.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: one}))(c)
		if out.Status == types.ProvisionedConcurrencyStatusEnumReady {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(out.Status)
		}
	}
	if got, _ := c.invoke("f:1", "{}"); got != `"provisioned-concurrency"` {
		t.Error(got)
	}
	if got, _ := c.invoke("f", "{}"); got != `"on-demand"` {
		t.Error(got)
	}
}

// Nothing here signs code: who enforces signatures gets no code in.
func TestCodeSigning(t *testing.T) {
	c := newCloud(t)
	made := must(c.lambda.CreateCodeSigningConfig(ctx, &lambda.CreateCodeSigningConfigInput{
		AllowedPublishers:   &types.AllowedPublishers{SigningProfileVersionArns: []string{"arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/0123456789"}},
		CodeSigningPolicies: &types.CodeSigningPolicies{UntrustedArtifactOnDeployment: types.CodeSigningPolicyEnforce},
		Tags:                map[string]string{"team": "a"}}))(c).CodeSigningConfig
	c.function("f", types.RuntimeNodejs20x, `exports.handler = async () => 1;`)
	name := aws.String("f")
	must(c.lambda.PutFunctionCodeSigningConfig(ctx, &lambda.PutFunctionCodeSigningConfigInput{FunctionName: name, CodeSigningConfigArn: made.CodeSigningConfigArn}))(c)
	_, err := c.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: zipped("index.js", "")})
	refused(t, err, "CodeVerificationFailedException", "Lambda cannot deploy the function.")
	equal(c, "the tags", must(c.lambda.ListTags(ctx, &lambda.ListTagsInput{Resource: made.CodeSigningConfigArn}))(c).Tags["team"], "a")
}

// A function in a VPC has it shown, if its role may make interfaces there.
func TestVPC(t *testing.T) {
	c := newCloud(t)
	vpc := &types.VpcConfig{SubnetIds: []string{"subnet-1"}, SecurityGroupIds: []string{"sg-1"}}
	_, err := c.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("f"), Runtime: types.RuntimeNodejs20x, Handler: aws.String("index.handler"),
		Role: aws.String(c.role("basic", "lambda.amazonaws.com", basicExecution)), Code: &types.FunctionCode{ZipFile: zipped("index.js", "")}, VpcConfig: vpc})
	refused(t, err, "InvalidParameterValueException", "The provided execution role does not have permissions to call CreateNetworkInterface on EC2")
	out := c.function("f", types.RuntimeNodejs20x, `exports.handler = async () => 1;`, func(in *lambda.CreateFunctionInput) {
		in.VpcConfig, in.Role = vpc, aws.String(c.role("network", "lambda.amazonaws.com", "service-role/AWSLambdaVPCAccessExecutionRole"))
	})
	if out.VpcConfig == nil || !strings.HasPrefix(aws.ToString(out.VpcConfig.VpcId), "vpc-") {
		t.Errorf("%+v", out.VpcConfig)
	}
	if got, failure := c.invoke("f", "{}"); got != "1" || failure != "" {
		t.Error(got, failure)
	}
}
