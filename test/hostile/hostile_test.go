// Package hostile sends Tule what it should not be sent, runs what should not be
// run, and takes its disk away. Each time a clear error comes back, in AWS's shape,
// the process lives on, and others are served.
package hostile

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/tule-cloud/tule/test/tule"
)

var (
	ctx   = context.Background()
	house *tule.Tule
)

const region = "us-east-1"

// tuleSecret is in Tule's variables, and no function's business.
const tuleSecret = "mark-of-the-house-5f1c"

func TestMain(m *testing.M) {
	var err error
	if house, err = tule.Start(tule.Options{Env: []string{"TULE_TEST_MARK=" + tuleSecret, "HOUSE_MARK=" + tuleSecret}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := house.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL", err)
		code = 1
	}
	os.Exit(code)
}

// accounts counts the tests' accounts.
var accounts atomic.Int64

// account is one that no other test has.
func account() string { return fmt.Sprint(700_000_000_000 + accounts.Add(1)) }

// config is the root of an account on a Tule.
func config(t *tule.Tule, account string) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: aws.String(t.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
		Credentials: credentials.NewStaticCredentialsProvider(account, "any", "")}
}

// serves checks that Tule lives, and serves another.
func serves(t testing.TB) {
	t.Helper()
	if !house.Alive() {
		t.Fatalf("tule is gone\n%s", house.Failures())
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := dynamodb.NewFromConfig(config(house, "555555555555")).ListTables(ctx, &dynamodb.ListTablesInput{}); err != nil {
		t.Fatalf("another is not served: %v", err)
	}
}

// A message is a request as it goes over the wire, signed as it stands.
type message struct {
	service, method, path, body string
	header                      map[string]string
	key                         aws.Credentials     // the root of an account if empty
	tamper                      func(*http.Request) // after it was signed
}

func (m message) send(t testing.TB) (int, string) {
	t.Helper()
	r, err := http.NewRequest(m.method, house.URL()+m.path, strings.NewReader(m.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range m.header {
		r.Header.Set(k, v)
	}
	if m.key.AccessKeyID == "" {
		m.key = aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	}
	sum := sha256.Sum256([]byte(m.body))
	if err := v4.NewSigner().SignHTTP(ctx, m.key, r, hex.EncodeToString(sum[:]), m.service, region, time.Now()); err != nil {
		t.Fatal(err)
	}
	if m.tamper != nil {
		m.tamper(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("X-Amzn-Errortype") + " " + string(b)
}

func dynamo(operation, body string) message {
	return message{service: "dynamodb", method: "POST", path: "/", body: body, header: map[string]string{
		"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810." + operation}}
}

// user makes an IAM user, who may do nothing, and gives the key.
func user(t testing.TB) aws.Credentials {
	t.Helper()
	people := iam.NewFromConfig(config(house, account()))
	if _, err := people.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("ann")}); err != nil {
		t.Fatal(err)
	}
	made, err := people.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("ann")})
	if err != nil {
		t.Fatal(err)
	}
	return aws.Credentials{AccessKeyID: *made.AccessKey.AccessKeyId, SecretAccessKey: *made.AccessKey.SecretAccessKey}
}

func with(m message, tamper func(*http.Request)) message { m.tamper = tamper; return m }

func query(body string) message {
	return message{service: "iam", method: "POST", path: "/", body: body, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}}
}

func TestMessages(t *testing.T) {
	key := user(t)
	known := func(m message) message { m.key = key; return m } // strangers' secrets nobody knows, so theirs are not checked
	deep := `{"TableName":"t","Item":{"k":` + strings.Repeat(`{"L":[`, 50_000) + `{"S":"x"}` + strings.Repeat(`]}`, 50_000) + `}}`
	for _, c := range []struct {
		name   string
		m      message
		status int
		want   string
	}{
		{"malformed JSON", dynamo("ListTables", `{"Limit": `), 400, "SerializationException"},
		{"no JSON", dynamo("ListTables", "\x00\xff\xfe"), 400, "SerializationException"},
		{"JSON with more behind it", dynamo("ListTables", `{} {}`), 400, "SerializationException"},
		{"a list for a structure", dynamo("ListTables", `[]`), 400, "SerializationException"},
		{"a number for a string", dynamo("DescribeTable", `{"TableName": 5}`), 400, "SerializationException"},
		{"a string for a number", dynamo("ListTables", `{"Limit": "5"}`), 400, "SerializationException"},
		{"a number out of range", dynamo("ListTables", `{"Limit": 1000}`), 400, "ValidationException"},
		{"what is required is not there", dynamo("PutItem", `{}`), 400, "ValidationException"},
		{"unknown fields are ignored", dynamo("ListTables", `{"Nothing": {"a": [1]}, "limit": "x"}`), 200, "TableNames"},
		{"JSON that is too deep", dynamo("PutItem", deep), 400, "Exception"},
		{"an attribute of two types", dynamo("PutItem", `{"TableName":"t3","Item":{"k":{"S":"x","N":"1"}}}`), 400, "ValidationException"},
		{"a number that is none", dynamo("PutItem", `{"TableName":"t3","Item":{"k":{"N":"1e"}}}`), 400, "ValidationException"},
		{"an operation that nobody knows", dynamo("DropEverything", `{}`), 400, "UnknownOperationException"},
		{"a body that was changed", with(known(dynamo("ListTables", `{}`)), func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`[]`)) }), 400, "InvalidSignatureException"},
		{"a header that was changed", with(known(dynamo("ListTables", `{}`)), func(r *http.Request) { r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DescribeLimits") }), 400, "InvalidSignatureException"},
		{"an Authorization that is none", with(dynamo("ListTables", `{}`), func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x") }), 400, "IncompleteSignatureException"},
		{"no Authorization", with(dynamo("ListTables", `{}`), func(r *http.Request) { r.Header.Del("Authorization") }), 400, "MissingAuthenticationTokenException"},
		{"a query without an action", query("UserName=x"), 400, "<Error>"},
		{"a list of which only one member is there, far out", query("Action=TagUser&Version=2010-05-08&UserName=x&Tags.member.999999999.Key=a&Tags.member.999999999.Value=b"), 404, "NoSuchEntity"},
		{"a broken query", query("Action=ListUsers&Version=2010-05-08&MaxItems=%zz"), 400, "<Error>"},
		{"a REST body that is no JSON", message{service: "lambda", method: "POST", path: "/2015-03-31/functions", body: "{", header: map[string]string{"Content-Type": "application/json"}}, 400, "Exception"},
		{"a REST body with broken base64", message{service: "lambda", method: "POST", path: "/2015-03-31/functions", body: `{"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Code":{"ZipFile":"***"}}`}, 400, "Exception"},
		{"a path that nobody knows", message{service: "lambda", method: "PATCH", path: "/2015-03-31/nothing"}, 404, "UnknownOperationException"},
		{"a service that nobody knows", message{service: "nothing", method: "GET", path: "/"}, 501, "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := c.m.send(t)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %d %.400s, want %d and %s", status, body, c.status, c.want)
			}
			serves(t)
		})
	}
}

func TestItemsTooLarge(t *testing.T) {
	db := dynamodb.NewFromConfig(config(house, account()))
	table(t, db)
	put := func(size int) error {
		_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("things"), Item: map[string]types.AttributeValue{
			"id": &types.AttributeValueMemberS{Value: "x"}, "v": &types.AttributeValueMemberS{Value: strings.Repeat("v", size)}}})
		return err
	}
	const rest = len("id") + len("x") + len("v")
	if err := put(400<<10 - rest); err != nil {
		t.Errorf("an item of 400 KB: %v", err)
	}
	if err := put(400<<10 - rest + 1); err == nil || !strings.Contains(err.Error(), "Item size has exceeded the maximum allowed size") {
		t.Errorf("an item of 400 KB and a byte: %v", err)
	}
	if err := put(20 << 20); err == nil || !strings.Contains(err.Error(), "StatusCode: 4") {
		t.Errorf("an item of 20 MB: %v", err)
	}
	serves(t)
}

func table(t testing.TB, db *dynamodb.Client) {
	t.Helper()
	if _, err := db.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("things"), BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}}}); err != nil {
		t.Fatal(err)
	}
}

// dial opens a connection and writes to it.
func dial(t testing.TB, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", house.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
		t.Fatal(err)
	}
	return c
}

// answer is what comes back on a connection until its end or a deadline.
func answer(t testing.TB, c net.Conn, within time.Duration) (text string, ended bool) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(bufio.NewReader(c))
	var timeout net.Error
	if e, ok := err.(net.Error); ok {
		timeout = e
	}
	return string(b), timeout == nil || !timeout.Timeout()
}

func TestBytes(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: dynamodb\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\nContent-Type: application/x-amz-json-1.0\r\nConnection: close\r\n"
	for _, c := range []struct{ name, text, want string }{
		{"no HTTP", "hello?\r\n\r\n", "HTTP/1.1 400"},
		{"half a TLS handshake", "\x16\x03\x01\x02\x00\x01", ""},
		{"headers that are too long", post + "X-Long: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", "HTTP/1.1 431"},
		{"too many headers", post + strings.Repeat("X: y\r\n", 100_000) + "\r\n", "HTTP/1.1 431"},
		{"a length that is none", post + "Content-Length: -1\r\n\r\n", "HTTP/1.1 400"},
		{"two lengths", post + "Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}", "HTTP/1.1 400"},
		{"a body that ends early", post + "Content-Length: 1000\r\n\r\n{", ""},
		{"a broken chunk", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 40"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dial(t, c.text)
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil && c.want == "" {
				t.Fatal(err)
			}
			got, ended := answer(t, conn, 15*time.Second)
			if !ended || !strings.HasPrefix(got, c.want) || strings.HasPrefix(got, "HTTP/1.1 2") || strings.HasPrefix(got, "HTTP/1.1 5") {
				t.Errorf("ended %v, got %.300q, want %s", ended, got, c.want)
			}
			serves(t)
		})
	}
}

// Who sends slowly does not keep others from being served, and does not get forever.
func TestSlowSenders(t *testing.T) {
	var conns []net.Conn
	for range 200 {
		conns = append(conns, dial(t, "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "))
		conns = append(conns, dial(t, "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\nContent-Length: 100\r\n\r\n{"))
	}
	for range 20 {
		serves(t)
	}
	if _, ended := answer(t, conns[0], 30*time.Second); !ended {
		t.Error("a header may take more than 30 s")
	}
	if status, _ := (dynamo("ListTables", "{}")).send(t); status != 200 {
		t.Errorf("status %d beside slow senders", status)
	}
}

// A length that promises too much is refused before the body is sent.
func TestBodiesTooLong(t *testing.T) {
	status, body := with(dynamo("ListTables", "{}"), func(r *http.Request) {
		r.Header.Set("Expect", "100-continue")
		r.ContentLength, r.Body = 10<<30, io.NopCloser(io.LimitReader(zeros{}, 10<<30))
	}).send(t)
	if status != 413 {
		t.Errorf("got %d %.300s, want 413", status, body)
	}
	serves(t)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
