package attack

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// state is all that an account has, in text, so that a change shows.
func (p *party) state() string {
	p.Helper()
	var all []any
	tables := must(p.dynamo.ListTables(ctx, &dynamodb.ListTablesInput{}))(p)
	for _, name := range tables.TableNames {
		scan := must(p.dynamo.Scan(ctx, &dynamodb.ScanInput{TableName: &name}))(p)
		all = append(all, name, scan.Count, must(p.dynamo.ListTagsOfResource(ctx, &dynamodb.ListTagsOfResourceInput{ResourceArn: aws.String(p.arn("dynamodb", "table/"+name))}))(p).Tags)
	}
	for _, f := range must(p.lambda.ListFunctions(ctx, &lambda.ListFunctionsInput{}))(p).Functions {
		policy, err := p.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: f.FunctionName})
		if err == nil {
			all = append(all, *policy.Policy)
		}
		all = append(all, *f.FunctionName, *f.CodeSha256, *f.Timeout, must(p.lambda.ListTags(ctx, &lambda.ListTagsInput{Resource: f.FunctionArn}))(p).Tags)
	}
	details := must(p.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{}))(p)
	all = append(all, details.UserDetailList, details.RoleDetailList, details.GroupDetailList)
	for _, x := range details.Policies {
		if strings.Contains(*x.Arn, p.account) {
			all = append(all, *x.Arn, *x.DefaultVersionId, len(x.PolicyVersionList), *x.AttachmentCount)
		}
	}
	for _, g := range must(p.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{}))(p).LogGroups {
		all = append(all, *g.LogGroupName, g.RetentionInDays)
	}
	for _, x := range must(p.gateway.GetRestApis(ctx, &apigateway.GetRestApisInput{}))(p).Items {
		all = append(all, *x.Id, *x.Name, x.Tags)
	}
	return string(must(json.Marshal(all))(p))
}

// The root of one account, who may do all there, and an administrator of it, address
// what another account has, by every form of its names that operations take.
func TestARNsOfAnotherAccount(t *testing.T) {
	t.Parallel()
	victim, attacker := owner(t), owner(t)
	table := victim.table("things")
	role := victim.role("fn", trust(toLambda))
	works(t, "a function", victim.create("fn", role))
	function := victim.arn("lambda", "function:fn")
	policy := victim.managed("p", everything)
	victim.user("ann", everything)
	must(victim.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("group")}))(t)
	group := victim.arn("logs", "log-group:group")
	api := *must(victim.gateway.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("api")}))(t).Id
	admin := attacker.user("admin", everything)
	own := attacker.role("own", trust(toLambda))
	before := victim.state()

	logs := func(operation, body string) message {
		return message{service: "logs", method: "POST", path: "/", body: body, header: map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328." + operation}}
	}
	rest := func(service, method, path, body string) message {
		return message{service: service, method: method, path: path, body: body, header: map[string]string{"Content-Type": "application/json"}}
	}
	none := aws.Credentials{}
	escaped := strings.NewReplacer(":", "%3A", "/", "%2F").Replace
	item := `"Item":{"id":{"S":"evil"}}`
	key := `"Key":{"id":{"S":"first"}}`
	attacks := map[string]message{
		"PutItem":                dynamo(none, "PutItem", `{"TableName":"`+table+`",`+item+`}`),
		"GetItem":                dynamo(none, "GetItem", `{"TableName":"`+table+`",`+key+`}`),
		"DeleteItem":             dynamo(none, "DeleteItem", `{"TableName":"`+table+`",`+key+`}`),
		"UpdateItem":             dynamo(none, "UpdateItem", `{"TableName":"`+table+`",`+key+`,"UpdateExpression":"SET a = :a","ExpressionAttributeValues":{":a":{"S":"x"}}}`),
		"Query":                  dynamo(none, "Query", `{"TableName":"`+table+`","KeyConditionExpression":"id = :a","ExpressionAttributeValues":{":a":{"S":"first"}}}`),
		"Scan":                   dynamo(none, "Scan", `{"TableName":"`+table+`"}`),
		"BatchGetItem":           dynamo(none, "BatchGetItem", `{"RequestItems":{"`+table+`":{"Keys":[{"id":{"S":"first"}}]}}}`),
		"BatchWriteItem":         dynamo(none, "BatchWriteItem", `{"RequestItems":{"`+table+`":[{"PutRequest":{`+item+`}}]}}`),
		"TransactGetItems":       dynamo(none, "TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"`+table+`",`+key+`}}]}`),
		"TransactWriteItems":     dynamo(none, "TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"`+table+`",`+item+`}}]}`),
		"DeleteTable":            dynamo(none, "DeleteTable", `{"TableName":"`+table+`"}`),
		"DescribeTable":          dynamo(none, "DescribeTable", `{"TableName":"`+table+`"}`),
		"UpdateTable":            dynamo(none, "UpdateTable", `{"TableName":"`+table+`","DeletionProtectionEnabled":true}`),
		"UpdateTimeToLive":       dynamo(none, "UpdateTimeToLive", `{"TableName":"`+table+`","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"t"}}`),
		"dynamodb TagResource":   dynamo(none, "TagResource", `{"ResourceArn":"`+table+`","Tags":[{"Key":"a","Value":"b"}]}`),
		"dynamodb UntagResource": dynamo(none, "UntagResource", `{"ResourceArn":"`+table+`","TagKeys":["a"]}`),
		"ListTagsOfResource":     dynamo(none, "ListTagsOfResource", `{"ResourceArn":"`+table+`"}`),

		"Invoke":                       rest("lambda", "POST", "/2015-03-31/functions/"+escaped(function)+"/invocations", "{}"),
		"Invoke by a partial ARN":      rest("lambda", "POST", "/2015-03-31/functions/"+escaped(victim.account+":function:fn")+"/invocations", "{}"),
		"InvokeAsync":                  rest("lambda", "POST", "/2014-11-13/functions/"+escaped(function)+"/invoke-async", "{}"),
		"GetFunction":                  rest("lambda", "GET", "/2015-03-31/functions/"+escaped(function), ""),
		"GetFunction, partial":         rest("lambda", "GET", "/2015-03-31/functions/"+escaped(victim.account+":fn"), ""),
		"GetFunctionConfiguration":     rest("lambda", "GET", "/2015-03-31/functions/"+escaped(function)+"/configuration", ""),
		"DeleteFunction":               rest("lambda", "DELETE", "/2015-03-31/functions/"+escaped(function), ""),
		"UpdateFunctionCode":           rest("lambda", "PUT", "/2015-03-31/functions/"+escaped(function)+"/code", `{"ZipFile":"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}`),
		"UpdateFunctionConfiguration":  rest("lambda", "PUT", "/2015-03-31/functions/"+escaped(function)+"/configuration", `{"Timeout":5}`),
		"PublishVersion":               rest("lambda", "POST", "/2015-03-31/functions/"+escaped(function)+"/versions", `{}`),
		"ListVersionsByFunction":       rest("lambda", "GET", "/2015-03-31/functions/"+escaped(function)+"/versions", ""),
		"CreateAlias":                  rest("lambda", "POST", "/2015-03-31/functions/"+escaped(function)+"/aliases", `{"Name":"a","FunctionVersion":"$LATEST"}`),
		"AddPermission":                rest("lambda", "POST", "/2015-03-31/functions/"+escaped(function)+"/policy", `{"StatementId":"x","Action":"lambda:InvokeFunction","Principal":"`+attacker.account+`"}`),
		"GetPolicy":                    rest("lambda", "GET", "/2015-03-31/functions/"+escaped(function)+"/policy", ""),
		"PutFunctionConcurrency":       rest("lambda", "PUT", "/2017-10-31/functions/"+escaped(function)+"/concurrency", `{"ReservedConcurrentExecutions":0}`),
		"PutFunctionEventInvokeConfig": rest("lambda", "PUT", "/2019-09-25/functions/"+escaped(function)+"/event-invoke-config", `{"MaximumRetryAttempts":0}`),
		"lambda TagResource":           rest("lambda", "POST", "/2017-03-31/tags/"+escaped(function), `{"Tags":{"a":"b"}}`),
		"lambda ListTags":              rest("lambda", "GET", "/2017-03-31/tags/"+escaped(function), ""),
		"lambda UntagResource":         rest("lambda", "DELETE", "/2017-03-31/tags/"+escaped(function)+"?tagKeys=a", ""),
		"CreateFunction with a role":   rest("lambda", "POST", "/2015-03-31/functions", `{"FunctionName":"g","Runtime":"nodejs20.x","Handler":"index.handler","Role":"`+role+`","Code":{"ZipFile":"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}`),
		"CreateFunction over there":    rest("lambda", "POST", "/2015-03-31/functions", `{"FunctionName":"`+victim.arn("lambda", "function:evil")+`","Runtime":"nodejs20.x","Handler":"index.handler","Role":"`+own+`","Code":{"ZipFile":"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}`),

		"AttachUserPolicy":           query(none, "iam", "Action=AttachUserPolicy&UserName=admin&PolicyArn="+policy),
		"AttachRolePolicy":           query(none, "iam", "Action=AttachRolePolicy&RoleName=own&PolicyArn="+policy),
		"CreatePolicyVersion":        query(none, "iam", "Action=CreatePolicyVersion&SetAsDefault=true&PolicyArn="+policy+"&PolicyDocument="+escapeAll(*document(everything))),
		"DeletePolicy":               query(none, "iam", "Action=DeletePolicy&PolicyArn="+policy),
		"GetPolicy of IAM":           query(none, "iam", "Action=GetPolicy&PolicyArn="+policy),
		"GetPolicyVersion":           query(none, "iam", "Action=GetPolicyVersion&VersionId=v1&PolicyArn="+policy),
		"ListEntitiesForPolicy":      query(none, "iam", "Action=ListEntitiesForPolicy&PolicyArn="+policy),
		"TagPolicy":                  query(none, "iam", "Action=TagPolicy&PolicyArn="+policy+"&Tags.member.1.Key=a&Tags.member.1.Value=b"),
		"PutUserPermissionsBoundary": query(none, "iam", "Action=PutUserPermissionsBoundary&UserName=admin&PermissionsBoundary="+policy),
		"SimulatePrincipalPolicy":    query(none, "iam", "Action=SimulatePrincipalPolicy&ActionNames.member.1=s3:Get&PolicySourceArn="+role),
		"GetRole by its ARN":         query(none, "iam", "Action=GetRole&RoleName="+role),
		"GetUser by its ARN":         query(none, "iam", "Action=GetUser&UserName="+victim.arn("iam", "user/ann")),
		"CreateAccessKey":            query(none, "iam", "Action=CreateAccessKey&UserName=ann"),
		"AssumeRole":                 query(none, "sts", "Action=AssumeRole&RoleSessionName=evil&RoleArn="+role),

		"logs TagResource":              logs("TagResource", `{"resourceArn":"`+group+`","tags":{"a":"b"}}`),
		"ListTagsForResource":           logs("ListTagsForResource", `{"resourceArn":"`+group+`"}`),
		"FilterLogEvents":               logs("FilterLogEvents", `{"logGroupIdentifier":"`+group+`"}`),
		"GetLogEvents":                  logs("GetLogEvents", `{"logGroupIdentifier":"`+group+`","logStreamName":"s"}`),
		"DescribeLogStreams":            logs("DescribeLogStreams", `{"logGroupIdentifier":"`+group+`"}`),
		"DeleteLogGroup":                logs("DeleteLogGroup", `{"logGroupName":"group"}`),
		"DeleteLogGroup by an ARN":      logs("DeleteLogGroup", `{"logGroupName":"`+group+`"}`),
		"PutRetentionPolicy":            logs("PutRetentionPolicy", `{"logGroupName":"group","retentionInDays":1}`),
		"PutLogGroupDeletionProtection": logs("PutLogGroupDeletionProtection", `{"logGroupIdentifier":"`+group+`","deletionProtectionEnabled":true}`),

		"GetRestApi":             rest("apigateway", "GET", "/restapis/"+api, ""),
		"DeleteRestApi":          rest("apigateway", "DELETE", "/restapis/"+api, ""),
		"UpdateRestApi":          rest("apigateway", "PATCH", "/restapis/"+api, `{"patchOperations":[{"op":"replace","path":"/name","value":"evil"}]}`),
		"GetResources":           rest("apigateway", "GET", "/restapis/"+api+"/resources", ""),
		"CreateDeployment":       rest("apigateway", "POST", "/restapis/"+api+"/deployments", `{}`),
		"PutRestApi":             rest("apigateway", "PUT", "/restapis/"+api+"?mode=overwrite", `{"swagger":"2.0","info":{"title":"evil","version":"1"},"paths":{}}`),
		"apigateway TagResource": rest("apigateway", "PUT", "/tags/"+escaped("arn:aws:apigateway:us-east-1::/restapis/"+api), `{"tags":{"a":"b"}}`),
		"apigateway GetTags":     rest("apigateway", "GET", "/tags/"+escaped("arn:aws:apigateway:us-east-1::/restapis/"+api), ""),
	}
	for name, m := range attacks {
		for who, key := range map[string]aws.Credentials{"root": attacker.key, "administrator": admin.key} {
			m.key = key
			status, body := m.send(t)
			if status < 400 || status >= 500 || containsOne(body, "SignatureDoesNotMatch|InvalidSignature|SerializationException|UnknownOperation|MalformedInput") {
				t.Errorf("%s by the %s: %d %.300s", name, who, status, body)
			}
		}
	}
	if after := victim.state(); after != before {
		t.Errorf("the account was\n%s\nand is\n%s", before, after)
	}
	// None of it tells whether something is there: a table that is not gets the same answer.
	for _, by := range []aws.Credentials{attacker.key, admin.key} {
		one := dynamo(by, "GetItem", `{"TableName":"`+table+`",`+key+`}`)
		two := one
		two.body = strings.Replace(one.body, "table/things", "table/nothing", 1)
		s1, b1 := one.send(t)
		s2, b2 := two.send(t)
		if s1 != s2 || strings.ReplaceAll(b1, "things", "nothing") != b2 {
			t.Errorf("a table that is there: %d %s; one that is not: %d %s", s1, b1, s2, b2)
		}
	}
}

func escapeAll(s string) string {
	return strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22", "*", "%2A", ":", "%3A", "[", "%5B", "]", "%5D", ",", "%2C").Replace(s)
}
