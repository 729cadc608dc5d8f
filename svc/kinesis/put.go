package kinesis

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxBatch is how many bytes one PutRecords may carry, partition keys included.
const maxBatch = 10 << 20

// errResharded ends a transaction that finds other shards than were counted on.
var errResharded = errors.New("kinesis: the shards have changed")

// entry is a record on its way in.
type entry struct {
	key  string
	data []byte
	at   hash
	// what becomes of it
	shard   int
	number  uint64
	refused error // why it was not taken
}

func (e *entry) size() int { return len(e.key) + len(e.data) }

// newEntry reads what a caller wants written.
func newEntry(key, explicit *string, data []byte) (entry, error) {
	e := entry{key: *key, data: data}
	if explicit == nil {
		e.at = md5.Sum([]byte(*key)) // as AWS spreads keys; it guards nothing
		return e, nil
	}
	at, ok := parseHash(*explicit)
	if !ok {
		return e, api.InvalidArgumentException("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s", *explicit)
	}
	e.at = at
	return e, nil
}

func (s *Service) putRecord(ctx context.Context, in *api.PutRecordInput) (*api.PutRecordOutput, error) {
	if in.SequenceNumberForOrdering != nil {
		if _, _, ok := parseSequence(*in.SequenceNumberForOrdering); !ok {
			return nil, api.InvalidArgumentException("SequenceNumberForOrdering %s is not a sequence number of this stream.", *in.SequenceNumberForOrdering)
		}
	}
	e, err := newEntry(in.PartitionKey, in.ExplicitHashKey, in.Data)
	if err != nil {
		return nil, err
	}
	list := []entry{e}
	kind, err := s.put(ctx, "PutRecord", target{in.StreamName, in.StreamARN}, list)
	if err == nil {
		err = list[0].refused
	}
	if err != nil {
		return nil, err
	}
	id, number := shardID(list[0].shard), sequence(list[0].shard, list[0].number)
	return &api.PutRecordOutput{ShardId: &id, SequenceNumber: &number, EncryptionType: kind}, nil
}

func (s *Service) putRecords(ctx context.Context, in *api.PutRecordsInput) (*api.PutRecordsOutput, error) {
	list, total := make([]entry, len(in.Records)), 0
	for i := range in.Records {
		r := &in.Records[i]
		e, err := newEntry(r.PartitionKey, r.ExplicitHashKey, r.Data)
		if err != nil {
			return nil, err
		}
		list[i] = e
		total += e.size()
	}
	if total > maxBatch {
		return nil, api.InvalidArgumentException("Records size exceeds 10 MB limit")
	}
	kind, err := s.put(ctx, "PutRecords", target{in.StreamName, in.StreamARN}, list)
	if err != nil {
		return nil, err
	}
	failed := int32(0)
	out := &api.PutRecordsOutput{FailedRecordCount: &failed, EncryptionType: kind, Records: make([]api.PutRecordsResultEntry, len(list))}
	for i := range list {
		e, r := &list[i], &out.Records[i]
		if e.refused != nil {
			failed++
			var why *aws.Error
			errors.As(e.refused, &why)
			r.ErrorCode, r.ErrorMessage = &why.Code, &why.Message
			continue
		}
		id, number := shardID(e.shard), sequence(e.shard, e.number)
		r.ShardId, r.SequenceNumber = &id, &number
	}
	return out, nil
}

// put writes records in their order, in one transaction, but for those that their
// shards have no room for in this second. It gives the stream's encryption type, and
// measures the call.
func (s *Service) put(ctx context.Context, call string, t target, list []entry) (*string, error) {
	at, err := t.ref(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.number(ctx); err != nil {
		return nil, err
	}
	began := s.Clock.Now()
	var st stream
	for first := true; ; first = false {
		if st, err = s.assign(ctx, at, list); err != nil {
			return nil, err
		}
		if first {
			s.meter(at, &st, list)
		}
		if err = s.write(ctx, at, &st, list); !errors.Is(err, errResharded) {
			break
		}
	}
	s.measurePut(at, call, began, list, err)
	if err == nil {
		s.measureIncoming(at, &st, list)
	}
	kind := api.EncryptionTypeNone
	if st.Key != "" {
		kind = api.EncryptionTypeKms
	}
	return &kind, err
}

// assign finds the shards that entries belong to.
func (s *Service) assign(ctx context.Context, at ref, list []entry) (st stream, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		if st, err = at.find(ctx, r); err != nil {
			return err
		}
		l, err := s.layout(ctx, r, at.scope, &st)
		if err != nil {
			return err
		}
		for i := range list {
			if e := &list[i]; e.size() > st.RecordKiB<<10 {
				return api.InvalidArgumentException("1 validation error detected: Value at 'data' failed to satisfy constraint: Member must have length less than or equal to %d", st.RecordKiB<<10)
			}
			list[i].shard = l.of(list[i].at).Index
		}
		return nil
	})
	return st, err
}

// write writes what is not refused.
func (s *Service) write(ctx context.Context, at ref, st *stream, list []entry) error {
	n := s.numbering.Begin()
	now := s.Clock.Now().UnixMilli()
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := at.find(ctx, tx)
		if err != nil {
			return err
		}
		if have.Space != st.Space || have.Epoch != st.Epoch {
			return errResharded
		}
		for i := range list {
			e := &list[i]
			if e.refused != nil {
				continue
			}
			if e.number, err = n.Take(); err != nil {
				return err
			}
			if err := dataRecords.Put(tx, at.scope, encodeRecord(now, e.key, e.data), st.Space, int64(e.shard), e.number); err != nil {
				return err
			}
		}
		return nil
	})
	n.Release(ctx, s.Store, err)
	return err
}

// recordVersion is the first byte of a record in the store.
const recordVersion = 1

var errRecord = errors.New("kinesis: a record is damaged")

// encodeRecord is a record as it lies in the store: the version, when it came in
// milliseconds, the partition key behind its length, and the data.
func encodeRecord(ms int64, key string, data []byte) []byte {
	b := make([]byte, 0, len(key)+len(data)+16)
	b = append(b, recordVersion)
	b = binary.AppendUvarint(b, uint64(ms))
	b = binary.AppendUvarint(b, uint64(len(key)))
	return append(append(b, key...), data...)
}

// decodeRecord reads what encodeRecord wrote; data is a part of b.
func decodeRecord(b []byte) (ms int64, key string, data []byte, err error) {
	if len(b) < 3 || b[0] != recordVersion {
		return 0, "", nil, errRecord
	}
	t, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return 0, "", nil, errRecord
	}
	b = b[1+n:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return 0, "", nil, errRecord
	}
	return int64(t), string(b[n : n+int(size)]), b[n+int(size):], nil
}
