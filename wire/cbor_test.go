package wire

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/tule-cloud/tule/aws"
)

// Every half-precision number, against another implementation.
func TestFloat16(t *testing.T) {
	for h := range 1 << 16 {
		text := binary.BigEndian.AppendUint16([]byte{0xf9}, uint16(h))
		var want float64
		if err := cbor.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		r := cborReader{buf: text}
		_, got, isInt, err := r.number()
		if err != nil || isInt || got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%x: %v, want %v (%v)", text, got, want, err)
		}
	}
}

// All widths and signs of numbers come in; the model's type decides what they become.
func TestCBORNumbers(t *testing.T) {
	for text, want := range map[string]float64{
		"00": 0, "17": 23, "1818": 24, "190100": 256, "1a00010000": 65536, "1b0000000100000000": 1 << 32,
		"20": -1, "3863": -100, "3903e7": -1000, "f93c00": 1, "fa47c35000": 100000, "fb3ff199999999999a": 1.1,
		"1bffffffffffffffff": math.MaxUint64, "3bffffffffffffffff": -math.MaxUint64 - 1,
	} {
		b, err := hex.DecodeString("a166446f75626c65" + text)
		if err != nil {
			t.Fatal(err)
		}
		var in basin
		if err := decodeBasin(aws.CBOR, b, &in); err != nil || *in.Double != want {
			t.Errorf("%s: %v, %v", text, in.Double, err)
		}
		var long basin
		b = append([]byte("\xa1\x64Long"), b[8:]...)
		if err := decodeBasin(aws.CBOR, b, &long); err == nil && float64(*long.Long) != want {
			t.Errorf("%s became %d", text, *long.Long)
		}
	}
	for i, text := range map[int64]string{0: "00", 23: "17", 24: "1818", 256: "190100", 65536: "1a00010000", 1 << 32: "1b0000000100000000", -1: "20", -1000: "3903e7"} {
		if got := hex.EncodeToString(appendCBORInt(nil, i)); got != text {
			t.Errorf("%d: %s, want %s", i, got, text)
		}
	}
}

// Strings in chunks, nulls, indefinite lengths, unknown members of every kind.
func TestCBORForms(t *testing.T) {
	type input struct {
		Text   *string            `aws:"T"`
		Blob   []byte             `aws:"B"`
		List   []*int32           `aws:"L"`
		Map    map[string]*string `aws:"M"`
		Absent *string            `aws:"A"`
	}
	b, err := hex.DecodeString("bf" + "6154" + "7f6161626263ff" + "6142" + "5f4101420203ff" + "614c" + "9f01f6ff" + "614d" + "bf616bf6ff" + "6141" + "f6" +
		"6178" + "c1c281f97e00" + "6179" + "a1" + "01" + "5f40ff" + "617a" + "f7" + "ff")
	if err != nil {
		t.Fatal(err)
	}
	one := int32(1)
	want := input{Text: str("abc"), Blob: []byte{1, 2, 3}, List: []*int32{&one, nil}, Map: map[string]*string{"k": nil}}
	var in input
	if err := Decode(aws.CBOR, fuzzOp, formRequest(string(b)), nil, &in); err != nil || !reflect.DeepEqual(in, want) {
		t.Errorf("%+v, %v", in, err)
	}
	res, err := Marshal(aws.CBOR, fuzzOp, &in, "id")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(res.Body); got != "bf61546361626361424301020361"+"4c8201f6614da1616bf6ff" {
		t.Error(got)
	}
	for _, bad := range []string{"bf61547f5f4161ffffff", "bf61547f01ffff", "bf", "bf6154", "bf61549f", "bf6178" + strings.Repeat("81", 500), "bf6178" + strings.Repeat("c1", 500)} {
		b, err := hex.DecodeString(bad)
		if err != nil {
			t.Fatal(err)
		}
		if err := Decode(aws.CBOR, fuzzOp, formRequest(string(b)), nil, &in); aws.CodeOf(err) != "Bad" {
			t.Errorf("%.20s: %v", bad, err)
		}
	}
}
