// Package fanout walks through a published walkthrough of 2016: one function brings what
// comes by a Kinesis stream, and by a table's stream, to every kind of destination: topics,
// queues, streams, Firehose, functions, Elasticsearch, memcached and Redis.
package fanout

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

var ctx = context.Background()

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A fanout is the walkthrough, made on a Tule of its own, beside a Redis, a memcached and
// what stands for Elasticsearch.
type fanout struct {
	*testing.T
	house            *tule.Tule
	root, other      aws.Config // of two accounts, the other in another region
	redis, memcached string     // their addresses
	search           *search
}

func newFanout(t *testing.T) *fanout {
	f := &fanout{T: t, search: &search{documents: map[string]string{}}}
	f.redis = f.serves("redis-server", "--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	f.memcached = f.serves("memcached", "-p", "PORT", "-U", "0", "-l", "127.0.0.1", "-u", "nobody")
	index := httptest.NewServer(f.search)
	t.Cleanup(index.Close)
	house, err := tule.Start(tule.Options{Libraries: true, Args: []string{"--forward", "6379=" + f.redis, "--forward", "11211=" + f.memcached, "--forward", "9200=" + index.Listener.Addr().String()}})
	try(t, err)
	f.house = house
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(house.Failures())
		}
		if err := house.Stop(); err != nil {
			t.Error(err)
		}
	})
	root := func(account, region string) aws.Config {
		return aws.Config{Region: region, BaseEndpoint: aws.String(house.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
			Credentials: credentials.NewStaticCredentialsProvider(account, "test", "")}
	}
	f.root, f.other = root("000000000000", "us-east-1"), root("111111111111", "eu-west-1")
	return f
}

// serves starts one of Debian's servers on a port that is free, until the test ends.
func (f *fanout) serves(command string, args ...string) string {
	f.Helper()
	addr, err := tule.FreeAddr()
	try(f.T, err)
	_, port, err := net.SplitHostPort(addr)
	try(f.T, err)
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "PORT", port)
	}
	c := exec.Command(command, args...)
	if err := c.Start(); err != nil {
		f.Fatalf("%v: `make setup` installs it", err)
	}
	f.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	f.wait(command, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return addr
}

// ask sends a server text and reads up to what ends its answer.
func (f *fanout) ask(addr, text, end string) string {
	f.Helper()
	c, err := net.Dial("tcp", addr)
	try(f.T, err)
	defer c.Close()
	try(f.T, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(c, text)
	try(f.T, err)
	var got strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(got.String(), end); got.Write(one) {
		if _, err := c.Read(one); err != nil {
			f.Fatalf("%s answered %q", addr, got.String())
		}
	}
	return got.String()
}

// search stands for Elasticsearch: it takes bulks to its index, of callers who sign.
type search struct {
	sync.Mutex
	documents map[string]string // by id
}

func (s *search) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != "POST" || r.URL.Path != "/shop/_bulk" || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/es/aws4_request") {
		http.Error(w, "not a signed bulk", http.StatusForbidden)
		return
	}
	s.Lock()
	defer s.Unlock()
	body, _ := io.ReadAll(r.Body)
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		var action struct {
			Index struct {
				ID string `json:"_id"`
			}
		}
		if err := json.Unmarshal([]byte(lines[i]), &action); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.documents[action.Index.ID] = lines[i+1]
	}
	io.WriteString(w, `{"took":1,"errors":false,"items":[]}`)
}

func (s *search) all() map[string]bool {
	s.Lock()
	defer s.Unlock()
	out := map[string]bool{}
	for _, d := range s.documents {
		out[d] = true
	}
	return out
}

func document(statements ...string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

func allow(actions, resource string) string {
	return `{"Effect":"Allow","Action":[` + actions + `],"Resource":"` + resource + `"}`
}

func (f *fanout) role(account aws.Config, name, trust string, statements ...string) string {
	f.Helper()
	made, err := iam.NewFromConfig(account).CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: document(trust)})
	try(f.T, err)
	_, err = iam.NewFromConfig(account).PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: document(statements...)})
	try(f.T, err)
	return *made.Role.Arn
}

func service(name string) string {
	return `{"Effect":"Allow","Principal":{"Service":"` + name + `"},"Action":"sts:AssumeRole"}`
}

// function is one of the example's files, with the libraries of its package.json.
func (f *fanout) function(name, handler, role string, variables map[string]string, files ...string) string {
	f.Helper()
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	for _, file := range files {
		at := filepath.Join(tule.Root(), "examples", "fanout", file)
		if file == "node_modules" {
			at = filepath.Join(tule.Root(), ".cache", "fanout", file)
		}
		try(f.T, filepath.WalkDir(at, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			in, err := filepath.Rel(filepath.Dir(at), path)
			try(f.T, err)
			w, err := z.Create(in)
			try(f.T, err)
			text, err := os.ReadFile(path)
			try(f.T, err)
			_, err = w.Write(text)
			return err
		}))
	}
	try(f.T, z.Close())
	made, err := lambda.NewFromConfig(f.root).CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &name, Role: &role, Runtime: "nodejs4.3", Handler: &handler,
		Timeout: aws.Int32(60), MemorySize: aws.Int32(256), Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()}, Environment: &lambdatypes.Environment{Variables: variables}})
	try(f.T, err)
	return *made.FunctionArn
}

func (f *fanout) maps(stream string) {
	f.Helper()
	_, err := lambda.NewFromConfig(f.root).CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("fanout"), EventSourceArn: &stream,
		BatchSize: aws.Int32(100), StartingPosition: lambdatypes.EventSourcePositionTrimHorizon})
	try(f.T, err)
}

// table makes a table of one key or two, with a stream if it is to have one.
func (f *fanout) table(name string, streamed bool, keys ...string) string {
	f.Helper()
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: "PAY_PER_REQUEST"}
	for i, k := range keys {
		in.KeySchema = append(in.KeySchema, dynamotypes.KeySchemaElement{AttributeName: &k, KeyType: []dynamotypes.KeyType{"HASH", "RANGE"}[i]})
		in.AttributeDefinitions = append(in.AttributeDefinitions, dynamotypes.AttributeDefinition{AttributeName: &k, AttributeType: "S"})
	}
	if streamed {
		in.StreamSpecification = &dynamotypes.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: "NEW_IMAGE"}
	}
	made, err := dynamodb.NewFromConfig(f.root).CreateTable(ctx, in)
	try(f.T, err)
	return aws.ToString(made.TableDescription.LatestStreamArn)
}

// target registers one, as a row of strings and active.
func (f *fanout) target(source, id, kind, destination string, more ...string) {
	f.Helper()
	row := map[string]dynamotypes.AttributeValue{"active": &dynamotypes.AttributeValueMemberBOOL{Value: true}}
	for i, words := 0, append([]string{"sourceArn", source, "id", id, "type", kind, "destination", destination}, more...); i < len(words); i += 2 {
		row[words[i]] = &dynamotypes.AttributeValueMemberS{Value: words[i+1]}
	}
	_, err := dynamodb.NewFromConfig(f.root).PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("targets"), Item: row})
	try(f.T, err)
}

// advance moves Tule's clock.
func (f *fanout) advance(d time.Duration) {
	f.Helper()
	res, err := http.Post(f.house.URL()+"/_tule/clock?advance="+d.String(), "", nil)
	try(f.T, err)
	res.Body.Close()
	if res.StatusCode != 200 {
		f.Fatal(res.Status)
	}
}

// wait asks until ok is content.
func (f *fanout) wait(what string, ok func() bool) {
	f.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			if f.house != nil {
				f.Log(strings.Join(f.log("fanout"), "\n"))
			}
			f.Fatalf("%s did not come about", what)
		}
	}
}

// log is a function's, line by line.
func (f *fanout) log(function string) (lines []string) {
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(cloudwatchlogs.NewFromConfig(f.root), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/" + function)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return lines // there is no log yet
		}
		for _, e := range page.Events {
			lines = append(lines, strings.TrimSpace(*e.Message))
		}
	}
	return lines
}
