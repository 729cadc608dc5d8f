package logs

import (
	"context"
	"strings"
	"sync"
	"time"

	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/logs/pattern"
)

// A groupRef names a group whose subscribers may have something to fetch.
type groupRef struct {
	store.Scope
	name string
}

// A dispatcher knows which groups have something new, and which feeds are at work. All
// of it is hints: after a start every group is looked at.
type dispatcher struct {
	mu      sync.Mutex
	hints   map[groupRef]bool
	running map[feed]bool // whether to look again at the end
	wake    chan struct{}
}

func newDispatcher() *dispatcher {
	return &dispatcher{hints: map[groupRef]bool{}, running: map[feed]bool{}, wake: make(chan struct{}, 1)}
}

// hint says that something was put into a group with subscribers.
func (d *dispatcher) hint(g groupRef) {
	d.mu.Lock()
	d.hints[g] = true
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take is what was hinted at since.
func (d *dispatcher) take() map[groupRef]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	hints := d.hints
	d.hints = map[groupRef]bool{}
	return hints
}

// start reports whether a feed is to be set to work: it may be at it, and then looks
// again.
func (d *dispatcher) start(f feed) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, busy := d.running[f]; busy {
		d.running[f] = true
		return false
	}
	d.running[f] = false
	return true
}

// finish reports whether a feed that found nothing more is done.
func (d *dispatcher) finish(f feed) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running[f] {
		d.running[f] = false
		return false
	}
	delete(d.running, f)
	return true
}

// runFeeds delivers to subscribers until ctx ends.
func (s *Service) runFeeds(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	if err := s.number(ctx); err != nil {
		return err
	}
	if err := s.hintAll(ctx); err != nil {
		return err
	}
	for {
		for g := range s.dispatcher.take() {
			feeds, err := s.feeds(ctx, g)
			if err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				s.logger.WarnContext(ctx, "logs: look for subscribers", "group", g.name, "error", err)
				continue
			}
			for _, f := range feeds {
				if s.dispatcher.start(f) {
					working.Go(func() { s.work(ctx, f) })
				}
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.dispatcher.wake:
		}
	}
}

// hintAll has every group looked at in which something waits.
func (s *Service) hintAll(ctx context.Context) error {
	return s.store.View(ctx, func(r store.Reader) error {
		for e, err := range groups.All(ctx, r) {
			if err != nil {
				return err
			}
			for _, err := range arrivals.List(ctx, r, e.Scope, store.ListOptions{Prefix: []any{e.Record.ID}, Limit: 1}) {
				if err != nil {
					return err
				}
				s.dispatcher.hint(groupRef{e.Scope, e.Key.String(0)})
			}
		}
		return nil
	})
}

// feeds are those of a group, none if it is gone.
func (s *Service) feeds(ctx context.Context, at groupRef) (list []feed, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		switch there, err := groups.Has(ctx, r, at.Scope, at.name); {
		case err != nil:
			return err
		case !there:
			return nil
		}
		g, err := groups.Get(ctx, r, at.Scope, at.name)
		if err != nil {
			return err
		}
		all, err := feedsOf(ctx, r, at.Scope, at.name, &g)
		for f := range all {
			list = append(list, f)
		}
		return err
	})
	return list, err
}

// work delivers what a feed has until there is nothing more.
func (s *Service) work(ctx context.Context, f feed) {
	for {
		b, err := s.nextBatch(ctx, f)
		if err == nil && b != nil {
			err = s.send(ctx, f, b)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.logger.WarnContext(ctx, "logs: a delivery waits", "group", f.group, "filter", f.name[1:], "error", err)
			later, stop := s.clock.After(firstWait)
			select {
			case <-later:
			case <-ctx.Done():
			}
			stop()
			continue
		}
		if b == nil && s.dispatcher.finish(f) {
			return
		}
	}
}

// patterns are those compiled, by their text.
type patterns struct {
	mu sync.Mutex
	of map[string]*pattern.Pattern
}

// maxPatterns bounds what is remembered; when it is full it starts anew.
const maxPatterns = 10000

func (p *patterns) get(text string) (*pattern.Pattern, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if have := p.of[text]; have != nil {
		return have, nil
	}
	made, err := pattern.Parse(text)
	if err != nil {
		return nil, err
	}
	if p.of == nil || len(p.of) >= maxPatterns {
		p.of = map[string]*pattern.Pattern{}
	}
	p.of[text] = made
	return made, nil
}

// roles are the sessions under which deliveries are made.
type roles struct {
	mu sync.Mutex
	of map[roleKey]roleSession
}

type roleKey struct{ role, source string }

type roleSession struct {
	caller aws.Caller
	until  time.Time
}

// sessionLasts is how long a session is used; maxSessions how many are kept.
const (
	sessionLasts = 15 * time.Minute
	maxSessions  = 4096
)

func (c *roles) forget(r *receiver) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, roleKey{r.role, r.source})
}

// asRole is a context that acts under a receiver's role.
func (s *Service) asRole(ctx context.Context, r *receiver) (context.Context, error) {
	key := roleKey{r.role, r.source}
	s.roles.mu.Lock()
	have, ok := s.roles.of[key]
	s.roles.mu.Unlock()
	if now := s.clock.Now(); !ok || !now.Before(have.until) {
		caller, err := s.assume(ctx, r)
		if err != nil {
			return nil, err
		}
		have = roleSession{caller, now.Add(sessionLasts)}
		s.roles.mu.Lock()
		if s.roles.of == nil || len(s.roles.of) >= maxSessions {
			s.roles.of = map[roleKey]roleSession{}
		}
		s.roles.of[key] = have
		s.roles.mu.Unlock()
	}
	return s.acting(ctx, r, have.caller), nil
}

// assume takes the role on, by either name of this service.
func (s *Service) assume(ctx context.Context, r *receiver) (caller aws.Caller, err error) {
	const name = "CloudWatchLogs"
	for _, who := range principals(r.Region) {
		as := s.acting(ctx, r, aws.ServiceCaller(who, r.owner, r.source))
		var out *stsapi.AssumeRoleResponse
		out, err = stsapi.AssumeRole.Do(as, s.peers, &stsapi.AssumeRoleRequest{RoleArn: &r.role, RoleSessionName: ptr(name)})
		if err == nil {
			id := ""
			if out.AssumedRoleUser != nil {
				id, _, _ = strings.Cut(aws.Value(out.AssumedRoleUser.AssumedRoleId), ":")
			}
			return aws.RoleSession(r.role, id, name), nil
		}
		if !denied(err) {
			break
		}
	}
	return caller, err
}
