package pattern

import (
	"regexp"
	"strings"
)

// terms is a pattern of terms. A message has all the wanted and none of the excluded
// ones; or, where there are only optional ones, one of those.
type terms struct{ wanted, optional, excluded []term }

// A term is a text or a regular expression, to be found anywhere in a message.
type term struct {
	text string
	re   *regexp.Regexp
}

func (t *term) in(message string) bool {
	if t.re != nil {
		return t.re.MatchString(message)
	}
	return strings.Contains(message, t.text)
}

func parseTerms(s *scanner) (matcher, error) {
	p := &terms{}
	for {
		s.space()
		if s.rest() == "" {
			break
		}
		into := &p.wanted
		switch s.rest()[0] {
		case '?':
			into = &p.optional
			s.pos++
		case '-':
			into = &p.excluded
			s.pos++
		}
		t, err := parseTerm(s)
		if err != nil {
			return nil, err
		}
		*into = append(*into, t)
	}
	if len(p.wanted)+len(p.excluded) > 0 {
		p.optional = nil // AWS ignores them beside others
	}
	return p, nil
}

func parseTerm(s *scanner) (t term, err error) {
	switch rest := s.rest(); {
	case strings.HasPrefix(rest, `"`):
		t.text, err = s.quoted()
		if strings.TrimSpace(t.text) == "" {
			t.text = "" // in every message
		}
	case strings.HasPrefix(rest, "%"):
		t.re, err = s.regex()
	default:
		if t.text = s.run(func(r rune) bool { return isName(r) || r == '.' }); t.text == "" {
			err = s.bad()
		}
	}
	if err != nil {
		return t, err
	}
	if rest := s.rest(); rest != "" {
		if s.space(); s.rest() == rest {
			return t, s.bad()
		}
	}
	return t, nil
}

func (p *terms) match(message string, _ map[string]string) bool {
	for i := range p.excluded {
		if p.excluded[i].in(message) {
			return false
		}
	}
	for i := range p.wanted {
		if !p.wanted[i].in(message) {
			return false
		}
	}
	for i := range p.optional {
		if p.optional[i].in(message) {
			return true
		}
	}
	return len(p.optional) == 0
}

func (p *terms) needs() (n Needs) {
	of := func(t *term) [][]string {
		switch {
		case t.re != nil:
			return needsOf(t.re)
		case t.text == "":
			return nil
		}
		return [][]string{{t.text}}
	}
	for i := range p.wanted {
		n.Texts = both(n.Texts, of(&p.wanted[i]))
	}
	for i := range p.optional {
		if i == 0 {
			n.Texts = of(&p.optional[i])
		} else {
			n.Texts = either(n.Texts, of(&p.optional[i]))
		}
	}
	return n
}

func (p *terms) field(string, string) (string, bool) { return "", false }
