package test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func snsOf(c *cloud) *sns.Client { return sns.NewFromConfig(c.config) }

// queueOf makes a queue that SNS may send to.
func queueOf(c *cloud, name string, attributes map[string]string) (url, arn string) {
	c.Helper()
	if attributes == nil {
		attributes = map[string]string{}
	}
	arn = c.arn("sqs", name)
	attributes["Policy"] = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `"}}`
	made := must(sqs.NewFromConfig(c.config).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes}))(c)
	return *made.QueueUrl, arn
}

// received is the next message of a queue.
func received(c *cloud, queue string) sqstypes.Message {
	c.Helper()
	client := sqs.NewFromConfig(c.config)
	for range 3 {
		got := must(client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 10, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}}))(c)
		if len(got.Messages) > 0 {
			must(client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: got.Messages[0].ReceiptHandle}))(c)
			return got.Messages[0]
		}
	}
	c.Fatalf("nothing came to %s", queue)
	return sqstypes.Message{}
}

func TestTopicToQueues(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	topics := snsOf(c)
	topic := must(topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")}))(t).TopicArn
	url, arn := queueOf(c, "q", nil)
	rawURL, rawARN := queueOf(c, "raw", nil)
	must(topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: &arn}))(t)
	must(topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: &rawARN,
		Attributes: map[string]string{"RawMessageDelivery": "true", "FilterPolicy": `{"kind":["good"]}`}}))(t)
	attributes := map[string]types.MessageAttributeValue{"kind": {DataType: aws.String("String"), StringValue: aws.String("good")}}
	id := must(topics.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String("hello"), Subject: aws.String("s"), MessageAttributes: attributes}))(t).MessageId
	var body map[string]any
	if err := json.Unmarshal([]byte(*received(c, url).Body), &body); err != nil {
		t.Fatal(err)
	}
	if body["MessageId"] != *id || body["Message"] != "hello" || body["Subject"] != "s" {
		t.Errorf("%v", body)
	}
	verified(t, body)
	raw := received(c, rawURL)
	if *raw.Body != "hello" || aws.ToString(raw.MessageAttributes["kind"].StringValue) != "good" {
		t.Errorf("raw: %+v", raw)
	}
	must(topics.PublishBatch(ctx, &sns.PublishBatchInput{TopicArn: topic, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{{Id: aws.String("1"), Message: aws.String("a")}}}))(t)
	received(c, url)
	_, err := topics.Publish(ctx, &sns.PublishInput{TopicArn: aws.String(*topic + "x"), Message: aws.String("m")})
	fails[*types.NotFoundException](t, err, "Topic does not exist")
	_, err = topics.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String(strings.Repeat("x", 256<<10+1))})
	fails[*types.InvalidParameterException](t, err, "Message too long")
	_, err = topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sms"), Endpoint: aws.String("+15551234567"), Attributes: map[string]string{"FilterPolicy": `{"key":[{"suffix":100}]}`}})
	fails[*types.InvalidParameterException](t, err, "suffix match pattern must be a string")
}

// verified holds a message's signature against the certificate that Tule serves.
func verified(t *testing.T, m map[string]any) {
	t.Helper()
	at, err := url.Parse(fmt.Sprint(m["SigningCertURL"]))
	if err != nil || !strings.HasPrefix(at.Host, "sns.") || !strings.HasSuffix(at.Host, ".amazonaws.com") {
		t.Fatalf("the certificate is at %v", m["SigningCertURL"])
	}
	res, err := http.Get(house.URL() + at.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no certificate: %s", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, k := range []string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"} {
		if v, ok := m[k]; ok {
			fmt.Fprintf(&b, "%s\n%s\n", k, v)
		}
	}
	signature, err := base64.StdEncoding.DecodeString(fmt.Sprint(m["Signature"]))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum([]byte(b.String()))
	if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA1, sum[:], signature); err != nil {
		t.Errorf("%v of %q", err, b.String())
	}
}

func TestTopicToHTTP(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	topics := snsOf(c)
	posts := make(chan map[string]any, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m map[string]any
		if err := json.NewDecoder(r.Body).Decode(&m); err == nil {
			posts <- m
		}
	}))
	defer server.Close()
	next := func() map[string]any {
		select {
		case m := <-posts:
			return m
		case <-time.After(20 * time.Second):
			t.Fatal("no post")
			return nil
		}
	}
	topic := must(topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")}))(t).TopicArn
	must(topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("http"), Endpoint: &server.URL}))(t)
	ask := next()
	verified(t, ask)
	must(topics.ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: topic, Token: aws.String(fmt.Sprint(ask["Token"]))}))(t)
	must(topics.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String("hello")}))(t)
	if m := next(); m["Message"] != "hello" {
		t.Errorf("%v", m)
	} else {
		verified(t, m)
	}
}

func TestTopicFIFO(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	topics := snsOf(c)
	topic := must(topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t.fifo"), Attributes: map[string]string{"FifoTopic": "true", "ContentBasedDeduplication": "true"}}))(t).TopicArn
	queue, arn := queueOf(c, "q.fifo", map[string]string{"FifoQueue": "true"})
	must(topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: &arn, Attributes: map[string]string{"RawMessageDelivery": "true"}}))(t)
	last := ""
	for i := range 5 {
		for range 2 { // the second is known
			out := must(topics.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String(fmt.Sprint(i)), MessageGroupId: aws.String("g")}))(t)
			if n := aws.ToString(out.SequenceNumber); n < last {
				t.Errorf("%s follows %s", n, last)
			} else {
				last = n
			}
		}
	}
	for i := range 5 {
		if m := received(c, queue); *m.Body != fmt.Sprint(i) || m.Attributes["MessageGroupId"] != "g" {
			t.Errorf("%+v came as number %d", m, i)
		}
	}
}

// TestTopicsOperations calls what the others do not.
func TestTopicsOperations(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	topics := snsOf(c)
	topic := must(topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")}))(t).TopicArn
	must(topics.ListTopics(ctx, nil))(t)
	must(topics.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: topic, AttributeName: aws.String("DisplayName"), AttributeValue: aws.String("T")}))(t)
	equal(t, "the display name", must(topics.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: topic}))(t).Attributes["DisplayName"], "T")
	must(topics.AddPermission(ctx, &sns.AddPermissionInput{TopicArn: topic, Label: aws.String("l"), AWSAccountId: []string{"111111111111"}, ActionName: []string{"Publish"}}))(t)
	other := snsOf(cloudAs(t, "111111111111", "", "", ""))
	must(other.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String("m")}))(t)
	must(topics.RemovePermission(ctx, &sns.RemovePermissionInput{TopicArn: topic, Label: aws.String("l")}))(t)
	_, err := other.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String("m")})
	fails[*types.AuthorizationErrorException](t, err, "is not authorized to perform: sns:Publish")
	must(topics.PutDataProtectionPolicy(ctx, &sns.PutDataProtectionPolicyInput{ResourceArn: topic, DataProtectionPolicy: aws.String(`{"Name":"p"}`)}))(t)
	must(topics.GetDataProtectionPolicy(ctx, &sns.GetDataProtectionPolicyInput{ResourceArn: topic}))(t)
	must(topics.TagResource(ctx, &sns.TagResourceInput{ResourceArn: topic, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}))(t)
	equal(t, "the number of tags", len(must(topics.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: topic}))(t).Tags), 1)
	must(topics.UntagResource(ctx, &sns.UntagResourceInput{ResourceArn: topic, TagKeys: []string{"a"}}))(t)
	sub := must(topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("sms"), Endpoint: aws.String("+15551234567")}))(t).SubscriptionArn
	must(topics.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{SubscriptionArn: sub, AttributeName: aws.String("FilterPolicyScope"), AttributeValue: aws.String("MessageBody")}))(t)
	must(topics.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: sub}))(t)
	equal(t, "the number of subscriptions", len(must(topics.ListSubscriptions(ctx, nil))(t).Subscriptions), 1)
	equal(t, "the number of subscriptions", len(must(topics.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: topic}))(t).Subscriptions), 1)
	must(topics.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: sub}))(t)
	must(topics.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: topic}))(t)
}

func TestPhonesAndApps(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	topics := snsOf(c)
	app := must(topics.CreatePlatformApplication(ctx, &sns.CreatePlatformApplicationInput{Name: aws.String("a"), Platform: aws.String("GCM"), Attributes: map[string]string{"PlatformCredential": "k"}}))(t).PlatformApplicationArn
	must(topics.ListPlatformApplications(ctx, nil))(t)
	must(topics.SetPlatformApplicationAttributes(ctx, &sns.SetPlatformApplicationAttributesInput{PlatformApplicationArn: app, Attributes: map[string]string{"SuccessFeedbackSampleRate": "5"}}))(t)
	must(topics.GetPlatformApplicationAttributes(ctx, &sns.GetPlatformApplicationAttributesInput{PlatformApplicationArn: app}))(t)
	device := must(topics.CreatePlatformEndpoint(ctx, &sns.CreatePlatformEndpointInput{PlatformApplicationArn: app, Token: aws.String("t")}))(t).EndpointArn
	must(topics.ListEndpointsByPlatformApplication(ctx, &sns.ListEndpointsByPlatformApplicationInput{PlatformApplicationArn: app}))(t)
	must(topics.SetEndpointAttributes(ctx, &sns.SetEndpointAttributesInput{EndpointArn: device, Attributes: map[string]string{"Enabled": "false"}}))(t)
	must(topics.GetEndpointAttributes(ctx, &sns.GetEndpointAttributesInput{EndpointArn: device}))(t)
	_, err := topics.Publish(ctx, &sns.PublishInput{TargetArn: device, Message: aws.String("m")})
	fails[*types.EndpointDisabledException](t, err, "Endpoint is disabled")
	must(topics.DeleteEndpoint(ctx, &sns.DeleteEndpointInput{EndpointArn: device}))(t)
	must(topics.DeletePlatformApplication(ctx, &sns.DeletePlatformApplicationInput{PlatformApplicationArn: app}))(t)

	number := aws.String("+15551234567")
	must(topics.SetSMSAttributes(ctx, &sns.SetSMSAttributesInput{Attributes: map[string]string{"DefaultSMSType": "Promotional"}}))(t)
	must(topics.GetSMSAttributes(ctx, nil))(t)
	must(topics.CheckIfPhoneNumberIsOptedOut(ctx, &sns.CheckIfPhoneNumberIsOptedOutInput{PhoneNumber: number}))(t)
	must(topics.ListPhoneNumbersOptedOut(ctx, nil))(t)
	must(topics.OptInPhoneNumber(ctx, &sns.OptInPhoneNumberInput{PhoneNumber: number}))(t)
	must(topics.ListOriginationNumbers(ctx, nil))(t)
	must(topics.GetSMSSandboxAccountStatus(ctx, nil))(t)
	must(topics.CreateSMSSandboxPhoneNumber(ctx, &sns.CreateSMSSandboxPhoneNumberInput{PhoneNumber: number}))(t)
	must(topics.ListSMSSandboxPhoneNumbers(ctx, nil))(t)
	res, err := http.Get(house.URL() + "/_aws/sns/sms-messages?accountId=" + c.account + "&region=" + region)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var kept struct {
		Messages map[string][]struct{ Message string } `json:"sms_messages"`
	}
	if err := json.NewDecoder(res.Body).Decode(&kept); err != nil || len(kept.Messages[*number]) != 1 {
		t.Fatalf("%+v, %v", kept, err)
	}
	_, code, _ := strings.Cut(kept.Messages[*number][0].Message, "code is ")
	must(topics.VerifySMSSandboxPhoneNumber(ctx, &sns.VerifySMSSandboxPhoneNumberInput{PhoneNumber: number, OneTimePassword: &code}))(t)
	must(topics.DeleteSMSSandboxPhoneNumber(ctx, &sns.DeleteSMSSandboxPhoneNumberInput{PhoneNumber: number}))(t)
}
