package store

import (
	"bytes"
	"slices"
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

// A commit is what a group of transactions wrote, as a link of the chain of all
// commits in their order. A transaction holds the link that was the last one
// applied when it began to read; the links behind it are what may have come in
// between. Links that no transaction holds any more are the garbage collector's.
type commit struct {
	number uint64 // one more than that of the commit before
	keys   []hashedKey
	spans  []span
	next   atomic.Pointer[commit]

	// done is closed when the commit is durable, or failed with err.
	done chan struct{}
	err  error
	over atomic.Bool
}

// finish says how the commit ended, to whoever waits for it. Only the first word
// counts.
func (c *commit) finish(err error) {
	if c.over.CompareAndSwap(false, true) {
		c.err = err
		close(c.done)
	}
}

// A hashedKey is a full key and the hash that it is compared by. Two keys of one
// hash count as one: that costs a transaction another run, and nothing else.
type hashedKey struct {
	hash uint64
	key  []byte
}

// few is how many keys are looked through one by one, before a map is made.
const few = 16

// A readSet is what a transaction read: keys, found or not, and the spans that it
// walked, as far as it walked them.
type readSet struct {
	keys  []hashedKey
	index map[uint64]struct{} // of the hashes of keys, if they are more than few
	spans []span
}

func (r *readSet) addKey(k hashedKey) {
	if r.hasKey(k.hash) {
		return
	}
	r.keys = append(r.keys, k)
	switch {
	case r.index != nil:
		r.index[k.hash] = struct{}{}
	case len(r.keys) > few:
		r.index = make(map[uint64]struct{}, 4*few)
		for _, k := range r.keys {
			r.index[k.hash] = struct{}{}
		}
	}
}

func (r *readSet) hasKey(hash uint64) bool {
	if r.index != nil {
		_, ok := r.index[hash]
		return ok
	}
	for i := range r.keys {
		if r.keys[i].hash == hash {
			return true
		}
	}
	return false
}

func (r *readSet) empty() bool { return len(r.keys) == 0 && len(r.spans) == 0 }

// changedBy reports whether c wrote something that was read.
func (r *readSet) changedBy(c *commit) bool {
	for i := range c.keys {
		k := &c.keys[i]
		if r.hasKey(k.hash) || slices.ContainsFunc(r.spans, func(s span) bool { return s.has(k.key) }) {
			return true
		}
	}
	for _, w := range c.spans {
		if slices.ContainsFunc(r.spans, w.overlaps) ||
			slices.ContainsFunc(r.keys, func(k hashedKey) bool { return w.has(k.key) }) {
			return true
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
