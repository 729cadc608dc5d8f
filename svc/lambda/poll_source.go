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
	// read gives up to limit records, and the iterator behind them, "" at the end of a
	// shard that is closed.
	read(ctx context.Context, iterator string, limit int) (records []record, next string, err error)
	// batchInfo is what an event about records that were given up calls their part.
	batchInfo() string
}

// A shard is a part of a source.
type shard struct {
	id, parent string
	closed     bool // nothing will be added to it
}

// A position is a place in a shard: behind a record, or one of the named places.
type position struct {
	after string // a record's id
	start string // TRIM_HORIZON or LATEST, without after
}

// A record is one of a source's.
type record struct {
	id        string // its sequence number
	partition string // records of one partition are handled in order
	at        time.Time
	event     json.RawMessage // as the function gets it
}

// The errors of reading that pollers know what to do about, whatever the service.
const (
	codeExpired = "ExpiredIteratorException"
	codeTrimmed = "TrimmedDataAccessException"
)

// eventSource is that of an ARN, which checkEventSource has let through.
func (s *Service) eventSource(scope store.Scope, arn string) (eventSource, error) {
	if err := checkEventSource(arn); err != nil {
		return nil, err
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
