package logs

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	// maxPage is the most events and maxPageBytes the most bytes of messages in an
	// answer. An event that alone is larger is an answer of its own.
	maxPage, maxPageBytes = 10000, 1 << 20
	forwards, backwards   = "f", "b"
)

// streamToken is a token of GetLogEvents: "f/" and what lies at p or behind it, or
// "b/" and what lies before p.
func streamToken(direction string, p place) *string {
	return ptr(fmt.Sprintf("%s/3%019d%036d/s", direction, p.At, p.Seq))
}

func parseStreamToken(token string) (direction string, p place, ok bool) {
	direction, rest, _ := strings.Cut(token, "/")
	digits, isToken := strings.CutSuffix(rest, "/s")
	if !isToken || direction != forwards && direction != backwards || len(digits) != 56 || digits[0] != '3' {
		return "", p, false
	}
	at, err := strconv.ParseInt(digits[1:20], 10, 64)
	if err != nil || at < 0 {
		return "", p, false
	}
	seq, err := strconv.ParseUint(digits[20:], 10, 64)
	return direction, place{At: at, Seq: seq}, err == nil
}

func (s *Service) getLogEvents(ctx context.Context, in *api.GetLogEventsRequest) (*api.GetLogEventsResponse, error) {
	groupName, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	sp := span{only: true, reverse: !aws.Value(in.StartFromHead), from: place{At: aws.Value(in.StartTime)}, to: place{At: math.MaxInt64}}
	if in.EndTime != nil {
		sp.to = place{At: *in.EndTime}
	}
	var given *place
	if in.NextToken != nil {
		direction, p, ok := parseStreamToken(*in.NextToken)
		if !ok {
			return nil, errBadToken()
		}
		given, sp.reverse = &p, direction == backwards
	}
	var found []event
	err = s.store.View(ctx, func(r store.Reader) error {
		g, st, err := streamNamed(ctx, r, scopeOf(ctx), groupName, *in.LogStreamName)
		if err != nil {
			return err
		}
		sp.from.At = max(sp.from.At, g.since(s.now()))
		sp.stream = st.ID
		sp.narrow(given)
		found, err = page(ctx, r, g.ID, sp, in.Limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &api.GetLogEventsResponse{Events: make([]api.OutputLogEvent, len(found))}
	for i := range found {
		out.Events[i] = api.OutputLogEvent{Timestamp: &found[i].At, IngestionTime: &found[i].ingested, Message: &found[i].message}
	}
	// Between two events there is one place, so whoever goes back and forth sees
	// each once; at an end the place stays, and with it the token.
	before, behind := sp.from, sp.from
	if given != nil {
		before, behind = *given, *given
	}
	if n := len(found); n > 0 {
		before, behind = found[0].place, found[n-1].place
		behind.Seq++
	}
	out.NextBackwardToken, out.NextForwardToken = streamToken(backwards, before), streamToken(forwards, behind)
	return out, nil
}

// narrow sets the bounds of a span of one stream, which come in without the stream,
// by the token given, if any.
func (sp *span) narrow(given *place) {
	if given != nil && sp.reverse && given.compare(sp.to) < 0 {
		sp.to = *given
	}
	if given != nil && !sp.reverse && given.compare(sp.from) > 0 {
		sp.from = *given
	}
	for _, p := range []*place{&sp.from, &sp.to} {
		// The start of a time is before its every stream.
		if p.Seq != 0 {
			p.Stream = sp.stream
		}
	}
}

// page is a page of a span, in the order of time.
func page(ctx context.Context, r store.Reader, group uint64, sp span, limit *int32) ([]event, error) {
	most, size := maxPage, 0
	if limit != nil {
		most = int(*limit)
	}
	var found []event
	for e, err := range eventsIn(ctx, r, scopeOf(ctx), group, sp) {
		if err != nil {
			return nil, err
		}
		if size += len(e.message) + eventOverhead; size > maxPageBytes && len(found) > 0 {
			break
		}
		if found = append(found, *e); len(found) == most {
			break
		}
	}
	if sp.reverse {
		slices.Reverse(found)
	}
	return found, nil
}
