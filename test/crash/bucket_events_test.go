package crash

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tule-cloud/tule/test/tule"
)

// A watch is a bucket of whose objects a queue hears, itself or by a function, and what
// its producers know: which keys were acknowledged.
type watch struct {
	bucket string
	queue  *string
	told   bool // the queue has what the function answered
	acked  map[string]bool
}

// TestKillBucketEvents: producers put objects while Tule is killed
// TULE_KILLS times, 8 without. The event of every put that was acknowledged must
// come to the bucket's queue, or to its function; it may come twice.
func TestKillBucketEvents(t *testing.T) {
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "8"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	watches := []*watch{queued(t, house), called(t, house)}
	for kill := range kills {
		putUntilKilled(t, house, kill, watches)
		house = start(t, data)
	}
	_, queues := bucketClients(house)
	for _, w := range watches {
		total := len(w.acked)
		if total < kills {
			t.Errorf("%s: %d puts in %d lives: too few to say anything", w.bucket, total, kills)
		}
		twice := w.collect(t, queues, path(*w.queue, house))
		for key := range w.acked {
			t.Errorf("%s: the event of %s was lost", w.bucket, key)
		}
		t.Logf("%s: %d kills, %d acknowledged puts, %d events more than once", w.bucket, kills, total, twice)
	}
	if err := house.Stop(); err != nil {
		t.Error(err)
	}
}

// queued is a bucket whose events go to a queue.
func queued(t *testing.T, house *tule.Tule) *watch {
	t.Helper()
	objects, queues := bucketClients(house)
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("events"), Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}`}})
	try(t, err)
	w := &watch{bucket: "events", queue: queue.QueueUrl, acked: map[string]bool{}}
	w.notify(t, objects, &types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{
		{QueueArn: aws.String("arn:aws:sqs:us-east-1:000000000000:events"), Events: []types.Event{"s3:ObjectCreated:*"}}}})
	return w
}

// called is a bucket whose events go to a function. It answers with what it heard, which
// Lambda tells to a queue before it forgets the event.
func called(t *testing.T, house *tule.Tule) *watch {
	t.Helper()
	root := config(house, "test", "test", "")
	url, arn := queueOf(t, house, "heard")
	functionOf(t, house, "hears", wakers(t, house), `exports.handler = async (e) => e.Records.map((r) => r.s3.object.key)`, nil)
	functions := lambda.NewFromConfig(root)
	_, err := functions.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("hears"),
		DestinationConfig: &lambdatypes.DestinationConfig{OnSuccess: &lambdatypes.OnSuccess{Destination: arn}}})
	try(t, err)
	_, err = functions.AddPermission(t.Context(), &lambda.AddPermissionInput{FunctionName: aws.String("hears"), StatementId: aws.String("s3"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("s3.amazonaws.com"), SourceArn: aws.String("arn:aws:s3:::calls"), SourceAccount: aws.String("000000000000")})
	try(t, err)
	objects, _ := bucketClients(house)
	w := &watch{bucket: "calls", queue: url, told: true, acked: map[string]bool{}}
	w.notify(t, objects, &types.NotificationConfiguration{LambdaFunctionConfigurations: []types.LambdaFunctionConfiguration{
		{LambdaFunctionArn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:hears"), Events: []types.Event{"s3:ObjectCreated:*"}}}})
	return w
}

// notify makes the bucket, and has it tell what happens in it.
func (w *watch) notify(t *testing.T, objects *s3.Client, c *types.NotificationConfiguration) {
	t.Helper()
	_, err := objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &w.bucket})
	try(t, err)
	_, err = objects.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{Bucket: &w.bucket, NotificationConfiguration: c})
	try(t, err)
}

func bucketClients(h *tule.Tule) (*s3.Client, *sqs.Client) {
	c := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(h.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	return s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }), sqs.NewFromConfig(c)
}

// path is a queue's URL at the address that Tule has in its present life.
func path(queue string, h *tule.Tule) *string {
	u, err := url.Parse(queue)
	if err != nil {
		panic(err)
	}
	return aws.String(h.URL() + u.Path)
}

// putUntilKilled puts objects by several producers until Tule is killed in their midst.
func putUntilKilled(t *testing.T, house *tule.Tule, life int, watches []*watch) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var killed atomic.Bool
	target, reached, count := 1+rand.IntN(60), make(chan struct{}), 0
	for w := range writers {
		wg.Go(func() {
			c, _ := bucketClients(house)
			at := watches[w%len(watches)]
			for n := 0; ; n++ {
				key := fmt.Sprintf("%d/%d/%d", life, w, n)
				body := strings.Repeat("x", 1+n%3*40_000) // in the store, and beside it
				if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &at.bucket, Key: &key, Body: strings.NewReader(body)}); err != nil {
					if !killed.Load() {
						t.Errorf("producer %d: %v", w, err)
					}
					return
				}
				mu.Lock()
				at.acked[key] = true
				if count++; count == target {
					close(reached)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(2 * time.Second): // a slow disk
	}
	killed.Store(true)
	house.Kill()
	wg.Wait()
}

// collect takes events from the queue, and their keys out of acked, until all have come
// or none come any more. It tells how many came more than once.
func (w *watch) collect(t *testing.T, queues *sqs.Client, queue *string) (twice int) {
	t.Helper()
	seen := map[string]bool{}
	for quiet := 0; quiet < 4 && len(w.acked) > 0; {
		out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
		if err != nil {
			t.Fatal(err)
		}
		if quiet++; len(out.Messages) > 0 {
			quiet = 0
		}
		for _, m := range out.Messages {
			for _, key := range w.keys(t, *m.Body) {
				if seen[key] {
					twice++
				}
				seen[key] = true
				delete(w.acked, key)
			}
			if _, err := queues.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return twice
}

// keys are those that a message tells of.
func (w *watch) keys(t *testing.T, body string) (out []string) {
	t.Helper()
	if w.told {
		var e struct {
			ResponsePayload []string `json:"responsePayload"`
		}
		try(t, json.Unmarshal([]byte(body), &e))
		return e.ResponsePayload
	}
	var e struct {
		Records []struct {
			S3 struct {
				Object struct{ Key string }
			}
		}
	}
	try(t, json.Unmarshal([]byte(body), &e))
	for _, r := range e.Records {
		out = append(out, r.S3.Object.Key)
	}
	return out
}
