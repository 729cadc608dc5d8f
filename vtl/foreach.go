package vtl

import (
	"strings"

	"github.com/tule-cloud/tule/vtl/value"
)

type foreachNode struct {
	name string
	over expr
	body *block
	at   pos
}

func (n *foreachNode) render(st *state, sc *scope) error {
	over, err := n.over.eval(st, sc)
	if err != nil {
		return st.wrap(err, n.at)
	}
	it := value.Iterate(over)
	if it == nil {
		return nil
	}
	l := &loop{}
	saved, err := n.begin(st, sc, l)
	if err != nil {
		return err
	}
	err = n.run(st, sc, it, l)
	n.end(sc, saved)
	if isFor(err, l) {
		return nil
	}
	return st.wrap(err, n.at)
}

// saved are the variables that a loop hides while it runs.
type saved struct{ elem, count, hasNext, foreach any }

func (n *foreachNode) begin(st *state, sc *scope, l *loop) (s saved, err error) {
	for _, v := range [...]struct {
		to   *any
		name string
	}{{&s.elem, n.name}, {&s.count, "velocityCount"}, {&s.hasNext, "velocityHasNext"}, {&s.foreach, "foreach"}} {
		if *v.to, err = sc.get(st, v.name); err != nil {
			return s, err
		}
	}
	l.parent, _ = s.foreach.(*loop)
	return s, sc.put(st, "foreach", l)
}

func (n *foreachNode) run(st *state, sc *scope, it *value.Iterator, l *loop) error {
	for st.lim.Iterations <= 0 || l.index < st.lim.Iterations {
		v, ok := it.Next()
		if !ok {
			return nil
		}
		l.index++
		l.hasNext = it.HasNext()
		for _, err := range [...]error{
			st.meter.Step(1),
			sc.put(st, "velocityCount", int32(l.index)),
			sc.put(st, "velocityHasNext", l.hasNext),
			sc.put(st, n.name, v),
		} {
			if err != nil {
				return err
			}
		}
		if err := n.body.render(st, sc); err != nil {
			return err
		}
	}
	return nil
}

func (n *foreachNode) end(sc *scope, s saved) {
	for _, v := range [...]struct {
		was  any
		name string
	}{{s.elem, n.name}, {s.count, "velocityCount"}, {s.hasNext, "velocityHasNext"}, {s.foreach, "foreach"}} {
		if v.was == nil {
			sc.remove(v.name)
			continue
		}
		for at := sc; at != nil; at = at.up {
			at.vars[v.name] = v.was
		}
	}
}

// loop is $foreach: what it knows of the loop, and a map for the template's own
// use, in which the loops around it are seen too.
type loop struct {
	index   int // from 1
	hasNext bool
	parent  *loop
	own     *value.Map
}

func (l *loop) store() *value.Map {
	if l.own == nil {
		l.own = value.NewMap(0)
	}
	return l.own
}

// Call implements value.Object.
func (l *loop) Call(m *value.Meter, name string, args []any) (any, error) {
	if len(args) == 0 {
		switch name {
		case "getIndex", "getCount", "getHasNext", "getFirst", "getLast", "getParent", "getTopmost":
			return l.Get(strings.ToLower(name[3:4]) + name[4:])
		case "hasNext":
			return l.hasNext, nil
		case "isFirst":
			return l.index <= 1, nil
		case "isLast":
			return !l.hasNext, nil
		case "stop":
			return nil, &leave{what: l}
		}
	}
	if name == "get" && len(args) == 1 {
		for at := l; at != nil; at = at.parent {
			if v, ok := at.store().Get(args[0]); ok {
				return v, nil
			}
		}
		return nil, nil
	}
	return value.Call(m, l.store(), name, args)
}

// Get implements value.Getter.
func (l *loop) Get(name string) (any, error) {
	switch name {
	case "index":
		return int32(l.index - 1), nil
	case "count":
		return int32(l.index), nil
	case "hasNext":
		return l.hasNext, nil
	case "first":
		return l.index <= 1, nil
	case "last":
		return !l.hasNext, nil
	case "parent":
		if l.parent == nil {
			return nil, nil
		}
		return l.parent, nil
	case "topmost":
		top := l
		for top.parent != nil {
			top = top.parent
		}
		return top, nil
	}
	return nil, value.ErrNoMethod
}

// Set implements value.Setter.
func (l *loop) Set(m *value.Meter, name string, v any) (bool, error) {
	_, err := l.store().PutFor(m, name, v)
	return true, err
}
