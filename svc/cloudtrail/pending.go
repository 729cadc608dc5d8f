package cloudtrail

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What a trail is to deliver waits in the store, put there in the transaction that puts
// the event into the audit log: numbered, for each account and region from which the
// trail has events.

// keepPending is how long CloudTrail tries to deliver: AWS's thirty days.
const keepPending = 30 * 24 * time.Hour

// A pending event is one that waits to be delivered.
type pending struct {
	At   time.Time
	Body []byte // the event, as JSON
}

// waiting are the events to be delivered, by home region and name of the trail, account
// and region of the event, and a number.
var waiting = store.NewTable[pending]("cloudtrail", "waiting")

// numbers are the last numbers that were given, by the same but the last.
var numbers = store.NewCounter("cloudtrail", "number")

// MarshalBinary is the time, in nanoseconds, and the event.
func (p *pending) MarshalBinary() ([]byte, error) {
	return append(binary.BigEndian.AppendUint64(nil, uint64(p.At.UnixNano())), p.Body...), nil
}

// UnmarshalBinary is its inverse.
func (p *pending) UnmarshalBinary(b []byte) error {
	if len(b) < 8 {
		return fmt.Errorf("%w: an event to be delivered", store.ErrDamaged)
	}
	p.At, p.Body = time.Unix(0, int64(binary.BigEndian.Uint64(b))).UTC(), b[8:]
	return nil
}

// A keeper gives events to trails, within one transaction. It reads the trails of an
// account once.
type keeper struct {
	managers map[string]string // of accounts, where they are in an organization
	trails   map[string][]trail
	known    map[string]bool // streams
}

// managersOf are those who manage the organizations of the accounts of a batch, if there
// is any organization's trail.
func (s *Service) managersOf(ctx context.Context, batch []*note) (map[string]string, error) {
	out := map[string]string{}
	if known, err := s.interests(ctx); err != nil || !known.organizations {
		return out, err
	}
	for _, n := range batch {
		for _, c := range n.copies {
			if _, have := out[c.account]; have {
				continue
			}
			_, manager, err := s.organization(ctx, c.account)
			if err != nil {
				return nil, err
			}
			out[c.account] = manager
		}
	}
	return out, nil
}

// keep puts an event where the trails that select it will find it.
func (k *keeper) keep(ctx context.Context, tx store.Tx, v *event, at time.Time, body []byte) error {
	account := v.RecipientAccountID
	list, have := k.trails[account]
	if !have {
		var err error
		if list, err = trailsOf(ctx, tx, account); err != nil {
			return err
		}
		if m := k.managers[account]; m != "" && m != account {
			theirs, err := trailsOf(ctx, tx, m)
			if err != nil {
				return err
			}
			list = append(list, slices.DeleteFunc(theirs, func(t trail) bool { return !t.Organization })...)
		}
		k.trails[account] = list
	}
	for i := range list {
		t := &list[i]
		if !t.selects(v) {
			continue
		}
		st := stream{t.Account, t.Region, t.Name, account, v.AWSRegion}
		if err := k.enter(ctx, tx, t, st, at); err != nil {
			return err
		}
		n, err := numbers.Next(ctx, tx, st.scope(), st.key()...)
		if err != nil {
			return err
		}
		if err := waiting.PutExpiring(tx, st.scope(), pending{at, body}, at.Add(keepPending), append(st.key(), n)...); err != nil {
			return err
		}
	}
	return nil
}

// enter makes a stream known to those who deliver.
func (k *keeper) enter(ctx context.Context, tx store.Tx, t *trail, st stream, at time.Time) error {
	id := fmt.Sprint(st)
	if k.known[id] {
		return nil
	}
	k.known[id] = true
	have, err := streams.Has(ctx, tx, st.scope(), st.key()...)
	if err != nil || have {
		return err
	}
	return streams.Put(tx, st.scope(), progress{DigestFrom: at.Truncate(time.Second)}, st.key()...)
}

// forget removes all that a trail has to deliver.
func (t *trail) forget(tx store.Tx) error {
	return errors.Join(waiting.DeleteAll(tx, t.scope(), t.Region, t.Name), numbers.DeleteAll(tx, t.scope(), t.Region, t.Name),
		streams.DeleteAll(tx, t.scope(), t.Region, t.Name), logFiles.DeleteAll(tx, t.scope(), t.Region, t.Name),
		statuses.Delete(tx, t.scope(), t.Region, t.Name))
}

// interests is what the calls that are recorded need to know of trails in general.
type interests struct {
	organizations bool            // there are organizations' trails
	data          map[string]bool // accounts some trail of which wants data events
	allData       bool            // an organization's does
}

// interests is what is known, read from the store the first time.
func (s *Service) interests(ctx context.Context) (*interests, error) {
	if known := s.known.Load(); known != nil {
		return known, nil
	}
	err := s.learn(ctx)
	if err != nil {
		return nil, err
	}
	return s.known.Load(), nil
}

// learn reads what trails want, after one has changed.
func (s *Service) learn(ctx context.Context) error {
	s.learning.Lock() // what was read later is known in the end
	defer s.learning.Unlock()
	var known *interests
	err := s.Store.View(ctx, func(r store.Reader) error {
		known = &interests{data: map[string]bool{}}
		for e, err := range trails.All(ctx, r) {
			if err != nil {
				return err
			}
			t := &e.Record
			known.organizations = known.organizations || t.Organization
			if t.wantsData() {
				known.data[t.Account] = true
				known.allData = known.allData || t.Organization
			}
		}
		return nil
	})
	if err == nil {
		s.known.Store(known)
	}
	return err
}

// wanted reports whether some trail may want a data event that was allowed. Where that
// cannot be known it may.
func (s *Service) wanted(ctx context.Context, e *aws.Event) bool {
	known, err := s.interests(ctx)
	switch {
	case err != nil || known.allData:
		return true
	case len(known.data) == 0:
		return false
	}
	return slices.ContainsFunc(accountsOf(e), func(account string) bool { return known.data[account] })
}
