package s3

import (
	"context"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
)

// AWS's errors of S3, most of which no model has.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html

func errNoBucket(name string) error {
	return api.NoSuchBucket("The specified bucket does not exist").With(&struct{ BucketName string }{name})
}

func errNoKey(key string) error {
	return api.NoSuchKey("The specified key does not exist.").With(&struct{ Key string }{key})
}

// A missing is the error that a bucket has no object under a key.
type missing struct {
	bucket *bucket
	error
}

func (m *missing) Unwrap() error { return m.error }

// discreet makes of such an error, for a caller who may not list the bucket, the refusal
// to list it: who may not list may not find out by asking, either.
func (s *Service) discreet(ctx context.Context, err error) error {
	var m *missing
	if s.Allow == nil || !errors.As(err, &m) || aws.CodeOf(err) != "NoSuchKey" {
		return err
	}
	b, failed := s.find(ctx, m.bucket.Name)
	if failed != nil {
		return failed
	}
	if failed = s.Allow(ctx, s.access(b, listBucket, "")); failed != nil {
		return failed
	}
	return err
}

// errArgument is InvalidArgument, which names the argument and its value.
func errArgument(message, name, value string) error {
	return aws.Errorf(400, "InvalidArgument", "%s", message).With(&struct{ ArgumentName, ArgumentValue string }{name, value})
}

func errRequest(format string, args ...any) error { return api.InvalidRequest(format, args...) }

func errDenied() error { return api.AccessDenied("Access Denied") }

func errNoVersion(key, version string) error {
	return aws.Errorf(404, "NoSuchVersion", "The specified version does not exist.").With(&struct{ Key, VersionId string }{key, version})
}

// errMarker is the answer to who asks for what a delete marker hides, or for the marker.
func errMarker(key string, m *object, version *string) error {
	if version == nil {
		return api.NoSuchKey("The specified key does not exist.").With(&struct {
			Key     string
			Marker  bool   `aws:"x-amz-delete-marker,header"`
			Version string `aws:"x-amz-version-id,header"`
		}{key, true, m.id()})
	}
	return aws.Errorf(405, "MethodNotAllowed", "The specified method is not allowed against this resource.").With(&struct {
		Method, ResourceType string
		Marker               bool      `aws:"x-amz-delete-marker,header"`
		Version              string    `aws:"x-amz-version-id,header"`
		Allow                string    `aws:"Allow,header"`
		Modified             time.Time `aws:"Last-Modified,header"`
	}{"GET", "DeleteMarker", true, m.id(), "DELETE", m.Modified})
}

func errCondition(name string) error {
	return aws.Errorf(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold").With(&struct{ Condition string }{name})
}

func errNotImplemented(header string) error {
	return aws.Errorf(501, "NotImplemented", "A header you provided implies functionality that is not implemented").With(&struct{ Header string }{header})
}
