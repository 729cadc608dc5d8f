package s3

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// checkTags holds an object's tags against what S3 allows.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
func checkTags(tags map[string]string) error {
	if len(tags) > 10 {
		return aws.Errorf(400, "BadRequest", "Object tags cannot be greater than 10")
	}
	for k, v := range tags {
		switch {
		case utf8.RuneCountInString(k) > 128 || k == "" || !validTag(k):
			return aws.Errorf(400, "InvalidTag", "The TagKey you have provided is invalid").With(&struct{ TagKey string }{k})
		case utf8.RuneCountInString(v) > 256 || !validTag(v):
			return aws.Errorf(400, "InvalidTag", "The TagValue you have provided is invalid").With(&struct{ TagKey, TagValue string }{k, v})
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return aws.Errorf(400, "InvalidTag", "System tags cannot be added/updated by requester")
		}
	}
	return nil
}

func validTag(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsSpace(r) && !strings.ContainsRune("_.:/=+-@", r)
	})
}

// tagMap makes a map of a list of tags, in which none is twice.
func tagMap(set []api.Tag) (map[string]string, error) {
	tags := make(map[string]string, len(set))
	for _, t := range set {
		if _, twice := tags[*t.Key]; twice {
			return nil, aws.Errorf(400, "InvalidTag", "Cannot provide multiple Tags with the same key").With(&struct{ TagKey string }{*t.Key})
		}
		tags[*t.Key] = *t.Value
	}
	return tags, nil
}

func (s *Service) putObjectTagging(ctx context.Context, in *api.PutObjectTaggingRequest) (*api.PutObjectTaggingOutput, error) {
	tags, err := tagMap(in.Tagging.TagSet)
	if err == nil {
		err = checkTags(tags)
	}
	if err != nil {
		return nil, err
	}
	id, err := s.retag(ctx, in.Bucket, in.ExpectedBucketOwner, *in.Key, in.VersionId, tags, "ObjectTagging:Put")
	return &api.PutObjectTaggingOutput{VersionId: id}, err
}

func (s *Service) deleteObjectTagging(ctx context.Context, in *api.DeleteObjectTaggingRequest) (*api.DeleteObjectTaggingOutput, error) {
	id, err := s.retag(ctx, in.Bucket, in.ExpectedBucketOwner, *in.Key, in.VersionId, nil, "ObjectTagging:Delete")
	return &api.DeleteObjectTaggingOutput{VersionId: id}, err
}

func (s *Service) retag(ctx context.Context, bucketName, owner *string, key string, version *string, tags map[string]string, event string) (id *string, err error) {
	err = s.onBucketDo(ctx, bucketName, owner, func(tx store.Tx, b *bucket) error {
		o, isCurrent, err := lookUp(ctx, tx, b, key, version)
		if err != nil {
			return err
		}
		o.Tags, id = tags, told(b, o)
		if err := rewrite(tx, b, key, o, isCurrent); err != nil {
			return err
		}
		return s.announce(ctx, tx, b, s.changeOf(ctx, event, key, o))
	})
	return id, err
}

func (s *Service) getObjectTagging(ctx context.Context, in *api.GetObjectTaggingRequest) (out *api.GetObjectTaggingOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		o, _, err := lookUp(ctx, r, b, *in.Key, in.VersionId)
		if err != nil {
			return err
		}
		out = &api.GetObjectTaggingOutput{VersionId: told(b, o), TagSet: []api.Tag{}}
		for _, k := range slices.Sorted(maps.Keys(o.Tags)) {
			v := o.Tags[k]
			out.TagSet = append(out.TagSet, api.Tag{Key: &k, Value: &v})
		}
		return nil
	})
	return out, err
}
