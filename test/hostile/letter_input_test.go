package hostile

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	sestypes "github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/tule-cloud/tule/test/tule"
)

// A post is a queue, a topic that sends to it, and an address to send mail from, of an
// account of their own.
type post struct {
	*testing.T
	queues *sqs.Client
	topics *sns.Client
	mail   *ses.Client
	key    aws.Credentials
	queue  string // URL
	topic  string
}

func posting(t *testing.T) *post { t.Helper(); return postingAt(t, house) }

func postingAt(t *testing.T, house *tule.Tule) *post {
	t.Helper()
	owner := account()
	c := config(house, owner)
	p := &post{T: t, queues: sqs.NewFromConfig(c), topics: sns.NewFromConfig(c), mail: ses.NewFromConfig(c), key: aws.Credentials{AccessKeyID: owner, SecretAccessKey: "any"}}
	queue, err := p.queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")})
	p.must(err)
	topic, err := p.topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")})
	p.must(err)
	_, err = p.mail.VerifyEmailIdentity(ctx, &ses.VerifyEmailIdentityInput{EmailAddress: aws.String("ann@example.com")})
	p.must(err)
	p.queue, p.topic = *queue.QueueUrl, *topic.TopicArn
	return p
}

// subscribe has the queue get what the topic gets, raw, and gives the subscription's ARN.
func (p *post) subscribe() string {
	p.Helper()
	queue := "arn:aws:sqs:" + region + ":" + p.key.AccessKeyID + ":q"
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}`
	_, err := p.queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &p.queue, Attributes: map[string]string{"Policy": policy}})
	p.must(err)
	sub, err := p.topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &p.topic, Protocol: aws.String("sqs"), Endpoint: &queue, ReturnSubscriptionArn: true, Attributes: map[string]string{"RawMessageDelivery": "true"}})
	p.must(err)
	return *sub.SubscriptionArn
}

func (p *post) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// json is a request to SQS as today's clients make it; QUEUE is the queue's URL.
func (p *post) json(operation, body string) message {
	return message{service: "sqs", method: "POST", path: "/", body: strings.ReplaceAll(body, "QUEUE", p.queue), key: p.key,
		header: map[string]string{"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS." + operation}}
}

// form is a request by the query protocol: an action and names and values.
func (p *post) form(service, action string, values ...string) message {
	body := "Action=" + action
	for i := 0; i < len(values); i += 2 {
		body += "&" + values[i] + "=" + url.QueryEscape(values[i+1])
	}
	return message{service: service, method: "POST", path: "/", body: body, key: p.key, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
}

// refused sends what must be refused, and sees that nothing of it is kept.
func (p *post) refused(what string, m message, status int, want string) {
	p.Run(what, func(t *testing.T) {
		got, body := m.send(t)
		if got != status || !strings.Contains(body, want) {
			t.Errorf("got %d %.300s, want %d and %s", got, body, status, want)
		}
		if !house.Alive() {
			t.Fatal("tule is gone")
		}
	})
}

// TestQueuesBadInput sends SQS what it must refuse.
func TestQueuesBadInput(t *testing.T) {
	p := posting(t)
	long := strings.Repeat("x", 1<<20)
	entries := func(n int, body string) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"Id":"e%d","MessageBody":"%s"}`, i, body))
		}
		return `{"QueueUrl":"QUEUE","Entries":[` + strings.Join(list, ",") + `]}`
	}
	attribute := func(name, value string) string {
		return `{"QueueUrl":"QUEUE","MessageBody":"m","MessageAttributes":{"` + name + `":` + value + `}}`
	}
	var many []string
	for i := range 11 {
		many = append(many, fmt.Sprintf(`"a%d":{"DataType":"String","StringValue":"v"}`, i))
	}
	for _, x := range []struct {
		what, operation, body string
		want                  string
	}{
		{"a message of more than 1 MiB", "SendMessage", `{"QueueUrl":"QUEUE","MessageBody":"` + long + `x"}`, "InvalidParameterValue"},
		{"an empty message", "SendMessage", `{"QueueUrl":"QUEUE","MessageBody":""}`, "MissingRequiredParameterException"},
		{"a message that XML cannot hold", "SendMessage", `{"QueueUrl":"QUEUE","MessageBody":"\u0001"}`, "InvalidMessageContents"},
		{"half a message", "SendMessage", `{"QueueUrl":"QUEUE","MessageBody":"`, "MalformedQueryString"},
		{"a delay of a day", "SendMessage", `{"QueueUrl":"QUEUE","MessageBody":"m","DelaySeconds":86400}`, "InvalidParameterValue"},
		{"11 attributes", "SendMessage", `{"QueueUrl":"QUEUE","MessageBody":"m","MessageAttributes":{` + strings.Join(many, ",") + `}}`, "InvalidParameterValue"},
		{"an attribute of AWS's", "SendMessage", attribute("AWS.x", `{"DataType":"String","StringValue":"v"}`), "InvalidParameterValue"},
		{"an attribute without a type", "SendMessage", attribute("a", `{"StringValue":"v"}`), "MissingRequiredParameterException"},
		{"an attribute of an unknown type", "SendMessage", attribute("a", `{"DataType":"Colour","StringValue":"v"}`), "InvalidParameterValue"},
		{"a number that is none", "SendMessage", attribute("a", `{"DataType":"Number","StringValue":"1e"}`), "InvalidParameterValue"},
		{"bytes that are no base64", "SendMessage", attribute("a", `{"DataType":"Binary","BinaryValue":"*"}`), "MalformedQueryString"},
		{"a batch of nothing", "SendMessageBatch", `{"QueueUrl":"QUEUE","Entries":[]}`, "EmptyBatchRequest"},
		{"a batch of 11", "SendMessageBatch", entries(11, "m"), "TooManyEntriesInBatchRequest"},
		{"a batch of more than 1 MiB", "SendMessageBatch", entries(9, long[:120_000]), "BatchRequestTooLong"},
		{"a batch of two of one id", "SendMessageBatch", `{"QueueUrl":"QUEUE","Entries":[{"Id":"a","MessageBody":"m"},{"Id":"a","MessageBody":"n"}]}`, "BatchEntryIdsNotDistinct"},
		{"a batch with an id that is none", "SendMessageBatch", `{"QueueUrl":"QUEUE","Entries":[{"Id":"a b","MessageBody":"m"}]}`, "InvalidBatchEntryId"},
		{"to receive 11", "ReceiveMessage", `{"QueueUrl":"QUEUE","MaxNumberOfMessages":11}`, "InvalidParameterValue"},
		{"to wait for a minute", "ReceiveMessage", `{"QueueUrl":"QUEUE","WaitTimeSeconds":60}`, "InvalidParameterValue"},
		{"a handle that is none", "DeleteMessage", `{"QueueUrl":"QUEUE","ReceiptHandle":"AAAA"}`, "ReceiptHandleIsInvalid"},
		{"a handle that is long", "DeleteMessage", `{"QueueUrl":"QUEUE","ReceiptHandle":"` + long + `"}`, "ReceiptHandleIsInvalid"},
		{"a queue that is nowhere", "SendMessage", `{"QueueUrl":"http://localhost/","MessageBody":"m"}`, "InvalidAddress"},
		{"a queue of nobody's", "SendMessage", `{"QueueUrl":"QUEUE-none","MessageBody":"m"}`, "QueueDoesNotExist"},
		{"a policy that is none", "SetQueueAttributes", `{"QueueUrl":"QUEUE","Attributes":{"Policy":"{\"Statement\":"}}`, "InvalidAttributeValue"},
		{"a redrive policy that is none", "SetQueueAttributes", `{"QueueUrl":"QUEUE","Attributes":{"RedrivePolicy":"[]"}}`, "InvalidParameterValue"},
		{"an attribute of nobody's", "SetQueueAttributes", `{"QueueUrl":"QUEUE","Attributes":{"Colour":"blue"}}`, "InvalidAttributeName"},
		{"a visibility of a day", "SetQueueAttributes", `{"QueueUrl":"QUEUE","Attributes":{"VisibilityTimeout":"86400"}}`, "InvalidAttributeValue"},
		{"a name that is none", "CreateQueue", `{"QueueName":"a b"}`, "InvalidParameterValue"},
		{"a FIFO queue by name alone", "CreateQueue", `{"QueueName":"a.fifo"}`, "InvalidParameterValue"},
	} {
		p.refused(x.what, p.json(x.operation, x.body), 400, x.want)
	}
	p.refused("a form that is none", message{service: "sqs", method: "POST", path: "/", body: "Action=SendMessage&QueueUrl=%zz", key: p.key,
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 400, "<Error>")
	p.refused("a form with no queue", p.form("sqs", "SendMessage", "MessageBody", "m"), 400, "<Error>")
	p.refused("a form with a member far out", p.form("sqs", "SendMessageBatch", "QueueUrl", p.queue, "SendMessageBatchRequestEntry.999999999.Id", "a"), 400, "<Error>")
	p.empty()
	serves(t)
}

// empty checks that nothing reached the queue.
func (p *post) empty() {
	p.Helper()
	got, err := p.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &p.queue, MaxNumberOfMessages: 10})
	p.must(err)
	if len(got.Messages) > 0 {
		p.Errorf("the queue has %.200q", *got.Messages[0].Body)
	}
}

// TestTopicsBadInput publishes what SNS must refuse, to a topic with a queue behind it.
func TestTopicsBadInput(t *testing.T) {
	p := posting(t)
	sub := p.subscribe()
	long := strings.Repeat("x", 256<<10)
	deep := strings.Repeat(`{"a":`, 50_000) + `["x"]` + strings.Repeat(`}`, 50_000)
	var batch []string
	for i := range 11 {
		n := fmt.Sprint("PublishBatchRequestEntries.member.", i+1, ".")
		batch = append(batch, n+"Id", fmt.Sprint("e", i), n+"Message", "m")
	}
	for _, x := range []struct {
		what   string
		m      message
		status int
		want   string
	}{
		{"a message of more than 256 KB", p.form("sns", "Publish", "TopicArn", p.topic, "Message", long+"x"), 400, "InvalidParameter"},
		{"a message of 10 MB", p.form("sns", "Publish", "TopicArn", p.topic, "Message", strings.Repeat(long, 40)), 413, ""},
		{"no message", p.form("sns", "Publish", "TopicArn", p.topic), 400, "<Error>"},
		{"an empty message", p.form("sns", "Publish", "TopicArn", p.topic, "Message", ""), 400, "InvalidParameter"},
		{"a structure that is none", p.form("sns", "Publish", "TopicArn", p.topic, "MessageStructure", "json", "Message", `{"default":`), 400, "InvalidParameter"},
		{"a structure that is deep", p.form("sns", "Publish", "TopicArn", p.topic, "MessageStructure", "json", "Message", deep), 400, "InvalidParameter"},
		{"a subject with a line break", p.form("sns", "Publish", "TopicArn", p.topic, "Message", "m", "Subject", "a\nBcc: b@example.com"), 400, "InvalidParameter"},
		{"an attribute without a value", p.form("sns", "Publish", "TopicArn", p.topic, "Message", "m", "MessageAttributes.entry.1.Name", "a", "MessageAttributes.entry.1.Value.DataType", "String"), 400, "<Code>"},
		{"an attribute of an unknown type", p.form("sns", "Publish", "TopicArn", p.topic, "Message", "m", "MessageAttributes.entry.1.Name", "a", "MessageAttributes.entry.1.Value.DataType", "Colour", "MessageAttributes.entry.1.Value.StringValue", "b"), 400, "<Code>"},
		{"a batch of 11", p.form("sns", "PublishBatch", append([]string{"TopicArn", p.topic}, batch...)...), 400, "TooManyEntriesInBatchRequest"},
		{"a batch of nothing", p.form("sns", "PublishBatch", "TopicArn", p.topic), 400, "<Error>"},
		{"a batch of more than 256 KB", p.form("sns", "PublishBatch", "TopicArn", p.topic, "PublishBatchRequestEntries.member.1.Id", "a", "PublishBatchRequestEntries.member.1.Message", long[:140_000],
			"PublishBatchRequestEntries.member.2.Id", "b", "PublishBatchRequestEntries.member.2.Message", long[:140_000]), 400, "BatchRequestTooLong"},
		{"a topic that is none", p.form("sns", "Publish", "TopicArn", "nothing", "Message", "m"), 400, "InvalidParameter"},
		{"a topic of nobody's", p.form("sns", "Publish", "TopicArn", p.topic+"-none", "Message", "m"), 404, "NotFound"},
		{"a name that is none", p.form("sns", "CreateTopic", "Name", "a b"), 400, "InvalidParameter"},
		{"a protocol that is none", p.form("sns", "Subscribe", "TopicArn", p.topic, "Protocol", "pigeon", "Endpoint", "x"), 400, "InvalidParameter"},
		{"an endpoint that is none", p.form("sns", "Subscribe", "TopicArn", p.topic, "Protocol", "http", "Endpoint", "ftp://x"), 400, "InvalidParameter"},
		{"a filter that is none", p.form("sns", "SetSubscriptionAttributes", "SubscriptionArn", sub, "AttributeName", "FilterPolicy", "AttributeValue", `{"a":`), 400, "InvalidParameter"},
		{"a filter that is deep", p.form("sns", "SetSubscriptionAttributes", "SubscriptionArn", sub, "AttributeName", "FilterPolicy", "AttributeValue", deep), 400, "InvalidParameter"},
		{"a delivery policy that is none", p.form("sns", "SetTopicAttributes", "TopicArn", p.topic, "AttributeName", "DeliveryPolicy", "AttributeValue", `{"http":{"defaultHealthyRetryPolicy":{"numRetries":-1}}}`), 400, "InvalidParameter"},
		{"a policy that is none", p.form("sns", "SetTopicAttributes", "TopicArn", p.topic, "AttributeName", "Policy", "AttributeValue", `{"Statement":`), 400, "InvalidParameter"},
		{"a token of nobody's", p.form("sns", "ConfirmSubscription", "TopicArn", p.topic, "Token", "nothing"), 400, "InvalidParameter"},
	} {
		p.refused(x.what, x.m, x.status, x.want)
	}
	p.empty()
	serves(t)
}

// TestMailBadInput gives SES letters that it must refuse, and templates.
func TestMailBadInput(t *testing.T) {
	p := posting(t)
	raw := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	letter := func(more ...string) message {
		return p.form("email", "SendEmail", append([]string{"Source", "ann@example.com", "Message.Subject.Data", "s", "Message.Body.Text.Data", "b"}, more...)...)
	}
	var crowd []string
	for i := range 51 {
		crowd = append(crowd, fmt.Sprint("Destination.ToAddresses.member.", i+1), fmt.Sprintf("a%d@example.org", i))
	}
	for _, x := range []struct {
		what   string
		m      message
		status int
		want   string
	}{
		{"from somebody else", p.form("email", "SendEmail", "Source", "eve@example.org", "Destination.ToAddresses.member.1", "bob@example.org", "Message.Subject.Data", "s", "Message.Body.Text.Data", "b"), 400, "MessageRejected"},
		{"from nobody", p.form("email", "SendEmail", "Source", "ann", "Destination.ToAddresses.member.1", "bob@example.org", "Message.Subject.Data", "s", "Message.Body.Text.Data", "b"), 400, "InvalidParameterValue"},
		{"to nobody", letter(), 400, "<Error>"},
		{"to what is no address", letter("Destination.ToAddresses.member.1", "bob"), 400, "InvalidParameterValue"},
		{"to an address with a header in it", letter("Destination.ToAddresses.member.1", "bob@example.org\r\nBcc: eve@example.org"), 400, "InvalidParameterValue"},
		{"to 51", letter(crowd...), 400, "InvalidParameterValue"},
		{"by a set that is none", letter("Destination.ToAddresses.member.1", "bob@example.org", "ConfigurationSetName", "none"), 400, "ConfigurationSetDoesNotExist"},
		{"raw bytes that are no base64", p.form("email", "SendRawEmail", "RawMessage.Data", "*"), 400, "<Error>"},
		{"raw bytes that are no mail", p.form("email", "SendRawEmail", "Source", "ann@example.com", "Destinations.member.1", "bob@example.org", "RawMessage.Data", raw("\x00\xff")), 400, "InvalidParameterValue"},
		{"raw mail from somebody else", p.form("email", "SendRawEmail", "RawMessage.Data", raw("From: eve@example.org\r\nTo: bob@example.org\r\n\r\nb")), 400, "MessageRejected"},
		{"raw mail to nobody", p.form("email", "SendRawEmail", "RawMessage.Data", raw("From: ann@example.com\r\n\r\nb")), 400, "<Error>"},
		{"raw mail of more than 40 MB", p.form("email", "SendRawEmail", "Source", "ann@example.com", "Destinations.member.1", "bob@example.org",
			"RawMessage.Data", raw("From: ann@example.com\r\n\r\n"+strings.Repeat("x", 40<<20))), 400, "InvalidParameterValue"},
		{"a template that is open", p.form("email", "CreateTemplate", "Template.TemplateName", "t", "Template.SubjectPart", "{{#if a}}"), 400, "InvalidTemplate"},
		{"a template that is deep", p.form("email", "CreateTemplate", "Template.TemplateName", "t", "Template.SubjectPart", strings.Repeat("{{#if a}}", 10_000)), 400, "InvalidTemplate"},
		{"a template that is none", p.form("email", "SendTemplatedEmail", "Source", "ann@example.com", "Destination.ToAddresses.member.1", "bob@example.org", "Template", "none", "TemplateData", "{}"), 400, "TemplateDoesNotExist"},
		{"an identity that is none", p.form("email", "VerifyEmailIdentity", "EmailAddress", "a b"), 400, "InvalidParameterValue"},
		{"a second version's letter of no kind", message{service: "ses", method: "POST", path: "/v2/email/outbound-emails", body: `{"Content":{}}`, key: p.key}, 400, "BadRequestException"},
		{"half a letter of the second version", message{service: "ses", method: "POST", path: "/v2/email/outbound-emails", body: `{"Content":`, key: p.key}, 400, "BadRequestException"},
	} {
		if x.m.service == "email" {
			x.m.service = "ses"
		}
		p.refused(x.what, x.m, x.status, x.want)
	}
	count, err := p.mail.GetSendStatistics(ctx, &ses.GetSendStatisticsInput{})
	p.must(err)
	if len(count.SendDataPoints) > 0 {
		t.Errorf("it has sent %+v", count.SendDataPoints)
	}
	serves(t)
}

// TestQueueLockedOut has a queue's policy deny everything to everybody. The root user of
// the account can undo that, and nobody else.
func TestQueueLockedOut(t *testing.T) {
	p := posting(t)
	clerk := user(t)
	other := config(house, "")
	other.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return clerk, nil })
	policy := map[string]string{"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*"}}`}
	_, err := p.queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &p.queue, Attributes: policy})
	p.must(err)
	_, put := p.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &p.queue, MessageBody: aws.String("m")})
	_, theirs := sqs.NewFromConfig(other).SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &p.queue, Attributes: map[string]string{"Policy": ""}})
	_, more := p.queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &p.queue, Attributes: map[string]string{"Policy": "", "DelaySeconds": "1"}})
	for what, err := range map[string]error{"the owner's message": put, "the owner's other attributes": more, "a stranger": theirs} {
		if err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = p.queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &p.queue, Attributes: map[string]string{"Policy": ""}})
	p.must(err)
	_, err = p.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &p.queue, MessageBody: aws.String("m")})
	p.must(err)
}

// TestLettersOnFullDisk sends to a queue, and to it by a topic, until there is no room:
// what does not fit is refused with a clear error, and what was acknowledged is received
// once there is room again, after a start.
func TestLettersOnFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	disk := t.TempDir()
	if err := syscall.Mount("tule-test", disk, "tmpfs", 0, "size=96m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	data := filepath.Join(disk, "data")
	small, err := tule.Start(tule.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	p := postingAt(t, small)
	p.subscribe()
	acked := map[string]bool{}
	n := 0
	send := func(byTopic bool) error {
		n++
		body := fmt.Sprint(n, " ", strings.Repeat("x", 10_000))
		if byTopic {
			_, err = p.topics.Publish(ctx, &sns.PublishInput{TopicArn: &p.topic, Message: &body})
		} else {
			_, err = p.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &p.queue, MessageBody: &body})
		}
		if err == nil {
			acked[body] = true
		}
		return err
	}
	for range 20 {
		p.must(errors.Join(send(false), send(true)))
	}
	filler := fill(t, disk)
	for what, byTopic := range map[string]bool{"a queue": false, "a topic": true} {
		until(t, what+" refuses on a full disk", func() bool { return send(byTopic) != nil })
		var e smithy.APIError
		if !errors.As(err, &e) || !strings.Contains(e.ErrorMessage(), "disk") || !strings.Contains(e.ErrorMessage(), "full") {
			t.Errorf("%s: %v, want an error that says that the disk is full", what, err)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for _, byTopic := range []bool{false, true} {
		until(t, "there is room again", func() bool { return send(byTopic) == nil })
	}
	if err := small.Stop(); err != nil {
		t.Fatal(err)
	}
	if small, err = tule.Start(tule.Options{Data: data}); err != nil {
		t.Fatal(err)
	}
	again := sqs.NewFromConfig(config(small, p.key.AccessKeyID))
	queue, err := again.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("q")})
	p.must(err)
	until(t, "all that was acknowledged is received", func() bool {
		got, err := again.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		p.must(err)
		for _, m := range got.Messages {
			delete(acked, *m.Body)
		}
		return len(acked) == 0
	})
	p.must(small.Stop())
}

// TestRelayHangs has an SMTP relay take connections and say nothing: mail is accepted all
// the same, the simulator bounces what it is sent, a topic delivers to others than the
// HTTP subscriber that hangs as well, and Tule stops when it is told to.
func TestRelayHangs(t *testing.T) {
	relay, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relay.Close() })
	asked := make(chan net.Conn, 1000)
	go func() {
		for {
			c, err := relay.Accept()
			if err != nil {
				return
			}
			asked <- c // and silence
		}
	}()
	over := make(chan struct{})
	subscriber := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, _ = io.Copy(io.Discard, r.Body); r.Header.Get("X-Amz-Sns-Message-Type") == "Notification" {
			<-over
		}
	}))
	t.Cleanup(func() { close(over); subscriber.Close() })
	house, err := tule.Start(tule.Options{Args: []string{"--smtp", relay.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	p := postingAt(t, house)
	p.subscribe()
	_, err = p.topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: &p.topic, Protocol: aws.String("http"), Endpoint: &subscriber.URL})
	p.must(err)
	_, err = p.mail.SetIdentityNotificationTopic(ctx, &ses.SetIdentityNotificationTopicInput{Identity: aws.String("ann@example.com"), NotificationType: "Bounce", SnsTopic: &p.topic})
	p.must(err)
	began := time.Now()
	for i := range 60 {
		to := fmt.Sprintf("bob%d@example.org", i)
		if i%3 == 2 {
			to = "bounce@simulator.amazonses.com"
		}
		_, err := p.mail.SendEmail(ctx, &ses.SendEmailInput{Source: aws.String("ann@example.com"), Destination: &sestypes.Destination{ToAddresses: []string{to}},
			Message: &sestypes.Message{Subject: &sestypes.Content{Data: aws.String("s")}, Body: &sestypes.Body{Text: &sestypes.Content{Data: aws.String("b")}}}})
		p.must(err)
	}
	<-asked
	bounces := 0
	until(t, "the simulator's 20 bounces are told", func() bool {
		got, err := p.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &p.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		p.must(err)
		for _, m := range got.Messages {
			if strings.Contains(*m.Body, `"notificationType":"Bounce"`) {
				bounces++
			}
		}
		return bounces == 20
	})
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("all that took %v", took)
	}
	began = time.Now()
	p.must(house.Stop())
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("to stop took %v", took)
	}
}
