package attack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

func unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

// run invokes a function and gives its answer, its failure and the end of its log.
func (p *party) run(name, payload string) (answer, failure, log string) {
	p.Helper()
	out := must(p.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload), LogType: lambdatypes.LogTypeTail}))(p)
	text := must(base64.StdEncoding.DecodeString(aws.ToString(out.LogResult)))(p)
	return string(out.Payload), aws.ToString(out.FunctionError), string(text)
}

// replicate is written as functions of 2016 were, for Python 2.7 and its boto3: it takes
// on a role of another account, and writes what comes from a stream into a table there.
const replicate = `from __future__ import print_function
import base64, json, boto3

def handler(event, context):
    lent = boto3.client('sts').assume_role(RoleArn=event['role'], RoleSessionName='AssumePocRole', DurationSeconds=900)['Credentials']
    if event.get('show'):
        return {k: lent[k] for k in ('AccessKeyId', 'SecretAccessKey', 'SessionToken')}
    there = boto3.resource('dynamodb', region_name='us-east-1', aws_access_key_id=lent['AccessKeyId'],
                           aws_secret_access_key=lent['SecretAccessKey'], aws_session_token=lent['SessionToken'])
    for record in event['Records']:
        try:
            item = json.loads(base64.b64decode(record['kinesis']['data']))
            item['sequenceNumber'] = record['kinesis']['sequenceNumber']
            item['shardId'] = record['eventID'].split(':')[0]
            item['seqNumbershardIdHash'] = item['sequenceNumber'][-3:-1] + '_' + item['shardId']
            there.Table(event['table']).put_item(Item={k: v for k, v in item.iteritems() if v is not None and v != ''})
        except Exception as e:
            print(e)
    return 'Successfully processed {} records.'.format(len(event['Records']))
`

const (
	replica = "prod-raven-lambda-webanalytics-crossaccount"
	writer  = "DynamoDB-ProdAnalyticsWrite-role"
)

// TestCrossAccountReplication is the identity half of a published walkthrough: a role of
// 111111111111 takes on one of 999999999999 and writes into a table there. Without
// either side's word, and with the names that the walkthrough misspells, nothing is
// written; what was lent is over after 900 s.
func TestCrossAccountReplication(t *testing.T) {
	t.Parallel()
	needs(t, "python2.7")
	h := must(tule.Start(tule.Options{Libraries: true}))(t)
	defer func() { works(t, "stopping", h.Stop()) }()
	prod := as(t, h, "111111111111", aws.Credentials{AccessKeyID: "111111111111", SecretAccessKey: "any"})
	poc := as(t, h, "999999999999", aws.Credentials{AccessKeyID: "999999999999", SecretAccessKey: "any"})
	must(poc.dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String(replica),
		ProvisionedThroughput: &dynamotypes.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(20), WriteCapacityUnits: aws.Int64(20)},
		KeySchema:             []dynamotypes.KeySchemaElement{{AttributeName: aws.String("seqNumbershardIdHash"), KeyType: "HASH"}, {AttributeName: aws.String("sequenceNumber"), KeyType: "RANGE"}},
		AttributeDefinitions:  []dynamotypes.AttributeDefinition{{AttributeName: aws.String("seqNumbershardIdHash"), AttributeType: "S"}, {AttributeName: aws.String("sequenceNumber"), AttributeType: "S"}}}))(t)
	role := poc.role(writer, trust(`{"AWS":"arn:aws:iam::111111111111:root"}`), allow("dynamodb:PutItem", poc.arn("dynamodb", "table/"+replica)))
	may, own := allow("sts:AssumeRole", role), allow("logs:*", "*")
	prod.function("ProdKinesisToPocDynamo", lambdatypes.RuntimePython27, prod.role("LambdaKinesisDynamo", trust(toLambda), own, may), "index.py", replicate)

	event := func(role, table, sequence string) string {
		data := base64.StdEncoding.EncodeToString([]byte(`{"event": "page view", "useremail_": "a@b.c", "empty": "", "none": null}`))
		return fmt.Sprintf(`{"role":%q,"table":%q,"Records":[{"eventID":"shardId-000000000000:%s","kinesis":{"sequenceNumber":%[3]q,"data":%q}}]}`, role, table, sequence, data)
	}
	const sequence = "49559110013690475546"
	answer, failure, log := prod.run("ProdKinesisToPocDynamo", event(role, replica, sequence))
	if answer != `"Successfully processed 1 records."` || failure != "" || strings.Contains(log, "rror") {
		t.Errorf("%s %s %s", answer, failure, log)
	}
	got := must(poc.dynamo.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String(replica)}))(t).Items
	if text := fmt.Sprint(len(got)); text != "1" {
		t.Fatalf("%s items are there", text)
	}
	for name, want := range map[string]string{"sequenceNumber": sequence, "shardId": "shardId-000000000000", "seqNumbershardIdHash": "54_shardId-000000000000", "event": "page view", "useremail_": "a@b.c"} {
		if v, _ := got[0][name].(*dynamotypes.AttributeValueMemberS); v == nil || v.Value != want || len(got[0]) != 5 {
			t.Errorf("%s is %v of %d, want %s", name, got[0][name], len(got[0]), want)
		}
	}
	prod.run("ProdKinesisToPocDynamo", event(role, replica, sequence)) // once more is the same item
	if tables := must(prod.dynamo.ListTables(ctx, &dynamodb.ListTablesInput{}))(t).TableNames; len(tables) != 0 {
		t.Errorf("111111111111 has %v", tables)
	}

	policies := func(p *party, name string, statements ...string) {
		t.Helper()
		must(p.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("own"), PolicyDocument: document(statements...)}))(t)
	}
	trusts := func(principal string) {
		t.Helper()
		must(poc.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String(writer), PolicyDocument: document(trust(principal))}))(t)
	}
	misspelt := strings.Replace(role, "Prod", "Prd", 1)
	assumeDenied := "An error occurred (AccessDenied) when calling the AssumeRole operation: User: arn:aws:sts::111111111111:assumed-role/LambdaKinesisDynamo/ProdKinesisToPocDynamo is not authorized to perform: sts:AssumeRole on resource: "
	for _, c := range []struct {
		name          string
		before, after func()
		role, table   string
		want          string // in the failure, or printed
	}{
		{"without sts:AssumeRole", func() { policies(prod, "LambdaKinesisDynamo", own) }, func() { policies(prod, "LambdaKinesisDynamo", own, may) }, role, replica, assumeDenied + role},
		{"without the trust", func() { trusts(`{"AWS":"arn:aws:iam::222222222222:root"}`) }, func() { trusts(`{"AWS":"arn:aws:iam::111111111111:root"}`) }, role, replica, assumeDenied + role},
		{"the misspelt role", nil, nil, misspelt, replica, assumeDenied + misspelt},
		{"the misspelt table", nil, nil, role, "prod-raven-lambda-webanalytics", "An error occurred (AccessDeniedException) when calling the PutItem operation: User: arn:aws:sts::999999999999:assumed-role/" + writer + "/AssumePocRole is not authorized to perform: dynamodb:PutItem on resource: arn:aws:dynamodb:us-east-1:999999999999:table/prod-raven-lambda-webanalytics because no identity-based policy allows the dynamodb:PutItem action"},
		{"the misspelt table, where all are allowed", func() { policies(poc, writer, allow("dynamodb:PutItem", "*")) }, nil, role, "prod-raven-lambda-webanalytics", "An error occurred (ResourceNotFoundException) when calling the PutItem operation: Requested resource not found"},
	} {
		if c.before != nil {
			c.before()
		}
		answer, failure, log := prod.run("ProdKinesisToPocDynamo", event(c.role, c.table, "49559110013690475999"))
		if !strings.Contains(answer+log, c.want) || (failure == "") == strings.Contains(c.want, "AssumeRole") {
			t.Errorf("%s: %s %s\n%s\nwant %s", c.name, answer, failure, log, c.want)
		}
		if c.after != nil {
			c.after()
		}
	}
	poc.holds(replica, 1)

	answer, _, _ = prod.run("ProdKinesisToPocDynamo", `{"show":true,"role":"`+role+`"}`)
	var lent struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	works(t, answer, unmarshal([]byte(answer), &lent))
	session := as(t, h, "999999999999", aws.Credentials{AccessKeyID: lent.AccessKeyId, SecretAccessKey: lent.SecretAccessKey, SessionToken: lent.SessionToken})
	write := func(sequence string) error {
		_, err := session.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(replica), Item: map[string]dynamotypes.AttributeValue{
			"seqNumbershardIdHash": &dynamotypes.AttributeValueMemberS{Value: "x"}, "sequenceNumber": &dynamotypes.AttributeValueMemberS{Value: sequence}}})
		return err
	}
	advance(t, h, 880*time.Second)
	works(t, "what was lent, twenty seconds before its end", write("880"))
	advance(t, h, 20*time.Second)
	refused(t, "what was lent, at its end", write("900"), "ExpiredTokenException", "The security token included in the request is expired")
	poc.holds(replica, 2)
}

// mailing is written as the walkthrough's function is, for Node.js 4.3 with dynamodb-doc.
const mailing = `'use strict';
const doc = require('dynamodb-doc');
const dynamo = new doc.DynamoDB();
const states = {Bounce: 'disable', Complaint: 'disable', Delivery: 'enable'};

exports.handler = (event, context, callback) => {
    const message = JSON.parse(event.Records[0].Sns.Message);
    const state = states[message.notificationType];
    if (!state) {
        return callback('Unknown notification type: ' + message.notificationType);
    }
    for (const id of message.recipients) {
        const item = {UserId: id, notificationType: message.notificationType, from: message.mail.source, timestamp: message.mail.timestamp, state: state};
        dynamo.putItem({TableName: 'mailing', Item: item}, (err, data) => console.log(err || data));
    }
};
`

// TestMailingListWithoutPermission is the other side of a published walkthrough: the
// function whose role lacks dynamodb:PutItem prints what AWS says, and writes nothing.
func TestMailingListWithoutPermission(t *testing.T) {
	t.Parallel()
	needs(t, "node")
	a := owner(t)
	must(a.dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("mailing"), BillingMode: dynamotypes.BillingModePayPerRequest,
		KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("UserId"), KeyType: "HASH"}},
		AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("UserId"), AttributeType: "S"}}}))(t)
	table := a.arn("dynamodb", "table/mailing")
	a.function("mailing", lambdatypes.RuntimeNodejs43, a.role("lambda_dynamo", trust(toLambda), allow("logs:*", "*"), allow("dynamodb:GetItem", table)), "index.js", mailing)
	message := `{\"notificationType\":\"Bounce\",\"mail\":{\"source\":\"news@example.com\",\"timestamp\":\"2016-01-27T14:59:38.237Z\"},\"recipients\":[\"jane@example.com\",\"mary@example.com\"]}`
	event := `{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"` + message + `"}}]}`
	answer, failure, log := a.run("mailing", event)
	want := "AccessDeniedException: User: arn:aws:sts::" + a.account + ":assumed-role/lambda_dynamo/mailing is not authorized to perform: dynamodb:PutItem on resource: " + table + " because no identity-based policy allows the dynamodb:PutItem action"
	if answer != "null" || failure != "" || strings.Count(log, want) != 2 {
		t.Errorf("%s %s\n%s\nwant %s", answer, failure, log, want)
	}
	a.holds("mailing", 0)
	must(a.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("lambda_dynamo"), PolicyName: aws.String("write"), PolicyDocument: document(allow("dynamodb:PutItem", table))}))(t)
	if answer, failure, log = a.run("mailing", event); answer != "null" || failure != "" || strings.Contains(log, "AccessDenied") {
		t.Errorf("when it may: %s %s\n%s", answer, failure, log)
	}
	a.holds("mailing", 2)
}
