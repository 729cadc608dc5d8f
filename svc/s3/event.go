package s3

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A change is what happened to an object, for those who want to know.
type change struct {
	Event     string // "ObjectCreated:Put"
	Key       string
	VersionID string // "" in a bucket that never had versions
	Size      int64
	ETag      string // without quotes
	Sequencer uint64 // greater for what happens to the key later
	Time      time.Time
	Principal string    // who did it: a user id; "" for S3 itself
	Requester string    // the same: an account
	Class     string    // of storage, which the object has now
	Expiry    time.Time // of what was restored
	SourceIP  string
	RequestID string
}

// changeOf is the change that the request of ctx made of an object.
func (s *Service) changeOf(ctx context.Context, event, key string, o *object) change {
	r := aws.RequestOf(ctx)
	c := change{Event: event, Key: key, VersionID: o.Version, Size: o.Size, ETag: o.ETag, Sequencer: o.Seq,
		Time: s.Clock.Now(), Principal: "AWS:" + r.Caller.UserID, Requester: r.Caller.Account, SourceIP: r.SourceIP, RequestID: r.ID,
		Class: classOf(o.Class), Expiry: o.Restored}
	if !o.Marker && (strings.HasPrefix(event, "ObjectRemoved:") || strings.HasPrefix(event, "LifecycleExpiration:")) {
		c.Sequencer = max(uint64(c.Time.UnixNano()), o.Seq+1) // what goes has no number of its own
	}
	switch r.Caller.Kind {
	case aws.Anonymous:
		c.Principal, c.Requester = "Anonymous", "anonymous"
	case aws.ServiceSelf:
		c.Principal, c.Requester = r.Caller.ARN, r.Caller.ARN
	}
	return c
}

// announce keeps a change for those who want to know of it, in its own transaction.
func (s *Service) announce(ctx context.Context, tx store.Tx, b *bucket, c change) error {
	config, err := setting[api.NotificationConfiguration](ctx, tx, b, notificationSetting)
	if err != nil || config == nil {
		return err
	}
	if c.Event == "ObjectCreated:Put" && ctx.Value(postedKey{}) != nil {
		c.Event = "ObjectCreated:Post" // a form stores its file by PutObject
	}
	var errs []error
	for _, x := range subscriptions(config) {
		if !x.wants(c.Event, c.Key) {
			continue
		}
		body, err := json.Marshal(records{[]record{eventRecord(b, c, **x.id)}})
		if err != nil {
			return err
		}
		errs = append(errs, s.post(tx, b, letter{Bucket: b.Name, To: x.arn, Service: x.service, Body: string(body), Since: c.Time}))
	}
	if config.EventBridgeConfiguration != nil {
		errs = append(errs, s.bridge(tx, b, c))
	}
	return errors.Join(errs...)
}

// The message of an event.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type (
	records struct {
		Records []record
	}
	record struct {
		EventVersion      string            `json:"eventVersion"`
		EventSource       string            `json:"eventSource"`
		AWSRegion         string            `json:"awsRegion"`
		EventTime         string            `json:"eventTime"`
		EventName         string            `json:"eventName"`
		UserIdentity      principalRecord   `json:"userIdentity"`
		RequestParameters map[string]string `json:"requestParameters"`
		ResponseElements  responseRecord    `json:"responseElements"`
		S3                s3Record          `json:"s3"`
		Glacier           *glacierRecord    `json:"glacierEventData,omitempty"`
		Lifecycle         *lifecycleRecord  `json:"lifecycleEventData,omitempty"`
	}
	principalRecord struct {
		PrincipalID string `json:"principalId"`
	}
	responseRecord struct {
		RequestID string `json:"x-amz-request-id"`
		HostID    string `json:"x-amz-id-2"`
	}
	s3Record struct {
		SchemaVersion   string       `json:"s3SchemaVersion"`
		ConfigurationID string       `json:"configurationId"`
		Bucket          bucketRecord `json:"bucket"`
		Object          objectRecord `json:"object"`
	}
	bucketRecord struct {
		Name  string          `json:"name"`
		Owner principalRecord `json:"ownerIdentity"`
		ARN   string          `json:"arn"`
	}
	objectRecord struct {
		Key       string `json:"key"`
		Size      *int64 `json:"size,omitempty"`
		ETag      string `json:"eTag,omitempty"`
		VersionID string `json:"versionId,omitempty"`
		Sequencer string `json:"sequencer,omitempty"`
	}
	glacierRecord struct {
		Restore struct {
			Expiry string `json:"lifecycleRestorationExpiryTime"`
			Class  string `json:"lifecycleRestoreStorageClass"`
		} `json:"restoreEventData"`
	}
	lifecycleRecord struct {
		Transition struct {
			Class string `json:"destinationStorageClass"`
		} `json:"transitionEventData"`
	}
)

// eventTime is the form of times in events.
const eventTime = "2006-01-02T15:04:05.000Z"

// emptyETag is the ETag of no bytes, which delete markers have in events.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

func eventRecord(b *bucket, c change, configuration string) record {
	r := record{EventVersion: "2.1", EventSource: "aws:s3", AWSRegion: b.Region, EventTime: c.Time.UTC().Format(eventTime), EventName: c.Event,
		UserIdentity: principalRecord{c.Principal}, RequestParameters: map[string]string{"sourceIPAddress": c.SourceIP},
		ResponseElements: responseRecord{c.RequestID, hostID(c.RequestID)},
		S3: s3Record{SchemaVersion: "1.0", ConfigurationID: configuration,
			Bucket: bucketRecord{b.Name, principalRecord{shortID(b.Account)}, b.arn()},
			Object: objectRecord{Key: escapedInEvent(c.Key), VersionID: c.VersionID, Sequencer: fmt.Sprintf("00%016X", c.Sequencer)}}}
	o := &r.S3.Object
	family, _, _ := strings.Cut(c.Event, ":")
	switch family {
	case "ObjectCreated", "ObjectRestore":
		o.Size, o.ETag = &c.Size, c.ETag
	case "ObjectTagging", "ObjectAcl":
		r.EventVersion, o.ETag, o.Sequencer = "2.3", c.ETag, ""
	case "LifecycleTransition":
		r.Lifecycle = &lifecycleRecord{}
		r.Lifecycle.Transition.Class = c.Class
		fallthrough
	case "LifecycleExpiration":
		r.EventVersion = "2.3"
	}
	if c.Event == "ObjectRestore:Completed" {
		r.Glacier = &glacierRecord{}
		r.Glacier.Restore.Expiry, r.Glacier.Restore.Class = c.Expiry.UTC().Format(eventTime), c.Class
	}
	if strings.HasSuffix(c.Event, ":DeleteMarkerCreated") {
		o.Size, o.ETag = nil, emptyETag
	}
	return r
}

// escapedInEvent is a key as events have it: escaped as in a form, but for slashes.
func escapedInEvent(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

// shortID is an account as events name a bucket's owner: "A3NL1KOZZKEXAMPLE".
func shortID(account string) string {
	return "A" + base32.StdEncoding.EncodeToString([]byte(canonicalID(account)))[:13]
}
