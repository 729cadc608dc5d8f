package sns

import (
	"context"
	"encoding/json"
	"errors"
	"net/mail"
	"slices"
	"strings"
	"time"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	sesapi "github.com/tule-cloud/tule/api/ses"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An outcome is what came of one attempt.
type outcome struct {
	err       error
	permanent bool // trying again is of no use
	status    int
	response  string // for the log of deliveries
}

// attempt makes one delivery, and notes what came of it: again says that it is to be
// tried once more, after wait.
func (s *Service) attempt(ctx context.Context, j *job) (wait time.Duration, again bool) {
	m, t, sub, err := s.loadJob(ctx, j)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, store.ErrNotFound) {
			s.Logger.Warn("sns: read a delivery; trying again", "error", err)
			return time.Second, true
		}
		return 0, false
	}
	if sub == nil {
		s.settle(ctx, j) // nobody is subscribed any more
		return 0, false
	}
	began := s.Clock.Now()
	out := s.send(ctx, t, sub, m)
	if ctx.Err() != nil {
		return 0, false // the process ends; the next one delivers
	}
	tries := j.f.tried(j.sub)
	if out.err == nil {
		s.measureDelivered(sub.at, m, nil)
		s.feedback.note(t, sub, m, began, out, tries)
		s.settle(ctx, j)
		return 0, false
	}
	if !out.permanent {
		if wait, ok := sub.policy.retry.delay(tries); ok && m.Type != unsubscribedType {
			if wait > 0 {
				wait += s.jitter(wait)
				s.postpone(ctx, j, wait)
			}
			return wait, true
		}
	}
	s.measureDelivered(sub.at, m, out.err)
	s.feedback.note(t, sub, m, began, out, tries)
	s.Logger.Info("sns: a delivery failed for good", "subscription", sub.arn(), "message", m.ID, "tries", tries, "error", out.err)
	return s.redrive(ctx, j, t, sub, m)
}

// jitter is up to a twentieth of a delay.
func (s *Service) jitter(d time.Duration) time.Duration {
	var b [1]byte
	if _, err := s.Random.Read(b[:]); err != nil {
		return 0
	}
	return d / 20 * time.Duration(b[0]) / 255
}

// loadJob finds what a delivery needs; sub is nil if there is no such subscription.
func (s *Service) loadJob(ctx context.Context, j *job) (m *message, t *topic, sub *subscriber, err error) {
	j.f.mu.Lock()
	m = j.f.message
	j.f.mu.Unlock()
	k := j.f.key
	err = s.Store.View(ctx, func(r store.Reader) error {
		if m == nil {
			found, err := messages.Get(ctx, r, k.at.scope, k.at.name, k.number, k.id)
			if err != nil {
				return err
			}
			m = &found
		}
		v, err := s.view(ctx, r, k.at)
		if aws.CodeOf(err) == "NotFound" {
			return nil
		}
		if err != nil {
			return err
		}
		t, sub = &v.topic, v.byID[j.sub]
		if sub != nil && sub.Pending && m.Type == notification {
			sub = nil
		}
		return nil
	})
	return m, t, sub, err
}

// tried counts a try.
func (f *flight) tried(sub string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.targets {
		if f.targets[i].Sub == sub {
			f.targets[i].Tries++
			return f.targets[i].Tries
		}
	}
	return 1
}

// settle ends a delivery; with the last, the flight is over. Where others wait to be
// tried again, it is noted that this one need not be.
func (s *Service) settle(ctx context.Context, j *job) {
	j.f.mu.Lock()
	j.f.targets = slices.DeleteFunc(j.f.targets, func(t target) bool { return t.Sub == j.sub })
	rest := fan{slices.Clone(j.f.targets)}
	j.f.mu.Unlock()
	if len(rest.Targets) == 0 {
		s.deliveries.end(j.f.key)
	} else if slices.ContainsFunc(rest.Targets, func(t target) bool { return !t.Due.IsZero() }) {
		s.keepFan(context.WithoutCancel(ctx), j.f.key, rest)
	}
}

// postpone notes when a delivery is tried again, and which others are done. The message
// is read again then.
func (s *Service) postpone(ctx context.Context, j *job, wait time.Duration) {
	j.f.mu.Lock()
	for i := range j.f.targets {
		if j.f.targets[i].Sub == j.sub {
			j.f.targets[i].Due = s.Clock.Now().Add(wait)
		}
	}
	rest := fan{slices.Clone(j.f.targets)}
	j.f.message = nil
	j.f.mu.Unlock()
	s.keepFan(ctx, j.f.key, rest)
}

// keepFan notes to whom a message still has to go.
func (s *Service) keepFan(ctx context.Context, k flightKey, rest fan) {
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := fans.Has(ctx, tx, k.at.scope, k.at.name, k.number, k.id)
		if err != nil || !has {
			return err // the topic is gone
		}
		return fans.Put(tx, k.at.scope, rest, k.at.name, k.number, k.id)
	})
	if err != nil && ctx.Err() == nil {
		s.Logger.Warn("sns: note a delivery that is tried again", "error", err) // it is tried from the beginning after a restart
	}
}

// send makes the delivery itself.
func (s *Service) send(ctx context.Context, t *topic, sub *subscriber, m *message) outcome {
	switch sub.Protocol {
	case "sqs":
		return s.within(ctx, func() outcome { return s.sendSQS(ctx, t, sub, m, sub.Endpoint) })
	case "lambda":
		return s.within(ctx, func() outcome { return s.sendLambda(ctx, t, sub, m) })
	case "http", "https":
		return s.sendHTTP(ctx, t, sub, m)
	case "email", "email-json":
		return s.sendMail(ctx, t, sub, m)
	case "sms", "application":
		return outcome{err: s.keepPushed(ctx, pushedMessage{Target: sub.Endpoint, Topic: sub.at.arn(), Subscription: sub.arn(), ID: m.ID, Body: m.body(platformOf(sub)), Subject: m.Subject, SMS: sub.Protocol == "sms"}, sub.at.scope), status: 200}
	}
	return s.within(ctx, func() outcome { return s.sendStream(ctx, sub, m) }) // firehose
}

// within runs a delivery that stays in this process: so many at once that they keep it
// busy, and no more.
func (s *Service) within(ctx context.Context, f func() outcome) outcome {
	select {
	case s.deliveries.slot <- struct{}{}:
	case <-ctx.Done():
		return outcome{err: ctx.Err()}
	}
	defer func() { <-s.deliveries.slot }()
	return f()
}

// acting is a context in which SNS calls another service for a topic.
func (s *Service) acting(ctx context.Context, at topicRef, region, trace string) context.Context {
	req := aws.Request{Region: region, Scheme: "https", Host: certificateHost(at.scope.Region), ID: aws.RandomUUID(s.Random), Time: s.Clock.Now(), Secure: true, Trace: trace}
	return aws.WithRequest(ctx, req.As(aws.ServiceCaller(principal, at.scope.Account, at.arn())))
}

// came is the outcome of a call of another service: what it refuses is refused for good,
// but for throttling.
func came(err error, success int, response string) outcome {
	var e *aws.Error
	switch {
	case err == nil:
		return outcome{status: success, response: response}
	case errors.As(err, &e):
		throttled := strings.Contains(e.Code, "Throttl") || e.Code == "TooManyRequestsException" || e.Code == "RequestThrottled"
		text, _ := json.Marshal(map[string]string{"ErrorCode": e.Code, "ErrorMessage": e.Message})
		return outcome{err: err, permanent: !e.Server() && !throttled, status: e.Status, response: string(text)}
	}
	return outcome{err: err, status: 500, response: err.Error()}
}

// raw reports whether the endpoint gets the message as it was published.
func (s *subscriber) raw(m *message) bool {
	return s.Attributes["RawMessageDelivery"] == "true" && m.Type == notification
}

func (s *Service) sendSQS(ctx context.Context, t *topic, sub *subscriber, m *message, queue string) outcome {
	a, ok := aws.ParseARN(queue)
	if !ok {
		return outcome{err: errText("not the ARN of a queue"), permanent: true}
	}
	in := &sqsapi.SendMessageRequest{QueueUrl: new("https://sqs." + a.Region + ".amazonaws.com/" + a.Account + "/" + a.Resource)}
	if sub.raw(m) {
		in.MessageBody = new(m.body("sqs"))
		for i := range m.Attributes {
			at := &m.Attributes[i]
			if in.MessageAttributes == nil {
				in.MessageAttributes = map[string]sqsapi.MessageAttributeValue{}
			}
			v := sqsapi.MessageAttributeValue{DataType: &at.Type}
			if at.binary() {
				v.BinaryValue = []byte(at.Value)
			} else {
				v.StringValue = &at.Value
			}
			in.MessageAttributes[at.Name] = v
		}
	} else {
		body, err := s.envelope(t, sub, m)
		if err != nil {
			return outcome{err: err}
		}
		in.MessageBody = new(string(body))
	}
	if m.Trace != "" {
		in.MessageSystemAttributes = map[string]sqsapi.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: new("String"), StringValue: &m.Trace}}
	}
	switch fifo := strings.HasSuffix(a.Resource, ".fifo"); {
	case t.fifo() && fifo && m.Type == notification:
		in.MessageGroupId, in.MessageDeduplicationId = &m.Group, &m.Dedup
	case !t.fifo() && m.Group != "":
		in.MessageGroupId = &m.Group
	}
	_, err := sqsapi.SendMessage.Do(s.acting(ctx, sub.at, a.Region, m.Trace), s.Peers, in)
	return came(err, 200, "")
}

func (s *Service) sendLambda(ctx context.Context, t *topic, sub *subscriber, m *message) outcome {
	a, _ := aws.ParseARN(sub.Endpoint)
	event, err := s.event(t, sub, m)
	if err != nil {
		return outcome{err: err}
	}
	in := &lambdaapi.InvocationRequest{FunctionName: &sub.Endpoint, InvocationType: new(lambdaapi.InvocationTypeEvent), Payload: event}
	act := s.acting(ctx, sub.at, a.Region, m.Trace)
	_, err = lambdaapi.Invoke.Do(act, s.Peers, in)
	return came(err, 202, `{"lambdaRequestId":"`+aws.RequestOf(act).ID+`"}`)
}

// mailSender is whose mail it is.
const mailSender = "no-reply@sns.amazonaws.com"

// sendMail hands a message to SES, which keeps it until it is sent.
func (s *Service) sendMail(ctx context.Context, t *topic, sub *subscriber, m *message) outcome {
	to, err := mail.ParseAddress(sub.Endpoint)
	if err != nil {
		return outcome{err: err, permanent: true}
	}
	subject, body := m.Subject, ""
	if subject == "" {
		subject = "AWS Notification Message"
	}
	switch {
	case sub.Protocol == "email-json":
		b, err := s.envelope(t, sub, m)
		if err != nil {
			return outcome{err: err}
		}
		body = string(b)
	case m.Type == notification:
		body = m.body(sub.Protocol) + "\n\n--\nIf you wish to stop receiving notifications from this topic, please click or visit the link below to unsubscribe:\n" +
			sub.unsubscribeURL() + "&Endpoint=" + sub.Endpoint + "\n"
	default:
		subject = "AWS Notification - Subscription Confirmation"
		body = "You have chosen to subscribe to the topic:\n" + sub.at.arn() + "\n\nTo confirm this subscription, click or visit the link below (If this was in error no action is necessary):\n" +
			m.subscribeURL(sub.at.arn()) + "\n"
	}
	name := t.Attributes["DisplayName"]
	if name == "" {
		name = "AWS Notifications"
	}
	in := &sesapi.SendEmailRequest{Source: new((&mail.Address{Name: name, Address: s.Sender}).String()),
		Destination: &sesapi.Destination{ToAddresses: []string{to.Address}},
		Message:     &sesapi.Message{Subject: &sesapi.Content{Data: &subject, Charset: new("UTF-8")}, Body: &sesapi.Body{Text: &sesapi.Content{Data: &body, Charset: new("UTF-8")}}}}
	_, err = sesapi.SendEmail.Do(s.acting(ctx, sub.at, sub.at.scope.Region, m.Trace), s.Peers, in)
	return came(err, 200, "")
}

// redrive sends what could not be delivered to the subscription's dead-letter queue, and
// ends the delivery.
func (s *Service) redrive(ctx context.Context, j *job, t *topic, sub *subscriber, m *message) (wait time.Duration, again bool) {
	queue := deadLetterQueue(sub.Attributes["RedrivePolicy"])
	if queue == "" || m.Type == unsubscribedType {
		s.settle(ctx, j)
		return 0, false
	}
	out := s.within(ctx, func() outcome { return s.sendSQS(ctx, t, sub, m, queue) })
	if out.err != nil && !out.permanent {
		s.postpone(ctx, j, managedWait)
		return managedWait, true
	}
	s.measureRedriven(sub.at, out.err)
	if out.err != nil {
		s.Logger.Warn("sns: a dead-letter queue takes nothing", "subscription", sub.arn(), "queue", queue, "message", m.ID, "error", out.err)
	}
	s.settle(ctx, j)
	return 0, false
}

// managedWait is how long a dead-letter queue that fails is left alone.
const managedWait = 20 * time.Second
