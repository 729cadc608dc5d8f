package events

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/events/pattern"
)

// replay is what is kept of one. Its progress is in the transactions that store what it
// sends.
type replay struct {
	Name        string
	Description string `json:",omitempty"`
	Archive     string
	Number      int64 // of the archive
	Bus         string
	Rules       []string `json:",omitempty"` // the ARNs of those that get events; all without
	From, To    time.Time
	State       string
	Reason      string `json:",omitempty"`
	Started     time.Time
	Ended       time.Time `json:",omitzero"`
	// The last event that was replayed: when it happened, when it came, and its id.
	LastTime, LastCame time.Time `json:",omitzero"`
	LastID             string    `json:",omitempty"`
}

const (
	maxReplays  = 10 // under way at once
	replayStep  = 100
	replaysKept = 90 * 24 * time.Hour
)

func (r *replay) active() bool {
	return r.State == api.ReplayStateStarting || r.State == api.ReplayStateRunning || r.State == api.ReplayStateCancelling
}

func replayARN(scope store.Scope, name string) string {
	return aws.NewARN("events", scope.Region, scope.Account, "replay/"+name).String()
}

func (s *Service) putReplay(tx store.Tx, scope store.Scope, r replay) error {
	return replays.PutExpiring(tx, scope, r, r.Started.Add(replaysKept), r.Name)
}

func getReplay(ctx context.Context, r store.Reader, scope store.Scope, name string) (replay, error) {
	found, err := replays.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return found, api.ResourceNotFoundException("Replay %s does not exist.", name)
	}
	return found, err
}

// archiveOf is the archive of an ARN.
func archiveOf(scope store.Scope, arn string) (name string, ok bool) {
	a, ok := aws.ParseARN(arn)
	name, is := strings.CutPrefix(a.Resource, "archive/")
	return name, ok && is && a.Account == scope.Account && a.Region == scope.Region
}

func (s *Service) startReplay(ctx context.Context, in *api.StartReplayRequest) (*api.StartReplayResponse, error) {
	scope := scopeOf(ctx)
	to, ok := parseBus(*in.Destination.Arn)
	if !ok || to.scope != scope {
		return nil, invalid("Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN.")
	}
	name, ok := archiveOf(scope, *in.EventSourceArn)
	if !ok {
		return nil, invalid("Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN.")
	}
	r := replay{Name: *in.ReplayName, Description: aws.Value(in.Description), Archive: name, Bus: to.name, Rules: in.Destination.FilterArns, From: *in.EventStartTime, To: *in.EventEndTime,
		State: api.ReplayStateStarting, Started: s.Clock.Now().UTC()}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := getBus(ctx, tx, to); err != nil {
			return err
		}
		a, err := archives.Get(ctx, tx, scope, name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return invalid("Parameter EventSourceArn is not valid. Reason: Archive %s does not exist.", name)
		case err != nil:
			return err
		case a.Bus != to.name:
			return invalid("Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
		case !r.From.Before(r.To):
			return invalid("Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.")
		}
		r.Number = a.Number
		n := 0
		for e, err := range replays.List(ctx, tx, scope, store.ListOptions{}) {
			if err != nil {
				return err
			}
			if e.Record.Name == r.Name {
				return api.ResourceAlreadyExistsException("Replay %s already exists.", r.Name)
			}
			if e.Record.active() {
				n++
			}
		}
		if n >= maxReplays {
			return exceeded()
		}
		return s.putReplay(tx, scope, r)
	})
	if err != nil {
		return nil, err
	}
	return &api.StartReplayResponse{ReplayArn: new(replayARN(scope, r.Name)), ReplayStartTime: moment(r.Started), State: &r.State}, nil
}

func (s *Service) cancelReplay(ctx context.Context, in *api.CancelReplayRequest) (*api.CancelReplayResponse, error) {
	scope := scopeOf(ctx)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		r, err := getReplay(ctx, tx, scope, *in.ReplayName)
		if err != nil {
			return err
		}
		if r.State != api.ReplayStateStarting && r.State != api.ReplayStateRunning {
			return api.IllegalStatusException("Replay %s is not in a valid state for this operation.", r.Name)
		}
		r.State = api.ReplayStateCancelling
		return s.putReplay(tx, scope, r)
	})
	if err != nil {
		return nil, err
	}
	return &api.CancelReplayResponse{ReplayArn: new(replayARN(scope, *in.ReplayName)), State: new(api.ReplayStateCancelling)}, nil
}

func (s *Service) describeReplay(ctx context.Context, in *api.DescribeReplayRequest) (*api.DescribeReplayResponse, error) {
	scope := scopeOf(ctx)
	var r replay
	err := s.Store.View(ctx, func(x store.Reader) (err error) {
		r, err = getReplay(ctx, x, scope, *in.ReplayName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeReplayResponse{Description: text(r.Description), Destination: &api.ReplayDestination{Arn: new(busRef{scope, r.Bus}.arn()), FilterArns: r.Rules},
		EventStartTime: moment(r.From), EventEndTime: moment(r.To), EventLastReplayedTime: moment(r.LastTime), EventSourceArn: new(archiveARN(scope, r.Archive)),
		ReplayArn: new(replayARN(scope, r.Name)), ReplayName: &r.Name, ReplayStartTime: moment(r.Started), ReplayEndTime: moment(r.Ended), State: &r.State, StateReason: text(r.Reason)}, nil
}

func (s *Service) listReplays(ctx context.Context, in *api.ListReplaysRequest) (*api.ListReplaysResponse, error) {
	scope := scopeOf(ctx)
	p, err := newPage(in.NamePrefix, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListReplaysResponse{}
	return out, s.Store.View(ctx, func(x store.Reader) error {
		out.Replays = []api.Replay{}
		out.NextToken, err = walk(ctx, x, replays, scope, nil, p, func(name string, r *replay) bool {
			source := archiveARN(scope, r.Archive)
			if in.EventSourceArn != nil && *in.EventSourceArn != source || in.State != nil && *in.State != r.State {
				return false
			}
			out.Replays = append(out.Replays, api.Replay{EventStartTime: moment(r.From), EventEndTime: moment(r.To), EventLastReplayedTime: moment(r.LastTime), EventSourceArn: &source,
				ReplayName: &name, ReplayStartTime: moment(r.Started), ReplayEndTime: moment(r.Ended), State: &r.State, StateReason: text(r.Reason)})
			return true
		})
		return err
	})
}

// runReplays goes on with what is being replayed until ctx ends.
func (s *Service) runReplays(ctx context.Context) {
	signal := replays.WatchAll(ctx, s.Store)
	for ctx.Err() == nil {
		more, err := s.replaySome(ctx)
		if err != nil && ctx.Err() == nil {
			s.Logger.Warn("events: replay; trying again", "error", err)
			again, stop := s.Clock.After(time.Second)
			select {
			case <-again:
			case <-ctx.Done():
			}
			stop()
		}
		if more || err != nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-signal:
		}
	}
}

// replaySome takes a step with every replay that is under way.
func (s *Service) replaySome(ctx context.Context) (more bool, err error) {
	type which struct {
		scope store.Scope
		name  string
	}
	var found []which
	err = s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range replays.All(ctx, r) {
			if err != nil {
				return err
			}
			if e.Record.active() {
				found = append(found, which{e.Scope, e.Record.Name})
			}
		}
		return nil
	})
	for _, w := range found {
		if err == nil {
			err = s.replayStep(ctx, w.scope, w.name)
		}
	}
	return len(found) > 0, err
}

// replayStep sends some events again, and notes how far it came, in one transaction.
func (s *Service) replayStep(ctx context.Context, scope store.Scope, name string) error {
	var flights []*flight
	now := s.Clock.Now().UTC().Round(0)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		flights = nil
		r, err := getReplay(ctx, tx, scope, name)
		if err != nil || !r.active() {
			return err
		}
		end := func(state string) error {
			r.State, r.Ended = state, now
			return s.putReplay(tx, scope, r)
		}
		if r.State == api.ReplayStateCancelling {
			return end(api.ReplayStateCancelled)
		}
		list, err := r.next(ctx, tx, scope)
		if err != nil {
			return err
		}
		if flights, err = s.route(ctx, tx, now, list); err != nil {
			return err
		}
		if len(list) < replayStep {
			return end(api.ReplayStateCompleted)
		}
		r.State = api.ReplayStateRunning
		return s.putReplay(tx, scope, r)
	})
	if err == nil {
		s.launch(flights)
	}
	if api.ResourceNotFoundException("").Is(err) {
		return nil
	}
	return err
}

// next reads the events that come next, in the order of their times.
func (r *replay) next(ctx context.Context, x store.Reader, scope store.Scope) ([]*arrival, error) {
	o := store.ListOptions{Prefix: []any{r.Archive, r.Number}, From: []any{r.Archive, r.Number, r.From.UTC()}, To: []any{r.Archive, r.Number, r.To.UTC()}, Limit: replayStep}
	if r.LastID != "" {
		o.From, o.After = nil, []any{r.Archive, r.Number, r.LastTime.UTC(), r.LastCame.UTC(), r.LastID}
	}
	var out []*arrival
	for e, err := range archived.List(ctx, x, scope, o) {
		if err != nil {
			return nil, err
		}
		r.LastTime, r.LastCame, r.LastID = e.Key.Time(2), e.Key.Time(3), e.Key.String(4)
		ev, err := parseEvent(e.Record)
		if err != nil {
			return nil, err
		}
		ev.ReplayName = r.Name
		a := &arrival{bus: busRef{scope, r.Bus}, ev: *ev, text: ev.text()}
		if len(r.Rules) > 0 {
			a.only = slices.Clone(r.Rules)
		}
		if a.leaf, err = pattern.ParseEvent(string(a.text)); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}
