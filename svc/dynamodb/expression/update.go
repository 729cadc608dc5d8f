package expression

import (
	"slices"

	"github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// An Update is an update expression.
type Update struct {
	actions []action
	paths   []Path // that it changes
	read    []Path // that it reads or changes
}

// A verb is a section of an update expression.
type verb byte

const (
	verbSet verb = iota
	verbRemove
	verbAdd
	verbDelete
)

var verbs = []string{"SET", "REMOVE", "ADD", "DELETE"}

// action is one change.
type action struct {
	verb verb
	path Path
	arg  *node // nil for REMOVE
	// legacy says that it is one of AttributeUpdates, which complain differently.
	legacy bool
}

// Update parses an update expression.
func (s *Scope) Update(text string) (*Update, error) {
	u := &Update{}
	var repeated string
	p, err := s.parse(UpdateExpression, text, verbs, func(p *parser) {
		seen := map[verb]bool{}
		for {
			v := p.readVerb()
			if seen[v] {
				note(&repeated, `The "`+verbs[v]+`" section can only be used once in an update expression;`)
			}
			seen[v] = true
			for {
				u.actions = append(u.actions, p.readAction(v))
				if !p.accept(',') {
					break
				}
			}
			if p.peek().kind == end {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for _, a := range u.actions {
		u.paths = append(u.paths, a.path)
	}
	u.read = p.paths
	if problem := u.check(p, repeated); problem != "" {
		return nil, UpdateExpression.invalid(problem)
	}
	return u, nil
}

func (p *parser) readVerb() verb {
	for v, word := range verbs {
		if p.keyword(word) {
			return verb(v)
		}
	}
	p.fail()
	return 0
}

func (p *parser) readAction(v verb) action {
	a := action{verb: v, path: p.readPath()}
	switch v {
	case verbSet:
		p.expect('=')
		p.ops++
		a.arg = p.readSum()
	case verbAdd, verbDelete:
		if p.peek().kind != param {
			p.fail()
		}
		a.arg = p.readOperand()
	}
	return a
}

// readSum reads operand [+|- operand], which may stand in parentheses.
func (p *parser) readSum() *node {
	var n *node
	if p.accept('(') {
		n = p.readSum()
		p.expect(')')
		if n.op == opSum {
			return n
		}
	} else {
		n = p.readOperand()
	}
	if t := p.peek(); t.kind == '+' || t.kind == '-' {
		p.next()
		p.ops++
		return &node{op: opSum, name: t.text, args: []*node{n, p.readGrouped()}}
	}
	return n
}

// check says what is wrong with an update that has been parsed.
func (u *Update) check(p *parser, repeated string) string {
	var c updateCheck
	for _, a := range u.actions {
		if a.arg == nil {
			continue
		}
		c.walk(a.arg)
		if a.verb == verbAdd || a.verb == verbDelete {
			c.operand(a)
		}
	}
	overlaps, conflicts := overlap(u.paths)
	for _, problem := range []string{p.reserved, c.unknown, repeated, p.unknownName, p.unknownValue, overlaps, conflicts, c.types, c.other} {
		if problem != "" {
			return problem
		}
	}
	return ""
}

type updateCheck struct{ unknown, types, other string }

func (c *updateCheck) walk(n *node) {
	for _, a := range n.args {
		c.walk(a)
	}
	want := dynamodb.TypeN
	switch {
	case n.op == opCall && n.name != "if_not_exists" && n.name != "list_append":
		note(&c.unknown, "Invalid function name; function: "+n.name)
		return
	case n.op == opCall && len(n.args) != 2:
		note(&c.other, wrongCount(n.name, len(n.args)))
		return
	case n.op == opCall && n.name == "if_not_exists":
		if n.args[0].op != opPath {
			note(&c.other, "Operator or function requires a document path; operator or function: if_not_exists")
		}
		return
	case n.op == opCall:
		want = dynamodb.TypeL
	case n.op != opSum:
		return
	}
	for _, a := range n.args {
		if t := a.value.Type(); a.op == opValue && t != want && t != dynamodb.NoType {
			note(&c.other, wrongType(n.name, t.String()))
		}
	}
}

var longNames = map[dynamodb.ValueType]string{
	dynamodb.TypeS: "STRING", dynamodb.TypeN: "NUMBER", dynamodb.TypeB: "BINARY", dynamodb.TypeNULL: "NULL",
	dynamodb.TypeBOOL: "BOOLEAN", dynamodb.TypeL: "LIST", dynamodb.TypeM: "MAP",
}

// operand checks the value of ADD, a number or a set, and of DELETE, a set.
func (c *updateCheck) operand(a action) {
	t := a.arg.value.Type()
	if long := longNames[t]; long != "" && (a.verb != verbAdd || t != dynamodb.TypeN) {
		note(&c.types, "Incorrect operand type for operator or function; operator: "+verbs[a.verb]+", operand type: "+long)
	}
}

// Heads are the top-level attributes that the update reads or changes, sorted.
func (u *Update) Heads() []string { return heads(u.read) }

// Changed are the top-level attributes that the update changes, sorted.
func (u *Update) Changed() []string { return heads(u.paths) }

// Nested are the top-level attributes into which the update's paths lead.
func (u *Update) Nested() []string { return nested(u.read) }

// Paths are what the update changes, as a projection: UPDATED_OLD and UPDATED_NEW.
func (u *Update) Paths() *Projection { return &Projection{paths: u.paths} }

// Takes reports whether the update does nothing but remove, so that it makes no
// item where there is none.
func (u *Update) Takes() bool {
	for _, a := range u.actions {
		if a.verb != verbRemove && a.verb != verbDelete {
			return false
		}
	}
	return len(u.actions) > 0
}

// Put makes the update that gives a top-level attribute a value.
func (u *Update) Put(attribute string, v dynamodb.AttributeValue) {
	u.legacy(verbSet, attribute, &node{op: opValue, value: v})
}

// Add makes the update that adds a number or the elements of a set or list.
func (u *Update) Add(attribute string, v dynamodb.AttributeValue) {
	u.legacy(verbAdd, attribute, &node{op: opValue, value: v})
}

// Remove makes the update that removes a top-level attribute.
func (u *Update) Remove(attribute string) { u.legacy(verbRemove, attribute, nil) }

// Delete makes the update that removes elements from a set.
func (u *Update) Delete(attribute string, v dynamodb.AttributeValue) {
	u.legacy(verbDelete, attribute, &node{op: opValue, value: v})
}

func (u *Update) legacy(v verb, attribute string, arg *node) {
	path := Name(attribute)
	u.actions = append(u.actions, action{v, path, arg, true})
	u.paths = append(u.paths, path)
	u.read = append(u.read, path)
}

// Apply is the item that the update makes of an item, which it leaves alone. All
// that the update reads, it reads before it changes anything.
func (u *Update) Apply(old dynamodb.Item) (dynamodb.Item, error) {
	var t tree
	for _, a := range u.actions {
		v, remove, err := a.outcome(old)
		if err != nil {
			return nil, err
		}
		c := t.at(a.path)
		c.v, c.remove = v, remove
	}
	return t.change(old)
}

// outcome is the value that an action gives its path, or that it removes it.
func (a action) outcome(old dynamodb.Item) (v dynamodb.AttributeValue, remove bool, err error) {
	switch a.verb {
	case verbRemove:
		return v, true, nil
	case verbSet:
		v, err = a.arg.evaluate(old)
		return v, false, err
	}
	have, ok := a.path.Find(old)
	give := a.arg.value
	if ok && have.Type() != give.Type() {
		if a.legacy {
			return v, false, value.Invalid("Type mismatch for attribute to update")
		}
		return v, false, value.Invalid("An operand in the update expression has an incorrect data type")
	}
	if a.verb == verbDelete {
		if left := value.Subtract(have.Elements(), give.Elements()); len(left) > 0 {
			return dynamodb.Set(have.Type(), left), false, nil
		}
		return v, true, nil
	}
	if !ok {
		return give, false, nil
	}
	switch give.Type() {
	case dynamodb.TypeN:
		v, err = sum("+", have, give)
	case dynamodb.TypeL:
		v = dynamodb.List(append(slices.Clone(have.List()), give.List()...))
	default:
		v = dynamodb.Set(have.Type(), append(slices.Clone(have.Elements()), value.Subtract(give.Elements(), have.Elements())...))
	}
	return v, false, err
}

// evaluate is the value of an operand of SET.
func (n *node) evaluate(it dynamodb.Item) (dynamodb.AttributeValue, error) {
	switch n.op {
	case opValue:
		return n.value, nil
	case opPath:
		v, ok := n.path.Find(it)
		if !ok {
			return v, value.Invalid("The provided expression refers to an attribute that does not exist in the item")
		}
		return v, nil
	case opCall:
		if n.name == "if_not_exists" {
			if v, ok := n.args[0].path.Find(it); ok {
				return v, nil
			}
			return n.args[1].evaluate(it)
		}
	}
	a, err := n.args[0].evaluate(it)
	if err != nil {
		return a, err
	}
	b, err := n.args[1].evaluate(it)
	if err != nil {
		return b, err
	}
	if n.op == opSum {
		return sum(n.name, a, b)
	}
	if a.Type() != dynamodb.TypeL || b.Type() != dynamodb.TypeL {
		return a, value.Invalid("An operand in the update expression has an incorrect data type")
	}
	return dynamodb.List(append(slices.Clone(a.List()), b.List()...)), nil
}

func sum(operator string, a, b dynamodb.AttributeValue) (v dynamodb.AttributeValue, err error) {
	if a.Type() != dynamodb.TypeN || b.Type() != dynamodb.TypeN {
		return v, value.Invalid("An operand in the update expression has an incorrect data type")
	}
	x, err := value.ParseNumber(a.Text())
	if err != nil {
		return v, err
	}
	y, err := value.ParseNumber(b.Text())
	if err != nil {
		return v, err
	}
	add := x.Add
	if operator == "-" {
		add = x.Subtract
	}
	r, err := add(y)
	return dynamodb.Number(r.String()), err
}
