package store

import (
	"bytes"
	"sync"
	"sync/atomic"
)

const (
	// hotSlots is how many records are kept at most, hotLargest how many bytes of a
	// value: 8 MiB together, if ever.
	hotSlots   = 2048
	hotLargest = 4 << 10
)

// hot keeps records that are read again and again, such as what a queue, a function or
// a role is like, which every request asks for: pebble would look for them in each of
// its levels. A record comes in when it is read twice in a row of those that share its
// slot, and goes with the commit that changes it, before anybody can see that commit.
// So what is there is what every snapshot reads that is not older than it.
type hot struct {
	slots [hotSlots]atomic.Pointer[hotRecord]
	once  [hotSlots]atomic.Uint64 // hashes of keys that were read, and are not there

	mu sync.Mutex // of who adds or forgets
}

// A hotRecord never changes.
type hotRecord struct {
	hashedKey
	value []byte
	at    expiry
	since uint64 // number of a commit since which the record is this
}

// of returns the record under a full key, or nil.
func (h *hot) of(hash uint64, full []byte) *hotRecord {
	r := h.slots[hash%hotSlots].Load()
	if r == nil || r.hash != hash || !bytes.Equal(r.key, full) {
		return nil
	}
	return r
}

// read takes note that a snapshot read a record, of whose key and value it keeps
// copies, if any.
func (h *hot) read(s *snapshot, hash uint64, full, value []byte, at expiry) {
	i := hash % hotSlots
	if len(value) > hotLargest || h.once[i].Swap(hash) != hash {
		return
	}
	b := append(append(make([]byte, 0, len(full)+len(value)), full...), value...)
	n := len(full)
	r := &hotRecord{hashedKey{hash, b[:n:n]}, b[n:], at, s.base.number}
	reads := readSet{keys: []hashedKey{r.hashedKey}}
	h.mu.Lock()
	defer h.mu.Unlock()
	// A commit that comes later than this waits for the lock, and forgets.
	if reads.changedSince(s.base, s.p.last.Load()) == nil {
		h.slots[i].Store(r)
	}
}

// forget drops what a commit changes.
func (h *hot) forget(c *commit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range c.keys {
		hash := c.keys[i].hash
		if r := h.slots[hash%hotSlots].Load(); r != nil && r.hash == hash {
			h.slots[hash%hotSlots].Store(nil)
			h.once[hash%hotSlots].Store(0) // what changes all the time stays out
		}
	}
	for _, d := range c.spans {
		for i := range h.slots {
			if r := h.slots[i].Load(); r != nil && d.has(r.key) {
				h.slots[i].Store(nil)
			}
		}
	}
}
