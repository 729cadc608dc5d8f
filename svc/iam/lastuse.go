package iam

import (
	"context"
	"sync"
	"time"

	"github.com/tule-cloud/tule/store"
)

// A lastUse is when and from where a key or a role was used last.
type lastUse struct {
	At     time.Time
	Region string `json:",omitempty"`
}

// lastUses are kept by the id of the access key or role.
var lastUses = store.NewTable[lastUse]("iam", "lastuse")

// owner is a key or role and the account that it is in.
type owner struct{ account, id string }

// uses gathers last uses in memory, so that a request costs no write.
type uses struct {
	mu      *sync.Mutex
	recent  map[owner]lastUse
	flushed map[owner]time.Time // what the store has of them
}

func newUses() uses {
	return uses{new(sync.Mutex), map[owner]lastUse{}, map[owner]time.Time{}}
}

// mark notes a use; a region that is not known leaves the one before.
func (u *uses) mark(account, id, region string, now time.Time) {
	o := owner{account, id}
	u.mu.Lock()
	defer u.mu.Unlock()
	if region == "" {
		region = u.recent[o].Region
	}
	u.recent[o] = lastUse{now.Truncate(time.Minute), region}
}

// lastUse is the last use of a key or role; zero if it was never used.
func (s *Service) lastUse(ctx context.Context, account, id string) (last lastUse, err error) {
	s.uses.mu.Lock()
	last, ok := s.uses.recent[owner{account, id}]
	s.uses.mu.Unlock()
	if ok {
		return last, nil
	}
	err = s.store.View(ctx, func(r store.Reader) (err error) {
		last, err = lastUses.Get(ctx, r, scope(account), id)
		return ignoreMissing(err)
	})
	return last, err
}

// flushEvery is how often last uses are written, and how much of them a crash loses.
const flushEvery = time.Minute

// Run writes the last uses of keys and roles down from time to time, until ctx
// ends.
func (s *Service) Run(ctx context.Context) error {
	for {
		tick, stop := s.clock.After(flushEvery)
		select {
		case <-ctx.Done():
			stop()
			return s.flush(context.WithoutCancel(ctx))
		case <-tick:
			if err := s.flush(ctx); err != nil && ctx.Err() == nil {
				s.logger.Warn("the last uses of access keys were not written", "err", err)
			}
		}
	}
}

// flush writes what was used since the last flush, and forgets what was not. It
// leaves the stamp alone: no permission hangs on it.
func (s *Service) flush(ctx context.Context) error {
	fresh := map[owner]lastUse{}
	s.uses.mu.Lock()
	for o, l := range s.uses.recent {
		if s.uses.flushed[o].Equal(l.At) {
			delete(s.uses.recent, o)
			delete(s.uses.flushed, o)
			continue
		}
		fresh[o] = l
	}
	s.uses.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	err := s.store.Update(ctx, func(tx store.Tx) error {
		for o, l := range fresh {
			alive, err := alive(ctx, tx, o)
			if err != nil {
				return err
			}
			if !alive {
				continue
			}
			if err := lastUses.Put(tx, scope(o.account), l, o.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	for o, l := range fresh {
		s.uses.flushed[o] = l.At
	}
	return nil
}

// alive reports whether a key or role is still there to have been used.
func alive(ctx context.Context, r store.Reader, o owner) (bool, error) {
	if has, err := keys.Has(ctx, r, scope(o.account), o.id); has || err != nil {
		return has, err
	}
	return byID.Has(ctx, r, scope(o.account), o.id)
}
