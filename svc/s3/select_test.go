package s3

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSelect(t *testing.T) {
	h := script.New()
	defer h.Store.Close()
	furnished(t, h)
	ctx := h.Context(t.Context())
	must(t)(api.CreateBucket.Do(ctx, h, &api.CreateBucketRequest{Bucket: ptr("photos")}))
	type row struct {
		Name string `parquet:"name"`
		Age  int64  `parquet:"age"`
	}
	var file bytes.Buffer
	if err := parquet.Write(&file, []row{{"ann", 31}, {"bob", 9}}); err != nil {
		t.Fatal(err)
	}
	lines := "{\"name\":\"ann\",\"age\":31}\n{\"name\":\"bob\",\"age\":9}\n"
	csv := "name,age\nann,31\nbob,9\n"
	use := &api.CSVInput{FileHeaderInfo: ptr("USE")}
	for _, c := range []struct {
		name, body string
		in         api.InputSerialization
		scan       *api.ScanRange
		want       string
	}{
		{"csv", csv, api.InputSerialization{CSV: use}, nil, `{"name":"ann"}`},
		{"gzip", gzipped(t, csv), api.InputSerialization{CSV: use, CompressionType: ptr("GZIP")}, nil, `{"name":"ann"}`},
		{"lines", lines, api.InputSerialization{JSON: &api.JSONInput{Type: ptr("LINES")}}, nil, `{"name":"ann"}`},
		{"parquet", file.String(), api.InputSerialization{Parquet: &api.ParquetInput{}}, nil, `{"name":"ann"}`},
		{"no gzip", csv, api.InputSerialization{CSV: use, CompressionType: ptr("GZIP")}, nil, "InvalidCompressionFormat"},
		{"no bzip2", csv, api.InputSerialization{CSV: use, CompressionType: ptr("BZIP2")}, nil, "InvalidCompressionFormat"},
		{"no parquet", csv, api.InputSerialization{Parquet: &api.ParquetInput{}}, nil, "ParquetParsingError"},
		{"nothing", csv, api.InputSerialization{}, nil, "InvalidDataSource"},
		{"out of range", csv, api.InputSerialization{CSV: use}, &api.ScanRange{Start: ptr(int64(100))}, "InvalidScanRange"},
		{"a part", csv, api.InputSerialization{CSV: use}, &api.ScanRange{End: ptr(int64(4))}, ""},
	} {
		must(t)(api.PutObject.Do(ctx, h, &api.PutObjectRequest{Bucket: ptr("photos"), Key: ptr("k"), Body: strings.NewReader(c.body)}))
		got := answer(api.SelectObjectContent.Do(ctx, h, &api.SelectObjectContentRequest{Bucket: ptr("photos"), Key: ptr("k"), Expression: ptr("SELECT s.name FROM S3Object s WHERE s.age > 10"),
			ExpressionType: ptr("SQL"), InputSerialization: &c.in, OutputSerialization: &api.OutputSerialization{JSON: &api.JSONOutput{}}, ScanRange: c.scan}))
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// answer is the records of an answer, or the code of its error.
func answer(out *api.SelectObjectContentOutput, err error) (got string) {
	if err != nil {
		return aws.CodeOf(err)
	}
	for e, err := range out.Payload {
		if err != nil {
			return got + aws.CodeOf(err)
		}
		if e.Records != nil {
			got += string(e.Records.Payload)
		}
	}
	return strings.TrimSpace(got)
}

// FuzzSettings: what callers write in languages of their own, errors or not, is answered
// in AWS's words.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{`{"expiration":"2030-01-01T00:00:00Z","conditions":[{"bucket":"b"},["starts-with","$key","u/"],["content-length-range",1,"9"],["eq","$acl",1]]}`,
		`id="` + execUser + `", uri="http://acs.amazonaws.com/groups/global/AllUsers"`, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::photos/*"}}`,
		"photos.s3-website.eu-west-1.amazonaws.com", ".s3-website-.localhost", "{", "[]"} {
		f.Add(seed)
	}
	b := &bucket{Name: "photos", Account: "000000000000"}
	f.Fuzz(func(t *testing.T, s string) {
		fine := func(err error) {
			t.Helper()
			var e *aws.Error
			if err != nil && (!errors.As(err, &e) || e.Status < 400 || e.Status > 499) {
				t.Errorf("%q: %v", s, err)
			}
		}
		if p, err := parseFormPolicy(base64Of(s)); err == nil {
			fine(p.check(url.Values{"key": {s}}, "photos", s, time.Unix(0, 0)))
		} else {
			fine(err)
		}
		_, err := grantHeaders{read: &s}.grants()
		fine(err)
		if doc, err := parsePolicy(b, s); err == nil {
			publicPolicy(doc)
			if _, err := joined(&policyRecord{Text: s}, []statement{restriction(b)}); err != nil {
				t.Errorf("%q cannot be joined: %v", s, err)
			}
		} else {
			fine(err)
		}
		if name, ok := websiteBucket(s); ok && name == "" {
			t.Errorf("%q is the website of no bucket", s)
		}
		if _, err := url.Parse("http://h/" + escapePath(s)); err != nil && !strings.Contains(s, "%") {
			t.Errorf("%q is not escaped: %v", s, err)
		}
	})
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
