package ses

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	s3api "github.com/tule-cloud/tule/api/s3"
	api "github.com/tule-cloud/tule/api/ses"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// desk is a double of S3 and Lambda. The bucket "closed" and functions called "gone" take
// nothing.
type desk struct {
	mu      sync.Mutex
	down    int // so many calls fail
	objects map[string]string
	calls   []string
	answer  string // of functions
}

func (d *desk) routes() []aws.Route {
	d.objects = map[string]string{}
	return []aws.Route{
		s3api.PutObject.To(func(ctx context.Context, in *s3api.PutObjectRequest) (*s3api.PutObjectOutput, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			c := aws.RequestOf(ctx).Caller
			if d.down > 0 {
				d.down--
				return nil, aws.Errorf(503, "SlowDown", "not now")
			}
			if *in.Bucket == "closed" || c.ARN != principal || !strings.Contains(c.SourceARN, ":receipt-rule-set/s:receipt-rule/") {
				return nil, aws.AccessDenied("no")
			}
			b, err := io.ReadAll(in.Body)
			d.objects[*in.Bucket+"/"+*in.Key] = string(b)
			return nil, err
		}, aws.Nothing),
		lambdaapi.Invoke.To(func(ctx context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if strings.HasSuffix(*in.FunctionName, "gone") {
				return nil, lambdaapi.ResourceNotFoundException("Function not found")
			}
			if *in.InvocationType != lambdaapi.InvocationTypeDryRun {
				d.calls = append(d.calls, *in.InvocationType+" "+string(in.Payload))
			}
			return &lambdaapi.InvocationResponse{Payload: []byte(d.answer)}, nil
		}, aws.Nothing),
	}
}

const message = "From: Bob <bob@example.org>\r\nTo: a@example.com\r\nSubject: =?UTF-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n"

// receiving is a running SES that receives for example.com by the rules.
func receiving(t *testing.T, relay Relay, rules ...api.ReceiptRule) (*rig, *desk) {
	t.Helper()
	r, d := newRig(t, relay), &desk{}
	r.Add(d.routes())
	for _, err := range []error{
		second(r.s.verifyDomainIdentity(r.ctx, &api.VerifyDomainIdentityRequest{Domain: new("example.com")})),
		second(r.s.createReceiptRuleSet(r.ctx, &api.CreateReceiptRuleSetRequest{RuleSetName: new("s")})),
		second(r.s.setActiveReceiptRuleSet(r.ctx, &api.SetActiveReceiptRuleSetRequest{RuleSetName: new("s")})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var after *string
	for _, rule := range rules {
		rule.Enabled = new(true)
		if _, err := r.s.createReceiptRule(r.ctx, &api.CreateReceiptRuleRequest{RuleSetName: new("s"), Rule: &rule, After: after}); err != nil {
			t.Fatal(err)
		}
		after = rule.Name
	}
	for len(r.topics.published) > 0 {
		<-r.topics.published // of the trials of topics
	}
	return r, d
}

func second[T any](_ T, err error) error { return err }

func from(to ...string) Envelope {
	return Envelope{From: "bob@example.org", To: to, Source: netip.MustParseAddr("192.0.2.7")}
}

// settled waits until nothing is on its way.
func (r *rig) settled() {
	r.Helper()
	for range 2000 {
		left := 0
		if err := r.Store.View(r.ctx, func(rd store.Reader) error {
			left = 0
			for range receipts.All(r.ctx, rd) {
				left++
			}
			for range outbox.All(r.ctx, rd) {
				left++
			}
			return nil
		}); err != nil {
			r.Fatal(err)
		}
		if left == 0 {
			return
		}
		<-time.After(time.Millisecond)
	}
	r.Fatal("mail does not settle")
}

func topicT() *string { return new("arn:aws:sns:us-east-1:000000000000:t") }

// TestReceive: rules do their actions in order, each once, and say what they do.
func TestReceive(t *testing.T) {
	function := new("arn:aws:lambda:us-east-1:000000000000:function:f")
	r, d := receiving(t, nil,
		api.ReceiptRule{Name: new("first"), Recipients: []string{"a@example.com"}, Actions: []api.ReceiptAction{
			{AddHeaderAction: &api.AddHeaderAction{HeaderName: new("X-Seen"), HeaderValue: new("yes\r\nBcc: x")}},
			{S3Action: &api.S3Action{BucketName: new("mail"), ObjectKeyPrefix: new("in/"), TopicArn: topicT()}},
			{LambdaAction: &api.LambdaAction{FunctionArn: function}},
			{SNSAction: &api.SNSAction{TopicArn: topicT(), Encoding: new("Base64")}},
			{StopAction: &api.StopAction{Scope: new("RuleSet")}}}},
		api.ReceiptRule{Name: new("second"), Actions: []api.ReceiptAction{{SNSAction: &api.SNSAction{TopicArn: topicT()}}}})
	if d.objects["mail/in/AMAZON_SES_SETUP_NOTIFICATION"] == "" {
		t.Error("the bucket was not tried")
	}
	if err := r.s.Receive(r.ctx, from("a+label@example.com"), []byte(message)); err != nil {
		t.Fatal(err)
	}
	got := r.notified()
	receipt := got["receipt"].(map[string]any)
	action := receipt["action"].(map[string]any)
	id := got["mail"].(map[string]any)["messageId"].(string)
	if got["notificationType"] != "Received" || action["type"] != "S3" || action["objectKey"] != "in/"+id || fmt.Sprint(receipt["recipients"]) != "[a+label@example.com]" || got["content"] != nil {
		t.Errorf("the bucket's: %v", got)
	}
	common := got["mail"].(map[string]any)["commonHeaders"].(map[string]any)
	if common["subject"] != "Grüße" || common["returnPath"] != "bob@example.org" || common["messageId"] != "<1@example.org>" {
		t.Errorf("headers: %v", common)
	}
	if got = r.notified(); got["receipt"].(map[string]any)["action"].(map[string]any)["type"] != "SNS" || !strings.HasPrefix(got["content"].(string), "WC1TZWVuOiB5ZXNCY2M6") {
		t.Errorf("the topic's: %v", got)
	}
	r.settled()
	if body := d.objects["mail/in/"+id]; body != "X-Seen: yesBcc: x\r\n"+message {
		t.Errorf("the object: %q", body)
	}
	if len(d.calls) != 1 || !strings.HasPrefix(d.calls[0], `Event {"Records":[{"eventSource":"aws:ses","eventVersion":"1.0","ses":{"mail":{`) {
		t.Errorf("the function: %q", d.calls)
	}
	if err := r.s.Receive(r.ctx, from("other@example.com"), []byte(message)); err != nil {
		t.Fatal(err)
	}
	if got = r.notified(); got["content"] != message {
		t.Errorf("the second rule: %v", got)
	}
	if len(r.topics.published) != 0 {
		t.Error("more was told")
	}
}

// TestReceiptDispositions: a function that is waited for says how to go on.
func TestReceiptDispositions(t *testing.T) {
	function := new("arn:aws:lambda:us-east-1:000000000000:function:f")
	asks := []api.ReceiptAction{{LambdaAction: &api.LambdaAction{FunctionArn: function, InvocationType: new("RequestResponse")}}, {SNSAction: &api.SNSAction{TopicArn: topicT()}}}
	r, d := receiving(t, nil, api.ReceiptRule{Name: new("one"), Actions: asks}, api.ReceiptRule{Name: new("two"), Actions: asks})
	for answer, want := range map[string][2]int{`{"disposition":"CONTINUE"}`: {2, 2}, `{"disposition":"stop_rule"}`: {2, 0}, `{"disposition":"STOP_RULE_SET"}`: {1, 0}, `broken`: {2, 2}} {
		d.mu.Lock()
		d.answer, d.calls = answer, nil
		d.mu.Unlock()
		if err := r.s.Receive(r.ctx, from("a@example.com"), []byte(message)); err != nil {
			t.Fatal(err)
		}
		r.settled()
		told := 0
		for len(r.topics.published) > 0 {
			<-r.topics.published
			told++
		}
		if got := [2]int{len(d.calls), told}; got != want {
			t.Errorf("%s: %v calls and notifications, want %v", answer, got, want)
		}
	}
}

// TestReceiptBounces: who sent is told why; a bounce is never answered. What fails for now
// is done again, and what came before it is not.
func TestReceiptBounces(t *testing.T) {
	d := &relayDouble{}
	r, desk := receiving(t, d, api.ReceiptRule{Name: new("no"), Actions: []api.ReceiptAction{
		{SNSAction: &api.SNSAction{TopicArn: topicT()}}, {S3Action: &api.S3Action{BucketName: new("mail")}},
		{BounceAction: &api.BounceAction{Message: new("No such mailbox"), Sender: new("me@example.com"), SmtpReplyCode: new("550"), StatusCode: new("5.1.1")}}}})
	desk.mu.Lock()
	desk.down = 1
	desk.mu.Unlock()
	if err := r.s.Receive(r.ctx, from("a@example.com"), []byte(message)); err != nil {
		t.Fatal(err)
	}
	r.notified()
	for range 100 {
		r.advance(noticePause)
		if len(desk.taken()) > 1 {
			break
		}
	}
	r.settled()
	if got := r.notified(); got["notificationType"] != deliveryKind || len(r.topics.published) != 0 {
		t.Errorf("the topic was told again: %v", got) // but for the answer's delivery
	}
	if strings.Join(d.taken, " ") != "bob@example.org" || !strings.Contains(string(d.raw), "550 5.1.1 No such mailbox") || !strings.Contains(string(d.raw), "From: me@example.com\r\n") {
		t.Errorf("%v took %s", d.taken, d.raw)
	}
	e := from("a@example.com")
	e.From = ""
	if err := r.s.Receive(r.ctx, e, []byte(message)); err != nil {
		t.Fatal(err)
	}
	r.settled()
	if len(d.taken) != 1 {
		t.Error("a bounce was answered")
	}
}

func (d *desk) taken() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.objects
}

// TestReceivers: who receives, from where.
func TestReceivers(t *testing.T) {
	stop := []api.ReceiptAction{{StopAction: &api.StopAction{Scope: new("RuleSet")}}}
	r, _ := receiving(t, nil,
		api.ReceiptRule{Name: new("a"), Recipients: []string{"a@example.com", ".example.com"}, Actions: stop},
		api.ReceiptRule{Name: new("tls"), Recipients: []string{"tls@example.com"}, TlsPolicy: new("Require"), Actions: stop})
	for _, f := range [][3]string{{"all", "203.0.113.0/24", "Block"}, {"one", "203.0.113.9", "Allow"}} {
		if _, err := r.s.createReceiptFilter(r.ctx, &api.CreateReceiptFilterRequest{Filter: &api.ReceiptFilter{Name: &f[0], IpFilter: &api.ReceiptIpFilter{Cidr: &f[1], Policy: &f[2]}}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		to, ip       string
		secure, want bool
	}{
		{"a@example.com", "192.0.2.7", false, true}, {"A+x@EXAMPLE.com", "192.0.2.7", false, true}, {"b@example.com", "192.0.2.7", false, false},
		{"b@sub.example.com", "192.0.2.7", false, true}, {"b@notexample.com", "192.0.2.7", false, false}, {"a@example.org", "192.0.2.7", false, false},
		{"tls@example.com", "192.0.2.7", false, false}, {"tls@example.com", "192.0.2.7", true, true},
		{"a@example.com", "203.0.113.5", false, false}, {"a@example.com", "203.0.113.9", false, true}, {"a@example.com", "::ffff:203.0.113.5", false, false},
	} {
		got, err := r.s.Takes(r.ctx, Envelope{Source: netip.MustParseAddr(c.ip), Secure: c.secure}, c.to)
		if err != nil || got != c.want {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
	if err := r.s.Receive(r.ctx, from("nobody@example.org"), []byte(message)); aws.CodeOf(err) != "InvalidParameterValue" {
		t.Errorf("mail for nobody: %v", err)
	}
	if err := r.s.Receive(r.ctx, from("a@example.com"), make([]byte, maxReceived+1)); aws.CodeOf(err) != "InvalidParameterValue" {
		t.Errorf("too large: %v", err)
	}
}

func FuzzReceipt(f *testing.F) {
	f.Add([]byte(message), "a@example.com", "a@example.com")
	f.Add([]byte("\n"), "@", ".example.com")
	f.Fuzz(func(t *testing.T, raw []byte, to, recipient string) {
		rule := &api.ReceiptRule{Name: new("r"), Enabled: new(true), Recipients: []string{recipient}}
		meant(rule, to, true)
		x := &receiptAction{s: New(Options{Clock: fixed{}, Random: strings.NewReader("")}), mail: &receivedMail{Raw: raw, To: []string{to}}, rule: rule}
		if _, err := json.Marshal(x.about(map[string]any{})); err != nil {
			t.Error(err)
		}
	})
}

// fixed is a clock that stands.
type fixed struct{ aws.Clock }

// Now implements aws.Clock.
func (fixed) Now() time.Time { return time.Unix(0, 0) }
