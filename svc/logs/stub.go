package logs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/logs/pattern"
	"github.com/tule-cloud/tule/svc/logs/sieve"
)

// A stub is the record of a large chunk, whose events are in another table: what is asked
// of chunks by whoever wants few of their events.
type stub struct {
	last    int64  // time of the last event, in milliseconds
	size    int64  // what the events count, in bytes
	escaped bool   // a JSON message may spell characters by their numbers
	sieve   []byte // of the plain form
}

// isStub is the first byte of a stub's record. No chunk's own record begins with it, see
// packedS2: its plain form does with a time of our days.
const isStub = 1

// stubOf is the stub of a chunk.
func stubOf(c *chunk, plain []byte) *stub {
	return &stub{last: c.last(), size: c.size(), escaped: pattern.HasEscape(plain), sieve: sieve.Of(plain)}
}

func (t *stub) encode(at int64) []byte {
	b := make([]byte, 0, len(t.sieve)+24)
	b = append(b, isStub, 0)
	if t.escaped {
		b[1] = 1
	}
	b = binary.AppendUvarint(b, uint64(t.last-at))
	b = binary.AppendUvarint(b, uint64(t.size))
	return append(b, t.sieve...)
}

// decodeStub reads the stub of the chunk that begins at a time. It is nil if the record is
// the chunk itself.
func decodeStub(at int64, b []byte) (*stub, error) {
	if len(b) == 0 || b[0] != isStub {
		return nil, nil
	}
	damaged := fmt.Errorf("%w: the stub of a chunk of log events", store.ErrDamaged)
	if len(b) < 4 || b[1] > 1 {
		return nil, damaged
	}
	t := &stub{escaped: b[1] == 1}
	b = b[2:]
	var v [2]uint64
	for i := range v {
		var n int
		if v[i], n = binary.Uvarint(b); n <= 0 {
			return nil, damaged
		}
		b = b[n:]
	}
	if v[0] > chunkMillis || v[1] > maxPlain*eventOverhead {
		return nil, damaged
	}
	t.last, t.size, t.sieve = at+int64(v[0]), int64(v[1]), b
	return t, nil
}

// putChunk writes a chunk, and what leads to it.
func putChunk(tx store.Tx, sc store.Scope, group uint64, c *chunk) error {
	plain := c.encode()
	record := packed(plain)
	if len(plain) < sieve.Min {
		return errors.Join(chunks.Put(tx, sc, record, group, c.At, c.Stream, c.Seq), index.Put(tx, sc, nil, group, c.Stream, c.At, c.Seq))
	}
	return errors.Join(chunks.Put(tx, sc, stubOf(c, plain).encode(c.At), group, c.At, c.Stream, c.Seq),
		contents.Put(tx, sc, record, group, c.At, c.Stream, c.Seq),
		index.Put(tx, sc, []byte{isStub}, group, c.Stream, c.At, c.Seq))
}

// dropChunk removes the chunk at p, and what leads to it.
func dropChunk(tx store.Tx, sc store.Scope, group uint64, p place, stubbed bool) error {
	err := errors.Join(chunks.Delete(tx, sc, group, p.At, p.Stream, p.Seq), index.Delete(tx, sc, group, p.Stream, p.At, p.Seq))
	if stubbed {
		err = errors.Join(err, contents.Delete(tx, sc, group, p.At, p.Stream, p.Seq))
	}
	return err
}

// contentOf is the record of the chunk at p, which is value unless that is a stub.
func contentOf(ctx context.Context, r store.Reader, sc store.Scope, group uint64, p place, value []byte) ([]byte, error) {
	if len(value) == 0 || value[0] != isStub {
		return value, nil
	}
	b, err := contents.Get(ctx, r, sc, group, p.At, p.Stream, p.Seq)
	if errors.Is(err, store.ErrNotFound) {
		err = errors.Join(store.ErrDamaged, err)
	}
	return b, err
}

// A sifter tells from stubs which chunks need not be read. Its zero value lets all
// through.
type sifter struct {
	probes  [][]sieve.Probe // of each list one
	escaped bool            // not those that may spell characters by their numbers
}

func newSifter(n pattern.Needs) sifter {
	f := sifter{escaped: n.Escaped}
	for _, any := range n.Texts {
		var list []sieve.Probe
		for _, text := range any {
			list = append(list, sieve.For(text))
		}
		f.probes = append(f.probes, list)
	}
	return f
}

// may reports whether something of the chunk may be wanted; false is certain.
func (f *sifter) may(t *stub) bool {
	if f.escaped && t.escaped {
		return true
	}
	for _, any := range f.probes {
		found := false
		for i := 0; i < len(any) && !found; i++ {
			found = any[i].May(t.sieve)
		}
		if !found {
			return false
		}
	}
	return true
}
