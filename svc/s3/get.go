package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/store"
)

// patience is how often a read starts anew because what it was about to read had just
// been deleted.
const patience = 10

// A found is an object that a read found, with what it takes to read its bytes.
type found struct {
	*object
	bucket *bucket
	key    string
	inline []byte
	pieces []numbered // if it has parts
	expire *string    // what its bucket's lifecycle has in mind
}

type numbered struct {
	piece
	number int
}

// find reads an object's record and where its bytes are.
func (s *Service) findObject(ctx context.Context, r store.Reader, b *bucket, key string, version *string) (*found, error) {
	o, _, err := lookUp(ctx, r, b, key, version)
	if err != nil {
		return nil, err
	}
	f := &found{object: o, bucket: b, key: key}
	if f.expire, err = s.expiration(ctx, r, b, key, o); err != nil {
		return nil, err
	}
	if o.Inline {
		f.inline, err = inlines.Get(ctx, r, b.scope(), b.ID, o.ID)
		return f, err
	}
	if o.Parts > 0 {
		f.pieces, err = piecesOf(ctx, r, b, o.ID)
	}
	return f, err
}

// piecesOf reads the parts of an object or upload.
func piecesOf(ctx context.Context, r store.Reader, b *bucket, id uint64) (all []numbered, err error) {
	for e, err := range pieces.List(ctx, r, b.scope(), store.ListOptions{Prefix: []any{b.ID, id}}) {
		if err != nil {
			return nil, err
		}
		all = append(all, numbered{e.Record, int(e.Key.Int(2))})
	}
	return all, nil
}

// open opens a span of the bytes of what was found, which k decrypts.
func (s *Service) open(ctx context.Context, f *found, k *customerKey, p span) (io.ReadCloser, error) {
	if err := f.SSE.fits(k); err != nil {
		return nil, err
	}
	switch {
	case p.length == 0:
		return io.NopCloser(bytes.NewReader(nil)), nil
	case f.Inline:
		return decrypted(io.NopCloser(bytes.NewReader(f.inline[p.from:p.from+p.length])), k, f.SSE.IV, p.from)
	case f.Parts > 0:
		return s.openPieces(ctx, f, k, p)
	}
	r, err := s.Blobs.Open(ctx, f.Blob, p.from, p.length)
	if err != nil {
		return nil, err
	}
	return decrypted(r, k, f.SSE.IV, p.from)
}

// fetch finds an object and opens the span of it that pick wants. Pick may refuse. What
// is deleted between the two is looked for anew.
func (s *Service) fetch(ctx context.Context, bucketName, owner *string, key string, version *string, k *customerKey, pick func(*found) (span, error)) (f *found, body io.ReadCloser, err error) {
	for range patience {
		err = s.onBucketRead(ctx, bucketName, owner, func(r store.Reader, b *bucket) (err error) {
			f, err = s.findObject(ctx, r, b, key, version)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		var p span
		if p, err = pick(f); err != nil {
			return nil, nil, err
		}
		if body, err = s.open(ctx, f, k, p); !errors.Is(err, blob.ErrNotFound) {
			return f, body, err
		}
	}
	return nil, nil, fmt.Errorf("the bytes of %s/%s are gone: %w", *bucketName, key, err)
}

func (s *Service) getObject(ctx context.Context, in *api.GetObjectRequest) (*api.GetObjectOutput, error) {
	k, err := customerKeyOf(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	var p span
	f, body, err := s.fetch(ctx, in.Bucket, in.ExpectedBucketOwner, *in.Key, in.VersionId, k, func(f *found) (_ span, err error) {
		c := conditions{in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince}
		if err := c.check(f.object, false); err != nil {
			return p, err
		}
		if err := s.readable(f.object); err != nil {
			return p, err
		}
		p, err = f.span(in.Range, in.PartNumber)
		return p, err
	})
	if err != nil {
		return nil, err
	}
	out := s.getOutput(f, p, in.PartNumber, in.ChecksumMode != nil)
	out.Body = body
	overrides{in.ResponseCacheControl, in.ResponseContentDisposition, in.ResponseContentEncoding, in.ResponseContentLanguage, in.ResponseContentType, in.ResponseExpires}.apply(out)
	return out, nil
}

const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"

// overrides are what a reader wants the answer's headers to say instead.
type overrides struct {
	cacheControl, disposition, encoding, language, kind *string
	expires                                             *time.Time
}

func (o overrides) apply(out *api.GetObjectOutput) {
	override(&out.CacheControl, o.cacheControl)
	override(&out.ContentDisposition, o.disposition)
	override(&out.ContentEncoding, o.encoding)
	override(&out.ContentLanguage, o.language)
	override(&out.ContentType, o.kind)
	if o.expires != nil {
		out.Expires = text(o.expires.UTC().Format(httpDate))
	}
}

func override(member **string, by *string) {
	if by != nil {
		*member = by
	}
}

// span is what a read asks for: a range, a part, or all.
func (f *found) span(header *string, part *int32) (span, error) {
	if part == nil {
		return parseRange(aws.Value(header), f.Size)
	}
	if header != nil {
		return span{}, errRequest("Cannot specify both Range header and partNumber query parameter")
	}
	if f.Parts == 0 && *part == 1 {
		return span{0, f.Size, f.Size > 0}, nil
	}
	from := int64(0)
	for _, p := range f.pieces {
		if p.number == int(*part) {
			return span{from, p.Size, p.Size > 0}, nil
		}
		from += p.Size
	}
	return span{}, aws.Errorf(416, "InvalidPartNumber", "The requested partnumber is not satisfiable").With(&struct {
		ActualPartCount, PartNumberRequested int32
	}{int32(max(f.Parts, 1)), *part})
}

// readable returns an error for an object that is archived.
func (s *Service) readable(o *object) error {
	if archived(o.Class) && !o.Restored.After(s.Clock.Now()) {
		return api.InvalidObjectState("The operation is not valid for the object's storage class").With(&struct{ StorageClass string }{o.Class})
	}
	return nil
}

func archived(class string) bool {
	return class == api.StorageClassGlacier || class == api.StorageClassDeepArchive
}

// getOutput is what a read tells of an object beside its bytes.
func (s *Service) getOutput(f *found, p span, part *int32, sums bool) *api.GetObjectOutput {
	o := f.object
	etag, ranges := quoted(o.ETag), "bytes"
	out := &api.GetObjectOutput{
		AcceptRanges: &ranges, ContentLength: &p.length, ETag: &etag, LastModified: &o.Modified, Metadata: o.Meta,
		CacheControl: text(o.CacheControl), ContentDisposition: text(o.Disposition), ContentEncoding: text(o.Encoding),
		ContentLanguage: text(o.Language), ContentType: text(o.Type), Expires: text(o.Expires),
		WebsiteRedirectLocation: text(o.Redirect), StorageClass: text(o.Class), VersionId: told(f.bucket, o),
		ObjectLockMode: text(o.Lock.Mode), Expiration: f.expire,
	}
	if out.ContentType == nil {
		out.ContentType = text("binary/octet-stream")
	}
	if p.part {
		out.ContentRange = text(p.contentRange(o.Size))
	}
	if part != nil && o.Parts > 0 {
		n := int32(o.Parts)
		out.PartsCount = &n
	}
	if n := int32(len(o.Tags)); n > 0 {
		out.TagCount = &n
	}
	if o.Lock.Mode != "" {
		out.ObjectLockRetainUntilDate = &o.Lock.Until
	}
	if o.Lock.Hold {
		out.ObjectLockLegalHoldStatus = text(api.ObjectLockLegalHoldStatusOn)
	}
	if archived(o.Class) && !o.Restored.IsZero() {
		out.Restore = text(`ongoing-request="false", expiry-date="` + o.Restored.Format(httpDate) + `"`)
	}
	o.SSE.tell(&out.ServerSideEncryption, &out.SSEKMSKeyId, nil, &out.BucketKeyEnabled, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5)
	if sums {
		f.tellSum(sumsOfGet(out), &out.ChecksumType, p, part)
	}
	return out
}

// tellSum tells the checksum of what is read: of the whole, or of a part that was asked
// for as such; of a range there is none.
func (f *found) tellSum(slots sumSlots, kind **string, p span, part *int32) {
	if part != nil && f.Parts > 0 {
		for _, piece := range f.pieces {
			if piece.number == int(*part) {
				slots.tell(piece.Sum)
				*kind = text(f.Sum.Type)
			}
		}
		return
	}
	if !p.part || p.length == f.Size {
		slots.tell(f.Sum)
		*kind = text(f.Sum.Type)
	}
}

func (s *Service) headObject(ctx context.Context, in *api.HeadObjectRequest) (*api.HeadObjectOutput, error) {
	k, err := customerKeyOf(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	var f *found
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) (err error) {
		o, _, err := lookUp(ctx, r, b, *in.Key, in.VersionId)
		if err != nil {
			return err
		}
		f = &found{object: o, bucket: b, key: *in.Key}
		if f.expire, err = s.expiration(ctx, r, b, *in.Key, o); err != nil {
			return err
		}
		if in.PartNumber != nil && o.Parts > 0 {
			f.pieces, err = piecesOf(ctx, r, b, o.ID)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := f.SSE.fits(k); err != nil {
		return nil, err
	}
	if err := (conditions{in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince}).check(f.object, false); err != nil {
		return nil, err
	}
	p, err := f.span(in.Range, in.PartNumber)
	if err != nil {
		return nil, err
	}
	out := s.getOutput(f, p, in.PartNumber, in.ChecksumMode != nil)
	overrides{in.ResponseCacheControl, in.ResponseContentDisposition, in.ResponseContentEncoding, in.ResponseContentLanguage, in.ResponseContentType, in.ResponseExpires}.apply(out)
	return headOf(out), nil
}

// headOf is an answer without its body.
func headOf(g *api.GetObjectOutput) *api.HeadObjectOutput {
	return &api.HeadObjectOutput{
		AcceptRanges: g.AcceptRanges, BucketKeyEnabled: g.BucketKeyEnabled, CacheControl: g.CacheControl,
		ChecksumCRC32: g.ChecksumCRC32, ChecksumCRC32C: g.ChecksumCRC32C, ChecksumCRC64NVME: g.ChecksumCRC64NVME,
		ChecksumMD5: g.ChecksumMD5, ChecksumSHA1: g.ChecksumSHA1, ChecksumSHA256: g.ChecksumSHA256, ChecksumSHA512: g.ChecksumSHA512,
		ChecksumType: g.ChecksumType, ChecksumXXHASH128: g.ChecksumXXHASH128, ChecksumXXHASH3: g.ChecksumXXHASH3, ChecksumXXHASH64: g.ChecksumXXHASH64,
		ContentDisposition: g.ContentDisposition, ContentEncoding: g.ContentEncoding, ContentLanguage: g.ContentLanguage,
		ContentLength: g.ContentLength, ContentRange: g.ContentRange, ContentType: g.ContentType, DeleteMarker: g.DeleteMarker,
		ETag: g.ETag, Expiration: g.Expiration, Expires: g.Expires, LastModified: g.LastModified, Metadata: g.Metadata, MissingMeta: g.MissingMeta,
		ObjectLockLegalHoldStatus: g.ObjectLockLegalHoldStatus, ObjectLockMode: g.ObjectLockMode, ObjectLockRetainUntilDate: g.ObjectLockRetainUntilDate,
		PartsCount: g.PartsCount, ReplicationStatus: g.ReplicationStatus, RequestCharged: g.RequestCharged, Restore: g.Restore,
		SSECustomerAlgorithm: g.SSECustomerAlgorithm, SSECustomerKeyMD5: g.SSECustomerKeyMD5, SSEKMSKeyId: g.SSEKMSKeyId,
		ServerSideEncryption: g.ServerSideEncryption, StorageClass: g.StorageClass, TagCount: g.TagCount, VersionId: g.VersionId,
		WebsiteRedirectLocation: g.WebsiteRedirectLocation,
	}
}

func (s *Service) restoreObject(ctx context.Context, in *api.RestoreObjectRequest) (*api.RestoreObjectOutput, error) {
	if in.RestoreRequest == nil || in.RestoreRequest.SelectParameters != nil {
		return nil, errMalformed()
	}
	days := aws.Value(in.RestoreRequest.Days)
	if days < 1 {
		return nil, errArgument("restoration days should be at least 1", "Days", strconv.Itoa(int(days)))
	}
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		o, isCurrent, err := lookUp(ctx, tx, b, *in.Key, in.VersionId)
		if err != nil {
			return err
		}
		if !archived(o.Class) {
			return api.InvalidObjectState("Restore is not allowed for the object's current storage class").With(&struct{ StorageClass string }{classOf(o.Class)})
		}
		// As on AWS a copy ends at midnight.
		o.Restored = s.Clock.Now().AddDate(0, 0, int(days)+1).Truncate(24 * time.Hour)
		if err := rewrite(tx, b, *in.Key, o, isCurrent); err != nil {
			return err
		}
		if err := s.announce(ctx, tx, b, s.changeOf(ctx, "ObjectRestore:Post", *in.Key, o)); err != nil {
			return err
		}
		return s.announce(ctx, tx, b, s.changeOf(ctx, "ObjectRestore:Completed", *in.Key, o))
	})
}

// classOf is a storage class as lists show it.
func classOf(class string) string {
	if class == "" {
		return api.StorageClassStandard
	}
	return class
}
