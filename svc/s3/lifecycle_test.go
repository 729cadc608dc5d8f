package s3

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
)

// TestLifecycle lets days pass over a bucket and looks at what is left.
func TestLifecycle(t *testing.T) {
	ctx, h, s, d := watched(t)
	put := func(key, tags string, size int) {
		must(t)(api.PutObject.Do(ctx, h, &api.PutObjectRequest{Bucket: ptr("photos"), Key: &key, Tagging: &tags, Body: strings.NewReader(strings.Repeat("x", size))}))
	}
	rule := func(id, prefix string, change func(*api.LifecycleRule)) api.LifecycleRule {
		r := api.LifecycleRule{ID: &id, Status: ptr("Enabled"), Filter: &api.LifecycleRuleFilter{Prefix: &prefix}}
		change(&r)
		return r
	}
	expire := func(days int32) *api.LifecycleExpiration { return &api.LifecycleExpiration{Days: &days} }
	rules := []api.LifecycleRule{
		rule("tmp", "tmp/", func(r *api.LifecycleRule) { r.Expiration = expire(1) }),
		rule("off", "off/", func(r *api.LifecycleRule) { r.Status, r.Expiration = ptr("Disabled"), expire(1) }),
		rule("tag", "", func(r *api.LifecycleRule) {
			r.Filter = &api.LifecycleRuleFilter{And: &api.LifecycleRuleAndOperator{Prefix: ptr("t/"), Tags: []api.Tag{{Key: ptr("go"), Value: ptr("yes")}}}}
			r.Expiration = expire(1)
		}),
		rule("size", "", func(r *api.LifecycleRule) {
			r.Filter = &api.LifecycleRuleFilter{ObjectSizeGreaterThan: ptr(int64(200_000))}
			r.Expiration = expire(3)
		}),
		rule("date", "date/", func(r *api.LifecycleRule) {
			r.Expiration = &api.LifecycleExpiration{Date: ptr(time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC))}
		}),
		rule("cold", "cold/", func(r *api.LifecycleRule) {
			r.Transitions = []api.Transition{{Days: ptr(int32(1)), StorageClass: ptr("GLACIER")}, {Days: ptr(int32(3)), StorageClass: ptr("DEEP_ARCHIVE")}}
		}),
		rule("uploads", "up/", func(r *api.LifecycleRule) {
			r.AbortIncompleteMultipartUpload = &api.AbortIncompleteMultipartUpload{DaysAfterInitiation: ptr(int32(2))}
		}),
	}
	for _, key := range []string{"tmp/a", "off/a", "date/a", "cold/small", "keep"} {
		put(key, "", 10)
	}
	put("t/yes", "go=yes", 1)
	put("t/no", "go=no", 1)
	put("big", "", 200_001)
	put("cold/large", "", 150_000)
	must(t)(api.CreateMultipartUpload.Do(ctx, h, &api.CreateMultipartUploadRequest{Bucket: ptr("photos"), Key: ptr("up/x")}))
	must(t)(api.PutBucketLifecycleConfiguration.Do(ctx, h, &api.PutBucketLifecycleConfigurationRequest{Bucket: ptr("photos"),
		LifecycleConfiguration: &api.BucketLifecycleConfiguration{Rules: rules}}))
	left := func() string {
		t.Helper()
		if err := s.SweepLifecycles(ctx); err != nil {
			t.Fatal(err)
		}
		out, err := api.ListObjectVersions.Do(ctx, h, &api.ListObjectVersionsRequest{Bucket: ptr("photos")})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, v := range out.Versions {
			lines = append(lines, fmt.Sprintf("%s:%s", *v.Key, aws.Value(v.StorageClass)))
		}
		for _, m := range out.DeleteMarkers {
			lines = append(lines, *m.Key+":marker")
		}
		ups, err := api.ListMultipartUploads.Do(ctx, h, &api.ListMultipartUploadsRequest{Bucket: ptr("photos")})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range ups.Uploads {
			lines = append(lines, *u.Key+":upload")
		}
		sort.Strings(lines)
		return strings.ReplaceAll(strings.Join(lines, " "), ":STANDARD", "")
	}
	for _, step := range []struct {
		pass time.Duration
		want string
	}{
		{0, "big cold/large cold/small date/a keep off/a t/no t/yes tmp/a up/x:upload"},
		// From 03:04 on the 2nd a day ends at midnight of the 4th.
		{44*time.Hour + 55*time.Minute, "big cold/large cold/small date/a keep off/a t/no t/yes tmp/a up/x:upload"},
		{time.Hour, "big cold/large:GLACIER cold/small date/a keep off/a t/no up/x:upload"},
		{24 * time.Hour, "big cold/large:GLACIER cold/small keep off/a t/no"},
		{24 * time.Hour, "cold/large:DEEP_ARCHIVE cold/small keep off/a t/no"},
		{240 * time.Hour, "cold/large:DEEP_ARCHIVE cold/small keep off/a t/no"},
	} {
		h.Clock.Advance(step.pass)
		if got := left(); got != step.want {
			t.Errorf("%s:\n got %s\nwant %s", h.Clock.Now(), got, step.want)
		}
	}
	if _, err := s.deliverDue(ctx); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, n := range d.names(t) {
		event, _, _ := strings.Cut(n, " ")
		counts[event]++
	}
	if got := fmt.Sprint(counts); got != "map[LifecycleExpiration:Delete:4 LifecycleTransition:2 ObjectCreated:Put:9]" {
		t.Error(got)
	}
}

func TestLifecycleOfVersions(t *testing.T) {
	ctx, h, s, _ := watched(t)
	must(t)(api.PutBucketVersioning.Do(ctx, h, &api.PutBucketVersioningRequest{Bucket: ptr("photos"), VersioningConfiguration: &api.VersioningConfiguration{Status: ptr("Enabled")}}))
	must(t)(api.PutBucketLifecycleConfiguration.Do(ctx, h, &api.PutBucketLifecycleConfigurationRequest{Bucket: ptr("photos"),
		LifecycleConfiguration: &api.BucketLifecycleConfiguration{Rules: []api.LifecycleRule{
			{ID: ptr("a"), Status: ptr("Enabled"), Filter: &api.LifecycleRuleFilter{Prefix: ptr("a")}, Expiration: &api.LifecycleExpiration{Days: ptr(int32(5))},
				NoncurrentVersionExpiration: &api.NoncurrentVersionExpiration{NoncurrentDays: ptr(int32(2)), NewerNoncurrentVersions: ptr(int32(1))}},
			{ID: ptr("b"), Status: ptr("Enabled"), Filter: &api.LifecycleRuleFilter{Prefix: ptr("a")}, NoncurrentVersionExpiration: &api.NoncurrentVersionExpiration{NoncurrentDays: ptr(int32(20))}},
		}}}))
	for range 4 {
		must(t)(api.PutObject.Do(ctx, h, &api.PutObjectRequest{Bucket: ptr("photos"), Key: ptr("a"), Body: strings.NewReader("x")}))
		h.Clock.Advance(time.Minute)
	}
	for _, step := range []struct {
		days            int
		objects, marker int
	}{{0, 4, 0}, {3, 2, 0}, {4, 2, 1}, {16, 1, 1}, {5, 0, 1}, {1, 0, 0}} {
		h.Clock.Advance(time.Duration(step.days) * 24 * time.Hour)
		if err := s.SweepLifecycles(ctx); err != nil {
			t.Fatal(err)
		}
		out, err := api.ListObjectVersions.Do(ctx, h, &api.ListObjectVersionsRequest{Bucket: ptr("photos")})
		if err != nil || len(out.Versions) != step.objects || len(out.DeleteMarkers) != step.marker {
			t.Errorf("after %d days more: %d versions and %d markers, want %d and %d (%v)", step.days, len(out.Versions), len(out.DeleteMarkers), step.objects, step.marker, err)
		}
	}
}

func TestAfter(t *testing.T) {
	for from, want := range map[string]string{"2026-01-01T00:00:00Z": "2026-01-02T00:00:00Z", "2026-01-01T00:00:01Z": "2026-01-03T00:00:00Z", "2026-02-28T23:59:59Z": "2026-03-02T00:00:00Z"} {
		start, _ := time.Parse(time.RFC3339, from)
		if got := after(start, 1).Format(time.RFC3339); got != want {
			t.Errorf("a day after %s: %s, want %s", from, got, want)
		}
	}
}
