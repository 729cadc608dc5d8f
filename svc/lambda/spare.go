package lambda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
	"github.com/tule-cloud/tule/store"
)

// Most of a cold start is the interpreter's. So sandboxes are kept in which one waits,
// ready for any function of its kind, and to which a function's code is brought: those
// kinds that functions here are of, after one has been deployed or started.
//
// What a function could tell: nothing. It has its variables, limits and files from its
// first instruction on; what it cannot be given late makes it start the usual way.

// kind is what a waiting interpreter is good for: the functions whose environments would
// start in the same way.
type kind struct {
	runtime string
	memory  int // MB; 0 where the interpreter does not care
	uses    uses
	egress  Egress
}

// A spare is a sandbox in which an interpreter waits.
type spare struct {
	kind   kind
	box    *sandbox.Sandbox
	conn   net.Conn
	out    *os.File // what its processes print
	detach func()
}

// close ends a spare that nobody will use.
func (p *spare) close() error {
	err := p.conn.Close()
	if p.box != nil {
		err = errors.Join(err, p.box.Close())
	}
	if p.detach != nil {
		p.detach()
	}
	return errors.Join(err, p.out.Close())
}

// dead reports whether the interpreter did not live to be used.
func (p *spare) dead() bool {
	select {
	case <-p.box.Done():
		return true
	default:
		return false
	}
}

// spares are the sandboxes that wait. One is kept of each kind that was wanted of late,
// and of few kinds, since each takes an interpreter's memory.
type spares struct {
	s  *Service
	wg sync.WaitGroup

	mu     sync.Mutex
	ready  map[kind]*spare
	wanted map[kind]time.Time // when last
	making map[kind]bool
	closed bool
}

// maxKinds is how many kinds are kept ready.
const maxKinds = 6

func newSpares(s *Service) spares {
	return spares{s: s, ready: map[kind]*spare{}, wanted: map[kind]time.Time{}, making: map[kind]bool{}}
}

// kindOf is the kind of a version's environments that reach out; false if they cannot be kept ready.
func (s *Service) kindOf(v *version, code string, out Egress) (kind, bool) {
	if s.Host == nil || s.debugs(v) || !s.Host.Features().Furnish || !runtimes.Waits(v.Runtime, v.Environment) {
		return kind{}, false
	}
	k := kind{runtime: v.Runtime, uses: usesOf(v, code), egress: out}
	if runtimes.SizesHeap(v.Runtime) {
		k.memory = int(v.Memory) // the size of its heap is an argument
	}
	return k, true
}

// uses is what a Python handler's module speaks of, which its interpreter has then loaded: the rest need
// not pay its memory.
type uses int

const (
	usesLittle uses = iota
	usesLibrary
	usesSDK
)

func usesOf(v *version, code string) uses {
	if !strings.HasPrefix(v.Runtime, "python") {
		return usesLittle
	}
	module, _, _ := strings.Cut(v.Handler, ".")
	f, err := os.Open(filepath.Join(code, filepath.Clean("/"+module+".py")))
	if err != nil {
		return usesLittle
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 256<<10))
	if err != nil {
		return usesLittle
	}
	has := func(word string) bool { return bytes.Contains(head, []byte(word)) }
	switch {
	case has("boto3"):
		return usesSDK
	case has("json"), has("logging"), has("traceback"):
		return usesLibrary
	}
	return usesLittle
}

// take is a waiting sandbox of the kind, or nil.
func (p *spares) take(k kind) *spare {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.ready[k]
	delete(p.ready, k)
	if got != nil && got.dead() {
		p.wg.Go(func() { p.end(got) })
		return nil
	}
	return got
}

func (p *spares) end(got *spare) { p.s.warn("end a sandbox that waited", got.close()) }

// want has a sandbox of the kind made ready, unless there is one. Callers call it when
// what they do themselves is done: the processors are theirs until then.
func (p *spares) want(k kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.wanted[k] = p.s.Clock.Now()
	if p.ready[k] != nil || p.making[k] {
		return
	}
	p.making[k] = true
	p.wg.Go(func() { p.make(k) })
}

// make makes a sandbox ready, in its turn among those that start.
func (p *spares) make(k kind) {
	done := p.s.takeTurn()
	got, err := p.s.prepare(k)
	done()
	p.s.warn("keep a sandbox ready", err)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.making, k)
	if got == nil {
		return
	}
	if p.closed {
		p.wg.Go(func() { p.end(got) })
		return
	}
	p.ready[k] = got
	p.limit()
}

// limit ends the sandboxes of the kinds that were wanted longest ago, if there are too
// many. The caller holds mu.
func (p *spares) limit() {
	for len(p.ready) > maxKinds {
		var oldest kind
		for k := range p.ready {
			if oldest == (kind{}) || p.wanted[k].Before(p.wanted[oldest]) {
				oldest = k
			}
		}
		p.drop(oldest)
	}
}

func (p *spares) drop(k kind) {
	got := p.ready[k]
	delete(p.ready, k)
	delete(p.wanted, k)
	p.wg.Go(func() { p.end(got) })
}

// reap ends what nobody has wanted for as long as environments are kept.
func (p *spares) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.s.Clock.Now().Add(-p.s.KeepAlive)
	for k := range p.ready {
		if p.wanted[k].Before(before) {
			p.drop(k)
		}
	}
}

// close ends all, and waits until they have ended.
func (p *spares) close() {
	p.mu.Lock()
	p.closed = true
	for k := range p.ready {
		p.drop(k)
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// prepare starts an interpreter of a kind that waits for its function.
func (s *Service) prepare(k kind) (p *spare, err error) {
	ctx, cancel := s.within(context.Background(), initLimit)
	defer cancel()
	set, err := s.interpreters(ctx)
	if err != nil {
		return nil, err
	}
	cmd, err := set.Command(k.runtime, runtimes.CommandOptions{MemoryMB: k.memory, Waiting: true, SDK: k.uses == usesSDK, Library: k.uses == usesLibrary, JavaProperties: s.javaProperties()})
	if err != nil {
		return nil, err
	}
	host, child, err := runtimes.Socketpair()
	if err != nil {
		return nil, err
	}
	defer child.Close()
	out, print, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, host.Close())
	}
	defer print.Close()
	p = &spare{kind: k, conn: host, out: out}
	spec := s.base(aws.RandomID(s.Random, aws.Hex, 32), cmd, k.egress)
	spec.Memory = waitingMemory
	spec.Env = runtimes.Environ{Runtime: k.runtime, RuntimeRoot: cmd.RuntimeRoot, ModulePath: cmd.ModulePath, Further: s.trust()}.List()
	spec.Inherit, spec.Stdout, spec.Stderr = []*os.File{child}, print, print
	if p.box, err = s.Host.Start(ctx, spec); err == nil && s.Attach != nil {
		p.detach, err = s.Attach(context.Background(), spec.ID, k.egress, p.box)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", k.runtime, err), p.close())
	}
	return p, nil
}

// waitingMemory is what an interpreter may use that waits.
const waitingMemory = 1 << 30

// furnish brings a version's code to a waiting sandbox, which is the environment's from
// then on.
func (e *environment) furnish(p *spare, code string) error {
	return p.box.Furnish(e.furnishing(code))
}

func (e *environment) furnishing(code string) sandbox.Furnishing {
	f := sandbox.Furnishing{Code: code, Layers: e.layers, Memory: int64(e.version.Memory) << 20, TmpSize: int64(e.version.Storage) << 20}
	f.CPU, f.CPUWeight = power(e.version.Memory)
	return f
}

// adopt makes a waiting sandbox the environment's; false if there is none or it failed,
// and the environment has to start one of its own.
func (e *environment) adopt(k kind, code string, cfg runtimes.Config, env runtimes.Environ) bool {
	p := e.s.spares.take(k)
	if p == nil {
		return false
	}
	if err := e.furnish(p, code); err != nil {
		e.s.Logger.Warn("lambda: a sandbox that waited could not be used", "function", e.at.name, "error", err)
		e.s.spares.wg.Go(func() { e.s.spares.end(p) })
		return false
	}
	e.sandbox = p.box
	if p.detach != nil {
		e.onClose(p.detach)
	}
	cfg.Environ = env.List()
	e.talk.Store(runtimes.New(p.conn, cfg))
	go e.gather(p.out, e.print)
	return true
}

// kinds are what is kept ready now, for tests.
func (p *spares) kinds() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for k := range p.ready {
		out = append(out, fmt.Sprintf("%s/%d/%t/%v", k.runtime, k.memory, k.uses == usesSDK, k.egress))
	}
	slices.Sort(out)
	return out
}

// foresee keeps a sandbox ready for a version that was just deployed: its first invoke is
// likely to be next.
func (s *Service) foresee(at ref, v version, out Egress) {
	if s.Host == nil || !s.Host.Features().Furnish {
		return
	}
	s.spares.background(func() {
		if k, ok := s.foreseen(context.Background(), at, &v, out); ok {
			s.spares.want(k)
		}
	})
}

// foreseen is the kind of a version that is likely to be invoked.
func (s *Service) foreseen(ctx context.Context, at ref, v *version, out Egress) (kind, bool) {
	ctx, cancel := s.within(ctx, initLimit)
	defer cancel()
	code, release, err := s.folder(ctx, at.scope, v.Code)
	if err != nil {
		return kind{}, false // deleted again, or not fit to run: its invoke will say so
	}
	defer release()
	return s.kindOf(v, code, out)
}

// resumeLooks is how many functions are looked at when Tule starts, those changed last: to know
// a function's kind, its code may have to be unpacked.
const resumeLooks = 32

// resume keeps sandboxes ready for the functions that were deployed before Tule was started, as
// foresee had done then.
func (s *Service) resume(ctx context.Context) {
	if s.Host == nil || !s.Host.Features().Furnish {
		return
	}
	type deployed struct {
		at ref
		f  *function
	}
	var all []deployed
	err := s.Store.View(ctx, func(r store.Reader) error {
		all = nil
		for e, err := range functionRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			f, err := s.records.functions.decode(e.Record)
			if err != nil {
				return err
			}
			all = append(all, deployed{ref{e.Scope, f.Name}, f})
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		s.warn("keep sandboxes ready for the functions that there are", err)
	}
	slices.SortFunc(all, func(a, b deployed) int { return b.f.Latest.Modified.Compare(a.f.Latest.Modified) })
	kinds := map[kind]bool{}
	for _, d := range all[:min(len(all), resumeLooks)] {
		if len(kinds) == maxKinds || ctx.Err() != nil {
			return
		}
		if k, ok := s.foreseen(ctx, d.at, &d.f.Latest, s.egressOf(d.f)); ok && !kinds[k] {
			kinds[k] = true
			s.spares.want(k)
		}
	}
}

// background does work that close waits for.
func (p *spares) background(work func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.wg.Go(work)
	}
}
