package logs

import (
	"context"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/store"
)

const (
	// maxBatch is the size of the largest batch, in bytes.
	maxBatch = 1 << 20
	// An event may be so much older or newer than the clock, in milliseconds.
	maxPast, maxFuture = 14 * dayMillis, 2 * 60 * 60 * 1000
)

func (s *Service) putLogEvents(ctx context.Context, in *api.PutLogEventsRequest) (*api.PutLogEventsResponse, error) {
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	sc, now, name := scopeOf(ctx), s.now(), *in.LogGroupName
	if err := s.number(ctx); err != nil {
		return nil, err
	}
	w := &writing{in: in, scope: sc, now: now}
	n := s.numbering.Begin()
	err := s.store.Update(ctx, func(tx store.Tx) error { return w.put(ctx, tx, n) })
	n.Release(ctx, s.store, err)
	if w.fed {
		s.dispatcher.hint(groupRef{sc, name})
	}
	if err != nil {
		return nil, err
	}
	if len(w.taken) > 0 {
		s.measure(sc, name, len(w.taken), w.bytes)
		if err := s.gauge(ctx, sc, name, &w.group, w.taken); err != nil {
			s.logger.WarnContext(ctx, "logs: read the metric filters of a group", "group", name, "error", err)
		}
		s.live.publish(sc, name, *in.LogStreamName, now, w.taken)
	}
	return w.out, nil
}

// A writing is a batch on its way into the store.
type writing struct {
	in    *api.PutLogEventsRequest
	scope store.Scope
	now   int64
	// What came of it, in the run of the transaction that counts.
	group group
	taken []api.InputLogEvent
	bytes int64
	fed   bool
	out   *api.PutLogEventsResponse
}

func (w *writing) put(ctx context.Context, tx store.Tx, n *store.Numbers) error {
	g, st, err := streamNamed(ctx, tx, w.scope, *w.in.LogGroupName, *w.in.LogStreamName)
	if err != nil {
		return err
	}
	t, err := tailOf(ctx, tx, w.scope, g.ID, st.ID)
	if err != nil {
		return err
	}
	var rejected *api.RejectedLogEventsInfo
	w.group, w.bytes = g, 0
	w.taken, rejected = acceptable(w.in.LogEvents, w.now, g.since(w.now))
	var places []place
	for rest := w.taken; len(rest) > 0; {
		var c *chunk
		c, rest = cutChunk(rest, place{Stream: st.ID, Seq: t.next}, w.now)
		t.add(c)
		w.bytes += c.size()
		places = append(places, c.place)
		if err := putChunk(tx, w.scope, g.ID, c); err != nil {
			return err
		}
	}
	w.out = &api.PutLogEventsResponse{NextSequenceToken: t.token(), RejectedLogEventsInfo: rejected}
	if len(w.taken) == 0 {
		return nil
	}
	if w.fed, err = fed(ctx, tx, w.scope, *w.in.LogGroupName, &g); err != nil {
		return err
	}
	if w.fed {
		number, err := n.Take() // after all that is read, see store.Numbering
		if err != nil {
			return err
		}
		if err := arrivals.Put(tx, w.scope, encodeArrival(places), g.ID, number); err != nil {
			return err
		}
	}
	return tails.Put(tx, w.scope, t, g.ID, st.ID)
}

// checkBatch holds a batch against the limits that concern it as a whole.
func checkBatch(events []api.InputLogEvent) error {
	size := 0
	for i := range events {
		size += len(*events[i].Message) + eventOverhead
		if i > 0 && *events[i].Timestamp < *events[i-1].Timestamp {
			return api.InvalidParameterException("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if size > maxBatch {
		return api.InvalidParameterException("Upload too large: %d bytes exceeds limit of %d", size, maxBatch)
	}
	if *events[len(events)-1].Timestamp-*events[0].Timestamp > dayMillis {
		return api.InvalidParameterException("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}

// acceptable are the events of a batch that are neither too old, nor older than
// oldest, nor too new; and what there is to say of the others, or nil.
func acceptable(events []api.InputLogEvent, now, oldest int64) ([]api.InputLogEvent, *api.RejectedLogEventsInfo) {
	from, old, to := 0, 0, len(events)
	for from < to && *events[from].Timestamp < max(now-maxPast, oldest) {
		if *events[from].Timestamp < now-maxPast {
			old++
		}
		from++
	}
	for to > from && *events[to-1].Timestamp > now+maxFuture {
		to--
	}
	if from == 0 && to == len(events) {
		return events, nil
	}
	info := &api.RejectedLogEventsInfo{}
	if old > 0 {
		info.TooOldLogEventEndIndex = ptr(int32(old))
	}
	if from > old {
		info.ExpiredLogEventEndIndex = ptr(int32(from))
	}
	if to < len(events) {
		info.TooNewLogEventStartIndex = ptr(int32(to))
	}
	return events[from:to], info
}

// cutChunk makes a chunk of the first of events, whose place but for the time is p,
// and returns the others.
func cutChunk(events []api.InputLogEvent, p place, now int64) (*chunk, []api.InputLogEvent) {
	p.At = *events[0].Timestamp
	c := &chunk{place: p, ingested: now}
	size := 0
	for i := range events {
		e := event{place: p, ingested: now, message: *events[i].Message}
		e.At = *events[i].Timestamp
		e.Seq += uint64(i)
		size += len(e.message)
		if i > 0 && (size > chunkBytes || e.At-p.At > chunkMillis) {
			return c, events[i:]
		}
		c.events = append(c.events, e)
	}
	return c, nil
}

// add counts a chunk that was put behind t.
func (t *tail) add(c *chunk) {
	if t.bytes == 0 {
		t.first, t.last = c.At, c.last()
	}
	t.first, t.last = min(t.first, c.At), max(t.last, c.last())
	t.ingested = c.ingested
	t.next += uint64(len(c.events))
	t.bytes += c.size()
}
