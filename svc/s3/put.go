package s3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) putObject(ctx context.Context, in *api.PutObjectRequest) (*api.PutObjectOutput, error) {
	return s.write(ctx, in, in.Body, "ObjectCreated:Put")
}

// write makes an object of a body. Forms write by it, too.
func (s *Service) write(ctx context.Context, in *api.PutObjectRequest, body io.Reader, event string) (*api.PutObjectOutput, error) {
	if in.WriteOffsetBytes != nil {
		return nil, errNotImplemented("x-amz-write-offset-bytes")
	}
	w, err := want(sumsOfPut(in), in.ChecksumAlgorithm, in.ContentMD5, in.ContentLength)
	if err != nil {
		return nil, err
	}
	k, err := customerKeyOf(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	if w.size == nil || *w.size > inlineMax { // what is refused is refused before much comes
		err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
			if _, err := s.describe(ctx, r, b, in, k); err != nil {
				return err
			}
			return s.mayWrite(ctx, r, b, in)
		})
		if err != nil {
			return nil, err
		}
	}
	c, err := s.receive(ctx, body, w, k)
	if err != nil {
		return nil, err
	}
	var out *api.PutObjectOutput
	err = s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		o, err := s.describe(ctx, tx, b, in, k)
		if err != nil {
			return err
		}
		if err := s.fill(ctx, tx, b, o, c, k); err != nil {
			return err
		}
		if err := s.commit(ctx, tx, b, *in.Key, o, event, in.IfMatch, in.IfNoneMatch); err != nil {
			return err
		}
		out = putOutput(b, o)
		out.Expiration, err = s.expiration(ctx, tx, b, *in.Key, o)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, s.drop(ctx, c))
	}
	s.keep(ctx, c.blob)
	return out, nil
}

// mayWrite holds a write's conditions against what is there now.
func (s *Service) mayWrite(ctx context.Context, r store.Reader, b *bucket, in *api.PutObjectRequest) error {
	if in.IfMatch == nil && in.IfNoneMatch == nil {
		return nil
	}
	before, err := latest(ctx, r, b, *in.Key)
	if err != nil {
		return err
	}
	return writable(*in.Key, before, in.IfMatch, in.IfNoneMatch)
}

// commit makes o the current version of its key, if its conditions hold, and announces it.
func (s *Service) commit(ctx context.Context, tx store.Tx, b *bucket, key string, o *object, event string, match, noneMatch *string) error {
	before, err := latest(ctx, tx, b, key)
	if err != nil {
		return err
	}
	if err := writable(key, before, match, noneMatch); err != nil {
		return err
	}
	if err := s.place(ctx, tx, b, key, before, o); err != nil {
		return err
	}
	return s.announce(ctx, tx, b, s.changeOf(ctx, event, key, o))
}

// fill gives an object the bytes that came.
func (s *Service) fill(ctx context.Context, tx store.Tx, b *bucket, o *object, c *content, k *customerKey) (err error) {
	if o.ID, err = s.newID(); err != nil {
		return err
	}
	o.Size, o.Blob, o.ETag, o.Sum = c.size, c.blob, c.etag(), c.sum
	if k != nil {
		o.SSE.IV = c.iv
		k.mark(&o.SSE)
	}
	if o.SSE.keyed() {
		o.ETag = keyedETag(c.md5, o.ID)
	}
	if c.blob != "" {
		return hold(ctx, tx, b, c.blob)
	}
	if o.Inline = c.size > 0; o.Inline {
		return inlines.Put(tx, b.scope(), c.inline, b.ID, o.ID)
	}
	return nil
}

// keyedETag is the ETag of what a key encrypts: it looks like an MD5 and is none.
func keyedETag(sum []byte, id uint64) string {
	h := md5.New()
	h.Write(sum)
	for i := range 8 {
		h.Write([]byte{byte(id >> (8 * i))})
	}
	return hex.EncodeToString(h.Sum(nil))
}

func putOutput(b *bucket, o *object) *api.PutObjectOutput {
	etag := quoted(o.ETag)
	out := &api.PutObjectOutput{ETag: &etag}
	if b.Versioning == api.BucketVersioningStatusEnabled {
		out.VersionId = told(b, o)
	}
	sumsOfPutOutput(out).tell(o.Sum)
	out.ChecksumType = text(o.Sum.Type)
	o.SSE.tell(&out.ServerSideEncryption, &out.SSEKMSKeyId, &out.SSEKMSEncryptionContext, &out.BucketKeyEnabled, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5)
	return out
}

// tell puts an encryption into the members that answers have of it; context is nil
// where they have none.
func (e *encryption) tell(algorithm, keyID, context **string, bucketKey **bool, customer, keyMD5 **string) {
	if e.Proof != "" {
		aes := api.ServerSideEncryptionAes256
		*customer, *keyMD5 = &aes, &e.KeyMD5
		return
	}
	*algorithm, *keyID = text(e.Algorithm), text(e.KeyID)
	if context != nil {
		*context = text(e.Context)
	}
	if e.BucketKey {
		*bucketKey = &e.BucketKey
	}
}

// text is a pointer to s, nil if it is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// describe makes the record of a new object of all that its request says beside the
// bytes, and holds it against what S3 and the bucket allow.
func (s *Service) describe(ctx context.Context, r store.Reader, b *bucket, in *api.PutObjectRequest, k *customerKey) (*object, error) {
	if err := checkKey(*in.Key); err != nil {
		return nil, err
	}
	if err := checkMeta(in.Metadata); err != nil {
		return nil, err
	}
	o := &object{
		Meta:         in.Metadata,
		CacheControl: aws.Value(in.CacheControl), Disposition: aws.Value(in.ContentDisposition), Encoding: aws.Value(in.ContentEncoding),
		Language: aws.Value(in.ContentLanguage), Type: aws.Value(in.ContentType), Expires: aws.Value(in.Expires),
		Redirect: aws.Value(in.WebsiteRedirectLocation), Class: aws.Value(in.StorageClass),
	}
	if o.Class == api.StorageClassStandard {
		o.Class = ""
	}
	if l := o.Redirect; l != "" && l[0] != '/' && !strings.HasPrefix(l, "http://") && !strings.HasPrefix(l, "https://") {
		return nil, errArgument("The website redirect location must have a prefix of 'http://' or 'https://' or '/'.", "x-amz-website-redirect-location", l)
	}
	var err error
	if o.Tags, err = parseTagging(aws.Value(in.Tagging)); err != nil {
		return nil, err
	}
	if k != nil && in.ServerSideEncryption != nil {
		return nil, errArgument("Server Side Encryption with Customer provided key is incompatible with the encryption method specified", "x-amz-server-side-encryption", *in.ServerSideEncryption)
	}
	if k == nil {
		if o.SSE, err = encryptionFor(ctx, r, b, in); err != nil {
			return nil, err
		}
	}
	if o.Lock, err = s.lockOf(ctx, r, b, in); err != nil {
		return nil, err
	}
	g := grants{in.ACL, in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP}
	if o.Owner, err = s.objectOwner(ctx, r, b, g); err != nil {
		return nil, err
	}
	o.ACL, err = s.objectACL(ctx, r, b, g)
	return o, err
}

const maxKey = 1024

func checkKey(key string) error {
	if len(key) > maxKey {
		return aws.Errorf(400, "KeyTooLongError", "Your key is too long").With(&struct{ Size, MaxSizeAllowed int64 }{int64(len(key)), maxKey})
	}
	if !utf8.ValidString(key) {
		return aws.Errorf(400, "InvalidURI", "Couldn't parse the specified URI.")
	}
	return nil
}

const maxMeta = 2 << 10

func checkMeta(m map[string]string) error {
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
	}
	if size > maxMeta {
		return aws.Errorf(400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size").With(&struct{ Size, MaxSizeAllowed int64 }{int64(size), maxMeta})
	}
	return nil
}

// parseTagging reads the header x-amz-tagging: a query string.
func parseTagging(header string) (map[string]string, error) {
	bad := errArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.", "x-amz-tagging", header)
	q, err := url.ParseQuery(header)
	if err != nil {
		return nil, bad
	}
	tags := make(map[string]string, len(q))
	for k, v := range q {
		if len(v) != 1 {
			return nil, bad
		}
		tags[k] = v[0]
	}
	return tags, checkTags(tags)
}
