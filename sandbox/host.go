package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A Host starts sandboxes on this machine. Safe for concurrent use.
type Host struct {
	opts   Options
	engine engine
	lock   *os.File

	mu     sync.Mutex
	cells  map[string]*Sandbox
	closed bool
}

// engine is one way of running sandboxes.
type engine interface {
	features() Features
	// start starts s.spec and sets s.cell. It calls s.ended exactly once, when the program's end is known.
	start(ctx context.Context, s *Sandbox) error
	// close frees what the engine itself holds, after the last sandbox.
	close() error
}

// Open finds out what the machine has, cleans up what a killed predecessor left in o.Dir and on
// the machine, and returns the host, or an error that says what is missing.
func Open(o Options) (*Host, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Spare == 0 {
		o.Spare = 2
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil || o.Dir == "" {
		return nil, fmt.Errorf("sandbox: Options.Dir %q: not a folder", o.Dir)
	}
	o.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	h := &Host{opts: o, lock: lock, cells: map[string]*Sandbox{}}
	if o.Mode == Process {
		h.engine, err = openProcess(o)
	} else {
		h.engine, err = openNamespaces(o)
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	o.Logger.Info("sandbox: ready", "isolation", o.Mode.String(), "features", h.Features().String())
	return h, nil
}

// Features is what was found on this machine, for `tule status`.
func (h *Host) Features() Features { return h.engine.features() }

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Start starts a sandbox. When it returns without error the program runs. Ending ctx aborts a
// start that is under way, and means nothing afterwards.
func (h *Host) Start(ctx context.Context, spec Spec) (*Sandbox, error) {
	if err := spec.complete(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err // a start may be over before anybody looks again
	}
	s := &Sandbox{host: h, spec: spec, done: make(chan struct{}), over: make(chan struct{})}
	h.mu.Lock()
	switch {
	case h.closed:
		h.mu.Unlock()
		return nil, ErrClosed
	case h.cells[spec.ID] != nil:
		h.mu.Unlock()
		return nil, fmt.Errorf("sandbox: %s: already there", spec.ID)
	}
	h.cells[spec.ID] = s
	s.starting.Add(1)
	h.mu.Unlock()
	err := h.engine.start(ctx, s)
	if err != nil {
		s.closing.Do(func() {}) // the engine has freed it
	}
	s.starting.Done()
	if err != nil {
		h.forget(s)
		return nil, fmt.Errorf("sandbox: %s: %w", spec.ID, err)
	}
	return s, nil
}

func (h *Host) forget(s *Sandbox) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.cells, s.spec.ID)
}

// Close kills every sandbox, waits until all they had is freed, and frees what the host has.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	var all []*Sandbox
	for _, s := range h.cells {
		all = append(all, s)
	}
	h.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			s.starting.Wait()
			errs[i] = s.Close()
		})
	}
	wg.Wait()
	return errors.Join(append(errs, h.engine.close(), h.lock.Close())...)
}

// complete checks the spec and fills in the defaults.
func (s *Spec) complete() error {
	switch {
	case !idPattern.MatchString(s.ID):
		return fmt.Errorf("ID %q does not match %s", s.ID, idPattern)
	case len(s.Argv) == 0 || s.Argv[0] == "":
		return fmt.Errorf("%s: no program to run", s.ID)
	case s.Memory < 0 || s.TmpSize < 0 || s.Pids < 0 || s.CPU < 0 || s.CPUWeight < 0 || s.CPUWeight > 10000:
		return fmt.Errorf("%s: a limit is out of range", s.ID)
	case s.Egress != EgressNone && s.Egress != EgressNAT:
		return fmt.Errorf("%s: no such egress: %d", s.ID, s.Egress)
	case len(s.Inherit) > 200:
		return fmt.Errorf("%s: %d inherited files; 200 at most", s.ID, len(s.Inherit))
	case len(s.Companions) > 100:
		return fmt.Errorf("%s: %d companions; 100 at most", s.ID, len(s.Companions))
	}
	words := append(append([]string{s.Dir, s.Code, s.Root, s.Hostname}, s.Argv...), s.Env...)
	for _, c := range s.Companions {
		if len(c.Argv) == 0 || c.Argv[0] == "" {
			return fmt.Errorf("%s: no program to run beside", s.ID)
		}
		words = append(append(words, c.Argv...), c.Env...)
	}
	for _, v := range words {
		if strings.ContainsRune(v, 0) {
			return fmt.Errorf("%s: a zero byte in %q", s.ID, v)
		}
	}
	if s.TmpSize == 0 {
		s.TmpSize = 512 << 20
	}
	if s.Pids == 0 {
		s.Pids = 1024
	}
	if s.CPUWeight == 0 {
		s.CPUWeight = 100
	}
	if s.Hostname == "" {
		s.Hostname = s.ID
	}
	return s.checkPaths()
}

// checkPaths refuses paths that are not plain absolute ones, and mounts within what the function's
// author controls: a link in there could lead a mount astray.
func (s *Spec) checkPaths() error {
	check := func(what, p string) error {
		if !filepath.IsAbs(p) || filepath.Clean(p) != p || p == "/" || strings.ContainsRune(p, 0) {
			return fmt.Errorf("%s: %s %q is not a clean absolute path", s.ID, what, p)
		}
		return nil
	}
	theirs := func(p string) bool {
		for _, d := range []string{"/var/task", "/opt", "/proc", "/tmp"} {
			if p == d && d != "/tmp" || strings.HasPrefix(p, d+"/") {
				return d != "/var/task" || s.Code != "" || p != d
			}
		}
		return false
	}
	for _, m := range s.Mounts {
		if err := errors.Join(check("mount", m.Host), check("mount", m.Inside)); err != nil {
			return err
		}
		if theirs(m.Inside) {
			return fmt.Errorf("%s: nothing can be mounted at %s", s.ID, m.Inside)
		}
	}
	for _, f := range s.Files {
		if err := check("file", f.Path); err != nil {
			return err
		}
		beneath := s.Root != "" && slices.ContainsFunc(s.Mounts, func(m Mount) bool { return strings.HasPrefix(f.Path+"/", m.Inside+"/") })
		if theirs(f.Path) || beneath {
			return fmt.Errorf("%s: no file can be placed at %s", s.ID, f.Path)
		}
	}
	for _, d := range append([]string{s.Code, s.Root, s.Dir}, s.Layers...) {
		if d != "" && (d != "/" || d != s.Dir) {
			if err := check("folder", d); err != nil {
				return err
			}
		}
	}
	return nil
}
