package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials sign.
type Credentials struct{ AccessKeyID, Secret, Token string }

// Sign signs r in its Authorization header. payload is the hash of the body in
// hex, or Unsigned. Headers whose names begin with X-Amz-, Content-Type and the
// host are covered.
func Sign(r *http.Request, c Credentials, region, service, payload string, now time.Time) {
	now = now.UTC().Truncate(time.Second)
	r.Header.Set("X-Amz-Date", now.Format(timeFormat))
	if c.Token != "" {
		r.Header.Set("X-Amz-Security-Token", c.Token)
	}
	if service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", payload)
	}
	s := &Signature{AccessKeyID: c.AccessKeyID, Date: now.Format("20060102"), Region: region, Service: service, Time: now, Headers: []string{"host"}}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") || lower == "content-type" {
			s.Headers = append(s.Headers, lower)
		}
	}
	slices.Sort(s.Headers)
	r.Header.Set("Authorization", algorithm+" Credential="+s.AccessKeyID+"/"+s.scope()+
		", SignedHeaders="+strings.Join(s.Headers, ";")+", Signature="+s.sign(r, c.Secret, payload))
}

// Presign returns r's URL with a signature in its query that is good from now for
// expires.
func Presign(r *http.Request, c Credentials, region, service string, now time.Time, expires time.Duration) *url.URL {
	now = now.UTC().Truncate(time.Second)
	s := &Signature{AccessKeyID: c.AccessKeyID, Date: now.Format("20060102"), Region: region, Service: service, Time: now, Headers: []string{"host"}, Presigned: true}
	u := *r.URL
	q := u.Query()
	q.Set("X-Amz-Algorithm", algorithm)
	q.Set("X-Amz-Credential", s.AccessKeyID+"/"+s.scope())
	q.Set("X-Amz-Date", now.Format(timeFormat))
	q.Set("X-Amz-Expires", strconv.Itoa(int(expires.Seconds())))
	q.Set("X-Amz-SignedHeaders", "host")
	if c.Token != "" {
		q.Set("X-Amz-Security-Token", c.Token)
	}
	u.RawQuery = q.Encode()
	signed := *r
	signed.URL, signed.RequestURI = &u, ""
	payload := emptyHash
	if service == "s3" {
		payload = Unsigned
	}
	q.Set("X-Amz-Signature", s.sign(&signed, c.Secret, payload))
	u.RawQuery = q.Encode()
	return &u
}

func (s *Signature) sign(r *http.Request, secret, payload string) string {
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	key := new(Keys).Key(secret, s.Date, s.Region, s.Service)
	return hexMAC(key, s.stringToSign(s.canonical(nil, r, s.paths(r)[0], payload)))
}
