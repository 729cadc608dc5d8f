package vtl

import (
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/tule-cloud/tule/vtl/value"
)

// numberLen is the length of the number at the start of s. An integer before
// ".." ends there: 1..3 is a range.
func numberLen(s string) int {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	digits := func() (n int) {
		for ; i < len(s) && isDigit(s[i]); i++ {
			n++
		}
		return n
	}
	whole := digits()
	if i < len(s) && s[i] == '.' && !strings.HasPrefix(s[i:], "..") {
		dot := i
		i++
		if digits() == 0 && whole == 0 {
			return 0
		}
		whole += i - dot
	}
	if whole == 0 {
		return 0
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		before := i
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if digits() == 0 {
			i = before
		}
	}
	return i
}

func (p *parser) number() (expr, error) {
	n := numberLen(p.rest())
	src := p.rest()[:n]
	l := &literal{src: src}
	if strings.ContainsAny(src, ".eE") {
		f, _ := strconv.ParseFloat(src, 64) // ±Inf out of range, as in Java
		l.v = f
	} else if l.v = value.ParseInt(src); strings.HasPrefix(src, "-0") && strings.Trim(src, "-0") == "" {
		l.v = int32(0)
	}
	p.at += n
	return l, nil
}

// str reads a quoted string. A quote is doubled to stand for itself. In double
// quotes \uXXXX is a character, and the text is a template; nothing else is an
// escape.
func (p *parser) str(quote byte) (expr, error) {
	start := p.at
	end := stringEnd(p.rest(), quote)
	if end == 0 {
		return nil, p.fail(start, "a string is not closed")
	}
	src := p.rest()[:end]
	p.at += end
	body := src[1 : end-1]
	if quote == '"' {
		var ok bool
		if body, ok = unescape(body); !ok {
			return nil, p.fail(start, `a string has a bad \u escape`)
		}
	}
	q := string(quote)
	body = strings.ReplaceAll(body, q+q, q)
	if quote == '\'' || !strings.ContainsAny(src, "$#") {
		return &literal{v: body, src: src}, nil
	}
	s := &interpolated{src: src, comment: strings.Contains(body, "##")}
	if !s.comment {
		body += " " // a directive at the end must not swallow what follows the string
	}
	at := p.pos(start)
	at.col++
	var err error
	s.body, err = p.inside(body, at)
	return s, err
}

// stringEnd is the length of the string at the start of s with its quotes, 0
// where it does not end. A doubled quote is inside wherever a later one closes.
func stringEnd(s string, quote byte) int {
	end := 0
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			continue
		}
		end = i + 1
		if i++; i >= len(s) || s[i] != quote {
			break
		}
	}
	return end
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, `\u`) {
		return s, true
	}
	var out []uint16
	for {
		i := strings.Index(s, `\u`)
		if i < 0 {
			out = append(out, utf16.Encode([]rune(s))...)
			return string(utf16.Decode(out)), true
		}
		if len(s) < i+6 {
			return "", false
		}
		u, err := strconv.ParseUint(s[i+2:i+6], 16, 16)
		if err != nil {
			return "", false
		}
		out = append(append(out, utf16.Encode([]rune(s[:i]))...), uint16(u))
		s = s[i+6:]
	}
}

// list reads [a, b] or [a..b].
func (p *parser) list(inMethod bool) (expr, error) {
	start := p.at
	p.at++
	p.space()
	l := &listExpr{}
	if p.take("]") {
		l.src = p.src[start:p.at]
		return l, nil
	}
	for {
		p.space()
		e, err := p.value(inMethod)
		if err != nil {
			return nil, err
		}
		p.space()
		if len(l.items) == 0 && p.take("..") {
			return p.rangeTo(e, start)
		}
		l.items = append(l.items, e)
		if p.take("]") {
			l.src = p.src[start:p.at]
			return l, nil
		}
		if !p.take(",") {
			return nil, p.unexpected(", or ] in a list")
		}
	}
}

func (p *parser) rangeTo(from expr, start int) (expr, error) {
	p.space()
	to, err := p.value(false)
	if err != nil {
		return nil, err
	}
	if !rangeEnd(from) || !rangeEnd(to) {
		return nil, p.fail(start, "a range wants integers or references")
	}
	p.space()
	if !p.take("]") {
		return nil, p.unexpected("] after a range")
	}
	return &rangeExpr{from: from, to: to, src: p.src[start:p.at]}, nil
}

func rangeEnd(e expr) bool {
	switch e := e.(type) {
	case *reference:
		return true
	case *literal:
		return value.IsNumber(e.v) && !strings.Contains(e.src, ".")
	}
	return false
}

// mapping reads {key: value, …}.
func (p *parser) mapping(inMethod bool) (expr, error) {
	start := p.at
	p.at++
	p.space()
	m := &mapExpr{}
	for !p.take("}") {
		if len(m.pairs) > 0 && !p.take(",") {
			return nil, p.unexpected(", or } in a map")
		}
		p.space()
		k, err := p.value(inMethod)
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.take(":") {
			return nil, p.unexpected(": after a map's key")
		}
		p.space()
		v, err := p.value(inMethod)
		if err != nil {
			return nil, err
		}
		p.space()
		m.pairs = append(m.pairs, k, v)
	}
	m.src = p.src[start:p.at]
	return m, nil
}
