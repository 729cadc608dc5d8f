package attack

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

const mismatch = "SignatureDoesNotMatch|InvalidSignatureException|Credential should be scoped|IncompleteSignature"

// What a signature covers nobody on the way can change, and what steers a service it
// must cover.
func TestSignedHeadersStripping(t *testing.T) {
	t.Parallel()
	a := owner(t)
	a.table("things")
	ann := a.user("ann", everything)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	auth := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			v := r.Header.Get("Authorization")
			if !strings.Contains(v, old) {
				t.Errorf("%q is not in %q", old, v)
			}
			r.Header.Set("Authorization", strings.Replace(v, old, new, 1))
		}
	}
	list := dynamo(ann.key, "ListTables", "{}")
	drop := dynamo(ann.key, "DeleteTable", `{"TableName":"things"}`)
	invoke := message{service: "lambda", method: "POST", path: "/2015-03-31/functions/f/invocations", body: "{}", key: ann.key}
	for _, c := range []struct {
		name   string
		m      message
		tamper func(*http.Request)
	}{
		{"another operation", list, header("X-Amz-Target", "DynamoDB_20120810.DeleteTable")},
		{"a second operation", list, func(r *http.Request) { r.Header.Add("X-Amz-Target", "DynamoDB_20120810.DeleteTable") }},
		{"the target out of the list", drop, auth(";x-amz-target", "")},
		{"the host out of the list", drop, auth("host;", "")},
		{"another host", drop, func(r *http.Request) { r.Host = "dynamodb.us-east-1.amazonaws.com" }},
		{"another body", list, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`[]`)) }},
		{"another path", drop, func(r *http.Request) { r.URL.Path = "/x" }},
		{"a query", drop, func(r *http.Request) { r.URL.RawQuery = "Action=DeleteTable" }},
		{"another method", invoke, func(r *http.Request) { r.Method = "PUT" }},
		{"another invocation type", invoke, header("X-Amz-Invocation-Type", "Event")},
		{"a client context", invoke, header("X-Amz-Client-Context", "e30=")},
		{"another content type", list, header("Content-Type", "application/x-amz-json-1.1")},
		{"another date", list, header("X-Amz-Date", time.Now().UTC().Add(time.Minute).Format("20060102T150405Z"))},
		{"another region", list, auth("/us-east-1/", "/us-west-2/")},
		{"another service", list, auth("/dynamodb/", "/iam/")},
		{"another key", list, auth(ann.key.AccessKeyID, a.user("bob", everything).key.AccessKeyID)},
		{"no date", list, func(r *http.Request) { r.Header.Del("X-Amz-Date") }},
		{"no signature", list, auth(", Signature=", ", Nothing=")},
		{"an empty signature", list, func(r *http.Request) {
			v := r.Header.Get("Authorization")
			r.Header.Set("Authorization", v[:strings.Index(v, "Signature=")+len("Signature=")])
		}},
	} {
		c.m.tamper = c.tamper
		if status, body := c.m.send(t); status != 400 && status != 403 || !containsOne(body, mismatch) {
			t.Errorf("%s: %d %.300s", c.name, status, body)
		}
	}
	list.answers(t, "as it was signed", 200, "things")
	a.holds("things", 1)
}

// A host name recognises what is not signed for a service; it never overrules what is.
func TestHosts(t *testing.T) {
	t.Parallel()
	a := owner(t)
	ann := a.user("ann", allow("dynamodb:*", "*"))
	list := dynamo(ann.key, "ListTables", "{}")
	for host, want := range map[string]int{
		"dynamodb.us-east-1.amazonaws.com": 200,
		"iam.amazonaws.com":                200, // signed for DynamoDB, and for this host
		"evil.example":                     200, // a signer's own matter: any name may lead here
		"dynamodb.eu-west-1.amazonaws.com": 400, // signed for us-east-1
	} {
		m := list
		m.host = host
		if status, body := m.send(t); status != want {
			t.Errorf("%s: %d %.300s", host, status, body)
		}
	}
	m := query(ann.key, "iam", "Action=ListUsers")
	m.host = "dynamodb.us-east-1.amazonaws.com"
	m.answers(t, "IAM behind DynamoDB's name", 403, "AccessDenied")
	// Two hosts, and a host in the target: bytes that HTTP libraries would not send.
	r := list.request(t)
	for name, text := range map[string]string{
		"two hosts":              "POST / HTTP/1.1\r\nHost: " + house.Addr + "\r\nHost: iam.amazonaws.com\r\n",
		"a host in the target":   "POST http://iam.amazonaws.com/ HTTP/1.1\r\nHost: " + house.Addr + "\r\n",
		"a host of two":          "POST / HTTP/1.1\r\nHost: " + house.Addr + ",iam.amazonaws.com\r\n",
		"a host and a space":     "POST / HTTP/1.1\r\nHost : " + house.Addr + "\r\n",
		"two lengths":            "POST / HTTP/1.1\r\nHost: " + house.Addr + "\r\nContent-Length: 0\r\n",
		"chunks and a length":    "POST / HTTP/1.1\r\nHost: " + house.Addr + "\r\nTransfer-Encoding: chunked\r\n",
		"an unknown encoding":    "POST / HTTP/1.1\r\nHost: " + house.Addr + "\r\nTransfer-Encoding: xchunked\r\n",
		"a folded authorization": "POST / HTTP/1.1\r\nHost: " + house.Addr + "\r\nAuthorization: AWS4-HMAC-SHA256\r\n Credential=x\r\n",
	} {
		for k, v := range r.Header {
			text += k + ": " + v[0] + "\r\n"
		}
		if status, answer := raw(t, text+"Content-Length: 2\r\nConnection: close\r\n\r\n{}\r\n\r\n"); status == 200 {
			t.Errorf("%s: %s", name, answer)
		}
	}
}

// raw writes bytes to Tule and reads the answer.
func raw(t testing.TB, text string) (int, string) {
	t.Helper()
	c := must(net.Dial("tcp", house.Addr))(t)
	defer c.Close()
	works(t, "a deadline", c.SetDeadline(time.Now().Add(20*time.Second)))
	if _, err := io.WriteString(c, text); err != nil {
		return 0, err.Error()
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// A presigned URL is good for what was signed, as long as was signed, and for nothing
// beside.
func TestPresignedURL(t *testing.T) {
	t.Parallel()
	a := owner(t)
	ann := a.user("ann", everything)
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	sign := func(service, path, expires string, at time.Duration) string {
		r := must(http.NewRequest("GET", house.URL()+path, nil))(t)
		if expires != "" {
			q := r.URL.Query()
			q.Set("X-Amz-Expires", expires)
			r.URL.RawQuery = q.Encode()
		}
		u, _, err := v4.NewSigner().PresignHTTP(ctx, ann.key, r, empty, service, region, time.Now().Add(at))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	identity := sign("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", "60", 0)
	other := sign("iam", "/?Action=ListUsers&Version=2010-05-08", "60", 0)
	cut := func(u, name string) string {
		_, v, _ := strings.Cut(u, name+"=")
		v, _, _ = strings.Cut(v, "&")
		return v
	}
	for _, c := range []struct {
		name, method, url, body string
		header                  map[string]string
		status                  int
	}{
		{"as it was signed", "GET", identity, "", nil, 200},
		{"another operation", "GET", strings.Replace(identity, "GetCallerIdentity", "GetSessionToken", 1), "", nil, 403},
		{"another operation before", "GET", strings.Replace(identity, "/?", "/?Action=GetSessionToken&", 1), "", nil, 403},
		{"another operation behind", "GET", identity + "&Action=GetSessionToken", "", nil, 403},
		{"another method", "POST", identity, "", nil, 403},
		{"a body with another operation", "POST", identity, "Action=GetSessionToken", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 403},
		{"a body behind a GET", "GET", identity, "Action=GetSessionToken", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 403},
		{"a target in a header", "GET", identity, "", map[string]string{"X-Amz-Target": "DynamoDB_20120810.ListTables"}, 400},
		{"a header of AWS's", "GET", identity, "", map[string]string{"X-Amz-Acl": "public-read"}, 403},
		{"a longer life", "GET", strings.Replace(identity, "X-Amz-Expires=60", "X-Amz-Expires=600", 1), "", nil, 403},
		{"another life beside", "GET", identity + "&X-Amz-Expires=600", "", nil, 403},
		{"another URL's signature", "GET", strings.Replace(other, cut(other, "X-Amz-Signature"), cut(identity, "X-Amz-Signature"), 1), "", nil, 403},
		{"another service", "GET", strings.Replace(identity, "%2Fsts%2F", "%2Fiam%2F", 1), "", nil, 403},
		{"another path", "GET", strings.Replace(identity, "/?", "/x?", 1), "", nil, 403},
		{"over", "GET", sign("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", "60", -61*time.Second), "", nil, 403},
		{"not yet", "GET", sign("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", "60", 16*time.Minute), "", nil, 403},
		{"for more than seven days", "GET", sign("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", "604801", 0), "", nil, 400},
		{"for seven days, on the sixth", "GET", sign("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", "604800", -6*24*time.Hour), "", nil, 200},
		{"for nothing", "GET", sign("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", "0", 0), "", nil, 400},
		{"signed for a service that it is not sent to", "GET", sign("sts", "/2015-03-31/functions", "60", 0), "", nil, 404},
	} {
		r := must(http.NewRequest(c.method, c.url, strings.NewReader(c.body)))(t)
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		if status, body := do(t, r); status != c.status && !(c.status == 404 && status >= 400 && status < 500) {
			t.Errorf("%s: %d %.300s, want %d", c.name, status, body, c.status)
		}
	}
}

// The path that policies are asked about is the path that is served: however a name is
// encoded, who may not have it does not get it, and who may gets that and no other.
func TestPaths(t *testing.T) {
	t.Parallel()
	a := owner(t)
	role := a.role("fn", trust(toLambda))
	for _, name := range []string{"mine", "secret"} {
		works(t, name, a.create(name, role))
	}
	ann := a.user("ann", allow("lambda:*", a.arn("lambda", "function:mine")), allow("lambda:*", a.arn("lambda", "function:mine:*")))
	get := func(path string) (int, string) {
		return message{service: "lambda", method: "GET", path: "/2015-03-31/functions/" + path, key: ann.key}.send(t)
	}
	if status, body := get("mine"); status != 200 || !strings.Contains(body, "function:mine") {
		t.Fatalf("mine: %d %s", status, body)
	}
	for _, path := range []string{"secret", "secret/", "%73ecret", "secre%74", "mine/../secret", "mine/%2e%2e/secret", "mine%2f..%2fsecret", "mine%2F%2E%2E%2Fsecret", "./secret", "//secret", "mine;/../secret",
		"secret%00", "secret%20", "%20secret", "mine:secret", "mine%3Asecret", "arn:aws:lambda:us-east-1:" + a.account + ":function:secret", "arn%3Aaws%3Alambda%3Aus-east-1%3A" + a.account + "%3Afunction%3Asecret",
		a.account + ":secret", a.account + ":function:secret", "function:secret", "secret:$LATEST", "secret%3A%24LATEST", "SECRET", "ſecret", "%C5%BFecret", "secret?Qualifier=mine", "secret/configuration", "mine/../secret/configuration", "mine%252f..%252fsecret"} {
		status, body := get(path)
		if status == 200 || strings.Contains(body, `"FunctionArn":"`+a.arn("lambda", "function:secret")) {
			t.Errorf("%s: %d %.300s", path, status, body)
		}
	}
	for _, path := range []string{"%6dine", "mine?x=../secret", "secret/../mine", "arn%3Aaws%3Alambda%3Aus-east-1%3A" + a.account + "%3Afunction%3Amine"} {
		if status, body := get(path); status == 200 && !strings.Contains(body, "function:mine") {
			t.Errorf("%s: %d %.300s", path, status, body)
		}
	}
	_, err := a.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("secret")})
	works(t, "the owner", err)
}

// Many parameters of one name: what is authorised is what is done.
func TestDuplicateParameters(t *testing.T) {
	t.Parallel()
	a := owner(t)
	a.user("mine")
	a.user("boss", everything)
	ann := a.user("ann", allow("iam:*", a.arn("iam", "user/mine")))
	for _, body := range []string{
		"Action=CreateAccessKey&UserName=mine&UserName=boss", "Action=CreateAccessKey&UserName=boss&UserName=mine",
		"Action=CreateAccessKey&UserName=mine&username=boss", "Action=CreateAccessKey&UserName=mine&UserName.1=boss",
		"Action=GetUser&Action=CreateAccessKey&UserName=boss", "Action=CreateAccessKey&UserName=mine%00boss", "Action=CreateAccessKey&UserName=%6dine&UserName=bos%73",
	} {
		status, answer := query(ann.key, "iam", body).send(t)
		if strings.Contains(answer, "<UserName>boss</UserName>") {
			t.Errorf("%s: %d %.300s", body, status, answer)
		}
	}
	a.table("things")
	a.table("secrets")
	bob := a.user("bob", allow("dynamodb:*", a.arn("dynamodb", "table/things")))
	for _, body := range []string{
		`{"TableName":"things","TableName":"secrets","Key":{"id":{"S":"first"}}}`, `{"TableName":"secrets","TableName":"things","Key":{"id":{"S":"first"}}}`,
		`{"TableName":"things","tableName":"secrets","Key":{"id":{"S":"first"}}}`, `{"TableName":"things\u0000secrets","Key":{"id":{"S":"first"}}}`,
	} {
		status, answer := dynamo(bob.key, "DeleteItem", body).send(t)
		if status == 200 && !strings.Contains(body, "things") {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	a.holds("secrets", 1)
	batch := `{"RequestItems":{"things":[{"PutRequest":{"Item":{"id":{"S":"x"}}}}],"secrets":[{"PutRequest":{"Item":{"id":{"S":"x"}}}}]}}`
	dynamo(bob.key, "BatchWriteItem", batch).answers(t, "one table of two", 400, "AccessDeniedException")
	dynamo(bob.key, "TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"things","Item":{"id":{"S":"x"}}}},{"Put":{"TableName":"secrets","Item":{"id":{"S":"x"}}}}]}`).answers(t, "a transaction of two", 400, "AccessDeniedException")
	a.holds("secrets", 1)
	works(t, "the item that was there", a.get("secrets"))
}

// A web page that a developer has open can have the browser send what browsers send
// without asking, to this machine, too. It gets nowhere with a key that nobody issued,
// nor by a name of its own that leads here.
func TestWebPages(t *testing.T) {
	t.Parallel()
	a := owner(t)
	form := "Action=CreateUser&Version=2010-05-08&UserName=eve"
	for name, c := range map[string]struct {
		origin, host string
		status       int
	}{
		"a page of another site":            {"https://evil.example", "", 403},
		"a page of no site":                 {"null", "", 403},
		"a name that was made to lead here": {"", "evil.example:4566", 403},
		"both":                              {"http://evil.example:4566", "evil.example:4566", 403},
		"a page of this machine":            {"http://localhost:3000", "", 200},
	} {
		// Signed in the URL, a form is sent without a preflight.
		r := must(http.NewRequest("POST", house.URL()+"/", nil))(t)
		sum := sha256.Sum256([]byte(form))
		u, _, err := v4.NewSigner().PresignHTTP(ctx, a.key, r, hex.EncodeToString(sum[:]), "iam", region, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r = must(http.NewRequest("POST", u, strings.NewReader(form)))(t)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		reset := must(http.NewRequest("POST", house.URL()+"/_localstack/state/reset?account="+a.account+"&service=logs", nil))(t)
		for _, r := range []*http.Request{r, reset} {
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if c.host != "" {
				r.Host = c.host
			}
			if status, body := do(t, r); status != c.status {
				t.Errorf("%s: %s: %d %.300s", name, r.URL.Path, status, body)
			}
		}
	}
	if n := len(must(a.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t).Users); n != 1 {
		t.Errorf("there are %d users", n)
	}
}

// The same for API Gateway, whose ARNs are its paths.
func TestGatewayPaths(t *testing.T) {
	t.Parallel()
	a := owner(t)
	create := func(name string) string {
		return *must(a.gateway.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: &name}))(t).Id
	}
	mine, secret := create("mine"), create("secret")
	arn := "arn:aws:apigateway:" + region + "::/restapis/" + mine
	ann := a.user("ann", allow("apigateway:*", arn), allow("apigateway:*", arn+"/*"))
	ask := func(method, path string) (int, string) {
		return message{service: "apigateway", method: method, path: path, key: ann.key}.send(t)
	}
	if status, body := ask("GET", "/restapis/"+mine); status != 200 || !strings.Contains(body, mine) {
		t.Fatalf("mine: %d %s", status, body)
	}
	for _, path := range []string{secret, strings.ToUpper(secret), mine + "/../" + secret, mine + "/%2e%2e/" + secret, mine + "%2f..%2f" + secret, mine + "%2F%2E%2E%2F" + secret, "./" + secret, "/" + secret, "%" + fmt.Sprintf("%02x", secret[0]) + secret[1:],
		mine + "/resources/../../" + secret, mine + "/resources/..%2f..%2f" + secret, mine + "/../" + secret + "/resources", secret + "?x=/restapis/" + mine, secret + "#/" + mine, mine + "%00/" + secret, secret + "/resources", secret + "/stages", mine + "/resources/%2e%2e/%2e%2e/" + secret} {
		for _, method := range []string{"GET", "DELETE"} {
			if status, body := ask(method, "/restapis/"+path); status < 400 || strings.Contains(body, `"secret"`) {
				t.Errorf("%s %s: %d %.300s", method, path, status, body)
			}
		}
	}
	for _, id := range []string{mine, secret} {
		_, err := a.gateway.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &id})
		works(t, "afterwards", err)
	}
}
