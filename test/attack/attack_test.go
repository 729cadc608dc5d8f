// Package attack tries Tule from outside as an attacker would: with keys that are
// none, are others' or are over; by addressing what belongs to another account; by
// climbing from a little permission to more; through services that act for others;
// and by bytes that mean one thing to the lock and another to what is behind it. Each
// attack is a test by name, against the real binary, and shows that the attacker got
// nothing, and that who is allowed still gets through.
package attack

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/tule-cloud/tule/test/tule"
)

const region = "us-east-1"

var (
	ctx = context.Background()
	// house is the Tule that is attacked. Each test has accounts of its own in it.
	house *tule.Tule
)

// inside says that this process is one that a test started in a network of its own.
const inside = "TULE_ATTACK_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	var err error
	if house, err = tule.Start(tule.Options{Libraries: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if code != 0 && testing.Verbose() {
		fmt.Fprintln(os.Stderr, house.Failures())
	}
	if err := house.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL", err)
		code = 1
	}
	os.Exit(code)
}

// A party is somebody with a key, and the clients that use it.
type party struct {
	testing.TB
	account string
	key     aws.Credentials
	config  aws.Config
	iam     *iam.Client
	sts     *sts.Client
	dynamo  *dynamodb.Client
	lambda  *lambda.Client
	gateway *apigateway.Client
	logs    *cloudwatchlogs.Client
}

// accounts counts the tests' accounts.
var accounts atomic.Int64

// owner is the root of a new account.
func owner(t testing.TB) *party { return rootOf(t, fmt.Sprint(600_000_000_000+accounts.Add(1))) }

func rootOf(t testing.TB, account string) *party {
	return as(t, house, account, aws.Credentials{AccessKeyID: account, SecretAccessKey: "any"})
}

// as is who holds a key.
func as(t testing.TB, at *tule.Tule, account string, key aws.Credentials) *party {
	c := aws.Config{Region: region, BaseEndpoint: aws.String(at.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken)}
	return &party{TB: t, account: account, key: key, config: c, iam: iam.NewFromConfig(c), sts: sts.NewFromConfig(c),
		dynamo: dynamodb.NewFromConfig(c), lambda: lambda.NewFromConfig(c), gateway: apigateway.NewFromConfig(c), logs: cloudwatchlogs.NewFromConfig(c)}
}

// with is the same party with another key.
func (p *party) with(key aws.Credentials) *party { return as(p.TB, house, p.account, key) }

// session is who holds credentials of STS.
func (p *party) session(account string, c *ststypes.Credentials) *party {
	return as(p.TB, house, account, aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken})
}

// user makes an IAM user with a key and, unless there are none, statements.
func (p *party) user(name string, statements ...string) *party {
	p.Helper()
	must(p.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}))(p)
	if len(statements) > 0 {
		must(p.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("own"), PolicyDocument: document(statements...)}))(p)
	}
	k := must(p.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name}))(p).AccessKey
	return p.with(aws.Credentials{AccessKeyID: *k.AccessKeyId, SecretAccessKey: *k.SecretAccessKey})
}

// role makes a role that principal, in JSON, may assume, and gives its ARN.
func (p *party) role(name, trust string, statements ...string) string {
	p.Helper()
	r := must(p.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: document(trust)}))(p).Role
	if len(statements) > 0 {
		must(p.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("own"), PolicyDocument: document(statements...)}))(p)
	}
	return *r.Arn
}

// managed makes a managed policy and gives its ARN.
func (p *party) managed(name string, statements ...string) string {
	p.Helper()
	return *must(p.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: document(statements...)}))(p).Policy.Arn
}

// table makes a table of one key, id, with one item in it.
func (p *party) table(name string) string {
	p.Helper()
	out := must(p.dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: &name, BillingMode: dynamotypes.BillingModePayPerRequest,
		KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: dynamotypes.KeyTypeHash}},
		AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: dynamotypes.ScalarAttributeTypeS}}}))(p)
	if err := p.put(name, "first"); err != nil {
		p.Fatal(err)
	}
	return *out.TableDescription.TableArn
}

// put writes an item.
func (p *party) put(table, id string) error {
	_, err := p.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: map[string]dynamotypes.AttributeValue{"id": &dynamotypes.AttributeValueMemberS{Value: id}}})
	return err
}

// get reads the first item of a table.
func (p *party) get(table string) error {
	_, err := p.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: map[string]dynamotypes.AttributeValue{"id": &dynamotypes.AttributeValueMemberS{Value: "first"}}})
	return err
}

// holds checks how many items a table has.
func (p *party) holds(table string, want int32) {
	p.Helper()
	if out := must(p.dynamo.Scan(ctx, &dynamodb.ScanInput{TableName: &table}))(p); out.Count != want {
		p.Errorf("%s holds %d items, want %d", table, out.Count, want)
	}
}

func (p *party) whoami() (string, error) {
	out, err := p.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return *out.Arn, nil
}

// assume is what the party gets for a role.
func (p *party) assume(role string, change ...func(*sts.AssumeRoleInput)) (*party, error) {
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}
	for _, f := range change {
		f(in)
	}
	out, err := p.sts.AssumeRole(ctx, in)
	if err != nil {
		return nil, err
	}
	return p.session(strings.Split(role, ":")[4], out.Credentials), nil
}

func (p *party) arn(service, resource string) string {
	r := region
	if service == "iam" {
		r = ""
	}
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, r, p.account, resource)
}

// allow and deny are statements; more are further members, in JSON, that begin with a
// comma.
func allow(actions, resource string, more ...string) string {
	return statement("Allow", actions, resource, more)
}

func deny(actions, resource string, more ...string) string {
	return statement("Deny", actions, resource, more)
}

func statement(effect, actions, resource string, more []string) string {
	list, err := json.Marshal(strings.Fields(actions))
	if err != nil {
		panic(err) // a list of texts
	}
	if resource != "" {
		resource = `,"Resource":"` + resource + `"`
	}
	return `{"Effect":"` + effect + `","Action":` + string(list) + resource + strings.Join(more, "") + `}`
}

// trust lets a principal, in JSON, assume a role.
func trust(principal string, more ...string) string {
	return allow("sts:AssumeRole", "", append([]string{`,"Principal":` + principal}, more...)...)
}

const everything = `{"Effect":"Allow","Action":"*","Resource":"*"}`

func document(statements ...string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

// must gives the answer of a call that may not fail.
func must[T any](out T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// works checks that who is allowed gets through.
func works(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// refused checks that a call failed with one of the codes, separated by "|", and with
// a text.
func refused(t testing.TB, what string, err error, codes, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || !strings.Contains("|"+codes+"|", "|"+e.ErrorCode()+"|") || !strings.Contains(e.ErrorMessage(), text) {
		t.Errorf("%s: got %v, want %s that says %q", what, err, codes, text)
	}
}

// denied checks that policies refused a call.
func denied(t testing.TB, what string, err error, text string) {
	t.Helper()
	refused(t, what, err, "AccessDenied|AccessDeniedException", text)
}

// A message is a request as it goes over the wire, signed as it stands.
type message struct {
	service, method, path, body string
	header                      map[string]string
	key                         aws.Credentials // nobody's if empty: it is not signed then
	at                          time.Duration   // how far the signer's clock is off
	region                      string
	host                        string              // the Host, if it is another
	tamper                      func(*http.Request) // after it was signed
}

func (m message) request(t testing.TB) *http.Request {
	t.Helper()
	r := must(http.NewRequest(m.method, house.URL()+m.path, strings.NewReader(m.body)))(t)
	for k, v := range m.header {
		r.Header.Set(k, v)
	}
	if m.host != "" {
		r.Host = m.host
	}
	if m.region == "" {
		m.region = region
	}
	sum := sha256.Sum256([]byte(m.body))
	if m.key.AccessKeyID != "" {
		if err := v4.NewSigner().SignHTTP(ctx, m.key, r, hex.EncodeToString(sum[:]), m.service, m.region, time.Now().Add(m.at)); err != nil {
			t.Fatal(err)
		}
	}
	if m.tamper != nil {
		m.tamper(r)
	}
	return r
}

// send gives the status and, with the error's type before it, the body.
func (m message) send(t testing.TB) (int, string) {
	t.Helper()
	return do(t, m.request(t))
}

func do(t testing.TB, r *http.Request) (int, string) {
	t.Helper()
	res := must(http.DefaultClient.Do(r))(t)
	defer res.Body.Close()
	b := must(io.ReadAll(res.Body))(t)
	return res.StatusCode, res.Header.Get("X-Amzn-Errortype") + " " + string(b)
}

// answers checks a message's status and what its answer holds, one of the texts that
// "|" separates.
func (m message) answers(t testing.TB, what string, status int, texts string) {
	t.Helper()
	got, body := m.send(t)
	for text := range strings.SplitSeq(texts, "|") {
		if got == status && strings.Contains(body, text) {
			return
		}
	}
	t.Errorf("%s: got %d %.500s, want %d and %s", what, got, body, status, texts)
}

func dynamo(key aws.Credentials, operation, body string) message {
	return message{service: "dynamodb", method: "POST", path: "/", body: body, key: key, header: map[string]string{
		"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810." + operation}}
}

func query(key aws.Credentials, service, body string) message {
	version := map[string]string{"iam": "2010-05-08", "sts": "2011-06-15"}[service]
	return message{service: service, method: "POST", path: "/", body: body + "&Version=" + version, key: key,
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}}
}

// zipped packs files, name and content by turns.
func zipped(files ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err == nil {
			_, err = w.Write([]byte(files[i+1]))
		}
		if err != nil {
			panic(err) // a buffer in memory takes all
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// advance moves the clock of a Tule.
func advance(t testing.TB, at *tule.Tule, d time.Duration) {
	t.Helper()
	res := must(http.Post(at.URL()+"/_tule/clock?advance="+d.String(), "", nil))(t)
	defer res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("the clock: %d %s", res.StatusCode, must(io.ReadAll(res.Body))(t))
	}
}
