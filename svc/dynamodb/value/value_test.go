package value

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/api/dynamodb"
)

func parse(t testing.TB, text string) dynamodb.AttributeValue {
	t.Helper()
	var v dynamodb.AttributeValue
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func nested(depth int) string {
	return strings.Repeat(`{"L":[`, depth) + `{"S":"x"}` + strings.Repeat(`]}`, depth)
}

func TestCheck(t *testing.T) {
	const some = "One or more parameter values were invalid: "
	for text, want := range map[string]string{
		`{}`:                       "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
		`{"a":"b"}`:                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
		`{"S":"a","N":"1"}`:        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
		`{"N":"b"}`:                "The parameter cannot be converted to a numeric value: b",
		`{"N":""}`:                 "The parameter cannot be converted to a numeric value",
		`{"N":"1 "}`:               "The parameter cannot be converted to a numeric value: 1 ",
		`{"NULL":false}`:           some + "Null attribute value types must have the value of true",
		`{"SS":[]}`:                some + "An string set  may not be empty",
		`{"NS":[]}`:                some + "An number set  may not be empty",
		`{"BS":[]}`:                some + "Binary sets should not be empty",
		`{"SS":["a","b","a"]}`:     some + "Input collection [a, b, a] contains duplicates.",
		`{"NS":["1","1.0"]}`:       "Input collection contains duplicates",
		`{"BS":["Yg==","Yg=="]}`:   some + "Input collection [Yg==, Yg==]of type BS contains duplicates.",
		`{"NS":["1","x"]}`:         "The parameter cannot be converted to a numeric value: x",
		`{"L":[{"M":{"a":{}}}]}`:   "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
		nested(33):                 "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
		nested(32):                 "",
		`{"S":""}`:                 "",
		`{"B":""}`:                 "",
		`{"M":{}}`:                 "",
		`{"L":[]}`:                 "",
		`{"SS":["a","b",""]}`:      "",
		`{"BS":["Yg==","Yw=="]}`:   "",
		`{"NULL":true}`:            "",
		`{"BOOL":false}`:           "",
		`{"NS":["1","-1","1E-1"]}`: "",
	} {
		v := parse(t, text)
		err := Check(&v)
		if got := message(err); got != want {
			t.Errorf("%.80s: %q, want %q", text, got, want)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "ValidationException: ")
}

func TestCheckWritesNumbersPlainly(t *testing.T) {
	v := parse(t, `{"M":{"a":{"N":"1E3"},"b":{"NS":["01","1.50"]},"c":{"L":[{"N":"-0"}]}}}`)
	if err := Check(&v); err != nil {
		t.Fatal(err)
	}
	if b, _ := v.AppendJSON(nil); string(b) != `{"M":{"a":{"N":"1000"},"b":{"NS":["1","1.5"]},"c":{"L":[{"N":"0"}]}}}` {
		t.Errorf("%s", b)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int{
		`{"S":"é"}`: 2, `{"B":"AQID"}`: 3, `{"BOOL":true}`: 1, `{"NULL":true}`: 1,
		`{"N":"0"}`: 1, `{"N":"1"}`: 2, `{"N":"-1"}`: 3, `{"N":"12"}`: 2, `{"N":"123"}`: 3, `{"N":"1.2"}`: 3, `{"N":"1000"}`: 2,
		`{"SS":["a","bc"]}`: 3, `{"NS":["1","-1"]}`: 5, `{"BS":["AQID"]}`: 3,
		`{"L":[]}`: 3, `{"M":{}}`: 3, `{"L":[{"S":"a"}]}`: 5, `{"M":{"k":{"S":"ab"}}}`: 7,
	} {
		if got := Size(parse(t, text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestCompareAndEqual(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		order int
		ok    bool
	}{
		{`{"S":"a"}`, `{"S":"b"}`, -1, true}, {`{"N":"10"}`, `{"N":"9"}`, 1, true}, {`{"N":"-10"}`, `{"N":"9"}`, -1, true},
		{`{"B":"AQ=="}`, `{"B":"AQ=="}`, 0, true}, {`{"S":"1"}`, `{"N":"1"}`, 0, false}, {`{"L":[]}`, `{"L":[]}`, 0, false},
	} {
		order, ok := Compare(parse(t, c.a), parse(t, c.b))
		if ok != c.ok || max(-1, min(1, order)) != c.order {
			t.Errorf("%s and %s: %d %v", c.a, c.b, order, ok)
		}
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"SS":["a","b"]}`, `{"SS":["b","a"]}`, true}, {`{"SS":["a","b"]}`, `{"SS":["b","c"]}`, false}, {`{"SS":["a"]}`, `{"SS":["b","a"]}`, false},
		{`{"L":[{"N":"1"}]}`, `{"L":[{"N":"1"}]}`, true}, {`{"L":[{"N":"1"}]}`, `{"L":[{"N":"2"}]}`, false}, {`{"L":[]}`, `{"L":[{"N":"2"}]}`, false},
		{`{"M":{"a":{"S":"x"}}}`, `{"M":{"a":{"S":"x"}}}`, true}, {`{"M":{"a":{"S":"x"}}}`, `{"M":{"b":{"S":"x"}}}`, false}, {`{"M":{}}`, `{"M":{"b":{"S":"x"}}}`, false},
		{`{"BOOL":true}`, `{"BOOL":false}`, false}, {`{"NULL":true}`, `{"NULL":true}`, true}, {`{"S":"1"}`, `{"N":"1"}`, false},
	} {
		if Equal(parse(t, c.a), parse(t, c.b)) != c.want {
			t.Errorf("%s and %s: not %v", c.a, c.b, c.want)
		}
	}
}

func TestCodec(t *testing.T) {
	v := parse(t, `{"M":{"s":{"S":"x"},"n":{"N":"1"},"b":{"B":"AQ=="},"t":{"BOOL":true},"f":{"BOOL":false},"z":{"NULL":true},
		"ss":{"SS":["a","b"]},"ns":{"NS":["1"]},"bs":{"BS":["AQ=="]},"l":{"L":[{"S":"x"},{"L":[]}]},"m":{"M":{"k":{"M":{}}}}}}`)
	it := v.Fields()
	b := Encode(it, ItemSize(it))
	got, size, err := Decode(b)
	if err != nil || size != ItemSize(it) || !EqualItems(got, it) {
		t.Fatalf("%v %d %v", got, size, err)
	}
	for i := range b {
		if _, _, err := Decode(b[:i]); err == nil {
			t.Errorf("the first %d bytes read as an item", i)
		}
	}
	if _, _, err := Decode(append(b, 0)); err == nil {
		t.Error("a further byte was read over")
	}
}

// FuzzDecode holds that no bytes make Decode fail but with an error, and that what
// it reads is written the same.
func FuzzDecode(f *testing.F) {
	it := dynamodb.Item{{Name: "a", Value: dynamodb.List([]dynamodb.AttributeValue{dynamodb.Number("1")})}}
	f.Add(Encode(it, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		it, size, err := Decode(b)
		if err != nil {
			return
		}
		again, n, err := Decode(Encode(it, size))
		if err != nil || n != size || !EqualItems(again, it) {
			t.Fatalf("%v and then %v, %v", it, again, err)
		}
	})
}

// FuzzItem holds that an item that is legal comes back from the store as it went in.
func FuzzItem(f *testing.F) {
	f.Add([]byte(`{"a":{"S":"x"},"b":{"L":[{"N":"1.50"},{"M":{"c":{"BS":["AQI="]}}}]},"c":{"NULL":true},"d":{"NS":["-1","2E5"]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var it dynamodb.Item
		if json.Unmarshal(text, &it) != nil || CheckItem(it) != nil {
			return
		}
		size := ItemSize(it)
		got, n, err := Decode(Encode(it, size))
		if err != nil || n != size || !EqualItems(got, it) {
			t.Fatalf("%v came back as %v, %v", it, got, err)
		}
		if CheckItem(got) != nil || ItemSize(got) != size {
			t.Fatalf("%v is not what it was", got)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	it := dynamodb.Item{}
	for _, n := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		it.Set(n, dynamodb.String(strings.Repeat(n, 120)))
	}
	enc := Encode(it, ItemSize(it))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(enc); err != nil {
			b.Fatal(err)
		}
	}
}
