package cloudwatch

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A stream passes on what comes for metrics, minute by minute, to a delivery stream of
// Firehose.
type stream struct {
	Config           api.PutMetricStreamInput
	Running          bool
	Created, Updated time.Time
	Next             int64 // the minute to be passed on next
}

// lag is how long after its end a minute is passed on. What comes for it later is not.
const lag = time.Minute

// batch is how many records Firehose takes at once.
const batch = 500

// streamsPrincipal is CloudWatch as it takes the roles of streams.
const streamsPrincipal = "streams.metrics.cloudwatch.amazonaws.com"

func streamARN(scope store.Scope, name string) string {
	return aws.NewARN("cloudwatch", scope.Region, scope.Account, "metric-stream/"+name).String()
}

func (t *stream) state() string {
	if t.Running {
		return "running"
	}
	return "stopped"
}

func (s *Service) putMetricStream(ctx context.Context, in *api.PutMetricStreamInput) (*api.PutMetricStreamOutput, error) {
	if len(in.IncludeFilters) > 0 && len(in.ExcludeFilters) > 0 {
		return nil, api.InvalidParameterCombinationException("IncludeFilters and ExcludeFilters can't be given together.")
	}
	for _, arn := range []string{*in.FirehoseArn, *in.RoleArn} {
		if _, ok := aws.ParseARN(arn); !ok {
			return nil, invalidValue("The value %s is not a valid ARN.", arn)
		}
	}
	for _, c := range in.StatisticsConfigurations {
		for _, name := range c.AdditionalStatistics {
			t, ok := parseStatistic(name)
			if !ok || simple[name] || t.kind == "" || t.kind != "p" && *in.OutputFormat != api.MetricStreamOutputFormatJson {
				return nil, invalidValue("The value %s for parameter AdditionalStatistics is not supported.", name)
			}
		}
	}
	scope := scopeOf(ctx)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		now := s.Clock.Now()
		t, err := streams.Get(ctx, tx, scope, *in.Name)
		if errors.Is(err, store.ErrNotFound) {
			t = stream{Running: true, Created: now, Next: now.Unix() / 60}
			err = putTags(ctx, tx, scope, "metric-stream/"+*in.Name, in.Tags)
		}
		t.Config, t.Updated = *in, now
		t.Config.Tags = nil
		return errors.Join(err, streams.Put(tx, scope, t, *in.Name))
	})
	return &api.PutMetricStreamOutput{Arn: new(streamARN(scope, *in.Name))}, err
}

func (s *Service) getMetricStream(ctx context.Context, in *api.GetMetricStreamInput) (*api.GetMetricStreamOutput, error) {
	var t stream
	scope := scopeOf(ctx)
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		t, err = streams.Get(ctx, r, scope, *in.Name)
		if errors.Is(err, store.ErrNotFound) {
			return api.ResourceNotFoundException("The metric stream %s does not exist.", *in.Name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c := &t.Config
	return &api.GetMetricStreamOutput{Arn: new(streamARN(scope, *in.Name)), Name: in.Name, IncludeFilters: c.IncludeFilters, ExcludeFilters: c.ExcludeFilters,
		FirehoseArn: c.FirehoseArn, RoleArn: c.RoleArn, State: new(t.state()), CreationDate: &t.Created, LastUpdateDate: &t.Updated, OutputFormat: c.OutputFormat,
		StatisticsConfigurations: c.StatisticsConfigurations, IncludeLinkedAccountsMetrics: c.IncludeLinkedAccountsMetrics}, nil
}

func (s *Service) deleteMetricStream(ctx context.Context, in *api.DeleteMetricStreamInput) (*api.DeleteMetricStreamOutput, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		return errors.Join(streams.Delete(tx, scopeOf(ctx), *in.Name), dropTags(tx, scopeOf(ctx), "metric-stream/"+*in.Name))
	})
}

func (s *Service) listMetricStreams(ctx context.Context, in *api.ListMetricStreamsInput) (*api.ListMetricStreamsOutput, error) {
	out := &api.ListMetricStreamsOutput{Entries: []api.MetricStreamEntry{}}
	scope := scopeOf(ctx)
	next, err := listPage(ctx, s, streams, in.NextToken, pageOf(in.MaxResults, 500), func(name string, t stream) bool {
		out.Entries = append(out.Entries, api.MetricStreamEntry{Arn: new(streamARN(scope, name)), Name: &name, FirehoseArn: t.Config.FirehoseArn,
			State: new(t.state()), CreationDate: &t.Created, LastUpdateDate: &t.Updated, OutputFormat: t.Config.OutputFormat})
		return true
	})
	out.NextToken = next
	return out, err
}

func (s *Service) startMetricStreams(ctx context.Context, in *api.StartMetricStreamsInput) (*api.StartMetricStreamsOutput, error) {
	return nil, s.runStreams(ctx, in.Names, true)
}

func (s *Service) stopMetricStreams(ctx context.Context, in *api.StopMetricStreamsInput) (*api.StopMetricStreamsOutput, error) {
	return nil, s.runStreams(ctx, in.Names, false)
}

// runStreams starts or stops streams. A stream that was stopped goes on from now.
func (s *Service) runStreams(ctx context.Context, names []string, on bool) error {
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		for _, name := range names {
			t, err := streams.Get(ctx, tx, scope, name)
			if errors.Is(err, store.ErrNotFound) {
				return invalidValue("The metric stream %s does not exist.", name)
			}
			if err != nil {
				return err
			}
			if on && !t.Running {
				t.Next = s.Clock.Now().Unix() / 60
			}
			t.Running, t.Updated = on, s.Clock.Now()
			if err := streams.Put(tx, scope, t, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepStreams passes on what has come, until ctx ends.
func (s *Service) keepStreams(ctx context.Context) error {
	for {
		now := s.Clock.Now()
		if err := s.passOn(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Info("cloudwatch: a metric stream could not be passed on; trying again", "error", err)
		}
		c, stop := s.Clock.After(now.Truncate(time.Minute).Add(time.Minute).Sub(now))
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-c:
		}
		stop()
	}
}

// passOn passes on the minutes that are over, of every stream that runs.
func (s *Service) passOn(ctx context.Context) error {
	type running struct {
		scope store.Scope
		name  string
		stream
	}
	var all []running
	until := s.Clock.Now().Add(-lag).Unix() / 60
	err := s.Store.View(ctx, func(r store.Reader) error {
		all = nil
		for e, err := range streams.All(ctx, r) {
			if err != nil {
				return err
			}
			if e.Record.Running && e.Record.Next < until {
				all = append(all, running{e.Scope, e.Key.String(0), e.Record})
			}
		}
		return nil
	})
	errs := []error{err}
	for _, t := range all {
		if err := s.passOnOne(ctx, t.scope, t.name, &t.stream, until); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, s.Store.Update(ctx, func(tx store.Tx) error {
			have, err := streams.Get(ctx, tx, t.scope, t.name)
			if errors.Is(err, store.ErrNotFound) {
				return nil // it was deleted meanwhile
			}
			if err != nil || have.Next != t.Next {
				return err
			}
			have.Next = until
			return streams.Put(tx, t.scope, have, t.name)
		}))
	}
	return errors.Join(errs...)
}

// passOnOne passes on a stream's minutes before until.
func (s *Service) passOnOne(ctx context.Context, scope store.Scope, name string, t *stream, until int64) error {
	var records []firehoseapi.Record
	err := s.Store.View(ctx, func(r store.Reader) error {
		records = nil
		for m, err := range metrics(ctx, r, scope, store.ListOptions{}, t.Next*60-relist) {
			if err != nil {
				return err
			}
			if !t.wants(m) {
				continue
			}
			found, err := readings(ctx, r, scope, m, span{t.Next * 60, until * 60, 60}, nil, true)
			if err != nil {
				return err
			}
			if len(found) > 0 && *t.Config.OutputFormat != api.MetricStreamOutputFormatJson {
				records = append(records, firehoseapi.Record{Data: t.export(scope, name, m, found)})
				continue
			}
			for i := range found {
				records = append(records, firehoseapi.Record{Data: t.line(scope, name, m, &found[i])})
			}
		}
		return nil
	})
	if err != nil || len(records) == 0 {
		return err
	}
	target, _ := aws.ParseARN(*t.Config.FirehoseArn)
	as, err := s.acting(ctx, scope, *t.Config.RoleArn, target.Region)
	if err != nil {
		return err
	}
	for len(records) > 0 {
		n := min(batch, len(records))
		in := &firehoseapi.PutRecordBatchInput{DeliveryStreamName: new(strings.TrimPrefix(target.Resource, "deliverystream/")), Records: records[:n]}
		got, err := firehoseapi.PutRecordBatch.Do(as, s.Peers, in)
		if err == nil && aws.Value(got.FailedPutCount) > 0 {
			err = errors.New("the delivery stream did not take all records")
		}
		if err != nil {
			return err // all of it is passed on again
		}
		records = records[n:]
	}
	return nil
}

// acting is the context of one who acts under a stream's role.
func (s *Service) acting(ctx context.Context, scope store.Scope, role, region string) (context.Context, error) {
	req := &aws.Request{ID: aws.RandomUUID(s.Random), Region: region, Time: s.Clock.Now(), Caller: aws.ServiceCaller(streamsPrincipal, scope.Account, "")}
	const session = "cloudwatch-metric-stream"
	got, err := stsapi.AssumeRole.Do(aws.WithRequest(ctx, req), s.Peers, &stsapi.AssumeRoleRequest{RoleArn: &role, RoleSessionName: new(session)})
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(aws.Value(got.AssumedRoleUser.AssumedRoleId), ":")
	return aws.WithRequest(ctx, req.As(aws.RoleSession(role, id, session))), nil
}

// wants reports whether a stream passes a metric on.
func (t *stream) wants(m metric) bool {
	match := func(list []api.MetricStreamFilter) bool {
		for _, f := range list {
			if aws.Value(f.Namespace) != m.Namespace {
				continue
			}
			if len(f.MetricNames) == 0 {
				return true
			}
			for _, n := range f.MetricNames {
				if n == m.Name {
					return true
				}
			}
		}
		return false
	}
	if len(t.Config.IncludeFilters) > 0 {
		return match(t.Config.IncludeFilters)
	}
	return !match(t.Config.ExcludeFilters)
}

// additional are the statistics that a stream tells of a metric beside those that it tells
// of all.
func (t *stream) additional(m metric) (list []statistic) {
	for _, c := range t.Config.StatisticsConfigurations {
		for _, i := range c.IncludeMetrics {
			if *i.Namespace != m.Namespace || *i.MetricName != m.Name {
				continue
			}
			for _, n := range c.AdditionalStatistics {
				if stat, ok := parseStatistic(n); ok {
					list = append(list, stat)
				}
			}
		}
	}
	return list
}

// line is one data point, as a line of JSON.
func (t *stream) line(scope store.Scope, name string, m metric, r *reading) []byte {
	dims := map[string]string{}
	for _, d := range m.Dimensions {
		dims[d.Name] = d.Value
	}
	values := map[string]float64{"max": r.sample.Max, "min": r.sample.Min, "sum": r.sample.Sum, "count": r.sample.Count}
	for _, stat := range t.additional(m) {
		if v, ok := stat.of(&r.sample); ok {
			values[stat.name] = v
		}
	}
	return append([]byte(document(map[string]any{"metric_stream_name": name, "account_id": scope.Account, "region": scope.Region,
		"namespace": m.Namespace, "metric_name": m.Name, "dimensions": dims, "timestamp": r.at * 1000, "value": values, "unit": r.unit})), '\n')
}
