package logs

import (
	"context"
	"sync"

	"github.com/tule-cloud/tule/store"
)

// A job is work that goes on after its call was answered: a query or an export. It is in
// the store from the transaction that begins it to the one that ends it, and whoever
// starts next takes it up again, from its beginning.
type job struct {
	store.Scope
	kind, id string
}

const (
	queryJob  = "query"
	exportJob = "export"
	// maxJobs is how many are at work at once.
	maxJobs = 2
)

// workshop is where jobs are done.
type workshop struct {
	woken chan struct{}
	mu    sync.Mutex
	busy  map[job]context.CancelFunc
}

func newWorkshop() *workshop {
	return &workshop{woken: make(chan struct{}, 1), busy: map[job]context.CancelFunc{}}
}

// wake says that there is a job.
func (w *workshop) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// stop ends a job that is at work, soon.
func (w *workshop) stop(j job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cancel := w.busy[j]; cancel != nil {
		cancel()
	}
}

func (w *workshop) begin(ctx context.Context, j job) (context.Context, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[j] != nil {
		return nil, false
	}
	ctx, w.busy[j] = context.WithCancel(ctx)
	return ctx, true
}

func (w *workshop) end(j job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy[j]()
	delete(w.busy, j)
}

// runJobs does what jobs there are until ctx ends.
func (s *Service) runJobs(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	slots := make(chan struct{}, maxJobs)
	for {
		var list []job
		err := s.store.View(ctx, func(r store.Reader) error {
			list = nil
			for e, err := range jobs.All(ctx, r) {
				if err != nil {
					return err
				}
				list = append(list, job{e.Scope, e.Key.String(0), e.Key.String(1)})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, j := range list {
			its, fresh := s.workshop.begin(ctx, j)
			if !fresh {
				continue
			}
			working.Go(func() {
				defer s.workshop.end(j)
				select {
				case slots <- struct{}{}:
				case <-its.Done():
					return
				}
				defer func() { <-slots }()
				s.do(its, j)
			})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.workshop.woken:
		}
	}
}

// do does one job.
func (s *Service) do(ctx context.Context, j job) {
	do := s.runQuery
	if j.kind == exportJob {
		do = s.runExport
	}
	if err := do(ctx, j.Scope, j.id); err != nil && ctx.Err() == nil {
		s.logger.WarnContext(ctx, "logs: a job waits for the next start", "kind", j.kind, "id", j.id, "error", err)
	}
}
