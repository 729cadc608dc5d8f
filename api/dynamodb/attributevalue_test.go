package dynamodb

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws/awsjson"
)

func TestItemJSON(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{}`, `{}`},
		{`{"a":{"S":"x"}}`, `{"a":{"S":"x"}}`},
		{`{"b":{"N":"1.50"},"a":{"B":"AQI="}}`, `{"a":{"B":"AQI="},"b":{"N":"1.50"}}`},
		{`{"a":{"BOOL":true},"b":{"NULL":true},"c":{"BOOL":false}}`, `{"a":{"BOOL":true},"b":{"NULL":true},"c":{"BOOL":false}}`},
		{`{"a":{"SS":["b","a"]},"b":{"NS":["1","2"]},"c":{"BS":["AQI=",""]}}`, `{"a":{"SS":["b","a"]},"b":{"NS":["1","2"]},"c":{"BS":["AQI=",""]}}`},
		{`{"a":{"L":[{"S":""},{"L":[]},{"M":{}}]}}`, `{"a":{"L":[{"S":""},{"L":[]},{"M":{}}]}}`},
		{`{"a":{"M":{"z":{"S":"1"},"y":{"M":{"x":{"N":"0"}}}}}}`, `{"a":{"M":{"y":{"M":{"x":{"N":"0"}}},"z":{"S":"1"}}}}`},
		{`{"a":{"S":"first"},"b":{"S":"b"},"a":{"S":"last"}}`, `{"a":{"S":"last"},"b":{"S":"b"}}`},
		{`{"a":{"S":"\u00e9\ud83d\ude00"}}`, `{"a":{"S":"é😀"}}`},
		{`{"a":{},"b":null,"c":{"X":1},"d":{"S":null}}`, `{"a":{},"c":{},"d":{}}`},
	} {
		var it Item
		if err := json.Unmarshal([]byte(c.in), &it); err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		got, err := it.AppendJSON(nil)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.in, got, err, c.want)
		}
		if it == nil {
			t.Errorf("%s: nil", c.in)
		}
	}
}

func TestValueJSONErrors(t *testing.T) {
	for in, want := range map[string]string{
		`{"N":1}`:            "json: number at offset 5 where a string belongs",
		`{"S":true}`:         "json: boolean at offset 5 where a string belongs",
		`{"BOOL":"x"}`:       "json: string at offset 8 where a boolean belongs",
		`{"SS":"a"}`:         "json: string at offset 6 where a array belongs",
		`{"SS":[1]}`:         "json: number at offset 7 where a string belongs",
		`{"L":[1]}`:          "json: number at offset 6 where a object belongs",
		`{"M":[]}`:           "json: array at offset 5 where a object belongs",
		`{"B":"abc"}`:        "SerializationException: Base64 encoded length is expected a multiple of 4 bytes but found: 3",
		`{"B":"ab!="}`:       "SerializationException: Invalid last non-pad Base64 character dectected",
		`{"BS":["AB=="]}`:    "SerializationException: Invalid last non-pad Base64 character dectected",
		`{"L":[{"S":"a"}]`:   "json: the text ends early at offset 16",
		`"x"`:                "json: string at offset 0 where a object belongs",
		`{"M":{"a":{"N":2}}`: "json: number at offset 15 where a string belongs",
	} {
		var v AttributeValue
		if err := unmarshal([]byte(in), &v); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestSeveral(t *testing.T) {
	var v AttributeValue
	if err := v.UnmarshalJSON([]byte(`{"S":"a","N":"1"}`)); err != nil || !v.Several() || v.Type() != TypeN {
		t.Errorf("%v %v %v", v, v.Several(), err)
	}
	if err := v.UnmarshalJSON([]byte(`{"S":"a","N":null}`)); err != nil || v.Several() {
		t.Errorf("%v %v", v, err)
	}
}

func TestItem(t *testing.T) {
	var it Item
	names := strings.Split("m a z k b y c x d w", " ")
	for _, n := range names {
		it.Set(n, String(n))
		it.Set(n, String(n+n))
	}
	for i, n := range names {
		if v, ok := it.Get(n); !ok || v.Text() != n+n {
			t.Errorf("%s: %v %v", n, v, ok)
		}
		it.Remove(n)
		it.Remove(n)
		if it.Has(n) || len(it) != len(names)-1-i {
			t.Errorf("%s is still there", n)
		}
	}
}

func TestClone(t *testing.T) {
	v := Map(Item{{"l", List([]AttributeValue{Set(TypeSS, []string{"a"})})}})
	c := v.Clone()
	c.Fields()[0].Value.List()[0].Elements()[0] = "b"
	if got := v.Fields()[0].Value.List()[0].String(); got != "{SS:[a]}" {
		t.Error(got)
	}
}

func TestTypes(t *testing.T) {
	for ty := TypeS; ty <= TypeM; ty++ {
		if TypeOf(ty.String()) != ty {
			t.Error(ty)
		}
	}
	if TypeOf("T") != NoType || (AttributeValue{}).Elements() != nil || String("").List() != nil || Null().Fields() != nil {
		t.Error("a value has what it has not")
	}
}

// FuzzItem holds that what is read is written so that it reads the same.
func FuzzItem(f *testing.F) {
	f.Add([]byte(`{"a":{"S":"x"},"b":{"L":[{"N":"1"},{"M":{"c":{"BS":["AQI="]}}}]},"c":{"NULL":true}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var it, again Item
		if unmarshal(text, &it) != nil {
			return
		}
		b, err := it.AppendJSON(nil)
		if err != nil || !json.Valid(b) {
			t.Fatalf("%s, %v", b, err)
		}
		if err := unmarshal(b, &again); err != nil {
			t.Fatal(err)
		}
		if c, _ := again.AppendJSON(nil); string(c) != string(b) {
			t.Fatalf("%s and then %s", b, c)
		}
		if c := it.Clone(); !reflect.DeepEqual(c, it) {
			t.Fatal("the clone differs")
		}
	})
}

var kilobyte = []byte(`{"title":{"S":"The Big New Movie"},"year":{"N":"2015"},"info":{"M":{"directors":{"L":[{"S":"Alice Smith"},{"S":"Bob Jones"}]},` +
	`"rating":{"N":"6.2"},"plot":{"S":"` + strings.Repeat("A rock band plays their music at full volume. ", 13) + `"},"rank":{"N":"11"},` +
	`"release_date":{"S":"2013-01-18T00:00:00Z"},"actors":{"SS":["David Matthewman","Ann Thomas"]},"seen":{"BOOL":true}}}}`)

func BenchmarkItemParse(b *testing.B) {
	b.SetBytes(int64(len(kilobyte)))
	b.ReportAllocs()
	r := awsjson.New(nil)
	for b.Loop() {
		var it Item
		r.Reset(kilobyte)
		if err := it.ParseJSON(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkItemAppend(b *testing.B) {
	var it Item
	if err := json.Unmarshal(kilobyte, &it); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf, _ = it.AppendJSON(buf[:0])
	}
}
