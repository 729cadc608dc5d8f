package crash

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tule-cloud/tule/test/tule"
)

// A newsroom is what publishers know of a topic: of each the number that it published
// last, and which were acknowledged.
type newsroom struct {
	fifo  bool
	told  bool // the queue has what a function answered
	topic string
	queue string

	mu    sync.Mutex
	sent  [writers]int
	acked map[string]bool
}

// TestKillTopics kills Tule TULE_KILLS times, 8 without, while many publish to a standard
// topic, to a FIFO topic, and to one with a function. What was acknowledged comes to the
// queues and to the function, and the groups of the FIFO topic, one a publisher, come in
// their order.
func TestKillTopics(t *testing.T) {
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "8"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	rooms := []*newsroom{newNewsroom(t, house, "news"), newNewsroom(t, house, "news.fifo"), listening(t, house)}
	for range kills {
		publishUntilKilled(t, house, rooms)
		house = start(t, data)
		if t.Failed() {
			t.Fatal(house.Log())
		}
	}
	for _, r := range rooms {
		r.drain(t, house)
	}
	if err := house.Stop(); err != nil {
		t.Error(err)
	}
}

func newNewsroom(t *testing.T, house *tule.Tule, name string) *newsroom {
	r := &newsroom{fifo: strings.HasSuffix(name, ".fifo"), acked: map[string]bool{}}
	arn := "arn:aws:sqs:us-east-1:000000000000:" + name
	attributes := map[string]string{"VisibilityTimeout": "120",
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `"}}`}
	var of map[string]string
	if r.fifo {
		attributes["FifoQueue"], of = "true", map[string]string{"FifoTopic": "true"}
	}
	_, err := queues(house).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	try(t, err)
	r.queue = "http://localhost/000000000000/" + name
	topics := sns.NewFromConfig(config(house, "test", "test", ""))
	made, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name, Attributes: of})
	try(t, err)
	r.topic = *made.TopicArn
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn, Attributes: map[string]string{"RawMessageDelivery": "true"}})
	try(t, err)
	return r
}

func publishUntilKilled(t *testing.T, house *tule.Tule, rooms []*newsroom) {
	var wg sync.WaitGroup
	var killed atomic.Bool
	var acked atomic.Int64
	for _, r := range rooms {
		for w := range writers / 2 {
			wg.Go(func() { r.publish(t, house, w, &killed, &acked) })
		}
	}
	target := 1 + rand.Int64N(150)
	for end := time.Now().Add(3 * time.Second); acked.Load() < target && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	killed.Store(true)
	house.Kill()
	wg.Wait()
}

// publish publishes one message after the other. What the last life did not acknowledge
// is published again to the FIFO topic, under the same deduplication id.
func (r *newsroom) publish(t *testing.T, house *tule.Tule, w int, killed *atomic.Bool, acked *atomic.Int64) {
	c := config(house, "test", "test", "")
	c.RetryMaxAttempts, c.HTTPClient = 1, tule.HTTPClient
	topics := sns.NewFromConfig(c)
	for !killed.Load() {
		body := fmt.Sprintf("%d/%d", w, r.sent[w])
		r.mu.Lock()
		again := r.fifo && r.sent[w] > 0 && !r.acked[body]
		r.mu.Unlock()
		if !again {
			r.sent[w]++
			body = fmt.Sprintf("%d/%d", w, r.sent[w])
		}
		in := &sns.PublishInput{TopicArn: &r.topic, Message: &body}
		if r.fifo {
			in.MessageGroupId, in.MessageDeduplicationId = aws.String(strconv.Itoa(w)), &body
		}
		if _, err := topics.Publish(t.Context(), in); err != nil {
			if !killed.Load() {
				t.Errorf("publisher %d: %v", w, err)
			}
			return
		}
		r.mu.Lock()
		r.acked[body] = true
		r.mu.Unlock()
		acked.Add(1)
	}
}

// drain takes everything out of the queue, and misses nothing that was acknowledged.
func (r *newsroom) drain(t *testing.T, house *tule.Tule) {
	t.Helper()
	came := map[string]int{}
	var highest [writers]int
	left := len(r.acked) // what was not acknowledged may come, too
	for deadline := time.Now().Add(90 * time.Second); left > 0 && time.Now().Before(deadline); {
		got, err := queues(house).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &r.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 2})
		try(t, err)
		for _, m := range got.Messages {
			body := r.body(t, *m.Body)
			w, n, ok := strings.Cut(body, "/")
			sender, err1 := strconv.Atoi(w)
			number, err2 := strconv.Atoi(n)
			if !ok || err1 != nil || err2 != nil {
				t.Fatalf("%q came", *m.Body)
			}
			if came[body]++; came[body] == 1 && r.acked[body] {
				left--
			}
			if r.fifo && number <= highest[sender] {
				t.Errorf("%s came after number %d", body, highest[sender])
			}
			highest[sender] = max(highest[sender], number)
			_, err := queues(house).DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &r.queue, ReceiptHandle: m.ReceiptHandle})
			try(t, err)
		}
	}
	twice := 0
	for body := range r.acked {
		if came[body] == 0 {
			t.Errorf("%s was acknowledged by %s, and did not come", body, r.topic)
		} else if came[body] > 1 {
			twice++
		}
	}
	t.Logf("%s: %d messages acknowledged, %d came more than once", r.topic, len(r.acked), twice)
}

// body is what was published, of a message in the room's queue.
func (r *newsroom) body(t *testing.T, text string) string {
	t.Helper()
	if !r.told {
		return text
	}
	var record struct {
		ResponsePayload string `json:"responsePayload"`
	}
	try(t, json.Unmarshal([]byte(text), &record))
	return record.ResponsePayload
}

// listening makes a function that hears a topic and answers with what it heard, which
// Lambda tells to a queue before it forgets the event.
func listening(t *testing.T, house *tule.Tule) *newsroom {
	t.Helper()
	root := config(house, "test", "test", "")
	role, err := iam.NewFromConfig(root).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("ear"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	try(t, err)
	_, err = iam.NewFromConfig(root).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("ear"), PolicyName: aws.String("ear"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:*","sqs:SendMessage"],"Resource":"*"}]}`)})
	try(t, err)
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	w, err := z.Create("index.js")
	try(t, err)
	_, err = io.WriteString(w, `exports.handler = async (e) => e.Records[0].Sns.Message`)
	try(t, errors.Join(err, z.Close()))
	functions := lambda.NewFromConfig(root)
	made, err := functions.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: aws.String("ear"), Role: role.Role.Arn, Runtime: lambdatypes.RuntimeNodejs22x,
		Handler: aws.String("index.handler"), Timeout: aws.Int32(20), Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()}})
	try(t, err)
	_, err = queues(house).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("heard"), Attributes: map[string]string{"VisibilityTimeout": "120"}})
	try(t, err)
	_, err = functions.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{FunctionName: made.FunctionName,
		DestinationConfig: &lambdatypes.DestinationConfig{OnSuccess: &lambdatypes.OnSuccess{Destination: aws.String("arn:aws:sqs:us-east-1:000000000000:heard")}}})
	try(t, err)
	topics := sns.NewFromConfig(root)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("heard")})
	try(t, err)
	_, err = functions.AddPermission(t.Context(), &lambda.AddPermissionInput{FunctionName: made.FunctionName, StatementId: aws.String("sns"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("sns.amazonaws.com"), SourceArn: topic.TopicArn})
	try(t, err)
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("lambda"), Endpoint: made.FunctionArn})
	try(t, err)
	return &newsroom{told: true, acked: map[string]bool{}, topic: *topic.TopicArn, queue: "http://localhost/000000000000/heard"}
}
