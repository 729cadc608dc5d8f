package s3

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// A policyRecord is a bucket's policy.
type policyRecord struct {
	Text   string
	Public bool
}

func (s *Service) policyRoutes() []aws.Route {
	return []aws.Route{
		api.DeleteBucketPolicy.To(s.deleteBucketPolicy, onPolicy(s, func(in *api.DeleteBucketPolicyRequest) *string { return in.Bucket })),
		api.GetBucketPolicy.To(s.getBucketPolicy, onPolicy(s, func(in *api.GetBucketPolicyRequest) *string { return in.Bucket })),
		api.GetBucketPolicyStatus.To(s.getBucketPolicyStatus, onBucket(s, func(in *api.GetBucketPolicyStatusRequest) *string { return in.Bucket })),
		api.PutBucketPolicy.To(s.putBucketPolicy, onPolicy(s, func(in *api.PutBucketPolicyRequest) *string { return in.Bucket })),
	}
}

// onPolicy guards a bucket's policy. The root user of the bucket's account can always
// read, set and delete it, so that a policy that locks everyone out can be undone.
func onPolicy[In any](s *Service, name func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		b, err := s.find(ctx, *name(in))
		if err != nil {
			return nil, err
		}
		need := s.access(b, "", "")
		if c := aws.RequestOf(ctx).Caller; c.Kind == aws.Root && c.Account == b.Account {
			need.Policy = nil
		}
		return []aws.Access{need}, nil
	}
}

// maxPolicy is the longest bucket policy, in bytes.
const maxPolicy = 20 << 10

func malformedPolicy(format string, args ...any) error {
	return aws.Errorf(400, "MalformedPolicy", format, args...)
}

// parsePolicy checks the policy of a bucket as AWS does.
func parsePolicy(b *bucket, text string) (*policy.Document, error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return nil, malformedPolicy("Policies must be valid JSON and the first byte must be '{'")
	}
	if len(text) > maxPolicy {
		return nil, aws.Errorf(400, "PolicyTooLarge", "Policies must not exceed the maximum allowed document size (20480)")
	}
	doc, err := policy.Parse(text)
	if err != nil {
		return nil, malformedPolicy("%s", grammarSentence(err))
	}
	if err := doc.Validate(policy.Rules{Kind: policy.Resource}); err != nil {
		return nil, malformedPolicy("%s", ruleSentence(err))
	}
	for _, st := range doc.Statements {
		if err := checkStatement(b, &st); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

// grammarSentence is what S3 says of a document that is none.
func grammarSentence(err error) string {
	var e *policy.Error
	if !errors.As(err, &e) {
		return "This policy contains invalid Json"
	}
	if name, ok := strings.CutPrefix(e.Detail, "unknown element "); ok {
		return "Unknown field " + strings.Trim(name, `"`)
	}
	switch {
	case strings.HasPrefix(e.Detail, "unknown Version"):
		return "The policy must contain a valid version string"
	case e.Detail == "no Statement":
		return "Missing required field Statement"
	case e.Detail == "Statement is empty":
		return "Could not parse the policy: Statement is empty!"
	case e.Detail == "no Effect":
		return "Missing required field Effect"
	case strings.Contains(e.Detail, "Effect"):
		return "Invalid effect: " + e.Detail
	}
	if name, ok := strings.CutPrefix(e.Detail, "unknown operator "); ok {
		return "Invalid Condition type : " + strings.Trim(name, `"`)
	}
	return "This policy contains invalid Json"
}

// ruleSentence is what S3 says of a document that no bucket can have.
func ruleSentence(err error) string {
	var e *policy.Error
	if !errors.As(err, &e) {
		return "Policy has invalid syntax"
	}
	switch {
	case strings.HasPrefix(e.Message, "Missing required field Principal"):
		return e.Message
	case strings.HasPrefix(e.Message, "Invalid principal"):
		return "Invalid principal in policy"
	case strings.Contains(e.Message, "must contain actions"):
		return "Missing required field Action"
	case strings.Contains(e.Message, "must contain resources"):
		return "Missing required field Resource"
	case strings.Contains(e.Message, "endor") || strings.Contains(e.Message, "colon"):
		return "Policy has invalid action"
	case strings.Contains(e.Message, "esource"):
		return "Policy has invalid resource"
	}
	return e.Message
}

// checkStatement holds a statement against the bucket: its actions are S3's, its
// resources the bucket and what is in it.
func checkStatement(b *bucket, st *policy.Statement) error {
	if st.Effect != policy.Allow && st.Effect != policy.Deny {
		return malformedPolicy("Missing required field Effect")
	}
	objects, whole := false, false
	for _, r := range st.Resources {
		rest, ok := strings.CutPrefix(r, "arn:aws:s3:::")
		name, _, within := strings.Cut(rest, "/")
		switch {
		case r == "*":
			objects, whole = true, true
		case !ok || !st.NotResource && !covers(name, b.Name):
			return malformedPolicy("Policy has invalid resource")
		}
		objects, whole = objects || within || strings.HasSuffix(name, "*"), whole || !within
	}
	if st.NotResource || st.NotAction {
		return nil
	}
	applies := false
	for _, a := range st.Actions {
		vendor, name, _ := strings.Cut(a, ":")
		if a != "*" && !strings.EqualFold(vendor, "s3") && !strings.EqualFold(vendor, "s3-object-lambda") {
			return malformedPolicy("Policy has invalid action")
		}
		onObjects, onBuckets := kindOfAction(name)
		applies = applies || onObjects && objects || onBuckets && whole
	}
	if !applies {
		return malformedPolicy("Action does not apply to any resource(s) in statement")
	}
	return nil
}

// covers reports whether a bucket's name in an ARN, maybe with wildcards or a variable,
// can be the bucket.
func covers(pattern, name string) bool {
	if i := strings.IndexAny(pattern, "*?$"); i >= 0 {
		return strings.HasPrefix(name, pattern[:i])
	}
	return pattern == name
}

// kindOfAction reports whether an action is one on objects, on buckets, or with wildcards
// maybe both.
func kindOfAction(name string) (objects, buckets bool) {
	if name == "" || strings.ContainsAny(name, "*?") {
		return true, true
	}
	n := strings.ToLower(name)
	for _, on := range []string{"object", "multipartupload", "replicate"} {
		if strings.Contains(n, on) {
			objects = true
		}
	}
	switch n {
	case "putbucketobjectlockconfiguration", "getbucketobjectlockconfiguration", "listbucketmultipartuploads":
		return false, true
	case "listmultipartuploadparts", "getobjecttorrent":
		return true, false
	}
	return objects, !objects
}

func (s *Service) putBucketPolicy(ctx context.Context, in *api.PutBucketPolicyRequest) (*aws.Empty, error) {
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		doc, err := parsePolicy(b, *in.Policy)
		if err != nil {
			return err
		}
		block, err := blockOf(ctx, tx, b)
		if err != nil {
			return err
		}
		rec := policyRecord{*in.Policy, publicPolicy(doc)}
		if rec.Public && aws.Value(block.BlockPublicPolicy) {
			return api.AccessDenied("User: %s is not authorized to perform: s3:PutBucketPolicy on resource: \"%s\" because public policies are "+
				"prevented by the BlockPublicPolicy setting in S3 Block Public Access.", aws.RequestOf(ctx).Caller.ARN, b.arn())
		}
		return putSetting(tx, b, policySetting, "", rec)
	})
}

func errNoPolicy(b *bucket) error {
	return aws.Errorf(404, "NoSuchBucketPolicy", "The bucket policy does not exist").With(&struct{ BucketName string }{b.Name})
}

func (s *Service) getBucketPolicy(ctx context.Context, in *api.GetBucketPolicyRequest) (out *api.GetBucketPolicyOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		rec, err := setting[policyRecord](ctx, r, b, policySetting)
		if err == nil && rec == nil {
			err = errNoPolicy(b)
		}
		if err == nil {
			out = &api.GetBucketPolicyOutput{Policy: &rec.Text}
		}
		return err
	})
	return out, err
}

func (s *Service) getBucketPolicyStatus(ctx context.Context, in *api.GetBucketPolicyStatusRequest) (out *api.GetBucketPolicyStatusOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		rec, err := setting[policyRecord](ctx, r, b, policySetting)
		if err == nil && rec == nil {
			err = errNoPolicy(b)
		}
		if err == nil {
			out = &api.GetBucketPolicyStatusOutput{PolicyStatus: &api.PolicyStatus{IsPublic: &rec.Public}}
		}
		return err
	})
	return out, err
}

func (s *Service) deleteBucketPolicy(ctx context.Context, in *api.DeleteBucketPolicyRequest) (*aws.Empty, error) {
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		return dropSetting(tx, b, policySetting, "")
	})
}

// publicPolicy reports whether a policy lets everybody in: an Allow for whomever, without
// a condition that names who, by fixed values.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
func publicPolicy(doc *policy.Document) bool {
	for _, st := range doc.Statements {
		if st.Effect == policy.Allow && anybody(&st) && !confined(&st) {
			return true
		}
	}
	return false
}

func anybody(st *policy.Statement) bool {
	if st.NotPrincipal {
		return true
	}
	for _, p := range st.Principals {
		if p.Type == "AWS" && p.Value == "*" {
			return true
		}
	}
	return false
}

// confining are the condition keys that say who.
var confining = map[string]bool{"aws:principalorgid": true, "aws:principalorgpaths": true, "aws:principalaccount": true, "aws:principalarn": true,
	"aws:sourcearn": true, "aws:sourceaccount": true, "aws:sourceowner": true, "aws:sourcevpc": true, "aws:sourcevpce": true, "aws:userid": true,
	"s3:x-amz-server-side-encryption-aws-kms-key-id": true, "s3:dataaccesspointarn": true, "s3:dataaccesspointaccount": true, "aws:sourceip": true}

func confined(st *policy.Statement) bool {
	for _, c := range st.Conditions {
		op := strings.ToLower(c.Operator)
		if !confining[strings.ToLower(c.Key)] || strings.Contains(op, "not") || strings.HasSuffix(op, "ifexists") || op == "null" {
			continue
		}
		fixed := len(c.Values) > 0
		for _, v := range c.Values {
			if strings.EqualFold(c.Key, "aws:SourceIp") {
				fixed = fixed && narrow(v)
			} else {
				fixed = fixed && !strings.ContainsAny(v, "*?$")
			}
		}
		if fixed {
			return true
		}
	}
	return false
}

// narrow reports whether addresses are few enough not to be everybody.
func narrow(cidr string) bool {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		_, err := netip.ParseAddr(cidr)
		return err == nil
	}
	return p.Addr().Is4() && p.Bits() >= 8 || p.Addr().Is6() && p.Bits() >= 32
}
