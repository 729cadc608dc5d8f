package kinesis

import (
	"context"
	"iter"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	// subscription is how long one call of SubscribeToShard pushes.
	subscription = 5 * time.Minute
	// again is how soon a consumer may subscribe to the same shard anew.
	again = 5 * time.Second
	// pulse is how often an event comes where there are no records.
	pulse = 5 * time.Second
	// maxEvent bounds the records of one event.
	maxEvent = 1 << 20
)

// readers are the subscriptions under way: a consumer has one to a shard, and a new one
// ends it.
type readers struct {
	mu sync.Mutex
	of map[readerID]*reader
}

type readerID struct {
	space    uint64
	consumer string
	shard    int
}

type reader struct {
	since time.Time
	end   context.CancelFunc
}

// begin makes room for a subscription, and gives the context that ends with it.
func (r *readers) begin(ctx context.Context, id readerID, now time.Time) (context.Context, *reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have := r.of[id]; have != nil {
		if now.Sub(have.since) < again {
			return nil, nil, api.ResourceInUseException("Another active subscription exists for this consumer: %s", id.consumer)
		}
		have.end()
	}
	if r.of == nil {
		r.of = map[readerID]*reader{}
	}
	ctx, end := context.WithCancel(ctx)
	mine := &reader{now, end}
	r.of[id] = mine
	return ctx, mine, nil
}

func (r *readers) finish(id readerID, mine *reader) {
	mine.end()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of[id] == mine {
		delete(r.of, id)
	}
}

func (s *Service) subscribeToShard(ctx context.Context, in *api.SubscribeToShardInput) (*api.SubscribeToShardOutput, error) {
	c, err := consumerTarget{arn: in.ConsumerARN}.ref(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		_, _, err := c.find(ctx, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	p := position{kind: *in.StartingPosition.Type, sequence: in.StartingPosition.SequenceNumber, time: in.StartingPosition.Timestamp, operation: "SubscribeToShard"}
	it, err := s.seek(ctx, c.ref, *in.ShardId, p)
	if err != nil {
		return nil, err
	}
	id := readerID{it.Space, c.consumer, it.Shard}
	ctx, mine, err := s.readers.begin(ctx, id, s.Clock.Now())
	success := 1.0
	if err != nil {
		success = 0
	}
	s.measure(c.ref, "SubscribeToShard.Success", unitCount, success, "ConsumerName", c.consumer)
	s.measure(c.ref, "SubscribeToShard.RateExceeded", unitCount, 1-success, "ConsumerName", c.consumer)
	if err != nil {
		return nil, err
	}
	return &api.SubscribeToShardOutput{EventStream: func(yield func(*api.SubscribeToShardEventStream, error) bool) {
		defer s.readers.finish(id, mine)
		for e, err := range s.push(ctx, &it, c.consumer) {
			if !yield(e, err) {
				return
			}
		}
	}}, nil
}

// push yields what comes to a shard, as it comes, until the subscription is over.
func (s *Service) push(ctx context.Context, it *iterator, consumer string) iter.Seq2[*api.SubscribeToShardEventStream, error] {
	return func(yield func(*api.SubscribeToShardEventStream, error) bool) {
		over, stop := s.Clock.After(subscription)
		defer stop()
		e := s.listen(ctx, it)
		for due := true; ; {
			if e.settle(ctx) != nil {
				return
			}
			p := stretch{limit: maxRead, bytes: maxEvent}
			if err := s.read(ctx, it, &p); err != nil {
				if ctx.Err() == nil {
					yield(nil, pushError(err))
				}
				return
			}
			if len(p.records) > 0 || p.ended || due {
				s.measurePush(it, &p, consumer)
				if !yield(&api.SubscribeToShardEventStream{SubscribeToShardEvent: p.event(it)}, nil) || p.ended {
					return
				}
			}
			if due = false; p.behind > 0 {
				continue
			}
			beat, stopBeat := s.Clock.After(pulse)
			select {
			case <-e.came:
			case <-e.closed:
			case <-beat:
				due = true
			case <-over:
				stopBeat()
				return
			case <-ctx.Done():
				stopBeat()
				return
			}
			stopBeat()
		}
	}
}

// event is what was read, and where reading goes on: whoever subscribes after that
// number misses nothing.
func (p *stretch) event(it *iterator) *api.SubscribeToShardEvent {
	e := &api.SubscribeToShardEvent{Records: p.records, MillisBehindLatest: &p.behind, ChildShards: p.children}
	if !p.ended {
		next := sequence(it.Shard, max(it.Next, 1)-1)
		e.ContinuationSequenceNumber = &next
	}
	return e
}

// pushError is an error that may end a stream of events.
func pushError(err error) error {
	switch aws.CodeOf(err) {
	case "ResourceNotFoundException", "ResourceInUseException":
		return err
	}
	return api.InternalFailureException("The request processing has failed because of an unknown error, exception or failure.").Because(err)
}
