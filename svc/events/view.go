package events

import (
	"context"
	"errors"
	"sync"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/events/pattern"
)

// A view is a bus as it is matched: the index of its rules' and archives' patterns. It
// follows the versions in the store, change by change, so that what one change costs does
// not grow with the number of rules.
type view struct {
	mu       sync.RWMutex
	version  int64 // 0: nothing was read yet
	index    *pattern.Index
	rules    map[string]*ruleView
	archives map[string]*archive
	// every are the archives without a pattern.
	every map[string]bool
}

// A ruleView is a rule with its targets, by their ids. It never changes.
type ruleView struct {
	rule
	targets map[string]*api.Target
	order   []string
}

// views are those of the buses in use.
type views struct {
	mu sync.Mutex
	of map[busRef]*view
}

// maxViews bounds what is remembered; when it is full it starts anew.
const maxViews = 10_000

func (v *views) get(at busRef) *view {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of == nil || len(v.of) >= maxViews {
		v.of = map[busRef]*view{}
	}
	found := v.of[at]
	if found == nil {
		found = &view{}
		v.of[at] = found
	}
	return found
}

// A change is what one version of a bus differs in from the one before.
type change struct {
	Rule    string `json:",omitempty"`
	Archive string `json:",omitempty"`
	All     bool   `json:",omitempty"`
}

// keptChanges is how many changes are kept: who is further behind reads everything.
const keptChanges = 1000

// changed gives a bus a new version.
func changed(ctx context.Context, tx store.Tx, at busRef, c change) error {
	n, err := versions.Next(ctx, tx, at.scope, at.name)
	if err != nil {
		return err
	}
	if err := changes.Delete(tx, at.scope, at.name, n-keptChanges); err != nil {
		return err
	}
	return changes.Put(tx, at.scope, c, at.name, n)
}

// The first part of a name in an index.
const (
	ruleMark    = "r "
	archiveMark = "a "
)

// view is the bus as r has it, or as it became since, locked for reading.
func (s *Service) view(ctx context.Context, r store.Reader, at busRef) (*view, error) {
	version, err := versions.Value(ctx, r, at.scope, at.name)
	if err != nil {
		return nil, err
	}
	v := s.views.get(at)
	version++ // so that a bus that never changed has one too
	v.mu.RLock()
	if v.version >= version {
		return v, nil
	}
	v.mu.RUnlock()
	v.mu.Lock()
	if v.version < version {
		if err := v.follow(ctx, r, at, version); err != nil {
			v.version = 0
			v.mu.Unlock()
			return nil, err
		}
	}
	v.mu.Unlock()
	v.mu.RLock()
	return v, nil
}

// follow brings the view to a version, by the changes since its own if they are all there.
func (v *view) follow(ctx context.Context, r store.Reader, at busRef, version int64) error {
	if v.version == 0 {
		return v.load(ctx, r, at, version)
	}
	expected := v.version
	for e, err := range changes.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{at.name}, From: []any{at.name, v.version}}) {
		if err != nil {
			return err
		}
		if e.Key.Int(1) != expected || e.Record.All {
			return v.load(ctx, r, at, version)
		}
		expected++
		if name := e.Record.Rule; name != "" {
			err = v.loadRule(ctx, r, at, name)
		} else {
			err = v.loadArchive(ctx, r, at, e.Record.Archive)
		}
		if err != nil {
			return err
		}
	}
	if expected != version {
		return v.load(ctx, r, at, version)
	}
	v.version = version
	return nil
}

// load reads everything.
func (v *view) load(ctx context.Context, r store.Reader, at busRef, version int64) error {
	v.index, v.rules, v.archives, v.every = pattern.NewIndex(), map[string]*ruleView{}, map[string]*archive{}, map[string]bool{}
	for e, err := range rules.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
		if err != nil {
			return err
		}
		v.rules[e.Record.Name] = &ruleView{rule: e.Record, targets: map[string]*api.Target{}}
	}
	for e, err := range targets.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
		if err != nil {
			return err
		}
		if rv := v.rules[e.Key.String(1)]; rv != nil {
			rv.add(e.Record)
		}
	}
	for name, rv := range v.rules {
		v.put(name, rv)
	}
	for e, err := range archives.List(ctx, r, at.scope, store.ListOptions{}) {
		if err != nil {
			return err
		}
		if e.Record.Bus == at.name {
			v.putArchive(&e.Record)
		}
	}
	v.version = version
	return nil
}

func (rv *ruleView) add(t api.Target) {
	rv.targets[*t.Id] = &t
	rv.order = append(rv.order, *t.Id)
}

// put indexes a rule that events can match. An archive's is there to be seen only.
func (v *view) put(name string, rv *ruleView) {
	if rv.ManagedBy == archiver {
		return
	}
	v.rules[name] = rv
	if rv.Pattern == "" || !rv.enabled() {
		v.index.Delete(ruleMark + name)
		return
	}
	if p, err := pattern.Parse(rv.Pattern); err == nil {
		v.index.Put(ruleMark+name, p)
	}
}

func (v *view) loadRule(ctx context.Context, r store.Reader, at busRef, name string) error {
	found, err := rules.Get(ctx, r, at.scope, at.name, name)
	if errors.Is(err, store.ErrNotFound) {
		delete(v.rules, name)
		v.index.Delete(ruleMark + name)
		return nil
	}
	if err != nil {
		return err
	}
	rv := &ruleView{rule: found, targets: map[string]*api.Target{}}
	for e, err := range targets.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{at.name, name}}) {
		if err != nil {
			return err
		}
		rv.add(e.Record)
	}
	v.put(name, rv)
	return nil
}

func (v *view) putArchive(a *archive) {
	v.archives[a.Name] = a
	delete(v.every, a.Name)
	v.index.Delete(archiveMark + a.Name)
	if a.Pattern == "" {
		v.every[a.Name] = true
	} else if p, err := pattern.Parse(a.Pattern); err == nil {
		v.index.Put(archiveMark+a.Name, p)
	}
}

func (v *view) loadArchive(ctx context.Context, r store.Reader, at busRef, name string) error {
	a, err := archives.Get(ctx, r, at.scope, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		delete(v.archives, name)
		delete(v.every, name)
		v.index.Delete(archiveMark + name)
		return nil
	case err != nil:
		return err
	}
	if a.Bus == at.name {
		v.putArchive(&a)
	}
	return nil
}
