// Package objects runs S3 with its bytes in another store, and holds it against what a
// folder gives.
package objects

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tule-cloud/tule/test/tule"
)

var ctx = context.Background()

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func client(url, key, secret string) *s3.Client {
	return s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true, RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
}

// A shelf is the store that holds the bytes, and its bucket.
type shelf struct {
	url, key, secret, bucket string
	keys                     func(t *testing.T) int // how many objects are in the bucket
}

func newShelf(t *testing.T, url, key, secret string) *shelf {
	t.Helper()
	c := client(url, key, secret)
	s := &shelf{url, key, secret, fmt.Sprintf("blobs-%d", time.Now().UnixNano()), nil}
	must(c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.bucket}))(t)
	s.keys = func(t *testing.T) (n int) {
		t.Helper()
		pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &s.bucket})
		for pages.HasMorePages() {
			n += len(must(pages.NextPage(ctx))(t).Contents)
		}
		return n
	}
	return s
}

// start starts a Tule that has its bytes on the shelf.
func (s *shelf) start(t *testing.T, data string) *tule.Tule {
	t.Helper()
	return must(tule.Start(tule.Options{Data: data, Args: []string{"--blobs", "s3://" + s.bucket + "/tule?endpoint=" + s.url, "--blobs-key", s.key},
		Env: []string{"TULE_BLOBS_SECRET=" + s.secret}}))(t)
}

// stored is the shelf that TULE_STORE names, as http://key:secret@host:port of a store
// that runs, or by the path of MinIO's program; without it the shelf is another Tule.
func stored(t *testing.T) *shelf {
	t.Helper()
	where := os.Getenv("TULE_STORE")
	switch scheme, rest, running := strings.Cut(where, "://"); {
	case where == "":
		far := must(tule.Start(tule.Options{}))(t)
		t.Cleanup(func() { try(t, far.Stop()) })
		return newShelf(t, far.URL(), "test", "test")
	case running:
		user, host, _ := strings.Cut(rest, "@")
		key, secret, _ := strings.Cut(user, ":")
		return newShelf(t, scheme+"://"+host, key, secret)
	}
	return minio(t, where)
}

// minio starts MinIO for the test.
func minio(t *testing.T, program string) *shelf {
	t.Helper()
	const key, secret = "tule-test", "tule-test-secret"
	at := must(tule.FreeAddr())(t)
	c := exec.Command(program, "server", "--quiet", "--address", at, t.TempDir())
	c.Env = append(os.Environ(), "MINIO_ROOT_USER="+key, "MINIO_ROOT_PASSWORD="+secret, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it may be gone
		_ = c.Wait()
		if t.Failed() {
			t.Logf("MinIO:\n%s", log.String())
		}
	})
	until(t, "MinIO listens", func() bool {
		_, err := client("http://"+at, key, secret).ListBuckets(ctx, &s3.ListBucketsInput{})
		return err == nil
	})
	return newShelf(t, "http://"+at, key, secret)
}

// TestBytesElsewhere runs all that touches bytes on a Tule that has them in another store,
// kills it, and ends with an empty bucket there.
func TestBytesElsewhere(t *testing.T) {
	s := stored(t)
	data := filepath.Join(t.TempDir(), "data")
	near := s.start(t, data)
	c := client(near.URL(), "test", "test")
	b := aws.String("bucket")
	must(c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b}))(t)
	sizes := []int{0, 1, 32 << 10, 32<<10 + 1, 4<<20 - 1, 4 << 20, 21<<20 + 7}
	sums := map[string][32]byte{}
	for i, size := range sizes {
		body := noise(uint64(i), size)
		key := fmt.Sprint("size ", size)
		sums[key] = sha256.Sum256(body)
		must(c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: &key, Body: bytes.NewReader(body)}))(t)
	}
	sums["parts"] = s.upload(t, c, b, "parts")
	must(c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: aws.String("copy"), CopySource: aws.String("bucket/parts")}))(t)
	sums["copy"] = sums["parts"]
	if n := s.keys(t); n != 7 {
		t.Errorf("%d blobs lie elsewhere, want those of 4 large objects, 2 parts, and the copy that is one piece", n)
	}
	check(t, c, b, sums)
	near.Kill()
	near = s.start(t, data)
	c = client(near.URL(), "test", "test")
	check(t, c, b, sums)
	piece := must(c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String(fmt.Sprint("size ", sizes[6])), Range: aws.String("bytes=20000000-20000009")}))(t)
	if got := must(io.ReadAll(piece.Body))(t); !bytes.Equal(got, noise(6, sizes[6])[20000000:20000010]) {
		t.Errorf("a range: %x", got)
	}
	s.refuses(t, near, data)
	near = s.start(t, data)
	c = client(near.URL(), "test", "test")
	for key := range sums {
		must(c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: &key}))(t)
	}
	until(t, "the bytes of deleted objects are gone", func() bool { return s.keys(t) == 0 })
	try(t, near.Stop())
}

// upload brings an object in two parts.
func (s *shelf) upload(t *testing.T, c *s3.Client, b *string, key string) [32]byte {
	t.Helper()
	up := must(c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: &key}))(t)
	var done []types.CompletedPart
	whole := sha256.New()
	for i := range int32(2) {
		body := noise(uint64(100+i), 5<<20)
		whole.Write(body)
		out := must(c.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(i + 1), Body: bytes.NewReader(body)}))(t)
		done = append(done, types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(i + 1)})
	}
	must(c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: b, Key: &key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}}))(t)
	return [32]byte(whole.Sum(nil))
}

// refuses shows that Tule does not start where it would not find its objects.
func (s *shelf) refuses(t *testing.T, near *tule.Tule, data string) {
	t.Helper()
	try(t, near.Stop())
	if lost, err := tule.Start(tule.Options{Data: data}); err == nil {
		lost.Kill()
		t.Error("it started on its data folder without the bucket that has its bytes")
	} else if !strings.Contains(err.Error(), "s3://"+s.bucket+"/tule") {
		t.Errorf("it does not say where the bytes are: %v", err)
	}
	if lost, err := tule.Start(tule.Options{Args: []string{"--blobs", "s3://nobodys?endpoint=" + s.url, "--blobs-key", s.key, "--blobs-secret", s.secret}}); err == nil {
		lost.Kill()
		t.Error("it started on a bucket that is not there")
	}
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// noise is bytes that nothing compresses, the same for the same seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b) // it never fails
	return b
}

// check reads all objects.
func check(t *testing.T, c *s3.Client, b *string, sums map[string][32]byte) {
	t.Helper()
	for key, want := range sums {
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: &key})
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		h := sha256.New()
		_, err = io.Copy(h, out.Body)
		if err = cmp.Or(err, out.Body.Close()); err != nil || [32]byte(h.Sum(nil)) != want {
			t.Errorf("%s is not what was put: %v", key, err)
		}
	}
}

// until waits for what comes to be.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(errors.New("it is not so: " + what))
		}
	}
}
