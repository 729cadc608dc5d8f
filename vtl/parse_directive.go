package vtl

import (
	"strings"
)

// hash reads what begins with #: a comment, raw text, a directive, or text.
func (p *parser) hash() (node, error) {
	start := p.at
	switch {
	case p.take("##"):
		if i := strings.IndexAny(p.rest(), "\r\n"); i >= 0 {
			p.at += i
			if !p.take("\r\n") {
				p.at++
			}
		} else {
			p.at = len(p.src)
		}
		return nil, nil
	case p.take("#*"):
		_, err := p.until("*#", start)
		return nil, err
	case p.take("#[["):
		t, err := p.until("]]#", start)
		return text(t), err
	}
	name, n := directive(p.rest())
	if name == "" {
		return p.text(1), nil
	}
	p.at += n
	switch name {
	case "if":
		return p.parseIf(start)
	case "set": // #set without a parenthesis was not taken for one
		return p.call(name, start)
	case "foreach", "macro", "define", "evaluate", "stop", "break", "literal":
		return p.builtin(name, start)
	case "parse", "include":
		return nil, p.fail(start, "#%s is not allowed", name)
	}
	return p.call(name, start)
}

func (p *parser) until(end string, start int) (string, error) {
	i := strings.Index(p.rest(), end)
	if i < 0 {
		return "", p.fail(start, "%s is not closed by %s", p.src[start:p.at], end)
	}
	t := p.rest()[:i]
	p.at += i + len(end)
	return t, nil
}

func (p *parser) parseIf(start int) (node, error) {
	n := &ifNode{}
	b, end, err := p.arm("if", start)
	for {
		if err != nil {
			return nil, err
		}
		n.branches = append(n.branches, b)
		at := p.at
		_, size := directive(p.rest())
		p.at += size
		switch end {
		case "elseif":
			if b.cond == nil {
				return nil, p.fail(at, "#elseif after #else")
			}
			b, end, err = p.arm("elseif", at)
		case "else":
			if b.cond == nil {
				return nil, p.fail(at, "#else after #else")
			}
			p.gobble()
			b = branch{}
			b.body, end, err = p.block("if")
		default:
			p.gobble()
			return n, nil
		}
	}
}

// arm reads a condition and the block under it.
func (p *parser) arm(name string, start int) (b branch, end string, err error) {
	b.at = p.pos(start)
	p.space()
	if !p.take("(") {
		return b, "", p.unexpected("( after #" + name)
	}
	if b.cond, err = p.expression(); err != nil {
		return b, "", err
	}
	if !p.take(")") {
		return b, "", p.unexpected("an operator or ) after the condition")
	}
	p.gobble()
	b.body, end, err = p.block("if")
	return b, end, err
}

func (p *parser) parseSet() (node, error) {
	n := &setNode{at: p.pos(p.at)}
	p.space()
	if p.peek(0) != '$' {
		return nil, p.unexpected("a reference to set")
	}
	left, err := p.reference()
	if err != nil {
		return nil, err
	}
	if left == nil {
		return nil, p.unexpected("a reference to set")
	}
	n.left = left
	p.space()
	if p.peek(0) != '=' || p.peek(1) == '=' {
		return nil, p.unexpected("=")
	}
	p.at++
	if n.right, err = p.expression(); err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, p.unexpected("an operator or )")
	}
	p.gobble()
	return n, nil
}

// argument is what a directive was given: an expression, or a bare word.
type argument struct {
	expr
	word string
}

// arguments reads (a b, c); ok is false where no parenthesis follows.
func (p *parser) arguments() (args []argument, ok bool, err error) {
	was := p.at
	p.space()
	if !p.take("(") {
		p.at = was
		return nil, false, nil
	}
	for {
		p.space()
		if p.take(",") {
			p.space()
		}
		if p.take(")") {
			return args, true, nil
		}
		if n := p.bareWord(); n > 0 {
			args = append(args, argument{word: p.rest()[:n]})
			p.at += n
			continue
		}
		e, err := p.value(false)
		if err != nil {
			return nil, true, err
		}
		args = append(args, argument{expr: e})
	}
}

func (p *parser) bareWord() int {
	n := word(p.rest(), true)
	if w := p.rest()[:n]; w == "true" || w == "false" {
		return 0
	}
	return n
}

// call reads #name(…), a macro's call or text that looks like one, or #@name(…)
// with its body.
func (p *parser) call(name string, start int) (node, error) {
	args, ok, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if !ok {
		if name[0] == '@' {
			return text(p.src[start:p.at]), nil
		}
		return &callNode{name: name, src: p.src[start:p.at], at: p.pos(start)}, nil
	}
	n := &callNode{name: strings.TrimPrefix(name, "@"), at: p.pos(start)}
	for _, a := range args {
		if a.word != "" && n.bad == "" {
			n.bad = a.word
		}
		n.args = append(n.args, a.expr)
	}
	p.gobble()
	if name[0] == '@' {
		if n.body, err = p.body(name); err != nil {
			return nil, err
		}
	}
	n.src = p.src[start:p.at]
	return n, nil
}

// body reads a block and its #end.
func (p *parser) body(opener string) (*block, error) {
	b, end, err := p.block(opener)
	if err != nil {
		return nil, err
	}
	if end != "end" {
		return nil, p.fail(p.at, "unexpected #%s in #%s", end, opener)
	}
	_, size := directive(p.rest())
	p.at += size
	p.gobble()
	return b, nil
}
