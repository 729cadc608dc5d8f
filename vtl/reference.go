package vtl

import (
	"github.com/tule-cloud/tule/vtl/value"
)

// reference is $name with what follows it.
type reference struct {
	name    string
	parts   []part
	other   expr   // ${name|other}
	src     string // as written, without backslashes
	escapes int    // backslashes before it
	quiet   bool
	runt    bool // a bare word in a method's arguments: null
	at      pos
}

// part is .name, .name(args) or [index].
type part struct {
	name   string
	args   []expr
	method bool
	index  expr
	at     pos
}

func (r *reference) source() string { return r.src }

func (r *reference) eval(st *state, sc *scope) (any, error) {
	if err := st.meter.Step(1); err != nil {
		return nil, err
	}
	if r.runt {
		return nil, nil
	}
	v, err := sc.get(st, r.name)
	if err == nil {
		v, err = r.follow(st, sc, v, len(r.parts))
	}
	if v == nil && err == nil && r.other != nil {
		return r.other.eval(st, sc)
	}
	return v, st.wrap(err, r.at)
}

// follow walks the first n parts from v on; null ends the walk.
func (r *reference) follow(st *state, sc *scope, v any, n int) (any, error) {
	var err error
	for i := 0; i < n && v != nil; i++ {
		p := &r.parts[i]
		switch {
		case p.index != nil:
			var at any
			if at, err = p.index.eval(st, sc); err == nil {
				v, err = value.Index(&st.meter, v, at)
			}
		case p.method:
			v, err = p.call(st, sc, v)
		default:
			v, err = value.Property(&st.meter, v, p.name)
		}
		if err == value.ErrNoMethod {
			return nil, nil
		}
		if err != nil {
			return nil, st.wrap(err, p.at)
		}
	}
	return v, nil
}

func (p *part) call(st *state, sc *scope, v any) (any, error) {
	var args []any
	if len(p.args) > 0 {
		args = make([]any, len(p.args))
	}
	for i, a := range p.args {
		var err error
		if args[i], err = a.eval(st, sc); err != nil {
			return nil, err
		}
	}
	return value.Call(&st.meter, v, p.name, args)
}

func (r *reference) truth(st *state, sc *scope) (bool, error) {
	v, err := r.eval(st, sc)
	if b, ok := v.(*blockRef); ok && err == nil { // a block is as true as its text
		text, err := b.Call(&st.meter, "toString", nil)
		return text != nil, err
	}
	return value.Truth(v), err
}

func (r *reference) render(st *state, sc *scope) error {
	v, err := r.eval(st, sc)
	if err != nil {
		return err
	}
	if r.escapes%2 == 1 {
		n := r.escapes / 2
		if v == nil {
			n++
		}
		return st.write(backslashes(n) + r.null(sc, r.src))
	}
	if b, ok := v.(*blockRef); ok { // which swallows the backslashes before it
		if done, err := b.renderIn(st, sc); done || err != nil {
			return err
		}
		v = nil
	}
	if r.escapes > 0 {
		if err := st.write(backslashes(r.escapes / 2)); err != nil {
			return err
		}
	}
	if v == nil {
		return st.write(backslashes(r.escapes/2) + r.null(sc, r.nullText()))
	}
	if st.out, err = value.Append(&st.meter, st.out, v); err != nil {
		return st.wrap(err, r.at)
	}
	return st.check()
}

func (r *reference) nullText() string {
	if r.quiet {
		return ""
	}
	return r.src
}

// null is what stands for the reference where it is null: itself, or, in a
// macro, the argument as the caller wrote it.
func (r *reference) null(sc *scope, own string) string {
	if len(r.parts) == 0 && own == "$"+r.name {
		if s, ok := sc.literal(r.name); ok {
			return s
		}
	}
	return own
}

func backslashes(n int) string {
	const some = `\\\\\\\\`
	if n <= len(some) {
		return some[:n]
	}
	return some + backslashes(n-len(some))
}

// assign sets the variable, property or element that the reference names. Where
// there is nothing to set it on, nothing happens.
func (r *reference) assign(st *state, sc *scope, v any) error {
	if len(r.parts) == 0 {
		return sc.put(st, r.name, v)
	}
	on, err := sc.get(st, r.name)
	if err != nil {
		return err
	}
	last := &r.parts[len(r.parts)-1]
	if on, err = r.follow(st, sc, on, len(r.parts)-1); on == nil || err != nil {
		return err
	}
	if last.index == nil {
		_, err = value.SetProperty(&st.meter, on, last.name, v)
		return err
	}
	at, err := last.index.eval(st, sc)
	if err != nil {
		return err
	}
	if err = value.SetIndex(&st.meter, on, at, v); err == value.ErrNoMethod {
		return nil
	}
	return err
}
