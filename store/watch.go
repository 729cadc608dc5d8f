package store

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
)

// watchers are the channels that want to know of commits.
type watchers struct {
	n   atomic.Int64 // how many there are
	mu  sync.RWMutex
	all map[*watcher]struct{}
}

type watcher struct {
	ctx    context.Context // which ends the watch
	prefix span
	c      chan struct{}
}

func (w *watchers) watch(ctx context.Context, prefix []byte) <-chan struct{} {
	n := &watcher{ctx, span{fullKey(prefix), prefixEnd(fullKey(prefix))}, make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*watcher]struct{}{}
	}
	w.all[n] = struct{}{}
	w.n.Add(1)
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, n)
		w.n.Add(-1)
	})
	return n.c
}

// notify signals every watcher whose prefix c touched.
func (w *watchers) notify(c *commit) {
	if w.n.Load() == 0 {
		return
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	for n := range w.all {
		if n.touchedBy(c) && n.ctx.Err() == nil {
			select {
			case n.c <- struct{}{}:
			default:
			}
		}
	}
}

func (n *watcher) touchedBy(c *commit) bool {
	for _, k := range c.keys {
		if bytes.HasPrefix(k.key, n.prefix.start) {
			return true
		}
	}
	for _, s := range c.spans {
		if s.overlaps(n.prefix) {
			return true
		}
	}
	return false
}

// prefixEnd returns the first key behind all that begin with p, which begins with
// the byte of a space and so is never all FF.
func prefixEnd(p []byte) []byte {
	for i := len(p) - 1; ; i-- {
		if p[i] != 0xff {
			return append(p[:i:i], p[i]+1)
		}
	}
}
