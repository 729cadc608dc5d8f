package s3

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What S3 measures of itself: requests, where a bucket has a configuration for that, and
// once a day how much is in each bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html

const (
	metricsNamespace = "AWS/S3"
	metricsSetting   = "metrics" // api.MetricsConfiguration, several
)

// metered knows which buckets measure their requests: what the store says, read when it
// is first asked, and again after a configuration was put or deleted.
type metered struct {
	mu      sync.Mutex
	known   bool
	filters map[string][]api.MetricsConfiguration // by bucket
	idle    atomic.Bool                           // there are none: the common case costs nothing
}

// forget has the next request read the configurations again.
func (m *metered) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = false
	m.idle.Store(false)
}

// of are the configurations of a bucket.
func (m *metered) of(ctx context.Context, s *Service, bucketName string) ([]api.MetricsConfiguration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known {
		return m.filters[bucketName], nil
	}
	found := map[string][]api.MetricsConfiguration{}
	err := s.Store.View(ctx, func(r store.Reader) error {
		clear(found)
		for e, err := range buckets.All(ctx, r) {
			if err != nil {
				return err
			}
			b := &e.Record
			for x, err := range settings.List(ctx, r, b.scope(), store.ListOptions{Prefix: []any{b.ID, metricsSetting}}) {
				if err != nil {
					return err
				}
				c, err := settingOf[api.MetricsConfiguration](ctx, r, b, metricsSetting, x.Key.String(2))
				if err != nil {
					return err
				}
				found[b.Name] = append(found[b.Name], *c)
			}
		}
		return nil
	})
	if err == nil {
		m.filters, m.known = found, true
		m.idle.Store(len(found) == 0)
	}
	return found[bucketName], err
}

// measured has routes measure their requests.
func (s *Service) measured(routes []aws.Route) []aws.Route {
	for i := range routes {
		r := &routes[i]
		call, op := r.Call, r.Op
		changes := strings.HasSuffix(op.Name, "BucketMetricsConfiguration") || op.Name == "DeleteBucket"
		r.Call = func(ctx context.Context, in any) (any, error) {
			began := s.Clock.Now()
			out, err := call(ctx, in)
			if changes {
				s.metered.forget()
			}
			return s.meterRequest(ctx, op, in, out, err, began), err
		}
	}
	return routes
}

// meterRequest measures a request by the configurations of its bucket, and gives its
// output, whose body tells when it is through.
func (s *Service) meterRequest(ctx context.Context, op *aws.Operation, in, out any, failed error, began time.Time) any {
	if s.metered.idle.Load() {
		return out
	}
	bucketName := textOf(in, "Bucket")
	if bucketName == "" {
		return out
	}
	list, err := s.metered.of(context.WithoutCancel(ctx), s, bucketName)
	if err != nil || len(list) == 0 {
		return out // measuring keeps nobody from an answer
	}
	for _, c := range list {
		if !s.covers(ctx, c.Filter, bucketName, textOf(in, "Key")) {
			continue
		}
		m := requestMeter{s, aws.RequestOf(ctx), bucketName, *c.Id}
		m.count(op, failed)
		m.add("FirstByteLatency", "Milliseconds", float64(s.Clock.Now().Sub(began).Milliseconds()))
		if n, ok := lengthOf(in); ok {
			m.add("BytesUploaded", "Bytes", float64(n))
		}
		total := func() {
			m.add("TotalRequestLatency", "Milliseconds", float64(s.Clock.Now().Sub(began).Milliseconds()))
		}
		got, ok := out.(*api.GetObjectOutput)
		if !ok || got == nil || got.Body == nil {
			total()
			continue
		}
		copied := *got
		copied.Body = &meteredBody{ReadCloser: readCloser(got.Body), done: func(n int64) { m.add("BytesDownloaded", "Bytes", float64(n)); total() }}
		out = &copied
	}
	return out
}

// readCloser is a body that can be closed, whether or not it need be.
func readCloser(r io.Reader) io.ReadCloser {
	if rc, ok := r.(io.ReadCloser); ok {
		return rc
	}
	return io.NopCloser(r)
}

// textOf is a text of an input, "" if it has none of that name.
func textOf(in any, member string) string {
	v := reflect.ValueOf(in)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return ""
	}
	f := v.Elem().FieldByName(member)
	if !f.IsValid() {
		return ""
	}
	if p, ok := f.Interface().(*string); ok && p != nil {
		return *p
	}
	return ""
}

// lengthOf is the Content-Length of an input.
func lengthOf(in any) (int64, bool) {
	switch in := in.(type) {
	case *api.PutObjectRequest:
		return aws.Value(in.ContentLength), true
	case *api.UploadPartRequest:
		return aws.Value(in.ContentLength), true
	}
	return 0, false
}

// covers reports whether a filter means an object, or no object.
func (s *Service) covers(ctx context.Context, f *api.MetricsFilter, bucketName, key string) bool {
	if f == nil {
		return true
	}
	prefix, tags, point := aws.Value(f.Prefix), []api.Tag(nil), f.AccessPointArn
	if f.Tag != nil {
		tags = []api.Tag{*f.Tag}
	}
	if f.And != nil {
		prefix, tags, point = aws.Value(f.And.Prefix), f.And.Tags, f.And.AccessPointArn
	}
	if point != nil || key == "" || !strings.HasPrefix(key, prefix) {
		return false
	}
	if len(tags) == 0 {
		return true
	}
	has := map[string]string{}
	err := s.onBucketRead(context.WithoutCancel(ctx), &bucketName, nil, func(r store.Reader, b *bucket) error {
		o, err := latest(ctx, r, b, key)
		if err == nil && o != nil {
			has = o.Tags
		}
		return err
	})
	for _, t := range tags {
		if v, ok := has[*t.Key]; !ok || v != aws.Value(t.Value) {
			return false
		}
	}
	return err == nil
}

// A requestMeter measures for one configuration of a bucket.
type requestMeter struct {
	s          *Service
	r          *aws.Request
	bucket, id string
}

func (m *requestMeter) add(name, unit string, value float64) {
	m.s.Meter.Measure(aws.Measurement{Account: m.r.Account(), Region: m.r.Region, Namespace: metricsNamespace, Name: name, Unit: unit,
		Dimensions: []string{"BucketName", m.bucket, "FilterId", m.id}, Value: value})
}

// count counts a request by its kind, and whether it failed.
func (m *requestMeter) count(op *aws.Operation, failed error) {
	m.add("AllRequests", "Count", 1)
	kind := map[string]string{"GET": "GetRequests", "PUT": "PutRequests", "POST": "PostRequests", "DELETE": "DeleteRequests", "HEAD": "HeadRequests"}[op.Method]
	switch {
	case strings.HasPrefix(op.Name, "List"):
		kind = "ListRequests"
	case op.Name == "SelectObjectContent":
		kind = "SelectRequests"
	case op.Name == "DeleteObjects":
		kind = "DeleteRequests"
	}
	if kind != "" {
		m.add(kind, "Count", 1)
	}
	var bad, broken float64
	var e *aws.Error
	switch {
	case errors.As(failed, &e) && !e.Server():
		if e.Status >= 400 { // not modified is no error
			bad = 1
		}
	case failed != nil:
		broken = 1
	}
	m.add("4xxErrors", "Count", bad)
	m.add("5xxErrors", "Count", broken)
}

// A meteredBody counts what is read of a body, and tells when it is closed.
type meteredBody struct {
	io.ReadCloser
	n    int64
	done func(n int64)
}

// Read implements io.Reader.
func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

// WriteTo implements io.WriterTo: files go to connections by the system still.
func (b *meteredBody) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, b.ReadCloser)
	b.n += n
	return n, err
}

// Close implements io.Closer.
func (b *meteredBody) Close() error {
	if b.done != nil {
		b.done(b.n)
		b.done = nil
	}
	return b.ReadCloser.Close()
}
