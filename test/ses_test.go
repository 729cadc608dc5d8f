package test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/tule-cloud/tule/test/tule"
)

// TestMail calls every operation of SES that stands, of both versions of its API, as
// every/steps.txt has them, by their names in aws-sdk-go-v2.
func TestMail(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	clients := map[string]reflect.Value{"ses": reflect.ValueOf(ses.NewFromConfig(c.config)), "sesv2": reflect.ValueOf(sesv2.NewFromConfig(c.config))}
	file, err := os.Open(filepath.Join(tule.Root(), "test", "every", "steps.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n := 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		service, step, _ := strings.Cut(lines.Text(), " ")
		client, ok := clients[service]
		if !ok {
			continue
		}
		n++
		name, text, _ := strings.Cut(step, " ")
		text = strings.ReplaceAll(text, "{policy}", `{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"ses:SendEmail\",\"Resource\":\"*\"}}`)
		text = strings.NewReplacer("{account}", c.account, "us-east-1", region).Replace(text)
		call := client.MethodByName(name)
		in := reflect.New(call.Type().In(1).Elem())
		if raw, ok := in.Interface().(*ses.SendRawEmailInput); ok {
			raw.RawMessage = &types.RawMessage{Data: []byte("From: ann@example.com\r\nTo: x@example.net\r\nSubject: s\r\n\r\nb")}
		} else if err := json.Unmarshal([]byte(text), in.Interface()); err != nil {
			t.Fatal(name, err)
		}
		if out := call.Call([]reflect.Value{reflect.ValueOf(ctx), in}); !out[1].IsNil() {
			t.Fatal(service, name, out[1].Interface())
		}
	}
	if n < 75 {
		t.Errorf("%d steps", n)
	}
}

func TestMailIsKept(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	mail := ses.NewFromConfig(c.config)
	from := "me-" + c.account + "@example.com"
	in := &ses.SendEmailInput{Source: &from, Destination: &types.Destination{ToAddresses: []string{"x@example.net"}},
		Message: &types.Message{Subject: &types.Content{Data: aws.String("s")}, Body: &types.Body{Text: &types.Content{Data: aws.String("t")}}}}
	_, err := mail.SendEmail(ctx, in)
	fails[*types.MessageRejected](t, err, "Email address is not verified. The following identities failed the check in region EU-WEST-1: "+from)
	must(mail.VerifyEmailIdentity(ctx, &ses.VerifyEmailIdentityInput{EmailAddress: &from}))(t)
	id := must(mail.SendEmail(ctx, in))(t).MessageId
	res, err := http.Get(house.URL() + "/_aws/ses?email=" + from)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := has(string(text), `"Id":"`+*id+`"`, `"Subject":"s"`, `"Body":{"text_part":"t","html_part":null}`, `"ToAddresses":["x@example.net"]`); err != nil {
		t.Error(err)
	}

	// Mail that topics send waits for its confirmation, too.
	topic := must(snsOf(c).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")}))(t).TopicArn
	to := "you-" + c.account + "@example.net"
	must(snsOf(c).Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: aws.String("email"), Endpoint: &to}))(t)
	eventually(t, func() error {
		res, err := http.Get(house.URL() + "/_aws/ses")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		return has(string(text), to, "Action=ConfirmSubscription")
	})
}
