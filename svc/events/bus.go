package events

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// defaultBus is the bus that every account has in every region.
const defaultBus = "default"

// maxBuses is how many a region of an account may have.
const maxBuses = 100

// bus is what is kept of one.
type bus struct {
	Name        string
	Description string                `json:",omitempty"`
	KMSKey      string                `json:",omitempty"`
	Source      string                `json:",omitempty"` // the partner's, if its events come here
	Statements  []statement           `json:",omitempty"` // of its policy
	DeadLetter  *api.DeadLetterConfig `json:",omitempty"`
	Log         *api.LogConfig        `json:",omitempty"`
	Tags        map[string]string     `json:",omitempty"`
	Created     time.Time
	Modified    time.Time
}

// busRef is which bus.
type busRef struct {
	scope store.Scope
	name  string
}

func (b busRef) arn() string {
	return aws.NewARN("events", b.scope.Region, b.scope.Account, "event-bus/"+b.name).String()
}

// ruleARN is the ARN of one of the bus's rules.
func (b busRef) ruleARN(name string) string {
	if b.name != defaultBus {
		name = b.name + "/" + name
	}
	return aws.NewARN("events", b.scope.Region, b.scope.Account, "rule/"+name).String()
}

// refBus is the bus that a parameter names, by its name or its ARN; the default one if it
// names none.
func refBus(ctx context.Context, name *string) busRef {
	text := aws.Value(name)
	if text == "" {
		text = defaultBus
	}
	if ref, ok := parseBus(text); ok {
		return ref
	}
	return busRef{scopeOf(ctx), text}
}

// parseBus reads a bus's ARN.
func parseBus(arn string) (busRef, bool) {
	a, ok := aws.ParseARN(arn)
	name, isBus := strings.CutPrefix(a.Resource, "event-bus/")
	return busRef{store.Scope{Account: a.Account, Region: a.Region}, name}, ok && isBus && a.Service == "events" && name != ""
}

func noBus(name string) error {
	return api.ResourceNotFoundException("Event bus %s does not exist.", name)
}

// getBus reads a bus. The default one is there even if nobody ever changed it.
func getBus(ctx context.Context, r store.Reader, at busRef) (bus, error) {
	b, err := buses.Get(ctx, r, at.scope, at.name)
	if !errors.Is(err, store.ErrNotFound) {
		return b, err
	}
	if at.name == defaultBus {
		return bus{Name: defaultBus}, nil
	}
	return b, noBus(at.name)
}

func (s *Service) createEventBus(ctx context.Context, in *api.CreateEventBusRequest) (*api.CreateEventBusResponse, error) {
	at := busRef{scopeOf(ctx), *in.Name}
	source := aws.Value(in.EventSourceName)
	switch {
	case source != "" && source != at.name:
		return nil, invalid("Event bus name and event source name must match.")
	case source == "" && strings.Contains(at.name, "/"):
		return nil, invalid("Event bus name must not contain '/'.")
	}
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	now := s.Clock.Now()
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := buses.Has(ctx, tx, at.scope, at.name)
		if err != nil {
			return err
		}
		if has || at.name == defaultBus {
			return api.ResourceAlreadyExistsException("Event bus %s already exists.", at.name)
		}
		n := 0
		for _, err := range buses.List(ctx, tx, at.scope, store.ListOptions{Limit: maxBuses + 1}) {
			if err != nil {
				return err
			}
			n++
		}
		if n > maxBuses { // the default one does not count
			return exceeded()
		}
		if source != "" {
			if err := s.setSourceState(ctx, tx, at.scope, source, api.EventSourceStateActive); err != nil {
				return err
			}
		}
		if has, err := buses.Has(ctx, tx, at.scope, defaultBus); err != nil {
			return err
		} else if !has { // from now on it is listed like the others
			if err := buses.Put(tx, at.scope, bus{Name: defaultBus, Created: now, Modified: now}, defaultBus); err != nil {
				return err
			}
		}
		return buses.Put(tx, at.scope, bus{Name: at.name, Description: aws.Value(in.Description), KMSKey: aws.Value(in.KmsKeyIdentifier), Source: source,
			DeadLetter: in.DeadLetterConfig, Log: in.LogConfig, Tags: tags, Created: now, Modified: now}, at.name)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateEventBusResponse{EventBusArn: new(at.arn()), Description: in.Description, KmsKeyIdentifier: in.KmsKeyIdentifier,
		DeadLetterConfig: in.DeadLetterConfig, LogConfig: in.LogConfig}, nil
}

func (s *Service) updateEventBus(ctx context.Context, in *api.UpdateEventBusRequest) (*api.UpdateEventBusResponse, error) {
	at := refBus(ctx, in.Name)
	out := &api.UpdateEventBusResponse{Arn: new(at.arn()), Name: &at.name}
	return out, s.changeBus(ctx, at, func(b *bus) error {
		// A customer's key and a dead-letter queue go together; what is not given is taken away.
		b.KMSKey, b.Description = aws.Value(in.KmsKeyIdentifier), aws.Value(in.Description)
		b.DeadLetter, b.Log = in.DeadLetterConfig, in.LogConfig
		out.KmsKeyIdentifier, out.Description, out.DeadLetterConfig, out.LogConfig = in.KmsKeyIdentifier, in.Description, in.DeadLetterConfig, in.LogConfig
		return nil
	})
}

// changeBus rewrites what is kept of a bus.
func (s *Service) changeBus(ctx context.Context, at busRef, edit func(*bus) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		b, err := getBus(ctx, tx, at)
		if err != nil {
			return err
		}
		if err := edit(&b); err != nil {
			return err
		}
		if b.Modified = s.Clock.Now(); b.Created.IsZero() {
			b.Created = b.Modified
		}
		return buses.Put(tx, at.scope, b, at.name)
	})
}

func (s *Service) deleteEventBus(ctx context.Context, in *api.DeleteEventBusRequest) (*aws.Empty, error) {
	at := refBus(ctx, in.Name)
	if at.name == defaultBus {
		return nil, invalid("Cannot delete event bus default.")
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		b, err := buses.Get(ctx, tx, at.scope, at.name)
		if errors.Is(err, store.ErrNotFound) {
			return noBus(at.name)
		}
		if err != nil {
			return err
		}
		for _, err := range rules.List(ctx, tx, at.scope, store.ListOptions{Prefix: []any{at.name}, Limit: 1}) {
			if err != nil {
				return err
			}
			return invalid("Event bus %s can't be deleted since it has rules.", at.name)
		}
		if b.Source != "" {
			if err := s.setSourceState(ctx, tx, at.scope, b.Source, api.EventSourceStatePending); err != nil {
				return err
			}
		}
		if err := changed(ctx, tx, at, change{All: true}); err != nil {
			return err
		}
		return buses.Delete(tx, at.scope, at.name)
	})
}

func (s *Service) describeEventBus(ctx context.Context, in *api.DescribeEventBusRequest) (*api.DescribeEventBusResponse, error) {
	at := refBus(ctx, in.Name)
	var b bus
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		b, err = getBus(ctx, r, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeEventBusResponse{Arn: new(at.arn()), Name: &b.Name, Description: text(b.Description), KmsKeyIdentifier: text(b.KMSKey), Policy: text(b.policy()),
		DeadLetterConfig: b.DeadLetter, LogConfig: b.Log, CreationTime: moment(b.Created), LastModifiedTime: moment(b.Modified)}, nil
}

// moment is a time as answers show it, to the second; nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.Truncate(time.Second))
}

func (s *Service) listEventBuses(ctx context.Context, in *api.ListEventBusesRequest) (*api.ListEventBusesResponse, error) {
	p, err := newPage(in.NamePrefix, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	scope := scopeOf(ctx)
	out := &api.ListEventBusesResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.EventBuses = []api.EventBus{}
		show := func(b *bus) {
			out.EventBuses = append(out.EventBuses, api.EventBus{Arn: new(busRef{scope, b.Name}.arn()), Name: &b.Name, Description: text(b.Description), Policy: text(b.policy()),
				CreationTime: moment(b.Created), LastModifiedTime: moment(b.Modified)})
		}
		has, err := buses.Has(ctx, r, scope, defaultBus)
		if err != nil {
			return err
		}
		if !has { // then there is no other either
			if strings.HasPrefix(defaultBus, p.prefix) {
				show(&bus{Name: defaultBus})
			}
			return nil
		}
		out.NextToken, err = walk(ctx, r, buses, scope, nil, p, func(_ string, b *bus) bool {
			show(b)
			return true
		})
		return err
	})
}
