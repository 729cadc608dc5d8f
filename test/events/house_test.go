// Package events puts events to buses of the real binary, lets schedules come due, and
// looks at what arrives at their targets.
package events

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tule-cloud/tule/test/tule"
)

// A cloud is a Tule with clients of an account's root.
type cloud struct {
	t         testing.TB
	house     *tule.Tule
	account   string
	events    *eventbridge.Client
	scheduler *scheduler.Client
	sqs       *sqs.Client
	iam       *iam.Client
	kinesis   *kinesis.Client
	lambda    *lambda.Client
}

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start starts a Tule on a data folder, a new one for "".
func start(t testing.TB, data string) *cloud {
	t.Helper()
	house, err := tule.Start(tule.Options{Data: data, Libraries: true})
	try(t, err)
	return as(t, house, "000000000000")
}

// as is the clients of an account.
func as(t testing.TB, house *tule.Tule, account string) *cloud {
	c := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(house.URL()), Credentials: credentials.NewStaticCredentialsProvider(account, "any", ""), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient}
	return &cloud{t: t, house: house, account: account, events: eventbridge.NewFromConfig(c), scheduler: scheduler.NewFromConfig(c), sqs: sqs.NewFromConfig(c), iam: iam.NewFromConfig(c),
		kinesis: kinesis.NewFromConfig(c), lambda: lambda.NewFromConfig(c)}
}

// role makes a role for EventBridge and its scheduler, which may do everything.
func (c *cloud) role(name string) *string {
	c.t.Helper()
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":["events.amazonaws.com","scheduler.amazonaws.com","lambda.amazonaws.com","firehose.amazonaws.com"]},"Action":"sts:AssumeRole"}}`
	made, err := c.iam.CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	try(c.t, err)
	_, err = c.iam.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)})
	try(c.t, err)
	return made.Role.Arn
}

// A queue is one that rules of its account may send to.
type queue struct {
	*cloud
	url, arn *string
}

func (c *cloud) queue(name string) queue {
	c.t.Helper()
	arn := "arn:aws:sqs:us-east-1:" + c.account + ":" + name
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `",
		"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:events:us-east-1:` + c.account + `:rule/*"}}}}`
	made, err := c.sqs.CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"Policy": policy}})
	try(c.t, err)
	return queue{c, made.QueueUrl, &arn}
}

// next waits for a message.
func (q queue) next() sqstypes.Message {
	q.t.Helper()
	list := q.some(20)
	if len(list) == 0 {
		q.t.Fatalf("nothing came to %s\n%s", *q.arn, q.house.Log())
	}
	return list[0]
}

// some waits up to so many seconds for messages, and takes them away.
func (q queue) some(seconds int32) []sqstypes.Message {
	q.t.Helper()
	most := int32(10)
	if seconds > 1 {
		most = 1
	}
	got, err := q.sqs.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: q.url, WaitTimeSeconds: seconds, MaxNumberOfMessages: most, MessageAttributeNames: []string{"All"}})
	try(q.t, err)
	for _, m := range got.Messages {
		_, err := q.sqs.DeleteMessage(context.Background(), &sqs.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle})
		try(q.t, err)
	}
	return got.Messages
}

// rule makes a rule with targets.
func (c *cloud) rule(name, pattern string, targets ...types.Target) {
	c.t.Helper()
	_, err := c.events.PutRule(context.Background(), &eventbridge.PutRuleInput{Name: &name, EventPattern: &pattern})
	try(c.t, err)
	_, err = c.events.PutTargets(context.Background(), &eventbridge.PutTargetsInput{Rule: &name, Targets: targets})
	try(c.t, err)
}

// put puts one event.
func (c *cloud) put(source, detail string) string {
	c.t.Helper()
	out, err := c.events.PutEvents(context.Background(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: &source, DetailType: aws.String("t"), Detail: &detail}}})
	try(c.t, err)
	if out.FailedEntryCount > 0 {
		c.t.Fatal(*out.Entries[0].ErrorMessage)
	}
	return *out.Entries[0].EventId
}

// pass moves Tule's clock.
func (c *cloud) pass(d time.Duration) {
	c.t.Helper()
	r, err := http.Post(c.house.URL()+"/_tule/clock?advance="+d.String(), "", nil)
	try(c.t, err)
	defer r.Body.Close()
	if text, _ := io.ReadAll(r.Body); r.StatusCode/100 != 2 {
		c.t.Fatalf("move the clock: %s", text)
	}
}

// event reads what a target got.
func event(t testing.TB, text *string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(*text), &out); err != nil {
		t.Fatalf("%s: %v", *text, err)
	}
	return out
}

// zipped is code of a function in JavaScript.
func zipped(t testing.TB, code string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("index.mjs")
	try(t, err)
	_, err = io.WriteString(w, code)
	try(t, err)
	try(t, z.Close())
	return b.Bytes()
}
