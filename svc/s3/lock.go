package s3

import (
	"context"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// lockOf is the lock of a new object: what its request says, else what its bucket is set
// to.
func (s *Service) lockOf(ctx context.Context, r store.Reader, b *bucket, in *api.PutObjectRequest) (lock, error) {
	l := lock{Mode: aws.Value(in.ObjectLockMode), Until: aws.Value(in.ObjectLockRetainUntilDate).UTC(), Hold: aws.Value(in.ObjectLockLegalHoldStatus) == api.ObjectLockLegalHoldStatusOn}
	if in.ObjectLockRetainUntilDate == nil {
		l.Until = time.Time{}
	}
	asked := in.ObjectLockMode != nil || in.ObjectLockRetainUntilDate != nil || in.ObjectLockLegalHoldStatus != nil
	c, err := setting[api.ObjectLockConfiguration](ctx, r, b, lockSetting)
	if err != nil || c == nil {
		if err == nil && asked {
			err = errRequest("Bucket is missing Object Lock Configuration")
		}
		return lock{}, err
	}
	if (l.Mode == "") != l.Until.IsZero() {
		return l, errArgument("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied", "x-amz-object-lock-mode", l.Mode)
	}
	if l.Mode != "" && !l.Until.After(s.Clock.Now()) {
		return l, errArgument("The retain until date must be in the future!", "x-amz-object-lock-retain-until-date", l.Until.Format(time.RFC3339))
	}
	if l.Mode == "" && c.Rule != nil && c.Rule.DefaultRetention != nil {
		d := c.Rule.DefaultRetention
		l.Mode = aws.Value(d.Mode)
		l.Until = s.Clock.Now().AddDate(int(aws.Value(d.Years)), 0, int(aws.Value(d.Days)))
	}
	return l, nil
}

// locked returns an error if the lock forbids to delete its version at a time. Bypass
// says that the caller may pass over governance, and asked to.
func (l *lock) locked(now time.Time, bypass bool) error {
	switch {
	case l.Hold, l.Until.After(now) && (l.Mode == api.ObjectLockModeCompliance || !bypass):
		return aws.Errorf(403, "AccessDenied", "Access Denied because object protected by object lock.")
	}
	return nil
}

// lockable returns the error that buckets without object lock give.
func lockable(ctx context.Context, r store.Reader, b *bucket) error {
	c, err := setting[api.ObjectLockConfiguration](ctx, r, b, lockSetting)
	if err == nil && c == nil {
		err = errRequest("Bucket is missing Object Lock Configuration")
	}
	return err
}

// lockableVersion is a version of an object in a bucket whose objects can be locked, and whether
// it is the current one.
func lockableVersion(ctx context.Context, r store.Reader, b *bucket, key string, version *string) (*object, bool, error) {
	if err := lockable(ctx, r, b); err != nil {
		return nil, false, err
	}
	return lookUp(ctx, r, b, key, version)
}

func (s *Service) putObjectRetention(ctx context.Context, in *api.PutObjectRetentionRequest) (*api.PutObjectRetentionOutput, error) {
	var next lock
	if in.Retention != nil {
		next.Mode, next.Until = aws.Value(in.Retention.Mode), aws.Value(in.Retention.RetainUntilDate)
	}
	now, bypass := s.Clock.Now(), aws.Value(in.BypassGovernanceRetention)
	if (next.Mode == "") != next.Until.IsZero() {
		return nil, errMalformed()
	}
	if next.Mode != "" && !next.Until.After(now) {
		return nil, errArgument("The retain until date must be in the future!", "RetainUntilDate", next.Until.Format(time.RFC3339))
	}
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		o, isCurrent, err := lockableVersion(ctx, tx, b, *in.Key, in.VersionId)
		if err != nil {
			return err
		}
		// A retention may always become longer; it weakens only by who may bypass it.
		weaker := next.Until.Before(o.Lock.Until) || o.Lock.Mode == api.ObjectLockModeCompliance && next.Mode != o.Lock.Mode
		if held := (lock{Mode: o.Lock.Mode, Until: o.Lock.Until}); weaker || next.Mode != o.Lock.Mode {
			if err := held.locked(now, bypass); err != nil && (weaker || next.Mode == "") {
				return err
			}
		}
		o.Lock.Mode, o.Lock.Until = next.Mode, next.Until.UTC()
		if next.Mode == "" {
			o.Lock.Until = time.Time{}
		}
		return rewrite(tx, b, *in.Key, o, isCurrent)
	})
}

func (s *Service) getObjectRetention(ctx context.Context, in *api.GetObjectRetentionRequest) (out *api.GetObjectRetentionOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		o, _, err := lockableVersion(ctx, r, b, *in.Key, in.VersionId)
		if err != nil {
			return err
		}
		if o.Lock.Mode == "" {
			return errNoLock()
		}
		out = &api.GetObjectRetentionOutput{Retention: &api.ObjectLockRetention{Mode: &o.Lock.Mode, RetainUntilDate: &o.Lock.Until}}
		return nil
	})
	return out, err
}

func errNoLock() error {
	return aws.Errorf(404, "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration")
}

func (s *Service) putObjectLegalHold(ctx context.Context, in *api.PutObjectLegalHoldRequest) (*api.PutObjectLegalHoldOutput, error) {
	if in.LegalHold == nil || in.LegalHold.Status == nil {
		return nil, errMalformed()
	}
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		o, isCurrent, err := lockableVersion(ctx, tx, b, *in.Key, in.VersionId)
		if err != nil {
			return err
		}
		o.Lock.Hold = *in.LegalHold.Status == api.ObjectLockLegalHoldStatusOn
		return rewrite(tx, b, *in.Key, o, isCurrent)
	})
}

func (s *Service) getObjectLegalHold(ctx context.Context, in *api.GetObjectLegalHoldRequest) (out *api.GetObjectLegalHoldOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		o, _, err := lockableVersion(ctx, r, b, *in.Key, in.VersionId)
		if err != nil {
			return err
		}
		status := api.ObjectLockLegalHoldStatusOff
		if o.Lock.Hold {
			status = api.ObjectLockLegalHoldStatusOn
		}
		out = &api.GetObjectLegalHoldOutput{LegalHold: &api.ObjectLockLegalHold{Status: &status}}
		return nil
	})
	return out, err
}

func (s *Service) putObjectLockConfiguration(ctx context.Context, in *api.PutObjectLockConfigurationRequest) (*api.PutObjectLockConfigurationOutput, error) {
	c := in.ObjectLockConfiguration
	if c == nil || aws.Value(c.ObjectLockEnabled) != api.ObjectLockEnabledEnabled || c.Rule != nil && !validRetention(c.Rule.DefaultRetention) {
		return nil, errMalformed()
	}
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		if b.Versioning != api.BucketVersioningStatusEnabled {
			return aws.Errorf(409, "InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
		}
		return putSetting(tx, b, lockSetting, "", c)
	})
}

// validRetention reports whether a default says how, and for days or for years.
func validRetention(d *api.DefaultRetention) bool {
	if d == nil || d.Mode == nil || (d.Days == nil) == (d.Years == nil) {
		return false
	}
	n := aws.Value(d.Days) + aws.Value(d.Years)
	return n > 0 && n <= 36500
}

func (s *Service) getObjectLockConfiguration(ctx context.Context, in *api.GetObjectLockConfigurationRequest) (out *api.GetObjectLockConfigurationOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(r store.Reader, b *bucket) error {
		c, err := setting[api.ObjectLockConfiguration](ctx, r, b, lockSetting)
		if err == nil && c == nil {
			err = aws.Errorf(404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket").With(&struct{ BucketName string }{b.Name})
		}
		out = &api.GetObjectLockConfigurationOutput{ObjectLockConfiguration: c}
		return err
	})
	return out, err
}
