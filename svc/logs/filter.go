package logs

import (
	"context"
	"errors"
	"math"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/logs/pattern"
)

// maxSearch is about how many bytes one call of FilterLogEvents searches.
const maxSearch = 16 << 20

// A search is one call of FilterLogEvents on its way.
type search struct {
	in    *api.FilterLogEventsRequest
	match *pattern.Pattern
	group group
	// streams are the names of those met, or "" for one that is not wanted.
	streams map[uint64]string
	wanted  map[uint64]bool // the streams that the input names; nil means all
	limit   int
	size    int // of the messages found, in bytes
	found   []api.FilteredLogEvent
	next    *place
}

func (s *Service) filterLogEvents(ctx context.Context, in *api.FilterLogEventsRequest) (*api.FilterLogEventsResponse, error) {
	groupName, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if in.LogStreamNames != nil && in.LogStreamNamePrefix != nil {
		return nil, api.InvalidParameterException("LogStreamNames and LogStreamNamePrefix cannot both be specified.")
	}
	match, err := parsePattern(aws.Value(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	sp := span{from: place{At: aws.Value(in.StartTime)}, to: place{At: math.MaxInt64}}
	if in.EndTime != nil && *in.EndTime < math.MaxInt64 {
		sp.to.At = *in.EndTime + 1
	}
	if in.NextToken != nil {
		var p place
		if !aws.ParseToken(*in.NextToken, &p) || p.At < 0 {
			return nil, errBadToken()
		}
		if p.compare(sp.from) > 0 {
			sp.from = p
		}
	}
	q := &search{in: in, match: match, streams: map[uint64]string{}, limit: maxPage, found: []api.FilteredLogEvent{}}
	if in.Limit != nil {
		q.limit = int(*in.Limit)
	}
	err = s.store.View(ctx, func(r store.Reader) error {
		if q.group, err = groupNamed(ctx, r, scopeOf(ctx), groupName); err != nil {
			return err
		}
		if oldest := q.group.since(s.now()); sp.from.At < oldest {
			sp.from = place{At: oldest}
		}
		return q.run(ctx, r, sp)
	})
	if err != nil {
		return nil, err
	}
	out := &api.FilterLogEventsResponse{Events: q.found, SearchedLogStreams: []api.SearchedLogStream{}}
	if q.next != nil {
		out.NextToken = ptr(aws.Token(*q.next))
	}
	return out, nil
}

func (q *search) run(ctx context.Context, r store.Reader, sp span) error {
	if err := q.resolve(ctx, r, &sp); err != nil {
		return err
	}
	start := sp.from
	sp.skip = func(stream uint64) (bool, error) {
		name, err := q.stream(ctx, r, stream)
		return name == "", err
	}
	sp.sift, sp.keep = newSifter(q.match.Needs()), q.match.May
	sp.pause = func(before place, read int) bool {
		// A page that ends where it began would never come to an end.
		if read < maxSearch || before.compare(start) <= 0 {
			return false
		}
		q.next = &before
		return true
	}
	for e, err := range eventsIn(ctx, r, scopeOf(ctx), q.group.ID, sp) {
		if err != nil {
			return err
		}
		if !q.match.Match(e.message) {
			continue
		}
		// There is a next page only if there is something on it, or left to search.
		q.size += len(e.message) + eventOverhead
		if len(q.found) == q.limit || q.size > maxPageBytes && len(q.found) > 0 {
			q.next = &e.place
			return nil
		}
		name := q.streams[e.Stream]
		q.found = append(q.found, api.FilteredLogEvent{EventId: ptr(e.id()), Timestamp: &e.At, IngestionTime: &e.ingested,
			Message: &e.message, LogStreamName: &name})
	}
	return nil
}

// resolve finds the streams that the input names. Of one alone, only its own chunks
// are read.
func (q *search) resolve(ctx context.Context, r store.Reader, sp *span) error {
	if q.in.LogStreamNames == nil {
		return nil
	}
	q.wanted = map[uint64]bool{}
	for _, name := range q.in.LogStreamNames {
		st, err := streams.Get(ctx, r, scopeOf(ctx), q.group.ID, name)
		if errors.Is(err, store.ErrNotFound) {
			return errNoStream()
		}
		if err != nil {
			return err
		}
		q.wanted[st.ID] = true
		sp.stream = st.ID
	}
	sp.only = len(q.wanted) == 1
	return nil
}

// stream is the name of a stream, or "" if it is not wanted or was deleted.
func (q *search) stream(ctx context.Context, r store.Reader, id uint64) (string, error) {
	if q.wanted != nil && !q.wanted[id] {
		return "", nil
	}
	if name, ok := q.streams[id]; ok {
		return name, nil
	}
	b, err := names.Get(ctx, r, scopeOf(ctx), q.group.ID, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	name := string(b)
	if !strings.HasPrefix(name, aws.Value(q.in.LogStreamNamePrefix)) {
		name = ""
	}
	q.streams[id] = name
	return name, nil
}

// parsePattern reads a filter pattern.
func parsePattern(text string) (*pattern.Pattern, error) {
	p, err := pattern.Parse(text)
	if err != nil {
		return nil, api.InvalidParameterException("%s", err)
	}
	return p, nil
}
