package logs

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A receiver is a destination with what one needs to reach it.
type receiver struct {
	aws.ARN
	arn    string
	role   string
	random bool // spread over shards, whatever the stream
	source string
	owner  string // the account in which the role is assumed or the function called
}

// kind is the receiver's kind, as metrics and errors name it.
func (r *receiver) kind() string {
	switch r.Service {
	case "kinesis":
		return "Kinesis"
	case "firehose":
		return "Firehose"
	}
	return "Lambda"
}

// most is how many bytes of events the receiver takes at once.
func (r *receiver) most() int {
	if r.Service == "lambda" {
		return lambdaParcel
	}
	return streamParcel
}

// receiverOf finds who gets what an outlet delivers: of a destination, its target.
func (s *Service) receiverOf(ctx context.Context, sc store.Scope, o *outlet, source string) (*receiver, error) {
	r := &receiver{arn: o.Destination, role: o.Role, random: o.Distribution == api.DistributionRandom, source: source, owner: sc.Account}
	a, ok := aws.ParseARN(o.Destination)
	if ok && a.Service == "logs" {
		err := s.store.View(ctx, func(rd store.Reader) error {
			d, err := s.destinationAt(ctx, rd, o.Destination)
			r.arn, r.role, r.owner = d.Target, d.Role, a.Account
			return err
		})
		if err != nil {
			return nil, err
		}
		a, ok = aws.ParseARN(r.arn)
	}
	if r.ARN = a; !ok || a.Service != "lambda" && a.Service != "kinesis" && a.Service != "firehose" {
		return nil, api.InvalidParameterException("destinationArn for vendor %s cannot be used with subscription filters", a.Service)
	}
	return r, nil
}

// checkOutlet says whether what a subscription asks for can be.
func (s *Service) checkOutlet(ctx context.Context, sc store.Scope, group string, o *outlet) error {
	a, _ := aws.ParseARN(o.Destination)
	switch {
	case a.Service == "logs" && o.Role != "" && a.Account == sc.Account:
		// AWS takes a role beside a destination, and has no use for it.
	case (a.Service == "kinesis" || a.Service == "firehose") && o.Role == "":
		return api.InvalidParameterException("destinationArn for vendor %s requires a roleArn to be specified.", a.Service)
	case a.Service == "lambda" && o.Role != "":
		return api.InvalidParameterException("destinationArn for vendor lambda cannot be used with roleArn")
	case a.Service != "logs" && a.Service != "lambda" && a.Account != sc.Account:
		return api.InvalidParameterException("Cross-account subscriptions go through a destination.")
	}
	f := feed{Scope: sc, group: group}
	return s.probe(ctx, sc, o, f.sourceARN())
}

// probe finds out whether a receiver can be reached: a stream gets a message that says
// so, a function is only asked whether it may be called.
func (s *Service) probe(ctx context.Context, sc store.Scope, o *outlet, source string) error {
	r, err := s.receiverOf(ctx, sc, o, source)
	if err != nil {
		return err
	}
	switch r.Service {
	case "lambda":
		if err := s.invoke(ctx, r, lambdaapi.InvocationTypeDryRun, nil); err != nil {
			return api.InvalidParameterException("Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.").Because(err)
		}
		return nil
	case "kinesis":
		data, err := controlMessage("Kinesis stream", s.now())
		if err == nil {
			_, err = s.toKinesis(ctx, r, []parcel{{data: data}})
		}
		if err != nil {
			return api.InvalidParameterException("Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream is in ACTIVE state.").Because(err)
		}
		return nil
	}
	data, err := controlMessage("Firehose", s.now())
	if err == nil {
		_, err = s.toFirehose(ctx, r, []parcel{{data: data}})
	}
	if err != nil {
		return api.InvalidParameterException("Could not deliver test message to specified Firehose stream. Check if the given Firehose stream is in ACTIVE state.").Because(err)
	}
	return nil
}

// deliver sends parcels, and returns those that did not arrive, with why.
func (s *Service) deliver(ctx context.Context, r *receiver, list []parcel) ([]parcel, error) {
	switch r.Service {
	case "kinesis":
		return s.toKinesis(ctx, r, list)
	case "firehose":
		return s.toFirehose(ctx, r, list)
	}
	for i := range list {
		payload, err := lambdaEvent(list[i].data)
		if err == nil {
			err = s.invoke(ctx, r, lambdaapi.InvocationTypeEvent, payload)
		}
		if err != nil {
			return list[i:], err
		}
	}
	return nil, nil
}

// lambdaEvent is the event that a function gets.
func lambdaEvent(data []byte) ([]byte, error) {
	var e struct {
		Logs struct {
			Data string `json:"data"`
		} `json:"awslogs"`
	}
	e.Logs.Data = base64.StdEncoding.EncodeToString(data)
	return json.Marshal(&e)
}

// invoke calls a function, as the service that the function's policy speaks of: by its
// name of today, or by that of its region.
func (s *Service) invoke(ctx context.Context, r *receiver, kind string, payload []byte) (err error) {
	for _, who := range principals(r.Region) {
		as := s.acting(ctx, r, aws.ServiceCaller(who, r.owner, r.source))
		_, err = lambdaapi.Invoke.Do(as, s.peers, &lambdaapi.InvocationRequest{FunctionName: &r.arn, InvocationType: &kind, Payload: payload})
		if !denied(err) {
			return err
		}
	}
	return err
}

// principals are the names that policies know this service by.
func principals(region string) [2]string {
	return [2]string{"logs.amazonaws.com", "logs." + region + ".amazonaws.com"}
}

func denied(err error) bool {
	code := aws.CodeOf(err)
	return code == "AccessDenied" || code == "AccessDeniedException"
}

// acting is a context in which caller calls another service.
func (s *Service) acting(ctx context.Context, r *receiver, caller aws.Caller) context.Context {
	req := aws.Request{ID: aws.RandomUUID(s.random), Region: r.Region, Time: s.clock.Now(), Scheme: "https", Host: "logs." + r.Region + ".amazonaws.com", Secure: true}
	return aws.WithRequest(ctx, req.As(caller))
}

// partition is the key by which a stream of shards spreads parcels.
func (s *Service) partition(r *receiver, p *parcel) string {
	if r.random {
		return aws.RandomUUID(s.random)
	}
	sum := md5.Sum([]byte(r.source + p.stream)) // it guards nothing
	return hex.EncodeToString(sum[:])
}

// Limits of one call of the streams.
const (
	maxRecords  = 500
	recordBytes = 4 << 20
)

// toKinesis puts parcels into a stream, and returns those that it did not take.
func (s *Service) toKinesis(ctx context.Context, r *receiver, list []parcel) (left []parcel, why error) {
	as, err := s.asRole(ctx, r)
	if err != nil {
		return list, err
	}
	for len(list) > 0 {
		n := fitting(list)
		in := &kinesisapi.PutRecordsInput{StreamARN: &r.arn, Records: make([]kinesisapi.PutRecordsRequestEntry, n)}
		for i := range n {
			key := s.partition(r, &list[i])
			in.Records[i] = kinesisapi.PutRecordsRequestEntry{Data: list[i].data, PartitionKey: &key}
		}
		out, err := kinesisapi.PutRecords.Do(as, s.peers, in)
		if err != nil {
			s.roles.forget(r)
			return append(left, list...), err
		}
		for i := range out.Records {
			if code := out.Records[i].ErrorCode; code != nil {
				left, why = append(left, list[i]), aws.Errorf(400, *code, "%s", aws.Value(out.Records[i].ErrorMessage))
			}
		}
		list = list[n:]
	}
	return left, why
}

// toFirehose is toKinesis for delivery streams.
func (s *Service) toFirehose(ctx context.Context, r *receiver, list []parcel) (left []parcel, why error) {
	as, err := s.asRole(ctx, r)
	if err != nil {
		return list, err
	}
	name := strings.TrimPrefix(r.Resource, "deliverystream/")
	for len(list) > 0 {
		n := fitting(list)
		in := &firehoseapi.PutRecordBatchInput{DeliveryStreamName: &name, Records: make([]firehoseapi.Record, n)}
		for i := range n {
			in.Records[i] = firehoseapi.Record{Data: list[i].data}
		}
		out, err := firehoseapi.PutRecordBatch.Do(as, s.peers, in)
		if err != nil {
			s.roles.forget(r)
			return append(left, list...), err
		}
		for i := range out.RequestResponses {
			if code := out.RequestResponses[i].ErrorCode; code != nil {
				left, why = append(left, list[i]), aws.Errorf(400, *code, "%s", aws.Value(out.RequestResponses[i].ErrorMessage))
			}
		}
		list = list[n:]
	}
	return left, why
}

// fitting is how many of list one call takes.
func fitting(list []parcel) (n int) {
	for size := 0; n < len(list) && n < maxRecords; n++ {
		if size += len(list[n].data); size > recordBytes && n > 0 {
			break
		}
	}
	return n
}

// hopeless reports whether an error will be the same for ever: the receiver takes no
// such thing.
func hopeless(err error) bool {
	switch aws.CodeOf(err) {
	case "RequestTooLargeException", "RequestEntityTooLargeException", "InvalidArgumentException", "InvalidRequestContentException", "ValidationException":
		return true
	}
	return false
}

func throttled(err error) bool {
	code := aws.CodeOf(err)
	return strings.Contains(code, "Throttl") || strings.Contains(code, "TooManyRequests") || strings.Contains(code, "ProvisionedThroughput") || code == "ServiceUnavailableException"
}

const (
	// giveUp is for how long a delivery is tried.
	giveUp = 24 * time.Hour
	// The waits between tries grow from firstWait to lastWait.
	firstWait, lastWait = time.Second, 5 * time.Minute
	// patience is how long one try may take.
	patience = 2 * time.Minute
)

// errGivenUp is why a batch was dropped.
var errGivenUp = errors.New("the destination has taken nothing for a day")

// send delivers a batch of a feed, trying until it has arrived, is hopeless or a day is
// over. An error means that ctx ended or the store failed.
func (s *Service) send(ctx context.Context, f feed, b *batch) error {
	p, err := s.patterns.get(b.Pattern)
	if err != nil {
		return s.pass(ctx, f, b.next) // such a pattern is not taken
	}
	if len(b.streams) == 0 {
		return s.pass(ctx, f, b.next)
	}
	var r *receiver
	var list []parcel
	for wait := time.Duration(0); ; {
		if r == nil {
			if r, err = s.receiverOf(ctx, f.Scope, &b.outlet, f.sourceARN()); err == nil {
				list, err = parcels(f, b, p, r.most())
			}
		}
		if err == nil && len(list) > 0 {
			list, err = s.try(ctx, f, r, list)
		}
		if err == nil {
			return s.pass(ctx, f, b.next)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if wait = min(max(2*wait, firstWait), lastWait); !s.again(ctx, f, b, wait, err) {
			return s.pass(ctx, f, b.next)
		}
		if gone, err := s.gone(ctx, f, b); err != nil || gone {
			return err
		}
		err = nil
	}
}

// try makes one attempt, within bounds, and measures it. Hopeless parcels are dropped.
func (s *Service) try(ctx context.Context, f feed, r *receiver, list []parcel) ([]parcel, error) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	left, err := s.deliver(bounded, r, list)
	sent := list[:len(list)-len(left)]
	s.measureForwarded(f, r, sent)
	if err == nil {
		return nil, nil
	}
	s.measureFailed(f, r, throttled(err), len(left))
	if hopeless(err) {
		s.logger.WarnContext(ctx, "logs: a subscriber takes nothing of this", "group", f.group, "filter", f.name[1:], "destination", r.arn, "messages", len(left), "error", err)
		if r.Service != "lambda" {
			return nil, nil
		}
		return s.try(ctx, f, r, left[1:]) // only the first was tried
	}
	return left, err
}

// again waits before the next try; false says that there is none.
func (s *Service) again(ctx context.Context, f feed, b *batch, wait time.Duration, why error) bool {
	now := s.now()
	if b.since == 0 {
		b.since = now
		if err := s.fail(ctx, f, now); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "logs: note a delivery that fails", "group", f.group, "error", err)
		}
	}
	if now-b.since > giveUp.Milliseconds() {
		s.logger.WarnContext(ctx, "logs: a delivery was given up", "group", f.group, "filter", f.name[1:], "error", fmt.Errorf("%w: %w", errGivenUp, why))
		return false
	}
	later, stop := s.clock.After(wait)
	defer stop()
	select {
	case <-later:
	case <-ctx.Done():
	}
	return true
}

// gone reports whether a feed has ended, or leads elsewhere, since b was read.
func (s *Service) gone(ctx context.Context, f feed, b *batch) (gone bool, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		o, err := outletOf(ctx, r, f)
		gone = o == nil || *o != b.outlet
		return err
	})
	return gone, err
}
