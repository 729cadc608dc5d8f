package front

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tule-cloud/tule/wire/sigv4"
)

// BenchmarkRequest is one signed call of an IAM user through the door, without a
// socket: what everything but the service's own work costs.
func BenchmarkRequest(b *testing.B) {
	f, _ := door(b, func(o *Options) { o.Logger = slog.New(slog.NewJSONHandler(io.Discard, nil)) })
	body := []byte(`{"logGroupName":"a"}`)
	sum := sha256.Sum256(body)
	r := httptest.NewRequest("POST", "http://localhost:4566/", nil)
	r.Header.Set("X-Amz-Target", "Logs_20140328.CreateLogGroup")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: "AKIAONLYA00000000000", Secret: secret}, "eu-west-1", "logs", hex.EncodeToString(sum[:]), now)
	w := &discard{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		clear(w.h)
		f.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

type discard struct {
	h      http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) WriteHeader(s int)           { d.status = s }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
