package lambda

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	eventsapi "github.com/tule-cloud/tule/api/events"
	s3api "github.com/tule-cloud/tule/api/s3"
	snsapi "github.com/tule-cloud/tule/api/sns"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
)

// post are SQS and SNS as small as can be: queues that exist when they are named, but for
// those called missing and closed, and topics that keep what is published.
type post struct {
	clock   aws.Clock
	timeout time.Duration // visibility

	mu        sync.Mutex
	messages  map[string][]*letter
	missing   map[string]bool // queues that are not there
	denied    map[string]bool // actions that nobody may do
	broken    error           // of all calls
	number    int
	arrived   chan struct{}
	deleted   []string // bodies
	published []*snsapi.PublishInput
	objects   map[string]string // by bucket and key
	events    []eventsapi.PutEventsRequestEntry
	calls     map[string]int
}

type letter struct {
	id, body, group string
	visible         time.Time
	received        int
	handle          string
	custom          map[string]sqsapi.MessageAttributeValue
}

func newPost(clock aws.Clock) *post {
	return &post{clock: clock, timeout: 30 * time.Second, messages: map[string][]*letter{}, missing: map[string]bool{}, denied: map[string]bool{},
		arrived: make(chan struct{}), calls: map[string]int{}, objects: map[string]string{}}
}

func (p *post) routes() []aws.Route {
	return []aws.Route{
		sqsapi.SendMessage.To(p.send, aws.Nothing), sqsapi.ReceiveMessage.To(p.receive, aws.Nothing),
		sqsapi.DeleteMessage.To(p.delete, aws.Nothing), sqsapi.DeleteMessageBatch.To(p.deleteBatch, aws.Nothing),
		sqsapi.ChangeMessageVisibilityBatch.To(p.change, aws.Nothing), sqsapi.GetQueueAttributes.To(p.attributes, aws.Nothing),
		snsapi.Publish.To(p.publish, aws.Nothing), s3api.PutObject.To(p.putObject, aws.Nothing), s3api.GetObject.To(p.getObject, aws.Nothing),
		eventsapi.PutEvents.To(p.putEvents, aws.Nothing),
	}
}

// putEvents keeps an event, unless it is for the bus that is missing, as EventBridge answers.
func (p *post) putEvents(_ context.Context, in *eventsapi.PutEventsRequest) (*eventsapi.PutEventsResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := in.Entries[0]
	if strings.HasSuffix(*e.EventBusName, "/missing") {
		return &eventsapi.PutEventsResponse{FailedEntryCount: ptr(int32(1)), Entries: []eventsapi.PutEventsResultEntry{{ErrorCode: ptr("ResourceNotFoundException"), ErrorMessage: ptr("Event bus missing does not exist.")}}}, nil
	}
	p.events = append(p.events, e)
	return &eventsapi.PutEventsResponse{FailedEntryCount: ptr(int32(0)), Entries: []eventsapi.PutEventsResultEntry{{EventId: ptr("id")}}}, nil
}

// open is the name of the queue at an address, if it may be reached. The caller holds mu.
func (p *post) open(action, url string) (string, error) {
	p.calls[action]++
	name := url[strings.LastIndexAny(url, "/:")+1:]
	switch {
	case p.broken != nil:
		return "", p.broken
	case p.denied[action] || name == "closed":
		return "", aws.Errorf(403, "AccessDenied", "no")
	case p.missing[name] || name == "missing":
		return "", sqsapi.QueueDoesNotExist("The specified queue does not exist.")
	}
	return name, nil
}

// put sends texts to a queue: "body" or "group/body" for FIFO queues.
func (p *post) put(name string, texts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range texts {
		l := &letter{id: fmt.Sprintf("00000000-0000-4000-a000-%012d", p.number), body: text}
		if strings.HasSuffix(name, fifo) {
			l.group, l.body, _ = strings.Cut(text, "/")
		}
		p.number++
		p.messages[name] = append(p.messages[name], l)
	}
	close(p.arrived)
	p.arrived = make(chan struct{})
}

func (p *post) send(_ context.Context, in *sqsapi.SendMessageRequest) (*sqsapi.SendMessageResult, error) {
	p.mu.Lock()
	name, err := p.open("SendMessage", *in.QueueUrl)
	if err == nil && *in.MessageBody == "" {
		err = aws.Errorf(400, "MissingParameter", "The request must contain the parameter MessageBody.")
	}
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	p.put(name, *in.MessageBody)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages[name][len(p.messages[name])-1].custom = in.MessageAttributes
	return &sqsapi.SendMessageResult{MessageId: ptr("m")}, nil
}

func (p *post) receive(ctx context.Context, in *sqsapi.ReceiveMessageRequest) (*sqsapi.ReceiveMessageResult, error) {
	end := p.clock.Now().Add(time.Duration(aws.Value(in.WaitTimeSeconds)) * time.Second)
	for {
		p.mu.Lock()
		name, err := p.open("ReceiveMessage", *in.QueueUrl)
		if err == nil && *in.MaxNumberOfMessages > 10 {
			err = aws.Errorf(400, "InvalidParameterValue", "ReadCountOutOfRange")
		}
		if err != nil {
			p.mu.Unlock()
			return nil, err
		}
		out := p.take(name, int(*in.MaxNumberOfMessages))
		arrived := p.arrived
		p.mu.Unlock()
		now := p.clock.Now()
		if len(out.Messages) > 0 || !now.Before(end) {
			return out, nil
		}
		due, stop := p.clock.After(min(end.Sub(now), time.Second)) // messages may become visible
		select {
		case <-ctx.Done():
			stop()
			return nil, ctx.Err()
		case <-arrived:
		case <-due:
		}
		stop()
	}
}

// take gives out what is visible. The caller holds mu.
func (p *post) take(name string, limit int) *sqsapi.ReceiveMessageResult {
	now, out := p.clock.Now(), &sqsapi.ReceiveMessageResult{}
	closed := map[string]bool{} // groups of which something is under way
	for _, l := range p.messages[name] {
		if l.visible.After(now) {
			closed[l.group] = true
		}
	}
	for _, l := range p.messages[name] {
		if len(out.Messages) == limit || l.visible.After(now) || l.group != "" && closed[l.group] {
			continue
		}
		l.visible = now.Add(p.timeout)
		l.received++
		l.handle = fmt.Sprint(l.id, " ", l.received)
		sum := md5.Sum([]byte(l.body))
		out.Messages = append(out.Messages, sqsapi.Message{MessageId: &l.id, ReceiptHandle: ptr(l.handle), Body: &l.body, MD5OfBody: ptr(hex.EncodeToString(sum[:])),
			Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(l.received)}, MessageAttributes: l.custom})
	}
	return out
}

func (p *post) delete(_ context.Context, in *sqsapi.DeleteMessageRequest) (*aws.Empty, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.open("DeleteMessage", *in.QueueUrl); err != nil {
		return nil, err
	}
	return nil, aws.Errorf(400, "ReceiptHandleIsInvalid", "no")
}

func (p *post) deleteBatch(_ context.Context, in *sqsapi.DeleteMessageBatchRequest) (*sqsapi.DeleteMessageBatchResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, err := p.open("DeleteMessage", *in.QueueUrl)
	if err != nil {
		return nil, err
	}
	out := &sqsapi.DeleteMessageBatchResult{}
	for _, e := range in.Entries {
		p.messages[name] = slices.DeleteFunc(p.messages[name], func(l *letter) bool {
			if l.handle != *e.ReceiptHandle {
				return false
			}
			p.deleted = append(p.deleted, l.body)
			return true
		})
		out.Successful = append(out.Successful, sqsapi.DeleteMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func (p *post) change(_ context.Context, in *sqsapi.ChangeMessageVisibilityBatchRequest) (*sqsapi.ChangeMessageVisibilityBatchResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, err := p.open("ChangeMessageVisibility", *in.QueueUrl)
	if err != nil {
		return nil, err
	}
	for _, e := range in.Entries {
		for _, l := range p.messages[name] {
			if l.handle == *e.ReceiptHandle {
				l.visible = time.Time{}
			}
		}
	}
	return &sqsapi.ChangeMessageVisibilityBatchResult{}, nil
}

func (p *post) attributes(_ context.Context, in *sqsapi.GetQueueAttributesRequest) (*sqsapi.GetQueueAttributesResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.open("GetQueueAttributes", *in.QueueUrl); err != nil {
		return nil, err
	}
	return &sqsapi.GetQueueAttributesResult{Attributes: map[string]string{"VisibilityTimeout": strconv.Itoa(int(p.timeout / time.Second))}}, nil
}

func (p *post) publish(_ context.Context, in *snsapi.PublishInput) (*snsapi.PublishResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.open("Publish", *in.TopicArn); err != nil {
		return nil, err
	}
	if *in.Message == "" {
		return nil, aws.Errorf(400, "InvalidParameter", "Invalid parameter: Empty message")
	}
	p.published = append(p.published, in)
	return &snsapi.PublishResponse{MessageId: ptr("m")}, nil
}

func (p *post) putObject(_ context.Context, in *s3api.PutObjectRequest) (*s3api.PutObjectOutput, error) {
	text, err := io.ReadAll(in.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.objects[*in.Bucket+"/"+*in.Key] = string(text)
	return &s3api.PutObjectOutput{}, err
}

// getObject knows the buckets that objects were put in, and those called closed and abroad.
func (p *post) getObject(_ context.Context, in *s3api.GetObjectRequest) (*s3api.GetObjectOutput, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := false
	for name := range p.objects {
		known = known || strings.HasPrefix(name, *in.Bucket+"/")
	}
	text, ok := p.objects[*in.Bucket+"/"+*in.Key]
	switch {
	case *in.Bucket == "closed":
		return nil, aws.Errorf(403, "AccessDenied", "Access Denied")
	case *in.Bucket == "abroad":
		return nil, aws.Errorf(301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.")
	case !known:
		return nil, aws.Errorf(404, "NoSuchBucket", "The specified bucket does not exist")
	case !ok:
		return nil, aws.Errorf(404, "NoSuchKey", "The specified key does not exist.")
	case in.VersionId != nil && *in.VersionId != "v1":
		return nil, aws.Errorf(404, "NoSuchVersion", "The specified version does not exist.")
	}
	return &s3api.GetObjectOutput{Body: io.NopCloser(strings.NewReader(text)), ContentLength: ptr(int64(len(text)))}, nil
}

// left are the bodies in a queue.
func (p *post) left(name string) (bodies []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.messages[name] {
		bodies = append(bodies, l.body)
	}
	return bodies
}

func (p *post) gone() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.deleted)
}
