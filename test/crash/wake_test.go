package crash

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tule-cloud/tule/test/tule"
)

// sees writes down, under each message's group, its number, and fails now and then: as a
// whole, and for some messages of a batch and all of their groups that come later.
const sees = `const { DynamoDBClient, UpdateItemCommand } = require("@aws-sdk/client-dynamodb"), db = new DynamoDBClient();
exports.handler = async (event) => {
	if (Math.random() < 0.04) throw new Error("now and then");
	const failed = new Set(), batchItemFailures = [];
	for (const r of event.Records) {
		const [group, n] = r.body.split("/");
		if (failed.has(group) || Math.random() < 0.02) { failed.add(group); batchItemFailures.push({ itemIdentifier: r.messageId }); continue; }
		await db.send(new UpdateItemCommand({ TableName: "seen", Key: { id: { S: group } }, UpdateExpression: "SET ns = list_append(if_not_exists(ns, :none), :n)",
			ExpressionAttributeValues: { ":none": { L: [] }, ":n": { L: [{ N: n }] } } }));
	}
	return { batchItemFailures };
}`

// lives is how often the tests of what wakes functions kill: TULE_KILLS times, four without.
func lives(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "4"))
	try(t, err)
	return n
}

// TestKillQueueEvents kills Tule while messages are sent to a standard and to a FIFO queue,
// which a function is called with: it sees every message that was acknowledged, and those
// of a FIFO queue's groups for the first time in their order.
func TestKillQueueEvents(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	house, err := tule.Start(tule.Options{Data: data, Libraries: true})
	try(t, err)
	role := wakers(t, house)
	table(t, house, "seen")
	functionOf(t, house, "sees", role, sees, nil)
	urls := map[string]*string{}
	for _, name := range []string{"plain", "ordered.fifo"} {
		url, arn := queueOf(t, house, name)
		urls[name] = url
		_, err := lambda.NewFromConfig(config(house, "test", "test", "")).CreateEventSourceMapping(t.Context(), &lambda.CreateEventSourceMappingInput{
			FunctionName: aws.String("sees"), EventSourceArn: arn, BatchSize: aws.Int32(5), FunctionResponseTypes: []lambdatypes.FunctionResponseType{"ReportBatchItemFailures"}})
		try(t, err)
	}
	acked := map[string]int{} // by group, how many
	for range lives(t) {
		sendUntilKilled(t, house, urls, acked)
		house = start(t, data)
	}
	total := 0
	for _, n := range acked {
		total += n
	}
	var got map[string][]int
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		missing := 0
		got = seen(t, house)
		for group, n := range acked {
			missing += max(0, n-len(firsts(got[group])))
		}
		if missing == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d messages were not seen: %v\n%s", missing, total, got, house.Failures())
		}
	}
	for group, ns := range got {
		if group[0] != 'o' {
			continue
		}
		for i, n := range firsts(ns) {
			if n != i {
				t.Errorf("group %s was seen in the order %v", group, ns)
				break
			}
		}
	}
	t.Logf("%d messages", total)
	try(t, house.Stop())
}

// sendUntilKilled sends numbers in eight groups, half of them to each queue, until Tule is
// killed. One that is not acknowledged is sent again in the next life.
func sendUntilKilled(t *testing.T, house *tule.Tule, urls map[string]*string, acked map[string]int) {
	var n atomic.Int64
	target, reached := 10+rand.Int64N(80), make(chan struct{})
	type last struct {
		group string
		n     int
	}
	done := make(chan last)
	for w := range 8 {
		name, group := "plain", fmt.Sprint("p", w)
		in := &sqs.SendMessageInput{}
		if w%2 == 1 {
			name, group = "ordered.fifo", fmt.Sprint("o", w)
			in.MessageGroupId = &group
		}
		in.QueueUrl = urls[name]
		from := acked[group]
		go func() {
			c, at := queues(house), from
			for ; ; at++ {
				in.MessageBody = aws.String(fmt.Sprint(group, "/", at))
				if in.MessageGroupId != nil {
					in.MessageDeduplicationId = aws.String(fmt.Sprint(group, "-", at))
				}
				if _, err := c.SendMessage(t.Context(), in); err != nil {
					break
				}
				if n.Add(1) == target {
					close(reached)
				}
			}
			done <- last{group, at}
		}()
	}
	select {
	case <-reached:
	case <-time.After(10 * time.Second):
	}
	house.Kill()
	for range 8 {
		l := <-done
		acked[l.group] = l.n
	}
}

func seen(t *testing.T, house *tule.Tule) map[string][]int {
	t.Helper()
	out, err := client(house).Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("seen"), ConsistentRead: aws.Bool(true)}, func(o *dynamodb.Options) { o.RetryMaxAttempts = 3 })
	try(t, err)
	got := map[string][]int{}
	for _, item := range out.Items {
		group := item["id"].(*types.AttributeValueMemberS).Value
		for _, v := range item["ns"].(*types.AttributeValueMemberL).Value {
			n, err := strconv.Atoi(v.(*types.AttributeValueMemberN).Value)
			try(t, err)
			got[group] = append(got[group], n)
		}
	}
	return got
}

// firsts are numbers without those that had come before.
func firsts(ns []int) (out []int) {
	had := map[int]bool{}
	for _, n := range ns {
		if !had[n] {
			out = append(out, n)
		}
		had[n] = true
	}
	return out
}

// TestKillOutcomes kills Tule while events come in for a function whose successes a queue
// is told of, and whose failures another queue and a dead-letter queue: they hear of each
// event that was answered with 202.
func TestKillOutcomes(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	role := wakers(t, house)
	urls, arns := map[string]*string{}, map[string]*string{}
	for _, name := range []string{"done", "failed", "dead"} {
		urls[name], arns[name] = queueOf(t, house, name)
	}
	functionOf(t, house, "odd", role, `exports.handler = async (e) => { if (e.n % 2) throw new Error("odd: " + e.n); return e.n; }`, arns["dead"])
	_, err := lambda.NewFromConfig(config(house, "test", "test", "")).PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: aws.String("odd"), MaximumRetryAttempts: aws.Int32(0), DestinationConfig: &lambdatypes.DestinationConfig{
			OnSuccess: &lambdatypes.OnSuccess{Destination: arns["done"]}, OnFailure: &lambdatypes.OnFailure{Destination: arns["failed"]}}})
	try(t, err)
	const each = 20
	kills := lives(t)
	for life := range kills {
		functions := lambda.NewFromConfig(config(house, "test", "test", ""))
		for n := range each {
			out, err := functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("odd"), InvocationType: lambdatypes.InvocationTypeEvent,
				Payload: fmt.Appendf(nil, `{"n":%d}`, life*each+n)})
			if err != nil || out.StatusCode != 202 {
				t.Fatal(out, err)
			}
		}
		house.Kill()
		house = start(t, data)
	}
	want := kills * each / 2
	for name, of := range map[string]func(body string) int{"done": requestOf, "failed": requestOf, "dead": numberOf} {
		got := drained(t, house, urls[name], want, of)
		for n := range kills * each {
			if got[n] != (name == "done") && n%2 == 0 || got[n] == (name == "done") && n%2 == 1 {
				t.Errorf("the queue %s was told of %d: %v", name, n, got[n])
			}
		}
	}
	if t.Failed() {
		t.Log(house.Failures())
	}
	try(t, house.Stop())
}

func numberOf(body string) int {
	var e struct{ N int }
	if json.Unmarshal([]byte(body), &e) != nil {
		return -1
	}
	return e.N
}

func requestOf(body string) int {
	var e struct{ RequestPayload json.RawMessage }
	if json.Unmarshal([]byte(body), &e) != nil {
		return -1
	}
	return numberOf(string(e.RequestPayload))
}

// drained receives what a queue has until there are so many different numbers, or a
// minute is over.
func drained(t *testing.T, house *tule.Tule, url *string, want int, of func(body string) int) map[int]bool {
	t.Helper()
	got, c := map[int]bool{}, queues(house)
	for deadline := time.Now().Add(time.Minute); len(got) < want && time.Now().Before(deadline); {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, VisibilityTimeout: 300, MessageAttributeNames: []string{"All"}})
		try(t, err)
		for _, m := range out.Messages {
			got[of(*m.Body)] = true
		}
	}
	return got
}

// wakers is a role for functions that queues wake and that tell queues.
func wakers(t *testing.T, house *tule.Tule) *string {
	t.Helper()
	people := iam.NewFromConfig(config(house, "test", "test", ""))
	role, err := people.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("waker"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	try(t, err)
	_, err = people.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("waker"), PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole")})
	try(t, err)
	_, err = people.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("waker"), PolicyName: aws.String("more"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:UpdateItem","sqs:SendMessage"],"Resource":"*"}]}`)})
	try(t, err)
	return role.Role.Arn
}

func table(t *testing.T, house *tule.Tule, name string) {
	t.Helper()
	_, err := client(house).CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}}})
	try(t, err)
}

// queueOf makes a queue whose messages come back after eight seconds.
func queueOf(t *testing.T, house *tule.Tule, name string) (url, arn *string) {
	t.Helper()
	attributes := map[string]string{"VisibilityTimeout": "8"}
	if filepath.Ext(name) == ".fifo" {
		attributes["FifoQueue"] = "true"
	}
	made, err := queues(house).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	try(t, err)
	got, err := queues(house).GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: made.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"}})
	try(t, err)
	return made.QueueUrl, aws.String(got.Attributes["QueueArn"])
}

func functionOf(t *testing.T, house *tule.Tule, name string, role *string, text string, dead *string) {
	t.Helper()
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	w, err := z.Create("index.js")
	try(t, err)
	_, err = io.WriteString(w, text)
	try(t, errors.Join(err, z.Close()))
	in := &lambda.CreateFunctionInput{FunctionName: &name, Role: role, Runtime: lambdatypes.RuntimeNodejs22x, Handler: aws.String("index.handler"), Timeout: aws.Int32(8), MemorySize: aws.Int32(1769),
		Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()}}
	if dead != nil {
		in.DeadLetterConfig = &lambdatypes.DeadLetterConfig{TargetArn: dead}
	}
	_, err = lambda.NewFromConfig(config(house, "test", "test", "")).CreateFunction(context.WithoutCancel(t.Context()), in)
	try(t, err)
}
