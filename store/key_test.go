package store

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"testing"
	"time"
)

type name string

func TestKey(t *testing.T) {
	at := time.Date(1969, 12, 31, 23, 59, 59, 5, time.UTC)
	k, err := MakeKey("a\x00b", []byte{0, 1, 0xff}, -5, uint64(7), at, name("n"), int32(3), "")
	if err != nil {
		t.Fatal(err)
	}
	if k.Len() != 8 || k.String(0) != "a\x00b" || !bytes.Equal(k.Bytes(1), []byte{0, 1, 0xff}) || k.Int(2) != -5 ||
		k.Uint(3) != 7 || !k.Time(4).Equal(at) || k.String(5) != "n" || k.Int(6) != 3 || k.String(7) != "" {
		t.Errorf("%q", k.Parts())
	}
	// What is not there, or is something else, is zero.
	if k.String(2) != "" || k.Bytes(0) != nil || k.Int(0) != 0 || k.Uint(9) != 0 || !k.Time(1).IsZero() {
		t.Error("parts of the wrong type")
	}
	again, err := MakeKey(k.Parts()...)
	if err != nil || again != k {
		t.Errorf("%q, %v", again.Parts(), err)
	}
	if _, err := MakeKey("a", 1.5); err == nil {
		t.Error("a float became part of a key")
	}
	if _, err := MakeKey(nil); err == nil {
		t.Error("nil became part of a key")
	}
	if err := NewTable[int]("s", "t").Put(nil, Scope{}, 1, struct{}{}); err == nil {
		t.Error("a struct became part of a key")
	}
}

func TestKeyOrder(t *testing.T) {
	tuples := [][]any{
		{}, {""}, {"", "a"}, {"\x00"}, {"\x00", "b"}, {"\x00\x00"}, {"\x01"}, {"a"}, {"a", ""}, {"a", "\xff"}, {"a\x00"}, {"a\x00a"}, {"a\x01"}, {"aa"}, {"\xff"}, {"\xff\xff"},
		{math.MinInt64}, {-1}, {0}, {0, 5}, {1}, {256}, {math.MaxInt64},
		{uint64(0)}, {uint64(math.MaxUint64)},
		{time.Unix(-10, 0)}, {time.Unix(-10, 1)}, {time.Unix(0, 0)}, {time.Unix(0, 999)}, {time.Unix(1, 0)},
	}
	for i := range tuples {
		for j := range tuples {
			a, errA := MakeKey(tuples[i]...)
			b, errB := MakeKey(tuples[j]...)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if got := a.Compare(b); got != cmp.Compare(i, j) {
				t.Errorf("%q and %q compare %d", tuples[i], tuples[j], got)
			}
		}
	}
}

func FuzzKeyOrder(f *testing.F) {
	f.Add([]byte("a"), []byte("a\x00"), int64(1), int64(-1), "x", "")
	f.Fuzz(func(t *testing.T, b1, b2 []byte, n1, n2 int64, s1, s2 string) {
		k1, err1 := MakeKey(b1, n1, s1)
		k2, err2 := MakeKey(b2, n2, s2)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		want := cmp.Or(bytes.Compare(b1, b2), cmp.Compare(n1, n2), cmp.Compare(s1, s2))
		if got := k1.Compare(k2); got != want {
			t.Errorf("compare %d, want %d", got, want)
		}
		if !bytes.Equal(k1.Bytes(0), b1) || k1.Int(1) != n1 || k1.String(2) != s1 || k1.Len() != 3 {
			t.Errorf("%q became %q", []any{b1, n1, s1}, k1.Parts())
		}
	})
}

// FuzzKeyParse feeds the parser what no MakeKey made.
func FuzzKeyParse(f *testing.F) {
	f.Add("\x02a\x00\x01\x03\x00\x00\x00\x00\x00\x00\x00\x00")
	f.Add("\x02a\x00")
	f.Fuzz(func(t *testing.T, raw string) {
		k := Key{raw}
		for i := range k.Len() + 1 {
			_, _, _, _, _ = k.String(i), k.Bytes(i), k.Int(i), k.Uint(i), k.Time(i)
		}
		if check(raw) != nil {
			return
		}
		again, err := MakeKey(k.Parts()...)
		if err != nil || len(again.Parts()) != len(k.Parts()) {
			t.Errorf("%q became %q, %v", raw, again, err)
		}
	})
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x05\x05\x00\x00\x00"), uint32(4))
	f.Fuzz(func(t *testing.T, data []byte, number uint32) {
		end, whole := soundUntil(data, number)
		if end > len(data) {
			t.Errorf("sound until %d of %d", end, len(data))
		}
		if !whole {
			provenWrong(data, end, number)
		}
	})
}

func TestPrefixEnd(t *testing.T) {
	for _, c := range [][2]string{{"ka", "kb"}, {"k", "l"}, {"k\xff", "l"}, {"ka\xff\xff", "kb"}} {
		if got := prefixEnd([]byte(c[0])); !slices.Equal(got, []byte(c[1])) {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}
