package events

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	logsapi "github.com/tule-cloud/tule/api/logs"
	snsapi "github.com/tule-cloud/tule/api/sns"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// send makes the delivery itself.
func (s *Service) send(ctx context.Context, d *delivery) outcome {
	a, ok := aws.ParseARN(*d.target.Arn)
	if !ok {
		return outcome{err: errors.New("the target's ARN is none"), permanent: true, code: "INVALID_PARAMETER"}
	}
	input, err := d.input()
	if err != nil {
		return outcome{err: err, permanent: true, code: "INVALID_JSON"}
	}
	if isDestination(a) || a.Service == "execute-api" {
		return s.sendHTTP(ctx, d, a, input)
	}
	select {
	case s.deliveries.slot <- struct{}{}:
	case <-ctx.Done():
		return outcome{err: ctx.Err()}
	}
	defer func() { <-s.deliveries.slot }()
	if to, isBus := parseBus(*d.target.Arn); isBus {
		return s.forward(ctx, d, to)
	}
	act := s.acting(ctx, d, a.Region)
	if d.target.RoleArn != nil {
		if act, err = s.assume(act, d, *d.target.RoleArn); err != nil {
			out := classify(err)
			out.code = map[bool]string{true: "NO_PERMISSIONS", false: "TRANSIENT_ASSUME_ROLE"}[out.permanent]
			return out
		}
	}
	return classify(s.call(act, d, a, input))
}

// call hands the input to the service that the target is of.
func (s *Service) call(ctx context.Context, d *delivery, a aws.ARN, input []byte) error {
	var err error
	switch a.Service {
	case "lambda":
		_, err = lambdaapi.Invoke.Do(ctx, s.Peers, &lambdaapi.InvocationRequest{FunctionName: d.target.Arn, InvocationType: new(lambdaapi.InvocationTypeEvent), Payload: input})
	case "sqs":
		in := &sqsapi.SendMessageRequest{QueueUrl: new(queueURL(a)), MessageBody: new(string(input))}
		if p := d.target.SqsParameters; p != nil {
			in.MessageGroupId = p.MessageGroupId
		}
		_, err = sqsapi.SendMessage.Do(ctx, s.Peers, in)
	case "sns":
		_, err = snsapi.Publish.Do(ctx, s.Peers, &snsapi.PublishInput{TopicArn: d.target.Arn, Message: new(string(input))})
	case "kinesis":
		_, err = kinesisapi.PutRecord.Do(ctx, s.Peers, &kinesisapi.PutRecordInput{StreamARN: d.target.Arn, Data: input, PartitionKey: new(d.partitionKey())})
	case "firehose":
		_, err = firehoseapi.PutRecord.Do(ctx, s.Peers, &firehoseapi.PutRecordInput{DeliveryStreamName: new(strings.TrimPrefix(a.Resource, "deliverystream/")), Record: &firehoseapi.Record{Data: input}})
	case "logs":
		err = s.log(ctx, d, a, input)
	default:
		err = aws.Errorf(501, "NotImplemented", "Targets of %s are not available in this version of Tule.", a.Service)
	}
	return err
}

// queueURL is the address by which SQS knows a queue.
func queueURL(a aws.ARN) string {
	return "https://sqs." + a.Region + ".amazonaws.com/" + a.Account + "/" + a.Resource
}

// partitionKey is what a Kinesis target's parameters choose, the event's id by default.
func (d *delivery) partitionKey() string {
	e, err := parseEvent(d.event)
	if err != nil {
		return "-"
	}
	if k := d.target.KinesisParameters; k != nil {
		if p, ok := parsePath(*k.PartitionKeyPath); ok {
			if raw, ok := p.find(d.event); ok {
				key := string(raw)
				if raw[0] == '"' {
					json.Unmarshal(raw, &key) // a string that was parsed before
				}
				if key = strings.ToValidUTF8(key[:min(len(key), 256)], ""); key != "" {
					return key
				}
			}
		}
	}
	return e.ID
}

// log writes the input to a group of logs. A transformer may say message and time itself.
func (s *Service) log(ctx context.Context, d *delivery, a aws.ARN, input []byte) error {
	group := strings.TrimSuffix(strings.TrimPrefix(a.Resource, "log-group:"), ":*")
	line := struct {
		Timestamp json.Number `json:"timestamp"`
		Message   *string     `json:"message"`
	}{}
	when, message := s.Clock.Now().UnixMilli(), string(input)
	if d.target.InputTransformer != nil && json.Unmarshal(input, &line) == nil && line.Message != nil {
		message = *line.Message
		if n, err := line.Timestamp.Int64(); err == nil {
			when = n
		}
	}
	stream := d.logStream()
	put := &logsapi.PutLogEventsRequest{LogGroupName: &group, LogStreamName: &stream, LogEvents: []logsapi.InputLogEvent{{Message: &message, Timestamp: &when}}}
	_, err := logsapi.PutLogEvents.Do(ctx, s.Peers, put)
	if aws.CodeOf(err) != "ResourceNotFoundException" {
		return err
	}
	_, err = logsapi.CreateLogStream.Do(ctx, s.Peers, &logsapi.CreateLogStreamRequest{LogGroupName: &group, LogStreamName: &stream})
	if err != nil && aws.CodeOf(err) != "ResourceAlreadyExistsException" {
		return err
	}
	_, err = logsapi.PutLogEvents.Do(ctx, s.Peers, put)
	return err
}

// logStream is a stream for a rule's events of one day.
func (d *delivery) logStream() string {
	return d.accepted.UTC().Format("2006/01/02/") + d.rule.Name
}

// acting is a context in which EventBridge calls another service for a rule.
func (s *Service) acting(ctx context.Context, d *delivery, region string) context.Context {
	if region == "" {
		region = d.bus.scope.Region
	}
	req := aws.Request{Region: region, Scheme: "https", Host: "events." + d.bus.scope.Region + ".amazonaws.com", ID: aws.RandomUUID(s.Random), Time: s.Clock.Now(), Secure: true}
	return aws.WithRequest(ctx, req.As(aws.ServiceCaller(principal, d.bus.scope.Account, d.ruleARN())))
}

// sessions are roles that were assumed, for a rule each.
type sessions struct {
	mu sync.Mutex
	of map[sessionKey]session
}

type sessionKey struct{ role, rule string }

type session struct {
	caller aws.Caller
	until  time.Time
}

const (
	sessionName  = "EventBridge"
	sessionTrust = 5 * time.Minute // how long a session is used: what a role may do is asked anew with each call
	maxSessions  = 4096
)

// assume is ctx as a session of a role.
func (s *Service) assume(ctx context.Context, d *delivery, role string) (context.Context, error) {
	key, now := sessionKey{role, d.ruleARN()}, s.Clock.Now()
	s.sessions.mu.Lock()
	have, ok := s.sessions.of[key]
	s.sessions.mu.Unlock()
	if !ok || !have.until.After(now) {
		got, err := stsapi.AssumeRole.Do(ctx, s.Peers, &stsapi.AssumeRoleRequest{RoleArn: &role, RoleSessionName: new(sessionName)})
		if err != nil {
			return nil, err
		}
		id, _, _ := strings.Cut(aws.Value(got.AssumedRoleUser.AssumedRoleId), ":")
		have = session{aws.RoleSession(role, id, sessionName), now.Add(sessionTrust)}
		s.sessions.mu.Lock()
		if s.sessions.of == nil || len(s.sessions.of) >= maxSessions {
			s.sessions.of = map[sessionKey]session{}
		}
		s.sessions.of[key] = have
		s.sessions.mu.Unlock()
	}
	return aws.WithRequest(ctx, aws.RequestOf(ctx).As(have.caller)), nil
}

// maxHops is how many buses of one account in one region an event may go by.
const maxHops = 5

// forward puts an event to another bus, as it is.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html
func (s *Service) forward(ctx context.Context, d *delivery, to busRef) outcome {
	if bad := hop(d, to); bad != nil {
		return *bad
	}
	ev, err := parseEvent(d.event)
	if err != nil {
		return outcome{err: err, permanent: true, code: "INVALID_JSON"}
	}
	act := s.acting(ctx, d, to.scope.Region)
	need := putAccess(to, ev.Source, ev.DetailType, true)
	need.Policy = s.busPolicy(to)
	switch {
	case d.target.RoleArn != nil:
		if act, err = s.assume(act, d, *d.target.RoleArn); err != nil {
			return classify(err)
		}
		err = s.Allow(act, need)
	case to.scope.Account != d.bus.scope.Account:
		account := d.bus.scope.Account
		root := aws.Caller{Kind: aws.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
		err = s.Allow(aws.WithRequest(act, aws.RequestOf(act).As(root)), need)
	}
	if err == nil {
		err = s.busExists(ctx, to)
	}
	if err == nil {
		err = s.accept(ctx, []*arrival{{bus: to, ev: *ev, hops: append(slices.Clone(d.hops), d.bus.arn())}})
	}
	out := classify(err)
	if out.err != nil && out.permanent && out.code == "NO_PERMISSIONS" && to.scope != d.bus.scope {
		out.code = map[bool]string{true: "CROSS_ACCOUNT_INGESTION_FAILED", false: "CROSS_REGION_INGESTION_FAILED"}[to.scope.Account != d.bus.scope.Account]
	}
	return out
}

// hop refuses to send an event in circles, or on to a third account or region.
func hop(d *delivery, to busRef) *outcome {
	crossedAccount, crossedRegion, same := false, false, 0
	for _, h := range append(slices.Clone(d.hops), d.bus.arn()) {
		b, _ := parseBus(h)
		crossedAccount = crossedAccount || b.scope.Account != d.bus.scope.Account
		crossedRegion = crossedRegion || b.scope.Region != d.bus.scope.Region
		if b == to {
			same = maxHops
		}
		same++
	}
	switch {
	case crossedAccount && to.scope.Account != d.bus.scope.Account:
		return &outcome{err: errors.New("the event came from another account and is not sent to a third"), permanent: true, code: "THIRD_ACCOUNT_HOP_DETECTED"}
	case crossedRegion && to.scope.Region != d.bus.scope.Region:
		return &outcome{err: errors.New("the event came from another region and is not sent to a third"), permanent: true, code: "THIRD_REGION_HOP_DETECTED"}
	case same > maxHops:
		return &outcome{err: errors.New("the event has been at this bus, or at too many"), permanent: true, code: "RESOURCE_LIMIT_EXCEEDED"}
	}
	return nil
}
