package cloudtrail

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tule-cloud/tule/store"
)

const (
	// maxWaiting and maxWaitingBytes bound what waits to be written. Denials have
	// spareWaiting places more, for themselves.
	maxWaiting, spareWaiting = 8192, 2048
	maxWaitingBytes          = 64 << 20
	// patience is how long a call waits for room in a full queue, and a denied one.
	patience, longPatience = 5 * time.Millisecond, 100 * time.Millisecond
	// batchEvery is how long an event waits for others to be written with it.
	batchEvery = 100 * time.Millisecond
	// maxBatch is the most events of one transaction.
	maxBatch = 1000
	// retryEvery is how long Run waits after a batch that the store did not take.
	retryEvery = time.Second
)

// queue holds the events that are not written yet.
type queue struct {
	mu    *sync.Mutex
	notes []*note
	size  int // of them, in bytes
	lost  int // since it was last asked
	// room is closed when notes are taken out, and made anew.
	room chan struct{}
	wake chan struct{} // that there is something
}

func newQueue() queue {
	return queue{mu: new(sync.Mutex), room: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// put adds a note, and waits a moment for room if there is none. What finds none is
// counted; a denial is also logged, in full.
func (q *queue) put(s *Service, n *note, refused bool) {
	wait := patience
	if refused {
		wait = longPatience
	}
	var late <-chan time.Time
	for {
		ok, room := q.try(n, refused)
		if ok {
			return
		}
		if late == nil {
			due, stop := s.Clock.After(wait)
			defer stop()
			late = due
		}
		select {
		case <-room:
		case <-late:
			q.lose(s.Logger, n, refused)
			return
		}
	}
}

// try adds a note if there is room, else it returns who knows when there is.
func (q *queue) try(n *note, refused bool) (ok bool, room <-chan struct{}) {
	most, bytes := maxWaiting, maxWaitingBytes
	if refused {
		most, bytes = most+spareWaiting, bytes+bytes/4
	}
	size := n.size()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.notes) >= most || q.size+size > bytes {
		return false, q.room
	}
	q.notes = append(q.notes, n)
	q.size += size
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true, nil
}

func (q *queue) lose(log *slog.Logger, n *note, refused bool) {
	q.mu.Lock()
	q.lost++
	q.mu.Unlock()
	if !refused {
		return
	}
	v := n.event.of(n.caller.Account, &n.caller, n.via)
	text, err := v.encode()
	log.Error("a denial is not in the audit log: the store does not keep up", "event", string(text), "error", err)
}

// take removes the first notes, up to a batch.
func (q *queue) take() (batch []*note, lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.notes), maxBatch)
	batch, q.notes = q.notes[:n:n], q.notes[n:]
	for _, b := range batch {
		q.size -= b.size()
	}
	if n > 0 {
		close(q.room)
		q.room = make(chan struct{})
	}
	if len(q.notes) == 0 {
		q.notes = nil // the array goes with the batch
	}
	lost, q.lost = q.lost, 0
	return batch, lost
}

// giveBack puts notes back before the others. They were let in once, so nobody asks
// for room.
func (q *queue) giveBack(batch []*note) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.notes = append(batch, q.notes...)
	for _, b := range batch {
		q.size += b.size()
	}
}

// write empties the queue into the store, batch by batch. It is called by Run, and by
// lookups, which thereby find everything that was recorded before them.
func (s *Service) write(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	ctx = context.WithoutCancel(ctx) // half a batch would be none
	for {
		batch, lost := s.queue.take()
		if lost > 0 {
			s.Logger.Error("events are not in the audit log: the store does not keep up", "events", lost)
		}
		if len(batch) == 0 {
			return nil
		}
		managers, err := s.managersOf(ctx, batch)
		if err == nil {
			err = s.Store.Update(ctx, func(tx store.Tx) error {
				k := &keeper{managers: managers, trails: map[string][]trail{}, known: map[string]bool{}}
				for _, n := range batch {
					if err := n.save(ctx, tx, k); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err != nil {
			s.queue.giveBack(batch)
			return err
		}
	}
}

// Run writes what Record was told, and delivers what trails have, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.deliverAlways(ctx) })
	g.Go(func() error { return s.writeAlways(ctx) })
	return g.Wait()
}

// writeAlways writes events within batchEvery, and the activity every flushEvery. In the
// end it writes what is left.
func (s *Service) writeAlways(ctx context.Context) error {
	flush, stop := s.Clock.After(flushEvery)
	defer func() { stop() }()
	for {
		var err error
		select {
		case <-ctx.Done():
			return s.finish(context.WithoutCancel(ctx))
		case <-flush:
			stop()
			err = s.flush(ctx)
			flush, stop = s.Clock.After(flushEvery)
		case <-s.queue.wake:
			if s.rest(ctx, batchEvery) {
				err = s.write(ctx)
			}
		}
		if err != nil {
			s.Logger.Warn("the audit log was not written; it will be tried again", "error", err)
			s.rest(ctx, retryEvery)
			select {
			case s.queue.wake <- struct{}{}:
			default:
			}
		}
	}
}

// rest waits for d; false if ctx ended first.
func (s *Service) rest(ctx context.Context, d time.Duration) bool {
	due, stop := s.Clock.After(d)
	defer stop()
	select {
	case <-due:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Service) finish(ctx context.Context) error {
	err := s.write(ctx)
	if flushed := s.flush(ctx); err == nil {
		err = flushed
	}
	return err
}
