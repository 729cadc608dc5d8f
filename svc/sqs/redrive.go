package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// redrivePolicy says where messages go that were received often enough.
type redrivePolicy struct {
	target place
	max    uint64
}

// String is the policy as AWS prints it.
func (p *redrivePolicy) String() string {
	return `{"deadLetterTargetArn":"` + p.target.arn() + `","maxReceiveCount":` + strconv.FormatUint(p.max, 10) + `}`
}

// parseRedrive reads a RedrivePolicy; nil for an empty one.
func parseRedrive(text string) (*redrivePolicy, error) {
	if text == "" {
		return nil, nil
	}
	var raw struct {
		DeadLetterTargetArn *string         `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.RawMessage `json:"maxReceiveCount"`
	}
	bad := func(reason string) error { return invalidValue(text, "RedrivePolicy", reason) }
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, bad("Redrive policy is not a valid JSON map.")
	}
	if raw.DeadLetterTargetArn == nil {
		return nil, bad("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	if raw.MaxReceiveCount == nil {
		return nil, bad("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	max, err := strconv.ParseUint(strings.Trim(string(raw.MaxReceiveCount), `"`), 10, 64)
	if err != nil || max < 1 || max > 1000 {
		return nil, bad("Invalid value for maxReceiveCount: " + strings.Trim(string(raw.MaxReceiveCount), `"`) + ", valid values are from 1 to 1000 both inclusive.")
	}
	target, ok := placeOfARN(*raw.DeadLetterTargetArn)
	if !ok {
		return nil, bad("Invalid value for deadLetterTargetArn.")
	}
	return &redrivePolicy{target, max}, nil
}

// checkRedrive reads a queue's new RedrivePolicy and holds it against the queue that it
// names.
func (s *Service) checkRedrive(ctx context.Context, r store.Reader, q *queue, text string) (*redrivePolicy, error) {
	p, err := parseRedrive(text)
	if err != nil || p == nil {
		return nil, err
	}
	bad := func(reason string) error { return invalidValue(text, "RedrivePolicy", reason) }
	if p.target.account != q.place.account || p.target.region != q.place.region {
		return nil, bad("Dead-letter target owner should be same as the source.")
	}
	dead, err := s.queue(ctx, r, p.target)
	switch {
	case p.target == q.place:
		dead, err = q, nil
	case aws.CodeOf(err) == "QueueDoesNotExist":
		return nil, bad("Dead letter target does not exist.")
	case err != nil:
		return nil, err
	}
	if dead.FIFO != q.FIFO {
		return nil, bad("Dead letter queue must be same type of queue as the source.")
	}
	allow, err := parseAllow(dead.Attributes["RedriveAllowPolicy"])
	if err != nil {
		return nil, err
	}
	if !allow.lets(q.place.arn()) {
		return nil, bad("Queue " + q.place.arn() + " is not allowed to use the dead-letter queue by its RedriveAllowPolicy.")
	}
	return p, nil
}

// noteSource notes which dead-letter queue a queue is a source of; nil means none.
func noteSource(tx store.Tx, q *queue, p *redrivePolicy) error {
	at := q.place.scope()
	if old, err := parseRedrive(q.Attributes["RedrivePolicy"]); err == nil && old != nil {
		if err := sources.Delete(tx, at, old.target.name, q.Name); err != nil {
			return err
		}
	}
	if p == nil {
		return nil
	}
	return sources.Put(tx, at, nil, p.target.name, q.Name)
}

// allowPolicy says which queues may have a queue as their dead-letter queue.
type allowPolicy struct {
	RedrivePermission string   `json:"redrivePermission"`
	SourceQueueArns   []string `json:"sourceQueueArns"`
}

func parseAllow(text string) (allowPolicy, error) {
	p := allowPolicy{RedrivePermission: "allowAll"}
	if text == "" {
		return p, nil
	}
	bad := func(reason string) error { return invalidValue(text, "RedriveAllowPolicy", reason) }
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, bad("Amazon SQS can't parse the policy, it is not a valid JSON map.")
	}
	named := len(p.SourceQueueArns) > 0
	switch p.RedrivePermission {
	case "allowAll", "denyAll":
		if named {
			return p, bad("sourceQueueArns can be specified only when redrivePermission is byQueue.")
		}
	case "byQueue":
		if !named || len(p.SourceQueueArns) > 10 {
			return p, bad("sourceQueueArns must have 1 to 10 ARNs when redrivePermission is byQueue.")
		}
		for _, arn := range p.SourceQueueArns {
			if _, ok := placeOfARN(arn); !ok {
				return p, bad("sourceQueueArns must be ARNs of queues.")
			}
		}
	default:
		return p, bad("redrivePermission must be allowAll, denyAll or byQueue.")
	}
	return p, nil
}

func (p allowPolicy) lets(source string) bool {
	switch p.RedrivePermission {
	case "denyAll":
		return false
	case "byQueue":
		return slices.Contains(p.SourceQueueArns, source)
	}
	return true
}

func (s *Service) listDeadLetterSourceQueues(ctx context.Context, in *api.ListDeadLetterSourceQueuesRequest) (*api.ListDeadLetterSourceQueuesResult, error) {
	p, err := placeOf(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	limit, after, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListDeadLetterSourceQueuesResult{}
	err = s.Store.View(ctx, func(r store.Reader) error {
		out.QueueUrls, out.NextToken = []string{}, nil
		if _, err := s.queue(ctx, r, p); err != nil {
			return err
		}
		o := store.ListOptions{Prefix: []any{p.name}}
		if after != "" {
			o.After = []any{p.name, after}
		}
		last := ""
		for e, err := range sources.List(ctx, r, p.scope(), o) {
			if err != nil {
				return err
			}
			if len(out.QueueUrls) == limit {
				out.NextToken = new(aws.Token(last))
				break
			}
			last = e.Key.String(1)
			out.QueueUrls = append(out.QueueUrls, s.url(ctx, place{p.region, p.account, last}))
		}
		return nil
	})
	return out, err
}

// bury makes a message that q gave out often enough a dead letter, if its queue is
// there; false if it stays.
func (s *Service) bury(ctx context.Context, tx store.Tx, q *queue, at ref, m message, st state, h *hints) (bool, error) {
	dead, err := s.queue(ctx, tx, q.limits.redrive.target)
	if aws.CodeOf(err) == "QueueDoesNotExist" || err == nil && dead.Number == q.Number {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	m.source = q.place.arn()
	now := s.Clock.Now().UnixMicro()
	if dead.FIFO { // the time that it is kept begins anew
		at = newRef(now, at.uuid())
		m.seq = s.next(now)
	}
	return true, s.shelve(ctx, tx, dead, at, m, state{count: st.count, first: st.first}, now, h)
}

// dead reports whether a message is not to be received once more.
func (q *queue) dead(st state) bool {
	return q.limits.redrive != nil && st.count >= q.limits.redrive.max
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
