package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	eventsapi "github.com/tule-cloud/tule/api/events"
	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	snsapi "github.com/tule-cloud/tule/api/sns"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An outcome is what came of one try.
type outcome struct {
	err       error
	permanent bool // trying again is of no use
	code      string
}

const sessionName = "EventBridgeScheduler"

// acting is a context in which the scheduler acts for a group's schedules.
func (s *Service) acting(ctx context.Context, scope store.Scope, group string) context.Context {
	req := aws.Request{Region: scope.Region, Scheme: "https", Host: "scheduler." + scope.Region + ".amazonaws.com", ID: aws.RandomUUID(s.Random), Time: s.Clock.Now(), Secure: true}
	return aws.WithRequest(ctx, req.As(aws.ServiceCaller(principal, scope.Account, groupARN(scope, group))))
}

// assume is a context in which the target's role acts, in a region.
func (s *Service) assume(ctx context.Context, x *invocation, region string) (context.Context, error) {
	ctx = s.acting(ctx, x.scope(), x.Group)
	got, err := stsapi.AssumeRole.Do(ctx, s.Peers, &stsapi.AssumeRoleRequest{RoleArn: x.Target.RoleArn, RoleSessionName: new(sessionName)})
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(aws.Value(got.AssumedRoleUser.AssumedRoleId), ":")
	req := *aws.RequestOf(ctx)
	if region != "" {
		req.Region = region
	}
	return aws.WithRequest(ctx, req.As(aws.RoleSession(*x.Target.RoleArn, id, sessionName))), nil
}

const inputTime = "2006-01-02T15:04:05Z"

// input is what the target gets.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
func (x *invocation) input() string {
	if x.Target.Input == nil {
		text, err := json.Marshal(struct {
			Version    string   `json:"version"`
			ID         string   `json:"id"`
			DetailType string   `json:"detail-type"`
			Source     string   `json:"source"`
			Account    string   `json:"account"`
			Time       string   `json:"time"`
			Region     string   `json:"region"`
			Resources  []string `json:"resources"`
			Detail     string   `json:"detail"`
		}{"0", x.ID, "Scheduled Event", "aws.scheduler", x.Account, x.Due.Format(inputTime), x.Region, []string{x.arn()}, "{}"})
		if err != nil {
			return "{}"
		}
		return string(text)
	}
	return strings.NewReplacer("<aws.scheduler.schedule-arn>", x.arn(), "<aws.scheduler.scheduled-time>", x.Due.Format(inputTime),
		"<aws.scheduler.execution-id>", x.ID, "<aws.scheduler.attempt-number>", strconv.Itoa(x.Tries)).Replace(*x.Target.Input)
}

// send makes the call.
func (s *Service) send(ctx context.Context, x *invocation) outcome {
	a, ok := aws.ParseARN(*x.Target.Arn)
	if !ok {
		return outcome{err: errors.New("the target's ARN is none"), permanent: true, code: "INVALID_PARAMETER"}
	}
	act, err := s.assume(ctx, x, a.Region)
	if err != nil {
		out := classify(err)
		out.permanent = false // a role that was changed may be changed back
		return out
	}
	return classify(s.call(act, x, a, x.input()))
}

// call hands the input to the service that the target is of.
func (s *Service) call(ctx context.Context, x *invocation, a aws.ARN, input string) error {
	t := &x.Target
	var err error
	switch a.Service {
	case "lambda":
		_, err = lambdaapi.Invoke.Do(ctx, s.Peers, &lambdaapi.InvocationRequest{FunctionName: t.Arn, InvocationType: new(lambdaapi.InvocationTypeEvent), Payload: []byte(input)})
	case "sqs":
		in := &sqsapi.SendMessageRequest{QueueUrl: new(queueURL(a)), MessageBody: &input}
		if t.SqsParameters != nil {
			in.MessageGroupId = t.SqsParameters.MessageGroupId
		}
		_, err = sqsapi.SendMessage.Do(ctx, s.Peers, in)
	case "sns":
		_, err = snsapi.Publish.Do(ctx, s.Peers, &snsapi.PublishInput{TopicArn: t.Arn, Message: &input})
	case "kinesis":
		_, err = kinesisapi.PutRecord.Do(ctx, s.Peers, &kinesisapi.PutRecordInput{StreamARN: t.Arn, Data: []byte(input), PartitionKey: t.KinesisParameters.PartitionKey})
	case "firehose":
		_, err = firehoseapi.PutRecord.Do(ctx, s.Peers, &firehoseapi.PutRecordInput{DeliveryStreamName: new(strings.TrimPrefix(a.Resource, "deliverystream/")), Record: &firehoseapi.Record{Data: []byte(input)}})
	case "events":
		var out *eventsapi.PutEventsResponse
		if t.Input == nil {
			input = "{}"
		}
		out, err = eventsapi.PutEvents.Do(ctx, s.Peers, &eventsapi.PutEventsRequest{Entries: []eventsapi.PutEventsRequestEntry{{EventBusName: t.Arn, Source: t.EventBridgeParameters.Source,
			DetailType: t.EventBridgeParameters.DetailType, Detail: &input, Resources: []string{x.arn()}}}})
		if err == nil && aws.Value(out.FailedEntryCount) > 0 {
			err = aws.Errorf(400, aws.Value(out.Entries[0].ErrorCode), "%s", aws.Value(out.Entries[0].ErrorMessage))
		}
	case "scheduler":
		err = s.callAny(ctx, a, input)
	default:
		err = aws.Errorf(501, "NotImplemented", "Targets of %s are not available in this version of Tule.", a.Service)
	}
	return err
}

// queueURL is the address by which SQS knows a queue.
func queueURL(a aws.ARN) string {
	return "https://sqs." + a.Region + ".amazonaws.com/" + a.Account + "/" + a.Resource
}

// classify is the outcome of a call. What a caller did wrong stays wrong.
func classify(err error) outcome {
	var e *aws.Error
	switch {
	case err == nil:
		return outcome{}
	case !errors.As(err, &e):
		return outcome{err: err, code: "SDK_CLIENT_ERROR"}
	case strings.Contains(e.Code, "Throttl"), e.Code == "TooManyRequestsException", e.Code == "ProvisionedThroughputExceededException", e.Status == 429:
		return outcome{err: err, code: "THROTTLING"}
	case e.Server() && e.Status != 501:
		return outcome{err: err, code: e.Code}
	}
	return outcome{err: err, code: e.Code, permanent: true}
}

// maxMessage is how much of an error's text a dead-letter queue is told.
const maxMessage = 1024

// failure is what the dead-letter queue is told of the outcome.
func (o outcome) failure(condition string) *failure {
	message := o.err.Error()
	var e *aws.Error
	if errors.As(o.err, &e) {
		message = e.Message
	}
	return &failure{Code: o.code, Message: strings.ToValidUTF8(message[:min(len(message), maxMessage)], ""), Condition: condition}
}

// bury sends what could not be delivered to the target's dead-letter queue, if it has one.
// It reports whether that is to be tried once more.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
func (s *Service) bury(ctx context.Context, x *invocation) (again bool) {
	if x.Target.DeadLetterConfig == nil || aws.Value(x.Target.DeadLetterConfig.Arn) == "" {
		return false
	}
	q, _ := aws.ParseARN(*x.Target.DeadLetterConfig.Arn)
	act, err := s.assume(ctx, x, q.Region)
	if err == nil {
		in := &sqsapi.SendMessageRequest{QueueUrl: new(queueURL(q)), MessageBody: new(x.input()), MessageAttributes: map[string]sqsapi.MessageAttributeValue{}}
		for name, value := range map[string]string{"SCHEDULE_ARN": x.arn(), "TARGET_ARN": *x.Target.Arn, "ERROR_CODE": x.Dead.Code, "ERROR_MESSAGE": x.Dead.Message, "EXECUTION_ID": x.ID,
			"SCHEDULED_TIME": x.Due.Format(inputTime), "RETRY_ATTEMPTS": strconv.Itoa(x.Tries - 1), "IS_PAYLOAD_TRUNCATED": "false", "EXHAUSTED_RETRY_CONDITION": x.Dead.Condition} {
			if value != "" {
				in.MessageAttributes[name] = sqsapi.MessageAttributeValue{DataType: new("String"), StringValue: &value}
			}
		}
		_, err = sqsapi.SendMessage.Do(act, s.Peers, in)
	}
	switch got := classify(err); {
	case err == nil:
		s.measure(x, "InvocationsSentToDeadLetterCount")
	case !got.permanent:
		return true
	default:
		s.measure(x, "InvocationsFailedToBeSentToDeadLetterCount")
		s.Logger.Warn("scheduler: a dead-letter queue takes nothing", "schedule", x.arn(), "queue", q, "error", err)
	}
	return false
}
