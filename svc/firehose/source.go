package firehose

import (
	"context"
	"errors"
	"time"

	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	// readEvery is how often a shard is read.
	readEvery = time.Second
	// listEvery is how often it is looked for new shards.
	listEvery = time.Minute
	// maxHeld is how much a stream gathers from its source before it delivers.
	maxHeld = 256 << 20
)

// A place is how far a shard of the source was read.
type place struct {
	Sequence string // of the last record that was taken
	Ended    bool   `json:",omitempty"` // there is no more
}

// A reading is a shard that is read.
type reading struct {
	shard    string
	place    place
	iterator *string
}

// read takes records from a stream's source until ctx ends or the stream is gone. What was
// taken, and how far, is one transaction: nothing is taken twice.
func (s *Service) read(ctx context.Context, l *lane) {
	var shards map[string]*reading
	var listed time.Time
	for ctx.Err() == nil {
		st, err := s.look(ctx, l.key.ref)
		if err != nil && ctx.Err() == nil && aws.CodeOf(err) != "ResourceNotFoundException" {
			l.pause(ctx, readEvery)
			continue
		}
		if err != nil || st.Space != l.key.space {
			return
		}
		acting, err := s.roles.acting(ctx, l.key.ref, st.Source.Role)
		if now := s.Clock.Now(); err == nil && (shards == nil || now.Sub(listed) >= listEvery) {
			if shards, err = s.shards(ctx, acting, l, &st, shards); err == nil {
				listed = now
			}
		}
		if err == nil && !l.full() {
			for _, r := range shards {
				if err = s.readShard(ctx, acting, l, &st, r); err != nil {
					break
				}
				if r.place.Ended {
					listed = time.Time{} // it may have children
				}
			}
		}
		if err != nil && ctx.Err() == nil {
			s.roles.forget(l.key.ref, st.Source.Role)
			d := &delivery{s: s, at: l.key.ref, st: &st, job: &job{}}
			d.report(ctx, st.Destination.logging(), st.Source.Role, trouble{destination: st.Source.ARN, code: codeOf("Kinesis", err), message: textOf(err)})
		}
		l.pause(ctx, readEvery)
	}
}

// full reports whether a stream has gathered so much that it has to deliver first.
func (l *lane) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.filled+l.held > maxHeld
}

// shards are those of the source that are not read to their end.
func (s *Service) shards(ctx, acting context.Context, l *lane, st *stream, known map[string]*reading) (map[string]*reading, error) {
	out := map[string]*reading{}
	in := &kinesisapi.ListShardsInput{StreamARN: &st.Source.ARN}
	for {
		page, err := kinesisapi.ListShards.Do(acting, s.Peers, in)
		if err != nil {
			return known, err
		}
		for i := range page.Shards {
			id := *page.Shards[i].ShardId
			if out[id] = known[id]; out[id] == nil {
				out[id] = &reading{shard: id}
			}
		}
		if page.NextToken == nil {
			break
		}
		in = &kinesisapi.ListShardsInput{NextToken: page.NextToken}
	}
	err := s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range placeRecords.List(ctx, r, l.key.scope, store.ListOptions{Prefix: []any{st.Space}}) {
			if err != nil {
				return err
			}
			if have := out[e.Key.String(1)]; have != nil {
				have.place = e.Record
			}
		}
		return nil
	})
	for id, r := range out {
		if r.place.Ended {
			delete(out, id)
		}
	}
	return out, err
}

// readShard takes what there is in one shard.
func (s *Service) readShard(ctx, acting context.Context, l *lane, st *stream, r *reading) error {
	for !r.place.Ended && !l.full() && ctx.Err() == nil {
		if r.iterator == nil {
			in := &kinesisapi.GetShardIteratorInput{StreamARN: &st.Source.ARN, ShardId: &r.shard, ShardIteratorType: new(kinesisapi.ShardIteratorTypeAtTimestamp), Timestamp: &st.Source.Since}
			if r.place.Sequence != "" {
				in.ShardIteratorType, in.Timestamp, in.StartingSequenceNumber = new(kinesisapi.ShardIteratorTypeAfterSequenceNumber), nil, &r.place.Sequence
			}
			out, err := kinesisapi.GetShardIterator.Do(acting, s.Peers, in)
			if err != nil {
				return err
			}
			r.iterator = out.ShardIterator
		}
		out, err := kinesisapi.GetRecords.Do(acting, s.Peers, &kinesisapi.GetRecordsInput{ShardIterator: r.iterator})
		switch code := aws.CodeOf(err); {
		case code == "ExpiredIteratorException":
			r.iterator = nil
			continue
		case code == "ProvisionedThroughputExceededException":
			return nil // the next second has room
		case err != nil:
			return err
		}
		if err := s.takeRecords(ctx, l, st, r, out); err != nil {
			r.iterator = nil
			return err
		}
		r.iterator = out.NextShardIterator
		if len(out.Records) == 0 || aws.Value(out.MillisBehindLatest) == 0 {
			return nil
		}
	}
	return nil
}

// takeRecords writes what was read, and how far.
func (s *Service) takeRecords(ctx context.Context, l *lane, st *stream, r *reading, out *kinesisapi.GetRecordsOutput) error {
	next := r.place
	next.Ended = out.NextShardIterator == nil
	list := make([]record, len(out.Records))
	size := 0
	for i := range list {
		x := &out.Records[i]
		list[i] = record{data: x.Data, came: *x.ApproximateArrivalTimestamp, key: *x.PartitionKey, sequence: *x.SequenceNumber}
		next.Sequence = list[i].sequence
		size += len(x.Data)
	}
	if next == r.place {
		return nil
	}
	note := func(tx store.Tx) error { return placeRecords.Put(tx, l.key.scope, next, st.Space, r.shard) }
	var err error
	if len(list) == 0 {
		err = s.Store.Update(ctx, func(tx store.Tx) error {
			if _, err := l.key.find(ctx, tx); err != nil {
				return err
			}
			return note(tx)
		})
	} else {
		_, err = s.put(ctx, l.key.ref, st.Space, r.shard, list, note)
	}
	if err != nil {
		return errors.Join(errors.New("firehose: keep what was read"), err)
	}
	r.place = next
	if len(list) > 0 {
		s.measure(l.key.ref, "DataReadFromKinesisStream.Records", unitCount, float64(len(list)))
		s.measure(l.key.ref, "DataReadFromKinesisStream.Bytes", unitBytes, float64(size))
		s.measure(l.key.ref, "KinesisMillisBehindLatest", unitMilliseconds, float64(aws.Value(out.MillisBehindLatest)))
	}
	return nil
}
