package s3

import (
	"context"
	"errors"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
// action, or if a version is named, by the second; and by what else the input demands.
func onObject[In any](s *Service, find func(*In) place, action, versioned string, more ...func(*In) []demand) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		p := find(in)
		demands := []demand{{action: action}}
		if p.version != nil && versioned != "" {
			demands[0].action = versioned
		}
		for _, f := range more {
			demands = append(demands, f(in)...)
		}
		return s.objectAccesses(ctx, p, demands...)
	}
}

// objectAccesses are what demands on an object come to.
func (s *Service) objectAccesses(ctx context.Context, p place, demands ...demand) ([]aws.Access, error) {
	b, err := s.find(ctx, *p.bucket)
	if err != nil {
		return nil, err
	}
	return s.accessesOn(ctx, b, p, demands)
}

func (s *Service) accessesOn(ctx context.Context, b *bucket, p place, demands []demand) (needs []aws.Access, err error) {
	for _, d := range demands {
		if d.action != "" {
			need, err := s.objectAccess(ctx, b, p, d.action)
			if err != nil {
				return nil, err
			}
			needs = append(needs, need)
		}
		maps.Copy(needs[len(needs)-1].Keys, d.keys)
	}
	return needs, nil
}

// objectAccess is what a call needs on an object: with its version as a condition key, and
// the tags that it has, where the action has such.
func (s *Service) objectAccess(ctx context.Context, b *bucket, p place, action string) (aws.Access, error) {
	need := s.access(b, action, *p.key)
	if p.version != nil && strings.Contains(action, "Version") {
		need.Keys["s3:versionid"] = []string{*p.version}
	}
	if taggedActions[action] {
		need.Late = map[string]func(context.Context, string) ([]string, error){"s3:ExistingObjectTag/": s.tagsOf(b, p)}
	}
	return need, nil
}

// tagsOf reads the tags of an object, once, when a policy asks for one.
func (s *Service) tagsOf(b *bucket, p place) func(context.Context, string) ([]string, error) {
	var tags map[string]string
	read := false
	return func(ctx context.Context, key string) ([]string, error) {
		if !read {
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
			if err != nil {
				return nil, err
			}
			read = true
		}
		var values []string
		for _, k := range slices.Sorted(maps.Keys(tags)) {
			if strings.EqualFold(k, key) { // condition keys have no case
				values = append(values, tags[k])
			}
		}
		return values, nil
	}
}

// taggedActions are those to which policies may give the tags of the object.
var taggedActions = map[string]bool{
	"s3:GetObject": true, "s3:GetObjectVersion": true, "s3:GetObjectAcl": true, "s3:GetObjectVersionAcl": true,
	"s3:GetObjectTagging": true, "s3:GetObjectVersionTagging": true, "s3:PutObjectTagging": true, "s3:PutObjectVersionTagging": true,
	"s3:PutObjectAcl": true, "s3:PutObjectVersionAcl": true, "s3:DeleteObjectTagging": true, "s3:DeleteObjectVersionTagging": true,
	"s3:GetObjectAttributes": true, "s3:GetObjectVersionAttributes": true,
}

// creating says of a PutObject whether it makes an object, or a part of one.
func creating(whole bool) map[string][]string {
	return map[string][]string{"s3:ObjectCreationOperation": {strconv.FormatBool(whole)}}
}

// encryptedBy is what a part's request says of its encryption.
func encryptedBy(keys map[string][]string, algorithm *string) map[string][]string {
	header(keys, "s3:x-amz-server-side-encryption-customer-algorithm", algorithm)
	return keys
}

// writing is what a request demands that brings an object.
func (s *Service) writing(in *api.PutObjectRequest) []demand {
	grants := grantHeaders{fullControl: in.GrantFullControl, read: in.GrantRead, readACP: in.GrantReadACP, writeACP: in.GrantWriteACP}
	acl, retention, hold := grants.keys(in.ACL), s.retentionKeys(in.ObjectLockMode, in.ObjectLockRetainUntilDate), map[string][]string{}
	header(hold, "s3:object-lock-legal-hold", in.ObjectLockLegalHoldStatus)
	own := encryptedBy(creating(true), in.SSECustomerAlgorithm)
	header(own, "s3:x-amz-storage-class", in.StorageClass)
	header(own, "s3:x-amz-website-redirect-location", in.WebsiteRedirectLocation)
	header(own, "s3:x-amz-server-side-encryption", in.ServerSideEncryption)
	header(own, "s3:x-amz-server-side-encryption-aws-kms-key-id", in.SSEKMSKeyId)
	header(own, "s3:if-match", in.IfMatch)
	header(own, "s3:if-none-match", in.IfNoneMatch)
	for _, k := range []map[string][]string{acl, retention, hold} {
		maps.Copy(own, k)
	}
	var more []demand
	if in.Tagging != nil {
		tags, _ := url.ParseQuery(*in.Tagging) // what cannot be read the handler refuses
		maps.Copy(own, requestTags(tags))
		more = append(more, demand{"s3:PutObjectTagging", requestTags(tags)})
	}
	// What leaves the owner of the bucket everything, and gives nobody else anything, needs no
	// permission of its own: AWS's policies for the logs of its services rely on it.
	if in.ACL != nil && *in.ACL != api.ObjectCannedACLBucketOwnerFullControl || !grants.empty() {
		header(acl, "s3:x-amz-storage-class", in.StorageClass)
		more = append(more, demand{"s3:PutObjectAcl", acl})
	}
	if in.ObjectLockMode != nil || in.ObjectLockRetainUntilDate != nil {
		more = append(more, demand{"s3:PutObjectRetention", retention})
	}
	if in.ObjectLockLegalHoldStatus != nil {
		more = append(more, demand{"s3:PutObjectLegalHold", hold})
	}
	return append([]demand{{keys: own}}, more...)
}

func (s *Service) writingUpload(in *api.CreateMultipartUploadRequest) []demand {
	p := putOfUpload(in)
	p.SSECustomerAlgorithm = in.SSECustomerAlgorithm
	demands := s.writing(p)
	maps.Copy(demands[0].keys, creating(false))
	return demands
}

func writingPart(in *api.UploadPartRequest) []demand {
	return []demand{{keys: encryptedBy(creating(false), in.SSECustomerAlgorithm)}}
}

func completing(in *api.CompleteMultipartUploadRequest) []demand {
	keys := encryptedBy(creating(true), in.SSECustomerAlgorithm)
	header(keys, "s3:if-match", in.IfMatch)
	header(keys, "s3:if-none-match", in.IfNoneMatch)
	return []demand{{keys: keys}}
}

// guardCopy asks for reading the source and writing the destination.
func (s *Service) guardCopy(ctx context.Context, in *api.CopyObjectRequest) ([]aws.Access, error) {
	from, err := s.sourceAccess(ctx, *in.CopySource)
	if err != nil {
		return nil, err
	}
	put := putOfCopy(in)
	put.SSECustomerAlgorithm, put.IfMatch, put.IfNoneMatch = in.SSECustomerAlgorithm, in.IfMatch, in.IfNoneMatch
	demands := s.writing(put)
	header(demands[0].keys, "s3:x-amz-copy-source", in.CopySource)
	header(demands[0].keys, "s3:x-amz-metadata-directive", in.MetadataDirective)
	to, err := s.objectAccesses(ctx, place{in.Bucket, in.Key, nil}, append([]demand{{action: "s3:PutObject"}}, demands...)...)
	return append(from, to...), err
}

func (s *Service) guardPartCopy(ctx context.Context, in *api.UploadPartCopyRequest) ([]aws.Access, error) {
	from, err := s.sourceAccess(ctx, *in.CopySource)
	if err != nil {
		return nil, err
	}
	keys := encryptedBy(creating(false), in.SSECustomerAlgorithm)
	header(keys, "s3:x-amz-copy-source", in.CopySource)
	to, err := s.objectAccesses(ctx, place{in.Bucket, in.Key, nil}, demand{"s3:PutObject", keys})
	return append(from, to...), err
}

// sourceAccess is what a copy needs on what it copies.
func (s *Service) sourceAccess(ctx context.Context, header string) ([]aws.Access, error) {
	from, err := parseSource(header)
	if err != nil {
		return nil, err
	}
	action := "s3:GetObject"
	if from.version != nil {
		action = "s3:GetObjectVersion"
	}
	return s.objectAccesses(ctx, place{&from.bucket, &from.key, from.version}, demand{action: action})
}

// guardRename asks for reading and deleting the object, and for writing it under its new
// key, which is what the conditions of the request are on.
func (s *Service) guardRename(ctx context.Context, in *api.RenameObjectRequest) ([]aws.Access, error) {
	from, err := parseSource(*in.RenameSource)
	if err != nil {
		return nil, err
	}
	needs, err := s.objectAccesses(ctx, place{in.Bucket, &from.key, nil}, demand{action: "s3:GetObject"}, demand{action: "s3:DeleteObject"})
	if err != nil {
		return nil, err
	}
	keys := creating(true)
	header(keys, "s3:if-match", in.DestinationIfMatch)
	header(keys, "s3:if-none-match", in.DestinationIfNoneMatch)
	to, err := s.objectAccesses(ctx, place{in.Bucket, in.Key, nil}, demand{"s3:PutObject", keys})
	return append(needs, to...), err
}

// deleting is what the deletion of an object demands.
func deleting(in *api.DeleteObjectRequest) []demand {
	var demands []demand
	if in.VersionId == nil && in.IfMatch != nil {
		demands = append(demands, demand{keys: map[string][]string{"s3:if-match": {*in.IfMatch}}})
	}
	return append(demands, bypassing(in.BypassGovernanceRetention)...)
}

// bypassing asks for what lets pass over governance, if a caller asks to.
func bypassing(on *bool) []demand {
	if !aws.Value(on) {
		return nil
	}
	return []demand{{action: "s3:BypassGovernanceRetention"}}
}

// deletionAccesses is what the deletion of one object among others demands.
func (s *Service) deletionAccesses(ctx context.Context, b *bucket, one *api.ObjectIdentifier, bypass *bool) ([]aws.Access, error) {
	in := &api.DeleteObjectRequest{Bucket: &b.Name, Key: one.Key, VersionId: one.VersionId, IfMatch: one.ETag, BypassGovernanceRetention: bypass}
	action := "s3:DeleteObject"
	if aws.Value(one.VersionId) == "" {
		in.VersionId = nil
	} else {
		action = "s3:DeleteObjectVersion"
	}
	return s.accessesOn(ctx, b, place{in.Bucket, in.Key, in.VersionId}, append([]demand{{action: action}}, deleting(in)...))
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
		need.Keys["s3:prefix"] = []string{aws.Value(prefix)}
		header(need.Keys, "s3:delimiter", delimiter)
		if most != nil {
			need.Keys["s3:max-keys"] = []string{strconv.Itoa(int(*most))}
		}
		return []aws.Access{need}, nil
	}
}

// retaining is what a retention demands.
func (s *Service) retaining(in *api.PutObjectRetentionRequest) []demand {
	var demands []demand
	if r := in.Retention; r != nil {
		demands = append(demands, demand{keys: s.retentionKeys(r.Mode, r.RetainUntilDate)})
	}
	return append(demands, bypassing(in.BypassGovernanceRetention)...)
}

// retentionKeys are the condition keys of a retention. Of its last day, any part counts
// as one.
func (s *Service) retentionKeys(mode *string, until *time.Time) map[string][]string {
	keys := map[string][]string{}
	header(keys, "s3:object-lock-mode", mode)
	if until != nil {
		left := math.Ceil(until.Sub(s.Clock.Now()).Hours() / 24)
		keys["s3:object-lock-retain-until-date"] = []string{until.UTC().Format(time.RFC3339)}
		keys["s3:object-lock-remaining-retention-days"] = []string{strconv.Itoa(int(left))}
	}
	return keys
}

func holding(in *api.PutObjectLegalHoldRequest) []demand {
	keys := map[string][]string{}
	if h := in.LegalHold; h != nil {
		header(keys, "s3:object-lock-legal-hold", h.Status)
	}
	return []demand{{keys: keys}}
}

// tagging is what an object's new tags demand.
func tagging(in *api.PutObjectTaggingRequest) []demand {
	tags := url.Values{}
	for _, t := range in.Tagging.TagSet {
		tags.Add(*t.Key, *t.Value)
	}
	return []demand{{keys: requestTags(tags)}}
}

// requestTags are the condition keys of the tags that a request gives an object.
func requestTags(tags url.Values) map[string][]string {
	keys := map[string][]string{"s3:RequestObjectTagKeys": slices.Sorted(maps.Keys(tags))}
	for name, v := range tags {
		keys["s3:RequestObjectTag/"+name] = v
	}
	return keys
}

func granting(in *api.PutObjectAclRequest) []demand {
	return []demand{{keys: grantHeaders{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWrite, in.GrantWriteACP}.keys(in.ACL)}}
}
