package lambda

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/netip"
	"slices"
	"strings"
)

// A pattern says which events a function wants, in the language of EventBridge:
// {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": [{"prefix": "1"}]}}}}.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
//
// Quamina, which is made for such patterns, has no numeric ranges, no $or, and knows
// anything-but of strings alone; AWS refuses no pattern with these, nor may Tule. It
// would also pay only for many patterns at once, and a mapping has five at most.
type pattern struct {
	fields []patternField
	any    []pattern // of $or: one of them must match, too
}

// patternField is what the value under one name must be.
type patternField struct {
	name  string
	under *pattern   // of an object
	want  []leafTest // of a leaf: one of them must hold
}

// A leafTest says whether a leaf is wanted; nil stands for a field that is not there.
type leafTest func(leaf any) bool

var errPattern = errors.New("lambda: not an event pattern")

// parsePattern reads a pattern.
func parsePattern(text string) (*pattern, error) {
	v, err := decodeExact([]byte(text))
	if err != nil {
		return nil, errPattern
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, errPattern
	}
	return readPattern(fields, 0)
}

// decodeExact is JSON with its numbers as they are written.
func decodeExact(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errPattern
	}
	return v, nil
}

// maxPatternDepth is how deep patterns nest; events are no deeper.
const maxPatternDepth = 64

func readPattern(fields map[string]any, depth int) (*pattern, error) {
	if depth > maxPatternDepth {
		return nil, errPattern
	}
	p := &pattern{}
	for name, v := range fields {
		if list, ok := v.([]any); ok && name == "$or" {
			if err := p.readOr(list, depth); err != nil {
				return nil, err
			}
			continue
		}
		f := patternField{name: name}
		var err error
		switch v := v.(type) {
		case map[string]any:
			f.under, err = readPattern(v, depth+1)
		case []any:
			f.want, err = readTests(v)
		default:
			err = errPattern
		}
		if err != nil {
			return nil, err
		}
		p.fields = append(p.fields, f)
	}
	return p, nil
}

func (p *pattern) readOr(list []any, depth int) error {
	if len(list) < 2 {
		return errPattern
	}
	for _, v := range list {
		fields, ok := v.(map[string]any)
		if !ok || len(fields) == 0 {
			return errPattern
		}
		one, err := readPattern(fields, depth+1)
		if err != nil {
			return err
		}
		p.any = append(p.any, *one)
	}
	return nil
}

func readTests(list []any) ([]leafTest, error) {
	if len(list) == 0 {
		return nil, errPattern
	}
	var out []leafTest
	for _, v := range list {
		c, err := readTest(v)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func readTest(v any) (leafTest, error) {
	switch v := v.(type) {
	case []any:
		return nil, errPattern
	case map[string]any:
		if len(v) != 1 {
			return nil, errPattern
		}
		for name, arg := range v {
			return readComparison(name, arg)
		}
	}
	return equals(v), nil
}

// equals tests for one value; numbers are equal by value.
func equals(want any) leafTest {
	if n, ok := want.(json.Number); ok {
		w, good := rational(n)
		return func(leaf any) bool {
			m, ok := leaf.(json.Number)
			if !ok {
				return false
			}
			r, fine := rational(m)
			return good && fine && w.Cmp(r) == 0 || m == n
		}
	}
	return func(leaf any) bool {
		if want == nil {
			return leaf == jsonNull
		}
		return leaf == want
	}
}

// jsonNull is the leaf null, as nil stands for what is not there.
const jsonNull = nullLeaf(true)

type nullLeaf bool

// maxNumber bounds the texts of numbers that are compared by value: exponents could
// make them larger than memory.
const maxNumber = 64

func rational(n json.Number) (*big.Rat, bool) {
	text := string(n)
	if i := strings.IndexAny(text, "eE"); len(text) > maxNumber || i >= 0 && len(text)-i > 5 {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

func readComparison(name string, arg any) (leafTest, error) {
	text, isText := arg.(string)
	switch name {
	case "exists":
		want, ok := arg.(bool)
		if !ok {
			return nil, errPattern
		}
		return func(leaf any) bool { return (leaf != nil) == want }, nil
	case "prefix", "suffix":
		return readAffix(name, arg)
	case "numeric":
		return readNumeric(arg)
	case "anything-but":
		return readAnythingBut(arg)
	case "equals-ignore-case":
		if isText {
			return ofText(func(s string) bool { return strings.EqualFold(s, text) }), nil
		}
	case "wildcard":
		if isText && !strings.Contains(text, "**") {
			return ofText(func(s string) bool { return wild(text, s) }), nil
		}
	case "cidr":
		if net, err := netip.ParsePrefix(text); err == nil {
			return ofText(func(s string) bool {
				a, err := netip.ParseAddr(s)
				return err == nil && net.Contains(a)
			}), nil
		}
	}
	return nil, errPattern
}

func ofText(test func(string) bool) leafTest {
	return func(leaf any) bool {
		s, ok := leaf.(string)
		return ok && test(s)
	}
}

// readAffix reads {"prefix": "a"} and {"prefix": {"equals-ignore-case": "a"}}.
func readAffix(name string, arg any) (leafTest, error) {
	has := strings.HasPrefix
	if name == "suffix" {
		has = strings.HasSuffix
	}
	if text, ok := arg.(string); ok {
		return ofText(func(s string) bool { return has(s, text) }), nil
	}
	of, _ := arg.(map[string]any)
	text, ok := of["equals-ignore-case"].(string)
	if !ok || len(of) != 1 {
		return nil, errPattern
	}
	text = strings.ToLower(text)
	return ofText(func(s string) bool { return has(strings.ToLower(s), text) }), nil
}

// readNumeric reads [">", 0, "<=", 5].
func readNumeric(arg any) (leafTest, error) {
	list, _ := arg.([]any)
	if len(list) != 2 && len(list) != 4 {
		return nil, errPattern
	}
	var tests []func(n *big.Rat) bool
	for ; len(list) > 0; list = list[2:] {
		n, _ := list[1].(json.Number)
		limit, ok := rational(n)
		op, _ := list[0].(string)
		if !ok || !slices.Contains([]string{"=", "<", "<=", ">", ">="}, op) {
			return nil, errPattern
		}
		tests = append(tests, func(n *big.Rat) bool {
			c := n.Cmp(limit)
			return c < 0 && op[0] == '<' || c > 0 && op[0] == '>' || c == 0 && strings.HasSuffix(op, "=")
		})
	}
	return func(leaf any) bool {
		text, ok := leaf.(json.Number)
		if !ok {
			return false
		}
		n, ok := rational(text)
		return ok && !slices.ContainsFunc(tests, func(t func(*big.Rat) bool) bool { return !t(n) })
	}, nil
}

// readAnythingBut reads a value, a list of values, or a comparison whose opposite is
// meant; a field that is not there is not anything.
func readAnythingBut(arg any) (leafTest, error) {
	var not []leafTest
	switch arg := arg.(type) {
	case []any:
		for _, v := range arg {
			switch v.(type) {
			case string, json.Number:
				not = append(not, equals(v))
			default:
				return nil, errPattern
			}
		}
	case string, json.Number:
		not = append(not, equals(arg))
	case map[string]any:
		for name, v := range arg {
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			for _, v := range list {
				if !slices.Contains([]string{"prefix", "suffix", "equals-ignore-case", "wildcard"}, name) {
					return nil, errPattern
				}
				c, err := readComparison(name, v)
				if err != nil {
					return nil, err
				}
				not = append(not, c)
			}
		}
	}
	if len(not) == 0 {
		return nil, errPattern
	}
	return func(leaf any) bool {
		return leaf != nil && !slices.ContainsFunc(not, func(c leafTest) bool { return c(leaf) })
	}, nil
}

// wild reports whether text matches a pattern with stars; \* and \\ stand for
// themselves.
func wild(pattern, text string) bool {
	star, mark := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
			continue
		case p < len(pattern):
			q := p
			if pattern[q] == '\\' && q+1 < len(pattern) {
				q++
			}
			if pattern[q] == text[t] {
				p, t = q+1, t+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		p, t = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matches reports whether a decoded event is wanted. Where the event has a list, one
// of its elements must match.
func (p *pattern) matches(v any) bool {
	if list, ok := v.([]any); ok {
		return slices.ContainsFunc(list, p.matches)
	}
	event, _ := v.(map[string]any) // without one, every field is missing
	for _, f := range p.fields {
		under, there := event[f.name]
		if f.under != nil {
			if !f.under.matches(under) {
				return false
			}
			continue
		}
		if !slices.ContainsFunc(leaves(under, there), f.holds) {
			return false
		}
	}
	return len(p.any) == 0 || slices.ContainsFunc(p.any, func(q pattern) bool { return q.matches(v) })
}

func (f *patternField) holds(leaf any) bool {
	return slices.ContainsFunc(f.want, func(c leafTest) bool { return c(leaf) })
}

// leaves are the leaves of a value; one that is not there, or has none, has the leaf nil.
func leaves(v any, there bool) []any {
	var out []any
	switch v := v.(type) {
	case nil:
		if there {
			return []any{jsonNull}
		}
	case []any:
		for _, e := range v {
			if _, object := e.(map[string]any); !object && e != nil {
				out = append(out, leaves(e, true)...)
			} else if e == nil {
				out = append(out, jsonNull)
			}
		}
	case map[string]any:
	default:
		return []any{v}
	}
	if len(out) == 0 {
		out = []any{nil}
	}
	return out
}

// filters are patterns of which an event must match one; none lets everything through.
type filters []*pattern

func parseFilters(texts []string) (filters, error) {
	var out filters
	for _, t := range texts {
		p, err := parsePattern(t)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// let reports whether an event, as JSON, passes.
func (f filters) let(event []byte) bool {
	if len(f) == 0 {
		return true
	}
	v, err := decodeExact(event)
	return err == nil && f.want(v)
}

// want reports whether an event, decoded exactly, matches one of the patterns.
func (f filters) want(v any) bool {
	return slices.ContainsFunc(f, func(p *pattern) bool { return p.matches(v) })
}
