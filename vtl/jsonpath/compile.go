package jsonpath

import (
	"fmt"
	"strconv"
	"strings"
)

// Compile reads a path. A path that does not begin with $ is taken as if it began
// with "$.", as Jayway does.
func Compile(path string) (*Path, error) {
	if len(path) > MaxLength {
		return nil, fmt.Errorf("path is longer than %d bytes", MaxLength)
	}
	if path == "$" {
		return &Path{}, nil
	}
	path = strings.TrimSpace(path)
	if path == "" {
		return nil, fmt.Errorf("path is empty")
	}
	if path[0] != '$' && path[0] != '@' {
		path = "$." + path
	}
	c := &compiler{src: path}
	p, err := c.path()
	if err == nil && c.at < len(path) {
		err = c.fail("unexpected text")
	}
	return p, err
}

type compiler struct {
	src   string
	at    int
	depth int
}

const maxDepth = 50 // of filters within filters, and of their parentheses

func (c *compiler) fail(what string) error {
	return fmt.Errorf("%s at position %d of path %s", what, c.at+1, c.src)
}

func (c *compiler) peek() byte {
	if c.at < len(c.src) {
		return c.src[c.at]
	}
	return 0
}

func (c *compiler) take(s string) bool {
	if !strings.HasPrefix(c.src[c.at:], s) {
		return false
	}
	c.at += len(s)
	return true
}

func (c *compiler) space() {
	for c.peek() == ' ' || c.peek() == '\t' || c.peek() == '\n' || c.peek() == '\r' {
		c.at++
	}
}

// path reads from the $ or @ on. It ends where no further step begins.
func (c *compiler) path() (*Path, error) {
	c.at++
	p := &Path{}
	for {
		scan := false
		switch {
		case c.take(".."):
			scan = true
		case c.peek() == '[':
		case c.take("."):
		default:
			if n := len(p.steps); n > 0 {
				p.steps[n-1].last = true
			}
			return p, nil
		}
		if p.fn != "" {
			return nil, c.fail("a function must end the path")
		}
		s, err := c.step(p)
		if err != nil {
			return nil, err
		}
		if s != nil {
			s.scan = scan
			p.steps = append(p.steps, *s)
		} else if scan {
			return nil, c.fail("a function cannot follow ..")
		}
	}
}

func (c *compiler) step(p *Path) (*step, error) {
	if c.take("[") {
		return c.bracket()
	}
	if c.take("*") {
		return &step{kind: all}, nil
	}
	start := c.at
	for c.at < len(c.src) && !strings.ContainsRune(".[]()*'\" \t\n,=<>!&|", rune(c.src[c.at])) {
		c.at++
	}
	name := c.src[start:c.at]
	if name == "" {
		return nil, c.fail("a name was expected")
	}
	if c.take("(") {
		c.space()
		if !c.take(")") || !known(name) {
			return nil, c.fail("unknown function " + name)
		}
		p.fn = name
		return nil, nil
	}
	return &step{kind: names, names: []string{name}}, nil
}

func (c *compiler) bracket() (*step, error) {
	c.space()
	switch b := c.peek(); {
	case b == '\'' || b == '"':
		return c.quotedNames()
	case c.take("*"):
		return c.close(&step{kind: all})
	case c.take("?"):
		c.space()
		if !c.take("(") {
			return nil, c.fail("( was expected")
		}
		t, err := c.or()
		if err != nil {
			return nil, err
		}
		c.space()
		if !c.take(")") {
			return nil, c.fail(") was expected")
		}
		return c.close(&step{kind: filter, test: t})
	}
	return c.numbers()
}

func (c *compiler) close(s *step) (*step, error) {
	c.space()
	if !c.take("]") {
		return nil, c.fail("] was expected")
	}
	return s, nil
}

func (c *compiler) quotedNames() (*step, error) {
	s := &step{kind: names}
	for {
		c.space()
		n, err := c.quoted()
		if err != nil {
			return nil, err
		}
		s.names = append(s.names, n)
		c.space()
		if !c.take(",") {
			return c.close(s)
		}
	}
}

// quoted reads a string in either quotes; a backslash takes the next character.
func (c *compiler) quoted() (string, error) {
	q := c.peek()
	if q != '\'' && q != '"' {
		return "", c.fail("a quote was expected")
	}
	var b strings.Builder
	for i := c.at + 1; i < len(c.src); i++ {
		switch c.src[i] {
		case q:
			c.at = i + 1
			return b.String(), nil
		case '\\':
			if i++; i == len(c.src) {
				continue
			}
			if n := strings.IndexByte("nrtbf", c.src[i]); n >= 0 {
				b.WriteByte("\n\r\t\b\f"[n])
				continue
			}
		}
		b.WriteByte(c.src[i])
	}
	return "", c.fail("a string is not closed")
}

// numbers reads [0], [0,2] and [1:3].
func (c *compiler) numbers() (*step, error) {
	first, ok, err := c.integer()
	if err != nil {
		return nil, err
	}
	c.space()
	if c.take(":") {
		s := &step{kind: slice}
		if ok {
			s.from = &first
		}
		c.space()
		to, has, err := c.integer()
		if err != nil {
			return nil, err
		}
		if has {
			s.to = &to
		}
		return c.close(s)
	}
	if !ok {
		return nil, c.fail("an index was expected")
	}
	s := &step{kind: indexes, indexes: []int{first}}
	for c.take(",") {
		c.space()
		n, ok, err := c.integer()
		if !ok || err != nil {
			return nil, c.fail("an index was expected")
		}
		s.indexes = append(s.indexes, n)
		c.space()
	}
	return c.close(s)
}

func (c *compiler) integer() (int, bool, error) {
	start := c.at
	if c.peek() == '-' {
		c.at++
	}
	for c.peek() >= '0' && c.peek() <= '9' {
		c.at++
	}
	if c.at == start {
		return 0, false, nil
	}
	n, err := strconv.ParseInt(c.src[start:c.at], 10, 32)
	if err != nil {
		return 0, false, c.fail("a bad index")
	}
	return int(n), true, nil
}
