package dynamodb

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	api "github.com/tule-cloud/tule/api/dynamodb"
	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A feed is a stream of Kinesis to which a table's changes go, part of the table's record.
//
// A change waits in the store, written in its own transaction, until the stream has taken it
// or a day is over. Changes of one item reach the stream in their order; one that the process
// did not see arrive before it was killed is sent again.
type feed struct {
	ARN       string
	Precision string
	Status    string
	Space     uint64     // of the changes that wait
	Caller    aws.Caller // who turned it on, as whom changes are put
}

// maxFeeds is how many streams a table may feed.
const maxFeeds = 2

// feed is the table's feed of a stream, nil if there is none.
func (t *table) feed(arn string) *feed {
	for i := range t.Feeds {
		if t.Feeds[i].ARN == arn {
			return &t.Feeds[i]
		}
	}
	return nil
}

// checkKinesis refuses what is no stream of Kinesis, or one that the caller may not see.
func (s *Service) checkKinesis(ctx context.Context, arn string) error {
	a, ok := aws.ParseARN(arn)
	if !ok || a.Service != "kinesis" {
		return value.Invalid("Invalid Kinesis Stream ARN: %s", arn)
	}
	if s.peers == nil {
		return missing("Kinesis streaming destinations")
	}
	_, err := kinesisapi.DescribeStreamSummary.Do(ctx, s.peers, &kinesisapi.DescribeStreamSummaryInput{StreamARN: &arn})
	var e *aws.Error
	if errors.As(err, &e) && !e.Server() {
		return value.Invalid("The Kinesis stream %s cannot be used: %s", arn, e.Message)
	}
	return err
}

// changeFeeds changes the feeds of a table, a copy of which change gets.
func (s *Service) changeFeeds(ctx context.Context, name *string, change func(tx store.Tx, at ref, t *table) error) (ref, error) {
	at, err := own(ctx, name)
	if err != nil {
		return at, err
	}
	return at, s.alter(ctx, func(tx store.Tx) error {
		old, err := s.describe(ctx, tx, at)
		if err != nil {
			return err
		}
		t := old.clone()
		if err := change(tx, at, t); err != nil {
			return err
		}
		return t.save(tx, at)
	})
}

func (s *Service) enableKinesisStreamingDestination(ctx context.Context, in *api.KinesisStreamingDestinationInput) (*api.KinesisStreamingDestinationOutput, error) {
	if err := s.checkKinesis(ctx, *in.StreamArn); err != nil {
		return nil, err
	}
	f := feed{ARN: *in.StreamArn, Precision: api.ApproximateCreationDateTimePrecisionMillisecond, Status: api.DestinationStatusActive, Caller: aws.RequestOf(ctx).Caller}
	if c := in.EnableKinesisStreamingConfiguration; c != nil && c.ApproximateCreationDateTimePrecision != nil {
		f.Precision = *c.ApproximateCreationDateTimePrecision
	}
	var space [8]byte
	if _, err := io.ReadFull(s.random, space[:]); err != nil {
		return nil, err
	}
	f.Space = binary.BigEndian.Uint64(space[:])
	at, err := s.changeFeeds(ctx, in.TableName, func(tx store.Tx, at ref, t *table) error {
		switch old := t.feed(f.ARN); {
		case old != nil && old.Status == api.DestinationStatusActive:
			return value.Invalid("Table is not in a valid state to enable Kinesis Streaming Destination: EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation.")
		case old != nil:
			*old = f
		case len(t.Feeds) >= maxFeeds:
			t.Feeds = slices.DeleteFunc(t.Feeds, func(f feed) bool { return f.Status != api.DestinationStatusActive })
			if len(t.Feeds) >= maxFeeds {
				return api.LimitExceededException("Table: %s already has %d Kinesis streaming destinations", at.name, maxFeeds)
			}
			t.Feeds = append(t.Feeds, f)
		default:
			t.Feeds = append(t.Feeds, f)
		}
		return feedRecords.Put(tx, at.scope, f.ARN, at.name, int64(f.Space))
	})
	if err != nil {
		return nil, err
	}
	status := api.DestinationStatusEnabling
	return &api.KinesisStreamingDestinationOutput{TableName: &at.name, StreamArn: &f.ARN, DestinationStatus: &status, EnableKinesisStreamingConfiguration: in.EnableKinesisStreamingConfiguration}, nil
}

func (s *Service) disableKinesisStreamingDestination(ctx context.Context, in *api.KinesisStreamingDestinationInput) (*api.KinesisStreamingDestinationOutput, error) {
	at, err := s.changeFeeds(ctx, in.TableName, func(tx store.Tx, at ref, t *table) error {
		f := t.feed(*in.StreamArn)
		if f == nil || f.Status != api.DestinationStatusActive {
			return value.Invalid("Table is not in a valid state to enable Kinesis Streaming Destination: KinesisStreamingDestination must be ACTIVE to perform DISABLE operation.")
		}
		f.Status = api.DestinationStatusDisabled
		return f.drop(tx, at)
	})
	if err != nil {
		return nil, err
	}
	status := api.DestinationStatusDisabling
	return &api.KinesisStreamingDestinationOutput{TableName: &at.name, StreamArn: in.StreamArn, DestinationStatus: &status}, nil
}

// drop removes what waits for a stream.
func (f *feed) drop(tx store.Tx, at ref) error {
	if err := waitingRecords.DeleteAll(tx, at.scope, f.Space); err != nil {
		return err
	}
	return feedRecords.Delete(tx, at.scope, at.name, int64(f.Space))
}

func (s *Service) updateKinesisStreamingDestination(ctx context.Context, in *api.UpdateKinesisStreamingDestinationInput) (*api.UpdateKinesisStreamingDestinationOutput, error) {
	c := in.UpdateKinesisStreamingConfiguration
	if c == nil || c.ApproximateCreationDateTimePrecision == nil {
		return nil, value.Invalid("Streaming destination cannot be updated with given parameters: UpdateKinesisStreamingConfiguration cannot be null or contain only null values")
	}
	at, err := s.changeFeeds(ctx, in.TableName, func(_ store.Tx, at ref, t *table) error {
		f := t.feed(*in.StreamArn)
		switch {
		case f == nil || f.Status != api.DestinationStatusActive:
			return value.Invalid("Table is not in a valid state to enable Kinesis Streaming Destination: Kinesis streaming is not in ACTIVE state. "+
				"Updates are only allowed in ACTIVE state. TableName: %s, kdsArn: %s", at.name, *in.StreamArn)
		case f.Precision == *c.ApproximateCreationDateTimePrecision:
			return value.Invalid("Invalid Request: Precision is already set to the desired value of %s for tableId: %s, kdsArn: %s", f.Precision, t.ID, f.ARN)
		}
		f.Precision = *c.ApproximateCreationDateTimePrecision
		return nil
	})
	if err != nil {
		return nil, err
	}
	status := api.DestinationStatusUpdating
	return &api.UpdateKinesisStreamingDestinationOutput{TableName: &at.name, StreamArn: in.StreamArn, DestinationStatus: &status, UpdateKinesisStreamingConfiguration: c}, nil
}

func (s *Service) describeKinesisStreamingDestination(ctx context.Context, in *api.DescribeKinesisStreamingDestinationInput) (*api.DescribeKinesisStreamingDestinationOutput, error) {
	if _, err := own(ctx, in.TableName); err != nil {
		return nil, err
	}
	t, err := s.peek(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeKinesisStreamingDestinationOutput{TableName: &t.Name, KinesisDataStreamDestinations: []api.KinesisDataStreamDestination{}}
	for i := range t.Feeds {
		f := &t.Feeds[i]
		out.KinesisDataStreamDestinations = append(out.KinesisDataStreamDestinations, api.KinesisDataStreamDestination{StreamArn: &f.ARN, DestinationStatus: &f.Status, ApproximateCreationDateTimePrecision: &f.Precision})
	}
	return out, nil
}
