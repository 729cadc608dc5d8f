package pattern

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fields is a pattern of fields. A message may have more of them than the pattern,
// which then have no names, but not fewer.
type fields struct {
	front, back []field // before and behind the ellipsis
	ellipsis    bool
}

// A field is one of a pattern, with or without a name and a condition.
type field struct {
	name string
	is   expression[string] // without a condition: anything
}

func parseFields(s *scanner) (matcher, error) {
	p := &fields{}
	s.take("[")
	if s.take("]") {
		return p, end(s)
	}
	for {
		if s.take("...") {
			if p.ellipsis {
				return nil, ErrInvalid
			}
			p.ellipsis = true
		} else {
			f, err := parseField(s)
			if err != nil {
				return nil, err
			}
			if p.ellipsis {
				p.back = append(p.back, f)
			} else {
				p.front = append(p.front, f)
			}
		}
		if s.take("]") {
			break
		}
		if !s.take(",") {
			return nil, s.bad()
		}
	}
	if s.regexes > maxRegexes {
		return nil, ErrInvalid
	}
	return p, end(s)
}

// end is an error if there is more of the pattern.
func end(s *scanner) error {
	if s.space(); s.rest() != "" {
		return ErrInvalid
	}
	return nil
}

func parseField(s *scanner) (f field, err error) {
	s.space()
	from := s.pos
	f.name = s.run(isName)
	if s.space(); strings.HasPrefix(s.rest(), ",") || strings.HasPrefix(s.rest(), "]") {
		return f, nil
	}
	s.pos, f.name = from, ""
	f.is, err = parseExpression(s, func() (expression[string], error) {
		s.space()
		name := s.run(isName)
		if name == "" || f.name != "" && name != f.name {
			return expression[string]{}, ErrInvalid
		}
		f.name = name
		c, ok, err := parseComparison(s)
		if err == nil && !ok {
			err = s.bad()
		}
		return expression[string]{func(v string) bool { return c.of(v, true) }, c.needs()}, err
	})
	return f, err
}

func (p *fields) match(message string, values map[string]string) bool {
	found := split(message)
	named := make([]field, len(found))
	if len(found) < len(p.front)+len(p.back) {
		return false
	}
	copy(named, p.front)
	copy(named[len(found)-len(p.back):], p.back)
	for i := range named {
		if is := named[i].is.is; is != nil && !is(found[i]) {
			return false
		}
		if values == nil {
			continue
		}
		name := named[i].name
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		values["$"+name] = found[i]
	}
	return true
}

// split takes a message apart at its spaces. What brackets or double quotes enclose is
// one field, without them.
func split(message string) []string {
	var out []string
	for {
		message = strings.TrimLeftFunc(message, unicode.IsSpace)
		if message == "" {
			return out
		}
		closing := ""
		switch message[0] {
		case '[':
			closing = "]"
		case '"':
			closing = `"`
		}
		if closing != "" {
			inside, rest, ok := strings.Cut(message[1:], closing)
			if r, _ := utf8.DecodeRuneInString(rest); ok && (rest == "" || unicode.IsSpace(r)) {
				out = append(out, inside)
				message = rest
				continue
			}
		}
		n := strings.IndexFunc(message, unicode.IsSpace)
		if n < 0 {
			return append(out, message)
		}
		out = append(out, message[:n])
		message = message[n:]
	}
}

func (p *fields) needs() (n Needs) {
	for _, f := range slices.Concat(p.front, p.back) {
		n.Texts = both(n.Texts, f.is.needs)
	}
	return n
}

func (p *fields) field(message, name string) (string, bool) {
	values := map[string]string{}
	if !p.match(message, values) {
		return "", false
	}
	v, ok := values[name]
	return v, ok
}
