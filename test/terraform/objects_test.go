package terraform

import "testing"

func TestObjects(t *testing.T) {
	s := start(t, "objects", "numberless=true")
	s.applies(false)
	s.reads(map[string]any{"body": "hello"})
	s.applies(true)
	s.reads(map[string]any{"body": "hello again"})
	bucket := s.account + "-photos"
	s.imports(map[string]string{
		"aws_s3_bucket_versioning.photos":                           bucket,
		"aws_s3_bucket_policy.photos":                               bucket,
		"aws_s3_bucket_cors_configuration.photos":                   bucket,
		"aws_s3_bucket_website_configuration.photos":                bucket,
		"aws_s3_bucket_lifecycle_configuration.photos":              bucket,
		"aws_s3_bucket_notification.photos":                         bucket,
		"aws_s3_bucket_public_access_block.photos":                  bucket,
		"aws_s3_bucket_ownership_controls.photos":                   bucket,
		"aws_s3_bucket_server_side_encryption_configuration.photos": bucket,
		"aws_s3_bucket_inventory.photos":                            bucket + ":weekly",
	})
	s.destroys()
}
