package wire

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/aws/awsjson"
)

// A putInput is what a hot operation's input looks like: few scalars, and a map of a
// hand-coded type.
type putInput struct {
	ConditionExpression       *string              `aws:"ConditionExpression"`
	ExpressionAttributeNames  map[string]string    `aws:"ExpressionAttributeNames" check:"[len:..65535]"`
	ExpressionAttributeValues map[string]attribute `aws:"ExpressionAttributeValues"`
	Item                      map[string]attribute `aws:"Item,required"`
	ReturnConsumedCapacity    *string              `aws:"ReturnConsumedCapacity" check:"enum:INDEXES|TOTAL|NONE"`
	ReturnValues              *string              `aws:"ReturnValues" check:"enum:NONE|ALL_OLD|UPDATED_OLD|ALL_NEW|UPDATED_NEW"`
	TableName                 *string              `aws:"TableName,required" check:"len:1..1024"`
}

// An attribute is a tagged union, hand-coded.
type attribute struct {
	kind byte // of S, N, M, L
	text string
	m    map[string]attribute
	l    []attribute
}

var (
	_ awsjson.Appender = attribute{}
	_ awsjson.Parser   = (*attribute)(nil)
)

func (a attribute) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, '{', '"', a.kind, '"', ':')
	var err error
	switch a.kind {
	case 'M':
		b = append(b, '{')
		for k, e := range a.m {
			if b, err = e.AppendJSON(awsjson.AppendKey(b, k)); err != nil {
				return b, err
			}
		}
		b = append(b, '}')
	case 'L':
		b = append(b, '[')
		for _, e := range a.l {
			if b, err = e.AppendJSON(awsjson.AppendNext(b)); err != nil {
				return b, err
			}
		}
		b = append(b, ']')
	default:
		b = awsjson.AppendString(b, a.text)
	}
	return append(b, '}'), nil
}

func (a *attribute) ParseJSON(r *awsjson.Reader) error {
	return r.Object(func(key []byte) (err error) {
		switch string(key) {
		case "S", "N":
			a.kind = key[0]
			a.text, err = r.String()
		case "M":
			a.kind, a.m = 'M', map[string]attribute{}
			err = r.Object(func(key []byte) error {
				k := string(key)
				var e attribute
				err := e.ParseJSON(r)
				a.m[k] = e
				return err
			})
		case "L":
			a.kind = 'L'
			err = r.Array(func() error {
				var e attribute
				err := e.ParseJSON(r)
				a.l = append(a.l, e)
				return err
			})
		}
		return err
	})
}

var benchOp = &aws.Operation{Name: "PutItem", Method: "POST", URI: "/", Status: 200, Service: &aws.Service{
	Package: "tables", EndpointPrefix: "tables", TargetPrefix: "Tables_20120810", JSONVersion: "1.0",
	Invalid: "ValidationException", Malformed: "SerializationException",
}}

// putText is a request of about a kilobyte, with ten attributes.
func putText() []byte {
	var b strings.Builder
	b.WriteString(`{"TableName":"movies","ReturnConsumedCapacity":"TOTAL","Item":{`)
	for i := range 6 {
		fmt.Fprintf(&b, `"attribute%d":{"S":%q},`, i, strings.Repeat("x", 100))
	}
	b.WriteString(`"year":{"N":"1972"},"rating":{"N":"9.2"},"cast":{"L":[{"S":"Marlon Brando"},{"S":"Al Pacino"}]},` +
		`"info":{"M":{"director":{"S":"Coppola"}}}}}`)
	return []byte(b.String())
}

func BenchmarkDecodeJSON(b *testing.B) {
	text := putText()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	r := &http.Request{Method: "POST", URL: &url.URL{Path: "/"}, Header: http.Header{}}
	for b.Loop() {
		r.Body = NewBody(text)
		var in putInput
		if err := Decode(aws.JSON, benchOp, r, nil, &in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	r := &http.Request{Method: "POST", URL: &url.URL{Path: "/"}, Header: http.Header{}, Body: NewBody(putText())}
	var in putInput
	if err := Decode(aws.JSON, benchOp, r, nil, &in); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := Validate(benchOp, &in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshalJSON(b *testing.B) {
	r := &http.Request{Method: "POST", URL: &url.URL{Path: "/"}, Header: http.Header{}, Body: NewBody(putText())}
	var out putInput
	if err := Decode(aws.JSON, benchOp, r, nil, &out); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		res, err := Marshal(aws.JSON, benchOp, &out, "id")
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(res.Body)))
		res.Release()
	}
}

// What is measured is what came in.
func TestHandCodedRoundTrip(t *testing.T) {
	r := &http.Request{Method: "POST", URL: &url.URL{Path: "/"}, Header: http.Header{}, Body: NewBody(putText())}
	var in putInput
	if err := Decode(aws.JSON, benchOp, r, nil, &in); err != nil {
		t.Fatal(err)
	}
	if len(in.Item) != 10 || in.Item["info"].m["director"].text != "Coppola" || *in.TableName != "movies" {
		t.Errorf("decoded %+v", in)
	}
	res, err := Marshal(aws.JSON, benchOp, &in, "id")
	if err != nil {
		t.Fatal(err)
	}
	if err := equalValues(putText(), bytes.Clone(res.Body), parseAnyJSON); err != nil {
		t.Error(err)
	}
}
