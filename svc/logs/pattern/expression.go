package pattern

// An expression is a condition, or several of them joined by && and ||, on a T.
type expression[T any] func(T) bool

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
		return nil, err
	}
	all := []expression[T]{first}
	for s.take(operator) {
		e, err := operand()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if len(all) == 1 {
		return first, nil
	}
	return func(v T) bool {
		for _, e := range all {
			if e(v) == decisive {
				return decisive
			}
		}
		return !decisive
	}, nil
}
