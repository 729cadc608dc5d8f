package lambda

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	streamsapi "github.com/tule-cloud/tule/api/dynamodbstreams"
	"github.com/tule-cloud/tule/aws"
)

// tableStream is a table's stream as a source.
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
type tableStream struct {
	s   *Service
	arn string

	mu   sync.Mutex
	hash string // the name of the partition key
}

var _ eventSource = (*tableStream)(nil)

func (d *tableStream) batchInfo() string { return "DDBStreamBatchInfo" }

// probe makes each call that polling makes.
func (d *tableStream) probe(ctx context.Context) error {
	return refuseStream(d.tryAll(ctx), d.arn, d.needs())
}

func (d *tableStream) needs() string {
	return "GetRecords, GetShardIterator, DescribeStream, and ListStreams"
}

func (d *tableStream) arrival(t time.Time) string { return eventTime(t) }

// mostRecords is the most that GetRecords gives.
func (d *tableStream) mostRecords() int { return 1000 }

func (d *tableStream) lets(f filters, r *record) bool { return f.let(r.event) }

func (d *tableStream) leave(string) {}

func (d *tableStream) tryAll(ctx context.Context) error {
	if _, err := streamsapi.ListStreams.Do(ctx, d.s.Peers, &streamsapi.ListStreamsInput{Limit: ptr(int32(1))}); err != nil {
		return err
	}
	shards, err := d.shards(ctx)
	if err != nil || len(shards) == 0 {
		return err
	}
	it, err := d.seek(ctx, shards[len(shards)-1].id, position{start: streamsapi.ShardIteratorTypeLatest})
	if err != nil {
		return err
	}
	_, _, err = d.read(ctx, shards[len(shards)-1].id, it, 1, 0)
	return err
}

func (d *tableStream) shards(ctx context.Context) ([]shard, error) {
	var out []shard
	in := &streamsapi.DescribeStreamInput{StreamArn: &d.arn}
	for {
		got, err := streamsapi.DescribeStream.Do(ctx, d.s.Peers, in)
		if err != nil {
			return nil, err
		}
		if keys := got.StreamDescription.KeySchema; len(keys) > 0 {
			d.mu.Lock()
			d.hash = aws.Value(keys[0].AttributeName)
			d.mu.Unlock()
		}
		for _, s := range got.StreamDescription.Shards {
			sh := shard{id: aws.Value(s.ShardId), closed: s.SequenceNumberRange != nil && s.SequenceNumberRange.EndingSequenceNumber != nil}
			if parent := aws.Value(s.ParentShardId); parent != "" {
				sh.parents = []string{parent}
			}
			out = append(out, sh)
		}
		if in.ExclusiveStartShardId = got.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return out, nil
		}
	}
}

func (d *tableStream) seek(ctx context.Context, shard string, at position) (string, error) {
	in := &streamsapi.GetShardIteratorInput{StreamArn: &d.arn, ShardId: &shard, ShardIteratorType: &at.start}
	if at.after != "" {
		in.ShardIteratorType, in.SequenceNumber = ptr(streamsapi.ShardIteratorTypeAfterSequenceNumber), &at.after
	}
	out, err := streamsapi.GetShardIterator.Do(ctx, d.s.Peers, in)
	if err != nil {
		return "", err
	}
	return aws.Value(out.ShardIterator), nil
}

func (d *tableStream) read(ctx context.Context, _, iterator string, limit int, wait time.Duration) ([]record, string, error) {
	ctx = ready(ctx, wait)
	out, err := streamsapi.GetRecords.Do(ctx, d.s.Peers, &streamsapi.GetRecordsInput{ShardIterator: &iterator, Limit: ptr(int32(limit))})
	if err != nil {
		return nil, "", err
	}
	d.mu.Lock()
	hash := d.hash
	d.mu.Unlock()
	records := make([]record, 0, len(out.Records))
	for i := range out.Records {
		r, err := d.record(&out.Records[i], hash)
		if err != nil {
			return nil, "", err
		}
		records = append(records, r)
	}
	return records, aws.Value(out.NextShardIterator), nil
}

// tableEvent is a record as functions get it.
type tableEvent struct {
	EventID        *string     `json:"eventID"`
	EventName      *string     `json:"eventName"`
	EventVersion   *string     `json:"eventVersion"`
	EventSource    *string     `json:"eventSource"`
	AwsRegion      *string     `json:"awsRegion"`
	Dynamodb       tableChange `json:"dynamodb"`
	UserIdentity   *identity   `json:"userIdentity,omitempty"`
	EventSourceARN string      `json:"eventSourceARN"`
}

type tableChange struct {
	// In seconds since 1970.
	ApproximateCreationDateTime int64                     `json:"ApproximateCreationDateTime"`
	Keys                        map[string]attributeValue `json:"Keys,omitempty"`
	NewImage                    map[string]attributeValue `json:"NewImage,omitempty"`
	OldImage                    map[string]attributeValue `json:"OldImage,omitempty"`
	SequenceNumber              *string                   `json:"SequenceNumber"`
	SizeBytes                   *int64                    `json:"SizeBytes"`
	StreamViewType              *string                   `json:"StreamViewType"`
}

type identity struct {
	PrincipalID *string `json:"principalId"`
	Type        *string `json:"type"`
}

// attributeValue is an attribute as JSON: {"S": "text"}.
type attributeValue streamsapi.AttributeValue

// MarshalJSON writes the one member that is set; empty lists and maps are set, too.
func (v attributeValue) MarshalJSON() ([]byte, error) {
	member := func(name string, value any) ([]byte, error) { return json.Marshal(map[string]any{name: value}) }
	switch {
	case v.S != nil:
		return member("S", v.S)
	case v.N != nil:
		return member("N", v.N)
	case v.B != nil:
		return member("B", v.B)
	case v.BOOL != nil:
		return member("BOOL", v.BOOL)
	case v.NULL != nil:
		return member("NULL", v.NULL)
	case v.SS != nil:
		return member("SS", v.SS)
	case v.NS != nil:
		return member("NS", v.NS)
	case v.BS != nil:
		return member("BS", v.BS)
	case v.L != nil:
		list := make([]attributeValue, 0, len(v.L))
		for _, e := range v.L {
			list = append(list, attributeValue(e))
		}
		return member("L", list)
	}
	fields := attributesJSON(v.M)
	if fields == nil {
		fields = map[string]attributeValue{}
	}
	return member("M", fields)
}

func attributesJSON(m map[string]streamsapi.AttributeValue) map[string]attributeValue {
	if m == nil {
		return nil
	}
	out := make(map[string]attributeValue, len(m))
	for name, v := range m {
		out[name] = attributeValue(v)
	}
	return out
}

func (d *tableStream) record(r *streamsapi.Record, hash string) (record, error) {
	c := r.Dynamodb
	at := aws.Value(c.ApproximateCreationDateTime)
	e := tableEvent{EventID: r.EventID, EventName: r.EventName, EventVersion: r.EventVersion, EventSource: r.EventSource, AwsRegion: r.AwsRegion,
		Dynamodb: tableChange{ApproximateCreationDateTime: at.Unix(), Keys: attributesJSON(c.Keys), NewImage: attributesJSON(c.NewImage),
			OldImage: attributesJSON(c.OldImage), SequenceNumber: c.SequenceNumber, SizeBytes: c.SizeBytes, StreamViewType: c.StreamViewType},
		EventSourceARN: d.arn}
	if who := r.UserIdentity; who != nil {
		e.UserIdentity = &identity{PrincipalID: who.PrincipalId, Type: who.Type}
	}
	partition, err := json.Marshal(attributeValue(c.Keys[hash]))
	if err != nil {
		return record{}, err
	}
	event, err := marshalEvent(e)
	return record{id: aws.Value(c.SequenceNumber), partition: string(partition), at: at, event: event}, err
}
