package organizations

import (
	"context"
	"maps"
	"strings"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Guards name the parts of the organization that an operation is about.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html
//
// What belongs to the organization belongs to its management account. A delegated
// administrator reads it as if it were its own; any other member needs the
// organization's resource policy to let it.

// on guards an operation on the parts with those ids; with none, on the organization.
func on[In any](s *Service, who standing, ids func(*In) []string) aws.Guard[In] {
	return onWith(s, who, ids, func(*In) map[string][]string { return nil })
}

// anywhere guards an operation that is about no part of the organization.
func anywhere[In any](s *Service, who standing) aws.Guard[In] {
	return on(s, who, func(*In) []string { return nil })
}

// onWith is on, with condition keys of the operation's own.
func onWith[In any](s *Service, who standing, ids func(*In) []string, keys func(*In) map[string][]string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		return s.guard(ctx, who, ids(in), keys(in))
	}
}

// andTagging adds the permission to tag what is being made.
func andTagging[In any](guard aws.Guard[In], tags func(*In) []api.Tag) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		needs, err := guard(ctx, in)
		if err != nil {
			return nil, err
		}
		for i := range needs {
			needs[i].Keys = aws.RequestTags(needs[i].Keys, given(tags(in)))
		}
		if len(tags(in)) == 0 {
			return needs, nil
		}
		tag := needs[0]
		tag.Action = api.TagResource.IAMAction()
		return append(needs, tag), nil
	}
}

func (s *Service) guard(ctx context.Context, who standing, ids []string, keys map[string][]string) (needs []aws.Access, err error) {
	a := account(ctx)
	return needs, s.Store.View(ctx, func(r store.Reader) error {
		o, err := of(ctx, r, a)
		if err != nil {
			return err
		}
		if o == nil { // which the handler says
			needs = []aws.Access{{Resource: "*", Keys: keys}}
			return nil
		}
		owned, err := o.owned(ctx, r, a, who)
		if err != nil {
			return err
		}
		if keys, err = o.withType(ctx, r, ids, keys); err != nil {
			return err
		}
		if len(ids) == 0 && owned {
			needs = []aws.Access{{Resource: "*", Keys: keys}}
			return nil
		}
		if len(ids) == 0 {
			ids = []string{o.ID}
		}
		for _, id := range ids {
			need := aws.Access{Resource: o.resource(ctx, r, id), Account: o.Management, Keys: keys}
			need.Tags = func(ctx context.Context) (map[string]string, error) { return s.tagsOf(ctx, o, id) }
			if owned {
				need.Account = a
			} else {
				need.Policy = func(context.Context) (string, error) { return o.Policy.Content, nil }
			}
			needs = append(needs, need)
		}
		return nil
	})
}

// owned reports whether an account may treat the organization as its own, for
// operations of that standing. Where no resource policy says otherwise all may, and the
// handler refuses in AWS's words.
func (o *organization) owned(ctx context.Context, r store.Reader, account string, who standing) (bool, error) {
	if account == o.Management || o.Policy == nil || who == member || who == management {
		return true, nil
	}
	if who == reader {
		return o.delegates(ctx, r, account)
	}
	return false, nil
}

// resource is the ARN of the part of the organization with that id, whether it is there
// or not.
func (o *organization) resource(ctx context.Context, r store.Reader, id string) string {
	kind, _, _ := strings.Cut(id, "-")
	switch kind {
	case "o":
		return o.arn("organization")
	case "rp":
		return o.arn("resourcepolicy", id)
	case "h":
		if h, err := handshakes.Get(ctx, r, store.Scope{}, id); err == nil {
			return h.arn()
		}
		return o.arn("handshake", "*", id)
	case "p":
		if p, err := o.policy(ctx, r, id); err == nil {
			return p.arn(o)
		}
		return o.arn("policy", "*", id)
	case "new": // a policy of a type that is yet to be made
		return o.arn("policy", strings.ToLower(strings.TrimPrefix(id, "new-")), "*")
	}
	return o.nodeARN(id)
}

// withType adds to keys the type of the policy that is among ids, if one is.
func (o *organization) withType(ctx context.Context, r store.Reader, ids []string, keys map[string][]string) (map[string][]string, error) {
	for _, id := range ids {
		if !strings.HasPrefix(id, "p-") {
			continue
		}
		p, err := o.policy(ctx, r, id)
		if err != nil && aws.CodeOf(err) == "" {
			return nil, err
		}
		if err == nil {
			all := typeKey(&p.Type)
			maps.Copy(all, keys)
			return all, nil
		}
	}
	return keys, nil
}

// typeKey is the condition key of a policy type.
func typeKey(policyType *string) map[string][]string {
	return map[string][]string{"organizations:PolicyType": {aws.Value(policyType)}}
}

// serviceKey is the condition key of a service principal.
func serviceKey(principal *string) map[string][]string {
	return map[string][]string{"organizations:ServicePrincipal": {aws.Value(principal)}}
}
