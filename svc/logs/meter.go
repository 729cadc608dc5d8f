package logs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/logs/pattern"
)

// measure tells what AWS publishes of a group, and of all groups together.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
func (s *Service) measure(sc store.Scope, group string, events int, bytes int64) {
	m := aws.Measurement{Account: sc.Account, Region: sc.Region, Namespace: "AWS/Logs"}
	for _, dimensions := range [][]string{{"LogGroupName", group}, nil} {
		m.Dimensions = dimensions
		m.Name, m.Unit, m.Value = "IncomingLogEvents", "None", float64(events)
		s.meter.Measure(m)
		m.Name, m.Unit, m.Value = "IncomingBytes", "Bytes", float64(bytes)
		s.meter.Measure(m)
	}
}

// forwarding is a measurement of a feed's deliveries.
func forwarding(f feed, r *receiver, name, unit string, value float64) aws.Measurement {
	return aws.Measurement{Account: f.Account, Region: f.Region, Namespace: "AWS/Logs", Name: name, Unit: unit, Value: value,
		Dimensions: []string{"LogGroupName", f.group, "DestinationType", r.kind(), "FilterName", f.name[1:]}}
}

func (s *Service) measureForwarded(f feed, r *receiver, sent []parcel) {
	if len(sent) == 0 {
		return
	}
	bytes, events := 0, 0
	for i := range sent {
		bytes += len(sent[i].data)
		events += sent[i].events
	}
	s.meter.Measure(forwarding(f, r, "ForwardedBytes", "Bytes", float64(bytes)))
	s.meter.Measure(forwarding(f, r, "ForwardedLogEvents", "None", float64(events)))
}

func (s *Service) measureFailed(f feed, r *receiver, throttled bool, parcels int) {
	name := "DeliveryErrors"
	if throttled {
		name = "DeliveryThrottling"
	}
	s.meter.Measure(forwarding(f, r, name, "None", float64(parcels)))
}

// A gauge is a metric filter in use.
type gauge struct {
	*pattern.Pattern
	into []api.MetricTransformation
	// quiet is the last minute in which the default value was told.
	quiet int64
}

// gauges are the metric filters of the groups in use, by the group's id. They are read
// again when the group's filters have changed since.
type gauges struct {
	mu sync.Mutex
	of map[uint64]*gaugeSet
}

type gaugeSet struct {
	mu      sync.Mutex
	version uint32
	list    []*gauge
}

// maxGauges bounds what is remembered; when it is full it starts anew.
const maxGauges = 20000

// gaugesOf are the metric filters of a group as it was read.
func (s *Service) gaugesOf(ctx context.Context, sc store.Scope, name string, g *group) (*gaugeSet, error) {
	s.gauges.mu.Lock()
	have := s.gauges.of[g.ID]
	s.gauges.mu.Unlock()
	if have != nil && have.version == g.Gauges {
		return have, nil
	}
	made := &gaugeSet{version: g.Gauges}
	err := s.store.View(ctx, func(r store.Reader) error {
		for e, err := range metrics.List(ctx, r, sc, store.ListOptions{Prefix: []any{name}}) {
			if err != nil {
				return err
			}
			p, err := s.patterns.get(e.Record.Pattern)
			if err != nil {
				continue // it was taken by rules of another time
			}
			made.list = append(made.list, &gauge{Pattern: p, into: e.Record.Into})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.gauges.mu.Lock()
	defer s.gauges.mu.Unlock()
	if s.gauges.of == nil || len(s.gauges.of) >= maxGauges {
		s.gauges.of = map[uint64]*gaugeSet{}
	}
	s.gauges.of[g.ID] = made
	return made, nil
}

// gauge tells what a group's metric filters make of events that were put. Like all
// metrics these are lost with a process that is killed, at most the last seconds.
func (s *Service) gauge(ctx context.Context, sc store.Scope, name string, g *group, events []api.InputLogEvent) error {
	set, err := s.gaugesOf(ctx, sc, name, g)
	if err != nil || len(set.list) == 0 {
		return err
	}
	minute := s.now() / 60_000
	for _, a := range set.list {
		matched := false
		for i := range events {
			if a.Match(*events[i].Message) {
				matched = true
				a.tell(s.meter, sc, *events[i].Message)
			}
		}
		set.mu.Lock()
		quiet := !matched && a.quiet != minute
		a.quiet = minute // what matched in a minute speaks for it
		set.mu.Unlock()
		if quiet {
			a.idle(s.meter, sc)
		}
	}
	return nil
}

// tell measures one event that matched.
func (a *gauge) tell(meter aws.Meter, sc store.Scope, message string) {
	for i := range a.into {
		t := &a.into[i]
		v, ok := a.number(message, *t.MetricValue)
		if !ok {
			continue
		}
		m := transformed(sc, t, v)
		for _, name := range slices.Sorted(maps.Keys(t.Dimensions)) {
			value, ok := a.Field(message, t.Dimensions[name])
			if !ok || value == "" {
				m.Name = "" // without one of its dimensions it would be another metric
				break
			}
			m.Dimensions = append(m.Dimensions, name, value)
		}
		if m.Name != "" {
			meter.Measure(m)
		}
	}
}

// idle measures the default values.
func (a *gauge) idle(meter aws.Meter, sc store.Scope) {
	for i := range a.into {
		if t := &a.into[i]; t.DefaultValue != nil {
			meter.Measure(transformed(sc, t, *t.DefaultValue))
		}
	}
}

func transformed(sc store.Scope, t *api.MetricTransformation, value float64) aws.Measurement {
	m := aws.Measurement{Account: sc.Account, Region: sc.Region, Namespace: *t.MetricNamespace, Name: *t.MetricName, Unit: "None", Value: value}
	if t.Unit != nil {
		m.Unit = *t.Unit
	}
	return m
}

// number is a metric's value: a number, or what a field of the message has.
func (a *gauge) number(message, value string) (float64, bool) {
	if strings.HasPrefix(value, "$") {
		text, ok := a.Field(message, value)
		if !ok {
			return 0, false
		}
		value = text
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return v, err == nil || errors.Is(err, strconv.ErrRange)
}
