package jsonpath

import (
	"regexp"
	"strings"

	"github.com/tule-cloud/tule/vtl/value"
)

// test is a filter's condition on one element.
type test func(e *eval, at any) (bool, error)

// operand is one side of a comparison; ok is false where its path leads nowhere.
type operand func(e *eval, at any) (v any, ok bool, err error)

func (c *compiler) or() (test, error) {
	return c.chain("||", c.and, true)
}

func (c *compiler) and() (test, error) {
	return c.chain("&&", c.not, false)
}

// chain reads conditions joined by an operator; the first that gives decided
// settles the whole.
func (c *compiler) chain(op string, read func() (test, error), decided bool) (test, error) {
	first, err := read()
	if err != nil {
		return nil, err
	}
	tests := []test{first}
	for c.space(); c.take(op); c.space() {
		t, err := read()
		if err != nil {
			return nil, err
		}
		tests = append(tests, t)
	}
	if len(tests) == 1 {
		return first, nil
	}
	return func(e *eval, at any) (bool, error) {
		for _, t := range tests {
			if ok, err := t(e, at); err != nil || ok == decided {
				return ok, err
			}
		}
		return !decided, nil
	}, nil
}

func (c *compiler) not() (test, error) {
	if c.depth++; c.depth > maxDepth {
		return nil, c.fail("nested too deeply")
	}
	defer func() { c.depth-- }()
	c.space()
	if c.peek() == '!' {
		c.at++
		t, err := c.not()
		return func(e *eval, at any) (bool, error) {
			ok, err := t(e, at)
			return !ok, err
		}, err
	}
	if c.take("(") {
		t, err := c.or()
		if err != nil {
			return nil, err
		}
		c.space()
		if !c.take(")") {
			return nil, c.fail(") was expected")
		}
		return t, nil
	}
	return c.comparison()
}

func (c *compiler) comparison() (test, error) {
	left, path, err := c.operand()
	if err != nil {
		return nil, err
	}
	c.space()
	op := c.operator()
	if op == "" {
		if !path {
			return nil, c.fail("an operator was expected")
		}
		return func(e *eval, at any) (bool, error) {
			_, ok, err := left(e, at)
			return ok, err
		}, nil
	}
	c.space()
	if op == "=~" {
		return c.match(left)
	}
	right, _, err := c.operand()
	if err != nil {
		return nil, err
	}
	return func(e *eval, at any) (bool, error) {
		l, lok, err := left(e, at)
		if err != nil {
			return false, err
		}
		r, rok, err := right(e, at)
		if err != nil {
			return false, err
		}
		if !lok || !rok {
			return op == "!=" && lok != rok || op == "!==" && lok != rok, nil
		}
		return compare(e.m, op, l, r)
	}, nil
}

func (c *compiler) operator() string {
	for _, op := range [...]string{"===", "!==", "==", "!=", "<=", ">=", "=~", "<", ">"} {
		if c.take(op) {
			return op
		}
	}
	start := c.at
	for b := c.peek() | 0x20; b >= 'a' && b <= 'z'; b = c.peek() | 0x20 {
		c.at++
	}
	op := strings.ToLower(c.src[start:c.at])
	switch op {
	case "in", "nin", "contains", "size", "empty", "anyof", "noneof", "subsetof", "all", "exists", "type":
		return op
	}
	c.at = start
	return ""
}

// match reads /pattern/flags.
func (c *compiler) match(left operand) (test, error) {
	if !c.take("/") {
		return nil, c.fail("a /pattern/ was expected")
	}
	start := c.at
	for c.at < len(c.src) && c.src[c.at] != '/' {
		if c.src[c.at] == '\\' {
			c.at++
		}
		c.at++
	}
	if c.at >= len(c.src) {
		return nil, c.fail("a pattern is not closed")
	}
	expr := c.src[start:c.at]
	c.at++
	flags := ""
	for b := c.peek(); b >= 'a' && b <= 'z'; b = c.peek() {
		if strings.IndexByte("ims", b) >= 0 {
			flags += string(b)
		}
		c.at++
	}
	if flags != "" {
		expr = "(?" + flags + ")" + expr
	}
	re, err := regexp.Compile(`\A(?:` + strings.ReplaceAll(expr, `\/`, "/") + `)\z`)
	if err != nil {
		return nil, c.fail("a bad pattern")
	}
	return func(e *eval, at any) (bool, error) {
		v, ok, err := left(e, at)
		s, isText := v.(string)
		if !ok || !isText || err != nil {
			return false, err
		}
		return re.MatchString(s), e.m.Step(1 + len(s)/4)
	}, nil
}

// operand reads a path, or a JSON literal with either kind of quotes.
func (c *compiler) operand() (o operand, path bool, err error) {
	c.space()
	switch b := c.peek(); b {
	case '@', '$':
		p, err := c.path()
		if err != nil {
			return nil, false, err
		}
		return func(e *eval, at any) (any, bool, error) {
			if b == '$' {
				at = e.root
			}
			v, ok, err := e.path(p, at)
			if !ok || err != nil || p.fn == "" {
				return v, ok, err
			}
			return call(e.m, p.fn, v)
		}, true, nil
	case '\'', '"':
		s, err := c.quoted()
		return constant(s), false, err
	}
	start := c.at
	if b := c.peek(); b == '[' || b == '{' {
		err = c.skipNested()
	} else {
		for c.at < len(c.src) && !strings.ContainsRune(" )&|<>=!~", rune(c.src[c.at])) {
			c.at++
		}
	}
	if err != nil {
		return nil, false, err
	}
	text := c.src[start:c.at]
	v, err := value.DecodeJSON(text)
	if err != nil {
		v, err = value.DecodeJSON(strings.ReplaceAll(text, "'", `"`))
	}
	if err != nil {
		return nil, false, c.fail("a bad literal")
	}
	return constant(v), false, nil
}

func constant(v any) operand {
	return func(*eval, any) (any, bool, error) { return v, true, nil }
}

// skipNested skips a JSON array or object.
func (c *compiler) skipNested() error {
	depth := 0
	for c.at < len(c.src) {
		switch b := c.src[c.at]; b {
		case '\'', '"':
			if _, err := c.quoted(); err != nil {
				return err
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		c.at++
		if depth == 0 {
			return nil
		}
	}
	return c.fail("a literal is not closed")
}
