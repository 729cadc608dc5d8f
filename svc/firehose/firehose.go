// Package firehose is Amazon Data Firehose: streams whose records are gathered and
// delivered to where data is kept.
//
// What one call puts is one bundle in the store, on disk before the call is answered. When
// enough bundles have gathered, or the oldest has waited for long enough, they become a
// batch: a range of bundles with a name of its own. A batch is processed, delivered, and
// only then removed with its bundles, in one transaction. Names of objects and the ids of
// requests follow from the batch's name: a delivery that is repeated, because the process
// was killed or the destination failed, writes the same object again.
//
// What differs from AWS on purpose:
//
//   - A stream is ACTIVE when the call that makes it is answered, and changed when the call
//     that changes it is.
//   - Encryption with a KMS key is kept and told; what is on disk is as it is without. S3 is
//     asked for the encryption that its configuration names.
//   - Lambda transforms, and records are partitioned, when a batch is formed: the hints of the
//     transformation say how much one invocation takes, and all partitions of a batch are
//     written together. What is backed up is written with the batch, too.
//   - Records become Parquet by the names and kinds of what is in them: there is no Glue that
//     could tell a schema. What is nested becomes a column of JSON. There is no ORC.
//   - Endpoints of OpenSearch are called without a signature: nobody outside knows the keys of
//     this installation.
//   - Sources other than Kinesis, destinations Snowflake and Iceberg, secrets of Secrets
//     Manager and addresses within a VPC are refused.
//
// https://docs.aws.amazon.com/firehose/latest/APIReference/Welcome.html
package firehose

import (
	"context"
	"io"
	"log/slog"
	"net"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// principal is who assumes the roles of streams.
const principal = "firehose.amazonaws.com"

// Options are what the service needs. All but Meter, Secrets, HTTP, Dial and Quota are
// required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	// Peers are the other services, as the front door opens them.
	Peers aws.Peers
	// Meter takes what the service measures of itself; nobody if nil.
	Meter aws.Meter
	// Secrets seals what destinations are opened with; if nil, it is kept as it is.
	Secrets Sealer
	// HTTP reaches the endpoints of HTTP destinations; if nil, none is.
	HTTP RoundTripper
	// Dial reaches Redshift; if nil, it is not reached.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Quota is how many MiB a stream takes in a second; 0 is 5, AWS's in its largest regions.
	Quota int
}

// A Sealer keeps secrets from who reads the store's files.
type Sealer interface {
	Seal(text []byte, context string) ([]byte, error)
	Open(sealed []byte, context string) ([]byte, error)
}

// Service answers the operations of Data Firehose.
type Service struct {
	Options
	numbering *store.Numbering
	lanes     *lanes
	roles     roles
	quotas    quotas
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	if o.Quota == 0 {
		o.Quota = 5
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{Options: o, numbering: store.NewNumbering("firehose", "number")}
	s.lanes = newLanes(s)
	s.roles.s = s
	return s
}

// What the service keeps. A space is a stream's first part of the keys of what is its.
var (
	streamRecords = store.NewTable[stream]("firehose", "stream") // name
	bundleRecords = store.NewTable[[]byte]("firehose", "b")      // space, number
	batchRecords  = store.NewTable[batch]("firehose", "batch")   // space, the number behind it
	placeRecords  = store.NewTable[place]("firehose", "place")   // space, shard of the source
)

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.CreateDeliveryStream.To(s.createDeliveryStream, s.guardCreate),
		api.DescribeDeliveryStream.To(s.describeDeliveryStream, on(s, func(in *api.DescribeDeliveryStreamInput) *string { return in.DeliveryStreamName })),
		api.ListDeliveryStreams.To(s.listDeliveryStreams, aws.Anywhere),
		api.UpdateDestination.To(s.updateDestination, s.guardUpdate),
		api.DeleteDeliveryStream.To(s.deleteDeliveryStream, on(s, func(in *api.DeleteDeliveryStreamInput) *string { return in.DeliveryStreamName })),

		api.PutRecord.To(s.putRecord, on(s, func(in *api.PutRecordInput) *string { return in.DeliveryStreamName })),
		api.PutRecordBatch.To(s.putRecordBatch, on(s, func(in *api.PutRecordBatchInput) *string { return in.DeliveryStreamName })),

		api.StartDeliveryStreamEncryption.To(s.startEncryption, on(s, func(in *api.StartDeliveryStreamEncryptionInput) *string { return in.DeliveryStreamName })),
		api.StopDeliveryStreamEncryption.To(s.stopEncryption, on(s, func(in *api.StopDeliveryStreamEncryptionInput) *string { return in.DeliveryStreamName })),

		api.TagDeliveryStream.To(s.tagDeliveryStream, s.guardTag),
		api.UntagDeliveryStream.To(s.untagDeliveryStream, s.guardUntag),
		api.ListTagsForDeliveryStream.To(s.listTags, on(s, func(in *api.ListTagsForDeliveryStreamInput) *string { return in.DeliveryStreamName })),
	}
}

// Run gathers and delivers, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	return s.lanes.run(ctx)
}
