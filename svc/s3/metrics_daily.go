package s3

import (
	"context"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// storageTypes are the names that metrics have for storage classes.
var storageTypes = map[string]string{
	"": "StandardStorage", api.StorageClassStandardIa: "StandardIAStorage", api.StorageClassOnezoneIa: "OneZoneIAStorage",
	api.StorageClassReducedRedundancy: "ReducedRedundancyStorage", api.StorageClassGlacierIr: "GlacierInstantRetrievalStorage",
	api.StorageClassGlacier: "GlacierStorage", api.StorageClassDeepArchive: "DeepArchiveStorage", api.StorageClassIntelligentTiering: "IntelligentTieringFAStorage",
	api.StorageClassExpressOnezone: "ExpressOneZoneStorage",
}

// weighed is the day for which buckets were weighed last.
var weighed = store.NewTable[uint64Record]("s3", "weighed") // ""

const day = 24 * time.Hour

// runDaily weighs all buckets after each midnight until ctx ends.
func (s *Service) runDaily(ctx context.Context) error {
	for {
		if err := s.weighDay(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Error("buckets could not be weighed", "error", err)
		}
		now := s.Clock.Now()
		due, stop := s.Clock.After(now.Truncate(day).Add(day).Sub(now))
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-due:
		}
	}
}

// weighDay measures what is in each bucket, unless that was done today.
func (s *Service) weighDay(ctx context.Context) error {
	today := uint64Record(s.Clock.Now().Unix() / int64(day/time.Second))
	var all []bucket
	done := false
	err := s.Store.View(ctx, func(r store.Reader) error {
		all = all[:0]
		last, err := weighed.Get(ctx, r, store.Scope{}, "")
		if done = err == nil && last == today; done || none(err) != nil {
			return none(err)
		}
		for e, err := range buckets.All(ctx, r) {
			if err != nil {
				return err
			}
			all = append(all, e.Record)
		}
		return nil
	})
	if err != nil || done {
		return err
	}
	for i := range all {
		if err := s.weigh(ctx, &all[i]); err != nil {
			return err
		}
	}
	return s.Store.Update(ctx, func(tx store.Tx) error { return weighed.Put(tx, store.Scope{}, today, "") })
}

// weigh measures a bucket: the bytes of each storage class, and how many objects,
// versions and parts of uploads there are.
func (s *Service) weigh(ctx context.Context, b *bucket) error {
	w := &sweeping{s: s, ctx: ctx, b: b}
	bytes := map[string]int64{}
	n := 0
	add := func(o *object) {
		n++
		if !o.Marker {
			bytes[o.Class] += o.Size
		}
	}
	if err := walk(w, current, func(e store.Entry[object]) error { add(&e.Record); return nil }); err != nil {
		return err
	}
	if err := walk(w, versions, func(e store.Entry[object]) error { add(&e.Record); return nil }); err != nil {
		return err
	}
	if err := s.weighUploads(w, bytes, &n); err != nil {
		return err
	}
	measure := func(name, unit, kind string, value float64) {
		s.Meter.Measure(aws.Measurement{Account: b.Account, Region: b.Region, Namespace: metricsNamespace, Name: name, Unit: unit,
			Dimensions: []string{"BucketName", b.Name, "StorageType", kind}, Value: value})
	}
	for class, size := range bytes {
		if kind := storageTypes[class]; kind != "" {
			measure("BucketSizeBytes", "Bytes", kind, float64(size))
		}
	}
	measure("NumberOfObjects", "Count", "AllStorageTypes", float64(n))
	return nil
}

// weighUploads adds the parts of uploads that are not complete.
func (s *Service) weighUploads(w *sweeping, bytes map[string]int64, n *int) error {
	return walk(w, uploads, func(e store.Entry[upload]) error {
		return s.Store.View(w.ctx, func(r store.Reader) error {
			for p, err := range pieces.List(w.ctx, r, w.b.scope(), store.ListOptions{Prefix: []any{w.b.ID, e.Record.Object.ID}}) {
				if err != nil {
					return err
				}
				*n++
				bytes[e.Record.Object.Class] += p.Record.Size
			}
			return nil
		})
	})
}
