package lambda

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/store"
)

// codePath is where zip files are fetched from; behind it comes a token.
const codePath = "/_aws/lambda/code/"

// codeLife is how long an address from GetFunction or GetLayerVersion works.
const codeLife = 10 * time.Minute

// Planes are the service's entrances beside its API.
func (s *Service) Planes() []aws.Plane {
	return []aws.Plane{{
		Name:    "lambda-code",
		Match:   func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, codePath) },
		Handler: http.HandlerFunc(s.serveCode),
	}, {
		Name:        "lambda-url",
		SigningName: "lambda",
		Match:       func(r *http.Request) bool { _, _, ok := parseURLHost(r.Host); return ok },
		Handler:     http.HandlerFunc(s.serveURL),
	}}
}

// codeLocation is an address from which a zip can be had for ten minutes by whoever
// knows it, on the host by which the caller came.
func (s *Service) codeLocation(ctx context.Context, scope store.Scope, c code) string {
	if c.Hot != "" {
		return "file://" + c.Hot
	}
	req := aws.RequestOf(ctx)
	scheme := req.Scheme
	if scheme == "" {
		scheme = "https"
	}
	token := s.codeToken(scope, c, s.Clock.Now().Add(codeLife))
	return scheme + "://" + req.Host + codePath + token
}

// A token is the time until which it works, whose zip it is for, and proof that this
// process made it.
func (s *Service) codeToken(scope store.Scope, c code, until time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	b = append(b, scope.Account+"/"+scope.Region+"/"+c.SHA256...)
	return base64.RawURLEncoding.EncodeToString(append(s.sign(b), b...))
}

func (s *Service) sign(b []byte) []byte {
	mac := hmac.New(sha256.New, s.codeKey[:])
	mac.Write(b)
	return mac.Sum(nil)
}

// readToken is what codeToken put in; false if it did not, or too long ago.
func (s *Service) readToken(token string) (store.Scope, string, bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < sha256.Size+8 || !hmac.Equal(b[:sha256.Size], s.sign(b[sha256.Size:])) {
		return store.Scope{}, "", false
	}
	b = b[sha256.Size:]
	until := time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	parts := strings.Split(string(b[8:]), "/")
	if len(parts) != 3 || !s.Clock.Now().Before(until) {
		return store.Scope{}, "", false
	}
	return store.Scope{Account: parts[0], Region: parts[1]}, parts[2], true
}

func (s *Service) serveCode(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "Only GET and HEAD are answered here.", http.StatusMethodNotAllowed)
		return
	}
	scope, sum, ok := s.readToken(strings.TrimPrefix(r.URL.Path, codePath))
	if !ok {
		http.Error(w, "This address has expired, or was never given out. Call GetFunction or GetLayerVersion for a new one.", http.StatusForbidden)
		return
	}
	var rec zipRecord
	err := s.Store.View(r.Context(), func(tx store.Reader) (err error) {
		rec, err = zipRecords.Get(r.Context(), tx, scope, sum)
		return err
	})
	if err != nil {
		s.refuseCode(w, err)
		return
	}
	f, err := s.Blobs.Get(rec.Blob)
	if err != nil {
		s.refuseCode(w, err)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/zip")
	if raw, err := hex.DecodeString(sum); err == nil {
		w.Header().Set("ETag", `"`+hex.EncodeToString(raw[:16])+`"`)
	}
	http.ServeContent(w, r, "", time.Time{}, f)
}

func (s *Service) refuseCode(w http.ResponseWriter, err error) {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, blob.ErrNotFound) {
		http.Error(w, "The code is not there any more.", http.StatusNotFound)
		return
	}
	s.warn("serve code", err)
	http.Error(w, "The code could not be read.", http.StatusInternalServerError)
}
