package insights

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

type kind uint8

const (
	missing kind = iota
	text
	number
	moment // milliseconds since 1970, shown as a time
	truth
	tree // of JSON
)

// A value is what a field or an expression is of a row.
type value struct {
	kind kind
	text string
	num  float64 // also of truth: 0 or 1
	tree any
}

func textOf(s string) value    { return value{kind: text, text: s} }
func numberOf(f float64) value { return value{kind: number, num: f} }
func momentOf(ms int64) value  { return value{kind: moment, num: float64(ms)} }

func truthOf(b bool) value {
	if b {
		return value{kind: truth, num: 1}
	}
	return value{kind: truth}
}

// finite is a number, or nothing where the arithmetic has no answer.
func finite(f float64) value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return value{}
	}
	return numberOf(f)
}

// fromJSON is a value of a JSON document.
func fromJSON(v any) value {
	switch v := v.(type) {
	case string:
		return textOf(v)
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return value{kind: number, num: f, text: v.String()}
		}
		return textOf(v.String())
	case bool:
		return truthOf(v)
	case map[string]any, []any:
		return value{kind: tree, tree: v}
	}
	return value{}
}

// String is the value as results show it.
func (v value) String() string {
	switch v.kind {
	case text:
		return v.text
	case number:
		if v.text != "" {
			return v.text // as the message has it
		}
		return formatNumber(v.num)
	case moment:
		return time.UnixMilli(int64(v.num)).UTC().Format("2006-01-02 15:04:05.000")
	case truth:
		return strconv.Itoa(int(v.num))
	case tree:
		b, err := json.Marshal(v.tree)
		if err == nil {
			return string(b)
		}
	}
	return ""
}

// formatNumber prints at most four decimals, as AWS does.
func formatNumber(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	if math.Abs(f) >= 1e15 {
		return strconv.FormatFloat(f, 'G', -1, 64)
	}
	s := strings.TrimRight(strconv.FormatFloat(f, 'f', 4, 64), "0")
	return strings.TrimSuffix(s, ".")
}

// number is the value as a number, if it is one.
func (v value) number() (float64, bool) {
	switch v.kind {
	case number, moment, truth:
		return v.num, true
	case text:
		return parseNumber(v.text)
	}
	return 0, false
}

// parseNumber reads decimal numbers alone: no infinities, no hexadecimal ones.
func parseNumber(s string) (float64, bool) {
	if s == "" || len(s) > 64 || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// is reports whether the value counts as true.
func (v value) is() bool {
	switch v.kind {
	case number, moment, truth:
		return v.num != 0
	case text:
		return strings.EqualFold(v.text, "true") || v.text == "1"
	}
	return false
}

// compare orders two values: numbers as such, if both are; else texts. ok is false where
// one is missing.
func compare(a, b value) (order int, ok bool) {
	if a.kind == missing || b.kind == missing {
		return 0, false
	}
	x, xn := a.number()
	y, yn := b.number()
	if xn && yn {
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	if a.kind == truth && b.kind == text {
		return strings.Compare(strconv.FormatBool(a.num != 0), b.text), true
	}
	if b.kind == truth && a.kind == text {
		return strings.Compare(a.text, strconv.FormatBool(b.num != 0)), true
	}
	return strings.Compare(a.String(), b.String()), true
}

// rank orders all values: what is missing, then texts, then numbers.
func rank(a, b value) int {
	class := func(v value) (int, float64) {
		if v.kind == missing {
			return 0, 0
		}
		if f, ok := v.number(); ok {
			return 2, f
		}
		return 1, 0
	}
	ca, x := class(a)
	cb, y := class(b)
	switch {
	case ca != cb:
		return ca - cb
	case ca == 1:
		return strings.Compare(a.String(), b.String())
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
