// Package sigv4 reads, verifies and makes AWS's Signature Version 4: in the
// Authorization header, in a presigned URL, in a form, and in bodies that come in
// chunks. Of Version 2 it reads what S3 takes.
// It knows no service but by name, because S3 alone signs paths as they are.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
package sigv4

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
	terminator = "aws4_request"

	// Values of X-Amz-Content-Sha256 that are not a hash.
	Unsigned               = "UNSIGNED-PAYLOAD"
	streamingSigned        = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamingSignedTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingTrailer       = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

	// MaxSkew is how far a signer's clock may be off; so long a signature is good.
	MaxSkew = 15 * time.Minute
	// MaxExpires is the longest life of a presigned URL.
	MaxExpires = 7 * 24 * time.Hour
)

// A Reason is why a signature is refused.
type Reason string

// The reasons. The front door says each in the words of the service called.
const (
	Missing    Reason = "missing"     // no signature at all
	Incomplete Reason = "incomplete"  // a part of it is not there or not readable
	Mismatch   Reason = "mismatch"    // another secret, or another request, was signed
	Expired    Reason = "expired"     // older than it may be
	Early      Reason = "early"       // from the future
	BadHash    Reason = "hash"        // the body is not the one that was signed
	BadChunk   Reason = "chunk"       // a chunk of the body is not as signed or framed
	BadSum     Reason = "checksum"    // a checksum of the body is another
	NoSum      Reason = "digest"      // a checksum of the body is none
	Foreign    Reason = "unsupported" // an algorithm that Tule does not speak
)

// An Error refuses a signature.
type Error struct {
	Reason  Reason
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

func refuse(r Reason, format string, args ...any) *Error {
	return &Error{r, fmt.Sprintf(format, args...)}
}

// A Signature is what a request says of its signature. Nothing in it is proven
// until Verify.
type Signature struct {
	AccessKeyID string
	Date        string // of the scope: "20260102"
	Region      string
	Service     string // signing name
	Headers     []string
	Signature   string
	Token       string // of a session, "" for long-term keys
	Time        time.Time
	Presigned   bool
	Expires     time.Duration // of a presigned URL
	// Payload is the X-Amz-Content-Sha256 that was sent, "" if none was.
	Payload string
	// Version is 2 for a signature of that version, which knows neither a body nor a
	// region.
	Version int
	// Folder is where the request's path lies among those of its service, if its host
	// says so: version 2 signs S3's "/photos" with what is asked of photos.s3.….
	Folder string
}

func (s *Signature) scope() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// Parse finds the signature of a request. It is nil, without an error, for a
// request that carries none.
func Parse(r *http.Request) (*Signature, error) {
	auth := r.Header.Get("Authorization")
	if strings.HasPrefix(auth, "AWS4-") {
		return parseHeader(r, auth)
	}
	if strings.Contains(r.URL.RawQuery, "X-Amz-") {
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err == nil && (q.Has("X-Amz-Signature") || q.Has("X-Amz-Credential") || q.Has("X-Amz-Algorithm")) {
			return parseQuery(r, q)
		}
	}
	if strings.HasPrefix(auth, "AWS ") || strings.Contains(r.URL.RawQuery, "AWSAccessKeyId=") {
		return parseV2(r, auth)
	}
	return nil, nil
}

func parseHeader(r *http.Request, auth string) (*Signature, error) {
	name, fields, _ := strings.Cut(auth, " ")
	if name != algorithm {
		return nil, refuse(Foreign, "Unsupported AWS 'algorithm': '%s'.", printable(name))
	}
	s := &Signature{Payload: r.Header.Get("X-Amz-Content-Sha256"), Token: r.Header.Get("X-Amz-Security-Token")}
	var credential, headers string
	for f := range strings.SplitSeq(fields, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(f), "=")
		switch k {
		case "Credential":
			credential = v
		case "SignedHeaders":
			headers = v
		case "Signature":
			s.Signature = v
		}
	}
	for _, f := range [][2]string{{"Credential", credential}, {"Signature", s.Signature}, {"SignedHeaders", headers}} {
		if f[1] == "" {
			return nil, refuse(Incomplete, "Authorization header requires '%s' parameter. Authorization=%s", f[0], algorithm)
		}
	}
	s.Headers = strings.Split(headers, ";")
	if err := s.credential(credential); err != nil {
		return nil, err
	}
	date := r.Header.Get("X-Amz-Date")
	t, err := time.Parse(timeFormat, date)
	if err != nil {
		if t, err = http.ParseTime(firstOf(date, r.Header.Get("Date"))); err != nil {
			return nil, refuse(Incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=%s", algorithm)
		}
	}
	return s.at(t)
}

func parseQuery(r *http.Request, q url.Values) (*Signature, error) {
	if a := q.Get("X-Amz-Algorithm"); a != algorithm {
		return nil, refuse(Foreign, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"")
	}
	s := &Signature{Presigned: true, Signature: q.Get("X-Amz-Signature"), Token: q.Get("X-Amz-Security-Token"),
		Payload: firstOf(q.Get("X-Amz-Content-Sha256"), r.Header.Get("X-Amz-Content-Sha256"))}
	for _, name := range []string{"X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if q.Get(name) == "" {
			return nil, refuse(Incomplete, "AWS query-string parameters must include '%s'. Re-examine the query-string parameters.", name)
		}
	}
	s.Headers = strings.Split(q.Get("X-Amz-SignedHeaders"), ";")
	if err := s.credential(q.Get("X-Amz-Credential")); err != nil {
		return nil, err
	}
	t, err := time.Parse(timeFormat, q.Get("X-Amz-Date"))
	if err != nil {
		return nil, refuse(Incomplete, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	s.Expires = MaxSkew
	if e := q.Get("X-Amz-Expires"); e != "" {
		n, err := strconv.ParseUint(e, 10, 32)
		if err != nil || n < 1 || time.Duration(n)*time.Second > MaxExpires {
			return nil, refuse(Incomplete, "X-Amz-Expires must be a number of seconds between 1 and %d", int(MaxExpires.Seconds()))
		}
		s.Expires = time.Duration(n) * time.Second
	}
	return s.at(t)
}

// credential reads key/date/region/service/aws4_request. An access key holds no
// slash; a region and a service do not either.
func (s *Signature) credential(text string) error {
	parts := strings.Split(text, "/")
	if len(parts) != 5 {
		return refuse(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", printable(text))
	}
	s.AccessKeyID, s.Date, s.Region, s.Service = parts[0], parts[1], parts[2], parts[3]
	if parts[4] != terminator {
		return refuse(Mismatch, "Credential should be scoped with a valid terminator: 'aws4_request', not '%s'.", printable(parts[4]))
	}
	if s.AccessKeyID == "" || len(s.AccessKeyID) > 128 {
		return refuse(Incomplete, "Credential carries no access key id")
	}
	return nil
}

func (s *Signature) at(t time.Time) (*Signature, error) {
	s.Time = t.UTC()
	if s.Time.Format("20060102") != s.Date {
		return nil, refuse(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			printable(s.Date), s.Time.Format("20060102"), s.Time.Format(timeFormat))
	}
	return s, nil
}

// Fresh checks the signature's age at now. Verify does so too; alone it is for
// signatures whose secret is not known.
func (s *Signature) Fresh(now time.Time) error {
	stamp := func(t time.Time) string { return t.Format(timeFormat) }
	if s.Version == 2 && s.Presigned {
		return s.freshV2(now)
	}
	if s.Time.After(now.Add(MaxSkew)) {
		return refuse(Early, "Signature not yet current: %s is still later than %s (%s + 15 min.)", stamp(s.Time), stamp(now.Add(MaxSkew)), stamp(now))
	}
	if s.Presigned {
		if end := s.Time.Add(s.Expires); now.After(end) {
			return refuse(Expired, "Signature expired: %s is now earlier than %s", stamp(end), stamp(now))
		}
		return nil
	}
	if s.Time.Before(now.Add(-MaxSkew)) {
		return refuse(Expired, "Signature expired: %s is now earlier than %s (%s - 15 min.)", stamp(s.Time), stamp(now.Add(-MaxSkew)), stamp(now))
	}
	return nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// printable keeps what a caller sent from doing harm in an error's text.
func printable(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
