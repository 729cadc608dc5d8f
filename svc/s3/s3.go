// Package s3 is S3: buckets, and objects of any size in them.
//
// What differs from AWS on purpose:
//
//   - A bucket is served whatever region a request was signed for; HeadBucket and
//     GetBucketLocation tell where it is.
//   - Every storage class is at hand at once: what is archived can be read after a
//     RestoreObject, as on AWS, but the restore takes no time.
//   - Keys of KMS are recorded and told, and the bytes on disk are as they came. Those
//     of customers (SSE-C) do encrypt.
//   - A copy within an account shares the bytes of what it copies.
//
// An object's record lies under its bucket and key, and what it holds beside: up to 32
// KiB in the store, in the same transaction, more in package blob. The store knows each
// blob by a count of the records that refer to it. A blob is written and on disk before
// the record that names it; one that no record names goes away (see [Service.Run]).
package s3

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/store"
)

// Options furnish a Service. All but Allow, Open and Vouch are required.
type Options struct {
	Store store.Store
	// Blobs hold what is too large for the store. They are this service's own.
	Blobs  blob.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	// Peers are the services that this one calls.
	Peers aws.Peers
	Meter aws.Meter // takes what the service measures of itself; nobody if nil
	// Allow asks whether the caller of ctx may do all of needs: for each of the objects
	// that a request deletes, and for what is told of keys that are not there. If nil,
	// everybody may.
	Allow func(ctx context.Context, needs ...aws.Access) error
	// Open makes new buckets as they came before April 2023: ACLs count in them, and
	// public access is not blocked.
	Open bool
	// Vouch finds out who signed the policy of an HTML form, by the form's fields in
	// lower case. Unsigned forms do not come before it.
	Vouch func(ctx context.Context, form url.Values) (aws.Caller, error)
}

// Service is S3.
type Service struct {
	Options
	pins    pins
	metered metered
}

// New makes the service.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	return &Service{Options: o}
}

// What the service keeps. The scope of names is the installation; that of all else is
// the account that owns the bucket.
var (
	names    = store.NewTable[name]("s3", "name")      // bucket name → who has it
	buckets  = store.NewTable[bucket]("s3", "bucket")  // bucket name
	settings = store.NewTable[[]byte]("s3", "setting") // bucket id, kind, id or "" → JSON
	current  = store.NewTable[object]("s3", "o")       // bucket id, key → the object, unless a delete marker hides it
	versions = store.NewTable[object]("s3", "v")       // bucket id, key, ^seq: delete markers, and objects that are not current
	nulls    = store.NewTable[uint64Record]("s3", "n") // bucket id, key → seq of the version "null" among versions
	inlines  = store.NewTable[[]byte]("s3", "d")       // bucket id, object id → bytes
	pieces   = store.NewTable[piece]("s3", "p")        // bucket id, object or upload id, part number
	uploads  = store.NewTable[upload]("s3", "u")       // bucket id, key, upload id
	held     = store.NewTable[uint64Record]("s3", "b") // blob → how many records refer to it
	doomed   = store.NewTable[[]byte]("s3", "doomed")  // blob that nothing refers to
)

// Routes are the operations that are answered.
func (s *Service) Routes() []aws.Route {
	return s.measured(slices.Concat(s.bucketRoutes(), s.listRoutes(), s.objectRoutes(), s.uploadRoutes(), s.settingRoutes()))
}

// Planes are the entrances beside the API.
func (s *Service) Planes() []aws.Plane { return s.settingPlanes() }

// Run does the background work until ctx ends: it removes blobs that nothing refers to,
// and does what buckets are set to do in time.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.sweep(ctx) })
	g.Go(func() error { return s.runSettings(ctx) })
	return g.Wait()
}
