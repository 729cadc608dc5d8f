package logs

import (
	"container/heap"
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/tule-cloud/tule/store"
)

// A span is a part of a group's events, in the order of their places.
type span struct {
	from, to place  // from <= place < to
	stream   uint64 // of this stream alone, if only
	only     bool
	reverse  bool // the last first
	// skip, if not nil, leaves out whole streams.
	skip func(stream uint64) (bool, error)
	// sift leaves out chunks by their stubs, and keep, if not nil, by their plain forms.
	sift sifter
	keep func(plain []byte) bool
	// pause, if not nil, is asked whether to stop before the place given, behind
	// which there may be more; read is how many bytes were read from the store.
	pause func(before place, read int) bool
}

// eventsIn yields the events of a span. It holds in memory what lies within a second, and
// some chunks that it has read ahead.
func eventsIn(ctx context.Context, r store.Reader, sc store.Scope, group uint64, sp span) iter.Seq2[*event, error] {
	return func(yield func(*event, error) bool) {
		w := walk{span: sp, merge: merge{reverse: sp.reverse}, yield: yield}
		var ahead []opened
		most := 1 // who wants one event need not wait for many
		for rec, err := range records(ctx, r, sc, group, sp) {
			o := opened{record: rec}
			if err == nil && sp.skip != nil {
				o.skip, err = sp.skip(rec.Stream)
			}
			if err == nil && !o.skip {
				err = o.fetch(ctx, r, sc, group, &sp.sift)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			ahead = append(ahead, o)
			if len(ahead) < most {
				continue
			}
			if !w.take(ahead) {
				return
			}
			ahead, most = ahead[:0], min(2*most, readAhead)
		}
		if !w.take(ahead) {
			return
		}
		for e := w.pop(); e != nil; e = w.pop() {
			if sp.has(e) && !yield(e, nil) {
				return
			}
		}
	}
}

// readAhead is how many chunks are taken apart at once, on all processors.
const readAhead = 32

// An opened is a chunk that was read, and taken apart if it is wanted.
type opened struct {
	record
	skip  bool // nothing in it is wanted
	size  int  // of its plain form, or of the stub that made it skipped
	chunk *chunk
	err   error
}

// fetch reads the events of a chunk of which there is a stub, unless that says that none
// of them is wanted.
func (o *opened) fetch(ctx context.Context, r store.Reader, sc store.Scope, group uint64, sift *sifter) error {
	t, err := decodeStub(o.At, o.value)
	if err != nil || t == nil {
		return err
	}
	if !sift.may(t) {
		o.skip, o.size = true, len(o.value)
		return nil
	}
	o.value, err = contentOf(ctx, r, sc, group, o.place, o.value)
	return err
}

// buffers are those that chunks are unpacked into.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// unfold takes a chunk apart, if the span may want something of it.
func (sp *span) unfold(o *opened) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	plain, err := unpack(o.value, *buffer)
	if err != nil {
		o.err = err
		return
	}
	if o.size = len(plain); len(o.value) > 0 && o.value[0] == packedS2 {
		*buffer = plain
	}
	if sp.keep == nil || sp.keep(plain) {
		o.chunk, o.err = decodePlain(o.place, plain)
	}
}

// A walk is an iteration on its way.
type walk struct {
	span
	merge
	yield func(*event, error) bool
	read  int // bytes
}

// take goes on by the chunks that were read next. It returns false when the walk is over.
func (w *walk) take(ahead []opened) bool {
	var others sync.WaitGroup
	for i := range ahead {
		switch o := &ahead[i]; {
		case o.skip:
		case len(ahead) == 1 || len(o.value) < minAside:
			w.unfold(o)
		default:
			others.Go(func() { w.unfold(o) })
		}
	}
	others.Wait()
	for i := range ahead {
		o := &ahead[i]
		for e := w.next(o.At); e != nil; e = w.next(o.At) {
			if w.has(e) && !w.yield(e, nil) {
				return false
			}
		}
		w.read += 64 // whatever is in it
		if w.pause != nil && w.pause(place{At: o.At}, w.read) {
			return false
		}
		if o.err != nil {
			w.yield(nil, o.err)
			return false
		}
		if w.read += o.size; o.chunk != nil {
			w.add(o.chunk)
		}
	}
	return true
}

// minAside is how large a record is for which another goroutine pays.
const minAside = 4 << 10

func (sp *span) has(e *event) bool { return sp.from.compare(e.place) <= 0 && e.compare(sp.to) < 0 }

// A record is a chunk as it is in the store.
type record struct {
	place
	value []byte
}

// records yields every chunk that may have an event of the span, by the time at which
// it begins.
func records(ctx context.Context, r store.Reader, sc store.Scope, group uint64, sp span) iter.Seq2[record, error] {
	first, end := max(sp.from.At-chunkMillis, 0), sp.to.At
	if sp.to.Stream != 0 || sp.to.Seq != 0 {
		end++
	}
	if !sp.only {
		return func(yield func(record, error) bool) {
			o := store.ListOptions{Prefix: []any{group}, From: []any{group, first}, To: []any{group, end}, Reverse: sp.reverse}
			for e, err := range chunks.List(ctx, r, sc, o) {
				if !yield(record{place{e.Key.Int(1), e.Key.Uint(2), e.Key.Uint(3)}, e.Record}, err) {
					return
				}
			}
		}
	}
	return func(yield func(record, error) bool) {
		o := store.ListOptions{Prefix: []any{group, sp.stream}, From: []any{group, sp.stream, first}, To: []any{group, sp.stream, end}, Reverse: sp.reverse}
		for e, err := range index.List(ctx, r, sc, o) {
			p := place{e.Key.Int(2), sp.stream, e.Key.Uint(3)}
			var value []byte
			if err == nil {
				value, err = chunks.Get(ctx, r, sc, group, p.At, p.Stream, p.Seq)
			}
			if errors.Is(err, store.ErrNotFound) {
				err = errors.Join(store.ErrDamaged, err)
			}
			if !yield(record{p, value}, err) {
				return
			}
		}
	}
}

// A merge puts the events of chunks in order. Chunks come to it by the time at which
// they begin, and overlap for at most chunkMillis.
type merge struct {
	reverse bool
	open    []*chunk // a heap; none is empty
}

func (m *merge) add(c *chunk) { heap.Push(m, c) }

// next is the next event of which it is certain that no chunk that begins at time at,
// or follows such a chunk, comes before it; or nil.
func (m *merge) next(at int64) *event {
	if len(m.open) == 0 {
		return nil
	}
	if top := m.head(0); m.reverse && top.At <= at+chunkMillis || !m.reverse && top.At >= at {
		return nil
	}
	return m.pop()
}

// pop is the next event of those there are, or nil.
func (m *merge) pop() *event {
	if len(m.open) == 0 {
		return nil
	}
	e, c := m.head(0), m.open[0]
	if m.reverse {
		c.events = c.events[:len(c.events)-1]
	} else {
		c.events = c.events[1:]
	}
	if len(c.events) == 0 {
		heap.Pop(m)
	} else {
		heap.Fix(m, 0)
	}
	return e
}

func (m *merge) head(i int) *event {
	c := m.open[i]
	if m.reverse {
		return &c.events[len(c.events)-1]
	}
	return &c.events[0]
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (m *merge) Len() int { return len(m.open) }

func (m *merge) Less(i, j int) bool {
	c := m.head(i).compare(m.head(j).place)
	return c < 0 != m.reverse && c != 0
}

func (m *merge) Swap(i, j int) { m.open[i], m.open[j] = m.open[j], m.open[i] }
func (m *merge) Push(c any)    { m.open = append(m.open, c.(*chunk)) }

func (m *merge) Pop() any {
	last := len(m.open) - 1
	c := m.open[last]
	m.open[last] = nil
	m.open = m.open[:last]
	return c
}
