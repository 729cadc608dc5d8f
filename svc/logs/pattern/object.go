package pattern

import (
	"encoding/json"
	"io"
	"strings"
)

// object is a pattern on messages that are JSON.
type object struct {
	is        expression[any]
	selectors []selector
}

func parseObject(s *scanner) (matcher, error) {
	p := &object{}
	s.take("{")
	is, err := parseExpression(s, func() (expression[any], error) {
		sel, err := parseSelector(s)
		if err != nil {
			return nil, err
		}
		p.selectors = append(p.selectors, sel)
		return parseCondition(s, sel)
	})
	if err != nil {
		return nil, err
	}
	if !s.take("}") {
		return nil, s.bad()
	}
	if s.regexes > maxRegexes || s.wildcards > maxWildcards {
		return nil, ErrInvalid
	}
	p.is = is
	return p, end(s)
}

// parseCondition reads what is asked of what a selector selects.
func parseCondition(s *scanner, sel selector) (expression[any], error) {
	c, ok, err := parseComparison(s)
	if err != nil {
		return nil, err
	}
	if ok {
		return func(root any) bool {
			return sel.any(root, func(v any) bool {
				text, scalar, numeric := scalarText(v)
				return scalar && c.of(text, numeric)
			})
		}, nil
	}
	if s.word("NOT") {
		if !s.word("EXISTS") {
			return nil, ErrInvalid
		}
		return func(root any) bool { return !sel.any(root, func(any) bool { return true }) }, nil
	}
	if !s.word("IS") {
		return nil, s.bad()
	}
	var want any
	switch {
	case s.word("TRUE"):
		want = true
	case s.word("FALSE"):
		want = false
	case !s.word("NULL"):
		return nil, ErrInvalid
	}
	return func(root any) bool {
		return sel.any(root, func(v any) bool {
			switch v.(type) {
			case bool, nil:
				return v == want
			}
			return false
		})
	}, nil
}

// scalarText is the text of a string, a number or a truth value.
func scalarText(v any) (text string, scalar, numeric bool) {
	switch v := v.(type) {
	case string:
		return v, true, false
	case json.Number:
		return v.String(), true, true
	case bool:
		if v {
			return "true", true, false
		}
		return "false", true, false
	}
	return "", false, false
}

func (p *object) match(message string, values map[string]string) bool {
	if start := strings.TrimLeft(message, " \t\r\n"); start == "" || start[0] != '{' && start[0] != '[' {
		return false
	}
	dec := json.NewDecoder(strings.NewReader(message))
	dec.UseNumber()
	var root any
	if dec.Decode(&root) != nil {
		return false
	}
	if _, err := dec.Token(); err != io.EOF {
		return false // more than one value is not JSON
	}
	if !p.is(root) {
		return false
	}
	if values == nil {
		return true
	}
	for _, sel := range p.selectors {
		sel.any(root, func(v any) bool {
			text, scalar, _ := scalarText(v)
			if scalar {
				values[sel.text] = text
			}
			return scalar
		})
	}
	return true
}
