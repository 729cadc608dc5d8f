package sqs

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// queue is a queue's record. Attributes that were never set have their defaults.
type queue struct {
	Number     uint64 // which its messages go by
	Name       string
	Created    int64 // seconds
	Modified   int64
	Purged     int64 `json:",omitempty"` // milliseconds
	FIFO       bool  `json:",omitempty"`
	Attributes map[string]string
	Tags       map[string]string `json:",omitempty"`

	place  place
	limits limits
}

// limits are the attributes that every message asks for, read once.
type limits struct {
	visibility, delay, wait, retention time.Duration
	size                               int
	byContent, byGroup                 bool // how to deduplicate
	redrive                            *redrivePolicy
}

// queueCache holds queues as they were last read, each with the bytes that it was read
// from: whoever reads the same bytes need not parse them.
type queueCache struct {
	mu  sync.RWMutex
	all map[place]cachedQueue
}

type cachedQueue struct {
	raw []byte
	q   *queue
}

// queue reads a queue, which nobody may change.
func (s *Service) queue(ctx context.Context, r store.Reader, p place) (*queue, error) {
	raw, err := queues.Get(ctx, r, p.scope(), p.name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noQueue()
	}
	if err != nil {
		return nil, err
	}
	s.cache.mu.RLock()
	c := s.cache.all[p]
	s.cache.mu.RUnlock()
	if bytes.Equal(c.raw, raw) {
		return c.q, nil
	}
	q := &queue{place: p}
	if err := json.Unmarshal(raw, q); err != nil {
		return nil, err
	}
	q.limits = limitsOf(q.Attributes)
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	if s.cache.all == nil || len(s.cache.all) >= 10000 {
		s.cache.all = map[place]cachedQueue{}
	}
	s.cache.all[p] = cachedQueue{raw, q}
	return q, nil
}

// view reads the queue that a URL leads to.
func (s *Service) view(ctx context.Context, url *string) (q *queue, err error) {
	p, err := placeOf(ctx, url)
	if err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		q, err = s.queue(ctx, r, p)
		return err
	})
	return q, err
}

// change changes the record of the queue that a URL leads to.
func (s *Service) change(ctx context.Context, url *string, f func(tx store.Tx, q *queue) error) error {
	p, err := placeOf(ctx, url)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		old, err := s.queue(ctx, tx, p)
		if err != nil {
			return err
		}
		q := old.clone()
		if err := f(tx, q); err != nil {
			return err
		}
		return putQueue(tx, q)
	})
}

func (q *queue) clone() *queue {
	c := *q
	c.Attributes, c.Tags = map[string]string{}, map[string]string{}
	for k, v := range q.Attributes {
		c.Attributes[k] = v
	}
	for k, v := range q.Tags {
		c.Tags[k] = v
	}
	return &c
}

func putQueue(tx store.Tx, q *queue) error {
	b, err := json.Marshal(q)
	if err != nil {
		return err
	}
	return queues.Put(tx, q.place.scope(), b, q.Name)
}

func (s *Service) createQueue(ctx context.Context, in *api.CreateQueueRequest) (*api.CreateQueueResult, error) {
	r := aws.RequestOf(ctx)
	p := place{r.Region, r.Account(), *in.QueueName}
	fifo := strings.HasSuffix(p.name, ".fifo")
	if err := checkName(p.name, in.Attributes["FifoQueue"]); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags, 0); err != nil {
		return nil, err
	}
	number, err := s.number()
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		old, err := s.queue(ctx, tx, p)
		if err == nil {
			return sameQueue(old, in.Attributes)
		}
		if aws.CodeOf(err) != "QueueDoesNotExist" {
			return err
		}
		if has, err := gone.Has(ctx, tx, p.scope(), p.name); err != nil {
			return err
		} else if has {
			return api.QueueDeletedRecently("You must wait 60 seconds after deleting a queue before you can create another with the same name.")
		}
		now := s.Clock.Now().Unix()
		q := &queue{Number: number, Name: p.name, Created: now, Modified: now, FIFO: fifo, Attributes: map[string]string{}, Tags: in.Tags, place: p}
		if err := s.setAttributes(ctx, tx, q, in.Attributes, true); err != nil {
			return err
		}
		return putQueue(tx, q)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateQueueResult{QueueUrl: new(s.url(ctx, p))}, nil
}

// checkName holds a new queue's name against what sort of queue it is to be.
func checkName(name, fifo string) error {
	if fifo != "" && fifo != "true" && fifo != "false" {
		return badAttribute("FifoQueue")
	}
	const rule = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
	switch suffixed := strings.HasSuffix(name, ".fifo"); {
	case !validName(name), suffixed && fifo != "true":
		return invalidParameter(rule)
	case !suffixed && fifo == "true":
		return invalidParameter("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length")
	}
	return nil
}

// sameQueue refuses to create a queue that is there with other attributes.
func sameQueue(old *queue, attributes map[string]string) error {
	for _, name := range sortedNames(attributes) {
		if old.value(name) != canonical(name, attributes[name]) {
			return api.QueueNameExists("A queue already exists with the same name and a different value for attribute %s", name)
		}
	}
	return nil
}

func (s *Service) deleteQueue(ctx context.Context, in *api.DeleteQueueRequest) (*aws.Empty, error) {
	p, err := placeOf(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var number uint64
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		q, err := s.queue(ctx, tx, p)
		if err != nil {
			return err
		}
		number = q.Number
		if err := noteSource(tx, q, nil); err != nil {
			return err
		}
		if s.DeletedRecently {
			if err := gone.PutExpiring(tx, p.scope(), nil, s.Clock.Now().Add(time.Minute), p.name); err != nil {
				return err
			}
		}
		return first(queues.Delete(tx, p.scope(), p.name), empty(tx, q),
			sent.DeleteAll(tx, p.scope(), q.Number), tasks.DeleteAll(tx, p.scope(), p.name),
			active.Delete(tx, store.Scope{}, p.account, p.region, p.name))
	})
	if err == nil {
		s.hubs.drop(number)
	}
	return nil, err
}

// empty removes all of a queue's messages.
func empty(tx store.Tx, q *queue) error {
	at := q.place.scope()
	return first(messages.DeleteAll(tx, at, q.Number), index.DeleteAll(tx, at, q.Number), moved.DeleteAll(tx, at, q.Number),
		members.DeleteAll(tx, at, q.Number), groups.DeleteAll(tx, at, q.Number), attempts.DeleteAll(tx, at, q.Number))
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) purgeQueue(ctx context.Context, in *api.PurgeQueueRequest) (*aws.Empty, error) {
	var number uint64
	err := s.change(ctx, in.QueueUrl, func(tx store.Tx, q *queue) error {
		now := s.Clock.Now().UnixMilli()
		if q.Purged != 0 && now-q.Purged < 60_000 {
			return api.PurgeQueueInProgress("Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.Name)
		}
		q.Purged, number = now, q.Number
		return empty(tx, q)
	})
	if err == nil {
		s.hubs.drop(number)
	}
	return nil, err
}

func (s *Service) getQueueURL(ctx context.Context, in *api.GetQueueUrlRequest) (*api.GetQueueUrlResult, error) {
	p, err := named(ctx, in)
	if err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		_, err := s.queue(ctx, r, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.GetQueueUrlResult{QueueUrl: new(s.url(ctx, p))}, nil
}

// named is the queue that GetQueueUrl asks for.
func named(ctx context.Context, in *api.GetQueueUrlRequest) (place, error) {
	r := aws.RequestOf(ctx)
	p := place{r.Region, r.Account(), *in.QueueName}
	if in.QueueOwnerAWSAccountId != nil {
		p.account = *in.QueueOwnerAWSAccountId
	}
	if !validName(p.name) {
		return p, invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if !aws.ValidAccount(p.account) {
		return p, invalidValue(p.account, "QueueOwnerAWSAccountId", "Must be a 12-digit AWS account ID.")
	}
	return p, nil
}

func (s *Service) listQueues(ctx context.Context, in *api.ListQueuesRequest) (*api.ListQueuesResult, error) {
	r := aws.RequestOf(ctx)
	limit, after, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListQueuesResult{}
	prefix := aws.Value(in.QueueNamePrefix)
	err = s.Store.View(ctx, func(rd store.Reader) error {
		out.QueueUrls, out.NextToken = nil, nil
		o := store.ListOptions{From: []any{prefix}}
		if after != "" {
			o.After = []any{after}
		}
		last := ""
		for e, err := range queues.List(ctx, rd, store.Scope{Account: r.Account(), Region: r.Region}, o) {
			if err != nil {
				return err
			}
			name := e.Key.String(0)
			if !strings.HasPrefix(name, prefix) {
				if name > prefix {
					break
				}
				continue
			}
			if len(out.QueueUrls) == limit {
				if in.MaxResults != nil {
					out.NextToken = new(aws.Token(last))
				}
				break
			}
			out.QueueUrls, last = append(out.QueueUrls, s.url(ctx, place{r.Region, r.Account(), name})), name
		}
		return nil
	})
	return out, err
}

// page reads what a listing operation was asked for: up to 1000, from behind a name.
func page(max *int32, token *string) (limit int, after string, err error) {
	limit = 1000
	if max != nil {
		if limit = int(*max); limit < 1 || limit > 1000 {
			return 0, "", invalidValue(limit, "MaxResults", "Must be an integer from 1 to 1000.")
		}
	}
	if token != nil && *token != "" && !aws.ParseToken(*token, &after) {
		return 0, "", invalidParameter("Invalid or expired next token.")
	}
	return limit, after, nil
}

// number is a new queue's.
func (s *Service) number() (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(s.Random, b[:]); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b[:]), nil
}
