package test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// streams is a function that answers piece by piece, as its event or path says.
const streams = `exports.handler = awslambda.streamifyResponse(async (e, out) => {
	if (e.rawPath) out = awslambda.HttpResponseStream.from(out, { statusCode: 201, headers: { "content-type": "text/plain", "x-a": "b" }, cookies: ["c=d"] });
	for (const piece of ["one ", "two "]) { out.write(piece); await new Promise(r => setTimeout(r, 20)); }
	if (e.fail || e.rawPath === "/fail") throw new Error("in the middle");
	out.end("three");
});`

// streamed reads a stream of aws-sdk-go-v2 to its end.
func (c *cloud) streamed(name, payload string) (string, types.InvokeWithResponseStreamCompleteEvent) {
	c.Helper()
	out := must(c.lambda.InvokeWithResponseStream(ctx, &lambda.InvokeWithResponseStreamInput{FunctionName: &name, Payload: []byte(payload), LogType: types.LogTypeTail}))(c)
	s := out.GetStream()
	defer s.Close()
	var body strings.Builder
	var end types.InvokeWithResponseStreamCompleteEvent
	for e := range s.Events() {
		switch e := e.(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			body.Write(e.Value.Payload)
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			end = e.Value
		}
	}
	if err := s.Err(); err != nil {
		c.Fatal(err)
	}
	return body.String(), end
}

func TestLambdaStreams(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.function("streams", types.RuntimeNodejs22x, streams)
	body, end := c.streamed("streams", "{}")
	equal(t, "the body", body, "one two three")
	if end.ErrorCode != nil || aws.ToString(end.LogResult) == "" {
		t.Errorf("it ended with %+v", end)
	}
	body, end = c.streamed("streams", `{"fail":1}`)
	equal(t, "the body", body, "one two ")
	equal(t, "the failure", aws.ToString(end.ErrorCode), "Unhandled")
	if !strings.Contains(aws.ToString(end.ErrorDetails), "in the middle") {
		t.Error(*end.ErrorDetails)
	}
	_, err := c.lambda.InvokeWithResponseStream(ctx, &lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("none"), Payload: []byte("{}")})
	fails[*types.ResourceNotFoundException](t, err, "Function not found")
}

// browser reaches every host at the house's address.
var browser = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(house.URL(), "http://"))
}}}

// visit sends a request to a function's URL, signed where key is not nil.
func (c *cloud) visit(method, to, body string, key *aws.Credentials) (int, string, http.Header) {
	c.Helper()
	r := must(http.NewRequest(method, to, strings.NewReader(body)))(c)
	if key != nil {
		sum := sha256.Sum256([]byte(body))
		if err := v4.NewSigner().SignHTTP(ctx, *key, r, hex.EncodeToString(sum[:]), "lambda", region, time.Now()); err != nil {
			c.Fatal(err)
		}
	}
	res := must(browser.Do(r))(c)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		b = append(b, " … "+err.Error()...)
	}
	return res.StatusCode, string(b), res.Header
}

// permitURL lets a principal call a function's URL, by both permissions.
func (c *cloud) permitURL(name, principal string, auth types.FunctionUrlAuthType) {
	c.Helper()
	must(c.lambda.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: &name, StatementId: aws.String("url"), Action: aws.String("lambda:InvokeFunctionUrl"),
		Principal: &principal, FunctionUrlAuthType: auth}))(c)
	must(c.lambda.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: &name, StatementId: aws.String("invoke"), Action: aws.String("lambda:InvokeFunction"),
		Principal: &principal, InvokedViaFunctionUrl: aws.Bool(true)}))(c)
}

func TestLambdaURLForAll(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.function("web", types.RuntimeNodejs22x, `exports.handler = async (e) => ({ statusCode: 200, headers: { "x-path": e.rawPath }, body: JSON.stringify(e) })`)
	made := must(c.lambda.CreateFunctionUrlConfig(ctx, &lambda.CreateFunctionUrlConfigInput{FunctionName: aws.String("web"), AuthType: types.FunctionUrlAuthTypeNone}))(c)
	at := must(url.Parse(*made.FunctionUrl))(t)
	if !strings.HasSuffix(at.Hostname(), ".lambda-url."+region+".localhost.localstack.cloud") || at.Scheme != "http" {
		t.Errorf("the URL is %s", at)
	}
	status, body, h := c.visit("GET", at.String(), "", nil)
	if status != 403 || !strings.Contains(body, `{"Message":"Forbidden`) || h.Get("x-amzn-ErrorType") != "AccessDeniedException" {
		t.Error(status, body, h)
	}
	c.permitURL("web", "*", types.FunctionUrlAuthTypeNone)
	// The paths of Tule's own tools are the function's here, and by AWS's name it is
	// the same function.
	for _, to := range []string{at.String() + "health", "http://" + strings.Split(at.Host, ".")[0] + ".lambda-url." + region + ".on.aws/metrics"} {
		status, body, h = c.visit("POST", to, "hello", nil)
		u := must(url.Parse(to))(t)
		var e struct {
			Version, RawPath, Body string
			IsBase64Encoded        bool
			RequestContext         struct{ AccountID, DomainName, RequestID string }
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil || status != 200 || h.Get("x-path") != u.Path || e.RawPath != u.Path || e.Version != "2.0" ||
			e.RequestContext.AccountID != "anonymous" || e.RequestContext.DomainName != u.Host || e.RequestContext.RequestID != h.Get("x-amzn-RequestId") {
			t.Error(err, status, body, h)
		}
	}
}

func TestLambdaURLSigned(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.function("web", types.RuntimeNodejs22x, `exports.handler = async (e) => e.requestContext.authorizer.iam.userArn + " said " + e.body`)
	made := must(c.lambda.CreateFunctionUrlConfig(ctx, &lambda.CreateFunctionUrlConfigInput{FunctionName: aws.String("web"), AuthType: types.FunctionUrlAuthTypeAwsIam}))(c)
	to := *made.FunctionUrl
	user := func(c *cloud, name, policy string) *aws.Credentials {
		c.Helper()
		must(c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}))(c)
		if policy != "" {
			must(c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy}))(c)
		}
		k := must(c.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name}))(c).AccessKey
		return &aws.Credentials{AccessKeyID: *k.AccessKeyId, SecretAccessKey: *k.SecretAccessKey}
	}
	may := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["lambda:InvokeFunctionUrl","lambda:InvokeFunction"],"Resource":"%s"}}`, c.arn("lambda", "function:web"))
	ann, bob := user(c, "ann", may), user(c, "bob", "")
	other := newCloud(t)
	eve := user(other, "eve", may)
	expect := func(who string, key *aws.Credentials, status int, part string) {
		t.Helper()
		if got, body, _ := c.visit("POST", to, "hello", key); got != status || !strings.Contains(body, part) {
			t.Errorf("%s: %d %s", who, got, body)
		}
	}
	const forbidden = `{"Message":"Forbidden`
	said := " said " // the body comes in Base64, since nobody says that it is text
	expect("nobody", nil, 403, forbidden)
	expect("ann", ann, 200, c.arn("iam", "user/ann")+said)
	expect("bob", bob, 403, forbidden)
	expect("eve, of another account", eve, 403, forbidden)
	c.permitURL("web", other.account, types.FunctionUrlAuthTypeAwsIam)
	expect("eve, permitted", eve, 200, other.arn("iam", "user/eve")+said)
	wrong := *ann
	wrong.SecretAccessKey = "wrong"
	expect("a forger", &wrong, 403, "signature")
}

func TestLambdaURLStreams(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.function("web", types.RuntimeNodejs22x, streams)
	made := must(c.lambda.CreateFunctionUrlConfig(ctx, &lambda.CreateFunctionUrlConfigInput{FunctionName: aws.String("web"), AuthType: types.FunctionUrlAuthTypeNone, InvokeMode: types.InvokeModeResponseStream}))(c)
	c.permitURL("web", "*", types.FunctionUrlAuthTypeNone)
	status, body, h := c.visit("GET", *made.FunctionUrl, "", nil)
	if status != 201 || body != "one two three" || h.Get("x-a") != "b" || h.Get("Set-Cookie") != "c=d" || h.Get("Content-Type") != "text/plain" {
		t.Error(status, body, h)
	}
	if _, body, _ = c.visit("GET", *made.FunctionUrl+"fail", "", nil); body != "one two  … unexpected EOF" {
		t.Error(body)
	}
	res := must(browser.Do(must(http.NewRequest("GET", *made.FunctionUrl, nil))(t)))(t)
	defer res.Body.Close()
	first := make([]byte, 64)
	if n := must(res.Body.Read(first))(t); !bytes.Equal(first[:n], []byte("one ")) {
		t.Errorf("the first piece is %q", first[:n])
	}
}
