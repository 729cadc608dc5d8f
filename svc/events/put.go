package events

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/events/pattern"
)

// maxEntries is how many bytes the entries of one PutEvents may have together.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const maxEntries = 1 << 20

// entrySize is how AWS counts an entry.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
func entrySize(e *api.PutEventsRequestEntry) int {
	n := len(aws.Value(e.Source)) + len(aws.Value(e.DetailType)) + len(aws.Value(e.Detail))
	if e.Time != nil {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// An arrival is an event on its way to a bus.
type arrival struct {
	bus  busRef
	ev   event
	text []byte
	leaf *pattern.Event
	// hops are the buses that it came by, the first first.
	hops []string
	// only, if not nil, are the ARNs of the rules that may match it; a replay's.
	only []string
}

func (s *Service) putEvents(ctx context.Context, in *api.PutEventsRequest) (*api.PutEventsResponse, error) {
	began, size := s.Clock.Now(), 0
	for i := range in.Entries {
		size += entrySize(&in.Entries[i])
	}
	if size > maxEntries {
		return nil, invalid("Total size of the entries in the request is over the limit.")
	}
	first := defaultBus
	if in.EndpointId != nil {
		at, err := s.endpointBus(ctx, *in.EndpointId)
		if err != nil {
			return nil, err
		}
		first = at
	}
	out := &api.PutEventsResponse{Entries: make([]api.PutEventsResultEntry, len(in.Entries)), FailedEntryCount: new(int32(0))}
	var list []*arrival
	for i := range in.Entries {
		a, refusal := s.arrive(ctx, &in.Entries[i], first)
		if refusal != nil {
			out.Entries[i] = *refusal
			*out.FailedEntryCount++
			continue
		}
		out.Entries[i].EventId = &a.ev.ID
		list = append(list, a)
	}
	if err := s.accept(ctx, list); err != nil {
		return nil, err
	}
	s.measurePut(ctx, began, size, len(in.Entries), int(*out.FailedEntryCount))
	return out, nil
}

func refused(code, message string) *api.PutEventsResultEntry {
	return &api.PutEventsResultEntry{ErrorCode: &code, ErrorMessage: &message}
}

// arrive makes an event of an entry, or says why it is none.
func (s *Service) arrive(ctx context.Context, in *api.PutEventsRequestEntry, first string) (*arrival, *api.PutEventsResultEntry) {
	req := aws.RequestOf(ctx)
	for _, need := range []struct {
		name  string
		value *string
	}{{"Source", in.Source}, {"DetailType", in.DetailType}, {"Detail", in.Detail}} {
		if aws.Value(need.value) == "" {
			return nil, refused("InvalidArgument", "Parameter "+need.name+" is not valid. Reason: "+need.name+" is a required argument.")
		}
	}
	if strings.HasPrefix(*in.Source, "aws.") && req.Caller.Kind != aws.ServiceSelf {
		return nil, refused("NotAuthorizedForSourceException", "Not authorized for the source.")
	}
	detail, ok := compactObject(*in.Detail)
	if !ok {
		return nil, refused("MalformedDetail", "Detail is malformed.")
	}
	at := refBus(ctx, &first)
	if in.EventBusName != nil {
		at = refBus(ctx, in.EventBusName)
	}
	when := s.Clock.Now()
	if in.Time != nil {
		when = *in.Time
	}
	a := &arrival{bus: at, ev: event{ID: aws.RandomUUID(s.Random), DetailType: *in.DetailType, Source: *in.Source, Account: req.Account(), Time: when.UTC().Format(eventTime),
		Region: req.Region, Resources: in.Resources, Detail: detail}}
	return a, nil
}

// accept stores events beside where they go, in one transaction, and starts the deliveries.
func (s *Service) accept(ctx context.Context, list []*arrival) error {
	if len(list) == 0 {
		return nil
	}
	for _, a := range list {
		var err error
		a.text = a.ev.text()
		if a.leaf, err = pattern.ParseEvent(string(a.text)); err != nil {
			return err
		}
	}
	var flights []*flight
	now := s.Clock.Now().UTC().Round(0) // without what only this process understands: it is part of a key
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		flights, err = s.route(ctx, tx, now, list)
		return err
	})
	if err != nil {
		return err
	}
	s.launch(flights)
	return nil
}

// launch measures and starts what route made, once it is in the store.
func (s *Service) launch(flights []*flight) {
	for _, f := range flights {
		s.measureMatch(f)
		if len(f.targets) > 0 {
			s.deliveries.add(f)
		}
	}
}

// route stores each event for the targets of the rules that it matches, and in archives.
func (s *Service) route(ctx context.Context, tx store.Tx, now time.Time, list []*arrival) ([]*flight, error) {
	var flights []*flight
	for _, a := range list {
		if has, err := buses.Has(ctx, tx, a.bus.scope, a.bus.name); err != nil {
			return nil, err
		} else if !has && a.bus.name != defaultBus {
			continue // an event for a bus that is not there is taken, and lost, as on AWS
		}
		v, err := s.view(ctx, tx, a.bus)
		if err != nil {
			return nil, err
		}
		f, err := s.match(tx, v, a, now)
		v.mu.RUnlock()
		if err != nil {
			return nil, err
		}
		flights = append(flights, f)
	}
	return flights, nil
}

// match finds where one event goes, and writes that down.
func (s *Service) match(tx store.Tx, v *view, a *arrival, now time.Time) (*flight, error) {
	f := &flight{key: flightKey{a.bus.scope, now, a.ev.ID}, bus: a.bus.name, event: a.text, hops: a.hops}
	names := v.index.Match(a.leaf)
	slices.Sort(names)
	for _, marked := range names {
		name, isRule := strings.CutPrefix(marked, ruleMark)
		if !isRule {
			if err := s.keep(tx, v.archives[marked[len(archiveMark):]], a); err != nil {
				return nil, err
			}
			continue
		}
		r := v.rules[name]
		if !r.takes(&a.ev) || a.only != nil && !slices.Contains(a.only, a.bus.ruleARN(name)) {
			continue
		}
		f.add(r)
	}
	for name := range v.every {
		if err := s.keep(tx, v.archives[name], a); err != nil {
			return nil, err
		}
	}
	if len(f.targets) == 0 {
		return f, nil
	}
	return f, waiting.Put(tx, f.key.scope, f.record(), f.key.at, f.key.id)
}

// takes reports whether the rule's state lets the event in: calls that only read are for
// rules that ask for them.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
func (r *ruleView) takes(e *event) bool {
	if r.State == api.RuleStateEnabledWithAllCloudtrailManagementEvents || e.DetailType != "AWS API Call via CloudTrail" {
		return true
	}
	var call struct {
		EventName string `json:"eventName"`
	}
	if err := json.Unmarshal(e.Detail, &call); err != nil {
		return true
	}
	return !strings.HasPrefix(call.EventName, "Get") && !strings.HasPrefix(call.EventName, "List") && !strings.HasPrefix(call.EventName, "Describe")
}

func (s *Service) putPartnerEvents(ctx context.Context, in *api.PutPartnerEventsRequest) (*api.PutPartnerEventsResponse, error) {
	out := &api.PutPartnerEventsResponse{Entries: make([]api.PutPartnerEventsResultEntry, len(in.Entries)), FailedEntryCount: new(int32(0))}
	var list []*arrival
	for i := range in.Entries {
		e := &in.Entries[i]
		found, refusal := s.arrivePartner(ctx, e)
		if refusal != nil {
			out.Entries[i] = api.PutPartnerEventsResultEntry{ErrorCode: refusal.ErrorCode, ErrorMessage: refusal.ErrorMessage}
			*out.FailedEntryCount++
			continue
		}
		if len(found) > 0 {
			out.Entries[i].EventId = &found[0].ev.ID
		} else {
			out.Entries[i].EventId = new(aws.RandomUUID(s.Random))
		}
		list = append(list, found...)
	}
	return out, s.accept(ctx, list)
}

// arrivePartner makes an event for each bus that a partner's source is bound to.
func (s *Service) arrivePartner(ctx context.Context, in *api.PutPartnerEventsRequestEntry) ([]*arrival, *api.PutEventsResultEntry) {
	as := &api.PutEventsRequestEntry{Source: new("x"), DetailType: in.DetailType, Detail: in.Detail, Resources: in.Resources, Time: in.Time}
	if in.Source == nil {
		as.Source = nil
	}
	one, refusal := s.arrive(ctx, as, defaultBus)
	if refusal != nil {
		return nil, refusal
	}
	one.ev.Source = *in.Source
	accounts, err := s.offered(ctx, *in.Source)
	if err != nil {
		return nil, refused("InternalFailure", "The request processing has failed because of an unknown error, exception or failure.")
	}
	if len(accounts) == 0 {
		return nil, refused("ResourceNotFoundException", "Event source "+*in.Source+" does not exist.")
	}
	var out []*arrival
	for _, account := range accounts {
		a := *one
		a.bus = busRef{store.Scope{Account: account, Region: aws.RequestOf(ctx).Region}, *in.Source}
		a.ev.Account = account
		out = append(out, &a)
	}
	return out, nil
}
