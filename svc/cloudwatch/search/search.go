// Package search is the language in which CloudWatch's SEARCH function finds metrics:
//
//	{AWS/Lambda,FunctionName} MetricName="Errors" FunctionName=(api OR worker)
//
// What stands before the terms in braces is the namespace and exactly those dimensions
// that a metric must have. A term in quotes must be a whole name or value; another one
// matches names and values that have all its words.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
package search

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A Metric is what is searched for.
type Metric struct {
	Namespace, Name string
	Dimensions      [][2]string // names and values
}

// An Expression is one that was parsed.
type Expression struct {
	// Namespace and Dimensions are those of the schema in braces; "" and nil without one.
	Namespace  string
	Dimensions []string
	root       term // nil matches all
}

// Match reports whether the expression finds a metric.
func (e *Expression) Match(m Metric) bool {
	if e.Namespace != "" {
		if m.Namespace != e.Namespace || len(m.Dimensions) != len(e.Dimensions) {
			return false
		}
		for _, d := range m.Dimensions {
			if !slices.Contains(e.Dimensions, d[0]) {
				return false
			}
		}
	}
	return e.root == nil || e.root(m)
}

// A term decides on one metric.
type term func(Metric) bool

// maxLength and maxDepth bound an expression.
const (
	maxLength = 1024
	maxDepth  = 32
)

// Parse reads an expression. The error is a sentence for whoever wrote it.
func Parse(text string) (*Expression, error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("the search expression has more than %d characters", maxLength)
	}
	p := &parser{rest: text}
	e := &Expression{}
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.token == "{" && !p.quoted {
		if err := p.schema(e); err != nil {
			return nil, err
		}
	}
	if p.done {
		return e, nil
	}
	var err error
	if e.root, err = p.or(""); err != nil {
		return nil, err
	}
	if !p.done {
		return nil, fmt.Errorf("unexpected %q in the search expression", p.token)
	}
	return e, nil
}

type parser struct {
	rest   string
	token  string
	quoted bool
	done   bool
	depth  int
}

// next reads a token: a sign, a text in quotes, or a word.
func (p *parser) next() error {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	p.token, p.quoted = "", false
	if p.done = p.rest == ""; p.done {
		return nil
	}
	switch c := p.rest[0]; {
	case strings.IndexByte("{}(),=", c) >= 0:
		p.token, p.rest = p.rest[:1], p.rest[1:]
	case c == '"':
		end := strings.IndexByte(p.rest[1:], '"')
		if end < 0 {
			return fmt.Errorf("a quotation in the search expression has no end")
		}
		p.token, p.rest, p.quoted = p.rest[1:end+1], p.rest[end+2:], true
	default:
		n := strings.IndexAny(p.rest, "{}(),=\" \t\r\n")
		if n < 0 {
			n = len(p.rest)
		}
		p.token, p.rest = p.rest[:n], p.rest[n:]
	}
	return nil
}

func (p *parser) sign(s string) bool { return !p.done && !p.quoted && p.token == s }

func (p *parser) schema(e *Expression) error {
	for first := true; ; first = false {
		if err := p.next(); err != nil {
			return err
		}
		if p.done || !p.quoted && strings.ContainsAny(p.token, "{}(),=") || p.token == "" {
			return fmt.Errorf("the schema of the search expression is not complete")
		}
		if first {
			e.Namespace = p.token
		} else {
			e.Dimensions = append(e.Dimensions, p.token)
		}
		if err := p.next(); err != nil {
			return err
		}
		if p.sign("}") {
			return p.next()
		}
		if !p.sign(",") {
			return fmt.Errorf("the schema of the search expression has no end")
		}
	}
}

// or reads terms of the property that they are about; "" is any.
func (p *parser) or(property string) (term, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("the search expression is nested too deep")
	}
	defer func() { p.depth-- }()
	x, err := p.and(property)
	for err == nil && p.sign("OR") {
		if err = p.next(); err != nil {
			break
		}
		a := x
		var b term
		if b, err = p.and(property); err == nil {
			x = func(m Metric) bool { return a(m) || b(m) }
		}
	}
	return x, err
}

func (p *parser) and(property string) (term, error) {
	x, err := p.not(property)
	for err == nil && !p.done && !p.sign("OR") && !p.sign(")") {
		if p.sign("AND") {
			if err = p.next(); err != nil {
				break
			}
		}
		a := x
		var b term
		if b, err = p.not(property); err == nil {
			x = func(m Metric) bool { return a(m) && b(m) }
		}
	}
	return x, err
}

func (p *parser) not(property string) (term, error) {
	negative := false
	for p.sign("NOT") {
		negative = !negative
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	x, err := p.one(property)
	if err != nil || !negative {
		return x, err
	}
	return func(m Metric) bool { return !x(m) }, nil
}

func (p *parser) one(property string) (term, error) {
	if p.done {
		return nil, fmt.Errorf("the search expression ends too early")
	}
	if p.sign("(") {
		if err := p.next(); err != nil {
			return nil, err
		}
		x, err := p.or(property)
		if err != nil {
			return nil, err
		}
		if !p.sign(")") {
			return nil, fmt.Errorf("a parenthesis of the search expression has no end")
		}
		return x, p.next()
	}
	token, quoted := p.token, p.quoted
	if !quoted && strings.ContainsAny(token, "{}),=") {
		return nil, fmt.Errorf("unexpected %q in the search expression", token)
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	if property == "" && p.sign("=") {
		if err := p.next(); err != nil {
			return nil, err
		}
		return p.one(token)
	}
	return match(property, token, quoted), nil
}

// match is the term of one word or quotation.
func match(property, text string, whole bool) term {
	fits := func(s string) bool { return s == text }
	if !whole {
		want := words(text)
		fits = func(s string) bool { return subset(want, words(s)) }
	}
	return func(m Metric) bool {
		switch property {
		case "MetricName":
			return fits(m.Name)
		case "Namespace":
			return fits(m.Namespace)
		case ":aws.AccountId":
			return true // there is no other account's metric
		}
		for _, d := range m.Dimensions {
			if property == d[0] && fits(d[1]) || property == "" && (fits(d[0]) || fits(d[1])) {
				return true
			}
		}
		if property != "" {
			return false
		}
		if fits(m.Name) || fits(m.Namespace) {
			return true
		}
		if whole {
			return false
		}
		all := m.Namespace + " " + m.Name
		for _, d := range m.Dimensions {
			all += " " + d[0] + " " + d[1]
		}
		return fits(all)
	}
}

// words are those of a text, in lower case: a name in camel case has several, and the
// whole name is one of them.
func words(s string) []string {
	var out []string
	var whole, part strings.Builder
	flush := func(b *strings.Builder) {
		if b.Len() > 0 {
			out = append(out, strings.ToLower(b.String()))
			b.Reset()
		}
	}
	lower := false
	for _, c := range s {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			flush(&whole)
			flush(&part)
			lower = false
			continue
		}
		if unicode.IsUpper(c) && lower {
			flush(&part)
		}
		lower = !unicode.IsUpper(c)
		whole.WriteRune(c)
		part.WriteRune(c)
	}
	flush(&whole)
	flush(&part)
	return out
}

func subset(want, have []string) bool {
	if len(want) == 0 {
		return false
	}
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}
