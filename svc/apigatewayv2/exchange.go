package apigatewayv2

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// A request is what a caller of an HTTP API has sent, or who opens a connection.
type request struct {
	id        string
	at        time.Time
	verb      string
	path      string // encoded, below the stage
	whole     string // encoded, with the stage where it is in the path
	host      string // without a port
	port      string
	secure    bool
	protocol  string
	rawQuery  string
	query     []param // decoded, in the order in which they came
	header    []param // by canonical names, sorted
	cookies   []string
	params    []param // of the path, decoded
	encoded   []param // of the path, as they came
	body      []byte
	caller    aws.Caller
	sourceIP  string
	userAgent string
	trace     string
	custom    bool // came by a custom domain name
	basePath  string
}

// An exchange is one request on its way.
type exchange struct {
	s *Service
	*staged
	route *route
	req   *request
	doc   *document

	authorizer map[string]any // what the authorizer passes on: jwt, lambda or iam
	principal  string
	fault      *fault
	reply      *reply // once there is one: for the access log
	function   string // request id of the function called
	waited     time.Duration
	status     int // of the back end

	// Of WebSocket APIs:
	socket     *socket
	messageID  string
	eventType  string
	binary     bool // the message came as such
	closedWith int
	closedFor  string
}

// describe is a request to a stage, without its body.
func (x *request) domainPrefix() string {
	prefix, _, _ := strings.Cut(x.host, ".")
	return prefix
}

// lower is the values of a header, or none.
func (x *request) values(name string) (out []string) {
	for _, p := range x.header {
		if strings.EqualFold(p.name, name) {
			out = append(out, p.value)
		}
	}
	return out
}

func (x *exchange) body() *document {
	if x.doc == nil {
		x.doc = &document{text: string(x.req.body)}
	}
	return x.doc
}

// variable is what a variable of an expression is worth.
func (x *exchange) variable(name string) (string, bool) {
	root, rest, _ := strings.Cut(name, ".")
	switch root {
	case "request":
		return x.ofRequest(rest)
	case "context":
		return x.ofContext(rest)
	case "stageVariables":
		v, ok := x.stage.StageVariables[rest]
		return v, ok
	}
	return "", false
}

func (x *exchange) ofRequest(name string) (string, bool) {
	place, name, _ := strings.Cut(name, ".")
	var values []string
	switch place {
	case "method":
		return x.req.verb, true
	case "body":
		return string(x.req.body), true
	case "path":
		if name == "" {
			return unescape(x.req.path), true
		}
		values = valuesOf(x.req.params, name)
	case "header":
		if values = x.req.values(name); strings.EqualFold(name, "cookie") {
			values = x.req.cookies
		}
	case "querystring":
		values = valuesOf(x.req.query, name)
	}
	return strings.Join(values, ","), len(values) > 0
}

func valuesOf(ps []param, name string) (out []string) {
	for _, p := range ps {
		if p.name == name {
			out = append(out, p.value)
		}
	}
	return out
}

// ofContext is a variable of $context.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
func (x *exchange) ofContext(name string) (string, bool) {
	if rest, ok := strings.CutPrefix(name, "authorizer."); ok {
		return x.ofAuthorizer(rest)
	}
	if rest, ok := strings.CutPrefix(name, "identity."); ok {
		return x.ofIdentity(rest)
	}
	if v, ok := x.ofResponse(name); ok {
		return v, true
	}
	if v, ok := x.ofSocket(name); ok {
		return v, true
	}
	text := ""
	switch name {
	case "accountId":
		text = x.owner.Account
	case "apiId":
		text = *x.program.api.ApiId
	case "requestId", "extendedRequestId":
		text = x.req.id
	case "httpMethod":
		text = x.req.verb
	case "path":
		text = unescape(x.req.whole)
	case "protocol":
		text = x.req.protocol
	case "domainName":
		text = x.req.host
	case "domainPrefix":
		text = x.req.domainPrefix()
	case "customDomain.basePathMatched":
		text = x.req.basePath
	case "stage":
		text = *x.stage.StageName
	case "requestTime":
		text = x.req.at.UTC().Format("02/Jan/2006:15:04:05 -0700")
	case "requestTimeEpoch":
		text = strconv.FormatInt(x.req.at.UnixMilli(), 10)
	case "routeKey":
		if x.route != nil {
			text = x.route.key
		}
	case "dataProcessed":
		text = strconv.Itoa(len(x.req.body))
	}
	return text, text != ""
}

// ofResponse is a variable of $context on what came of a request.
func (x *exchange) ofResponse(name string) (string, bool) {
	text := ""
	switch name {
	case "status":
		if x.reply != nil {
			text = strconv.Itoa(x.reply.status)
		}
	case "responseLength":
		if x.reply != nil {
			text = strconv.Itoa(len(x.reply.body))
		}
	case "responseLatency":
		text = strconv.FormatInt(x.s.Clock.Now().Sub(x.req.at).Milliseconds(), 10)
	case "integrationLatency", "integration.latency":
		if x.waited > 0 {
			text = strconv.FormatInt(x.waited.Milliseconds(), 10)
		}
	case "integrationStatus", "integration.integrationStatus", "integration.status":
		if x.status > 0 {
			text = strconv.Itoa(x.status)
		}
	case "integration.requestId", "awsEndpointRequestId":
		text = x.function
	case "integrationErrorMessage", "integration.error", "error.message", "error.messageString":
		if x.fault != nil {
			text = x.fault.message
			if strings.HasPrefix(name, "integration") {
				text = x.fault.why
			}
			if name == "error.messageString" {
				text = quote(text)
			}
		}
	}
	return text, text != ""
}

func (x *exchange) ofIdentity(name string) (string, bool) {
	text, c := "", &x.req.caller
	switch name {
	case "sourceIp":
		text = x.req.sourceIP
	case "userAgent":
		text = x.req.userAgent
	case "accountId":
		text = c.Account
	case "caller", "user":
		text = c.UserID
	case "userArn":
		text = c.ARN
	case "accessKey":
		text = c.AccessKeyID
	}
	return text, text != ""
}

// ofAuthorizer is what the authorizer has passed on: context.authorizer.claims.sub of a
// JWT, context.authorizer.name of a function's context.
func (x *exchange) ofAuthorizer(name string) (string, bool) {
	if name == "principalId" && x.principal != "" {
		return x.principal, true
	}
	var at any = x.authorizer
	if jwt, ok := x.authorizer["jwt"]; ok {
		name = strings.TrimPrefix(name, "jwt.")
		at = jwt
	} else if lambda, ok := x.authorizer["lambda"]; ok {
		name = strings.TrimPrefix(name, "lambda.")
		at = lambda
	}
	for name != "" {
		m, ok := at.(map[string]any)
		if !ok {
			if texts, isTexts := at.(map[string]string); isTexts {
				v, ok := texts[name]
				return v, ok
			}
			return "", false
		}
		if v, ok := m[name]; ok { // claims have dots in their names
			at, name = v, ""
			break
		}
		first, rest, more := strings.Cut(name, ".")
		if !more {
			return "", false
		}
		at, name = m[first], rest
	}
	return textOf(at)
}

// splitHost is a host and its port, as a scheme has it.
func splitHost(host string, secure bool) (name, port string) {
	if name, port, err := net.SplitHostPort(host); err == nil {
		return name, port
	}
	if secure {
		return host, "443"
	}
	return host, "80"
}

// parseQuery reads a query's parameters in their order. What does not decode stays.
func parseQuery(raw string) (out []param) {
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		out = append(out, param{unescapeQuery(name), unescapeQuery(value)})
	}
	return out
}

func unescapeQuery(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// names are the names of parameters, each once, in their order.
func names(ps []param) (out []string) {
	for _, p := range ps {
		if !slices.Contains(out, p.name) {
			out = append(out, p.name)
		}
	}
	return out
}
