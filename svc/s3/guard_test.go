package s3

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// doors stands in for the front door: it lets nobody do what deny names, and remembers
// what it was asked.
type doors struct {
	deny  []string // "s3:DeleteObject on arn:aws:s3:::box/b"
	fail  error
	asked []aws.Access
}

func (d *doors) allow(_ context.Context, needs ...aws.Access) error {
	for _, n := range needs {
		d.asked = append(d.asked, n)
		if d.fail != nil {
			return d.fail
		}
		if what := n.Action + " on " + n.Resource; slices.Contains(d.deny, what) {
			return aws.AccessDenied("not %s", what)
		}
	}
	return nil
}

// guarded is a service behind doors, with a bucket and objects in it.
func guarded(t *testing.T, keys ...string) (*script.House, *Service, *doors) {
	t.Helper()
	h, s := boxed(t)
	for _, k := range keys {
		do(t, h, s.putObject, &api.PutObjectRequest{Bucket: &box, Key: &k, Body: strings.NewReader("x")})
	}
	d := &doors{}
	s.Allow = d.allow
	return h, s, d
}

func deletionOf(keys ...string) *api.DeleteObjectsRequest {
	in := &api.DeleteObjectsRequest{Bucket: &box, Delete: &api.Delete{}}
	for _, k := range keys {
		in.Delete.Objects = append(in.Delete.Objects, api.ObjectIdentifier{Key: &k})
	}
	return in
}

// toldOf is what an answer says of each key.
func toldOf(out *api.DeleteObjectsOutput) (all []string) {
	for _, x := range out.Deleted {
		all = append(all, *x.Key)
	}
	for _, x := range out.Errors {
		all = append(all, *x.Key+": "+*x.Code+": "+*x.Message)
	}
	return all
}

// TestDeletionsRefused shows that of many objects those go that the caller may delete,
// and that what keeps the others is told.
func TestDeletionsRefused(t *testing.T) {
	h, s, d := guarded(t, "a", "b", "c", "d")
	d.deny = []string{"s3:DeleteObject on arn:aws:s3:::box/b", "s3:DeleteObjectVersion on arn:aws:s3:::box/c"}
	in := deletionOf("a", "b", "c", "d")
	version := "null"
	in.Delete.Objects[2].VersionId = &version
	got := toldOf(do(t, h, s.deleteObjects, in))
	want := []string{"a", "d", "b: AccessDenied: not s3:DeleteObject on arn:aws:s3:::box/b", "c: AccessDenied: not s3:DeleteObjectVersion on arn:aws:s3:::box/c"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, not %q", got, want)
	}
	left := []string{}
	for _, o := range do(t, h, s.listObjectsV2, &api.ListObjectsV2Request{Bucket: &box}).Contents {
		left = append(left, *o.Key)
	}
	if !slices.Equal(left, []string{"b", "c"}) {
		t.Errorf("what is left: %q", left)
	}
}

// TestDeletionsAsk shows what each key is asked for with, and that where all may go the
// door is asked but once for each.
func TestDeletionsAsk(t *testing.T) {
	h, s, d := guarded(t, "a", "b")
	in, on, etag := deletionOf("a", "b"), true, `"9dd4e461268c8034f5c8564e155c67a6"`
	in.BypassGovernanceRetention, in.Delete.Objects[1].ETag = &on, &etag
	if got := toldOf(do(t, h, s.deleteObjects, in)); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("told %q", got)
	}
	var asked []string
	for _, n := range d.asked {
		asked = append(asked, n.Action+" on "+n.Resource+" "+strings.Join(n.Keys["s3:if-match"], ","))
	}
	want := []string{"s3:DeleteObject on arn:aws:s3:::box/a ", "s3:BypassGovernanceRetention on arn:aws:s3:::box/a ",
		"s3:DeleteObject on arn:aws:s3:::box/b " + etag, "s3:BypassGovernanceRetention on arn:aws:s3:::box/b "}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %q, not %q", asked, want)
	}
}

// TestDeletionsUndecided shows that nothing goes where the door cannot decide.
func TestDeletionsUndecided(t *testing.T) {
	h, s, d := guarded(t, "a")
	d.fail = errors.New("the policies cannot be read")
	if _, err := s.deleteObjects(h.Context(t.Context()), deletionOf("a")); !errors.Is(err, d.fail) {
		t.Errorf("the answer is %v", err)
	}
	d.fail = nil
	do(t, h, s.headObject, &api.HeadObjectRequest{Bucket: &box, Key: ptr("a")})
}

// TestMissingKeys shows that of a key that is not there only those hear who could list
// the bucket that it would be in.
func TestMissingKeys(t *testing.T) {
	h, s, d := guarded(t, "a")
	other := "other"
	do(t, h, s.createBucket, &api.CreateBucketRequest{Bucket: &other})
	ctx, none := h.Context(t.Context()), ptr("none")
	calls := map[string]func() error{
		"get": func() error {
			_, err := s.getObject(ctx, &api.GetObjectRequest{Bucket: &box, Key: none})
			return err
		},
		"head": func() error {
			_, err := s.headObject(ctx, &api.HeadObjectRequest{Bucket: &box, Key: none})
			return err
		},
		"tag": func() error {
			_, err := s.putObjectTagging(ctx, &api.PutObjectTaggingRequest{Bucket: &box, Key: none, Tagging: &api.Tagging{}})
			return err
		},
		"copy": func() error {
			_, err := s.copyObject(ctx, &api.CopyObjectRequest{Bucket: &other, Key: none, CopySource: ptr("box/none")})
			return err
		},
	}
	for name, call := range calls {
		d.deny = nil
		if err := call(); aws.CodeOf(err) != "NoSuchKey" {
			t.Errorf("%s by who may list: %v", name, err)
		}
		d.deny = []string{"s3:ListBucket on arn:aws:s3:::box"}
		if err := call(); aws.CodeOf(err) != "AccessDeniedException" {
			t.Errorf("%s by who may not: %v", name, err)
		}
	}
	do(t, h, s.getObject, &api.GetObjectRequest{Bucket: &box, Key: ptr("a")})
}

// TestMissingKeysHidden is TestMissingKeys for keys that delete markers hide.
func TestMissingKeysHidden(t *testing.T) {
	h, s, d := guarded(t)
	do(t, h, s.putBucketVersioning, &api.PutBucketVersioningRequest{Bucket: &box, VersioningConfiguration: &api.VersioningConfiguration{Status: ptr("Enabled")}})
	do(t, h, s.putObject, &api.PutObjectRequest{Bucket: &box, Key: ptr("a"), Body: strings.NewReader("x")})
	do(t, h, s.deleteObject, &api.DeleteObjectRequest{Bucket: &box, Key: ptr("a")})
	d.deny = []string{"s3:ListBucket on arn:aws:s3:::box"}
	if _, err := s.getObject(h.Context(t.Context()), &api.GetObjectRequest{Bucket: &box, Key: ptr("a")}); aws.CodeOf(err) != "AccessDeniedException" {
		t.Errorf("by who may not list: %v", err)
	}
}

// TestExistingTags: the tags of an object are a condition key of what reads it, which is
// read when a policy asks for it, and once.
func TestExistingTags(t *testing.T) {
	h, s := boxed(t)
	do(t, h, s.putObject, &api.PutObjectRequest{Bucket: &box, Key: ptr("k"), Body: strings.NewReader("x"), Tagging: ptr("Team=red&other=1")})
	for _, c := range []struct {
		key  string
		want []string
	}{{"k", []string{"red"}}, {"none", nil}} {
		needs, err := s.objectAccesses(h.Context(t.Context()), place{&box, &c.key, nil}, demand{action: "s3:GetObject"})
		if err != nil || len(needs) != 1 {
			t.Fatal(needs, err)
		}
		read := needs[0].Late["s3:ExistingObjectTag/"]
		for range 2 { // policies ask in lower case
			got, err := read(h.Context(t.Context()), "team")
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: %q, %v", c.key, got, err)
			}
			do(t, h, s.putObjectTagging, &api.PutObjectTaggingRequest{Bucket: &box, Key: ptr("k"), Tagging: &api.Tagging{}})
		}
	}
	needs, err := s.objectAccesses(h.Context(t.Context()), place{&box, ptr("k"), nil}, demand{action: "s3:DeleteObject"})
	if err != nil || needs[0].Late != nil {
		t.Errorf("of a deletion: %+v, %v", needs, err)
	}
}
