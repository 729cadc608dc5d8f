package sts

import (
	"context"
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

// getSessionToken lends a user its own permissions. Nobody needs a permission for it.
func (s *Service) getSessionToken(ctx context.Context, in *api.GetSessionTokenRequest) (*api.GetSessionTokenResponse, error) {
	c := aws.RequestOf(ctx).Caller
	if err := longTerm(&c, "GetSessionToken"); err != nil {
		return nil, err
	}
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, aws.AccessDenied("MultiFactorAuthentication failed with invalid MFA one time pass code.")
	}
	cred, err := s.lend(ctx, session{Kind: c.Kind, Account: c.Account, ARN: c.ARN, UserID: c.UserID, Tags: c.Tags}, userSessionLength(in.DurationSeconds, c.Kind))
	return &api.GetSessionTokenResponse{Credentials: cred}, err
}

func federated(c *aws.Caller, name string) string {
	return aws.NewARN("sts", "", c.Account, "federated-user/"+name).String()
}

func (s *Service) guardFederation(ctx context.Context, in *api.GetFederationTokenRequest) ([]aws.Access, error) {
	need := aws.Access{Resource: federated(&aws.RequestOf(ctx).Caller, *in.Name), Keys: requestTags(in.Tags)}
	if len(in.Tags) == 0 {
		return []aws.Access{need}, nil
	}
	tag := need
	tag.Action = "sts:TagSession"
	return []aws.Access{need, tag}, nil
}

// getFederationToken lends a user's permissions, narrowed, to somebody of that name.
// Without a policy the session may do only what resources' own policies let it.
func (s *Service) getFederationToken(ctx context.Context, in *api.GetFederationTokenRequest) (*api.GetFederationTokenResponse, error) {
	c := aws.RequestOf(ctx).Caller
	if err := longTerm(&c, "GetFederationToken"); err != nil {
		return nil, err
	}
	policies, err := s.sessionPolicies(ctx, c.Account, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	tags, err := sessionTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if policies == nil {
		policies = []string{}
	}
	arn, id := federated(&c, *in.Name), c.Account+":"+*in.Name
	cred, err := s.lend(ctx, session{Kind: aws.Federated, Account: c.Account, ARN: arn, UserID: id, Role: c.ARN, Policies: policies, Tags: tags},
		userSessionLength(in.DurationSeconds, c.Kind))
	return &api.GetFederationTokenResponse{Credentials: cred, PackedPolicySize: packed(policies, tags),
		FederatedUser: &api.FederatedUser{Arn: &arn, FederatedUserId: &id}}, err
}
