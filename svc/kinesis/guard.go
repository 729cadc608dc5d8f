package kinesis

import (
	"context"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
)

// access is what a call on a stream or a consumer needs. A resource that is not there
// has neither tags nor a policy.
func (s *Service) access(t resource, arn string) aws.Access {
	facts := func(ctx context.Context) (facts, error) {
		f, err := s.facts(ctx, t)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			err = nil
		}
		return f, err
	}
	return aws.Access{
		Resource: arn,
		Tags:     func(ctx context.Context) (map[string]string, error) { f, err := facts(ctx); return f.tags, err },
		Policy:   func(ctx context.Context) (string, error) { f, err := facts(ctx); return f.policy, err },
	}
}

// on is the guard of an operation on one stream.
func on[In any](s *Service, of func(in *In) target) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		at, err := of(in).ref(ctx)
		if err != nil {
			return nil, err
		}
		return []aws.Access{s.access(resource{ref: at}, at.arn())}, nil
	}
}

// onResource is the guard of an operation on a stream or a consumer, by its ARN.
func onResource[In any](s *Service, arn func(in *In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		t, err := resourceOf(ctx, *arn(in))
		if err != nil {
			return nil, err
		}
		return []aws.Access{s.access(t, *arn(in))}, nil
	}
}

// onConsumer is the guard of an operation on one consumer. Where the input does not say
// when it was made, its ARN ends with what is in the store, or with an asterisk.
func onConsumer[In any](s *Service, of func(in *In) consumerTarget) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		t := of(in)
		c, err := t.ref(ctx)
		if err != nil {
			return nil, err
		}
		arn := c.ref.arn() + "/consumer/" + c.consumer + ":*"
		if t.arn != nil {
			arn = *t.arn
		} else if d, err := s.describeStreamConsumer(ctx, &api.DescribeStreamConsumerInput{StreamARN: t.stream, ConsumerName: t.name}); err == nil {
			arn = *d.ConsumerDescription.ConsumerARN
		}
		return []aws.Access{s.access(resource{c.ref, &c}, arn)}, nil
	}
}

func (s *Service) guardCreateStream(ctx context.Context, in *api.CreateStreamInput) ([]aws.Access, error) {
	at, err := target{name: in.StreamName}.ref(ctx)
	if err != nil {
		return nil, err
	}
	return []aws.Access{{Resource: at.arn(), Keys: aws.RequestTags(nil, in.Tags)}}, nil
}

func (s *Service) guardListShards(ctx context.Context, in *api.ListShardsInput) ([]aws.Access, error) {
	p, err := listing(ctx, in)
	if err != nil {
		return nil, err
	}
	return []aws.Access{s.access(resource{ref: p.at}, p.at.arn())}, nil
}

func (s *Service) guardGetRecords(_ context.Context, in *api.GetRecordsInput) ([]aws.Access, error) {
	it, err := parseIterator(*in.ShardIterator)
	if err != nil {
		return nil, err
	}
	at := it.ref()
	return []aws.Access{s.access(resource{ref: at}, at.arn())}, nil
}

// tagging adds the keys of tags that a call sets, or of names that it removes.
func tagging(needs []aws.Access, tags map[string]string, names []string) []aws.Access {
	for i := range needs {
		needs[i].Keys = aws.RequestTags(maps.Clone(needs[i].Keys), tags)
		if len(names) > 0 {
			needs[i].Keys["aws:TagKeys"] = slices.Clone(names)
		}
	}
	return needs
}

func (s *Service) guardRegisterConsumer(ctx context.Context, in *api.RegisterStreamConsumerInput) ([]aws.Access, error) {
	needs, err := on(s, func(in *api.RegisterStreamConsumerInput) target { return target{arn: in.StreamARN} })(ctx, in)
	return tagging(needs, in.Tags, nil), err
}

func (s *Service) guardAddTags(ctx context.Context, in *api.AddTagsToStreamInput) ([]aws.Access, error) {
	needs, err := on(s, func(in *api.AddTagsToStreamInput) target { return target{in.StreamName, in.StreamARN} })(ctx, in)
	return tagging(needs, in.Tags, nil), err
}

func (s *Service) guardRemoveTags(ctx context.Context, in *api.RemoveTagsFromStreamInput) ([]aws.Access, error) {
	needs, err := on(s, func(in *api.RemoveTagsFromStreamInput) target { return target{in.StreamName, in.StreamARN} })(ctx, in)
	return tagging(needs, nil, in.TagKeys), err
}

func (s *Service) guardTagResource(ctx context.Context, in *api.TagResourceInput) ([]aws.Access, error) {
	needs, err := onResource(s, func(in *api.TagResourceInput) *string { return in.ResourceARN })(ctx, in)
	return tagging(needs, in.Tags, nil), err
}

func (s *Service) guardUntagResource(ctx context.Context, in *api.UntagResourceInput) ([]aws.Access, error) {
	needs, err := onResource(s, func(in *api.UntagResourceInput) *string { return in.ResourceARN })(ctx, in)
	return tagging(needs, nil, in.TagKeys), err
}
