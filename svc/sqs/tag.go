package sqs

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const maxTags = 50

// checkTags refuses tags that no queue may have; there are some already.
func checkTags(tags map[string]string, there int) error {
	if len(tags)+there > maxTags {
		return invalidParameter("Too many tags added for queue %d. Only %d tags are allowed.", len(tags)+there, maxTags)
	}
	for k, v := range tags {
		switch {
		case k == "" || len([]rune(k)) > 128:
			return invalidParameter("Tag keys must be between 1 and 128 characters in length.")
		case len([]rune(v)) > 256:
			return invalidParameter("Tag values must be between 0 and 256 characters in length.")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalidParameter("Tag keys beginning with 'aws:' are reserved for system use.")
		}
	}
	return nil
}

func (s *Service) tagQueue(ctx context.Context, in *api.TagQueueRequest) (*aws.Empty, error) {
	if len(in.Tags) == 0 {
		return nil, missingParameter("The request must contain the parameter Tags.")
	}
	return nil, s.change(ctx, in.QueueUrl, func(_ store.Tx, q *queue) error {
		there := 0
		for k := range q.Tags {
			if _, again := in.Tags[k]; !again {
				there++
			}
		}
		if err := checkTags(in.Tags, there); err != nil {
			return err
		}
		for k, v := range in.Tags {
			q.Tags[k] = v
		}
		return nil
	})
}

func (s *Service) untagQueue(ctx context.Context, in *api.UntagQueueRequest) (*aws.Empty, error) {
	if len(in.TagKeys) == 0 {
		return nil, missingParameter("The request must contain the parameter TagKeys.")
	}
	return nil, s.change(ctx, in.QueueUrl, func(_ store.Tx, q *queue) error {
		for _, k := range in.TagKeys {
			delete(q.Tags, k)
		}
		return nil
	})
}

func (s *Service) listQueueTags(ctx context.Context, in *api.ListQueueTagsRequest) (*api.ListQueueTagsResult, error) {
	q, err := s.view(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	out := &api.ListQueueTagsResult{}
	if len(q.Tags) > 0 {
		out.Tags = q.Tags
	}
	return out, nil
}
