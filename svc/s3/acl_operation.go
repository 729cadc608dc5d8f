package s3

import (
	"context"
	"encoding/json"
	"errors"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) aclRoutes() []aws.Route {
	return []aws.Route{
		api.GetBucketAcl.To(s.getBucketAcl, onBucket(s, func(in *api.GetBucketAclRequest) *string { return in.Bucket })),
		api.PutBucketAcl.To(s.putBucketAcl, onBucketWith(s, func(in *api.PutBucketAclRequest) *string { return in.Bucket }, grantingBucket)),
		api.GetObjectAcl.To(s.getObjectAcl, onObject(s, func(in *api.GetObjectAclRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:GetObjectAcl", "s3:GetObjectVersionAcl")),
		api.PutObjectAcl.To(s.putObjectAcl, onObject(s, func(in *api.PutObjectAclRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:PutObjectAcl", "s3:PutObjectVersionAcl", granting)),
	}
}

// shown is an ACL as the API has it.
func shown(list []grant) []api.Grant {
	out := []api.Grant{}
	for _, g := range list {
		user, group := api.TypeCanonicalUser, api.TypeGroup
		grantee := &api.Grantee{Type: &group, URI: &g.Group}
		if g.Group == "" {
			grantee = &api.Grantee{Type: &user, ID: &g.ID}
		}
		out = append(out, api.Grant{Grantee: grantee, Permission: &g.Permission})
	}
	return out
}

// bucketGrants are those of a bucket's ACL.
func bucketGrants(ctx context.Context, r store.Reader, b *bucket) ([]grant, error) {
	list, err := setting[[]grant](ctx, r, b, aclSetting)
	if err != nil || list != nil {
		return aws.Value(list), err
	}
	return canned("private", b, b.Account)
}

// objectGrants are those of an object's ACL.
func objectGrants(b *bucket, o *object) (list []grant, err error) {
	if o.ACL == nil {
		return canned("private", b, owner(b, o))
	}
	return list, json.Unmarshal(o.ACL, &list)
}

func owner(b *bucket, o *object) string {
	if o.Owner == "" {
		return b.Account
	}
	return o.Owner
}

func (s *Service) getBucketAcl(ctx context.Context, in *api.GetBucketAclRequest) (out *api.GetBucketAclOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		list, err := bucketGrants(ctx, r, b)
		out = &api.GetBucketAclOutput{Owner: ownerOf(b.Account), Grants: shown(list)}
		return err
	})
	return out, err
}

func errNoWish() error {
	return aws.Errorf(400, "MissingSecurityHeader", "Your request was missing a required header").
		With(&struct{ MissingHeaderName string }{"x-amz-acl"})
}

func (s *Service) putBucketAcl(ctx context.Context, in *api.PutBucketAclRequest) (*aws.Empty, error) {
	w := wish{canned: in.ACL, body: in.AccessControlPolicy,
		headers: grantHeaders{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP}}
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		list, err := w.grants(b, b.Account)
		if err != nil {
			return err
		}
		if list == nil {
			return errNoWish()
		}
		if err := checkACL(ctx, tx, b, w, list); err != nil {
			return err
		}
		return putSetting(tx, b, aclSetting, "", list)
	})
}

func (s *Service) getObjectAcl(ctx context.Context, in *api.GetObjectAclRequest) (out *api.GetObjectAclOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		o, _, err := lookUp(ctx, r, b, *in.Key, in.VersionId)
		if err != nil {
			return err
		}
		list, err := objectGrants(b, o)
		out = &api.GetObjectAclOutput{Owner: ownerOf(owner(b, o)), Grants: shown(list)}
		return err
	})
	return out, err
}

func (s *Service) putObjectAcl(ctx context.Context, in *api.PutObjectAclRequest) (*api.PutObjectAclOutput, error) {
	w := wish{canned: in.ACL, body: in.AccessControlPolicy,
		headers: grantHeaders{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP}}
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		o, isCurrent, err := lookUp(ctx, tx, b, *in.Key, in.VersionId)
		if err != nil {
			return err
		}
		list, err := w.grants(b, owner(b, o))
		if err != nil {
			return err
		}
		if list == nil {
			return errNoWish()
		}
		if err := checkACL(ctx, tx, b, w, list); err != nil {
			return err
		}
		if o.ACL, err = json.Marshal(list); err != nil {
			return err
		}
		return errors.Join(rewrite(tx, b, *in.Key, o, isCurrent), s.announce(ctx, tx, b, s.changeOf(ctx, "ObjectAcl:Put", *in.Key, o)))
	})
}
