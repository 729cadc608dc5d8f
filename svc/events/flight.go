package events

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tule-cloud/tule/store"
)

// flightKey is where an event that goes to targets is kept.
type flightKey struct {
	scope store.Scope
	at    time.Time // when it was accepted
	id    string
}

// A flight is an event that is being delivered.
type flight struct {
	key     flightKey
	bus     string
	hops    []string
	matched []string // the rules, for what is measured

	mu      sync.Mutex
	event   []byte // nil: it is read again when it is needed
	targets []aim  // those left
}

// An aim is a target that an event goes to.
type aim struct {
	Rule  string    `json:"r"`
	ID    string    `json:"t"`
	Tries int       `json:"n,omitempty"`
	Due   time.Time `json:"d,omitzero"`
}

// flightRecord is a flight in the store: what is left of it, and the event as it is.
type flightRecord struct {
	Bus   string   `json:"b"`
	Hops  []string `json:"h,omitempty"`
	Aims  []aim    `json:"a"`
	event []byte
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (r flightRecord) MarshalBinary() ([]byte, error) {
	head, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	b := binary.AppendUvarint(make([]byte, 0, len(head)+len(r.event)+4), uint64(len(head)))
	return append(append(b, head...), r.event...), nil
}

var errFlight = errors.New("events: a record that is no flight")

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (r *flightRecord) UnmarshalBinary(b []byte) error {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return errFlight
	}
	b = b[used:]
	if err := json.Unmarshal(b[:n], r); err != nil {
		return err
	}
	r.event = b[n:]
	return nil
}

// record is the flight as it is kept. The caller holds mu, or is alone.
func (f *flight) record() flightRecord {
	return flightRecord{Bus: f.bus, Hops: f.hops, Aims: slices.Clone(f.targets), event: f.event}
}

// add aims at all targets of a rule.
func (f *flight) add(r *ruleView) {
	f.matched = append(f.matched, r.Name)
	for _, id := range r.order {
		f.targets = append(f.targets, aim{Rule: r.Name, ID: id})
	}
}
