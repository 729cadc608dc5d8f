package sql

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

type function struct {
	least, most int
	do          func(args []any) (any, error)
}

var functions = map[string]function{
	"COALESCE":         {1, 1 << 10, coalesce},
	"NULLIF":           {2, 2, nullif},
	"CHAR_LENGTH":      {1, 1, ofText(func(s string) any { return int64(utf8.RuneCountInString(s)) })},
	"CHARACTER_LENGTH": {1, 1, ofText(func(s string) any { return int64(utf8.RuneCountInString(s)) })},
	"LOWER":            {1, 1, ofText(func(s string) any { return strings.ToLower(s) })},
	"UPPER":            {1, 1, ofText(func(s string) any { return strings.ToUpper(s) })},
	"TO_STRING":        {2, 2, toString},
	"TO_TIMESTAMP":     {1, 1, toTimestamp},
	"SIZE":             {1, 1, size},
}

var errArguments = fault("EvaluatorInvalidArguments", "Incorrect type of arguments in function call in the SQL expression.")

func ofText(f func(string) any) func([]any) (any, error) {
	return func(args []any) (any, error) {
		if absent(args[0]) {
			return nil, nil
		}
		s, ok := args[0].(string)
		if !ok {
			return nil, errArguments
		}
		return f(s), nil
	}
}

func coalesce(args []any) (any, error) {
	for _, a := range args {
		if !absent(a) {
			return a, nil
		}
	}
	return nil, nil
}

func nullif(args []any) (any, error) {
	if c, ok := compare(args[0], args[1]); ok && c == 0 {
		return nil, nil
	}
	return args[0], nil
}

func size(args []any) (any, error) {
	switch v := args[0].(type) {
	case nil, missingValue:
		return nil, nil
	case []any:
		return int64(len(v)), nil
	case *Object:
		return int64(len(v.Names)), nil
	}
	return nil, errArguments
}

// substring counts characters from 1; what lies before the text counts, too, as the
// standard has it.
func substring(args []any) (any, error) {
	if absent(args[0]) {
		return nil, nil
	}
	s, ok := args[0].(string)
	from, isNumber := number(args[1])
	if !ok || !isNumber {
		return nil, errArguments
	}
	runes := []rune(s)
	start, end := float(from)-1, math.Inf(1)
	if len(args) == 3 {
		n, ok := number(args[2])
		if !ok || float(n) < 0 {
			return nil, errArguments
		}
		end = start + float(n)
	}
	low, high := int(min(max(start, 0), float64(len(runes)))), int(min(max(end, 0), float64(len(runes))))
	if low >= high {
		return "", nil
	}
	return string(runes[low:high]), nil
}

func trimmer(side string) func([]any) (any, error) {
	return func(args []any) (any, error) {
		if absent(args[0]) || absent(args[1]) {
			return nil, nil
		}
		s, ok := args[0].(string)
		set, also := args[1].(string)
		if !ok || !also {
			return nil, errArguments
		}
		switch side {
		case "LEADING":
			return strings.TrimLeft(s, set), nil
		case "TRAILING":
			return strings.TrimRight(s, set), nil
		}
		return strings.Trim(s, set), nil
	}
}

// casts are the types that CAST knows; false where a value is none of them.
var casts = map[string]func(any) (any, bool){
	"BOOL": castBool, "BOOLEAN": castBool,
	"INT": castInt, "INTEGER": castInt,
	"FLOAT": castFloat, "DECIMAL": castFloat, "NUMERIC": castFloat,
	"STRING": castText, "CHAR": castText, "VARCHAR": castText, "CHARACTER": castText,
	"TIMESTAMP": func(v any) (any, bool) { return timestamp(v) },
}

func castBool(v any) (any, bool) {
	if n, ok := v.(int64); ok {
		return n != 0, true
	}
	return boolean(v)
}

func castInt(v any) (any, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1), true
		}
		return int64(0), true
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	}
	n, ok := number(v)
	if f, isFloat := n.(float64); isFloat {
		return int64(f), math.Abs(f) < 1<<63
	}
	return n, ok
}

func castFloat(v any) (any, bool) {
	n, ok := number(v)
	if !ok {
		return nil, false
	}
	if _, isInt := n.(int64); isInt {
		return float(n), true
	}
	return n, true
}

func castText(v any) (any, bool) { return text(v), true }

// An aggregate gathers over all records.
type aggregate struct {
	name  string
	of    node // nil for COUNT(*)
	count int64
	value any // sum, least or greatest
}

func (a *aggregate) add(e *env) error {
	if a.of == nil {
		a.count++
		return nil
	}
	v, err := a.of.eval(e)
	if err != nil || absent(v) {
		return err
	}
	a.count++
	switch a.name {
	case "SUM", "AVG":
		n, ok := number(v)
		if !ok {
			return fault("EvaluatorInvalidArguments", "The argument of %s in the SQL expression is no number: %.64s.", a.name, text(v))
		}
		if a.value == nil {
			a.value = n
			return nil
		}
		a.value, err = calculate("+", a.value, n)
		return err
	case "MIN", "MAX":
		if n, ok := number(v); ok {
			v = n
		}
		if a.value == nil {
			a.value = v
			return nil
		}
		if c, ok := compare(v, a.value); ok && (c < 0) == (a.name == "MIN") && c != 0 {
			a.value = v
		}
	}
	return nil
}

type aggregateNode struct{ of *aggregate }

func (n aggregateNode) eval(*env) (any, error) {
	switch n.of.name {
	case "COUNT":
		return n.of.count, nil
	case "AVG":
		if n.of.count == 0 {
			return nil, nil
		}
		return float(n.of.value) / float64(n.of.count), nil
	}
	return n.of.value, nil
}

// datePart reports whether the function takes the part of a date.
func datePart(part, of string) bool {
	switch part {
	case "YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND":
		return true
	case "TIMEZONE_HOUR", "TIMEZONE_MINUTE":
		return of == "EXTRACT"
	}
	return false
}

func dateFunction(name, part string) func([]any) (any, error) {
	return func(args []any) (any, error) {
		for _, a := range args {
			if absent(a) {
				return nil, nil
			}
		}
		last, ok := timestamp(args[len(args)-1])
		if !ok {
			return nil, errArguments
		}
		switch name {
		case "EXTRACT":
			return extract(part, last), nil
		case "DATE_ADD":
			n, ok := number(args[0])
			if !ok || math.Abs(float(n)) > 1e9 {
				return nil, errArguments
			}
			return dateAdd(part, int(float(n)), last), nil
		}
		first, ok := timestamp(args[0])
		if !ok {
			return nil, errArguments
		}
		return dateDiff(part, first, last), nil
	}
}

func extract(part string, t Timestamp) int64 {
	_, offset := t.Zone()
	return map[string]int64{"YEAR": int64(t.Year()), "MONTH": int64(t.Month()), "DAY": int64(t.Day()), "HOUR": int64(t.Hour()),
		"MINUTE": int64(t.Minute()), "SECOND": int64(t.Second()), "TIMEZONE_HOUR": int64(offset / 3600), "TIMEZONE_MINUTE": int64(offset / 60 % 60)}[part]
}

// dateAdd makes the timestamp as precise as the part is.
func dateAdd(part string, n int, t Timestamp) Timestamp {
	switch part {
	case "YEAR":
		return Timestamp{addMonths(t.Time, 12*n), t.Digits}
	case "MONTH":
		return Timestamp{addMonths(t.Time, n), max(t.Digits, 6)}
	case "DAY":
		return Timestamp{t.AddDate(0, 0, n), max(t.Digits, 8)}
	case "HOUR":
		return Timestamp{t.Add(time.Duration(n) * time.Hour), max(t.Digits, 12)}
	case "MINUTE":
		return Timestamp{t.Add(time.Duration(n) * time.Minute), max(t.Digits, 12)}
	}
	return Timestamp{t.Add(time.Duration(n) * time.Second), max(t.Digits, 14)}
}

// addMonths keeps to the month's last day where it is shorter.
func addMonths(t time.Time, n int) time.Time {
	to := t.AddDate(0, n, 0)
	if to.Day() != t.Day() {
		to = to.AddDate(0, 0, -to.Day())
	}
	return to
}

// dateDiff counts whole parts from a to b.
func dateDiff(part string, a, b Timestamp) int64 {
	if b.Before(a.Time) {
		return -dateDiff(part, b, a)
	}
	months := int64(b.Year()-a.Year())*12 + int64(b.Month()) - int64(a.Month())
	if a.AddDate(0, int(months), 0).After(b.Time) {
		months--
	}
	d := b.Sub(a.Time)
	switch part {
	case "YEAR":
		return months / 12
	case "MONTH":
		return months
	case "DAY":
		return int64(d / (24 * time.Hour))
	case "HOUR":
		return int64(d / time.Hour)
	case "MINUTE":
		return int64(d / time.Minute)
	}
	return int64(d / time.Second)
}

func toTimestamp(args []any) (any, error) {
	if absent(args[0]) {
		return nil, nil
	}
	t, ok := timestamp(args[0])
	if !ok {
		return nil, fault("EvaluatorInvalidTimestampFormatPattern", "Timestamp format pattern is invalid in the SQL expression.")
	}
	return t, nil
}

// timePatterns lead from TO_STRING's letters to Go's.
var timePatterns = []struct{ theirs, ours string }{
	{"yyyy", "2006"}, {"yy", "06"}, {"y", "2006"}, {"MMMM", "January"}, {"MMM", "Jan"}, {"MM", "01"}, {"M", "1"},
	{"dd", "02"}, {"d", "2"}, {"a", "PM"}, {"hh", "03"}, {"h", "3"}, {"HH", "15"}, {"mm", "04"}, {"m", "4"}, {"ss", "05"}, {"s", "5"},
	{"XXX", "Z07:00"}, {"xxx", "-07:00"}, {"XX", "Z0700"}, {"xx", "-0700"}, {"X", "Z07"}, {"x", "-07"},
}

func toString(args []any) (any, error) {
	if absent(args[0]) || absent(args[1]) {
		return nil, nil
	}
	t, ok := timestamp(args[0])
	pattern, also := args[1].(string)
	if !ok || !also {
		return nil, errArguments
	}
	var out strings.Builder
next:
	for pattern != "" {
		if quoted, found := strings.CutPrefix(pattern, "'"); found {
			word, rest, _ := strings.Cut(quoted, "'")
			out.WriteString(word)
			pattern = rest
			continue
		}
		for _, p := range timePatterns {
			if rest, found := strings.CutPrefix(pattern, p.theirs); found {
				out.WriteString(t.Format(p.ours))
				pattern = rest
				continue next
			}
		}
		if n := len(pattern) - len(strings.TrimLeft(pattern, "S")); n > 0 {
			out.WriteString(t.Format("." + strings.Repeat("0", min(n, 9)))[1:])
			pattern = pattern[n:]
			continue
		}
		if r := pattern[0]; r == 'H' {
			out.WriteString(strconv.Itoa(t.Hour()))
		} else if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' && r != 'T' {
			return nil, fault("EvaluatorInvalidTimestampFormatPatternSymbol", "Timestamp format pattern contains an invalid symbol in the SQL expression: %q.", string(r))
		} else {
			out.WriteByte(r)
		}
		pattern = pattern[1:]
	}
	return out.String(), nil
}
