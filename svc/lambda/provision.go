package lambda

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A team is the environments that are provisioned for a version of a function.
type team struct {
	at     ref
	number int64
}

// initFailure is why a configuration failed whose function does not load.
const initFailure = "FUNCTION_ERROR_INIT_FAILURE"

// A provisioner keeps as many environments started as configurations ask for. They are
// the fleet's as all others, but never reaped, and are replaced when they end.
type provisioner struct {
	s     *Service
	due   chan struct{} // holds one when there may be something to do
	wg    sync.WaitGroup
	mu    sync.Mutex
	begun map[team]int  // environments that are being started
	fails map[team]stop // of which no more are started
}

// A stop is why no more are started: a reason that answers tell, or a time until which
// Tule itself does not try again.
type stop struct {
	reason string
	until  time.Time
}

// over reports whether to try again.
func (f stop) over(now time.Time) bool { return f.reason == "" && !now.Before(f.until) }

func newProvisioner(s *Service) provisioner {
	return provisioner{s: s, due: make(chan struct{}, 1), begun: map[team]int{}, fails: map[team]stop{}}
}

// wake has the provisioner look at what there is.
func (p *provisioner) wake() {
	select {
	case p.due <- struct{}{}:
	default:
	}
}

// again is wake, and forgets that a team's function did not load.
func (p *provisioner) again(of team) {
	p.mu.Lock()
	delete(p.fails, of)
	p.mu.Unlock()
	p.wake()
}

// state is how many of a team stand, and what hinders more; "" is nothing.
func (p *provisioner) state(of team) (stand int, failed string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.s.fleet.teams()[of]-p.begun[of], 0), p.fails[of].reason
}

// run starts what is wanted, until ctx ends.
func (p *provisioner) run(ctx context.Context) {
	for {
		p.s.warn("look what is provisioned", p.reconcile(ctx))
		tick, cancel := p.s.Clock.After(reapEvery)
		select {
		case <-ctx.Done():
			cancel()
			return
		case <-p.due:
			cancel()
		case <-tick:
		}
	}
}

// wanted is what configurations ask for.
func (p *provisioner) wanted(ctx context.Context) (map[team]int, map[team]*target, error) {
	n, targets := map[team]int{}, map[team]*target{}
	err := p.s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range capacityRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			at := ref{e.Scope, e.Key.String(0)}
			shares, err := p.s.shares(ctx, r, at, e.Key.String(1), e.Record.Requested)
			var gone *aws.Error
			if errors.As(err, &gone) {
				continue // it is being deleted
			}
			if err != nil {
				return err
			}
			for _, share := range shares {
				of := share.team()
				n[of] += int(share.n)
				targets[of] = share.target
			}
		}
		return p.scaledVersions(ctx, r, n, targets)
	})
	return n, targets, err
}

// A share is what of a configuration is for one version.
type share struct {
	*target
	n int32
}

func (s share) team() team { return team{s.at, s.version.Number} }

// shares divides what a version or alias has provisioned among the versions that serve its
// invokes, as an alias's weights do those.
func (s *Service) shares(ctx context.Context, r store.Reader, at ref, qualifier string, n int32) ([]share, error) {
	t, err := s.resolve(ctx, r, at, qualifier)
	if err != nil {
		return nil, err
	}
	out := []share{{t, n}}
	if t.alias == nil {
		return out, nil
	}
	for _, v := range slices.Sorted(maps.Keys(t.alias.Weights)) {
		other, err := s.resolveBy(ctx, r, at, qualifier, func(*alias) string { return v })
		if err != nil {
			return nil, err
		}
		part := int32(math.Round(t.alias.Weights[v] * float64(n)))
		out[0].n -= part
		out = append(out, share{other, part})
	}
	return out, nil
}

func (p *provisioner) reconcile(ctx context.Context) error {
	want, targets, err := p.wanted(ctx)
	if err != nil {
		return err
	}
	p.s.fleet.renew(p.s.Clock.Now().Add(provisionedReserve))
	have := p.s.fleet.teams()
	for of, n := range have {
		if n > want[of] {
			p.s.fleet.dismiss(of, n-want[of])
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for of, n := range want {
		if !p.fails[of].over(p.s.Clock.Now()) {
			continue
		}
		delete(p.fails, of)
		for i := have[of]; i < n; i++ {
			if err := p.s.heat(targets[of]); err != nil {
				p.s.warn("provision a function from its folder", err)
				break
			}
			e := p.s.fleet.enlist(targets[of])
			if e == nil {
				break // no room: the next look may find some
			}
			p.begun[of]++
			p.wg.Go(func() { p.start(of, e) })
		}
	}
	return nil
}

// provisionedReserve is how long an environment's credentials must last for it to stay:
// longer than the longest invoke.
const provisionedReserve = (maxTimeout + 60) * time.Second

// start starts an environment. One that does not load is not tried again until its
// configuration is put anew; what Tule itself did wrong is, at the next look.
func (p *provisioner) start(of team, e *environment) {
	e.logInitStart()
	limit := max(initLimit, time.Duration(e.version.Timeout)*time.Second)
	failure, err := e.start(context.Background(), aws.RandomUUID(p.s.Random), limit)
	if errors.Is(err, errInitTimeout) {
		e.logInitTimeout()
	}
	e.init = 0 // no invoke has waited for it
	broken := failure != nil || err != nil
	p.mu.Lock()
	if p.begun[of]--; p.begun[of] == 0 {
		delete(p.begun, of)
	}
	if failure != nil || errors.Is(err, errInitTimeout) {
		p.fails[of] = stop{reason: initFailure}
	} else if err != nil {
		p.fails[of] = stop{until: p.s.Clock.Now().Add(reapEvery)}
		p.s.Logger.Warn("lambda: could not start a provisioned environment", "function", of.at.name, "error", err)
	}
	p.s.fleet.settle(e, broken)
	p.mu.Unlock()
}

// teams are how many environments are provisioned of each version, those that are being
// started among them.
func (f *fleet) teams() map[team]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[team]int{}
	for at, c := range f.functions {
		for e := range c.all {
			if e.provisioned && !e.doomed {
				out[team{at, e.version.Number}]++
			}
		}
	}
	return out
}

// enlist makes a new environment for the provisioner to start; nil if there is no room.
func (f *fleet) enlist(t *target) *environment {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	c := f.functions[t.at]
	if c == nil {
		c = &crew{all: map[*environment]struct{}{}}
		f.functions[t.at] = c
	}
	if err := f.room(c); err != nil {
		f.tidy(t.at, c)
		return nil
	}
	e := f.s.newEnvironment(t)
	e.provisioned, e.cause = true, "provisioned-concurrency"
	e.busy.Store(true)
	c.all[e] = struct{}{}
	c.provisioned++
	f.count++
	return e
}

// settle lets an environment that was enlisted serve, or ends it if it is broken.
func (f *fleet) settle(e *environment, broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rest(e, broken)
}

// dismiss makes n of a team environments like others, which end when nobody needs them.
func (f *fleet) dismiss(of team, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.functions[of.at]
	if c == nil {
		return
	}
	for e := range c.all {
		if n > 0 && e.provisioned && !e.doomed && e.version.Number == of.number {
			e.provisioned = false
			c.provisioned--
			n--
		}
	}
}

// renew ends the provisioned environments whose credentials end before a time, and that
// nobody uses.
func (f *fleet) renew(before time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.functions {
		for i := len(c.idle) - 1; i >= 0; i-- {
			if e := c.idle[i]; e.provisioned && e.until.Before(before) {
				c.idle = append(c.idle[:i:i], c.idle[i+1:]...)
				f.end(e)
			}
		}
	}
}
