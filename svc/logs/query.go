package logs

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/logs/insights"
)

// A query is the record of a query, under its id. It and its results are gone after
// queryLasts.
type query struct {
	Groups   []groupID
	Text     string
	From, To int64 // milliseconds, both included
	Limit    int
	Status   string
	Created  int64 // milliseconds
	Took     int64 `json:",omitempty"` // milliseconds
	By       string
	// What it has read.
	Scanned, Matched int64   `json:",omitempty"`
	Bytes            float64 `json:",omitempty"`
	Rows             int     `json:",omitempty"`
}

// A groupID is a group that a query is about: one that has its name later is another.
type groupID struct {
	Name string
	ID   uint64
}

const (
	queryLasts = 7 * 24 * time.Hour
	// queryTime is how long a query may take, and maxQueries how many an account may have
	// at once.
	queryTime  = time.Hour
	maxQueries = 30
	// maxQueryGroups is how many groups a query may name.
	maxQueryGroups = 50
	// rowsStored is how many rows of a result make a record.
	rowsStored = 500
)

// groupsQueried are the names of the groups that a query is about.
func groupsQueried(ctx context.Context, in *api.StartQueryRequest) ([]string, error) {
	given := 0
	names := in.LogGroupNames
	if in.LogGroupName != nil {
		given++
		names = []string{*in.LogGroupName}
	}
	if in.LogGroupNames != nil {
		given++
	}
	if in.LogGroupIdentifiers != nil {
		given++
		names = nil
		for _, id := range in.LogGroupIdentifiers {
			name, err := groupIdentified(ctx, id)
			if err != nil {
				return nil, err
			}
			names = append(names, name)
		}
	}
	if given != 1 || len(names) == 0 || len(names) > maxQueryGroups {
		return nil, api.InvalidParameterException("Exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be specified, with at most %d log groups.", maxQueryGroups)
	}
	return names, nil
}

// millis is a time of a query, which clients give in seconds or milliseconds.
func millis(t int64) int64 {
	if t < 1e11 {
		return t * 1000
	}
	return t
}

func (s *Service) startQuery(ctx context.Context, in *api.StartQueryRequest) (*api.StartQueryResponse, error) {
	if l := aws.Value(in.QueryLanguage); l != "" && l != api.QueryLanguageCwli {
		return nil, aws.Errorf(501, "NotImplemented", "Queries in %s are not available in this version of Tule.", l)
	}
	sc := scopeOf(ctx)
	names, err := groupsQueried(ctx, in)
	if err != nil {
		return nil, err
	}
	if _, err := insights.Parse(*in.QueryString, s.clock.Now()); err != nil {
		return nil, api.MalformedQueryException("%s", err)
	}
	q := query{Text: *in.QueryString, From: millis(*in.StartTime), To: millis(*in.EndTime), Limit: int(aws.Value(in.Limit)),
		Status: api.QueryStatusRunning, Created: s.now(), By: aws.RequestOf(ctx).Caller.ARN}
	if *in.EndTime < 1e11 {
		q.To += 999 // to the end of that second
	}
	if q.From > q.To {
		return nil, api.InvalidParameterException("End time should not be less than start time.")
	}
	id := aws.RandomUUID(s.random)
	err = s.store.Update(ctx, func(tx store.Tx) error {
		q.Groups = nil
		for _, name := range names {
			g, err := groupNamed(ctx, tx, sc, name)
			if err != nil {
				return err
			}
			q.Groups = append(q.Groups, groupID{name, g.ID})
		}
		n := 0
		for _, err := range jobs.List(ctx, tx, sc, store.ListOptions{Prefix: []any{queryJob}}) {
			if n++; err != nil {
				return err
			}
		}
		if n >= maxQueries {
			return api.LimitExceededException("Account maximum query concurrency limit of [%d] reached.", maxQueries)
		}
		return errors.Join(s.putQuery(tx, sc, id, &q), jobs.Put(tx, sc, nil, queryJob, id))
	})
	if err != nil {
		return nil, err
	}
	s.workshop.wake()
	return &api.StartQueryResponse{QueryId: &id}, nil
}

func (s *Service) putQuery(tx store.Tx, sc store.Scope, id string, q *query) error {
	return queries.PutExpiring(tx, sc, *q, time.UnixMilli(q.Created).Add(queryLasts), id)
}

// queryNamed reads a query.
func queryNamed(ctx context.Context, r store.Reader, sc store.Scope, id string) (query, error) {
	q, err := queries.Get(ctx, r, sc, id)
	if errors.Is(err, store.ErrNotFound) {
		err = api.ResourceNotFoundException("Query %s does not exist.", id)
	}
	return q, err
}

func (s *Service) stopQuery(ctx context.Context, in *api.StopQueryRequest) (*api.StopQueryResponse, error) {
	sc, id := scopeOf(ctx), *in.QueryId
	err := s.store.Update(ctx, func(tx store.Tx) error {
		q, err := queryNamed(ctx, tx, sc, id)
		if err != nil {
			return err
		}
		if q.Status != api.QueryStatusRunning {
			return api.InvalidParameterException("Provided query ID %s is not running, so it cannot be stopped.", id)
		}
		q.Status, q.Took = api.QueryStatusCancelled, s.now()-q.Created
		return errors.Join(s.putQuery(tx, sc, id, &q), jobs.Delete(tx, sc, queryJob, id))
	})
	if err != nil {
		return nil, err
	}
	s.workshop.stop(job{sc, queryJob, id})
	return &api.StopQueryResponse{Success: ptr(true)}, nil
}

func (s *Service) getQueryResults(ctx context.Context, in *api.GetQueryResultsRequest) (*api.GetQueryResultsResponse, error) {
	sc, id := scopeOf(ctx), *in.QueryId
	from, most := uint64(0), maxPage
	if in.NextToken != nil && !aws.ParseToken(*in.NextToken, &from) {
		return nil, errBadToken()
	}
	if in.MaxItems != nil && *in.MaxItems > 0 {
		most = int(*in.MaxItems)
	}
	out := &api.GetQueryResultsResponse{Results: [][]api.ResultField{}, QueryLanguage: ptr(api.QueryLanguageCwli)}
	return out, s.store.View(ctx, func(r store.Reader) error {
		q, err := queryNamed(ctx, r, sc, id)
		if err != nil {
			return err
		}
		out.Status, out.Statistics = &q.Status, &api.QueryStatistics{RecordsMatched: ptr(float64(q.Matched)), RecordsScanned: ptr(float64(q.Scanned)),
			BytesScanned: &q.Bytes, LogGroupsScanned: ptr(float64(len(q.Groups))), EstimatedBytesSkipped: ptr(0.0), EstimatedRecordsSkipped: ptr(0.0)}
		for e, err := range results.List(ctx, r, sc, store.ListOptions{Prefix: []any{id}, From: []any{id, from / rowsStored}}) {
			if err != nil {
				return err
			}
			for i, row := range e.Record {
				if n := e.Key.Uint(1)*rowsStored + uint64(i); n < from {
					continue
				} else if len(out.Results) == most {
					out.NextToken = ptr(aws.Token(n))
					return nil
				}
				fields := make([]api.ResultField, len(row))
				for i := range row {
					fields[i] = api.ResultField{Field: &row[i].Name, Value: &row[i].Value}
				}
				out.Results = append(out.Results, fields)
			}
		}
		return nil
	})
}

func (s *Service) describeQueries(ctx context.Context, in *api.DescribeQueriesRequest) (*api.DescribeQueriesResponse, error) {
	after := 0
	if in.NextToken != nil && !aws.ParseToken(*in.NextToken, &after) {
		return nil, errBadToken()
	}
	out := &api.DescribeQueriesResponse{Queries: []api.QueryInfo{}}
	if l := in.QueryLanguage; l != nil && *l != api.QueryLanguageCwli {
		return out, nil
	}
	err := s.store.View(ctx, func(r store.Reader) error {
		for e, err := range queries.List(ctx, r, scopeOf(ctx), store.ListOptions{}) {
			if err != nil {
				return err
			}
			q := e.Record
			if in.Status != nil && *in.Status != q.Status ||
				in.LogGroupName != nil && !slices.ContainsFunc(q.Groups, func(g groupID) bool { return g.Name == *in.LogGroupName }) {
				continue
			}
			out.Queries = append(out.Queries, api.QueryInfo{QueryId: ptr(e.Key.String(0)), QueryString: &q.Text, Status: &q.Status, CreateTime: &q.Created,
				LogGroupName: &q.Groups[0].Name, QueryLanguage: ptr(api.QueryLanguageCwli), QueryDuration: &q.Took, BytesScanned: &q.Bytes, UserIdentity: &q.By})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// The newest first.
	slices.SortStableFunc(out.Queries, func(a, b api.QueryInfo) int { return int(min(max(*b.CreateTime-*a.CreateTime, -1), 1)) })
	out.Queries = out.Queries[min(max(after, 0), len(out.Queries)):]
	most := 1000
	if in.MaxResults != nil {
		most = int(*in.MaxResults)
	}
	if len(out.Queries) > most {
		out.Queries, out.NextToken = out.Queries[:most], ptr(aws.Token(after+most))
	}
	return out, nil
}

func (s *Service) listLogGroupsForQuery(ctx context.Context, in *api.ListLogGroupsForQueryRequest) (*api.ListLogGroupsForQueryResponse, error) {
	out := &api.ListLogGroupsForQueryResponse{LogGroupIdentifiers: []string{}}
	return out, s.store.View(ctx, func(r store.Reader) error {
		q, err := queryNamed(ctx, r, scopeOf(ctx), *in.QueryId)
		for _, g := range q.Groups {
			out.LogGroupIdentifiers = append(out.LogGroupIdentifiers, g.Name)
		}
		return err
	})
}

// runQuery runs a query, and keeps what it finds.
func (s *Service) runQuery(ctx context.Context, sc store.Scope, id string) error {
	var q query
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		q, err = queryNamed(ctx, r, sc, id)
		return err
	})
	gone := aws.CodeOf(err) == "ResourceNotFoundException"
	if gone || err == nil && q.Status != api.QueryStatusRunning {
		return s.store.Update(ctx, func(tx store.Tx) error { return jobs.Delete(tx, sc, queryJob, id) })
	}
	if err != nil {
		return err
	}
	rows, err := s.search(ctx, sc, &q)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		if q.Status = api.QueryStatusFailed; errors.Is(err, errQueryTime) {
			q.Status = api.QueryStatusTimeout
		}
		s.logger.WarnContext(ctx, "logs: a query failed", "query", id, "error", err)
	default:
		q.Status = api.QueryStatusComplete
	}
	q.Took, q.Rows = s.now()-q.Created, len(rows)
	until := time.UnixMilli(q.Created).Add(queryLasts)
	// Results first: what is complete has them all.
	for n := 0; len(rows) > 0; n++ {
		some := rows[:min(rowsStored, len(rows))]
		rows = rows[len(some):]
		if err := s.store.Update(ctx, func(tx store.Tx) error { return results.PutExpiring(tx, sc, some, until, id, uint64(n)) }); err != nil {
			return err
		}
	}
	return s.store.Update(ctx, func(tx store.Tx) error {
		now, err := queryNamed(ctx, tx, sc, id)
		if err != nil || now.Status != api.QueryStatusRunning {
			return errors.Join(err, results.DeleteAll(tx, sc, id)) // stopped meanwhile
		}
		return errors.Join(s.putQuery(tx, sc, id, &q), jobs.Delete(tx, sc, queryJob, id))
	})
}

var errQueryTime = errors.New("the query took longer than an hour")

// search reads the events of a query's groups, and notes in q how much it was.
func (s *Service) search(ctx context.Context, sc store.Scope, q *query) ([][]insights.Field, error) {
	parsed, err := insights.Parse(q.Text, time.UnixMilli(q.Created))
	if err != nil {
		return nil, err
	}
	run := parsed.Run(q.Limit, len(q.Groups) > 1)
	for _, g := range q.Groups {
		if err := s.searchGroup(ctx, sc, g, q, run); err != nil {
			return nil, err
		}
	}
	q.Scanned, q.Matched, q.Bytes = run.Scanned, run.Matched, run.Bytes
	return run.Results()
}

// queryStep is how much of a group one transaction of a query reads.
const queryStep = 32 << 20

// searchGroup gives a query the events of a group, the newest first, in steps of a
// transaction each.
func (s *Service) searchGroup(ctx context.Context, sc store.Scope, id groupID, q *query, run *insights.Run) error {
	streams := map[uint64]string{}
	sp := span{reverse: true, from: place{At: q.From}, to: place{At: math.MaxInt64}}
	if q.To < math.MaxInt64 {
		sp.to.At = q.To + 1
	}
	for more := true; more; {
		if s.now()-q.Created > queryTime.Milliseconds() {
			return errQueryTime
		}
		next := place{}
		sp.pause = func(before place, read int) bool {
			// What is later than this has been yielded.
			next = place{At: before.At + chunkMillis + 1}
			return read >= queryStep && next.compare(sp.to) < 0
		}
		err := s.store.View(ctx, func(r store.Reader) error {
			g, err := groups.Get(ctx, r, sc, id.Name)
			if errors.Is(err, store.ErrNotFound) || err == nil && g.ID != id.ID {
				more = false
				return nil // deleted meanwhile
			}
			if err != nil {
				return err
			}
			sp.from.At = max(sp.from.At, g.since(s.now()))
			more, err = s.searchStep(ctx, r, sc, id, &sp, streams, run)
			return err
		})
		if err != nil {
			return err
		}
		sp.to = next
	}
	return nil
}

// searchStep reads a part of a span, and reports whether there is more to read and
// wanted.
func (s *Service) searchStep(ctx context.Context, r store.Reader, sc store.Scope, id groupID, sp *span, streams map[uint64]string, run *insights.Run) (more bool, err error) {
	stopped := false
	pause := sp.pause
	one := *sp
	one.pause = func(before place, read int) bool {
		stopped = pause(before, read)
		return stopped
	}
	lambda, log := strings.HasPrefix(id.Name, "/aws/lambda/"), sc.Account+":"+id.Name
	for e, err := range eventsIn(ctx, r, sc, id.ID, one) {
		if err != nil {
			return false, err
		}
		name, known := streams[e.Stream]
		if !known {
			b, err := names.Get(ctx, r, sc, id.ID, e.Stream)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return false, err
			}
			name = string(b)
			streams[e.Stream] = name
		}
		if name == "" {
			continue // of a stream that was deleted
		}
		at := e.place
		if !run.Add(&insights.Record{Timestamp: e.At, Ingested: e.ingested, Message: e.message, Stream: name, Log: log, Lambda: lambda,
			Pointer: func() string { return aws.Token(pointer{id, at}) }}) {
			return false, nil
		}
	}
	return stopped, nil
}
