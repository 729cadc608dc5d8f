// Package dynamodb is DynamoDB: tables of items under a partition key and a sort
// key, conditions, updates, queries, scans, batches and transactions.
//
// What differs from AWS on purpose:
//
//   - A table is ready at once: CreateTable answers CREATING, as waiters expect, and
//     whoever asks next sees ACTIVE. A deleted table is gone when DeleteTable answers.
//   - Every read is consistent. ConsistentRead changes only the capacity counted.
//   - ItemCount and TableSizeBytes are counted when asked for, not every six hours; of
//     a large table, again only once that has cost a hundredth of the time gone by.
//   - Items past their time to live are deleted within minutes, not days; see Run.
//   - A provisioned table has the whole of its burst, 300 seconds of its capacity, when it is
//     new and when the process starts; capacity is not divided among partitions. Tables on
//     demand are never throttled.
//   - Attributes come back in the order of their names.
//   - A batch of writes happens as a whole or not at all, and leaves nothing unprocessed but
//     for want of provisioned capacity; a batch of reads does so only beyond 16 MB.
//   - A global index is as current as its table: an item and its entries are written in one
//     transaction. One that is added to a table of up to a hundred items is complete at once;
//     others are filled in the background, and the table can be deleted meanwhile. Collections
//     of items below local indexes may grow beyond 10 GB. Index keys of more than two
//     attributes are refused (501).
//   - Point-in-time recovery is kept and shown; of a table's past there is nothing: a restore
//     to more than five minutes ago is refused (501), an export is of the table as it is when
//     the export's work begins, incremental ones and imports of
//     Ion files are refused (501), and a table can be read while it is being imported. An
//     import's errors are counted, and not logged.
//   - A SELECT whose conditions do not say the partition key by = reads the whole table or
//     index, also where they say it by IN or OR.
//   - Changes go to a stream of Kinesis as the one who turned that on, rather than by a role
//     of DynamoDB's own, and to no more than two streams.
//   - Contributor insights are kept and shown; nothing looks for keys that are much used.
//   - Of resources with policies there are tables; those of streams are refused (501).
//   - A stream is one shard, from its beginning to its end; see Streams.
//
// An item lies in the store under its table's space, a hash of its partition key,
// the partition key and the sort key, so that a scan runs in hash order as on AWS,
// a segment of a scan is a range, and a query is one too. All that a write changes
// is one transaction of the store; a write that needs nothing of the old item reads
// nothing at all, and no two writers of different items meet.
package dynamodb

import (
	"io"
	"log/slog"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Service answers DynamoDB's operations.
type Service struct {
	store  store.Store
	clock  aws.Clock
	random io.Reader
	logger *slog.Logger
	peers  aws.Peers
	meter  aws.Meter

	schemas    schemas
	allowances allowances
	numbering  *store.Numbering // of what streams tell

	mu     sync.RWMutex
	tables map[string]*table // decoded records, by their bytes
	counts map[uint64]count  // by table space
}

// count is how much was in a table.
type count struct {
	items, bytes int64
	at           time.Time
	took         time.Duration
}

// Options are what a Service needs. All but Logger and Peers must be set.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader    // table ids are made of it
	Logger *slog.Logger // of what goes wrong in the background; nil for none
	Peers  aws.Peers    // S3, for exports and imports, and Kinesis; nil if there are none
	Meter  aws.Meter    // takes what the service measures of itself; nobody if nil
}

// New returns a Service that keeps its state in the store.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	return &Service{store: o.Store, clock: o.Clock, random: o.Random, logger: o.Logger, peers: o.Peers, meter: o.Meter,
		schemas: newSchemas(o.Store), numbering: store.NewNumbering("dynamodb", "life"), tables: map[string]*table{}, counts: map[uint64]count{}}
}

// What the service keeps. Items are in the form of package value.
var (
	tableRecords   = store.NewTable[[]byte]("dynamodb", "table")
	itemRecords    = store.NewTable[[]byte]("dynamodb", "item")
	entryRecords   = store.NewTable[[]byte]("dynamodb", "entry") // of indexes
	fillRecords    = store.NewTable[fill]("dynamodb", "fill")
	feedRecords    = store.NewTable[string]("dynamodb", "feed")     // the stream, by table and the feed's space
	waitingRecords = store.NewTable[[]byte]("dynamodb", "waiting")  // changes, by the feed's space and number
	backupRecords  = store.NewTable[backup]("dynamodb", "backup")   // by table and id
	savedRecords   = store.NewTable[[]byte]("dynamodb", "saved")    // items, by the backup's space
	restoreRecords = store.NewTable[restore]("dynamodb", "restore") // by the new table
	tokenRecords   = store.NewTable[[]byte]("dynamodb", "token")

	streamRecords = store.NewTable[stream]("dynamodb", "stream") // by table and label
	changeRecords = store.NewTable[[]byte]("dynamodb", "change") // by the stream's space and number
)

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.CreateTable.To(s.createTable, s.guardCreateTable),
		api.DescribeTable.To(s.describeTable, on(s, func(in *api.DescribeTableInput) *string { return in.TableName })),
		api.UpdateTable.To(s.updateTable, on(s, func(in *api.UpdateTableInput) *string { return in.TableName })),
		api.DeleteTable.To(s.deleteTable, on(s, func(in *api.DeleteTableInput) *string { return in.TableName })),
		api.ListTables.To(s.listTables, onAll),

		api.PutItem.To(measured(s, "PutItem", s.putItem, one(func(in *api.PutItemInput) *string { return in.TableName })), of(s, s.putTargets)),
		api.GetItem.To(measured(s, "GetItem", s.getItem, one(func(in *api.GetItemInput) *string { return in.TableName })), of(s, s.getTargets)),
		api.UpdateItem.To(measured(s, "UpdateItem", s.updateItem, one(func(in *api.UpdateItemInput) *string { return in.TableName })), of(s, s.updateTargets)),
		api.DeleteItem.To(measured(s, "DeleteItem", s.deleteItem, one(func(in *api.DeleteItemInput) *string { return in.TableName })), of(s, s.deleteTargets)),
		api.Query.To(measured(s, "Query", s.query, one(func(in *api.QueryInput) *string { return in.TableName })), of(s, s.queryTargets)),
		api.Scan.To(measured(s, "Scan", s.scan, one(func(in *api.ScanInput) *string { return in.TableName })), of(s, scanTargets)),
		api.BatchGetItem.To(measured(s, "BatchGetItem", s.batchGetItem, keys(func(in *api.BatchGetItemInput) map[string]api.KeysAndAttributes { return in.RequestItems })), of(s, s.batchGetTargets)),
		api.BatchWriteItem.To(measured(s, "BatchWriteItem", s.batchWriteItem, keys(func(in *api.BatchWriteItemInput) map[string][]api.WriteRequest { return in.RequestItems })), of(s, s.batchWriteTargets)),
		api.TransactGetItems.To(measured(s, "TransactGetItems", s.transactGetItems, inReads), of(s, s.transactGetTargets)),
		api.TransactWriteItems.To(measured(s, "TransactWriteItems", s.transactWriteItems, inWrites), of(s, s.transactWriteTargets)),

		api.ExecuteStatement.To(measured(s, "ExecuteStatement", s.executeStatement, inStatement), s.guardStatement),
		api.BatchExecuteStatement.To(measured(s, "BatchExecuteStatement", s.batchExecuteStatement, inStatements), s.guardStatements),
		api.ExecuteTransaction.To(measured(s, "ExecuteTransaction", s.executeTransaction, inTransaction), s.guardTransaction),

		api.TagResource.To(s.tagResource, s.guardTag),
		api.UntagResource.To(s.untagResource, s.guardUntag),
		api.ListTagsOfResource.To(s.listTagsOfResource, on(s, func(in *api.ListTagsOfResourceInput) *string { return in.ResourceArn })),
		api.UpdateTimeToLive.To(s.updateTimeToLive, on(s, func(in *api.UpdateTimeToLiveInput) *string { return in.TableName })),
		api.DescribeTimeToLive.To(s.describeTimeToLive, on(s, func(in *api.DescribeTimeToLiveInput) *string { return in.TableName })),
		api.DescribeContinuousBackups.To(s.describeContinuousBackups, on(s, func(in *api.DescribeContinuousBackupsInput) *string { return in.TableName })),
		api.UpdateContinuousBackups.To(s.updateContinuousBackups, on(s, func(in *api.UpdateContinuousBackupsInput) *string { return in.TableName })),
		api.ExportTableToPointInTime.To(s.exportTable, on(s, func(in *api.ExportTableToPointInTimeInput) *string { return in.TableArn })),
		api.DescribeExport.To(s.describeExport, onTransfer(func(in *api.DescribeExportInput) *string { return in.ExportArn })),
		api.ListExports.To(s.listExports, aws.Anywhere),
		api.ImportTable.To(s.importTable, guardImport),
		api.DescribeImport.To(s.describeImport, onTransfer(func(in *api.DescribeImportInput) *string { return in.ImportArn })),
		api.ListImports.To(s.listImports, aws.Anywhere),
		api.CreateBackup.To(s.createBackup, on(s, func(in *api.CreateBackupInput) *string { return in.TableName })),
		api.DescribeBackup.To(s.describeBackup, onTransfer(func(in *api.DescribeBackupInput) *string { return in.BackupArn })),
		api.ListBackups.To(s.listBackups, aws.Anywhere),
		api.DeleteBackup.To(s.deleteBackup, onTransfer(func(in *api.DeleteBackupInput) *string { return in.BackupArn })),
		api.RestoreTableFromBackup.To(s.restoreTableFromBackup, s.guardRestore),
		api.RestoreTableToPointInTime.To(s.restoreTableToPointInTime, s.guardRestoreToPointInTime),
		api.EnableKinesisStreamingDestination.To(s.enableKinesisStreamingDestination, on(s, func(in *api.KinesisStreamingDestinationInput) *string { return in.TableName })),
		api.DisableKinesisStreamingDestination.To(s.disableKinesisStreamingDestination, on(s, func(in *api.KinesisStreamingDestinationInput) *string { return in.TableName })),
		api.UpdateKinesisStreamingDestination.To(s.updateKinesisStreamingDestination, on(s, func(in *api.UpdateKinesisStreamingDestinationInput) *string { return in.TableName })),
		api.DescribeKinesisStreamingDestination.To(s.describeKinesisStreamingDestination, on(s, func(in *api.DescribeKinesisStreamingDestinationInput) *string { return in.TableName })),
		api.PutResourcePolicy.To(s.putResourcePolicy, on(s, func(in *api.PutResourcePolicyInput) *string { return in.ResourceArn })),
		api.GetResourcePolicy.To(s.getResourcePolicy, on(s, func(in *api.GetResourcePolicyInput) *string { return in.ResourceArn })),
		api.DeleteResourcePolicy.To(s.deleteResourcePolicy, on(s, func(in *api.DeleteResourcePolicyInput) *string { return in.ResourceArn })),
		api.UpdateContributorInsights.To(s.updateContributorInsights, s.guardUpdateInsights),
		api.DescribeContributorInsights.To(s.describeContributorInsights, s.guardDescribeInsights),
		api.ListContributorInsights.To(s.listContributorInsights, aws.Anywhere),
		api.DescribeLimits.To(s.describeLimits, aws.Anywhere),
		api.DescribeEndpoints.To(s.describeEndpoints, aws.Anywhere),
	}
}
