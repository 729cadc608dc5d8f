package apigateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/vtl/gateway"
)

// A RoundTripper reaches HTTP back ends.
type RoundTripper = http.RoundTripper

// Transport is how HTTP back ends are reached by default: pooled connections, TLS
// verified, no proxy of the machine's, redirects left to the caller.
func Transport() *http.Transport {
	return &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 64, IdleConnTimeout: 60 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression: true, MaxResponseHeaderBytes: 64 << 10}
}

// httpProxy is the HTTP_PROXY integration: the request goes on as it came, and so
// does the answer.
func (x *exchange) httpProxy(ctx context.Context) (*reply, error) {
	mapped, query, path, err := x.mapRequest(x.method.integration.parameters)
	if err != nil {
		return nil, err
	}
	x.integral.path, x.integral.body = path, x.req.body
	for _, p := range x.req.header {
		if !strings.EqualFold(p.Name, "Host") && !strings.EqualFold(p.Name, "Content-Encoding") && !strings.HasPrefix(p.Name, "X-Forwarded-") {
			x.integral.header = append(x.integral.header, p)
		}
	}
	x.integral.header = overlay(x.integral.header, mapped)
	x.integral.query = append(slices.Clone(x.req.query), query...)
	in, err := x.fetch(ctx)
	if err != nil {
		return nil, err
	}
	out := &reply{status: in.status, body: in.body}
	for _, p := range in.header {
		if name := headerName(p.Name); name != "" {
			out.header = append(out.header, gateway.Param{Name: name, Value: p.Value})
		}
	}
	if !out.has("Content-Type") && len(out.body) > 0 {
		out.set("Content-Type", "application/json")
	}
	return out, nil
}

// fetch sends what was prepared to the integration's URI.
func (x *exchange) fetch(ctx context.Context) (*endpointResponse, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late, stop := x.s.Clock.After(x.method.integration.timeout)
	defer stop()
	go func() {
		select {
		case <-late:
			cancel(errTimeout)
		case <-ctx.Done():
		}
	}()
	r, err := x.outgoing(ctx)
	if err != nil {
		return nil, err
	}
	if x.s.HTTP == nil && !isPetstore(r.URL.Host) {
		return nil, misconfigured("HTTP back ends are not reached by this Tule")
	}
	x.log.info("Endpoint request URI: %s", r.URL)
	x.log.values("Endpoint request headers: ", x.integral.header)
	x.log.data("Endpoint request body after transformations: ", x.integral.body)
	x.log.info("Sending request to %s", r.URL)
	start := x.s.Clock.Now()
	got, err := x.roundTrip(r)
	if err != nil {
		return nil, x.unreachable(ctx, err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(io.LimitReader(got.Body, maxPayload+1))
	if err != nil {
		return nil, x.unreachable(ctx, err)
	}
	if len(body) > maxPayload {
		return nil, misconfigured("The response is larger than 10 MB")
	}
	out := &endpointResponse{status: got.StatusCode, header: params(got.Header), body: body, failure: strconv.Itoa(got.StatusCode), typed: true}
	x.answerer.status = got.StatusCode
	x.log.info("Received response. Status: %d, Integration latency: %d ms", got.StatusCode, x.s.Clock.Now().Sub(start).Milliseconds())
	x.log.values("Endpoint response headers: ", out.header)
	x.log.data("Endpoint response body before transformations: ", body)
	return out, nil
}

// outgoing is the request to a back end.
func (x *exchange) outgoing(ctx context.Context) (*http.Request, error) {
	u, err := url.Parse(x.target())
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, misconfigured("Invalid endpoint address")
	}
	if len(x.integral.query) > 0 {
		q := u.Query()
		for _, p := range x.integral.query {
			q.Add(p.Name, p.Value)
		}
		u.RawQuery = q.Encode()
	}
	verb := x.method.integration.verb
	if verb == "ANY" {
		verb = x.req.verb
	}
	x.integral.header = defaults(x.integral.header, "Accept", "application/json", "User-Agent", "AmazonAPIGateway_"+x.program.apiID,
		"X-Amzn-Trace-Id", x.req.trace, "X-Amzn-Apigateway-Api-Id", x.program.apiID)
	if sent, ok := last(x.req.header, "Content-Type"); ok && len(x.integral.body) > 0 {
		x.integral.header = defaults(x.integral.header, "Content-Type", sent)
	}
	r, err := http.NewRequestWithContext(ctx, verb, u.String(), bytes.NewReader(x.integral.body))
	if err != nil {
		return nil, misconfigured("Invalid endpoint address")
	}
	for _, p := range x.integral.header {
		switch {
		case strings.EqualFold(p.Name, "Host"):
			r.Host = p.Value
		case !lost[http.CanonicalHeaderKey(p.Name)] || strings.EqualFold(p.Name, "X-Amzn-Trace-Id"):
			r.Header.Add(p.Name, p.Value)
		}
	}
	return r, nil
}

// defaults adds headers that are not there, given as names and values in turn.
func defaults(ps []gateway.Param, pairs ...string) []gateway.Param {
	for i := 0; i < len(pairs); i += 2 {
		if _, ok := last(ps, pairs[i]); !ok {
			ps = append(ps, gateway.Param{Name: pairs[i], Value: pairs[i+1]})
		}
	}
	return ps
}

func (x *exchange) unreachable(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTimeout) {
		return timedOut()
	}
	f := misconfigured("Invalid endpoint address")
	f.line = "Execution failed due to configuration error: There was an internal error while executing your request: " + err.Error()
	return f
}
