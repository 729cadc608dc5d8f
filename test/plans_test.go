package test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// A key opens a method, within its plan's quota.
func TestGatewayPlans(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	api, root := c.api("metered")
	get := aws.String("GET")
	must(c.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api, ResourceId: root, HttpMethod: get, AuthorizationType: aws.String("NONE"), ApiKeyRequired: true}))(t)
	must(c.gateway.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api, ResourceId: root, HttpMethod: get, Type: types.IntegrationTypeMock,
		RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`}}))(t)
	must(c.gateway.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: api, ResourceId: root, HttpMethod: get, StatusCode: aws.String("200")}))(t)
	must(c.gateway.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: api, ResourceId: root, HttpMethod: get, StatusCode: aws.String("200")}))(t)
	c.respond(api)
	must(c.gateway.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api, StageName: aws.String("prod")}))(t)

	plan := must(c.gateway.CreateUsagePlan(ctx, &apigateway.CreateUsagePlanInput{Name: aws.String("gold"), ApiStages: []types.ApiStage{{ApiId: api, Stage: aws.String("prod")}},
		Quota: &types.QuotaSettings{Limit: 3, Period: types.QuotaPeriodTypeMonth}}))(t).Id
	key := must(c.gateway.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Name: aws.String("ann"), Enabled: true, GenerateDistinctId: true}))(t)
	must(c.gateway.CreateUsagePlanKey(ctx, &apigateway.CreateUsagePlanKeyInput{UsagePlanId: plan, KeyId: key.Id, KeyType: aws.String("API_KEY")}))(t)

	ask := func(value string) string {
		r, err := http.NewRequest("GET", house.URL()+"/restapis/"+*api+"/prod/_user_request_/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", value)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return fmt.Sprint(answer.StatusCode, " ", string(body))
	}
	equal(t, "without a key", ask(""), `401 {"why":"Forbidden"}`)
	for range 3 {
		equal(t, "with a key", ask(*key.Value), "200 ")
	}
	equal(t, "beyond the quota", ask(*key.Value), `429 {"message":"Limit Exceeded"}`)
	today := aws.String(time.Now().UTC().Format(time.DateOnly))
	usage := must(c.gateway.GetUsage(ctx, &apigateway.GetUsageInput{UsagePlanId: plan, KeyId: key.Id, StartDate: today, EndDate: today}))(t)
	equal(t, "the usage", fmt.Sprint(usage.Items[*key.Id]), "[[3 0]]")
	must(c.gateway.UpdateUsage(ctx, &apigateway.UpdateUsageInput{UsagePlanId: plan, KeyId: key.Id, PatchOperations: replace("/remaining", "1")}))(t)
	equal(t, "with one more", ask(*key.Value), "200 ")
	equal(t, "beyond that", ask(*key.Value), `429 {"message":"Limit Exceeded"}`)
	c.managePlans(plan, key.Id)
	equal(t, "with a key that is gone", ask(*key.Value), `401 {"why":"Forbidden"}`)
}

// respond has an API answer in its own way to those who have no key.
func (c *cloud) respond(api *string) {
	c.Helper()
	t, kind := c.TB, types.GatewayResponseTypeInvalidApiKey
	must(c.gateway.PutGatewayResponse(ctx, &apigateway.PutGatewayResponseInput{RestApiId: api, ResponseType: kind,
		ResponseTemplates: map[string]string{"application/json": `{"why":$context.error.messageString}`}}))(t)
	must(c.gateway.UpdateGatewayResponse(ctx, &apigateway.UpdateGatewayResponseInput{RestApiId: api, ResponseType: kind, PatchOperations: replace("/statusCode", "401")}))(t)
	equal(t, "the status", aws.ToString(must(c.gateway.GetGatewayResponse(ctx, &apigateway.GetGatewayResponseInput{RestApiId: api, ResponseType: kind}))(t).StatusCode), "401")
	must(c.gateway.PutGatewayResponse(ctx, &apigateway.PutGatewayResponseInput{RestApiId: api, ResponseType: types.GatewayResponseTypeThrottled}))(t)
	equal(t, "the responses", len(must(c.gateway.GetGatewayResponses(ctx, &apigateway.GetGatewayResponsesInput{RestApiId: api}))(t).Items), 21)
	must(c.gateway.DeleteGatewayResponse(ctx, &apigateway.DeleteGatewayResponseInput{RestApiId: api, ResponseType: types.GatewayResponseTypeThrottled}))(t)
}

// managePlans lists and changes a plan and its key, and deletes them.
func (c *cloud) managePlans(plan, key *string) {
	c.Helper()
	t := c.TB
	must(c.gateway.UpdateUsagePlan(ctx, &apigateway.UpdateUsagePlanInput{UsagePlanId: plan, PatchOperations: replace("/productCode", "code")}))(t)
	equal(t, "the product", aws.ToString(must(c.gateway.GetUsagePlan(ctx, &apigateway.GetUsagePlanInput{UsagePlanId: plan}))(t).ProductCode), "code")
	equal(t, "the key's plans", len(must(c.gateway.GetUsagePlans(ctx, &apigateway.GetUsagePlansInput{KeyId: key}))(t).Items), 1)
	equal(t, "the plan's keys", len(must(c.gateway.GetUsagePlanKeys(ctx, &apigateway.GetUsagePlanKeysInput{UsagePlanId: plan}))(t).Items), 1)
	equal(t, "the plan's key", *must(c.gateway.GetUsagePlanKey(ctx, &apigateway.GetUsagePlanKeyInput{UsagePlanId: plan, KeyId: key}))(t).Name, "ann")
	must(c.gateway.UpdateApiKey(ctx, &apigateway.UpdateApiKeyInput{ApiKey: key, PatchOperations: replace("/customerId", "customer")}))(t)
	equal(t, "the customer", aws.ToString(must(c.gateway.GetApiKey(ctx, &apigateway.GetApiKeyInput{ApiKey: key}))(t).CustomerId), "customer")
	file := "name,key,enabled,usageplanids\nbob," + strings.Repeat("b", 20) + c.account + ",true," + *plan + "\n"
	equal(t, "the keys of the file", len(must(c.gateway.ImportApiKeys(ctx, &apigateway.ImportApiKeysInput{Format: types.ApiKeysFormatCsv, Body: []byte(file)}))(t).Ids), 1)
	equal(t, "the keys", len(must(c.gateway.GetApiKeys(ctx, &apigateway.GetApiKeysInput{IncludeValues: aws.Bool(true)}))(t).Items), 2)
	must(c.gateway.DeleteUsagePlanKey(ctx, &apigateway.DeleteUsagePlanKeyInput{UsagePlanId: plan, KeyId: key}))(t)
	must(c.gateway.DeleteApiKey(ctx, &apigateway.DeleteApiKeyInput{ApiKey: key}))(t)
	_, err := c.gateway.DeleteUsagePlan(ctx, &apigateway.DeleteUsagePlanInput{UsagePlanId: plan})
	fails[*types.BadRequestException](t, err, "Cannot delete Usage Plan "+*plan+" because there are API Stages associated with it, including ")
	in := must(c.gateway.GetUsagePlan(ctx, &apigateway.GetUsagePlanInput{UsagePlanId: plan}))(t).ApiStages[0]
	must(c.gateway.UpdateUsagePlan(ctx, &apigateway.UpdateUsagePlanInput{UsagePlanId: plan, PatchOperations: []types.PatchOperation{
		{Op: types.OpRemove, Path: aws.String("/apiStages"), Value: aws.String(*in.ApiId + ":" + *in.Stage)}}}))(t)
	must(c.gateway.DeleteUsagePlan(ctx, &apigateway.DeleteUsagePlanInput{UsagePlanId: plan}))(t)
}
