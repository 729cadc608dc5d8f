package apigateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// Random requests against random APIs: whatever an API's owner wrote and its callers send, the
// answer is the integration's or a gateway response, Tule itself does not fail, and the execution
// log says what happened. TULE_RANDOM is how many requests; all of them are 10000.
func TestRandomAPIs(t *testing.T) {
	want := 500
	if n, err := strconv.Atoi(os.Getenv("TULE_RANDOM")); err == nil {
		want = n
	}
	w := newWild(t, 7)
	for w.sent < want && w.refused < want {
		w.next(t)
	}
	t.Logf("%d APIs, %d refused; %d requests, %d log lines, %d calls of functions; answers %v", w.apis, w.refused, w.sent, w.lines, w.calls, w.answers)
	if w.sent < want || w.apis < want/perAPI || w.refused == 0 {
		t.Errorf("%d requests to %d APIs were sent, and %d APIs refused", w.sent, w.apis, w.refused)
	}
	for _, status := range []int{200, 400, 403, 415, 429, 500, 502} {
		if w.answers[status] == 0 {
			t.Errorf("nothing was answered %d: the requests are not what they should be", status)
		}
	}
	if w.lines < want || w.calls < want/20 {
		t.Errorf("%d lines, %d calls", w.lines, w.calls)
	}
}

// perAPI is how many requests go to each API.
const perAPI = 25

// wild makes APIs and requests by chance.
type wild struct {
	*rand.Rand
	st       *stand
	failures bytes.Buffer     // what the service logs of its own
	methods  map[string][]int // the statuses that each may answer
	careless bool             // the API has what an import refuses
	level    string
	key      string

	apis, refused, sent, lines, calls int
	answers                           map[int]int
}

func newWild(t *testing.T, seed uint64) *wild {
	w := &wild{Rand: rand.New(rand.NewPCG(seed, seed)), st: newStand(t), answers: map[int]int{}}
	w.st.Logger = slog.New(slog.NewTextHandler(&w.failures, &slog.HandlerOptions{Level: slog.LevelError}))
	for name, answer := range wildFunctions {
		w.st.lambda.functions[name] = answer.text
	}
	w.st.must(t, w.st.account(t, "arn:aws:iam::000000000000:role/logs"))
	return w
}

// oneOf draws one.
func oneOf[T any](w *wild, of ...T) T { return of[w.IntN(len(of))] }

// slip is wrong in an API of somebody careless.
func (w *wild) slip(wrong, right string) string {
	if w.careless {
		return wrong
	}
	return right
}

// wildFunctions answer, and with these status codes behind AWS_PROXY.
var wildFunctions = map[string]struct {
	text     string
	statuses []int
}{
	"good":      {`{"statusCode": 201, "headers": {"X-A": "b", "n": 1.5}, "body": "made"}`, []int{201}},
	"empty":     {`{}`, []int{200}},
	"binary":    {`{"statusCode": "203", "isBase64Encoded": true, "body": "3q2+7w=="}`, []int{203}},
	"unbinary":  {`{"statusCode": 206, "isBase64Encoded": true, "body": "%%%"}`, []int{206}},
	"status":    {`{"statusCode": 99}`, nil},
	"headers":   {`{"statusCode": 200, "headers": {"a": ["b"]}}`, nil},
	"many":      {`{"multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"], "Content-Length": ["7"], "bad name": ["x"]}}`, []int{200}},
	"text":      {`"text"`, nil},
	"nothing":   {``, nil},
	"broken":    {`{"statusCode": 200`, nil},
	"failing":   {`fail {"errorMessage": "[BadRequest] no", "errorType": "Error"}`, nil},
	"throttled": {`refuse Rate Exceeded`, nil},
}

var wildTemplates = []string{
	`{"statusCode": 200}`, `{statusCode: 404}`, `{"statusCode": $input.params('code')}`, `$input.json('$')`, `$input.path('$.a.b').c`, `$input.body`,
	`#if(`, `#foreach($i in [1..100000000])x#end`, `$util.parseJson('{')`, `#set($context.responseOverride.status = 299){"statusCode": 200}`, ``, `nonsense`,
	`#set($context.responseOverride.status = "x")`, `#set($context.responseOverride.header.Content-Length = "99999")$input.params()`, `$util.base64Decode($input.body)`,
	`{"a": "$util.escapeJavaScript($input.json('$..*'))"}`, `#macro(m $x)#m($x)#end#m(1)`, `$context.identity.sourceIp $stageVariables.none ${a.b[3]}`, `#set($x = 1 / 0)$x`,
}

func (w *wild) template() string {
	t := oneOf(w, wildTemplates...)
	if w.IntN(8) == 0 { // cut, and grown together with another
		t = t[:w.IntN(len(t)+1)] + oneOf(w, wildTemplates...)
	}
	return t
}

type object = map[string]any

// integration draws one, and the statuses that it may answer.
func (w *wild) integration() (object, []int) {
	var names []string
	for name := range wildFunctions {
		names = append(names, name)
	}
	slices.Sort(names)
	function := oneOf(w, append(names, "echo", "missing")...)
	uri := "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:" + function + "/invocations"
	out := object{"type": oneOf(w, "mock", "mock", "aws", "aws_proxy", "aws_proxy", "http", "http_proxy"), "httpMethod": "POST", "uri": uri,
		"passthroughBehavior": oneOf(w, "when_no_match", "when_no_templates", "never")}
	statuses := []int{299}
	switch out["type"] {
	case "aws_proxy":
		return out, wildFunctions[function].statuses
	case "http", "http_proxy":
		status := oneOf(w, 200, 204, 404, 503)
		out["uri"] = oneOf(w, fmt.Sprintf("http://back.example.com/status/%d/body", status), "http://back.example.com/down", "http://back.example.com/{id}", w.slip("no address", "http://back.example.com/{id}"))
		if out["type"] == "http_proxy" {
			return out, []int{status, 200}
		}
	}
	templates, responses := object{}, object{}
	for range w.IntN(3) {
		templates[oneOf(w, "application/json", "text/plain", "$default")] = w.template()
	}
	for _, pattern := range []string{"default", "4\\d\\d", oneOf(w, ".*BadRequest.*", ".*", w.slip("(", ".+"), "200")} {
		if w.IntN(4) == 0 {
			continue
		}
		status := oneOf(w, 200, 201, 302, 400, 418, 500)
		statuses = append(statuses, status)
		r := object{"statusCode": strconv.Itoa(status)}
		if w.IntN(2) == 0 {
			r["responseTemplates"] = object{oneOf(w, "application/json", "text/html"): w.template()}
		}
		if w.IntN(3) == 0 {
			r["contentHandling"] = oneOf(w, "CONVERT_TO_TEXT", "CONVERT_TO_BINARY")
		}
		if w.IntN(3) == 0 {
			r["responseParameters"] = object{"method.response.header." + oneOf(w, "X-Out", "Content-Type", w.slip("Connection", "X-More")): oneOf(w, "'static'", "integration.response.body.a", "integration.response.header.X-Back", "context.requestId")}
		}
		responses[pattern] = r
	}
	out["requestTemplates"], out["responses"] = templates, responses
	if w.IntN(3) == 0 {
		out["contentHandling"] = oneOf(w, "CONVERT_TO_TEXT", "CONVERT_TO_BINARY")
	}
	if w.IntN(3) == 0 {
		out["requestParameters"] = object{"integration.request." + oneOf(w, "header.X-In", w.slip("place.x", "path.id"), "querystring.q"): oneOf(w, "method.request.querystring.q", "'static'", "method.request.body.a", "context.stage")}
	}
	return out, statuses
}

// document draws an API.
func (w *wild) document() string {
	w.methods, w.careless = map[string][]int{}, w.IntN(4) == 0
	paths := object{}
	for _, path := range []string{"/", "/a", "/a/{id}", "/{id}", "/b/{rest+}"} {
		methods := object{}
		for _, verb := range []string{"get", "post", "x-amazon-apigateway-any-method"} {
			if w.IntN(3) == 0 {
				continue
			}
			integration, statuses := w.integration()
			m := object{"responses": object{}, "x-amazon-apigateway-integration": integration}
			var ps []object
			if w.IntN(4) == 0 {
				ps = append(ps, object{"name": "b", "in": "body", "required": true, "schema": object{"$ref": "#/definitions/" + oneOf(w, "Film", "Film", "List", "List", w.slip("None", "List"))}})
			}
			if w.IntN(5) == 0 {
				ps = append(ps, object{"name": "q", "in": "query", "required": true, "type": "string"})
			}
			if len(ps) > 0 {
				m["parameters"], m["x-amazon-apigateway-request-validator"] = ps, oneOf(w, "all", "body")
			}
			if w.IntN(4) == 0 {
				m["security"] = []object{{"key": []string{}}}
			}
			methods[verb] = m
			if verb = strings.ToUpper(verb); len(verb) > 4 {
				verb = "ANY"
			}
			w.methods[verb+" "+path] = statuses
		}
		if len(methods) > 0 {
			paths[path] = methods
		}
	}
	doc := object{"swagger": "2.0", "info": object{"title": "wild"}, "paths": paths,
		"definitions": object{"Film": object{"type": "object", "required": []string{"a"}, "properties": object{"a": object{"type": "string"}}},
			"List": object{"type": "array", "items": object{"$ref": "#/definitions/Film"}, "maxItems": 2}},
		"securityDefinitions":                     object{"key": object{"type": "apiKey", "name": "x-api-key", "in": "header"}},
		"x-amazon-apigateway-request-validators":  object{"all": object{"validateRequestBody": true, "validateRequestParameters": true}, "body": object{"validateRequestBody": true}},
		"x-amazon-apigateway-binary-media-types":  oneOf(w, []string{}, []string{"image/png"}, []string{"*/*"}),
		"x-amazon-apigateway-gateway-responses":   object{},
		"x-amazon-apigateway-minimum-compression": 0,
	}
	if w.IntN(4) == 0 {
		doc["x-amazon-apigateway-gateway-responses"] = object{oneOf(w, "DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED"): object{"responseTemplates": object{"application/json": w.template()}}}
	}
	b, _ := json.Marshal(doc)
	return string(b)
}

// next makes an API, and calls it.
func (w *wild) next(t *testing.T) {
	if err := w.st.deploy(t, w.document(), "prod"); err != nil {
		if aws.CodeOf(err) != "BadRequestException" {
			t.Fatalf("an import fails: %v", err)
		}
		w.refused++
		return
	}
	w.apis++
	w.st.house.Clock.Advance(time.Second) // the account's limit is not meant
	w.key = fmt.Sprintf("key-%024d", w.apis)
	w.st.must(t, w.st.subscribe(t, "prod", w.key, oneOf(w, `{}`, `{"throttle": {"rateLimit": 1, "burstLimit": 2}}`, `{"quota": {"limit": 1, "period": "DAY"}}`)))
	w.level = oneOf(w, "INFO", "INFO", "INFO", "ERROR", "OFF")
	w.st.must(t, w.st.patchStage(t, "prod", "replace /*/*/logging/loglevel "+w.level+"\nreplace /*/*/logging/dataTrace true"))
	for range perAPI {
		w.call(t)
	}
}

// call sends a request, and holds the answer and the log against what there may be.
func (w *wild) call(t *testing.T) {
	verb := oneOf(w, "GET", "POST", "POST", "PUT")
	path := oneOf(w, "/", "/a", "/a/1", "/x%2Fy", "/b/c/d", "/none/such")
	text := ""
	for _, h := range []string{"Content-Type: " + oneOf(w, "application/json", "text/plain; charset=utf-8", "image/png", ""), "Accept: " + oneOf(w, "*/*", "image/png", "text/html"),
		"X-Api-Key: " + oneOf(w, w.key, w.key, "wrong"), "Content-Encoding: identity"} {
		if w.IntN(3) > 0 {
			text += h + "\n"
		}
	}
	text = "X-Any: 1\n" + text + "\n" + oneOf(w, "", `{"a": "b"}`, `{"a": {"b": {"c": 1}}}`, `[{"a": "b"}, {}]`, `{"a":`, "\xff\xfe\x00", "aGVsbG8=", strings.Repeat("[", 2000), `{"code": 204}`)
	r := w.st.request(t, verb, "/prod"+path+oneOf(w, "", "?q=1", "?code=204&q=%zz", "?code=x"), text)
	about := aws.RequestOf(r.Context())
	w.st.lambda.calls = nil
	out := httptest.NewRecorder()
	w.st.handler.ServeHTTP(out, r)
	w.sent++
	w.answers[out.Code]++
	calls := len(w.st.lambda.calls)
	w.calls += calls
	lines := w.logged(t, about.ID)
	w.lines += len(lines)
	if why := w.wrong(out, lines, calls); why != "" || w.failures.Len() > 0 {
		t.Fatalf("request %d of API %d, %s %s\n%s\nanswered %d %v\n%.500s\n%s\nthe log, at %s:\n%s\nthe service: %s", w.sent, w.apis, verb, path, text,
			out.Code, out.Header(), out.Body, why, w.level, strings.Join(lines, "\n"), w.failures.String())
	}
}

// logged is what the execution log has of a request.
func (w *wild) logged(t *testing.T, id string) (lines []string) {
	w.st.Service.logs.Flush(w.st.house.Context(t.Context()))
	for group, streams := range w.st.logs.groups {
		for stream, all := range streams {
			for _, line := range all {
				text, ok := strings.CutPrefix(line, "("+id+") ")
				if !ok || group != "API-Gateway-Execution-Logs_"+w.st.apiID+"/prod" {
					t.Errorf("%s is of another request: %s", group, line)
				}
				lines = append(lines, text)
			}
			streams[stream] = []string{}
		}
	}
	return lines
}

// modelled are the gateway responses by status and error type.
var modelled = []string{
	"403 MissingAuthenticationTokenException", "403 ForbiddenException", "400 BadRequestException", "415 BadRequestException", "429 TooManyRequestsException",
	"429 LimitExceededException", "500 InternalServerErrorException", "502 InternalServerErrorException", "504 InternalServerErrorException",
}

// wrong is what does not fit; "" if all does.
func (w *wild) wrong(out *httptest.ResponseRecorder, lines []string, calls int) string {
	kind := out.Header().Get("X-Amzn-Errortype")
	has := func(text string) bool {
		return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, text) })
	}
	done := has("Successfully completed execution")
	failed := has("Execution failed") || has("Lambda execution failed") || has("Lambda invocation failed")
	switch {
	case w.level == "OFF" && len(lines) > 0:
		return "logged where the log is off"
	case kind != "" && !slices.Contains(modelled, fmt.Sprintf("%d %s", out.Code, kind)) && !has("Successfully"):
		return "no gateway response is " + kind
	case kind == "" && !w.may(out.Code):
		return "no integration answers this"
	case w.level == "OFF" || kind == "MissingAuthenticationTokenException":
		return ""
	case out.Code >= 500 && kind != "" && !failed:
		return "a failure that the log knows nothing of"
	case w.level == "ERROR":
		return ""
	case len(lines) == 0 || lines[len(lines)-1] != fmt.Sprintf("Method completed with status: %d", out.Code):
		return "the log ends otherwise"
	case done != (kind == ""):
		return "the log and the answer disagree on whether it went well"
	case calls > 0 != has("Sending request to https://lambda."):
		return fmt.Sprintf("%d calls of functions", calls)
	case done && out.Body.Len() < maxLine && out.Code != 204 && !has(strings.ToValidUTF8("Method response body after transformations: "+out.Body.String(), "\uFFFD")):
		return "another body is logged"
	}
	return ""
}

// may reports whether any method's integration answers with a status.
func (w *wild) may(status int) bool {
	for _, statuses := range w.methods {
		if slices.Contains(statuses, status) {
			return true
		}
	}
	return false
}
