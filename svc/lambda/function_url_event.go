package lambda

import (
	"encoding/base64"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

// urlEvent is what a function gets of a request to its address: payload format 2.0.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-request-payload
type urlEvent struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQuery        string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	Query           map[string]string `json:"queryStringParameters,omitempty"`
	Context         urlContext        `json:"requestContext"`
	Body            *string           `json:"body,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

type urlContext struct {
	AccountID    string         `json:"accountId"`
	APIID        string         `json:"apiId"`
	Authorizer   *urlAuthorizer `json:"authorizer,omitempty"`
	DomainName   string         `json:"domainName"`
	DomainPrefix string         `json:"domainPrefix"`
	HTTP         urlHTTP        `json:"http"`
	RequestID    string         `json:"requestId"`
	RouteKey     string         `json:"routeKey"`
	Stage        string         `json:"stage"`
	Time         string         `json:"time"`
	TimeEpoch    int64          `json:"timeEpoch"`
}

type urlAuthorizer struct {
	IAM urlIAM `json:"iam"`
}

type urlIAM struct {
	AccessKey       string  `json:"accessKey"`
	AccountID       string  `json:"accountId"`
	CallerID        string  `json:"callerId"`
	CognitoIdentity *string `json:"cognitoIdentity"`
	PrincipalOrgID  *string `json:"principalOrgId"`
	UserARN         string  `json:"userArn"`
	UserID          string  `json:"userId"`
}

type urlHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// hopByHop are headers of a connection, which no function sees.
var hopByHop = map[string]bool{"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true, "X-Forwarded-For": true, "X-Forwarded-Port": true, "X-Forwarded-Proto": true, "X-Amzn-Trace-Id": true, "Cookie": true}

// event is the request as the function gets it.
func (v *visit) event(body []byte) *urlEvent {
	now := v.s.Clock.Now().UTC()
	path := v.r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	e := &urlEvent{
		Version: "2.0", RouteKey: "$default", RawPath: path, RawQuery: v.r.URL.RawQuery, Headers: v.headers(len(body)), Query: joinedQuery(v.r.URL.RawQuery),
		Context: urlContext{
			AccountID: "anonymous", APIID: v.id, DomainName: v.r.Host, DomainPrefix: v.id,
			HTTP:      urlHTTP{Method: v.r.Method, Path: path, Protocol: v.r.Proto, SourceIP: v.req.SourceIP, UserAgent: v.r.UserAgent()},
			RequestID: v.req.ID, RouteKey: "$default", Stage: "$default", Time: now.Format("02/Jan/2006:15:04:05 +0000"), TimeEpoch: now.UnixMilli(),
		},
	}
	for _, line := range v.r.Header.Values("Cookie") {
		for c := range strings.SplitSeq(line, ";") {
			if c = strings.TrimSpace(c); c != "" {
				e.Cookies = append(e.Cookies, c)
			}
		}
	}
	if c := v.req.Caller; v.url.Auth == api.FunctionUrlAuthTypeAwsIam && c.Kind != aws.Anonymous {
		e.Context.AccountID = c.Account
		e.Context.Authorizer = &urlAuthorizer{IAM: urlIAM{AccessKey: c.AccessKeyID, AccountID: c.Account, CallerID: c.UserID, UserARN: c.ARN, UserID: c.UserID}}
	}
	if len(body) > 0 {
		text := string(body)
		if e.IsBase64Encoded = !isText(v.r.Header.Get("Content-Type")) || !utf8.Valid(body); e.IsBase64Encoded {
			text = base64.StdEncoding.EncodeToString(body)
		}
		e.Body = &text
	}
	return e
}

// headers are the request's, with lower-case names and joined values, and those that
// AWS's gateway adds.
func (v *visit) headers(length int) map[string]string {
	out := map[string]string{}
	for name, values := range v.r.Header {
		if !hopByHop[name] {
			out[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	proto, port := "http", "80"
	if v.req.Secure || v.r.TLS != nil {
		proto, port = "https", "443"
	}
	if _, p, err := net.SplitHostPort(v.r.Host); err == nil {
		port = p
	}
	out["host"], out["x-amzn-trace-id"] = v.r.Host, v.life
	out["x-forwarded-for"], out["x-forwarded-port"], out["x-forwarded-proto"] = v.req.SourceIP, port, proto
	if length > 0 {
		out["content-length"] = strconv.Itoa(length)
	}
	return out
}

// joinedQuery is the query's values by name, those of one name with commas between.
// What is badly encoded stays as it was sent.
func joinedQuery(raw string) map[string]string {
	var out map[string]string
	plain := func(s string) string {
		if p, err := url.QueryUnescape(s); err == nil {
			return p
		}
		return s
	}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		name, value, _ := strings.Cut(part, "=")
		name, value = plain(name), plain(value)
		if have, ok := out[name]; ok {
			value = have + "," + value
		}
		out[name] = value
	}
	return out
}

// isText reports whether bodies of a content type come as text; others, and those
// without one, come in Base64.
func isText(contentType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	kind = strings.TrimSpace(kind)
	switch kind {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}

// traceHeader is the trace header of a request that came with one, or without.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func (s *Service) traceHeader(given string) string {
	if strings.Contains(given, "Root=") {
		return given
	}
	return "Root=" + s.traceRoot(s.Clock.Now())
}

func (s *Service) traceRoot(now time.Time) string {
	return "1-" + strconv.FormatInt(now.Unix(), 16) + "-" + aws.RandomID(s.Random, aws.Hex, 24)
}
