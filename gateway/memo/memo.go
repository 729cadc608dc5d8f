// Package memo keeps what was read of a store, and what was made of it, for exactly as
// long as the store has not changed. A request that nothing is written for then costs no
// read either.
package memo

import (
	"sync"
	"sync/atomic"
)

// A Memo keeps values by key until one of its signals comes. It is safe for concurrent
// use, and what it gives is never older than the last change that was acknowledged before
// it was asked: the signals must come before a writer learns that it has written, as those
// of store.Store's Watch do.
type Memo[K comparable, V any] struct {
	most    int
	signals []<-chan struct{}
	turning atomic.Bool // a signal was taken, and what it makes void is still there
	epoch   atomic.Uint64
	mu      sync.RWMutex
	kept    map[K]V // all read in this epoch
}

// New returns an empty Memo of at most most values: when there are more, it forgets all.
// The signals are channels with room for one, which each change fills.
func New[K comparable, V any](most int, signals ...<-chan struct{}) *Memo[K, V] {
	return &Memo[K, V]{most: most, signals: signals, kept: map[K]V{}}
}

// Get is the value of key: the one that is kept, or what read gives. An error is not kept.
func (m *Memo[K, V]) Get(key K, read func() (V, error)) (V, error) {
	epoch := m.now()
	m.mu.RLock()
	v, ok := m.kept[key]
	ok = ok && m.epoch.Load() == epoch
	m.mu.RUnlock()
	if ok {
		return v, nil
	}
	v, err := read()
	if err == nil {
		m.put(epoch, key, v)
	}
	return v, err
}

// put keeps what was read since epoch began, if it still lasts.
func (m *Memo[K, V]) put(epoch uint64, key K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.epoch.Load() != epoch {
		return
	}
	if len(m.kept) >= m.most {
		clear(m.kept)
	}
	m.kept[key] = v
}

// now is the epoch. The order of what it looks at matters: whoever finds a channel empty
// that held a signal finds the flag up until the epoch is the next.
func (m *Memo[K, V]) now() uint64 {
	for _, s := range m.signals {
		if len(s) > 0 {
			return m.turn()
		}
	}
	if m.turning.Load() {
		return m.turn()
	}
	return m.epoch.Load()
}

// turn takes the signals and begins another epoch.
func (m *Memo[K, V]) turn() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turning.Store(true)
	defer m.turning.Store(false)
	for _, s := range m.signals {
		select {
		case <-s:
		default:
		}
	}
	clear(m.kept)
	return m.epoch.Add(1)
}
