package s3

import (
	"context"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// number gives o the next sequence number of its key, and the id that goes with it in a
// bucket that keeps versions.
func (s *Service) number(b *bucket, before, o *object) (err error) {
	now := s.Clock.Now()
	o.Seq, o.Modified, o.Version = uint64(now.UnixNano()), now.Truncate(time.Second), ""
	if before != nil {
		o.Seq = max(o.Seq, before.Seq+1)
	}
	if b.Versioning == api.BucketVersioningStatusEnabled {
		o.Version, err = s.newVersion(o.Seq)
	}
	return err
}

// place makes o the current version of a key. Before is the latest one until now, nil for
// none. What o takes the place of goes, or stays behind as a version.
func (s *Service) place(ctx context.Context, tx store.Tx, b *bucket, key string, before, o *object) error {
	if err := s.number(b, before, o); err != nil {
		return err
	}
	if err := s.makeRoom(ctx, tx, b, key, before, o.Version == ""); err != nil {
		return err
	}
	return current.Put(tx, b.scope(), *o, b.ID, key)
}

// hide puts a delete marker before the versions of a key; in a bucket that never kept
// versions it deletes. The marker is nil then.
func (s *Service) hide(ctx context.Context, tx store.Tx, b *bucket, key string, before *object) (*object, error) {
	if b.Versioning == "" {
		if before == nil {
			return nil, nil
		}
		return nil, errors.Join(s.destroy(ctx, tx, b, before), current.Delete(tx, b.scope(), b.ID, key))
	}
	m := &object{Marker: true, Owner: aws.RequestOf(ctx).Account()}
	if err := s.number(b, before, m); err != nil {
		return nil, err
	}
	if err := s.makeRoom(ctx, tx, b, key, before, m.Version == ""); err != nil {
		return nil, err
	}
	if err := current.Delete(tx, b.scope(), b.ID, key); err != nil {
		return nil, err
	}
	return m, s.shelve(tx, b, key, m)
}

// makeRoom puts what is current among the versions, and removes the version "null" if
// there comes another.
func (s *Service) makeRoom(ctx context.Context, tx store.Tx, b *bucket, key string, before *object, null bool) error {
	isCurrent := before != nil && !before.Marker
	if isCurrent && (before.Version != "" || !null) {
		if err := s.shelve(tx, b, key, before); err != nil {
			return err
		}
	}
	switch {
	case !null:
		return nil
	case isCurrent && before.Version == "":
		return s.destroy(ctx, tx, b, before)
	case b.Versioning == "":
		return nil
	}
	seq, err := nulls.Get(ctx, tx, b.scope(), b.ID, key)
	if err != nil {
		return none(err)
	}
	old, err := versions.Get(ctx, tx, b.scope(), b.ID, key, ^uint64(seq))
	if err != nil {
		return none(err)
	}
	return errors.Join(s.destroy(ctx, tx, b, &old), unshelve(tx, b, key, &old))
}

// shelve puts a version among those that are not current, unshelve takes it out.
func (s *Service) shelve(tx store.Tx, b *bucket, key string, o *object) error {
	if o.Version == "" {
		if err := nulls.Put(tx, b.scope(), uint64Record(o.Seq), b.ID, key); err != nil {
			return err
		}
	}
	return versions.Put(tx, b.scope(), *o, b.ID, key, ^o.Seq)
}

func unshelve(tx store.Tx, b *bucket, key string, o *object) error {
	if o.Version == "" {
		if err := nulls.Delete(tx, b.scope(), b.ID, key); err != nil {
			return err
		}
	}
	return versions.Delete(tx, b.scope(), b.ID, key, ^o.Seq)
}

// removeVersion deletes a version for good. If it was the current one, or the marker
// that hid the others, the next one is current now.
func (s *Service) removeVersion(ctx context.Context, tx store.Tx, b *bucket, key string, o *object, isCurrent bool) error {
	if err := s.destroy(ctx, tx, b, o); err != nil {
		return err
	}
	if isCurrent {
		if err := current.Delete(tx, b.scope(), b.ID, key); err != nil {
			return err
		}
	} else if err := unshelve(tx, b, key, o); err != nil {
		return err
	}
	if b.Versioning == "" {
		return nil
	}
	if there, err := current.Has(ctx, tx, b.scope(), b.ID, key); err != nil || there {
		return err
	}
	next, err := latest(ctx, tx, b, key)
	if err != nil || next == nil || next.Marker {
		return err
	}
	return errors.Join(unshelve(tx, b, key, next), current.Put(tx, b.scope(), *next, b.ID, key))
}

// destroy lets go of a version's bytes.
func (s *Service) destroy(ctx context.Context, tx store.Tx, b *bucket, o *object) error {
	switch {
	case o.Inline:
		return inlines.Delete(tx, b.scope(), b.ID, o.ID)
	case o.Parts > 0:
		return dropPieces(ctx, tx, b, o.ID, nil)
	}
	return release(ctx, tx, b, o.Blob)
}

// rewrite writes what was changed of a version's record.
func rewrite(tx store.Tx, b *bucket, key string, o *object, isCurrent bool) error {
	if isCurrent {
		return current.Put(tx, b.scope(), *o, b.ID, key)
	}
	return versions.Put(tx, b.scope(), *o, b.ID, key, ^o.Seq)
}

// lookUp reads the version that a request names, or the current one. A delete marker, or
// nothing, is an error of the API.
func lookUp(ctx context.Context, r store.Reader, b *bucket, key string, version *string) (o *object, isCurrent bool, err error) {
	if version == nil {
		o, err = latest(ctx, r, b, key)
		isCurrent = true
	} else if *version == "" {
		return nil, false, errArgument("Version id cannot be the empty string", "versionId", "")
	} else {
		o, isCurrent, err = versionOf(ctx, r, b, key, *version)
	}
	switch {
	case err != nil:
		return nil, false, err
	case o == nil && version == nil:
		return nil, false, &missing{b, errNoKey(key)}
	case o == nil:
		return nil, false, errNoVersion(key, *version)
	case o.Marker:
		return nil, false, &missing{b, errMarker(key, o, version)}
	}
	return o, isCurrent, nil
}

// told is a version's id as answers tell it: not of buckets that never kept versions.
func told(b *bucket, o *object) *string {
	if b.Versioning == "" {
		return nil
	}
	id := o.id()
	return &id
}
