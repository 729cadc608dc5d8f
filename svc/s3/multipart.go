package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An upload is the record of a multipart upload under way. What it becomes is its
// object, but for what the parts decide.
type upload struct {
	Object    object
	Key       string
	Initiator string // account
	Started   time.Time
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (u upload) MarshalBinary() ([]byte, error) {
	o, err := u.Object.MarshalBinary()
	f := make(fields, 0, len(o)+len(u.Key)+128)
	f.text(1, string(o))
	f.text(2, u.Key)
	f.text(3, u.Initiator)
	f.time(4, u.Started)
	return f, err
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (u *upload) UnmarshalBinary(b []byte) error {
	return eachField(b, func(n byte, v []byte) error {
		switch n {
		case 1:
			return u.Object.UnmarshalBinary(v)
		case 2:
			u.Key = string(v)
		case 3:
			u.Initiator = string(v)
		case 4:
			u.Started = readTime(v)
		}
		return nil
	})
}

// A piece is a part of an object, uploaded and on disk.
type piece struct {
	Blob     string
	Size     int64
	ETag     string
	Modified time.Time
	Sum      sum
	IV       string
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (p piece) MarshalBinary() ([]byte, error) {
	f := make(fields, 0, 128)
	f.text(1, p.Blob)
	f.int(2, p.Size)
	f.text(3, p.ETag)
	f.time(4, p.Modified)
	f.sum(5, p.Sum)
	f.text(8, p.IV)
	return f, nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (p *piece) UnmarshalBinary(b []byte) error {
	return eachField(b, func(n byte, v []byte) error {
		switch n {
		case 1:
			p.Blob = string(v)
		case 2:
			p.Size = readInt(v)
		case 3:
			p.ETag = string(v)
		case 4:
			p.Modified = readTime(v)
		case 5, 6, 7:
			p.Sum.field(n-5, v)
		case 8:
			p.IV = string(v)
		}
		return nil
	})
}

// abortAll ends every upload of a bucket that goes away.
func (s *Service) abortAll(ctx context.Context, tx store.Tx, b *bucket) error {
	for e, err := range uploads.List(ctx, tx, b.scope(), store.ListOptions{Prefix: []any{b.ID}}) {
		if err != nil {
			return err
		}
		if err := s.dropUpload(ctx, tx, b, &e.Record); err != nil {
			return err
		}
	}
	return nil
}

// dropUpload removes an upload and its parts.
func (s *Service) dropUpload(ctx context.Context, tx store.Tx, b *bucket, u *upload) error {
	if err := dropPieces(ctx, tx, b, u.Object.ID, nil); err != nil {
		return err
	}
	return uploads.Delete(tx, b.scope(), b.ID, u.Key, u.Object.ID)
}

// dropPieces removes the parts of an object or upload but for those to keep.
func dropPieces(ctx context.Context, tx store.Tx, b *bucket, id uint64, keep map[int64]bool) error {
	for e, err := range pieces.List(ctx, tx, b.scope(), store.ListOptions{Prefix: []any{b.ID, id}}) {
		if err != nil {
			return err
		}
		if keep[e.Key.Int(2)] {
			continue
		}
		if err := release(ctx, tx, b, e.Record.Blob); err != nil {
			return err
		}
		if err := pieces.Delete(tx, b.scope(), e.Key); err != nil {
			return err
		}
	}
	return nil
}

const (
	partMin   = 5 << 20 // of all parts but the last
	partsMax  = 10000
	objectMax = 5 << 40
)

// name is the upload's id as the API tells it: 32 characters of its number.
func (u *upload) name() string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 24), u.Object.ID)
	sum := sha256.Sum256(append(b, u.Key...))
	return versionText.EncodeToString(append(b, sum[:16]...))
}

func errNoUpload(id string) error {
	return api.NoSuchUpload("The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.").With(&struct{ UploadId string }{id})
}

// uploadOf reads an upload under way.
func uploadOf(ctx context.Context, r store.Reader, b *bucket, key, id string) (*upload, error) {
	number, ok := seqOf(id)
	if !ok {
		return nil, errNoUpload(id)
	}
	u, err := uploads.Get(ctx, r, b.scope(), b.ID, key, number)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.name() != id {
		return nil, errNoUpload(id)
	}
	return &u, err
}

func (s *Service) createMultipartUpload(ctx context.Context, in *api.CreateMultipartUploadRequest) (out *api.CreateMultipartUploadOutput, err error) {
	sum, err := sumOfUpload(aws.Value(in.ChecksumAlgorithm), aws.Value(in.ChecksumType))
	if err != nil {
		return nil, err
	}
	k, err := customerKeyOf(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	err = s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		o, err := s.describe(ctx, tx, b, putOfUpload(in), k)
		if err != nil {
			return err
		}
		if o.ID, err = s.newID(); err != nil {
			return err
		}
		o.Sum = sum
		if k != nil {
			if _, o.SSE.IV, err = k.encrypt(s.Random, nil); err != nil {
				return err
			}
			k.mark(&o.SSE)
		}
		u := upload{Object: *o, Key: *in.Key, Initiator: aws.RequestOf(ctx).Caller.ARN, Started: s.Clock.Now().Truncate(time.Second)}
		name := u.name()
		out = &api.CreateMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, UploadId: &name, ChecksumAlgorithm: text(sum.Algorithm), ChecksumType: text(sum.Type)}
		o.SSE.tell(&out.ServerSideEncryption, &out.SSEKMSKeyId, &out.SSEKMSEncryptionContext, &out.BucketKeyEnabled, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5)
		return uploads.Put(tx, b.scope(), u, b.ID, u.Key, o.ID)
	})
	return out, err
}

// sumOfUpload is the kind of checksum that an upload is to have.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
func sumOfUpload(name, kind string) (sum, error) {
	a := algorithmNamed(name)
	switch {
	case a == nil && kind != "":
		return sum{}, errRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case a == nil:
		return sum{}, nil
	case kind == "" && a.composite:
		kind = api.ChecksumTypeComposite
	case kind == "":
		kind = api.ChecksumTypeFullObject
	}
	if kind == api.ChecksumTypeFullObject && !a.whole || kind == api.ChecksumTypeComposite && !a.composite {
		return sum{}, errRequest("The %s checksum type cannot be used with the %s checksum algorithm.", kind, strings.ToLower(name))
	}
	return sum{Algorithm: name, Type: kind}, nil
}

// putOfUpload is what an upload says of its object, as a put says it.
func putOfUpload(in *api.CreateMultipartUploadRequest) *api.PutObjectRequest {
	return &api.PutObjectRequest{
		Bucket: in.Bucket, Key: in.Key, ACL: in.ACL, GrantFullControl: in.GrantFullControl, GrantRead: in.GrantRead, GrantReadACP: in.GrantReadACP, GrantWriteACP: in.GrantWriteACP,
		CacheControl: in.CacheControl, ContentDisposition: in.ContentDisposition, ContentEncoding: in.ContentEncoding, ContentLanguage: in.ContentLanguage,
		ContentType: in.ContentType, Expires: in.Expires, Metadata: in.Metadata, Tagging: in.Tagging, StorageClass: in.StorageClass, WebsiteRedirectLocation: in.WebsiteRedirectLocation,
		ObjectLockLegalHoldStatus: in.ObjectLockLegalHoldStatus, ObjectLockMode: in.ObjectLockMode, ObjectLockRetainUntilDate: in.ObjectLockRetainUntilDate,
		ServerSideEncryption: in.ServerSideEncryption, SSEKMSKeyId: in.SSEKMSKeyId, SSEKMSEncryptionContext: in.SSEKMSEncryptionContext, BucketKeyEnabled: in.BucketKeyEnabled,
	}
}

func checkPartNumber(n int32) error {
	if n < 1 || n > partsMax {
		return errArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", strconv.Itoa(int(n)))
	}
	return nil
}

func (s *Service) uploadPart(ctx context.Context, in *api.UploadPartRequest) (*api.UploadPartOutput, error) {
	if err := checkPartNumber(*in.PartNumber); err != nil {
		return nil, err
	}
	w, err := want(sumsOfUpload(in), in.ChecksumAlgorithm, in.ContentMD5, in.ContentLength)
	if err != nil {
		return nil, err
	}
	k, err := customerKeyOf(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	t := partTarget{in.Bucket, in.ExpectedBucketOwner, *in.Key, *in.UploadId, int(*in.PartNumber)}
	u, err := s.upload(ctx, t)
	if err != nil {
		return nil, err
	}
	p, err := s.addPart(ctx, t, u, in.Body, w, k)
	if err != nil {
		return nil, err
	}
	etag := quoted(p.ETag)
	out := &api.UploadPartOutput{ETag: &etag}
	u.Object.SSE.tell(&out.ServerSideEncryption, &out.SSEKMSKeyId, nil, &out.BucketKeyEnabled, &out.SSECustomerAlgorithm, &out.SSECustomerKeyMD5)
	sumsOfUploadOutput(out).tell(p.Sum)
	return out, nil
}

// A partTarget is which part of which upload.
type partTarget struct {
	bucket, owner *string
	key, id       string
	number        int
}

// upload reads the upload of a target.
func (s *Service) upload(ctx context.Context, t partTarget) (u *upload, err error) {
	err = s.onBucketRead(ctx, t.bucket, t.owner, func(r store.Reader, b *bucket) (err error) {
		u, err = uploadOf(ctx, r, b, t.key, t.id)
		return err
	})
	return u, err
}

// addPart takes the bytes of a part, and puts it in the place of what was uploaded under
// its number before.
func (s *Service) addPart(ctx context.Context, t partTarget, u *upload, body io.Reader, w wanted, k *customerKey) (*piece, error) {
	if err := u.Object.SSE.fits(k); err != nil {
		return nil, err
	}
	if a := u.Object.Sum.Algorithm; a != "" && w.Algorithm == "" {
		w.Algorithm, w.assumed = a, true
	} else if a != "" && a != w.Algorithm {
		return nil, errRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(a), strings.ToLower(w.Algorithm))
	}
	c, err := s.receive(ctx, body, w, k)
	if err != nil {
		return nil, err
	}
	if c.blob == "" { // parts are blobs, however small
		if c.blob, _, err = s.Blobs.Stage(ctx, bytes.NewReader(c.inline), inlineMax); err != nil {
			return nil, err
		}
	}
	p := &piece{Blob: c.blob, Size: c.size, ETag: c.etag(), Modified: s.Clock.Now().Truncate(time.Second), Sum: c.sum, IV: c.iv}
	if u.Object.SSE.keyed() {
		p.ETag = keyedETag(c.md5, u.Object.ID+uint64(t.number))
	}
	err = s.onBucketDo(ctx, t.bucket, t.owner, func(tx store.Tx, b *bucket) error {
		if _, err := uploadOf(ctx, tx, b, t.key, t.id); err != nil {
			return err
		}
		old, err := pieces.Get(ctx, tx, b.scope(), b.ID, u.Object.ID, t.number)
		if none(err) != nil {
			return err
		}
		return errors.Join(release(ctx, tx, b, old.Blob), hold(ctx, tx, b, p.Blob), pieces.Put(tx, b.scope(), *p, b.ID, u.Object.ID, t.number))
	})
	if err != nil {
		return nil, errors.Join(err, s.drop(ctx, c))
	}
	s.keep(ctx, p.Blob)
	return p, nil
}

func (s *Service) abortMultipartUpload(ctx context.Context, in *api.AbortMultipartUploadRequest) (*api.AbortMultipartUploadOutput, error) {
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		u, err := uploadOf(ctx, tx, b, *in.Key, *in.UploadId)
		if err != nil {
			return err
		}
		if in.IfMatchInitiatedTime != nil && !in.IfMatchInitiatedTime.Truncate(time.Second).Equal(u.Started) {
			return errCondition("x-amz-if-match-initiated-time")
		}
		return s.dropUpload(ctx, tx, b, u)
	})
}
