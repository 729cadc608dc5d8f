package main

import (
	"strings"
	"testing"

	apigatewayapi "github.com/tule-cloud/tule/api/apigateway"
	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	iamapi "github.com/tule-cloud/tule/api/iam"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	logsapi "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// TestPoliciesDecide asks the whole house: a user's policy, what stands, and whether
// the door then lets the user through. Each pair differs in what the policy is about.
func TestPoliciesDecide(t *testing.T) {
	w := newWalk(t)
	w.furnishTagged(t)
	const red = `"Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}`
	for _, c := range []struct {
		name, policy string // statements
		op           *aws.Operation
		in           any
		allowed      bool
	}{
		{"a tagged table", allow("dynamodb:*", red), &dynamodbapi.GetItem.Operation, get("red"), true},
		{"a table without the tag", allow("dynamodb:*", red), &dynamodbapi.GetItem.Operation, get("example"), false},
		{"a tagged function", allow("lambda:*", red), &lambdaapi.GetFunctionConfiguration.Operation, &lambdaapi.GetFunctionConfigurationRequest{FunctionName: ptr("red")}, true},
		{"a function without the tag", allow("lambda:*", red), &lambdaapi.GetFunctionConfiguration.Operation, &lambdaapi.GetFunctionConfigurationRequest{FunctionName: ptr("example")}, false},
		{"a tagged group's stream", allow("logs:*", red), &logsapi.CreateLogStream.Operation, &logsapi.CreateLogStreamRequest{LogGroupName: ptr("red"), LogStreamName: ptr("a")}, true},
		{"a stream of a group without the tag", allow("logs:*", red), &logsapi.CreateLogStream.Operation, &logsapi.CreateLogStreamRequest{LogGroupName: ptr("example"), LogStreamName: ptr("a")}, false},
		{"what is below a tagged API", allow("apigateway:*", red), &apigatewayapi.GetResources.Operation, &apigatewayapi.GetResourcesRequest{RestApiId: ptr("red")}, true},
		{"what is below an API without the tag", allow("apigateway:*", red), &apigatewayapi.GetResources.Operation, &apigatewayapi.GetResourcesRequest{RestApiId: ptr("example")}, false},

		{"a table with tags", allow("dynamodb:CreateTable", "") + "," + allow("dynamodb:TagResource", ""), &dynamodbapi.CreateTable.Operation, create("one", "red"), true},
		{"a table with tags, and no permission to tag", allow("dynamodb:CreateTable", ""), &dynamodbapi.CreateTable.Operation, create("two", "red"), false},
		{"a table with the tag it must have", allow("dynamodb:*", `"Condition": {"StringEquals": {"aws:RequestTag/team": "red"}}`), &dynamodbapi.CreateTable.Operation, create("three", "red"), true},
		{"a table with another tag", allow("dynamodb:*", `"Condition": {"StringEquals": {"aws:RequestTag/team": "red"}}`), &dynamodbapi.CreateTable.Operation, create("four", "blue"), false},

		{"a write by itself", allow("dynamodb:*", "") + "," + noTransactions, &dynamodbapi.PutItem.Operation, &dynamodbapi.PutItemInput{TableName: ptr("example"), Item: item()}, true},
		{"a write in a transaction", allow("dynamodb:*", "") + "," + noTransactions, &dynamodbapi.TransactWriteItems.Operation,
			&dynamodbapi.TransactWriteItemsInput{TransactItems: []dynamodbapi.TransactWriteItem{{Put: &dynamodbapi.Put{TableName: ptr("example"), Item: item()}}}}, false},

		{"a role for Lambda", allow("lambda:*", "") + "," + allow("iam:PassRole", passTo("lambda")), &lambdaapi.UpdateFunctionConfiguration.Operation, useRole(), true},
		{"a role for another service", allow("lambda:*", "") + "," + allow("iam:PassRole", passTo("apigateway")), &lambdaapi.UpdateFunctionConfiguration.Operation, useRole(), false},
		{"a role, and no permission to pass it", allow("lambda:*", ""), &lambdaapi.UpdateFunctionConfiguration.Operation, useRole(), false},
		{"a statement that may not go", allow("lambda:*", "") + `, {"Effect": "Deny", "Action": "lambda:RemovePermission", "Resource": "*", "Condition": {"StringEquals": {"lambda:Principal": "*"}}}`,
			&lambdaapi.RemovePermission.Operation, &lambdaapi.RemovePermissionRequest{FunctionName: ptr("example"), StatementId: ptr("example")}, false},

		{"an API's name", allow("apigateway:*", `"Condition": {"StringEqualsIfExists": {"apigateway:Request/ApiName": "mine"}}`), &apigatewayapi.CreateRestApi.Operation, &apigatewayapi.CreateRestApiRequest{Name: ptr("mine")}, true},
		{"another API's name", allow("apigateway:*", `"Condition": {"StringEqualsIfExists": {"apigateway:Request/ApiName": "mine"}}`), &apigatewayapi.CreateRestApi.Operation, &apigatewayapi.CreateRestApiRequest{Name: ptr("yours")}, false},
		{"an API's policy", allow("apigateway:POST", ""), &apigatewayapi.CreateRestApi.Operation, &apigatewayapi.CreateRestApiRequest{Name: ptr("open"), Policy: ptr("{}")}, false},
		{"a copy of what one may not read", allow("apigateway:POST", ""), &apigatewayapi.CreateRestApi.Operation, &apigatewayapi.CreateRestApiRequest{Name: ptr("copy"), CloneFrom: ptr("example")}, false},
	} {
		call(t, w, &iamapi.PutUserPolicy, &iamapi.PutUserPolicyRequest{UserName: ptr("example"), PolicyName: ptr("example"),
			PolicyDocument: ptr(`{"Version": "2012-10-17", "Statement": [` + c.policy + `]}`)})
		_, err := w.house.front.Call(w.user, c.op, c.in)
		if denied := strings.HasPrefix(aws.CodeOf(err), "AccessDenied"); denied == c.allowed || c.allowed && err != nil {
			t.Errorf("%s: %s gave %v; allowed should be %v", c.name, c.op.Name, err, c.allowed)
		}
	}
}

// furnishTagged makes what carries the tag team=red, and is called so, and a group
// without.
func (w *walk) furnishTagged(t *testing.T) {
	t.Helper()
	tags := map[string]string{"team": "red", "_custom_id_": "red"}
	call(t, w, &dynamodbapi.CreateTable, create("red", "red"))
	call(t, w, &lambdaapi.CreateFunction, &lambdaapi.CreateFunctionRequest{FunctionName: ptr("red"), Runtime: ptr("nodejs20.x"), Handler: ptr("index.handler"),
		Role: ptr(exampleRole), Code: &lambdaapi.FunctionCode{ZipFile: emptyZip(t)}, Tags: tags})
	call(t, w, &logsapi.CreateLogGroup, &logsapi.CreateLogGroupRequest{LogGroupName: ptr("red"), Tags: tags})
	call(t, w, &logsapi.CreateLogGroup, &logsapi.CreateLogGroupRequest{LogGroupName: ptr("example")})
	call(t, w, &apigatewayapi.CreateRestApi, &apigatewayapi.CreateRestApiRequest{Name: ptr("red"), Tags: tags})
}

// allow is a statement; more is a condition, if any.
func allow(action, more string) string {
	if more != "" {
		more = ", " + more
	}
	return `{"Effect": "Allow", "Action": "` + action + `", "Resource": "*"` + more + `}`
}

const noTransactions = `{"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*", "Condition": {"StringEquals": {"dynamodb:EnclosingOperation": "TransactWriteItems"}}}`

func passTo(service string) string {
	return `"Condition": {"StringEquals": {"iam:PassedToService": "` + service + `.amazonaws.com"}}`
}

func item() dynamodbapi.Item {
	var it dynamodbapi.Item
	it.Set("id", dynamodbapi.String("a"))
	return it
}

func get(table string) *dynamodbapi.GetItemInput {
	return &dynamodbapi.GetItemInput{TableName: &table, Key: item()}
}

func create(table, team string) *dynamodbapi.CreateTableInput {
	return &dynamodbapi.CreateTableInput{TableName: &table, BillingMode: ptr("PAY_PER_REQUEST"),
		KeySchema:            []dynamodbapi.KeySchemaElement{{AttributeName: ptr("id"), KeyType: ptr("HASH")}},
		AttributeDefinitions: []dynamodbapi.AttributeDefinition{{AttributeName: ptr("id"), AttributeType: ptr("S")}},
		Tags:                 []dynamodbapi.Tag{{Key: ptr("team"), Value: &team}}}
}

func useRole() *lambdaapi.UpdateFunctionConfigurationRequest {
	return &lambdaapi.UpdateFunctionConfigurationRequest{FunctionName: ptr("example"), Role: ptr(exampleRole)}
}
