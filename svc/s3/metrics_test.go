package s3

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// gauges keep what is measured.
type gauges struct {
	mu  sync.Mutex
	got []string
}

// Measure implements aws.Meter.
func (g *gauges) Measure(m aws.Measurement) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = append(g.got, fmt.Sprintf("%s %s %s %v %v %s", m.Namespace, m.Name, strings.Join(m.Dimensions, " "), m.Value, m.Times, m.Unit))
}

func (g *gauges) taken() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	got := g.got
	g.got = nil
	return got
}

// meteredHouse is S3 with gauges and a bucket.
func meteredHouse(t *testing.T) (context.Context, *script.House, *Service, *gauges) {
	t.Helper()
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s, _ := furnished(t, h)
	g := &gauges{}
	s.Meter = g
	ctx := h.Context(t.Context())
	must(t)(api.CreateBucket.Do(ctx, h, &api.CreateBucketRequest{Bucket: ptr("photos")}))
	return ctx, h, s, g
}

// TestRequestMetrics: requests are measured where a configuration says so, by prefix and
// tags, and nowhere else.
func TestRequestMetrics(t *testing.T) {
	ctx, h, _, g := meteredHouse(t)
	b := ptr("photos")
	put := func(key string) {
		must(t)(api.PutObject.Do(ctx, h, &api.PutObjectRequest{Bucket: b, Key: &key, Body: strings.NewReader("hello"), ContentLength: ptr(int64(5)), Tagging: ptr("k=v")}))
	}
	put("in/a")
	if got := g.taken(); len(got) != 0 {
		t.Errorf("without a configuration: %q", got)
	}
	for id, f := range map[string]*api.MetricsFilter{"all": nil, "in": {Prefix: ptr("in/")},
		"tagged": {And: &api.MetricsAndOperator{Prefix: ptr("in/"), Tags: []api.Tag{{Key: ptr("k"), Value: ptr("v")}}}}, "others": {Tag: &api.Tag{Key: ptr("k"), Value: ptr("w")}}} {
		must(t)(api.PutBucketMetricsConfiguration.Do(ctx, h, &api.PutBucketMetricsConfigurationRequest{Bucket: b, Id: &id, MetricsConfiguration: &api.MetricsConfiguration{Id: &id, Filter: f}}))
	}
	g.taken()
	of := func(got []string, id string) (out []string) {
		for _, line := range got {
			if head, rest, ok := strings.Cut(line, " BucketName photos FilterId "+id+" "); ok {
				out = append(out, strings.TrimPrefix(head, "AWS/S3 ")+" "+rest)
			}
		}
		return out
	}
	put("in/b")
	got := g.taken()
	want := []string{"AllRequests 1 0 Count", "PutRequests 1 0 Count", "4xxErrors 0 0 Count", "5xxErrors 0 0 Count", "FirstByteLatency 0 0 Milliseconds", "BytesUploaded 5 0 Bytes", "TotalRequestLatency 0 0 Milliseconds"}
	for id, w := range map[string][]string{"all": want, "in": want, "tagged": want, "others": nil} {
		if g := of(got, id); !slices.Equal(g, w) {
			t.Errorf("a put, by %s: %q", id, g)
		}
	}
	out, err := api.GetObject.Do(ctx, h, &api.GetObjectRequest{Bucket: b, Key: ptr("in/b")})
	if err != nil {
		t.Fatal(err)
	}
	if got := of(g.taken(), "in"); slices.Contains(got, "TotalRequestLatency 0 0 Milliseconds") {
		t.Errorf("before the body was read: %q", got)
	}
	h.Clock.Advance(20 * time.Millisecond)
	if text, err := io.ReadAll(out.Body); err != nil || string(text) != "hello" {
		t.Errorf("%q, %v", text, err)
	}
	if c, ok := out.Body.(io.Closer); !ok || c.Close() != nil {
		t.Error("the body does not close")
	}
	if got := of(g.taken(), "in"); !slices.Equal(got, []string{"BytesDownloaded 5 0 Bytes", "TotalRequestLatency 20 0 Milliseconds"}) {
		t.Errorf("after it was: %q", got)
	}
	if _, err := api.GetObject.Do(ctx, h, &api.GetObjectRequest{Bucket: b, Key: ptr("in/none")}); aws.CodeOf(err) != "NoSuchKey" {
		t.Errorf("%v", err)
	}
	if got := of(g.taken(), "in"); !slices.Contains(got, "4xxErrors 1 0 Count") || !slices.Contains(got, "GetRequests 1 0 Count") {
		t.Errorf("what is not there: %q", got)
	}
	must(t)(api.ListObjectsV2.Do(ctx, h, &api.ListObjectsV2Request{Bucket: b}))
	got = g.taken()
	if all, in := of(got, "all"), of(got, "in"); !slices.Contains(all, "ListRequests 1 0 Count") || in != nil {
		t.Errorf("a list: %q and %q", all, in)
	}
	for _, id := range []string{"all", "in", "tagged", "others"} {
		must(t)(api.DeleteBucketMetricsConfiguration.Do(ctx, h, &api.DeleteBucketMetricsConfigurationRequest{Bucket: b, Id: &id}))
	}
	g.taken()
	put("in/c")
	if got := g.taken(); len(got) != 0 {
		t.Errorf("after the configurations went: %q", got)
	}
}

// TestDailyMetrics: a bucket is weighed once a day: what is current, versions, markers and
// parts.
func TestDailyMetrics(t *testing.T) {
	ctx, h, s, g := meteredHouse(t)
	b := ptr("photos")
	must(t)(api.PutBucketVersioning.Do(ctx, h, &api.PutBucketVersioningRequest{Bucket: b, VersioningConfiguration: &api.VersioningConfiguration{Status: ptr("Enabled")}}))
	for range 2 {
		must(t)(api.PutObject.Do(ctx, h, &api.PutObjectRequest{Bucket: b, Key: ptr("a"), Body: strings.NewReader("hello")}))
	}
	must(t)(api.PutObject.Do(ctx, h, &api.PutObjectRequest{Bucket: b, Key: ptr("b"), Body: strings.NewReader("cold"), StorageClass: ptr("GLACIER")}))
	must(t)(api.DeleteObject.Do(ctx, h, &api.DeleteObjectRequest{Bucket: b, Key: ptr("a")}))
	up, err := api.CreateMultipartUpload.Do(ctx, h, &api.CreateMultipartUploadRequest{Bucket: b, Key: ptr("c")})
	if err != nil {
		t.Fatal(err)
	}
	must(t)(api.UploadPart.Do(ctx, h, &api.UploadPartRequest{Bucket: b, Key: ptr("c"), UploadId: up.UploadId, PartNumber: ptr(int32(1)), Body: strings.NewReader("part")}))
	weigh := func() []string {
		t.Helper()
		if err := s.weighDay(ctx); err != nil {
			t.Fatal(err)
		}
		got := g.taken()
		slices.Sort(got)
		return got
	}
	want := []string{"AWS/S3 BucketSizeBytes BucketName photos StorageType GlacierStorage 4 0 Bytes", "AWS/S3 BucketSizeBytes BucketName photos StorageType StandardStorage 14 0 Bytes",
		"AWS/S3 NumberOfObjects BucketName photos StorageType AllStorageTypes 5 0 Count"}
	if got := weigh(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := weigh(); len(got) != 0 {
		t.Errorf("once more on that day: %q", got)
	}
	h.Clock.Advance(24 * time.Hour)
	if got := weigh(); !slices.Equal(got, want) {
		t.Errorf("on the next day: %q", got)
	}
}
