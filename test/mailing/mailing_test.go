// Package mailing walks through a published walkthrough of 2016: what SES says of mail
// comes by a topic to a function on nodejs4.3, which keeps a table of addresses.
package mailing

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	sestypes "github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/tule-cloud/tule/test/tule"
)

var ctx = context.Background()

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A list is the walkthrough, made on a Tule of its own.
type list struct {
	*testing.T
	house *tule.Tule
	aws.Config
	topic string
}

func newList(t *testing.T) *list {
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
	l := &list{T: t, house: house, Config: aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(house.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}}
	made, err := sns.NewFromConfig(l.Config).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("ses-notifications")})
	try(t, err)
	l.topic = *made.TopicArn
	_, err = dynamodb.NewFromConfig(l.Config).CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("mailing"), BillingMode: "PAY_PER_REQUEST",
		KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("UserId"), KeyType: "HASH"}},
		AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("UserId"), AttributeType: "S"}}})
	try(t, err)
	l.function()
	return l
}

// role is the function's, with or without the permission to write the table.
func (l *list) role(write bool) {
	l.Helper()
	statements := `{"Sid":"","Resource":"*","Action":["logs:*"],"Effect":"Allow"}`
	if write {
		statements += `,{"Sid":"Stmt1428341300017","Action":["dynamodb:PutItem"],"Effect":"Allow","Resource":"arn:aws:dynamodb:us-east-1:000000000000:table/mailing"}`
	}
	_, err := iam.NewFromConfig(l.Config).PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("lambda_dynamo"), PolicyName: aws.String("lambda_dynamo"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)})
	try(l.T, err)
}

func (l *list) function() {
	l.Helper()
	role, err := iam.NewFromConfig(l.Config).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("lambda_dynamo"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	try(l.T, err)
	l.role(true)
	text, err := os.ReadFile(filepath.Join(tule.Root(), "examples", "mailing", "index.js"))
	try(l.T, err)
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	w, err := z.Create("index.js")
	try(l.T, err)
	_, err = w.Write(text)
	try(l.T, err)
	try(l.T, z.Close())
	functions := lambda.NewFromConfig(l.Config)
	made, err := functions.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("ses-to-dynamo"), Role: role.Role.Arn, Runtime: "nodejs4.3",
		Handler: aws.String("index.handler"), Timeout: aws.Int32(20), Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()}})
	try(l.T, err)
	_, err = functions.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: made.FunctionName, StatementId: aws.String("sns"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("sns.amazonaws.com"), SourceArn: &l.topic})
	try(l.T, err)
	_, err = sns.NewFromConfig(l.Config).Subscribe(ctx, &sns.SubscribeInput{TopicArn: &l.topic, Protocol: aws.String("lambda"), Endpoint: made.FunctionArn})
	try(l.T, err)
}

// publish does it as the walkthrough does, by AWS's command line.
func (l *list) publish(file string) {
	l.Helper()
	c := exec.Command(filepath.Join(tule.Root(), ".cache", "venv", "bin", "aws"), "sns", "publish", "--topic-arn", l.topic, "--message", "file://"+file,
		"--subject", "Test", "--region", "us-east-1", "--output", "json")
	c.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+l.house.URL(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_CONFIG_FILE=/dev/null", "AWS_PAGER=")
	out, err := c.CombinedOutput()
	if err != nil || !regexp.MustCompile(`^{\s*"MessageId": "[0-9a-f-]{36}"\s*}\s*$`).Match(out) {
		l.Fatalf("aws sns publish: %v\n%s", err, out)
	}
}

func example(name string) string {
	return filepath.Join(tule.Root(), "examples", "mailing", name+".json")
}

// wait asks until ok is content.
func (l *list) wait(what string, ok func() bool) {
	l.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.Fatalf("%s did not come about\n%s", what, strings.Join(l.lines(), ""))
		}
	}
}

// state is what the table has of an address.
func (l *list) state(address string) string {
	out, err := dynamodb.NewFromConfig(l.Config).GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("mailing"), ConsistentRead: aws.Bool(true),
		Key: map[string]dynamotypes.AttributeValue{"UserId": &dynamotypes.AttributeValueMemberS{Value: address}}})
	try(l.T, err)
	var parts []string
	for _, k := range []string{"notificationType", "from", "timestamp", "state"} {
		if v, ok := out.Item[k].(*dynamotypes.AttributeValueMemberS); ok {
			parts = append(parts, v.Value)
		}
	}
	return strings.Join(parts, " ")
}

// lines are the function's log.
func (l *list) lines() []string {
	var out []string
	logs := cloudwatchlogs.NewFromConfig(l.Config)
	for pages := cloudwatchlogs.NewFilterLogEventsPaginator(logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/ses-to-dynamo")}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return out // there is no log yet
		}
		for _, e := range page.Events {
			out = append(out, *e.Message)
		}
	}
	return out
}

func (l *list) logged(text string) bool { return strings.Contains(strings.Join(l.lines(), ""), text) }

func TestMailing(t *testing.T) {
	l := newList(t)
	const at, from = "2016-01-27T14:59:38.237Z", "news@example.com"
	l.publish(example("bounce"))
	l.publish(example("complaint"))
	for _, want := range [][2]string{{"ann@example.com", "Bounce"}, {"bob@example.com", "Bounce"}, {"carol@example.com", "Complaint"}} {
		l.wait(want[0]+" disabled", func() bool { return l.state(want[0]) == want[1]+" "+from+" "+at+" disable" })
	}
	l.publish(example("delivery"))
	l.wait("ann enabled", func() bool { return l.state("ann@example.com") == "Delivery "+from+" 2016-01-28T09:59:59.000Z enable" })
	for _, line := range []string{
		"Message 00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000 bounced when sending to ann@example.com, bob@example.com. Bounce type: Permanent",
		"A complaint was reported by carol@example.com for message 0000013786031775-163e3910-53eb-4c8e-a04a-f29debf88a84-000000.",
		"Message 0000014644fe5ef6-9a483358-9170-4cb4-a269-f5dcdf415321-000000 was delivered successfully at 2016-01-28T10:00:00.000Z.",
	} {
		l.wait("a line of the log", func() bool { return l.logged(line) })
	}
	l.unknown()
	l.simulator()
	l.denied()
}

// simulator sends mail to the addresses of the mailbox simulator.
func (l *list) simulator() {
	mail := ses.NewFromConfig(l.Config)
	from := aws.String("news@example.com")
	_, err := mail.VerifyEmailIdentity(ctx, &ses.VerifyEmailIdentityInput{EmailAddress: from})
	try(l.T, err)
	for _, kind := range []sestypes.NotificationType{"Bounce", "Complaint", "Delivery"} {
		_, err := mail.SetIdentityNotificationTopic(ctx, &ses.SetIdentityNotificationTopicInput{Identity: from, NotificationType: kind, SnsTopic: &l.topic})
		try(l.T, err)
	}
	for _, c := range [][2]string{{"bounce@simulator.amazonses.com", "Bounce"}, {"success@simulator.amazonses.com", "Delivery"}} {
		_, err := mail.SendEmail(ctx, &ses.SendEmailInput{Source: from, Destination: &sestypes.Destination{ToAddresses: []string{c[0]}},
			Message: &sestypes.Message{Subject: &sestypes.Content{Data: aws.String("News")}, Body: &sestypes.Body{Text: &sestypes.Content{Data: aws.String("News")}}}})
		try(l.T, err)
		l.wait(c[0], func() bool { return strings.HasPrefix(l.state(c[0]), c[1]+" news@example.com ") })
	}
}

// unknown publishes what is no notification: the function is tried three times, with one
// request id, and writes nothing.
func (l *list) unknown() {
	file := filepath.Join(l.TempDir(), "unknown.json")
	try(l.T, os.WriteFile(file, []byte(`{"notificationType": "Nonsense", "mail": {"messageId": "m", "source": "s", "timestamp": "t"}}`), 0o600))
	l.publish(file)
	failed := regexp.MustCompile(`\t([0-9a-f-]{36})\t.*Unknown notification type: Nonsense`)
	tries := func() []string {
		var ids []string
		for _, line := range l.lines() {
			if m := failed.FindStringSubmatch(line); m != nil {
				ids = append(ids, m[1])
			}
		}
		return ids
	}
	for n := 1; n <= 3; n++ {
		l.wait(fmt.Sprintf("try %d", n), func() bool { return len(tries()) >= n })
		l.advance("3m")
	}
	time.Sleep(time.Second)
	if ids := tries(); len(ids) != 3 || ids[0] != ids[1] || ids[1] != ids[2] {
		l.Errorf("the function was tried as %v", ids)
	}
}

// advance moves Tule's clock.
func (l *list) advance(by string) {
	l.Helper()
	out, err := exec.Command("curl", "-fsS", "-X", "POST", l.house.URL()+"/_tule/clock?advance="+by).CombinedOutput()
	if err != nil {
		l.Fatalf("%v: %s", err, out)
	}
}

// denied takes the permission to write away: the refusal is in the log, and nothing in
// the table.
func (l *list) denied() {
	l.role(false)
	file := filepath.Join(l.TempDir(), "denied.json")
	text, err := os.ReadFile(example("complaint"))
	try(l.T, err)
	try(l.T, os.WriteFile(file, bytes.ReplaceAll(text, []byte("carol@"), []byte("dave@")), 0o600))
	l.publish(file)
	l.wait("the refusal", func() bool { return l.logged("AccessDeniedException") })
	if s := l.state("dave@example.com"); s != "" {
		l.Errorf("dave is %s", s)
	}
}
