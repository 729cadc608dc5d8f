package dynamodb

import (
	"context"
	"errors"
	"strings"
	"time"

	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	api "github.com/tule-cloud/tule/api/dynamodbstreams"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// Streams answers the operations of DynamoDB Streams: what tables' streams tell.
//
// What a write changes is told in the write's own transaction, so that a stream has a
// record of a change exactly if the change has happened. A stream is one shard, which
// is open as long as the stream goes on: AWS's become others every four hours. Records
// stay for 24 hours, and so does a stream that was turned off, or whose table is gone.
// An iterator is good for 15 minutes.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
type Streams struct{ s *Service }

// Streams are the streams of the service's tables.
func (s *Service) Streams() *Streams { return &Streams{s} }

// Routes are the operations that the service answers.
func (s *Streams) Routes() []aws.Route {
	return []aws.Route{
		api.ListStreams.To(s.listStreams, aws.Anywhere),
		api.DescribeStream.To(s.describeStream, guardStream(s, func(in *api.DescribeStreamInput) *string { return in.StreamArn })),
		api.GetShardIterator.To(s.getShardIterator, guardStream(s, func(in *api.GetShardIteratorInput) *string { return in.StreamArn })),
		api.GetRecords.To(s.getRecords, s.guardRecords),
	}
}

// A streamRef names a stream, which need not be there.
type streamRef struct {
	ref
	label string
}

func (r streamRef) arn() string { return r.streamARN(r.label) }

func (r streamRef) notFound() error {
	return api.ResourceNotFoundException("Requested resource not found: Stream: %s not found", r.arn())
}

// parseStream reads a stream's ARN.
func parseStream(arn string) (streamRef, error) {
	a, ok := aws.ParseARN(arn)
	rest, isTable := strings.CutPrefix(a.Resource, "table/")
	name, label, isStream := strings.Cut(rest, "/stream/")
	if !ok || a.Service != "dynamodb" || !isTable || !isStream || !legalName(name) || label == "" || strings.Contains(label, "/") {
		return streamRef{}, value.Invalid("Invalid StreamArn: %s", arn)
	}
	return streamRef{ref{store.Scope{Account: a.Account, Region: a.Region}, name}, label}, nil
}

// ownStream is parseStream for a stream of the caller's account, in the region of the call.
func ownStream(ctx context.Context, arn string) (streamRef, error) {
	r, err := parseStream(arn)
	if err != nil {
		return r, err
	}
	req := aws.RequestOf(ctx)
	if r.scope.Account != req.Account() {
		return r, aws.AccessDenied("User: %s is not authorized to access resource: %s because no resource-based policy allows the action", req.Caller.ARN, r.arn())
	}
	if r.scope.Region != req.Region {
		return r, r.notFound()
	}
	return r, nil
}

// guardStream is the guard of an operation on one stream.
func guardStream[In any](s *Streams, arn func(in *In) *string) aws.Guard[In] {
	return func(_ context.Context, in *In) ([]aws.Access, error) {
		return s.needs(aws.Value(arn(in)))
	}
}

func (s *Streams) guardRecords(_ context.Context, in *api.GetRecordsInput) ([]aws.Access, error) {
	it, err := parseIterator(*in.ShardIterator)
	if err != nil {
		return nil, err
	}
	return s.needs(it.stream.arn())
}

func (s *Streams) needs(arn string) ([]aws.Access, error) {
	at, err := parseStream(arn)
	if err != nil {
		return nil, err
	}
	return []aws.Access{{Resource: at.arn(), Tags: s.s.tagsOf(at.ref)}}, nil
}

// find reads a stream's record.
func (r streamRef) find(ctx context.Context, rd store.Reader) (stream, error) {
	st, err := streamRecords.Get(ctx, rd, r.scope, r.name, r.label)
	if errors.Is(err, store.ErrNotFound) {
		return st, r.notFound()
	}
	return st, err
}

// maxStreams is the most streams, or shards, that one answer lists.
const maxStreams = 100

func (s *Streams) listStreams(ctx context.Context, in *api.ListStreamsInput) (*api.ListStreamsOutput, error) {
	req := aws.RequestOf(ctx)
	limit := min(maxStreams, int(aws.Value(in.Limit)))
	if in.Limit == nil {
		limit = maxStreams
	}
	o := store.ListOptions{Limit: limit + 1}
	if in.TableName != nil {
		o.Prefix = []any{*in.TableName}
	}
	if in.ExclusiveStartStreamArn != nil {
		from, err := ownStream(ctx, *in.ExclusiveStartStreamArn)
		if err != nil {
			return nil, err
		}
		o.After = []any{from.name, from.label}
	}
	var out *api.ListStreamsOutput
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	err := s.s.store.View(ctx, func(r store.Reader) error {
		out = &api.ListStreamsOutput{Streams: []api.Stream{}}
		for e, err := range streamRecords.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if len(out.Streams) == limit {
				out.LastEvaluatedStreamArn = out.Streams[limit-1].StreamArn
				break
			}
			at := streamRef{ref{scope, e.Key.String(0)}, e.Key.String(1)}
			arn := at.arn()
			out.Streams = append(out.Streams, api.Stream{StreamArn: &arn, StreamLabel: &at.label, TableName: &at.name})
		}
		return nil
	})
	return out, err
}

func (s *Streams) describeStream(ctx context.Context, in *api.DescribeStreamInput) (*api.DescribeStreamOutput, error) {
	at, err := ownStream(ctx, *in.StreamArn)
	if err != nil {
		return nil, err
	}
	var st stream
	err = s.s.store.View(ctx, func(r store.Reader) error {
		st, err = at.find(ctx, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	arn, status, id, first := at.arn(), api.StreamStatusEnabled, st.shard(), sequence(st.First)
	shard := api.Shard{ShardId: &id, SequenceNumberRange: &api.SequenceNumberRange{StartingSequenceNumber: &first}}
	if st.Last != 0 {
		last := sequence(st.Last)
		status, shard.SequenceNumberRange.EndingSequenceNumber = api.StreamStatusDisabled, &last
	}
	d := &api.StreamDescription{StreamArn: &arn, StreamLabel: &at.label, TableName: &at.name, StreamStatus: &status, StreamViewType: &st.View,
		CreationRequestDateTime: &st.Created, Shards: []api.Shard{shard}}
	// Nothing comes behind the only shard, and it has no children.
	if in.ShardFilter != nil || in.ExclusiveStartShardId != nil && *in.ExclusiveStartShardId >= id {
		d.Shards = []api.Shard{}
	}
	kinds := []string{dynamodbapi.KeyTypeHash, dynamodbapi.KeyTypeRange}
	for i, k := range st.Keys {
		d.KeySchema = append(d.KeySchema, api.KeySchemaElement{AttributeName: &k.Name, KeyType: &kinds[i]})
	}
	return &api.DescribeStreamOutput{StreamDescription: d}, nil
}

// iteratorLife is how long an iterator can be used.
const iteratorLife = 15 * time.Minute

// An iterator is a place in a stream: where to read next.
type iterator struct {
	stream streamRef
	place  iteratorPlace
}

type iteratorPlace struct {
	Shard string
	Next  uint64 // the least number that is wanted
	Made  int64  // milliseconds since 1970
}

// text is the iterator as clients carry it, in AWS's form.
func (it iterator) text() *string {
	text := it.stream.arn() + "|1|" + aws.Token(it.place)
	return &text
}

func parseIterator(text string) (it iterator, err error) {
	arn, rest, ok := strings.Cut(text, "|")
	version, token, ok2 := strings.Cut(rest, "|")
	if ok && ok2 && version == "1" && aws.ParseToken(token, &it.place) {
		if it.stream, err = parseStream(arn); err == nil {
			return it, nil
		}
	}
	return it, value.Invalid("Invalid ShardIterator")
}
