package sts

import (
	"context"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// maxRootTask is how long a session of another account's root may last, and does.
const maxRootTask = 15 * time.Minute

// rootTasks are the policies to which such a session can be narrowed.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
var rootTasks = []string{"IAMAuditRootUserCredentials", "IAMCreateRootUserPassword", "IAMDeleteRootUserCredentials", "S3UnlockBucketPolicy", "SQSUnlockQueuePolicy"}

// rootOf is the root whom an account's id or an ARN of its names; the account is "" if
// that is none.
func rootOf(target string) (account, arn string) {
	account = target
	if a, ok := aws.ParseARN(target); ok && a.Service == "iam" && a.Resource == "root" {
		account = a.Account
	}
	if !aws.ValidAccount(account) {
		return "", target
	}
	return account, aws.NewARN("iam", "", account, "root").String()
}

// guardAssumeRoot asks the caller's own policies. In the member's stead the organization
// answers, which has switched such sessions on, or has not.
func (s *Service) guardAssumeRoot(ctx context.Context, in *api.AssumeRootRequest) ([]aws.Access, error) {
	caller := aws.RequestOf(ctx).Caller
	account, arn := rootOf(*in.TargetPrincipal)
	if account == "" {
		arn = "*"
	}
	need := aws.Access{Resource: arn, Keys: map[string][]string{}}
	if in.TaskPolicyArn.Arn != nil {
		need.Keys["sts:TaskPolicyArn"] = []string{*in.TaskPolicyArn.Arn}
	}
	need.Policy = func(ctx context.Context) (string, error) {
		on, err := s.roles.RootSessions(ctx, caller.Account, account)
		if err != nil || !on {
			return "", err
		}
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + caller.Account + `"},"Action":"sts:AssumeRoot","Resource":"*"}}`, nil
	}
	return []aws.Access{need}, nil
}

// assumeRoot lends the root of a member of the caller's organization, for one task.
func (s *Service) assumeRoot(ctx context.Context, in *api.AssumeRootRequest) (*api.AssumeRootResponse, error) {
	caller := aws.RequestOf(ctx).Caller
	account, arn := rootOf(*in.TargetPrincipal)
	task, ok := strings.CutPrefix(aws.Value(in.TaskPolicyArn.Arn), "arn:aws:iam::aws:policy/root-task/")
	switch {
	case account == "":
		return nil, aws.Errorf(400, "ValidationError", "%s is invalid", *in.TargetPrincipal)
	case !ok || !slices.Contains(rootTasks, task):
		return nil, aws.Errorf(400, "ValidationError", "The specified task policy %s is not supported.", aws.Value(in.TaskPolicyArn.Arn))
	case caller.Kind == aws.Root:
		return nil, aws.AccessDenied("Roots may not call AssumeRoot")
	}
	// Whoever is let by policies that are only watched is held to this all the same.
	on, err := s.roles.RootSessions(ctx, caller.Account, account)
	if err != nil {
		return nil, err
	}
	if !on {
		return nil, aws.AccessDenied("User: %s is not authorized to perform: sts:AssumeRoot on resource: %s", caller.ARN, arn)
	}
	length := maxRootTask
	if in.DurationSeconds != nil && *in.DurationSeconds > 0 {
		length = time.Duration(*in.DurationSeconds) * time.Second
	}
	as := aws.Caller{Kind: aws.Root, Account: account, ARN: arn, UserID: account, SessionPolicies: []string{*in.TaskPolicyArn.Arn},
		SourceIdentity: caller.SourceIdentity, Keys: map[string][]string{"aws:AssumedRoot": {"true"}}}
	cred, err := s.lend(sessionOf(as), length)
	if err != nil {
		return nil, err
	}
	return &api.AssumeRootResponse{Credentials: cred, SourceIdentity: text(caller.SourceIdentity)}, nil
}
