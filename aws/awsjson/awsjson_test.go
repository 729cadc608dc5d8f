package awsjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// tree reads any value as encoding/json would with UseNumber.
func tree(r *Reader) (any, error) {
	switch r.Kind() {
	case Null:
		if r.Null() {
			return nil, nil
		}
		return nil, r.Skip()
	case True, False:
		return r.Bool()
	case String:
		return r.String()
	case Number:
		n, err := r.Number()
		return json.Number(n), err
	case Object:
		m := map[string]any{}
		return m, r.Object(func(key []byte) error {
			k := string(key)
			v, err := tree(r)
			m[k] = v
			return err
		})
	case Array:
		a := []any{}
		err := r.Array(func() error {
			v, err := tree(r)
			a = append(a, v)
			return err
		})
		return a, err
	}
	return nil, r.Skip()
}

func parse(text []byte) (any, error) {
	r := New(text)
	v, err := tree(r)
	if err == nil {
		err = r.End()
	}
	return v, err
}

// write is tree's reverse.
func write(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return AppendBool(b, v)
	case string:
		return AppendString(b, v)
	case json.Number:
		return append(b, v...)
	case map[string]any:
		b = append(b, '{')
		for k, e := range v {
			b = write(AppendKey(b, k), e)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for _, e := range v {
			b = write(AppendNext(b), e)
		}
		return append(b, ']')
	}
	panic(fmt.Sprintf("no JSON for a %T", v))
}

// reference parses text with encoding/json.
func reference(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err == nil && !json.Valid(text) {
		err = errors.New("text after the value")
	}
	return v, err
}

func TestRead(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `true`, `false`, `""`, `0`, `-0`, `1e5`, `1.5E-7`, ` [ 1 , 2 ] `,
		`{"a":{"b":[1,{"c":null}]},"A":2}`, `{"a":1,"a":2}`, `"\u00e9\ud83d\ude00\n\/"`, `"é😀"`,
		`"\ud83d"`, `"\ude00x"`, `"\ud83d\u0041"`, `{"\u0061":1}`, "\t{\r\n}\n",
		strings.Repeat("[", 200) + strings.Repeat("]", 200),
	} {
		got, err := parse([]byte(text))
		want, wantErr := reference([]byte(text))
		if err != nil || wantErr != nil {
			t.Errorf("%.60s: %v, encoding/json %v", text, err, wantErr)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%.60s: %v, want %v", text, got, want)
		}
	}
}

func TestReadErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                          "json: the text ends early at offset 0",
		`{`:                         "json: the text ends early at offset 1",
		`{"a"`:                      "json: the text ends early at offset 4",
		`{"a":`:                     "json: the text ends early at offset 5",
		`{"a":1`:                    "json: the text ends early at offset 6",
		`{"a":1,}`:                  "json: a key is missing at offset 7",
		`{a:1}`:                     "json: a key is missing at offset 1",
		`{"a" 1}`:                   "json: a colon is missing at offset 5",
		`{"a":1 "b":2}`:             "json: a comma or a closing brace is missing at offset 7",
		`[1,]`:                      "json: a value is missing at offset 3",
		`[1 2]`:                     "json: a comma or a closing bracket is missing at offset 3",
		`[nul]`:                     "json: a value is missing at offset 1",
		`[nullx]`:                   "json: a comma or a closing bracket is missing at offset 5",
		`01`:                        "json: text after the value at offset 1",
		`-`:                         "json: the text ends early at offset 1",
		`-x`:                        "json: a number without digits at offset 1",
		`1.x`:                       "json: a fraction without digits at offset 2",
		`1e+x`:                      "json: an exponent without digits at offset 3",
		`+1`:                        "json: a value is missing at offset 0",
		`NaN`:                       "json: a value is missing at offset 0",
		`"abc`:                      "json: the text ends early at offset 4",
		`"\x"`:                      "json: a bad escape in a string at offset 1",
		`"\u12g4"`:                  "json: a bad escape in a string at offset 1",
		`"\n\`:                      "json: a bad escape in a string at offset 3",
		"\"a\x01\"":                 "json: a control character in a string at offset 2",
		"\"\\n\n\"":                 "json: a control character in a string at offset 3",
		"\"a\xff\"":                 "json: a string that is not UTF-8 at offset 2",
		"\"\\n\xff\"":               "json: a string that is not UTF-8 at offset 3",
		"\ufeff{}":                  "json: a value is missing at offset 0",
		"{}\x00":                    "json: text after the value at offset 2",
		strings.Repeat("[", 1000):   "json: too deep a nesting at offset 200",
		strings.Repeat(`{"":`, 9e4): "json: too deep a nesting at offset 800",
	} {
		_, err := parse([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func TestMismatch(t *testing.T) {
	str := func(r *Reader) error { _, err := r.String(); return err }
	num := func(r *Reader) error { _, err := r.Number(); return err }
	boolean := func(r *Reader) error { _, err := r.Bool(); return err }
	array := func(r *Reader) error { return r.Array(func() error { return nil }) }
	for _, c := range []struct {
		text string
		read func(*Reader) error
		want Error
	}{
		{` 12`, str, Error{Offset: 1, Want: String, Got: Number}},
		{`1.2`, str, Error{Want: String, Got: Decimal}},
		{`true`, str, Error{Want: String, Got: True}},
		{`false`, num, Error{Want: Number, Got: False}},
		{`"1"`, num, Error{Want: Number, Got: String}},
		{`null`, boolean, Error{Want: True, Got: Null}},
		{`{"a":1}`, array, Error{Want: Array, Got: Object}},
		{`tru`, str, Error{Reason: "a value is missing"}},
		{`tru`, boolean, Error{Reason: "a value is missing"}},
		{`"`, array, Error{Offset: 1, Reason: "the text ends early"}},
	} {
		var got *Error
		if err := c.read(New([]byte(c.text))); !errors.As(err, &got) || *got != c.want {
			t.Errorf("%s: %v, want %v", c.text, err, &c.want)
		}
	}
	e := Error{Offset: 1, Want: String, Got: Decimal}
	if got := e.Error(); got != "json: number at offset 1 where a string belongs" {
		t.Error(got)
	}
}

// Members and elements that the callback leaves alone are skipped; Raw is the text
// of a value.
func TestSkipAndRaw(t *testing.T) {
	r := New([]byte(`{"x":{"y":[1,"}"]},"keep": [1, {"a":"b"}] ,"n":null,"z":true}`))
	var raw, keys string
	err := r.Object(func(key []byte) error {
		keys += string(key)
		if string(key) != "keep" {
			return nil
		}
		b, err := r.Raw()
		raw = string(b)
		return err
	})
	if err != nil || r.End() != nil || raw != `[1, {"a":"b"}]` || keys != "xkeepnz" {
		t.Errorf("raw %q, keys %q, %v", raw, keys, err)
	}
	stop := errors.New("stop")
	if err := New([]byte(`[1,2]`)).Array(func() error { return stop }); err != stop {
		t.Errorf("the callback's error came back as %v", err)
	}
}

func TestNull(t *testing.T) {
	r := New([]byte(` null`))
	if !r.Null() || r.End() != nil {
		t.Error("null was not consumed")
	}
	r.Reset([]byte(`nil`))
	if r.Null() || r.Offset() != 0 {
		t.Error("nil is no null")
	}
}

func TestAppend(t *testing.T) {
	b := []byte("{")
	b = AppendString(AppendKey(b, "a"), "<&>\u2028\"\\\x00\x1f\x7f\b\f\n\r\té\xff😀")
	b = AppendBase64(AppendKey(b, []byte("b")), []byte{0xfb, 0xff})
	b = append(AppendKey(b, "c"), '[')
	b = AppendBool(AppendNext(b), true)
	b = AppendBool(AppendNext(b), false)
	b = append(b, ']', '}')
	want := `{"a":"<&>` + "\u2028" + `\"\\\u0000\u001f` + "\x7f" + `\b\f\n\r\té` + "\ufffd😀" + `","b":"+/8=","c":[true,false]}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	if !json.Valid(b) {
		t.Error("not valid JSON")
	}
}

// FuzzRead holds the Reader against encoding/json. They differ where the package's
// documentation says so: text that is not UTF-8, and depth.
func FuzzRead(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,true,null,"x\u00e9\ud800\n"]}`, `[[[]]]`, "\"\xff\"", `{"a":1,"a":{}}`, `1e`, `tru`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parse(text)
		want, wantErr := reference(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(text) {
				t.Fatalf("error %v for %d bytes", err, len(text))
			}
			if wantErr == nil && utf8.Valid(text) && e.Reason != "too deep a nesting" {
				t.Fatalf("refused with %v, encoding/json reads %v", err, want)
			}
			return
		}
		if wantErr != nil && !strings.Contains(wantErr.Error(), "exceeded max depth") {
			t.Fatalf("read %v, encoding/json refuses with %v", got, wantErr)
		}
		if wantErr == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("read %v, encoding/json %v", got, want)
		}
		if again, err := parse(write(nil, got)); err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("written and read again: %v, %v", again, err)
		}
	})
}

// FuzzAppendString holds that any string, once written, reads back the same, its
// bytes that are not UTF-8 replaced.
func FuzzAppendString(f *testing.F) {
	f.Add("a\x00\xffé\"\\")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := New(AppendString(nil, s)).String()
		if want := string([]rune(s)); err != nil || got != want {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	})
}

func BenchmarkSkip(b *testing.B) {
	text := []byte(`{"TableName":"movies","Item":{"title":{"S":"` + strings.Repeat("a", 900) + `"},"year":{"N":"1972"}}}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := New(text).Skip(); err != nil {
			b.Fatal(err)
		}
	}
}
