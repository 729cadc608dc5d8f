package value

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func newMeter() *Meter {
	return &Meter{Ctx: context.Background(), Steps: 100_000, Bytes: 1 << 20, MaxDepth: 600}
}

func TestJSONRoundTrip(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{`null`, `null`},
		{` [ true , false , null ] `, `[true,false,null]`},
		{`{"z":1,"a":{"y":[],"x":{}}}`, `{"z":1,"a":{"y":[],"x":{}}}`},
		{`[1.0,1.10,-0,-0.0,1e5,1E+5,12345678901234567890,-9223372036854775808,2147483648]`,
			`[1.0,1.10,-0,-0.0,1e5,1E+5,12345678901234567890,-9223372036854775808,2147483648]`},
		{`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{`"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000"`, `"a\"\\/\b\f\n\r\té😀\u0000"`},
		{"\"\u007f\u0085\u2028\"", `"\u007F\u0085\u2028"`},
		{"\"\xff\"", `"` + "\uFFFD" + `"`},
	} {
		v, err := DecodeJSON(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		b, err := AppendJSON(newMeter(), nil, v)
		if err != nil || string(b) != c.out {
			t.Errorf("%s gave %s, %v; want %s", c.in, b, err, c.out)
		}
	}
}

func TestBadJSON(t *testing.T) {
	for _, in := range []string{
		``, ` `, `{`, `[`, `[1`, `[1,]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{'a':1}`, `01`, `-`, `1.`, `.5`, `1e`, `+1`,
		`"`, `"a`, `"\x"`, `"\u12"`, "\"\n\"", `nul`, `true false`, `1 2`, `NaN`, `]`,
		strings.Repeat("[", MaxJSONDepth+1) + strings.Repeat("]", MaxJSONDepth+1),
	} {
		if v, err := DecodeJSON(in); err == nil {
			t.Errorf("%.20s gave %v", in, v)
		}
	}
}

func TestJSONDepth(t *testing.T) {
	in := strings.Repeat("[", MaxJSONDepth-1) + strings.Repeat("]", MaxJSONDepth-1)
	v, err := DecodeJSON(in)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := AppendJSON(newMeter(), nil, v); err != nil || string(b) != in {
		t.Fatalf("got %d bytes, %v", len(b), err)
	}
}

// FuzzJSON: what encoding/json takes, DecodeJSON takes and writes as a document
// that means the same.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.50,"x\u0041",null,true]}`, `"\ud800"`, `[1e400]`, `{"a":1,"a":2}`, `0`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if strings.Count(in, "[")+strings.Count(in, "{") > 100 || len(in) > 10_000 {
			return
		}
		v, err := DecodeJSON(in)
		if valid := json.Valid([]byte(in)); valid != (err == nil) {
			t.Fatalf("valid %v, but error %v", valid, err)
		}
		if err != nil {
			return
		}
		out, err := AppendJSON(newMeter(), nil, v)
		if err != nil || !json.Valid(out) {
			t.Fatalf("wrote %s, %v", out, err)
		}
		again, err := DecodeJSON(string(out))
		if err != nil {
			t.Fatal(err)
		}
		if eq, err := Equals(newMeter(), v, again); !eq || err != nil {
			t.Fatalf("%s became %s", in, out)
		}
	})
}

func TestMeter(t *testing.T) {
	m := newMeter()
	m.Steps = 10
	if err := m.Step(10); err != nil {
		t.Fatal(err)
	}
	if err := m.Step(1); !errors.Is(err, ErrLimit) {
		t.Fatalf("got %v", err)
	}
	m = newMeter()
	if err := m.Grow(1 << 20); err != nil {
		t.Fatal(err)
	}
	if err := m.Grow(1); !errors.Is(err, ErrLimit) {
		t.Fatalf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m = newMeter()
	m.Ctx = ctx
	cancel()
	var err error
	for range checkEvery {
		if err = m.Step(1); err != nil {
			break
		}
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}
