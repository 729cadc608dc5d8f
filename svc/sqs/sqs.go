// Package sqs is SQS: standard and FIFO queues.
//
// What differs from AWS on purpose:
//
//   - Every receive looks at the whole queue, so none comes back empty while a message
//     is visible, and the numbers in a queue's attributes are exact.
//   - What changes a queue's attributes, purges it or deletes it has happened when the
//     call returns; a deleted queue's name is free at once, unless DeletedRecently asks
//     for AWS's 60 seconds.
//   - A changed DelaySeconds is for messages sent from then on, in FIFO queues too, and
//     a changed MessageRetentionPeriod for all that are there, at once.
//   - KMS keys are kept and shown; what is on disk is as safe as the disk.
//   - There are no throughput quotas: FifoThroughputLimit is kept and shown.
//
// A message is written once (table m) and not touched until it is deleted. Beside it
// stands one small record in the order of the times at which it can be received (table
// v), which a receive moves to the end of the visibility timeout: so receiving is the
// beginning of a range, and what is invisible is never looked at. In a FIFO queue the
// records in v are those of message groups, and a group's messages lie in their order
// in table g.
//
// Receivers do not race for the same records: within the process a hub per queue hands
// each of them different ones (see hub), which it takes from what was just sent or from
// the store. The transaction then decides; what the hub believes is only a hint.
package sqs

import (
	"context"
	"io"
	"log/slog"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Options furnish a Service. Store, Clock and Random are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger // hears of background troubles; nobody if nil
	Meter  aws.Meter    // takes what the service measures of itself; nobody if nil
	// CheckPolicy says why a text is no policy in the policy language; nil checks
	// nothing.
	CheckPolicy func(document string) error
	// Allow asks whether the caller of ctx may do what the plane is asked for.
	Allow func(ctx context.Context, needs ...aws.Access) error
	// Inspect lets callers who sign nothing read queues through the plane.
	Inspect bool
	// Strategy is the form of queue URLs: "dynamic" (as the caller came, the default),
	// "standard", "domain", "path" or "off"; Host is the host and port in all but the
	// first, "localhost.localstack.cloud:4566" if empty.
	Strategy, Host string
	// DeletedRecently keeps the name of a deleted queue from use for 60 seconds.
	DeletedRecently bool
}

// Service is SQS.
type Service struct {
	Options
	cache queueCache
	hubs  hubs
	lanes lanes
	usage usage
	serial
}

// New makes the service.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Host == "" {
		o.Host = "localhost.localstack.cloud:4566"
	}
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	return &Service{Options: o}
}

// What the service keeps. The names are short for being part of every key. A queue's
// number is its own for ever, so nothing of a deleted queue is in the next of its name.
var (
	queues   = store.NewTable[[]byte]("sqs", "queue")       // name → queue, as JSON
	gone     = store.NewTable[[]byte]("sqs", "gone")        // name: deleted less than 60 s ago
	messages = store.NewTable[message]("sqs", "m")          // queue, ref
	index    = store.NewTable[state]("sqs", "v")            // queue, when it can be received, ref or group
	moved    = store.NewTable[movedTo]("sqs", "s")          // queue, ref: whose visibility was changed
	members  = store.NewTable[member]("sqs", "g")           // queue, group, sequence number
	groups   = store.NewTable[group]("sqs", "gr")           // queue, group
	sent     = store.NewTable[sentBefore]("sqs", "d")       // queue, scope, deduplication id; gone after 5 min
	attempts = store.NewTable[attempt]("sqs", "a")          // queue, receive request attempt id; gone after 5 min
	sources  = store.NewTable[[]byte]("sqs", "source")      // dead-letter queue's name, source's name
	tasks    = store.NewTable[moveTask]("sqs", "task")      // source's name, start in ms, id
	active   = store.NewTable[activeTask]("sqs", "running") // account, region, source's name; in no scope
)

// Routes are the operations that are answered.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.CreateQueue.To(s.createQueue, s.guardCreateQueue),
		api.DeleteQueue.To(s.deleteQueue, own(s, func(in *api.DeleteQueueRequest) *string { return in.QueueUrl })),
		api.GetQueueUrl.To(s.getQueueURL, unlocked(s.guardGetQueueURL)),
		api.ListQueues.To(s.listQueues, aws.Anywhere),
		api.GetQueueAttributes.To(s.getQueueAttributes, unlocked(shared(s, func(in *api.GetQueueAttributesRequest) *string { return in.QueueUrl }))),
		api.SetQueueAttributes.To(s.setQueueAttributes, s.guardSetAttributes),
		api.PurgeQueue.To(s.purgeQueue, shared(s, func(in *api.PurgeQueueRequest) *string { return in.QueueUrl })),
		api.ListDeadLetterSourceQueues.To(s.listDeadLetterSourceQueues, shared(s, func(in *api.ListDeadLetterSourceQueuesRequest) *string { return in.QueueUrl })),

		api.AddPermission.To(s.addPermission, own(s, func(in *api.AddPermissionRequest) *string { return in.QueueUrl })),
		api.RemovePermission.To(s.removePermission, unlocked(own(s, func(in *api.RemovePermissionRequest) *string { return in.QueueUrl }))),
		api.TagQueue.To(s.tagQueue, s.guardTagQueue),
		api.UntagQueue.To(s.untagQueue, s.guardUntagQueue),
		api.ListQueueTags.To(s.listQueueTags, own(s, func(in *api.ListQueueTagsRequest) *string { return in.QueueUrl })),

		api.SendMessage.To(s.sendMessage, shared(s, func(in *api.SendMessageRequest) *string { return in.QueueUrl })),
		api.SendMessageBatch.To(s.sendMessageBatch, batched(s, "sqs:SendMessage", func(in *api.SendMessageBatchRequest) *string { return in.QueueUrl })),
		api.ReceiveMessage.To(s.receiveMessage, shared(s, func(in *api.ReceiveMessageRequest) *string { return in.QueueUrl })),
		api.DeleteMessage.To(s.deleteMessage, shared(s, func(in *api.DeleteMessageRequest) *string { return in.QueueUrl })),
		api.DeleteMessageBatch.To(s.deleteMessageBatch, batched(s, "sqs:DeleteMessage", func(in *api.DeleteMessageBatchRequest) *string { return in.QueueUrl })),
		api.ChangeMessageVisibility.To(s.changeMessageVisibility, shared(s, func(in *api.ChangeMessageVisibilityRequest) *string { return in.QueueUrl })),
		api.ChangeMessageVisibilityBatch.To(s.changeMessageVisibilityBatch, batched(s, "sqs:ChangeMessageVisibility", func(in *api.ChangeMessageVisibilityBatchRequest) *string { return in.QueueUrl })),

		api.StartMessageMoveTask.To(s.startMessageMoveTask, s.guardStartMessageMoveTask),
		api.ListMessageMoveTasks.To(s.listMessageMoveTasks, onARN(s, func(in *api.ListMessageMoveTasksRequest) string { return *in.SourceArn })),
		api.CancelMessageMoveTask.To(s.cancelMessageMoveTask, s.guardCancelMessageMoveTask),
	}
}
