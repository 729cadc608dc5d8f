package vtl

import "strings"

// builtin reads Velocity's own directives other than #if and #set.
func (p *parser) builtin(name string, start int) (node, error) {
	args, ok, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if !ok && name != "stop" && name != "break" {
		return nil, p.unexpected("( after #" + name)
	}
	for i, a := range args {
		if a.word != "" && !(name == "macro" && i == 0) && !(name == "foreach" && i == 1) {
			return nil, p.fail(start, "invalid argument %q of #%s", a.word, name)
		}
	}
	if ok {
		p.gobble()
	}
	switch name {
	case "foreach":
		return p.foreach(args, start)
	case "macro":
		return nil, p.macro(args, start)
	case "define":
		if len(args) != 1 || plain(args[0].expr) == nil {
			return nil, p.fail(start, "#define wants one reference")
		}
		n := &defineNode{name: plain(args[0].expr).name, at: p.pos(start)}
		n.body, err = p.body(name)
		return n, err
	case "literal":
		from := p.at
		if _, err = p.body(name); err != nil {
			return nil, err
		}
		body := p.src[from:p.at]
		return text(body[:strings.LastIndexByte(body, '#')]), nil
	case "evaluate":
		if len(args) != 1 {
			return nil, p.fail(start, "#evaluate wants one argument")
		}
		return &evaluateNode{arg: args[0].expr, at: p.pos(start)}, nil
	}
	if len(args) > 1 {
		return nil, p.fail(start, "#%s wants one argument at most", name)
	}
	if name == "stop" {
		return stopNode{}, nil
	}
	n := &breakNode{at: p.pos(start)}
	if len(args) == 1 {
		n.what = args[0].expr
	}
	return n, nil
}

// plain is e as a reference to a variable itself, or nil.
func plain(e expr) *reference {
	r, ok := e.(*reference)
	if !ok || len(r.parts) > 0 || r.other != nil {
		return nil
	}
	return r
}

func (p *parser) foreach(args []argument, start int) (node, error) {
	if len(args) != 3 { // 1.7 does not look at the word between
		return nil, p.fail(start, "#foreach wants ($element in $list)")
	}
	elem, ok := args[0].expr.(*reference)
	if !ok || args[2].expr == nil {
		return nil, p.fail(start, "#foreach wants a reference for its element")
	}
	n := &foreachNode{name: elem.name, over: args[2].expr, at: p.pos(start)}
	var err error
	n.body, err = p.body("foreach")
	return n, err
}

// macro reads a macro's body and notes it for the whole template: it may be
// called above its definition. The first definition of a name stays.
func (p *parser) macro(args []argument, start int) error {
	if len(args) == 0 || args[0].word == "" {
		return p.fail(start, "#macro wants a name")
	}
	m := &macro{name: args[0].word}
	for _, a := range args[1:] {
		r := plain(a.expr)
		if r == nil {
			return p.fail(start, "#macro %s: parameters are plain references", m.name)
		}
		m.params = append(m.params, r.name)
	}
	var err error
	if m.body, err = p.body("macro"); err != nil {
		return err
	}
	if _, ok := p.macros[m.name]; !ok {
		p.macros[m.name] = m
	}
	return nil
}
