package s3

import (
	"context"
	"encoding/json"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What an ACL grants is put to the door as statements beside those of the bucket's
// policy, and what the public access block restricts as a Deny.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#acl-access-policy-permission-mapping

var (
	onBucketActions = map[string][]string{
		api.PermissionRead:     {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"},
		api.PermissionReadAcp:  {"s3:GetBucketAcl"},
		api.PermissionWriteAcp: {"s3:PutBucketAcl"},
	}
	// What a bucket's ACL grants on the objects in it.
	withinActions = map[string][]string{
		api.PermissionWrite: {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"},
	}
	onObjectActions = map[string][]string{
		api.PermissionRead:     {"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"},
		api.PermissionReadAcp:  {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"},
		api.PermissionWriteAcp: {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"},
	}
)

type statement struct {
	Sid       string         `json:",omitempty"`
	Effect    string         //
	Principal any            //
	Action    any            //
	Resource  string         //
	Condition map[string]any `json:",omitempty"`
}

// statements are what grants say, of those who are not account's own.
func statements(list []grant, account, resource string, actions map[string][]string, ignorePublic bool) (out []statement) {
	for _, g := range list {
		if g.public() && ignorePublic || g.ID == canonicalID(account) {
			continue
		}
		st := statement{Effect: "Allow", Resource: resource}
		switch g.Group {
		case allUsers:
			st.Sid, st.Principal = "AllUsers", "*"
		case authenticatedUsers:
			st.Sid, st.Principal = "AuthenticatedUsers", "*"
			st.Condition = map[string]any{"Null": map[string]string{"aws:PrincipalAccount": "false"}}
		case logDelivery:
			st.Sid, st.Principal = "LogDelivery", map[string]string{"Service": "logging.s3.amazonaws.com"}
		default:
			st.Sid, st.Principal = "Grant", map[string]string{"CanonicalUser": g.ID}
		}
		allowed := actions[g.Permission]
		if g.Permission == api.PermissionFullControl {
			allowed = nil
			for _, p := range []string{api.PermissionRead, api.PermissionWrite, api.PermissionReadAcp, api.PermissionWriteAcp} {
				allowed = append(allowed, actions[p]...)
			}
		}
		if len(allowed) > 0 {
			st.Action = allowed
			out = append(out, st)
		}
	}
	return out
}

// policy is the policy that decides about a bucket, and about an object in it unless
// key is empty: its own, and what ACLs and the public access block add.
func (s *Service) policy(ctx context.Context, b *bucket, key string) (text string, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		doc, err := setting[policyRecord](ctx, r, b, policySetting)
		if err != nil {
			return err
		}
		block, err := blockOf(ctx, r, b)
		if err != nil {
			return err
		}
		extra, err := aclStatements(ctx, r, b, key, aws.Value(block.IgnorePublicAcls))
		if err != nil {
			return err
		}
		if doc != nil && doc.Public && aws.Value(block.RestrictPublicBuckets) {
			extra = append(extra, restriction(b))
		}
		text, err = joined(doc, extra)
		return err
	})
	return text, err
}

// aclStatements are what the ACLs of the bucket and of the object say.
func aclStatements(ctx context.Context, r store.Reader, b *bucket, key string, ignorePublic bool) ([]statement, error) {
	own, err := ownership(ctx, r, b)
	if err != nil || own == api.ObjectOwnershipBucketOwnerEnforced {
		return nil, err
	}
	list, err := bucketGrants(ctx, r, b)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return statements(list, b.Account, b.arn(), onBucketActions, ignorePublic), nil
	}
	out := statements(list, b.Account, b.arn()+"/*", withinActions, ignorePublic)
	o, err := latest(ctx, r, b, key)
	if err != nil || o == nil || o.Marker {
		return out, err
	}
	if list, err = objectGrants(b, o); err != nil {
		return nil, err
	}
	return append(out, statements(list, b.Account, b.arn()+"/*", onObjectActions, ignorePublic)...), nil
}

// restriction keeps those of other accounts out of a bucket with a public policy.
func restriction(b *bucket) statement {
	return statement{Sid: "RestrictPublicBuckets", Effect: "Deny", Principal: "*", Action: "s3:*", Resource: "*",
		Condition: map[string]any{"StringNotEquals": map[string]string{"aws:PrincipalAccount": b.Account},
			"Bool": map[string]string{"aws:PrincipalIsAWSService": "false"}}}
}

// joined is a policy with further statements.
func joined(doc *policyRecord, extra []statement) (string, error) {
	if len(extra) == 0 {
		if doc == nil {
			return "", nil
		}
		return doc.Text, nil
	}
	whole := struct {
		Version   string `json:",omitempty"`
		Statement []any
	}{Version: "2012-10-17"}
	if doc != nil {
		var was struct {
			Version   string
			Statement json.RawMessage
		}
		if err := json.Unmarshal([]byte(doc.Text), &was); err != nil {
			return "", err
		}
		whole.Version = was.Version
		var list []json.RawMessage
		if json.Unmarshal(was.Statement, &list) != nil {
			list = []json.RawMessage{was.Statement}
		}
		for _, st := range list {
			whole.Statement = append(whole.Statement, st)
		}
	}
	for _, st := range extra {
		whole.Statement = append(whole.Statement, st)
	}
	text, err := json.Marshal(whole)
	return string(text), err
}
