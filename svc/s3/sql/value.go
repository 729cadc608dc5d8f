package sql

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Values are nil for NULL, missing, bool, int64, float64, string, Timestamp, []any
// and *Object.

type missingValue struct{}

var missing = missingValue{}

// An Object is a JSON object or a Parquet row: its members in order.
type Object struct {
	Names  []string
	Values []any
}

// Fields are a CSV record, with the names of its columns if the file has them.
type Fields struct {
	Names  []string
	Values []string
}

func (f *Fields) name(i int) string {
	if i < len(f.Names) {
		return f.Names[i]
	}
	return "_" + strconv.Itoa(i+1)
}

// A Timestamp is a time with the precision that it was written in.
type Timestamp struct {
	time.Time
	Digits int // 4 for a year, 6, 8, 12 for a minute, 14, and more for fractions
}

// A step goes from a value to one within.
type step struct {
	name   string
	quoted bool // the name's case counts
	index  int
	at     bool // index counts
	every  bool // [*]
}

// of is what the step leads to, or missing.
func (s step) of(v any) any {
	switch v := v.(type) {
	case *Object:
		if s.at {
			return missing
		}
		for i, name := range v.Names {
			if name == s.name || !s.quoted && strings.EqualFold(name, s.name) {
				return v.Values[i]
			}
		}
		if i := position(s.name); i >= 0 && i < len(v.Values) {
			return v.Values[i]
		}
	case *Fields:
		for i, name := range v.Names {
			if i < len(v.Values) && (name == s.name || !s.quoted && strings.EqualFold(name, s.name)) {
				return v.Values[i]
			}
		}
		if i := position(s.name); i >= 0 && i < len(v.Values) {
			return v.Values[i]
		}
	case []any:
		if s.at && s.index >= 0 && s.index < len(v) {
			return v[s.index]
		}
	}
	return missing
}

// position is N-1 of a name "_N", else -1.
func position(name string) int {
	digits, ok := strings.CutPrefix(name, "_")
	if !ok {
		return -1
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n - 1
}

func absent(v any) bool { return v == nil || v == any(missing) }

// number is v as int64 or float64.
func number(v any) (any, bool) {
	switch v := v.(type) {
	case int64, float64:
		return v, true
	case string:
		s := strings.TrimSpace(v)
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, true
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, true
		}
	}
	return nil, false
}

func float(v any) float64 {
	if n, ok := v.(int64); ok {
		return float64(n)
	}
	f, _ := v.(float64)
	return f
}

// compare is the order of two values; false where they have none.
func compare(a, b any) (int, bool) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), true
		}
	case bool:
		if y, ok := boolean(b); ok {
			return order(x, y), true
		}
	case Timestamp:
		if y, ok := timestamp(b); ok {
			return x.Compare(y.Time), true
		}
		return 0, false
	}
	switch y := b.(type) {
	case bool:
		if x, ok := boolean(a); ok {
			return order(x, y), true
		}
	case Timestamp:
		if x, ok := timestamp(a); ok {
			return x.Compare(y.Time), true
		}
		return 0, false
	}
	return compareNumbers(a, b)
}

func compareNumbers(a, b any) (int, bool) {
	x, ok := number(a)
	y, also := number(b)
	if !ok || !also {
		return 0, false
	}
	if m, ok := x.(int64); ok {
		if n, ok := y.(int64); ok {
			switch {
			case m < n:
				return -1, true
			case m > n:
				return 1, true
			}
			return 0, true
		}
	}
	switch f, g := float(x), float(y); {
	case f < g:
		return -1, true
	case f > g:
		return 1, true
	}
	return 0, true
}

func order(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

func boolean(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}

func timestamp(v any) (Timestamp, bool) {
	switch v := v.(type) {
	case Timestamp:
		return v, true
	case string:
		return ParseTimestamp(v)
	}
	return Timestamp{}, false
}

// timestampForms are those that Ion has, with their precision.
var timestampForms = []struct {
	layout string
	digits int
}{
	{"2006T", 4}, {"2006-01T", 6}, {"2006-01-02T", 8}, {"2006-01-02", 8},
	{"2006-01-02T15:04Z07:00", 12}, {"2006-01-02T15:04:05Z07:00", 14},
}

// ParseTimestamp reads a time as S3 Select writes it: "2006T" to
// "2006-01-02T15:04:05.123Z".
func ParseTimestamp(s string) (Timestamp, bool) {
	for _, f := range timestampForms {
		t, err := time.Parse(f.layout, s)
		if err != nil {
			continue
		}
		digits := f.digits
		if _, fraction, ok := strings.Cut(s, "."); ok && digits == 14 {
			digits += len(fraction) - len(strings.TrimLeft(fraction, "0123456789"))
		}
		return Timestamp{t, digits}, true
	}
	return Timestamp{}, false
}

// String is the timestamp in its own precision.
func (t Timestamp) String() string {
	for _, f := range timestampForms {
		if f.digits == t.Digits {
			return t.Format(f.layout)
		}
	}
	return t.Format("2006-01-02T15:04:05." + strings.Repeat("0", min(max(t.Digits-14, 1), 9)) + "Z07:00")
}

// text is a value as CSV and || have it.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return floatText(v)
	case Timestamp:
		return v.String()
	case []any, *Object, *Fields:
		return string(appendJSON(nil, v))
	}
	return ""
}

func floatText(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
