package lambda

import (
	"context"
	"sync"
	"time"

	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
)

// streamConsumer is a consumer of a Kinesis stream as a source: each shard's records are pushed
// to it by SubscribeToShard, beside what others read. Its iterators are positions.
// https://docs.aws.amazon.com/streams/latest/dev/enhanced-consumers.html
type streamConsumer struct {
	dataStream
	mu     sync.Mutex
	pushes map[string]*push // by shard
}

var _ eventSource = (*streamConsumer)(nil)

func (c *streamConsumer) needs() string {
	return "DescribeStream, DescribeStreamConsumer, ListShards, ListStreams, and SubscribeToShard"
}

// A push is a subscription under way. Its owner is the shard's one reader.
type push struct {
	at     string // the position behind what was read
	rest   []kinesisapi.Record
	next   string // the position behind rest
	ended  bool   // the shard is closed, and rest is its end
	events chan pushed
	cancel context.CancelFunc
}

type pushed struct {
	event *kinesisapi.SubscribeToShardEvent
	err   error
}

// probe asks for the consumer and its shards. To subscribe would push aside who is subscribed.
func (c *streamConsumer) probe(ctx context.Context) error {
	_, err := kinesisapi.DescribeStreamConsumer.Do(ctx, c.s.Peers, &kinesisapi.DescribeStreamConsumerInput{ConsumerARN: &c.source})
	if err == nil {
		_, err = c.shards(ctx)
	}
	return refuseStream(err, c.source, c.needs())
}

// seek is the position as JSON: there is nothing to ask.
func (c *streamConsumer) seek(_ context.Context, _ string, at position) (string, error) {
	if at.start == startLatest {
		// What comes until the subscription begins is wanted, too.
		at = position{since: c.s.Clock.Now()}
	}
	return aws.Token(spot{at.after, at.since, at.start}), nil
}

// A spot is a position in a token.
type spot struct {
	After string    `json:",omitempty"`
	Since time.Time `json:",omitzero"`
	Start string    `json:",omitempty"`
}

func (c *streamConsumer) read(ctx context.Context, shard, iterator string, limit int, wait time.Duration) ([]record, string, error) {
	p, err := c.push(ctx, shard, iterator)
	if err != nil {
		return nil, "", err
	}
	if len(p.rest) == 0 && !p.ended {
		over, err := c.await(ctx, p, wait)
		if err != nil || over {
			c.leave(shard)
			return nil, iterator, err
		}
	}
	n := min(limit, len(p.rest))
	got, err := c.records(ctx, shard, p.rest[:n])
	if err != nil {
		return nil, "", err
	}
	switch p.rest = p.rest[n:]; {
	case len(p.rest) > 0:
		p.at = aws.Token(spot{After: got[n-1].id})
	case p.ended:
		return got, "", nil
	case p.next != "":
		p.at = p.next
	}
	return got, p.at, nil
}

// push is the subscription that goes on at an iterator, which it makes unless there is one.
func (c *streamConsumer) push(ctx context.Context, shard, iterator string) (*push, error) {
	c.mu.Lock()
	p := c.pushes[shard]
	c.mu.Unlock()
	if p != nil && p.at == iterator {
		return p, nil
	}
	if p != nil {
		c.leave(shard)
	}
	var s spot
	if !aws.ParseToken(iterator, &s) {
		return nil, aws.Errorf(400, codeExpired, "not a position of a consumer")
	}
	kind, sequence, since := position{s.After, s.Since, s.Start}.place()
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	out, err := kinesisapi.SubscribeToShard.Do(life, c.s.Peers, &kinesisapi.SubscribeToShardInput{ConsumerARN: &c.source, ShardId: &shard,
		StartingPosition: &kinesisapi.StartingPosition{Type: &kind, SequenceNumber: sequence, Timestamp: since}})
	if err != nil {
		cancel()
		return nil, err
	}
	p = &push{at: iterator, events: make(chan pushed), cancel: cancel}
	c.s.pollers.wg.Go(func() {
		defer close(p.events)
		for e, err := range out.EventStream {
			got := pushed{err: err}
			if e != nil {
				got.event = e.SubscribeToShardEvent
			}
			select {
			case p.events <- got:
			case <-life.Done():
				return
			}
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushes[shard] = p
	return p, nil
}

// await waits for what is pushed next; over says that the subscription is, and that another is to
// be made.
func (c *streamConsumer) await(ctx context.Context, p *push, wait time.Duration) (over bool, err error) {
	due, stop := c.s.Clock.After(wait)
	defer stop()
	select {
	case got, open := <-p.events:
		switch {
		case !open:
			return true, nil
		case got.err != nil:
			return true, got.err
		case got.event == nil:
			return false, nil
		}
		p.rest, p.next = got.event.Records, ""
		if n := got.event.ContinuationSequenceNumber; n != nil {
			p.next = aws.Token(spot{After: *n})
		}
		p.ended = len(got.event.ChildShards) > 0 || p.next == ""
	case <-due:
	case <-ctx.Done():
	}
	return false, nil
}

// leave ends a shard's subscription.
func (c *streamConsumer) leave(shard string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pushes[shard]; p != nil {
		p.cancel()
		delete(c.pushes, shard)
	}
}
