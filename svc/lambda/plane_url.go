package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"

	api "github.com/tule-cloud/tule/api/lambda"
)

// maxURLRead is how long the caller of an address may take to send the body.
const maxURLRead = 60 * time.Second

// parseURLHost reads {id}.lambda-url.{region}.{any domain}; false for other hosts.
func parseURLHost(host string) (id, region string, ok bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	parts := strings.SplitN(strings.ToLower(host), ".", 4)
	if len(parts) < 4 || parts[1] != "lambda-url" || parts[0] == "" || !aws.ValidRegion(parts[2]) {
		return "", "", false
	}
	return parts[0], parts[2], true
}

// A visit is one request to a function's address.
type visit struct {
	s    *Service
	w    http.ResponseWriter
	r    *http.Request
	id   string // of the address
	at   ref
	q    string // the alias, or ""
	url  functionURL
	t    *target
	req  *aws.Request
	life string // the trace header

	status int // of the answer
}

// serveURL answers one request.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func (s *Service) serveURL(w http.ResponseWriter, r *http.Request) {
	v := &visit{s: s, w: w, r: r, req: aws.RequestOf(r.Context())}
	begun := s.Clock.Now()
	defer func() { v.measure(s.Clock.Now().Sub(begun)) }()
	var region string
	v.id, region, _ = parseURLHost(r.Host)
	w.Header().Set("x-amzn-RequestId", v.req.ID)
	if err := v.find(region); err != nil {
		v.refuse(err)
		return
	}
	if v.cors() {
		return
	}
	if err := v.answer(); err != nil {
		v.refuse(err)
	}
}

// measure notes the request, if it was a function's.
func (v *visit) measure(d time.Duration) {
	if v.url.ID == "" {
		return
	}
	v.s.measure(v.at, "UrlRequestCount", 1)
	v.s.took(v.at, "UrlRequestLatency", d)
	switch v.status / 100 {
	case 4:
		v.s.measure(v.at, "Url4xxCount", 1)
	case 5:
		v.s.measure(v.at, "Url5xxCount", 1)
	}
}

// writeHead sends the status and what headers there are.
func (v *visit) writeHead(status int) {
	v.status = status
	v.w.WriteHeader(status)
}

var errNoURL = errors.New("lambda: there is no such address")

// find finds the function.
func (v *visit) find(region string) error {
	ctx := v.r.Context()
	err := v.s.Store.View(ctx, func(r store.Reader) error {
		p, err := urlPlaces.Get(ctx, r, store.Scope{}, v.id)
		if err != nil {
			return err
		}
		v.at, v.q = p.ref(), p.Qualifier
		if v.url, err = urlRecords.Get(ctx, r, v.at.scope, v.at.name, orLatest(v.q)); err != nil {
			return err
		}
		v.t, err = v.s.resolveBy(ctx, r, v.at, v.q, v.s.route)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || aws.CodeOf(err) == "ResourceNotFoundException" || err == nil && v.at.scope.Region != region {
		return errNoURL
	}
	return err
}

// cors tells a browser what the address' settings let pages of other origins do. It
// reports whether it has answered a preflight, which the function does not see.
func (v *visit) cors() bool {
	c, origin := v.url.Cors, v.r.Header.Get("Origin")
	if c == nil || origin == "" {
		return false
	}
	h := v.w.Header()
	preflight := v.r.Method == http.MethodOptions && v.r.Header.Get("Access-Control-Request-Method") != ""
	any := slices.Contains(c.AllowOrigins, "*")
	if any || slices.ContainsFunc(c.AllowOrigins, func(o string) bool { return strings.EqualFold(o, origin) }) {
		credentials := aws.Value(c.AllowCredentials)
		if any && !credentials {
			origin = "*"
		} else {
			h.Add("Vary", "Origin")
		}
		h.Set("Access-Control-Allow-Origin", origin)
		if credentials {
			h.Set("Access-Control-Allow-Credentials", "true")
		}
		list := func(name string, values []string) {
			if len(values) > 0 {
				h.Set(name, strings.Join(values, ","))
			}
		}
		list("Access-Control-Expose-Headers", c.ExposeHeaders)
		if preflight {
			list("Access-Control-Allow-Methods", c.AllowMethods)
			list("Access-Control-Allow-Headers", c.AllowHeaders)
			if c.MaxAge != nil {
				h.Set("Access-Control-Max-Age", strconv.Itoa(int(*c.MaxAge)))
			}
		}
	}
	if preflight {
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", "0")
		v.writeHead(http.StatusOK)
	}
	return preflight
}

// authorise asks whether the caller may: for everybody by the function's policy alone,
// for signed callers as for any operation. Both permissions are needed, as on AWS for
// addresses made since October 2025.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
func (v *visit) authorise() error {
	caller := v.req.Caller
	if v.url.Auth == api.FunctionUrlAuthTypeNone {
		caller = aws.Caller{Kind: aws.Anonymous}
	} else if caller.Kind == aws.Anonymous || caller.Kind == "" {
		return errForbidden
	}
	need := aws.Access{Action: "lambda:InvokeFunctionUrl", Resource: v.at.arn(v.q), Keys: map[string][]string{urlAuthType: {v.url.Auth}},
		Tags: v.s.tagsOf(v.at), Policy: func(ctx context.Context) (text string, err error) {
			err = v.s.Store.View(ctx, func(r store.Reader) error {
				text, err = v.s.resourcePolicy(ctx, r, v.at, v.q)
				return err
			})
			return text, err
		}}
	invoke := need
	invoke.Action, invoke.Keys = "lambda:InvokeFunction", map[string][]string{"lambda:InvokedViaFunctionUrl": {"true"}}
	req := *v.req
	req.Caller, req.Region, req.Service = caller, v.at.scope.Region, "lambda"
	err := v.s.Allow(aws.WithRequest(v.r.Context(), &req), need, invoke)
	var e *aws.Error
	if errors.As(err, &e) && !e.Server() {
		return errForbidden
	}
	return err
}

var errForbidden = errors.New("lambda: the caller of an address may not")

// answer invokes the function.
func (v *visit) answer() error {
	if err := v.authorise(); err != nil {
		return err
	}
	rc := http.NewResponseController(v.w)
	_ = rc.SetReadDeadline(v.s.Clock.Now().Add(maxURLRead)) // a recorder in a test has none
	body, err := io.ReadAll(http.MaxBytesReader(nil, v.r.Body, maxEvent))
	_ = rc.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return errLargeEvent
	}
	if err != nil {
		return err
	}
	v.life = v.s.traceHeader(v.r.Header.Get("X-Amzn-Trace-Id"))
	v.w.Header().Set("X-Amzn-Trace-Id", v.life)
	event, err := json.Marshal(v.event(body))
	if err != nil {
		return err
	}
	if len(event) > maxEvent {
		return errLargeEvent
	}
	c := call{id: v.req.ID, payload: event, trace: v.life}
	if v.url.Mode == api.InvokeModeResponseStream {
		return v.stream(c)
	}
	res, err := v.s.execute(v.r.Context(), v.t, c)
	if err != nil {
		return err
	}
	if res.FunctionError != "" {
		return errFailed
	}
	a, ok := readAnswer(res.Payload, res.ContentType)
	if !ok {
		return errFailed
	}
	v.send(a)
	return nil
}

var (
	errLargeEvent = errors.New("lambda: a request that is too large for an event")
	errFailed     = errors.New("lambda: the function failed")
)

// send writes an answer that is whole.
func (v *visit) send(a *answer) {
	v.head(a)
	bodiless := a.status < 200 || a.status == http.StatusNoContent || a.status == http.StatusNotModified
	if !bodiless {
		v.w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	v.writeHead(a.status)
	if !bodiless && v.r.Method != http.MethodHead {
		_, _ = v.w.Write(a.body) // a caller who is gone is no failure of the function
	}
}

// head puts an answer's headers beside those of the platform, which stay: what the
// function says of CORS counts where the address says nothing.
func (v *visit) head(a *answer) {
	h := v.w.Header()
	said := v.url.Cors != nil && h.Get("Access-Control-Allow-Origin") != ""
	for name, value := range a.header {
		if !said || !strings.HasPrefix(name, "Access-Control-") {
			h.Set(name, value)
		}
	}
	for _, c := range a.cookies {
		h.Add("Set-Cookie", c)
	}
}

// stream sends the response as the function writes it. One that ends in the middle is
// cut off, so that the caller notices.
func (v *visit) stream(c call) error {
	f := v.s.stream(v.r.Context(), v.t, c)
	defer f.leave()
	if err := <-f.opened; err != nil {
		return err
	}
	rc := http.NewResponseController(v.w)
	_ = rc.SetWriteDeadline(v.s.Clock.Now().Add(time.Duration(v.t.version.Timeout)*time.Second + time.Minute))
	p := prelude{contentType: f.contentType}
	for piece := range f.pieces {
		rest, a, err := p.take(piece)
		if err != nil {
			return errFailed
		}
		if a != nil {
			v.head(a)
			v.writeHead(a.status)
		}
		if p.done && len(rest) > 0 && v.r.Method != http.MethodHead {
			if _, err := v.w.Write(rest); err != nil {
				return nil // the caller is gone
			}
		}
		_ = rc.Flush()
	}
	switch {
	case !p.done && (f.err != nil || f.res.FunctionError != ""):
		return cmpError(f.err, errFailed)
	case f.err != nil || f.res.FunctionError != "":
		panic(http.ErrAbortHandler)
	case p.done:
		return nil
	}
	a, err := p.end()
	if err != nil {
		return errFailed
	}
	v.send(a)
	return nil
}

// refuse answers in the function's stead.
func (v *visit) refuse(err error) {
	status, code, body := http.StatusBadGateway, "InternalServerException", any(nil)
	type message struct{ Message *string }
	var e *aws.Error
	switch {
	case errors.Is(err, errNoURL):
		status, code, body = http.StatusForbidden, "AccessDeniedException", message{}
	case errors.Is(err, errForbidden):
		status, code, body = http.StatusForbidden, "AccessDeniedException",
			message{ptr("Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html")}
	case errors.Is(err, errLargeEvent):
		status, code, body = http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException",
			message{ptr("Request must be smaller than " + strconv.Itoa(maxEvent) + " bytes for the InvokeFunction operation")}
	case aws.CodeOf(err) == "TooManyRequestsException" && errors.As(err, &e):
		status, code = http.StatusTooManyRequests, e.Code
		said := struct {
			Reason  *string
			Type    string
			Message string `json:"message"`
		}{Type: "User", Message: e.Message}
		if d, ok := e.Detail.(*api.TooManyRequestsExceptionDetail); ok {
			said.Reason = d.Reason
		}
		body = said
	case v.r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // the caller is gone
	case !errors.Is(err, errFailed):
		v.s.warn("answer at a function's URL", err)
	}
	h := v.w.Header()
	h.Set("x-amzn-ErrorType", code)
	text := []byte("Internal Server Error")
	if body != nil {
		h.Set("Content-Type", "application/json")
		text, _ = json.Marshal(body) // strings always encode
	} else {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	v.writeHead(status)
	_, _ = v.w.Write(text)
}
