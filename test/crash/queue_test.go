package crash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tule-cloud/tule/test/tule"
)

// A mailroom is what senders and receivers know of a queue: of each sender the number
// that was sent last, and of each message whether that was acknowledged, whether it came, and whether its
// deletion was acknowledged.
type mailroom struct {
	fifo bool
	url  string

	mu      sync.Mutex
	sent    [writers]int
	acked   map[string]bool
	came    map[string]int
	deleted map[string]bool
	highest [writers]int // the highest number of each sender that came
}

// TestKillQueues kills Tule TULE_KILLS times, 12 without, while many send to, receive
// from and delete from a standard and a FIFO queue. What was acknowledged comes; what
// was deleted does not come again; and the groups of the FIFO queue, one a sender, come
// in their order, each message once until it is deleted.
func TestKillQueues(t *testing.T) {
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "12"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	rooms := []*mailroom{newMailroom(t, house, "jobs"), newMailroom(t, house, "jobs.fifo")}
	for range kills {
		workUntilKilled(t, house, rooms)
		house = start(t, data)
		if t.Failed() {
			t.Fatal(house.Log())
		}
	}
	for _, r := range rooms {
		r.drain(t, queues(house))
		t.Logf("%s: %d kills, %d messages, %d of them more than once", r.url, kills, len(r.came), r.twice())
	}
	if err := house.Stop(); err != nil {
		t.Error(err)
	}
}

func queues(house *tule.Tule) *sqs.Client {
	c := config(house, "test", "test", "")
	c.RetryMaxAttempts, c.HTTPClient = 1, tule.HTTPClient
	return sqs.NewFromConfig(c)
}

func newMailroom(t *testing.T, house *tule.Tule, name string) *mailroom {
	r := &mailroom{fifo: name != "jobs", acked: map[string]bool{}, came: map[string]int{}, deleted: map[string]bool{}}
	attributes := map[string]string{"VisibilityTimeout": "2"}
	if r.fifo {
		attributes["FifoQueue"] = "true"
	}
	out, err := queues(house).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	try(t, err)
	r.url = "http://localhost/000000000000/" + name // the port changes from life to life
	if out.QueueUrl == nil {
		t.Fatal("the queue has no URL")
	}
	return r
}

// workUntilKilled lets senders and receivers work and kills Tule when chance says so.
func workUntilKilled(t *testing.T, house *tule.Tule, rooms []*mailroom) {
	var wg sync.WaitGroup
	var killed atomic.Bool
	var acked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	for _, r := range rooms {
		for w := range writers / 2 {
			wg.Go(func() { r.send(t, ctx, queues(house), w, &killed, &acked) })
		}
		for range 3 {
			wg.Go(func() {
				for !killed.Load() {
					if err := r.receive(t, ctx, queues(house), 1); err != nil && !killed.Load() {
						t.Errorf("receive: %v", err)
						return
					}
				}
			})
		}
	}
	target := 1 + rand.Int64N(150)
	for end := time.Now().Add(3 * time.Second); acked.Load() < target && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	killed.Store(true)
	house.Kill()
	cancel()
	wg.Wait()
}

// send sends a sender's messages, one after the other. What was not acknowledged in the
// last life is sent again to the FIFO queue, under the same deduplication id.
func (r *mailroom) send(t *testing.T, ctx context.Context, c *sqs.Client, w int, killed *atomic.Bool, acked *atomic.Int64) {
	for !killed.Load() {
		body := fmt.Sprintf("%d/%d", w, r.sent[w])
		if r.sent[w] == 0 || !r.fifo || r.isAcked(body) {
			r.sent[w]++
			body = fmt.Sprintf("%d/%d", w, r.sent[w])
		}
		in := &sqs.SendMessageInput{QueueUrl: &r.url, MessageBody: &body}
		if r.fifo {
			in.MessageGroupId, in.MessageDeduplicationId = aws.String(strconv.Itoa(w)), in.MessageBody
		}
		if _, err := c.SendMessage(ctx, in); err != nil {
			if !killed.Load() {
				t.Errorf("sender %d: %v", w, err)
			}
			return
		}
		r.mu.Lock()
		r.acked[body] = true
		r.mu.Unlock()
		acked.Add(1)
	}
}

func (r *mailroom) isAcked(body string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.acked[body]
}

func (r *mailroom) receive(t *testing.T, ctx context.Context, c *sqs.Client, wait int32) error {
	out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &r.url, MaxNumberOfMessages: 5, WaitTimeSeconds: wait})
	if err != nil {
		return err
	}
	for _, m := range out.Messages {
		r.check(t, *m.Body)
	}
	for _, m := range out.Messages {
		if rand.IntN(20) == 0 {
			return nil // this receiver forgets the rest, which comes again
		}
		_, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &r.url, ReceiptHandle: m.ReceiptHandle})
		switch {
		case err == nil:
			r.mu.Lock()
			r.deleted[*m.Body] = true
			r.mu.Unlock()
		case r.fifo && isExpired(err): // a busy machine
		default:
			return err
		}
	}
	return nil
}

func isExpired(err error) bool {
	var e interface{ ErrorMessage() string }
	return errors.As(err, &e) && strings.HasSuffix(e.ErrorMessage(), "has expired.")
}

// check holds a message that came against what is known.
func (r *mailroom) check(t *testing.T, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var w, n int
	if _, err := fmt.Sscanf(body, "%d/%d", &w, &n); err != nil {
		t.Errorf("%q came, which nobody sent", body)
		return
	}
	if r.deleted[body] {
		t.Errorf("%s: %s came again after it was deleted", r.url, body)
	}
	if r.fifo && n > r.highest[w]+1 {
		t.Errorf("%s: %s came, and %d/%d had not", r.url, body, w, r.highest[w]+1)
	}
	r.highest[w] = max(r.highest[w], n)
	r.came[body]++
}

// drain receives what is left, as long as something new comes within a minute, and holds
// what came against what was acknowledged.
func (r *mailroom) drain(t *testing.T, c *sqs.Client) {
	t.Helper()
	n := len(r.came)
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && !t.Failed(); {
		if len(r.came) > n {
			n, end = len(r.came), time.Now().Add(time.Minute)
		}
		if err := r.receive(t, t.Context(), c, 1); err != nil {
			t.Fatal(err)
		}
		out, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &r.url, AttributeNames: []types.QueueAttributeName{"All"}})
		try(t, err)
		if out.Attributes["ApproximateNumberOfMessages"] == "0" && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0" {
			break
		}
	}
	for body := range r.acked {
		if r.came[body] == 0 {
			t.Errorf("%s: %s was acknowledged, and is lost", r.url, body)
		}
	}
}

func (r *mailroom) twice() (n int) {
	for _, times := range r.came {
		if times > 1 {
			n++
		}
	}
	return n
}
