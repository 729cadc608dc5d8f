package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	eventsapi "github.com/tule-cloud/tule/api/events"
	api "github.com/tule-cloud/tule/api/lambda"
	s3api "github.com/tule-cloud/tule/api/s3"
	snsapi "github.com/tule-cloud/tule/api/sns"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
)

// An outlet is where Lambda tells what became of events: a queue, a topic, a bucket, or,
// for asynchronous invokes, a function or an event bus. All calls are the role's.
type outlet struct {
	s  *Service
	at ref // whose events they are
	aws.ARN
}

// outletOf reads the ARN of an outlet; false if it cannot be one.
func (s *Service) outletOf(at ref, arn string) (o outlet, ok bool) {
	a, ok := aws.ParseARN(arn)
	plain := a.Resource != "" && !strings.ContainsAny(a.Resource, ":/")
	switch a.Service {
	case "sqs", "sns":
		ok = ok && plain && a.Account != "" && a.Region != "" && !strings.HasSuffix(a.Resource, fifo)
	case "s3":
		ok = ok && plain
	case "events":
		ok = ok && strings.HasPrefix(a.Resource, "event-bus/") && a.Account != ""
	case "lambda":
		ok = ok && strings.HasPrefix(a.Resource, "function:")
	default:
		ok = false
	}
	return outlet{s, at, a}, ok
}

// The names that AWS gives outlets' services and the calls that reach them, in errors.
var outletCalls = map[string]struct{ service, call string }{
	"sqs": {"SQS", "SendMessage"}, "sns": {"SNS", "Publish"}, "s3": {"S3", "PutObject"}, "events": {"EventBridge", "PutEvents"}, "lambda": {"Lambda", "InvokeFunction"},
}

// A parcel is what an outlet gets.
type parcel struct {
	text  []byte
	key   string // of an object
	names map[string]parcelAttribute
	trace string
}

type parcelAttribute struct{ kind, value string }

// send brings a parcel to its outlet.
func (o outlet) send(ctx context.Context, p parcel) error {
	text := string(p.text)
	switch o.Service {
	case "sqs":
		_, err := sqsapi.SendMessage.Do(ctx, o.s.Peers, &sqsapi.SendMessageRequest{QueueUrl: queueURL(o.String()), MessageBody: &text, MessageAttributes: p.forQueue()})
		return err
	case "sns":
		_, err := snsapi.Publish.Do(ctx, o.s.Peers, &snsapi.PublishInput{TopicArn: ptr(o.String()), Message: &text, MessageAttributes: p.forTopic()})
		return err
	case "s3":
		_, err := s3api.PutObject.Do(ctx, o.s.Peers, &s3api.PutObjectRequest{Bucket: &o.Resource, Key: &p.key, Body: bytes.NewReader(p.text),
			ContentLength: ptr(int64(len(p.text))), ContentType: ptr("application/json")})
		return err
	case "lambda":
		aws.RequestOf(ctx).Trace = p.trace
		_, err := api.Invoke.Do(ctx, o.s.Peers, &api.InvocationRequest{FunctionName: ptr(o.String()), InvocationType: ptr(api.InvocationTypeEvent), Payload: p.text})
		return err
	}
	return o.put(ctx, p)
}

// The detail types of what an event bus is told.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
const (
	detailSucceeded = "Lambda Function Invocation Result - Success"
	detailFailed    = "Lambda Function Invocation Result - Failure"
)

// put puts a parcel on an event bus.
func (o outlet) put(ctx context.Context, p parcel) error {
	var n notice
	if err := json.Unmarshal(p.text, &n); err != nil {
		return err
	}
	kind := detailFailed
	if n.Request.Condition == succeeded {
		kind = detailSucceeded
	}
	entry := eventsapi.PutEventsRequestEntry{EventBusName: ptr(o.String()), Source: ptr("lambda"), DetailType: &kind, Detail: ptr(string(p.text)),
		Resources: []string{o.String(), n.Request.FunctionARN}, TraceHeader: optional(p.trace)}
	out, err := eventsapi.PutEvents.Do(ctx, o.s.Peers, &eventsapi.PutEventsRequest{Entries: []eventsapi.PutEventsRequestEntry{entry}})
	if err != nil {
		return err
	}
	for _, e := range out.Entries {
		switch code := aws.Value(e.ErrorCode); code {
		case "":
		case "InternalFailure", "InternalException", "ThrottlingException":
			return aws.Unavailable("%s: %s", code, aws.Value(e.ErrorMessage))
		default:
			return aws.Errorf(400, code, "%s", aws.Value(e.ErrorMessage))
		}
	}
	return nil
}

func (p parcel) forQueue() map[string]sqsapi.MessageAttributeValue {
	out := make(map[string]sqsapi.MessageAttributeValue, len(p.names))
	for name, v := range p.names {
		out[name] = sqsapi.MessageAttributeValue{DataType: &v.kind, StringValue: &v.value}
	}
	return out
}

func (p parcel) forTopic() map[string]snsapi.MessageAttributeValue {
	out := make(map[string]snsapi.MessageAttributeValue, len(p.names))
	for name, v := range p.names {
		out[name] = snsapi.MessageAttributeValue{DataType: &v.kind, StringValue: &v.value}
	}
	return out
}

// probe asks whether the role may reach the outlet, by calls that send nothing: an empty
// message is refused, but not before the permission is.
func (o outlet) probe(ctx context.Context) error {
	var err error
	switch o.Service {
	case "sqs":
		err = o.send(ctx, parcel{})
	case "sns":
		err = o.send(ctx, parcel{})
	case "s3":
		err = o.s.Allow(ctx, aws.Access{Action: "s3:PutObject", Resource: o.String() + "/aws/lambda/*", Account: o.at.scope.Account})
	case "events":
		err = o.s.Allow(ctx, aws.Access{Action: "events:PutEvents", Resource: o.String(), Account: o.Account})
	}
	var e *aws.Error
	switch code := aws.CodeOf(err); {
	case denied(err) || code == "AuthorizationError":
		return errOutletDenied.Because(err)
	case code == codeNoQueue || code == codeNoQueueQuery || code == "NotFound":
		return errOutletMissing.Because(err)
	case errors.As(err, &e) && !e.Server():
		return nil
	}
	return err
}

// What probe finds out.
var (
	errOutletDenied  = aws.Errorf(403, "OutletDenied", "the role may not")
	errOutletMissing = aws.Errorf(404, "OutletMissing", "there is none")
)

// checkOutlet refuses, in AWS's words, an outlet that a role cannot reach: denied says so
// of a call and a place. What is Tule's own failure is told as such.
func (s *Service) checkOutlet(ctx context.Context, at ref, role, arn string, denied func(call, service, arn string) error) error {
	if arn == "" {
		return nil
	}
	o, ok := s.outletOf(at, arn)
	if !ok {
		return invalid("The destination ARN %s is invalid.", arn)
	}
	session, err := s.roles.session(ctx, at, role)
	if err != nil {
		return unassumable(err)
	}
	err = o.probe(s.acting(ctx, at, session.caller))
	switch aws.CodeOf(err) {
	case errOutletDenied.Code:
		c := outletCalls[o.Service]
		return denied(c.call, c.service, arn)
	case errOutletMissing.Code:
		return invalid("The destination ARN %s is invalid.", arn).Because(err)
	}
	return err
}

// The two ways in which AWS says that a role may not reach an outlet.
func deniedOnService(call, service, _ string) error {
	return invalid("The provided execution role does not have permissions to call %s on %s", call, service)
}

func deniedOnARN(call, _, arn string) error {
	return invalid("The function's execution role does not have permissions to call %s on %s", call, arn)
}

// checkDeadLetter refuses a dead-letter queue, or topic, that a role cannot reach.
func (s *Service) checkDeadLetter(ctx context.Context, at ref, role string, dead *api.DeadLetterConfig) error {
	if dead == nil || aws.Value(dead.TargetArn) == "" {
		return nil
	}
	if a, ok := aws.ParseARN(*dead.TargetArn); !ok || a.Service != "sqs" && a.Service != "sns" {
		return invalid("The destination ARN %s is invalid.", *dead.TargetArn)
	}
	return s.checkOutlet(ctx, at, role, *dead.TargetArn, deniedOnService)
}

// shownDeadLetter is how answers show it.
func (v *version) shownDeadLetter() *api.DeadLetterConfig {
	if v.DeadLetter == "" {
		return nil
	}
	return &api.DeadLetterConfig{TargetArn: &v.DeadLetter}
}

// deadLetter is an event as a dead-letter queue gets it: as it was, and beside it why.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
func deadLetter(id string, ev *event) parcel {
	p := parcel{text: ev.Payload, names: map[string]parcelAttribute{
		"RequestID": {"String", id}, "ErrorCode": {"Number", strconv.Itoa(ev.DeadCode)},
	}}
	if ev.DeadText != "" {
		p.names["ErrorMessage"] = parcelAttribute{"String", ev.DeadText}
	}
	return p
}

// maxErrorMessage is how much of a function's error its dead-letter queue is told, in bytes.
const maxErrorMessage = 1024

// errorMessage is what a function's answer says of its error.
func errorMessage(answer []byte) string {
	var e struct{ ErrorMessage *string }
	text := string(answer)
	if json.Unmarshal(answer, &e) == nil && e.ErrorMessage != nil {
		text = *e.ErrorMessage
	}
	text = strings.Map(func(r rune) rune { // what messages may hold
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > maxErrorMessage {
		n := maxErrorMessage
		for !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	return text
}

// asyncKey is the name of the object that tells of an asynchronous invoke.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func asyncKey(function, id string, at time.Time) string {
	at = at.UTC()
	return "aws/lambda/async/" + function + at.Format("/2006/01/02/") + function + at.Format("-2006-01-02T15.04.05-") + id
}

// discardedKey is the name of the object that tells of records that were given up.
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
func discardedKey(uuid, shard, id string, at time.Time) string {
	return "aws/lambda/" + uuid + "/" + shard + at.UTC().Format("/2006/01/02/2006-01-02T15.04.05-") + id
}
