package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature Version 2, as S3 still takes it: boto3 presigns by it where nobody says
// otherwise, and so did every SDK once.
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html

// maxV2 is the longest life of a URL presigned by version 2: S3 sets no bound, but a
// date must be one.
const maxV2 = 100 * 365 * 24 * time.Hour

// parseV2 reads it from the header "AWS key:signature", or from a presigned URL. The
// service is S3; version 2 names no region.
func parseV2(r *http.Request, auth string) (*Signature, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(Mismatch, "The query string of the request is not well-formed.")
	}
	s := &Signature{Version: 2, Service: "s3", Region: "us-east-1", Payload: r.Header.Get("X-Amz-Content-Sha256")}
	if s.Payload == "" {
		s.Payload = Unsigned // version 2 says nothing of the body
	}
	if credential, ok := strings.CutPrefix(auth, "AWS "); ok {
		s.AccessKeyID, s.Signature, ok = strings.Cut(strings.TrimSpace(credential), ":")
		if !ok {
			return nil, refuse(Incomplete, "AWS authentication requires a valid Authorization header of the form AWS AccessKeyId:signature")
		}
		s.Token = r.Header.Get("X-Amz-Security-Token")
		date := firstOf(r.Header.Get("X-Amz-Date"), r.Header.Get("Date"))
		t, err := http.ParseTime(date)
		if err != nil {
			t, err = time.Parse(time.RFC1123Z, date)
		}
		if err != nil {
			return nil, refuse(Incomplete, "AWS authentication requires a valid Date or x-amz-date header")
		}
		s.Time = t.UTC()
	} else {
		s.Presigned, s.AccessKeyID, s.Signature, s.Token = true, q.Get("AWSAccessKeyId"), q.Get("Signature"), q.Get("x-amz-security-token")
		n, err := strconv.ParseInt(q.Get("Expires"), 10, 64)
		if err != nil || n < 0 || n > int64(maxV2/time.Second) {
			return nil, refuse(Incomplete, "Invalid date (should be seconds since epoch): %s", printable(q.Get("Expires")))
		}
		s.Time = time.Unix(n, 0).UTC() // the end; when it was made nobody says
	}
	if s.AccessKeyID == "" || len(s.AccessKeyID) > 128 {
		return nil, refuse(Incomplete, "Credential carries no access key id")
	}
	s.Date = s.Time.Format("20060102")
	return s, nil
}

// freshV2 checks a URL's end; a header's date is checked as version 4's.
func (s *Signature) freshV2(now time.Time) error {
	if now.After(s.Time) {
		return refuse(Expired, "Request has expired")
	}
	return nil
}

// verifyV2 checks a signature of version 2.
func (s *Signature) verifyV2(r *http.Request, secret string) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse(Mismatch, "The query string of the request is not well-formed.")
	}
	for name := range q {
		if !slices.Contains(subresources, name) && !slices.Contains(harmless, name) {
			return refuse(Foreign, "Signature version 2 does not cover the query parameter '%s'. Sign with AWS4-HMAC-SHA256.", printable(name))
		}
	}
	toSign := s.stringV2(r)
	h := hmac.New(sha1.New, []byte(secret))
	io.WriteString(h, toSign)
	if !hmac.Equal([]byte(base64.StdEncoding.EncodeToString(h.Sum(nil))), []byte(s.Signature)) {
		return refuse(Mismatch, "The request signature we calculated does not match the signature you provided. Check your key and signing method.\n\nThe String-to-Sign should have been\n'%s'\n", toSign)
	}
	return nil
}

// stringV2 is what version 2 signs: method, sums, date, Amazon's headers, resource.
func (s *Signature) stringV2(r *http.Request) string {
	var b strings.Builder
	date := r.Header.Get("Date")
	switch {
	case s.Presigned:
		date = strconv.FormatInt(s.Time.Unix(), 10)
	case r.Header.Get("X-Amz-Date") != "":
		date = ""
	}
	for _, line := range []string{r.Method, r.Header.Get("Content-Md5"), r.Header.Get("Content-Type"), date} {
		b.WriteString(line + "\n")
	}
	var names []string
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Clone(r.Header.Values(name))
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
		b.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	b.WriteString(s.Folder + rawPath(r))
	resourceV2(&b, r.URL.RawQuery)
	return b.String()
}

// subresources are the query parameters that version 2 signs.
var subresources = []string{"accelerate", "acl", "analytics", "cors", "delete", "encryption", "inventory", "legal-hold", "lifecycle",
	"location", "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "policyStatus", "publicAccessBlock",
	"replication", "requestPayment", "response-cache-control", "response-content-disposition", "response-content-encoding",
	"response-content-language", "response-content-type", "response-expires", "restore", "retention", "select", "select-type",
	"tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website"}

// harmless are the parameters that it leaves out and that only choose what of a list is
// shown. Any other would make a signed request another one.
var harmless = []string{"AWSAccessKeyId", "Expires", "Signature", "x-amz-security-token", "x-id", "list-type", "prefix", "delimiter",
	"marker", "max-keys", "encoding-type", "continuation-token", "start-after", "fetch-owner", "key-marker", "version-id-marker",
	"upload-id-marker", "max-uploads", "part-number-marker", "max-parts"}

// resourceV2 appends the subresources of a query, sorted, their values unescaped.
func resourceV2(b *strings.Builder, raw string) {
	var found []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, has := strings.Cut(pair, "=")
		if !slices.Contains(subresources, name) {
			continue
		}
		if has {
			name += "=" + unescapeQuery(value)
		}
		found = append(found, name)
	}
	slices.Sort(found)
	for i, f := range found {
		b.WriteString(map[bool]string{true: "?", false: "&"}[i == 0] + f)
	}
}

// VerifyText checks the signature of a text that is neither a request nor a chunk: the
// policy of a form by which a browser uploads. S says who signed it, and when.
func (s *Signature) VerifyText(text string, keys *Keys, secret string) error {
	want := ""
	if s.Version == 2 {
		h := hmac.New(sha1.New, []byte(secret))
		io.WriteString(h, text)
		want = base64.StdEncoding.EncodeToString(h.Sum(nil))
	} else {
		want = hexMAC(keys.Key(secret, s.Date, s.Region, s.Service), []byte(text))
	}
	if !hmac.Equal([]byte(want), []byte(s.Signature)) {
		return refuse(Mismatch, "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	return nil
}

// ParseForm finds the signature of a form's policy among the form's fields, in lower
// case. It is nil, without an error, where there is none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html
func ParseForm(form url.Values) (*Signature, error) {
	s := &Signature{Token: form.Get("x-amz-security-token")}
	if form.Get("awsaccesskeyid") != "" {
		s.Version, s.Service, s.Region = 2, "s3", "us-east-1"
		s.AccessKeyID, s.Signature = form.Get("awsaccesskeyid"), form.Get("signature")
		return s, nil
	}
	if form.Get("x-amz-signature") == "" && form.Get("x-amz-credential") == "" {
		return nil, nil
	}
	if form.Get("x-amz-algorithm") != algorithm {
		return nil, refuse(Foreign, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")
	}
	s.Signature = form.Get("x-amz-signature")
	if err := s.credential(form.Get("x-amz-credential")); err != nil {
		return nil, err
	}
	t, err := time.Parse(timeFormat, form.Get("x-amz-date"))
	if err != nil {
		return nil, refuse(Incomplete, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	return s.at(t)
}
