package sts

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// maxChained is how long a session may last that a session of a role asked for.
const maxChained = time.Hour

// guardAssumeRole has the role's trust policy decide, which knows the caller's
// external id, the session's name and its tags.
func (s *Service) guardAssumeRole(ctx context.Context, in *api.AssumeRoleRequest) ([]aws.Access, error) {
	keys := requestTags(in.Tags)
	set := func(name string, v *string) {
		if v != nil {
			keys[name] = []string{*v}
		}
	}
	set("sts:ExternalId", in.ExternalId)
	set("sts:RoleSessionName", in.RoleSessionName)
	set("sts:SourceIdentity", in.SourceIdentity)
	if in.DurationSeconds != nil {
		keys["sts:DurationSeconds"] = []string{strconv.Itoa(int(*in.DurationSeconds))}
	}
	if in.TransitiveTagKeys != nil {
		keys["sts:TransitiveTagKeys"] = in.TransitiveTagKeys
	}
	trust := func(ctx context.Context) (string, error) {
		document, _, _, err := s.roles.Role(ctx, *in.RoleArn)
		return document, err
	}
	need := aws.Access{Resource: *in.RoleArn, Keys: keys, Policy: trust, Trust: true}
	needs := []aws.Access{need}
	if len(in.Tags) > 0 {
		need.Action = "sts:TagSession"
		needs = append(needs, need)
	}
	if in.SourceIdentity != nil {
		need.Action = "sts:SetSourceIdentity"
		needs = append(needs, need)
	}
	return needs, nil
}

// requestTags are the condition keys for the tags that a request gives.
func requestTags(tags []api.Tag) map[string][]string {
	keys := map[string][]string{}
	for _, t := range tags {
		keys["aws:RequestTag/"+aws.Value(t.Key)] = []string{aws.Value(t.Value)}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], aws.Value(t.Key))
	}
	return keys
}

func (s *Service) assumeRole(ctx context.Context, in *api.AssumeRoleRequest) (*api.AssumeRoleResponse, error) {
	caller := aws.RequestOf(ctx).Caller
	role, ok := aws.ParseARN(*in.RoleArn)
	if !ok {
		return nil, aws.Errorf(400, "ValidationError", "%s is invalid", *in.RoleArn)
	}
	if err := unsupported(in); err != nil {
		return nil, err
	}
	_, id, most, err := s.roles.Role(ctx, *in.RoleArn)
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, aws.AccessDenied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", caller.ARN, *in.RoleArn)
	}
	length, err := sessionLength(in.DurationSeconds, most, caller.Kind)
	if err != nil {
		return nil, err
	}
	policies, err := s.sessionPolicies(ctx, role.Account, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	tags, err := sessionTags(in.Tags)
	if err != nil {
		return nil, err
	}
	as := aws.RoleSession(*in.RoleArn, id, *in.RoleSessionName)
	cred, err := s.lend(ctx, session{Kind: as.Kind, Account: as.Account, ARN: as.ARN, UserID: as.UserID, Role: as.Role, Policies: policies, Tags: tags}, length)
	if err != nil {
		return nil, err
	}
	return &api.AssumeRoleResponse{Credentials: cred, PackedPolicySize: packed(policies, tags),
		AssumedRoleUser: &api.AssumedRoleUser{Arn: &as.ARN, AssumedRoleId: &as.UserID}}, nil
}

// unsupported refuses what a session cannot carry yet rather than losing it.
func unsupported(in *api.AssumeRoleRequest) error {
	what := ""
	switch {
	case len(in.TransitiveTagKeys) > 0:
		what = "TransitiveTagKeys"
	case in.SourceIdentity != nil:
		what = "SourceIdentity"
	case in.SerialNumber != nil || in.TokenCode != nil:
		what = "SerialNumber"
	case len(in.ProvidedContexts) > 0:
		what = "ProvidedContexts"
	default:
		return nil
	}
	return aws.Errorf(501, "NotImplemented", "The parameter %s of AssumeRole is not available in this version of Tule.", what)
}

// sessionLength is how long a session of a role will last.
func sessionLength(asked *int32, most time.Duration, kind aws.PrincipalKind) (time.Duration, error) {
	length := time.Hour
	if asked != nil {
		length = time.Duration(*asked) * time.Second
	}
	if kind == aws.AssumedRole && length > maxChained {
		return 0, aws.Errorf(400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if length > most {
		return 0, aws.Errorf(400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return length, nil
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
	case "LimitExceeded":
		return api.PackedPolicyTooLargeException("The specified session policy is larger than 2048 characters.").Because(err)
	case "NoSuchEntity", "InvalidInput":
		return aws.Errorf(400, "ValidationError", "The specified session policy was not found or is not valid.").Because(err)
	}
	return err
}

// sessionTags are a session's tags. Keys are equal whatever their case.
func sessionTags(tags []api.Tag) (map[string]string, error) {
	if len(tags) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	var seen []string
	for _, t := range tags {
		k := strings.ToLower(aws.Value(t.Key))
		if strings.HasPrefix(k, "aws:") {
			return nil, aws.Errorf(400, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use.")
		}
		if slices.Contains(seen, k) {
			return nil, aws.Errorf(400, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen = append(seen, k)
		out[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return out, nil
}

// packed is how full a session is with policies and tags, in percent; nil without.
func packed(policies []string, tags map[string]string) *int32 {
	n := 0
	for _, p := range policies {
		n += len(p)
	}
	for k, v := range tags {
		n += len(k) + len(v)
	}
	if n == 0 {
		return nil
	}
	percent := int32(min((n*100+4095)/4096, 100))
	return &percent
}
