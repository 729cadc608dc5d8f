package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/s3"
)

// benchLists lists pages of 1,000 in a bucket of many keys, and in one of 2,000.
func benchLists(ctx context.Context, r *rig) ([]row, error) {
	const few = 2000
	for bucket, n := range map[string]int{"few": few, "many": r.keys} {
		if err := r.bucket(bucket); err != nil {
			return nil, err
		}
		if err := r.fill(ctx, bucket, n); err != nil {
			return nil, err
		}
	}
	pages := func(bucket string, n int) (func(time.Duration) (float64, error), error) {
		loaders, err := r.loaders(1, func(_, i int) *http.Request {
			return r.request("GET", fmt.Sprintf("/%s?list-type=2&start-after=key%%2F%09d", bucket, (i*7919)%(n-1000)), "s3", "", nil)
		})
		return func(d time.Duration) (float64, error) {
			return rate(ctx, 1, d, func(_, i int) error { return loaders[0].send(i) })
		}, err
	}
	short, err := pages("few", few)
	if err != nil {
		return nil, err
	}
	long, err := pages("many", r.keys)
	if err != nil {
		return nil, err
	}
	a, b, ratio, err := inTurns(6, time.Second, long, short)
	if err != nil {
		return nil, err
	}
	return []row{{fmt.Sprintf("ListObjectsV2, 1,000 of %d keys, beside 2,000", r.keys), perSecond(a), perSecond(b), fmt.Sprintf("%.2f ×", 1/ratio), "< 1.3 ×", 1/ratio < 1.3}}, nil
}

// fill puts n objects of a byte, in order, while Tule is stopped: by S3's own operation on
// its own folder, but without a request for each.
func (r *rig) fill(ctx context.Context, bucket string, n int) (err error) {
	r.stop()
	data := filepath.Join(r.dir, "data")
	st, err := store.Open(filepath.Join(data, "store"), store.Options{Clock: clock{}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close(), r.need()) }()
	blobs, err := blob.OpenFolder(filepath.Join(data, "objects"), rand.Reader)
	if err != nil {
		return err
	}
	w := within{}
	for _, route := range s3.New(s3.Options{Store: st, Blobs: blobs, Clock: clock{}, Random: rand.Reader, Peers: w}).Routes() {
		w[route.Op] = route
	}
	ctx = aws.WithRequest(ctx, &aws.Request{Region: "us-east-1", Time: time.Now(), Caller: aws.Caller{Kind: aws.Root, Account: "000000000000"}})
	const workers = 128 // who share their syncs
	errs := make(chan error, workers)
	for first := range workers {
		go func() {
			var err error
			for i := first; i < n && err == nil && ctx.Err() == nil; i += workers {
				key, size := fmt.Sprintf("key/%09d", i), int64(1)
				_, err = s3api.PutObject.Do(ctx, w, &s3api.PutObjectRequest{Bucket: &bucket, Key: &key, Body: bytes.NewReader([]byte("x")), ContentLength: &size})
			}
			errs <- err
		}()
	}
	for range workers {
		err = errors.Join(err, <-errs)
	}
	return errors.Join(err, ctx.Err())
}

// within calls a service that is in this process.
type within map[*aws.Operation]aws.Route

// Call implements aws.Peers.
func (w within) Call(ctx context.Context, op *aws.Operation, in any) (any, error) {
	return w[op].Call(ctx, in)
}

// clock is the machine's.
type clock struct{}

// Now implements aws.Clock.
func (clock) Now() time.Time { return time.Now().UTC() }

// After implements aws.Clock.
func (clock) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
