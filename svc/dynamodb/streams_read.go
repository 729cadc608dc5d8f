package dynamodb

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"time"

	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	api "github.com/tule-cloud/tule/api/dynamodbstreams"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// What one answer of GetRecords holds at most.
const (
	maxChanges     = 1000
	maxChangeBytes = 1 << 20
)

func (s *Streams) getShardIterator(ctx context.Context, in *api.GetShardIteratorInput) (*api.GetShardIteratorOutput, error) {
	at, err := ownStream(ctx, *in.StreamArn)
	if err != nil {
		return nil, err
	}
	now := s.s.clock.Now()
	if err := s.s.number(ctx); err != nil {
		return nil, err
	}
	limit := s.s.numbering.Limit()
	it := iterator{stream: at, place: iteratorPlace{Shard: *in.ShardId, Made: now.UnixMilli()}}
	err = s.s.store.View(ctx, func(r store.Reader) error {
		st, err := at.find(ctx, r)
		if err != nil {
			return err
		}
		if st.shard() != *in.ShardId {
			return api.ResourceNotFoundException("Requested resource not found: Shard does not exist")
		}
		it.place.Next, err = st.seek(ctx, r, at.scope, in, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.GetShardIteratorOutput{ShardIterator: it.text()}, nil
}

// seek is the number at which an iterator begins. No record below limit is yet to come.
func (s *stream) seek(ctx context.Context, r store.Reader, scope store.Scope, in *api.GetShardIteratorInput, limit uint64) (uint64, error) {
	switch *in.ShardIteratorType {
	case api.ShardIteratorTypeTrimHorizon:
		return s.First, nil
	case api.ShardIteratorTypeLatest:
		return limit, nil
	}
	if in.SequenceNumber == nil {
		return 0, value.Invalid("1 validation error detected: Value null at 'sequenceNumber' failed to satisfy constraint: Member must not be null")
	}
	n, ok := parseSequence(*in.SequenceNumber)
	if !ok || n < s.First || n >= limit && n != s.First {
		return 0, value.Invalid("Invalid SequenceNumber in request: %s", *in.SequenceNumber)
	}
	if err := s.checkTrimmed(ctx, r, scope, n); err != nil {
		return 0, err
	}
	if *in.ShardIteratorType == api.ShardIteratorTypeAfterSequenceNumber {
		n++
	}
	return n, nil
}

// checkTrimmed refuses a number whose record, if there was one, has been trimmed: one
// below the oldest record that is left, but for the beginning of the stream.
func (s *stream) checkTrimmed(ctx context.Context, r store.Reader, scope store.Scope, n uint64) error {
	if n == s.First || n == s.Last {
		return nil
	}
	for e, err := range changeRecords.List(ctx, r, scope, store.ListOptions{Prefix: []any{s.Space}, Limit: 1}) {
		if err != nil {
			return err
		}
		if e.Key.Uint(1) <= n {
			return nil
		}
	}
	return api.TrimmedDataAccessException("The operation attempted to read past the oldest stream record in a shard.")
}

func (s *Streams) getRecords(ctx context.Context, in *api.GetRecordsInput) (*api.GetRecordsOutput, error) {
	it, err := parseIterator(*in.ShardIterator)
	if err == nil {
		_, err = ownStream(ctx, it.stream.arn())
	}
	if err != nil {
		return nil, err
	}
	now := s.s.clock.Now()
	if now.Sub(time.UnixMilli(it.place.Made)) > iteratorLife {
		return nil, api.ExpiredIteratorException("Iterator expired. The iterator was created at time %s while right now it is %s which is further in the future than the tolerated delay of 900000 milliseconds.",
			time.UnixMilli(it.place.Made).UTC().Format(time.UnixDate), now.Format(time.UnixDate))
	}
	if err := s.s.number(ctx); err != nil {
		return nil, err
	}
	limit := maxChanges
	if in.Limit != nil {
		if limit = int(*in.Limit); limit > maxChanges {
			return nil, value.Invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value less than or equal to %d", limit, maxChanges)
		}
	}
	p := stretch{limit: limit, next: it.place.Next}
	if err := s.readReady(ctx, it, &p); err != nil {
		return nil, err
	}
	out := &api.GetRecordsOutput{Records: p.records}
	if !p.ended {
		it.place.Next, it.place.Made = p.next, s.s.clock.Now().UnixMilli()
		out.NextShardIterator = it.text()
	}
	return out, nil
}

// stretch is what one GetRecords reads.
type stretch struct {
	limit       int
	space       uint64 // the stream's
	until, next uint64 // numbers: of what must not be read yet, and of what to read
	records     []api.Record
	ended       bool // the shard is closed, and read to its end
}

func (p *stretch) read(ctx context.Context, r store.Reader, it iterator) error {
	p.records = []api.Record{}
	st, err := it.stream.find(ctx, r)
	if err != nil {
		return err
	}
	if st.shard() != it.place.Shard {
		return it.stream.notFound()
	}
	p.space = st.Space
	bytes, full := 0, false
	o := store.ListOptions{Prefix: []any{st.Space}, From: []any{st.Space, p.next}, To: []any{st.Space, p.until}}
	for e, err := range changeRecords.List(ctx, r, it.stream.scope, o) {
		if err != nil {
			return err
		}
		if bytes += len(e.Record); len(p.records) == p.limit || len(p.records) > 0 && bytes > maxChangeBytes {
			full = true
			break
		}
		c, err := decodeChange(e.Record)
		if err != nil {
			return err
		}
		n := e.Key.Uint(1)
		p.records, p.next = append(p.records, c.record(it.stream.scope.Region, &st, n)), n+1
	}
	p.ended = !full && st.Last != 0
	return nil
}

// record is a change as clients see it.
func (c *change) record(region string, st *stream, n uint64) api.Record {
	source, version, number, at := "aws:dynamodb", "1.1", sequence(n), c.at.Truncate(time.Second)
	size := int64(value.ItemSize(c.keys) + value.ItemSize(c.old) + value.ItemSize(c.new))
	var place [16]byte
	binary.BigEndian.PutUint64(place[:], st.Space)
	binary.BigEndian.PutUint64(place[8:], n)
	sum := md5.Sum(place[:]) // no secret: the id need only be the record's own
	id := hex.EncodeToString(sum[:])
	r := api.Record{EventID: &id, EventName: &c.name, EventSource: &source, EventVersion: &version, AwsRegion: &region,
		Dynamodb: &api.StreamRecord{ApproximateCreationDateTime: &at, Keys: attributes(c.keys), OldImage: attributes(c.old), NewImage: attributes(c.new),
			SequenceNumber: &number, SizeBytes: &size, StreamViewType: &st.View}}
	if c.byService {
		kind, who := "Service", "dynamodb.amazonaws.com"
		r.UserIdentity = &api.Identity{Type: &kind, PrincipalId: &who}
	}
	return r
}

// attributes is an item in the types of the streams' API.
func attributes(it dynamodbapi.Item) map[string]api.AttributeValue {
	if it == nil {
		return nil
	}
	out := make(map[string]api.AttributeValue, len(it))
	for _, a := range it {
		out[a.Name] = attribute(a.Value)
	}
	return out
}

func attribute(v dynamodbapi.AttributeValue) (out api.AttributeValue) {
	text, truth := v.Text(), v.Truth()
	switch v.Type() {
	case dynamodbapi.TypeS:
		out.S = &text
	case dynamodbapi.TypeN:
		out.N = &text
	case dynamodbapi.TypeB:
		out.B = []byte(text)
	case dynamodbapi.TypeBOOL:
		out.BOOL = &truth
	case dynamodbapi.TypeNULL:
		out.NULL = &truth
	case dynamodbapi.TypeSS:
		out.SS = v.Elements()
	case dynamodbapi.TypeNS:
		out.NS = v.Elements()
	case dynamodbapi.TypeBS:
		for _, e := range v.Elements() {
			out.BS = append(out.BS, []byte(e))
		}
	case dynamodbapi.TypeL:
		out.L = make([]api.AttributeValue, 0, len(v.List()))
		for _, e := range v.List() {
			out.L = append(out.L, attribute(e))
		}
	case dynamodbapi.TypeM:
		out.M = attributes(v.Fields())
		if out.M == nil {
			out.M = map[string]api.AttributeValue{}
		}
	}
	return out
}
