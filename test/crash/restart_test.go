package crash

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tule-cloud/tule/test/tule"
)

func config(t *tule.Tule, key, secret, token string) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(t.URL()), Credentials: credentials.NewStaticCredentialsProvider(key, secret, token)}
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRestart stops Tule gracefully and kills it: a function behind an API, its log,
// an access key and a session go on where they were.
func TestRestart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	root := config(house, "test", "test", "")
	api := backend(t, root)
	people := iam.NewFromConfig(root)
	_, err := people.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("ann")})
	try(t, err)
	made, err := people.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("ann")})
	try(t, err)
	key := made.AccessKey
	session, err := sts.NewFromConfig(config(house, *key.AccessKeyId, *key.SecretAccessKey, "")).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	try(t, err)

	for round, end := range []func(){func() { try(t, house.Stop()) }, func() { house.Kill() }, nil} {
		res, err := http.Get(fmt.Sprintf("%s/_aws/execute-api/%s/prod/?round=%d", house.URL(), api, round))
		try(t, err)
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || string(body) != fmt.Sprint("round ", round) {
			t.Errorf("round %d: %d %s %v\n%s", round, res.StatusCode, body, err, house.Failures())
		}
		for _, c := range []aws.Config{config(house, *key.AccessKeyId, *key.SecretAccessKey, ""),
			config(house, *session.Credentials.AccessKeyId, *session.Credentials.SecretAccessKey, *session.Credentials.SessionToken)} {
			me, err := sts.NewFromConfig(c).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			if err != nil || *me.Arn != "arn:aws:iam::000000000000:user/ann" {
				t.Errorf("round %d: %v %v", round, me, err)
			}
		}
		if err := logged(t, config(house, "test", "test", ""), round+1); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		if end != nil {
			end()
			house = start(t, data)
		}
	}
	try(t, house.Stop())
}

// backend makes a function that says which round it is, behind an API, and gives the
// API's id.
func backend(t *testing.T, c aws.Config) string {
	t.Helper()
	role, err := iam.NewFromConfig(c).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("fn"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	try(t, err)
	_, err = iam.NewFromConfig(c).AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("fn"), PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")})
	try(t, err)
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	w, err := z.Create("index.py")
	try(t, err)
	_, err = io.WriteString(w, "def handler(event, context):\n    round = 'round ' + event['queryStringParameters']['round']\n    print(round)\n    return {'statusCode': 200, 'body': round}\n")
	try(t, errors.Join(err, z.Close()))
	functions := lambda.NewFromConfig(c)
	fn, err := functions.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: aws.String("fn"), Role: role.Role.Arn, Runtime: types.RuntimePython312,
		Handler: aws.String("index.handler"), Timeout: aws.Int32(20), Code: &types.FunctionCode{ZipFile: code.Bytes()}})
	try(t, err)
	apis := apigateway.NewFromConfig(c)
	api, err := apis.CreateRestApi(t.Context(), &apigateway.CreateRestApiInput{Name: aws.String("api")})
	try(t, err)
	_, err = apis.PutMethod(t.Context(), &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: aws.String("GET"), AuthorizationType: aws.String("NONE")})
	try(t, err)
	_, err = apis.PutIntegration(t.Context(), &apigateway.PutIntegrationInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: aws.String("GET"), Type: gatewaytypes.IntegrationTypeAwsProxy,
		IntegrationHttpMethod: aws.String("POST"), Uri: aws.String("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + *fn.FunctionArn + "/invocations")})
	try(t, err)
	_, err = functions.AddPermission(t.Context(), &lambda.AddPermissionInput{FunctionName: aws.String("fn"), StatementId: aws.String("api"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com")})
	try(t, err)
	_, err = apis.CreateDeployment(t.Context(), &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("prod")})
	try(t, err)
	return *api.Id
}

// logged checks that the function's log comes to hold so many rounds.
func logged(t *testing.T, c aws.Config, rounds int) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		out, err := cloudwatchlogs.NewFromConfig(c).FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/fn"), FilterPattern: aws.String("round")})
		if err == nil && len(out.Events) == rounds {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%v, %w: want %d lines", out, err, rounds)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
