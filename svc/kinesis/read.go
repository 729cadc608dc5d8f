package kinesis

import (
	"context"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	iteratorLife = 5 * time.Minute
	maxRead      = 10000
	maxReadBytes = 10 << 20
)

// An iterator is where reading goes on.
type iterator struct {
	Account, Region, Name string
	Space                 uint64
	Shard                 int
	Next                  uint64 // number
	Since                 int64  `json:",omitempty"` // what came before, in milliseconds, is passed over
	Made                  int64  // milliseconds
}

func (it *iterator) ref() ref {
	return ref{store.Scope{Account: it.Account, Region: it.Region}, it.Name}
}

// parseIterator reads an iterator that is not checked otherwise.
func parseIterator(text string) (it iterator, err error) {
	if !aws.ParseToken(text, &it) {
		err = api.InvalidArgumentException("Invalid ShardIterator.")
	}
	return it, err
}

func (s *Service) getShardIterator(ctx context.Context, in *api.GetShardIteratorInput) (*api.GetShardIteratorOutput, error) {
	at, err := target{in.StreamName, in.StreamARN}.ref(ctx)
	if err != nil {
		return nil, err
	}
	p := position{kind: *in.ShardIteratorType, sequence: in.StartingSequenceNumber, time: in.Timestamp, operation: "GetShardIterator"}
	it, err := s.seek(ctx, at, *in.ShardId, p)
	if err != nil {
		return nil, err
	}
	text := aws.Token(it)
	return &api.GetShardIteratorOutput{ShardIterator: &text}, nil
}

// A position is where in a shard to begin.
type position struct {
	kind      string
	sequence  *string
	time      *time.Time
	operation string
}

// seek is the iterator at a position.
func (s *Service) seek(ctx context.Context, at ref, id string, p position) (it iterator, err error) {
	if err := s.number(ctx); err != nil {
		return it, err
	}
	now := s.Clock.Now()
	it = iterator{Account: at.scope.Account, Region: at.scope.Region, Name: at.name, Made: now.UnixMilli()}
	limit := s.numbering.Limit()
	err = s.Store.View(ctx, func(r store.Reader) error {
		st, err := at.find(ctx, r)
		if err != nil {
			return err
		}
		sh, err := s.shardOf(ctx, r, at, &st, id)
		if err != nil {
			return err
		}
		it.Space, it.Shard = st.Space, sh.Index
		switch p.kind {
		case api.ShardIteratorTypeTrimHorizon:
			it.Next = sh.First
		case api.ShardIteratorTypeLatest:
			it.Next = limit
		case api.ShardIteratorTypeAtTimestamp:
			err = it.seekTime(p, now)
		default:
			err = it.seekSequence(at, &sh, p)
		}
		return err
	})
	return it, err
}

func (it *iterator) seekTime(p position, now time.Time) error {
	if p.time == nil {
		return api.InvalidArgumentException("Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.")
	}
	if p.time.After(now) {
		return api.InvalidArgumentException("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: %d, currentTimestampInMillis: %d",
			p.time.UnixMilli(), now.UnixMilli())
	}
	it.Since = p.time.UnixMilli()
	it.Next = moment(it.Since)
	return nil
}

func (it *iterator) seekSequence(at ref, sh *shard, p position) error {
	if p.sequence == nil {
		return api.InvalidArgumentException("Must either specify (1) AT_SEQUENCE_NUMBER/AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s and no StartingSequenceNumber.", p.kind)
	}
	index, n, ok := parseSequence(*p.sequence)
	if !ok || index != sh.Index || n < sh.First || !sh.open() && n > sh.Last {
		return api.InvalidArgumentException("StartingSequenceNumber %s used in %s on shard %s in stream %s under account %s is invalid because it did not come from this stream.",
			*p.sequence, p.operation, shardID(sh.Index), at.name, at.scope.Account)
	}
	if p.kind == api.ShardIteratorTypeAfterSequenceNumber {
		n++
	}
	it.Next = n
	return nil
}

func (s *Service) getRecords(ctx context.Context, in *api.GetRecordsInput) (*api.GetRecordsOutput, error) {
	it, err := parseIterator(*in.ShardIterator)
	if err != nil {
		return nil, err
	}
	now := s.Clock.Now()
	if made := time.UnixMilli(it.Made).UTC(); now.Sub(made) > iteratorLife {
		return nil, api.ExpiredIteratorException("Iterator expired. The iterator was created at time %s while right now it is %s which is further in the future than the tolerated delay of 300000 milliseconds.",
			made.Format(time.UnixDate), now.UTC().Format(time.UnixDate))
	}
	limit := maxRead
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	p := stretch{limit: limit, bytes: maxReadBytes, metered: true}
	err = s.readReady(ctx, &it, &p)
	if p.stream.Space != 0 { // there is such a stream
		s.measureRead(&it, &p, now, err)
	}
	if err != nil {
		return nil, err
	}
	out := &api.GetRecordsOutput{Records: p.records, MillisBehindLatest: &p.behind, ChildShards: p.children}
	if !p.ended {
		it.Made = s.Clock.Now().UnixMilli()
		text := aws.Token(it)
		out.NextShardIterator = &text
	}
	return out, nil
}

// A stretch is what one read gives.
type stretch struct {
	limit, bytes int
	metered      bool
	records      []api.Record
	behind       int64 // milliseconds
	ended        bool  // the shard is closed, and read to its end
	children     []api.ChildShard
	stream       stream // of the shard
}

// read reads on from an iterator, which it moves.
func (s *Service) read(ctx context.Context, it *iterator, p *stretch) error {
	if err := s.number(ctx); err != nil {
		return err
	}
	until := s.numbering.Limit()
	at := it.ref()
	return s.Store.View(ctx, func(r store.Reader) error {
		p.records = []api.Record{}
		st, err := at.find(ctx, r)
		if err != nil {
			return err
		}
		if st.Space != it.Space {
			return at.notFound() // a stream of the same name that is gone
		}
		p.stream = st
		sh, err := s.shardOf(ctx, r, at, &st, shardID(it.Shard))
		if err != nil {
			return err
		}
		if p.metered {
			if err := s.meterRead(at, &st, it.Shard); err != nil {
				return err
			}
		}
		full, err := s.collect(ctx, r, it, &st, p, until)
		if err != nil || full || sh.open() {
			return err
		}
		p.ended = true
		p.children, err = s.childrenOf(ctx, r, at.scope, &st, sh.Index)
		return err
	})
}

// collect reads the records from it.Next to until; full says that there are more.
func (s *Service) collect(ctx context.Context, r store.Reader, it *iterator, st *stream, p *stretch, until uint64) (full bool, err error) {
	horizon := s.horizon(st).UnixMilli()
	bytes := 0
	o := store.ListOptions{Prefix: []any{st.Space, int64(it.Shard)}, From: []any{st.Space, int64(it.Shard), it.Next}, To: []any{st.Space, int64(it.Shard), until}}
	for e, err := range dataRecords.List(ctx, r, it.ref().scope, o) {
		if err != nil {
			return false, err
		}
		ms, key, data, err := decodeRecord(e.Record)
		if err != nil {
			return false, err
		}
		n := e.Key.Uint(2)
		if ms < it.Since || ms < horizon {
			it.Next = n + 1
			continue
		}
		size := len(key) + len(data)
		if len(p.records) == p.limit || len(p.records) > 0 && bytes+size > p.bytes {
			full = true
			p.behind = max(s.Clock.Now().UnixMilli()-ms, 0)
			break
		}
		bytes += size
		number, came := sequence(it.Shard, n), time.UnixMilli(ms).UTC()
		record := api.Record{Data: data, PartitionKey: &key, SequenceNumber: &number, ApproximateArrivalTimestamp: &came}
		if st.Key != "" {
			kind := api.EncryptionTypeKms
			record.EncryptionType = &kind
		}
		p.records = append(p.records, record)
		it.Next = n + 1
	}
	if !full {
		it.Next = max(it.Next, until)
	}
	if p.metered {
		s.wasRead(st, it.Shard, bytes)
	}
	return full, nil
}

// childrenOf are the shards that come from one.
func (s *Service) childrenOf(ctx context.Context, r store.Reader, scope store.Scope, st *stream, index int) ([]api.ChildShard, error) {
	shards, err := s.shardsOf(ctx, r, scope, st, index+1, 0)
	if err != nil {
		return nil, err
	}
	out := []api.ChildShard{}
	for i := range shards {
		d, from := shards[i].described(), false
		child := api.ChildShard{ShardId: d.ShardId, HashKeyRange: d.HashKeyRange}
		for _, parent := range shards[i].Parents {
			from = from || parent == index
			child.ParentShards = append(child.ParentShards, shardID(parent))
		}
		if from {
			out = append(out, child)
		}
	}
	return out, nil
}
