package sts

import (
	"context"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// maxChained is how long a session may last that a session of a role asked for.
const maxChained = time.Hour

// guardAssumeRole has the role's trust policy decide, which knows the caller's
// external id, the session's name and its tags. A code of an MFA device is checked,
// and used up, here: it is for the policies to say whether it was needed.
func (s *Service) guardAssumeRole(ctx context.Context, in *api.AssumeRoleRequest) ([]aws.Access, error) {
	caller := aws.RequestOf(ctx).Caller
	b := beginning{role: *in.RoleArn, name: *in.RoleSessionName, tags: in.Tags, transitive: in.TransitiveTagKeys}
	var err error
	if b.source, err = sourceIdentity(&caller, in.SourceIdentity); err != nil {
		return nil, err
	}
	keys := b.keys()
	if in.ExternalId != nil {
		keys["sts:ExternalId"] = []string{*in.ExternalId}
	}
	shown, err := s.showMFA(ctx, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	if shown {
		keys["aws:MultiFactorAuthPresent"], keys["aws:MultiFactorAuthAge"] = []string{"true"}, []string{"0"}
	}
	return s.accesses(&b, nil, keys, len(inherited(&caller)) > 0), nil
}

// A beginning is what a request says of the session of a role that it asks for.
type beginning struct {
	role, name string
	tags       []api.Tag
	transitive []string
	source     string // the source identity
}

// keys are the condition keys for it.
func (b *beginning) keys() map[string][]string {
	keys := aws.RequestTags(nil, tagMap(b.tags))
	if b.name != "" {
		keys["sts:RoleSessionName"] = []string{b.name}
	}
	if b.source != "" {
		keys["sts:SourceIdentity"] = []string{b.source}
	}
	if len(b.transitive) > 0 {
		keys["sts:TransitiveTagKeys"] = b.transitive
	}
	return keys
}

// accesses are what the trust policy of a role must allow for a session to begin;
// tagged says that tags go along from another.
func (s *Service) accesses(b *beginning, as *aws.Caller, keys map[string][]string, tagged bool) []aws.Access {
	trust := func(ctx context.Context) (string, error) {
		document, _, _, err := s.roles.Role(ctx, b.role)
		return document, err
	}
	tags := func(ctx context.Context) (map[string]string, error) { return s.roles.RoleTags(ctx, b.role) }
	need := aws.Access{Resource: b.role, Keys: keys, As: as, Tags: tags, Policy: trust, Trust: true}
	needs := []aws.Access{need}
	if len(b.tags) > 0 || tagged {
		need.Action = "sts:TagSession"
		needs = append(needs, need)
	}
	if b.source != "" {
		need.Action = "sts:SetSourceIdentity"
		needs = append(needs, need)
	}
	return needs
}

// sourceIdentity is who will be behind a session: once it is said, it stays.
func sourceIdentity(caller *aws.Caller, asked *string) (string, error) {
	if asked == nil {
		return caller.SourceIdentity, nil
	}
	if caller.SourceIdentity != "" && caller.SourceIdentity != *asked {
		return "", aws.AccessDenied("User: %s is not authorized to set another source identity than that of its session", caller.ARN)
	}
	return *asked, nil
}

// showMFA checks a code of the caller's MFA device; without one it is false.
func (s *Service) showMFA(ctx context.Context, serial, code *string) (bool, error) {
	if serial == nil && code == nil {
		return false, nil
	}
	caller := aws.RequestOf(ctx).Caller
	err := s.roles.VerifyMFA(ctx, &caller, aws.Value(serial), aws.Value(code))
	return err == nil, err
}

func (s *Service) assumeRole(ctx context.Context, in *api.AssumeRoleRequest) (*api.AssumeRoleResponse, error) {
	caller := aws.RequestOf(ctx).Caller
	if len(in.ProvidedContexts) > 0 {
		return nil, aws.Errorf(501, "NotImplemented", "The parameter ProvidedContexts of AssumeRole is not available in this version of Tule.")
	}
	source, err := sourceIdentity(&caller, in.SourceIdentity)
	if err != nil {
		return nil, err
	}
	tags, transitive, err := inherit(&caller, in.Tags, in.TransitiveTagKeys)
	if err != nil {
		return nil, err
	}
	r, err := s.role(ctx, "AssumeRole", *in.RoleArn)
	if err != nil {
		return nil, err
	}
	if caller.Kind == aws.AssumedRole && in.DurationSeconds != nil && time.Duration(*in.DurationSeconds)*time.Second > maxChained {
		return nil, aws.Errorf(400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	length, err := r.length(in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	with := aws.Caller{Tags: tags, TransitiveTags: transitive, SourceIdentity: source}
	if caller.Kind == aws.ServiceSelf && caller.ARN == "lambda.amazonaws.com" && caller.SourceARN != "" {
		with.Keys = map[string][]string{"lambda:SourceFunctionArn": {caller.SourceARN}}
	}
	out, err := s.begin(ctx, r, *in.RoleSessionName, in.Policy, in.PolicyArns, length, with)
	if err != nil {
		return nil, err
	}
	return &api.AssumeRoleResponse{Credentials: out.cred, PackedPolicySize: out.packed, AssumedRoleUser: out.user, SourceIdentity: text(source)}, nil
}

// text is a text in an output: nil for none.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// A role is what is to be assumed.
type role struct {
	arn, id, account string
	most             time.Duration
}

// role finds the role with an ARN. Who asks for one that is not there learns no more
// than he whom a role does not trust.
func (s *Service) role(ctx context.Context, action, arn string) (*role, error) {
	a, ok := aws.ParseARN(arn)
	if !ok {
		return nil, aws.Errorf(400, "ValidationError", "%s is invalid", arn)
	}
	_, id, most, err := s.roles.Role(ctx, arn)
	if err != nil {
		return nil, err
	}
	if id == "" && action != "AssumeRole" {
		return nil, aws.AccessDenied("Not authorized to perform sts:%s", action)
	}
	if id == "" {
		return nil, aws.AccessDenied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", aws.RequestOf(ctx).Caller.ARN, arn)
	}
	return &role{arn, id, a.Account, most}, nil
}

// length is how long a session of the role will last.
func (r *role) length(asked *int32) (time.Duration, error) {
	length := time.Hour
	if asked != nil {
		length = time.Duration(*asked) * time.Second
	}
	if length > r.most {
		return 0, aws.Errorf(400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return length, nil
}

// begun is a session of a role that has begun.
type begun struct {
	cred   *api.Credentials
	user   *api.AssumedRoleUser
	packed *int32
}

// begin lends a role. with is what the session carries beside the role and its
// policies: tags, which stand above the role's own, and where it came from.
func (s *Service) begin(ctx context.Context, r *role, name string, document *string, arns []api.PolicyDescriptorType, length time.Duration, with aws.Caller) (*begun, error) {
	policies, err := s.sessionPolicies(ctx, r.account, document, arns)
	if err != nil {
		return nil, err
	}
	size, err := packed(policies, with.Tags)
	if err != nil {
		return nil, err
	}
	own, err := s.roles.RoleTags(ctx, r.arn)
	if err != nil {
		return nil, err
	}
	as := aws.RoleSession(r.arn, r.id, name)
	with.Tags = override(own, with.Tags)
	with.Kind, with.Account, with.ARN, with.UserID, with.Role, with.SessionPolicies = as.Kind, as.Account, as.ARN, as.UserID, as.Role, policies
	cred, err := s.lend(sessionOf(with), length)
	if err != nil {
		return nil, err
	}
	return &begun{cred, &api.AssumedRoleUser{Arn: &as.ARN, AssumedRoleId: &as.UserID}, size}, nil
}

// maxPolicyARNs is how many managed policies can narrow a session.
const maxPolicyARNs = 10

// sessionPolicies are what narrows a session: nil if nothing does.
func (s *Service) sessionPolicies(ctx context.Context, account string, document *string, arns []api.PolicyDescriptorType) ([]string, error) {
	var out []string
	if document != nil {
		if strings.HasPrefix(*document, "arn:") {
			return nil, api.MalformedPolicyDocumentException("Syntax errors in policy.")
		}
		out = append(out, *document)
	}
	if len(arns) > maxPolicyARNs {
		return nil, aws.Errorf(400, "ValidationError", "The number of managed session policies exceeds the limit of %d.", maxPolicyARNs)
	}
	for _, a := range arns {
		if !strings.HasPrefix(aws.Value(a.Arn), "arn:") {
			return nil, aws.Errorf(400, "ValidationError", "%s is invalid", aws.Value(a.Arn))
		}
		out = append(out, *a.Arn)
	}
	if _, err := packed(out, nil); err != nil {
		return nil, err
	}
	for _, p := range out {
		if err := s.roles.CheckSessionPolicy(ctx, account, p); err != nil {
			return nil, inWords(err)
		}
	}
	return out, nil
}

// inWords says what IAM found in STS's words.
func inWords(err error) error {
	switch aws.CodeOf(err) {
	case "NoSuchEntity", "InvalidInput":
		return aws.Errorf(400, "ValidationError", "The specified session policy was not found or is not valid.").Because(err)
	}
	return err
}
