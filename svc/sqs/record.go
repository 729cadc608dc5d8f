package sqs

import (
	"encoding/binary"
	"fmt"

	"github.com/tule-cloud/tule/store"
)

// message is what was sent. Nothing of it changes later.
type message struct {
	sent     int64 // milliseconds, shown as SentTimestamp
	sender   string
	group    string
	dedup    string
	seq      uint64
	source   string // ARN of the queue whose dead letter it is
	trace    string // AWSTraceHeader
	body     string
	bodySum  [16]byte
	attrs    []attribute // by name
	attrsSum [16]byte
}

// attribute is a message attribute.
type attribute struct {
	name, kind string
	binary     bool
	value      string
}

// state is what a message in a standard queue has been through. A group of a FIFO
// queue has none.
type state struct {
	count    uint64 // receives
	first    int64  // first receive, in milliseconds
	received int64  // last receive, in microseconds
	moved    bool   // there is a movedTo
}

// movedTo is where a message's record in the index went when its visibility was
// changed, after which its receipt handle no longer says.
type movedTo struct {
	at    int64
	count uint64
}

// member is a message in its group.
type member struct {
	ref ref
	at  int64 // when it can be received, in microseconds
	state
}

// group is a message group that has messages.
type group struct {
	at   int64  // when it can be received from: its key in the index
	head uint64 // no message of it has a lower sequence number
}

// sentBefore is the message that a deduplication id stands for.
type sentBefore struct {
	ref ref
	seq uint64
}

// attempt is what one attempt to receive was given.
type attempt struct{ got []taken }

type taken struct {
	group string
	seq   uint64
	count uint64
}

// A writer and a reader of records: numbers are varints, texts go with their length.
type writer []byte

func (w *writer) int(n int64)   { *w = binary.AppendVarint(*w, n) }
func (w *writer) uint(n uint64) { *w = binary.AppendUvarint(*w, n) }
func (w *writer) text(s string) { w.uint(uint64(len(s))); *w = append(*w, s...) }
func (w *writer) bool(v bool) {
	if v {
		*w = append(*w, 1)
	} else {
		*w = append(*w, 0)
	}
}

type reader struct {
	b   []byte
	all string // the same bytes, of which texts are parts
	bad bool
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	return int64(advance(r, uint64(v), n))
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	return advance(r, v, n)
}

func advance(r *reader, v uint64, n int) uint64 {
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) text() string {
	n := r.uint()
	from := len(r.all) - len(r.b)
	if r.bytes(n); r.bad {
		return ""
	}
	return r.all[from : from+int(n)]
}

func (r *reader) bool() bool {
	b := r.bytes(1)
	return len(b) == 1 && b[0] != 0
}

func (r *reader) done(what string) error {
	if r.bad || len(r.b) != 0 {
		return fmt.Errorf("%w: %s", store.ErrDamaged, what)
	}
	return nil
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (m *message) MarshalBinary() ([]byte, error) {
	size := 96 + len(m.sender) + len(m.group) + len(m.dedup) + len(m.source) + len(m.trace) + len(m.body)
	for i := range m.attrs {
		a := &m.attrs[i]
		size += 8 + len(a.name) + len(a.kind) + len(a.value)
	}
	w := make(writer, 0, size)
	w.int(m.sent)
	w.text(m.sender)
	w.text(m.group)
	w.text(m.dedup)
	w.uint(m.seq)
	w.text(m.source)
	w.text(m.trace)
	w = append(w, m.bodySum[:]...)
	w = append(w, m.attrsSum[:]...)
	w.uint(uint64(len(m.attrs)))
	for i := range m.attrs {
		a := &m.attrs[i]
		w.text(a.name)
		w.text(a.kind)
		w.bool(a.binary)
		w.text(a.value)
	}
	w.text(m.body)
	return w, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (m *message) UnmarshalBinary(b []byte) error {
	r := reader{b: b, all: string(b)}
	m.sent, m.sender, m.group, m.dedup = r.int(), r.text(), r.text(), r.text()
	m.seq, m.source, m.trace = r.uint(), r.text(), r.text()
	copy(m.bodySum[:], r.bytes(16))
	copy(m.attrsSum[:], r.bytes(16))
	n := r.uint()
	if n > uint64(len(r.b)) {
		return fmt.Errorf("%w: a message's attributes", store.ErrDamaged)
	}
	for range n {
		m.attrs = append(m.attrs, attribute{name: r.text(), kind: r.text(), binary: r.bool(), value: r.text()})
	}
	m.body = r.text()
	return r.done("a message")
}

func (s *state) write(w *writer) {
	w.uint(s.count)
	w.int(s.first)
	w.int(s.received)
	w.bool(s.moved)
}

func (s *state) read(r *reader) {
	s.count, s.first, s.received, s.moved = r.uint(), r.int(), r.int(), r.bool()
}

// MarshalBinary implements encoding.BinaryMarshaler. What was never received is empty.
func (s *state) MarshalBinary() ([]byte, error) {
	if *s == (state{}) {
		return nil, nil
	}
	var w writer
	s.write(&w)
	return w, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (s *state) UnmarshalBinary(b []byte) error {
	if *s = (state{}); len(b) == 0 {
		return nil
	}
	r := reader{b: b}
	s.read(&r)
	return r.done("a message's state")
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (m *movedTo) MarshalBinary() ([]byte, error) {
	var w writer
	w.int(m.at)
	w.uint(m.count)
	return w, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (m *movedTo) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	m.at, m.count = r.int(), r.uint()
	return r.done("a message's new place")
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (m *member) MarshalBinary() ([]byte, error) {
	w := append(make(writer, 0, 64), m.ref[:]...)
	w.int(m.at)
	m.write(&w)
	return w, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (m *member) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	copy(m.ref[:], r.bytes(24))
	m.at = r.int()
	m.read(&r)
	return r.done("a message in its group")
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (g *group) MarshalBinary() ([]byte, error) {
	var w writer
	w.int(g.at)
	w.uint(g.head)
	return w, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (g *group) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	g.at, g.head = r.int(), r.uint()
	return r.done("a message group")
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (s *sentBefore) MarshalBinary() ([]byte, error) {
	w := append(make(writer, 0, 40), s.ref[:]...)
	w.uint(s.seq)
	return w, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (s *sentBefore) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	copy(s.ref[:], r.bytes(24))
	s.seq = r.uint()
	return r.done("a deduplication id")
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (a *attempt) MarshalBinary() ([]byte, error) {
	var w writer
	w.uint(uint64(len(a.got)))
	for _, t := range a.got {
		w.text(t.group)
		w.uint(t.seq)
		w.uint(t.count)
	}
	return w, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (a *attempt) UnmarshalBinary(b []byte) error {
	r := reader{b: b, all: string(b)}
	a.got = nil
	for n := r.uint(); n > 0 && !r.bad; n-- {
		a.got = append(a.got, taken{group: r.text(), seq: r.uint(), count: r.uint()})
	}
	return r.done("an attempt to receive")
}
