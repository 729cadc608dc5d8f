package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sys/unix"
)

const (
	smallObject = 4 << 10
	largeObject = 100 << 20
)

// largeFile and smallFile are what the floor server hands out, from its folder.
const smallFile, largeFile = "small", "large"

// bucket makes one, in a Tule that runs.
func (r *rig) bucket(name string) error {
	if err := r.need(); err != nil {
		return err
	}
	_, err := r.call(r.shelf().request("PUT", "/"+name, nil))
	return err
}

// benchObjects is S3: small objects, where the store is the floor for writes and an HTTP
// server for reads; and large ones, where the disk is.
func benchObjects(ctx context.Context, r *rig) ([]row, error) {
	if err := r.bucket("bench"); err != nil {
		return nil, err
	}
	dir := filepath.Join(r.dir, "floor")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	stop, at, err := r.floorFiles(dir)
	if err != nil {
		return nil, err
	}
	defer stop()
	var rows []row
	for _, f := range []func(context.Context, *rig, string, string) ([]row, error){smallObjects, largeObjects} {
		more, err := f(ctx, r, dir, at)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// floorFiles starts the floor server on a folder.
func (r *rig) floorFiles(dir string) (stop func(), address string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	address = freeAddress()
	stop, err = r.peer(address, exec.Command(self, "floor-server", address, dir))
	return stop, address, err
}

func compared(what string, a, b, ratio float64, least float64, unit string) row {
	show := func(n float64) string { return fmt.Sprintf("%.0f%s", n, unit) }
	return row{what, show(a), show(b), fmt.Sprintf("%.2f ×", ratio), fmt.Sprintf("> %.1f ×", least), ratio > least}
}

func smallObjects(ctx context.Context, r *rig, dir, at string) ([]row, error) {
	body := []byte(strings.Repeat("0123456789abcdef", smallObject/16))
	if err := os.WriteFile(filepath.Join(dir, smallFile), body, 0o644); err != nil {
		return nil, err
	}
	db, err := pebble.Open(filepath.Join(r.dir, "pebble-objects"), &pebble.Options{Logger: silent{}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	a, b, ratio, err := inTurns(4, time.Second, r.shelf().puts(ctx, body),
		func(d time.Duration) (float64, error) {
			return rate(ctx, 32, d, func(w, i int) error { return db.Set(fmt.Appendf(nil, "%d-%d", w, i), body, pebble.Sync) })
		})
	if err != nil {
		return nil, err
	}
	rows := []row{compared("PutObject of 4 KB, 32 connections, beside Pebble", a, b, ratio, 0.3, "/s")}
	files := shelf{address: at}
	a, b, ratio, err = inTurns(4, time.Second, r.shelf().gets(ctx),
		files.rate(ctx, func(int, int) *http.Request { return files.request("GET", "/"+smallFile, nil) }))
	if err != nil {
		return nil, err
	}
	return append(rows, compared("GetObject of 4 KB, 32 connections, beside Go's file server", a, b, ratio, 0.3, "/s")), nil
}

// largeObjects puts and gets objects of 100 MB. The disk's own speed is that of a program
// that writes as much and syncs it, or reads it where nothing is in memory.
func largeObjects(ctx context.Context, r *rig, dir, _ string) ([]row, error) {
	body, hash := largeBody()
	put := func(w int) error { return r.shelf().large("PUT", w, body, hash) }
	write := func(w int) error { return writeFile(filepath.Join(dir, fmt.Sprintf("%s-%d", largeFile, w)), body) }
	var rows []row
	for _, c := range []struct {
		what  string
		n     int
		turns int
		least float64
	}{{"PutObject of 100 MB, beside the disk", 1, 7, 0.8}, {"… on 32 connections", 32, 1, 0.8}} {
		a, b, ratio, err := inTurns(c.turns, 0, mbs(c.n, put), mbs(c.n, write))
		if err != nil {
			return nil, err
		}
		rows = append(rows, compared(c.what, a, b, ratio, c.least, " MB/s"))
	}
	get := func(int) error {
		if err := evict(filepath.Join(r.dir, "data", "objects")); err != nil {
			return err
		}
		return r.shelf().large("GET", 0, nil, emptyBody)
	}
	read := func(int) error {
		if err := evict(dir); err != nil {
			return err
		}
		f, err := os.Open(filepath.Join(dir, largeFile+"-0"))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(struct{ io.Writer }{io.Discard}, bufio.NewReaderSize(f, 1<<20))
		return err
	}
	a, b, ratio, err := inTurns(5, 0, mbs(1, get), mbs(1, read))
	if err != nil {
		return nil, err
	}
	rows = append(rows, compared("GetObject of 100 MB, beside the disk", a, b, ratio, 0.8, " MB/s"))
	for w := range 32 {
		if _, err := r.call(r.request("DELETE", fmt.Sprintf("/bench/large-%d", w), "s3", "", nil)); err != nil {
			return nil, err
		}
		_ = os.Remove(filepath.Join(dir, fmt.Sprintf("%s-%d", largeFile, w)))
	}
	return rows, ctx.Err()
}

// largeBody is what a large object holds, and its hash.
func largeBody() (body []byte, hash string) {
	body = make([]byte, largeObject)
	for i := range body {
		body[i] = byte(i * 7 >> 3)
	}
	sum := sha256.Sum256(body)
	return body, hex.EncodeToString(sum[:])
}

// mbs is how fast n workers are who each carry a large object.
func mbs(n int, f func(worker int) error) func(time.Duration) (float64, error) {
	return func(time.Duration) (float64, error) {
		begin, errs := time.Now(), make(chan error, n)
		for w := range n {
			go func() { errs <- f(w) }()
		}
		var err error
		for range n {
			err = errors.Join(err, <-errs)
		}
		return float64(n*largeObject) / 1e6 / time.Since(begin).Seconds(), err
	}
}

const emptyBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// writeFile writes a file as fast as the disk can have it.
func writeFile(path string, body []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for at := 0; at < len(body) && err == nil; at += 1 << 20 {
		_, err = f.Write(body[at:min(at+1<<20, len(body))])
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// evict takes a folder's files out of memory.
func evict(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
	})
}
