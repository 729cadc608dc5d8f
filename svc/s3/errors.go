package s3

import (
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

// errArgument is InvalidArgument, which names the argument and its value.
func errArgument(message, name, value string) error {
	return aws.Errorf(400, "InvalidArgument", "%s", message).With(&struct{ ArgumentName, ArgumentValue string }{name, value})
}

func errRequest(format string, args ...any) error { return api.InvalidRequest(format, args...) }

func errDenied() error { return api.AccessDenied("Access Denied") }
