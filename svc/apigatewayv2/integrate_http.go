package apigatewayv2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// A RoundTripper reaches HTTP back ends.
type RoundTripper = http.RoundTripper

func itoa(n int) string { return strconv.Itoa(n) }

// statusOf is a status code that a mapping may set; 0 for what is none.
func statusOf(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 200 || n > 599 {
		return 0
	}
	return n
}

// An outgoing is a request to an HTTP back end, before it is one.
type outgoing struct {
	verb, uri string
	header    []param
	query     []param
	body      []byte
}

// callHTTP is HTTP_PROXY: the request goes on as it came, but for what is mapped, and so
// does the answer.
func (x *exchange) callHTTP(ctx context.Context) (*reply, error) {
	i := x.route.integration
	uri, _ := i.uri.eval(x)
	if aws.Value(i.raw.ConnectionType) == "VPC_LINK" {
		uri = x.private(uri)
	}
	for _, p := range x.req.encoded {
		uri = strings.ReplaceAll(uri, "{"+p.name+"}", p.value)
	}
	out := &outgoing{verb: aws.Value(i.raw.IntegrationMethod), uri: uri, body: x.req.body, query: slices.Clone(x.req.query)}
	if out.verb == "ANY" || out.verb == "" {
		out.verb = x.req.verb
	}
	for _, p := range x.req.header {
		if !strings.EqualFold(p.name, "Host") && !strings.EqualFold(p.name, "Content-Length") && !strings.HasPrefix(p.name, "X-Forwarded-") {
			out.header = append(out.header, p)
		}
	}
	if len(x.req.cookies) > 0 {
		out.header = append(out.header, param{"Cookie", strings.Join(x.req.cookies, "; ")})
	}
	out.header = append(out.header, param{"Forwarded", x.forwarded()}, param{"Via", x.req.protocol + " AmazonAPIGateway"})
	path := ""
	for _, m := range i.request {
		text, ok := m.from.eval(x)
		switch m.place {
		case "path":
			if ok {
				path = text
			}
		case "querystring":
			out.query = m.apply(out.query, text, ok && m.action != "remove")
		default:
			out.header = m.apply(out.header, text, ok && m.action != "remove")
		}
	}
	r, err := out.request(ctx, path, len(i.request) == 0, x.req.rawQuery)
	if err != nil {
		return nil, err
	}
	return x.s.fetch(ctx, r, i)
}

// private is the address of a back end behind a VPC link: the target's own, if it is a
// URL, else the name that its TLS configuration verifies, on the path of the request.
func (x *exchange) private(uri string) string {
	if strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://") {
		return uri
	}
	if tls := x.route.integration.raw.TlsConfig; tls != nil && aws.Value(tls.ServerNameToVerify) != "" {
		return "https://" + *tls.ServerNameToVerify + x.req.whole
	}
	return uri
}

func (x *exchange) forwarded() string {
	proto := "http"
	if x.req.secure {
		proto = "https"
	}
	by := x.req.sourceIP
	if ip := net.ParseIP(by); ip != nil && ip.To4() == nil {
		by = `"[` + by + `]"`
	}
	return "for=" + by + ";host=" + x.req.host + ";proto=" + proto
}

// request makes an HTTP request. Where nothing is mapped the query goes on as it came.
func (o *outgoing) request(ctx context.Context, path string, asItCame bool, rawQuery string) (*http.Request, error) {
	u, err := url.Parse(o.uri)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, internal("Invalid endpoint address")
	}
	if path != "" {
		path, _, _ = strings.Cut("/"+strings.TrimPrefix(path, "/"), "?")
		u.Path, u.RawPath = unescape(path), ""
		if _, err := url.PathUnescape(path); err == nil && u.EscapedPath() != path {
			u.RawPath = path
		}
	}
	if more := rawQuery; asItCame && more != "" {
		if u.RawQuery != "" {
			more = u.RawQuery + "&" + more
		}
		u.RawQuery = more
	} else if len(o.query) > 0 {
		q := u.Query()
		for _, p := range o.query {
			q.Add(p.name, p.value)
		}
		u.RawQuery = q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, o.verb, u.String(), bytes.NewReader(o.body))
	if err != nil {
		return nil, internal("Invalid endpoint address")
	}
	for _, p := range o.header {
		if name := http.CanonicalHeaderKey(p.name); name == "Host" {
			r.Host = p.value
		} else if !hop[name] || name == "X-Amzn-Trace-Id" {
			r.Header.Add(name, p.value)
		}
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "")
	}
	return r, nil
}

// fetch sends a request to a back end, and waits as long as the integration allows.
func (s *Service) fetch(ctx context.Context, r *http.Request, i *integration) (*reply, error) {
	if s.HTTP == nil {
		return nil, unavailable("HTTP back ends are not reached by this Tule")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late, stop := s.Clock.After(i.timeout)
	defer stop()
	go func() {
		select {
		case <-late:
			cancel(errTimeout)
		case <-ctx.Done():
		}
	}()
	got, err := s.HTTP.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(io.LimitReader(got.Body, maxPayload+1))
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	if len(body) > maxPayload {
		return nil, internal("The back end's answer is longer than 10 MB")
	}
	out := &reply{status: got.StatusCode, body: body}
	for name, values := range got.Header {
		for _, v := range values {
			if passes(name) {
				out.header = append(out.header, param{name, v})
			}
		}
	}
	slices.SortStableFunc(out.header, func(a, b param) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

func unreachable(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTimeout) {
		return timedOut("The integration timed out")
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return unavailable(cut(err.Error()))
}
