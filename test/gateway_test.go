package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// api makes a REST API and gives its id and that of its root.
func (c *cloud) api(name string) (id, root *string) {
	c.Helper()
	out := must(c.gateway.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: &name}))(c)
	return out.Id, out.RootResourceId
}

func (c *cloud) resource(api, parent *string, part string) *string {
	c.Helper()
	return must(c.gateway.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: api, ParentId: parent, PathPart: &part}))(c).Id
}

func replace(path, value string) []types.PatchOperation {
	return []types.PatchOperation{{Op: types.OpReplace, Path: &path, Value: &value}}
}

func TestGatewayAPIs(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	made := must(c.gateway.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("movies"), Description: aws.String("one"), Tags: map[string]string{"_custom_id_": "fixed" + c.account[6:]}}))(t)
	equal(t, "the id that was asked for", *made.Id, "fixed"+c.account[6:])
	c.api("second")
	var names []string
	for p := apigateway.NewGetRestApisPaginator(c.gateway, &apigateway.GetRestApisInput{Limit: aws.Int32(1)}); p.HasMorePages(); {
		for _, a := range must(p.NextPage(ctx))(t).Items {
			names = append(names, *a.Name)
		}
	}
	equal(t, "the number of APIs", len(names), 2)
	must(c.gateway.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: made.Id, PatchOperations: replace("/description", "two")}))(t)
	equal(t, "the description", *must(c.gateway.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: made.Id}))(t).Description, "two")
	_, err := c.gateway.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: aws.String("none")})
	fails[*types.NotFoundException](t, err, "Invalid API identifier specified "+c.account+":none")
	_, err = c.gateway.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: made.Id, PatchOperations: replace("/nothing", "x")})
	fails[*types.BadRequestException](t, err, "Invalid patch path")

	arn := aws.String("arn:aws:apigateway:" + region + "::/restapis/" + *made.Id)
	must(c.gateway.TagResource(ctx, &apigateway.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
	must(c.gateway.UntagResource(ctx, &apigateway.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a", "_custom_id_"}}))(t)
	equal(t, "the tags", fmt.Sprint(must(c.gateway.GetTags(ctx, &apigateway.GetTagsInput{ResourceArn: arn}))(t).Tags), "map[b:2]")

	logger := c.role("gateway-logs", "apigateway.amazonaws.com", "service-role/AmazonAPIGatewayPushToCloudWatchLogs")
	must(c.gateway.UpdateAccount(ctx, &apigateway.UpdateAccountInput{PatchOperations: replace("/cloudwatchRoleArn", logger)}))(t)
	equal(t, "the role", aws.ToString(must(c.gateway.GetAccount(ctx, &apigateway.GetAccountInput{}))(t).CloudwatchRoleArn), logger)

	must(c.gateway.DeleteRestApi(ctx, &apigateway.DeleteRestApiInput{RestApiId: made.Id}))(t)
	_, err = c.gateway.DeleteRestApi(ctx, &apigateway.DeleteRestApiInput{RestApiId: made.Id})
	fails[*types.NotFoundException](t, err, "Invalid API identifier specified")
}

func TestGatewayResourcesAndMethods(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	api, root := c.api("shop")
	id := c.resource(api, root, "things")
	_, err := c.gateway.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: api, ParentId: root, PathPart: aws.String("things")})
	fails[*types.ConflictException](t, err, "Another resource with the same parent already has this name: things")
	must(c.gateway.UpdateResource(ctx, &apigateway.UpdateResourceInput{RestApiId: api, ResourceId: id, PatchOperations: replace("/pathPart", "items")}))(t)
	equal(t, "the path", *must(c.gateway.GetResource(ctx, &apigateway.GetResourceInput{RestApiId: api, ResourceId: id}))(t).Path, "/items")

	get := aws.String("GET")
	must(c.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api, ResourceId: id, HttpMethod: get, AuthorizationType: aws.String("NONE")}))(t)
	_, err = c.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api, ResourceId: id, HttpMethod: get, AuthorizationType: aws.String("NONE")})
	fails[*types.ConflictException](t, err, "Method already exists for this resource")
	must(c.gateway.UpdateMethod(ctx, &apigateway.UpdateMethodInput{RestApiId: api, ResourceId: id, HttpMethod: get, PatchOperations: replace("/operationName", "ListItems")}))(t)
	must(c.gateway.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: api, ResourceId: id, HttpMethod: get, StatusCode: aws.String("200")}))(t)
	must(c.gateway.UpdateMethodResponse(ctx, &apigateway.UpdateMethodResponseInput{RestApiId: api, ResourceId: id, HttpMethod: get, StatusCode: aws.String("200"),
		PatchOperations: []types.PatchOperation{{Op: types.OpAdd, Path: aws.String("/responseParameters/method.response.header.X-Kind"), Value: aws.String("false")}}}))(t)
	must(c.gateway.GetMethodResponse(ctx, &apigateway.GetMethodResponseInput{RestApiId: api, ResourceId: id, HttpMethod: get, StatusCode: aws.String("200")}))(t)
	must(c.gateway.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api, ResourceId: id, HttpMethod: get, Type: types.IntegrationTypeMock,
		RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`}}))(t)
	must(c.gateway.UpdateIntegration(ctx, &apigateway.UpdateIntegrationInput{RestApiId: api, ResourceId: id, HttpMethod: get, PatchOperations: replace("/timeoutInMillis", "1000")}))(t)
	equal(t, "the timeout", must(c.gateway.GetIntegration(ctx, &apigateway.GetIntegrationInput{RestApiId: api, ResourceId: id, HttpMethod: get}))(t).TimeoutInMillis, 1000)
	must(c.gateway.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: api, ResourceId: id, HttpMethod: get, StatusCode: aws.String("200"),
		ResponseParameters: map[string]string{"method.response.header.X-Kind": "'mock'"}, ResponseTemplates: map[string]string{"application/json": `{"items": []}`}}))(t)
	must(c.gateway.UpdateIntegrationResponse(ctx, &apigateway.UpdateIntegrationResponseInput{RestApiId: api, ResourceId: id, HttpMethod: get, StatusCode: aws.String("200"),
		PatchOperations: replace("/responseTemplates/application~1json", `{"items": [1]}`)}))(t)
	must(c.gateway.GetIntegrationResponse(ctx, &apigateway.GetIntegrationResponseInput{RestApiId: api, ResourceId: id, HttpMethod: get, StatusCode: aws.String("200")}))(t)

	whole := must(c.gateway.GetMethod(ctx, &apigateway.GetMethodInput{RestApiId: api, ResourceId: id, HttpMethod: get}))(t)
	equal(t, "the operation", *whole.OperationName, "ListItems")
	equal(t, "the template within the method", whole.MethodIntegration.IntegrationResponses["200"].ResponseTemplates["application/json"], `{"items": [1]}`)
	test := must(c.gateway.TestInvokeMethod(ctx, &apigateway.TestInvokeMethodInput{RestApiId: api, ResourceId: id, HttpMethod: get}))(t)
	if test.Status != 200 || *test.Body != `{"items": [1]}` || test.Headers["X-Kind"] != "mock" || !strings.Contains(*test.Log, "Successfully completed execution") {
		t.Errorf("test: %d %s %v\n%s", test.Status, aws.ToString(test.Body), test.Headers, aws.ToString(test.Log))
	}
	page := must(c.gateway.GetResources(ctx, &apigateway.GetResourcesInput{RestApiId: api}))(t)
	equal(t, "the number of resources", len(page.Items), 2)

	for _, err := range []error{
		dropped(c.gateway.DeleteIntegrationResponse(ctx, &apigateway.DeleteIntegrationResponseInput{RestApiId: api, ResourceId: id, HttpMethod: get, StatusCode: aws.String("200")})),
		dropped(c.gateway.DeleteIntegration(ctx, &apigateway.DeleteIntegrationInput{RestApiId: api, ResourceId: id, HttpMethod: get})),
		dropped(c.gateway.DeleteMethodResponse(ctx, &apigateway.DeleteMethodResponseInput{RestApiId: api, ResourceId: id, HttpMethod: get, StatusCode: aws.String("200")})),
		dropped(c.gateway.DeleteMethod(ctx, &apigateway.DeleteMethodInput{RestApiId: api, ResourceId: id, HttpMethod: get})),
		dropped(c.gateway.DeleteResource(ctx, &apigateway.DeleteResourceInput{RestApiId: api, ResourceId: id})),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	_, err = c.gateway.GetMethod(ctx, &apigateway.GetMethodInput{RestApiId: api, ResourceId: root, HttpMethod: get})
	fails[*types.NotFoundException](t, err, "Invalid Method identifier specified")
	_, err = c.gateway.GetResource(ctx, &apigateway.GetResourceInput{RestApiId: api, ResourceId: id})
	fails[*types.NotFoundException](t, err, "Invalid Resource identifier specified")
}

func dropped[T any](_ T, err error) error { return err }

func TestGatewayModelsAndValidators(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	api, _ := c.api("shop")
	pet := aws.String("Pet")
	must(c.gateway.CreateModel(ctx, &apigateway.CreateModelInput{RestApiId: api, Name: pet, ContentType: aws.String("application/json"), Schema: aws.String(`{"type":"object","properties":{"name":{"type":"string"}}}`)}))(t)
	_, err := c.gateway.CreateModel(ctx, &apigateway.CreateModelInput{RestApiId: api, Name: aws.String("Bad"), ContentType: aws.String("application/json"), Schema: aws.String(`{"type":`)})
	fails[*types.BadRequestException](t, err, "Invalid model")
	must(c.gateway.UpdateModel(ctx, &apigateway.UpdateModelInput{RestApiId: api, ModelName: pet, PatchOperations: replace("/description", "an animal")}))(t)
	equal(t, "the description", *must(c.gateway.GetModel(ctx, &apigateway.GetModelInput{RestApiId: api, ModelName: pet}))(t).Description, "an animal")
	must(c.gateway.GetModelTemplate(ctx, &apigateway.GetModelTemplateInput{RestApiId: api, ModelName: pet}))(t)
	names := map[string]bool{}
	for _, m := range must(c.gateway.GetModels(ctx, &apigateway.GetModelsInput{RestApiId: api}))(t).Items {
		names[*m.Name] = true
	}
	equal(t, "the models", fmt.Sprint(names), "map[Empty:true Error:true Pet:true]")
	must(c.gateway.DeleteModel(ctx, &apigateway.DeleteModelInput{RestApiId: api, ModelName: pet}))(t)

	v := must(c.gateway.CreateRequestValidator(ctx, &apigateway.CreateRequestValidatorInput{RestApiId: api, Name: aws.String("params"), ValidateRequestParameters: true}))(t)
	must(c.gateway.UpdateRequestValidator(ctx, &apigateway.UpdateRequestValidatorInput{RestApiId: api, RequestValidatorId: v.Id, PatchOperations: replace("/name", "all")}))(t)
	equal(t, "the name", *must(c.gateway.GetRequestValidator(ctx, &apigateway.GetRequestValidatorInput{RestApiId: api, RequestValidatorId: v.Id}))(t).Name, "all")
	equal(t, "the number of validators", len(must(c.gateway.GetRequestValidators(ctx, &apigateway.GetRequestValidatorsInput{RestApiId: api}))(t).Items), 1)
	must(c.gateway.DeleteRequestValidator(ctx, &apigateway.DeleteRequestValidatorInput{RestApiId: api, RequestValidatorId: v.Id}))(t)
	_, err = c.gateway.GetRequestValidator(ctx, &apigateway.GetRequestValidatorInput{RestApiId: api, RequestValidatorId: v.Id})
	fails[*types.NotFoundException](t, err, "Invalid Request Validator identifier specified")
}

// mock adds a method that answers a template.
func (c *cloud) mock(api, resource *string, method, template string) {
	c.Helper()
	must(c.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api, ResourceId: resource, HttpMethod: &method, AuthorizationType: aws.String("NONE")}))(c)
	must(c.gateway.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api, ResourceId: resource, HttpMethod: &method, Type: types.IntegrationTypeMock,
		RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`}}))(c)
	must(c.gateway.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: api, ResourceId: resource, HttpMethod: &method, StatusCode: aws.String("200")}))(c)
	must(c.gateway.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: api, ResourceId: resource, HttpMethod: &method, StatusCode: aws.String("200"),
		ResponseTemplates: map[string]string{"application/json": template}}))(c)
}

func TestGatewayDeploymentsAndStages(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	api, root := c.api("shop")
	_, err := c.gateway.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api, StageName: aws.String("prod")})
	fails[*types.BadRequestException](t, err, "The REST API doesn't contain any methods")
	c.mock(api, root, "GET", `"$context.stage $stageVariables.colour"`)
	first := must(c.gateway.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api, StageName: aws.String("prod"), Variables: map[string]string{"colour": "red"}}))(t)
	_, body := fetch(t, "GET", invokeURL(*api, "prod", ""))
	equal(t, "the answer", body, `"prod red"`)
	must(c.gateway.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: api, StageName: aws.String("prod"), PatchOperations: replace("/variables/colour", "blue")}))(t)
	_, body = fetch(t, "GET", invokeURL(*api, "prod", ""))
	equal(t, "the answer with another variable", body, `"prod blue"`)

	must(c.gateway.UpdateIntegrationResponse(ctx, &apigateway.UpdateIntegrationResponseInput{RestApiId: api, ResourceId: root, HttpMethod: aws.String("GET"), StatusCode: aws.String("200"), PatchOperations: replace("/responseTemplates/application~1json", `"new"`)}))(t)
	_, body = fetch(t, "GET", invokeURL(*api, "prod", ""))
	equal(t, "the answer before the next deployment", body, `"prod blue"`)
	second := must(c.gateway.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api}))(t)
	must(c.gateway.UpdateDeployment(ctx, &apigateway.UpdateDeploymentInput{RestApiId: api, DeploymentId: second.Id, PatchOperations: replace("/description", "second")}))(t)
	equal(t, "the description", *must(c.gateway.GetDeployment(ctx, &apigateway.GetDeploymentInput{RestApiId: api, DeploymentId: second.Id}))(t).Description, "second")
	equal(t, "the number of deployments", len(must(c.gateway.GetDeployments(ctx, &apigateway.GetDeploymentsInput{RestApiId: api}))(t).Items), 2)
	must(c.gateway.CreateStage(ctx, &apigateway.CreateStageInput{RestApiId: api, StageName: aws.String("test"), DeploymentId: second.Id}))(t)
	_, err = c.gateway.CreateStage(ctx, &apigateway.CreateStageInput{RestApiId: api, StageName: aws.String("test"), DeploymentId: second.Id})
	fails[*types.ConflictException](t, err, "Stage already exists")
	_, body = fetch(t, "GET", invokeURL(*api, "test", ""))
	equal(t, "the answer of the new stage", body, `"new"`)
	equal(t, "the number of stages", len(must(c.gateway.GetStages(ctx, &apigateway.GetStagesInput{RestApiId: api}))(t).Item), 2)
	equal(t, "the stage's deployment", *must(c.gateway.GetStage(ctx, &apigateway.GetStageInput{RestApiId: api, StageName: aws.String("prod")}))(t).DeploymentId, *first.Id)
	_, err = c.gateway.DeleteDeployment(ctx, &apigateway.DeleteDeploymentInput{RestApiId: api, DeploymentId: first.Id})
	fails[*types.BadRequestException](t, err, "Active stages pointing to this deployment must be moved or deleted")
	must(c.gateway.DeleteStage(ctx, &apigateway.DeleteStageInput{RestApiId: api, StageName: aws.String("prod")}))(t)
	must(c.gateway.DeleteDeployment(ctx, &apigateway.DeleteDeploymentInput{RestApiId: api, DeploymentId: first.Id}))(t)
	_, err = c.gateway.GetStage(ctx, &apigateway.GetStageInput{RestApiId: api, StageName: aws.String("prod")})
	fails[*types.NotFoundException](t, err, "Invalid stage identifier specified")
}

const swagger = `{"swagger": 2.0, "info": {"title": "imported", "version": "1"}, "basePath": "/ignored", "paths": {
  "/pets/{id}": {"get": {"responses": {"200": {"description": "one"}}, "x-amazon-apigateway-integration": {"type": "mock",
    "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
    "responses": {"default": {"statusCode": 200, "responseTemplates": {"application/json": "{\"id\": \"$input.params('id')\"}"}}}}}}}}`

func TestGatewayImport(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	api := must(c.gateway.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte(swagger)}))(t)
	equal(t, "the name", *api.Name, "imported")
	must(c.gateway.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("v1")}))(t)
	status, body := fetch(t, "GET", invokeURL(*api.Id, "v1", "/pets/7"))
	equal(t, "the status", status, 200)
	equal(t, "the answer of a mock that sees its request", body, `{"id": "7"}`)
	must(c.gateway.PutRestApi(ctx, &apigateway.PutRestApiInput{RestApiId: api.Id, Mode: types.PutModeMerge, Body: []byte(strings.ReplaceAll(swagger, "/pets/", "/toys/"))}))(t)
	var paths []string
	for _, r := range must(c.gateway.GetResources(ctx, &apigateway.GetResourcesInput{RestApiId: api.Id}))(t).Items {
		paths = append(paths, *r.Path)
	}
	equal(t, "the number of resources after a merge", len(paths), 5)
	_, err := c.gateway.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte("neither swagger nor openapi")})
	fails[*types.BadRequestException](t, err, "")
}

// invokeURL is where a stage answers, in the form for tools.
func invokeURL(api, stage, path string) string {
	return house.URL() + "/_aws/execute-api/" + api + "/" + stage + path
}
