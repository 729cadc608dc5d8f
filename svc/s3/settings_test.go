package s3

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	api "github.com/tule-cloud/tule/api/s3"
	snsapi "github.com/tule-cloud/tule/api/sns"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// A destination stands in for queues, topics and functions: it remembers what it was
// sent, and by whom.
type destination struct {
	s    *Service
	mu   sync.Mutex // of deliveries, which come side by side
	got  []string
	from []aws.Caller
	fail int // so many more deliveries fail
}

// furnished is S3 in a house, with open buckets and stand-ins for who is notified.
func furnished(t *testing.T, h *script.House) (*Service, *destination) {
	t.Helper()
	blobs, err := blob.OpenFolder(t.TempDir(), h.Random)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Store: h.Store, Blobs: blobs, Clock: h.Clock, Random: h.Random, Peers: h, Open: true})
	d := &destination{s: s}
	h.Add(s.Routes())
	h.Add(d.routes())
	return s, d
}

func (d *destination) take(ctx context.Context, to, body string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail > 0 {
		d.fail--
		return aws.Errorf(503, "ServiceUnavailable", "not now")
	}
	switch {
	case strings.HasSuffix(to, "missing"):
		return sqsapi.QueueDoesNotExist("The specified queue does not exist.")
	case strings.HasSuffix(to, "closed"):
		return aws.AccessDenied("no")
	}
	d.got, d.from = append(d.got, body), append(d.from, aws.RequestOf(ctx).Caller)
	return nil
}

func (d *destination) routes() []aws.Route {
	return []aws.Route{
		sqsapi.SendMessage.To(func(ctx context.Context, in *sqsapi.SendMessageRequest) (*sqsapi.SendMessageResult, error) {
			return nil, d.take(ctx, *in.QueueUrl, *in.MessageBody)
		}, aws.Anywhere),
		// All that has come, and all that waits in S3's outbox.
		sqsapi.ReceiveMessage.To(func(ctx context.Context, _ *sqsapi.ReceiveMessageRequest) (*sqsapi.ReceiveMessageResult, error) {
			if _, err := d.s.deliverDue(ctx); err != nil {
				return nil, err
			}
			out := &sqsapi.ReceiveMessageResult{}
			for _, body := range d.got {
				out.Messages = append(out.Messages, sqsapi.Message{Body: &body})
			}
			d.got = nil
			return out, nil
		}, aws.Anywhere),
		snsapi.Publish.To(func(ctx context.Context, in *snsapi.PublishInput) (*snsapi.PublishResponse, error) {
			return nil, d.take(ctx, *in.TopicArn, *in.Subject+": "+*in.Message)
		}, aws.Anywhere),
		lambdaapi.Invoke.To(func(ctx context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
			return nil, d.take(ctx, *in.FunctionName, *in.InvocationType+" "+string(in.Payload))
		}, aws.Anywhere),
	}
}

func TestSettingScripts(t *testing.T) {
	script.Run(t, "testdata/settings", func(t *testing.T, h *script.House) []aws.Route {
		s, d := furnished(t, h)
		return append(append(s.Routes(), s.Control().Routes()...), d.routes()...)
	})
}

// TestKindsOfSettings shows that a bucket knows which settings it may have, and that one
// whose record says nothing of them is asked for each.
func TestKindsOfSettings(t *testing.T) {
	h, s := boxed(t)
	name := "box"
	read := func() (b *bucket, tagging *api.Tagging, err error) {
		err = s.Store.View(t.Context(), func(r store.Reader) error {
			if b, err = bucketNamed(t.Context(), r, name); err == nil {
				tagging, err = setting[api.Tagging](t.Context(), r, b, taggingSetting)
			}
			return err
		})
		return b, tagging, err
	}
	b, c, err := read()
	if err != nil || c != nil || b.Kinds == nil || slices.Contains(b.Kinds, taggingSetting) {
		t.Errorf("a new bucket: %v %v %v", b.Kinds, c, err)
	}
	do(t, h, s.putBucketVersioning, &api.PutBucketVersioningRequest{Bucket: &name, VersioningConfiguration: &api.VersioningConfiguration{Status: ptr("Enabled")}})
	err = s.Store.Update(t.Context(), func(tx store.Tx) error {
		b, err := bucketNamed(t.Context(), tx, name)
		if err != nil {
			return err
		}
		b.Kinds = nil // as it was written once
		if err := b.put(tx); err != nil {
			return err
		}
		return putSetting(tx, b, taggingSetting, "", api.Tagging{})
	})
	if err != nil {
		t.Fatal(err)
	}
	if b, c, err = read(); err != nil || c == nil || b.Kinds != nil || b.Versioning != "Enabled" {
		t.Errorf("a bucket that does not know: %+v %v %v", b, c, err)
	}
}
