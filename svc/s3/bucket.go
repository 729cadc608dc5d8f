package s3

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A name says where the bucket of that name is: names are the installation's, whoever
// owns the bucket. A name whose account has no such bucket is free: the account was
// emptied.
type name struct {
	Account string
}

// A bucket is the record of one. Its id is never given out again, so nothing of a
// bucket that was deleted is ever its successor's.
type bucket struct {
	Name       string
	Account    string
	Region     string
	ID         uint64
	Created    time.Time
	Versioning string `json:",omitempty"` // "Enabled", "Suspended", or "" for never
	// Kinds are those of which the bucket has a setting or had one, so that most of what a
	// request would look for in vain is not looked for. If nil, it may be any.
	Kinds []string

	tags map[string]string // by which policies may decide; find alone reads them
}

// scope is where what is in the bucket is kept.
func (b *bucket) scope() store.Scope { return store.Scope{Account: b.Account} }

// put writes the record, which was read or made in the same transaction.
func (b *bucket) put(tx store.Tx) error { return buckets.Put(tx, b.scope(), *b, b.Name) }

func (b *bucket) arn() string { return "arn:aws:s3:::" + b.Name }

// bucketNamed reads the bucket of a name, whoever owns it.
func bucketNamed(ctx context.Context, r store.Reader, bucketName string) (*bucket, error) {
	n, err := names.Get(ctx, r, store.Scope{}, bucketName)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errNoBucket(bucketName)
	}
	if err != nil {
		return nil, err
	}
	b, err := buckets.Get(ctx, r, store.Scope{Account: n.Account}, bucketName)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errNoBucket(bucketName)
	}
	return &b, err
}

// bucket is bucketNamed for an operation, whose caller may say who should own it.
func (s *Service) bucket(ctx context.Context, r store.Reader, bucketName, owner *string) (*bucket, error) {
	b, err := bucketNamed(ctx, r, *bucketName)
	if err == nil && owner != nil && *owner != b.Account {
		return nil, errDenied()
	}
	return b, err
}

// onBucketDo runs fn in a transaction that changes what belongs to a bucket.
func (s *Service) onBucketDo(ctx context.Context, bucketName, owner *string, fn func(store.Tx, *bucket) error) error {
	return s.discreet(ctx, s.Store.Update(ctx, func(tx store.Tx) error {
		b, err := s.bucket(ctx, tx, bucketName, owner)
		if err != nil {
			return err
		}
		return fn(tx, b)
	}))
}

// onBucketRead runs fn on a snapshot of what belongs to a bucket.
func (s *Service) onBucketRead(ctx context.Context, bucketName, owner *string, fn func(store.Reader, *bucket) error) error {
	return s.discreet(ctx, s.Store.View(ctx, func(r store.Reader) error {
		b, err := s.bucket(ctx, r, bucketName, owner)
		if err != nil {
			return err
		}
		return fn(r, b)
	}))
}

// newID is an identifier for a bucket or an object, as chance has it.
func (s *Service) newID() (uint64, error) {
	var b [8]byte
	_, err := io.ReadFull(s.Random, b[:])
	return binary.BigEndian.Uint64(b[:]), err
}

func (s *Service) createBucket(ctx context.Context, in *api.CreateBucketRequest) (*api.CreateBucketOutput, error) {
	if !validBucketName(*in.Bucket) {
		return nil, aws.Errorf(400, "InvalidBucketName", "The specified bucket is not valid.").With(&struct{ BucketName string }{*in.Bucket})
	}
	req := aws.RequestOf(ctx)
	region, err := location(req.Region, in.CreateBucketConfiguration)
	if err != nil {
		return nil, err
	}
	b := &bucket{Name: *in.Bucket, Account: req.Account(), Region: region, Created: s.Clock.Now().Truncate(time.Second)}
	if b.ID, err = s.newID(); err != nil {
		return nil, err
	}
	if aws.Value(in.ObjectLockEnabledForBucket) {
		b.Versioning = api.BucketVersioningStatusEnabled
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		there, err := bucketNamed(ctx, tx, b.Name)
		if err == nil {
			return again(there, b)
		}
		if aws.CodeOf(err) != "NoSuchBucket" {
			return err
		}
		b.Kinds = []string{}
		if aws.Value(in.ObjectLockEnabledForBucket) {
			enabled := api.ObjectLockEnabledEnabled
			if err := putSetting(tx, b, lockSetting, "", api.ObjectLockConfiguration{ObjectLockEnabled: &enabled}); err != nil {
				return err
			}
		}
		return errors.Join(
			names.Put(tx, store.Scope{}, name{b.Account}, b.Name),
			s.furnish(ctx, tx, b, in),
			b.put(tx))
	})
	if err != nil {
		return nil, err
	}
	where, arn := "/"+b.Name, b.arn()
	if region != "us-east-1" {
		where = req.Scheme + "://" + b.Name + "." + req.Host + "/"
	}
	return &api.CreateBucketOutput{Location: &where, BucketArn: &arn}, nil
}

// again is the answer to who makes a bucket that there is. In us-east-1 making one's own
// bucket again is no error.
func again(there, b *bucket) error {
	detail := &struct{ BucketName string }{b.Name}
	switch {
	case there.Account != b.Account:
		return api.BucketAlreadyExists("The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.").With(detail)
	case there.Region == "us-east-1" && b.Region == "us-east-1":
		return nil
	}
	return api.BucketAlreadyOwnedByYou("Your previous request to create the named bucket succeeded and you already own it.").With(detail)
}

// location is the region of a new bucket: that which its creator names, who must have
// asked there, or in us-east-1, which knows all.
func location(signed string, c *api.CreateBucketConfiguration) (string, error) {
	want := ""
	if c != nil {
		want = aws.Value(c.LocationConstraint)
	}
	switch {
	case want == "EU":
		want = "eu-west-1"
	case want == "" && signed == "us-east-1":
		return signed, nil
	}
	switch {
	case want == "":
		return "", aws.Errorf(400, "IllegalLocationConstraintException",
			"The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	case want != signed && signed != "us-east-1":
		return "", aws.Errorf(400, "IllegalLocationConstraintException",
			"The %s location constraint is incompatible for the region specific endpoint this request was sent to.", want)
	}
	return want, nil
}

// validBucketName reports whether a bucket may have the name.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func validBucketName(n string) bool {
	if len(n) < 3 || len(n) > 63 || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
		return false
	}
	if strings.ContainsAny(n[:1]+n[len(n)-1:], "-.") || strings.Contains(n, "..") {
		return false
	}
	if _, err := netip.ParseAddr(n); err == nil {
		return false
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(n, p) {
			return false
		}
	}
	for _, p := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(n, p) {
			return false
		}
	}
	return true
}

func (s *Service) headBucket(ctx context.Context, in *api.HeadBucketRequest) (out *api.HeadBucketOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(_ store.Reader, b *bucket) error {
		arn, alias := b.arn(), false
		out = &api.HeadBucketOutput{BucketArn: &arn, BucketRegion: &b.Region, AccessPointAlias: &alias}
		return nil
	})
	return out, err
}

func (s *Service) getBucketLocation(ctx context.Context, in *api.GetBucketLocationRequest) (out *api.GetBucketLocationOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(_ store.Reader, b *bucket) error {
		out = &api.GetBucketLocationOutput{}
		if b.Region != "us-east-1" {
			out.LocationConstraint = &b.Region
		}
		return nil
	})
	return out, err
}

func (s *Service) getBucketVersioning(ctx context.Context, in *api.GetBucketVersioningRequest) (out *api.GetBucketVersioningOutput, err error) {
	err = s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(_ store.Reader, b *bucket) error {
		out = &api.GetBucketVersioningOutput{}
		if b.Versioning != "" {
			out.Status = &b.Versioning
		}
		return nil
	})
	return out, err
}

func (s *Service) putBucketVersioning(ctx context.Context, in *api.PutBucketVersioningRequest) (*aws.Empty, error) {
	c := in.VersioningConfiguration
	if c.Status == nil {
		return nil, aws.Errorf(400, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	if aws.Value(c.MFADelete) == api.MFADeleteEnabled {
		return nil, aws.Errorf(403, "AccessDenied", "Mfa Authentication must be used for this request")
	}
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		lock, err := setting[api.ObjectLockConfiguration](ctx, tx, b, lockSetting)
		if err != nil {
			return err
		}
		if lock != nil && *c.Status != api.BucketVersioningStatusEnabled {
			return aws.Errorf(409, "InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
		}
		b.Versioning = *c.Status
		return b.put(tx)
	})
}

// deleteBucket removes a bucket in which there is no version of any object. Uploads that
// nobody completed go with it.
func (s *Service) deleteBucket(ctx context.Context, in *api.DeleteBucketRequest) (*aws.Empty, error) {
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		if err := empty(ctx, tx, b); err != nil {
			return err
		}
		if err := s.abortAll(ctx, tx, b); err != nil {
			return err
		}
		return errors.Join(
			names.Delete(tx, store.Scope{}, b.Name),
			buckets.Delete(tx, b.scope(), b.Name),
			settings.DeleteAll(tx, b.scope(), b.ID))
	})
}

// empty returns an error if there is anything in the bucket.
func empty(ctx context.Context, r store.Reader, b *bucket) error {
	one := store.ListOptions{Prefix: []any{b.ID}, Limit: 1}
	detail := &struct{ BucketName string }{b.Name}
	for _, err := range current.List(ctx, r, b.scope(), one) {
		if err != nil {
			return err
		}
		return aws.Errorf(409, "BucketNotEmpty", "The bucket you tried to delete is not empty").With(detail)
	}
	for _, err := range versions.List(ctx, r, b.scope(), one) {
		if err != nil {
			return err
		}
		return aws.Errorf(409, "BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions in the bucket.").With(detail)
	}
	return nil
}

func (s *Service) listBuckets(ctx context.Context, in *api.ListBucketsRequest) (*api.ListBucketsOutput, error) {
	account := aws.RequestOf(ctx).Account()
	out := &api.ListBucketsOutput{Owner: ownerOf(account), Buckets: []api.Bucket{}, Prefix: in.Prefix}
	most := 10000
	if in.MaxBuckets != nil {
		most = int(*in.MaxBuckets)
	}
	options := store.ListOptions{}
	if in.ContinuationToken != nil {
		var after string
		if !aws.ParseToken(*in.ContinuationToken, &after) {
			return nil, errArgument("The continuation token provided is incorrect", "continuation-token", *in.ContinuationToken)
		}
		options.After = []any{after}
	}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range buckets.List(ctx, r, store.Scope{Account: account}, options) {
			if err != nil {
				return err
			}
			b := e.Record
			if !strings.HasPrefix(b.Name, aws.Value(in.Prefix)) || in.BucketRegion != nil && *in.BucketRegion != b.Region {
				continue
			}
			if len(out.Buckets) == most {
				token := aws.Token(*out.Buckets[most-1].Name)
				out.ContinuationToken = &token
				return nil
			}
			arn := b.arn()
			out.Buckets = append(out.Buckets, api.Bucket{Name: &b.Name, BucketRegion: &b.Region, CreationDate: &b.Created, BucketArn: &arn})
		}
		return nil
	})
}
