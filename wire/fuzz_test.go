package wire

import (
	"bytes"
	"net/http"
	"net/url"
	"reflect"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tule-cloud/tule/aws"
)

// A basin is a sink without what only JSON has.
type basin struct {
	_       struct{}          `aws:"Basin"`
	String  *string           `aws:"String"`
	Attr    *string           `aws:"attr,attr"`
	Bool    *bool             `aws:"Bool"`
	Int     *int32            `aws:"Int"`
	Long    *int64            `aws:"Long"`
	Float   *float32          `aws:"Float"`
	Double  *float64          `aws:"Double"`
	Time    *time.Time        `aws:"Time"`
	Blob    []byte            `aws:"Blob"`
	Strings []string          `aws:"Strings"`
	Flat    []int32           `aws:"Flat,flat"`
	Map     map[string]string `aws:"Map"`
	FlatMap map[string]basin  `aws:"FlatMap,flat"`
	Basins  []basin           `aws:"Basins"`
	Basin   *basin            `aws:"Basin"`
	Union   *choice           `aws:"Union"`
}

func fullBasin() *basin {
	s, b, i, l, f, d, at := "a <&> é\n", true, int32(-3), int64(1)<<60, float32(1.5), 1e-9, time.UnixMilli(1577934245500).UTC()
	return &basin{String: &s, Attr: &s, Bool: &b, Int: &i, Long: &l, Float: &f, Double: &d, Time: &at, Blob: []byte{0, 255},
		Strings: []string{"", "x"}, Flat: []int32{1, -1}, Map: map[string]string{"k": "v"}, FlatMap: map[string]basin{"m": {Int: &i}},
		Basins: []basin{{String: &s}, {}}, Basin: &basin{Basin: &basin{}}, Union: &choice{A: &s}}
}

var fuzzOp = &aws.Operation{Name: "Fuzz", Method: "POST", URI: "/", Status: 200, Service: &aws.Service{Malformed: "Bad"}}

// bodyProtocols are those whose requests and answers have the same form.
var bodyProtocols = []aws.Protocol{aws.JSON, aws.RestXML, aws.CBOR, aws.AmzCBOR}

// What is written reads back the same, in every protocol.
func TestRoundTrip(t *testing.T) {
	for _, p := range bodyProtocols {
		in := fullBasin()
		res, err := Marshal(p, fuzzOp, in, "id")
		if err != nil {
			t.Fatal(err)
		}
		var back basin
		if err := decodeBasin(p, res.Body, &back); err != nil || !reflect.DeepEqual(&back, in) {
			t.Errorf("%s: %v\n got %s\nwant %s\nbody %q", p, err, show(plain(reflect.ValueOf(back))), show(plain(reflect.ValueOf(in))), res.Body)
		}
	}
}

func decodeBasin(p aws.Protocol, body []byte, in *basin) error {
	r := &http.Request{Method: "POST", URL: &url.URL{Path: "/"}, Header: http.Header{}, Body: NewBody(body)}
	return Decode(p, fuzzOp, r, nil, in)
}

// fuzzBody is what every codec has to bear: errors are AWS's, what was read can be
// checked, written, and read again the same, and memory stays in proportion.
func fuzzBody(t *testing.T, p aws.Protocol, body []byte) {
	before := allocated()
	var in basin
	err := decodeBasin(p, bytes.Clone(body), &in)
	if n := allocated() - before; n > 4<<20+4096*uint64(len(body)) {
		t.Fatalf("%s: %d bytes for a body of %d", p, n, len(body))
	}
	if err != nil {
		if e, ok := err.(*aws.Error); !ok || e.Code != "Bad" || e.Status != 400 {
			t.Fatalf("%s: %v", p, err)
		}
		return
	}
	if err := Validate(fuzzOp, &in); err != nil {
		t.Fatalf("%s: %v", p, err)
	}
	for _, q := range append(bodyProtocols, aws.Query, aws.EC2) {
		res, err := Marshal(q, fuzzOp, &in, "id")
		if err != nil {
			t.Fatalf("%s to %s: %v", p, q, err)
		}
		var back basin
		if q == p && (p == aws.JSON || p == aws.CBOR || p == aws.AmzCBOR) {
			if err := decodeBasin(q, bytes.Clone(res.Body), &back); err != nil {
				t.Fatalf("%s: %v reading %q", q, err, res.Body)
			}
			if got, want := show(plain(reflect.ValueOf(back))), show(plain(reflect.ValueOf(in))); got != want {
				t.Fatalf("%s: %s was %s", q, got, want)
			}
		}
		res.Release()
	}
}

// allocated is how many bytes this process ever took, the other fuzzing of it too.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func FuzzJSON(f *testing.F) {
	res, _ := Marshal(aws.JSON, fuzzOp, fullBasin(), "id")
	f.Add(bytes.Clone(res.Body))
	f.Add([]byte(strings.Repeat(`{"Basin":`, 300)))
	f.Add([]byte(`{"Double":"NaN","Time":"Mon, 16 Dec 2019 23:48:18 GMT","Union":{"A":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzBody(t, aws.JSON, b) })
}

func FuzzXML(f *testing.F) {
	res, _ := Marshal(aws.RestXML, fuzzOp, fullBasin(), "id")
	f.Add(bytes.Clone(res.Body))
	f.Add([]byte(strings.Repeat(`<Basin>`, 300)))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>`))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzBody(t, aws.RestXML, b) })
}

func FuzzQuery(f *testing.F) {
	f.Add([]byte("Strings.member.999999999=a&FlatMap.1.key=a&FlatMap.1.value.Int=3&Basin.Basin.Basin.Blob=Zm8="))
	f.Add([]byte("Time=2020-01-02T03:04:05.5%2B01:00&Basins.member.1.Flat.1=3&..=&.=&a..b=1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzBody(t, aws.Query, b)
		fuzzBody(t, aws.EC2, b)
	})
}

func FuzzCBOR(f *testing.F) {
	res, _ := Marshal(aws.CBOR, fuzzOp, fullBasin(), "id")
	f.Add(bytes.Clone(res.Body))
	f.Add([]byte("\xa1\x67Strings\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\xa1\x66String\x7b\x7f\xff\xff\xff\xff\xff\xff\xff"))
	f.Add(append([]byte("\xbf\x61x"), bytes.Repeat([]byte{0x81}, 1000)...))
	f.Add(append([]byte("\xbf\x61x"), bytes.Repeat([]byte{0xc1}, 1000)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzBody(t, aws.CBOR, b)
		fuzzBody(t, aws.AmzCBOR, b)
		// What we can skip, others find well formed.
		r := cborReader{buf: b}
		if err := r.skip(); err == nil {
			if err := cbor.Wellformed(b[:r.pos]); err != nil && !strings.Contains(err.Error(), "exceeded max") {
				t.Fatalf("%x: skipped, but %v", b[:r.pos], err)
			}
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(`a, "b\"", c`, true)
	f.Fuzz(func(t *testing.T, s string, dates bool) {
		n := 0
		for _, e := range splitHeader(nil, s, dates) {
			n += len(e)
		}
		if n > len(s) {
			t.Fatalf("%q became longer", s)
		}
	})
}
