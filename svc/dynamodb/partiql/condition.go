package partiql

import (
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
)

// where reads a WHERE clause, if there is one.
func (p *parser) where() (err error) {
	if p.keyword("WHERE") {
		p.st.Where, err = p.either()
	}
	return err
}

// one makes one term of several that AND joins.
func one(terms []Term) Term {
	if len(terms) == 1 {
		return terms[0]
	}
	return Term{Text: *Condition(terms)}
}

func (p *parser) either() ([]Term, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	left, err := p.both()
	if err != nil || !p.peek().is("OR") {
		return left, err
	}
	all := []string{"(" + one(left).Text + ")"}
	for p.keyword("OR") {
		right, err := p.both()
		if err != nil {
			return nil, err
		}
		all = append(all, "("+one(right).Text+")")
	}
	return []Term{{Text: strings.Join(all, " OR ")}}, nil
}

func (p *parser) both() ([]Term, error) {
	out, err := p.negation()
	for err == nil && p.keyword("AND") {
		var more []Term
		more, err = p.negation()
		out = append(out, more...)
	}
	return out, err
}

func (p *parser) negation() ([]Term, error) {
	if p.keyword("NOT") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		of, err := p.negation()
		if err != nil {
			return nil, err
		}
		return []Term{{Text: "NOT (" + one(of).Text + ")"}}, nil
	}
	if p.sign("(") {
		of, err := p.either()
		if err != nil {
			return nil, err
		}
		return of, p.wantSign(")")
	}
	t, err := p.comparison()
	return []Term{t}, err
}

// An operand is a side of a comparison.
type operand struct {
	text  string
	name  string              // of a top-level attribute
	value *api.AttributeValue // of a literal
}

// operand reads a path, a literal or size(…).
func (p *parser) operand() (operand, error) {
	if p.peek().is("size") && p.tokens[p.at+1].sign("(") {
		p.at += 2
		path, err := p.path()
		if err != nil {
			return operand{}, err
		}
		return operand{text: "size(" + p.st.path(path) + ")"}, p.wantSign(")")
	}
	if t := p.peek(); t.kind == quoted || t.kind == word && !reserved[strings.ToUpper(t.text)] {
		path, err := p.path()
		if err != nil {
			return operand{}, err
		}
		o := operand{text: p.st.path(path)}
		if len(path) == 1 {
			o.name = path[0].Name
		}
		return o, nil
	}
	v, err := p.literal()
	if err != nil {
		return operand{}, err
	}
	return operand{text: p.st.value(v), value: &v}, nil
}

// The functions that are conditions by themselves, and the legacy operators that they are.
var functions = map[string]string{"begins_with": "BEGINS_WITH", "contains": "", "attribute_type": ""}

// The comparisons, as expressions write them, and as legacy operators; and what they are when
// the sides are exchanged.
var comparisons = map[string]struct{ text, operator, turned string }{
	"=": {"=", "EQ", "EQ"}, "<>": {"<>", "", ""}, "!=": {"<>", "", ""}, "<": {"<", "LT", "GT"}, "<=": {"<=", "LE", "GE"}, ">": {">", "GT", "LT"}, ">=": {">=", "GE", "LE"},
}

func (p *parser) comparison() (Term, error) {
	if t := p.peek(); t.kind == word && p.tokens[p.at+1].sign("(") {
		if operator, ok := functions[strings.ToLower(t.text)]; ok {
			return p.function(strings.ToLower(t.text), operator)
		}
	}
	left, err := p.operand()
	if err != nil {
		return Term{}, err
	}
	if p.keyword("IS") {
		return p.is(left)
	}
	not := p.keyword("NOT")
	var t Term
	switch {
	case p.keyword("BETWEEN"):
		t, err = p.between(left)
	case p.keyword("IN"):
		t, err = p.among(left)
	case not:
		return t, p.unexpected()
	default:
		return p.compare(left)
	}
	if not {
		t = Term{Text: "NOT (" + t.Text + ")"}
	}
	return t, err
}

func (p *parser) compare(left operand) (Term, error) {
	t := p.peek()
	c, ok := comparisons[t.text]
	if !ok || t.kind != symbol {
		return Term{}, p.unexpected()
	}
	p.at++
	right, err := p.operand()
	if err != nil {
		return Term{}, err
	}
	out := Term{Text: left.text + " " + c.text + " " + right.text}
	switch {
	case c.operator == "":
	case left.name != "" && right.value != nil:
		out.Attribute, out.Operator, out.Values = left.name, c.operator, []api.AttributeValue{*right.value}
	case left.value != nil && right.name != "":
		out.Attribute, out.Operator, out.Values = right.name, c.turned, []api.AttributeValue{*left.value}
	}
	return out, nil
}

func (p *parser) function(name, operator string) (Term, error) {
	p.at += 2
	path, err := p.path()
	if err != nil {
		return Term{}, err
	}
	if err := p.wantSign(","); err != nil {
		return Term{}, err
	}
	of, err := p.operand()
	if err != nil {
		return Term{}, err
	}
	t := Term{Text: name + "(" + p.st.path(path) + ", " + of.text + ")"}
	if len(path) == 1 && operator != "" && of.value != nil {
		t.Attribute, t.Operator, t.Values = path[0].Name, operator, []api.AttributeValue{*of.value}
	}
	return t, p.wantSign(")")
}

// is reads IS [NOT] MISSING and IS [NOT] NULL.
func (p *parser) is(of operand) (Term, error) {
	not := p.keyword("NOT")
	absent := p.keyword("MISSING")
	switch {
	case of.value != nil:
		return Term{}, p.unexpected()
	case absent && not:
		return Term{Text: "attribute_exists(" + of.text + ")"}, nil
	case absent:
		return Term{Text: "attribute_not_exists(" + of.text + ")"}, nil
	case !p.keyword("NULL"):
		return Term{}, p.unexpected()
	}
	text := "attribute_type(" + of.text + ", " + p.st.value(api.String("NULL")) + ")"
	if not {
		text = "NOT (" + text + ")"
	}
	return Term{Text: text}, nil
}

func (p *parser) between(left operand) (Term, error) {
	from, err := p.operand()
	if err != nil {
		return Term{}, err
	}
	if err := p.want("AND"); err != nil {
		return Term{}, err
	}
	to, err := p.operand()
	if err != nil {
		return Term{}, err
	}
	t := Term{Text: left.text + " BETWEEN " + from.text + " AND " + to.text}
	if left.name != "" && from.value != nil && to.value != nil {
		t.Attribute, t.Operator, t.Values = left.name, "BETWEEN", []api.AttributeValue{*from.value, *to.value}
	}
	return t, nil
}

// among reads what follows IN: values in brackets or parentheses.
func (p *parser) among(left operand) (Term, error) {
	until := "]"
	if p.sign("(") {
		until = ")"
	} else if err := p.wantSign("["); err != nil {
		return Term{}, err
	}
	values, err := p.literals(until)
	if err != nil {
		return Term{}, err
	}
	if len(values) == 0 {
		return Term{}, malformed("The list behind IN is empty")
	}
	var texts []string
	for _, v := range values {
		texts = append(texts, p.st.value(v))
	}
	return Term{Text: left.text + " IN (" + strings.Join(texts, ", ") + ")", Attribute: left.name, Operator: "IN", Values: values}, nil
}

// assignment reads what follows SET: path = value, with + and -, list_append, set_add and
// set_delete.
func (p *parser) assignment() error {
	path, err := p.path()
	if err != nil {
		return err
	}
	if err := p.wantSign("="); err != nil {
		return err
	}
	to := p.st.path(path)
	if t := p.peek(); t.kind == word && p.tokens[p.at+1].sign("(") {
		switch name := strings.ToLower(t.text); name {
		case "set_add", "set_delete":
			return p.elements(name, path)
		case "list_append":
			p.at += 2
			first, err := p.operand()
			if err != nil {
				return err
			}
			if err := p.wantSign(","); err != nil {
				return err
			}
			second, err := p.operand()
			if err != nil {
				return err
			}
			p.st.Sets = append(p.st.Sets, to+" = list_append("+first.text+", "+second.text+")")
			return p.wantSign(")")
		}
	}
	left, err := p.operand()
	if err != nil {
		return err
	}
	change := to + " = " + left.text
	for _, sign := range []string{"+", "-"} {
		if p.sign(sign) {
			right, err := p.operand()
			if err != nil {
				return err
			}
			p.st.Sets = append(p.st.Sets, change+" "+sign+" "+right.text)
			return nil
		}
	}
	p.st.Sets = append(p.st.Sets, change)
	return nil
}

// elements reads set_add(path, set) or set_delete(path, set), which must be of the path that
// is assigned to.
func (p *parser) elements(name string, to expression.Path) error {
	p.at += 2
	from, err := p.path()
	if err != nil {
		return err
	}
	if from.String() != to.String() {
		return malformed("%s must be of the attribute that is set", name)
	}
	if err := p.wantSign(","); err != nil {
		return err
	}
	v, err := p.literal()
	if err != nil {
		return err
	}
	text := p.st.path(to) + " " + p.st.value(v)
	if name == "set_add" {
		p.st.Adds = append(p.st.Adds, text)
	} else {
		p.st.Deletes = append(p.st.Deletes, text)
	}
	return p.wantSign(")")
}
