package cloudtrail

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	// keep is for how long events and activity are kept.
	keep = 90 * 24 * time.Hour
	// flushEvery is how often the activity is written, and how much of it a crash loses.
	flushEvery = 5 * time.Second
	// flushAtOnce is about how many uses one transaction writes.
	flushAtOnce = 2000
)

// activities are kept in the principal's account, by its ARN, the action and the
// resource, or the pattern of resources.
var activities = store.NewTable[use]("cloudtrail", "use")

// spent is what a principal has done with an action since the last flush.
type spent struct {
	account, arn, action string
	uses                 map[string]*use
}

// flush writes the activity down. What cannot be written is kept for the next time.
func (s *Service) flush(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	all := s.activity.take()
	for len(all) > 0 {
		n, uses := 0, 0
		for n < len(all) && uses < flushAtOnce {
			uses += len(all[n].uses)
			n++
		}
		if err := s.save(context.WithoutCancel(ctx), all[:n]); err != nil {
			s.activity.giveBack(all)
			return err
		}
		all = all[n:]
	}
	return nil
}

// take is what was done since it was last asked. What was not done again since then is
// forgotten, so that memory holds only what goes on.
func (a *activity) take() []spent {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []spent
	for arn, p := range a.principals {
		p.mu.Lock()
		for action, act := range p.actions {
			fresh := map[string]*use{}
			for resource, u := range act.uses {
				if u.Count == 0 {
					delete(act.uses, resource)
					if u.Wide {
						act.wide--
					}
					continue
				}
				copied := *u
				fresh[resource] = &copied
				u.Count = 0
			}
			if len(act.uses) == 0 {
				delete(p.actions, action)
			}
			if len(fresh) > 0 {
				out = append(out, spent{p.account, p.arn, action, fresh})
			}
		}
		if len(p.actions) == 0 {
			p.gone = true
			delete(a.principals, arn)
		}
		p.mu.Unlock()
	}
	return out
}

// giveBack notes again what could not be written.
func (a *activity) giveBack(all []spent) {
	for i := range all {
		for !a.of(all[i].arn, all[i].account).giveBack(&all[i]) {
		}
	}
}

func (p *principalUse) giveBack(sp *spent) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return false
	}
	act := p.actions[sp.action]
	if act == nil {
		act = &actionUse{uses: map[string]*use{}}
		p.actions[sp.action] = act
	}
	for resource, u := range sp.uses {
		act.add(resource, u)
	}
	return true
}

// save adds uses to what the store has of them, in one transaction.
func (s *Service) save(ctx context.Context, all []spent) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		for i := range all {
			if err := all[i].save(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

func (sp *spent) save(ctx context.Context, tx store.Tx) error {
	sc := store.Scope{Account: sp.account}
	have := actionUse{uses: map[string]*use{}}
	for e, err := range activities.List(ctx, tx, sc, store.ListOptions{Prefix: []any{sp.arn, sp.action}}) {
		if err != nil {
			return err
		}
		u := e.Record
		have.uses[e.Key.String(2)] = &u
		if u.Wide {
			have.wide++
		}
	}
	before := slices.Collect(maps.Keys(have.uses))
	changed := map[*use]bool{}
	for resource, u := range sp.uses {
		changed[have.add(resource, u)] = true
	}
	for _, resource := range before {
		if have.uses[resource] == nil {
			if err := activities.Delete(tx, sc, sp.arn, sp.action, resource); err != nil {
				return err
			}
		}
	}
	for resource, u := range have.uses {
		if !changed[u] && !u.Wide {
			continue
		}
		if err := activities.PutExpiring(tx, sc, *u, time.Unix(0, u.Last).Add(keep), sp.arn, sp.action, resource); err != nil {
			return err
		}
	}
	return nil
}

// add adds the use of a resource, or of a pattern, to the one that covers it.
func (a *actionUse) add(resource string, u *use) *use {
	if u.Wide {
		a.adopt(resource)
	}
	to := a.find(resource)
	to.add(u)
	return to
}

// adopt makes a pattern one of the uses, and takes those that it covers into it.
func (a *actionUse) adopt(pattern string) {
	for other, u := range a.uses {
		if u.Wide && covers(other, pattern) {
			return
		}
	}
	sum := &use{Wide: true}
	for resource, u := range a.uses {
		if covers(pattern, resource) {
			sum.add(u)
			delete(a.uses, resource)
			if u.Wide {
				a.wide--
			}
		}
	}
	a.uses[pattern] = sum
	a.wide++
}

// LastUse is what a user or role of an account has done in the last 90 days: each
// action on each resource, when and from which region last, by action and resource. It
// knows of what has just happened. What root does is not kept.
func (s *Service) LastUse(ctx context.Context, account, principalARN string) ([]aws.Use, error) {
	s.flushNow(ctx)
	var out []aws.Use
	err := s.Store.View(ctx, func(r store.Reader) error {
		out = out[:0]
		for e, err := range activities.List(ctx, r, store.Scope{Account: account}, store.ListOptions{Prefix: []any{principalARN}}) {
			if err != nil {
				return err
			}
			u := e.Record
			out = append(out, aws.Use{Action: e.Key.String(1), Resource: e.Key.String(2), Wide: u.Wide,
				Region: u.Region, Last: time.Unix(0, u.Last).UTC(), Count: u.Count})
		}
		return nil
	})
	return out, err
}

// flushNow flushes before a read. A full disk can be read all the same.
func (s *Service) flushNow(ctx context.Context) {
	if err := s.flush(ctx); err != nil {
		s.Logger.Warn("the activity of principals was not written; it will be tried again", "error", err)
	}
}

// actors are the ARNs of an account's users and roles that end in suffix and have done
// something.
func (s *Service) actors(ctx context.Context, account, suffix string) ([]string, error) {
	s.flushNow(ctx)
	var out []string
	err := s.Store.View(ctx, func(r store.Reader) error {
		out = out[:0]
		from := []any{""}
		for {
			arn := ""
			for e, err := range activities.List(ctx, r, store.Scope{Account: account}, store.ListOptions{From: from, Limit: 1}) {
				if err != nil {
					return err
				}
				arn = e.Key.String(0)
			}
			if arn == "" {
				return nil
			}
			if strings.HasSuffix(arn, suffix) {
				out = append(out, arn)
			}
			from = []any{arn + "\x00"} // the least that comes behind all of its keys
		}
	})
	return out, err
}

// usesOf is what several principals have done since a time, as one list.
func (s *Service) usesOf(ctx context.Context, account string, arns []string, since time.Time) ([]aws.Use, error) {
	var out []aws.Use
	for _, arn := range arns {
		uses, err := s.LastUse(ctx, account, arn)
		if err != nil {
			return nil, err
		}
		for _, u := range uses {
			if !u.Last.Before(since) {
				out = append(out, u)
			}
		}
	}
	slices.SortFunc(out, func(a, b aws.Use) int {
		return cmp.Or(strings.Compare(a.Action, b.Action), strings.Compare(a.Resource, b.Resource))
	})
	return out, nil
}
