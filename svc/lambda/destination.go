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
	if a.Service != "lambda" {
		if _, ok := s.outletOf(at, arn); !ok {
			return invalid("The destination ARN %s is invalid.", arn)
		}
		return nil
	}
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
}

// probeDestinations refuses destinations that the function's role cannot reach.
func (s *Service) probeDestinations(ctx context.Context, name, qualifier *string, to *api.DestinationConfig) error {
	if to == nil {
		return nil
	}
	t, err := s.find(ctx, name, qualifier)
	if err != nil {
		return nil // the transaction says what is wrong with the function
	}
	if to.OnSuccess != nil {
		if err := s.checkOutlet(ctx, t.at, t.version.Role, aws.Value(to.OnSuccess.Destination), deniedOnARN); err != nil {
			return err
		}
	}
	if to.OnFailure != nil {
		return s.checkOutlet(ctx, t.at, t.version.Role, aws.Value(to.OnFailure.Destination), deniedOnARN)
	}
	return nil
}

// deliver tells the event's destination, then its dead-letter queue, under the function's
// role. What they refuse is given up; what fails is an error, and tried again.
func (q *queue) deliver(ctx context.Context, w waiting, ev *event) error {
	s := q.s
	to, metric := ev.To, "DestinationDeliveryFailures"
	if to == "" {
		to, metric = ev.Dead, "DeadLetterErrors"
	}
	err := s.tell(ctx, w, ev)
	var e *aws.Error
	now := s.Clock.Now()
	switch {
	case err == nil && ev.Mapping != "":
		m := mapping{UUID: ev.Mapping, Metrics: []string{api.EventSourceMappingMetricEventCount}}
		m.count(s, w.at.scope, eventsDelivered, ev.Records)
	case err == nil:
	case errors.As(err, &e) && !e.Server() && e.Code != "TooManyRequestsException", now.Sub(ev.Decided) > maxEventAge:
		s.Logger.Warn("lambda: a destination could not be told of an event", "function", w.at.arn(""), "id", w.id, "destination", to, "error", err)
		s.measure(w.at, metric, 1)
	default:
		ev.Throttled++
		ev.Due = now.Add(s.throttleDelay(ev.Throttled))
		return q.keep(ctx, w, ev)
	}
	if ev.To == "" || ev.Dead == "" {
		return q.settle(ctx, w)
	}
	ev.To, ev.Record, ev.Throttled, ev.Due = "", nil, 0, now
	return q.keep(ctx, w, ev)
}

// tell brings what is said of an event to where it is to be told. What a mapping has given
// up is told under the role that its function has now.
func (s *Service) tell(ctx context.Context, w waiting, ev *event) error {
	role := ev.Role
	if role == "" {
		as := s.acting(ctx, w.at, aws.ServiceCaller(principal, w.at.scope.Account, w.at.arn("")))
		t, err := s.findBy(as, ptr(w.at.arn("")), optional(ev.Qualifier), s.route)
		if err != nil {
			return err
		}
		role = t.version.Role
	}
	session, err := s.roles.session(ctx, w.at, role)
	if err != nil {
		return err
	}
	ctx = s.acting(ctx, w.at, session.caller)
	to, p := ev.To, parcel{text: ev.Record, key: ev.Key, trace: ev.Trace}
	if to == "" {
		to, p = ev.Dead, deadLetter(w.id, ev)
	}
	o, ok := s.outletOf(w.at, to)
	if !ok {
		return invalid("The destination ARN %s is invalid.", to)
	}
	return o.send(ctx, p)
}
