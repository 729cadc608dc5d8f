package firehose

import (
	"context"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

// access is what a call on a stream needs. A stream that is not there has no tags.
func (s *Service) access(at ref) aws.Access {
	return aws.Access{Resource: at.arn(), Tags: func(ctx context.Context) (map[string]string, error) {
		st, err := s.look(ctx, at)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			err = nil
		}
		return st.Tags, err
	}}
}

// on is the guard of an operation on one stream.
func on[In any](s *Service, name func(in *In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		return []aws.Access{s.access(refOf(ctx, name(in)))}, nil
	}
}

// passing is the permission to let Firehose have roles for a stream.
func passing(at ref, roles []string) (needs []aws.Access) {
	seen := map[string]bool{"": true}
	for _, role := range roles {
		if !seen[role] {
			seen[role] = true
			needs = append(needs, aws.Access{Action: "iam:PassRole", Resource: role, Keys: map[string][]string{
				"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {at.arn()}}})
		}
	}
	return needs
}

func (s *Service) guardCreate(ctx context.Context, in *api.CreateDeliveryStreamInput) ([]aws.Access, error) {
	at := refOf(ctx, in.DeliveryStreamName)
	keys := aws.RequestTags(nil, tagMap(in.Tags))
	needs := []aws.Access{{Resource: at.arn(), Keys: keys}}
	if len(in.Tags) > 0 {
		needs = append(needs, aws.Access{Action: "firehose:TagDeliveryStream", Resource: at.arn(), Keys: keys})
	}
	return append(needs, passing(at, rolesIn(in))...), nil
}

func (s *Service) guardUpdate(ctx context.Context, in *api.UpdateDestinationInput) ([]aws.Access, error) {
	at := refOf(ctx, in.DeliveryStreamName)
	return append([]aws.Access{s.access(at)}, passing(at, rolesIn(in))...), nil
}

func (s *Service) guardTag(ctx context.Context, in *api.TagDeliveryStreamInput) ([]aws.Access, error) {
	need := s.access(refOf(ctx, in.DeliveryStreamName))
	need.Keys = aws.RequestTags(nil, tagMap(in.Tags))
	return []aws.Access{need}, nil
}

func (s *Service) guardUntag(ctx context.Context, in *api.UntagDeliveryStreamInput) ([]aws.Access, error) {
	need := s.access(refOf(ctx, in.DeliveryStreamName))
	need.Keys = map[string][]string{"aws:TagKeys": in.TagKeys}
	return []aws.Access{need}, nil
}
