package vtl

import "strings"

// parser turns text into nodes. It follows the lexical rules of Velocity 1.7,
// where what counts as text depends on what stands around it: what looks like a
// reference or directive but is none is text, and what begins like one and then
// goes wrong is an error.
type parser struct {
	scanner
	macros map[string]*macro
	depth  int
}

func newParser(name, src string, macros map[string]*macro) *parser {
	return &parser{scanner: newScanner(name, src, pos{1, 1}), macros: macros}
}

func (p *parser) enter() error {
	if p.depth++; p.depth > parseDepth {
		return p.fail(p.at, "%w: nested more than %d deep", ErrLimit, parseDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) template() (*block, error) {
	b, end, err := p.block("")
	if err == nil && end != "" {
		err = p.fail(p.at, "unexpected #%s", end)
	}
	return b, err
}

// block reads statements up to #end, or #else and #elseif where it belongs to an
// #if. It stops before that directive and says which it is; "" is the end of the
// template. opener is the directive that the block belongs to.
func (p *parser) block(opener string) (*block, string, error) {
	if err := p.enter(); err != nil {
		return nil, "", err
	}
	defer p.leave()
	b := &block{}
	for !p.end() {
		if p.set() {
			n, err := p.parseSet()
			if err != nil {
				return nil, "", err
			}
			b.nodes = append(b.nodes, n)
			continue
		}
		if p.peek(0) == '#' {
			if name, _ := directive(p.rest()); name == "end" || name == "else" || name == "elseif" {
				return b, name, nil
			}
		}
		n, err := p.statement()
		if err != nil {
			return nil, "", err
		}
		b.add(n)
	}
	if opener != "" {
		return nil, "", p.fail(p.at, "#%s is not closed by #end", opener)
	}
	return b, "", nil
}

// add appends n, joining texts.
func (b *block) add(n node) {
	t, ok := n.(text)
	if ok && len(b.nodes) > 0 {
		if before, ok := b.nodes[len(b.nodes)-1].(text); ok {
			b.nodes[len(b.nodes)-1] = before + t
			return
		}
	}
	if n != nil && (!ok || t != "") {
		b.nodes = append(b.nodes, n)
	}
}

// set reports whether blanks and #set( are next, and skips them. The blanks
// count only where no other text comes before them on this run.
func (p *parser) set() bool {
	i := p.at
	for i < len(p.src) && (p.src[i] == ' ' || p.src[i] == '\t') {
		i++
	}
	rest := p.src[i:]
	n := 0
	switch {
	case strings.HasPrefix(rest, "#set"):
		n = len("#set")
	case strings.HasPrefix(rest, "#{set}"):
		n = len("#{set}")
	default:
		return false
	}
	for n < len(rest) && rest[n] == ' ' {
		n++
	}
	if n == len(rest) || rest[n] != '(' {
		return false
	}
	p.at = i + n + 1
	return true
}

// statement reads one piece that is not #set, #else, #elseif or #end.
func (p *parser) statement() (node, error) {
	switch p.peek(0) {
	case '$':
		return p.dollar(0)
	case '#':
		return p.hash()
	case '\\':
		return p.backslash()
	}
	n := strings.IndexAny(p.rest(), `$#\`)
	if n < 0 {
		n = len(p.rest())
	}
	return p.text(n), nil
}

func (p *parser) text(n int) node {
	t := text(p.src[p.at : p.at+n])
	p.at += n
	return t
}

// dollar reads a reference, or text where it is none. The backslashes before it
// have been counted, not skipped.
func (p *parser) dollar(escapes int) (node, error) {
	start := p.at
	p.at += escapes
	if n := p.slashBang(); n != nil {
		return text(p.src[start:start+escapes]) + *n, nil
	}
	r, err := p.reference()
	if err != nil {
		return nil, err
	}
	if r == nil {
		p.at = start
		n := escapes + 1
		for p.peek(n) == '\\' { // backslashes between two dollar signs escape nothing
			n++
		}
		if p.peek(n) != '$' {
			n = escapes + 1
		}
		return p.text(n), nil
	}
	r.escapes = escapes
	return r, nil
}

// slashBang reads $\!name, which prints itself without its last backslash.
func (p *parser) slashBang() *text {
	rest := p.rest()
	n := 1
	for n < len(rest) && rest[n] == '\\' {
		n++
	}
	if n == 1 || n == len(rest) || rest[n] != '!' {
		return nil
	}
	at := n + 1
	if at < len(rest) && rest[at] == '{' {
		at++
	}
	w := identifier(rest[at:])
	if w == 0 {
		return nil
	}
	t := text(rest[:n-1] + rest[n:at+w])
	p.at += at + w
	return &t
}

// backslash reads backslashes and what they escape.
func (p *parser) backslash() (node, error) {
	n := 1
	for p.peek(n) == '\\' {
		n++
	}
	switch p.peek(n) {
	case '$':
		return p.dollar(n)
	case '#':
		name, size := directive(p.src[p.at+n:])
		if name == "" {
			break
		}
		known := p.known(name)
		if n%2 == 0 {
			t := p.text(n).(text)
			if known && name != "set" {
				t = t[:n/2]
			}
			return t, nil
		}
		t := p.text(n + size).(text)
		if known {
			t = t[n-n/2:]
		}
		return t, nil
	}
	return p.text(n), nil
}

func (p *parser) known(name string) bool {
	switch name {
	case "if", "end", "set", "else", "elseif",
		"foreach", "include", "parse", "macro", "literal", "evaluate", "break", "define", "stop":
		return true
	}
	_, ok := p.macros[name]
	return ok
}

// inside parses a string's text as a template of its own.
func (p *parser) inside(src string, at pos) (*block, error) {
	in := &parser{scanner: newScanner(p.name, src, at), macros: p.macros, depth: p.depth}
	return in.template()
}
