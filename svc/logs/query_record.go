package logs

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/logs/insights"
)

// A pointer is what @ptr says: where an event is.
type pointer struct {
	Group groupID
	Place place
}

func errBadPointer() error {
	return api.InvalidParameterException("The specified log record pointer is not valid.")
}

func (s *Service) getLogRecord(ctx context.Context, in *api.GetLogRecordRequest) (*api.GetLogRecordResponse, error) {
	var p pointer
	if !aws.ParseToken(*in.LogRecordPointer, &p) || p.Group.Name == "" || p.Place.At < 0 {
		return nil, errBadPointer()
	}
	sc := scopeOf(ctx)
	out := &api.GetLogRecordResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		g, err := groupNamed(ctx, r, sc, p.Group.Name)
		if err != nil {
			return err
		}
		end := p.Place
		end.Seq++
		name, err := names.Get(ctx, r, sc, g.ID, p.Place.Stream)
		if g.ID != p.Group.ID || errors.Is(err, store.ErrNotFound) {
			return api.ResourceNotFoundException("The specified log record does not exist.")
		}
		if err != nil {
			return err
		}
		for e, err := range eventsIn(ctx, r, sc, g.ID, span{only: true, stream: p.Place.Stream, from: p.Place, to: end}) {
			if err != nil {
				return err
			}
			if e.At < g.since(s.now()) {
				break
			}
			rec := recordOf(sc, p.Group.Name, string(name), e)
			rec.Pointer = func() string { return *in.LogRecordPointer }
			out.LogRecord = rec.Fields()
			return nil
		}
		return api.ResourceNotFoundException("The specified log record does not exist.")
	})
}

func recordOf(sc store.Scope, group, stream string, e *event) *insights.Record {
	return &insights.Record{Timestamp: e.At, Ingested: e.ingested, Message: e.message, Stream: stream, Log: sc.Account + ":" + group,
		Lambda: strings.HasPrefix(group, "/aws/lambda/")}
}

const (
	// fieldsAround is how far from a time events are looked at for their fields, in
	// milliseconds, and fieldsSample how many.
	fieldsAround = 8 * 60 * 1000
	fieldsSample = 1000
)

func (s *Service) getLogGroupFields(ctx context.Context, in *api.GetLogGroupFieldsRequest) (*api.GetLogGroupFieldsResponse, error) {
	groupName, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	sc := scopeOf(ctx)
	from, to := s.now()-2*fieldsAround, int64(math.MaxInt64)
	if in.Time != nil {
		from, to = millis(*in.Time)-fieldsAround, millis(*in.Time)+fieldsAround
	}
	counts, total := map[string]int{}, 0
	err = s.store.View(ctx, func(r store.Reader) error {
		g, err := groupNamed(ctx, r, sc, groupName)
		if err != nil {
			return err
		}
		sp := span{reverse: true, from: place{At: max(from, g.since(s.now()))}, to: place{At: to}}
		for e, err := range eventsIn(ctx, r, sc, g.ID, sp) {
			if err != nil {
				return err
			}
			if total++; total > fieldsSample {
				total = fieldsSample
				break
			}
			for name := range recordOf(sc, groupName, "-", e).Fields() {
				counts[name]++
			}
		}
		return nil
	})
	out := &api.GetLogGroupFieldsResponse{LogGroupFields: []api.LogGroupField{}}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out.LogGroupFields = append(out.LogGroupFields, api.LogGroupField{Name: &name, Percent: ptr(int32(counts[name] * 100 / total))})
	}
	return out, err
}
