package wire

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

func TestTimes(t *testing.T) {
	half := time.Date(2020, 1, 2, 3, 4, 5, 5e8, time.UTC)
	for text, want := range map[string]time.Time{
		"2020-01-02T03:04:05.5Z":          half,
		"2020-01-02T04:04:05.500+01:00":   half,
		"2020-01-02T03:04:05":             half.Truncate(time.Second),
		"2020-01-02":                      half.Truncate(24 * time.Hour),
		"Thu, 02 Jan 2020 03:04:05 GMT":   half.Truncate(time.Second),
		"Thu, 02 Jan 2020 03:04:05.5 GMT": half,
		"1577934245.5":                    half,
		"1.5779342455E9":                  half,
		"-1":                              time.Unix(-1, 0).UTC(),
	} {
		if got, ok := parseTime(text); !ok || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
	for _, bad := range []string{"", "x", "NaN", "Infinity", "1e300", "2020-13-01", "2020-01-02T25:00:00Z", "0x10", "1_000", "Thu, 2020"} {
		if got, ok := parseTime(bad); ok {
			t.Errorf("%q is no time, and read as %v", bad, got)
		}
	}
	for f, want := range map[timeFormat]string{isoTime: "2020-01-02T03:04:05.500Z", unixTime: "1577934245.5", httpTime: "Thu, 02 Jan 2020 03:04:05 GMT"} {
		if got := string(appendTime(nil, half, f)); got != want {
			t.Errorf("format %d: %s, want %s", f, got, want)
		}
	}
	if got := string(appendUnix(nil, -1001)); got != "-1.001" {
		t.Error(got)
	}
}

func TestFloats(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 1: "1", -1.5: "-1.5", 1e15: "1000000000000000", 1e21: "1E+21", 1e-7: "1E-07", math.Inf(-1): "-Infinity"} {
		if got := string(appendFloat(nil, f, 64)); got != want {
			t.Errorf("%g: %s, want %s", f, got, want)
		}
		if back, ok := parseFloat(want, 64); !ok || back != f {
			t.Errorf("%s read as %g", want, back)
		}
	}
	for _, bad := range []string{"", "inf", "nan", "0x1p2", "1_0", "1e400"} {
		if _, ok := parseFloat(bad, 64); ok {
			t.Errorf("%q is no number", bad)
		}
	}
}

// Times in CBOR are seconds, and milliseconds for the clients of Kinesis.
func TestCBORTimes(t *testing.T) {
	at := time.UnixMilli(1577934245500).UTC()
	for p, want := range map[aws.Protocol]string{
		aws.CBOR:    "bf6454696d65c1fb41d7835769600000ff",
		aws.AmzCBOR: "bf6454696d65c11b0000016f6435ce7cff",
	} {
		res, err := Marshal(p, fuzzOp, &basin{Time: &at}, "id")
		if err != nil {
			t.Fatal(err)
		}
		var back basin
		if err := decodeBasin(p, res.Body, &back); err != nil || !back.Time.Equal(at) {
			t.Errorf("%s: %v, %v", p, back.Time, err)
		}
		if got := hex.EncodeToString(res.Body); got != want {
			t.Errorf("%s: %s, want %s", p, got, want)
		}
	}
}

// Hostile CBOR, by hand.
func TestCBORErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a1":                                 "Could not parse request body into CBOR: the text ends early at offset 1",
		"80":                                 "Could not parse request body into CBOR: another type than expected at offset 0",
		"a1fc":                               "Could not parse request body into CBOR: a byte that begins no item at offset 1",
		"a0a0":                               "Could not parse request body into CBOR: data after the item at offset 1",
		"a161ff00":                           "Could not parse request body into CBOR: a text that is not UTF-8 at offset 1",
		"a163496e741b7fffffffffffffff":       "NUMBER_VALUE cannot be converted to Integer",
		"a163496e74fb3ff8000000000000":       "DECIMAL_VALUE cannot be converted to Integer",
		"a16454696d65c200":                   "Unexpected value for a timestamp",
		"a167537472696e677381f6":             "Unexpected null value in a collection",
		"a166537472696e677b7fffffffffffffff": "Could not parse request body into CBOR: the text ends early at offset 17",
	} {
		body, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		err = decodeBasin(aws.CBOR, body, &basin{})
		if e, ok := err.(*aws.Error); !ok || e.Message != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// Documents go through JSON and CBOR.
func TestDocuments(t *testing.T) {
	type input struct {
		Doc any `aws:"Doc"`
	}
	doc := map[string]any{"a": []any{json.Number("1"), json.Number("2.5"), "x", nil, true, map[string]any{}}}
	for _, p := range []aws.Protocol{aws.JSON, aws.CBOR} {
		res, err := Marshal(p, fuzzOp, &input{doc}, "id")
		if err != nil {
			t.Fatal(err)
		}
		var back input
		if err := Decode(p, fuzzOp, formRequest(string(res.Body)), nil, &back); err != nil || !reflect.DeepEqual(back.Doc, doc) {
			t.Errorf("%s: %v, %v", p, back.Doc, err)
		}
	}
	if _, err := Marshal(aws.CBOR, fuzzOp, &input{make(chan int)}, "id"); err == nil {
		t.Error("a channel is no document")
	}
	if _, err := Marshal(aws.JSON, fuzzOp, &input{make(chan int)}, "id"); err == nil {
		t.Error("a channel is no document")
	}
}
