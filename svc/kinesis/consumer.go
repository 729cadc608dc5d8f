package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxConsumers is how many consumers a stream has at most.
const maxConsumers = 20

// consumer is a consumer's record.
type consumer struct {
	Created time.Time
	Tags    map[string]string `json:",omitempty"`
	Policy  string            `json:",omitempty"`
}

// A consumerTarget is how an input names a consumer.
type consumerTarget struct{ arn, stream, name *string }

// A consumerRef names a consumer, which need not be there.
type consumerRef struct {
	ref
	consumer string
	made     int64 // seconds; 0 where the input does not say
}

// arn is the ARN of a consumer made at a time.
func (c consumerRef) at(created time.Time) string {
	return fmt.Sprintf("%s/consumer/%s:%d", c.ref.arn(), c.consumer, created.Unix())
}

func (c consumerRef) missing() error {
	return api.ResourceNotFoundException("Consumer %s, account %s not found.", c.consumer, c.scope.Account)
}

// parseConsumer reads a consumer's ARN.
func parseConsumer(arn string) (consumerRef, bool) {
	head, tail, ok := strings.Cut(arn, "/consumer/")
	at, isStream := parseARN(head)
	name, digits, hasTime := strings.Cut(tail, ":")
	made, err := strconv.ParseInt(digits, 10, 64)
	return consumerRef{at, name, made}, ok && isStream && hasTime && name != "" && err == nil
}

// ref reads the name of a consumer.
func (t consumerTarget) ref(ctx context.Context) (consumerRef, error) {
	if t.arn != nil {
		c, ok := parseConsumer(*t.arn)
		if !ok {
			return c, api.InvalidArgumentException("Invalid ConsumerARN: %s", *t.arn)
		}
		if c.scope.Region != aws.RequestOf(ctx).Region {
			return c, c.missing()
		}
		return c, nil
	}
	if t.stream == nil || t.name == nil {
		return consumerRef{}, api.InvalidArgumentException("Either ConsumerARN or both StreamARN and ConsumerName should be provided.")
	}
	at, err := target{arn: t.stream}.ref(ctx)
	return consumerRef{ref: at, consumer: *t.name}, err
}

// find reads a consumer's record, and its stream's.
func (c consumerRef) find(ctx context.Context, r store.Reader) (stream, consumer, error) {
	st, err := c.ref.find(ctx, r)
	if err != nil {
		return st, consumer{}, err
	}
	have, err := consumerRecords.Get(ctx, r, c.scope, st.Space, c.consumer)
	if errors.Is(err, store.ErrNotFound) || err == nil && c.made != 0 && c.made != have.Created.Unix() {
		err = c.missing()
	}
	return st, have, err
}

func (s *Service) registerStreamConsumer(ctx context.Context, in *api.RegisterStreamConsumerInput) (*api.RegisterStreamConsumerOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	made := consumer{Created: s.Clock.Now().Truncate(time.Second), Tags: in.Tags}
	var c consumerRef
	err := s.alter(ctx, target{arn: in.StreamARN}, func(tx store.Tx, at ref, st *stream) error {
		c = consumerRef{ref: at, consumer: *in.ConsumerName}
		switch has, err := consumerRecords.Has(ctx, tx, at.scope, st.Space, c.consumer); {
		case err != nil:
			return err
		case has:
			return api.ResourceInUseException("Consumer %s under stream %s already exists for account %s.", c.consumer, at.name, at.scope.Account)
		case st.Consumers >= maxConsumers:
			return api.LimitExceededException("Stream %s under account %s has %d registered consumers, which is the limit.", at.name, at.scope.Account, st.Consumers)
		}
		st.Consumers++
		return consumerRecords.Put(tx, at.scope, made, st.Space, c.consumer)
	})
	if err != nil {
		return nil, err
	}
	arn, status := c.at(made.Created), api.ConsumerStatusActive
	return &api.RegisterStreamConsumerOutput{Consumer: &api.Consumer{ConsumerName: &c.consumer, ConsumerARN: &arn, ConsumerStatus: &status, ConsumerCreationTimestamp: &made.Created}}, nil
}

func (s *Service) deregisterStreamConsumer(ctx context.Context, in *api.DeregisterStreamConsumerInput) (*aws.Empty, error) {
	c, err := consumerTarget{in.ConsumerARN, in.StreamARN, in.ConsumerName}.ref(ctx)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		st, _, err := c.find(ctx, tx)
		if err != nil {
			return err
		}
		st.Consumers--
		return errors.Join(streamRecords.Put(tx, c.scope, st, c.name), consumerRecords.Delete(tx, c.scope, st.Space, c.consumer))
	})
}

func (s *Service) describeStreamConsumer(ctx context.Context, in *api.DescribeStreamConsumerInput) (*api.DescribeStreamConsumerOutput, error) {
	c, err := consumerTarget{in.ConsumerARN, in.StreamARN, in.ConsumerName}.ref(ctx)
	if err != nil {
		return nil, err
	}
	var have consumer
	err = s.Store.View(ctx, func(r store.Reader) error {
		_, have, err = c.find(ctx, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	arn, on, status := c.at(have.Created), c.ref.arn(), api.ConsumerStatusActive
	return &api.DescribeStreamConsumerOutput{ConsumerDescription: &api.ConsumerDescription{ConsumerName: &c.consumer, ConsumerARN: &arn, StreamARN: &on,
		ConsumerStatus: &status, ConsumerCreationTimestamp: &have.Created}}, nil
}

func (s *Service) listStreamConsumers(ctx context.Context, in *api.ListStreamConsumersInput) (*api.ListStreamConsumersOutput, error) {
	at, err := target{arn: in.StreamARN}.ref(ctx)
	if err != nil {
		return nil, err
	}
	limit := 100
	if in.MaxResults != nil {
		limit = min(int(*in.MaxResults), limit)
	}
	var after string
	if in.NextToken != nil && !aws.ParseToken(*in.NextToken, &after) {
		return nil, api.ExpiredNextTokenException("The NextToken is not one that ListStreamConsumers gave.")
	}
	out := &api.ListStreamConsumersOutput{Consumers: []api.Consumer{}}
	err = s.Store.View(ctx, func(r store.Reader) error {
		st, err := at.find(ctx, r)
		if err != nil {
			return err
		}
		o := store.ListOptions{Prefix: []any{st.Space}, Limit: limit + 1}
		if after != "" {
			o.After = []any{st.Space, after}
		}
		for e, err := range consumerRecords.List(ctx, r, at.scope, o) {
			if err != nil {
				return err
			}
			if len(out.Consumers) == limit {
				token := aws.Token(*out.Consumers[limit-1].ConsumerName)
				out.NextToken = &token
				break
			}
			c := consumerRef{ref: at, consumer: e.Key.String(1)}
			arn, status, created := c.at(e.Record.Created), api.ConsumerStatusActive, e.Record.Created
			out.Consumers = append(out.Consumers, api.Consumer{ConsumerName: &c.consumer, ConsumerARN: &arn, ConsumerStatus: &status, ConsumerCreationTimestamp: &created})
		}
		return nil
	})
	return out, err
}
