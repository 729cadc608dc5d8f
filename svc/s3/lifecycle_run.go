package s3

import (
	"context"
	"errors"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	// lifecycleEvery is how often lifecycles are looked after: objects are due at
	// midnight, and gone within the hour.
	lifecycleEvery = time.Hour
	// sweepPage is how many records are looked at, or changed, at once.
	sweepPage = 250
)

// runLifecycles looks after the lifecycles of all buckets until ctx ends.
func (s *Service) runLifecycles(ctx context.Context) error {
	for {
		if err := s.SweepLifecycles(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Error("the lifecycles of buckets could not be looked after", "error", err)
		}
		due, stop := s.Clock.After(lifecycleEvery)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-due:
		}
	}
}

// SweepLifecycles does what the lifecycles of all buckets ask for by now.
func (s *Service) SweepLifecycles(ctx context.Context) error {
	var all []bucket
	var plans []*lifecycle
	err := s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range buckets.All(ctx, r) {
			if err != nil {
				return err
			}
			l, err := setting[lifecycle](ctx, r, &e.Record, lifecycleSetting)
			if err != nil {
				return err
			}
			if l != nil {
				all, plans = append(all, e.Record), append(plans, l)
			}
		}
		return nil
	})
	for i := range all {
		if err != nil {
			return err
		}
		w := &sweeping{s: s, ctx: s.asS3(ctx, all[i].Account, all[i].Name, all[i].Region), b: &all[i], plan: plans[i], now: s.Clock.Now()}
		err = errors.Join(w.current(), w.noncurrent(), w.uploads(), w.flush())
	}
	return err
}

// A sweeping is one walk through a bucket. What it finds due it gathers, and does in
// transactions of their own that look again.
type sweeping struct {
	s    *Service
	ctx  context.Context
	b    *bucket
	plan *lifecycle
	now  time.Time
	due  []func(store.Tx) error
}

func (w *sweeping) add(do func(store.Tx) error) error {
	if w.due = append(w.due, do); len(w.due) < sweepPage {
		return nil
	}
	return w.flush()
}

func (w *sweeping) flush() error {
	if len(w.due) == 0 {
		return nil
	}
	due := w.due
	w.due = nil
	return w.s.Store.Update(w.ctx, func(tx store.Tx) error {
		// The bucket may have gone, or another of its name have come.
		b, err := bucketNamed(w.ctx, tx, w.b.Name)
		if aws.CodeOf(err) == "NoSuchBucket" || err == nil && b.ID != w.b.ID {
			return nil
		}
		if err != nil {
			return err
		}
		w.b = b
		for _, do := range due {
			if err := do(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// walk shows look all records of a table that belong to the bucket, page by page.
func walk[R any](w *sweeping, t store.Table[R], look func(e store.Entry[R]) error) error {
	var last []any
	for {
		var page []store.Entry[R]
		err := w.s.Store.View(w.ctx, func(r store.Reader) error {
			for e, err := range t.List(w.ctx, r, w.b.scope(), store.ListOptions{Prefix: []any{w.b.ID}, After: last, Limit: sweepPage}) {
				if err != nil {
					return err
				}
				page = append(page, e)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := look(e); err != nil {
				return err
			}
		}
		if len(page) < sweepPage {
			return nil
		}
		last = page[len(page)-1].Key.Parts()
	}
}

// current expires objects, or moves them.
func (w *sweeping) current() error {
	return walk(w, current, func(e store.Entry[object]) error {
		key, o := e.Key.String(1), e.Record
		at, _ := w.plan.expiry(key, &o)
		if at.IsZero() || at.After(w.now) {
			if to := w.plan.transition(key, &o, w.now); to != "" {
				return w.move(key, o.Seq, o.id(), to)
			}
			return nil
		}
		return w.add(func(tx store.Tx) error { return w.expire(tx, key, o.Seq) })
	})
}

// expire deletes what is current, as DeleteObject does.
func (w *sweeping) expire(tx store.Tx, key string, seq uint64) error {
	o, err := latest(w.ctx, tx, w.b, key)
	if err != nil || o == nil || o.Seq != seq {
		return err
	}
	if w.b.Versioning == "" && o.Lock.locked(w.now, false) != nil {
		return nil
	}
	m, err := w.s.hide(w.ctx, tx, w.b, key, o)
	if err != nil {
		return err
	}
	if m == nil {
		return w.tell(tx, "LifecycleExpiration:Delete", key, o)
	}
	return w.tell(tx, "LifecycleExpiration:DeleteMarkerCreated", key, m)
}

// tell announces what S3 itself did.
func (w *sweeping) tell(tx store.Tx, event, key string, o *object) error {
	c := w.s.changeOf(w.ctx, event, key, o)
	c.Principal, c.Requester, c.SourceIP = self, self, self
	return w.s.announce(w.ctx, tx, w.b, c)
}

// move gives a version another storage class.
func (w *sweeping) move(key string, seq uint64, version, to string) error {
	return w.add(func(tx store.Tx) error {
		o, isCurrent, err := versionOf(w.ctx, tx, w.b, key, version)
		if err != nil || o == nil || o.Seq != seq {
			return err
		}
		o.Class = to
		return errors.Join(rewrite(tx, w.b, key, o, isCurrent), w.tell(tx, "LifecycleTransition", key, o))
	})
}

// noncurrent removes versions that nobody has needed for long, or moves them, and markers
// that mark nothing.
func (w *sweeping) noncurrent() error {
	if w.b.Versioning == "" {
		return nil
	}
	var key string
	var family []object // of one key, the latest first
	look := func() error { return w.family(key, family) }
	err := walk(w, versions, func(e store.Entry[object]) error {
		if k := e.Key.String(1); k != key || len(family) == 0 {
			if err := look(); err != nil {
				return err
			}
			key, family = k, nil
		}
		family = append(family, e.Record)
		return nil
	})
	if err != nil {
		return err
	}
	return look()
}

// family looks at all versions of a key but the current one.
func (w *sweeping) family(key string, list []object) error {
	if len(list) == 0 {
		return nil
	}
	var newest object
	err := w.s.Store.View(w.ctx, func(r store.Reader) (err error) {
		newest, err = current.Get(w.ctx, r, w.b.scope(), w.b.ID, key)
		return none(err)
	})
	if err != nil {
		return err
	}
	if newest.Seq == 0 { // a marker stands before all
		if len(list) == 1 && list[0].Marker && w.plan.lonely(key, &list[0], w.now) {
			return w.remove(key, &list[0], true)
		}
		newest, list = list[0], list[1:]
	}
	since := newest.Modified
	for i := range list {
		gone, to := w.plan.outlived(key, &list[i], since, i, w.now)
		if gone {
			err = w.remove(key, &list[i], false)
		} else if to != "" {
			err = w.move(key, list[i].Seq, list[i].id(), to)
		}
		if err != nil {
			return err
		}
		since = list[i].Modified
	}
	return nil
}

// remove deletes a version for good, unless a lock keeps it. A marker that was alone may
// have got company.
func (w *sweeping) remove(key string, o *object, alone bool) error {
	version, seq := o.id(), o.Seq
	return w.add(func(tx store.Tx) error {
		o, isCurrent, err := versionOf(w.ctx, tx, w.b, key, version)
		if err != nil || o == nil || o.Seq != seq || isCurrent || o.Lock.locked(w.now, false) != nil {
			return err
		}
		if alone {
			if first, err := latest(w.ctx, tx, w.b, key); err != nil || first == nil || first.Seq != seq {
				return err
			}
		}
		return errors.Join(w.s.removeVersion(w.ctx, tx, w.b, key, o, false), w.tell(tx, "LifecycleExpiration:Delete", key, o))
	})
}

// uploads ends uploads that nobody completed.
func (w *sweeping) uploads() error {
	return walk(w, uploads, func(e store.Entry[upload]) error {
		u := e.Record
		if !w.plan.stale(u.Key, u.Started, w.now) {
			return nil
		}
		return w.add(func(tx store.Tx) error {
			there, err := uploads.Has(w.ctx, tx, w.b.scope(), e.Key.Parts()...)
			if err != nil || !there {
				return err
			}
			return w.s.dropUpload(w.ctx, tx, w.b, &u)
		})
	})
}
