package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// checkpoint is how far a mapping has come in a shard. It is written in the transaction
// that notes how a batch went.
type checkpoint struct {
	// Sequence is the last record that is dealt with. Before the first there may be an
	// Iterator to begin with.
	Sequence string `json:",omitempty"`
	Iterator string `json:",omitempty"`
	// Begun is when the Iterator was made, which does not last.
	Begun time.Time `json:",omitzero"`
	// Done: the shard is closed, and dealt with to its end.
	Done   bool    `json:",omitempty"`
	Window *window `json:",omitempty"`
}

// window is a tumbling window that is open.
type window struct {
	Start, End time.Time
	State      json.RawMessage
}

// worker reads one shard and deals with what it reads, in order.
type worker struct {
	*poller
	shard    string
	cp       checkpoint
	iterator string // "" must be sought
	readTo   string // the last record that was read
	closed   bool   // the shard has been read to its end
	idle     time.Duration
	since    time.Time // records before are not wanted
}

func newWorker(p *poller, shard string) *worker { return &worker{poller: p, shard: shard} }

// readWait is how long a read waits for something to come, in a source that can.
const readWait = 5 * time.Second

// run works until ctx ends or the shard does.
func (w *worker) run(ctx context.Context) {
	defer w.src.leave(w.shard)
	if err := w.load(ctx); err != nil {
		w.trouble(ctx, err)
		w.s.pause(ctx, pollMost)
		return // the poller tries again
	}
	for !w.cp.Done && ctx.Err() == nil {
		g, ok := w.gather(ctx)
		if !ok || !w.process(ctx, g) {
			return
		}
	}
}

func (w *worker) load(ctx context.Context) error {
	return w.s.Store.View(ctx, func(r store.Reader) (err error) {
		w.cp, err = checkpointRecords.Get(ctx, r, w.scope, w.m.UUID, w.shard)
		if errors.Is(err, store.ErrNotFound) {
			w.cp, err = checkpoint{}, nil
		}
		return err
	})
}

// gathered is what was read and is to be dealt with next.
type gathered struct {
	records []record  // those that the filters have let through
	through string    // the last that was read, "" for none
	last    time.Time // when that came
	caught  bool      // nothing more was there
}

// gather reads until there is enough for all invokes at once, or the first record has
// waited as long as it may; false when ctx ends.
func (w *worker) gather(ctx context.Context) (g gathered, ok bool) {
	want := int(w.m.Batch) * int(w.m.Parallel)
	var due time.Time // until when to wait for more
	for failed, size := 0, 0; ; {
		begun := w.s.Clock.Now()
		wait := w.longest(due, begun)
		got, err := w.read(ctx, min(want-len(g.records), w.src.mostRecords()), wait)
		if err != nil {
			w.trouble(ctx, err)
			if !w.s.pause(ctx, backOff(failed)) {
				return g, false
			}
			failed++
			continue
		}
		failed = 0
		now := w.s.Clock.Now()
		size += w.sift(&g, got)
		if len(got) > 0 {
			w.idle = 0
			if due.IsZero() {
				due = now.Add(seconds(w.m.Window))
			}
		}
		g.caught = len(got) == 0
		switch {
		case w.closed, len(g.records) >= want, size >= maxEvent, g.through != "" && !now.Before(due), w.windowOver(now, &g):
			return g, true
		case ctx.Err() != nil:
			return g, false
		case len(got) > 0:
			continue
		}
		// A source that does not wait must not be asked without end.
		w.idle = min(max(2*w.idle, pollFirst), pollMost)
		if rest := min(w.idle, wait-now.Sub(begun)); rest > 0 && !w.s.pause(ctx, rest) {
			return g, false
		}
	}
}

// sift adds those of the records that are wanted, and returns the size of their events.
func (w *worker) sift(g *gathered, got []record) (size int) {
	filtered := 0
	for _, r := range got {
		g.through, g.last = r.id, r.at
		switch {
		case r.at.Before(w.since):
		case w.src.lets(w.filters, &r):
			g.records = append(g.records, r)
			size += len(r.event)
		default:
			filtered++
		}
	}
	w.count(eventsPolled, len(got))
	if len(w.filters) > 0 {
		w.count(eventsFiltered, filtered)
	}
	return size
}

// longest is how long a read may wait: until those that have been read are due, or the open
// window is over, if that is soon.
func (w *worker) longest(due, now time.Time) time.Duration {
	wait := readWait
	if !due.IsZero() {
		wait = min(wait, due.Sub(now))
	}
	if w.cp.Window != nil {
		wait = min(wait, w.cp.Window.End.Add(windowGrace).Sub(now))
	}
	return max(wait, 0)
}

// read reads what comes next.
func (w *worker) read(ctx context.Context, limit int, wait time.Duration) ([]record, error) {
	as, err := w.as(ctx)
	if err != nil {
		return nil, err
	}
	as, cancel := context.WithCancel(as)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	if w.iterator == "" {
		if w.iterator, err = w.seek(as); err != nil {
			return nil, err
		}
	}
	got, next, err := w.src.read(as, w.shard, w.iterator, limit, wait)
	switch code := aws.CodeOf(err); {
	case ctx.Err() != nil:
		return nil, nil
	case code == codeTrimmed:
		w.iterator, err = w.src.seek(as, w.shard, position{start: startOldest})
		return nil, err
	case code == codeExpired && w.iterator == w.cp.Iterator && w.readTo == "":
		// Nothing has come since until lately: what is there from that time on is wanted.
		w.since = w.cp.Begun.Truncate(time.Second)
		w.iterator, err = w.src.seek(as, w.shard, position{start: startOldest, since: w.since})
		return nil, err
	case code == codeExpired:
		w.iterator = ""
		return nil, nil
	case err != nil:
		return nil, err
	}
	if len(got) > 0 {
		w.readTo = got[len(got)-1].id
	}
	w.iterator, w.closed = next, next == ""
	return got, nil
}

// seek is an iterator behind what was read, or was dealt with by an earlier process. If
// that is trimmed, what is left comes behind it.
func (w *worker) seek(as context.Context) (string, error) {
	at := position{after: w.readTo}
	switch {
	case at.after != "":
	case w.cp.Sequence != "":
		at.after = w.cp.Sequence
	case w.cp.Iterator != "":
		return w.cp.Iterator, nil
	default:
		at.start, at.since = startOldest, w.m.Since
	}
	it, err := w.src.seek(as, w.shard, at)
	if aws.CodeOf(err) == codeTrimmed {
		return w.src.seek(as, w.shard, position{start: startOldest})
	}
	return it, err
}

// commit writes how far the shard is dealt with, how that went, and what was given up,
// in one transaction; false if it cannot before ctx ends, or the mapping is gone.
func (w *worker) commit(ctx context.Context, next checkpoint, result string, lost *discarded) bool {
	id := aws.RandomUUID(w.s.Random)
	if lost != nil {
		result = resultFailed
	}
	// What has been done is written even if there is to be no more of it.
	work := context.WithoutCancel(ctx)
	for failed := 0; ; failed++ {
		gone := false
		err := w.s.Store.Update(work, func(tx store.Tx) error {
			gone = false
			has, err := mappingRecords.Has(work, tx, w.scope, w.m.UUID)
			if err != nil {
				return err
			}
			if !has {
				gone = true
				return nil
			}
			if lost != nil && lost.Destination != "" {
				if err := eventRecords.Put(tx, w.scope, w.m.notice(lost, id), id); err != nil {
					return err
				}
			}
			if err := resultRecords.Put(tx, w.scope, result, w.m.UUID); err != nil {
				return err
			}
			return checkpointRecords.Put(tx, w.scope, next, w.m.UUID, w.shard)
		})
		if err == nil {
			w.mu.Lock()
			w.result = result
			w.mu.Unlock()
			w.cp = next
			if gone {
				w.stop()
			} else if lost != nil && lost.Destination == "" {
				w.count(eventsDropped, lost.Records)
			} else if lost != nil {
				w.s.queue.push(waiting{at: w.m.function(w.scope), id: id, due: lost.At})
			}
			return !gone
		}
		w.s.warn("note how far an event source mapping has come; trying again", err)
		if !w.s.pause(ctx, backOff(failed)) {
			return false
		}
	}
}
