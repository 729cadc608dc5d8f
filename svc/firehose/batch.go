package firehose

import (
	"cmp"
	"context"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// batch is a range of bundles that is delivered together. It is under the number behind
// its last bundle.
type batch struct {
	ID     string // from which the names of what is delivered follow
	From   uint64 // the number of its first bundle
	Bytes  int64
	Oldest time.Time // when its first record was gathered
	Cut    time.Time
	Tries  int       `json:",omitempty"` // that failed
	First  time.Time `json:",omitzero"`  // when the first failed
	Due    time.Time `json:",omitzero"`  // when it is tried again
}

// load finds the batches that an earlier process has left, and how much is in none.
func (l *lane) load(ctx context.Context) error {
	l.mu.Lock()
	before := l.filled
	l.mu.Unlock()
	return l.s.Store.View(ctx, func(r store.Reader) error {
		l.jobs = nil
		held := int64(0)
		o := store.ListOptions{Prefix: []any{l.key.space}}
		var from uint64
		for e, err := range batchRecords.List(ctx, r, l.key.scope, o) {
			if err != nil {
				return err
			}
			from = e.Key.Uint(1)
			l.jobs = append(l.jobs, &job{key: from, batch: e.Record})
			held += e.Record.Bytes
		}
		left, err := l.gathered(ctx, r, from, 0)
		if err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held = held
		l.filled += left.bytes + left.waiting - before // what comes just now may count twice, until the next cut
		if left.bundles > 0 {
			l.oldest = left.oldest
		}
		return nil
	})
}

// A pile is bundles that lie one after the other.
type pile struct {
	bundles int
	bytes   int64
	first   uint64    // number
	end     uint64    // behind the last
	oldest  time.Time // when the first was gathered
	// waiting is how many bytes are seen behind them, and rest when the first of them was gathered:
	// what a batch has no room for, or what a put that is under way may yet come before.
	waiting int64
	rest    time.Time
}

// gathered reads the bundles from a number on, up to the size given unless it is 0.
func (l *lane) gathered(ctx context.Context, r store.Reader, from uint64, size int64) (h pile, err error) {
	limit := l.s.numbering.Limit()
	o := store.ListOptions{Prefix: []any{l.key.space}, From: []any{l.key.space, from}}
	for e, err := range bundleRecords.List(ctx, r, l.key.scope, o) {
		if err != nil {
			return h, err
		}
		n := e.Key.Uint(1)
		when, list, err := decodeBundle(bundleID{l.key.space, n}, e.Record)
		if err != nil {
			return h, err
		}
		bytes := int64(0)
		for i := range list {
			bytes += int64(len(list[i].data))
		}
		full := size > 0 && h.bytes >= size
		switch {
		case len(list) == 0:
		case n >= limit || full:
			if h.rest.IsZero() {
				h.rest = when
			}
			if h.waiting += bytes; full {
				return h, nil
			}
		default:
			if h.bundles == 0 {
				h.first, h.oldest = n, when
			}
			h.bytes += bytes
			h.bundles++
			h.end = n + 1
		}
	}
	return h, nil
}

// cut makes batches of what is due, and says when more will be; zero for never.
func (l *lane) cut(ctx context.Context, p *plan) (next time.Time, err error) {
	for {
		l.mu.Lock()
		filled, oldest := l.filled, l.oldest
		l.mu.Unlock()
		now := l.s.Clock.Now()
		if oldest.IsZero() {
			return time.Time{}, nil
		}
		if due := oldest.Add(p.every); filled < p.size && due.After(now) {
			return due, nil
		}
		var h pile
		err := l.s.Store.View(ctx, func(r store.Reader) (err error) {
			h, err = l.gathered(ctx, r, l.last(), p.size)
			return err
		})
		late := !oldest.Add(p.every).After(now)
		if err == nil && h.bundles > 0 && (late || h.bytes >= p.size) {
			err = l.batch(ctx, &h, now)
		} else {
			h = pile{waiting: h.bytes + h.waiting, rest: cmp.Or(h.oldest, h.rest)} // it stays
		}
		if err != nil {
			return time.Time{}, err
		}
		l.recount(&h, p.size, filled, now)
		if h.bundles == 0 && (late || h.waiting >= p.size) {
			return now.Add(gatherPause), nil // a put is under way that has to come first
		}
	}
}

// recount notes what is left after a cut that began with filled bytes.
func (l *lane) recount(h *pile, size, filled int64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	came := l.filled - filled
	if h.bytes >= size && !h.rest.IsZero() { // not all was looked at
		l.filled = max(filled-h.bytes, h.waiting) + came
	} else {
		l.filled = h.waiting + came
	}
	switch {
	case !h.rest.IsZero():
		l.oldest = h.rest
	case came > 0:
		l.oldest = now
	default:
		l.oldest = time.Time{}
	}
}

// last is the number behind the last batch.
func (l *lane) last() uint64 {
	if len(l.jobs) == 0 {
		return 0
	}
	return l.jobs[len(l.jobs)-1].key
}

// batch makes a batch of bundles.
func (l *lane) batch(ctx context.Context, h *pile, now time.Time) error {
	j := &job{key: h.end, batch: batch{ID: aws.RandomUUID(l.s.Random), From: h.first, Bytes: h.bytes, Oldest: h.oldest, Cut: now}}
	err := l.s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := l.key.find(ctx, tx)
		if err != nil {
			return err
		}
		if st.Space != l.key.space {
			return l.key.notFound()
		}
		return batchRecords.Put(tx, l.key.scope, j.batch, l.key.space, j.key)
	})
	if err != nil {
		return err
	}
	l.jobs = append(l.jobs, j)
	l.mu.Lock()
	l.held += h.bytes
	l.mu.Unlock()
	return nil
}

// records reads the records of a batch.
func (d *delivery) records(ctx context.Context) (list []record, err error) {
	err = d.s.Store.View(ctx, func(r store.Reader) error {
		list = nil
		space := d.st.Space
		o := store.ListOptions{Prefix: []any{space}, From: []any{space, d.job.batch.From}, To: []any{space, d.job.key}}
		for e, err := range bundleRecords.List(ctx, r, d.at.scope, o) {
			if err != nil {
				return err
			}
			_, more, err := decodeBundle(bundleID{space, e.Key.Uint(1)}, e.Record)
			if err != nil {
				return err
			}
			list = append(list, more...)
		}
		return nil
	})
	return list, err
}

// forget removes a batch that is delivered, or given up, with its bundles.
func (d *delivery) forget(ctx context.Context) error {
	space, scope := d.st.Space, d.at.scope
	return d.s.Store.Update(ctx, func(tx store.Tx) error {
		o := store.ListOptions{Prefix: []any{space}, From: []any{space, d.job.batch.From}, To: []any{space, d.job.key}}
		for e, err := range bundleRecords.List(ctx, tx, scope, o) {
			if err == nil {
				err = bundleRecords.Delete(tx, scope, space, e.Key.Uint(1))
			}
			if err != nil {
				return err
			}
		}
		return batchRecords.Delete(tx, scope, space, d.job.key)
	})
}

// postpone notes that a batch is tried again.
func (d *delivery) postpone(ctx context.Context) error {
	return d.s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := batchRecords.Has(ctx, tx, d.at.scope, d.st.Space, d.job.key)
		if err != nil || !has {
			return err // the stream is gone
		}
		return batchRecords.Put(tx, d.at.scope, d.job.batch, d.st.Space, d.job.key)
	})
}
