package vtl

// reference reads $x, $!x, ${x}, $!{x} and what follows. It returns nil, and
// skips nothing, where there is no name after the dollar sign.
func (p *parser) reference() (*reference, error) {
	start := p.at
	r := &reference{at: p.pos(start)}
	p.at++
	r.quiet = p.take("!")
	formal := p.take("{")
	n := identifier(p.rest())
	if n == 0 {
		p.at = start
		return nil, nil
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	r.name = p.rest()[:n]
	p.at += n
	if err := p.parts(r); err != nil {
		return nil, err
	}
	if formal {
		if p.take("|") {
			var err error
			if r.other, err = p.expression(); err != nil {
				return nil, err
			}
		}
		if !p.take("}") {
			return nil, p.unexpected("} after " + p.src[start:p.at])
		}
	}
	r.src = p.src[start:p.at]
	return r, nil
}

func (p *parser) parts(r *reference) error {
	for {
		at := p.pos(p.at)
		switch {
		case p.peek(0) == '[':
			p.at++
			i, err := p.index()
			if err != nil {
				return err
			}
			r.parts = append(r.parts, part{index: i, at: at})
		case p.peek(0) == '.' && isLetter(p.peek(1)):
			p.at++
			n := identifier(p.rest())
			pt := part{name: p.rest()[:n], at: at}
			p.at += n
			if p.peek(0) == '(' && p.beginsArgument() {
				var err error
				if pt.args, err = p.methodArgs(); err != nil {
					return err
				}
				pt.method = true
			}
			r.parts = append(r.parts, pt)
		default:
			return nil
		}
	}
}

// beginsArgument looks past a parenthesis: where nothing that can be an argument
// follows, the name before it is a property and the rest is text.
func (p *parser) beginsArgument() bool {
	switch c := p.peek(1); {
	case c == ')', c == '"', c == '\'', c == '$', c == '[', c == '{', c == '-', c == '.', isSpace(c), isDigit(c), isLetter(c), c == '_':
		return true
	}
	return false
}

func (p *parser) methodArgs() ([]expr, error) {
	p.at++
	if p.take(")") {
		return nil, nil
	}
	var args []expr
	for {
		p.space()
		e, err := p.value(true)
		if err != nil {
			return nil, err
		}
		args = append(args, e)
		p.space()
		if p.take(")") {
			return args, nil
		}
		if !p.take(",") {
			return nil, p.unexpected(", or ) in a method's arguments")
		}
	}
}

// index reads what stands in brackets: a string, an integer, a boolean or a
// reference.
func (p *parser) index() (expr, error) {
	p.space()
	switch c := p.peek(0); {
	case c == '"', c == '\'', c == '$', c == '-', isDigit(c), c == 't', c == 'f':
	default:
		return nil, p.unexpected("an index")
	}
	e, err := p.value(false)
	if err != nil {
		return nil, err
	}
	p.space()
	if !p.take("]") {
		return nil, p.unexpected("] after the index")
	}
	return e, nil
}
