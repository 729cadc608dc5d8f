package ses

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	api "github.com/tule-cloud/tule/api/ses"
	snsapi "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What an action says of those after it.
type halt int

const (
	goOn halt = iota
	stopRule
	stopSet
)

// maxTold is the largest message that a topic is told whole.
const maxTold = 150 << 10

// A receiptAction is an action at work on a message.
type receiptAction struct {
	s      *Service
	scope  store.Scope
	mail   *receivedMail
	rule   *api.ReceiptRule
	action *api.ReceiptAction
	answer *outgoing // to be sent with what is noted
}

// refused reports whether a call was refused for good.
func refused(err error) bool {
	var e *aws.Error
	return errors.As(err, &e) && !e.Server() && !strings.Contains(e.Code, "Throttl") && e.Code != "TooManyRequestsException"
}

// do does the action.
func (x *receiptAction) do(ctx context.Context) (halt, error) {
	a, m := x.action, x.mail
	switch {
	case a.AddHeaderAction != nil:
		m.Raw = append([]byte(oneLine(*a.AddHeaderAction.HeaderName)+": "+oneLine(*a.AddHeaderAction.HeaderValue)+"\r\n"), m.Raw...)
		return goOn, nil
	case a.S3Action != nil:
		key := aws.Value(a.S3Action.ObjectKeyPrefix) + m.ID
		if err := x.s.putReceived(x.acting(ctx, x.scope.Region), a.S3Action, key, m.Raw); err != nil {
			return goOn, err
		}
		return goOn, x.tell(ctx, a.S3Action.TopicArn, map[string]any{"type": "S3", "bucketName": *a.S3Action.BucketName, "objectKeyPrefix": aws.Value(a.S3Action.ObjectKeyPrefix), "objectKey": key}, false)
	case a.SNSAction != nil:
		if len(m.Raw) > maxTold {
			x.answer = x.bounce("552", "5.3.4", "Message is too large.", "")
			return goOn, nil
		}
		return goOn, x.tell(ctx, a.SNSAction.TopicArn, map[string]any{"type": "SNS", "encoding": aws.Value(a.SNSAction.Encoding)}, true)
	case a.LambdaAction != nil:
		return x.invoke(ctx)
	case a.BounceAction != nil:
		b := a.BounceAction
		x.answer = x.bounce(*b.SmtpReplyCode, aws.Value(b.StatusCode), *b.Message, *b.Sender)
		return goOn, x.tell(ctx, b.TopicArn, map[string]any{"type": "Bounce", "smtpReplyCode": *b.SmtpReplyCode, "statusCode": aws.Value(b.StatusCode), "message": *b.Message, "sender": *b.Sender}, false)
	case a.StopAction != nil:
		return stopSet, x.tell(ctx, a.StopAction.TopicArn, map[string]any{"type": "Stop"}, false)
	}
	return goOn, errors.New("there is no such service here") // WorkMail, Connect
}

func (x *receiptAction) acting(ctx context.Context, region string) context.Context {
	return x.s.actingRule(ctx, x.scope, region, x.mail.Set, *x.rule.Name)
}

// recipients are those that the rule is for.
func (x *receiptAction) recipients() (out []string) {
	for _, to := range x.mail.To {
		if meant(x.rule, to, true) {
			out = append(out, to)
		}
	}
	return out
}

// about is what notifications and functions hear of the message.
// https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html
func (x *receiptAction) about(action map[string]any) map[string]any {
	m, now := x.mail, x.s.Clock.Now()
	list, truncated := headersOf(m.Raw)
	common := commonHeaders(list, m.ID)
	delete(common, "messageId")
	for _, h := range list {
		if strings.EqualFold(h.Name, "Message-ID") {
			common["messageId"] = h.Value
		}
	}
	common["returnPath"] = m.From
	verdict := func(status string) map[string]string { return map[string]string{"status": status} }
	scanned := verdict("DISABLED")
	if aws.Value(x.rule.ScanEnabled) {
		scanned = verdict("GRAY") // nobody looks into mail here
	}
	return map[string]any{
		"mail": map[string]any{"timestamp": stamp(m.Time), "source": m.From, "messageId": m.ID, "destination": m.To, "headersTruncated": truncated, "headers": list, "commonHeaders": common},
		"receipt": map[string]any{"timestamp": stamp(m.Time), "processingTimeMillis": now.Sub(m.Time).Milliseconds(), "recipients": x.recipients(),
			"spamVerdict": scanned, "virusVerdict": scanned, "spfVerdict": verdict("GRAY"), "dkimVerdict": verdict("GRAY"), "dmarcVerdict": verdict("GRAY"), "action": action},
	}
}

// tell tells a topic, if there is one; content is the message itself.
func (x *receiptAction) tell(ctx context.Context, topic *string, action map[string]any, content bool) error {
	if topic == nil {
		return nil
	}
	action["topicArn"] = *topic
	about := x.about(action)
	about["notificationType"] = "Received"
	if content {
		if action["encoding"] == api.SNSActionEncodingBase64 {
			about["content"] = base64.StdEncoding.EncodeToString(x.mail.Raw)
		} else {
			about["content"] = strings.ToValidUTF8(string(x.mail.Raw), "\ufffd")
		}
	}
	text, err := json.Marshal(about)
	if err != nil {
		return err
	}
	to, _ := aws.ParseARN(*topic)
	_, err = snsapi.Publish.Do(x.acting(ctx, to.Region), x.s.Peers, &snsapi.PublishInput{TopicArn: topic, Message: new(string(text)), Subject: new("Amazon SES Email Receipt Notification")})
	return err
}

// invoke calls a function. One that is waited for says how to go on.
func (x *receiptAction) invoke(ctx context.Context) (halt, error) {
	a := x.action.LambdaAction
	action := map[string]any{"type": "Lambda", "functionArn": *a.FunctionArn, "invocationType": *a.InvocationType}
	event, err := json.Marshal(map[string]any{"Records": []any{map[string]any{"eventSource": "aws:ses", "eventVersion": "1.0", "ses": x.about(action)}}})
	if err != nil {
		return goOn, err
	}
	to, _ := aws.ParseARN(*a.FunctionArn)
	out, err := lambdaapi.Invoke.Do(x.acting(ctx, to.Region), x.s.Peers, &lambdaapi.InvocationRequest{FunctionName: a.FunctionArn, InvocationType: a.InvocationType, Payload: event})
	if err != nil {
		return goOn, err
	}
	next := goOn
	var said struct{ Disposition string }
	if *a.InvocationType == api.InvocationTypeRequestResponse && out.FunctionError == nil && json.Unmarshal(out.Payload, &said) == nil {
		next = map[string]halt{"STOP_RULE": stopRule, "STOP_RULE_SET": stopSet}[strings.ToUpper(said.Disposition)]
	}
	return next, x.tell(ctx, a.TopicArn, action, false)
}

// bounce is mail to who sent, that says why theirs is not taken. Nothing answers a bounce.
func (x *receiptAction) bounce(code, status, message, sender string) *outgoing {
	m, now := x.mail, x.s.Clock.Now()
	if m.From == "" {
		return nil
	}
	if sender == "" {
		sender = "mailer-daemon@" + x.scope.Region + ".amazonses.com"
	}
	if status != "" {
		code += " " + status
	}
	c := content{subject: "Delivery Status Notification (Failure)", text: "An error occurred while trying to deliver the mail to the following recipients:\n" +
		strings.Join(x.recipients(), "\n") + "\n\n" + code + " " + message + "\n"}
	head := []header{{"From", oneLine(sender)}, {"To", oneLine(m.From)}, {"Message-ID", "<" + m.ID + "@email.amazonses.com>"}, {"Auto-Submitted", "auto-replied"}}
	return &outgoing{From: sender, To: []string{m.From}, Raw: c.mime(now, "", head), Accepted: now, Due: now,
		Mail: mailFacts{ID: m.ID + "-bounce", Source: sender, Identity: sender, SourceIP: m.SourceIP, Caller: principal, Destination: []string{m.From}, Time: now}}
}
