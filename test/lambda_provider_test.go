package test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Functions on a capacity provider, and how many environments they have.
func TestCapacityProviders(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	name, one := aws.String("own"), aws.String("1")
	operator := c.role("operator", "lambda.amazonaws.com")
	made := must(c.lambda.CreateCapacityProvider(ctx, &lambda.CreateCapacityProviderInput{CapacityProviderName: name,
		VpcConfig:         &types.CapacityProviderVpcConfig{SubnetIds: []string{"subnet-00000000000000001"}, SecurityGroupIds: []string{"sg-00000000000000001"}},
		PermissionsConfig: &types.CapacityProviderPermissionsConfig{CapacityProviderOperatorRoleArn: &operator}}))(t).CapacityProvider
	equal(t, "the provider", *made.CapacityProviderArn, c.arn("lambda", "capacity-provider:own"))
	must(c.lambda.UpdateCapacityProvider(ctx, &lambda.UpdateCapacityProviderInput{CapacityProviderName: name,
		CapacityProviderScalingConfig: &types.CapacityProviderScalingConfig{MaxVCpuCount: aws.Int32(12)}}))(t)
	equal(t, "its processors", *must(c.lambda.GetCapacityProvider(ctx, &lambda.GetCapacityProviderInput{CapacityProviderName: made.CapacityProviderArn}))(t).CapacityProvider.CapacityProviderScalingConfig.MaxVCpuCount, 12)
	equal(t, "the number of providers", len(must(c.lambda.ListCapacityProviders(ctx, &lambda.ListCapacityProvidersInput{}))(t).CapacityProviders), 1)

	f := c.function("provided", types.RuntimeNodejs22x, `exports.handler = async () => process.env.AWS_LAMBDA_INITIALIZATION_TYPE`, func(in *lambda.CreateFunctionInput) {
		in.Publish = true
		in.CapacityProviderConfig = &types.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: &types.LambdaManagedInstancesCapacityProviderConfig{
			CapacityProviderArn: made.CapacityProviderArn}}
	})
	equal(t, "the function's provider", *f.CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.CapacityProviderArn, *made.CapacityProviderArn)
	must(c.lambda.PutFunctionScalingConfig(ctx, &lambda.PutFunctionScalingConfigInput{FunctionName: f.FunctionName, Qualifier: one,
		FunctionScalingConfig: &types.FunctionScalingConfig{MinExecutionEnvironments: aws.Int32(1), MaxExecutionEnvironments: aws.Int32(4)}}))(t)
	scaling := must(c.lambda.GetFunctionScalingConfig(ctx, &lambda.GetFunctionScalingConfigInput{FunctionName: f.FunctionName, Qualifier: one}))(t)
	equal(t, "the most environments", *scaling.AppliedFunctionScalingConfig.MaxExecutionEnvironments, 4)
	eventually(t, func() error {
		answer, _ := c.invoke("provided:1", "{}")
		return has(answer, "provisioned-concurrency")
	})
	versions := must(c.lambda.ListFunctionVersionsByCapacityProvider(ctx, &lambda.ListFunctionVersionsByCapacityProviderInput{CapacityProviderName: name}))(t).FunctionVersions
	equal(t, "the number of versions", len(versions), 1)
	_, err := c.lambda.DeleteCapacityProvider(ctx, &lambda.DeleteCapacityProviderInput{CapacityProviderName: name})
	fails[*types.ResourceConflictException](t, err, "in use")
	must(c.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: f.FunctionName}))(t)
	must(c.lambda.DeleteCapacityProvider(ctx, &lambda.DeleteCapacityProviderInput{CapacityProviderName: name}))(t)
	_, err = c.lambda.GetCapacityProvider(ctx, &lambda.GetCapacityProviderInput{CapacityProviderName: name})
	fails[*types.ResourceNotFoundException](t, err, "not found")
}
