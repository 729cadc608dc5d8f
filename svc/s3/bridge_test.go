package s3

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	eventsapi "github.com/tule-cloud/tule/api/events"
	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// bus is a double of EventBridge. It refuses the first event that it is given.
type bus struct {
	mu    sync.Mutex // events come side by side
	tries int
	got   []eventsapi.PutEventsRequestEntry
}

func (d *bus) routes() []aws.Route {
	return []aws.Route{eventsapi.PutEvents.To(func(ctx context.Context, in *eventsapi.PutEventsRequest) (*eventsapi.PutEventsResponse, error) {
		if c := aws.RequestOf(ctx).Caller; c.Kind != aws.ServiceSelf || c.ARN != self || c.SourceAccount != "000000000000" {
			return nil, aws.AccessDenied("no")
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.tries++; d.tries == 1 {
			return &eventsapi.PutEventsResponse{FailedEntryCount: ptr(int32(1)), Entries: []eventsapi.PutEventsResultEntry{{ErrorCode: ptr("InternalFailure"), ErrorMessage: ptr("not now")}}}, nil
		}
		d.got = append(d.got, in.Entries...)
		return &eventsapi.PutEventsResponse{Entries: []eventsapi.PutEventsResultEntry{{EventId: ptr("1")}}}, nil
	}, aws.Nothing)}
}

// TestBridge: EventBridge hears of all that happens in a bucket that is to tell it, and
// again of what it did not take.
func TestBridge(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s, _ := furnished(t, h)
	d := &bus{}
	h.Add(d.routes())
	ctx := h.Context(t.Context())
	b := ptr("photos")
	must(t)(api.CreateBucket.Do(ctx, h, &api.CreateBucketRequest{Bucket: b}))
	put := func(key string) {
		must(t)(api.PutObject.Do(ctx, h, &api.PutObjectRequest{Bucket: b, Key: &key, Body: strings.NewReader("hello"), StorageClass: ptr("GLACIER")}))
	}
	put("before")
	must(t)(api.PutBucketNotificationConfiguration.Do(ctx, h, &api.PutBucketNotificationConfigurationRequest{Bucket: b,
		NotificationConfiguration: &api.NotificationConfiguration{EventBridgeConfiguration: &api.EventBridgeConfiguration{}}}))
	must(t)(api.PutBucketVersioning.Do(ctx, h, &api.PutBucketVersioningRequest{Bucket: b, VersioningConfiguration: &api.VersioningConfiguration{Status: ptr("Enabled")}}))
	put("a b")
	must(t)(api.RestoreObject.Do(ctx, h, &api.RestoreObjectRequest{Bucket: b, Key: ptr("a b"), RestoreRequest: &api.RestoreRequest{Days: ptr(int32(1))}}))
	must(t)(api.PutObjectTagging.Do(ctx, h, &api.PutObjectTaggingRequest{Bucket: b, Key: ptr("a b"), Tagging: &api.Tagging{TagSet: []api.Tag{{Key: ptr("k"), Value: ptr("v")}}}}))
	must(t)(api.DeleteObjectTagging.Do(ctx, h, &api.DeleteObjectTaggingRequest{Bucket: b, Key: ptr("a b")}))
	must(t)(api.PutObjectAcl.Do(ctx, h, &api.PutObjectAclRequest{Bucket: b, Key: ptr("a b"), ACL: ptr("private")}))
	must(t)(api.DeleteObject.Do(ctx, h, &api.DeleteObjectRequest{Bucket: b, Key: ptr("a b")}))
	for range 2 {
		if _, err := s.deliverDue(ctx); err != nil {
			t.Fatal(err)
		}
		h.Clock.Advance(time.Second)
	}
	if d.tries != len(d.got)+1 {
		t.Errorf("%d calls for %d events", d.tries, len(d.got))
	}
	details := map[string]map[string]any{}
	for _, e := range d.got {
		if *e.Source != "aws.s3" || len(e.Resources) != 1 || e.Resources[0] != "arn:aws:s3:::photos" || !e.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
			t.Errorf("%+v", e)
		}
		var detail map[string]any
		if err := json.Unmarshal([]byte(*e.Detail), &detail); err != nil || detail["bucket"].(map[string]any)["name"] != "photos" || detail["object"].(map[string]any)["key"] != "a b" {
			t.Errorf("%s: %v", *e.Detail, err)
		}
		details[*e.DetailType] = detail
		if object := `"size":5,"etag":"5d41402abc4b2a76b9719d911017c592","version-id":"`; *e.DetailType == "Object Created" && !strings.Contains(*e.Detail, object) {
			t.Errorf("the object: %s", *e.Detail)
		}
	}
	for kind, want := range map[string]map[string]any{
		"Object Created":           {"reason": "PutObject", "requester": "000000000000", "version": "0", "deletion-type": nil},
		"Object Restore Initiated": {"source-storage-class": "GLACIER", "requester": "000000000000"},
		"Object Restore Completed": {"source-storage-class": "GLACIER", "requester": self, "restore-expiry-time": "2026-01-04T00:00:00Z"},
		"Object Tags Added":        {"reason": nil},
		"Object Tags Deleted":      {"reason": nil},
		"Object ACL Updated":       {"reason": nil},
		"Object Deleted":           {"reason": "DeleteObject", "deletion-type": "Delete Marker Created"},
	} {
		got, ok := details[kind]
		if !ok {
			t.Errorf("nobody was told of %s", kind)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: %s is %v, want %v", kind, k, got[k], v)
			}
		}
		delete(details, kind)
	}
	if len(details) > 0 {
		t.Errorf("too much: %v", details)
	}
}

// TestBridgedByLifecycle: what S3 does of itself says so.
func TestBridgedByLifecycle(t *testing.T) {
	b := &bucket{Name: "photos"}
	kind, d := bridged(b, change{Event: "LifecycleExpiration:Delete", Requester: self, SourceIP: self})
	if kind != "Object Deleted" || d.Reason != "Lifecycle Expiration" || d.DeletionType != "Permanently Deleted" || d.Requester != self || d.SourceIP != "" {
		t.Errorf("%s %+v", kind, d)
	}
	if kind, d = bridged(b, change{Event: "LifecycleTransition", Requester: self, Class: "GLACIER"}); kind != "Object Storage Class Changed" || d.To != "GLACIER" {
		t.Errorf("%s %+v", kind, d)
	}
	if kind, _ = bridged(b, change{Event: "ObjectCreated:CompleteMultipartUpload"}); kind != "Object Created" {
		t.Error(kind)
	}
}
