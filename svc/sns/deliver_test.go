package sns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	api "github.com/tule-cloud/tule/api/sns"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// A rig is a running SNS with a double of SQS.
type rig struct {
	*testing.T
	*script.House
	s      *Service
	queues *queues
	ctx    context.Context
}

func newRig(t *testing.T, more ...[]aws.Route) *rig {
	h := script.New()
	r := &rig{T: t, House: h, queues: newQueues()}
	r.s = newTest(h, h)
	r.s.HTTP = http.DefaultTransport
	h.Add(r.queues.routes())
	for _, routes := range more {
		h.Add(routes)
	}
	r.ctx = h.Context(t.Context())
	t.Cleanup(func() { h.Store.Close() })
	return r
}

// run starts the background work; it ends with the test, or by stop.
func (r *rig) run() (stop func()) {
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = r.s.Run(ctx) }()
	stop = func() { cancel(); <-done }
	r.Cleanup(stop)
	return stop
}

func (r *rig) topic(name string, attributes map[string]string) string {
	r.Helper()
	out, err := r.s.createTopic(r.ctx, &api.CreateTopicInput{Name: &name, Attributes: attributes})
	if err != nil {
		r.Fatal(err)
	}
	return *out.TopicArn
}

func (r *rig) subscribe(topic, protocol, endpoint string, attributes map[string]string) string {
	r.Helper()
	out, err := r.s.subscribe(r.ctx, &api.SubscribeInput{TopicArn: &topic, Protocol: &protocol, Endpoint: &endpoint, Attributes: attributes, ReturnSubscriptionArn: new(true)})
	if err != nil {
		r.Fatal(err)
	}
	return *out.SubscriptionArn
}

func (r *rig) publish(in *api.PublishInput) string {
	r.Helper()
	out, err := r.s.publish(r.ctx, in)
	if err != nil {
		r.Fatal(err)
	}
	return *out.MessageId
}

func (r *rig) next() *sqsapi.SendMessageRequest {
	r.Helper()
	select {
	case in := <-r.queues.sent:
		return in
	case <-time.After(10 * time.Second):
		r.Fatal("nothing was delivered")
		return nil
	}
}

const queueARN = "arn:aws:sqs:us-east-1:000000000000:"

func TestEnvelope(t *testing.T) {
	r := newRig(t)
	r.run()
	topic := r.topic("t", nil)
	sub := r.subscribe(topic, "sqs", queueARN+"q", nil)
	id := r.publish(&api.PublishInput{TopicArn: &topic, Message: new("a \"b\"\n<é>"), Subject: new("S"), MessageAttributes: map[string]api.MessageAttributeValue{
		"n": {DataType: new("Number"), StringValue: new("1")}, "b": {DataType: new("Binary"), BinaryValue: []byte{2, 3, 4}}}})
	got := *r.next().MessageBody
	var e map[string]any
	if err := json.Unmarshal([]byte(got), &e); err != nil {
		t.Fatal(err)
	}
	want := "{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"" + id + "\",\n  \"TopicArn\" : \"" + topic + "\",\n  \"Subject\" : \"S\",\n" +
		"  \"Message\" : \"a \\\"b\\\"\\n<é>\",\n  \"Timestamp\" : \"2026-01-02T03:04:05.000Z\",\n  \"SignatureVersion\" : \"1\",\n  \"Signature\" : \"" + fmt.Sprint(e["Signature"]) + "\",\n" +
		"  \"SigningCertURL\" : \"https://sns.us-east-1.amazonaws.com" + r.s.signer.path + "\",\n  \"UnsubscribeURL\" : \"http://localhost:4566/?Action=Unsubscribe&SubscriptionArn=" + sub + "\",\n" +
		"  \"MessageAttributes\" : {\n    \"b\" : {\"Type\":\"Binary\",\"Value\":\"AgME\"},\n    \"n\" : {\"Type\":\"Number\",\"Value\":\"1\"}\n  }\n}"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRawAndFiltered(t *testing.T) {
	r := newRig(t)
	r.run()
	topic := r.topic("t", nil)
	r.subscribe(topic, "sqs", queueARN+"raw", map[string]string{"RawMessageDelivery": "true", "FilterPolicy": `{"a":["x"]}`})
	r.subscribe(topic, "sqs", queueARN+"body", map[string]string{"RawMessageDelivery": "true", "FilterPolicyScope": "MessageBody", "FilterPolicy": `{"k":{"l":[1]}}`})
	r.publish(&api.PublishInput{TopicArn: &topic, Message: new("nobody's")})
	r.publish(&api.PublishInput{TopicArn: &topic, Message: new("m"), MessageAttributes: map[string]api.MessageAttributeValue{"a": {DataType: new("String"), StringValue: new("x")}}})
	in := r.next()
	if !strings.HasSuffix(*in.QueueUrl, "/000000000000/raw") || *in.MessageBody != "m" || *in.MessageAttributes["a"].StringValue != "x" {
		t.Errorf("raw: %+v", in)
	}
	r.publish(&api.PublishInput{TopicArn: &topic, Message: new(`{"default":"d","sqs":"{\"k\":{\"l\":1}}"}`), MessageStructure: new("json")})
	if in := r.next(); !strings.HasSuffix(*in.QueueUrl, "/body") || *in.MessageBody != `{"k":{"l":1}}` {
		t.Errorf("by body: %+v", in)
	}
}

// TestFIFO keeps order in a group while deliveries fail, and does not let one group wait
// for another.
func TestFIFO(t *testing.T) {
	r := newRig(t)
	failing := make(chan bool, 1)
	failing <- true
	r.queues.err = func(in *sqsapi.SendMessageRequest) error {
		f := <-failing
		failing <- f
		if f && *in.MessageGroupId == "g" {
			return aws.Unavailable("not now")
		}
		return nil
	}
	r.run()
	topic := r.topic("t.fifo", map[string]string{"FifoTopic": "true", "ContentBasedDeduplication": "true"})
	r.subscribe(topic, "sqs", queueARN+"q.fifo", map[string]string{"RawMessageDelivery": "true"})
	for i := range 5 {
		r.publish(&api.PublishInput{TopicArn: &topic, Message: new(fmt.Sprint("m", i)), MessageGroupId: new("g")})
		r.publish(&api.PublishInput{TopicArn: &topic, Message: new(fmt.Sprint("m", i)), MessageGroupId: new("g")}) // known
	}
	r.publish(&api.PublishInput{TopicArn: &topic, Message: new("other"), MessageGroupId: new("h")})
	if in := r.next(); *in.MessageBody != "other" {
		t.Errorf("%q came first", *in.MessageBody)
	}
	<-failing
	failing <- false
	r.advanceUntilSent()
	for i := range 5 {
		if in := r.next(); *in.MessageBody != fmt.Sprint("m", i) || *in.MessageGroupId != "g" || len(*in.MessageDeduplicationId) != 64 {
			t.Errorf("%q came as number %d", *in.MessageBody, i)
		}
	}
	r.forgotten()
}

// advanceUntilSent moves the clock until something is sent.
func (r *rig) advanceUntilSent() {
	r.Helper()
	for range 1000 {
		if len(r.queues.sent) > 0 {
			return
		}
		if r.Clock.Timers() > 0 {
			r.Clock.Advance(time.Second)
		}
		settle()
	}
	r.Fatal("nothing was sent in many seconds")
}

// settle lets other goroutines go on.
func settle() { <-time.After(2 * time.Millisecond) }

// forgotten waits until nothing of messages is left in the store.
func (r *rig) forgotten() {
	r.Helper()
	left := 0
	for range 1000 {
		left = 0
		err := r.Store.View(r.ctx, func(rd store.Reader) error {
			for _, err := range messages.All(r.ctx, rd) {
				left++
				if err != nil {
					return err
				}
			}
			for _, err := range fans.All(r.ctx, rd) {
				left++
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
		if left == 0 {
			return
		}
		settle()
	}
	r.Errorf("%d records are left", left)
}

// TestRestart delivers what an earlier process acknowledged, in order, and only to those
// that have not got it.
func TestRestart(t *testing.T) {
	r := newRig(t)
	topic := r.topic("t", nil)
	r.subscribe(topic, "sqs", queueARN+"good", map[string]string{"RawMessageDelivery": "true"})
	r.subscribe(topic, "sqs", queueARN+"bad", map[string]string{"RawMessageDelivery": "true"})
	r.queues.err = func(in *sqsapi.SendMessageRequest) error {
		if strings.HasSuffix(*in.QueueUrl, "/bad") {
			return errors.New("down")
		}
		return nil
	}
	r.publish(&api.PublishInput{TopicArn: &topic, Message: new("m")})
	stop := r.run()
	if in := r.next(); !strings.HasSuffix(*in.QueueUrl, "/good") {
		t.Error(*in.QueueUrl)
	}
	for r.Clock.Timers() == 0 { // bad waits to be tried again
		settle()
	}
	stop()
	r.s = newTest(r.House, r.House)
	r.queues.err = nil
	r.run()
	r.advanceUntilSent()
	if in := r.next(); !strings.HasSuffix(*in.QueueUrl, "/bad") {
		t.Errorf("after the restart %s was sent to", *in.QueueUrl)
	}
	r.forgotten()
	if len(r.queues.sent) != 0 {
		t.Error("something came twice")
	}
}

func TestDeadLetters(t *testing.T) {
	r := newRig(t)
	r.queues.err = func(in *sqsapi.SendMessageRequest) error {
		if strings.HasSuffix(*in.QueueUrl, "/gone") {
			return sqsapi.QueueDoesNotExist("The specified queue does not exist.")
		}
		return nil
	}
	r.run()
	topic := r.topic("t", nil)
	r.subscribe(topic, "sqs", queueARN+"gone", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + queueARN + `dead"}`, "RawMessageDelivery": "true"})
	r.publish(&api.PublishInput{TopicArn: &topic, Message: new("m")})
	if in := r.next(); !strings.HasSuffix(*in.QueueUrl, "/dead") || *in.MessageBody != "m" {
		t.Errorf("%+v", in)
	}
	r.forgotten()
}

func TestLambdaEvent(t *testing.T) {
	events := make(chan *lambdaapi.InvocationRequest, 1)
	r := newRig(t, []aws.Route{lambdaapi.Invoke.To(func(ctx context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
		if c := aws.RequestOf(ctx).Caller; c.ARN != "sns.amazonaws.com" || c.SourceAccount != "000000000000" || !strings.HasSuffix(c.SourceARN, ":t") {
			t.Errorf("called as %+v", c)
		}
		events <- in
		return nil, nil
	}, aws.Nothing)})
	r.run()
	topic := r.topic("t", nil)
	sub := r.subscribe(topic, "lambda", "arn:aws:lambda:us-east-1:000000000000:function:f", nil)
	id := r.publish(&api.PublishInput{TopicArn: &topic, Message: new("m")})
	in := <-events
	if *in.InvocationType != "Event" {
		t.Error(*in.InvocationType)
	}
	var signed struct {
		Records []struct{ Sns struct{ Signature string } }
	}
	if err := json.Unmarshal(in.Payload, &signed); err != nil {
		t.Fatal(err)
	}
	want := `{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":"` + sub + `","Sns":{"Type":"Notification","MessageId":"` + id +
		`","TopicArn":"` + topic + `","Subject":null,"Message":"m","Timestamp":"2026-01-02T03:04:05.000Z","SignatureVersion":"1","Signature":"` + signed.Records[0].Sns.Signature +
		`","SigningCertUrl":"https://sns.us-east-1.amazonaws.com` + r.s.signer.path + `","UnsubscribeUrl":"http://localhost:4566/?Action=Unsubscribe&SubscriptionArn=` + sub + `","MessageAttributes":{}}}]}`
	if string(in.Payload) != want {
		t.Errorf("got\n%s\nwant\n%s", in.Payload, want)
	}
}

// TestHTTP confirms an endpoint by its token, and delivers to it, while another one
// hangs, answers with errors, or with what is final.
func TestHTTP(t *testing.T) {
	type post struct {
		path string
		r    *http.Request
		body map[string]any
	}
	posts, hang := make(chan post, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var body map[string]any
		_ = json.NewDecoder(q.Body).Decode(&body)
		switch q.URL.Path {
		case "/hang":
			if body["Type"] != confirmation {
				<-hang
			}
		case "/final":
			if body["Type"] != confirmation {
				w.WriteHeader(http.StatusForbidden)
			}
		}
		posts <- post{q.URL.Path, q, body}
	}))
	defer server.Close()
	defer close(hang)
	r := newRig(t)
	r.run()
	topic := r.topic("t", map[string]string{"SignatureVersion": "2"})
	for _, path := range []string{"/hang", "/final", "/good"} {
		sub := r.subscribe(topic, "http", server.URL+path, map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + queueARN + `dead"}`})
		p := <-posts
		if p.body["Type"] != confirmation || p.r.Header.Get("X-Amz-Sns-Message-Type") != confirmation || p.r.Header.Get("X-Amz-Sns-Subscription-Arn") != "" ||
			p.body["SubscribeURL"] != fmt.Sprintf("http://localhost:4566/?Action=ConfirmSubscription&TopicArn=%s&Token=%s", topic, p.body["Token"]) || p.body["SignatureVersion"] != "2" {
			t.Errorf("%s was to confirm: %v %v", path, p.r.Header, p.body)
		}
		out, err := r.s.confirmSubscription(r.ctx, &api.ConfirmSubscriptionInput{TopicArn: &topic, Token: new(p.body["Token"].(string))})
		if err != nil || *out.SubscriptionArn != sub {
			t.Fatal(out, err)
		}
	}
	for i := range perSubscription + 1 { // more than hang at once
		r.publish(&api.PublishInput{TopicArn: &topic, Message: new(fmt.Sprint("m", i))})
	}
	seen := map[string]int{}
	for seen["/good"] <= perSubscription || seen["/final"] <= perSubscription {
		p := <-posts
		seen[p.path]++
		if p.r.Header.Get("X-Amz-Sns-Subscription-Arn") == "" || p.r.Header.Get("Content-Type") != plainText {
			t.Errorf("%v", p.r.Header)
		}
	}
	for range perSubscription + 1 {
		if in := r.next(); !strings.HasSuffix(*in.QueueUrl, "/dead") { // of /final
			t.Errorf("%+v", in)
		}
	}
	if seen["/hang"] != 0 {
		t.Error("what hangs answered")
	}
}

func TestReplay(t *testing.T) {
	r := newRig(t)
	r.run()
	topic := r.topic("t.fifo", map[string]string{"FifoTopic": "true", "ContentBasedDeduplication": "true", "ArchivePolicy": `{"MessageRetentionPeriod":"1"}`})
	for i := range 3 {
		r.publish(&api.PublishInput{TopicArn: &topic, Message: new(fmt.Sprint("m", i)), MessageGroupId: new("g")})
	}
	sub := r.subscribe(topic, "sqs", queueARN+"q.fifo", nil)
	if _, err := r.s.setSubscriptionAttributes(r.ctx, &api.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: new("ReplayPolicy"),
		AttributeValue: new(`{"PointType":"Timestamp","StartingPoint":"2026-01-02T03:00:00.000Z"}`)}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		var e map[string]string
		if err := json.Unmarshal([]byte(*r.next().MessageBody), &e); err != nil || e["Message"] != fmt.Sprint("m", i) || e["Replayed"] != "true" || strings.Contains(e["MessageId"], "/") {
			t.Errorf("%v %v", e, err)
		}
	}
}

func BenchmarkPublishToTenQueues(b *testing.B) {
	h := script.New()
	defer h.Store.Close()
	q := &queues{sent: make(chan *sqsapi.SendMessageRequest, 100000)}
	h.Add(q.routes())
	s := newTest(h, h)
	ctx, cancel := context.WithCancel(h.Context(b.Context()))
	defer cancel()
	go func() { _ = s.Run(ctx) }()
	name := "t"
	topic, err := s.createTopic(ctx, &api.CreateTopicInput{Name: &name})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 10 {
		if _, err := s.subscribe(ctx, &api.SubscribeInput{TopicArn: topic.TopicArn, Protocol: new("sqs"), Endpoint: new(fmt.Sprint(queueARN, i))}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.publish(ctx, &api.PublishInput{TopicArn: topic.TopicArn, Message: new("m")}); err != nil {
			b.Fatal(err)
		}
		for range 10 {
			<-q.sent
		}
	}
}
