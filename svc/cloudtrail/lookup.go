package cloudtrail

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"slices"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxScan is how many events one page looks at.
const maxScan = 20_000

// A position is that of the last event looked at, in a token, and what was looked for:
// a token goes on with the same search alone.
type position struct {
	At     time.Time `json:"t"`
	ID     string    `json:"i"`
	Search uint32    `json:"s"`
}

// A search is what LookupEvents is asked for.
type search struct {
	key, value string
	start, end []any // bounds of keys, nil for none
	after      *position
	limit      int
	print      uint32
}

// lookupEvents finds events, the newest first, in the caller's account and region.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
func (s *Service) lookupEvents(ctx context.Context, in *api.LookupEventsRequest) (*api.LookupEventsResponse, error) {
	q, err := readSearch(in)
	if err != nil {
		return nil, err
	}
	out := &api.LookupEventsResponse{Events: []api.Event{}}
	if in.EventCategory != nil {
		return out, nil // Insights are not looked for, so there are none
	}
	if err := s.write(ctx); err != nil { // a full disk can be read
		s.Logger.Warn("the audit log was not written; it will be tried again", "error", err)
	}
	r := aws.RequestOf(ctx)
	sc := store.Scope{Account: r.Account(), Region: r.Region}
	err = s.Store.View(ctx, func(r store.Reader) error {
		out.Events, out.NextToken = out.Events[:0], nil
		looked := 0
		for h, err := range q.candidates(ctx, r, sc) {
			if err != nil {
				return err
			}
			if q.matches(&h.record) {
				out.Events = append(out.Events, answer(&h))
			}
			if looked++; len(out.Events) == q.limit || looked == maxScan {
				out.NextToken = new(aws.Token(position{h.at, h.ID, q.print}))
				return nil
			}
		}
		return nil
	})
	return out, err
}

// readSearch reads what is asked for.
func readSearch(in *api.LookupEventsRequest) (*search, error) {
	q := &search{limit: 50, print: fingerprint(in)}
	if in.MaxResults != nil {
		q.limit = int(*in.MaxResults)
	}
	if in.StartTime != nil {
		q.start = []any{in.StartTime.UTC()}
	}
	if in.EndTime != nil { // answers have whole seconds, so all of the last one is within
		q.end = []any{in.EndTime.UTC().Truncate(time.Second).Add(time.Second)}
	}
	if in.StartTime != nil && in.EndTime != nil && in.EndTime.Before(*in.StartTime) {
		return nil, api.InvalidTimeRangeException("Start time must be before end time.")
	}
	if len(in.LookupAttributes) > 1 {
		return nil, api.InvalidLookupAttributesException("You can provide only one lookup attribute.")
	}
	for _, a := range in.LookupAttributes {
		q.key, q.value = *a.AttributeKey, *a.AttributeValue
		if q.key == "ReadOnly" && q.value != "true" && q.value != "false" {
			return nil, api.InvalidLookupAttributesException("The value of the lookup attribute ReadOnly must be true or false.")
		}
	}
	if in.NextToken != nil {
		q.after = &position{}
		if !aws.ParseToken(*in.NextToken, q.after) || q.after.Search != q.print {
			return nil, api.InvalidNextTokenException("Invalid token.")
		}
	}
	return q, nil
}

// fingerprint tells searches apart, but for their pages.
func fingerprint(in *api.LookupEventsRequest) uint32 {
	text := fmt.Sprintf("%v %v", in.StartTime, in.EndTime)
	for _, a := range in.LookupAttributes {
		text += fmt.Sprintf(" %q %q", aws.Value(a.AttributeKey), aws.Value(a.AttributeValue))
	}
	return crc32.ChecksumIEEE([]byte(text))
}

// A hit is an event that may be looked for.
type hit struct {
	at time.Time
	record
}

// candidates are the events among which those looked for are, the newest first.
func (q *search) candidates(ctx context.Context, r store.Reader, sc store.Scope) iter.Seq2[hit, error] {
	if q.key == "EventId" {
		return q.byID(ctx, r, sc)
	}
	o := store.ListOptions{From: q.start, To: q.end, Reverse: true}
	if q.after != nil {
		o.After = []any{q.after.At, q.after.ID}
	}
	return func(yield func(hit, error) bool) {
		for e, err := range events.List(ctx, r, sc, o) {
			if !yield(hit{e.Key.Time(0), e.Record}, err) {
				return
			}
		}
	}
}

// byID are the event of an id, and those of the request of an id.
func (q *search) byID(ctx context.Context, r store.Reader, sc store.Scope) iter.Seq2[hit, error] {
	within := func(bound []any) []any {
		if bound == nil {
			return nil
		}
		return append([]any{q.value}, bound...)
	}
	o := store.ListOptions{Prefix: []any{q.value}, From: within(q.start), To: within(q.end), Reverse: true}
	if q.after != nil {
		o.After = []any{q.value, q.after.At, q.after.ID}
	}
	return func(yield func(hit, error) bool) {
		for e, err := range byID.List(ctx, r, sc, o) {
			h := hit{at: e.Key.Time(1)}
			if err == nil {
				h.record, err = events.Get(ctx, r, sc, h.at, e.Key.String(2))
			}
			if errors.Is(err, store.ErrNotFound) {
				continue // it expires in this moment
			}
			if !yield(h, err) {
				return
			}
		}
	}
}

// matches reports whether an event has the attribute that is looked for.
func (q *search) matches(r *record) bool {
	switch q.key {
	case "", "EventId":
		return true
	case "EventName":
		return r.Name == q.value
	case "ReadOnly":
		return strconv.FormatBool(r.ReadOnly) == q.value
	case "Username":
		return r.User == q.value
	case "ResourceType":
		return slices.Contains(r.ResourceTypes, q.value)
	case "ResourceName":
		return slices.Contains(r.Resources, q.value) || slices.Contains(r.ARNs, q.value)
	case "EventSource":
		return r.Source == q.value
	case "AccessKeyId":
		return r.Key == q.value
	}
	return false
}

// answer is an event as LookupEvents has it.
func answer(h *hit) api.Event {
	e := api.Event{EventId: &h.ID, EventName: &h.Name, EventSource: &h.Source, EventTime: new(h.at.Truncate(time.Second)),
		ReadOnly: new(strconv.FormatBool(h.ReadOnly)), CloudTrailEvent: new(string(h.Event)), Resources: []api.Resource{}}
	if h.User != "" {
		e.Username = &h.User
	}
	if h.Key != "" {
		e.AccessKeyId = &h.Key
	}
	for i := range h.Resources {
		r := api.Resource{ResourceName: &h.Resources[i]}
		if h.ResourceTypes[i] != "" {
			r.ResourceType = &h.ResourceTypes[i]
		}
		e.Resources = append(e.Resources, r)
	}
	return e
}
