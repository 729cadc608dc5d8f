package store

import (
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// maxGroup is about how many bytes one group of transactions writes, unless a
// single one writes more.
const maxGroup = 1 << 20

// A group is transactions that are committed as one, in their order, with one
// sync of the log. While a group is on its way to disk, the next one gathers.
type group struct {
	c     *commit
	txs   []*transaction
	size  int
	alone bool // its one transaction holds the turn
}

// A line is the transactions that wait to be committed. One goroutine takes
// them, group by group (commitLoop): the writers themselves only wait, so that
// each can be given up, or refused when the disk is full, whatever the disk does.
type line struct {
	mu    sync.Mutex
	queue []*group
	// handed holds the group of the transaction that holds the turn.
	handed chan *group
	// ready is signalled when the queue has something.
	ready chan struct{}
	// under way to the disk: it can no longer be refused.
	underWay *commit
}

func newLine() line {
	return line{handed: make(chan *group, 1), ready: make(chan struct{}, 1)}
}

// submit lets a transaction stand in line, and returns the commit to wait for.
// If alone, the caller holds the turn, which is then the line's.
func (p *Pebble) submit(t *transaction, alone bool) (*commit, error) {
	l := &p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := p.writable(); err != nil {
		return nil, err
	}
	if alone {
		g := &group{c: &commit{done: make(chan struct{})}, alone: true}
		g.add(t)
		l.handed <- g
		return g.c, nil
	}
	var g *group
	if n := len(l.queue); n > 0 && l.queue[n-1].size+t.size <= maxGroup {
		g = l.queue[n-1]
	} else {
		g = &group{c: &commit{done: make(chan struct{})}}
		l.queue = append(l.queue, g)
	}
	g.add(t)
	if len(l.queue) == 1 && len(g.txs) == 1 {
		l.signal()
	}
	return g.c, nil
}

func (g *group) add(t *transaction) {
	g.txs = append(g.txs, t)
	g.size += t.size
}

func (l *line) signal() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// take returns the first group that waits, or nil.
func (l *line) take() *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	g := l.queue[0]
	l.queue[0] = nil
	if l.queue = l.queue[1:]; len(l.queue) > 0 {
		l.signal()
	} else {
		l.queue = nil
	}
	return g
}

// refuse ends the waiting of all that are in line, none of whom has changed
// anything. When the disk failed, what is under way will not come back either.
func (p *Pebble) refuse(err error, underWay bool) {
	l := &p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.queue {
		g.c.finish(err)
	}
	l.queue = nil
	select {
	case g := <-l.handed:
		g.c.finish(err)
		p.release()
	default:
	}
	if underWay && l.underWay != nil {
		l.underWay.finish(err)
	}
}

// commitLoop commits one group after the other until the line is closed and empty.
func (p *Pebble) commitLoop() {
	defer close(p.ended)
	defer func() {
		if x := recover(); x != nil {
			_ = p.fail(fmt.Errorf("%v", x)) // whoever waits is told
		}
	}()
	for g := p.next(); g != nil; g = p.next() {
		p.commit(g)
	}
}

// next waits for the next group, which it returns with the turn held.
func (p *Pebble) next() *group {
	for {
		select {
		case g := <-p.line.handed:
			return g
		case <-p.line.ready:
		case <-p.quit:
			return p.leftOver()
		}
		select {
		case g := <-p.line.handed:
			p.line.signal()
			return g
		case p.turn <- struct{}{}:
			if g := p.line.take(); g != nil {
				return g
			}
			p.release()
		}
	}
}

// leftOver returns, like next, a group that is in line when the store is closed:
// its writers have been given up, and may hope.
func (p *Pebble) leftOver() *group {
	select {
	case g := <-p.line.handed:
		return g
	default:
	}
	g := p.line.take()
	if g != nil {
		p.turn <- struct{}{}
	}
	return g
}

// commit writes a group to disk. It holds the turn, and gives it up once the group
// can be seen.
func (p *Pebble) commit(g *group) {
	last := p.last.Load()
	b, err := p.build(g, last)
	if err == nil && b != nil {
		err = p.start(g, b)
	}
	if err != nil || b == nil {
		p.release()
		g.c.finish(err)
		return
	}
	g.c.number = last.number + 1
	last.next.Store(g.c)
	p.last.Store(g.c)
	p.hot.forget(g.c)
	err = p.db.ApplyNoSyncWait(b, pebble.Sync)
	p.applied.Store(g.c)
	p.release()
	if err == nil {
		err = b.SyncWait()
	}
	if err != nil {
		g.c.finish(p.fail(err))
		return
	}
	p.durable.Store(g.c)
	p.watchers.notify(g.c)
	g.c.finish(nil)
	if err := b.Close(); err != nil {
		p.log.Error("store: close a batch", "error", err)
	}
}

// start is the last moment at which a group can be refused.
func (p *Pebble) start(g *group, b *pebble.Batch) error {
	if err := p.disk.reserve(b.Len()); err != nil {
		return err
	}
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	if err := p.writable(); err != nil {
		return err
	}
	p.line.underWay = g.c
	return nil
}

// build makes a batch of a group's transactions, except for those that lost what
// they read to another one, in the group or before. If all did, there is none.
func (p *Pebble) build(g *group, last *commit) (*pebble.Batch, error) {
	keys := 0
	for _, t := range g.txs {
		keys += len(t.writes)
	}
	g.c.keys = make([]hashedKey, 0, keys)
	b := p.db.NewBatchWithSize(g.size + 48*keys + 64)
	for _, t := range g.txs {
		if t.lost(last) || t.s.base != nil && t.s.reads.changedBy(g.c) {
			t.outcome = errConflict
			continue
		}
		if err := t.appendTo(b, g.c); err != nil {
			return nil, joined(err, b.Close())
		}
	}
	if b.Empty() {
		return nil, b.Close()
	}
	return b, nil
}

// lost reports whether a commit up to last changed what the transaction read.
func (t *transaction) lost(last *commit) bool {
	return t.s.base != nil && t.s.reads.changedSince(t.s.base, last) != nil
}
