package lambda

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// zipFile is one that can be read anywhere, again and again.
type zipFile struct {
	io.ReaderAt
	size int64
	sum  string // SHA-256, hex
	most int64  // bytes that it may have
}

// reader reads the zip from its beginning.
func (z zipFile) reader() io.Reader { return io.NewSectionReader(z, 0, z.size) }

// uploadObject is upload, for a zip file in a bucket. It is read as the caller, who must
// be allowed to.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-function-zip.html
func (s *Service) uploadObject(ctx context.Context, scope store.Scope, bucket, key, version *string) (*upload, error) {
	out, err := s3api.GetObject.Do(ctx, s.Peers, &s3api.GetObjectRequest{Bucket: bucket, Key: key, VersionId: version})
	if err != nil {
		return nil, badObject(err, *bucket, *key)
	}
	if out.Body == nil {
		return nil, invalid("Uploaded file must be a non-empty zip")
	}
	defer out.Body.Close()
	f, err := os.CreateTemp(s.Dir, ".object-")
	if err != nil {
		return nil, badZip(err)
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil { // what is open is enough
		return nil, err
	}
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(out.Body, maxUnzipped+1))
	switch {
	case err != nil:
		return nil, badZip(err)
	case size == 0:
		return nil, invalid("Uploaded file must be a non-empty zip")
	case size > maxUnzipped: // whatever is in it
		return nil, badZip(errTooLarge)
	}
	return s.uploadFile(ctx, scope, zipFile{f, size, hex.EncodeToString(sum.Sum(nil)), maxUnzipped})
}

// badObject is AWS's error for an object that cannot be read.
func badObject(err error, bucket, key string) error {
	var e *aws.Error
	switch {
	case denied(err):
		return aws.Errorf(403, "AccessDeniedException", "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for %s/%s. S3 Error Code: AccessDenied. S3 Error Message: Access Denied",
			bucket, key).Because(err)
	case errors.As(err, &e) && (!e.Server() || e.Status == 501):
		return invalid("Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", e.Code, e.Message).Because(err)
	}
	return err
}
