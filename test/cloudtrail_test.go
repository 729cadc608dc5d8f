package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/tule-cloud/tule/test/tule"
)

// trailOf reads the audit log of an account, in a region.
func trailOf(c *cloud, in string) *cloudtrail.Client {
	return cloudtrail.NewFromConfig(c.config, func(o *cloudtrail.Options) {
		o.Region = in
		o.APIOptions = append(o.APIOptions, called)
	})
}

// by is a search.
func by(key types.LookupAttributeKey, value string) *cloudtrail.LookupEventsInput {
	return &cloudtrail.LookupEventsInput{LookupAttributes: []types.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}}
}

// seen is the only event that a search finds, and what CloudTrailEvent says.
func seen(t testing.TB, trail *cloudtrail.Client, in *cloudtrail.LookupEventsInput) (types.Event, map[string]any) {
	t.Helper()
	found := must(trail.LookupEvents(ctx, in))(t).Events
	if len(found) != 1 {
		t.Fatalf("%d events", len(found))
	}
	var e map[string]any
	if err := json.Unmarshal([]byte(*found[0].CloudTrailEvent), &e); err != nil {
		t.Fatal(err)
	}
	return found[0], e
}

// at is what is at a dotted path of an event.
func at(e map[string]any, path string) any {
	var v any = e
	for part := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[part]
	}
	return v
}

// requestID is that of a call that failed.
func requestID(t testing.TB, err error) string {
	t.Helper()
	var e *awshttp.ResponseError
	if !errors.As(err, &e) || e.ServiceRequestID() == "" {
		t.Fatalf("%v has no request id", err)
	}
	return e.ServiceRequestID()
}

// person is a user with a key and one inline policy.
func (c *cloud) person(name, document string) *cloud {
	c.Helper()
	must(c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}))(c)
	must(c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &document}))(c)
	k := must(c.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name}))(c).AccessKey
	return cloudAs(c, c.account, *k.AccessKeyId, *k.SecretAccessKey, "")
}

func (c *cloud) songs() {
	c.Helper()
	must(c.dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("songs"), BillingMode: dynamotypes.BillingModePayPerRequest,
		AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: "S"}},
		KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: "HASH"}}}))(c)
}

func (c *cloud) putSong() error {
	_, err := c.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("songs"), Item: map[string]dynamotypes.AttributeValue{"id": &dynamotypes.AttributeValueMemberS{Value: "swordfish"}}})
	return err
}

func (c *cloud) getSong() error {
	_, err := c.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("songs"), Key: map[string]dynamotypes.AttributeValue{"id": &dynamotypes.AttributeValueMemberS{Value: "swordfish"}}})
	return err
}

func allow(actions, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"Mine","Effect":"Allow","Action":[%s],"Resource":"%s"}]}`, actions, resource)
}

func TestTrailLookup(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.songs()
	ann := c.person("ann", allow(`"dynamodb:PutItem"`, "*"))
	if err := ann.putSong(); err != nil {
		t.Fatal(err)
	}
	id := requestID(t, ann.getSong())
	trail := trailOf(c, region)

	event, e := seen(t, trail, by(types.LookupAttributeKeyEventId, id))
	equal(t, "the user", *event.Username, "ann")
	equal(t, "read only", *event.ReadOnly, "true")
	equal(t, "the resource", *event.Resources[0].ResourceName+" "+*event.Resources[0].ResourceType, "songs AWS::DynamoDB::Table")
	for path, want := range map[string]any{
		"eventName": "GetItem", "eventSource": "dynamodb.amazonaws.com", "awsRegion": region, "errorCode": "AccessDenied", "requestID": id, "readOnly": true,
		"recipientAccountId": c.account, "userIdentity.type": "IAMUser", "userIdentity.arn": c.arn("iam", "user/ann"), "requestParameters.tableName": "songs",
		"sourceIPAddress": "127.0.0.1", "eventCategory": "Data", "managementEvent": false,
	} {
		if at(e, path) != want {
			t.Errorf("%s is %v, want %v", path, at(e, path), want)
		}
	}
	if strings.Contains(*event.CloudTrailEvent, "swordfish") {
		t.Error("an item's key is in the log")
	}
	if again, _ := seen(t, trail, by(types.LookupAttributeKeyEventId, *event.EventId)); *again.EventId != *event.EventId {
		t.Error("the id of an event leads to another")
	}
	// What was allowed is there if it manages something, and IAM's doings are in
	// us-east-1.
	_, e = seen(t, trail, by(types.LookupAttributeKeyEventName, "CreateTable"))
	equal(t, "the table", at(e, "responseElements.tableDescription.tableName"), any("songs"))
	equal(t, "PutItems", len(must(trail.LookupEvents(ctx, by(types.LookupAttributeKeyEventName, "PutItem")))(t).Events), 0)
	home := trailOf(c, "us-east-1")
	event, e = seen(t, home, by(types.LookupAttributeKeyEventName, "CreateAccessKey"))
	equal(t, "the secret", at(e, "responseElements.accessKey.secretAccessKey"), any("HIDDEN_DUE_TO_SECURITY_REASONS"))
	equal(t, "the root", *event.Username, "root")

	names := ""
	for p := cloudtrail.NewLookupEventsPaginator(home, &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(1), LookupAttributes: by(types.LookupAttributeKeyEventSource, "iam.amazonaws.com").LookupAttributes}); p.HasMorePages(); {
		for _, e := range must(p.NextPage(ctx))(t).Events {
			names += *e.EventName + " "
		}
	}
	equal(t, "the order", names, "CreateAccessKey PutUserPolicy CreateUser ")

	_, err := trailOf(ann, region).LookupEvents(ctx, &cloudtrail.LookupEventsInput{})
	refused(t, err, "AccessDeniedException", "is not authorized to perform: cloudtrail:LookupEvents because no identity-based policy allows")
	_, err = trail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{NextToken: aws.String("x")})
	fails[*types.InvalidNextTokenException](t, err, "")
	_, err = trail.CreateChannel(ctx, &cloudtrail.CreateChannelInput{Name: aws.String("channel"), Source: aws.String("Custom"), Destinations: []types.Destination{{Type: types.DestinationTypeEventDataStore, Location: aws.String("location")}}})
	refused(t, err, "NotImplemented", "CreateChannel")
}

// A person is told why, and what would allow it; with that, it is allowed.
func TestTrailWhy(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.songs()
	ann := c.person("ann", allow(`"dynamodb:PutItem"`, "*"))
	id := requestID(t, ann.getSong())
	env := []string{"AWS_ACCESS_KEY_ID=" + c.account, "AWS_REGION=us-west-2"} // it is found wherever it was
	out, _ := run(t, env, 0, "why", id, "--data", house.Data)
	if err := has(out, "DENIED dynamodb:GetItem\n", "who      user ann", "on       "+c.arn("dynamodb", "table/songs"), "· Mine (Allow): no match: action", "To allow it, add to a policy of user ann:", `"Action": "dynamodb:GetItem"`); err != nil {
		t.Error(err)
	}
	if strings.Contains(out, "\x1b[") {
		t.Error("colours in a pipe")
	}
	_, statement, _ := strings.Cut(out, "of user ann:\n")
	must(c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("more"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":` + statement + `}`)}))(t)
	if err := ann.getSong(); err != nil {
		t.Error(err)
	}
	out, _ = run(t, nil, 0, "why", id, "--data", house.Data, "--account", c.account, "--region", region)
	if err := has(out, "DENIED"); err != nil {
		t.Error(err)
	}
	_, said := run(t, nil, 1, "why", id, "--data", house.Data) // in another account
	if err := has(said, "has no request "+id, "--account"); err != nil {
		t.Error(err)
	}
	_, said = run(t, []string{"AWS_ACCESS_KEY_ID=" + ann.key(t)[0], "AWS_SECRET_ACCESS_KEY=" + ann.key(t)[1]}, 1, "why", id, "--data", house.Data)
	if err := has(said, "AccessDenied", "cloudtrail:LookupEvents"); err != nil {
		t.Error(err)
	}

	out, _ = run(t, nil, 0, "audit", "--data", house.Data, "--account", c.account, "--region", region)
	if err := has(out, "root of "+c.account+"  iam:CreateUser", "DENIED      user ann  dynamodb:GetItem  on "+c.arn("dynamodb", "table/songs")+"  from 127.0.0.1  "+id); err != nil {
		t.Error(err)
	}
	out, _ = run(t, nil, 0, "audit", "--denied", "--json", "--data", house.Data, "--account", c.account, "--region", region)
	for line := range strings.Lines(out) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil || at(e, "errorCode") != "AccessDenied" {
			t.Errorf("%v: %s", err, line)
		}
	}
	if strings.Count(out, id) != 1 {
		t.Errorf("the denials:\n%s", out)
	}
}

// key is the access key that c signs with.
func (c *cloud) key(t testing.TB) [2]string {
	k := must(c.config.Credentials.Retrieve(ctx))(t)
	return [2]string{k.AccessKeyID, k.SecretAccessKey}
}

// The least policy lets a user do again what it did, and nothing else.
func TestTrailGenerate(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.songs()
	ann := c.person("ann", allow(`"dynamodb:*"`, "*"))
	work := func() error {
		_, err := ann.dynamo.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("songs")})
		return errors.Join(ann.putSong(), err)
	}
	if err := work(); err != nil {
		t.Fatal(err)
	}
	generate := func(status int, args ...string) (string, string) {
		t.Helper()
		return run(t, nil, status, append([]string{"policy", "generate", "--data", house.Data, "--account", c.account}, args...)...)
	}
	least, _ := generate(0, "--user", "ann")
	if err := has(least, "dynamodb:DescribeTable", "dynamodb:PutItem", c.arn("dynamodb", "table/songs")); err != nil {
		t.Error(err)
	}
	must(c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("p"), PolicyDocument: &least}))(t)
	if err := work(); err != nil {
		t.Error(err)
	}
	refused(t, ann.getSong(), "AccessDeniedException", "dynamodb:GetItem")
	if _, said := generate(1, "--role", "nobody"); !strings.Contains(said, "the role nobody has done nothing") {
		t.Error(said)
	}
	_, said := run(t, []string{"AWS_ACCESS_KEY_ID=" + ann.key(t)[0], "AWS_SECRET_ACCESS_KEY=" + ann.key(t)[1]}, 1, "policy", "generate", "--data", house.Data, "--user", "ann")
	if err := has(said, "AccessDenied", "cloudtrail:LookupEvents"); err != nil {
		t.Error(err)
	}
}

// With policies watched only, what would be denied happens and is listed, and the policy
// that is missing can be written. All of it outlives a crash.
func TestTrailAudit(t *testing.T) {
	t.Parallel()
	data := t.TempDir() + "/data"
	watching := must(tule.Start(tule.Options{Data: data, Args: []string{"--iam", "audit"}}))(t)
	t.Cleanup(func() { watching.Stop() })
	c := newCloud(t)
	c = cloudOf(t, c.account, func() aws.Config { o := c.config; o.BaseEndpoint = aws.String(watching.URL()); return o }())
	c.songs()
	ann := c.person("ann", allow(`"sts:GetCallerIdentity"`, "*"))
	ann = cloudOf(t, c.account, func() aws.Config { o := ann.config; o.BaseEndpoint = aws.String(watching.URL()); return o }())
	if err := ann.putSong(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, _ := run(t, nil, 0, "audit", "--denied", "--data", data, "--account", c.account, "--region", region)
		if err := has(out, "would deny  user ann  dynamodb:PutItem  on "+c.arn("dynamodb", "table/songs")); err != nil || strings.Count(out, "\n") != 1 {
			t.Error(err, out)
		}
		out, _ = run(t, nil, 0, "policy", "generate", "--user", "ann", "--data", data, "--account", c.account)
		if err := has(out, `"dynamodb:PutItem"`, c.arn("dynamodb", "table/songs")); err != nil {
			t.Error(err)
		}
		watching.Kill()
		watching = must(tule.Start(tule.Options{Data: data}))(t)
	}
}
