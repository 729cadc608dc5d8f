package value

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestDoubleText(t *testing.T) {
	for _, c := range []struct {
		d    float64
		want string
	}{
		{0, "0.0"}, {math.Copysign(0, -1), "-0.0"}, {1, "1.0"}, {-2.5, "-2.5"}, {0.001, "0.001"}, {0.0001, "1.0E-4"},
		{9999999, "9999999.0"}, {1e7, "1.0E7"}, {1.25e10, "1.25E10"}, {123456789.125, "1.23456789125E8"},
		{1e100, "1.0E100"}, {5e-324, "5.0E-324"}, {math.NaN(), "NaN"}, {math.Inf(1), "Infinity"}, {math.Inf(-1), "-Infinity"},
	} {
		if got := string(AppendDouble(nil, c.d)); got != c.want {
			t.Errorf("%g prints %s, want %s", c.d, got, c.want)
		}
	}
}

func TestArithTypes(t *testing.T) {
	huge, _ := new(big.Int).SetString("9223372036854775808", 10)
	for _, c := range []struct {
		op   byte
		a, b any
		want any
	}{
		{'+', int32(1), int32(2), int32(3)},
		{'+', int32(math.MaxInt32), int32(1), int64(math.MaxInt32 + 1)},
		{'+', int32(1), int64(2), int64(3)},
		{'-', int64(math.MinInt64), int32(1), "-9223372036854775809"},
		{'*', int64(math.MinInt64), int32(-1), "9223372036854775808"},
		{'*', int64(math.MinInt64), int32(0), int64(0)},
		{'/', int64(math.MinInt64), int32(-1), int64(math.MinInt64)},
		{'/', int32(-7), int32(2), int32(-3)},
		{'%', int32(-7), int32(2), int32(-1)},
		{'/', int32(7), Number("2.0"), 3.5},
		{'+', Number("1.10"), int32(1), 2.1},
		{'/', int32(1), int32(0), nil},
		{'%', 1.5, 0.0, nil},
		{'+', huge, int32(1), "9223372036854775809"},
		{'%', huge, int32(7), "1"},
	} {
		got, err := Arith(newMeter(), c.op, c.a, c.b)
		if b, ok := got.(*big.Int); ok {
			got = b.String()
			if b.String() == "1" {
				got = "1"
			}
		}
		if err != nil || got != c.want {
			t.Errorf("%v %c %v = %T %v, %v; want %T %v", c.a, c.op, c.b, got, got, err, c.want, c.want)
		}
	}
}

func TestEqual(t *testing.T) {
	list := func(v ...any) *List { return NewList(ArrayList, v...) }
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{nil, nil, true}, {nil, "", false}, {nil, Absent{}, true}, {Absent{}, nil, true}, {Absent{}, "", true}, {"", Absent{}, true},
		{Absent{}, Absent{}, true}, {Absent{}, "x", false}, {"1", int32(1), true}, {int32(1), 1.0, true}, {int32(1), int64(1), true},
		{Number("1.10"), 1.1, true}, {"a", Char('a'), true}, {true, "true", true}, {true, false, false},
		{list(int32(1), "a"), list(int32(1), "a"), true}, {list(int32(1)), list(int64(1)), false}, {list("a"), "[a]", true},
	} {
		got, err := Equal(newMeter(), c.a, c.b)
		if err != nil || got != c.want {
			t.Errorf("%v == %v is %v, %v", c.a, c.b, got, err)
		}
	}
}

// TestMapAgainstModel puts and deletes in a Map and in a plain slice alike.
func TestMapAgainstModel(t *testing.T) {
	m := NewMap(3)
	type pair struct{ k, v any }
	var model []pair
	seed := uint32(1)
	for step := range 5000 {
		seed = seed*1664525 + 1013904223
		k := any(fmt.Sprint(seed >> 24 % 64))
		if seed>>20&1 == 0 {
			k = int32(seed >> 24 % 64)
		}
		at := -1
		for i, p := range model {
			if p.k == k {
				at = i
			}
		}
		if seed>>16&3 == 0 {
			m.Delete(k)
			if at >= 0 {
				model = append(model[:at], model[at+1:]...)
			}
		} else {
			m.Put(k, step)
			if at >= 0 {
				model[at].v = step
			} else {
				model = append(model, pair{k, step})
			}
		}
		if m.Len() != len(model) {
			t.Fatalf("step %d: %d entries, want %d", step, m.Len(), len(model))
		}
	}
	for i, e := range m.Entries() {
		if e.Key != model[i].k || e.Value != model[i].v {
			t.Fatalf("entry %d is %v=%v, want %v", i, e.Key, e.Value, model[i])
		}
		if v, ok := m.Get(e.Key); !ok || v != e.Value {
			t.Fatalf("get %v gave %v", e.Key, v)
		}
	}
}

func TestMapKeys(t *testing.T) {
	m := NewMap(0)
	l := NewList(ArrayList)
	for i, k := range []any{nil, "1", int32(1), int64(1), 1.5, true, big.NewInt(7), l, m} {
		m.Put(k, i)
	}
	if v, _ := m.Get(big.NewInt(7)); v != 6 {
		t.Errorf("a BigInteger key gave %v", v)
	}
	if m.Len() != 9 {
		t.Errorf("%d keys", m.Len())
	}
	if v, ok := m.Get(NewList(ArrayList)); ok {
		t.Errorf("another list gave %v", v)
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		s, expr string
		limit   int
		want    string
	}{
		{"a,b,,c,,", ",", 0, "[a, b, , c]"}, {"a,b,,c,,", ",", -1, "[a, b, , c, , ]"}, {"a,b,,c,,", ",", 2, "[a, b,,c,,]"},
		{"", ",", 0, "[]"}, {",", ",", 0, "[]"}, {"abc", "", 0, "[a, b, c]"}, {"abc", "x", 0, "[abc]"},
		{"a.b", ".", 0, "[]"}, {"a.b", `\.`, 0, "[a, b]"}, {"a1b22c", `\d+`, 0, "[a, b, c]"}, {",a", ",", 0, "[, a]"},
		{"text=", "=", 0, "[text]"},
	} {
		v, err := split(newMeter(), c.s, c.expr, c.limit)
		if err != nil {
			t.Errorf("%q by %q: %v", c.s, c.expr, err)
			continue
		}
		if got, _ := String(newMeter(), v); got != c.want {
			t.Errorf("%q by %q, %d gave %s (%d), want %s", c.s, c.expr, c.limit, got, v.(*List).Len(), c.want)
		}
	}
}

// TestNoMethodIsQuiet calls every kind of value with names and arguments that
// fit nothing: that is never an exception, nor a panic.
func TestNoMethodIsQuiet(t *testing.T) {
	m := NewMap(0)
	recv := []any{nil, true, int32(1), int64(2), big.NewInt(3), 1.5, Number("1.5"), Char('c'), "s", NewList(ArrayList), NewList(Array), NewList(Set), m, &Entry{}, &Iterator{list: NewList(ArrayList)}, Absent{}}
	args := [][]any{nil, {nil}, {m, m}, {nil, nil}, {"a", nil, "b"}, {m}, {1.5}, {nil, "x", nil, nil, nil}}
	for _, r := range recv {
		for _, a := range args {
			for _, name := range strings.Fields("nope getClass wait format substring split replaceAll charAt regionMatches subList parseInt setKey") {
				if v, err := Call(newMeter(), r, name, a); err != ErrNoMethod {
					t.Errorf("%s.%s(%v) gave %v, %v", Class(r), name, a, v, err)
				}
			}
		}
		if _, err := Property(newMeter(), r, "nope"); err != nil && err != ErrNoMethod {
			t.Errorf("%s.nope: %v", Class(r), err)
		}
	}
}
