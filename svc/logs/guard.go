package logs

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// The resource of an action on a group is the group's ARN followed by
// ":log-stream:", as AWS's refusals print it, and that of an action on a stream has
// the stream's name behind that. So the ARN "…:log-group:NAME:*", which AWS says to
// use in policies, covers both. The three newer tagging actions alone have the ARN
// without a tail.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html

func groupResource(ctx context.Context, name string) string {
	return aws.RequestOf(ctx).ARN("logs", "log-group:"+name+":log-stream:")
}

// resourceTags reads a group's tags, which its streams share, when a policy asks. One
// that is not there has none.
func (s *Service) resourceTags(name string) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (map[string]string, error) {
		tags, err := s.tagsOf(ctx, name)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			return nil, nil
		}
		return tags, err
	}
}

// onGroup guards what works on the group that name finds in the input: by its name,
// or by its ARN.
func onGroup[In any](s *Service, name func(*In) *string) aws.Guard[In] {
	return onStream(s, func(in *In) (*string, *string) { return name(in), nil })
}

// onStream guards what works on the stream that find finds in the input.
func onStream[In any](s *Service, find func(*In) (group, stream *string)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		id, stream := find(in)
		if id == nil {
			return []aws.Access{{Resource: groupResource(ctx, "")}}, nil
		}
		name, err := groupIdentified(ctx, *id)
		if err != nil {
			// A group elsewhere is not the caller's to know of.
			if _, ok := aws.ParseARN(*id); ok {
				return []aws.Access{{Resource: *id}}, nil
			}
			return nil, err
		}
		return []aws.Access{{Resource: groupResource(ctx, name) + aws.Value(stream), Tags: s.resourceTags(name), Policy: s.policyOn(ctx, name)}}, nil
	}
}

// unmasking is guard, and asks for what has been masked where the input does.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/mask-sensitive-log-data.html
func unmasking[In any](guard aws.Guard[In], wanted func(*In) *bool) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		needs, err := guard(ctx, in)
		if err == nil && aws.Value(wanted(in)) {
			more := needs[0]
			// It is the group that hides, whichever of its streams is read.
			group, _, _ := strings.Cut(more.Resource, ":log-stream:")
			more.Action, more.Resource = "logs:Unmask", group+":log-stream:"
			needs = append(needs, more)
		}
		return needs, err
	}
}

func (s *Service) guardCreateLogGroup(ctx context.Context, in *api.CreateLogGroupRequest) ([]aws.Access, error) {
	keys, tags := aws.RequestTags(nil, in.Tags), s.resourceTags(*in.LogGroupName)
	needs := []aws.Access{{Resource: groupResource(ctx, *in.LogGroupName), Keys: keys, Tags: tags}}
	if len(in.Tags) > 0 {
		needs = append(needs, aws.Access{Action: api.TagResource.IAMAction(), Keys: keys, Tags: tags,
			Resource: aws.RequestOf(ctx).ARN("logs", "log-group:"+*in.LogGroupName)})
	}
	return needs, nil
}

// guardAllGroups guards what looks at all groups, whose name is then empty.
func guardAllGroups[In any](ctx context.Context, _ *In) ([]aws.Access, error) {
	return []aws.Access{{Resource: groupResource(ctx, "")}}, nil
}

// onResource guards the tagging of what an ARN names; tags, if not nil, are those that
// the input brings, and keys those that it takes away.
func onResource[In any](s *Service, arn func(*In) string, tags func(*In) map[string]string, gone func(*In) []string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		need := aws.Access{Resource: arn(in)}
		if kind, name, err := taggable(ctx, arn(in)); err == nil {
			// By one name, however it was written: a policy that denies must match.
			need.Resource = aws.RequestOf(ctx).ARN("logs", kind+":"+name)
			need.Tags = s.tagsOfARN(need.Resource)
		}
		need.Keys = tagging(in, tags, gone)
		return []aws.Access{need}, nil
	}
}

// tagging are the condition keys of the tags that an input brings or takes away.
func tagging[In any](in *In, tags func(*In) map[string]string, gone func(*In) []string) map[string][]string {
	keys := map[string][]string{}
	if tags != nil {
		aws.RequestTags(keys, tags(in))
	}
	if gone != nil {
		keys["aws:TagKeys"] = gone(in)
	}
	return keys
}

// onTags is onGroup for the older tagging operations, which name the group.
func onTags[In any](s *Service, name func(*In) *string, tags func(*In) map[string]string, gone func(*In) []string) aws.Guard[In] {
	guard := onGroup(s, name)
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		needs, err := guard(ctx, in)
		if err != nil {
			return nil, err
		}
		needs[0].Keys = tagging(in, tags, gone)
		return needs, nil
	}
}

// tagsOfARN reads the tags of what an ARN names, when a policy asks. What is not there
// has none.
func (s *Service) tagsOfARN(arn string) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (map[string]string, error) {
		tags, err := s.tagsAt(ctx, arn)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			return nil, nil
		}
		return tags, err
	}
}

// onGroups guards what works on several groups, each by itself.
func onGroups[In any](s *Service, ids func(*In) []string) aws.Guard[In] {
	return func(ctx context.Context, in *In) (needs []aws.Access, err error) {
		for _, id := range ids(in) {
			one, err := onGroup(s, func(*In) *string { return &id })(ctx, in)
			if err != nil {
				return nil, err
			}
			needs = append(needs, one...)
		}
		if needs == nil {
			needs = []aws.Access{{Resource: groupResource(ctx, "")}}
		}
		return needs, nil
	}
}

// named guards what works on a resource of a kind that has its name in its ARN; tags, if
// not nil, are those that the input brings.
func named[In any](s *Service, kind string, name func(*In) *string, tags func(*In) map[string]string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		arn := aws.RequestOf(ctx).ARN("logs", kind+":"+*name(in))
		need := aws.Access{Resource: arn, Tags: s.tagsOfARN(arn)}
		if tags != nil {
			need.Keys = aws.RequestTags(nil, tags(in))
		}
		return []aws.Access{need}, nil
	}
}

// handing is the permission to hand a role to this service, for a resource.
func handing(role, resource string) aws.Access {
	return aws.Access{Action: "iam:PassRole", Resource: role, Keys: map[string][]string{
		"iam:PassedToService": {"logs.amazonaws.com"}, "iam:AssociatedResourceArn": {resource}}}
}

func (s *Service) guardPutSubscriptionFilter(ctx context.Context, in *api.PutSubscriptionFilterRequest) ([]aws.Access, error) {
	needs, err := onGroup(s, func(in *api.PutSubscriptionFilterRequest) *string { return in.LogGroupName })(ctx, in)
	return append(needs, s.subscribing(*in.DestinationArn, in.RoleArn, aws.RequestOf(ctx).ARN("logs", "log-group:"+*in.LogGroupName))...), err
}

// subscribing are the permissions that a destination and a role need, for what is of.
func (s *Service) subscribing(destination string, role *string, of string) (needs []aws.Access) {
	if a, ok := aws.ParseARN(destination); ok && a.Service == "logs" {
		needs = append(needs, aws.Access{Action: api.PutSubscriptionFilter.IAMAction(), Resource: destination, Policy: s.destinationPolicy(destination), Tags: s.tagsOfARN(destination)})
	}
	if role != nil && *role != "" {
		needs = append(needs, handing(*role, of))
	}
	return needs
}

func (s *Service) guardPutDestination(ctx context.Context, in *api.PutDestinationRequest) ([]aws.Access, error) {
	needs, err := named(s, "destination", func(in *api.PutDestinationRequest) *string { return in.DestinationName },
		func(in *api.PutDestinationRequest) map[string]string { return in.Tags })(ctx, in)
	return append(needs, handing(*in.RoleArn, destinationARN(ctx, *in.DestinationName))), err
}

func (s *Service) guardPutAccountPolicy(ctx context.Context, in *api.PutAccountPolicyRequest) ([]aws.Access, error) {
	needs := []aws.Access{{Resource: "*"}}
	var doc struct{ DestinationArn, RoleArn string }
	if *in.PolicyType == api.PolicyTypeSubscriptionFilterPolicy && json.Unmarshal([]byte(*in.PolicyDocument), &doc) == nil {
		needs = append(needs, s.subscribing(doc.DestinationArn, &doc.RoleArn, aws.RequestOf(ctx).ARN("logs", "log-group:*"))...)
	}
	return needs, nil
}

// guardQuery guards what shows a query's results: whoever may not read its groups does
// not see them.
func (s *Service) guardQuery(ctx context.Context, in *api.GetQueryResultsRequest) ([]aws.Access, error) {
	var ids []string
	err := s.store.View(ctx, func(r store.Reader) error {
		q, err := queryNamed(ctx, r, scopeOf(ctx), *in.QueryId)
		for _, g := range q.Groups {
			ids = append(ids, g.Name)
		}
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return onGroups(s, func(*api.GetQueryResultsRequest) []string { return ids })(ctx, in)
}

func (s *Service) guardGetLogRecord(ctx context.Context, in *api.GetLogRecordRequest) ([]aws.Access, error) {
	guard := onGroup(s, func(in *api.GetLogRecordRequest) *string {
		var p pointer
		if !aws.ParseToken(*in.LogRecordPointer, &p) || p.Group.Name == "" {
			return nil
		}
		return &p.Group.Name
	})
	return unmasking(guard, func(in *api.GetLogRecordRequest) *bool { return in.Unmask })(ctx, in)
}

func (s *Service) guardCreateDelivery(ctx context.Context, in *api.CreateDeliveryRequest) ([]aws.Access, error) {
	keys := aws.RequestTags(nil, in.Tags)
	source := *deliveryARN(ctx, "delivery-source", *in.DeliverySourceName)
	return []aws.Access{
		{Resource: *deliveryARN(ctx, "delivery", "*"), Keys: keys},
		{Resource: source, Keys: keys, Tags: s.tagsOfARN(source)},
		{Resource: *in.DeliveryDestinationArn, Keys: keys, Tags: s.tagsOfARN(*in.DeliveryDestinationArn), Policy: s.deliveryPolicy(*in.DeliveryDestinationArn)},
	}, nil
}

// deliveryPolicy reads the policy of a delivery destination, by which other accounts may
// deliver to it.
func (s *Service) deliveryPolicy(arn string) func(context.Context) (string, error) {
	return func(ctx context.Context) (policy string, err error) {
		a, _ := aws.ParseARN(arn)
		err = s.store.View(ctx, func(r store.Reader) error {
			d, err := deliveryDestinations.Get(ctx, r, store.Scope{Account: a.Account, Region: a.Region}, strings.TrimPrefix(a.Resource, "delivery-destination:"))
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			policy = d.Policy
			return err
		})
		return policy, err
	}
}

func (s *Service) guardPutDeliverySource(ctx context.Context, in *api.PutDeliverySourceRequest) ([]aws.Access, error) {
	needs, err := named(s, "delivery-source", func(in *api.PutDeliverySourceRequest) *string { return in.Name },
		func(in *api.PutDeliverySourceRequest) map[string]string { return in.Tags })(ctx, in)
	needs[0].Keys["logs:LogGeneratingResourceArns"] = []string{*in.ResourceArn}
	return needs, err
}

func (s *Service) guardPutDeliveryDestination(ctx context.Context, in *api.PutDeliveryDestinationRequest) ([]aws.Access, error) {
	needs, err := named(s, "delivery-destination", func(in *api.PutDeliveryDestinationRequest) *string { return in.Name },
		func(in *api.PutDeliveryDestinationRequest) map[string]string { return in.Tags })(ctx, in)
	if c := in.DeliveryDestinationConfiguration; c != nil && c.DestinationResourceArn != nil {
		needs[0].Keys["logs:DeliveryDestinationResourceArn"] = []string{*c.DestinationResourceArn}
	}
	return needs, err
}

// guardUpdateDelivery guards a delivery with what it connects.
func (s *Service) guardUpdateDelivery(ctx context.Context, in *api.UpdateDeliveryConfigurationRequest) ([]aws.Access, error) {
	arn := *deliveryARN(ctx, "delivery", *in.Id)
	needs := []aws.Access{{Resource: arn, Tags: s.tagsOfARN(arn)}}
	err := s.store.View(ctx, func(r store.Reader) error {
		d, err := deliveries.Get(ctx, r, scopeOf(ctx), *in.Id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		needs = append(needs, aws.Access{Resource: *deliveryARN(ctx, "delivery-source", d.Source)}, aws.Access{Resource: d.Destination})
		return err
	})
	return needs, err
}

func keyedGroup(name, resource *string) *string {
	if name == nil {
		return resource
	}
	return name
}
