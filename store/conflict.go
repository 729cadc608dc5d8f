package store

import (
	"bytes"
	"sync/atomic"
)

// A span is the keys with start <= key < end.
type span struct {
	start, end []byte
}

func (s span) has(key []byte) bool {
	return bytes.Compare(s.start, key) <= 0 && bytes.Compare(key, s.end) < 0
}

func (s span) overlaps(o span) bool {
	return bytes.Compare(s.start, o.end) < 0 && bytes.Compare(o.start, s.end) < 0
}

// A commit is what one transaction wrote, as a link of the chain of all commits
// in their order. A transaction holds the link that was the last one applied
// when it began to read; the links behind it are what may have come in between.
// Links that no transaction holds any more are the garbage collector's.
type commit struct {
	number uint64
	keys   [][]byte
	spans  []span
	next   atomic.Pointer[commit]

	// done is closed when the commit is durable, or failed with err.
	done chan struct{}
	err  error
}

// A readSet is what a transaction read: keys, found or not, and the spans that it
// walked, as far as it walked them.
type readSet struct {
	keys  map[string]struct{}
	spans []span
}

func (r *readSet) addKey(key []byte) {
	if r.keys == nil {
		r.keys = map[string]struct{}{}
	}
	r.keys[string(key)] = struct{}{}
}

func (r *readSet) empty() bool { return len(r.keys) == 0 && len(r.spans) == 0 }

// changedBy reports whether c wrote something that was read.
func (r *readSet) changedBy(c *commit) bool {
	for _, k := range c.keys {
		if _, ok := r.keys[string(k)]; ok {
			return true
		}
		for _, s := range r.spans {
			if s.has(k) {
				return true
			}
		}
	}
	for _, w := range c.spans {
		for _, s := range r.spans {
			if s.overlaps(w) {
				return true
			}
		}
		for k := range r.keys {
			if w.has([]byte(k)) {
				return true
			}
		}
	}
	return false
}

// changedSince returns the last commit between from (excluded) and to that changed
// what was read, or nil.
func (r *readSet) changedSince(from, to *commit) *commit {
	var last *commit
	if r.empty() {
		return nil
	}
	for c := from; c != to; {
		if c = c.next.Load(); c == nil {
			break
		}
		if r.changedBy(c) {
			last = c
		}
	}
	return last
}
