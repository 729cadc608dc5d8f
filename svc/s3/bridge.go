package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	eventsapi "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What EventBridge hears of a bucket that is told to tell it: everything, in a form of
// its own, on the default bus of the bucket's account and region.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html

// bridge keeps a change for EventBridge, if there is such an event there.
func (s *Service) bridge(tx store.Tx, b *bucket, c change) error {
	kind, detail := bridged(b, c)
	if kind == "" {
		return nil
	}
	body, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	return s.post(tx, b, letter{Bucket: b.Name, To: aws.NewARN("events", b.Region, b.Account, "event-bus/default").String(), Service: "events",
		Kind: kind, Body: string(body), Since: c.Time})
}

// handBridge puts an event on its bus.
func (s *Service) handBridge(ctx context.Context, l *letter) error {
	source, at := "aws.s3", l.Since.Truncate(time.Second)
	out, err := eventsapi.PutEvents.Do(ctx, s.Peers, &eventsapi.PutEventsRequest{Entries: []eventsapi.PutEventsRequestEntry{
		{Source: &source, DetailType: &l.Kind, Detail: &l.Body, Time: &at, Resources: []string{"arn:aws:s3:::" + l.Bucket}}}})
	if err != nil {
		return err
	}
	if len(out.Entries) == 1 && out.Entries[0].ErrorCode != nil {
		return aws.Errorf(400, *out.Entries[0].ErrorCode, "%s", aws.Value(out.Entries[0].ErrorMessage))
	}
	return nil
}

type (
	// bridgeDetail is what an event says.
	bridgeDetail struct {
		Version      string       `json:"version"`
		Bucket       bridgeBucket `json:"bucket"`
		Object       bridgeObject `json:"object"`
		RequestID    string       `json:"request-id,omitempty"`
		Requester    string       `json:"requester"`
		SourceIP     string       `json:"source-ip-address,omitempty"`
		Reason       string       `json:"reason,omitempty"`
		DeletionType string       `json:"deletion-type,omitempty"`
		Expiry       string       `json:"restore-expiry-time,omitempty"`
		From         string       `json:"source-storage-class,omitempty"`
		To           string       `json:"destination-storage-class,omitempty"`
	}
	bridgeBucket struct {
		Name string `json:"name"`
	}
	bridgeObject struct {
		Key       string `json:"key"`
		Size      *int64 `json:"size,omitempty"`
		ETag      string `json:"etag,omitempty"`
		VersionID string `json:"version-id,omitempty"`
		Sequencer string `json:"sequencer,omitempty"`
	}
)

// creations are the reasons of what was created.
var creations = map[string]string{"Put": "PutObject", "Post": "POST Object", "Copy": "CopyObject", "CompleteMultipartUpload": "CompleteMultipartUpload"}

// bridged is a change as EventBridge has it; no kind for one that it does not hear of.
func bridged(b *bucket, c change) (kind string, d bridgeDetail) {
	d = bridgeDetail{Version: "0", Bucket: bridgeBucket{b.Name}, Object: bridgeObject{Key: c.Key, ETag: c.ETag, VersionID: c.VersionID},
		RequestID: c.RequestID, Requester: c.Requester, SourceIP: c.SourceIP}
	if c.Requester == self {
		d.SourceIP = ""
	}
	family, what, _ := strings.Cut(c.Event, ":")
	switch family {
	case "ObjectCreated":
		kind, d.Reason = "Object Created", creations[what]
	case "ObjectRemoved":
		kind, d.Reason = "Object Deleted", "DeleteObject"
	case "LifecycleExpiration":
		kind, d.Reason = "Object Deleted", "Lifecycle Expiration"
	case "LifecycleTransition":
		kind, d.To = "Object Storage Class Changed", c.Class
	case "ObjectRestore":
		kind, d.From = "Object Restore Initiated", c.Class
		if what == "Completed" {
			kind, d.Expiry, d.Requester, d.SourceIP = "Object Restore Completed", c.Expiry.UTC().Format(time.RFC3339), self, ""
		}
	case "ObjectTagging":
		kind = map[string]string{"Put": "Object Tags Added", "Delete": "Object Tags Deleted"}[what]
	case "ObjectAcl":
		kind = "Object ACL Updated"
	}
	switch kind {
	case "Object Created":
		d.Object.Size = &c.Size
		d.Object.Sequencer = fmt.Sprintf("00%016X", c.Sequencer)
	case "Object Deleted":
		d.Object.Sequencer = fmt.Sprintf("00%016X", c.Sequencer)
		d.DeletionType = "Permanently Deleted"
		if what == "DeleteMarkerCreated" {
			d.DeletionType, d.Object.ETag = "Delete Marker Created", emptyETag
		}
	case "Object Storage Class Changed", "Object Restore Initiated", "Object Restore Completed":
		d.Object.Size = &c.Size
	}
	return kind, d
}
