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
			return expression[any]{}, err
		}
		p.selectors = append(p.selectors, sel)
		is, needs, err := parseCondition(s, sel)
		return expression[any]{is, needs}, err
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

// parseCondition reads what is asked of what a selector selects, and what a message has
// in which there is such a thing.
func parseCondition(s *scanner, sel selector) (is func(any) bool, needs [][]string, err error) {
	c, ok, err := parseComparison(s)
	if err != nil {
		return nil, nil, err
	}
	if ok {
		needs = sel.needs()
		for _, list := range c.needs() {
			needs = both(needs, plainParts(list[0]))
		}
		return func(root any) bool {
			return sel.any(root, func(v any) bool {
				text, scalar, numeric := scalarText(v)
				return scalar && c.of(text, numeric)
			})
		}, needs, nil
	}
	if s.word("NOT") {
		if !s.word("EXISTS") {
			return nil, nil, ErrInvalid
		}
		return func(root any) bool { return !sel.any(root, func(any) bool { return true }) }, nil, nil
	}
	if !s.word("IS") {
		return nil, nil, s.bad()
	}
	var want any
	switch {
	case s.word("TRUE"):
		want = true
	case s.word("FALSE"):
		want = false
	case !s.word("NULL"):
		return nil, nil, ErrInvalid
	}
	return func(root any) bool {
		return sel.any(root, func(v any) bool {
			switch v.(type) {
			case bool, nil:
				return v == want
			}
			return false
		})
	}, sel.needs(), nil
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
	root, ok := parseJSON(message)
	if !ok || !p.is.is(root) {
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

// parseJSON reads a message that is a JSON object or array.
func parseJSON(message string) (root any, ok bool) {
	if start := strings.TrimLeft(message, " \t\r\n"); start == "" || start[0] != '{' && start[0] != '[' {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(message))
	dec.UseNumber()
	if dec.Decode(&root) != nil {
		return nil, false
	}
	_, err := dec.Token()
	return root, err == io.EOF // more than one value is not JSON
}

func (p *object) needs() Needs {
	return Needs{Texts: append([][]string{{"{", "["}}, p.is.needs...), Escaped: true}
}

func (p *object) field(message, name string) (text string, found bool) {
	s := &scanner{text: name}
	sel, err := parseSelector(s)
	if err != nil || s.rest() != "" {
		return "", false
	}
	root, ok := parseJSON(message)
	return text, ok && sel.any(root, func(v any) bool {
		text, found, _ = scalarText(v)
		return found
	})
}
