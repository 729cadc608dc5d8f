// Package logs is CloudWatch Logs: log groups, the streams of events in them,
// reading, filtering and retention.
//
// What differs from AWS on purpose:
//
//   - What is put can be read at once, and is ordered by its time, then by its
//     arrival. Events past their retention are never shown; the sweeper removes
//     them within minutes.
//   - StoredBytes of a group is what is in it now: 26 bytes and the message for each
//     event. As on AWS, that of a stream is always 0.
//   - Every class of log groups can do everything. KMS keys and field indexes are
//     noted, and make no difference.
//   - A page of FilterLogEvents searches at most 16 MiB or so, so it may be empty and
//     still have a successor.
//   - A subscription whose destination refuses it, or is not there, loses nothing for
//     24 hours: AWS skips what comes meanwhile.
//   - A metric filter's default value is told with the first events of a minute, if none
//     of them matches; AWS waits for the minute to end.
//   - Vended logs are configured, and nobody vends: deliveries are kept and shown.
//   - Data protection, transformers, anomaly detectors, scheduled queries, imports and
//     integrations are refused (501).
//
// An event is never rewritten. The events of one PutLogEvents lie together in chunks
// of at most a second and 64 KiB, compressed, under their group and time, so that a
// search of a group in the order of time is one range of the store whatever the number
// of streams, and retention removes a range. Of a large chunk only a stub lies there,
// which tells what is not in it (see package sieve), so that a search reads a sixteenth of
// the bytes that it need not find anything in. A second record under the stream, empty or
// a byte, leads from it to its chunks. Beside these a put rewrites one record of the
// stream of some thirty bytes (see tail), and where there are subscribers it writes
// another as long (see feed).
package logs

import (
	"io"
	"log/slog"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/logs/insights"
)

// Options are what the service needs.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger // hears of the sweeper's troubles; nobody if nil
	Peers  aws.Peers    // whom subscriptions and exports reach
	Meter  aws.Meter    // takes what the service measures of itself; nobody if nil
}

// Service answers the operations of CloudWatch Logs.
type Service struct {
	store  store.Store
	clock  aws.Clock
	random io.Reader
	logger *slog.Logger
	peers  aws.Peers
	meter  aws.Meter

	numbering  *store.Numbering // of what subscribers have to be sent
	dispatcher *dispatcher
	workshop   *workshop
	// What is remembered for speed alone.
	patterns patterns
	gauges   gauges
	roles    roles
	live     live // sessions, which end with their connections
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	return &Service{store: o.Store, clock: o.Clock, random: o.Random, logger: o.Logger, peers: o.Peers, meter: o.Meter,
		numbering: store.NewNumbering("logs", "number"), dispatcher: newDispatcher(), workshop: newWorkshop()}
}

// What the service keeps. The names are short for being part of every key.
var (
	groups  = store.NewTable[group]("logs", "group")   // name
	streams = store.NewTable[stream]("logs", "stream") // group id, name
	names   = store.NewTable[[]byte]("logs", "name")   // group id, stream id → the stream's name
	tails   = store.NewTable[tail]("logs", "tail")     // group id, stream id
	chunks  = store.NewTable[[]byte]("logs", "e")      // group id, first time, stream id, first sequence number
	// group id, first time, stream id, first sequence number: the record of a chunk of which
	// chunks has a stub
	contents = store.NewTable[[]byte]("logs", "c")
	index    = store.NewTable[[]byte]("logs", "i")                  // group id, stream id, first time, first sequence number
	doomed   = store.NewTable[[]byte]("logs", "doomed")             // group id, stream id: deleted, with events left
	metrics  = store.NewTable[metricFilter]("logs", "metricfilter") // group name, name

	arrivals      = store.NewTable[[]byte]("logs", "arrival")            // group id, number
	subscriptions = store.NewTable[subscription]("logs", "subscription") // group id, name
	positions     = store.NewTable[position]("logs", "position")         // group id, filterFeed or policyFeed and name
	destinations  = store.NewTable[destination]("logs", "destination")   // name

	accountPolicies  = store.NewTable[accountPolicy]("logs", "accountpolicy")   // type, name
	resourcePolicies = store.NewTable[resourcePolicy]("logs", "resourcepolicy") // scope, name or group's ARN

	jobs        = store.NewTable[[]byte]("logs", "job")                // kind, id
	queries     = store.NewTable[query]("logs", "query")               // id
	results     = store.NewTable[[][]insights.Field]("logs", "result") // query's id, number
	definitions = store.NewTable[definition]("logs", "definition")     // id
	exports     = store.NewTable[export]("logs", "export")             // id

	deliverySources      = store.NewTable[deliverySource]("logs", "deliverysource")           // name
	deliveryDestinations = store.NewTable[deliveryDestination]("logs", "deliverydestination") // name
	deliveries           = store.NewTable[delivery]("logs", "delivery")                       // id
)
