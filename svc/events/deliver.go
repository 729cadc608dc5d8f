package events

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A delivery is one event on its way to one target.
type delivery struct {
	bus      busRef
	rule     *ruleView
	target   *api.Target
	event    []byte
	hops     []string
	accepted time.Time
}

func (d *delivery) ruleARN() string { return d.bus.ruleARN(d.rule.Name) }

// An outcome is what came of one attempt.
type outcome struct {
	err       error
	permanent bool   // trying again is of no use
	code      string // AWS's word for it, for the dead-letter queue
	// wait is when the target wants to be tried again, if it says so.
	wait time.Duration
}

// How often and how long a delivery is tried where the target does not say.
const (
	maxTries = 185
	maxAge   = 24 * time.Hour
)

// attempt makes one delivery, and notes what came of it: again says that it is to be tried
// once more, after wait.
func (s *Service) attempt(ctx context.Context, j *job) (wait time.Duration, again bool) {
	d, tries, err := s.load(ctx, j)
	switch {
	case ctx.Err() != nil:
		return 0, false // the process ends; the next one delivers
	case errors.Is(err, store.ErrNotFound):
		return 0, false // the account was emptied
	case err != nil:
		s.Logger.Warn("events: read a delivery; trying again", "error", err)
		return time.Second, true
	case d == nil:
		s.deliveries.settle(ctx, j) // the target is gone
		return 0, false
	}
	out := s.send(ctx, d)
	if ctx.Err() != nil {
		return 0, false
	}
	s.measureAttempt(d, tries, out)
	if out.err == nil {
		s.deliveries.settle(ctx, j)
		return 0, false
	}
	condition := ""
	if !out.permanent {
		wait, condition = s.backOff(d, tries, out.wait)
		if condition == "" {
			s.deliveries.postpone(ctx, j, wait)
			return wait, true
		}
	}
	s.Logger.Info("events: a delivery failed for good", "rule", d.ruleARN(), "target", *d.target.Arn, "tries", tries, "error", out.err)
	return s.bury(ctx, j, d, tries, out, condition)
}

// load finds what a delivery needs, and counts the try; no delivery if its target is gone.
func (s *Service) load(ctx context.Context, j *job) (d *delivery, tries int, err error) {
	f := j.f
	f.mu.Lock()
	ev := f.event
	f.mu.Unlock()
	at := busRef{f.key.scope, f.bus}
	err = s.Store.View(ctx, func(r store.Reader) error {
		if ev == nil {
			have, err := waiting.Get(ctx, r, f.key.scope, f.key.at, f.key.id)
			if err != nil {
				return err
			}
			ev = have.event
		}
		v, err := s.view(ctx, r, at)
		if err != nil {
			return err
		}
		defer v.mu.RUnlock()
		rv := v.rules[j.rule]
		if rv == nil || rv.targets[j.id] == nil {
			return nil
		}
		d = &delivery{bus: at, rule: rv, target: rv.targets[j.id], event: ev, hops: f.hops, accepted: f.key.at}
		return nil
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.targets {
		if j.is(f.targets[i]) {
			f.targets[i].Tries++
			tries = f.targets[i].Tries
		}
	}
	return d, tries, err
}

// backOff is when a delivery that failed is tried again; or why it is not any more.
func (s *Service) backOff(d *delivery, tries int, wanted time.Duration) (wait time.Duration, condition string) {
	most, age := maxTries, maxAge
	if p := d.target.RetryPolicy; p != nil {
		if p.MaximumRetryAttempts != nil {
			most = int(*p.MaximumRetryAttempts)
		}
		if p.MaximumEventAgeInSeconds != nil {
			age = time.Duration(*p.MaximumEventAgeInSeconds) * time.Second
		}
	}
	if tries > most {
		return 0, "MaximumRetryAttempts"
	}
	wait = max(s.jitter(tries), wanted)
	if s.Clock.Now().Add(wait).Sub(d.accepted) > age {
		return 0, "MaximumEventAgeInSeconds"
	}
	return wait, ""
}

// longestWait is the most time between two tries: 185 of them take about a day.
const longestWait = 9 * time.Minute

// jitter is how long to wait after the given number of tries: twice as long each time, and
// by up to a half less, as chance has it.
func (s *Service) jitter(tries int) time.Duration {
	wait := longestWait
	if tries < 10 {
		wait = min(wait, time.Second<<tries)
	}
	var b [2]byte
	if _, err := s.Random.Read(b[:]); err != nil {
		return wait
	}
	return wait - wait/2*time.Duration(int(b[0])<<8|int(b[1]))/(1<<16)
}

// bury sends what could not be delivered to the target's dead-letter queue, if it has one,
// and ends the delivery.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func (s *Service) bury(ctx context.Context, j *job, d *delivery, tries int, out outcome, condition string) (wait time.Duration, again bool) {
	s.measureFailure(d)
	if d.target.DeadLetterConfig == nil || aws.Value(d.target.DeadLetterConfig.Arn) == "" {
		s.deliveries.settle(ctx, j)
		return 0, false
	}
	q, _ := aws.ParseARN(*d.target.DeadLetterConfig.Arn)
	in := &sqsapi.SendMessageRequest{QueueUrl: new(queueURL(q)), MessageBody: new(string(d.event)), MessageAttributes: map[string]sqsapi.MessageAttributeValue{}}
	for name, value := range map[string]string{"RULE_ARN": d.ruleARN(), "TARGET_ARN": *d.target.Arn, "ERROR_CODE": out.code, "ERROR_MESSAGE": out.message(),
		"RETRY_ATTEMPTS": strconv.Itoa(max(0, tries-1)), "EXHAUSTED_RETRY_CONDITION": condition} {
		if value != "" {
			in.MessageAttributes[name] = sqsapi.MessageAttributeValue{DataType: new("String"), StringValue: &value}
		}
	}
	_, err := sqsapi.SendMessage.Do(s.acting(ctx, d, q.Region), s.Peers, in)
	if err != nil && ctx.Err() != nil {
		return 0, false
	}
	came := classify(err)
	if err != nil && !came.permanent {
		s.deliveries.postpone(ctx, j, longestWait/9)
		return longestWait / 9, true
	}
	s.measureBurial(d, err == nil)
	if err != nil {
		s.Logger.Warn("events: a dead-letter queue takes nothing", "rule", d.ruleARN(), "queue", q, "error", err)
	}
	s.deliveries.settle(ctx, j)
	return 0, false
}

// maxMessage is how much of an error's text a dead-letter queue is told.
const maxMessage = 1024

func (o *outcome) message() string {
	text := o.err.Error()
	var e *aws.Error
	if errors.As(o.err, &e) {
		text = e.Message
	}
	text = strings.ToValidUTF8(text, "\ufffd")
	return strings.ToValidUTF8(text[:min(len(text), maxMessage)], "")
}

// classify is the outcome of a call of another service.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html#eb-rule-dlq-reason
func classify(err error) outcome {
	var e *aws.Error
	switch {
	case err == nil:
		return outcome{}
	case !errors.As(err, &e):
		return outcome{err: err, code: "SDK_CLIENT_ERROR"}
	case strings.Contains(e.Code, "Throttl"), e.Code == "TooManyRequestsException", e.Code == "ProvisionedThroughputExceededException", e.Status == 429:
		return outcome{err: err, code: "THROTTLING"}
	case strings.Contains(e.Code, "AccessDenied"), strings.Contains(e.Code, "Authoriz"), e.Status == 403:
		return outcome{err: err, code: "NO_PERMISSIONS", permanent: true}
	case strings.Contains(e.Code, "NotFound"), strings.Contains(e.Code, "NonExistent"), strings.Contains(e.Code, "NoSuch"):
		return outcome{err: err, code: "NO_RESOURCE", permanent: true}
	case e.Status == 501:
		return outcome{err: err, code: "ERROR_FROM_TARGET", permanent: true}
	case e.Server():
		return outcome{err: err, code: "ERROR_FROM_TARGET"}
	}
	return outcome{err: err, code: "INVALID_PARAMETER", permanent: true}
}
