package s3

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

func ptr[T any](v T) *T { return &v }

// watched is a bucket of whose changes a queue, a topic and a function hear, each of its
// own.
func watched(t *testing.T) (context.Context, *script.House, *Service, *destination) {
	t.Helper()
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s, d := furnished(t, h)
	ctx := h.Context(t.Context())
	must(t)(api.CreateBucket.Do(ctx, h, &api.CreateBucketRequest{Bucket: ptr("photos")}))
	all := []string{"s3:ObjectCreated:Put", "s3:ObjectRemoved:DeleteMarkerCreated", "s3:ObjectTagging:*", "s3:ObjectAcl:Put", "s3:LifecycleExpiration:*", "s3:LifecycleTransition"}
	must(t)(api.PutBucketNotificationConfiguration.Do(ctx, h, &api.PutBucketNotificationConfigurationRequest{Bucket: ptr("photos"),
		SkipDestinationValidation: ptr(true), NotificationConfiguration: &api.NotificationConfiguration{
			QueueConfigurations:          []api.QueueConfiguration{{Id: ptr("q"), QueueArn: ptr("arn:aws:sqs:us-east-1:000000000000:q"), Events: all}},
			TopicConfigurations:          []api.TopicConfiguration{{Id: ptr("t"), TopicArn: ptr("arn:aws:sns:us-east-1:000000000000:t"), Events: []string{"s3:ObjectCreated:Copy"}}},
			LambdaFunctionConfigurations: []api.LambdaFunctionConfiguration{{Id: ptr("f"), LambdaFunctionArn: ptr("arn:aws:lambda:us-east-1:000000000000:function:f"), Events: []string{"s3:ObjectRemoved:Delete"}}},
		}}))
	return ctx, h, s, d
}

func must(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// names are the events that came, in the order of what they tell of.
func (d *destination) names(t *testing.T) (out []string) {
	t.Helper()
	for _, body := range d.got {
		i := strings.IndexByte(body, '{')
		var r records
		if err := json.Unmarshal([]byte(body[i:]), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(body[:i]+r.Records[0].EventName+" "+r.Records[0].S3.Object.Key))
	}
	d.got = nil
	return out
}

func TestEvents(t *testing.T) {
	ctx, h, s, d := watched(t)
	put := func(key string) {
		must(t)(api.PutObject.Do(ctx, h, &api.PutObjectRequest{Bucket: ptr("photos"), Key: &key, Body: strings.NewReader("hello")}))
	}
	check := func(want ...string) {
		t.Helper()
		if _, err := s.deliverDue(ctx); err != nil {
			t.Fatal(err)
		}
		got := d.names(t)
		for _, w := range want {
			found := false
			for i, g := range got {
				if g == w {
					got = append(got[:i], got[i+1:]...)
					found = true
					break
				}
			}
			if !found {
				t.Errorf("no %q", w)
			}
		}
		if len(got) > 0 {
			t.Errorf("too much: %q", got)
		}
	}
	put("a b+é/ü(1).jpg")
	check("ObjectCreated:Put a+b%2B%C3%A9/%C3%BC%281%29.jpg")
	must(t)(api.CopyObject.Do(ctx, h, &api.CopyObjectRequest{Bucket: ptr("photos"), Key: ptr("c"), CopySource: ptr("photos/" + url.QueryEscape("a b+é/ü(1).jpg"))}))
	check("Amazon S3 Notification: ObjectCreated:Copy c")
	must(t)(api.PutObjectTagging.Do(ctx, h, &api.PutObjectTaggingRequest{Bucket: ptr("photos"), Key: ptr("c"), Tagging: &api.Tagging{TagSet: []api.Tag{{Key: ptr("k"), Value: ptr("v")}}}}))
	must(t)(api.PutObjectAcl.Do(ctx, h, &api.PutObjectAclRequest{Bucket: ptr("photos"), Key: ptr("c"), ACL: ptr("public-read")}))
	check("ObjectTagging:Put c", "ObjectAcl:Put c")
	must(t)(api.DeleteObject.Do(ctx, h, &api.DeleteObjectRequest{Bucket: ptr("photos"), Key: ptr("c")}))
	check("Event ObjectRemoved:Delete c")
	must(t)(api.PutBucketVersioning.Do(ctx, h, &api.PutBucketVersioningRequest{Bucket: ptr("photos"), VersioningConfiguration: &api.VersioningConfiguration{Status: ptr("Enabled")}}))
	put("v")
	must(t)(api.DeleteObject.Do(ctx, h, &api.DeleteObjectRequest{Bucket: ptr("photos"), Key: ptr("v")}))
	check("ObjectCreated:Put v", "ObjectRemoved:DeleteMarkerCreated v")
	if c := d.from[0]; c.Kind != aws.ServiceSelf || c.ARN != "s3.amazonaws.com" || c.SourceARN != "arn:aws:s3:::photos" || c.SourceAccount != "000000000000" {
		t.Errorf("S3 calls as %+v", c)
	}
}

func TestEventJSON(t *testing.T) {
	b := &bucket{Name: "photos", Account: "000000000000", Region: "eu-west-1"}
	c := change{Event: "ObjectCreated:Put", Key: "a b", VersionID: "v1", Size: 3, ETag: "e", Sequencer: 0x55AED6DCD90281E5,
		Time: time.Date(2026, 1, 2, 3, 4, 5, 67e6, time.UTC), Principal: "AWS:AIDA", SourceIP: "10.1.2.3", RequestID: "r"}
	got, err := json.Marshal(records{[]record{eventRecord(b, c, "cfg")}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-02T03:04:05.067Z","eventName":"ObjectCreated:Put",` +
		`"userIdentity":{"principalId":"AWS:AIDA"},"requestParameters":{"sourceIPAddress":"10.1.2.3"},"responseElements":{"x-amz-request-id":"r","x-amz-id-2":"cg=="},` +
		`"s3":{"s3SchemaVersion":"1.0","configurationId":"cfg","bucket":{"name":"photos","ownerIdentity":{"principalId":"` + shortID(b.Account) + `"},"arn":"arn:aws:s3:::photos"},` +
		`"object":{"key":"a+b","size":3,"eTag":"e","versionId":"v1","sequencer":"0055AED6DCD90281E5"}}}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestOutbox: a destination that fails is tried again, later and later, and given up
// after a day.
func TestOutbox(t *testing.T) {
	ctx, h, s, d := watched(t)
	put := func() {
		must(t)(api.PutObject.Do(ctx, h, &api.PutObjectRequest{Bucket: ptr("photos"), Key: ptr("k"), Body: strings.NewReader("x")}))
	}
	waiting := func() (n int) {
		if err := s.Store.View(ctx, func(r store.Reader) error {
			for _, err := range outbox.List(ctx, r, store.Scope{}, store.ListOptions{}) {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	d.fail = 2
	put()
	for i, pause := range []time.Duration{time.Second, 2 * time.Second} {
		next, err := s.deliverDue(ctx)
		if err != nil || len(d.got) != 0 {
			t.Fatalf("try %d: %v, %q", i, err, d.got)
		}
		if left := next.Sub(h.Clock.Now()); left != pause {
			t.Fatalf("try %d: the next is in %s, want %s", i, left, pause)
		}
		h.Clock.Advance(pause)
	}
	if _, err := s.deliverDue(ctx); err != nil || len(d.got) != 1 || waiting() != 0 {
		t.Fatalf("%v, got %d, %d wait", err, len(d.got), waiting())
	}
	d.fail = 1 << 30
	put()
	for range 1000 {
		next, err := s.deliverDue(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if next.IsZero() {
			break
		}
		if waiting() != 1 {
			t.Fatal("lost")
		}
		h.Clock.Advance(next.Sub(h.Clock.Now()))
	}
	if waiting() != 0 {
		t.Error("it is never given up")
	}
}

func TestSubscription(t *testing.T) {
	x := subscription{events: []string{"s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"}, filter: &api.NotificationConfigurationFilter{Key: &api.S3KeyFilter{
		FilterRules: []api.FilterRule{{Name: ptr("Prefix"), Value: ptr("in/")}, {Name: ptr("suffix"), Value: ptr(".jpg")}}}}}
	for _, c := range []struct {
		event, key string
		want       bool
	}{
		{"ObjectCreated:Put", "in/a.jpg", true}, {"ObjectCreated:Copy", "in/.jpg", true}, {"ObjectCreated:Put", "in/a.JPG", false},
		{"ObjectCreated:Put", "out/a.jpg", false}, {"ObjectRemoved:Delete", "in/a.jpg", true}, {"ObjectRemoved:DeleteMarkerCreated", "in/a.jpg", false},
	} {
		if got := x.wants(c.event, c.key); got != c.want {
			t.Errorf("%s %s: %v", c.event, c.key, got)
		}
	}
}
