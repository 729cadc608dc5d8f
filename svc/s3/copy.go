package s3

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A source is what a copy copies.
type source struct {
	bucket, key string
	version     *string
}

// parseSource reads x-amz-copy-source: «/bucket/key?versionId=…», escaped as a query is,
// slashes too if the client likes: a plus sign is a blank.
func parseSource(header string) (source, error) {
	path, query, _ := strings.Cut(header, "?versionId=")
	text, err := url.QueryUnescape(path)
	bucketName, key, ok := strings.Cut(strings.TrimPrefix(text, "/"), "/")
	if err != nil || !ok || bucketName == "" || key == "" {
		return source{}, errArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", header)
	}
	s := source{bucket: bucketName, key: key}
	if query != "" {
		s.version = &query
	}
	return s, nil
}

// putOfCopy is what a copy says of its object, as a put says it.
func putOfCopy(in *api.CopyObjectRequest) *api.PutObjectRequest {
	return &api.PutObjectRequest{
		Bucket: in.Bucket, Key: in.Key, ACL: in.ACL, GrantFullControl: in.GrantFullControl, GrantRead: in.GrantRead, GrantReadACP: in.GrantReadACP, GrantWriteACP: in.GrantWriteACP,
		CacheControl: in.CacheControl, ContentDisposition: in.ContentDisposition, ContentEncoding: in.ContentEncoding, ContentLanguage: in.ContentLanguage,
		ContentType: in.ContentType, Expires: in.Expires, Metadata: in.Metadata, Tagging: in.Tagging, StorageClass: in.StorageClass, WebsiteRedirectLocation: in.WebsiteRedirectLocation,
		ObjectLockLegalHoldStatus: in.ObjectLockLegalHoldStatus, ObjectLockMode: in.ObjectLockMode, ObjectLockRetainUntilDate: in.ObjectLockRetainUntilDate,
		ServerSideEncryption: in.ServerSideEncryption, SSEKMSKeyId: in.SSEKMSKeyId, SSEKMSEncryptionContext: in.SSEKMSEncryptionContext, BucketKeyEnabled: in.BucketKeyEnabled,
	}
}

// A copying is a copy under way.
type copying struct {
	in       *api.CopyObjectRequest
	put      *api.PutObjectRequest
	from     source
	key, old *customerKey
	sum      string // the algorithm that the copy is to have
}

// copyObject copies within the cloud. Where both lie in one account's buckets and no key
// of a customer's is in play the copy shares the bytes of what it copies.
func (s *Service) copyObject(ctx context.Context, in *api.CopyObjectRequest) (*api.CopyObjectOutput, error) {
	c := &copying{in: in, put: putOfCopy(in)}
	var err error
	if c.from, err = parseSource(*in.CopySource); err != nil {
		return nil, err
	}
	if c.key, err = customerKeyOf(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5); err != nil {
		return nil, err
	}
	if c.old, err = customerKeyOf(in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5); err != nil {
		return nil, err
	}
	var out *api.CopyObjectOutput
	shared := false
	err = s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		f, err := s.copied(ctx, tx, c)
		if err != nil {
			return err
		}
		if shared = c.shares(b, f); !shared {
			return nil
		}
		o, err := s.describeCopy(ctx, tx, b, c, f)
		if err == nil {
			err = s.share(ctx, tx, b, o, f)
		}
		if err == nil {
			err = s.commit(ctx, tx, b, *in.Key, o, "ObjectCreated:Copy", in.IfMatch, in.IfNoneMatch)
		}
		out = copyOutput(b, o, f)
		return err
	})
	if err != nil || shared {
		return out, err
	}
	return s.copyBytes(ctx, c)
}

// copied finds what is to be copied, and holds the copy's conditions against it.
func (s *Service) copied(ctx context.Context, r store.Reader, c *copying) (*found, error) {
	in := c.in
	b, err := s.bucket(ctx, r, &c.from.bucket, in.ExpectedSourceBucketOwner)
	if err != nil {
		return nil, err
	}
	f, err := s.findObject(ctx, r, b, c.from.key, c.from.version)
	if err != nil {
		return nil, sourceError(err)
	}
	if err := (conditions{in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince}).check(f.object, true); err != nil {
		return nil, err
	}
	if err := f.SSE.fits(c.old); err != nil {
		return nil, err
	}
	if err := s.readable(f.object); err != nil {
		return nil, errNotActive()
	}
	if f.Size > putMax {
		return nil, errRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(putMax))
	}
	c.sum = aws.Value(in.ChecksumAlgorithm)
	if c.sum == "" {
		c.sum = f.Sum.Algorithm
	}
	return f, nil
}

func errNotActive() error {
	return api.ObjectNotInActiveTierError("The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier.")
}

// sourceError makes of the error about a delete marker that which copies get.
func sourceError(err error) error {
	if aws.CodeOf(err) == "MethodNotAllowed" {
		return errRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
	}
	return err
}

// shares reports whether a copy can refer to the bytes that are there.
func (c *copying) shares(to *bucket, f *found) bool {
	return to.Account == f.bucket.Account && c.key == nil && c.old == nil && f.Parts == 0 && c.sum == f.Sum.Algorithm && f.Sum.Type != api.ChecksumTypeComposite
}

// describeCopy makes the record of the copy: of what is copied, or what its request says
// instead.
func (s *Service) describeCopy(ctx context.Context, r store.Reader, b *bucket, c *copying, f *found) (*object, error) {
	o, err := s.describe(ctx, r, b, c.put, c.key)
	if err != nil {
		return nil, err
	}
	replace := aws.Value(c.in.MetadataDirective) == api.MetadataDirectiveReplace
	retag := aws.Value(c.in.TaggingDirective) == api.TaggingDirectiveReplace
	same := b.ID == f.bucket.ID && *c.in.Key == f.key && c.from.version == nil
	changes := replace || retag || c.in.StorageClass != nil || c.in.WebsiteRedirectLocation != nil || c.in.ServerSideEncryption != nil ||
		c.key != nil || c.old != nil || c.in.ChecksumAlgorithm != nil || c.in.BucketKeyEnabled != nil
	if same && !changes {
		return nil, errRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if !replace {
		redirect, class := o.Redirect, o.Class
		for i, p := range o.headers() {
			*p = *f.headers()[i]
		}
		o.Redirect, o.Class, o.Meta = redirect, class, f.Meta
	}
	if !retag {
		o.Tags = f.Tags
	}
	return o, nil
}

// share gives an object the bytes of another of the same account.
func (s *Service) share(ctx context.Context, tx store.Tx, b *bucket, o *object, f *found) (err error) {
	if o.ID, err = s.newID(); err != nil {
		return err
	}
	o.Size, o.ETag, o.Sum, o.Inline, o.Blob = f.Size, f.ETag, f.Sum, f.Inline, f.Blob
	if o.SSE.keyed() {
		o.ETag = keyedETag([]byte(f.ETag), o.ID)
	}
	switch {
	case o.Inline:
		return inlines.Put(tx, b.scope(), f.inline, b.ID, o.ID)
	case o.Blob != "":
		return hold(ctx, tx, b, o.Blob)
	}
	return nil
}

// copyBytes reads what is copied and writes it anew.
func (s *Service) copyBytes(ctx context.Context, c *copying) (*api.CopyObjectOutput, error) {
	f, body, err := s.fetch(ctx, &c.from.bucket, c.in.ExpectedSourceBucketOwner, c.from.key, c.from.version, c.old, func(f *found) (span, error) {
		return span{0, f.Size, false}, nil
	})
	if err != nil {
		return nil, sourceError(err)
	}
	got, err := s.receive(ctx, body, wanted{sum: sum{Algorithm: c.sum}, size: &f.Size}, c.key)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	var out *api.CopyObjectOutput
	err = s.onBucketDo(ctx, c.in.Bucket, c.in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		o, err := s.describeCopy(ctx, tx, b, c, f)
		if err == nil {
			err = s.fill(ctx, tx, b, o, got, c.key)
		}
		if err == nil {
			err = s.commit(ctx, tx, b, *c.in.Key, o, "ObjectCreated:Copy", c.in.IfMatch, c.in.IfNoneMatch)
		}
		out = copyOutput(b, o, f)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, s.drop(ctx, got))
	}
	s.keep(ctx, got.blob)
	return out, nil
}

// copyOutput tells of a copy; of none, nothing.
func copyOutput(b *bucket, o *object, f *found) *api.CopyObjectOutput {
	if o == nil {
		return nil
	}
	etag := quoted(o.ETag)
	res := &api.CopyObjectResult{ETag: &etag, LastModified: &o.Modified, ChecksumType: text(o.Sum.Type)}
	sumsOfCopy(res).tell(o.Sum)
	out := &api.CopyObjectOutput{CopyObjectResult: res, CopySourceVersionId: told(f.bucket, f.object)}
	if b.Versioning == api.BucketVersioningStatusEnabled {
		out.VersionId = told(b, o)
	}
	o.SSE.tell(&out.ServerSideEncryption, &out.SSEKMSKeyId, &out.SSEKMSEncryptionContext, &out.BucketKeyEnabled, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5)
	return out
}

// uploadPartCopy makes a part of an object, or of a range of one.
func (s *Service) uploadPartCopy(ctx context.Context, in *api.UploadPartCopyRequest) (*api.UploadPartCopyOutput, error) {
	if err := checkPartNumber(*in.PartNumber); err != nil {
		return nil, err
	}
	from, err := parseSource(*in.CopySource)
	if err != nil {
		return nil, err
	}
	k, err := customerKeyOf(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	old, err := customerKeyOf(in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	t := partTarget{in.Bucket, in.ExpectedBucketOwner, *in.Key, *in.UploadId, int(*in.PartNumber)}
	u, err := s.upload(ctx, t)
	if err != nil {
		return nil, err
	}
	var p span
	f, body, err := s.fetch(ctx, &from.bucket, in.ExpectedSourceBucketOwner, from.key, from.version, old, func(f *found) (_ span, err error) {
		if err := (conditions{in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince}).check(f.object, true); err != nil {
			return p, err
		}
		if s.readable(f.object) != nil {
			return p, errNotActive()
		}
		p, err = copyRange(in.CopySourceRange, f.Size)
		return p, err
	})
	if err != nil {
		return nil, sourceError(err)
	}
	made, err := s.addPart(ctx, t, u, io.LimitReader(body, p.length), wanted{size: &p.length}, k)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	etag := quoted(made.ETag)
	res := &api.CopyPartResult{ETag: &etag, LastModified: &made.Modified}
	if u.Object.Sum.Algorithm != "" {
		sumsOfPartCopy(res).tell(made.Sum)
	}
	out := &api.UploadPartCopyOutput{CopyPartResult: res, CopySourceVersionId: told(f.bucket, f.object)}
	u.Object.SSE.tell(&out.ServerSideEncryption, &out.SSEKMSKeyId, nil, &out.BucketKeyEnabled, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5)
	return out, nil
}

// copyRange reads x-amz-copy-source-range, which is stricter than a Range.
func copyRange(header *string, size int64) (span, error) {
	if header == nil {
		return span{0, size, false}, nil
	}
	first, last, ok := strings.Cut(strings.TrimPrefix(*header, "bytes="), "-")
	from, err := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	switch {
	case !ok || err != nil || err2 != nil || from < 0 || to < from || !strings.HasPrefix(*header, "bytes="):
		return span{}, errArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy", "x-amz-copy-source-range", *header)
	case to >= size:
		return span{}, errArgument("Range specified is not valid for source object of size: "+strconv.FormatInt(size, 10), "x-amz-copy-source-range", *header)
	}
	return span{from, to - from + 1, true}, nil
}

// renameObject gives an object another key. AWS has it in directory buckets alone.
func (s *Service) renameObject(ctx context.Context, in *api.RenameObjectRequest) (*api.RenameObjectOutput, error) {
	from, err := parseSource(*in.RenameSource)
	if err != nil {
		return nil, err
	}
	if from.bucket != *in.Bucket {
		return nil, errRequest("The source of a rename must be in the bucket of its destination.")
	}
	return nil, s.onBucketDo(ctx, in.Bucket, nil, func(tx store.Tx, b *bucket) error {
		f, err := s.findObject(ctx, tx, b, from.key, nil)
		if err != nil {
			return err
		}
		if b.Versioning != "" {
			return errRequest("Objects of a bucket that keeps versions cannot be renamed.")
		}
		if err := (conditions{in.SourceIfMatch, in.SourceIfNoneMatch, in.SourceIfModifiedSince, in.SourceIfUnmodifiedSince}).check(f.object, true); err != nil {
			return err
		}
		if err := checkKey(*in.Key); err != nil {
			return err
		}
		o := *f.object
		if err := current.Delete(tx, b.scope(), b.ID, from.key); err != nil {
			return err
		}
		return s.commit(ctx, tx, b, *in.Key, &o, "ObjectCreated:Copy", in.DestinationIfMatch, in.DestinationIfNoneMatch)
	})
}
