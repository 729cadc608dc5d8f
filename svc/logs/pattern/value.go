package pattern

import (
	"regexp"
	"strconv"
	"strings"
)

// A comparison holds what it finds against a value.
type comparison struct {
	op string // = != < <= > >=
	// One of these is the value: a regular expression; a number, which was written
	// without quotes and stars; else text, between whatever the stars stand for.
	re     *regexp.Regexp
	number *float64
	text   string
	// before and behind say that there are stars around the text.
	before, behind bool
}

// parseComparison reads an operator and a value; ok is false if there is no operator.
func parseComparison(s *scanner) (c comparison, ok bool, err error) {
	s.space()
	for _, op := range [...]string{"!=", "<=", ">=", "=", "<", ">"} {
		if s.take(op) {
			c.op = op
			break
		}
	}
	if c.op == "" {
		return c, false, nil
	}
	s.space()
	from := s.pos
	bare := false
	switch rest := s.rest(); {
	case strings.HasPrefix(rest, `"`):
		c.text, err = s.quoted()
	case strings.HasPrefix(rest, "%"):
		c.re, err = s.regex()
	default:
		bare = true
		if c.text = s.run(isValue); c.text == "" {
			err = s.bad()
		}
	}
	if err != nil {
		return c, true, err
	}
	if f, err := strconv.ParseFloat(c.text, 64); bare && err == nil && isNumber(c.text) {
		c.number = &f
	}
	if c.op != "=" && c.op != "!=" && c.number == nil {
		return c, true, errTerm(s.text[from:s.pos])
	}
	if c.re == nil && c.text == "*" {
		c.text, c.before, c.behind = "", true, true
		return c, true, nil
	}
	c.text, c.before = strings.CutPrefix(c.text, "*")
	c.text, c.behind = strings.CutSuffix(c.text, "*")
	return c, true, nil
}

// isValue reports whether a value without quotes may have r.
func isValue(r rune) bool { return isWord(r) || strings.ContainsRune("*.+-/", r) }

// isNumber tells numbers from the other texts that ParseFloat takes: infinities and
// hexadecimal ones.
func isNumber(text string) bool {
	return strings.Trim(text, "0123456789+-.eE") == "" && strings.ContainsAny(text, "0123456789")
}

// of compares a text; as a number if it may be one and the value is one.
func (c *comparison) of(text string, numeric bool) bool {
	if c.number != nil && numeric && isNumber(text) {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return c.ofNumber(f)
		}
	}
	switch c.op {
	case "=":
		return c.matches(text)
	case "!=":
		return !c.matches(text)
	}
	return false
}

// needs are what a text has of which the comparison holds.
func (c *comparison) needs() [][]string {
	switch {
	case c.op != "=" || c.number != nil: // numbers are spelt in many ways
		return nil
	case c.re != nil:
		return needsOf(c.re)
	case c.text == "":
		return nil
	}
	return [][]string{{c.text}}
}

func (c *comparison) ofNumber(f float64) bool {
	switch c.op {
	case "=":
		return f == *c.number
	case "!=":
		return f != *c.number
	case "<":
		return f < *c.number
	case "<=":
		return f <= *c.number
	case ">":
		return f > *c.number
	}
	return f >= *c.number
}

func (c *comparison) matches(text string) bool {
	switch {
	case c.re != nil:
		return c.re.MatchString(text)
	case c.before && c.behind:
		return strings.Contains(text, c.text)
	case c.before:
		return strings.HasSuffix(text, c.text)
	case c.behind:
		return strings.HasPrefix(text, c.text)
	}
	return text == c.text
}
