package logs

import (
	"cmp"
	"context"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A streamPlace is where a page of streams ended.
type streamPlace struct {
	Name string
	Last int64 `json:",omitempty"` // time of its last event, when ordered by that
}

func (s *Service) describeLogStreams(ctx context.Context, in *api.DescribeLogStreamsRequest) (*api.DescribeLogStreamsResponse, error) {
	name, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byTime := aws.Value(in.OrderBy) == api.OrderByLastEventTime
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, api.InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	var after *streamPlace
	if in.NextToken != nil && !aws.ParseToken(*in.NextToken, &after) {
		return nil, errBadToken()
	}
	limit := pageSize
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &api.DescribeLogStreamsResponse{LogStreams: []api.LogStream{}}
	err = s.store.View(ctx, func(r store.Reader) error {
		g, err := groupNamed(ctx, r, scopeOf(ctx), name)
		if err != nil {
			return err
		}
		list := streamsByName
		if byTime {
			list = streamsByTime
		}
		// One more than a page has says whether there is another.
		found, err := list(ctx, r, g, in, after, limit+1)
		if err != nil {
			return err
		}
		if len(found) > limit {
			found = found[:limit]
			last := streamPlace{Name: found[limit-1].name}
			if byTime {
				last.Last = found[limit-1].last
			}
			out.NextToken = ptr(aws.Token(last))
		}
		for _, f := range found {
			out.LogStreams = append(out.LogStreams, f.describe(ctx, name))
		}
		return nil
	})
	return out, err
}

// A streamFound is a stream with what is in it.
type streamFound struct {
	name string
	stream
	tail
}

func (f *streamFound) describe(ctx context.Context, group string) api.LogStream {
	d := api.LogStream{
		LogStreamName: &f.name, CreationTime: &f.Created, StoredBytes: ptr(int64(0)), UploadSequenceToken: f.token(),
		Arn: ptr(groupResource(ctx, group) + f.name),
	}
	if f.ingested != 0 {
		d.LastIngestionTime = &f.ingested
	}
	if f.bytes != 0 {
		d.FirstEventTimestamp, d.LastEventTimestamp = &f.first, &f.last
	}
	return d
}

func streamsByName(ctx context.Context, r store.Reader, g group, in *api.DescribeLogStreamsRequest, after *streamPlace, limit int) ([]streamFound, error) {
	sc, prefix := scopeOf(ctx), aws.Value(in.LogStreamNamePrefix)
	o := store.ListOptions{Prefix: []any{g.ID}, Reverse: aws.Value(in.Descending)}
	if prefix != "" {
		o.From = []any{g.ID, prefix}
		if o.Reverse {
			// No name has a code point behind the last.
			o.To = []any{g.ID, prefix + "\U0010ffff\U0010ffff"}
		}
	}
	if after != nil {
		o.After = []any{g.ID, after.Name}
	}
	var found []streamFound
	for e, err := range streams.List(ctx, r, sc, o) {
		if err != nil {
			return nil, err
		}
		name := e.Key.String(1)
		if !strings.HasPrefix(name, prefix) {
			if o.Reverse {
				continue
			}
			break
		}
		t, err := tailOf(ctx, r, sc, g.ID, e.Record.ID)
		if err != nil {
			return nil, err
		}
		if found = append(found, streamFound{name, e.Record, t}); len(found) == limit {
			break
		}
	}
	return found, nil
}

// streamsByTime looks at every stream of the group, and keeps the first few.
func streamsByTime(ctx context.Context, r store.Reader, g group, in *api.DescribeLogStreamsRequest, after *streamPlace, limit int) ([]streamFound, error) {
	sc := scopeOf(ctx)
	order := func(a, b streamFound) int {
		c := cmp.Or(cmp.Compare(a.last, b.last), strings.Compare(a.name, b.name))
		if aws.Value(in.Descending) {
			return -c
		}
		return c
	}
	var found []streamFound
	for e, err := range streams.List(ctx, r, sc, store.ListOptions{Prefix: []any{g.ID}}) {
		if err != nil {
			return nil, err
		}
		t, err := tailOf(ctx, r, sc, g.ID, e.Record.ID)
		if err != nil {
			return nil, err
		}
		f := streamFound{e.Key.String(1), e.Record, t}
		if after != nil && order(f, streamFound{name: after.Name, tail: tail{last: after.Last}}) <= 0 {
			continue
		}
		if found = append(found, f); len(found) == 4*limit {
			slices.SortFunc(found, order)
			found = found[:limit]
		}
	}
	slices.SortFunc(found, order)
	return found[:min(limit, len(found))], nil
}
