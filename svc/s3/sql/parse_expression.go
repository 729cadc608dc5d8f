package sql

import (
	"strconv"
	"strings"
)

// expression reads what binds loosest: OR.
func (p *parser) expression() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fault("ParseUnsupportedSyntax", "The SQL expression is nested too deeply.")
	}
	defer func() { p.depth-- }()
	return p.binary(p.conjunction, logical, "OR")
}

func (p *parser) conjunction() (node, error) { return p.binary(p.negation, logical, "AND") }

// binary reads operands of next between operators.
func (p *parser) binary(next func() (node, error), make func(op string, a, b node) node, ops ...string) (node, error) {
	left, err := next()
	if err != nil {
		return nil, err
	}
	for {
		op := ""
		for _, o := range ops {
			if p.accept(o) {
				op = o
				break
			}
		}
		if op == "" {
			return left, nil
		}
		right, err := next()
		if err != nil {
			return nil, err
		}
		left = make(op, left, right)
	}
}

func (p *parser) negation() (node, error) {
	not := false
	for p.accept("NOT") {
		not = !not
	}
	n, err := p.comparison()
	if err != nil || !not {
		return n, err
	}
	return notNode{n}, nil
}

func (p *parser) comparison() (node, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	for _, op := range []string{"=", "<>", "!=", "<=", ">=", "<", ">"} {
		if p.accept(op) {
			right, err := p.sum()
			return compareNode{op, left, right}, err
		}
	}
	if p.accept("IS") {
		return p.is(left)
	}
	not := p.accept("NOT")
	var n node
	switch {
	case p.accept("LIKE"):
		n, err = p.like(left)
	case p.accept("IN"):
		n, err = p.in(left)
	case p.accept("BETWEEN"):
		n, err = p.between(left)
	case not:
		return nil, p.unexpected()
	default:
		return left, nil
	}
	if err != nil || !not {
		return n, err
	}
	return notNode{n}, nil
}

func (p *parser) is(left node) (node, error) {
	not := p.accept("NOT")
	var n node
	switch {
	case p.accept("NULL"):
		n = isNode{left, false}
	case p.accept("MISSING"):
		n = isNode{left, true}
	default:
		return nil, p.unexpected()
	}
	if not {
		n = notNode{n}
	}
	return n, nil
}

func (p *parser) like(left node) (node, error) {
	pattern, err := p.sum()
	if err != nil {
		return nil, err
	}
	n := likeNode{subject: left, pattern: pattern}
	if p.accept("ESCAPE") {
		if n.escape, err = p.sum(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (p *parser) in(left node) (node, error) {
	bracket := ")"
	if p.accept("[") {
		bracket = "]"
	} else if err := p.expect("("); err != nil {
		// IN S3Object.path: the members of a list
		list, err := p.sum()
		return inNode{left, nil, list}, err
	}
	list, err := p.arguments(bracket)
	if err != nil || len(list) == 0 {
		return nil, orUnexpected(p, err)
	}
	return inNode{left, list, nil}, nil
}

func orUnexpected(p *parser, err error) error {
	if err == nil {
		err = p.unexpected()
	}
	return err
}

// arguments reads a list up to its closing bracket.
func (p *parser) arguments(closing string) (out []node, err error) {
	if p.accept(closing) {
		return nil, nil
	}
	for {
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		out = append(out, n)
		if p.accept(closing) {
			return out, nil
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
}

func (p *parser) between(left node) (node, error) {
	low, err := p.sum()
	if err != nil {
		return nil, err
	}
	if err := p.expect("AND"); err != nil {
		return nil, err
	}
	high, err := p.sum()
	return logical("AND", compareNode{">=", left, low}, compareNode{"<=", left, high}), err
}

func (p *parser) sum() (node, error) { return p.binary(p.product, arithmetic, "+", "-", "||") }

func (p *parser) product() (node, error) { return p.binary(p.unary, arithmetic, "*", "/", "%") }

func (p *parser) unary() (node, error) {
	negative := false
	for {
		if p.accept("-") {
			negative = !negative
		} else if !p.accept("+") {
			break
		}
	}
	n, err := p.primary()
	if err != nil || !negative {
		return n, err
	}
	return arithmetic("-", literal{int64(0)}, n), nil
}

var reserved = map[string]bool{"FROM": true, "WHERE": true, "LIMIT": true, "AND": true, "OR": true, "SELECT": true, "AS": true,
	"IN": true, "IS": true, "LIKE": true, "BETWEEN": true, "WHEN": true, "THEN": true, "ELSE": true, "END": true, "NOT": true, "ESCAPE": true}

func (p *parser) primary() (node, error) {
	switch t := p.peek(); t.kind {
	case tokenText:
		p.next++
		return literal{t.text}, nil
	case tokenLiteral:
		p.next++
		if ts, ok := ParseTimestamp(t.text); ok {
			return literal{ts}, nil
		}
		return nil, fault("LexerInvalidIONLiteral", "The SQL expression contains an invalid operator or literal at position %d.", t.at+1)
	case tokenNumber:
		p.next++
		if n, err := strconv.ParseInt(t.text, 10, 64); err == nil {
			return literal{n}, nil
		}
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, fault("ParseExpectedNumber", "The number %.64s is out of range.", t.text)
		}
		return literal{f}, nil
	case tokenName:
		return p.path()
	case tokenWord:
		return p.word(t)
	}
	if p.accept("(") {
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	}
	return nil, p.unexpected()
}

// word reads what begins with a word: a constant, a CASE, a call, or a path.
func (p *parser) word(t token) (node, error) {
	name := strings.ToUpper(t.text)
	switch name {
	case "TRUE", "FALSE":
		p.next++
		return literal{name == "TRUE"}, nil
	case "NULL":
		p.next++
		return literal{nil}, nil
	case "MISSING":
		p.next++
		return literal{missing}, nil
	case "CASE":
		p.next++
		return p.cases()
	}
	if p.tokens[p.next+1].is("(") {
		p.next += 2
		return p.call(name)
	}
	if reserved[name] {
		return nil, p.unexpected()
	}
	return p.path()
}

// path reads s.a.b[0]."c"; the alias in front may be left out.
func (p *parser) path() (node, error) {
	t := p.take()
	path := pathNode{}
	if !strings.EqualFold(t.text, p.query.alias) && !strings.EqualFold(t.text, "S3Object") {
		path = append(path, step{name: t.text, quoted: t.kind == tokenName})
	}
	for {
		switch {
		case p.accept("."):
			t := p.take()
			if t.kind != tokenWord && t.kind != tokenName {
				p.next--
				return nil, p.unexpected()
			}
			path = append(path, step{name: t.text, quoted: t.kind == tokenName})
		case p.accept("["):
			s, err := p.bracket()
			if err != nil {
				return nil, err
			}
			if s.every {
				return nil, fault("ParseInvalidPathComponent", "The SQL expression contains an invalid path component: [*] belongs into FROM.")
			}
			path = append(path, s)
		default:
			return path, nil
		}
	}
}

func (p *parser) cases() (node, error) {
	n := caseNode{}
	var err error
	if !p.peek().is("WHEN") {
		if n.subject, err = p.expression(); err != nil {
			return nil, err
		}
	}
	for p.accept("WHEN") {
		when, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect("THEN"); err != nil {
			return nil, err
		}
		then, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.when, n.then = append(n.when, when), append(n.then, then)
	}
	if len(n.when) == 0 {
		return nil, fault("ParseExpectedWhenClause", "Did not find the expected WHEN clause in the SQL expression. CASE is not supported without it.")
	}
	if p.accept("ELSE") {
		if n.otherwise, err = p.expression(); err != nil {
			return nil, err
		}
	}
	return n, p.expect("END")
}

// call reads a call's arguments, behind its bracket.
func (p *parser) call(name string) (node, error) {
	switch name {
	case "CAST":
		return p.cast()
	case "EXTRACT", "DATE_ADD", "DATE_DIFF":
		return p.dated(name)
	case "SUBSTRING":
		return p.substring()
	case "TRIM":
		return p.trim()
	case "COUNT", "SUM", "AVG", "MIN", "MAX":
		return p.aggregate(name)
	case "UTCNOW":
		return literal{Timestamp{p.now, 17}}, p.expect(")")
	}
	f, ok := functions[name]
	if !ok {
		return nil, fault("UnsupportedFunction", "Encountered an unsupported SQL function: %.64s.", name)
	}
	args, err := p.arguments(")")
	if err != nil {
		return nil, err
	}
	if len(args) < f.least || len(args) > f.most {
		return nil, fault("EvaluatorInvalidArguments", "Incorrect number of arguments in the function call %s in the SQL expression.", name)
	}
	return callNode{f.do, args}, nil
}

func (p *parser) aggregate(name string) (node, error) {
	if !p.list || p.within {
		return nil, fault("ParseUnsupportedSyntax", "The SQL expression has the aggregate %s where none may stand.", name)
	}
	a := &aggregate{name: name}
	if name == "COUNT" && p.accept("*") {
		p.query.aggregates = append(p.query.aggregates, a)
		return aggregateNode{a}, p.expect(")")
	}
	p.within = true
	defer func() { p.within = false }()
	var err error
	if a.of, err = p.expression(); err != nil {
		return nil, err
	}
	p.query.aggregates = append(p.query.aggregates, a)
	return aggregateNode{a}, p.expect(")")
}

func (p *parser) cast() (node, error) {
	n, err := p.expression()
	if err != nil {
		return nil, err
	}
	if err := p.expect("AS"); err != nil {
		return nil, err
	}
	t := p.take()
	name := strings.ToUpper(t.text)
	if t.kind != tokenWord || casts[name] == nil {
		return nil, fault("ParseExpectedTypeName", "Did not find the expected type name in the SQL expression at position %d.", t.at+1)
	}
	if p.accept("(") { // DECIMAL(10, 2), CHAR(5)
		if _, err := p.arguments(")"); err != nil {
			return nil, err
		}
	}
	return castNode{n, name}, p.expect(")")
}

// dated reads calls whose first argument is a part of a date.
func (p *parser) dated(name string) (node, error) {
	t := p.take()
	part := strings.ToUpper(t.text)
	if t.kind != tokenWord || !datePart(part, name) {
		return nil, fault("ParseExpectedDatePart", "Did not find the expected date part in the SQL expression at position %d.", t.at+1)
	}
	separator := ","
	if name == "EXTRACT" {
		separator = "FROM"
	}
	if err := p.expect(separator); err != nil {
		return nil, err
	}
	args, err := p.arguments(")")
	if err != nil {
		return nil, err
	}
	if want := map[string]int{"EXTRACT": 1, "DATE_ADD": 2, "DATE_DIFF": 2}[name]; len(args) != want {
		return nil, fault("EvaluatorInvalidArguments", "Incorrect number of arguments in the function call %s in the SQL expression.", name)
	}
	return callNode{dateFunction(name, part), args}, nil
}

// substring reads SUBSTRING(x FROM a FOR b) and SUBSTRING(x, a, b).
func (p *parser) substring() (node, error) {
	n, err := p.expression()
	if err != nil {
		return nil, err
	}
	args := []node{n}
	for _, word := range []string{"FROM", "FOR"} {
		if !p.accept(word) && !p.accept(",") {
			break
		}
		if n, err = p.expression(); err != nil {
			return nil, err
		}
		args = append(args, n)
	}
	if len(args) < 2 {
		return nil, fault("ParseExpectedArgumentDelimiter", "Did not find the expected argument delimiter in the SQL expression at position %d.", p.peek().at+1)
	}
	return callNode{substring, args}, p.expect(")")
}

// trim reads TRIM([[LEADING | TRAILING | BOTH] [characters] FROM] x).
func (p *parser) trim() (node, error) {
	side := ""
	for _, s := range []string{"LEADING", "TRAILING", "BOTH"} {
		if p.accept(s) {
			side = s
		}
	}
	var set node = literal{" "}
	if p.accept("FROM") {
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		return callNode{trimmer(side), []node{n, set}}, p.expect(")")
	}
	n, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.accept("FROM") {
		set = n
		if n, err = p.expression(); err != nil {
			return nil, err
		}
	} else if side != "" {
		return nil, p.expect("FROM")
	}
	return callNode{trimmer(side), []node{n, set}}, p.expect(")")
}
