package s3

import (
	"context"
	"errors"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A deletion is what a request asks to delete, and under which conditions.
type deletion struct {
	key     string
	version *string
	match   *string
	size    *int64
	time    *time.Time
	bypass  bool
}

// A deleted is what became of it.
type deleted struct {
	marker  bool
	version *string
}

// delete deletes in a transaction: a version for good, or with a marker what is current.
// What is not there is deleted already.
func (s *Service) delete(ctx context.Context, tx store.Tx, b *bucket, d deletion) (done deleted, err error) {
	if d.version != nil {
		return s.deleteVersion(ctx, tx, b, d)
	}
	before, err := latest(ctx, tx, b, d.key)
	if err != nil {
		return done, err
	}
	if err := d.holds(before); err != nil {
		return done, err
	}
	if before != nil && b.Versioning == "" {
		if err := before.Lock.locked(s.Clock.Now(), d.bypass); err != nil {
			return done, err
		}
	}
	m, err := s.hide(ctx, tx, b, d.key, before)
	if err != nil {
		return done, err
	}
	if m == nil {
		if before == nil {
			return done, nil
		}
		return done, s.announce(ctx, tx, b, s.changeOf(ctx, "ObjectRemoved:Delete", d.key, before))
	}
	id := m.id()
	return deleted{true, &id}, s.announce(ctx, tx, b, s.changeOf(ctx, "ObjectRemoved:DeleteMarkerCreated", d.key, m))
}

func (s *Service) deleteVersion(ctx context.Context, tx store.Tx, b *bucket, d deletion) (done deleted, err error) {
	o, isCurrent, err := versionOf(ctx, tx, b, d.key, *d.version)
	if err != nil {
		return done, err
	}
	if err := d.holds(o); err != nil {
		return done, err
	}
	done.version = d.version
	if b.Versioning == "" {
		done.version = nil
	}
	if o == nil {
		return done, nil
	}
	if err := o.Lock.locked(s.Clock.Now(), d.bypass); err != nil {
		return done, err
	}
	done.marker = o.Marker
	if err := s.removeVersion(ctx, tx, b, d.key, o, isCurrent); err != nil {
		return done, err
	}
	return done, s.announce(ctx, tx, b, s.changeOf(ctx, "ObjectRemoved:Delete", d.key, o))
}

// holds holds a deletion's conditions against what is there.
func (d *deletion) holds(o *object) error {
	there := o != nil && !o.Marker
	switch {
	case d.match != nil && !there:
		return errNoKey(d.key)
	case d.match != nil && !etagIn(*d.match, o.ETag):
		return errCondition("If-Match")
	case d.size != nil && (!there || *d.size != o.Size):
		return errCondition("x-amz-if-match-size")
	case d.time != nil && (!there || !d.time.Truncate(time.Second).Equal(o.Modified)):
		return errCondition("x-amz-if-match-last-modified-time")
	}
	return nil
}

func (s *Service) deleteObject(ctx context.Context, in *api.DeleteObjectRequest) (*api.DeleteObjectOutput, error) {
	if err := checkKey(*in.Key); err != nil {
		return nil, err
	}
	d := deletion{*in.Key, in.VersionId, in.IfMatch, in.IfMatchSize, in.IfMatchLastModifiedTime, aws.Value(in.BypassGovernanceRetention)}
	var done deleted
	err := s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) (err error) {
		done, err = s.delete(ctx, tx, b, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &api.DeleteObjectOutput{VersionId: done.version}
	if done.marker {
		out.DeleteMarker = &done.marker
	}
	return out, nil
}

// deleteObjects deletes each of up to a thousand, as if alone, and all that can and may
// be deleted in one transaction.
func (s *Service) deleteObjects(ctx context.Context, in *api.DeleteObjectsRequest) (*api.DeleteObjectsOutput, error) {
	if n := len(in.Delete.Objects); n == 0 || n > 1000 {
		return nil, errMalformed()
	}
	refused, err := s.refused(ctx, in)
	if err != nil {
		return nil, err
	}
	var out *api.DeleteObjectsOutput
	err = s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		out = &api.DeleteObjectsOutput{}
		for i := range in.Delete.Objects {
			one := &in.Delete.Objects[i]
			d := deletion{*one.Key, one.VersionId, one.ETag, one.Size, one.LastModifiedTime, aws.Value(in.BypassGovernanceRetention)}
			if d.version != nil && *d.version == "" {
				d.version = nil
			}
			done, err := deleted{}, checkKey(d.key)
			if err == nil && refused != nil {
				err = refused[i]
			}
			if err == nil {
				done, err = s.delete(ctx, tx, b, d)
			}
			if err := tellDeleted(out, one, done, err, aws.Value(in.Delete.Quiet)); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// refused is why the caller may not delete each of the objects, nil where the caller may.
// It is nil if all may be deleted.
func (s *Service) refused(ctx context.Context, in *api.DeleteObjectsRequest) ([]error, error) {
	if s.Allow == nil {
		return nil, nil
	}
	b, err := s.find(ctx, *in.Bucket)
	if err != nil {
		return nil, err
	}
	needs := make([][]aws.Access, len(in.Delete.Objects))
	for i := range in.Delete.Objects {
		if needs[i], err = s.deletionAccesses(ctx, b, &in.Delete.Objects[i], in.BypassGovernanceRetention); err != nil {
			return nil, err
		}
	}
	if err = s.Allow(ctx, slices.Concat(needs...)...); err == nil {
		return nil, nil
	}
	refused := make([]error, len(needs))
	for i := range needs {
		if refused[i], err = refusal(s.Allow(ctx, needs[i]...)); err != nil {
			return nil, err
		}
	}
	return refused, nil
}

// refusal is the answer to who may not, in S3's words; the second result is why it could
// not be decided.
func refusal(err error) (error, error) {
	var e *aws.Error
	if !errors.As(err, &e) || e.Server() {
		return nil, err
	}
	return api.AccessDenied("%s", e.Message), nil
}

// tellDeleted adds what became of one object. Errors that are not the caller's end all.
func tellDeleted(out *api.DeleteObjectsOutput, one *api.ObjectIdentifier, done deleted, err error, quiet bool) error {
	var e *aws.Error
	switch {
	case errors.As(err, &e):
		out.Errors = append(out.Errors, api.Error{Code: &e.Code, Message: &e.Message, Key: one.Key, VersionId: one.VersionId})
		return nil
	case err != nil || quiet:
		return err
	}
	told := api.DeletedObject{Key: one.Key, VersionId: one.VersionId}
	if done.marker {
		told.DeleteMarker, told.DeleteMarkerVersionId = &done.marker, done.version
	}
	out.Deleted = append(out.Deleted, told)
	return nil
}
