package apigatewayv2

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tule-cloud/tule/aws"
)

// An event2 is what a function behind a route gets in the payload format 2.0.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
type event2 struct {
	Version        string            `json:"version"`
	RouteKey       string            `json:"routeKey"`
	RawPath        string            `json:"rawPath"`
	RawQueryString string            `json:"rawQueryString"`
	Cookies        []string          `json:"cookies,omitempty"`
	Headers        map[string]string `json:"headers"`
	Query          map[string]string `json:"queryStringParameters,omitempty"`
	Context        context2          `json:"requestContext"`
	Path           map[string]string `json:"pathParameters,omitempty"`
	StageVariables map[string]string `json:"stageVariables,omitempty"`
	Body           *string           `json:"body,omitempty"`
	Base64         bool              `json:"isBase64Encoded"`
}

type context2 struct {
	AccountID    string         `json:"accountId"`
	APIID        string         `json:"apiId"`
	Authorizer   map[string]any `json:"authorizer,omitempty"`
	DomainName   string         `json:"domainName"`
	DomainPrefix string         `json:"domainPrefix"`
	HTTP         http2          `json:"http"`
	RequestID    string         `json:"requestId"`
	RouteKey     string         `json:"routeKey"`
	Stage        string         `json:"stage"`
	Time         string         `json:"time"`
	TimeEpoch    int64          `json:"timeEpoch"`
}

type http2 struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

const eventTime = "02/Jan/2006:15:04:05 -0700"

func (x *exchange) eventV2() *event2 {
	e := &event2{Version: "2.0", RouteKey: x.route.key, RawPath: unescape(x.req.whole), RawQueryString: x.req.rawQuery, Cookies: x.req.cookies,
		Headers: joined(x.req.header, strings.ToLower), Query: joined(x.req.query, same), Path: joined(x.req.params, same), StageVariables: x.stage.StageVariables,
		Context: context2{AccountID: x.owner.Account, APIID: *x.program.api.ApiId, Authorizer: x.authorizer, DomainName: x.req.host, DomainPrefix: x.req.domainPrefix(),
			HTTP:      http2{Method: x.req.verb, Path: unescape(x.req.whole), Protocol: x.req.protocol, SourceIP: x.req.sourceIP, UserAgent: x.req.userAgent},
			RequestID: x.req.id, RouteKey: x.route.key, Stage: *x.stage.StageName, Time: x.req.at.UTC().Format(eventTime), TimeEpoch: x.req.at.UnixMilli()}}
	e.Body, e.Base64 = x.eventBody()
	return e
}

// eventBody is a body as a function gets it: text as it is, the rest in base64.
func (x *exchange) eventBody() (*string, bool) {
	if len(x.req.body) == 0 {
		return nil, false
	}
	if x.req.isText() {
		return ptr(string(x.req.body)), false
	}
	return ptr(base64.StdEncoding.EncodeToString(x.req.body)), true
}

// isText reports whether a body goes to functions as it is: one of text/*, or of JSON,
// JavaScript or XML, that is not compressed.
func (x *request) isText() bool {
	if len(x.values("Content-Encoding")) > 0 || !utf8.Valid(x.body) {
		return false
	}
	kind, _, _ := strings.Cut(strings.ToLower(strings.Join(x.values("Content-Type"), "")), ";")
	switch kind = strings.TrimSpace(kind); kind {
	case "application/json", "application/javascript", "application/xml":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}

func same(s string) string { return s }

// joined are parameters by name; several values of one are joined by commas.
func joined(ps []param, name func(string) string) map[string]string {
	if len(ps) == 0 {
		return nil
	}
	out := make(map[string]string, len(ps))
	for _, p := range ps {
		n := name(p.name)
		if before, ok := out[n]; ok {
			out[n] = before + "," + p.value
		} else {
			out[n] = p.value
		}
	}
	return out
}

// An event1 is what a function gets in the payload format 1.0.
type event1 struct {
	Version        string              `json:"version"`
	Resource       string              `json:"resource"`
	Path           string              `json:"path"`
	Method         string              `json:"httpMethod"`
	Headers        map[string]string   `json:"headers"`
	MultiHeaders   map[string][]string `json:"multiValueHeaders"`
	Query          map[string]string   `json:"queryStringParameters"`
	MultiQuery     map[string][]string `json:"multiValueQueryStringParameters"`
	Context        context1            `json:"requestContext"`
	PathParameters map[string]string   `json:"pathParameters"`
	StageVariables map[string]string   `json:"stageVariables"`
	Body           *string             `json:"body"`
	Base64         bool                `json:"isBase64Encoded"`
}

type context1 struct {
	AccountID    string         `json:"accountId"`
	APIID        string         `json:"apiId"`
	Authorizer   map[string]any `json:"authorizer,omitempty"`
	DomainName   string         `json:"domainName"`
	DomainPrefix string         `json:"domainPrefix"`
	ExtendedID   string         `json:"extendedRequestId"`
	Method       string         `json:"httpMethod"`
	Identity     identity1      `json:"identity"`
	Path         string         `json:"path"`
	Protocol     string         `json:"protocol"`
	RequestID    string         `json:"requestId"`
	Time         string         `json:"requestTime"`
	TimeEpoch    int64          `json:"requestTimeEpoch"`
	ResourceID   *string        `json:"resourceId"`
	ResourcePath string         `json:"resourcePath"`
	Stage        string         `json:"stage"`
}

type identity1 struct {
	AccessKey             *string `json:"accessKey"`
	AccountID             *string `json:"accountId"`
	Caller                *string `json:"caller"`
	CognitoAmr            *string `json:"cognitoAmr"`
	CognitoAuthentication *string `json:"cognitoAuthenticationProvider"`
	CognitoType           *string `json:"cognitoAuthenticationType"`
	CognitoIdentity       *string `json:"cognitoIdentityId"`
	CognitoPool           *string `json:"cognitoIdentityPoolId"`
	PrincipalOrgID        *string `json:"principalOrgId"`
	SourceIP              string  `json:"sourceIp"`
	User                  *string `json:"user"`
	UserAgent             string  `json:"userAgent"`
	UserARN               *string `json:"userArn"`
}

func (x *exchange) eventV1() *event1 {
	path := x.route.path
	if path == "" {
		path = x.route.key
	}
	header := x.req.header
	if len(x.req.cookies) > 0 {
		header = append(header[:len(header):len(header)], param{"Cookie", strings.Join(x.req.cookies, "; ")})
	}
	e := &event1{Version: "1.0", Resource: path, Path: unescape(x.req.whole), Method: x.req.verb, Headers: last(header), MultiHeaders: multi(header),
		Query: last(x.req.query), MultiQuery: multi(x.req.query), PathParameters: last(x.req.params), StageVariables: x.stage.StageVariables}
	if len(e.StageVariables) == 0 {
		e.StageVariables = nil
	}
	e.Context = context1{AccountID: x.owner.Account, APIID: *x.program.api.ApiId, Authorizer: x.flatAuthorizer(), DomainName: x.req.host, DomainPrefix: x.req.domainPrefix(),
		ExtendedID: x.req.id, Method: x.req.verb, Path: unescape(x.req.whole), Protocol: x.req.protocol, RequestID: x.req.id, Time: x.req.at.UTC().Format(eventTime),
		TimeEpoch: x.req.at.UnixMilli(), ResourcePath: path, ResourceID: ptr(path), Stage: *x.stage.StageName,
		Identity: identity1{SourceIP: x.req.sourceIP, UserAgent: x.req.userAgent}}
	if _, ok := x.authorizer["iam"]; ok {
		c, i := &x.req.caller, &e.Context.Identity
		i.AccessKey, i.AccountID, i.Caller, i.User, i.UserARN = &c.AccessKeyID, &c.Account, &c.UserID, &c.UserID, &c.ARN
	}
	e.Body, e.Base64 = x.eventBody()
	return e
}

// flatAuthorizer is what authorizers pass on as the format 1.0 has it: a JWT's claims and
// scopes, or a function's context and the principal, one beside the other.
func (x *exchange) flatAuthorizer() map[string]any {
	if jwt, ok := x.authorizer["jwt"].(map[string]any); ok {
		return jwt
	}
	lambda, ok := x.authorizer["lambda"].(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]any{}
	for k, v := range lambda {
		out[k] = v
	}
	if x.principal != "" {
		out["principalId"] = x.principal
	}
	return out
}

func last(ps []param) map[string]string {
	if len(ps) == 0 {
		return nil
	}
	out := make(map[string]string, len(ps))
	for _, p := range ps {
		out[p.name] = p.value
	}
	return out
}

func multi(ps []param) map[string][]string {
	if len(ps) == 0 {
		return nil
	}
	out := make(map[string][]string, len(ps))
	for _, p := range ps {
		out[p.name] = append(out[p.name], p.value)
	}
	return out
}

// textOf is a JSON value's text; lists and maps as JSON.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case fmt.Stringer: // json.Number
		return v.String(), true
	}
	b, err := json.Marshal(v)
	return string(b), err == nil
}

// iamContext is what requestContext.authorizer.iam has of who signed.
func iamContext(c *aws.Caller) map[string]any {
	return map[string]any{"accessKey": c.AccessKeyID, "accountId": c.Account, "callerId": c.UserID, "cognitoIdentity": nil,
		"principalOrgId": nil, "userArn": c.ARN, "userId": c.UserID}
}
