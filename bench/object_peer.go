package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tule-cloud/tule/wire/sigv4"
)

// A shelf is something that speaks S3: Tule, or what it is measured against.
type shelf struct{ address, key, secret string }

// shelf is Tule as one, while it runs.
func (r *rig) shelf() shelf { return shelf{r.address, "test", "test"} }

// request is a signed one.
func (s shelf) request(method, path string, body []byte) *http.Request {
	q, err := http.NewRequest(method, "http://"+s.address+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(body)
	s.sign(q, hex.EncodeToString(sum[:]))
	return q
}

func (s shelf) sign(q *http.Request, hash string) {
	sigv4.Sign(q, sigv4.Credentials{AccessKeyID: s.key, Secret: s.secret}, "us-east-1", "s3", hash, time.Now())
}

// rate measures requests on 32 connections, which are opened first when it is called:
// some servers hang up on those that are silent.
func (s shelf) rate(ctx context.Context, make func(worker, i int) *http.Request) func(time.Duration) (float64, error) {
	var all []*loader
	return func(d time.Duration) (float64, error) {
		for w := len(all); w < 32; w++ {
			l, err := newLoader(s.address, 500, func(i int) *http.Request { return make(w, i) })
			if err != nil {
				return 0, err
			}
			all = append(all, l)
		}
		return rate(ctx, 32, d, func(w, i int) error { return all[w].send(i) })
	}
}

// puts measures PUTs of small objects, and gets GETs of them.
func (s shelf) puts(ctx context.Context, body []byte) func(time.Duration) (float64, error) {
	return s.rate(ctx, func(w, i int) *http.Request {
		return s.request("PUT", fmt.Sprintf("/bench/small/%d-%d", w, i), body)
	})
}

func (s shelf) gets(ctx context.Context) func(time.Duration) (float64, error) {
	return s.rate(ctx, func(w, _ int) *http.Request { return s.request("GET", fmt.Sprintf("/bench/small/%d-0", w), nil) })
}

// large sends or gets a large object on a connection of its own, with nothing between it
// and the socket.
func (s shelf) large(method string, worker int, body []byte, hash string) error {
	q, err := http.NewRequest(method, fmt.Sprintf("http://%s/bench/large-%d", s.address, worker), nil)
	if err != nil {
		return err
	}
	s.sign(q, hash)
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nAuthorization: %s\r\nX-Amz-Date: %s\r\nX-Amz-Content-Sha256: %s\r\n\r\n",
		method, q.URL.Path, s.address, len(body), q.Header.Get("Authorization"), q.Header.Get("X-Amz-Date"), hash)
	if _, err := io.WriteString(conn, head); err != nil {
		return err
	}
	if _, err := conn.Write(body); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 256<<10), q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, make([]byte, 1<<20))
	if err == nil && (res.StatusCode != http.StatusOK || method == "GET" && n != largeObject) {
		err = fmt.Errorf("%s of 100 MB answered %s with %d bytes", method, res.Status, n)
	}
	return err
}

// benchMinIO is the same objects beside a peer: MinIO, on a folder (make peers).
func benchMinIO(ctx context.Context, r *rig) (rows []row, err error) {
	program, err := filepath.Abs(".cache/minio/minio")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "no MinIO here (make peers)")
		return nil, nil
	}
	if err := r.bucket("bench"); err != nil {
		return nil, err
	}
	peer := shelf{freeAddress(), "tule-bench", "tule-bench-secret"}
	cmd := exec.Command(program, "server", "--quiet", "--address", peer.address, filepath.Join(r.dir, "minio"))
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+peer.key, "MINIO_ROOT_PASSWORD="+peer.secret, "MINIO_BROWSER=off", "MINIO_UPDATE=off", "HOME="+r.dir)
	stop, err := r.peer(peer.address, cmd)
	if err != nil {
		return nil, err
	}
	defer stop()
	if _, err := r.call(peer.request("PUT", "/bench", nil)); err != nil {
		return nil, err
	}
	body := []byte(strings.Repeat("0123456789abcdef", smallObject/16))
	large, hash := largeBody()
	send := func(s shelf) func(time.Duration) (float64, error) {
		return mbs(1, func(w int) error { return s.large("PUT", w, large, hash) })
	}
	fetch := func(s shelf) func(time.Duration) (float64, error) {
		return mbs(1, func(w int) error { return s.large("GET", w, nil, emptyBody) })
	}
	for _, c := range []struct {
		what, unit string
		turns      int
		tule, peer func(time.Duration) (float64, error)
	}{
		{"PutObject of 4 KB", "/s", 4, r.shelf().puts(ctx, body), peer.puts(ctx, body)},
		{"GetObject of 4 KB", "/s", 4, r.shelf().gets(ctx), peer.gets(ctx)},
		{"PutObject of 100 MB", " MB/s", 7, send(r.shelf()), send(peer)},
		{"GetObject of 100 MB", " MB/s", 7, fetch(r.shelf()), fetch(peer)},
	} {
		a, b, ratio, err := inTurns(c.turns, time.Second, c.tule, c.peer)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.what, err)
		}
		rows = append(rows, compared(c.what+", beside MinIO", a, b, ratio, 1, c.unit))
	}
	return rows, nil
}
