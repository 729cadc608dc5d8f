package partiql

import (
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// Parse reads a statement, whose question marks stand for the parameters in turn.
func Parse(statement string, parameters []api.AttributeValue) (*Statement, error) {
	tokens, err := lex(statement)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, parameters: parameters, st: &Statement{}}
	if err := p.statement(); err != nil {
		return nil, err
	}
	p.sign(";")
	if t := p.peek(); t.kind != end {
		return nil, p.unexpected()
	}
	if p.used != len(parameters) {
		return nil, value.Invalid("Number of parameters in request and statement don't match.")
	}
	return p.st, nil
}

type parser struct {
	tokens     []token
	at         int
	parameters []api.AttributeValue
	used       int
	depth      int
	st         *Statement
}

func (p *parser) peek() token { return p.tokens[p.at] }

// skip goes behind a token, which is not the last.
func (p *parser) skip() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// keyword goes behind a keyword, if it comes next.
func (p *parser) keyword(k string) bool {
	if p.peek().is(k) {
		p.at++
		return true
	}
	return false
}

// sign goes behind a symbol, if it comes next.
func (p *parser) sign(s string) bool {
	if p.peek().sign(s) {
		p.at++
		return true
	}
	return false
}

func (p *parser) unexpected() error {
	t := p.peek()
	if t.kind == end {
		return malformed("Unexpected end of statement")
	}
	return malformed("Unexpected token '%s' at position %d", t.text, t.at+1)
}

// want goes behind keywords that must come.
func (p *parser) want(keywords ...string) error {
	for _, k := range keywords {
		if !p.keyword(k) {
			return p.unexpected()
		}
	}
	return nil
}

func (p *parser) wantSign(s string) error {
	if !p.sign(s) {
		return p.unexpected()
	}
	return nil
}

// maxDepth is how deep conditions and values may be nested.
const maxDepth = 64

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return malformed("The statement is nested too deeply")
	}
	return nil
}

func (p *parser) statement() error {
	switch {
	case p.keyword("SELECT"):
		return p.selection()
	case p.keyword("EXISTS"):
		if err := p.wantSign("("); err != nil {
			return err
		}
		if err := p.want("SELECT"); err != nil {
			return err
		}
		if err := p.selection(); err != nil {
			return err
		}
		p.st.Verb = Exists
		return p.wantSign(")")
	case p.keyword("INSERT"):
		return p.insertion()
	case p.keyword("UPDATE"):
		return p.update()
	case p.keyword("DELETE"):
		return p.deletion()
	}
	return p.unexpected()
}

func (p *parser) selection() error {
	p.st.Verb = Select
	if !p.sign("*") {
		for {
			path, err := p.path()
			if err != nil {
				return err
			}
			p.st.Paths = append(p.st.Paths, path)
			if !p.sign(",") {
				break
			}
		}
	}
	if err := p.want("FROM"); err != nil {
		return err
	}
	if err := p.table(true); err != nil {
		return err
	}
	if err := p.where(); err != nil || !p.keyword("ORDER") {
		return err
	}
	if err := p.want("BY"); err != nil {
		return err
	}
	name, err := p.identifier()
	p.st.Order = name
	if !p.keyword("ASC") {
		p.st.Descending = p.keyword("DESC")
	}
	return err
}

func (p *parser) insertion() (err error) {
	p.st.Verb = Insert
	if err := p.want("INTO"); err != nil {
		return err
	}
	if err := p.table(false); err != nil {
		return err
	}
	if err := p.want("VALUE"); err != nil {
		return err
	}
	v, err := p.literal()
	if err != nil {
		return err
	}
	if v.Type() != api.TypeM {
		return malformed("The value of INSERT must be a tuple")
	}
	p.st.Item = v.Fields()
	return nil
}

func (p *parser) update() error {
	p.st.Verb = Update
	if err := p.table(false); err != nil {
		return err
	}
	changes := 0
	for ; ; changes++ {
		switch {
		case p.keyword("SET"):
			for {
				if err := p.assignment(); err != nil {
					return err
				}
				if !p.sign(",") {
					break
				}
			}
			continue
		case p.keyword("REMOVE"):
			path, err := p.path()
			if err != nil {
				return err
			}
			p.st.Removes = append(p.st.Removes, p.st.path(path))
			continue
		}
		break
	}
	if changes == 0 {
		return p.unexpected()
	}
	if err := p.where(); err != nil {
		return err
	}
	return p.returning()
}

func (p *parser) deletion() error {
	p.st.Verb = Delete
	if err := p.want("FROM"); err != nil {
		return err
	}
	if err := p.table(false); err != nil {
		return err
	}
	if err := p.where(); err != nil {
		return err
	}
	return p.returning()
}

func (p *parser) returning() error {
	if !p.keyword("RETURNING") {
		return nil
	}
	for _, r := range []struct{ which, when, value string }{
		{"ALL", "OLD", api.ReturnValueAllOld}, {"ALL", "NEW", api.ReturnValueAllNew},
		{"MODIFIED", "OLD", api.ReturnValueUpdatedOld}, {"MODIFIED", "NEW", api.ReturnValueUpdatedNew},
	} {
		if p.peek().is(r.which) && p.tokens[p.at+1].is(r.when) {
			p.at += 2
			p.st.Returning = r.value
			return p.wantSign("*")
		}
	}
	return p.unexpected()
}

// table reads a table's name, and an index's if there may be one.
func (p *parser) table(indexed bool) (err error) {
	if p.st.Table, err = p.identifier(); err != nil {
		return err
	}
	if indexed && p.sign(".") {
		p.st.Index, err = p.identifier()
	}
	return err
}

func (p *parser) identifier() (string, error) {
	t := p.peek()
	if t.kind != quoted && (t.kind != word || reserved[strings.ToUpper(t.text)]) {
		return "", p.unexpected()
	}
	p.at++
	return t.text, nil
}

// reserved are the words that names must be quoted for.
var reserved = map[string]bool{"SELECT": true, "FROM": true, "WHERE": true, "AND": true, "OR": true, "NOT": true, "IN": true, "IS": true, "BETWEEN": true, "ORDER": true,
	"BY": true, "SET": true, "REMOVE": true, "RETURNING": true, "VALUE": true, "INTO": true, "INSERT": true, "UPDATE": true, "DELETE": true, "NULL": true, "MISSING": true,
	"TRUE": true, "FALSE": true, "EXISTS": true}

// path reads a document path: a.b[0]['c'].
func (p *parser) path() (expression.Path, error) {
	name, err := p.identifier()
	if err != nil {
		return nil, err
	}
	path := expression.Name(name)
	for {
		switch {
		case p.sign("."):
			if name, err = p.identifier(); err != nil {
				return nil, err
			}
			path = append(path, expression.Step{Name: name, Index: -1})
		case p.sign("["):
			t := p.skip()
			switch t.kind {
			case text:
				path = append(path, expression.Step{Name: t.text, Index: -1})
			case number:
				n, err := strconv.Atoi(t.text)
				if err != nil {
					return nil, malformed("'%s' is no index", t.text)
				}
				path = append(path, expression.Step{Index: n})
			default:
				p.at--
				return nil, p.unexpected()
			}
			if err := p.wantSign("]"); err != nil {
				return nil, err
			}
		default:
			return path, nil
		}
	}
}

// literal reads a value.
func (p *parser) literal() (v api.AttributeValue, err error) {
	if err := p.enter(); err != nil {
		return v, err
	}
	defer func() { p.depth-- }()
	t := p.skip()
	switch {
	case t.kind == text:
		return api.String(t.text), nil
	case t.kind == number:
		return api.Number(t.text), nil
	case t.sign("-") && p.peek().kind == number:
		return api.Number("-" + p.skip().text), nil
	case t.is("TRUE"), t.is("FALSE"):
		return api.Bool(t.is("TRUE")), nil
	case t.is("NULL"):
		return api.Null(), nil
	case t.sign("?"):
		if p.used == len(p.parameters) {
			return v, value.Invalid("Number of parameters in request and statement don't match.")
		}
		p.used++
		return p.parameters[p.used-1], nil
	case t.sign("["):
		list, err := p.literals("]")
		if list == nil {
			list = []api.AttributeValue{}
		}
		return api.List(list), err
	case t.sign("<<"):
		list, err := p.literals(">>")
		if err != nil {
			return v, err
		}
		return set(list)
	case t.sign("{"):
		return p.tuple()
	}
	if t.kind != end {
		p.at--
	}
	return v, p.unexpected()
}

// literals reads values up to the symbol that ends them.
func (p *parser) literals(until string) (out []api.AttributeValue, err error) {
	for !p.sign(until) {
		if len(out) > 0 {
			if err := p.wantSign(","); err != nil {
				return nil, err
			}
		}
		v, err := p.literal()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// set makes a set of values of one type.
func set(list []api.AttributeValue) (api.AttributeValue, error) {
	kinds := map[api.ValueType]api.ValueType{api.TypeS: api.TypeSS, api.TypeN: api.TypeNS, api.TypeB: api.TypeBS}
	if len(list) == 0 {
		return api.AttributeValue{}, malformed("A set must not be empty")
	}
	kind, ok := kinds[list[0].Type()]
	var elements []string
	for _, v := range list {
		ok = ok && v.Type() == list[0].Type()
		elements = append(elements, v.Text())
	}
	if !ok {
		return api.AttributeValue{}, malformed("A set must be of texts, of numbers or of binaries")
	}
	return api.Set(kind, elements), nil
}

// tuple reads {'name': value, …} behind its brace.
func (p *parser) tuple() (v api.AttributeValue, err error) {
	it := api.Item{}
	for !p.sign("}") {
		if len(it) > 0 {
			if err := p.wantSign(","); err != nil {
				return v, err
			}
		}
		t := p.peek()
		if t.kind != text && t.kind != quoted && t.kind != word {
			return v, p.unexpected()
		}
		p.at++
		if err := p.wantSign(":"); err != nil {
			return v, err
		}
		field, err := p.literal()
		if err != nil {
			return v, err
		}
		if it.Has(t.text) {
			return v, malformed("The attribute %s is given twice", t.text)
		}
		it.Set(t.text, field)
	}
	return api.Map(it), nil
}
