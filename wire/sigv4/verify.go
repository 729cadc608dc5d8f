package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Keys derives signing keys and remembers the last of them. The zero value works.
type Keys struct {
	mu    sync.RWMutex
	cache map[keyID][]byte
}

type keyID struct{ secret, date, region, service string }

// maxKeys bounds the cache; when it is full it starts anew.
const maxKeys = 4096

// Key is the signing key of a secret for a day, region and service.
func (k *Keys) Key(secret, date, region, service string) []byte {
	id := keyID{secret, date, region, service}
	k.mu.RLock()
	key := k.cache[id]
	k.mu.RUnlock()
	if key != nil {
		return key
	}
	key = mac([]byte("AWS4"+secret), date)
	key = mac(key, region)
	key = mac(key, service)
	key = mac(key, terminator)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cache == nil || len(k.cache) >= maxKeys {
		k.cache = map[keyID][]byte{}
	}
	k.cache[id] = key
	return key
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	io.WriteString(h, text)
	return h.Sum(nil)
}

// Verify checks that the request was signed with secret, and that at now the
// signature is neither too old nor too new. bodyHash is the hash of the body, in
// hex, for requests that do not declare one; it may be empty if Payload is not.
// On a mismatch the error quotes what should have been signed, as AWS's does. What
// was signed is what is served: if the path was cleaned for signing, r has the clean
// one afterwards.
func (s *Signature) Verify(r *http.Request, keys *Keys, secret string, now time.Time, bodyHash string) error {
	if err := s.Fresh(now.UTC()); err != nil {
		return err
	}
	if s.Version == 2 {
		return s.verifyV2(r, secret)
	}
	if err := s.covers(r); err != nil {
		return err
	}
	// What the signature reads as it stands and a handler would leave out.
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return refuse(Mismatch, "The query string of the request is not well-formed.")
	}
	payload := firstOf(s.Payload, bodyHash, emptyHash)
	if s.Presigned && s.Payload == "" && s.Service == "s3" {
		payload = Unsigned
	}
	key := keys.Key(secret, s.Date, s.Region, s.Service)
	var request, toSign []byte
	for _, uri := range s.paths(r) {
		request = s.canonical(make([]byte, 0, 1024), r, uri, payload)
		toSign = s.stringToSign(request)
		if hmac.Equal([]byte(hexMAC(key, toSign)), []byte(s.Signature)) {
			return s.serve(r, uri)
		}
	}
	return refuse(Mismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'%s'\n\nThe String-to-Sign should have been\n'%s'\n", request, toSign)
}

// serve makes the path that was signed, canonical uri, the path of the request, where
// that is another: who relays a request may not lead it elsewhere by "/x/../".
func (s *Signature) serve(r *http.Request, uri string) error {
	sent := rawPath(r)
	if s.signsAsIs() || uri == escape(sent, true) {
		return nil
	}
	target := clean(sent)
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return refuse(Mismatch, "The path of the request is not well-formed.")
	}
	r.URL.Path, r.URL.RawPath, r.RequestURI = u.Path, u.RawPath, target
	return nil
}

// beside are headers of AWS that need not be signed: the first three the signature
// covers in other ways, the others steer nothing.
var beside = []string{"x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-user-agent", "x-amz-cf-id"}

// covers checks that the signature covers what makes a request this request: its
// host, and each header by which Amazon's services are steered.
func (s *Signature) covers(r *http.Request) error {
	if !slices.Contains(s.Headers, "host") && !slices.Contains(s.Headers, ":authority") {
		return refuse(Mismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		if len(name) < len("X-Amz-") || !strings.EqualFold(name[:len("X-Amz-")], "X-Amz-") {
			continue
		}
		if lower := strings.ToLower(name); !slices.Contains(s.Headers, lower) && !slices.Contains(beside, lower) {
			return refuse(Mismatch, "'%s' must be a 'SignedHeader' in the AWS Authorization.", printable(name))
		}
	}
	return nil
}

func (s *Signature) stringToSign(canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	b := make([]byte, 0, 160)
	b = append(b, algorithm+"\n"...)
	b = s.Time.AppendFormat(b, timeFormat)
	b = append(b, '\n')
	b = append(b, s.scope()...)
	b = append(b, '\n')
	return hex.AppendEncode(b, sum[:])
}

func hexMAC(key, text []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// Declared reports whether the request says what its body hashes to, so that it
// can be verified before the body is read.
func (s *Signature) Declared() bool { return s.Payload != "" || s.Presigned && s.Service == "s3" }

// Body is the request's body as its application should see it: checked against
// the declared hash, and taken out of its chunks if it came in some. Call it after
// Verify. The error of a body that is not as signed comes at its end, or with the
// chunk that is wrong; what was read before proves nothing. Without keys, for a
// secret that is not known, the signatures of chunks are not checked.
func (s *Signature) Body(r *http.Request, keys *Keys, secret string) (io.ReadCloser, error) {
	return s.body(r, keys, secret)
}

// Plain is the body of a request that nobody signed: out of its chunks if it came in
// some, and checked against the checksums behind them.
func Plain(r *http.Request) (io.ReadCloser, error) {
	if r.Header.Get("X-Amz-Content-Sha256") != streamingTrailer {
		return r.Body, nil
	}
	return (&Signature{Payload: streamingTrailer}).body(r, nil, "")
}

func (s *Signature) body(r *http.Request, keys *Keys, secret string) (io.ReadCloser, error) {
	switch s.Payload {
	case "", Unsigned:
		return r.Body, nil
	case streamingSigned, streamingSignedTrailer, streamingTrailer:
		return s.chunked(r, keys, secret)
	}
	if strings.HasPrefix(s.Payload, "STREAMING-") {
		return nil, refuse(Foreign, "The value '%s' of x-amz-content-sha256 is not supported.", printable(s.Payload))
	}
	return &hashedBody{ReadCloser: r.Body, hash: sha256.New(), want: s.Payload}, nil
}

type hashedBody struct {
	io.ReadCloser
	hash hash.Hash
	want string
}

func (b *hashedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.hash.Write(p[:n])
	if err == io.EOF && hex.EncodeToString(b.hash.Sum(nil)) != strings.ToLower(b.want) {
		return n, refuse(BadHash, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return n, err
}
