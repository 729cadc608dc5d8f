// Package movies walks through a published walkthrough of 2016, a mobile back end of
// one function behind five methods, with the semantics that Node 4.3 had on Lambda:
// a reply waits until nothing is left to do, an environment is used again, and an
// exception that nobody catches ends the process.
package movies

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

const region = "us-west-2"

var ctx = context.Background()

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMovies(t *testing.T) {
	house, err := tule.Start(tule.Options{Libraries: true})
	try(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(house.Failures())
		}
		if err := house.Stop(); err != nil {
			t.Error(err)
		}
	})
	config := aws.Config{Region: region, BaseEndpoint: aws.String(house.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	db := dynamodb.NewFromConfig(config)
	table(t, db)
	role, keys := identities(t, iam.NewFromConfig(config))
	function(t, lambda.NewFromConfig(config), role, keys)
	api := methods(t, apigateway.NewFromConfig(config))
	try(t, permit(lambda.NewFromConfig(config), api))

	call := caller(t, house, api)
	// One behind: the reply is what the call before found.
	call("POST", "/movies/add-movie", `{"title": "Love and Friendship", "year": "2016", "info": "New from Amazon Studios."}`, `null`)
	call("POST", "/movies/add-movie", `{"title": "Modern Times", "year": "1936", "info": {"rating": 8.5, "plot": "…"}}`,
		`{"Items":[{"year":2016,"title":"Love and Friendship"}],"Count":1,"ScannedCount":1}`)
	scan, err := db.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String("MOVIES")})
	try(t, err)
	if scan.Count != 2 {
		t.Errorf("%d movies are in the table after two replies", scan.Count)
	}
	both := regexp.MustCompile(`^{"Items":\[{.*}\],"Count":2,"ScannedCount":2}$`)
	if body := call("GET", "/movies", "", ""); !both.MatchString(body) || !strings.Contains(body, `"info":{"rating":8.5}`) {
		t.Errorf("the list: %s", body)
	}
	exited := regexp.MustCompile(`^{"errorMessage":"RequestId: [0-9a-f-]{36} Process exited before completing request"}$`)
	for _, path := range []string{"/movies/delete-movie", "/movies/findbytitleandyear", "/movies/update-movie"} {
		if body := call("POST", path, `{"title": "Modern Times", "year": "1936"}`, ""); !exited.MatchString(body) {
			t.Errorf("%s: %s", path, body)
		}
	}
	// The broken call cost the environment and what it knew, and no more.
	call("GET", "/movies", "", `null`)
	if body := call("GET", "/movies", "", ""); !both.MatchString(body) {
		t.Errorf("the list: %s", body)
	}
	tail, err := lambda.NewFromConfig(config).Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("movies-db"), LogType: lambdatypes.LogTypeTail,
		Payload: []byte(`{"method": "POST", "body": {}, "resourcePath": "/movies/update-movie"}`)})
	try(t, err)
	if aws.ToString(tail.FunctionError) != "Unhandled" || !exited.Match(tail.Payload) {
		t.Errorf("invoked: %s %s", aws.ToString(tail.FunctionError), tail.Payload)
	}
	test, err := apigateway.NewFromConfig(config).TestInvokeMethod(ctx, &apigateway.TestInvokeMethodInput{RestApiId: &api.id, ResourceId: aws.String(api.resources["/movies"]), HttpMethod: aws.String("GET")})
	try(t, err)
	if test.Status != 200 || aws.ToString(test.Body) != "null" {
		t.Errorf("the console's test, in a new environment: %d %s", test.Status, aws.ToString(test.Body))
	}
}

func table(t *testing.T, db *dynamodb.Client) {
	t.Helper()
	_, err := db.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("MOVIES"),
		KeySchema:             []dynamotypes.KeySchemaElement{{AttributeName: aws.String("year"), KeyType: "HASH"}, {AttributeName: aws.String("title"), KeyType: "RANGE"}},
		AttributeDefinitions:  []dynamotypes.AttributeDefinition{{AttributeName: aws.String("year"), AttributeType: "N"}, {AttributeName: aws.String("title"), AttributeType: "S"}},
		ProvisionedThroughput: &dynamotypes.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(5), WriteCapacityUnits: aws.Int64(5)}})
	try(t, err)
	try(t, dynamodb.NewTableExistsWaiter(db).Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("MOVIES")}, time.Minute))
}

// identities makes the function's role, and a user whose long-term keys the function
// carries with it.
func identities(t *testing.T, people *iam.Client) (role string, config []byte) {
	t.Helper()
	made, err := people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("movies"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	try(t, err)
	_, err = people.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("movies")})
	try(t, err)
	for _, p := range []string{"AmazonDynamoDBFullAccess", "AWSLambdaFullAccess"} {
		arn := aws.String("arn:aws:iam::aws:policy/" + p)
		_, err = people.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("movies"), PolicyArn: arn})
		try(t, err)
		_, err = people.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("movies"), PolicyArn: arn})
		try(t, err)
	}
	key, err := people.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("movies")})
	try(t, err)
	config, err = json.Marshal(map[string]string{"accessKeyId": *key.AccessKey.AccessKeyId, "secretAccessKey": *key.AccessKey.SecretAccessKey,
		"region": region, "enpoint": "misspelled, and so without effect"})
	try(t, err)
	return *made.Role.Arn, config
}

func function(t *testing.T, functions *lambda.Client, role string, config []byte) {
	t.Helper()
	source, err := os.ReadFile("testdata/movies-dynamodb.js")
	try(t, err)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range map[string][]byte{"movies-dynamodb.js": source, "app_config.json": config} {
		w, err := z.Create(name)
		try(t, err)
		_, err = w.Write(content)
		try(t, err)
	}
	try(t, z.Close())
	_, err = functions.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("movies-db"), Runtime: lambdatypes.RuntimeNodejs43, Handler: aws.String("movies-dynamodb.handler"),
		Role: &role, Timeout: aws.Int32(20), Code: &lambdatypes.FunctionCode{ZipFile: b.Bytes()}})
	try(t, err)
}

// A restAPI is the API, and its resources by path.
type restAPI struct {
	id        string
	resources map[string]string
}

func methods(t *testing.T, gateway *apigateway.Client) restAPI {
	t.Helper()
	template, err := os.ReadFile("testdata/request.vel")
	try(t, err)
	made, err := gateway.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("MoviesDP-API")})
	try(t, err)
	api := restAPI{*made.Id, map[string]string{}}
	uri := "arn:aws:apigateway:" + region + ":lambda:path/2015-03-31/functions/arn:aws:lambda:" + region + ":000000000000:function:movies-db/invocations"
	parent := *made.RootResourceId
	for _, part := range []string{"movies", "add-movie", "delete-movie", "findbytitleandyear", "update-movie"} {
		r, err := gateway.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: &api.id, ParentId: &parent, PathPart: &part})
		try(t, err)
		api.resources[*r.Path] = *r.Id
		method := aws.String("POST")
		if part == "movies" {
			parent, method = *r.Id, aws.String("GET")
		}
		_, err = gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: &api.id, ResourceId: r.Id, HttpMethod: method, AuthorizationType: aws.String("NONE")})
		try(t, err)
		_, err = gateway.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: &api.id, ResourceId: r.Id, HttpMethod: method, Type: gatewaytypes.IntegrationTypeAws,
			IntegrationHttpMethod: aws.String("POST"), Uri: &uri, RequestTemplates: map[string]string{"application/json": string(template)}})
		try(t, err)
		_, err = gateway.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: &api.id, ResourceId: r.Id, HttpMethod: method, StatusCode: aws.String("200")})
		try(t, err)
		_, err = gateway.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: &api.id, ResourceId: r.Id, HttpMethod: method, StatusCode: aws.String("200")})
		try(t, err)
	}
	_, err = gateway.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: &api.id, StageName: aws.String("prod")})
	try(t, err)
	return api
}

func permit(functions *lambda.Client, api restAPI) error {
	_, err := functions.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: aws.String("movies-db"), StatementId: aws.String("api"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("apigateway.amazonaws.com"), SourceArn: aws.String("arn:aws:execute-api:" + region + ":000000000000:" + api.id + "/*")})
	return err
}

// caller calls the API by its own name, and checks the status, and the body if one
// is wanted.
func caller(t *testing.T, house *tule.Tule, api restAPI) func(method, path, body, want string) string {
	return func(method, path, body, want string) string {
		t.Helper()
		r, err := http.NewRequest(method, house.URL()+"/prod"+path, strings.NewReader(body))
		try(t, err)
		r.Host = fmt.Sprintf("%s.execute-api.%s.amazonaws.com", api.id, region)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Quoted", `say "hi"`) // escaped by the template
		res, err := http.DefaultClient.Do(r)
		try(t, err)
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		try(t, err)
		if res.StatusCode != 200 || want != "" && !same(answer, []byte(want)) {
			t.Errorf("%s %s: %d %s, want %s", method, path, res.StatusCode, answer, want)
		}
		return string(answer)
	}
}

// same compares JSON, in which the order of an object's members means nothing.
func same(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
