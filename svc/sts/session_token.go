package sts

import (
	"context"
	"maps"
	"time"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// How long the sessions of users last, and of root, for whom an hour is the most.
const (
	usualUserSession = 12 * time.Hour
	maxRootSession   = time.Hour
)

func userSessionLength(asked *int32, kind aws.PrincipalKind) time.Duration {
	length := usualUserSession
	if asked != nil {
		length = time.Duration(*asked) * time.Second
	}
	if kind == aws.Root {
		length = min(length, maxRootSession)
	}
	return length
}

// longTerm refuses callers whose credentials are themselves lent.
func longTerm(c *aws.Caller, action string) error {
	if (c.Kind == aws.User || c.Kind == aws.Root) && c.IssuedAt.IsZero() {
		return nil
	}
	return aws.AccessDenied("Cannot call %s with session credentials", action)
}

// getSessionToken lends a user its own permissions, and notes that it showed a code of
// its MFA device. Nobody needs a permission for it.
func (s *Service) getSessionToken(ctx context.Context, in *api.GetSessionTokenRequest) (*api.GetSessionTokenResponse, error) {
	c := aws.RequestOf(ctx).Caller
	if err := longTerm(&c, "GetSessionToken"); err != nil {
		return nil, err
	}
	shown, err := s.showMFA(ctx, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	if shown {
		c.MFAAt = s.clock.Now().UTC().Truncate(time.Second)
	}
	cred, err := s.lend(sessionOf(c), userSessionLength(in.DurationSeconds, c.Kind))
	return &api.GetSessionTokenResponse{Credentials: cred}, err
}

func federated(c *aws.Caller, name string) string {
	return aws.NewARN("sts", "", c.Account, "federated-user/"+name).String()
}

func (s *Service) guardFederation(ctx context.Context, in *api.GetFederationTokenRequest) ([]aws.Access, error) {
	need := aws.Access{Resource: federated(&aws.RequestOf(ctx).Caller, *in.Name), Keys: aws.RequestTags(nil, tagMap(in.Tags))}
	if len(in.Tags) == 0 {
		return []aws.Access{need}, nil
	}
	tag := need
	tag.Action = "sts:TagSession"
	return []aws.Access{need, tag}, nil
}

// getFederationToken lends a user's permissions, narrowed, to somebody of that name.
// Without a policy the session may do only what resources' own policies let it. It has
// the user's tags, and those that are given in their stead.
func (s *Service) getFederationToken(ctx context.Context, in *api.GetFederationTokenRequest) (*api.GetFederationTokenResponse, error) {
	c := aws.RequestOf(ctx).Caller
	if err := longTerm(&c, "GetFederationToken"); err != nil {
		return nil, err
	}
	policies, err := s.sessionPolicies(ctx, c.Account, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	given := tagMap(in.Tags)
	size, err := packed(policies, given)
	if err != nil {
		return nil, err
	}
	if policies == nil {
		policies = []string{}
	}
	as := aws.Caller{Kind: aws.Federated, Account: c.Account, ARN: federated(&c, *in.Name), UserID: c.Account + ":" + *in.Name, Role: c.ARN,
		SessionPolicies: policies, Tags: override(c.Tags, given)}
	cred, err := s.lend(sessionOf(as), userSessionLength(in.DurationSeconds, c.Kind))
	if err != nil {
		return nil, err
	}
	return &api.GetFederationTokenResponse{Credentials: cred, PackedPolicySize: size,
		FederatedUser: &api.FederatedUser{Arn: &as.ARN, FederatedUserId: &as.UserID}}, nil
}

// override is tags with the given ones in place of those with the same keys, whatever
// their case.
func override(tags, given map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, given)
	for k, v := range tags {
		if !hasKey(given, k) {
			out[k] = v
		}
	}
	return out
}
