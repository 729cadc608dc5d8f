package s3

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A customerKey is a key of the customer's own (SSE-C). It is used, and not kept: an
// object knows its MD5, which is told, and a proof by which the key is known again.
type customerKey struct {
	key []byte
	md5 string // base64
}

// customerKeyOf is the key that a request brings; nil for none.
func customerKeyOf(algorithm, key, sum *string) (*customerKey, error) {
	if algorithm == nil && key == nil && sum == nil {
		return nil, nil
	}
	const name = "x-amz-server-side-encryption-customer-algorithm"
	switch {
	case algorithm == nil:
		return nil, errArgument("Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.", name, "null")
	case *algorithm != "AES256":
		return nil, aws.Errorf(400, "InvalidEncryptionAlgorithmError", "The Encryption request you specified is not valid. Supported value: AES256.")
	case key == nil:
		return nil, errArgument("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.", name, "null")
	case sum == nil:
		return nil, errArgument("Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.", name, "null")
	}
	b, err := base64.StdEncoding.DecodeString(*key)
	if err != nil || len(b) != 32 {
		return nil, errArgument("The secret key was invalid for the specified algorithm.", name, "null")
	}
	real := md5.Sum(b)
	if base64.StdEncoding.EncodeToString(real[:]) != *sum {
		return nil, errArgument("The calculated MD5 hash of the key did not match the hash that was provided.", name, "null")
	}
	return &customerKey{b, *sum}, nil
}

// mark tells an object of the key, so that it is known again.
func (k *customerKey) mark(e *encryption) {
	*e = encryption{KeyMD5: k.md5, Proof: k.proof(e.IV), IV: e.IV}
}

func (k *customerKey) proof(salt string) string {
	m := hmac.New(sha256.New, k.key)
	io.WriteString(m, "s3 customer key "+salt)
	return hex.EncodeToString(m.Sum(nil))
}

// fits returns an error unless the key is the one that the object was written with.
func (e *encryption) fits(k *customerKey) error {
	switch {
	case e.Proof == "" && k != nil:
		return errRequest("The encryption parameters are not applicable to this object.")
	case e.Proof != "" && k == nil:
		return errRequest("The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	case e.Proof != "" && !hmac.Equal([]byte(k.proof(e.IV)), []byte(e.Proof)):
		return errDenied()
	}
	return nil
}

// encrypt makes of plain bytes the ones to keep, and the text from which they start.
func (k *customerKey) encrypt(random io.Reader, plain io.Reader) (io.Reader, string, error) {
	iv := make([]byte, aes.BlockSize)
	if _, err := io.ReadFull(random, iv); err != nil {
		return nil, "", err
	}
	text := string(iv)
	stream, err := k.stream(text, 0)
	return &cipher.StreamReader{S: stream, R: plain}, text, err
}

// stream en- or decrypts from offset on.
func (k *customerKey) stream(iv string, offset int64) (cipher.Stream, error) {
	if len(iv) != aes.BlockSize {
		return nil, errRecord
	}
	block, err := aes.NewCipher(k.key)
	if err != nil {
		return nil, err
	}
	counter := []byte(iv)
	carry := uint64(offset / aes.BlockSize)
	for i := len(counter) - 1; i >= 0 && carry > 0; i-- {
		carry += uint64(counter[i])
		counter[i] = byte(carry)
		carry >>= 8
	}
	stream := cipher.NewCTR(block, counter)
	skip := make([]byte, offset%aes.BlockSize)
	stream.XORKeyStream(skip, skip)
	return stream, nil
}

// encryptionFor is what a new object gets of what its request asks for, or else what its
// bucket is set to.
func encryptionFor(ctx context.Context, r store.Reader, b *bucket, in *api.PutObjectRequest) (encryption, error) {
	e := encryption{Algorithm: aws.Value(in.ServerSideEncryption), KeyID: aws.Value(in.SSEKMSKeyId),
		Context: aws.Value(in.SSEKMSEncryptionContext), BucketKey: aws.Value(in.BucketKeyEnabled)}
	if e.KeyID != "" && !strings.HasPrefix(e.Algorithm, "aws:kms") {
		return e, errArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms", "x-amz-server-side-encryption", e.Algorithm)
	}
	if e.Algorithm == "" {
		c, err := setting[api.ServerSideEncryptionConfiguration](ctx, r, b, encryptionSetting)
		if err != nil {
			return e, err
		}
		e.Algorithm = api.ServerSideEncryptionAes256
		if c != nil && len(c.Rules) > 0 && c.Rules[0].ApplyServerSideEncryptionByDefault != nil {
			by := c.Rules[0].ApplyServerSideEncryptionByDefault
			e.Algorithm, e.KeyID = aws.Value(by.SSEAlgorithm), aws.Value(by.KMSMasterKeyID)
			e.BucketKey = e.BucketKey || aws.Value(c.Rules[0].BucketKeyEnabled)
		}
	}
	if !strings.HasPrefix(e.Algorithm, "aws:kms") {
		e.BucketKey, e.Context = false, ""
		return e, nil
	}
	e.KeyID = kmsKey(e.KeyID, b)
	return e, nil
}

// kmsKey is the ARN of a key of KMS; that of S3 in the bucket's account where none is named.
func kmsKey(id string, b *bucket) string {
	switch {
	case strings.HasPrefix(id, "arn:"):
		return id
	case id == "":
		sum := sha256.Sum256([]byte("aws/s3 " + b.Account + " " + b.Region))
		h := hex.EncodeToString(sum[:16])
		id = "key/" + strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	case !strings.HasPrefix(id, "alias/") && !strings.HasPrefix(id, "key/"):
		id = "key/" + id
	}
	return aws.NewARN("kms", b.Region, b.Account, id).String()
}

// keyed reports whether a key of somebody's encrypts, in which case an ETag is no MD5.
func (e *encryption) keyed() bool { return e.Proof != "" || strings.HasPrefix(e.Algorithm, "aws:kms") }

func (s *Service) getBucketEncryption(ctx context.Context, in *api.GetBucketEncryptionRequest) (out *api.GetBucketEncryptionOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		c, err := setting[api.ServerSideEncryptionConfiguration](ctx, r, b, encryptionSetting)
		if c == nil {
			algorithm, off := api.ServerSideEncryptionAes256, false
			c = &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{{BucketKeyEnabled: &off,
				ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: &algorithm}}}}
		}
		out = &api.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: c}
		return err
	})
	return out, err
}

func (s *Service) putBucketEncryption(ctx context.Context, in *api.PutBucketEncryptionRequest) (*aws.Empty, error) {
	c := in.ServerSideEncryptionConfiguration
	if len(c.Rules) != 1 {
		return nil, errMalformed()
	}
	rule := &c.Rules[0]
	if by := rule.ApplyServerSideEncryptionByDefault; by != nil && by.KMSMasterKeyID != nil && !strings.HasPrefix(*by.SSEAlgorithm, "aws:kms") {
		return nil, errArgument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse", "ApplyServerSideEncryptionByDefault", *by.SSEAlgorithm)
	}
	if rule.BucketKeyEnabled == nil {
		rule.BucketKeyEnabled = new(bool)
	}
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		return putSetting(tx, b, encryptionSetting, "", c)
	})
}

func (s *Service) deleteBucketEncryption(ctx context.Context, in *api.DeleteBucketEncryptionRequest) (*aws.Empty, error) {
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		return dropSetting(tx, b, encryptionSetting, "")
	})
}
