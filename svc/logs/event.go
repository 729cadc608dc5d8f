package logs

import (
	"cmp"
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/tule-cloud/tule/store"
)

const (
	// eventOverhead is what an event counts beside its message, in bytes.
	eventOverhead = 26
	// chunkMillis is the greatest difference between the times of a chunk's events,
	// and so how far before a time a chunk may begin that has an event of that time.
	chunkMillis = 1000
	// chunkBytes is how large a chunk becomes, unless its only event is larger.
	chunkBytes = 64 << 10
)

// A place is an event's place in the order of its group: by time, then stream, then
// the order in which the stream got them. No two events share one.
type place struct {
	At     int64  // milliseconds
	Stream uint64 `json:",omitempty"`
	Seq    uint64 `json:",omitempty"`
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.At, o.At), cmp.Compare(p.Stream, o.Stream), cmp.Compare(p.Seq, o.Seq))
}

// id is the event's id: as AWS's, 56 digits that sort as the events do.
func (p place) id() string { return fmt.Sprintf("3%015d%020d%020d", p.At, p.Stream, p.Seq) }

// An event is one event of a stream.
type event struct {
	place
	ingested int64 // milliseconds
	message  string
}

// A chunk is events of one put to a stream, in their order. They have successive
// sequence numbers.
type chunk struct {
	place    // of its first event
	ingested int64
	events   []event
}

// last is the time of the chunk's last event.
func (c *chunk) last() int64 { return c.events[len(c.events)-1].At }

// size is what the chunk's events count, in bytes.
func (c *chunk) size() int64 {
	n := int64(0)
	for i := range c.events {
		n += int64(len(c.events[i].message)) + eventOverhead
	}
	return n
}

// A chunk's record is its plain form, or where that is longer than minPacked, the byte
// packedS2 and the plain form as an S2 block. The plain form begins with a time, which is
// never 0: no record can be taken for the other kind. S2 reads faster than a disk, and
// what is searched is mostly thrown away.
const (
	packedS2  = 0
	minPacked = 160
)

// packed is the record of a plain form.
func packed(plain []byte) []byte {
	if len(plain) < minPacked {
		return plain
	}
	b := make([]byte, 1+s2.MaxEncodedLen(len(plain)))
	b[0] = packedS2
	b = b[:1+len(s2.EncodeBetter(b[1:], plain))]
	if len(b) >= len(plain) {
		return plain
	}
	return b
}

// unpack is the plain form of a record. It reuses buffer, if that is large enough.
func unpack(b, buffer []byte) ([]byte, error) {
	if len(b) == 0 || b[0] != packedS2 {
		return b, nil
	}
	n, err := s2.DecodedLen(b[1:])
	if err != nil || n > maxPlain {
		return nil, fmt.Errorf("%w: a chunk of log events", store.ErrDamaged)
	}
	if cap(buffer) < n {
		buffer = make([]byte, n)
	}
	plain, err := s2.Decode(buffer[:cap(buffer)], b[1:])
	if err != nil {
		return nil, fmt.Errorf("%w: a chunk of log events", store.ErrDamaged)
	}
	return plain, nil
}

// maxPlain bounds what a damaged record may ask for.
const maxPlain = 4 << 20

// encode is the chunk's plain form: the time of the put and the number of events; then
// of each the time since the one before, and the message. Numbers are varints.
func (c *chunk) encode() []byte {
	size := 2 * binary.MaxVarintLen64
	for i := range c.events {
		size += len(c.events[i].message) + 6
	}
	b := make([]byte, 0, size)
	b = binary.AppendUvarint(b, uint64(c.ingested))
	b = binary.AppendUvarint(b, uint64(len(c.events)))
	at := c.At
	for i := range c.events {
		e := &c.events[i]
		b = binary.AppendUvarint(b, uint64(e.At-at))
		b = binary.AppendUvarint(b, uint64(len(e.message)))
		b = append(b, e.message...)
		at = e.At
	}
	return b
}

// decodeChunk reads the record of the chunk that begins at p.
func decodeChunk(p place, b []byte) (*chunk, error) {
	plain, err := unpack(b, nil)
	if err != nil {
		return nil, err
	}
	return decodePlain(p, plain)
}

// decodePlain reads the plain form of the chunk that begins at p.
func decodePlain(p place, b []byte) (*chunk, error) {
	text := string(b) // once; the messages are parts of it
	read := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return 0
		}
		b = b[n:]
		return v
	}
	damaged := fmt.Errorf("%w: a chunk of log events", store.ErrDamaged)
	c := &chunk{place: p, ingested: int64(read())}
	n := read() // events, of two bytes or more each
	if n == 0 || n > uint64(len(b))/2 {
		return nil, damaged
	}
	c.events = make([]event, n)
	for i := range c.events {
		p.At += int64(read())
		size := read()
		if size > uint64(len(b)) {
			return nil, damaged
		}
		from := len(text) - len(b)
		c.events[i] = event{place: p, ingested: c.ingested, message: text[from : from+int(size)]}
		b = b[size:]
		p.Seq++
	}
	if len(b) != 0 {
		return nil, damaged
	}
	return c, nil
}
