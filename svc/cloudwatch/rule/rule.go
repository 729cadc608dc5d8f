// Package rule is the language in which composite alarms say when they are in alarm:
//
//	ALARM("errors") AND NOT (OK(deploying) OR ALARM("arn:aws:cloudwatch:…:alarm:quiet"))
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
package rule

import (
	"fmt"
	"slices"
	"strings"
)

// A Rule is one that was parsed.
type Rule struct {
	// Alarms are the names or ARNs that it is about, each once.
	Alarms []string
	root   test
}

// A test decides, given the states of alarms.
type test func(state func(alarm string) string) bool

// Holds reports whether the rule is true; state is that of an alarm, by its name or ARN
// as the rule has it.
func (r *Rule) Holds(state func(alarm string) string) bool { return r.root(state) }

// Bounds of a rule, AWS's.
const (
	maxAlarms = 100
	maxTerms  = 500
	maxDepth  = 64
)

// Parse reads a rule. The error is a sentence for whoever wrote it.
func Parse(text string) (*Rule, error) {
	p := &parser{rest: text, rule: &Rule{}}
	p.next()
	root, err := p.or()
	switch {
	case err != nil:
		return nil, err
	case p.token != "":
		return nil, fmt.Errorf("unexpected %q", p.token)
	case len(p.rule.Alarms) > maxAlarms:
		return nil, fmt.Errorf("a rule may name at most %d alarms", maxAlarms)
	case p.terms > maxTerms:
		return nil, fmt.Errorf("a rule may have at most %d elements", maxTerms)
	}
	p.rule.root = root
	return p.rule, nil
}

type parser struct {
	rest, token  string
	depth, terms int
	rule         *Rule
}

// next reads a parenthesis or a word.
func (p *parser) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		p.token = ""
		return
	}
	n := strings.IndexAny(p.rest, "() \t\r\n")
	switch {
	case n < 0:
		n = len(p.rest)
	case n == 0:
		n = 1
	}
	p.token, p.rest = p.rest[:n], p.rest[n:]
}

func (p *parser) or() (test, error) {
	x, err := p.and()
	for err == nil && p.token == "OR" {
		p.next()
		a := x
		var b test
		if b, err = p.and(); err == nil {
			x = func(s func(string) string) bool { return a(s) || b(s) }
		}
	}
	return x, err
}

func (p *parser) and() (test, error) {
	x, err := p.one()
	for err == nil && p.token == "AND" {
		p.next()
		a := x
		var b test
		if b, err = p.one(); err == nil {
			x = func(s func(string) string) bool { return a(s) && b(s) }
		}
	}
	return x, err
}

func (p *parser) one() (test, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("the rule is nested too deep")
	}
	defer func() { p.depth-- }()
	p.terms++
	token := p.token
	p.next()
	switch token {
	case "TRUE", "FALSE":
		return func(func(string) string) bool { return token == "TRUE" }, nil
	case "NOT":
		x, err := p.one()
		return func(s func(string) string) bool { return !x(s) }, err
	case "(":
		x, err := p.or()
		if err == nil && p.token != ")" {
			err = fmt.Errorf("a parenthesis has no end")
		}
		p.next()
		return x, err
	case "ALARM", "OK", "INSUFFICIENT_DATA":
		return p.state(token)
	case "":
		return nil, fmt.Errorf("the rule ends too early")
	}
	return nil, fmt.Errorf("unexpected %q", token)
}

// state reads the alarm that must have a state. Its name is between parentheses, in
// quotes where it has signs of the language.
func (p *parser) state(want string) (test, error) {
	if p.token != "(" {
		return nil, fmt.Errorf("%s needs an alarm in parentheses", want)
	}
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	var name string
	if quoted := strings.HasPrefix(p.rest, `"`) || strings.HasPrefix(p.rest, `'`); quoted {
		end := strings.IndexByte(p.rest[1:], p.rest[0])
		if end < 0 {
			return nil, fmt.Errorf("the name of an alarm has no end")
		}
		name, p.rest = p.rest[1:end+1], p.rest[end+2:]
	} else {
		end := strings.IndexByte(p.rest, ')')
		if end < 0 {
			return nil, fmt.Errorf("a parenthesis has no end")
		}
		name, p.rest = strings.TrimSpace(p.rest[:end]), p.rest[end:]
	}
	if p.next(); p.token != ")" || name == "" {
		return nil, fmt.Errorf("%s needs one alarm in parentheses", want)
	}
	p.next()
	if !slices.Contains(p.rule.Alarms, name) {
		p.rule.Alarms = append(p.rule.Alarms, name)
	}
	return func(s func(string) string) bool { return s(name) == want }, nil
}
