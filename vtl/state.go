package vtl

import (
	"context"
	"errors"
	"fmt"

	"github.com/tule-cloud/tule/vtl/value"
)

// state is one execution.
type state struct {
	lim    Limits
	meter  value.Meter
	out    []byte
	macros map[string]*macro
	own    bool // macros is this execution's own copy
	name   string
	depth  int // of rendering
	calls  int // of macros
}

// pos is where a node begins.
type pos struct{ line, col int32 }

func (st *state) wrap(err error, at pos) error {
	if err == nil {
		return nil
	}
	var e *Error
	if isControl(err) || errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{Name: st.name, Line: int(at.line), Col: int(at.col), Err: err}
}

func (st *state) fail(at pos, format string, args ...any) error {
	return &Error{Name: st.name, Line: int(at.line), Col: int(at.col), Err: fmt.Errorf(format, args...)}
}

func (st *state) write(s string) error {
	st.out = append(st.out, s...)
	return st.check()
}

func (st *state) check() error {
	if len(st.out) > st.lim.Output {
		return fmt.Errorf("%w: more than %d bytes of output", ErrLimit, st.lim.Output)
	}
	return nil
}

func (st *state) enter() error {
	if st.depth++; st.depth > st.lim.Depth {
		return fmt.Errorf("%w: nested more than %d deep", ErrLimit, st.lim.Depth)
	}
	return nil
}

func (st *state) leave() { st.depth-- }

// capture renders n into a string of its own.
func (st *state) capture(n node, sc *scope) (string, error) {
	was := st.out
	st.out = nil
	err := n.render(st, sc)
	got := st.out
	st.out = was
	if err == nil {
		err = st.meter.Grow(len(got))
	}
	return string(got), err
}

// define adds a macro unless there is one of that name.
func (st *state) define(m map[string]*macro) {
	for name, mac := range m {
		if _, ok := st.macros[name]; ok {
			continue
		}
		if !st.own {
			copied := make(map[string]*macro, len(st.macros)+1)
			for k, v := range st.macros {
				copied[k] = v
			}
			st.macros, st.own = copied, true
		}
		st.macros[name] = mac
	}
}

// scope is the variables in sight. The root holds the template's; each macro
// call lays one over it, with its arguments by name: they are evaluated in the
// caller's scope whenever they are used.
type scope struct {
	up   *scope
	vars map[string]any
	args map[string]expr
}

func (sc *scope) get(st *state, name string) (any, error) {
	for sc.up != nil {
		if v := sc.vars[name]; v != nil {
			return v, nil
		}
		if arg, ok := sc.args[name]; ok {
			if err := st.enter(); err != nil {
				return nil, err
			}
			defer st.leave()
			return arg.eval(st, sc.up)
		}
		sc = sc.up
	}
	return sc.vars[name], nil
}

// put assigns in this scope and in all below, as Velocity 1.7 does where
// velocimacro.context.localscope is off.
func (sc *scope) put(st *state, name string, v any) error {
	for s := sc; s != nil; s = s.up {
		if s.vars == nil {
			s.vars = map[string]any{}
		}
		s.vars[name] = v
	}
	return st.meter.Grow(16)
}

func (sc *scope) remove(name string) {
	for s := sc; s != nil; s = s.up {
		delete(s.vars, name)
		delete(s.args, name)
	}
}

// literal is how the caller wrote the argument that name stands for.
func (sc *scope) literal(name string) (string, bool) {
	for s := sc; s.up != nil; s = s.up {
		if arg, ok := s.args[name]; ok {
			return arg.source(), true
		}
	}
	return "", false
}
