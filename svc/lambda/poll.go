package lambda

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// How pollers take their time, on Tule's clock.
const (
	// An idle shard is read again after pollFirst, then after longer and longer.
	pollFirst = 200 * time.Millisecond
	pollMost  = time.Second
	// What failed is tried again after retryFirst, then after longer and longer.
	retryFirst = 200 * time.Millisecond
	retryMost  = time.Minute
	// shardsEvery is how often a source is asked for new shards, beside when one ends.
	shardsEvery = time.Minute
)

// mappingKey is a mapping, by its place.
type mappingKey struct {
	scope store.Scope
	uuid  string
}

// pollers run the enabled mappings: one poller for each, as its record says. A mapping
// that changes gets another poller, which waits until the one before has ended, so that
// no two call a function for one shard.
type pollers struct {
	s       *Service
	make    func(scope store.Scope, m mapping) (runner, error) // newPoller, but in tests
	wg      sync.WaitGroup
	mu      sync.Mutex
	running map[mappingKey]*running
}

// running is a poller at work.
type running struct {
	revision string // "" if it is only to end
	stop     context.CancelFunc
	done     chan struct{}
}

// busy reports whether a mapping has a poller, if one that is to end.
func (p *pollers) busy(k mappingKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running[k] != nil
}

// run follows the records of mappings until ctx ends. Invokes under way then go on,
// until Service.Close ends their environments; what they were about is the next
// process's.
func (p *pollers) run(ctx context.Context) {
	changed := mappingRecords.WatchAll(ctx, p.s.Store)
	for {
		if err := p.follow(ctx); err != nil && ctx.Err() == nil {
			p.s.warn("read the event source mappings; trying again", err)
			if !p.s.pause(ctx, pollMost) {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// follow starts and stops pollers so that they are what the records say.
func (p *pollers) follow(ctx context.Context) error {
	wanted := map[mappingKey]mapping{}
	err := p.s.Store.View(ctx, func(r store.Reader) error {
		clear(wanted)
		for e, err := range mappingRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			if e.Record.Enabled {
				wanted[mappingKey{e.Scope, e.Record.UUID}] = e.Record
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, r := range p.running {
		if r.revision != "" && r.revision != wanted[k].Revision {
			r.revision = ""
			r.stop()
		}
	}
	for k, m := range wanted {
		if r := p.running[k]; r == nil || r.revision == "" {
			p.start(ctx, k, m, r)
		}
	}
	return nil
}

// start runs a mapping when the poller before it, if there is one, has ended. The
// caller holds mu.
func (p *pollers) start(ctx context.Context, k mappingKey, m mapping, before *running) {
	work, stop := context.WithCancel(ctx)
	r := &running{revision: m.Revision, stop: stop, done: make(chan struct{})}
	p.running[k] = r
	p.wg.Go(func() {
		defer func() {
			stop()
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.running[k] == r {
				delete(p.running, k)
			}
			close(r.done)
		}()
		if before != nil {
			<-before.done
		}
		poller, err := p.make(k.scope, m)
		if err != nil {
			p.s.warn("start an event source mapping", err)
			<-work.Done()
			return
		}
		poller.run(work)
	})
}

// pause waits, and reports whether ctx has not ended.
func (s *Service) pause(ctx context.Context, d time.Duration) bool {
	due, stop := s.Clock.After(d)
	defer stop()
	select {
	case <-ctx.Done():
		return false
	case <-due:
		return ctx.Err() == nil
	}
}

// A runner runs one mapping until ctx ends.
type runner interface{ run(ctx context.Context) }

var _, _ runner = (*poller)(nil), (*queuePoller)(nil)

// A poller runs a mapping of a stream, and is what every runner is made of.
type poller struct {
	s       *Service
	scope   store.Scope
	m       mapping
	filters filters
	src     eventSource // nil if the source is no stream
	// as is the context of calls to the source, call calls the function: the tests' own
	// stand in for them.
	as   func(ctx context.Context) (context.Context, error)
	call func(ctx context.Context, event []byte) outcome

	stop   context.CancelFunc // ends run
	mu     sync.Mutex
	result string // the last that was written
}

func (s *Service) newPoller(scope store.Scope, m mapping) (runner, error) {
	f, err := parseFilters(m.Filters)
	if err != nil {
		return nil, err
	}
	p := &poller{s: s, scope: scope, m: m, filters: f}
	p.as = func(ctx context.Context) (context.Context, error) {
		t, err := p.target(ctx)
		if err != nil {
			return nil, err
		}
		return s.asRole(ctx, t)
	}
	p.call = p.invoke
	if isQueue(m.Source) {
		return newQueuePoller(p), nil
	}
	p.src, err = s.eventSource(scope, m.Source)
	return p, err
}

// target is the function's version that the mapping calls next.
func (p *poller) target(ctx context.Context) (*target, error) {
	at := p.m.function(p.scope)
	ctx = p.s.acting(ctx, at, aws.ServiceCaller(principal, p.scope.Account, at.arn("")))
	return p.s.findBy(ctx, ptr(at.arn("")), optional(p.m.Qualifier), p.s.route)
}

// run reads all shards until ctx ends: each when its parent has been read to its end.
func (p *poller) run(ctx context.Context) {
	ctx, p.stop = context.WithCancel(ctx)
	defer p.stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	ended := make(chan string)
	reading := map[string]bool{}
	failed := 0
	for ctx.Err() == nil {
		next := shardsEvery
		ready, err := p.ready(ctx)
		if err != nil {
			p.trouble(ctx, err)
			next, failed = backOff(failed), failed+1
		} else {
			failed = 0
		}
		for _, id := range ready {
			if reading[id] {
				continue
			}
			reading[id] = true
			wg.Go(func() {
				newWorker(p, id).run(ctx)
				select {
				case ended <- id:
				case <-ctx.Done():
				}
			})
		}
		due, stop := p.s.Clock.After(next)
		select {
		case <-ctx.Done():
		case <-due:
		case id := <-ended: // children may be ready
			delete(reading, id)
		}
		stop()
	}
}

// backOff is how long to wait after a number of failures.
func backOff(failed int) time.Duration { return min(retryFirst<<min(failed, 20), retryMost) }

// ready are the shards to be read: not yet read to their end, while their parents are.
func (p *poller) ready(ctx context.Context) ([]string, error) {
	as, err := p.as(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.s.beginMapping(as, p.scope, &p.m, p.src); err != nil {
		return nil, err
	}
	shards, err := p.src.shards(as)
	if err != nil {
		return nil, err
	}
	done := map[string]bool{}
	err = p.s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range checkpointRecords.List(ctx, r, p.scope, store.ListOptions{Prefix: []any{p.m.UUID}}) {
			if err != nil {
				return err
			}
			done[e.Key.String(1)] = e.Record.Done
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, s := range shards {
		there[s.id] = true
	}
	var out []string
	for _, s := range shards {
		if !done[s.id] && !slices.ContainsFunc(s.parents, func(parent string) bool { return there[parent] && !done[parent] }) {
			out = append(out, s.id)
		}
	}
	return out, nil
}

// beginMapping notes where the reading of a mapping begins that begins at the latest record:
// in all shards that there are now. It does so once; shards that come later are read
// from their beginning. The context is the role's.
func (s *Service) beginMapping(ctx context.Context, scope store.Scope, m *mapping, src eventSource) error {
	if m.Start != startLatest {
		return nil
	}
	begun := false
	check := func(r store.Reader) error {
		begun = false
		for _, err := range checkpointRecords.List(ctx, r, scope, store.ListOptions{Prefix: []any{m.UUID}, Limit: 1}) {
			begun = true
			return err
		}
		return nil
	}
	if err := s.Store.View(ctx, check); err != nil || begun {
		return err
	}
	shards, err := src.shards(ctx)
	if err != nil {
		return err
	}
	points := map[string]checkpoint{}
	for _, sh := range shards {
		c := checkpoint{Done: sh.closed, Begun: s.Clock.Now()}
		if !sh.closed {
			if c.Iterator, err = src.seek(ctx, sh.id, position{start: startLatest}); err != nil {
				return err
			}
		}
		points[sh.id] = c
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := mappingRecords.Has(ctx, tx, scope, m.UUID)
		if err != nil || !has {
			return err
		}
		if err := check(tx); err != nil || begun {
			return err
		}
		for id, c := range points {
			if err := checkpointRecords.Put(tx, scope, c, m.UUID, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// The places at which reading begins.
const (
	startLatest = "LATEST"
	startOldest = "TRIM_HORIZON"
	startSince  = "AT_TIMESTAMP"
)

// trouble notes that the source cannot be read.
func (p *poller) trouble(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	text := "PROBLEM: Internal error"
	var e *aws.Error
	switch {
	case busySource(err):
		return // as much as there is was read
	case denied(err):
		text = "PROBLEM: Access denied. Please ensure the role can perform the " + p.src.needs() + " Actions on your stream in IAM."
	case aws.CodeOf(err) == "ResourceNotFoundException":
		text = "PROBLEM: Stream not found"
	case errors.As(err, &e) && !e.Server():
		text = "PROBLEM: " + e.Message
	default:
		p.s.warn("poll a source; trying again", err)
	}
	p.note(ctx, text)
}

// note writes how the last batch went, unless it has been written.
func (p *poller) note(ctx context.Context, result string) {
	p.mu.Lock()
	same := p.result == result
	p.result = result
	p.mu.Unlock()
	if same {
		return
	}
	ctx = context.WithoutCancel(ctx)
	p.s.warn("note how an event source mapping fares", p.s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := mappingRecords.Has(ctx, tx, p.scope, p.m.UUID)
		if err != nil || !has {
			return err
		}
		return resultRecords.Put(tx, p.scope, result, p.m.UUID)
	}))
}
