package wire

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

type putObject struct {
	Bucket  *string           `aws:"Bucket,uri,required"`
	Key     *string           `aws:"Key,uri,required"`
	Version *int64            `aws:"versionId,query"`
	Names   []string          `aws:"X-Names,header"`
	Dates   []time.Time       `aws:"X-Dates,header"`
	Secret  *string           `aws:"X-Secret,header,json"`
	Length  *int64            `aws:"Content-Length,header"`
	Meta    map[string]string `aws:"X-Meta-,headers"`
	Body    io.Reader         `aws:"Body,payload,stream"`
}

type getObject struct {
	Status *int32            `aws:"Status,status"`
	Type   *string           `aws:"Content-Type,header"`
	Names  []string          `aws:"X-Names,header"`
	Dates  []time.Time       `aws:"X-Dates,header"`
	Meta   map[string]string `aws:"X-Meta-,headers"`
	Body   io.ReadCloser     `aws:"Body,payload,stream"`
}

var objectOp = &aws.Operation{Name: "Object", Method: "PUT", URI: "/{Bucket}/{Key+}", Status: 200, Service: &aws.Service{Malformed: "Bad"}}

func TestRestBindings(t *testing.T) {
	r := httptest.NewRequest("PUT", "/b%20c/k%2F1//2?versionId=7", io.NopCloser(strings.NewReader("content")))
	r.Header.Set("X-Names", `a, "b, \"c\"" ,d`)
	r.Header.Set("X-Dates", "Mon, 16 Dec 2019 23:48:18 GMT, Tue, 17 Dec 2019 23:48:18 GMT")
	r.Header.Set("X-Secret", "eyJhIjoxfQ==")
	r.Header.Set("X-Meta-Color", "red")
	r.ContentLength = 7
	op, params, ok := NewRouter([]*aws.Operation{objectOp}).Match(r.Method, r.URL.EscapedPath(), r.URL.Query(), r.Header)
	if !ok {
		t.Fatal("no match")
	}
	var in putObject
	if err := Decode(aws.RestXML, op, r, params, &in); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(in.Body)
	if err != nil || string(body) != "content" || *in.Bucket != "b c" || *in.Key != "k/1//2" || *in.Version != 7 || *in.Length != 7 {
		t.Errorf("decoded %+v, body %q, %v", in, body, err)
	}
	if !reflect.DeepEqual(in.Names, []string{"a", `b, "c"`, "d"}) || len(in.Dates) != 2 || in.Dates[1].Day() != 17 ||
		*in.Secret != `{"a":1}` || in.Meta["color"] != "red" {
		t.Errorf("headers %+v", in)
	}
	for header, value := range map[string]string{"X-Dates": "x", "X-Secret": "?"} {
		r.Header.Set(header, value)
		if err := Decode(aws.RestXML, op, r, params, &in); aws.CodeOf(err) != "Bad" {
			t.Errorf("%s: %v", header, err)
		}
		r.Header.Del(header)
	}
	r.URL.RawQuery = "versionId=x"
	if err := Decode(aws.RestXML, op, r, params, &in); aws.CodeOf(err) != "Bad" {
		t.Error(err)
	}
	r.URL = &url.URL{Path: "/", RawQuery: "a=%zz"}
	if err := Decode(aws.RestXML, op, r, params, &in); aws.CodeOf(err) != "Bad" {
		t.Error(err)
	}
}

// A closing reports that it was closed.
type closing struct {
	io.Reader
	closed *bool
}

func (c closing) Close() error { *c.closed = true; return nil }

func TestRestStream(t *testing.T) {
	status, kind, closed := int32(206), "text/css", false
	day := time.Date(2019, 12, 16, 23, 48, 18, 5e8, time.UTC)
	out := &getObject{Status: &status, Type: &kind, Names: []string{"a", "b, c", `d"`}, Dates: []time.Time{day, day},
		Meta: map[string]string{"color": "red"}, Body: closing{strings.NewReader("content"), &closed}}
	res, err := Marshal(aws.RestXML, objectOp, out, "id")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := res.Send(w); err != nil {
		t.Fatal(err)
	}
	res.Release()
	h := w.Header()
	if w.Code != 206 || w.Body.String() != "content" || !closed || h.Get("Content-Type") != "text/css" || h["x-meta-color"][0] != "red" {
		t.Errorf("%d %q closed %v, %v", w.Code, w.Body, closed, h)
	}
	if h.Get("X-Names") != `a, "b, c", "d\""` || h.Get("X-Dates") != "Mon, 16 Dec 2019 23:48:18 GMT, Mon, 16 Dec 2019 23:48:18 GMT" {
		t.Errorf("lists %v", h)
	}
	closed = false
	if res, err = Marshal(aws.RestXML, objectOp, out, "id"); err != nil {
		t.Fatal(err)
	}
	if res.Release(); !closed {
		t.Error("a stream that was never sent stays open")
	}
}

// An answer without content has neither body nor length.
func TestNoContent(t *testing.T) {
	op := &aws.Operation{Name: "Delete", Status: http.StatusNoContent, Service: &aws.Service{}}
	for _, out := range []any{&aws.Empty{}, &struct{}{}} {
		res, err := Marshal(aws.RestJSON, op, out, "id")
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if err := res.Send(w); err != nil || w.Code != 204 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "" {
			t.Errorf("%v: %d %q %v", err, w.Code, w.Body, w.Header())
		}
	}
}
