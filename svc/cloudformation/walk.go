package cloudformation

import (
	"context"
	"sync"
)

// walk calls do for every name once do is through with all that it needs, as many at a
// time as together allows. When one fails, those that were not begun are left out, unless
// all is asked for: then only what needs the failed one is. It returns who failed.
func walk(ctx context.Context, order []string, needs map[string][]string, together int, all bool, do func(ctx context.Context, name string) error) map[string]error {
	w := walker{left: map[string]int{}, wanted: map[string][]string{}, failed: map[string]error{}}
	w.idle.L = &w.mu
	for _, name := range order {
		for _, n := range needs[name] {
			w.left[name]++
			w.wanted[n] = append(w.wanted[n], name)
		}
	}
	for _, name := range order {
		if w.left[name] == 0 {
			w.ready = append(w.ready, name)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.ready) > 0 && w.running < together && (all || len(w.failed) == 0) && ctx.Err() == nil {
			name := w.ready[0]
			w.ready = w.ready[1:]
			w.running++
			go w.run(ctx, name, do)
		}
		if w.running == 0 {
			return w.failed
		}
		w.idle.Wait()
	}
}

// A walker is a walk under way.
type walker struct {
	mu      sync.Mutex
	idle    sync.Cond
	left    map[string]int      // how many a name still waits for
	wanted  map[string][]string // who waits for a name
	ready   []string
	running int
	failed  map[string]error
}

func (w *walker) run(ctx context.Context, name string, do func(ctx context.Context, name string) error) {
	err := do(ctx, name)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if err != nil {
		w.failed[name] = err
	} else {
		for _, waits := range w.wanted[name] {
			if w.left[waits]--; w.left[waits] == 0 {
				w.ready = append(w.ready, waits)
			}
		}
	}
	w.idle.Signal()
}

// reversed turns needs around: what is needed comes after what needs it.
func reversed(needs map[string][]string) map[string][]string {
	out := map[string][]string{}
	for name, list := range needs {
		for _, n := range list {
			out[n] = append(out[n], name)
		}
	}
	return out
}
