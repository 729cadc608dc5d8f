package firehose

import (
	"context"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	// deliveriesEach is how many batches of one stream are delivered at a time.
	deliveriesEach = 4
	// storePause is how long a lane waits when the store did not answer as it should.
	storePause = time.Second
	// gatherPause is how long a lane waits for a put that is under way.
	gatherPause = 100 * time.Millisecond
)

// laneKey is a stream: one of the same name that is made later is another.
type laneKey struct {
	ref
	space uint64
}

// lanes are the streams that have something to do. The store has the truth; lanes know
// when to look at it.
type lanes struct {
	s  *Service
	wg sync.WaitGroup

	mu  sync.Mutex
	ctx context.Context // nil until run has found what an earlier process left
	of  map[laneKey]*lane
}

// A lane gathers and delivers one stream's records, in a goroutine of its own.
type lane struct {
	s    *Service
	key  laneKey
	poke chan struct{}
	done chan *job

	mu     sync.Mutex
	filled int64     // bytes that are in no batch yet
	oldest time.Time // when the first of them was gathered; zero for none
	held   int64     // bytes that are in batches

	// The goroutine's own.
	jobs     []*job // batches, the oldest first
	sourcing bool
}

// A job is a batch that is delivered.
type job struct {
	key      uint64
	batch    batch
	shipment *shipment // once processed
	running  bool
}

func newLanes(s *Service) *lanes { return &lanes{s: s, of: map[laneKey]*lane{}} }

// open launches the lane of a stream, if it is not there.
func (ls *lanes) open(key laneKey) { ls.came(key, 0, time.Time{}) }

// launch starts a lane; the caller holds mu.
func (ls *lanes) launch(l *lane) {
	ctx := ls.ctx
	ls.wg.Go(func() {
		l.run(ctx)
		ls.mu.Lock()
		delete(ls.of, l.key)
		ls.mu.Unlock()
	})
}

// came says that records have come.
func (ls *lanes) came(key laneKey, size int64, when time.Time) {
	ls.mu.Lock()
	l, known := ls.of[key]
	if !known {
		l = &lane{s: ls.s, key: key, poke: make(chan struct{}, 1), done: make(chan *job, deliveriesEach)}
		ls.of[key] = l
	}
	l.mu.Lock()
	l.filled += size
	if !when.IsZero() && (l.oldest.IsZero() || when.Before(l.oldest)) {
		l.oldest = when
	}
	l.mu.Unlock()
	if !known && ls.ctx != nil {
		ls.launch(l)
	}
	ls.mu.Unlock()
	l.signal()
}

// wake makes a stream's lane look again, if there is one.
func (ls *lanes) wake(key laneKey) {
	ls.mu.Lock()
	l := ls.of[key]
	ls.mu.Unlock()
	if l != nil {
		l.signal()
	}
}

func (l *lane) signal() {
	select {
	case l.poke <- struct{}{}:
	default:
	}
}

// run launches the lanes of streams that an earlier process has left something for, or that
// read a source, and lets all work until ctx ends.
func (ls *lanes) run(ctx context.Context) error {
	var found []laneKey
	err := ls.s.Store.View(ctx, func(r store.Reader) error {
		found = nil
		for e, err := range streamRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			found = append(found, laneKey{ref{e.Scope, e.Key.String(0)}, e.Record.Space})
		}
		return nil
	})
	if err == nil {
		err = ls.s.numbering.Start(ctx, ls.s.Store, 1)
	}
	if err != nil {
		return err
	}
	ls.mu.Lock()
	ls.ctx = ctx
	for _, l := range ls.of {
		ls.launch(l)
	}
	ls.mu.Unlock()
	for _, key := range found {
		ls.open(key)
	}
	<-ctx.Done()
	ls.wg.Wait()
	return nil
}

// run works until ctx ends, the stream is gone, or there is nothing left to do but to wait
// for records.
func (l *lane) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for loaded := false; !loaded && ctx.Err() == nil; {
		loaded = l.load(ctx) == nil || !l.pause(ctx, storePause)
	}
	for ctx.Err() == nil {
		st, err := l.s.look(ctx, l.key.ref)
		if aws.CodeOf(err) == "ResourceNotFoundException" || err == nil && st.Space != l.key.space {
			return
		}
		var p *plan
		if err == nil {
			if err = l.s.unlock(&st.Destination); err == nil {
				p, err = st.plan()
			}
		}
		var next time.Time
		if err == nil {
			if st.Source != nil && !l.sourcing {
				l.sourcing = true
				wg.Go(func() { l.s.read(ctx, l) })
			}
			next, err = l.cut(ctx, p)
		}
		if err != nil {
			if ctx.Err() == nil {
				l.s.Logger.Warn("firehose: a stream waits", "stream", l.key.arn(), "error", err)
			}
			l.pause(ctx, storePause)
			continue
		}
		due := l.start(ctx, &wg, &st, p)
		if next.IsZero() || !due.IsZero() && due.Before(next) {
			next = due
		}
		l.wait(ctx, next)
	}
}

// pause waits; false says that ctx has ended.
func (l *lane) pause(ctx context.Context, d time.Duration) bool {
	due, stop := l.s.Clock.After(d)
	defer stop()
	select {
	case <-ctx.Done():
		return false
	case <-due:
		return true
	}
}

// wait waits for a moment, unless it is zero, for records, or for the end of a delivery.
func (l *lane) wait(ctx context.Context, next time.Time) {
	var due <-chan time.Time
	if !next.IsZero() {
		var stop func()
		due, stop = l.s.Clock.After(next.Sub(l.s.Clock.Now()))
		defer stop()
	}
	select {
	case <-ctx.Done():
	case <-l.poke:
	case <-due:
	case j := <-l.done:
		l.settle(j)
	}
	for {
		select {
		case j := <-l.done:
			l.settle(j)
		default:
			return
		}
	}
}

// settle takes back a job after an attempt; one without a name is over.
func (l *lane) settle(j *job) {
	j.running = false
	if j.batch.ID != "" {
		return
	}
	l.mu.Lock()
	l.held -= j.batch.Bytes
	l.mu.Unlock()
	for i := range l.jobs {
		if l.jobs[i] == j {
			l.jobs = append(l.jobs[:i], l.jobs[i+1:]...)
			return
		}
	}
}

// start begins the deliveries that are due, and says when the next will be. Those that are
// tried again are among the first, so that what is remembered for them stays small.
func (l *lane) start(ctx context.Context, wg *sync.WaitGroup, st *stream, p *plan) (next time.Time) {
	now := l.s.Clock.Now()
	for i, j := range l.jobs {
		switch {
		case i >= deliveriesEach:
			return next
		case j.running:
		case j.batch.Due.After(now):
			if next.IsZero() || j.batch.Due.Before(next) {
				next = j.batch.Due
			}
		default:
			j.running = true
			d := &delivery{s: l.s, at: l.key.ref, st: st, plan: p, job: j}
			wg.Go(func() {
				d.attempt(ctx)
				l.done <- j
			})
		}
	}
	return next
}
