package firehose

import (
	"context"
	"time"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/store"
)

// maxBatch is how many bytes one PutRecordBatch may carry.
const maxBatch = 4 << 20

// slowDown is AWS's word to those who are beyond a stream's quota.
const slowDown = "Slow down."

func (s *Service) putRecord(ctx context.Context, in *api.PutRecordInput) (*api.PutRecordOutput, error) {
	at, began := refOf(ctx, in.DeliveryStreamName), s.Clock.Now()
	st, err := s.direct(ctx, at)
	if err != nil {
		return nil, err
	}
	size := len(in.Record.Data)
	if s.quotas.take(at, began, s.Quota, []int{size}) == 0 {
		s.measure(at, "ThrottledRecords", unitCount, 1)
		return nil, api.ServiceUnavailableException(slowDown)
	}
	id, err := s.put(ctx, at, st.Space, "", []record{{data: in.Record.Data, came: began}}, nil)
	if err != nil {
		return nil, err
	}
	s.measurePut(at, "PutRecord", began, 1, size)
	return &api.PutRecordOutput{RecordId: new(id.record(0)), Encrypted: &st.Encrypted}, nil
}

func (s *Service) putRecordBatch(ctx context.Context, in *api.PutRecordBatchInput) (*api.PutRecordBatchOutput, error) {
	at, began := refOf(ctx, in.DeliveryStreamName), s.Clock.Now()
	st, err := s.direct(ctx, at)
	if err != nil {
		return nil, err
	}
	sizes, total := make([]int, len(in.Records)), 0
	for i := range in.Records {
		sizes[i] = len(in.Records[i].Data)
		total += sizes[i]
	}
	if total > maxBatch {
		return nil, api.InvalidArgumentException("Records size exceeds 4 MB limit")
	}
	taken := s.quotas.take(at, began, s.Quota, sizes)
	list := make([]record, taken)
	for i := range list {
		list[i] = record{data: in.Records[i].Data, came: began}
	}
	var id bundleID
	if taken > 0 {
		if id, err = s.put(ctx, at, st.Space, "", list, nil); err != nil {
			return nil, err
		}
	}
	failed := int32(len(in.Records) - taken)
	out := &api.PutRecordBatchOutput{FailedPutCount: &failed, Encrypted: &st.Encrypted, RequestResponses: make([]api.PutRecordBatchResponseEntry, len(in.Records))}
	for i := range out.RequestResponses {
		if i < taken {
			out.RequestResponses[i].RecordId = new(id.record(i))
			continue
		}
		total -= sizes[i]
		out.RequestResponses[i] = api.PutRecordBatchResponseEntry{ErrorCode: new("ServiceUnavailableException"), ErrorMessage: new(slowDown)}
	}
	if failed > 0 {
		s.measure(at, "ThrottledRecords", unitCount, float64(failed))
	}
	s.measurePut(at, "PutRecordBatch", began, taken, total)
	return out, nil
}

// direct is a stream into which callers put records.
func (s *Service) direct(ctx context.Context, at ref) (stream, error) {
	st, err := s.look(ctx, at)
	if err == nil && st.Type != api.DeliveryStreamTypeDirectPut {
		err = api.InvalidArgumentException("This operation is not permitted on %s delivery stream type.", st.Type)
	}
	return st, err
}

// put writes a bundle of records in one transaction, with what also says.
func (s *Service) put(ctx context.Context, at ref, space uint64, shard string, list []record, also func(tx store.Tx) error) (id bundleID, err error) {
	if err := s.numbering.Start(ctx, s.Store, 1); err != nil {
		return id, err
	}
	now := s.Clock.Now()
	bundle, size := encodeBundle(now, shard, list), int64(0)
	for i := range list {
		size += int64(len(list[i].data))
	}
	n := s.numbering.Begin()
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := at.find(ctx, tx)
		if err != nil {
			return err
		}
		if st.Space != space {
			return at.notFound() // one of the same name has come in between
		}
		number, err := n.Take()
		if err != nil {
			return err
		}
		id = bundleID{space, number}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		return bundleRecords.Put(tx, at.scope, bundle, space, number)
	})
	n.Release(ctx, s.Store, err)
	if err == nil {
		s.lanes.came(laneKey{at, space}, size, now)
	}
	return id, err
}

// arrival is when the oldest of records came.
func arrival(list []record) time.Time {
	oldest := list[0].came
	for i := range list {
		if list[i].came.Before(oldest) {
			oldest = list[i].came
		}
	}
	return oldest
}
