package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	s3api "github.com/tule-cloud/tule/api/s3"
	controlapi "github.com/tule-cloud/tule/api/s3control"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/blob/bucket"
	"github.com/tule-cloud/tule/front"
	"github.com/tule-cloud/tule/svc/s3"
)

// objects makes S3 and opens the door to it: on hosts that are buckets', to web pages
// that buckets let in, to visitors of websites and to forms.
func (h *house) objects() (*s3.Service, error) {
	blobs, err := h.openBlobs()
	if err != nil {
		return nil, err
	}
	objects := s3.New(s3.Options{Store: h.store, Blobs: blobs, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics,
		Allow: h.front.Allow, Open: h.openBuckets(), Vouch: h.front.Vouch})
	control := objects.Control()
	h.front.Add(front.Service{Model: controlapi.Service, Operations: controlapi.Operations(), Routes: control.Routes(), Within: control.Within})
	h.front.Add(front.Service{Model: s3api.Service, Operations: s3api.Operations(), Routes: objects.Routes(), Within: s3.Within, CORS: objects.CORS},
		objects.Planes()...)
	return objects, nil
}

// elsewhere is the file that says in which other store the bytes of objects are.
const elsewhere = "elsewhere"

// bucketLimit is how long a start waits for the other store.
const bucketLimit = 30 * time.Second

// openBlobs opens what holds the bytes of objects: a folder, or a bucket of another
// store. Once there are objects they stay with the one or the other: Tule does not start
// where it would not find them.
func (h *house) openBlobs() (blob.Store, error) {
	dir := h.in("objects")
	note, err := os.ReadFile(filepath.Join(dir, elsewhere))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	before := strings.TrimSpace(string(note))
	where, _, _ := strings.Cut(h.blobs.url, "?") // the bucket may come to have another address
	if before != "" && before != where {
		return nil, fmt.Errorf("the bytes of objects are in %s, by %s\nStart with --blobs=%s?endpoint=…", before, filepath.Join(dir, elsewhere), before)
	}
	if where == "" {
		return blob.OpenFolder(dir, h.random)
	}
	ctx, cancel := context.WithTimeout(context.Background(), bucketLimit)
	defer cancel()
	blobs, err := bucket.Open(ctx, bucket.Options{Random: h.random, URL: h.blobs.url, Key: h.blobs.key, Secret: h.blobs.secret})
	if err != nil || before != "" {
		return blobs, err
	}
	if here, err := filepath.Glob(filepath.Join(dir, "??", "*")); err != nil || len(here) > 0 {
		return nil, errors.Join(err, fmt.Errorf("there are bytes of objects in %s, which with --blobs nobody would find\nStart without it, or on another data folder", dir))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return blobs, os.WriteFile(filepath.Join(dir, elsewhere), []byte(where+"\n"), 0o600)
}
