// Package messages runs public clients of queues and topics, unmodified, as setup/clients
// fetches them: aws-sdk 2.2.19, sqs-consumer and sns-validator of npm, and celery.
package messages

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tule-cloud/tule/test/tule"
)

var (
	house *tule.Tule
	ctx   = context.Background()
	tools = filepath.Join(tule.Root(), ".cache", "messages")
)

func TestMain(m *testing.M) {
	var err error
	if house, err = tule.Start(tule.Options{}); err != nil {
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

func configOf(account string) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(house.URL()), Credentials: credentials.NewStaticCredentialsProvider(account, "any", "")}
}

// fetched is the path of what setup/clients fetches; without it the test is skipped.
func fetched(t *testing.T, parts ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{tools}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s was not fetched: setup/clients does", parts[len(parts)-1])
	}
	return path
}

// script puts a program beside the libraries of npm that it requires.
func script(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	if err := errors.Join(err, os.WriteFile(path, text, 0o644), os.Symlink(filepath.Join(tools, "node", "node_modules"), filepath.Join(dir, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	return path
}

// said runs a program to its end, and gives what it said.
func said(t *testing.T, stdin io.Reader, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Stdin, c.WaitDelay = stdin, 5*time.Second
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// TestOldSDK has aws-sdk 2.2.19 go by the queue's URL, in the query protocol, with no
// endpoint but AWS's names.
func TestOldSDK(t *testing.T) {
	fetched(t, "node", "node_modules", "aws-sdk")
	got := said(t, nil, tule.Bin(), "exec", "--data", house.Data, "--", "node", script(t, "old.js"), "310000000001")
	want := "sdk 2.2.19\nhttps://sqs.us-east-1.amazonaws.com/310000000001/old\nat sqs.us-east-1.amazonaws.com\napplication/x-www-form-urlencoded\n" +
		"<a> & é\nrød\n2\n1\ntrue\ndeleted a\nvisibility 7\nAWS.SimpleQueueService.NonExistentQueue\n400"
	if got != want {
		t.Errorf("it said\n%s\nwant\n%s", got, want)
	}
}

// TestConsumer has sqs-consumer handle 25 messages, one of them at the second try.
func TestConsumer(t *testing.T) {
	fetched(t, "node", "node_modules", "sqs-consumer")
	const account = "310000000002"
	queues := sqs.NewFromConfig(configOf(account))
	made, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("work")})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 25 {
		body := strconv.Itoa(n)
		if n == 7 {
			body = "twice"
		}
		if _, err := queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := said(t, nil, "node", script(t, "consumer.mjs"), house.URL(), account, *made.QueueUrl, "25"), "25 handled, twice after 2 tries"; got != want {
		t.Errorf("it said %q, want %q", got, want)
	}
	empty(t, queues, made.QueueUrl)
}

// empty checks that a queue has no messages, visible or not.
func empty(t *testing.T, queues *sqs.Client, url *string) {
	t.Helper()
	of, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		if n := of.Attributes[name]; n != "0" {
			t.Errorf("%s of %s: %s", name, *url, n)
		}
	}
}

// TestValidator has AWS's own validator look at what an HTTP subscriber gets, signed by
// both versions, and at what somebody has changed.
func TestValidator(t *testing.T) {
	fetched(t, "node", "node_modules", "sns-validator")
	came := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if text, err := io.ReadAll(r.Body); err == nil {
			came <- string(text)
		}
	}))
	defer server.Close()
	topics := sns.NewFromConfig(configOf("310000000003"))
	var lines, want []string
	next := func(kind, version string) map[string]string {
		t.Helper()
		select {
		case text := <-came:
			m := map[string]string{}
			if err := json.Unmarshal([]byte(text), &m); err != nil || m["Type"] != kind {
				t.Fatalf("%v: %s", err, text)
			}
			line, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			lines, want = append(lines, string(line)), append(want, kind+" v"+version+": valid")
			return m
		case <-time.After(20 * time.Second):
			t.Fatalf("no %s came", kind)
			return nil
		}
	}
	for _, version := range []string{"1", "2"} {
		made, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("news-" + version), Attributes: map[string]string{"SignatureVersion": version}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: made.TopicArn, Protocol: aws.String("http"), Endpoint: &server.URL}); err != nil {
			t.Fatal(err)
		}
		token := next("SubscriptionConfirmation", version)["Token"]
		if _, err := topics.ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: made.TopicArn, Token: &token}); err != nil {
			t.Fatal(err)
		}
		if _, err := topics.Publish(ctx, &sns.PublishInput{TopicArn: made.TopicArn, Subject: aws.String("é"), Message: aws.String("line\nline \"<&>\" 😀")}); err != nil {
			t.Fatal(err)
		}
		next("Notification", version)
		lines, want = append(lines, strings.Replace(lines[len(lines)-1], "line", "lie", 1)), append(want, "Notification v"+version+": The message signature is invalid.")
	}
	got := strings.Split(said(t, strings.NewReader(strings.Join(lines, "\n")), tule.Bin(), "exec", "--data", house.Data, "--", "node", script(t, "validate.js")), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("it said\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCelery has a celery worker do thirty tasks, one that comes later, and one that is
// tried again twice.
func TestCelery(t *testing.T) {
	bin := fetched(t, "celery", "bin", "celery")
	const account = "310000000004"
	file := filepath.Join(t.TempDir(), "said")
	env := append(os.Environ(), "BROKER=sqs://"+account+":any@"+house.Addr+"//", "SAID="+file, "AWS_DEFAULT_REGION=us-east-1", "PYTHONDONTWRITEBYTECODE=1")
	send := exec.Command(filepath.Join(filepath.Dir(bin), "python"), "-c", `
import jobs
for n in range(30):
    jobs.add.delay(n, 1)
jobs.add.apply_async((100, 1), countdown=2)
jobs.stubborn.delay()`)
	send.Env = env
	if out, err := send.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	worker := exec.Command(bin, "-A", "jobs", "worker", "--pool", "solo", "--loglevel", "INFO", "--without-gossip", "--without-mingle")
	worker.Env = env
	worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log bytes.Buffer
	worker.Stdout, worker.Stderr = &log, &log
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for end := time.Now().Add(time.Minute); len(lines) < 32 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		text, _ := os.ReadFile(file) // it is not there before the first
		lines = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	stopped := time.AfterFunc(20*time.Second, func() { _ = worker.Process.Kill() })
	err := errors.Join(worker.Process.Signal(syscall.SIGTERM), worker.Wait())
	stopped.Stop()
	if err != nil {
		t.Errorf("the worker: %v", err)
	}
	want := []string{"100 + 1 = 101", "stubborn after 2 retries"}
	for n := range 30 {
		want = append(want, fmt.Sprintf("%d + 1 = %d", n, n+1))
	}
	slices.Sort(lines)
	slices.Sort(want)
	if !slices.Equal(lines, want) {
		t.Errorf("it did\n%s\nwant\n%s\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"), log.String())
	}
	queues := sqs.NewFromConfig(configOf(account))
	url, err := queues.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("celery")})
	if err != nil {
		t.Fatal(err)
	}
	empty(t, queues, url.QueueUrl)
}
