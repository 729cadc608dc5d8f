package lambda

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An eventSource is a stream that a mapping reads: shards, each in order. Its calls are made
// as the function's role, whose session ctx carries.
type eventSource interface {
	// probe refuses, in AWS's words, a stream that is not there or that the role may
	// not read.
	probe(ctx context.Context) error
	// shards lists the shards that there are, parents first.
	shards(ctx context.Context) ([]shard, error)
	// seek is an iterator at a place of a shard.
	seek(ctx context.Context, shard string, at position) (iterator string, err error)
	// read gives up to limit records of a shard, or a few more, and the iterator behind them, "" at
	// the end of a shard that is closed. It may wait for the first.
	read(ctx context.Context, shard, iterator string, limit int, wait time.Duration) (records []record, next string, err error)
	// leave ends what reading a shard has kept open.
	leave(shard string)
	// lets reports whether filters want a record.
	lets(f filters, r *record) bool
	// mostRecords is how many records a read gives at most.
	mostRecords() int
	// needs are the calls that a role must be allowed, as AWS lists them.
	needs() string
	// batchInfo is what an event about records that were given up calls their part, and arrival how
	// it writes when they came.
	batchInfo() string
	arrival(t time.Time) string
}

// A shard is a part of a source.
type shard struct {
	id      string
	parents []string // those that it comes from: none, one, or two that were merged
	closed  bool     // nothing will be added to it
}

// A position is a place in a shard: behind a record, at the first since a time, or one of the
// named places. A source that does not find times begins at the named place.
type position struct {
	after string // a record's id
	since time.Time
	start string // TRIM_HORIZON or LATEST
}

// A record is one of a source's.
type record struct {
	id        string // its sequence number
	partition string // records of one partition are handled in order
	at        time.Time
	event     json.RawMessage // as the function gets it
	data      []byte          // what filters see, where that is not the event
}

// The errors of reading that pollers know what to do about, whatever the service.
const (
	codeExpired = "ExpiredIteratorException"
	codeTrimmed = "TrimmedDataAccessException"
)

// busySource reports whether a read was refused because others, or this one a moment ago, read
// as much as the shard gives.
func busySource(err error) bool {
	switch aws.CodeOf(err) {
	case "ProvisionedThroughputExceededException", "LimitExceededException", "ResourceInUseException":
		return true
	}
	return false
}

// refuseStream is, in AWS's words, why a stream cannot be a source, given the error of a call
// that polling makes.
func refuseStream(err error, arn, needs string) error {
	switch code := aws.CodeOf(err); {
	case denied(err):
		return invalid("Cannot access stream %s. Please ensure the role can perform the %s Actions on your stream in IAM.", arn, needs).Because(err)
	case code == "ResourceNotFoundException", code == "ValidationException", code == "InvalidArgumentException":
		return invalid("Stream not found: %s", arn).Because(err)
	}
	return err
}

// ready is a context for a read that may wait for something to come.
func ready(ctx context.Context, wait time.Duration) context.Context {
	r := *aws.RequestOf(ctx)
	r.Wait = wait
	return aws.WithRequest(ctx, &r)
}

// eventSource is that of an ARN, which checkEventSource has let through.
func (s *Service) eventSource(scope store.Scope, arn string) (eventSource, error) {
	if err := checkEventSource(arn); err != nil {
		return nil, err
	}
	if isDataStream(arn) {
		return newDataStream(s, arn), nil
	}
	return &tableStream{s: s, arn: arn}, nil
}

// asRole is a context in which a function's role acts.
func (s *Service) asRole(ctx context.Context, t *target) (context.Context, error) {
	session, err := s.roles.session(ctx, t.at, t.version.Role)
	if err != nil {
		return nil, unassumable(err)
	}
	return s.acting(ctx, t.at, session.caller), nil
}

// denied reports whether an error says that a role may not do something.
func denied(err error) bool {
	code := aws.CodeOf(err)
	return code == "AccessDeniedException" || code == "AccessDenied"
}
