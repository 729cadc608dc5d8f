package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tule-cloud/tule/aws"
)

// equivalent compares two bodies by what they say, with parsers that are not ours
// where there are such. KeyNames are what the model calls the keys of maps in XML.
func equivalent(p aws.Protocol, want, got []byte, keyNames map[string]bool) error {
	if bytes.Equal(want, got) {
		return nil
	}
	switch p {
	case aws.CBOR:
		return equalValues(want, got, parseAnyCBOR)
	case aws.JSON, aws.RestJSON:
		return equalValues(want, got, parseAnyJSON)
	}
	return equalValues(want, got, keyed(keyNames).parse)
}

func equalValues(want, got []byte, parse func([]byte) (any, error)) error {
	w, err := parse(want)
	if err != nil {
		return fmt.Errorf("want: %w", err)
	}
	g, err := parse(got)
	if err != nil {
		return fmt.Errorf("got: %w", err)
	}
	if !reflect.DeepEqual(w, g) {
		return fmt.Errorf("another body:\n got %s\nwant %s", show(g), show(w))
	}
	return nil
}

// An empty body says as much as an empty object.
func parseAnyJSON(b []byte) (v any, err error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return map[string]any{}, nil
	}
	if err = json.Unmarshal(b, &v); err != nil {
		return string(b), nil // a payload that is text
	}
	return utcTimes(v), nil
}

// utcTimes writes the times in v, which have several forms, in one.
func utcTimes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = utcTimes(e)
		}
	case []any:
		for i, e := range v {
			v[i] = utcTimes(e)
		}
	case string:
		return utcTime(v)
	}
	return v
}

func utcTime(s string) string {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC().Format(time.RFC3339Nano)
	}
	return s
}

func parseAnyCBOR(b []byte) (v any, err error) {
	if len(b) == 0 {
		return map[string]any{}, nil
	}
	err = cbor.Unmarshal(b, &v)
	return plainCBOR(v), err
}

// plainCBOR forgets how wide numbers are.
func plainCBOR(v any) any {
	switch v := v.(type) {
	case map[any]any:
		out := map[string]any{}
		for k, e := range v {
			out[fmt.Sprint(k)] = plainCBOR(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, plainCBOR(e))
		}
		return out
	case uint64:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		if math.IsNaN(v) {
			return "NaN"
		}
		return v
	case []byte:
		return string(v)
	}
	if t, ok := v.(interface{ UnixMilli() int64 }); ok {
		return float64(t.UnixMilli()) / 1000
	}
	return v
}

// keyed are the names of elements that hold a map's keys.
type keyed map[string]bool

// parse makes of a document nested lists: name, attributes, text or children. Members
// have no order, nor have the entries of maps; elements of lists do. Namespaces
// below the root are left out: models give them to elements of lists and to keys of
// maps, and no client has been seen to look.
func (k keyed) parse(b []byte) (any, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, nil
	}
	root, err := parseXML(b)
	if err != nil {
		return string(b), nil // a payload that is text
	}
	return k.plain(root, true), nil
}

// given by the cases without being named in them
var metadata = []string{"RequestId", "requestId", "RequestID", "ResponseMetadata"}

func (k keyed) plain(e *element, root bool) any {
	attrs := []string{}
	for _, a := range e.attrs {
		if root || a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			attrs = append(attrs, a.Name.Local+"="+a.Value)
		}
	}
	slices.Sort(attrs)
	if len(e.kids) == 0 {
		text := e.text
		if strings.TrimSpace(text) == "" && (root || strings.Contains(text, "\n")) {
			text = "" // layout
		}
		return []any{e.name, attrs, utcTime(text)}
	}
	kids := slices.Clone(e.kids)
	slices.SortStableFunc(kids, func(a, b *element) int {
		if a.name == b.name && k.key(a) != "" {
			return cmp.Compare(k.key(a), k.key(b))
		}
		return cmp.Compare(a.name, b.name)
	})
	out := []any{e.name, attrs}
	for _, kid := range kids {
		if !slices.Contains(metadata, kid.name) {
			out = append(out, k.plain(kid, false))
		}
	}
	return out
}

// key is the key in e, if e is an entry of a map.
func (k keyed) key(e *element) string {
	for _, kid := range e.kids {
		if k[kid.name] && len(e.kids) == 2 {
			return kid.text
		}
	}
	return ""
}

// rootNamespace is the default namespace of a document, which the cases' models do
// not state.
func rootNamespace(body string) string {
	dec := xml.NewDecoder(strings.NewReader(body))
	for {
		tok, err := dec.Token()
		if err != nil {
			return ""
		}
		if start, ok := tok.(xml.StartElement); ok {
			for _, a := range start.Attr {
				if a.Name.Local == "xmlns" && a.Name.Space == "" {
					return a.Value
				}
			}
			return ""
		}
	}
}

// failure encodes the error of an output case, and reads it as clients do: the code
// from the places where AWS has put it over the years, the rest from the body.
func (s *suite) failure(t *testing.T, c *testCase, p aws.Protocol, op *aws.Operation) {
	m := s.model()
	e := &aws.Error{Code: c.ErrorCode, Message: c.ErrorMessage, Status: c.Response.StatusCode}
	for _, ref := range c.Given.Errors {
		sh := m.shapes[ref.Shape]
		if ref.Shape != c.ErrorCode && sh.Error.Code != c.ErrorCode {
			continue
		}
		e.Code = ref.Shape
		if sh.Error.Code != "" && sh.Error.Code != ref.Shape {
			e.QueryCode = sh.Error.Code
		}
		for _, name := range []string{"message", "Message"} {
			if text, ok := c.Error[name].(string); ok {
				e.Message, e.MessageName = text, name
			}
		}
		detail := reflect.New(m.structure(ref.Shape, "message", "Message"))
		m.fill(detail.Elem(), ref.Shape, nil, any(c.Error))
		e.Detail = detail.Interface()
	}
	w := httptest.NewRecorder()
	if err := MarshalError(p, op.Service, e, "foo-id").Send(w); err != nil {
		t.Fatal(err)
	}
	want := httptest.NewRecorder()
	want.Code = c.Response.StatusCode
	for k, v := range c.Response.Headers {
		want.Header().Set(k, v)
	}
	wantCode, wantBody := readFailure(t, p, want, c.body(t, p, c.Response.Body), e.Message != "")
	gotCode, gotBody := readFailure(t, p, w, w.Body.Bytes(), e.Message != "")
	if gotCode != wantCode || w.Code != want.Code {
		t.Errorf("%d %s, want %d %s", w.Code, gotCode, want.Code, wantCode)
	}
	if !reflect.DeepEqual(gotBody, wantBody) {
		t.Errorf("body\n got %s\nwant %s", show(gotBody), show(wantBody))
	}
	for k, v := range c.Response.Headers {
		if !lenientHeader(k) && mediaType(w.Header().Get(k)) != mediaType(v) {
			t.Errorf("header %s: %q, want %q", k, w.Header().Get(k), v)
		}
	}
}

// readFailure is an error's code and its body without the code.
func readFailure(t *testing.T, p aws.Protocol, w *httptest.ResponseRecorder, body []byte, message bool) (string, any) {
	code := w.Header().Get("x-amzn-errortype")
	var v any
	var err error
	switch p {
	case aws.Query, aws.EC2, aws.RestXML:
		root, err := parseXML(body)
		if err != nil {
			t.Fatal(err)
		}
		return readXMLFailure(root, message)
	case aws.CBOR:
		v, err = parseAnyCBOR(body)
	default:
		v, err = parseAnyJSON(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	members := v.(map[string]any)
	for _, key := range []string{"__type", "code"} {
		if s, ok := members[key].(string); ok {
			code = s
			delete(members, key)
		}
	}
	code, _, _ = strings.Cut(code, ":")
	return code[strings.IndexByte(code, '#')+1:], members
}

// readXMLFailure leaves the message out if the case does not speak of one.
func readXMLFailure(root *element, message bool) (code string, rest any) {
	e := root
	for len(e.kids) > 0 && e.name != "Error" {
		e = e.kids[0]
	}
	e.kids = slices.DeleteFunc(e.kids, func(k *element) bool {
		if k.name == "Code" {
			code = k.text
		}
		return k.name == "Code" || k.name == "AnotherSetting" || k.name == "RequestId" || k.name == "Message" && !message
	})
	return code, keyed(nil).plain(e, false)
}
