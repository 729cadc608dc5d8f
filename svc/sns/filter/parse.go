package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A node is what a key of a policy has: patterns, or a policy below it.
type node struct {
	key      string
	patterns []pattern
	below    []node
	nested   bool
	or       [][]node // of the key "$or"
}

// Parse compiles a policy. An empty text, and one without keys, is nil: no policy. The
// error is an *Error.
func Parse(text string, scope Scope) (*Policy, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if len(text) > maxSize {
		return nil, &Error{"FilterPolicy: Filter policy is too large"}
	}
	p := parser{l: lexer{text: text}}
	nodes, err := p.document()
	if err != nil {
		var bad *syntaxError
		if errors.As(err, &bad) {
			err = &Error{"FilterPolicy: failed to parse JSON. " + bad.text + "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); " + place(text, bad.at) + "]"}
		}
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, nil
	}
	if scope != Body && nests(nodes) {
		return nil, &Error{"Filter policy scope MessageAttributes does not support nested filter policy"}
	}
	if len(nodes) > maxKeys {
		return nil, &Error{"FilterPolicy: Filter policy can not have more than 5 keys"}
	}
	if combinations(nodes, 1, 1) > maxCombinations {
		return nil, &Error{"FilterPolicy: Filter policy is too complex"}
	}
	c := &Policy{scope: scope, prefixes: map[string]bool{}}
	c.alternatives = flatten([]conjunction{{}}, "", nodes)
	for _, a := range c.alternatives {
		for key := range a {
			for i := range key {
				if key[i] == '.' {
					c.prefixes[key[:i]] = true
				}
			}
			c.prefixes[key] = true
		}
	}
	return c, nil
}

func nests(nodes []node) bool {
	for _, n := range nodes {
		if n.nested {
			return true
		}
		for _, alternative := range n.or {
			if nests(alternative) {
				return true
			}
		}
	}
	return false
}

// combinations is how complex AWS finds a policy: the product of the number of values of
// each key and of its depth; the alternatives of $or add up. It stops counting where
// there are too many.
func combinations(nodes []node, depth, so int) int {
	for _, n := range nodes {
		switch {
		case n.or != nil:
			sum := 0
			for _, alternative := range n.or {
				sum += combinations(alternative, depth, so)
			}
			so = sum
		case n.nested:
			so = combinations(n.below, depth+1, so)
		default:
			so *= len(n.patterns) * depth
		}
		if so > maxCombinations {
			return maxCombinations + 1
		}
	}
	return so
}

// flatten adds the keys of nodes to each of the alternatives so far.
func flatten(so []conjunction, path string, nodes []node) []conjunction {
	for _, n := range nodes {
		if n.or != nil {
			var out []conjunction
			for _, alternative := range n.or {
				out = append(out, flatten(so, path, alternative)...)
			}
			so = out
			continue
		}
		key := n.key
		if path != "" {
			key = path + "." + key
		}
		if n.nested {
			so = flatten(so, key, n.below)
			continue
		}
		next := make([]conjunction, len(so))
		for i, c := range so {
			more := make(conjunction, len(c)+1)
			for k, v := range c {
				more[k] = v
			}
			more[key] = n.patterns
			next[i] = more
		}
		so = next
	}
	return so
}

// A parser reads policies as AWS's does, so that it finds the same fault first.
type parser struct{ l lexer }

// fail is a fault that is found when the token has been read.
func (p *parser) fail(t token, format string, args ...any) error {
	return p.failAt(t.seen, format, args...)
}

func (p *parser) failAt(at int, format string, args ...any) error {
	return &Error{"FilterPolicy: " + fmt.Sprintf(format, args...) + "\n at [Source: (String)\"" + p.l.text + "\"; " + place(p.l.text, at) + "]"}
}

func (p *parser) document() ([]node, error) {
	t, err := p.l.next()
	if err != nil {
		return nil, err
	}
	if t.kind != tokObject {
		return nil, p.fail(t, "Filter is not an object")
	}
	nodes, err := p.object()
	if err != nil {
		return nil, err
	}
	p.l.space()
	if p.l.at < len(p.l.text) {
		return nil, p.l.unexpected("was expecting the end")
	}
	return nodes, nil
}

// object reads what follows a brace, to the end of the object.
func (p *parser) object() ([]node, error) {
	var nodes []node
	for {
		t, err := p.l.next()
		if err != nil || t.kind == tokEndObj {
			return nodes, err
		}
		n := node{key: t.text}
		t, err = p.l.next()
		if err != nil {
			return nil, err
		}
		switch t.kind {
		case tokObject:
			n.nested = true
			n.below, err = p.object()
			if err == nil && len(n.below) == 0 {
				err = p.failAt(p.l.at, "Empty objects are not allowed")
			}
		case tokArray:
			if n.key == "$or" && p.alternativesAhead() {
				n.or, err = p.alternatives()
			} else {
				n.patterns, err = p.patterns()
			}
		default:
			err = p.fail(t, "\"%s\" must be an object or an array", n.key)
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
}

// reserved are the names of operators: an object that has them is a pattern.
var reserved = map[string]bool{"exists": true, "equals-ignore-case": true, "prefix": true, "suffix": true, "anything-but": true,
	"numeric": true, "cidr": true, "exactly": true}

// alternativesAhead reports whether an array holds two objects or more that are policies
// of their own: else $or is a key like others.
func (p *parser) alternativesAhead() bool {
	ahead := parser{l: lexer{text: p.l.text, at: p.l.at, stack: []frame{{open: tokArray}}}}
	n := 0
	for {
		t, err := ahead.l.next()
		if err != nil {
			return false
		}
		if t.kind == tokEndArr {
			return n > 1
		}
		if t.kind != tokObject {
			return false
		}
		for depth := 1; depth > 0; {
			if t, err = ahead.l.next(); err != nil {
				return false
			}
			switch t.kind {
			case tokObject, tokArray:
				depth++
			case tokEndObj, tokEndArr:
				depth--
			case tokName:
				if depth == 1 && reserved[t.text] {
					return false
				}
			}
		}
		n++
	}
}

func (p *parser) alternatives() ([][]node, error) {
	var out [][]node
	for {
		t, err := p.l.next()
		if err != nil || t.kind == tokEndArr {
			return out, err
		}
		nodes, err := p.object()
		if err != nil {
			return nil, err
		}
		if len(nodes) == 0 {
			return nil, p.failAt(p.l.at, "Empty objects are not allowed")
		}
		out = append(out, nodes)
	}
}

// patterns reads the array of a key.
func (p *parser) patterns() ([]pattern, error) {
	var out []pattern
	for {
		t, err := p.l.next()
		if err != nil {
			return nil, err
		}
		switch t.kind {
		case tokEndArr:
			if len(out) == 0 {
				return nil, p.fail(t, "Empty arrays are not allowed")
			}
			return out, nil
		case tokObject:
			one, err := p.expression()
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		case tokArray:
			return nil, p.fail(t, "Match value must be String, number, true, false, or null")
		default:
			out = append(out, pattern{op: opEquals, one: literal(t)})
		}
	}
}

// literal is a scalar token as a value.
func literal(t token) value {
	if t.kind == tokString || t.kind == tokNumber {
		return value{t.kind, t.text}
	}
	return value{kind: t.kind}
}

// expression reads {"operator": operand}.
func (p *parser) expression() (out pattern, err error) {
	name, err := p.l.next()
	if err != nil {
		return out, err
	}
	if name.kind != tokName {
		return out, p.fail(name, "Match expression name not found")
	}
	t, err := p.l.next()
	if err != nil {
		return out, err
	}
	switch name.text {
	case "prefix", "suffix", "equals-ignore-case":
		out.op = map[string]op{"prefix": opPrefix, "suffix": opSuffix, "equals-ignore-case": opIgnoreCase}[name.text]
		out.texts, err = p.text(name.text, t)
	case "exists":
		out.op, out.exists = opExists, t.kind == tokTrue
		if t.kind != tokTrue && t.kind != tokFalse {
			err = p.fail(t, "exists match pattern must be either true or false.")
		}
	case "anything-but":
		out, err = p.anythingBut(t)
	case "numeric":
		out, err = p.numeric(t)
	case "cidr":
		out, err = p.cidr(t)
	default:
		err = p.fail(t, "Unrecognized match type %s", name.text)
	}
	if err != nil {
		return out, err
	}
	if t, err = p.l.next(); err == nil && t.kind != tokEndObj {
		err = p.fail(t, "Only one key allowed in match expression")
	}
	return out, err
}

func (p *parser) text(operator string, t token) (string, error) {
	if t.kind != tokString {
		return "", p.fail(t, "%s match pattern must be a string", operator)
	}
	return t.text, nil
}

func (p *parser) anythingBut(t token) (pattern, error) {
	switch t.kind {
	case tokString, tokNumber:
		return pattern{op: opAnythingBut, not: []value{literal(t)}}, nil
	case tokArray:
		return p.anythingButAny()
	case tokObject:
		name, err := p.l.next()
		if err != nil {
			return pattern{}, err
		}
		if name.text != "prefix" || name.kind != tokName {
			return pattern{}, p.fail(name, "Unsupported anything-but pattern: %s", name.text)
		}
		if t, err = p.l.next(); err != nil {
			return pattern{}, err
		}
		out := pattern{op: opAnythingButPrefix}
		if out.texts, err = p.text("prefix", t); err != nil {
			return pattern{}, err
		}
		if t, err = p.l.next(); err == nil && t.kind != tokEndObj {
			err = p.fail(t, "Only one key allowed in match expression")
		}
		return out, err
	}
	return pattern{}, p.fail(t, "Value of anything-but must be an array or single string/number value.")
}

func (p *parser) anythingButAny() (pattern, error) {
	out := pattern{op: opAnythingBut}
	for {
		t, err := p.l.next()
		switch {
		case err != nil:
			return out, err
		case t.kind == tokEndArr && len(out.not) == 0:
			return out, p.fail(t, "Empty arrays are not allowed")
		case t.kind == tokEndArr:
			return out, nil
		case t.kind != tokString && t.kind != tokNumber:
			return out, p.fail(t, "Inside anything but list, start|null|boolean is not supported.")
		case len(out.not) > 0 && out.not[0].kind != t.kind:
			return out, p.fail(t, "Inside anything but list, either all values are number or string, mixed type is not supported")
		}
		out.not = append(out.not, literal(t))
	}
}

// numeric reads [">", 0, "<=", 100] and its like.
func (p *parser) numeric(t token) (out pattern, err error) {
	out.op = opNumeric
	if t.kind != tokArray {
		return out, p.fail(t, "Value of numeric must be an array.")
	}
	if t, err = p.l.next(); err != nil {
		return out, err
	}
	if t.kind != tokString {
		return out, p.fail(t, "Invalid member in numeric match: %s", t.text)
	}
	first := t.text
	if t, err = p.l.next(); err != nil {
		return out, err
	}
	switch first {
	case "=", "<", "<=", ">", ">=":
	default:
		return out, p.fail(t, "Unrecognized numeric range operator: %s", first)
	}
	if out.ranges[0], err = p.bound(first, t); err != nil {
		return out, err
	}
	if t, err = p.l.next(); err != nil || t.kind == tokEndArr {
		return out, err
	}
	if first != ">" && first != ">=" {
		return out, p.fail(t, "Too many elements in numeric expression")
	}
	return p.upper(out, t)
}

func (p *parser) bound(operator string, t token) (bound, error) {
	if t.kind != tokNumber {
		if operator == "=" {
			operator = "equals"
		}
		return bound{}, p.fail(t, "Value of %s must be numeric", operator)
	}
	n, err := strconv.ParseFloat(t.text, 64)
	if err != nil {
		return bound{}, p.fail(t, "Value of %s must be numeric", operator)
	}
	return bound{operator, n}, nil
}

// upper reads the second bound of a range, of which t is the operator.
func (p *parser) upper(out pattern, t token) (pattern, error) {
	if t.kind != tokString {
		return out, p.fail(t, "Bad value in numeric range: %s", t.text)
	}
	if t.text != "<" && t.text != "<=" {
		return out, p.failAt(t.end, "Bad numeric range operator: %s", t.text)
	}
	operand, err := p.l.next()
	if err != nil {
		return out, err
	}
	if out.ranges[1], err = p.bound(t.text, operand); err != nil {
		return out, err
	}
	end, err := p.l.next()
	if err != nil {
		return out, err
	}
	if end.kind != tokEndArr {
		return out, p.fail(end, "Too many terms in numeric range expression")
	}
	if out.ranges[1].n <= out.ranges[0].n {
		return out, p.fail(end, "Bottom must be less than top")
	}
	return out, nil
}

// cidr reads "10.0.0.0/24". AWS says of these where they are wrong in no document.
func (p *parser) cidr(t token) (pattern, error) {
	text, err := p.text("prefix", t)
	if err != nil {
		return pattern{}, err
	}
	address, bits, ok := strings.Cut(text, "/")
	if !ok || strings.Contains(bits, "/") {
		return pattern{}, &Error{"FilterPolicy: Malformed CIDR, one '/' required"}
	}
	if n, err := strconv.Atoi(bits); err != nil {
		return pattern{}, &Error{"FilterPolicy: Malformed CIDR, mask bits must be an integer"}
	} else if n < 0 {
		return pattern{}, &Error{"FilterPolicy: Malformed CIDR, mask bits must not be negative"}
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		if _, bad := netip.ParseAddr(address); bad != nil {
			return pattern{}, &Error{"FilterPolicy: Nonstandard IP address: " + address}
		}
		return pattern{}, &Error{"FilterPolicy: Malformed CIDR, mask bits must be less than 32 for IPv4 or 128 for IPv6"}
	}
	return pattern{op: opCIDR, network: network.Masked()}, nil
}
