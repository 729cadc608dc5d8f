package s3

import (
	"context"
	"time"

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
	Principal string // who did it: a user id
	SourceIP  string
	RequestID string
}

// changeOf is the change that the request of ctx made of an object.
func (s *Service) changeOf(ctx context.Context, event, key string, o *object) change {
	r := aws.RequestOf(ctx)
	return change{Event: event, Key: key, VersionID: o.Version, Size: o.Size, ETag: o.ETag, Sequencer: o.Seq,
		Time: o.Modified, Principal: r.Caller.UserID, SourceIP: r.SourceIP, RequestID: r.ID}
}

// announce keeps a change for those who want to know of it, in its own transaction.
func (s *Service) announce(ctx context.Context, tx store.Tx, b *bucket, c change) error {
	return nil
}
