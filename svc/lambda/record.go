package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// function is a function's record, under its name. Once decoded it never changes.
type function struct {
	Name   string
	Latest version
	// Published is the greatest number given to a version, and PublishedAs the
	// print of Latest of which that one was made.
	Published   int64             `json:",omitempty"`
	PublishedAs string            `json:",omitempty"`
	Tags        map[string]string `json:",omitempty"`
	Reserved    *int32            `json:",omitempty"`
	Signing     string            `json:",omitempty"` // ARN of its code signing configuration
	// RecursiveLoop is whether the function may be in a loop: "" is Terminate.
	RecursiveLoop string `json:",omitempty"`
}

// version is what a function was at some time: under its function's name and its
// number if published, else within the function's record with the number 0.
type version struct {
	Number      int64 `json:",omitempty"`
	Description string
	Runtime     string
	Handler     string
	Role        string
	Memory      int32 // MB
	Timeout     int32 // seconds
	Storage     int32 // MB of /tmp
	Arch        string
	Environment map[string]string `json:"-"`          // what Sealed holds
	Sealed      []byte            `json:",omitempty"` // see secret.go
	Locked      bool              `json:"-"`          // Sealed cannot be opened
	HasEnv      bool              `json:",omitempty"` // an Environment was given, if an empty one
	Tracing     string
	Network     *network  `json:",omitempty"`
	Provider    *provided `json:",omitempty"` // of capacity; nil is none
	Scaling     *scaling  `json:",omitempty"` // of one with a provider
	UpdateOn    string    `json:",omitempty"` // when its runtime is updated; "" is Auto
	SnapStart   bool      `json:",omitempty"` // asked for; nothing here takes snapshots
	DeadLetter  string    `json:",omitempty"` // ARN of a queue or topic
	LogGroup    string    `json:",omitempty"` // other than the function's own
	JSONLog     bool      `json:",omitempty"` // with the levels
	AppLevel    string    `json:",omitempty"`
	SystemLevel string    `json:",omitempty"`
	Code        code
	Layers      []attached   `json:",omitempty"` // the first lies lowest in /opt
	Image       *imageConfig `json:",omitempty"` // of functions from images, and only those
	Modified    time.Time
	Revision    string
}

// code is a zip file, or an image.
type code struct {
	SHA256   string // hex
	Size     int64
	Unzipped int64 `json:",omitempty"` // bytes of all its files
	// Hot is a folder of the machine that is there instead of a zip file; see hot.go.
	Hot   string     `json:",omitempty"`
	Image *imageCode `json:",omitempty"` // instead of a zip file, too
}

// alias is an alias' record, under its function's name and its own.
type alias struct {
	Name        string
	Description string
	Version     string
	Weights     map[string]float64 `json:",omitempty"`
	Revision    string
}

// zipRecord says where a zip file lies, under its SHA-256, and how many versions are
// made of it. Of an image there is no Blob, but a folder by its digest.
type zipRecord struct {
	Blob  string
	Size  int64
	Refs  int64
	Image bool `json:",omitempty"`
}

// What the service keeps.
var (
	functionRecords = store.NewTable[[]byte]("lambda", "function")
	versionRecords  = store.NewTable[[]byte]("lambda", "version")
	aliasRecords    = store.NewTable[[]byte]("lambda", "alias")
	policyRecords   = store.NewTable[[]byte]("lambda", "policy")
	zipRecords      = store.NewTable[zipRecord]("lambda", "zip")
	eventRecords    = store.NewTable[event]("lambda", "event")
)

// records saves decoding: transactions read records' bytes, and what they decode to
// is remembered.
type records struct {
	functions memo[function]
	versions  memo[version]
	aliases   memo[alias]
	policies  memo[policy]
}

// maxRemembered is how many records of a kind stay decoded.
const maxRemembered = 4096

// memo is the decoded records of a kind, by their bytes.
type memo[R any] struct {
	open  func(*R) error // what is to be done with a record just decoded; nil is nothing
	mu    sync.RWMutex
	known map[string]*R
}

func (m *memo[R]) get(ctx context.Context, r store.Reader, t store.Table[[]byte], s store.Scope, key ...any) (*R, error) {
	raw, err := t.Get(ctx, r, s, key...)
	if err != nil {
		return nil, err
	}
	return m.decode(raw)
}

func (m *memo[R]) decode(raw []byte) (*R, error) {
	m.mu.RLock()
	rec := m.known[string(raw)]
	m.mu.RUnlock()
	if rec != nil {
		return rec, nil
	}
	rec = new(R)
	if err := json.Unmarshal(raw, rec); err != nil {
		return nil, err
	}
	if m.open != nil {
		if err := m.open(rec); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= maxRemembered {
		m.known = map[string]*R{}
	}
	m.known[string(raw)] = rec
	return rec, nil
}

func put[R any](tx store.Tx, t store.Table[[]byte], s store.Scope, rec *R, key ...any) error {
	raw, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return t.Put(tx, s, raw, key...)
}

// function reads a function; one that is not there is AWS's error for that.
func (s *Service) function(ctx context.Context, r store.Reader, at ref) (*function, error) {
	f, err := s.records.functions.get(ctx, r, functionRecords, at.scope, at.name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("Function not found: %s", at.arn(""))
	}
	return f, err
}

// change is function for a transaction that changes it: a copy.
func (s *Service) change(ctx context.Context, tx store.Tx, at ref) (*function, error) {
	f, err := s.function(ctx, tx, at)
	if err != nil {
		return nil, err
	}
	changed := *f
	return &changed, nil
}

// numbered reads a published version.
func (s *Service) numbered(ctx context.Context, r store.Reader, at ref, number int64) (*version, error) {
	return s.records.versions.get(ctx, r, versionRecords, at.scope, at.name, number)
}

// target is a function and what a qualifier chose of it.
type target struct {
	at        ref
	qualifier string // as asked for; "" without
	function  *function
	version   *version
	alias     *alias // nil if it was none
	hot       string // see heat
}

// shown is the ARN that answers carry: the one asked for.
func (t *target) shown() string { return t.at.arn(t.qualifier) }

// resolve reads what a qualifier names: $LATEST, a version, or the version that an
// alias points to before all others.
func (s *Service) resolve(ctx context.Context, r store.Reader, at ref, qualifier string) (*target, error) {
	return s.resolveBy(ctx, r, at, qualifier, func(a *alias) string { return a.Version })
}

// resolveBy is resolve with a choice among the versions of an alias.
func (s *Service) resolveBy(ctx context.Context, r store.Reader, at ref, qualifier string, choose func(*alias) string) (*target, error) {
	t := &target{at: at, qualifier: qualifier}
	f, err := s.records.functions.get(ctx, r, functionRecords, at.scope, at.name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("Function not found: %s", t.shown())
	}
	if err != nil {
		return nil, err
	}
	t.function, t.version = f, &f.Latest
	if qualifier == "" || qualifier == latest {
		return t, nil
	}
	chosen := qualifier
	if _, err := strconv.ParseInt(qualifier, 10, 64); err != nil {
		t.alias, err = s.records.aliases.get(ctx, r, aliasRecords, at.scope, at.name, qualifier)
		if errors.Is(err, store.ErrNotFound) {
			return nil, notFound("Function not found: %s", t.shown())
		}
		if err != nil {
			return nil, err
		}
		chosen = choose(t.alias)
	}
	if chosen == latest {
		return t, nil
	}
	number, err := strconv.ParseInt(chosen, 10, 64)
	if err != nil {
		return nil, err
	}
	t.version, err = s.numbered(ctx, r, at, number)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("Function not found: %s", t.shown())
	}
	return t, err
}

// find is resolve in a transaction of its own.
func (s *Service) find(ctx context.Context, name, qualifier *string) (*target, error) {
	return s.findBy(ctx, name, qualifier, func(a *alias) string { return a.Version })
}

// findBy is resolveBy in a transaction of its own.
func (s *Service) findBy(ctx context.Context, name, qualifier *string, choose func(*alias) string) (t *target, err error) {
	at, q, err := parseName(ctx, name, qualifier)
	if err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		t, err = s.resolveBy(ctx, r, at, q, choose)
		return err
	})
	return t, err
}

// label is a version as answers call it.
func (v *version) label() string {
	if v.Number == 0 {
		return latest
	}
	return strconv.FormatInt(v.Number, 10)
}

// touch notes that the version was changed.
func (s *Service) touch(v *version, now time.Time) {
	v.Modified, v.Revision = now, aws.RandomUUID(s.Random)
}
