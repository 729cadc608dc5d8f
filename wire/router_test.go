package wire

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
)

func routes(patterns ...string) *Router {
	var ops []*aws.Operation
	for _, p := range patterns {
		method, uri, _ := strings.Cut(p, " ")
		ops = append(ops, &aws.Operation{Name: p, Method: method, URI: uri})
	}
	return NewRouter(ops)
}

func TestRouter(t *testing.T) {
	r := routes(
		"GET /", "GET /functions", "GET /functions/{Name}", "GET /functions/{Name}/code", "GET /functions/latest",
		"POST /functions/{Name}/invocations", "GET /tags/{ARN+}", "GET /restapis/{id}/resources/{rid}/methods/{m}",
		"GET /{Bucket}", "GET /{Bucket}?acl", "GET /{Bucket}/{Key+}", "GET /{Bucket}/{Key+}?uploadId", "GET /{Bucket}?list-type=2",
		"PUT /a/{rest+}/tail", "PUT /a/{rest+}",
	)
	for request, want := range map[string]string{
		"GET /":                                   "GET /",
		"GET /functions":                          "GET /functions",
		"GET /functions/":                         "GET /functions",
		"GET /functions/f":                        "GET /functions/{Name} Name=f",
		"GET /functions/latest":                   "GET /functions/latest",
		"GET /functions/f%2Fg/code":               "GET /functions/{Name}/code Name=f%2Fg",
		"POST /functions/f/invocations":           "POST /functions/{Name}/invocations Name=f",
		"POST /functions/f":                       "",
		"DELETE /functions/f":                     "",
		"GET /%66unctions":                        "GET /functions",
		"GET /tags/arn:aws:x%2Fy/z":               "GET /tags/{ARN+} ARN=arn:aws:x%2Fy/z",
		"GET /bucket":                             "GET /{Bucket} Bucket=bucket",
		"GET /bucket/":                            "GET /{Bucket} Bucket=bucket",
		"GET /bucket?acl":                         "GET /{Bucket}?acl Bucket=bucket",
		"GET /bucket?list-type=2&prefix=a":        "GET /{Bucket}?list-type=2 Bucket=bucket",
		"GET /bucket?list-type=1":                 "GET /{Bucket} Bucket=bucket",
		"GET /bucket/a//b/../c":                   "GET /{Bucket}/{Key+} Bucket=bucket Key=a//b/../c",
		"GET /bucket//a":                          "GET /{Bucket}/{Key+} Bucket=bucket Key=/a",
		"GET /bucket/a/":                          "GET /{Bucket}/{Key+} Bucket=bucket Key=a/",
		"GET /bucket/a?uploadId=1":                "GET /{Bucket}/{Key+}?uploadId Bucket=bucket Key=a",
		"PUT /a/b/c/tail":                         "PUT /a/{rest+}/tail rest=b/c",
		"PUT /a/b/c":                              "PUT /a/{rest+} rest=b/c",
		"PUT /a/tail":                             "PUT /a/{rest+} rest=tail",
		"PUT /a/":                                 "",
		"GET /restapis/1/resources/2/methods/GET": "GET /restapis/{id}/resources/{rid}/methods/{m} id=1 rid=2 m=GET",
	} {
		method, target, _ := strings.Cut(request, " ")
		path, raw, _ := strings.Cut(target, "?")
		query, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if op, params, ok := r.Match(method, path, query, nil); ok {
			got = op.Name
			for _, p := range params {
				got += " " + p.Name + "=" + p.Value
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", request, got, want)
		}
	}
}

// TestRouterAlso: newer models may have put an operation elsewhere, where it takes in its
// body what it takes in the query at the address that it had.
func TestRouterAlso(t *testing.T) {
	op := &aws.Operation{Service: &aws.Service{}, Name: "List", Method: "GET", URI: "/things", Also: []string{"POST /list-things"}}
	r := NewRouter([]*aws.Operation{op})
	for _, c := range []struct{ method, target, body string }{
		{"GET", "/things?next=b&size=2", ""}, {"POST", "/list-things", `{"next": "b", "size": 2}`},
	} {
		req := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
		got, params, ok := r.Match(c.method, req.URL.EscapedPath(), req.URL.Query(), req.Header)
		if !ok || got != op {
			t.Fatalf("%s %s: %v", c.method, c.target, got)
		}
		var in struct {
			Next *string `aws:"next,query"`
			Size *int32  `aws:"size,query"`
		}
		if err := Decode(aws.RestJSON, op, req, params, &in); err != nil || in.Next == nil || *in.Next != "b" || in.Size == nil || *in.Size != 2 {
			t.Errorf("%s %s: %v %v", c.method, c.target, in, err)
		}
	}
	if _, _, ok := r.Match("POST", "/things", nil, nil); ok {
		t.Error("an address of both")
	}
}

// TestRouterDemands: what a request has beside its path tells operations of one path
// apart.
func TestRouterDemands(t *testing.T) {
	const path = "/{Bucket}/{Key+}"
	put := func(name string, demands ...string) *aws.Operation {
		return &aws.Operation{Name: name, Method: "PUT", URI: path, Demands: demands}
	}
	r := NewRouter([]*aws.Operation{
		put("PutObject"), put("UploadPart", "?partNumber", "?uploadId"), put("CopyObject", "X-Amz-Copy-Source"),
		put("UploadPartCopy", "X-Amz-Copy-Source", "?partNumber", "?uploadId"),
	})
	for _, c := range []struct {
		query, source, want string
	}{
		{"", "", "PutObject"},
		{"partNumber=1", "", "PutObject"},
		{"partNumber=1&uploadId=a", "", "UploadPart"},
		{"", "/a/b", "CopyObject"},
		{"partNumber=1&uploadId=a", "/a/b", "UploadPartCopy"},
	} {
		query, _ := url.ParseQuery(c.query)
		header := http.Header{}
		if c.source != "" {
			header.Set("x-amz-copy-source", c.source)
		}
		op, _, ok := r.Match("PUT", "/b/k", query, header)
		if !ok || op.Name != c.want {
			t.Errorf("%q %q: %v, want %s", c.query, c.source, op, c.want)
		}
	}
}

// FuzzRouter holds that no path makes the router panic, and that what it captures is
// in the path.
func FuzzRouter(f *testing.F) {
	r := routes("GET /", "GET /a/{x}", "GET /a/{x}/b/{y+}", "GET /{z+}/end", "GET /{z}?q=1")
	for _, s := range []string{"/", "/a/b", "//", "/a/%zz/b/c", "", "/x/y/end", "/%2e%2e/"} {
		f.Add(s, "q=1")
	}
	f.Fuzz(func(t *testing.T, path, raw string) {
		query, _ := url.ParseQuery(raw)
		_, params, _ := r.Match("GET", path, query, nil)
		for _, p := range params {
			if p.Value == "" || !strings.Contains(path, p.Value) {
				t.Fatalf("%q: captured %q", path, p.Value)
			}
		}
	})
}
