package objects

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	sestypes "github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tule-cloud/tule/test/tule"
)

const mailText = "From: bob@example.net\r\nTo: in@example.org\r\nSubject: hello\r\n\r\nhi there\r\n"

// TestInbox: mail that comes by SMTP, with TLS or without, goes through receipt rules to a
// bucket whose policy lets SES in, and its topic is told; mail for nobody is not taken; and
// what was taken before a kill is delivered after it.
func TestInbox(t *testing.T) {
	at := must(tule.FreeAddr())(t)
	data := t.TempDir() + "/data"
	start := func() *tule.Tule {
		return must(tule.Start(tule.Options{Data: data, Args: []string{"--mail-listen", at}}))(t)
	}
	house := start()
	configOf := func() aws.Config {
		return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(house.URL()), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	}
	objects, mail, queues := client(house.URL(), "test", "test"), ses.NewFromConfig(configOf()), sqs.NewFromConfig(configOf())
	must(objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("inbox")}))(t)
	must(queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("inbox"), Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}`}}))(t)
	topics := sns.NewFromConfig(configOf())
	topic := must(topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("inbox"), Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ses.amazonaws.com"},"Action":"sns:Publish","Resource":"*"}}`}}))(t)
	must(topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:us-east-1:000000000000:inbox"),
		Attributes: map[string]string{"RawMessageDelivery": "true"}}))(t)
	must(mail.VerifyDomainIdentity(ctx, &ses.VerifyDomainIdentityInput{Domain: aws.String("example.org")}))(t)
	must(mail.CreateReceiptRuleSet(ctx, &ses.CreateReceiptRuleSetInput{RuleSetName: aws.String("rules")}))(t)
	rule := &ses.CreateReceiptRuleInput{RuleSetName: aws.String("rules"), Rule: &sestypes.ReceiptRule{Name: aws.String("keep"), Enabled: true, Recipients: []string{"example.org"},
		Actions: []sestypes.ReceiptAction{{S3Action: &sestypes.S3Action{BucketName: aws.String("inbox"), ObjectKeyPrefix: aws.String("mail/"), TopicArn: topic.TopicArn}}}}}
	_, err := mail.CreateReceiptRule(ctx, rule)
	if e := new(sestypes.InvalidS3ConfigurationException); !errors.As(err, &e) {
		t.Errorf("a bucket without a policy: %v", err)
	}
	must(objects.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("inbox"), Policy: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ses.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::inbox/*","Condition":{"StringEquals":{"aws:SourceAccount":"000000000000"}}}}`)}))(t)
	must(mail.CreateReceiptRule(ctx, rule))(t)
	must(mail.SetActiveReceiptRuleSet(ctx, &ses.SetActiveReceiptRuleSetInput{RuleSetName: aws.String("rules")}))(t)
	var code *textproto.Error
	if err := bring(at, false, "in@example.com"); !errors.As(err, &code) || code.Code != 550 {
		t.Errorf("mail for nobody: %v", err)
	}
	for _, secure := range []bool{false, true} {
		try(t, bring(at, secure, "in@example.org"))
	}
	house.Kill()
	house = start()
	objects, queues = client(house.URL(), "test", "test"), sqs.NewFromConfig(configOf())
	keys := map[string]bool{}
	until(t, "two messages were told", func() bool {
		out := must(queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String(house.URL() + "/000000000000/inbox"), MaxNumberOfMessages: 10, WaitTimeSeconds: 1}))(t)
		for _, m := range out.Messages {
			var told struct {
				Receipt struct{ Action struct{ ObjectKey string } }
			}
			if strings.HasPrefix(*m.Body, "Successfully validated") {
				continue
			}
			try(t, json.Unmarshal([]byte(*m.Body), &told))
			keys[told.Receipt.Action.ObjectKey] = true
		}
		return len(keys) == 2
	})
	for key := range keys {
		got := must(objects.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("inbox"), Key: &key}))(t)
		if text := must(io.ReadAll(got.Body))(t); string(text) != mailText || !strings.HasPrefix(key, "mail/") {
			t.Errorf("%s: %q", key, text)
		}
		sent := must(ses.NewFromConfig(configOf()).SendBounce(ctx, &ses.SendBounceInput{OriginalMessageId: aws.String(strings.TrimPrefix(key, "mail/")), BounceSender: aws.String("postmaster@example.org"),
			BouncedRecipientInfoList: []sestypes.BouncedRecipientInfo{{Recipient: aws.String("in@example.org"), BounceType: sestypes.BounceTypeDoesNotExist}}}))(t)
		shown := must(http.Get(house.URL() + "/_aws/ses?id=" + *sent.MessageId))(t)
		text := must(io.ReadAll(shown.Body))(t)
		shown.Body.Close()
		for _, want := range []string{`"ToAddresses":["bob@example.net"]`, `Status: 5.1.1\r\n`, `Subject: hello`} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s is not in the bounce %s", want, text)
			}
		}
	}
	try(t, house.Stop())
}

// bring brings a message by SMTP.
func bring(at string, secure bool, to string) error {
	c, err := smtp.Dial(at)
	if err != nil {
		return err
	}
	defer c.Close()
	if secure {
		if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
			return fmt.Errorf("STARTTLS: %w", err)
		}
	}
	if err := c.Mail("bob@example.net"); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, mailText); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}
