package wire

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// A sink has a member of each kind.
type sink struct {
	_       struct{}             `aws:"Sink"`
	String  *string              `aws:"String"`
	Bool    *bool                `aws:"Bool"`
	Int     *int32               `aws:"Int"`
	Long    *int64               `aws:"Long"`
	Float   *float32             `aws:"Float"`
	Double  *float64             `aws:"Double"`
	Time    *time.Time           `aws:"Time"`
	ISO     *time.Time           `aws:"ISO,iso"`
	Blob    []byte               `aws:"Blob"`
	Strings []string             `aws:"Strings"`
	Sinks   []sink               `aws:"Sinks,flat"`
	Lists   [][]string           `aws:"Lists"`
	Sparse  []*string            `aws:"Sparse"`
	Map     map[string]string    `aws:"Map"`
	Structs map[string]sink      `aws:"Structs"`
	Maps    []map[string]int32   `aws:"Maps"`
	Sink    *sink                `aws:"Sink"`
	Doc     any                  `aws:"Doc"`
	Raw     json.RawMessage      `aws:"Raw"`
	Hand    attribute            `aws:"Hand"`
	Hands   map[string]attribute `aws:"Hands"`
	Union   *choice              `aws:"Union"`
	Locked  *string              `aws:"X-Locked,header"`
}

type choice struct {
	_ struct{} `aws:"Choice,union"`
	A *string  `aws:"A"`
	B *int32   `aws:"B"`
}

func decodeText(p aws.Protocol, text string, in any) error {
	r := &http.Request{Method: "POST", URL: &url.URL{Path: "/"}, Header: http.Header{}, Body: NewBody([]byte(text))}
	return Decode(p, benchOp, r, nil, in)
}

// What the service framework of AWS says to values of the wrong type, gathered from
// what DynamoDB answers.
func TestJSONTypeErrors(t *testing.T) {
	const structured = "Start of structure or map found where not expected"
	for text, want := range map[string]string{
		`{"String":true}`:           "TRUE_VALUE cannot be converted to String",
		`{"String":false}`:          "FALSE_VALUE cannot be converted to String",
		`{"String":23}`:             "NUMBER_VALUE cannot be converted to String",
		`{"String":-2147483648}`:    "NUMBER_VALUE cannot be converted to String",
		`{"String":34.56}`:          "DECIMAL_VALUE cannot be converted to String",
		`{"String":[]}`:             "Unrecognized collection type class java.lang.String",
		`{"String":{}}`:             structured,
		`{"Bool":"23"}`:             "Unexpected token received from parser",
		`{"Bool":23}`:               "NUMBER_VALUE cannot be converted to Boolean",
		`{"Bool":34.56}`:            "DECIMAL_VALUE cannot be converted to Boolean",
		`{"Bool":[]}`:               "Unrecognized collection type class java.lang.Boolean",
		`{"Int":"23"}`:              "STRING_VALUE cannot be converted to Integer",
		`{"Int":true}`:              "TRUE_VALUE cannot be converted to Integer",
		`{"Int":[]}`:                "Unrecognized collection type class java.lang.Integer",
		`{"Int":{}}`:                structured,
		`{"Int":2147483648}`:        "NUMBER_VALUE cannot be converted to Integer",
		`{"Int":1.5}`:               "DECIMAL_VALUE cannot be converted to Integer",
		`{"Long":"23"}`:             "STRING_VALUE cannot be converted to Long",
		`{"Long":1e30}`:             "DECIMAL_VALUE cannot be converted to Long",
		`{"Double":"x"}`:            "STRING_VALUE cannot be converted to Double",
		`{"Float":1e300}`:           "DECIMAL_VALUE cannot be converted to Float",
		`{"Blob":true}`:             "only base-64-encoded strings are convertible to bytes",
		`{"Blob":34.56}`:            "only base-64-encoded strings are convertible to bytes",
		`{"Blob":[]}`:               "Unrecognized collection type class java.nio.ByteBuffer",
		`{"Blob":{}}`:               structured,
		`{"Blob":"23456"}`:          "Base64 encoded length is expected a multiple of 4 bytes but found: 5",
		`{"Blob":"=+/="}`:           "Invalid last non-pad Base64 character dectected",
		`{"Strings":"23"}`:          "Unexpected field type",
		`{"Strings":true}`:          "Unexpected field type",
		`{"Strings":{}}`:            structured,
		`{"Strings":[null]}`:        "Unexpected null value in a collection",
		`{"Lists":["23"]}`:          castText,
		`{"Map":34.56}`:             "Unexpected field type",
		`{"Map":[]}`:                "Unrecognized collection type java.util.Map<java.lang.String, java.lang.String>",
		`{"Map":{"a":1}}`:           "NUMBER_VALUE cannot be converted to String",
		`{"Map":{"a":null}}`:        "Unexpected null value in a collection",
		`{"Structs":[]}`:            "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.tables.v20120810.Sink>",
		`{"Sinks":["23"]}`:          "Unexpected value type in payload",
		`{"Sink":true}`:             "Unexpected field type",
		`{"Sink":[]}`:               "Unrecognized collection type class com.amazonaws.tables.v20120810.Sink",
		`{"Hands":{"a":{"S":1}}}`:   "NUMBER_VALUE cannot be converted to String",
		`{"Hands":{"a":"x"}}`:       "Unexpected value type in payload",
		`{"Hands":{"a":{"L":"x"}}}`: "Unexpected field type",
		`{"Hands":{"a":[]}}`:        "Unrecognized collection type class com.amazonaws.tables.v20120810.attribute",
		`{"Hand":true}`:             "Unexpected field type",
		`{"Time":true}`:             "TRUE_VALUE cannot be converted to Timestamp",
		`{"Time":1e18}`:             "Unexpected value for a timestamp",
		`{"Union":{"A":"a","B":1}}`: "Unions must have exactly one member set, and Choice has 2",
		`{"String":"a"`:             "Unexpected token received from parser: the text ends early at offset 13",
		`[]`:                        "Unrecognized collection type class com.amazonaws.tables.v20120810.Sink",
		`{} x`:                      "Unexpected token received from parser: text after the value at offset 3",
	} {
		var in sink
		err := decodeText(aws.JSON, text, &in)
		e, ok := err.(*aws.Error)
		if !ok || e.Code != "SerializationException" || e.Status != 400 || e.Message != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestJSONLeniency(t *testing.T) {
	var in sink
	err := decodeText(aws.JSON, `{"Unknown":{"a":[1]},"string":"lower","String":"first","String":"last","Int":3.0,"Long":1e3,`+
		`"Float":"NaN","Time":"2020-01-02T03:04:05Z","ISO":1577934245.5,"Bool":null,"Sparse":[null,"x"],"X-Locked":"body",`+
		`"Doc":{"a":[1,"b",null,true]},"Raw": {"z" : 1} }`, &in)
	if err != nil {
		t.Fatal(err)
	}
	if *in.String != "last" || *in.Int != 3 || *in.Long != 1000 || *in.Float == *in.Float || in.Bool != nil ||
		in.Time.Unix() != 1577934245 || in.ISO.UnixMilli() != 1577934245500 || in.Sparse[0] != nil || *in.Sparse[1] != "x" {
		t.Errorf("decoded %+v", in)
	}
	if string(in.Raw) != `{"z" : 1}` || !reflect.DeepEqual(in.Doc, map[string]any{"a": []any{json.Number("1"), "b", nil, true}}) {
		t.Errorf("documents %s, %v", in.Raw, in.Doc)
	}
	if err := decodeText(aws.RestJSON, `{"X-Locked":"body"}`, &in); err != nil {
		t.Fatal(err)
	}
	in = sink{}
	if err := decodeText(aws.RestJSON, `{"X-Locked":"body","Sink":{"X-Locked":"deep"}}`, &in); err != nil || in.Locked != nil {
		t.Errorf("a header's member was read from the body: %v", err)
	}
	if err := decodeText(aws.JSON, ``, &sink{}); err != nil {
		t.Error(err)
	}
}

func TestRestJSONSyntaxError(t *testing.T) {
	err := decodeText(aws.RestJSON, `{"String":`, &sink{})
	if err == nil || !strings.Contains(err.Error(), "Could not parse request body into json: the text ends early at offset 10") {
		t.Error(err)
	}
}
