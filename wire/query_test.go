package wire

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
)

type formInput struct {
	Name  *string             `aws:"Name"`
	Size  *int32              `aws:"size,ec2:Bytes"`
	Flags []bool              `aws:"Flags"`
	Items []string            `aws:"Item,flat,elem:Thing"`
	Tags  map[string]string   `aws:"Tags,key:Name,val:Value"`
	Flat  map[string]int32    `aws:"Flat,flat"`
	Kids  []formInput         `aws:"Kids,elem:Kid"`
	Kid   *formInput          `aws:"Kid"`
	Deep  map[string][]string `aws:"Deep"`
	Blob  []byte              `aws:"Blob"`
}

func formRequest(body string) *http.Request {
	return &http.Request{Method: "POST", URL: &url.URL{Path: "/"}, Header: http.Header{}, Body: NewBody([]byte(body))}
}

func TestQueryForms(t *testing.T) {
	for body, want := range map[string]formInput{
		"Name=a+b%26c&size=3":                                        {Name: str("a b&c"), Size: num(3)},
		"Flags.member.2=false&Flags.member.1=true":                   {Flags: []bool{true, false}},
		"Flags.member.10=false&Flags.member.9=true":                  {Flags: []bool{true, false}},
		"Flags.1=true":                                               {Flags: []bool{true}},
		"Flags=":                                                     {Flags: []bool{}},
		"Item.1=a&Item.2=b":                                          {Items: []string{"a", "b"}},
		"Thing.1=a":                                                  {Items: []string{"a"}},
		"Tags.entry.1.Name=k&Tags.entry.1.Value=v":                   {Tags: map[string]string{"k": "v"}},
		"Flat.1.key=k&Flat.1.value=7":                                {Flat: map[string]int32{"k": 7}},
		"Kids.Kid.1.Name=a&Kids.Kid.2.Kid.Name=b":                    {Kids: []formInput{{Name: str("a")}, {Kid: &formInput{Name: str("b")}}}},
		"Deep.entry.1.key=k&Deep.entry.1.value.member.1=x":           {Deep: map[string][]string{"k": {"x"}}},
		"Blob=Zm9v&Unknown.member.1=x&Action=Do&Version=2020-01-01&": {Blob: []byte("foo")},
		"Name=first&Name=last":                                       {Name: str("last")},
	} {
		var in formInput
		if err := Decode(aws.Query, benchOp, formRequest(body), nil, &in); err != nil {
			t.Errorf("%s: %v", body, err)
		} else if !reflect.DeepEqual(in, want) {
			t.Errorf("%s: %s", body, show(plain(reflect.ValueOf(in))))
		}
	}
	for body, want := range map[string]string{
		"size=x":                               "Value 'x' at 'size' can not be converted to Integer",
		"size.member.1=1":                      "Unexpected complex element at 'size'",
		"Name=%zz":                             "The form of the request could not be parsed",
		"Flags.member.1=x":                     "Value 'x' at '1' can not be converted to Boolean",
		"Blob=?":                               "Value '?' at 'blob' can not be converted to Blob",
		strings.Repeat("Kid.", 100) + "Name=x": "The form of the request could not be parsed",
	} {
		err := Decode(aws.Query, benchOp, formRequest(body), nil, &formInput{})
		if e, ok := err.(*aws.Error); !ok || e.Message != want || e.Code != "SerializationException" {
			t.Errorf("%.60s: %v, want %s", body, err, want)
		}
	}
}

func num(i int32) *int32 { return &i }

// In ec2, names have a capital, or are the model's queryName; lists are flat.
func TestEC2Form(t *testing.T) {
	var in formInput
	err := Decode(aws.EC2, benchOp, formRequest("Name=a&Bytes=1&Item.1=x&Kids.1.Bytes=2"), nil, &in)
	if err != nil || *in.Size != 1 || in.Items[0] != "x" || *in.Kids[0].Size != 2 {
		t.Errorf("%v, %s", err, show(plain(reflect.ValueOf(in))))
	}
}

// The numbers in a form have no say in how much memory it takes.
func TestQueryIndexBomb(t *testing.T) {
	body := "Flags.member.999999999=true&Item.2147483647=x&Item.99999999999999999999=y&Kids.Kid.1000000000.Name=z"
	var in formInput
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := Decode(aws.Query, benchOp, formRequest(body), nil, &in); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if len(in.Flags) != 1 || len(in.Items) != 1 || len(in.Kids) != 1 {
		t.Errorf("decoded %s", show(plain(reflect.ValueOf(in))))
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
		t.Errorf("%d bytes for a form of %d", n, len(body))
	}
}

func TestQueryInURL(t *testing.T) {
	r := formRequest("")
	r.Method, r.URL.RawQuery = "GET", "Action=Do&Name=x"
	var in formInput
	if err := Decode(aws.Query, benchOp, r, nil, &in); err != nil || *in.Name != "x" {
		t.Errorf("%v, %v", in.Name, err)
	}
}

func TestGzip(t *testing.T) {
	pack := func(s string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return b.Bytes()
	}
	for encoding, body := range map[string][]byte{"gzip": pack(`{"String":"a"}`), "custom, gzip": pack(`{"String":"a"}`)} {
		r := &http.Request{URL: &url.URL{Path: "/"}, Header: http.Header{"Content-Encoding": {encoding}}, Body: NewBody(body)}
		var in sink
		if err := Decode(aws.JSON, benchOp, r, nil, &in); err != nil || *in.String != "a" {
			t.Errorf("%s: %v", encoding, err)
		}
	}
	for want, body := range map[string][]byte{
		"SerializationException":         []byte("not gzip"),
		"RequestEntityTooLargeException": pack(strings.Repeat(" ", maxInflated+1)),
	} {
		r := &http.Request{URL: &url.URL{Path: "/"}, Header: http.Header{"Content-Encoding": {"gzip"}}, Body: NewBody(body)}
		if err := Decode(aws.JSON, benchOp, r, nil, &sink{}); aws.CodeOf(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A body that is longer than the door lets in says so.
func TestBodyTooLarge(t *testing.T) {
	r := formRequest("")
	r.Body = http.MaxBytesReader(nil, NewBody([]byte(`{"String":"abcdefgh"}`)), 10)
	if err := Decode(aws.JSON, benchOp, r, nil, &sink{}); aws.CodeOf(err) != "RequestEntityTooLargeException" {
		t.Error(err)
	}
}

// TestQueryNames: a service that speaks json and spoke query calls some members
// otherwise in forms and their answers.
func TestQueryNames(t *testing.T) {
	type value struct {
		Texts []string `aws:"StringListValues,flat,q:StringListValue"`
	}
	type message struct {
		Attributes map[string]value `aws:"MessageAttributes,flat,q:MessageAttribute,key:Name,val:Value"`
		Keys       []string         `aws:"TagKeys,flat,q:TagKey"`
	}
	op := &aws.Operation{Service: &aws.Service{JSONVersion: "1.0"}, Name: "Send", ResultWrapper: "SendResult"}
	want := message{map[string]value{"a": {[]string{"x", "y"}}}, []string{"k"}}
	for p, body := range map[aws.Protocol]string{
		aws.Query: "MessageAttribute.1.Name=a&MessageAttribute.1.Value.StringListValue.1=x&MessageAttribute.1.Value.StringListValue.2=y&TagKey.1=k",
		aws.JSON:  `{"MessageAttributes": {"a": {"StringListValues": ["x", "y"]}}, "TagKeys": ["k"]}`,
	} {
		var in message
		if err := Decode(p, op, formRequest(body), nil, &in); err != nil || !reflect.DeepEqual(in, want) {
			t.Errorf("%s: %+v %v", p, in, err)
		}
	}
	for p, body := range map[aws.Protocol]string{
		aws.Query: `<SendResponse><SendResult><MessageAttribute><Name>a</Name><Value><StringListValue>x</StringListValue><StringListValue>y</StringListValue></Value></MessageAttribute><TagKey>k</TagKey></SendResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></SendResponse>`,
		aws.JSON:  `{"MessageAttributes":{"a":{"StringListValues":["x","y"]}},"TagKeys":["k"]}`,
	} {
		r, err := Marshal(p, op, &want, "1")
		if err != nil || string(r.Body) != body {
			t.Errorf("%s: %s %v", p, r.Body, err)
		}
	}
}
