// Package sns is SNS: topics and who is subscribed to them, and the delivery of what is
// published to queues, functions, HTTP endpoints, mail boxes, streams, phones and apps.
//
// Publishing is one transaction: it stores the message once, and beside it to whom it
// goes. From then on every delivery happens, whatever becomes of the process. A lane per
// subscription delivers, so that an endpoint that hangs keeps nobody else waiting; of a
// FIFO topic each message group has a lane of its own, in which a message waits for the
// one before. What has to be tried again is noted, with when.
//
// What differs from AWS on purpose:
//
//   - Changes of subscriptions and their filter policies count at once. The subscriptions
//     of a deleted topic are gone with it.
//   - Messages for phones and mobile apps are kept for inspection, at /_aws/sns/sms-messages
//     and /_aws/sns/platform-endpoint-messages, and sent nowhere. No credentials of push
//     services are checked. Every account is in the SMS sandbox, whose one-time passwords
//     are among the messages; numbers need not be verified to be sent to.
//   - SubscribeURL and UnsubscribeURL lead to where the subscriber's own call reached this
//     Tule; SigningCertURL always has AWS's name, by which validators go.
//   - The SignatureVersion in functions' events is the topic's; AWS says 1 there always.
//   - A delivery policy's total time may exceed 3,600 seconds.
//   - Data protection policies, KMS keys and tracing are stored and shown.
package sns

import (
	"context"
	"crypto/rsa"
	"io"
	"log/slog"
	"sync"

	api "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// principal is SNS as it calls other services.
const principal = "sns.amazonaws.com"

// Options furnish a Service. Store, Clock, Random and Peers are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	// Peers are the services that this one calls.
	Peers aws.Peers
	Meter aws.Meter // takes what the service measures of itself; nobody if nil
	// Signing gives the key that messages are signed with, and its certificate as PEM. It
	// is asked when the first message is signed. Nil: a key that ends with the process.
	Signing func() (*rsa.PrivateKey, []byte, error)
	// HTTP reaches HTTP endpoints. Nil reaches none.
	HTTP RoundTripper
	// Sender is whom mail is from; "" is SNS's own address.
	Sender string
}

// Service answers SNS's operations.
type Service struct {
	Options
	signer     signer
	topics     topicCache
	deliveries *dispatcher
	feedback   *feedback
	groups     groupLocks
	numbers    numbers
}

// New makes the service.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	o.Random = aws.SharedReader(o.Random)
	if o.Sender == "" {
		o.Sender = mailSender
	}
	s := &Service{Options: o}
	s.signer.make = o.Signing
	if s.signer.make == nil {
		s.signer.make = func() (*rsa.PrivateKey, []byte, error) { return NewSigningKey(o.Clock.Now()) }
	}
	s.topics.all = map[topicRef]*topicView{}
	s.numbers.next = map[topicRef]*block{}
	s.deliveries = newDispatcher(s)
	s.feedback = newFeedback(s)
	return s
}

// What the service keeps.
var (
	topicRecords    = store.NewTable[topic]("sns", "topic")               // name
	versions        = store.NewCounter("sns", "version")                  // topic: counts changes to it and its subscriptions
	subscriptions   = store.NewTable[subscription]("sns", "subscription") // topic, id
	endpointIndex   = store.NewTable[[]byte]("sns", "endpoint")           // topic, protocol, endpoint → id
	ownerIndex      = store.NewTable[[]byte]("sns", "owner")              // owner's scope: topic's account, topic, id
	tokens          = store.NewTable[token]("sns", "token")               // installation's: token
	messages        = store.NewTable[message]("sns", "m")                 // topic, number, id
	fans            = store.NewTable[fan]("sns", "f")                     // topic, number, id
	duplicates      = store.NewTable[duplicate]("sns", "dup")             // topic, group or "", deduplication id
	sequence        = store.NewCounter("sns", "sequence")                 // topic: the last block of numbers given out
	applications    = store.NewTable[application]("sns", "app")           // platform, name
	endpoints       = store.NewTable[appEndpoint]("sns", "appendpoint")   // platform, name, id
	endpointTokens  = store.NewTable[[]byte]("sns", "apptoken")           // platform, name, token → id
	smsSettings     = store.NewTable[map[string]string]("sns", "sms")     // ""
	optedOut        = store.NewTable[[]byte]("sns", "optedout")           // number
	sandboxNumbers  = store.NewTable[sandboxNumber]("sns", "sandbox")     // number
	pushed          = store.NewTable[pushedMessage]("sns", "pushed")      // time, id
	archiveMessages = store.NewTable[message]("sns", "archive")           // topic, time, number, id
)

// Routes are the operations that are answered.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.CreateTopic.To(s.createTopic, s.guardCreateTopic),
		api.DeleteTopic.To(s.deleteTopic, onTopic(s, func(in *api.DeleteTopicInput) *string { return in.TopicArn })),
		api.ListTopics.To(s.listTopics, aws.Anywhere),
		api.GetTopicAttributes.To(s.getTopicAttributes, onTopic(s, func(in *api.GetTopicAttributesInput) *string { return in.TopicArn })),
		api.SetTopicAttributes.To(s.setTopicAttributes, s.guardSetTopic),
		api.AddPermission.To(s.addPermission, onTopic(s, func(in *api.AddPermissionInput) *string { return in.TopicArn })),
		api.RemovePermission.To(s.removePermission, onTopic(s, func(in *api.RemovePermissionInput) *string { return in.TopicArn })),
		api.GetDataProtectionPolicy.To(s.getDataProtectionPolicy, onTopic(s, func(in *api.GetDataProtectionPolicyInput) *string { return in.ResourceArn })),
		api.PutDataProtectionPolicy.To(s.putDataProtectionPolicy, onTopic(s, func(in *api.PutDataProtectionPolicyInput) *string { return in.ResourceArn })),
		api.TagResource.To(s.tagResource, s.guardTag),
		api.UntagResource.To(s.untagResource, s.guardUntag),
		api.ListTagsForResource.To(s.listTagsForResource, onTopic(s, func(in *api.ListTagsForResourceRequest) *string { return in.ResourceArn })),

		api.Subscribe.To(s.subscribe, s.guardSubscribe),
		api.ConfirmSubscription.To(s.confirmSubscription, s.guardConfirm),
		api.Unsubscribe.To(s.unsubscribe, s.guardUnsubscribe),
		api.ListSubscriptions.To(s.listSubscriptions, aws.Anywhere),
		api.ListSubscriptionsByTopic.To(s.listSubscriptionsByTopic, onTopic(s, func(in *api.ListSubscriptionsByTopicInput) *string { return in.TopicArn })),
		api.GetSubscriptionAttributes.To(s.getSubscriptionAttributes, aws.Anywhere),
		api.SetSubscriptionAttributes.To(s.setSubscriptionAttributes, s.guardSetSubscription),

		api.Publish.To(s.publish, s.guardPublish),
		api.PublishBatch.To(s.publishBatch, s.guardPublishBatch),

		api.CreatePlatformApplication.To(s.createPlatformApplication, s.guardCreateApplication),
		api.DeletePlatformApplication.To(s.deletePlatformApplication, aws.Anywhere),
		api.GetPlatformApplicationAttributes.To(s.getPlatformApplicationAttributes, aws.Anywhere),
		api.SetPlatformApplicationAttributes.To(s.setPlatformApplicationAttributes, s.guardSetApplication),
		api.ListPlatformApplications.To(s.listPlatformApplications, aws.Anywhere),
		api.CreatePlatformEndpoint.To(s.createPlatformEndpoint, aws.Anywhere),
		api.DeleteEndpoint.To(s.deleteEndpoint, aws.Anywhere),
		api.GetEndpointAttributes.To(s.getEndpointAttributes, aws.Anywhere),
		api.SetEndpointAttributes.To(s.setEndpointAttributes, aws.Anywhere),
		api.ListEndpointsByPlatformApplication.To(s.listEndpoints, aws.Anywhere),

		api.SetSMSAttributes.To(s.setSMSAttributes, guardSetSMS),
		api.GetSMSAttributes.To(s.getSMSAttributes, aws.Anywhere),
		api.CheckIfPhoneNumberIsOptedOut.To(s.checkOptedOut, aws.Anywhere),
		api.ListPhoneNumbersOptedOut.To(s.listOptedOut, aws.Anywhere),
		api.OptInPhoneNumber.To(s.optIn, aws.Anywhere),
		api.ListOriginationNumbers.To(s.listOriginationNumbers, aws.Anywhere),
		api.CreateSMSSandboxPhoneNumber.To(s.createSandboxNumber, aws.Anywhere),
		api.VerifySMSSandboxPhoneNumber.To(s.verifySandboxNumber, aws.Anywhere),
		api.DeleteSMSSandboxPhoneNumber.To(s.deleteSandboxNumber, aws.Anywhere),
		api.ListSMSSandboxPhoneNumbers.To(s.listSandboxNumbers, aws.Anywhere),
		api.GetSMSSandboxAccountStatus.To(s.sandboxStatus, aws.Anywhere),
	}
}

// Run delivers until ctx ends. Deliveries under way are given up then, and are the next
// process's.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.feedback.run(ctx) })
	err := s.deliveries.run(ctx)
	wg.Wait()
	return err
}
