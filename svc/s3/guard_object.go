package s3

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A place is an object in a bucket, of a version or the current one, as an input names it.
type place struct {
	bucket, key, version *string
}

// onObject guards what works on the object that find finds in the input: by the first
// action, or if a version is named, by the second.
func onObject[In any](s *Service, find func(*In) place, action, versioned string, more ...func(*In, *aws.Access) []aws.Access) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		p := find(in)
		b, err := s.find(ctx, *p.bucket)
		if err != nil {
			return nil, err
		}
		need, err := s.objectAccess(ctx, b, p, action, versioned)
		if err != nil {
			return nil, err
		}
		needs := []aws.Access{need}
		for _, f := range more {
			needs = append(needs, f(in, &needs[0])...)
		}
		return needs, nil
	}
}

// objectAccess is what a call needs on an object: with its version and the tags that it
// has as condition keys.
func (s *Service) objectAccess(ctx context.Context, b *bucket, p place, action, versioned string) (aws.Access, error) {
	need := s.access(b, action, *p.key)
	need.Keys = map[string][]string{}
	if p.version != nil && versioned != "" {
		need.Action = versioned
		need.Keys["s3:versionid"] = []string{*p.version}
	}
	if !taggedActions[need.Action] {
		return need, nil
	}
	var tags map[string]string
	err := s.Store.View(ctx, func(r store.Reader) error {
		o, _, err := lookUp(ctx, r, b, *p.key, p.version)
		if err == nil {
			tags = o.Tags
		}
		var e *aws.Error
		if errors.As(err, &e) {
			return nil // what is not there has none
		}
		return err
	})
	for k, v := range tags {
		need.Keys["s3:ExistingObjectTag/"+k] = []string{v}
	}
	return need, err
}

// taggedActions are those to which policies may give the tags of the object.
var taggedActions = map[string]bool{
	"s3:GetObject": true, "s3:GetObjectVersion": true, "s3:GetObjectAcl": true, "s3:GetObjectVersionAcl": true,
	"s3:GetObjectTagging": true, "s3:GetObjectVersionTagging": true, "s3:PutObjectTagging": true, "s3:PutObjectVersionTagging": true,
	"s3:PutObjectAcl": true, "s3:PutObjectVersionAcl": true, "s3:DeleteObjectTagging": true, "s3:DeleteObjectVersionTagging": true,
	"s3:GetObjectAttributes": true, "s3:GetObjectVersionAttributes": true,
}

// header adds a condition key if the input has the header.
func header(keys map[string][]string, name string, value *string) {
	if value != nil {
		keys[name] = []string{*value}
	}
}

// writing are the condition keys of what brings an object, and what else it needs.
func writing(in *api.PutObjectRequest, need *aws.Access) []aws.Access {
	k := need.Keys
	header(k, "s3:x-amz-acl", in.ACL)
	header(k, "s3:x-amz-grant-full-control", in.GrantFullControl)
	header(k, "s3:x-amz-grant-read", in.GrantRead)
	header(k, "s3:x-amz-grant-read-acp", in.GrantReadACP)
	header(k, "s3:x-amz-grant-write-acp", in.GrantWriteACP)
	header(k, "s3:x-amz-storage-class", in.StorageClass)
	header(k, "s3:x-amz-website-redirect-location", in.WebsiteRedirectLocation)
	header(k, "s3:x-amz-server-side-encryption", in.ServerSideEncryption)
	header(k, "s3:x-amz-server-side-encryption-aws-kms-key-id", in.SSEKMSKeyId)
	header(k, "s3:x-amz-server-side-encryption-customer-algorithm", in.SSECustomerAlgorithm)
	header(k, "s3:object-lock-mode", in.ObjectLockMode)
	header(k, "s3:object-lock-legal-hold", in.ObjectLockLegalHoldStatus)
	header(k, "s3:if-match", in.IfMatch)
	header(k, "s3:if-none-match", in.IfNoneMatch)
	if in.ObjectLockRetainUntilDate != nil {
		k["s3:object-lock-retain-until-date"] = []string{in.ObjectLockRetainUntilDate.UTC().Format(time.RFC3339)}
	}
	var more []aws.Access
	also := func(action string) {
		a := *need
		a.Action = action
		more = append(more, a)
	}
	if in.Tagging != nil {
		if q, err := url.ParseQuery(*in.Tagging); err == nil {
			names := []string{}
			for name, v := range q {
				k["s3:RequestObjectTag/"+name] = v
				names = append(names, name)
			}
			k["s3:RequestObjectTagKeys"] = names
		}
		also("s3:PutObjectTagging")
	}
	if in.ACL != nil || in.GrantFullControl != nil || in.GrantRead != nil || in.GrantReadACP != nil || in.GrantWriteACP != nil {
		also("s3:PutObjectAcl")
	}
	if in.ObjectLockMode != nil || in.ObjectLockRetainUntilDate != nil {
		also("s3:PutObjectRetention")
	}
	if in.ObjectLockLegalHoldStatus != nil {
		also("s3:PutObjectLegalHold")
	}
	return more
}

func writingUpload(in *api.CreateMultipartUploadRequest, need *aws.Access) []aws.Access {
	p := putOfUpload(in)
	p.SSECustomerAlgorithm = in.SSECustomerAlgorithm
	return writing(p, need)
}

// guardCopy asks for reading the source and writing the destination.
func (s *Service) guardCopy(ctx context.Context, in *api.CopyObjectRequest) ([]aws.Access, error) {
	put := putOfCopy(in)
	put.SSECustomerAlgorithm, put.IfMatch, put.IfNoneMatch = in.SSECustomerAlgorithm, in.IfMatch, in.IfNoneMatch
	needs, err := onObject(s, func(in *api.PutObjectRequest) place { return place{in.Bucket, in.Key, nil} }, "s3:PutObject", "", writing)(ctx, put)
	if err != nil {
		return nil, err
	}
	header(needs[0].Keys, "s3:x-amz-copy-source", in.CopySource)
	header(needs[0].Keys, "s3:x-amz-metadata-directive", in.MetadataDirective)
	from, err := s.sourceAccess(ctx, *in.CopySource)
	return append(from, needs...), err
}

func (s *Service) guardPartCopy(ctx context.Context, in *api.UploadPartCopyRequest) ([]aws.Access, error) {
	needs, err := onObject(s, func(in *api.UploadPartCopyRequest) place { return place{in.Bucket, in.Key, nil} }, "s3:PutObject", "")(ctx, in)
	if err != nil {
		return nil, err
	}
	header(needs[0].Keys, "s3:x-amz-copy-source", in.CopySource)
	from, err := s.sourceAccess(ctx, *in.CopySource)
	return append(from, needs...), err
}

// sourceAccess is what a copy needs on what it copies.
func (s *Service) sourceAccess(ctx context.Context, header string) ([]aws.Access, error) {
	from, err := parseSource(header)
	if err != nil {
		return nil, err
	}
	b, err := s.find(ctx, from.bucket)
	if err != nil {
		return nil, err
	}
	need, err := s.objectAccess(ctx, b, place{&from.bucket, &from.key, from.version}, "s3:GetObject", "s3:GetObjectVersion")
	return []aws.Access{need}, err
}

func (s *Service) guardRename(ctx context.Context, in *api.RenameObjectRequest) ([]aws.Access, error) {
	from, err := parseSource(*in.RenameSource)
	if err != nil {
		return nil, err
	}
	b, err := s.find(ctx, *in.Bucket)
	if err != nil {
		return nil, err
	}
	return []aws.Access{s.access(b, "s3:GetObject", from.key), s.access(b, "s3:DeleteObject", from.key), s.access(b, "s3:PutObject", *in.Key)}, nil
}

// bypassing asks for what lets pass over governance, if a caller asks to.
func bypassing(on *bool, need *aws.Access) []aws.Access {
	if !aws.Value(on) {
		return nil
	}
	a := *need
	a.Action = "s3:BypassGovernanceRetention"
	return []aws.Access{a}
}

// guardDeleteObjects asks for each of the objects: one that may not be deleted keeps all
// others.
func (s *Service) guardDeleteObjects(ctx context.Context, in *api.DeleteObjectsRequest) ([]aws.Access, error) {
	b, err := s.find(ctx, *in.Bucket)
	if err != nil {
		return nil, err
	}
	var needs []aws.Access
	for i := range in.Delete.Objects {
		one := &in.Delete.Objects[i]
		need, err := s.objectAccess(ctx, b, place{in.Bucket, one.Key, one.VersionId}, "s3:DeleteObject", "s3:DeleteObjectVersion")
		if err != nil {
			return nil, err
		}
		needs = append(append(needs, need), bypassing(in.BypassGovernanceRetention, &need)...)
	}
	if len(needs) == 0 {
		return []aws.Access{s.access(b, "s3:DeleteObject", "*")}, nil
	}
	return needs, nil
}

// onList guards lists, with what they list as condition keys.
func onList[In any](s *Service, action string, find func(*In) (bucketName, prefix, delimiter *string, max *int32)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		name, prefix, delimiter, most := find(in)
		b, err := s.find(ctx, *name)
		if err != nil {
			return nil, err
		}
		need := s.access(b, action, "")
		need.Keys = map[string][]string{"s3:prefix": {aws.Value(prefix)}}
		header(need.Keys, "s3:delimiter", delimiter)
		if most != nil {
			need.Keys["s3:max-keys"] = []string{strconv.Itoa(int(*most))}
		}
		return []aws.Access{need}, nil
	}
}

// retaining are the condition keys of a retention.
func retaining(in *api.PutObjectRetentionRequest, need *aws.Access) []aws.Access {
	if r := in.Retention; r != nil {
		header(need.Keys, "s3:object-lock-mode", r.Mode)
		if r.RetainUntilDate != nil {
			need.Keys["s3:object-lock-retain-until-date"] = []string{r.RetainUntilDate.UTC().Format(time.RFC3339)}
		}
	}
	return bypassing(in.BypassGovernanceRetention, need)
}

// tagging are the condition keys of an object's new tags.
func tagging(in *api.PutObjectTaggingRequest, need *aws.Access) []aws.Access {
	names := []string{}
	for _, t := range in.Tagging.TagSet {
		need.Keys["s3:RequestObjectTag/"+*t.Key] = []string{*t.Value}
		names = append(names, *t.Key)
	}
	need.Keys["s3:RequestObjectTagKeys"] = names
	return nil
}
