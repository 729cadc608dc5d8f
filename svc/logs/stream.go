package logs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A stream is the record of a log stream, which never changes.
type stream struct {
	ID      uint64
	Created int64 // milliseconds
}

// A tail is what changes of a stream with each put. A stream without one is empty.
type tail struct {
	next        uint64 // sequence number of the next event; also in sequence tokens
	first, last int64  // times of the oldest and the newest event, in milliseconds, if there are bytes
	ingested    int64  // time of the last put
	bytes       int64  // of its events
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (t tail) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, 32)
	b = binary.AppendUvarint(b, t.next)
	for _, v := range [...]int64{t.first, t.last - t.first, t.ingested - t.last, t.bytes} {
		b = binary.AppendVarint(b, v)
	}
	return b, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (t *tail) UnmarshalBinary(b []byte) error {
	next, n := binary.Uvarint(b)
	var v [4]int64
	for i := range v {
		if n <= 0 {
			break
		}
		b = b[n:]
		v[i], n = binary.Varint(b)
	}
	if n <= 0 || n != len(b) {
		return fmt.Errorf("%w: the tail of a log stream", store.ErrDamaged)
	}
	*t = tail{next: next, first: v[0], last: v[0] + v[1], ingested: v[0] + v[1] + v[2], bytes: v[3]}
	return nil
}

// token is the sequence token for the next put. Nobody needs one any more, and every
// token is accepted, but old clients pass on what they are given.
func (t tail) token() *string { return ptr(fmt.Sprintf("4959%052d", t.next)) }

// tailOf reads a stream's tail, which is zero for a stream without events.
func tailOf(ctx context.Context, r store.Reader, sc store.Scope, group, stream uint64) (tail, error) {
	t, err := tails.Get(ctx, r, sc, group, stream)
	if errors.Is(err, store.ErrNotFound) {
		return tail{}, nil
	}
	return t, err
}

func errNoStream() error {
	return api.ResourceNotFoundException("The specified log stream does not exist.")
}

// streamNamed reads a group and a stream in it.
func streamNamed(ctx context.Context, r store.Reader, sc store.Scope, groupName, name string) (group, stream, error) {
	g, err := groupNamed(ctx, r, sc, groupName)
	if err != nil {
		return g, stream{}, err
	}
	st, err := streams.Get(ctx, r, sc, g.ID, name)
	if errors.Is(err, store.ErrNotFound) {
		err = errNoStream()
	}
	return g, st, err
}

func (s *Service) createLogStream(ctx context.Context, in *api.CreateLogStreamRequest) (*aws.Empty, error) {
	sc, name := scopeOf(ctx), *in.LogStreamName
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	st := stream{ID: id, Created: s.now()}
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		g, err := groupNamed(ctx, tx, sc, *in.LogGroupName)
		if err != nil {
			return err
		}
		switch there, err := streams.Has(ctx, tx, sc, g.ID, name); {
		case err != nil:
			return err
		case there:
			return api.ResourceAlreadyExistsException("The specified log stream already exists")
		}
		return errors.Join(streams.Put(tx, sc, st, g.ID, name), names.Put(tx, sc, []byte(name), g.ID, st.ID))
	})
}

func (s *Service) deleteLogStream(ctx context.Context, in *api.DeleteLogStreamRequest) (*aws.Empty, error) {
	sc := scopeOf(ctx)
	var g group
	var st stream
	err := s.store.Update(ctx, func(tx store.Tx) (err error) {
		if g, st, err = streamNamed(ctx, tx, sc, *in.LogGroupName, *in.LogStreamName); err != nil {
			return err
		}
		// Without its name a stream's events are nobody's, and not shown.
		return errors.Join(streams.Delete(tx, sc, g.ID, *in.LogStreamName), names.Delete(tx, sc, g.ID, st.ID),
			tails.Delete(tx, sc, g.ID, st.ID), doomed.Put(tx, sc, nil, g.ID, st.ID))
	})
	if err != nil {
		return nil, err
	}
	for more := true; more; {
		if more, err = s.dropChunks(ctx, sc, g.ID, st.ID); err != nil {
			// The stream is gone; what is left of it the sweeper removes.
			s.logger.WarnContext(ctx, "logs: events of a deleted stream remain", "stream", *in.LogStreamName, "error", err)
			break
		}
	}
	return nil, nil
}

// dropChunks removes some chunks of a stream that was deleted, and reports whether
// there may be more.
func (s *Service) dropChunks(ctx context.Context, sc store.Scope, group, stream uint64) (more bool, err error) {
	err = s.store.Update(ctx, func(tx store.Tx) error {
		n := 0
		for e, err := range index.List(ctx, tx, sc, store.ListOptions{Prefix: []any{group, stream}, Limit: stepSize}) {
			if err != nil {
				return err
			}
			n++
			if err := dropChunk(tx, sc, group, place{e.Key.Int(2), stream, e.Key.Uint(3)}, len(e.Record) > 0); err != nil {
				return err
			}
		}
		if more = n == stepSize; more {
			return nil
		}
		return doomed.Delete(tx, sc, group, stream)
	})
	return more, err
}
