package events

import (
	"context"
	"encoding/json"
	"slices"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// busAccess is the operation's own action on a bus.
func (s *Service) busAccess(at busRef) aws.Access {
	return aws.Access{Resource: at.arn(), Tags: s.tagsOf(tagged{bus: at}), Policy: s.busPolicy(at)}
}

func onBus[In any](s *Service, name func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		return []aws.Access{s.busAccess(refBus(ctx, name(in)))}, nil
	}
}

// ruleAccess is the operation's own action on a rule. That of another account lets in by
// the policy of its bus.
func (s *Service) ruleAccess(ctx context.Context, at busRef, name string, changes bool) aws.Access {
	a := aws.Access{Resource: at.ruleARN(name), Tags: s.tagsOf(tagged{at, name}), Policy: s.busPolicy(at), Keys: map[string][]string{}}
	var found rule
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		found, err = rules.Get(ctx, r, at.scope, at.name, name)
		return err
	})
	creator := found.CreatedBy
	if err != nil || creator == "" {
		creator = aws.RequestOf(ctx).Account() // who makes it, if somebody does
	}
	if a.Keys["events:creatorAccount"] = []string{creator}; changes && found.ManagedBy != "" {
		a.Keys["events:ManagedBy"] = []string{found.ManagedBy}
	}
	return a
}

// onRule is the guard of an operation on one rule of a bus.
func onRule[In any](s *Service, changes bool, of func(*In) (bus, rule *string)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		bus, rule := of(in)
		return []aws.Access{s.ruleAccess(ctx, refBus(ctx, bus), *rule, changes)}, nil
	}
}

// onNamed is the guard of an operation on what has a name: an archive, a connection.
func onNamed[In any](_ *Service, kind string, name func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		return []aws.Access{{Resource: aws.RequestOf(ctx).ARN("events", kind+"/"+*name(in))}}, nil
	}
}

// onSource is the guard of an operation on a partner's event source.
func onSource[In any](name func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		req := aws.RequestOf(ctx)
		return []aws.Access{{Resource: sourceARN(req.Region, *name(in)), Account: req.Account()}}, nil
	}
}

// passed is the permission to hand a role to EventBridge, for a resource.
func passed(role *string, arn string) []aws.Access {
	if aws.Value(role) == "" {
		return nil
	}
	return []aws.Access{{Action: "iam:PassRole", Resource: *role, Keys: map[string][]string{"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {arn}}}}
}

func tagKeys(list []api.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		tags[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return tags
}

func (s *Service) guardCreateBus(ctx context.Context, in *api.CreateEventBusRequest) ([]aws.Access, error) {
	need := s.busAccess(busRef{scopeOf(ctx), *in.Name})
	need.Keys = aws.RequestTags(nil, tagKeys(in.Tags))
	if len(in.Tags) == 0 {
		return []aws.Access{need}, nil
	}
	tag := s.taggedAccess(ctx, need.Resource)
	tag.Action, tag.Keys = api.TagResource.IAMAction(), aws.RequestTags(tag.Keys, tagKeys(in.Tags))
	return []aws.Access{need, tag}, nil
}

// guardPutRule tells policies what the pattern is about.
func (s *Service) guardPutRule(ctx context.Context, in *api.PutRuleRequest) ([]aws.Access, error) {
	at := refBus(ctx, in.EventBusName)
	need := s.ruleAccess(ctx, at, *in.Name, true)
	for key, values := range patternKeys(aws.Value(in.EventPattern)) {
		need.Keys[key] = values
	}
	needs := []aws.Access{need}
	needs[0].Keys = aws.RequestTags(needs[0].Keys, tagKeys(in.Tags))
	if len(in.Tags) > 0 {
		tag := s.ruleAccess(ctx, at, *in.Name, false)
		tag.Action, tag.Keys = api.TagResource.IAMAction(), aws.RequestTags(tag.Keys, tagKeys(in.Tags))
		needs = append(needs, tag)
	}
	return append(needs, passed(in.RoleArn, at.ruleARN(*in.Name))...), nil
}

// patternKeys are the condition keys that the exact values of a pattern make.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
func patternKeys(text string) map[string][]string {
	var p struct {
		Source     []any `json:"source"`
		DetailType []any `json:"detail-type"`
		Detail     struct {
			Service       []any `json:"service"`
			EventTypeCode []any `json:"eventTypeCode"`
			UserIdentity  struct {
				PrincipalID []any `json:"principalId"`
			} `json:"userIdentity"`
		} `json:"detail"`
	}
	if json.Unmarshal([]byte(text), &p) != nil {
		return nil
	}
	out := map[string][]string{}
	for key, list := range map[string][]any{"events:source": p.Source, "events:detail-type": p.DetailType, "events:detail.service": p.Detail.Service,
		"events:detail.eventTypeCode": p.Detail.EventTypeCode, "events:detail.userIdentity.principalId": p.Detail.UserIdentity.PrincipalID} {
		for _, v := range list {
			if s, ok := v.(string); ok {
				out[key] = append(out[key], s)
			}
		}
	}
	return out
}

func (s *Service) guardPutTargets(ctx context.Context, in *api.PutTargetsRequest) ([]aws.Access, error) {
	at := refBus(ctx, in.EventBusName)
	need := s.ruleAccess(ctx, at, *in.Rule, true)
	var more []aws.Access
	for i := range in.Targets {
		t := &in.Targets[i]
		need.Keys["events:TargetArn"] = append(need.Keys["events:TargetArn"], *t.Arn)
		more = append(more, passed(t.RoleArn, at.ruleARN(*in.Rule))...)
	}
	return append([]aws.Access{need}, more...), nil
}

// taggedAccess is the operation's own action on what has tags.
func (s *Service) taggedAccess(ctx context.Context, arn string) aws.Access {
	t, err := parseTagged(arn)
	switch {
	case err != nil:
		return aws.Access{Resource: "*", Keys: map[string][]string{}}
	case t.rule == "":
		a := s.busAccess(t.bus)
		a.Keys = map[string][]string{"events:creatorAccount": {t.bus.scope.Account}}
		return a
	}
	return s.ruleAccess(ctx, t.bus, t.rule, false)
}

func (s *Service) guardTag(ctx context.Context, in *api.TagResourceRequest) ([]aws.Access, error) {
	need := s.taggedAccess(ctx, *in.ResourceARN)
	need.Keys = aws.RequestTags(need.Keys, tagKeys(in.Tags))
	return []aws.Access{need}, nil
}

func (s *Service) guardUntag(ctx context.Context, in *api.UntagResourceRequest) ([]aws.Access, error) {
	need := s.taggedAccess(ctx, *in.ResourceARN)
	need.Keys["aws:TagKeys"] = in.TagKeys
	return []aws.Access{need}, nil
}

func (s *Service) guardListTags(ctx context.Context, in *api.ListTagsForResourceRequest) ([]aws.Access, error) {
	return []aws.Access{s.taggedAccess(ctx, *in.ResourceARN)}, nil
}

// putAccess is what putting an event of a kind to a bus needs. within says that a rule's
// target does it.
func putAccess(at busRef, source, detailType string, within bool) aws.Access {
	return aws.Access{Action: api.PutEvents.IAMAction(), Resource: at.arn(), Keys: map[string][]string{"events:source": {source}, "events:detail-type": {detailType},
		"events:eventBusInvocation": {map[bool]string{true: "true", false: "false"}[within]}}}
}

// guardPutEvents asks for each kind of event on each bus. A service puts events of its own
// to the buses of those whom it serves.
func (s *Service) guardPutEvents(ctx context.Context, in *api.PutEventsRequest) ([]aws.Access, error) {
	var needs []aws.Access
	first := defaultBus
	if in.EndpointId != nil {
		// Whose endpoint is not there is told so by the operation.
		if at, err := s.endpointBus(ctx, *in.EndpointId); err == nil {
			first = at
		}
	}
	caller := aws.RequestOf(ctx).Caller
	for i := range in.Entries {
		e := &in.Entries[i]
		at := refBus(ctx, &first)
		if e.EventBusName != nil {
			at = refBus(ctx, e.EventBusName)
		}
		if caller.Kind == aws.ServiceSelf && caller.Account == at.scope.Account {
			continue
		}
		need := putAccess(at, aws.Value(e.Source), aws.Value(e.DetailType), false)
		need.Policy = s.busPolicy(at)
		need.Tags = s.tagsOf(tagged{bus: at})
		same := func(n aws.Access) bool {
			return n.Resource == need.Resource && slices.Equal(n.Keys["events:source"], need.Keys["events:source"]) && slices.Equal(n.Keys["events:detail-type"], need.Keys["events:detail-type"])
		}
		if !slices.ContainsFunc(needs, same) {
			needs = append(needs, need)
		}
	}
	return needs, nil
}

func (s *Service) guardCreateArchive(ctx context.Context, in *api.CreateArchiveRequest) ([]aws.Access, error) {
	needs := []aws.Access{{Resource: archiveARN(scopeOf(ctx), *in.ArchiveName)}}
	if at, ok := parseBus(*in.EventSourceArn); ok {
		needs = append(needs, s.busAccess(at))
	}
	return needs, nil
}

func (s *Service) guardStartReplay(ctx context.Context, in *api.StartReplayRequest) ([]aws.Access, error) {
	needs := []aws.Access{{Resource: replayARN(scopeOf(ctx), *in.ReplayName)}}
	if _, ok := archiveOf(scopeOf(ctx), *in.EventSourceArn); ok {
		needs = append(needs, aws.Access{Resource: *in.EventSourceArn})
	}
	if at, ok := parseBus(*in.Destination.Arn); ok {
		needs = append(needs, s.busAccess(at))
	}
	return needs, nil
}

func (s *Service) guardCreateDestination(ctx context.Context, in *api.CreateApiDestinationRequest) ([]aws.Access, error) {
	return []aws.Access{{Resource: aws.RequestOf(ctx).ARN("events", "api-destination/"+*in.Name)}, {Resource: *in.ConnectionArn}}, nil
}

func (s *Service) guardCreateEndpoint(ctx context.Context, in *api.CreateEndpointRequest) ([]aws.Access, error) {
	return endpointAccess(ctx, *in.Name, in.EventBuses, in.RoleArn), nil
}

func (s *Service) guardUpdateEndpoint(ctx context.Context, in *api.UpdateEndpointRequest) ([]aws.Access, error) {
	return endpointAccess(ctx, *in.Name, in.EventBuses, in.RoleArn), nil
}

func endpointAccess(ctx context.Context, name string, list []api.EndpointEventBus, role *string) []aws.Access {
	arn := endpointARN(scopeOf(ctx), name)
	need := aws.Access{Resource: arn}
	for _, b := range list {
		if need.Keys == nil {
			need.Keys = map[string][]string{}
		}
		need.Keys["events:EventBusArn"] = append(need.Keys["events:EventBusArn"], aws.Value(b.EventBusArn))
	}
	return append([]aws.Access{need}, passed(role, arn)...)
}
