package bucket

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ url, bucket, prefix, endpoint string }{
		{"s3://b?endpoint=http://localhost:4566", "b", "", "http://localhost:4566?region=us-east-1"},
		{"s3://b/a/c/?endpoint=https://s3.example&region=eu-west-1", "b", "a/c/", "https://s3.example?region=eu-west-1"},
		{"s3://b?region=eu-west-1", "b", "", "https://s3.eu-west-1.amazonaws.com?region=eu-west-1"},
	} {
		s, endpoint, err := parse(Options{URL: c.url})
		if err != nil || s.bucket != c.bucket || s.prefix != c.prefix || endpoint.String() != c.endpoint {
			t.Errorf("%s: %+v %v %v", c.url, s, endpoint, err)
		}
	}
	for _, url := range []string{"", "b", "http://b", "s3://", "s3://b?endpoint=localhost:4566", "s3://b?endpoint=ftp://h", "s3://b?endpoint=http://h/path", "s3://b?key=x", "s3://b?endpoint=http://%zz"} {
		if _, _, err := parse(Options{URL: url}); err == nil {
			t.Errorf("%q was taken", url)
		}
	}
}

// broken is a store that answers nothing.
type broken struct{ err error }

// RoundTrip implements http.RoundTripper.
func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

// TestUnreachable: who starts without the store is told, and a name that is none goes nowhere.
func TestUnreachable(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	down := errors.New("the cable is out")
	_, err := Open(ctx, Options{Random: rand.Reader, URL: "s3://b?endpoint=http://localhost:1", Key: "k", Secret: "s", Transport: broken{down}})
	if err == nil || !strings.Contains(err.Error(), "b at localhost:1") {
		t.Errorf("%v", err)
	}
	s, _, err := parse(Options{URL: "s3://b"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "../../etc/passwd", strings.Repeat("g", 32)} {
		if _, err := s.Open(t.Context(), name, 0, 1); err == nil {
			t.Errorf("Open(%q)", name)
		}
		if err := errors.Join(s.Keep(t.Context(), name)); err == nil {
			t.Errorf("Keep(%q)", name)
		}
		if err := s.Delete(t.Context(), name); err == nil {
			t.Errorf("Delete(%q)", name)
		}
	}
	if s.ours("x/ab") || s.ours("ab/"+strings.Repeat("0", 32)) || !s.ours("00/"+strings.Repeat("0", 32)) {
		t.Error("what is a blob's key")
	}
}

func TestLimited(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := &limited{ctx: ctx, r: strings.NewReader("hello"), left: 5}
	if b, err := io.ReadAll(l); err != nil || string(b) != "hello" || l.err != nil {
		t.Errorf("%q %v %v", b, err, l.err)
	}
	cancel()
	if _, err := l.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) || !errors.Is(l.err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
