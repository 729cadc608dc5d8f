// Package insights is the query language of CloudWatch Metrics Insights:
//
//	SELECT MAX(Duration) FROM SCHEMA("AWS/Lambda", FunctionName)
//	WHERE FunctionName != 'old' GROUP BY FunctionName ORDER BY MAX() DESC LIMIT 5
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-metrics-insights-querylanguage.html
package insights

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Query is one that was parsed.
type Query struct {
	Function  string // AVG, COUNT, MAX, MIN or SUM
	Metric    string
	Namespace string // "" where any will do
	Schema    bool   // a metric has exactly Labels
	Labels    []string
	Where     []Condition // all of them hold
	GroupBy   []string
	OrderBy   string // a function; "" for none
	Ascending bool
	Limit     int
}

// A Condition is what a dimension's value is, or is not.
type Condition struct {
	Label, Value string
	Not          bool
}

// Match reports whether the query is about a metric; value gives its dimensions' values.
func (q *Query) Match(namespace, name string, labels []string, value func(string) (string, bool)) bool {
	if name != q.Metric || q.Namespace != "" && namespace != q.Namespace {
		return false
	}
	if q.Schema {
		if len(labels) != len(q.Labels) {
			return false
		}
		for _, l := range q.Labels {
			if !slices.Contains(labels, l) {
				return false
			}
		}
	}
	for _, l := range q.GroupBy {
		if _, ok := value(l); !ok {
			return false
		}
	}
	for _, c := range q.Where {
		v, ok := value(c.Label)
		if c.Label == "Namespace" {
			v, ok = namespace, true
		}
		if !ok && !c.Not || ok && (v == c.Value) == c.Not {
			return false
		}
	}
	return true
}

// Is reports whether an expression is a query.
func Is(text string) bool {
	word, _, _ := strings.Cut(strings.TrimLeft(text, spaces)+" ", " ")
	return strings.EqualFold(strings.TrimSpace(word), "SELECT") || strings.EqualFold(strings.TrimRight(word, "\r\n\t"), "SELECT")
}

const spaces = " \t\r\n"

// maxSeries is the most series that a query gives.
const maxSeries = 500

// Parse reads a query. The error is a sentence for whoever wrote it.
func Parse(text string) (*Query, error) {
	p := &parser{rest: text}
	p.next()
	q := &Query{Limit: maxSeries}
	for _, clause := range []func(*Query){p.selected, p.from, p.where, p.groupBy, p.orderBy, p.limit} {
		if clause(q); p.err != nil {
			return nil, p.err
		}
	}
	if p.kind != 0 {
		return nil, fmt.Errorf("unexpected %q", p.token)
	}
	return q, nil
}

// A parser reads a token at a time. Its kind is 0 at the end, 'w' for a word, 'i' for a
// name in double quotes, 's' for a text in single ones, 'o' for a sign.
type parser struct {
	rest, token string
	kind        byte
	err         error
}

func (p *parser) next() {
	p.rest = strings.TrimLeft(p.rest, spaces)
	p.token, p.kind = "", 0
	if p.rest == "" || p.err != nil {
		return
	}
	switch c := p.rest[0]; {
	case c == '"' || c == '\'':
		end := strings.IndexByte(p.rest[1:], c)
		if end < 0 {
			p.fail("a quotation has no end")
			return
		}
		p.token, p.rest, p.kind = p.rest[1:end+1], p.rest[end+2:], 's'
		if c == '"' {
			p.kind = 'i'
		}
	case strings.HasPrefix(p.rest, "!="):
		p.token, p.rest, p.kind = "!=", p.rest[2:], 'o'
	case strings.IndexByte("(),=", c) >= 0:
		p.token, p.rest, p.kind = p.rest[:1], p.rest[1:], 'o'
	default:
		n := strings.IndexAny(p.rest, "(),=!'\""+spaces)
		if n < 0 {
			n = len(p.rest)
		}
		n = max(n, 1)
		p.token, p.rest, p.kind = p.rest[:n], p.rest[n:], 'w'
	}
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.kind, p.token, p.rest = 0, "", ""
}

// word takes a keyword, if it is the next.
func (p *parser) word(keyword string) bool {
	if p.kind == 'w' && strings.EqualFold(p.token, keyword) {
		p.next()
		return true
	}
	return false
}

func (p *parser) need(keyword string) {
	if !p.word(keyword) {
		p.fail("%s is missing", keyword)
	}
}

func (p *parser) sign(s string) {
	if p.kind != 'o' || p.token != s {
		p.fail("%q is missing", s)
		return
	}
	p.next()
}

// name takes the name of something.
func (p *parser) name(of string) string {
	if p.kind != 'w' && p.kind != 'i' || p.token == "" {
		p.fail("the name of %s is missing", of)
		return ""
	}
	t := p.token
	p.next()
	return t
}

func (p *parser) function() string {
	f := strings.ToUpper(p.token)
	if p.kind != 'w' || !slices.Contains([]string{"AVG", "COUNT", "MAX", "MIN", "SUM"}, f) {
		p.fail("one of the functions AVG, COUNT, MAX, MIN and SUM is missing")
		return ""
	}
	p.next()
	p.sign("(")
	return f
}

func (p *parser) selected(q *Query) {
	p.need("SELECT")
	q.Function = p.function()
	q.Metric = p.name("the metric")
	p.sign(")")
}

func (p *parser) from(q *Query) {
	p.need("FROM")
	if p.kind != 'w' || !strings.EqualFold(p.token, "SCHEMA") {
		q.Namespace = p.name("the namespace")
		return
	}
	p.next()
	q.Schema = true
	p.sign("(")
	q.Namespace = p.name("the namespace")
	for p.kind == 'o' && p.token == "," {
		p.next()
		q.Labels = append(q.Labels, p.name("a label"))
	}
	p.sign(")")
}

func (p *parser) where(q *Query) {
	if !p.word("WHERE") {
		return
	}
	for {
		c := Condition{Label: p.name("a label")}
		switch {
		case p.kind == 'o' && p.token == "!=":
			c.Not = true
			p.next()
		default:
			p.sign("=")
		}
		if p.kind != 's' {
			p.fail("the value of %s must be in single quotes", c.Label)
			return
		}
		c.Value = p.token
		p.next()
		q.Where = append(q.Where, c)
		if !p.word("AND") {
			return
		}
	}
}

func (p *parser) groupBy(q *Query) {
	if !p.word("GROUP") {
		return
	}
	p.need("BY")
	for {
		q.GroupBy = append(q.GroupBy, p.name("a label"))
		if p.kind != 'o' || p.token != "," {
			return
		}
		p.next()
	}
}

func (p *parser) orderBy(q *Query) {
	if !p.word("ORDER") {
		return
	}
	p.need("BY")
	q.OrderBy = p.function()
	p.sign(")")
	if p.word("ASC") {
		q.Ascending = true
	} else if !p.word("DESC") {
		q.Ascending = true
	}
}

func (p *parser) limit(q *Query) {
	if !p.word("LIMIT") {
		return
	}
	n, err := strconv.Atoi(p.token)
	if p.kind != 'w' || err != nil || n < 1 || n > maxSeries {
		p.fail("LIMIT takes a number from 1 to %d", maxSeries)
		return
	}
	q.Limit = n
	p.next()
}
