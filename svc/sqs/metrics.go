package sqs

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What SQS measures of itself, for CloudWatch.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html

// How often queues are counted through, and how long after its last use an empty one is.
const (
	gaugeEvery = time.Minute
	activeFor  = 6 * time.Hour
	// largeQueue is how many messages a queue has that is counted through less often:
	// every gaugeLarge.
	largeQueue = 20_000
	gaugeLarge = 5 * time.Minute
)

// usage is when queues were used last, and when they were counted through, by place.
type usage struct{ of sync.Map }

type used struct {
	at      atomic.Int64 // in seconds
	counted time.Time    // the background's alone
	size    int
}

func (u *usage) touch(at place, now int64) {
	if have, ok := u.of.Load(at); ok {
		have.(*used).at.Store(now)
		return
	}
	fresh := &used{}
	fresh.at.Store(now)
	u.of.LoadOrStore(at, fresh)
}

// keep forgets the queues that are gone.
func (u *usage) keep(all []*queue) {
	there := map[place]bool{}
	for _, q := range all {
		there[q.place] = true
	}
	u.of.Range(func(at, _ any) bool {
		if !there[at.(place)] {
			u.of.Delete(at)
		}
		return true
	})
}

// measure notes something of a queue that is in use.
func (s *Service) measure(q *queue, name, unit string, v float64) {
	s.Meter.Measure(aws.Measurement{Account: q.place.account, Region: q.place.region, Namespace: "AWS/SQS", Name: name, Unit: unit,
		Dimensions: []string{"QueueName", q.place.name}, Value: v})
}

// measureSent notes messages that were sent.
func (s *Service) measureSent(q *queue, parcels []*parcel) {
	s.usage.touch(q.place, s.Clock.Now().Unix())
	s.measure(q, "NumberOfMessagesSent", "Count", float64(len(parcels)))
	for _, p := range parcels {
		s.measure(q, "SentMessageSize", "Bytes", float64(p.size()))
	}
}

// measureReceived notes what a receiver got.
func (s *Service) measureReceived(q *queue, n int) {
	s.usage.touch(q.place, s.Clock.Now().Unix())
	if n == 0 {
		s.measure(q, "NumberOfEmptyReceives", "Count", 1)
		return
	}
	s.measure(q, "NumberOfMessagesReceived", "Count", float64(n))
}

// measureDeleted notes how many of some deletions went well.
func (s *Service) measureDeleted(q *queue, errs []error) {
	n := 0
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	s.usage.touch(q.place, s.Clock.Now().Unix())
	if n > 0 {
		s.measure(q, "NumberOfMessagesDeleted", "Count", float64(n))
	}
}

// keepGauges measures how much is in the queues that are in use, until ctx ends.
func (s *Service) keepGauges(ctx context.Context) {
	for {
		c, stop := s.Clock.After(gaugeEvery)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-c:
		}
		stop()
		if err := s.gauge(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Warn("sqs: count messages", "error", err)
		}
	}
}

// gauge measures each queue that is in use.
func (s *Service) gauge(ctx context.Context) error {
	all, err := s.all(ctx, func(store.Reader, *queue) (bool, error) { return true, nil })
	if err != nil {
		return err
	}
	s.usage.keep(all)
	for _, q := range all {
		if err := s.gaugeOne(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) gaugeOne(ctx context.Context, q *queue) error {
	now := s.Clock.Now()
	have, _ := s.usage.of.LoadOrStore(q.place, &used{})
	u := have.(*used)
	if u.size > largeQueue && now.Sub(u.counted) < gaugeLarge {
		return nil
	}
	var c census
	oldest := now.UnixMicro()
	err := s.Store.View(ctx, func(r store.Reader) error {
		c, oldest = census{}, now.UnixMicro()
		over := q.expired(now.UnixMicro())
		for x, err := range q.spots(ctx, r) {
			if err != nil {
				return err
			}
			if at := x.ref.at(); at > over {
				c.add(now.UnixMicro(), x.at, x.state.count > 0)
				oldest = min(oldest, at)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	u.counted, u.size = now, c.visible+c.delayed+c.inFlight
	if u.size == 0 && now.Unix()-u.at.Load() > int64(activeFor/time.Second) {
		return nil
	}
	s.measure(q, "ApproximateNumberOfMessagesVisible", "Count", float64(c.visible))
	s.measure(q, "ApproximateNumberOfMessagesNotVisible", "Count", float64(c.inFlight))
	s.measure(q, "ApproximateNumberOfMessagesDelayed", "Count", float64(c.delayed))
	s.measure(q, "ApproximateAgeOfOldestMessage", "Seconds", float64((now.UnixMicro()-oldest)/1e6))
	return nil
}
