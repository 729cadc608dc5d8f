package insights

import (
	"math"
	"regexp"
	"strings"
)

// An expression is something that is of a row.
type expression func(*row) value

func fieldNamed(name string) expression { return func(r *row) value { return r.get(name) } }

func constant(v value) expression { return func(*row) value { return v } }

// expression reads conditions joined by or, and, not; comparisons; arithmetic.
func (s *scanner) expression() (expression, error) {
	if s.depth++; s.depth > maxDepth {
		return nil, errorf("the query is nested too deeply")
	}
	defer func() { s.depth-- }()
	return s.joined("or", true, func() (expression, error) { return s.joined("and", false, s.negation) })
}

// joined reads operands with a word between them. What it makes is decided by the first
// operand that is decisive.
func (s *scanner) joined(word string, decisive bool, operand func() (expression, error)) (expression, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	all := []expression{first}
	for s.word(word) {
		e, err := operand()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if len(all) == 1 {
		return first, nil
	}
	return func(r *row) value {
		for _, e := range all {
			if e(r).is() == decisive {
				return truthOf(decisive)
			}
		}
		return truthOf(!decisive)
	}, nil
}

func (s *scanner) negation() (expression, error) {
	if !s.word("not") {
		return s.comparison()
	}
	if s.depth++; s.depth > maxDepth {
		return nil, errorf("the query is nested too deeply")
	}
	defer func() { s.depth-- }()
	e, err := s.negation()
	if err != nil {
		return nil, err
	}
	return func(r *row) value { return truthOf(!e(r).is()) }, nil
}

// comparisons are the operators, and what each makes of an order.
var comparisons = []struct {
	token string
	holds func(order int, ok bool) bool
}{
	{"!=", func(order int, ok bool) bool { return !ok || order != 0 }},
	{"<=", func(order int, ok bool) bool { return ok && order <= 0 }},
	{">=", func(order int, ok bool) bool { return ok && order >= 0 }},
	{"==", func(order int, ok bool) bool { return ok && order == 0 }},
	{"=", func(order int, ok bool) bool { return ok && order == 0 }},
	{"<", func(order int, ok bool) bool { return ok && order < 0 }},
	{">", func(order int, ok bool) bool { return ok && order > 0 }},
}

func (s *scanner) comparison() (expression, error) {
	a, err := s.sum()
	if err != nil {
		return nil, err
	}
	if s.take("=~") {
		return s.like(a, false)
	}
	for _, c := range comparisons {
		if s.take(c.token) {
			b, err := s.sum()
			return func(r *row) value { return truthOf(c.holds(compare(a(r), b(r)))) }, err
		}
	}
	at := s.pos
	not := s.word("not")
	switch {
	case s.word("like"):
		return s.like(a, not)
	case s.word("in"):
		return s.in(a, not)
	}
	s.pos = at
	return a, nil
}

// like reads a text or a regular expression that is to be found in what a is.
func (s *scanner) like(a expression, not bool) (expression, error) {
	re, err := s.regex()
	if err != nil {
		return nil, err
	}
	if re == nil {
		part, ok, err := s.quoted()
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, s.bad()
		}
		return func(r *row) value {
			v := a(r)
			return truthOf((v.kind != missing && strings.Contains(v.String(), part)) != not)
		}, nil
	}
	return func(r *row) value {
		v := a(r)
		return truthOf((v.kind != missing && re.MatchString(v.String())) != not)
	}, nil
}

// in reads a list of which a is to be one.
func (s *scanner) in(a expression, not bool) (expression, error) {
	if !s.take("[") {
		return nil, s.bad()
	}
	var list []expression
	for !s.take("]") {
		if len(list) > 0 && !s.take(",") {
			return nil, s.bad()
		}
		e, err := s.sum()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return func(r *row) value {
		v, found := a(r), false
		for _, e := range list {
			if order, ok := compare(v, e(r)); ok && order == 0 {
				found = true
				break
			}
		}
		return truthOf(found != not)
	}, nil
}

// arithmetic makes an expression of two numbers.
func arithmetic(a, b expression, f func(x, y float64) float64) expression {
	return func(r *row) value {
		x, okX := a(r).number()
		y, okY := b(r).number()
		if !okX || !okY {
			return value{}
		}
		return finite(f(x, y))
	}
}

func (s *scanner) sum() (expression, error) {
	return s.chain(s.product, []operator{
		{"+", func(x, y float64) float64 { return x + y }}, {"-", func(x, y float64) float64 { return x - y }}})
}

func (s *scanner) product() (expression, error) {
	return s.chain(s.power, []operator{
		{"*", func(x, y float64) float64 { return x * y }}, {"/", func(x, y float64) float64 { return x / y }}, {"%", math.Mod}})
}

type operator struct {
	token string
	of    func(x, y float64) float64
}

// chain reads operands with operators of one strength between them.
func (s *scanner) chain(operand func() (expression, error), operators []operator) (expression, error) {
	a, err := operand()
next:
	for err == nil {
		for _, o := range operators {
			if s.take(o.token) {
				var b expression
				if b, err = operand(); err == nil {
					a = arithmetic(a, b, o.of)
				}
				continue next
			}
		}
		return a, nil
	}
	return nil, err
}

func (s *scanner) power() (expression, error) {
	a, err := s.unary()
	if err != nil || !s.take("^") {
		return a, err
	}
	if s.depth++; s.depth > maxDepth {
		return nil, errorf("the query is nested too deeply")
	}
	defer func() { s.depth-- }()
	b, err := s.power()
	return arithmetic(a, b, math.Pow), err
}

func (s *scanner) unary() (expression, error) {
	negative := false
	for s.take("-") {
		negative = !negative
	}
	e, err := s.operand()
	if err != nil || !negative {
		return e, err
	}
	return arithmetic(constant(numberOf(0)), e, func(x, y float64) float64 { return x - y }), nil
}

// operand reads a number, a text, a field, a call or something in parentheses.
func (s *scanner) operand() (expression, error) {
	for _, name := range s.made {
		if s.stats == nil && s.take(name) {
			return fieldNamed(name), nil
		}
	}
	if s.take("(") {
		e, err := s.expression()
		if err == nil && !s.take(")") {
			err = s.bad()
		}
		return e, err
	}
	if f, ok := s.number(); ok {
		return constant(numberOf(f)), nil
	}
	part, ok, err := s.quoted()
	if err != nil {
		return nil, err
	}
	if ok {
		return constant(textOf(part)), nil
	}
	s.space()
	plain := !strings.HasPrefix(s.rest(), "`")
	from := s.pos
	name, err := s.name()
	if err != nil {
		return nil, err
	}
	if plain && s.sees("(") {
		s.take("(")
		return s.call(name, from)
	}
	if plain {
		switch strings.ToLower(name) {
		case "true":
			return constant(truthOf(true)), nil
		case "false":
			return constant(truthOf(false)), nil
		case "null":
			return constant(value{}), nil
		}
	}
	return fieldNamed(name), nil
}

// call reads the arguments of a function, whose parenthesis is open.
func (s *scanner) call(name string, from int) (expression, error) {
	if s.depth++; s.depth > maxDepth {
		return nil, errorf("the query is nested too deeply")
	}
	defer func() { s.depth-- }()
	lower := strings.ToLower(name)
	if make, ok := aggregations[lower]; ok {
		if s.stats == nil {
			return nil, errorf("the function %s is allowed in stats only", name)
		}
		return s.aggregate(lower, make)
	}
	switch lower {
	case "bin":
		p, err := s.period()
		if err == nil && !s.take(")") {
			err = s.bad()
		}
		return floor(fieldNamed("@timestamp"), p), err
	case "now":
		if !s.take(")") {
			return nil, s.bad()
		}
		return constant(numberOf(float64(s.now))), nil
	case "datefloor", "dateceil":
		return s.rounded(lower == "dateceil")
	case "replace":
		return s.replacement()
	}
	f, ok := functions[lower]
	if !ok {
		s.pos = from
		return nil, errorf("unknown function %s", name)
	}
	args, err := s.arguments()
	if err != nil {
		return nil, err
	}
	if len(args) < f.least || f.most >= 0 && len(args) > f.most {
		return nil, errorf("invalid number of arguments to the function %s", name)
	}
	return func(r *row) value {
		var few [4]value
		values := few[:0]
		for _, a := range args {
			values = append(values, a(r))
		}
		return f.of(values)
	}, nil
}

// arguments reads a list up to its closing parenthesis.
func (s *scanner) arguments() ([]expression, error) {
	var args []expression
	for !s.take(")") {
		if len(args) > 0 && !s.take(",") {
			return nil, s.bad()
		}
		e, err := s.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, e)
	}
	return args, nil
}

// rounded reads the time and the period of datefloor and dateceil.
func (s *scanner) rounded(up bool) (expression, error) {
	e, err := s.expression()
	if err != nil {
		return nil, err
	}
	if !s.take(",") {
		return nil, s.bad()
	}
	p, err := s.period()
	if err != nil {
		return nil, err
	}
	if !s.take(")") {
		return nil, s.bad()
	}
	if up {
		return ceil(e, p), nil
	}
	return floor(e, p), nil
}

// replacement reads the arguments of replace, of which the second may be a regular
// expression.
func (s *scanner) replacement() (expression, error) {
	var re *regexp.Regexp
	args := make([]expression, 3)
	for i := range args {
		if i > 0 && !s.take(",") {
			return nil, s.bad()
		}
		var err error
		if i == 1 {
			if re, err = s.regex(); err != nil {
				return nil, err
			}
		}
		if i != 1 || re == nil {
			if args[i], err = s.expression(); err != nil {
				return nil, err
			}
		}
	}
	if !s.take(")") {
		return nil, s.bad()
	}
	return func(r *row) value {
		v, with := args[0](r), args[2](r)
		if v.kind == missing || with.kind == missing {
			return value{}
		}
		if re != nil {
			return textOf(re.ReplaceAllString(v.String(), with.String()))
		}
		return textOf(strings.ReplaceAll(v.String(), args[1](r).String(), with.String()))
	}, nil
}
