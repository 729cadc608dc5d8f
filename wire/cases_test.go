package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
)

// A suite is a file's element of botocore's protocol cases: a model, and cases with
// it.
type suite struct {
	Description string
	Metadata    struct {
		Protocol, APIVersion, JSONVersion, TargetPrefix, EndpointPrefix string
		AWSQueryCompatible                                              *struct{}
	}
	Shapes map[string]*shape
	Cases  []*testCase
}

// A testCase is one conversation, or half of it, with what it means.
type testCase struct {
	ID          string
	Description string
	Given       struct {
		Name          string
		HTTP          struct{ Method, RequestURI string }
		Input, Output *struct {
			Shape, LocationName string
			XMLNamespace        *xmlNamespace `json:"xmlNamespace"`
		}
		Errors []struct{ Shape string }
	}
	Params     map[string]any
	Serialized struct {
		Method, URI, Body string
		Headers           map[string]string
	}
	Result       map[string]any
	Error        map[string]any
	ErrorCode    string
	ErrorMessage string
	Response     struct {
		StatusCode int `json:"status_code"`
		Headers    map[string]string
		Body       string
	}
}

// TestCases runs botocore's protocol cases in reverse: what a client sends must
// decode to what it was given, and what a service answers must encode to what the
// client expects. Cases that do not apply to a server are in notForServers, each
// with its reason.
func TestCases(t *testing.T) {
	dir := caseDir(t)
	ran, left := 0, 0
	seen := map[string]bool{}
	for _, half := range []string{"input", "output"} {
		files, err := filepath.Glob(filepath.Join(dir, half, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no cases in %s: %v", dir, err)
		}
		for _, file := range files {
			name := half + "/" + strings.TrimSuffix(filepath.Base(file), ".json")
			for _, s := range readSuites(t, file) {
				for _, c := range s.Cases {
					id := name + "/" + c.ID
					seen[id] = true
					if notForServers[id] != "" {
						left++
						continue
					}
					ran++
					t.Run(id, func(t *testing.T) {
						if half == "input" {
							s.request(t, c, queryMaps[id])
						} else {
							s.response(t, c)
						}
					})
				}
			}
		}
	}
	for id := range notForServers {
		if !seen[id] {
			t.Errorf("%s is left out and does not exist", id)
		}
	}
	for id := range queryMaps {
		if !seen[id] {
			t.Errorf("%s is spoken of and does not exist", id)
		}
	}
	t.Logf("%d protocol cases ran, %d do not apply to a server", ran, left)
	if ran < 600 {
		t.Errorf("only %d cases ran", ran)
	}
}

// caseDir finds the source distribution of botocore.
func caseDir(t *testing.T) string {
	root := os.Getenv("TULE_BOTOCORE")
	if root == "" {
		root = filepath.Join("..", ".cache", "botocore-1.43.11")
	}
	dir := filepath.Join(root, "tests", "unit", "protocols")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("TULE_REQUIRE_CASES") == "1" {
			t.Fatalf("botocore's protocol cases are missing: %v", err)
		}
		t.Skip("botocore's protocol cases are not here; run `make setup`")
	}
	return dir
}

func readSuites(t *testing.T, file string) []*suite {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var suites []*suite
	if err := json.Unmarshal(text, &suites); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return suites
}

func (s *suite) operation(c *testCase) (aws.Protocol, *aws.Operation) {
	service := &aws.Service{
		ID: "Cases", EndpointPrefix: s.Metadata.EndpointPrefix, TargetPrefix: s.Metadata.TargetPrefix,
		JSONVersion: s.Metadata.JSONVersion, APIVersion: s.Metadata.APIVersion,
		QueryErrors: s.Metadata.AWSQueryCompatible != nil,
	}
	op := &aws.Operation{
		Service: service, Name: c.Given.Name, Method: c.Given.HTTP.Method, URI: c.Given.HTTP.RequestURI,
		Status: c.Response.StatusCode,
	}
	p := aws.Protocol(s.Metadata.Protocol)
	if p == aws.Query && c.Given.Output != nil && len(s.Shapes[c.Given.Output.Shape].Members) > 0 {
		op.ResultWrapper = op.Name + "Result"
	}
	return p, op
}

func (s *suite) model() *caseModel { return &caseModel{s.Shapes, map[string]int{}} }

func (c *testCase) body(t *testing.T, p aws.Protocol, text string) []byte {
	if p != aws.CBOR {
		return []byte(text)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// request decodes the request of an input case. QueryMap, if not empty, names a
// member that is not compared.
func (s *suite) request(t *testing.T, c *testCase, queryMap string) {
	p, op := s.operation(c)
	u, err := url.Parse("http://example.com" + c.Serialized.URI)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{
		Method: c.Serialized.Method, URL: u, Header: http.Header{}, Host: "example.com",
		Body: io.NopCloser(bytes.NewReader(c.body(t, p, c.Serialized.Body))),
	}
	for k, v := range c.Serialized.Headers {
		r.Header.Set(k, v)
	}
	var params Params
	if p == aws.RestJSON || p == aws.RestXML {
		found, ps, ok := NewRouter([]*aws.Operation{op}).Match(r.Method, u.EscapedPath(), u.Query(), r.Header)
		if !ok || found != op {
			t.Fatalf("no operation for %s %s (pattern %s)", r.Method, c.Serialized.URI, op.URI)
		}
		params = ps
	}
	if c.Given.Input == nil {
		if err := Decode(p, op, r, params, &aws.Empty{}); err != nil {
			t.Fatal(err)
		}
		return
	}
	m := s.model()
	in := reflect.New(m.structure(c.Given.Input.Shape))
	if err := Decode(p, op, r, params, in.Interface()); err != nil {
		t.Fatalf("%v\nrequest %s", err, c.Serialized.Body)
	}
	want := m.normal(c.Given.Input.Shape, nil, any(c.Params))
	got := plain(in.Elem())
	if queryMap != "" {
		delete(want.(map[string]any), queryMap)
		delete(got.(map[string]any), queryMap)
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("request %+v\n got %s\nwant %s", c.Serialized, show(got), show(want))
	}
	if err := Validate(op, in.Interface()); err != nil {
		t.Error(err)
	}
}

func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// response encodes the answer of an output case.
func (s *suite) response(t *testing.T, c *testCase) {
	p, op := s.operation(c)
	if c.Error != nil {
		s.failure(t, c, p, op)
		return
	}
	op.Service.XMLNamespace = rootNamespace(c.Response.Body)
	out := reflect.New(emptyType)
	if c.Given.Output != nil {
		m := s.model()
		out = reflect.New(m.structure(c.Given.Output.Shape))
		m.fill(out.Elem(), c.Given.Output.Shape, nil, any(c.Result))
	}
	r, err := Marshal(p, op, out.Interface(), requestIDOf(c))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := r.Send(w); err != nil {
		t.Fatal(err)
	}
	s.compare(t, c, p, w)
}

func (s *suite) compare(t *testing.T, c *testCase, p aws.Protocol, w *httptest.ResponseRecorder) {
	if w.Code != c.Response.StatusCode {
		t.Errorf("status %d, want %d", w.Code, c.Response.StatusCode)
	}
	for k, want := range c.Response.Headers {
		if k == "Content-Type" && mediaType(w.Header().Get(k)) == mediaType(want) || lenientHeader(k) {
			continue
		}
		got := w.Header().Get(k)
		if lower := w.Header()[strings.ToLower(k)]; len(lower) > 0 {
			got = lower[0] // names that a caller chose are as he wrote them
		}
		if got != want {
			t.Errorf("header %s: %q, want %q", k, got, want)
		}
	}
	want, got := c.body(t, p, c.Response.Body), w.Body.Bytes()
	if err := equivalent(p, want, got, s.keyNames()); err != nil {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

// keyNames are the names of elements that hold keys of maps.
func (s *suite) keyNames() map[string]bool {
	out := map[string]bool{"key": true}
	for _, sh := range s.Shapes {
		if sh.Type == "map" && sh.Key.LocationName != "" {
			out[sh.Key.LocationName] = true
		}
	}
	return out
}

func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return s
}

// lenientHeader reports whether a header is in the cases to show that clients pass
// over it.
func lenientHeader(name string) bool {
	return strings.EqualFold(name, "x-amzn-errortype") || strings.EqualFold(name, "x-amzn-requestid") ||
		strings.EqualFold(name, "x-amz-target")
}

func requestIDOf(c *testCase) string {
	for k, v := range c.Response.Headers {
		if strings.EqualFold(k, "x-amzn-requestid") {
			return v
		}
	}
	return "requestid"
}
