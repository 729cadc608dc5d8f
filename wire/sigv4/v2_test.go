package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// TestV2 holds the examples of AWS's page, and what is near them.
func TestV2(t *testing.T) {
	const get = "GET /photos/puppy.jpg HTTP/1.1\nHost: johnsmith.s3.amazonaws.com\nDate: Tue, 27 Mar 2007 19:36:42 +0000\nAuthorization: AWS AKIAIOSFODNN7EXAMPLE:bWq2s1WEIj+Ydj0vQ697zp+IXMU=\n"
	for _, c := range []struct {
		name, request, folder string
		now                   string
		want                  Reason
	}{
		{"get", get, "/johnsmith", "2007-03-27T19:36:42Z", ""},
		{"put", "PUT /photos/puppy.jpg HTTP/1.1\nContent-Type: image/jpeg\nContent-Length: 0\nHost: johnsmith.s3.amazonaws.com\nDate: Tue, 27 Mar 2007 21:15:45 +0000\nAuthorization: AWS AKIAIOSFODNN7EXAMPLE:MyyxeRY7whkBe+bq8fHCL/2kKUg=\n",
			"/johnsmith", "2007-03-27T21:15:45Z", ""},
		{"list", "GET /?prefix=photos&max-keys=50&marker=puppy HTTP/1.1\nUser-Agent: Mozilla/5.0\nHost: johnsmith.s3.amazonaws.com\nDate: Tue, 27 Mar 2007 19:42:41 +0000\nAuthorization: AWS AKIAIOSFODNN7EXAMPLE:htDYFYduRNen8P9ZfE/s9SuKy0U=\n",
			"/johnsmith", "2007-03-27T19:42:41Z", ""},
		{"fetch", "GET /?acl HTTP/1.1\nHost: johnsmith.s3.amazonaws.com\nDate: Tue, 27 Mar 2007 19:44:46 +0000\nAuthorization: AWS AKIAIOSFODNN7EXAMPLE:c2WLPFtWHVgbEmeEG93a4cG37dM=\n",
			"/johnsmith", "2007-03-27T19:44:46Z", ""},
		{"late", get, "/johnsmith", "2007-03-27T19:52:42Z", Expired},
		{"another bucket", get, "/johnsmyth", "2007-03-27T19:36:42Z", Mismatch},
		{"another key", strings.Replace(get, "puppy", "kitty", 1), "/johnsmith", "2007-03-27T19:36:42Z", Mismatch},
		{"another method", strings.Replace(get, "GET", "PUT", 1), "/johnsmith", "2007-03-27T19:36:42Z", Mismatch},
		{"a header of Amazon's more", get + "X-Amz-Acl: public-read\n", "/johnsmith", "2007-03-27T19:36:42Z", Mismatch},
		{"a subresource", strings.Replace(get, "jpg", "jpg?acl", 1), "/johnsmith", "2007-03-27T19:36:42Z", Mismatch},
		{"an operation that version 2 does not know", strings.Replace(get, "jpg", "jpg?attributes", 1), "/johnsmith", "2007-03-27T19:36:42Z", Foreign},
		{"no signature", strings.Replace(get, ":bWq2s1WEIj+Ydj0vQ697zp+IXMU=", "", 1), "/johnsmith", "2007-03-27T19:36:42Z", Incomplete},
		{"no date", strings.Replace(get, "Date:", "Day:", 1), "/johnsmith", "2007-03-27T19:36:42Z", Incomplete},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		r := parseRequest(t, c.request+"\n")
		s, err := Parse(r)
		if err == nil {
			s.Folder = c.folder
			err = s.Verify(r, new(Keys), exampleSecret, now, "")
		}
		if got := reason(err); got != c.want {
			t.Errorf("%s: %q (%v), want %q", c.name, got, err, c.want)
		}
	}
}

// TestV2Presigned: boto3's URLs, whose end is in them.
func TestV2Presigned(t *testing.T) {
	now := time.Unix(1175139620, 0)
	const query = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1175139620&response-content-type=text%2Fplain"
	h := hmac.New(sha1.New, []byte(exampleSecret))
	h.Write([]byte("GET\n\n\n1175139620\n/johnsmith/photos/puppy.jpg?response-content-type=text/plain"))
	signature := url.QueryEscape(base64.StdEncoding.EncodeToString(h.Sum(nil)))
	request := "GET /johnsmith/photos/puppy.jpg?" + query + "&Signature=" + signature + " HTTP/1.1\nHost: localhost:4566\n\n"
	for text, want := range map[string]Reason{
		request: "",
		strings.Replace(request, "plain", "html", 1):            Mismatch,
		strings.Replace(request, "1175139620", "1175139621", 1): Mismatch,
		strings.Replace(request, "1175139620", "x", 1):          Incomplete,
		strings.Replace(request, "1175139620", "-1", 1):         Incomplete,
	} {
		r := parseRequest(t, text)
		s, err := Parse(r)
		if err == nil {
			err = s.Verify(r, new(Keys), exampleSecret, now, "")
		}
		if got := reason(err); got != want {
			t.Errorf("%s: %q (%v), want %q", text, got, err, want)
		}
	}
	r := parseRequest(t, request)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := reason(s.Fresh(now.Add(time.Second))); got != Expired {
		t.Errorf("after its end: %q", got)
	}
}

// TestForm holds the example of AWS's page on forms.
func TestForm(t *testing.T) {
	policy := base64.StdEncoding.EncodeToString([]byte(`{"expiration": "2015-12-30T12:00:00.000Z", "conditions": []}`))
	key := new(Keys).Key(exampleSecret, "20151229", "us-east-1", "s3")
	form := url.Values{"policy": {policy}, "x-amz-algorithm": {"AWS4-HMAC-SHA256"}, "x-amz-date": {"20151229T000000Z"},
		"x-amz-credential": {"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"}, "x-amz-signature": {hexMAC(key, []byte(policy))}}
	s, err := ParseForm(form)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.VerifyText(policy, new(Keys), exampleSecret); err != nil {
		t.Error(err)
	}
	if got := reason(s.VerifyText(policy+"A", new(Keys), exampleSecret)); got != Mismatch {
		t.Errorf("another policy: %q", got)
	}
	if s, err := ParseForm(url.Values{"policy": {policy}}); s != nil || err != nil {
		t.Errorf("a form that nobody signed: %v %v", s, err)
	}
	form.Set("x-amz-algorithm", "rot13")
	if _, err := ParseForm(form); reason(err) != Foreign {
		t.Errorf("another algorithm: %v", err)
	}
}

// TestDecoded: of a chunked body its reader sees the length and the encoding that the
// application's bytes have, and the sums that came behind them.
func TestDecoded(t *testing.T) {
	r := parseRequest(t, "PUT /b/k HTTP/1.1\nHost: s3\nX-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nContent-Encoding: aws-chunked, gzip\nX-Amz-Trailer: x-amz-checksum-crc32\nX-Amz-Decoded-Content-Length: 5\nContent-Length: 57\n\n5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n")
	body, err := Plain(r)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := io.Copy(&b, body); err != nil || b.String() != "hello" {
		t.Fatalf("%q %v", b.String(), err)
	}
	if r.ContentLength != 5 || r.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("length %d, encoding %q", r.ContentLength, r.Header.Get("Content-Encoding"))
	}
	if sum := body.(aws.Trailed).Trailer("x-amz-checksum-crc32"); sum != "NhCmhg==" {
		t.Errorf("the sum behind it: %q", sum)
	}
}
