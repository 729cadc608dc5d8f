package dynamodb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// retention is how long a stream's records can be read, and a stream that has ended.
const retention = 24 * time.Hour

// tableStream is what a table knows of its stream.
type tableStream struct {
	Label string
	View  string // StreamViewType
	Space uint64 // of its records' keys
}

// stream is a stream's record, under its table's name and its label. It outlives its
// end, and its table, by a day.
type stream struct {
	tableStream
	Created time.Time
	Keys    []keyAttribute // of the table
	First   uint64         // the number at which it begins
	Last    uint64         `json:",omitempty"` // the number at which it ended; 0 while it goes on
}

// labelLayout is the form of labels: the time at which the stream was made.
const labelLayout = "2006-01-02T15:04:05.000"

// streamARN is the ARN of a table's stream.
func (r ref) streamARN(label string) string { return r.arn() + "/stream/" + label }

// shard is the id of the one shard that a stream has.
func (s *stream) shard() string {
	return fmt.Sprintf("shardId-%020d-%08x", s.Created.UnixMilli(), uint32(s.Space>>32))
}

// checkStream refuses a StreamSpecification that makes no sense.
func checkStream(spec *api.StreamSpecification) error {
	switch {
	case spec == nil:
	case *spec.StreamEnabled && spec.StreamViewType == nil:
		return value.Invalidf("If stream is being enabled then UpdateViewType is required")
	case !*spec.StreamEnabled && spec.StreamViewType != nil:
		return value.Invalidf("If stream is being disabled, then UpdateViewType must not be specified")
	}
	return nil
}

// switchStream turns a table's stream on or off; t is a copy of the table's record.
func (s *Service) switchStream(ctx context.Context, tx store.Tx, at ref, t *table, spec *api.StreamSpecification) error {
	switch {
	case spec == nil:
		return nil
	case *spec.StreamEnabled && t.Stream != nil:
		return value.Invalid("Table already has an enabled stream: TableName: %s", at.name)
	case *spec.StreamEnabled:
		return s.openStream(ctx, tx, at, t, *spec.StreamViewType)
	case t.Stream == nil:
		return value.Invalid("Table has no stream to disable: TableName: %s", at.name)
	}
	return s.closeStream(ctx, tx, at, t)
}

// openStream begins a stream. The transaction is alter's: nobody writes meanwhile.
func (s *Service) openStream(ctx context.Context, tx store.Tx, at ref, t *table, view string) error {
	var space [8]byte
	if _, err := io.ReadFull(s.random, space[:]); err != nil {
		return err
	}
	first, err := s.numbering.Single()
	if err != nil {
		return err
	}
	st := stream{Created: s.clock.Now().Truncate(time.Millisecond), Keys: t.keys(), First: first}
	st.View, st.Space = view, binary.BigEndian.Uint64(space[:])
	// Of two streams of one table and millisecond, the second is told apart.
	for made := st.Created; ; made = made.Add(time.Millisecond) {
		st.Label = made.UTC().Format(labelLayout)
		switch has, err := streamRecords.Has(ctx, tx, at.scope, at.name, st.Label); {
		case err != nil:
			return err
		case !has:
			t.Stream, t.LastStream = &st.tableStream, st.Label
			return streamRecords.Put(tx, at.scope, st, at.name, st.Label)
		}
	}
}

// closeStream ends a table's stream, which stays readable for a day.
func (s *Service) closeStream(ctx context.Context, tx store.Tx, at ref, t *table) error {
	st, err := streamRecords.Get(ctx, tx, at.scope, at.name, t.Stream.Label)
	if errors.Is(err, store.ErrNotFound) {
		t.Stream = nil
		return nil
	}
	if err != nil {
		return err
	}
	if st.Last, err = s.numbering.Single(); err != nil {
		return err
	}
	label := t.Stream.Label
	t.Stream = nil
	return streamRecords.PutExpiring(tx, at.scope, st, s.clock.Now().Add(retention), at.name, label)
}
