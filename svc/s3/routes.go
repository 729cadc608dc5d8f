package s3

import (
	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
)

func (s *Service) bucketRoutes() []aws.Route {
	return []aws.Route{
		api.CreateBucket.To(s.createBucket, s.guardCreateBucket),
		api.DeleteBucket.To(s.deleteBucket, onBucket(s, func(in *api.DeleteBucketRequest) *string { return in.Bucket })),
		api.DeleteBucketEncryption.To(s.deleteBucketEncryption, onBucket(s, func(in *api.DeleteBucketEncryptionRequest) *string { return in.Bucket }, "s3:PutEncryptionConfiguration")),
		api.GetBucketEncryption.To(s.getBucketEncryption, onBucket(s, func(in *api.GetBucketEncryptionRequest) *string { return in.Bucket }, "s3:GetEncryptionConfiguration")),
		api.GetBucketLocation.To(s.getBucketLocation, onBucket(s, func(in *api.GetBucketLocationRequest) *string { return in.Bucket })),
		api.GetBucketVersioning.To(s.getBucketVersioning, onBucket(s, func(in *api.GetBucketVersioningRequest) *string { return in.Bucket })),
		api.GetObjectLockConfiguration.To(s.getObjectLockConfiguration, onBucket(s, func(in *api.GetObjectLockConfigurationRequest) *string { return in.Bucket }, "s3:GetBucketObjectLockConfiguration")),
		api.HeadBucket.To(s.headBucket, onBucket(s, func(in *api.HeadBucketRequest) *string { return in.Bucket }, listBucket)),
		api.ListBuckets.To(s.listBuckets, guardListBuckets),
		api.PutBucketEncryption.To(s.putBucketEncryption, onBucket(s, func(in *api.PutBucketEncryptionRequest) *string { return in.Bucket }, "s3:PutEncryptionConfiguration")),
		api.PutBucketVersioning.To(s.putBucketVersioning, onBucket(s, func(in *api.PutBucketVersioningRequest) *string { return in.Bucket })),
		api.PutObjectLockConfiguration.To(s.putObjectLockConfiguration, onBucket(s, func(in *api.PutObjectLockConfigurationRequest) *string { return in.Bucket }, "s3:PutBucketObjectLockConfiguration")),
	}
}

func (s *Service) listRoutes() []aws.Route {
	return []aws.Route{
		api.ListMultipartUploads.To(s.listMultipartUploads, onBucket(s, func(in *api.ListMultipartUploadsRequest) *string { return in.Bucket }, "s3:ListBucketMultipartUploads")),
		api.ListObjectVersions.To(s.listObjectVersions, onList(s, "s3:ListBucketVersions", func(in *api.ListObjectVersionsRequest) (bucketName, prefix, delimiter *string, max *int32) {
			return in.Bucket, in.Prefix, in.Delimiter, in.MaxKeys
		})),
		api.ListObjects.To(s.listObjects, onList(s, listBucket, func(in *api.ListObjectsRequest) (bucketName, prefix, delimiter *string, max *int32) {
			return in.Bucket, in.Prefix, in.Delimiter, in.MaxKeys
		})),
		api.ListObjectsV2.To(s.listObjectsV2, onList(s, listBucket, func(in *api.ListObjectsV2Request) (bucketName, prefix, delimiter *string, max *int32) {
			return in.Bucket, in.Prefix, in.Delimiter, in.MaxKeys
		})),
	}
}

func (s *Service) objectRoutes() []aws.Route {
	return []aws.Route{
		api.CopyObject.To(s.copyObject, s.guardCopy),
		api.DeleteObject.To(s.deleteObject, onObject(s, func(in *api.DeleteObjectRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:DeleteObject", "s3:DeleteObjectVersion", deleting)),
		api.DeleteObjectTagging.To(s.deleteObjectTagging, onObject(s, func(in *api.DeleteObjectTaggingRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging")),
		api.DeleteObjects.To(s.deleteObjects, aws.Nothing),
		api.GetObject.To(s.getObject, onObject(s, func(in *api.GetObjectRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:GetObject", "s3:GetObjectVersion")),
		api.GetObjectAttributes.To(s.getObjectAttributes, onObject(s, func(in *api.GetObjectAttributesRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes")),
		api.GetObjectLegalHold.To(s.getObjectLegalHold, onObject(s, func(in *api.GetObjectLegalHoldRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:GetObjectLegalHold", "")),
		api.GetObjectRetention.To(s.getObjectRetention, onObject(s, func(in *api.GetObjectRetentionRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:GetObjectRetention", "")),
		api.GetObjectTagging.To(s.getObjectTagging, onObject(s, func(in *api.GetObjectTaggingRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:GetObjectTagging", "s3:GetObjectVersionTagging")),
		api.HeadObject.To(s.headObject, onObject(s, func(in *api.HeadObjectRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:GetObject", "s3:GetObjectVersion")),
		api.PutObject.To(s.putObject, onObject(s, func(in *api.PutObjectRequest) place { return place{in.Bucket, in.Key, nil} }, "s3:PutObject", "", s.writing)),
		api.PutObjectLegalHold.To(s.putObjectLegalHold, onObject(s, func(in *api.PutObjectLegalHoldRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:PutObjectLegalHold", "", holding)),
		api.PutObjectRetention.To(s.putObjectRetention, onObject(s, func(in *api.PutObjectRetentionRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:PutObjectRetention", "", s.retaining)),
		api.PutObjectTagging.To(s.putObjectTagging, onObject(s, func(in *api.PutObjectTaggingRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:PutObjectTagging", "s3:PutObjectVersionTagging", tagging)),
		api.RenameObject.To(s.renameObject, s.guardRename),
		api.RestoreObject.To(s.restoreObject, onObject(s, func(in *api.RestoreObjectRequest) place { return place{in.Bucket, in.Key, in.VersionId} }, "s3:RestoreObject", "")),
	}
}

func (s *Service) uploadRoutes() []aws.Route {
	return []aws.Route{
		api.AbortMultipartUpload.To(s.abortMultipartUpload, onObject(s, func(in *api.AbortMultipartUploadRequest) place { return place{in.Bucket, in.Key, nil} }, "s3:AbortMultipartUpload", "")),
		api.CompleteMultipartUpload.To(s.completeMultipartUpload, onObject(s, func(in *api.CompleteMultipartUploadRequest) place { return place{in.Bucket, in.Key, nil} }, "s3:PutObject", "", completing)),
		api.CreateMultipartUpload.To(s.createMultipartUpload, onObject(s, func(in *api.CreateMultipartUploadRequest) place { return place{in.Bucket, in.Key, nil} }, "s3:PutObject", "", s.writingUpload)),
		api.ListParts.To(s.listParts, onObject(s, func(in *api.ListPartsRequest) place { return place{in.Bucket, in.Key, nil} }, "s3:ListMultipartUploadParts", "")),
		api.UploadPart.To(s.uploadPart, onObject(s, func(in *api.UploadPartRequest) place { return place{in.Bucket, in.Key, nil} }, "s3:PutObject", "", writingPart)),
		api.UploadPartCopy.To(s.uploadPartCopy, s.guardPartCopy),
	}
}
