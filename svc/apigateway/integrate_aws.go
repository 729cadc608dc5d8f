package apigateway

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// A Forwarder answers, on w, a request to another service, made as the caller of ctx.
// The request's host says which; an action is the operation for services that take its
// name, in a header or a form.
type Forwarder func(ctx context.Context, w http.ResponseWriter, r *http.Request, action string)

// A serviceURI is the URI of an AWS integration taken apart:
//
//	arn:aws:apigateway:{region}:{subdomain.service|service}:path/{path}
//	arn:aws:apigateway:{region}:{subdomain.service|service}:action/{name}&{p}={v}
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html#apigw-Type-Integration-uri
type serviceURI struct {
	region, host, action string
	path, query          string // as they go out
}

func parseServiceURI(uri string) (serviceURI, bool) {
	arn, ok := aws.ParseARN(uri)
	if !ok || arn.Service != service || arn.Account == "" || arn.Region == "" {
		return serviceURI{}, false
	}
	out := serviceURI{region: arn.Region, host: arn.Account + "." + arn.Region + ".amazonaws.com", path: "/"}
	kind, rest, _ := strings.Cut(arn.Resource, "/")
	switch kind {
	case "action":
		out.action, out.query, _ = strings.Cut(rest, "&")
		return out, out.action != ""
	case "path":
		rest, out.query, _ = strings.Cut(rest, "?")
		out.path += strings.TrimPrefix(rest, "/")
		return out, true
	}
	return out, false
}

// request is the service's request in HTTP.
func (u *serviceURI) request(verb string, integral *endpointRequest) (*http.Request, error) {
	target := &url.URL{Scheme: "https", Host: u.host, RawQuery: u.query}
	path, err := url.PathUnescape(u.path)
	if err != nil {
		path = u.path // a per cent sign that is one
	}
	target.Path, target.RawPath = path, u.path
	for _, p := range integral.query {
		if target.RawQuery != "" {
			target.RawQuery += "&"
		}
		target.RawQuery += url.QueryEscape(p.Name) + "=" + url.QueryEscape(p.Value)
	}
	if !validHeader(verb) {
		return nil, misconfigured("Invalid HTTP method")
	}
	r := &http.Request{Method: verb, URL: target, Host: u.host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: http.NoBody, ContentLength: int64(len(integral.body)), RequestURI: target.RequestURI()}
	if len(integral.body) > 0 {
		r.Body = reader{bytes.NewReader(integral.body)}
	}
	for _, p := range integral.header {
		if !lost[http.CanonicalHeaderKey(p.Name)] && validHeader(p.Name) {
			r.Header.Add(p.Name, p.Value)
		}
	}
	return r, nil
}

// reader is a body in memory.
type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

// callService is the AWS integration with another service than Lambda: its request as
// it was prepared, in HTTP, and its answer.
func (x *exchange) callService(ctx context.Context) (*endpointResponse, error) {
	u, ok := parseServiceURI(x.target())
	if !ok || x.s.Forward == nil {
		return nil, misconfigured("Integrations with " + x.target() + " are not available in this version of Tule")
	}
	about := *aws.RequestOf(ctx)
	about.Region = x.program.at.Region
	ctx = aws.WithRequest(context.WithoutCancel(ctx), &about)
	caller, err := x.act(ctx)
	if err != nil {
		return nil, err
	}
	as := about.As(caller)
	as.ID, as.Region, as.Trace = aws.RandomUUID(x.s.Random), u.region, x.req.trace
	x.integral.header = defaults(x.integral.header, "Accept", "application/json", "User-Agent", "AmazonAPIGateway_"+x.program.apiID,
		"X-Amzn-Trace-Id", x.req.trace, "X-Amzn-Apigateway-Api-Id", x.program.apiID)
	if sent, ok := last(x.req.header, "Content-Type"); ok {
		x.integral.header = defaults(x.integral.header, "Content-Type", sent)
	}
	x.integral.header = defaults(x.integral.header, "Content-Type", "application/json")
	verb := x.method.integration.verb
	if verb == "ANY" {
		verb = x.req.verb
	}
	r, err := u.request(verb, &x.integral)
	if err != nil {
		return nil, err
	}
	x.logService(&u, r)
	began := x.s.Clock.Now()
	w, err := x.forward(aws.WithRequest(ctx, as), r, u.action)
	if err != nil {
		return nil, err
	}
	out := w.response()
	x.answerer = backEndAnswer{out.status, as.ID}
	x.log.info("Received response. Status: %d, Integration latency: %d ms", out.status, x.s.Clock.Now().Sub(began).Milliseconds())
	x.log.values("Endpoint response headers: ", out.header)
	x.log.data("Endpoint response body before transformations: ", out.body)
	x.log.info("AWS Integration Endpoint RequestId : %s", as.ID)
	return out, nil
}

func (x *exchange) logService(u *serviceURI, r *http.Request) {
	if x.log == nil {
		return
	}
	uri := r.URL.String()
	if u.action != "" {
		uri = "https://" + u.host + "/?Action=" + u.action
	}
	x.log.info("Endpoint request URI: %s", uri)
	x.log.values("Endpoint request headers: ", x.integral.header)
	x.log.data("Endpoint request body after transformations: ", x.integral.body)
	x.log.info("Sending request to %s", uri)
}

// forward waits for the service's answer for as long as the integration allows. What
// takes longer goes on without anybody who waits for it.
func (x *exchange) forward(ctx context.Context, r *http.Request, action string) (*recorder, error) {
	done := make(chan *recorder, 1)
	go func() {
		w := &recorder{header: http.Header{}}
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				x.s.Logger.Error("a service's answer panicked", "id", x.req.id, "panic", p)
				w.broken = true
			} else if p != nil {
				w.broken = true
			}
			done <- w
		}()
		x.s.Forward(ctx, w, r, action)
	}()
	late, stop := x.s.Clock.After(x.method.integration.timeout)
	defer stop()
	select {
	case <-late:
		return nil, timedOut()
	case w := <-done:
		switch {
		case w.large:
			return nil, misconfigured("The response is larger than 10 MB")
		case w.broken:
			return nil, misconfigured("The response of the service broke off")
		}
		return w, nil
	}
}

// A recorder keeps a service's answer, up to the payload limit.
type recorder struct {
	header        http.Header
	status        int
	body          bytes.Buffer
	large, broken bool
}

var errLarge = errors.New("the response is larger than 10 MB")

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status < 200 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.body.Len()+len(b) > maxPayload {
		w.large = true
		return 0, errLarge
	}
	return w.body.Write(b)
}

func (w *recorder) response() *endpointResponse {
	w.WriteHeader(http.StatusOK)
	return &endpointResponse{status: w.status, header: params(w.header), body: w.body.Bytes(), failure: strconv.Itoa(w.status), typed: true}
}

// params are headers in the order of their names.
func params(h http.Header) []gateway.Param {
	out := make([]gateway.Param, 0, len(h))
	for name, values := range h {
		for _, v := range values {
			out = append(out, gateway.Param{Name: name, Value: v})
		}
	}
	slices.SortStableFunc(out, func(a, b gateway.Param) int { return strings.Compare(a.Name, b.Name) })
	return out
}
