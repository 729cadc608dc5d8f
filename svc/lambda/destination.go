package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/store"
)

// Why an event was told to a destination.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
const (
	succeeded = "Success"
	exhausted = "RetriesExhausted"
	aged      = "EventAgeExceeded"
	closed    = "ZeroReservedConcurrency"
)

// notice is what a destination is told of an event.
type notice struct {
	Version   string           `json:"version"`
	Timestamp string           `json:"timestamp"`
	Request   noticeRequest    `json:"requestContext"`
	Payload   json.RawMessage  `json:"requestPayload"`
	Response  *noticeResponse  `json:"responseContext,omitempty"`
	Answer    *json.RawMessage `json:"responsePayload,omitempty"`
}

type noticeRequest struct {
	RequestID   string `json:"requestId"`
	FunctionARN string `json:"functionArn"`
	Condition   string `json:"condition"`
	Count       int    `json:"approximateInvokeCount"`
}

type noticeResponse struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError,omitempty"`
}

// newNotice is the notice of an event; res is nil if the function has not answered.
func newNotice(now time.Time, id string, t *target, ev *event, condition string, res *runtimes.Result) ([]byte, error) {
	r := notice{Version: "1.0", Timestamp: now.UTC().Format("2006-01-02T15:04:05.000Z"), Payload: ev.Payload,
		Request: noticeRequest{id, t.at.arn(t.version.label()), condition, max(ev.Runs, 1)}}
	if res != nil {
		r.Response = &noticeResponse{200, t.version.label(), res.FunctionError}
		answer := json.RawMessage(res.Payload)
		if !json.Valid(answer) { // it was streamed
			text, err := json.Marshal(string(res.Payload))
			if err != nil {
				return nil, err
			}
			answer = text
		}
		r.Answer = &answer
	}
	return json.Marshal(r)
}

// checkDestination refuses what cannot be a destination of a function's events.
func (s *Service) checkDestination(ctx context.Context, r store.Reader, at ref, arn string) error {
	if arn == "" {
		return nil
	}
	a, ok := aws.ParseARN(arn)
	if !ok {
		return invalid("The destination ARN %s is invalid.", arn)
	}
	switch a.Service {
	case "lambda":
		to, qualifier, err := parseName(s.acting(ctx, at, aws.ServiceCaller(principal, at.scope.Account, at.arn(""))), &arn, nil)
		if err != nil {
			return invalid("The destination ARN %s is invalid.", arn)
		}
		if to == at {
			return invalid("You can't specify the function as a destination for itself.")
		}
		_, err = s.resolve(ctx, r, to, qualifier)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			return invalid("The destination ARN %s is invalid.", arn)
		}
		return err
	case "sqs", "sns", "events", "s3":
		// A destination that nobody answers for would lose events.
		return unbuilt("Destinations of asynchronous invokes in " + map[string]string{"sqs": "Amazon SQS", "sns": "Amazon SNS",
			"events": "Amazon EventBridge", "s3": "Amazon S3"}[a.Service] + " are")
	}
	return invalid("The destination ARN %s is invalid.", arn)
}

// deliver tells the event's destination, under the function's role. What the destination
// refuses is given up; what fails is an error, and tried again.
func (q *queue) deliver(ctx context.Context, w waiting, ev *event) error {
	s := q.s
	err := s.tell(ctx, w.at, ev)
	var e *aws.Error
	now := s.Clock.Now()
	switch {
	case err == nil:
		return q.settle(ctx, w)
	case errors.As(err, &e) && !e.Server() && e.Code != "TooManyRequestsException", now.Sub(ev.Decided) > maxEventAge:
		s.Logger.Warn("lambda: a destination could not be told of an event", "function", w.at.arn(""), "id", w.id, "destination", ev.To, "error", err)
		s.measure(w.at, "DestinationDeliveryFailures", 1)
		return q.settle(ctx, w)
	}
	ev.Throttled++
	ev.Due = now.Add(s.throttleDelay(ev.Throttled))
	return q.keep(ctx, w, ev)
}

// tell brings the record to where the event's destination is.
func (s *Service) tell(ctx context.Context, at ref, ev *event) error {
	role, err := s.roles.session(ctx, at, ev.Role)
	if err != nil {
		return err
	}
	ctx = s.acting(ctx, at, role.caller)
	aws.RequestOf(ctx).Trace = ev.Trace
	_, err = api.Invoke.Do(ctx, s.Peers, &api.InvocationRequest{FunctionName: &ev.To, InvocationType: ptr(api.InvocationTypeEvent), Payload: ev.Record})
	return err
}
