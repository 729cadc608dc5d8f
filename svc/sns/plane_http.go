package sns

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// A RoundTripper reaches HTTP endpoints.
type RoundTripper = http.RoundTripper

// httpTimeout is how long an endpoint has for its answer.
const httpTimeout = 15 * time.Second

// maxAnswer is how much of an endpoint's answer is read, for the log.
const maxAnswer = 4 << 10

var errLate = errors.New("the endpoint did not answer within 15 seconds")

// sendHTTP posts a message. Server errors and 429 are tried again; other answers that
// are no success are final, as redirections are.
// https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html
func (s *Service) sendHTTP(ctx context.Context, t *topic, sub *subscriber, m *message) outcome {
	if s.HTTP == nil {
		return outcome{err: errText("HTTP endpoints are not reached by this Tule"), permanent: true}
	}
	body := []byte(m.body(sub.Protocol))
	if !sub.raw(m) {
		var err error
		if body, err = s.envelope(t, sub, m); err != nil {
			return outcome{err: err}
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late, stop := s.Clock.After(httpTimeout)
	defer stop()
	go func() {
		select {
		case <-late:
			cancel(errLate)
		case <-ctx.Done():
		}
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, sub.Endpoint, bytes.NewReader(body))
	if err != nil {
		return outcome{err: err, permanent: true}
	}
	headers(r, sub, m)
	if sub.perSecond() > 0 {
		s.deliveries.throttle(ctx, sub)
	}
	got, err := s.HTTP.RoundTrip(r)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errLate) {
			err = cause
		}
		return outcome{err: err, response: err.Error()}
	}
	defer got.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	out := outcome{status: got.StatusCode, response: strings.ToValidUTF8(string(answer), "\ufffd")}
	switch {
	case got.StatusCode >= 200 && got.StatusCode < 300:
		if err != nil && errors.Is(context.Cause(ctx), errLate) {
			out.err = errLate
		}
	case got.StatusCode >= 500, got.StatusCode == http.StatusTooManyRequests:
		out.err = errText(got.Status)
	default:
		out.err, out.permanent = errText(got.Status), true
	}
	return out
}

func headers(r *http.Request, sub *subscriber, m *message) {
	contentType := plainText
	if m.Type == notification {
		contentType = sub.policy.contentType
	}
	set := func(k, v string) { r.Header[http.CanonicalHeaderKey(k)] = []string{v} }
	set("x-amz-sns-message-type", m.Type)
	set("x-amz-sns-message-id", m.ID)
	set("x-amz-sns-topic-arn", sub.at.arn())
	if m.Type != confirmation {
		set("x-amz-sns-subscription-arn", sub.arn())
	}
	if sub.raw(m) {
		set("x-amz-sns-rawdelivery", "true")
	}
	set("Content-Type", contentType)
	set("User-Agent", "Amazon Simple Notification Service Agent")
	set("Accept-Encoding", "gzip,deflate")
	if u := r.URL.User; u != nil {
		password, _ := u.Password()
		r.SetBasicAuth(u.Username(), password)
	}
}
