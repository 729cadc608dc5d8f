package pattern

// An expression is a condition, or several of them joined by && and ||, on a T.
type expression[T any] struct {
	is    func(T) bool
	needs [][]string // what a text has for which it is true
}

// parseExpression reads conditions, each by condition, joined by ||, && and
// parentheses, the later binding stronger.
func parseExpression[T any](s *scanner, condition func() (expression[T], error)) (expression[T], error) {
	var or func() (expression[T], error)
	operand := func() (expression[T], error) {
		if !s.take("(") {
			return condition()
		}
		e, err := or()
		if err == nil && !s.take(")") {
			err = ErrInvalid
		}
		return e, err
	}
	and := func() (expression[T], error) { return joined(s, "&&", false, operand) }
	or = func() (expression[T], error) { return joined(s, "||", true, and) }
	return or()
}

// joined reads operands with an operator between them. What it makes is decided by
// the first operand that is decisive.
func joined[T any](s *scanner, operator string, decisive bool, operand func() (expression[T], error)) (expression[T], error) {
	first, err := operand()
	if err != nil {
		return first, err
	}
	all, needs := []func(T) bool{first.is}, first.needs
	for s.take(operator) {
		e, err := operand()
		if err != nil {
			return e, err
		}
		all = append(all, e.is)
		if decisive {
			needs = either(needs, e.needs)
		} else {
			needs = both(needs, e.needs)
		}
	}
	if len(all) == 1 {
		return first, nil
	}
	return expression[T]{func(v T) bool {
		for _, is := range all {
			if is(v) == decisive {
				return decisive
			}
		}
		return !decisive
	}, needs}, nil
}
