package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What AWS's test suite signs with.
const (
	suiteKey    = "AKIDEXAMPLE"
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var suiteTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

// TestSuite runs AWS's published test suite: of each case its request as it is sent
// (.sreq) is accepted, its canonical request (.creq) and string to sign (.sts) are
// ours, and so is its signature (.authz), also where Sign makes it.
func TestSuite(t *testing.T) {
	dir := suiteDir(t)
	cases, signed := 0, 0
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		base, ok := strings.CutSuffix(name, ".sreq")
		if err != nil || !ok {
			return err
		}
		cases++
		t.Run(filepath.Base(base), func(t *testing.T) {
			c := suiteCase{t, base}
			c.accept()
			if c.sign() {
				signed++
			}
		})
		return nil
	})
	t.Logf("%d cases, of which Sign makes %d", cases, signed)
	// The others carry a signed header of their own, which Sign leaves out, or a token
	// that is not signed, which Sign would sign.
	if err != nil || cases != 34 || signed != 27 {
		t.Errorf("%d cases, of which Sign makes %d: %v", cases, signed, err)
	}
}

// suiteDir finds the suite in the source distribution of botocore.
func suiteDir(t *testing.T) string {
	root := os.Getenv("TULE_BOTOCORE")
	if root == "" {
		root = filepath.Join("..", "..", ".cache", "botocore-1.43.11")
	}
	dir := filepath.Join(root, "tests", "unit", "auth", "aws4_testsuite")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("TULE_REQUIRE_CASES") == "1" {
			t.Fatalf("AWS's signature test suite is missing: %v", err)
		}
		t.Skip("AWS's signature test suite is not here; run `make setup`")
	}
	return dir
}

type suiteCase struct {
	*testing.T
	base string
}

func (c suiteCase) read(kind string) string {
	b, err := os.ReadFile(c.base + kind)
	if err != nil {
		c.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r", "")
}

// request is the one in a file, as Go's server would have it, and its body.
//
// One of the suite's targets holds a bare space (get-space), with which no server of
// Go's lets a request in; it is put in place here behind the server's back.
func (c suiteCase) request(kind string) (r *http.Request, body string) {
	text := c.read(kind)
	head, body, _ := strings.Cut(text, "\n\n")
	line, rest, _ := strings.Cut(head, "\n")
	method, rest2, _ := strings.Cut(line, " ")
	target := strings.TrimSuffix(rest2, " HTTP/1.1")
	r = parseRequest(c, method+" "+strings.ReplaceAll(target, " ", "%20")+" HTTP/1.1\n"+strings.TrimRight(rest, "\n")+"\n\n")
	r.RequestURI = target
	return r, body
}

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// contradicts is the one case that contradicts itself: the signature in its .sreq, put
// together from pieces of its token, is not the one in its .authz, which is right.
const contradicts = "get-vanilla-with-session-token"

func (c suiteCase) accept() {
	r, body := c.request(".sreq")
	if filepath.Base(c.base) == contradicts {
		if _, err := verify(r, suiteSecret, suiteTime); reason(err) != Mismatch {
			c.Errorf("signed by nobody: %v", err)
		}
		r.Header.Set("Authorization", strings.TrimSpace(c.read(".authz")))
	}
	s, err := Parse(r)
	if err != nil {
		c.Fatal(err)
	}
	equal := false
	for _, uri := range s.paths(r) {
		canonical := s.canonical(nil, r, uri, hashOf(body))
		equal = equal || string(canonical) == c.read(".creq") && string(s.stringToSign(canonical)) == c.read(".sts")
	}
	if !equal {
		c.Errorf("the canonical request is\n%s\nwant\n%s", s.canonical(nil, r, s.paths(r)[0], hashOf(body)), c.read(".creq"))
	}
	if err := s.Verify(r, new(Keys), suiteSecret, suiteTime, hashOf(body)); err != nil {
		c.Error(err)
	}
}

var tokenLine = regexp.MustCompile(`(?m)^x-amz-security-token:(.*)$`)

// sign compares what Sign makes, if the case signs the headers that Sign does, and
// reports whether it does. The signature itself is compared in every case.
func (c suiteCase) sign() bool {
	want := strings.TrimSpace(c.read(".authz"))
	sent, body := c.request(".sreq")
	s, err := Parse(sent)
	if err != nil {
		c.Fatal(err)
	}
	if got := s.sign(sent, suiteSecret, hashOf(body)); !strings.HasSuffix(want, "Signature="+got) {
		c.Errorf("the signature is %s, want %s", got, want)
	}
	if slices.ContainsFunc(s.Headers, func(h string) bool { return !strings.HasPrefix(h, "x-amz-") && h != "host" && h != "content-type" }) {
		return false
	}
	r, _ := c.request(".req")
	credentials := Credentials{AccessKeyID: suiteKey, Secret: suiteSecret}
	if m := tokenLine.FindStringSubmatch(c.read(".creq")); m != nil {
		credentials.Token = m[1]
	} else if sent.Header.Get("X-Amz-Security-Token") != "" {
		return false
	}
	Sign(r, credentials, "us-east-1", "service", hashOf(body), suiteTime)
	if got := r.Header.Get("Authorization"); got != want {
		c.Errorf("signed\n%s\nwant\n%s", got, want)
	}
	return true
}

// Presigned requests of the suite's: AWS publishes none, so the vector here was made
// by botocore 1.43.11 (SigV4QueryAuth and S3SigV4QueryAuth), with a session token.
func TestPresignedVectors(t *testing.T) {
	for _, c := range presignedVectors {
		r, err := http.NewRequest("GET", "https://example.amazonaws.com"+c.target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		u := Presign(r, Credentials{suiteKey, suiteSecret, c.token}, "us-east-1", c.service, suiteTime, time.Hour)
		if got := u.Query().Get("X-Amz-Signature"); got != c.signature {
			t.Errorf("%s %s: signed %s, want %s", c.service, c.target, got, c.signature)
		}
		signed, err := http.NewRequest("GET", u.String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(signed, suiteSecret, suiteTime.Add(59*time.Minute)); err != nil {
			t.Errorf("%s %s: %v", c.service, c.target, err)
		}
	}
}

var presignedVectors = []struct{ service, target, token, signature string }{
	{"service", "/", "", "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"},
	{"service", "/", "AQoDYXdzEPT//////////wEXAMPLE+token==", "50451dca2efef2b41c0abd458814a26a9f83ceca6fad6480cb9dadabf4681894"},
	{"service", "/a/b?x=1&A=2", "", "d06c83f3fdeb671b4fa7f3ea299c0528e7d6d7fea210c5b2e2182dfd2b833035"},
	{"service", "/a/b?x=1&A=2", "AQoDYXdzEPT//////////wEXAMPLE+token==", "c6614129bbf9a7314f823c0e0dd590053316c04508f7f77129712fa6900097b5"},
	{"service", "/k%20ey?versionId=a%2Bb", "", "71bae214c757da0f80b3a08bebedfbef47fe11999083135e5db77da7bef19b99"},
	{"service", "/k%20ey?versionId=a%2Bb", "AQoDYXdzEPT//////////wEXAMPLE+token==", "3bda7ff8bde111a44dd7caba81e2343fbc5d830220e412a21d94f26806d96c1a"},
	{"s3", "/", "", "72f57b987b45ad16fa5575e5005189df816650e2663ac2a08d0b8489c79ba568"},
	{"s3", "/", "AQoDYXdzEPT//////////wEXAMPLE+token==", "ae03c0d82517f8801f3486749742547c69262008b862fe62f4a9519008403978"},
	{"s3", "/a/b?x=1&A=2", "", "8b10940ec289c41475ff8d0de1a657046818ecc0dfaee16094d5939f3c75eac3"},
	{"s3", "/a/b?x=1&A=2", "AQoDYXdzEPT//////////wEXAMPLE+token==", "01514b29a92d1cfa3a25a8718af0c1d39f1e55490b41e9415bf75eb8c483ac20"},
	{"s3", "/k%20ey?versionId=a%2Bb", "", "4d40dee9b97b5862d70500f27a79bc0acfa9fed7e602762711eb9b74424d04eb"},
	{"s3", "/k%20ey?versionId=a%2Bb", "AQoDYXdzEPT//////////wEXAMPLE+token==", "88ace55fa053444a5dc90316e6fc25ba6ea32d0b4d36880acd79ded409605ba7"},
}

// The window of a signature, to the second.
func TestWindow(t *testing.T) {
	for _, c := range []struct {
		name    string
		expires time.Duration // 0: in the header
		now     time.Duration // after it was signed
		want    Reason
	}{
		{"at once", 0, 0, ""},
		{"as old as it may be", 0, 15 * time.Minute, ""},
		{"a second older", 0, 15*time.Minute + time.Second, Expired},
		{"as early as it may be", 0, -15 * time.Minute, ""},
		{"a second earlier", 0, -15*time.Minute - time.Second, Early},
		{"a URL for a second", time.Second, time.Second, ""},
		{"a URL for a second, a second later", time.Second, 2 * time.Second, Expired},
		{"a URL for less than a skew, as old as it may be", time.Minute, time.Minute, ""},
		{"a URL for less than a skew, later", time.Minute, 61 * time.Second, Expired},
		{"a URL for seven days", MaxExpires, MaxExpires, ""},
		{"a URL for seven days, a second later", MaxExpires, MaxExpires + time.Second, Expired},
		{"a URL of the future", MaxExpires, -15*time.Minute - time.Second, Early},
		{"a URL for eight days", 8 * 24 * time.Hour, 0, Incomplete},
		{"a URL for nothing", -1, 0, Incomplete},
	} {
		r := signed(t, "GET", "/a?b=c", emptyHash, "", map[string]string{"service": "s3"})
		if c.expires != 0 {
			r = presigned(t, "s3", "/a?b=c", c.expires)
		}
		if _, err := verify(r, exampleSecret, exampleTime.Add(c.now)); reason(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// presigned is a GET by a URL that was signed at exampleTime.
func presigned(t testing.TB, service, target string, expires time.Duration) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", "http://localhost:4566"+target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.URL = Presign(r, Credentials{exampleKey, exampleSecret, exampleToken}, "eu-west-1", service, exampleTime, expires)
	return r
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func TestSignedTrailer(t *testing.T) {
	text := `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
x-amz-trailer: x-amz-checksum-crc32c
Content-Length: 67000

10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2
` + strings.Repeat("a", 65536) + `
400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7
` + strings.Repeat("a", 1024) + `
0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992
x-amz-checksum-crc32c:sOO8/Q==
x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435

`
	_, body, _ := strings.Cut(text, "\n\n")
	text = strings.Replace(text, "67000", strconv.Itoa(len(body)+strings.Count(body, "\n")), 1)
	if body, err := verify(parseRequest(t, text), exampleSecret, exampleTime); err != nil || len(body) != 66560 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}
