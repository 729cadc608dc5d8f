package sqs

import (
	"context"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// access is the permission to do something with a queue. The queue's policy counts,
// except that what is the owner's alone no policy gives to other accounts.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-customer-managed-policy-examples.html
func (s *Service) access(ctx context.Context, p place, owners bool) aws.Access {
	a := aws.Access{Resource: p.arn(), Tags: s.tagsOf(p)}
	if caller := aws.RequestOf(ctx).Caller; !owners || caller.Account == p.account && caller.Kind != aws.Anonymous {
		a.Policy = s.policyOf(p)
	}
	return a
}

// policyOf reads a queue's policy. A queue that is not there has none.
func (s *Service) policyOf(p place) func(context.Context) (string, error) {
	return func(ctx context.Context) (document string, err error) {
		err = s.ifThere(ctx, p, func(q *queue) { document = q.Attributes["Policy"] })
		return document, err
	}
}

func (s *Service) tagsOf(p place) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (tags map[string]string, err error) {
		err = s.ifThere(ctx, p, func(q *queue) { tags = q.Tags })
		return tags, err
	}
}

func (s *Service) ifThere(ctx context.Context, p place, f func(*queue)) error {
	err := s.Store.View(ctx, func(r store.Reader) error {
		q, err := s.queue(ctx, r, p)
		if err == nil {
			f(q)
		}
		return err
	})
	if aws.CodeOf(err) == "QueueDoesNotExist" {
		return nil
	}
	return err
}

// shared guards what a queue's policy may let other accounts do.
func shared[In any](s *Service, url func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		p, err := placeOf(ctx, url(in))
		if err != nil {
			return nil, err
		}
		return []aws.Access{s.access(ctx, p, false)}, nil
	}
}

// batched is shared for a batch, which needs the permission for one.
func batched[In any](s *Service, action string, url func(*In) *string) aws.Guard[In] {
	guard := shared(s, url)
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		needs, err := guard(ctx, in)
		if err == nil {
			needs[0].Action = action
		}
		return needs, err
	}
}

// own guards what only a queue's own account may do.
func own[In any](s *Service, url func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		p, err := placeOf(ctx, url(in))
		if err != nil {
			return nil, err
		}
		return []aws.Access{s.access(ctx, p, true)}, nil
	}
}

// unlocked has the root user of the queue's account pass by the queue's policy, so that
// one that locks everyone out can be seen and undone.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user.html#root-user-tasks
func unlocked[In any](guard aws.Guard[In]) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		needs, err := guard(ctx, in)
		caller := aws.RequestOf(ctx).Caller
		for i := range needs {
			if p, ok := placeOfARN(needs[i].Resource); ok && caller.Kind == aws.Root && caller.Account == p.account {
				needs[i].Policy = nil
			}
		}
		return needs, err
	}
}

// guardSetAttributes is own, and lets a root user set the policy alone.
func (s *Service) guardSetAttributes(ctx context.Context, in *api.SetQueueAttributesRequest) ([]aws.Access, error) {
	guard := own(s, func(in *api.SetQueueAttributesRequest) *string { return in.QueueUrl })
	if _, ok := in.Attributes["Policy"]; ok && len(in.Attributes) == 1 {
		guard = unlocked(guard)
	}
	return guard(ctx, in)
}

func (s *Service) guardCreateQueue(ctx context.Context, in *api.CreateQueueRequest) ([]aws.Access, error) {
	r := aws.RequestOf(ctx)
	p := place{r.Region, r.Account(), *in.QueueName}
	a := s.access(ctx, p, true)
	a.Keys = aws.RequestTags(nil, in.Tags)
	needs := []aws.Access{a}
	if len(in.Tags) > 0 {
		a.Action = api.TagQueue.IAMAction()
		needs = append(needs, a)
	}
	return needs, nil
}

func (s *Service) guardTagQueue(ctx context.Context, in *api.TagQueueRequest) ([]aws.Access, error) {
	p, err := placeOf(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	a := s.access(ctx, p, true)
	a.Keys = aws.RequestTags(nil, in.Tags)
	return []aws.Access{a}, nil
}

func (s *Service) guardUntagQueue(ctx context.Context, in *api.UntagQueueRequest) ([]aws.Access, error) {
	p, err := placeOf(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	a := s.access(ctx, p, true)
	a.Keys = map[string][]string{"aws:TagKeys": in.TagKeys}
	return []aws.Access{a}, nil
}

func (s *Service) guardGetQueueURL(ctx context.Context, in *api.GetQueueUrlRequest) ([]aws.Access, error) {
	p, err := named(ctx, in)
	if err != nil {
		return nil, err
	}
	return []aws.Access{s.access(ctx, p, false)}, nil
}

// onARN guards what only the account of the queue of an ARN may do.
func onARN[In any](s *Service, arn func(*In) string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		p, ok := placeOfARN(arn(in))
		if !ok {
			return nil, badSourceARN()
		}
		return []aws.Access{s.access(ctx, p, true)}, nil
	}
}

func (s *Service) guardStartMessageMoveTask(ctx context.Context, in *api.StartMessageMoveTaskRequest) ([]aws.Access, error) {
	p, ok := placeOfARN(*in.SourceArn)
	if !ok {
		return nil, badSourceARN()
	}
	a := s.access(ctx, p, true)
	needs := []aws.Access{a}
	for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
		a.Action = action
		needs = append(needs, a)
	}
	if in.DestinationArn == nil {
		return needs, nil
	}
	to, ok := placeOfARN(*in.DestinationArn)
	if !ok {
		return nil, noDestination()
	}
	a = s.access(ctx, to, false)
	a.Action = "sqs:SendMessage"
	return append(needs, a), nil
}

func (s *Service) guardCancelMessageMoveTask(ctx context.Context, in *api.CancelMessageMoveTaskRequest) ([]aws.Access, error) {
	h, ok := parseTaskHandle(*in.TaskHandle)
	if !ok {
		return nil, invalidParameter("Value for parameter TaskHandle is invalid.")
	}
	p, ok := placeOfARN(h.SourceArn)
	if !ok {
		return nil, invalidParameter("Value for parameter TaskHandle is invalid.")
	}
	return []aws.Access{s.access(ctx, p, true)}, nil
}
