package dynamodb

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	kinesisapi "github.com/tule-cloud/tule/api/kinesis"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// How much one put to Kinesis holds.
const (
	feedRecordsAtOnce = 100
	feedBytesAtOnce   = 4 << 20
)

// runFeeds puts changes into streams of Kinesis, those of a process before first, until ctx
// ends.
func (s *Service) runFeeds(ctx context.Context) {
	s.background(ctx, "changes wait for Kinesis", s.feedAll, waitingRecords.WatchAll(ctx, s.store), feedRecords.WatchAll(ctx, s.store))
}

// feedAll puts what waits for all streams.
func (s *Service) feedAll(ctx context.Context) error {
	type job struct {
		at    ref
		space uint64
	}
	var jobs []job
	err := s.store.View(ctx, func(r store.Reader) error {
		jobs = nil
		for e, err := range feedRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			jobs = append(jobs, job{ref{e.Scope, e.Key.String(0)}, uint64(e.Key.Int(1))})
		}
		return nil
	})
	if err != nil || len(jobs) == 0 {
		return err
	}
	if err := s.number(ctx); err != nil {
		return err
	}
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, j := range jobs {
		wg.Go(func() { errs[i] = s.feed(ctx, j.at, j.space) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// feed puts what waits for one stream, until nothing does.
func (s *Service) feed(ctx context.Context, at ref, space uint64) error {
	for {
		if err := s.numbering.Settle(ctx); err != nil {
			return err
		}
		p := parcel{until: s.numbering.Limit()}
		err := s.store.View(ctx, func(r store.Reader) error { return s.pack(ctx, r, at, space, &p) })
		if err != nil || len(p.entries) == 0 {
			return err
		}
		in := &kinesisapi.PutRecordsInput{StreamARN: &p.feed.ARN, Records: p.entries}
		out, err := kinesisapi.PutRecords.Do(s.acting(ctx, at.scope, p.feed.Caller), s.peers, in)
		if err != nil {
			return err
		}
		var refused error
		err = s.store.Update(ctx, func(tx store.Tx) error {
			refused = nil
			for i, r := range out.Records {
				if r.ErrorCode != nil {
					refused = aws.Errorf(400, *r.ErrorCode, "%s", aws.Value(r.ErrorMessage))
					continue
				}
				if err := waitingRecords.Delete(tx, at.scope, space, p.numbers[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || refused != nil {
			return errors.Join(err, refused)
		}
	}
}

// A parcel is what one put to a stream holds: of no item more than one change, so that the
// changes of an item arrive in their order whatever the stream refuses.
type parcel struct {
	until   uint64 // number: of what must not be read yet
	feed    feed
	entries []kinesisapi.PutRecordsRequestEntry
	numbers []uint64
}

func (s *Service) pack(ctx context.Context, r store.Reader, at ref, space uint64, p *parcel) error {
	p.entries, p.numbers = nil, nil
	t, err := s.lookup(ctx, r, at)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	i := slices.IndexFunc(t.Feeds, func(f feed) bool { return f.Space == space })
	if i < 0 {
		return nil
	}
	p.feed = t.Feeds[i]
	seen, size := map[string]bool{}, 0
	for e, err := range waitingRecords.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{space}, To: []any{space, p.until}, Limit: feedRecordsAtOnce}) {
		if err != nil {
			return err
		}
		c, err := decodeChange(e.Record)
		if err != nil {
			return err
		}
		n := e.Key.Uint(1)
		entry, err := c.entry(at, &p.feed, n)
		if err != nil {
			return err
		}
		size += len(entry.Data)
		if seen[*entry.PartitionKey] || len(p.entries) > 0 && size > feedBytesAtOnce {
			return nil
		}
		seen[*entry.PartitionKey] = true
		p.entries, p.numbers = append(p.entries, entry), append(p.numbers, n)
	}
	return nil
}

// A fedChange is a change as a stream of Kinesis tells it.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds_using-shards-and-metrics.html
type fedChange struct {
	Region   string    `json:"awsRegion"`
	ID       string    `json:"eventID"`
	Name     string    `json:"eventName"`
	Identity *identity `json:"userIdentity"`
	Format   string    `json:"recordFormat"`
	Table    string    `json:"tableName"`
	Change   struct {
		At        int64    `json:"ApproximateCreationDateTime"`
		Precision string   `json:"ApproximateCreationDateTimePrecision"`
		Keys      api.Item `json:"Keys"`
		New       api.Item `json:"NewImage,omitempty"`
		Old       api.Item `json:"OldImage,omitempty"`
		Size      int      `json:"SizeBytes"`
	} `json:"dynamodb"`
	Source string `json:"eventSource"`
}

// An identity is who made a change that nobody asked for.
type identity struct {
	Principal string `json:"principalId"`
	Type      string `json:"type"`
}

// entry is a change for a stream. Its partition key is the item's, so that the changes of an
// item go to one shard.
func (c *change) entry(at ref, f *feed, n uint64) (e kinesisapi.PutRecordsRequestEntry, err error) {
	var place [16]byte
	binary.BigEndian.PutUint64(place[:], f.Space)
	binary.BigEndian.PutUint64(place[8:], n)
	id := md5.Sum(place[:]) // no secret: it need only be the change's own
	out := fedChange{Region: at.scope.Region, ID: fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]), Name: c.name,
		Format: "application/json", Table: at.name, Source: "aws:dynamodb"}
	if c.byService {
		out.Identity = &identity{"dynamodb.amazonaws.com", "Service"}
	}
	d := &out.Change
	d.At, d.Precision = c.at.UnixMilli(), f.Precision
	if f.Precision == api.ApproximateCreationDateTimePrecisionMicrosecond {
		d.At *= 1000
	}
	d.Keys, d.New, d.Old = c.keys, c.new, c.old
	d.Size = value.ItemSize(c.keys) + value.ItemSize(c.old) + value.ItemSize(c.new)
	if e.Data, err = json.Marshal(out); err != nil {
		return e, err
	}
	keys, err := c.keys.AppendJSON(nil)
	sum := fmt.Sprintf("%X", md5.Sum(keys))
	e.PartitionKey = &sum
	return e, err
}
