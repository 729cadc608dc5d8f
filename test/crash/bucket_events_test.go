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
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tule-cloud/tule/test/tule"
)

// TestKillBucketEvents: producers put objects while Tule is killed
// TULE_KILLS times, 8 without. The event of every put that was acknowledged must
// come to the bucket's queue; it may come twice.
func TestKillBucketEvents(t *testing.T) {
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "8"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	objects, queues := bucketClients(house)
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("events"), Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}`}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("events")}); err != nil {
		t.Fatal(err)
	}
	if _, err := objects.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{Bucket: aws.String("events"),
		NotificationConfiguration: &types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{
			{QueueArn: aws.String("arn:aws:sqs:us-east-1:000000000000:events"), Events: []types.Event{"s3:ObjectCreated:*"}}}}}); err != nil {
		t.Fatal(err)
	}
	acked := map[string]bool{}
	for kill := range kills {
		putUntilKilled(t, house, kill, acked)
		house = start(t, data)
	}
	total := len(acked)
	if total < kills {
		t.Fatalf("%d puts in %d lives: too few to say anything", total, kills)
	}
	_, queues = bucketClients(house)
	twice := collect(t, queues, path(*queue.QueueUrl, house), acked)
	for key := range acked {
		t.Errorf("the event of %s was lost", key)
	}
	t.Logf("%d kills, %d acknowledged puts, %d events more than once", kills, total, twice)
	if err := house.Stop(); err != nil {
		t.Error(err)
	}
}

func bucketClients(h *tule.Tule) (*s3.Client, *sqs.Client) {
	c := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(h.URL()), RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
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
func putUntilKilled(t *testing.T, house *tule.Tule, life int, acked map[string]bool) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var killed atomic.Bool
	target, reached := 1+rand.IntN(60), make(chan struct{})
	before := len(acked)
	for w := range writers {
		wg.Go(func() {
			c, _ := bucketClients(house)
			for n := 0; ; n++ {
				key := fmt.Sprintf("%d/%d/%d", life, w, n)
				body := strings.Repeat("x", 1+n%3*40_000) // in the store, and beside it
				if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("events"), Key: &key, Body: strings.NewReader(body)}); err != nil {
					if !killed.Load() {
						t.Errorf("producer %d: %v", w, err)
					}
					return
				}
				mu.Lock()
				acked[key] = true
				if len(acked) == before+target {
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
func collect(t *testing.T, queues *sqs.Client, queue *string, acked map[string]bool) (twice int) {
	seen := map[string]bool{}
	for quiet := 0; quiet < 2 && len(acked) > 0; {
		out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
		if err != nil {
			t.Fatal(err)
		}
		if quiet++; len(out.Messages) > 0 {
			quiet = 0
		}
		for _, m := range out.Messages {
			var e struct {
				Records []struct {
					S3 struct {
						Object struct{ Key string }
					}
				}
			}
			if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
				t.Fatal(err)
			}
			for _, r := range e.Records {
				if key := r.S3.Object.Key; seen[key] {
					twice++
				} else {
					seen[key] = true
					delete(acked, key)
				}
			}
			if _, err := queues.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return twice
}
