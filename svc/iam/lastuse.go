package iam

import (
	"context"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A lastUse is when, and where, a key, a role or a user's password was used last.
type lastUse struct {
	At              time.Time
	Region, Service string `json:",omitempty"`
}

// lastUses are kept by the id of the access key, role or user.
var lastUses = store.NewTable[lastUse]("iam", "lastuse")

// owner is a key, role or user and the account that it is in.
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

// mark notes a use, to the minute. Where it does not say of what, the one before stands.
func (u *uses) mark(account, id string, l lastUse) {
	o := owner{account, id}
	l.At = l.At.Truncate(time.Minute)
	u.mu.Lock()
	defer u.mu.Unlock()
	if l.Service == "" {
		l.Region, l.Service = u.recent[o].Region, u.recent[o].Service
	}
	u.recent[o] = l
}

// use is the present request's.
func (s *Service) use(ctx context.Context) lastUse {
	r := aws.RequestOf(ctx)
	return lastUse{At: s.clock.Now(), Region: r.Region, Service: r.Service}
}

// Record notes that a long-term key was used: a call was signed with it, and not only
// its id named. It is told of every call when that is done.
func (s *Service) Record(_ context.Context, e *aws.Event) {
	c := &e.Request.Caller
	if !e.Within && strings.HasPrefix(c.AccessKeyID, "AKIA") {
		s.uses.mark(c.Account, c.AccessKeyID, lastUse{At: s.clock.Now(), Region: e.Request.Region, Service: e.Request.Service})
	}
}

// lastUse is the last use of a key, role or password; zero if it was never used.
func (s *Service) lastUse(ctx context.Context, account, id string) (last lastUse, err error) {
	err = s.store.View(ctx, func(r store.Reader) (err error) {
		last, err = s.lastUseIn(ctx, r, account, id)
		return err
	})
	return last, err
}

func (s *Service) lastUseIn(ctx context.Context, r store.Reader, account, id string) (lastUse, error) {
	s.uses.mu.Lock()
	last, ok := s.uses.recent[owner{account, id}]
	s.uses.mu.Unlock()
	kept, err := lastUses.Get(ctx, r, scope(account), id)
	if !ok {
		return kept, ignoreMissing(err)
	}
	if last.Service == "" { // used since, and not yet known for what
		last.Region, last.Service = kept.Region, kept.Service
	}
	return last, ignoreMissing(err)
}

// roleLastUsed is a role's last use as answers have it; empty if there was none.
func (s *Service) roleLastUsed(ctx context.Context, r store.Reader, account, id string) (*api.RoleLastUsed, error) {
	last, err := s.lastUseIn(ctx, r, account, id)
	if err != nil || last.At.IsZero() {
		return &api.RoleLastUsed{}, err
	}
	return &api.RoleLastUsed{LastUsedDate: &last.At, Region: &last.Region}, nil
}

// passwordLastUsed is when a user signed in last; nil if he never did.
func (s *Service) passwordLastUsed(ctx context.Context, r store.Reader, account, id string) (*time.Time, error) {
	last, err := s.lastUseIn(ctx, r, account, id)
	if err != nil || last.At.IsZero() {
		return nil, err
	}
	return &last.At, nil
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
			if l.Service == "" {
				kept, err := lastUses.Get(ctx, tx, scope(o.account), o.id)
				if ignoreMissing(err) != nil {
					return err
				}
				l.Region, l.Service = kept.Region, kept.Service
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

// alive reports whether a key, role or user is still there to have been used.
func alive(ctx context.Context, r store.Reader, o owner) (bool, error) {
	if has, err := keys.Has(ctx, r, scope(o.account), o.id); has || err != nil {
		return has, err
	}
	return byID.Has(ctx, r, scope(o.account), o.id)
}
