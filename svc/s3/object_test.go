package s3

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/script"
)

// objectHouse is S3 in a house, with its blobs in a folder of the test's own.
func objectHouse(t *testing.T, h *script.House) *Service {
	t.Helper()
	blobs, err := blob.OpenFolder(t.TempDir(), h.Random)
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Store: h.Store, Blobs: blobs, Clock: h.Clock, Random: h.Random, Peers: h})
}

func TestObjectScripts(t *testing.T) {
	script.Run(t, "testdata/objects", func(t *testing.T, h *script.House) []aws.Route { return objectHouse(t, h).Routes() })
}

// do calls an operation's handler as the root of the house's account.
func do[In, Out any](t *testing.T, h *script.House, f aws.Handler[In, Out], in *In) *Out {
	t.Helper()
	out, err := f(h.Context(t.Context()), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func boxed(t *testing.T) (*script.House, *Service) {
	t.Helper()
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s := objectHouse(t, h)
	do(t, h, s.createBucket, &api.CreateBucketRequest{Bucket: &box})
	return h, s
}

var box = "box"

// TestBodiesCutOff shows that a body which ends before its time, or whose sender went
// away, leaves neither an object nor a blob.
func TestBodiesCutOff(t *testing.T) {
	h, s := boxed(t)
	key := "k"
	for _, size := range []int64{0, 1, inlineMax - 1, inlineMax, inlineMax + 1, 3 * inlineMax} {
		for name, body := range map[string]io.Reader{
			"short":   io.LimitReader(zeros{}, size),
			"gone":    io.MultiReader(io.LimitReader(zeros{}, size), iotest.ErrReader(io.ErrUnexpectedEOF)),
			"too far": io.LimitReader(zeros{}, size+2),
		} {
			announced := size + 1
			_, err := s.putObject(h.Context(t.Context()), &api.PutObjectRequest{Bucket: &box, Key: &key, Body: body, ContentLength: &announced})
			if aws.CodeOf(err) != "IncompleteBody" {
				t.Errorf("%s after %d: %v", name, size, err)
			}
		}
	}
	if _, err := s.headObject(h.Context(t.Context()), &api.HeadObjectRequest{Bucket: &box, Key: &key}); aws.CodeOf(err) != "NoSuchKey" {
		t.Errorf("an object came of it: %v", err)
	}
	if left := blobsOf(t, s); len(left) > 0 {
		t.Errorf("blobs are left: %v", left)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// blobsOf are all blobs, kept or stale.
func blobsOf(t *testing.T, s *Service) (all []string) {
	t.Helper()
	add := func(name string) error {
		all = append(all, name)
		return nil
	}
	err := s.Blobs.Stale(t.Context(), add)
	for i := range 256 {
		err = errors.Join(err, s.Blobs.Kept(t.Context(), fmt.Sprintf("%02x", i), add))
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSweep shows that blobs go with the last object that shares them, and that what a
// death left behind goes or stays as the records have it.
func TestSweep(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	dir := t.TempDir()
	blobs, err := blob.OpenFolder(dir, h.Random)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Store: h.Store, Blobs: blobs, Clock: h.Clock, Random: h.Random, Peers: h})
	do(t, h, s.createBucket, &api.CreateBucketRequest{Bucket: &box})
	a, b, from := "a", "b", "box/a"
	do(t, h, s.putObject, &api.PutObjectRequest{Bucket: &box, Key: &a, Body: io.LimitReader(zeros{}, inlineMax+1)})
	do(t, h, s.copyObject, &api.CopyObjectRequest{Bucket: &box, Key: &b, CopySource: &from})
	named := blobsOf(t, s)
	if len(named) != 1 {
		t.Fatalf("a copy shares no bytes: %v", named)
	}
	do(t, h, s.deleteObject, &api.DeleteObjectRequest{Bucket: &box, Key: &a})
	sweepAll(t, s)
	got, err := io.ReadAll(do(t, h, s.getObject, &api.GetObjectRequest{Bucket: &box, Key: &b}).Body)
	if err != nil || len(got) != inlineMax+1 {
		t.Errorf("what is left of the copy: %d bytes, %v", len(got), err)
	}
	// A death after the commit leaves the blob staged; one before it, a blob of nobody's.
	if err := os.Rename(filepath.Join(dir, named[0][:2], named[0]), filepath.Join(dir, "staged", named[0])); err != nil {
		t.Fatal(err)
	}
	if _, _, err := blobs.Stage(t.Context(), strings.NewReader("nobody's"), 100); err != nil {
		t.Fatal(err)
	}
	if s.Blobs, err = blob.OpenFolder(dir, h.Random); err != nil {
		t.Fatal(err)
	}
	sweepAll(t, s)
	if left, err := filepath.Glob(filepath.Join(dir, "*", "*")); err != nil || len(left) != 1 || filepath.Base(filepath.Dir(left[0])) == "staged" {
		t.Errorf("after a death: %v, %v", left, err)
	}
	do(t, h, s.deleteObject, &api.DeleteObjectRequest{Bucket: &box, Key: &b})
	sweepAll(t, s)
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(left) > 0 {
		t.Errorf("of what was deleted is left: %v", left)
	}
}

func sweepAll(t *testing.T, s *Service) {
	t.Helper()
	if err := errors.Join(s.sweepUnknown(t.Context()), s.sweepDoomed(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// TestCustomerKey shows that what a customer's key encrypts is not on disk, and that
// every range of it is read as it was written.
func TestCustomerKey(t *testing.T) {
	k := &customerKey{key: bytes.Repeat([]byte{7}, 32), md5: "x"}
	plain := make([]byte, 1000)
	for i := range plain {
		plain[i] = byte(i * i)
	}
	r, iv, err := k.encrypt(bytes.NewReader(bytes.Repeat([]byte{0xff}, 16)), bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := io.ReadAll(r)
	if bytes.Contains(secret, plain[100:116]) {
		t.Error("it is not encrypted")
	}
	for from := range len(plain) {
		got, err := decrypted(io.NopCloser(bytes.NewReader(secret[from:])), k, iv, int64(from))
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(got); !bytes.Equal(b, plain[from:]) {
			t.Fatalf("from %d on it is another", from)
		}
	}
}

// TestCombine holds the sum of a whole, as told from its parts, against the sum itself.
func TestCombine(t *testing.T) {
	text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog. "), 50)
	for _, name := range []string{"CRC32", "CRC32C", "CRC64NVME"} {
		a := algorithmNamed(name)
		of := func(b []byte) string {
			h := a.make()
			h.Write(b)
			return base64.StdEncoding.EncodeToString(h.Sum(nil))
		}
		for _, cut := range [][2]int{{0, 0}, {0, 1}, {1, 2}, {77, 1000}, {1000, len(text)}} {
			parts := [][]byte{text[:cut[0]], text[cut[0]:cut[1]], text[cut[1]:]}
			var sums []string
			var sizes []int64
			for _, p := range parts {
				sums, sizes = append(sums, of(p)), append(sizes, int64(len(p)))
			}
			got, err := combine(a, api.ChecksumTypeFullObject, sums, sizes)
			if err != nil || got.Value != of(text) {
				t.Errorf("%s of %v: %s, %v; want %s", name, cut, got.Value, err, of(text))
			}
		}
	}
}

// TestListingModel holds pages of lists, of both kinds, against a list made the plain way:
// each key once, in the order of bytes, whatever the page's size, prefix and delimiter.
func TestListingModel(t *testing.T) {
	h, s := boxed(t)
	random := rand.New(rand.NewPCG(1, 2))
	keys := map[string]bool{}
	pieces := []string{"a", "b", "/", "//", "ü", "\x00", "\x01", "a/", "%", "+", " ", "¿", "\uffff", "\U0001f600"}
	for range 300 {
		key := ""
		for range 1 + random.IntN(6) {
			key += pieces[random.IntN(len(pieces))]
		}
		keys[key] = true
		do(t, h, s.putObject, &api.PutObjectRequest{Bucket: &box, Key: &key})
	}
	all := slices.Sorted(maps.Keys(keys))
	for _, prefix := range []string{"", "a", "a/", "/", "none", "ü"} {
		for _, delimiter := range []string{"", "/", "a", "//", "¿", "%"} {
			var want []string
			for _, k := range all {
				rest, ok := strings.CutPrefix(k, prefix)
				if !ok {
					continue
				}
				if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
					k = prefix + rest[:i+len(delimiter)]
				}
				if len(want) == 0 || want[len(want)-1] != k {
					want = append(want, k)
				}
			}
			for _, most := range []int32{1, 2, 7, 1000} {
				for name, page := range map[string]pager{"ListObjects": pages1(s, nil), "ListObjects, in URLs": pages1(s, &inURLs), "ListObjectsV2": pages2(s, nil), "ListObjectsV2, in URLs": pages2(s, &inURLs)} {
					if got := listedAll(t, h, page, prefix, delimiter, most); !slices.Equal(got, want) {
						t.Fatalf("%s, prefix %q, delimiter %q, %d a page:\n got %q\nwant %q", name, prefix, delimiter, most, got, want)
					}
				}
			}
		}
	}
}

var inURLs = api.EncodingTypeUrl

// A pager gives the page behind a mark, or the first of all for none, and the next mark.
type pager func(t *testing.T, h *script.House, prefix, delimiter string, most int32, mark *string) (page []string, next *string)

// pages1 goes on as clients of ListObjects have to: without a delimiter there is no next
// marker but the last key.
func pages1(s *Service, encoding *string) pager {
	return func(t *testing.T, h *script.House, prefix, delimiter string, most int32, mark *string) ([]string, *string) {
		out := do(t, h, s.listObjects, &api.ListObjectsRequest{Bucket: &box, Prefix: &prefix, Delimiter: &delimiter, MaxKeys: &most, Marker: mark, EncodingType: encoding})
		page, next := elements(t, out.Contents, out.CommonPrefixes, encoding), out.NextMarker
		if (next != nil) != (*out.IsTruncated && delimiter != "") {
			t.Fatalf("delimiter %q, truncated %v: next marker %v", delimiter, *out.IsTruncated, next)
		}
		switch {
		case next != nil:
			next = new(plain(t, *next, encoding))
		case *out.IsTruncated:
			next = &page[len(page)-1]
		}
		return page, next
	}
}

func pages2(s *Service, encoding *string) pager {
	return func(t *testing.T, h *script.House, prefix, delimiter string, most int32, mark *string) ([]string, *string) {
		out := do(t, h, s.listObjectsV2, &api.ListObjectsV2Request{Bucket: &box, Prefix: &prefix, Delimiter: &delimiter, MaxKeys: &most, ContinuationToken: mark, EncodingType: encoding})
		page := elements(t, out.Contents, out.CommonPrefixes, encoding)
		if int(*out.KeyCount) != len(page) || (out.NextContinuationToken != nil) != *out.IsTruncated {
			t.Fatalf("a page has %d elements and says %d; truncated %v, next %v", len(page), *out.KeyCount, *out.IsTruncated, out.NextContinuationToken)
		}
		return page, out.NextContinuationToken
	}
}

// elements are a page's keys and common prefixes, in the order of bytes; each kind comes
// in that order by itself.
func elements(t *testing.T, objects []api.Object, prefixes []api.CommonPrefix, encoding *string) (page []string) {
	t.Helper()
	for _, o := range objects {
		page = append(page, plain(t, *o.Key, encoding))
	}
	n := len(page)
	for _, c := range prefixes {
		page = append(page, plain(t, *c.Prefix, encoding))
	}
	if !slices.IsSorted(page[:n]) || !slices.IsSorted(page[n:]) {
		t.Fatalf("not in order: %q", page)
	}
	slices.Sort(page)
	return page
}

// plain is a key as it was before it was escaped, if it was.
func plain(t *testing.T, key string, encoding *string) string {
	t.Helper()
	if encoding == nil {
		return key
	}
	plain, err := url.QueryUnescape(key)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func listedAll(t *testing.T, h *script.House, of pager, prefix, delimiter string, most int32) (all []string) {
	t.Helper()
	page, next := of(t, h, prefix, delimiter, most, nil)
	for ; next != nil; page, next = of(t, h, prefix, delimiter, most, next) {
		if len(page) != int(most) {
			t.Fatalf("a page that is not the last has %d elements of %d", len(page), most)
		}
		all = append(all, page...)
	}
	return append(all, page...)
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-0", "bytes=-1", "bytes=5-", "bytes=9-1", "bytes=0-1,3-4", "bytes=-0", "bytes=18446744073709551615-", "bytes=9223372036854775807-9223372036854775807", "lines=1-2"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		p, err := parseRange(header, size)
		if err == nil && (p.from < 0 || p.length < 0 || p.from > size-p.length || p.part && p.length == 0) {
			t.Errorf("%q of %d bytes: %+v", header, size, p)
		}
	})
}

func FuzzContinuation(f *testing.F) {
	f.Add(aws.Token([]byte("key")))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if last, err := parseContinuation(&token); (err == nil) != (last != "") {
			t.Errorf("%q is %q, %v", token, last, err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	whole := object{ID: 1 << 63, Seq: 5, Version: "v", Marker: true, Modified: time.UnixMilli(1000).UTC(), Size: 7, ETag: "e", Owner: "o", Blob: "b", Parts: 3,
		CacheControl: "c", Class: "GLACIER", Meta: map[string]string{"a": "1", "b": ""}, Tags: map[string]string{"": "x"}, Sum: sum{"CRC32", "v", "t"},
		SSE: encryption{"a", "k", "c", true, "m", "p", "\xff\x00"}, Lock: lock{"GOVERNANCE", time.UnixMilli(2000).UTC(), true}, ACL: []byte("{}"), Restored: time.UnixMilli(3000).UTC()}
	b, err := whole.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	var back object
	if err := back.UnmarshalBinary(b); err != nil || !reflect.DeepEqual(whole, back) {
		f.Fatalf("%+v became %+v, %v", whole, back, err)
	}
	f.Add(b)
	f.Add([]byte{1})
	f.Fuzz(func(_ *testing.T, b []byte) {
		var o object
		_ = o.UnmarshalBinary(b) // may be refused, and no more
		_ = new(upload).UnmarshalBinary(b)
		_ = new(piece).UnmarshalBinary(b)
	})
}
