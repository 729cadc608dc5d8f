package policy

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// condition is one compiled line of a Condition block. Its values are parsed once
// into the list that its operator reads.
type condition struct {
	op  operator
	key string // lower case
	src Condition

	patterns []pattern      // string operators: one a value; ARN operators: six a value
	numbers  []number       // Numeric…
	times    []time.Time    // Date…
	prefixes []netip.Prefix // IpAddress
	texts    []string       // Bool and Null: "true" or "false"; BinaryEquals: bytes
	broken   bool           // some value is not of the operator's type and matches nothing
}

func compileCondition(src Condition, version string) condition {
	op, ok := parseOperator(src.Operator)
	c := condition{op: op, key: lowerASCII(src.Key), src: src}
	if !ok {
		c.op, c.broken = operator{base: opStringEquals}, true // Parse lets none through
		return c
	}
	for _, v := range src.Values {
		if !c.compileValue(v, version == Version2012) {
			c.broken = true
		}
	}
	return c
}

// compileValue adds a value. It fails when the value is not of the operator's type.
func (c *condition) compileValue(v string, variables bool) (ok bool) {
	switch c.op.base {
	case opStringEquals:
		c.patterns = append(c.patterns, compilePattern(v, patternRules{variables: variables}))
	case opStringEqualsIgnoreCase:
		c.patterns = append(c.patterns, compilePattern(v, patternRules{variables: variables, fold: true}))
	case opStringLike:
		c.patterns = append(c.patterns, compilePattern(v, patternRules{wildcards: true, variables: variables}))
	case opArnLike:
		for _, part := range splitARNPattern(v) {
			c.patterns = append(c.patterns, compilePattern(part, patternRules{wildcards: true, variables: variables}))
		}
	case opBool, opNull:
		v = lowerASCII(v)
		c.texts = append(c.texts, v)
		return v == "true" || v == "false"
	case opBinaryEquals:
		raw, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			return false
		}
		c.texts = append(c.texts, string(raw))
	case opIPAddress:
		prefix, ok := parsePrefix(v)
		if !ok {
			return false
		}
		c.prefixes = append(c.prefixes, prefix)
	case opDateEquals, opDateLess, opDateLessEquals, opDateGreater, opDateGreaterEquals:
		t, ok := parseDate(v)
		if !ok {
			return false
		}
		c.times = append(c.times, t)
	default:
		n, ok := parseNumber(v)
		if !ok {
			return false
		}
		c.numbers = append(c.numbers, n)
	}
	return true
}

// holds reports whether the condition is met. The effect matters only where AWS
// leaves the outcome open: an Allow then does not apply, a Deny does.
func (c *condition) holds(e *env, effect Effect) bool {
	v := e.lookup(c.key)
	if c.op.base == opNull {
		return c.null(v.len() == 0)
	}
	if v.len() == 0 {
		switch {
		case c.op.ifExists, c.op.set == setAll:
			return true
		case c.op.set == setAny:
			return false
		}
		return c.op.negated
	}
	every := c.op.set == setAll || c.op.set == setNone && c.op.negated
	for i := 0; i < v.len(); i++ {
		if c.test(v.at(i), e, effect) != every {
			return !every
		}
	}
	return every
}

func (c *condition) null(absent bool) bool {
	for _, want := range c.texts {
		if want == "true" && absent || want == "false" && !absent {
			return true
		}
	}
	return false
}

// test asks one of the request's values.
func (c *condition) test(value string, e *env, effect Effect) bool {
	matched, certain := c.matchesAny(value, e)
	if !c.op.negated {
		return matched
	}
	if !matched && (!certain || c.broken) {
		return effect == Deny
	}
	return !matched
}

// matchesAny reports whether any of the condition's values matches. certain is
// false when that could not be told: a variable without a value, or a value of
// the request that is not of the operator's type.
func (c *condition) matchesAny(value string, e *env) (matched, certain bool) {
	switch c.op.base {
	case opStringEquals, opStringEqualsIgnoreCase, opStringLike:
		return c.matchesText(value, e)
	case opArnLike:
		return c.matchesARN(value, e)
	case opBool:
		for _, want := range c.texts {
			if strings.EqualFold(want, value) {
				return true, true
			}
		}
		return false, true
	case opBinaryEquals:
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return false, false
		}
		return slices.Contains(c.texts, string(raw)), true
	case opIPAddress:
		return c.matchesIP(value)
	case opDateEquals, opDateLess, opDateLessEquals, opDateGreater, opDateGreaterEquals:
		return c.matchesDate(value)
	}
	return c.matchesNumber(value)
}

func (c *condition) matchesText(value string, e *env) (matched, certain bool) {
	certain = true
	for i := range c.patterns {
		p := &c.patterns[i]
		ok, resolved := p.match(value, e)
		if ok || p.fold && p.shape == shapeExact && strings.EqualFold(value, p.text) {
			return true, true
		}
		certain = certain && resolved
	}
	return false, certain
}

// matchesARN compares part by part, so that a '*' never crosses a colon before
// the resource.
func (c *condition) matchesARN(value string, e *env) (matched, certain bool) {
	parts, ok := splitARN(value)
	if !ok {
		return false, false
	}
	certain = true
	for i := 0; i < len(c.patterns); i += len(parts) {
		all := true
		for k := range parts {
			ok, resolved := c.patterns[i+k].match(parts[k], e)
			certain = certain && resolved
			all = all && ok
		}
		if all {
			return true, true
		}
	}
	return false, certain
}

func (c *condition) matchesIP(value string) (matched, certain bool) {
	addr, err := netip.ParseAddr(value)
	if err != nil {
		return false, false
	}
	addr = addr.Unmap().WithZone("")
	for _, p := range c.prefixes {
		if p.Contains(addr) {
			return true, true
		}
	}
	return false, true
}

func (c *condition) matchesDate(value string) (matched, certain bool) {
	t, ok := parseDate(value)
	if !ok {
		return false, false
	}
	for i := range c.times {
		if ordered(c.op.base, t.Compare(c.times[i])) {
			return true, true
		}
	}
	return false, true
}

func (c *condition) matchesNumber(value string) (matched, certain bool) {
	n, ok := parseNumber(value)
	if !ok {
		return false, false
	}
	for i := range c.numbers {
		if ordered(c.op.base, n.compare(c.numbers[i])) {
			return true, true
		}
	}
	return false, true
}

// ordered reads a comparison of the request's value with the policy's.
func ordered(op baseOperator, cmp int) bool {
	switch op {
	case opNumericEquals, opDateEquals:
		return cmp == 0
	case opNumericLess, opDateLess:
		return cmp < 0
	case opNumericLessEquals, opDateLessEquals:
		return cmp <= 0
	case opNumericGreater, opDateGreater:
		return cmp > 0
	case opNumericGreaterEquals, opDateGreaterEquals:
		return cmp >= 0
	}
	return false
}
