// Package pattern is the language of EventBridge's event patterns, as AWS's own open
// matcher has it: compiling them, matching one against an event, and an index that finds
// among many patterns those that an event matches without asking each.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
package pattern

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Pattern is a compiled event pattern: alternatives, of which an event must match one.
type Pattern struct {
	alternatives []*alternative
}

// An alternative is fields that must all match, in the order of their paths.
type alternative struct {
	fields []field
}

// A field is a path, its names joined by dots, and what its value may be.
type field struct {
	path     string
	matchers []matcher
}

// maxAlternatives is how many alternatives the $or of a pattern may make. AWS refuses
// beyond 1,000 combinations.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
const maxAlternatives = 1000

// Parse compiles a pattern. Errors are of type *Error.
func Parse(text string) (*Pattern, error) {
	p := &parser{scanner: scanner{src: text}}
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.kind != beginObject {
		return nil, p.fail("Filter is not an object")
	}
	rules, err := p.object(nil, "", false)
	if err != nil {
		return nil, err
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	out := &Pattern{}
	for _, r := range rules {
		out.alternatives = append(out.alternatives, &alternative{r})
	}
	return out, nil
}

// A parser compiles what its scanner finds.
type parser struct{ scanner }

// reserved are the names that fields within $or may not have.
var reserved = []string{"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr",
	"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
	"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range"}

// object reads the fields of an object whose opening brace was read, into each of rules.
func (p *parser) object(rules [][]field, path string, inOr bool) ([][]field, error) {
	for some := false; ; some = true {
		if err := p.next(); err != nil {
			return nil, err
		}
		if p.kind == endObject {
			if !some {
				return nil, p.fail("Empty objects are not allowed")
			}
			return rules, nil
		}
		name := p.text
		var err error
		if name == "$or" {
			rules, err = p.or(rules, path)
		} else {
			if inOr && slices.Contains(reserved, name) {
				return nil, p.fail("%s is Ruler reserved fieldName which cannot be used inside $or.", name)
			}
			rules, err = p.member(rules, join(path, name), name, inOr)
		}
		if err != nil {
			return nil, err
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// member reads what a name in an object stands for.
func (p *parser) member(rules [][]field, path, name string, inOr bool) ([][]field, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	switch p.kind {
	case beginObject:
		return p.object(rules, path, inOr)
	case beginArray:
		list, err := p.matchers()
		if err != nil {
			return nil, err
		}
		if len(rules) == 0 {
			rules = [][]field{nil}
		}
		for i := range rules {
			rules[i] = with(rules[i], field{path, list})
		}
		return rules, nil
	}
	return nil, p.fail("\"%s\" must be an object or an array", name)
}

// with is fields with f in its place; the last of one path counts.
func with(fields []field, f field) []field {
	i, found := slices.BinarySearchFunc(fields, f.path, func(f field, path string) int { return strings.Compare(f.path, path) })
	fields = slices.Clone(fields)
	if found {
		fields[i] = f
		return fields
	}
	return slices.Insert(fields, i, f)
}

// or reads the list behind $or: each of its objects makes alternatives of its own.
func (p *parser) or(rules [][]field, path string) ([][]field, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.kind != beginArray {
		return nil, p.fail("It must be an Array followed with $or.")
	}
	var out [][]field
	for n := 0; ; n++ {
		if err := p.next(); err != nil {
			return nil, err
		}
		if p.kind == endArray {
			if n < 2 {
				return nil, p.fail("There must have at least 2 Objects in $or relationship.")
			}
			return out, nil
		}
		if p.kind != beginObject {
			return nil, p.fail("Only JSON object is allowed in array of $or relationship.")
		}
		own := slices.Clone(rules)
		if len(own) == 0 {
			own = [][]field{nil}
		}
		own, err := p.object(own, path, true)
		if err != nil {
			return nil, err
		}
		if out = append(out, own...); len(out) > maxAlternatives {
			return nil, &Error{"Rule is too complex - the $or conditions make too many combinations"}
		}
	}
}

// matchers reads the list of what a field may be.
func (p *parser) matchers() ([]matcher, error) {
	var list []matcher
	for {
		if err := p.next(); err != nil {
			return nil, err
		}
		switch p.kind {
		case endArray:
			if len(list) == 0 {
				return nil, p.fail("Empty arrays are not allowed")
			}
			return list, nil
		case beginObject:
			m, err := p.expression()
			if err != nil {
				return nil, err
			}
			list = append(list, m)
		case stringValue, numberValue, wordValue:
			list = append(list, exact(p.kind, p.value()))
		default:
			return nil, p.fail("Match value must be String, number, true, false, or null")
		}
	}
}

func exact(k kind, text string) matcher {
	m := matcher{op: opExact, kind: k, text: text}
	switch k {
	case numberValue:
		m.num = number(text)
	case stringValue:
		m.addr = address(text)
	}
	return m
}

// expression reads {"operator": …}, of which the brace was read.
func (p *parser) expression() (m matcher, err error) {
	if err := p.next(); err != nil {
		return m, err
	}
	if p.kind != fieldName {
		return m, p.fail("Match expression name not found")
	}
	name := p.text
	switch name {
	case "exactly", "prefix", "suffix", "equals-ignore-case", "wildcard", "cidr", "numeric", "anything-but", "exists":
	default:
		return m, p.fail("Unrecognized match type %s", name)
	}
	if err := p.next(); err != nil {
		return m, err
	}
	closing := "Only one key allowed in match expression"
	switch name {
	case "numeric":
		closing = "Too many elements in numeric expression"
		m, err = p.numeric()
	case "anything-but":
		closing = "Too many elements in numeric expression"
		m, err = p.anythingBut()
	case "exists":
		if p.kind != wordValue || p.text == "null" {
			return m, p.fail("exists match pattern must be either true or false.")
		}
		if m.op = opAbsent; p.text == "true" {
			m.op = opExists
		}
	case "cidr":
		if p.kind != stringValue {
			return m, p.fail("prefix match pattern must be a string")
		}
		m, err = network(p.value())
	default:
		m, err = p.textual(name)
	}
	if err != nil {
		return m, err
	}
	return m, p.close(closing)
}

// close reads the end of an object.
func (p *parser) close(otherwise string) error {
	if err := p.next(); err != nil {
		return err
	}
	if p.kind != endObject {
		return p.fail("%s", otherwise)
	}
	return nil
}

// textual reads what the operators on strings compare with.
func (p *parser) textual(name string) (matcher, error) {
	if p.kind == beginObject && (name == "prefix" || name == "suffix") {
		return p.folded(name)
	}
	if p.kind != stringValue {
		if name == "exactly" {
			name = "exact"
		}
		return matcher{}, p.fail("%s match pattern must be a string", name)
	}
	return p.comparison(name, p.value())
}

// comparison is what an operator on strings makes of a text.
func (p *parser) comparison(name, text string) (matcher, error) {
	switch name {
	case "prefix":
		return matcher{op: opPrefix, text: text}, nil
	case "suffix":
		return matcher{op: opSuffix, text: text}, nil
	case "equals-ignore-case":
		return matcher{op: opFold, text: fold(text)}, nil
	case "wildcard":
		parts, problem := splitWildcard(text)
		if problem == tooComplex {
			return matcher{}, &Error{problem}
		}
		if problem != "" {
			return matcher{}, p.fail("%s", problem)
		}
		return matcher{op: opWildcard, parts: parts}, nil
	}
	return exact(stringValue, text), nil
}

// folded reads {"equals-ignore-case": …} behind prefix or suffix.
func (p *parser) folded(name string) (m matcher, err error) {
	title := map[string]string{"prefix": "Prefix", "suffix": "Suffix"}[name]
	if err := p.next(); err != nil {
		return m, err
	}
	if p.kind != fieldName {
		return m, p.fail("%s expression name not found", title)
	}
	if p.text != "equals-ignore-case" {
		return m, p.fail("Unsupported %s pattern: %s", name, p.text)
	}
	if err := p.next(); err != nil {
		return m, err
	}
	if p.kind != stringValue {
		return m, p.fail("equals-ignore-case match pattern must be a string")
	}
	m = matcher{op: opPrefixFold, text: fold(p.value())}
	if name == "suffix" {
		m.op = opSuffixFold
	}
	return m, p.close("Only one key allowed in match expression")
}

// network reads a CIDR block.
func network(text string) (matcher, error) {
	ip, bits, ok := strings.Cut(text, "/")
	if !ok || strings.Contains(bits, "/") || bits == "" {
		return matcher{}, &Error{"Malformed CIDR, one '/' required"}
	}
	n, err := strconv.ParseInt(bits, 10, 32)
	if err != nil {
		return matcher{}, &Error{"Malformed CIDR, mask bits must be an integer"}
	}
	if n < 0 {
		return matcher{}, &Error{"Malformed CIDR, mask bits must not be negative"}
	}
	a := address(ip)
	switch {
	case !a.IsValid():
		return matcher{}, &Error{"Nonstandard IP address: " + ip}
	case a.Is4() && n > 31:
		return matcher{}, &Error{"IPv4 mask bits must be < 32"}
	case n > 127:
		return matcher{}, &Error{"IPv6 mask bits must be < 128"}
	}
	return matcher{op: opNetwork, net: netip.PrefixFrom(a, int(n)).Masked()}, nil
}

// numeric reads the list of a comparison of numbers.
func (p *parser) numeric() (m matcher, err error) {
	if p.kind != beginArray {
		return m, p.fail("Value of numeric must be an array.")
	}
	if err := p.next(); err != nil {
		return m, err
	}
	if p.kind != stringValue {
		return m, p.fail("Invalid member in numeric match: %s", p.shown())
	}
	operator := p.value()
	m = matcher{op: opRange, low: math.Inf(-1), high: math.Inf(1)}
	var bound *float64
	switch operator {
	case "=":
	case ">", ">=":
		bound, m.open[0] = &m.low, operator == ">"
	case "<", "<=":
		bound, m.open[1] = &m.high, operator == "<"
	default:
		return m, p.fail("Unrecognized numeric range operator: %s", operator)
	}
	if operator == "=" {
		if m.low, err = p.bound("equals"); err != nil {
			return m, err
		}
		m.high = m.low
	} else if *bound, err = p.bound(operator); err != nil {
		return m, err
	}
	if err := p.next(); err != nil {
		return m, err
	}
	if p.kind == endArray {
		return m, nil
	}
	if bound != &m.low {
		return m, p.fail("Too many elements in numeric expression")
	}
	return p.top(m)
}

// top reads the second half of a range.
func (p *parser) top(m matcher) (matcher, error) {
	if p.kind != stringValue {
		return m, p.fail("Bad value in numeric range: %s", p.shown())
	}
	operator := p.value()
	if operator != "<" && operator != "<=" {
		return m, p.fail("Bad numeric range operator: %s", operator)
	}
	m.open[1] = operator == "<"
	var err error
	if m.high, err = p.bound(operator); err != nil {
		return m, err
	}
	if err := p.next(); err != nil {
		return m, err
	}
	if p.kind != endArray {
		return m, p.fail("Too many terms in numeric range expression")
	}
	if m.low >= m.high {
		return m, p.fail("Bottom must be less than top")
	}
	return m, nil
}

// shown is the present token as errors show it.
func (p *parser) shown() string {
	if p.text != "" {
		return p.value()
	}
	return string(rune(p.kind))
}

// bound reads a number that operator compares with.
func (p *parser) bound(operator string) (float64, error) {
	if err := p.next(); err != nil {
		return 0, err
	}
	if p.kind != numberValue {
		return 0, p.fail("Value of %s must be numeric", operator)
	}
	n := number(p.value())
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, p.fail("Cannot compare number : %s", p.text)
	}
	return n, nil
}

// anythingBut reads what must not be: a value or a list, or an operator's texts.
func (p *parser) anythingBut() (matcher, error) {
	name := ""
	if p.kind == beginObject {
		if err := p.next(); err != nil {
			return matcher{}, err
		}
		if p.kind != fieldName {
			return matcher{}, p.fail("Anything-But expression name not found")
		}
		switch name = p.text; name {
		case "equals-ignore-case", "prefix", "suffix", "wildcard":
		default:
			return matcher{}, p.fail("Unsupported anything-but pattern: %s", name)
		}
		if err := p.next(); err != nil {
			return matcher{}, err
		}
	}
	if p.kind != beginArray && p.kind != stringValue && p.kind != numberValue {
		return matcher{}, p.fail("Value of anything-but must be an array or single string/number value.")
	}
	m := matcher{op: opNot}
	if p.kind != beginArray {
		no, err := p.refused(name)
		if err != nil {
			return m, err
		}
		m.all = []matcher{no}
	} else if err := p.refusedList(name, &m); err != nil {
		return m, err
	}
	if name == "" {
		return m, nil
	}
	return m, p.close("Too many elements in numeric expression")
}

// refused is the present value as anything-but refuses it.
func (p *parser) refused(name string) (matcher, error) {
	if name == "" {
		if p.kind == wordValue || p.kind == beginArray || p.kind == beginObject {
			return matcher{}, p.fail("Inside anything but list, start|null|boolean is not supported.")
		}
		m := exact(p.kind, p.value())
		if m.addr = (netip.Addr{}); p.kind == numberValue && math.IsNaN(m.num) {
			return m, p.fail("Cannot compare number : %s", p.text)
		}
		return m, nil
	}
	switch {
	case p.kind == stringValue:
	case name == "equals-ignore-case":
		return matcher{}, p.fail("Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.")
	case name == "wildcard":
		return matcher{}, p.fail("wildcard match pattern must be a string")
	default:
		return matcher{}, p.fail("prefix/suffix match pattern must be a string")
	}
	text := p.value()
	if text == "" && (name == "prefix" || name == "suffix") {
		return matcher{}, p.fail("Null prefix/suffix not allowed")
	}
	return p.comparison(name, text)
}

// refusedList reads a list behind anything-but. AWS says twice where an element is wrong.
func (p *parser) refusedList(name string, m *matcher) error {
	numbers := 0
	for {
		if err := p.next(); err != nil {
			return err
		}
		if p.kind == endArray {
			break
		}
		no, err := p.refused(name)
		if e, ok := err.(*Error); ok && strings.Contains(e.Text, "\n at [Source") {
			return &Error{e.Text + e.Text[strings.Index(e.Text, "\n at [Source"):]}
		}
		if err != nil {
			return err
		}
		if no.kind == numberValue {
			numbers++
		}
		m.all = append(m.all, no)
	}
	if name == "" && (len(m.all) == 0 || numbers > 0 && numbers < len(m.all)) {
		return p.fail("Inside anything but list, either all values are number or string, mixed type is not supported")
	}
	return nil
}
