package policy

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep values may nest. The grammar itself needs five levels.
const maxDepth = 12

type nodeKind uint8

const (
	nodeNull nodeKind = iota
	nodeBool
	nodeNumber
	nodeString
	nodeList
	nodeObject
)

// node is a JSON value that knows where it stands. encoding/json forgets
// positions and the second of two members of one name; a policy may lose neither.
type node struct {
	kind    nodeKind
	offset  int
	end     int    // the byte after the last
	text    string // of a string, unescaped; of a number or bool, as written
	items   []node
	members []member
}

type member struct {
	name   string
	offset int
	value  node
}

// jsonReader reads one JSON text (RFC 8259). Errors travel by panic(*Error)
// inside the reader and leave it as values.
type jsonReader struct {
	text string
	pos  int
}

func readJSON(text string) (n node, err *Error) {
	r := &jsonReader{text: text}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *Error:
			err = e
		default:
			panic(e)
		}
	}()
	n = r.value(0)
	r.space()
	if r.pos != len(text) {
		r.fail("unexpected text after the document")
	}
	return n, nil
}

func (r *jsonReader) fail(detail string) {
	panic(syntaxError(r.pos, detail))
}

func (r *jsonReader) space() {
	for r.pos < len(r.text) {
		switch r.text[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

func (r *jsonReader) peek() byte {
	if r.pos < len(r.text) {
		return r.text[r.pos]
	}
	return 0
}

func (r *jsonReader) expect(c byte) {
	r.space()
	if r.peek() != c {
		r.fail("expected " + strconv.QuoteRune(rune(c)))
	}
	r.pos++
}

func (r *jsonReader) value(depth int) node {
	r.space()
	if depth > maxDepth {
		r.fail("nested too deep")
	}
	n := node{offset: r.pos}
	switch c := r.peek(); {
	case c == '{':
		n.kind, n.members = nodeObject, r.object(depth)
	case c == '[':
		n.kind, n.items = nodeList, r.list(depth)
	case c == '"':
		n.kind, n.text = nodeString, r.str()
	case c == '-' || c >= '0' && c <= '9':
		n.kind, n.text = nodeNumber, r.number()
	default:
		n.kind, n.text = r.word()
	}
	n.end = r.pos
	return n
}

func (r *jsonReader) object(depth int) []member {
	var members []member
	seen := map[string]bool{}
	r.expect('{')
	r.space()
	if r.peek() == '}' {
		r.pos++
		return nil
	}
	for {
		r.space()
		m := member{offset: r.pos}
		m.name = r.str()
		if seen[m.name] {
			r.pos = m.offset
			r.fail("duplicate member " + strconv.Quote(m.name))
		}
		seen[m.name] = true
		r.expect(':')
		m.value = r.value(depth + 1)
		members = append(members, m)
		r.space()
		if r.peek() == ',' {
			r.pos++
			continue
		}
		r.expect('}')
		return members
	}
}

func (r *jsonReader) list(depth int) []node {
	items := []node{}
	r.expect('[')
	r.space()
	if r.peek() == ']' {
		r.pos++
		return items
	}
	for {
		items = append(items, r.value(depth+1))
		r.space()
		if r.peek() == ',' {
			r.pos++
			continue
		}
		r.expect(']')
		return items
	}
}

func (r *jsonReader) word() (nodeKind, string) {
	for _, w := range [...]struct {
		text string
		kind nodeKind
	}{{"true", nodeBool}, {"false", nodeBool}, {"null", nodeNull}} {
		if strings.HasPrefix(r.text[r.pos:], w.text) {
			r.pos += len(w.text)
			return w.kind, w.text
		}
	}
	r.fail("expected a value")
	return nodeNull, ""
}

func (r *jsonReader) digits() {
	start := r.pos
	for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
		r.pos++
	}
	if r.pos == start {
		r.fail("expected a digit")
	}
}

func (r *jsonReader) number() string {
	start := r.pos
	if r.peek() == '-' {
		r.pos++
	}
	if r.peek() == '0' {
		r.pos++
	} else {
		r.digits()
	}
	if r.peek() == '.' {
		r.pos++
		r.digits()
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.pos++
		if c := r.peek(); c == '+' || c == '-' {
			r.pos++
		}
		r.digits()
	}
	return r.text[start:r.pos]
}

func (r *jsonReader) str() string {
	r.expect('"')
	start := r.pos
	for r.pos < len(r.text) { // the usual string has no escapes
		c := r.text[r.pos]
		if c == '"' {
			r.pos++
			return r.valid(start, r.text[start:r.pos-1])
		}
		if c == '\\' || c < ' ' {
			break
		}
		r.pos++
	}
	var b strings.Builder
	b.WriteString(r.text[start:r.pos])
	for r.pos < len(r.text) {
		c := r.text[r.pos]
		switch {
		case c == '"':
			r.pos++
			return r.valid(start, b.String())
		case c < ' ':
			r.fail("control character in a string")
		case c == '\\':
			r.pos++
			b.WriteRune(r.escape())
		default:
			b.WriteByte(c)
			r.pos++
		}
	}
	r.fail("unterminated string")
	return ""
}

func (r *jsonReader) valid(start int, s string) string {
	if !utf8.ValidString(s) {
		r.pos = start
		r.fail("not UTF-8")
	}
	return s
}

var escapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (r *jsonReader) escape() rune {
	c := r.peek()
	if plain, ok := escapes[c]; ok {
		r.pos++
		return plain
	}
	if c != 'u' {
		r.fail("unknown escape")
	}
	r.pos++
	first := r.hex4()
	if !utf16.IsSurrogate(first) {
		return first
	}
	if !strings.HasPrefix(r.text[r.pos:], `\u`) {
		r.fail("half of a surrogate pair")
	}
	r.pos += 2
	both := utf16.DecodeRune(first, r.hex4())
	if both == utf8.RuneError {
		r.fail("half of a surrogate pair")
	}
	return both
}

func (r *jsonReader) hex4() rune {
	if len(r.text)-r.pos < 4 {
		r.fail("short escape")
	}
	v, err := strconv.ParseUint(r.text[r.pos:r.pos+4], 16, 16)
	if err != nil {
		r.fail("expected four hexadecimal digits")
	}
	r.pos += 4
	return rune(v)
}
