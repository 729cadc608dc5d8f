package wire

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A check is what the model demands of a value, from a field's check tag:
//
//	C := [ "len:MIN..MAX" | "range:MIN..MAX" ] [ "enum:A|B|C" ]
//	     [ "match:" quoted RE2 pattern [ "src:" quoted pattern as AWS prints it ] ]
//	     [ "[" C "]" for elements and map values ] [ "{" C "}" for map keys ]
type check struct {
	length, number bool // what min and max bound
	min, max       *float64
	enum           []string
	match, src     string
	elem, key      *check
	regexp         func() *regexp.Regexp
}

// parseCheck reads a check tag; nil if it demands nothing. It panics on a tag that
// is not of the form: tags are generated.
func parseCheck(s string) *check {
	if s == "" {
		return nil
	}
	p := checkParser{s}
	c := p.check()
	if p.rest != "" {
		panic(fmt.Sprintf("wire: check tag %q: cannot read %q", s, p.rest))
	}
	return c
}

type checkParser struct{ rest string }

func (p *checkParser) check() *check {
	c := &check{}
	for {
		p.rest = strings.TrimLeft(p.rest, " ")
		switch {
		case p.take("len:"):
			c.length = true
			c.min, c.max = p.bounds()
		case p.take("range:"):
			c.number = true
			c.min, c.max = p.bounds()
		case p.take("enum:"):
			c.enum = strings.Split(p.until(" match:", " src:", " [", " {", "]", "}"), "|")
		case p.take("match:"):
			c.match = p.quoted()
			c.src = c.match
			c.regexp = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\A(?:` + c.match + `)\z`) })
		case p.take("src:"):
			c.src = p.quoted()
		case p.take("["):
			c.elem = p.check()
			p.need("]")
		case p.take("{"):
			c.key = p.check()
			p.need("}")
		default:
			return c
		}
	}
}

func (p *checkParser) take(word string) (ok bool) {
	p.rest, ok = strings.CutPrefix(p.rest, word)
	return ok
}

func (p *checkParser) need(word string) {
	if !p.take(word) {
		panic(fmt.Sprintf("wire: check tag: %q where %q belongs", p.rest, word))
	}
}

// until takes all up to the first of ends.
func (p *checkParser) until(ends ...string) string {
	n := len(p.rest)
	for _, end := range ends {
		if i := strings.Index(p.rest, end); i >= 0 {
			n = min(n, i)
		}
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s
}

func (p *checkParser) bounds() (least, most *float64) {
	text := p.until(" ", "]", "}")
	lo, hi, ok := strings.Cut(text, "..")
	if !ok {
		panic(fmt.Sprintf("wire: check tag: bounds %q", text))
	}
	return bound(lo), bound(hi)
}

func bound(s string) *float64 {
	if s == "" {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(fmt.Sprintf("wire: check tag: bound %q", s))
	}
	return &f
}

func (p *checkParser) quoted() string {
	q, err := strconv.QuotedPrefix(p.rest)
	if err != nil {
		panic(fmt.Sprintf("wire: check tag: pattern %q", p.rest))
	}
	p.rest = p.rest[len(q):]
	s, err := strconv.Unquote(q)
	if err != nil {
		panic(fmt.Sprintf("wire: check tag: pattern %q", q))
	}
	return s
}

// A constraint is one demand, in AWS's words.
type constraint uint8

const (
	cMax constraint = iota
	cMin
	cEnum
	cPattern
)

// text is what AWS says of the demand.
func (c *check) text(which constraint) string {
	switch which {
	case cMax:
		return "Member must have " + c.noun() + " less than or equal to " + number(*c.max)
	case cMin:
		return "Member must have " + c.noun() + " greater than or equal to " + number(*c.min)
	case cEnum:
		return "Member must satisfy enum value set: [" + strings.Join(c.enum, ", ") + "]"
	}
	return "Member must satisfy regular expression pattern: " + c.src
}

func (c *check) noun() string {
	if c.length {
		return "length"
	}
	return "value"
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// all is every demand that c makes of a value itself, as AWS lists those of elements.
func (c *check) all() string {
	var texts []string
	for _, which := range []constraint{cMax, cMin, cEnum, cPattern} {
		if c.has(which) {
			texts = append(texts, c.text(which))
		}
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func (c *check) has(which constraint) bool {
	switch which {
	case cMax:
		return c.max != nil
	case cMin:
		return c.min != nil
	case cEnum:
		return c.enum != nil
	}
	return c.match != ""
}

// failed is the demands that a value breaks, by its size (its number or length) and,
// if it is a string, its text.
func (c *check) failed(size float64, text string, isText bool) []constraint {
	var out []constraint
	if c.max != nil && size > *c.max {
		out = append(out, cMax)
	}
	if c.min != nil && size < *c.min {
		out = append(out, cMin)
	}
	if isText && c.enum != nil && !slices.Contains(c.enum, text) {
		out = append(out, cEnum)
	}
	if isText && c.match != "" && !c.regexp().MatchString(text) {
		out = append(out, cPattern)
	}
	return out
}
