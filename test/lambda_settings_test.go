package test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
)

// What can be set on functions, layers and addresses is read back, listed and removed.
func TestLambdaSettings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	l, f := c.lambda, aws.String("f")
	c.function("f", types.RuntimeNodejs20x, `exports.handler = async () => 1;`)

	c.layer("mine", "index.js", "")
	layer, one := aws.String("mine"), aws.Int64(1)
	must(l.AddLayerVersionPermission(ctx, &lambda.AddLayerVersionPermissionInput{LayerName: layer, VersionNumber: one, StatementId: aws.String("all"), Action: aws.String("lambda:GetLayerVersion"), Principal: aws.String("*")}))(t)
	must(l.GetLayerVersionPolicy(ctx, &lambda.GetLayerVersionPolicyInput{LayerName: layer, VersionNumber: one}))(t)
	must(l.RemoveLayerVersionPermission(ctx, &lambda.RemoveLayerVersionPermissionInput{LayerName: layer, VersionNumber: one, StatementId: aws.String("all")}))(t)
	equal(t, "the layer's version", must(l.GetLayerVersion(ctx, &lambda.GetLayerVersionInput{LayerName: layer, VersionNumber: one}))(t).Version, 1)
	equal(t, "the number of layers", len(must(l.ListLayers(ctx, &lambda.ListLayersInput{}))(t).Layers), 1)
	equal(t, "the number of its versions", len(must(l.ListLayerVersions(ctx, &lambda.ListLayerVersionsInput{LayerName: layer}))(t).LayerVersions), 1)

	profile := "arn:aws:signer:us-east-1:" + c.account + ":/signing-profiles/p/abcdefghij"
	signing := must(l.CreateCodeSigningConfig(ctx, &lambda.CreateCodeSigningConfigInput{AllowedPublishers: &types.AllowedPublishers{SigningProfileVersionArns: []string{profile}}}))(t).CodeSigningConfig.CodeSigningConfigArn
	must(l.UpdateCodeSigningConfig(ctx, &lambda.UpdateCodeSigningConfigInput{CodeSigningConfigArn: signing, Description: aws.String("d")}))(t)
	equal(t, "the description", *must(l.GetCodeSigningConfig(ctx, &lambda.GetCodeSigningConfigInput{CodeSigningConfigArn: signing}))(t).CodeSigningConfig.Description, "d")
	equal(t, "the number of configurations", len(must(l.ListCodeSigningConfigs(ctx, &lambda.ListCodeSigningConfigsInput{}))(t).CodeSigningConfigs), 1)
	must(l.PutFunctionCodeSigningConfig(ctx, &lambda.PutFunctionCodeSigningConfigInput{FunctionName: f, CodeSigningConfigArn: signing}))(t)
	equal(t, "the function's", *must(l.GetFunctionCodeSigningConfig(ctx, &lambda.GetFunctionCodeSigningConfigInput{FunctionName: f}))(t).CodeSigningConfigArn, *signing)
	equal(t, "the number of functions", len(must(l.ListFunctionsByCodeSigningConfig(ctx, &lambda.ListFunctionsByCodeSigningConfigInput{CodeSigningConfigArn: signing}))(t).FunctionArns), 1)
	must(l.DeleteFunctionCodeSigningConfig(ctx, &lambda.DeleteFunctionCodeSigningConfigInput{FunctionName: f}))(t)
	must(l.DeleteCodeSigningConfig(ctx, &lambda.DeleteCodeSigningConfigInput{CodeSigningConfigArn: signing}))(t)

	must(l.PutRuntimeManagementConfig(ctx, &lambda.PutRuntimeManagementConfigInput{FunctionName: f, UpdateRuntimeOn: types.UpdateRuntimeOnFunctionUpdate}))(t)
	equal(t, "the runtime's updates", must(l.GetRuntimeManagementConfig(ctx, &lambda.GetRuntimeManagementConfigInput{FunctionName: f}))(t).UpdateRuntimeOn, types.UpdateRuntimeOnFunctionUpdate)

	must(l.CreateFunctionUrlConfig(ctx, &lambda.CreateFunctionUrlConfigInput{FunctionName: f, AuthType: types.FunctionUrlAuthTypeAwsIam}))(t)
	must(l.UpdateFunctionUrlConfig(ctx, &lambda.UpdateFunctionUrlConfigInput{FunctionName: f, AuthType: types.FunctionUrlAuthTypeNone}))(t)
	equal(t, "who may call", must(l.GetFunctionUrlConfig(ctx, &lambda.GetFunctionUrlConfigInput{FunctionName: f}))(t).AuthType, types.FunctionUrlAuthTypeNone)
	equal(t, "the number of addresses", len(must(l.ListFunctionUrlConfigs(ctx, &lambda.ListFunctionUrlConfigsInput{FunctionName: f}))(t).FunctionUrlConfigs), 1)
	must(l.DeleteFunctionUrlConfig(ctx, &lambda.DeleteFunctionUrlConfigInput{FunctionName: f}))(t)

	must(l.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: f}))(t)
	must(l.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: aws.String("1"), ProvisionedConcurrentExecutions: aws.Int32(1)}))(t)
	equal(t, "what is provisioned", len(must(l.ListProvisionedConcurrencyConfigs(ctx, &lambda.ListProvisionedConcurrencyConfigsInput{FunctionName: f}))(t).ProvisionedConcurrencyConfigs), 1)
	must(l.DeleteProvisionedConcurrencyConfig(ctx, &lambda.DeleteProvisionedConcurrencyConfigInput{FunctionName: f, Qualifier: aws.String("1")}))(t)
	equal(t, "the number of mappings", len(must(l.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{}))(t).EventSourceMappings), 0)
}

// IAM's features for a whole organization follow its trust in IAM.
func TestIAMOrganizationFeatures(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	o := c.organizations()
	must(o.CreateOrganization(ctx, &organizations.CreateOrganizationInput{}))(t)
	must(o.EnableAWSServiceAccess(ctx, &organizations.EnableAWSServiceAccessInput{ServicePrincipal: aws.String("iam.amazonaws.com")}))(t)
	must(c.iam.EnableOrganizationsRootCredentialsManagement(ctx, &iam.EnableOrganizationsRootCredentialsManagementInput{}))(t)
	must(c.iam.EnableOrganizationsRootSessions(ctx, &iam.EnableOrganizationsRootSessionsInput{}))(t)
	equal(t, "the number of features", len(must(c.iam.ListOrganizationsFeatures(ctx, &iam.ListOrganizationsFeaturesInput{}))(t).EnabledFeatures), 2)
	must(c.iam.DisableOrganizationsRootSessions(ctx, &iam.DisableOrganizationsRootSessionsInput{}))(t)
	must(c.iam.DisableOrganizationsRootCredentialsManagement(ctx, &iam.DisableOrganizationsRootCredentialsManagementInput{}))(t)
}
