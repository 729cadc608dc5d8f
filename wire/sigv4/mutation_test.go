package sigv4

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// receive takes a request from its bytes through all checks, as the front door does,
// and says what is left of it for its handler. An error is a refusal.
func receive(text string) (string, error) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return "", err
	}
	s, err := Parse(r)
	if err != nil {
		return "", err
	}
	if s == nil || s.AccessKeyID != exampleKey || s.Token != "" && s.Token != exampleToken {
		return "", refuse(Missing, "no key of ours") // the front door looks key and token up
	}
	hash := ""
	if !s.Declared() {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return "", err
		}
		hash, r.Body = hashOf(string(b)), io.NopCloser(bytes.NewReader(b))
	}
	var keys Keys
	if err := s.Verify(r, &keys, exampleSecret, exampleTime, hash); err != nil {
		return "", err
	}
	body, err := s.Body(r, &keys, exampleSecret)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(body)
	return meaning(r, s, b), err
}

// meaning is all of a request that a handler may act on: what the signature covers,
// without the liberties that HTTP takes with it.
func meaning(r *http.Request, s *Signature, body []byte) string {
	var b strings.Builder
	path := cmp.Or(r.URL.EscapedPath(), "/")
	if s.Service == "s3" {
		path = r.URL.Path // the key of an object is the path, decoded
	}
	fmt.Fprintf(&b, "%s %s %s\n", r.Method, r.Host, path)
	q, _ := url.ParseQuery(r.URL.RawQuery)
	delete(q, "X-Amz-Signature")
	for _, k := range slices.Sorted(maps.Keys(q)) {
		slices.Sort(q[k]) // the order of values is not signed, on AWS either
		fmt.Fprintf(&b, "%q=%q\n", k, q[k])
	}
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		lower := strings.ToLower(k)
		if slices.Contains(s.Headers, lower) || strings.HasPrefix(lower, "x-amz-") {
			fmt.Fprintf(&b, "%s: %s\n", lower, appendHeader(nil, r, lower))
		}
	}
	fmt.Fprintf(&b, "%s %s %s %v\n%s", s.AccessKeyID, s.scope(), s.Token, s.Time, body)
	return b.String()
}

const exampleToken = "FwoGZXIvYXdzEXAMPLE+/token="

// mustDump is a request as it goes over the wire.
func mustDump(t testing.TB, r *http.Request) string {
	t.Helper()
	r.RequestURI = r.URL.RequestURI()
	if r.ContentLength > 0 {
		r.Header.Set("Content-Length", fmt.Sprint(r.ContentLength))
	}
	b, err := httputil.DumpRequest(r, true)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// originals are good requests of every kind.
func originals(t testing.TB) map[string]string {
	dump := func(r *http.Request) string { return mustDump(t, r) }
	form := "Action=PutUserPolicy&UserName=ann&PolicyDocument=%7B%22Effect%22%3A%22Allow%22%7D"
	out := map[string]string{
		"a GET of S3":        strings.ReplaceAll(exampleGet, "\n", "\r\n"),
		"a GET by a URL, S3": strings.ReplaceAll(examplePresigned, "\n", "\r\n"),
		"a GET by a URL":     dump(presigned(t, "sts", "/?Action=GetCallerIdentity&x=a%2Bb+c%25zz%3B&empty&x=1", MaxSkew)),
		"JSON":               dump(signed(t, "POST", "/", hashOf(`{"TableName": "t"}`), `{"TableName": "t"}`, map[string]string{"service": "dynamodb", "token": exampleToken, "X-Amz-Target": "DynamoDB_20120810.DeleteTable", "Content-Type": "application/x-amz-json-1.0"})),
		"a form":             dump(signed(t, "POST", "/", hashOf(form), form, map[string]string{"service": "iam", "Content-Type": "application/x-www-form-urlencoded"})),
		"a path":             dump(signed(t, "PUT", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Af/x.y/code?Qualifier=$LATEST&a=%2F&b=%C3%BC", hashOf("{}"), "{}", map[string]string{"service": "lambda", "X-Amz-Invocation-Type": "Event"})),
		"a path not clean":   dump(signed(t, "GET", "/a//b/./c/../d", emptyHash, "", map[string]string{"service": "lambda"})),
		"a body of S3":       dump(signed(t, "PUT", "/b/a//k%20%2B/../x", hashOf("abc"), "abc", map[string]string{"service": "s3", "X-Amz-Acl": "private", "X-Amz-Meta-A": " x  y "})),
		"an unsigned body":   dump(signed(t, "PUT", "/b/k", Unsigned, "", map[string]string{"service": "s3"})),
	}
	for _, payload := range []string{streamingSigned, streamingSignedTrailer, streamingTrailer} {
		out[payload] = dump(chunkedRequest(t, payload, "Hello, ", "world"))
	}
	return out
}

// chunkedRequest is a PUT whose body comes in chunks, signed or not.
func chunkedRequest(t testing.TB, payload string, chunks ...string) *http.Request {
	whole := strings.Join(chunks, "")
	header := map[string]string{"service": "s3", "X-Amz-Decoded-Content-Length": fmt.Sprint(len(whole))}
	if payload != streamingSigned {
		header["X-Amz-Trailer"] = "x-amz-checksum-crc32"
	}
	r := signed(t, "PUT", "/b/k", payload, "", header)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	key, previous := new(Keys).Key(exampleSecret, s.Date, s.Region, s.Service), s.Signature
	sign := func(name, middle, data string) string {
		previous = hexMAC(key, []byte(name+"\n"+s.Time.Format(timeFormat)+"\n"+s.scope()+"\n"+previous+"\n"+middle+hashOf(data)))
		return previous
	}
	var body strings.Builder
	for _, c := range append(chunks, "") {
		fmt.Fprintf(&body, "%x", len(c))
		if payload != streamingTrailer {
			body.WriteString(";chunk-signature=" + sign("AWS4-HMAC-SHA256-PAYLOAD", emptyHash+"\n", c))
		}
		body.WriteString("\r\n" + c)
		if c != "" {
			body.WriteString("\r\n")
		}
	}
	if payload != streamingSigned {
		sum := crc32.ChecksumIEEE([]byte(whole))
		line := "x-amz-checksum-crc32:" + base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
		body.WriteString(line + "\r\n")
		if payload == streamingSignedTrailer {
			body.WriteString("x-amz-trailer-signature:" + sign("AWS4-HMAC-SHA256-TRAILER", "", line+"\n") + "\r\n")
		}
	}
	body.WriteString("\r\n")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body.String())), int64(body.Len())
	r.Header.Set("Content-Length", fmt.Sprint(body.Len()))
	return r
}

// mutations of the byte at i.
func mutations(text string, i int) []string {
	c := text[i]
	with := func(s string) string { return text[:i] + s + text[i+1:] }
	out := []string{with(""), with(string(c) + string(c)), with(string(c ^ 1)), with(string(c ^ 0x20)), with(fmt.Sprintf("%%%02x", c)), with(string(c) + " "),
		with("/../" + string(c)), with(";" + string(c)), with("&" + string(c)), with("\r\nX-Amz-Acl: public-read\r\nX-Rest:" + string(c)), with("%"), with("+"), with("\x00")}
	if i+1 < len(text) {
		out = append(out, text[:i]+text[i+1:i+2]+text[i:i+1]+text[i+2:]) // two swapped
	}
	if i+3 < len(text) && c == '%' {
		if b, err := hex.DecodeString(text[i+1 : i+3]); err == nil {
			out = append(out, text[:i]+string(b)+text[i+3:])
		}
	}
	return out
}

// TestMutations changes each byte of good requests in every way that it knows: what is
// not refused must mean the same to a handler.
func TestMutations(t *testing.T) {
	for name, text := range originals(t) {
		t.Run(name, func(t *testing.T) {
			want, err := receive(text)
			if err != nil {
				t.Fatalf("as signed: %v\n%s", err, text)
			}
			refused, same := 0, 0
			for i := range len(text) {
				for _, m := range mutations(text, i) {
					if m == text {
						continue
					}
					got, err := receive(m)
					switch {
					case err != nil:
						refused++
					case got == want:
						same++
					default:
						t.Errorf("accepted as\n%s\nwhich was signed as\n%s\nafter a change at %d: %q", got, want, i, m)
					}
					if t.Failed() {
						return
					}
				}
			}
			t.Logf("%d changes refused, %d without effect", refused, same)
			if refused < 4*same {
				t.Errorf("only %d changes refused, %d without effect", refused, same)
			}
		})
	}
}

// Changes that are more than a byte's.
func TestTampering(t *testing.T) {
	good := originals(t)
	for _, c := range []struct{ name, kind, old, new string }{
		{"another operation by a presigned URL", "a GET by a URL", "Action=GetCallerIdentity", "Action=GetSessionToken"},
		{"a parameter twice", "a GET by a URL", "Action=GetCallerIdentity", "Action=GetCallerIdentity&Action=GetSessionToken"},
		{"a parameter before the signed one", "a GET by a URL", "/?Action", "/?Action=GetSessionToken&Action"},
		{"another method by a presigned URL", "a GET by a URL, S3", "GET ", "DELETE "},
		{"a body behind a presigned URL", "a GET by a URL", "\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx"},
		{"a declared body behind a presigned URL", "a GET by a URL", "\r\n\r\n", "\r\nX-Amz-Content-Sha256: " + hashOf("x") + "\r\nContent-Length: 1\r\n\r\nx"},
		{"an unsigned body behind a presigned URL", "a GET by a URL", "\r\n\r\n", "\r\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\nContent-Length: 1\r\n\r\nx"},
		{"two signatures", "a GET by a URL", "X-Amz-Signature=", "X-Amz-Signature=00&X-Amz-Signature="},
		{"a second signature behind", "a GET by a URL", "&x=1", "&x=1&X-Amz-Signature=00"},
		{"a header of AWS's behind a presigned URL", "a GET by a URL, S3", "\r\n\r\n", "\r\nX-Amz-Acl: public-read\r\n\r\n"},
		{"a target that was not signed", "a form", "\r\n\r\n", "\r\nX-Amz-Target: DynamoDB_20120810.DeleteTable\r\n\r\n"},
		{"a header of AWS's that was not signed", "a body of S3", "\r\n\r\n", "\r\nX-Amz-Copy-Source: /b/other\r\n\r\n"},
		{"a header taken out of the list", "a body of S3", "host;x-amz-acl;", "host;"},
		{"a header taken out of list and request", "a body of S3", "X-Amz-Acl: private\r\n", ""},
		{"a host that is not signed", "JSON", "SignedHeaders=content-type;host;", "SignedHeaders=content-type;"},
		{"another host", "JSON", "Host: localhost:4566", "Host: iam.amazonaws.com"},
		{"a second host", "JSON", "Host: localhost:4566", "Host: localhost:4566\r\nHost: iam.amazonaws.com"},
		{"a target that is a URL", "JSON", "POST /", "POST http://iam.amazonaws.com/"},
		{"a header twice", "JSON", "X-Amz-Target: ", "X-Amz-Target: DynamoDB_20120810.Scan\r\nX-Amz-Target: "},
		{"a region further", "JSON", "/eu-west-1/", "/eu-west-2/"},
		{"another service", "JSON", "/dynamodb/", "/iam/"},
		{"another terminator", "JSON", "/aws4_request", "/aws4_reques"},
		{"another key", "JSON", exampleKey, "AKIAIOSFODNN7EXAMPLF"},
		{"another token", "JSON", "X-Amz-Security-Token: Fwo", "X-Amz-Security-Token: Gwo"},
		{"no token", "JSON", "X-Amz-Security-Token", "X-Security-Token"},
		{"a date in another place", "JSON", "X-Amz-Date: ", "Date: "},
		{"signed by SHA-1", "JSON", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 "},
		{"by the older protocol", "JSON", "AWS4-HMAC-SHA256 Credential", "AWS Credential"},
		{"a signature in capitals", "a GET of S3", "f0e8bdb87c", "F0E8BDB87C"},
		{"a signature cut short", "a GET of S3", "Signature=f0e8", "Signature="},
		{"a signature and more", "a GET of S3", "Signature=f0e8", "Signature=f0e8f0e8"},
		{"chunks that change places", streamingSigned, "7;", "5;"},
		{"a sum that nobody announced", streamingSigned, "\r\n\r\n", "\r\nX-Amz-Checksum-Crc32: AAAAAA==\r\n\r\n"},
		{"a trailer behind signed chunks", streamingSigned, "0;", "0;x"},
		{"an announced sum left out", streamingTrailer, "x-amz-checksum-crc32:", "x-other:"},
		{"a trailer that nobody announced", streamingTrailer, "\r\nx-amz-checksum-crc32:", "\r\nx-amz-acl:public-read\r\nx-amz-checksum-crc32:"},
		{"a trailer's signature left out", streamingSignedTrailer, "x-amz-trailer-signature:", "x-amz-trailer-signatur:"},
	} {
		if !strings.Contains(good[c.kind], c.old) {
			t.Errorf("%s: %q is not in\n%s", c.name, c.old, good[c.kind])
		}
		if got, err := receive(strings.Replace(good[c.kind], c.old, c.new, 1)); err == nil {
			t.Errorf("%s: accepted as\n%s", c.name, got)
		}
	}
}

// A path that was cleaned for signing is served clean, whatever path it came by.
func TestServedPath(t *testing.T) {
	for _, c := range []struct{ service, signed, sent, want string }{
		{"lambda", "/a/b", "/a/b", "/a/b"},
		{"lambda", "/a/b", "/a//b", "/a/b"},
		{"lambda", "/a/b", "/a/x/../b", "/a/b"},
		{"lambda", "/a/b", "/a/%2e%2e/b", "refused"},
		{"lambda", "/a/b", "/a/./b?", "/a/b"},
		{"lambda", "/a/b/", "/a/b", "refused"},
		{"lambda", "/a%2Fb", "/a/b", "refused"},
		{"lambda", "/a%2Fb", "/x/../a%2Fb", "/a%2Fb"},
		{"s3", "/a/b", "/a//b", "refused"},
		{"s3", "/a/b", "/a/x/../b", "refused"},
		{"s3", "/a/x/../b", "/a/b", "refused"},
	} {
		text := strings.Replace(mustDump(t, signed(t, "GET", c.signed, emptyHash, "", map[string]string{"service": c.service})), " "+c.signed+" ", " "+c.sent+" ", 1)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		got := "refused"
		if _, err := verify(r, exampleSecret, exampleTime); err == nil {
			got = r.URL.EscapedPath()
			if raw, _, _ := strings.Cut(r.RequestURI, "?"); raw != got {
				t.Errorf("%s: the request says %s as well as %s", c.sent, raw, got)
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, signed as %s: %s, want %s", c.service, c.sent, c.signed, got, c.want)
		}
	}
}
