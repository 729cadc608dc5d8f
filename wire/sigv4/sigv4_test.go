package sigv4

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The examples of AWS's documentation use these.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func parseRequest(t testing.TB, text string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n"))))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verify runs a request through Parse, Verify and Body, and returns the body.
func verify(r *http.Request, secret string, now time.Time) (string, error) {
	var keys Keys
	s, err := Parse(r)
	if err != nil {
		return "", err
	}
	if s == nil {
		return "", refuse(Missing, "no signature")
	}
	if err := s.Verify(r, &keys, secret, now, ""); err != nil {
		return "", err
	}
	body, err := s.Body(r, &keys, secret)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(body)
	return string(b), err
}

func reason(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
const exampleGet = `GET /test.txt HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41
Range: bytes=0-9
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date: 20130524T000000Z

`

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		now            time.Time
		want           Reason
	}{
		{"as signed", "", "", exampleTime, ""},
		{"fourteen minutes later", "", "", exampleTime.Add(14 * time.Minute), ""},
		{"sixteen minutes later", "", "", exampleTime.Add(16 * time.Minute), Expired},
		{"sixteen minutes before", "", "", exampleTime.Add(-16 * time.Minute), Early},
		{"another range", "bytes=0-9", "bytes=0-8", exampleTime, Mismatch},
		{"another path", "/test.txt", "/text.txt", exampleTime, Mismatch},
		{"another host", "examplebucket", "otherbucket", exampleTime, Mismatch},
		{"another region", "us-east-1", "us-east-2", exampleTime, Mismatch},
		{"another day in the scope", "/20130524/", "/20130523/", exampleTime, Mismatch},
		{"no signature", "Signature=f0e8", "Sig=f0e8", exampleTime, Incomplete},
		{"no date", "x-amz-date: ", "x-amz-dote: ", exampleTime, Incomplete},
		{"short credential", "/us-east-1/s3/", "/s3/", exampleTime, Incomplete},
		{"host not signed", "SignedHeaders=host;", "SignedHeaders=", exampleTime, Mismatch},
		{"other algorithm", "AWS4-HMAC-SHA256 Cred", "AWS4-ECDSA-P256-SHA256 Cred", exampleTime, Foreign},
	} {
		_, err := verify(parseRequest(t, strings.Replace(exampleGet, c.old, c.new, 1)), exampleSecret, c.now)
		if reason(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := verify(parseRequest(t, exampleGet), "another secret", exampleTime); reason(err) != Mismatch {
		t.Errorf("another secret: %v", err)
	}
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
const examplePresigned = `GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1
Host: examplebucket.s3.amazonaws.com

`

func TestPresigned(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		now            time.Time
		want           Reason
	}{
		{"as signed", "", "", exampleTime, ""},
		{"a day later", "", "", exampleTime.Add(24 * time.Hour), ""},
		{"more than a day later", "", "", exampleTime.Add(24*time.Hour + time.Second), Expired},
		{"longer life", "Expires=86400", "Expires=86401", exampleTime, Mismatch},
		{"a life of eight days", "Expires=86400", "Expires=691200", exampleTime, Incomplete},
		{"no life", "Expires=86400", "Expires=0", exampleTime, Incomplete},
		{"more query", "GET /test.txt?", "GET /test.txt?acl&", exampleTime, Mismatch},
		{"no date", "X-Amz-Date=20130524T000000Z&", "", exampleTime, Incomplete},
	} {
		_, err := verify(parseRequest(t, strings.Replace(examplePresigned, c.old, c.new, 1)), exampleSecret, c.now)
		if reason(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
func exampleChunked(a string) string {
	return `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
Content-Length: 66824

10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648
` + strings.Repeat(a, 65536) + `
400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497
` + strings.Repeat("a", 1024) + `
0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9

`
}

func TestChunked(t *testing.T) {
	r := parseRequest(t, exampleChunked("a"))
	body, err := verify(r, exampleSecret, exampleTime)
	if err != nil || body != strings.Repeat("a", 66560) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if r.ContentLength != 66560 || r.Header.Get("Content-Length") != "" {
		t.Errorf("it counts %d bytes, and its header %q", r.ContentLength, r.Header.Get("Content-Length"))
	}
	for name, c := range map[string]struct {
		text string
		want Reason
	}{
		"other bytes":         {exampleChunked("b"), Mismatch},
		"last chunk missing":  {strings.Replace(exampleChunked("a"), "\n0;chunk", "\n", 1), BadChunk},
		"another signature":   {strings.Replace(exampleChunked("a"), "0055627c", "1055627c", 1), Mismatch},
		"a size that is none": {strings.Replace(exampleChunked("a"), "\n400;", "\nzz;", 1), BadChunk},
	} {
		if _, err := verify(parseRequest(t, c.text), exampleSecret, exampleTime); reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// signed is a request as a client of today would send it.
func signed(t testing.TB, method, target, payload, body string, header map[string]string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(method, "http://localhost:4566"+target, strings.NewReader(body))
	for k, v := range header {
		r.Header.Set(k, v)
	}
	Sign(r, Credentials{AccessKeyID: exampleKey, Secret: exampleSecret, Token: header["token"]}, "eu-west-1", header["service"], payload, exampleTime)
	return r
}

func TestUnsignedTrailer(t *testing.T) {
	send := func(body string) (string, error) {
		return verify(signed(t, "PUT", "/b/k", streamingTrailer, body, map[string]string{
			"service": "s3", "X-Amz-Decoded-Content-Length": "9", "X-Amz-Trailer": "x-amz-checksum-crc64nvme"}), exampleSecret, exampleTime)
	}
	// The check value of CRC-64/NVME is ae8b14860a799888.
	body, err := send("4\r\n1234\r\n5\r\n56789\r\n0\r\nx-amz-checksum-crc64nvme:rosUhgp5mIg=\r\n\r\n")
	if err != nil || body != "123456789" {
		t.Errorf("%q, %v", body, err)
	}
	for name, c := range map[string]struct {
		body string
		want Reason
	}{
		"another sum":    {"9\r\n123456789\r\n0\r\nx-amz-checksum-crc64nvme:rosUhgp5mIk=\r\n\r\n", BadSum},
		"too short":      {"8\r\n12345678\r\n0\r\n\r\n", BadChunk},
		"too long":       {"a\r\n1234567890\r\n0\r\n\r\n", BadChunk},
		"cut off":        {"9\r\n1234", BadChunk},
		"no end":         {"9\r\n123456789\r\n", BadChunk},
		"longer chunk":   {"8\r\n123456789\r\n0\r\n\r\n", BadChunk},
		"an endless row": {strings.Repeat("1", 5000), BadChunk},
	} {
		if _, err := send(c.body); reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckSums(t *testing.T) {
	for name, c := range map[string]struct {
		header []string
		want   Reason
	}{
		"nothing said":           {nil, ""},
		"MD5":                    {[]string{"Content-Md5", "JfnnlDI7RTiF9RgfG2JNCw=="}, ""},
		"another MD5":            {[]string{"Content-Md5", "AAAAAAAAAAAAAAAAAAAAAA=="}, BadSum},
		"a short MD5":            {[]string{"Content-Md5", "AAAA"}, NoSum},
		"no base64":              {[]string{"Content-Md5", "***"}, NoSum},
		"CRC-32":                 {[]string{"X-Amz-Sdk-Checksum-Algorithm", "CRC32", "X-Amz-Checksum-Crc32", "y/Q5Jg=="}, ""},
		"another CRC-32":         {[]string{"X-Amz-Sdk-Checksum-Algorithm", "CRC32", "X-Amz-Checksum-Crc32", "AAAAAA=="}, BadSum},
		"of an object, not this": {[]string{"X-Amz-Checksum-Crc32", "AAAAAA=="}, ""},
		"an algorithm not known": {[]string{"X-Amz-Sdk-Checksum-Algorithm", "XXHASH3", "X-Amz-Checksum-Xxhash3", "AAAAAAAAAAA="}, ""},
		"no algorithm":           {[]string{"X-Amz-Sdk-Checksum-Algorithm", "nothing"}, ""},
	} {
		h := http.Header{}
		for i := 0; i < len(c.header); i += 2 {
			h.Set(c.header[i], c.header[i+1])
		}
		if err := CheckSums(h, []byte("123456789")); reason(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignRoundTrip(t *testing.T) {
	for _, target := range []string{"/", "/2015-03-31/functions/a%3Ab/invocations?Qualifier=$LATEST", "/a//b/../c%20d?x=1&x=0&empty&y=a+b%2B", "/restapis/x/_user_request_/ü"} {
		for _, service := range []string{"s3", "lambda"} {
			r := signed(t, "POST", target, emptyHash, "", map[string]string{"service": service, "X-Amz-Target": "A.B", "X-Amz-Meta": " a  b "})
			if _, err := verify(r, exampleSecret, exampleTime); err != nil {
				t.Errorf("%s %s: %v", service, target, err)
			}
			p := httptest.NewRequest("GET", "http://localhost:4566"+target, nil)
			p.URL = Presign(p, Credentials{exampleKey, exampleSecret, "token"}, "eu-west-1", service, exampleTime, time.Minute)
			p.RequestURI = ""
			if _, err := verify(p, exampleSecret, exampleTime); err != nil {
				t.Errorf("presigned %s %s: %v", service, target, err)
			}
		}
	}
}

func TestBodyHash(t *testing.T) {
	const hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // "abc"
	if body, err := verify(signed(t, "PUT", "/b/k", hash, "abc", map[string]string{"service": "s3"}), exampleSecret, exampleTime); err != nil || body != "abc" {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := verify(signed(t, "PUT", "/b/k", hash, "abd", map[string]string{"service": "s3"}), exampleSecret, exampleTime); reason(err) != BadHash {
		t.Errorf("another body: %v", err)
	}
}

func TestUnsignedTarget(t *testing.T) {
	r := signed(t, "POST", "/", emptyHash, "", map[string]string{"service": "dynamodb"})
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DeleteTable")
	if _, err := verify(r, exampleSecret, exampleTime); reason(err) != Mismatch {
		t.Errorf("a target that was not signed: %v", err)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(exampleGet)
	f.Add(examplePresigned)
	f.Add(exampleChunked("a"))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		_, _ = verify(r, exampleSecret, exampleTime)
	})
}

func FuzzChunks(f *testing.F) {
	f.Add("4\r\n1234\r\n0\r\n\r\n", true)
	f.Add("4;chunk-signature=00\r\n1234\r\n0;chunk-signature=00\r\n\r\n", false)
	f.Fuzz(func(t *testing.T, body string, unsigned bool) {
		r := httptest.NewRequest("PUT", "/", strings.NewReader(body))
		s := &Signature{Payload: streamingSignedTrailer}
		if unsigned {
			s.Payload = streamingTrailer
		}
		b, err := s.Body(r, new(Keys), "secret")
		if err != nil {
			return
		}
		if n, _ := io.Copy(io.Discard, b); n > int64(len(body)) {
			t.Errorf("%d bytes came out of %d", n, len(body))
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := parseRequest(b, exampleGet)
	var keys Keys
	for b.Loop() {
		s, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Verify(r, &keys, exampleSecret, exampleTime, ""); err != nil {
			b.Fatal(err)
		}
	}
}
