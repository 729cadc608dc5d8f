// Package ses is SES, as applications use it to send mail: identities, sending in all
// forms, templates, configuration sets, and notifications of what became of it.
//
// A message is one transaction with its place in the outbox, so that what was accepted
// is sent whatever becomes of the process; what became of it is one transaction with the
// notifications of that. With a relay, messages go out by SMTP, and are tried again for
// fourteen hours; one that hangs keeps nothing else waiting. Without one they count as
// delivered when they are accepted. Either way they can be looked at, at /_aws/ses, for
// thirty days.
//
// The addresses of the mailbox simulator, such as bounce@simulator.amazonses.com, never
// reach a relay, and give the notifications that AWS's give.
//
// What differs from AWS on purpose:
//
//   - An identity is verified when it is asked for: who may do that on an installation of
//     its own needs no proof of whose the address is. There is no sandbox.
//   - Bounces that a relay hears of only later are not known here. Feedback is not
//     forwarded by mail.
//   - Mail that is received is not scanned: its verdicts are GRAY. Nothing reaches
//     WorkMail or Connect.
//   - Nothing is signed: DKIM's attributes are kept, as those of the deliverability manager
//     are. There are no archives.
//   - There are no dedicated addresses, tenants, nor Pinpoint. Nobody opens or
//     clicks: there are no such events.
package ses

import (
	"context"
	"io"
	"log/slog"
	"slices"

	api "github.com/tule-cloud/tule/api/ses"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// principal is SES as it calls other services.
const principal = "ses.amazonaws.com"

// A Relay sends mail on. An error with a code of 500 or more, a *textproto.Error, is
// final; others are tried again.
type Relay interface {
	Send(ctx context.Context, from string, to []string, message []byte) error
}

// Options furnish a Service. Store, Clock, Random and Peers are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	Meter  aws.Meter // takes the metrics that configuration sets ask for; nobody if nil
	// Peers are the services that this one calls.
	Peers aws.Peers
	// Relay sends mail on. Nil: it is kept for inspection alone.
	Relay Relay
}

// Service answers SES's operations.
type Service struct {
	Options
	outbox outboxWorker
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
	s := &Service{Options: o}
	s.outbox = outboxWorker{s: s, wake: make(chan struct{}, 1)}
	return s
}

// What the service keeps.
var (
	identities = store.NewTable[identity]("ses", "identity")      // name
	templates  = store.NewTable[emailTemplate]("ses", "template") // name
	sets       = store.NewTable[configurationSet]("ses", "set")   // name
	accounts   = store.NewTable[accountState]("ses", "account")   // ""
	mails      = store.NewTable[sentMail]("ses", "mail")          // time, id
	outbox     = store.NewTable[outgoing]("ses", "outbox")        // of all accounts, for the relay: when it is due, id
	notices    = store.NewTable[notice]("ses", "notice")          // time, id
	points     = store.NewTable[point]("ses", "point")            // quarter of an hour

	suppressed = store.NewTable[suppression]("ses", "suppressed")  // address
	lists      = store.NewTable[contactList]("ses", "contactlist") // name
	contacts   = store.NewTable[contact]("ses", "contact")         // list's name, address
)

// Routes are the operations that are answered.
func (s *Service) Routes() []aws.Route {
	return versioned(slices.Concat(s.identityRoutes(), s.receiptRoutes(), s.verificationRoutes(), []aws.Route{
		api.SendEmail.To(s.sendEmail, s.guardSendEmail),
		api.SendRawEmail.To(s.sendRawEmail, s.guardSendRaw),
		api.SendTemplatedEmail.To(s.sendTemplatedEmail, s.guardSendTemplated),
		api.SendBulkTemplatedEmail.To(s.sendBulkTemplatedEmail, s.guardSendBulk),
		api.SendBounce.To(s.sendBounce, s.guardSendBounce),
		api.GetSendQuota.To(s.getSendQuota, aws.Anywhere),
		api.GetSendStatistics.To(s.getSendStatistics, aws.Anywhere),
		api.GetAccountSendingEnabled.To(s.getAccountSendingEnabled, aws.Anywhere),
		api.UpdateAccountSendingEnabled.To(s.updateAccountSendingEnabled, aws.Anywhere),

		api.CreateTemplate.To(s.createTemplate, aws.Anywhere),
		api.UpdateTemplate.To(s.updateTemplate, aws.Anywhere),
		api.GetTemplate.To(s.getTemplate, aws.Anywhere),
		api.DeleteTemplate.To(s.deleteTemplate, aws.Anywhere),
		api.ListTemplates.To(s.listTemplates, aws.Anywhere),
		api.TestRenderTemplate.To(s.testRenderTemplate, aws.Anywhere),

		api.CreateConfigurationSet.To(s.createConfigurationSet, onSet(func(in *api.CreateConfigurationSetRequest) *string { return in.ConfigurationSet.Name })),
		api.DeleteConfigurationSet.To(s.deleteConfigurationSet, onSet(func(in *api.DeleteConfigurationSetRequest) *string { return in.ConfigurationSetName })),
		api.DescribeConfigurationSet.To(s.describeConfigurationSet, aws.Anywhere),
		api.ListConfigurationSets.To(s.listConfigurationSets, aws.Anywhere),
		api.CreateConfigurationSetEventDestination.To(s.createEventDestination, guardCreateDestination),
		api.UpdateConfigurationSetEventDestination.To(s.updateEventDestination, guardUpdateDestination),
		api.DeleteConfigurationSetEventDestination.To(s.deleteEventDestination, onSet(func(in *api.DeleteConfigurationSetEventDestinationRequest) *string { return in.ConfigurationSetName })),
		api.UpdateConfigurationSetSendingEnabled.To(s.updateSetSending, aws.Anywhere),
		api.UpdateConfigurationSetReputationMetricsEnabled.To(s.updateSetReputation, aws.Anywhere),
		api.PutConfigurationSetDeliveryOptions.To(s.putSetDelivery, onSet(func(in *api.PutConfigurationSetDeliveryOptionsRequest) *string { return in.ConfigurationSetName })),
		api.CreateConfigurationSetTrackingOptions.To(s.createSetTracking, aws.Anywhere),
		api.UpdateConfigurationSetTrackingOptions.To(s.updateSetTracking, aws.Anywhere),
		api.DeleteConfigurationSetTrackingOptions.To(s.deleteSetTracking, aws.Anywhere),
	}), "1")
}

// Run sends what is in the outbox until ctx ends.
func (s *Service) Run(ctx context.Context) error { return s.outbox.run(ctx) }

func scopeOf(ctx context.Context) store.Scope {
	req := aws.RequestOf(ctx)
	return store.Scope{Account: req.Account(), Region: req.Region}
}

func invalid(format string, args ...any) *aws.Error {
	return aws.Errorf(400, "InvalidParameterValue", format, args...)
}
