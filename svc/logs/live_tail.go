package logs

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/logs/pattern"
)

const (
	// liveLasts is how long a session of live tail may last, livePulse how often it tells
	// what came, and liveEvents how much of it at most; the rest is left out.
	liveLasts  = 3 * time.Hour
	livePulse  = time.Second
	liveEvents = 500
	// maxLive is how many sessions an account may have at once.
	maxLive = 15
)

// live are the sessions of live tail. They last no longer than the connection, so
// nothing of them is kept.
type live struct {
	mu       sync.Mutex
	sessions map[*tailing]struct{}
}

// A tailing is a session of live tail.
type tailing struct {
	store.Scope
	groups   map[string]string // what the caller calls the group, by its name
	streams  []string
	prefixes []string
	match    *pattern.Pattern

	mu      sync.Mutex
	waiting []api.LiveTailSessionLogEvent
	sampled bool
}

// publish shows sessions what was put.
func (l *live) publish(sc store.Scope, group, stream string, now int64, events []api.InputLogEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.sessions {
		if t.Scope == sc {
			t.take(group, stream, now, events)
		}
	}
}

func (t *tailing) take(group, stream string, now int64, events []api.InputLogEvent) {
	called, ok := t.groups[group]
	if !ok || t.streams != nil && !slices.Contains(t.streams, stream) ||
		t.prefixes != nil && !slices.ContainsFunc(t.prefixes, func(p string) bool { return strings.HasPrefix(stream, p) }) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range events {
		switch {
		case !t.match.Match(*events[i].Message):
		case len(t.waiting) == liveEvents:
			t.sampled = true
		default:
			t.waiting = append(t.waiting, api.LiveTailSessionLogEvent{LogGroupIdentifier: &called, LogStreamName: &stream,
				Message: events[i].Message, Timestamp: events[i].Timestamp, IngestionTime: &now})
		}
	}
}

// update is what came since the last.
func (t *tailing) update() *api.LiveTailSessionUpdate {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := &api.LiveTailSessionUpdate{SessionMetadata: &api.LiveTailSessionMetadata{Sampled: ptr(t.sampled)}, SessionResults: t.waiting}
	if u.SessionResults == nil {
		u.SessionResults = []api.LiveTailSessionLogEvent{}
	}
	t.waiting, t.sampled = nil, false
	return u
}

func (l *live) begin(t *tailing) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for other := range l.sessions {
		if other.Scope == t.Scope {
			n++
		}
	}
	if n >= maxLive {
		return api.LimitExceededException("Too many concurrent live tail sessions: the limit is %d.", maxLive)
	}
	if l.sessions == nil {
		l.sessions = map[*tailing]struct{}{}
	}
	l.sessions[t] = struct{}{}
	return nil
}

func (l *live) end(t *tailing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, t)
}

func (s *Service) startLiveTail(ctx context.Context, in *api.StartLiveTailRequest) (*api.StartLiveTailResponse, error) {
	t := &tailing{Scope: scopeOf(ctx), groups: map[string]string{}, streams: in.LogStreamNames, prefixes: in.LogStreamNamePrefixes}
	if (t.streams != nil || t.prefixes != nil) && len(in.LogGroupIdentifiers) > 1 {
		return nil, api.InvalidParameterException("Log stream names and prefixes can be specified for one log group only.")
	}
	if t.streams != nil && t.prefixes != nil {
		return nil, api.InvalidParameterException("LogStreamNames and LogStreamNamePrefixes cannot both be specified.")
	}
	var err error
	if t.match, err = parsePattern(aws.Value(in.LogEventFilterPattern)); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, func(r store.Reader) error {
		for _, id := range in.LogGroupIdentifiers {
			name, err := groupIdentified(ctx, id)
			if err != nil {
				return err
			}
			if _, err := groupNamed(ctx, r, t.Scope, name); err != nil {
				return err
			}
			t.groups[name] = id
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.live.begin(t); err != nil {
		return nil, err
	}
	// The session counts from here on; one that nobody reads ends with its call.
	stop := context.AfterFunc(ctx, func() { s.live.end(t) })
	return &api.StartLiveTailResponse{ResponseStream: func(yield func(*api.StartLiveTailResponseStream, error) bool) {
		defer stop()
		defer s.live.end(t)
		for e, err := range s.tell(ctx, t, in) {
			if !yield(e, err) {
				return
			}
		}
	}}, nil
}

// tell yields what a session says, until it is over.
func (s *Service) tell(ctx context.Context, t *tailing, in *api.StartLiveTailRequest) iter.Seq2[*api.StartLiveTailResponseStream, error] {
	return func(yield func(*api.StartLiveTailResponseStream, error) bool) {
		over, stop := s.clock.After(liveLasts)
		defer stop()
		begun := &api.LiveTailSessionStart{RequestId: ptr(aws.RequestOf(ctx).ID), SessionId: ptr(aws.RandomUUID(s.random)), LogGroupIdentifiers: in.LogGroupIdentifiers,
			LogStreamNames: in.LogStreamNames, LogStreamNamePrefixes: in.LogStreamNamePrefixes, LogEventFilterPattern: in.LogEventFilterPattern}
		if !yield(&api.StartLiveTailResponseStream{SessionStart: begun}, nil) {
			return
		}
		for {
			beat, stopBeat := s.clock.After(livePulse)
			select {
			case <-beat:
			case <-over:
				stopBeat()
				yield(nil, api.SessionTimeoutException("The session has reached its limit of three hours."))
				return
			case <-ctx.Done():
				stopBeat()
				return
			}
			if !yield(&api.StartLiveTailResponseStream{SessionUpdate: t.update()}, nil) {
				return
			}
		}
	}
}
