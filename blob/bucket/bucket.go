// Package bucket keeps blobs in a bucket of a store that speaks S3: SeaweedFS, MinIO,
// AWS, or another Tule. It is for who outgrows one disk: the records stay where they are,
// and the bytes lie as objects "prefix/ab/ab12…", which nobody else may write.
//
// There is no telling a blob that was staged by an earlier life from one that was kept:
// Stale yields none, and what its owner died before committing is among Kept. That saves
// each blob two requests.
package bucket

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
)

// Options say where the bucket is. Random is required.
type Options struct {
	Random io.Reader
	// URL is "s3://bucket/prefix?endpoint=http://host:port&region=us-east-1". Without an
	// endpoint the bucket is AWS's; the region is us-east-1 unless it says another.
	URL string
	// Key and Secret sign the requests. Without a key nothing signs them.
	Key, Secret string
	// Transport carries the requests; the library's own if nil.
	Transport http.RoundTripper
}

// A Store keeps blobs in a bucket.
type Store struct {
	client         *minio.Core
	random         io.Reader
	bucket, prefix string

	mu     sync.Mutex
	staged map[string]bool // in this life, and not kept yet
}

var _ blob.Store = (*Store)(nil)

const (
	// single is the most bytes that are held until their end is known, and go as one.
	single = 4 << 20
	// part is the size of the parts of what is larger; one of each is in memory at a
	// time. There may be 10,000.
	part = 16 << 20
	// retries is how often a request is sent, if what it gets may pass: for two seconds.
	retries = 4
)

// Open makes sure that the bucket is there, and removes what an earlier life was in the
// middle of writing.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, endpoint, err := parse(o)
	if err != nil {
		return nil, err
	}
	options := &minio.Options{Secure: endpoint.Scheme == "https", Transport: o.Transport, Region: endpoint.Query().Get("region"), MaxRetries: retries}
	if o.Key != "" {
		options.Creds = credentials.NewStaticV4(o.Key, o.Secret, "")
	}
	if s.client, err = minio.NewCore(endpoint.Host, options); err != nil {
		return nil, fmt.Errorf("bucket: %s: %w", o.URL, err)
	}
	there, err := s.client.BucketExists(ctx, s.bucket)
	if err == nil && !there {
		err = errors.New("there is no such bucket")
	}
	if err == nil {
		err = s.abortAll(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("bucket: %s at %s: %w", s.bucket, endpoint.Host, err)
	}
	return s, nil
}

// parse reads where the bucket is. The endpoint has the region as its query.
func parse(o Options) (*Store, *url.URL, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return nil, nil, fmt.Errorf("bucket: %q is not of the form s3://bucket/prefix?endpoint=http://host:port", o.URL)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, nil, fmt.Errorf("bucket: %q: %w", o.URL, err)
	}
	for name := range query {
		if name != "endpoint" && name != "region" {
			return nil, nil, fmt.Errorf("bucket: %q: there is no %q; endpoint and region there are", o.URL, name)
		}
	}
	region := query.Get("region")
	if region == "" {
		region = "us-east-1"
	}
	where := query.Get("endpoint")
	if where == "" {
		where = "https://s3." + region + ".amazonaws.com"
	}
	endpoint, err := url.Parse(where)
	if err != nil || endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" || strings.Trim(endpoint.Path, "/") != "" {
		return nil, nil, fmt.Errorf("bucket: %q: an endpoint is http://host:port or https://host:port", where)
	}
	endpoint.RawQuery = url.Values{"region": {region}}.Encode()
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &Store{random: o.Random, bucket: u.Host, prefix: prefix, staged: map[string]bool{}}, endpoint, nil
}

// abortAll ends the uploads that an earlier life began.
func (s *Store) abortAll(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for u := range s.client.ListIncompleteUploads(ctx, s.bucket, s.prefix, true) {
		if u.Err != nil {
			return u.Err
		}
		if !s.ours(u.Key) {
			continue
		}
		if err := s.client.AbortMultipartUpload(ctx, s.bucket, u.Key, u.UploadID); err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

// ours reports whether a key is a blob's.
func (s *Store) ours(key string) bool {
	rest, ok := strings.CutPrefix(key, s.prefix)
	folder, name, cut := strings.Cut(rest, "/")
	return ok && cut && checkName(name) == nil && folder == name[:2]
}

func (s *Store) key(name string) string { return s.prefix + name[:2] + "/" + name }

// checkName returns an error unless name is of the form that blobs' names have.
func checkName(name string) error {
	if _, err := hex.DecodeString(name); err != nil || len(name) != 32 {
		return fmt.Errorf("bucket: %q is no blob's name", name)
	}
	return nil
}

// gone reports whether what was asked for is not there.
func gone(err error) bool {
	code := minio.ToErrorResponse(err).Code
	return code == "NoSuchKey" || code == "NoSuchUpload" || code == "NotFound"
}

// A limited reader reads at most so many bytes, and remembers what kept it from reading on.
type limited struct {
	ctx  context.Context
	r    io.Reader
	left int64
	read int64
	err  error
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (n int, err error) {
	if l.err == nil {
		l.err = l.ctx.Err()
	}
	if l.err != nil {
		return 0, l.err
	}
	n, err = l.r.Read(p)
	l.read += int64(n)
	if l.left -= int64(n); l.left < 0 {
		err = blob.ErrTooLarge
	}
	if err != nil && err != io.EOF {
		l.err = err
	}
	return n, err
}

// Stage implements blob.Store.
func (s *Store) Stage(ctx context.Context, r io.Reader, limit int64) (name string, size int64, err error) {
	name = aws.RandomID(s.random, aws.Hex, 32)
	s.mark(name, true)
	from := &limited{ctx: ctx, r: r, left: limit}
	err = s.put(ctx, s.key(name), from)
	if from.err != nil {
		err = from.err // rather than what the client makes of it
	}
	if err != nil {
		// What may have come to lie there nobody names: this, or the next comparison with
		// the records, removes it.
		err = errors.Join(err, s.Delete(context.WithoutCancel(ctx), name))
		return "", 0, err
	}
	return name, from.read, nil
}

// put sends a body of unknown length, as one if it is short.
func (s *Store) put(ctx context.Context, key string, from *limited) error {
	var head bytes.Buffer
	n, err := io.Copy(&head, io.LimitReader(from, single))
	if err != nil {
		return err
	}
	if n < single {
		_, err = s.client.PutObject(ctx, s.bucket, key, bytes.NewReader(head.Bytes()), n, "", "", minio.PutObjectOptions{})
		return err
	}
	_, err = s.client.Client.PutObject(ctx, s.bucket, key, io.MultiReader(&head, from), -1, minio.PutObjectOptions{PartSize: part, NumThreads: 1})
	return err
}

func (s *Store) mark(name string, staged bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if staged {
		s.staged[name] = true
	} else {
		delete(s.staged, name)
	}
}

// Keep implements blob.Store.
func (s *Store) Keep(_ context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	s.mark(name, false)
	return nil
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if length <= 0 {
		return http.NoBody, nil
	}
	var o minio.GetObjectOptions
	if err := o.SetRange(offset, offset+length-1); err != nil {
		return nil, err
	}
	body, _, _, err := s.client.GetObject(ctx, s.bucket, s.key(name), o)
	if err != nil && gone(err) {
		return nil, blob.ErrNotFound
	}
	return body, err
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	err := s.client.RemoveObject(ctx, s.bucket, s.key(name), minio.RemoveObjectOptions{})
	if err != nil && !gone(err) {
		return err
	}
	s.mark(name, false)
	return nil
}

// Stale implements blob.Store: what it would yield is among Kept.
func (s *Store) Stale(context.Context, func(string) error) error { return nil }

// Kept implements blob.Store.
func (s *Store) Kept(ctx context.Context, prefix string, yield func(string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix + "/", Recursive: true}) {
		if o.Err != nil {
			return o.Err
		}
		if !s.ours(o.Key) {
			continue
		}
		name := o.Key[len(o.Key)-32:]
		s.mu.Lock()
		staged := s.staged[name]
		s.mu.Unlock()
		if staged {
			continue
		}
		if err := yield(name); err != nil {
			return err
		}
	}
	return nil
}
