package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A RoundTripper reaches HTTP endpoints.
type RoundTripper = http.RoundTripper

const (
	httpTimeout = 5 * time.Second // how long an endpoint has for its answer
	maxAnswer   = 64 << 10        // how much of an answer is read
)

var errLate = errors.New("the endpoint did not answer within 5 seconds")

// A call is what an HTTP endpoint is sent.
type call struct {
	method, url string
	header      http.Header
	query       url.Values
	body        []byte
}

// sendHTTP calls an API destination, or a stage of an API of API Gateway, which has no
// connection.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
func (s *Service) sendHTTP(ctx context.Context, d *delivery, a aws.ARN, input []byte) outcome {
	if s.HTTP == nil {
		return outcome{err: errors.New("HTTP endpoints are not reached by this Tule"), permanent: true, code: "CONNECTION_FAILURE"}
	}
	c := &call{method: http.MethodPost, header: http.Header{}, query: url.Values{}, body: input}
	var auth *api.CreateConnectionAuthRequestParameters
	arn := "" // the connection's
	if isDestination(a) {
		dest, conn, err := s.authorizedDestination(ctx, d, a)
		if err != nil {
			return classify(err)
		}
		s.limits.wait(ctx, s.Clock, *d.target.Arn, dest.Rate)
		scope := store.Scope{Account: a.Account, Region: a.Region}
		auth, arn = s.unseal(scope, &conn), connectionARN(scope, &conn)
		c.method, c.url = dest.Method, dest.Endpoint
		if out := s.authorize(ctx, c, arn, auth); out.err != nil {
			return out
		}
	} else if out := stage(c, a); out.err != nil {
		return out
	}
	if err := c.fill(d.target.HttpParameters, auth); err != nil {
		return outcome{err: err, permanent: true, code: "INVALID_PARAMETER"}
	}
	got, err := s.roundTrip(ctx, c)
	if err != nil {
		code := "CONNECTION_FAILURE"
		if errors.Is(err, errLate) {
			code = "TIMEOUT"
		}
		return outcome{err: err, code: code}
	}
	if got.status == http.StatusUnauthorized {
		s.tokens.drop(arn) // the next try asks for a new one
	}
	return got.outcome()
}

// stage says where an API of API Gateway is: api/stage/METHOD/path.
func stage(c *call, a aws.ARN) outcome {
	parts := strings.SplitN(a.Resource, "/", 4)
	if len(parts) < 3 {
		return outcome{err: errors.New("the target names no API, stage and method"), permanent: true, code: "INVALID_PARAMETER"}
	}
	if parts[2] != "*" {
		c.method = parts[2]
	}
	c.url = "https://" + parts[0] + ".execute-api." + a.Region + ".amazonaws.com/" + parts[1] + "/"
	if len(parts) == 4 {
		c.url += parts[3]
	}
	return outcome{}
}

// authorizedDestination finds the destination and its connection, if the rule's role may
// call it.
func (s *Service) authorizedDestination(ctx context.Context, d *delivery, a aws.ARN) (dest destination, conn connection, err error) {
	act := s.acting(ctx, d, a.Region)
	if act, err = s.assume(act, d, aws.Value(d.target.RoleArn)); err != nil {
		return dest, conn, err
	}
	if err := s.Allow(act, aws.Access{Action: "events:InvokeApiDestination", Resource: *d.target.Arn}); err != nil {
		return dest, conn, err
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(a.Resource, "api-destination/"), "/")
	scope := store.Scope{Account: a.Account, Region: a.Region}
	err = s.Store.View(ctx, func(r store.Reader) (err error) {
		if dest, err = getDestination(ctx, r, scope, name); err != nil {
			return err
		}
		conn, err = connectionAt(ctx, r, scope, dest.Connection)
		return err
	})
	if err == nil && conn.State != api.ConnectionStateAuthorized {
		err = aws.AccessDenied("The connection %s is not authorized.", conn.Name)
	}
	return dest, conn, err
}

// authorize adds what the connection proves itself with.
func (s *Service) authorize(ctx context.Context, c *call, arn string, auth *api.CreateConnectionAuthRequestParameters) outcome {
	switch {
	case auth.BasicAuthParameters != nil:
		p := auth.BasicAuthParameters
		r := http.Request{Header: c.header}
		r.SetBasicAuth(aws.Value(p.Username), aws.Value(p.Password))
	case auth.ApiKeyAuthParameters != nil:
		p := auth.ApiKeyAuthParameters
		c.header.Set(aws.Value(p.ApiKeyName), aws.Value(p.ApiKeyValue))
	case auth.OAuthParameters != nil:
		token, out := s.token(ctx, arn, auth.OAuthParameters)
		if out.err != nil {
			return out
		}
		c.header.Set("Authorization", token)
	}
	return outcome{}
}

// fill adds the parameters of the target and of the connection, which count more.
func (c *call) fill(p *api.HttpParameters, auth *api.CreateConnectionAuthRequestParameters) error {
	c.header.Set("User-Agent", "Amazon/EventBridge/ApiDestinations")
	c.header.Set("Range", "bytes=0-1048575")
	c.header.Set("Accept-Encoding", "gzip,deflate")
	c.header.Set("Content-Type", "application/json; charset=utf-8")
	if p != nil {
		for k, v := range p.HeaderParameters {
			if !strings.EqualFold(k, "Authorization") || c.header.Get(k) == "" {
				c.header.Set(k, v)
			}
		}
		for k, v := range p.QueryStringParameters {
			c.query.Set(k, v)
		}
		for _, v := range p.PathParameterValues {
			c.url = strings.Replace(c.url, "*", url.PathEscape(v), 1)
		}
	}
	if auth == nil || auth.InvocationHttpParameters == nil {
		return nil
	}
	more := auth.InvocationHttpParameters
	for _, h := range more.HeaderParameters {
		c.header.Set(aws.Value(h.Key), aws.Value(h.Value))
	}
	for _, q := range more.QueryStringParameters {
		c.query.Set(aws.Value(q.Key), aws.Value(q.Value))
	}
	if len(more.BodyParameters) == 0 {
		return nil
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(c.body, &body); err != nil {
		return fmt.Errorf("the body is no JSON object that parameters could be added to: %w", err)
	}
	for _, b := range more.BodyParameters {
		text, err := json.Marshal(aws.Value(b.Value))
		if err != nil {
			return err
		}
		body[aws.Value(b.Key)] = text
	}
	var err error
	c.body, err = json.Marshal(body)
	return err
}

// An answer is what an endpoint said.
type answer struct {
	status int
	text   string
	after  time.Duration // when it wants to be tried again
	body   []byte
}

func (a *answer) outcome() outcome {
	if a.status >= 200 && a.status < 300 {
		return outcome{}
	}
	err := errors.New("the endpoint answered " + strconv.Itoa(a.status) + ": " + a.text)
	switch a.status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusConflict, http.StatusTooManyRequests:
		return outcome{err: err, code: "ERROR_FROM_TARGET", wait: a.after}
	}
	return outcome{err: err, code: "ERROR_FROM_TARGET", permanent: a.status < 500, wait: a.after}
}

// roundTrip makes the call, within the time that an endpoint has.
func (s *Service) roundTrip(ctx context.Context, c *call) (*answer, error) {
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
	u, err := url.Parse(c.url)
	if err != nil {
		return nil, err
	}
	query := u.Query()
	for k, v := range c.query {
		query[k] = v
	}
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, c.method, u.String(), bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	r.Header = c.header
	got, err := s.HTTP.RoundTrip(r)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errLate) {
			err = cause
		}
		return nil, err
	}
	defer got.Body.Close()
	out := &answer{status: got.StatusCode}
	if n, err := strconv.Atoi(got.Header.Get("Retry-After")); err == nil && n > 0 && n < 24*60*60 {
		out.after = time.Duration(n) * time.Second
	}
	if out.body, err = io.ReadAll(io.LimitReader(got.Body, maxAnswer)); err != nil && errors.Is(context.Cause(ctx), errLate) {
		return nil, errLate
	}
	out.text = strings.ToValidUTF8(string(out.body[:min(len(out.body), 500)]), "\ufffd")
	return out, nil
}

// tokens are those that connections got from their authorization endpoints.
type tokens struct {
	mu sync.Mutex
	of map[string]token
}

type token struct {
	header string
	until  time.Time
}

// drop forgets a token.
func (t *tokens) drop(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, key)
}

// token is the Authorization header of an OAuth connection.
func (s *Service) token(ctx context.Context, key string, p *api.CreateConnectionOAuthRequestParameters) (string, outcome) {
	now := s.Clock.Now()
	s.tokens.mu.Lock()
	have, ok := s.tokens.of[key]
	s.tokens.mu.Unlock()
	if ok && have.until.After(now) {
		return have.header, outcome{}
	}
	got, err := s.roundTrip(ctx, tokenCall(p))
	if err != nil {
		return "", outcome{err: fmt.Errorf("ask for a token: %w", err), code: "CONNECTION_FAILURE"}
	}
	if out := got.outcome(); out.err != nil {
		out.err = fmt.Errorf("ask for a token: %w", out.err)
		return "", out
	}
	var t struct {
		Token   string      `json:"access_token"`
		Type    string      `json:"token_type"`
		Expires json.Number `json:"expires_in"`
	}
	if err := json.Unmarshal(got.body, &t); err != nil || t.Token == "" {
		return "", outcome{err: errors.New("the authorization endpoint answered without an access_token"), permanent: true, code: "ERROR_FROM_TARGET"}
	}
	if t.Type == "" || strings.EqualFold(t.Type, "bearer") {
		t.Type = "Bearer"
	}
	have = token{header: t.Type + " " + t.Token, until: now.Add(time.Minute)}
	if n, err := t.Expires.Int64(); err == nil && n > 60 {
		have.until = now.Add(time.Duration(min(n, 24*60*60)-60) * time.Second)
	}
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	if s.tokens.of == nil || len(s.tokens.of) >= maxSessions {
		s.tokens.of = map[string]token{}
	}
	s.tokens.of[key] = have
	return have.header, outcome{}
}

// tokenCall asks for a token by a client's credentials.
func tokenCall(p *api.CreateConnectionOAuthRequestParameters) *call {
	c := &call{method: aws.Value(p.HttpMethod), url: aws.Value(p.AuthorizationEndpoint), header: http.Header{}, query: url.Values{}}
	form := url.Values{"grant_type": {"client_credentials"}}
	if id := p.ClientParameters; id != nil {
		form.Set("client_id", aws.Value(id.ClientID))
		form.Set("client_secret", aws.Value(id.ClientSecret))
	}
	if more := p.OAuthHttpParameters; more != nil {
		for _, h := range more.HeaderParameters {
			c.header.Set(aws.Value(h.Key), aws.Value(h.Value))
		}
		for _, q := range more.QueryStringParameters {
			c.query.Set(aws.Value(q.Key), aws.Value(q.Value))
		}
		for _, b := range more.BodyParameters {
			form.Set(aws.Value(b.Key), aws.Value(b.Value))
		}
	}
	if c.method == http.MethodGet {
		for k, v := range form {
			c.query[k] = v
		}
		return c
	}
	c.body = []byte(form.Encode())
	c.header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c
}

// limits are when destinations may be called next.
type limits struct {
	mu   sync.Mutex
	next map[string]time.Time
}

// wait keeps calls of a destination apart by what its rate allows.
func (l *limits) wait(ctx context.Context, clock aws.Clock, arn string, rate int32) {
	now := clock.Now()
	l.mu.Lock()
	if l.next == nil || len(l.next) >= maxSessions {
		l.next = map[string]time.Time{}
	}
	at := l.next[arn]
	if at.Before(now) {
		at = now
	}
	l.next[arn] = at.Add(time.Second / time.Duration(max(rate, 1)))
	l.mu.Unlock()
	if !at.After(now) {
		return
	}
	due, stop := clock.After(at.Sub(now))
	defer stop()
	select {
	case <-due:
	case <-ctx.Done():
	}
}
