// Package pattern is the language of CloudWatch Logs' filter patterns: terms, with
// optional and excluded ones; fields of lines that spaces part; and expressions on
// JSON objects; each with regular expressions.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
//
// Upper and lower case differ everywhere, except in IS, NULL, TRUE, FALSE, NOT and
// EXISTS. As on AWS, a star stands for any text at the start and the end of a value
// alone, and != is false of what is not there or is no scalar.
//
// What differs from AWS on purpose: a term without quotes may have hyphens and dots
// inside, where AWS takes it and then finds nothing.
package pattern

import "strings"

// A Pattern says which messages are wanted. It does not change, and may be used by
// many goroutines.
type Pattern struct {
	matcher
	need    Needs
	regexes int
}

// A matcher is one of the three kinds of patterns.
type matcher interface {
	// match reports whether the message is wanted. If values is not nil, what the
	// pattern names is put into it.
	match(message string, values map[string]string) bool
	// needs says what every wanted message has.
	needs() Needs
	// field reads what name stands for in a message, as match puts it into values,
	// whether or not the pattern has it.
	field(message, name string) (string, bool)
}

// An Error says what is wrong with a pattern, in AWS's words.
type Error struct{ message string }

// Error implements error.
func (e *Error) Error() string { return e.message }

// ErrInvalid is the error for what does not have the form of a pattern.
var ErrInvalid = &Error{"Invalid filter pattern"}

// errTerm refuses a term, or the characters of one that it must not have.
func errTerm(term string) error { return &Error{"Invalid character(s) in term '" + term + "'"} }

const (
	// maxRegexes is how many regular expressions a pattern of fields or of an object
	// has at most.
	maxRegexes = 2
	// maxWildcards is how many selectors with a star an object pattern has at most.
	maxWildcards = 3
)

// Parse reads a pattern. Its errors are *Error, and ErrInvalid where there is nothing
// more to say.
func Parse(text string) (*Pattern, error) {
	text = strings.TrimSpace(text)
	s := &scanner{text: text}
	var m matcher
	var err error
	switch {
	case strings.HasPrefix(text, "{"):
		if !strings.HasSuffix(text, "}") {
			return nil, &Error{"If a filter pattern starts with '{' it must end with '}'"}
		}
		m, err = parseObject(s)
	case strings.HasPrefix(text, "["):
		if !strings.HasSuffix(text, "]") {
			return nil, &Error{"If a filter pattern starts with '[' it must end with ']'"}
		}
		m, err = parseFields(s)
	default:
		m, err = parseTerms(s)
	}
	if err != nil {
		return nil, err
	}
	return &Pattern{m, m.needs(), s.regexes}, nil
}

// Match reports whether a message is wanted.
func (p *Pattern) Match(message string) bool { return may(&p.need, message) && p.match(message, nil) }

// May reports whether text, in which whole messages lie among other bytes, may have one
// that is wanted. It spares whoever searches much to take it apart; false is certain.
func (p *Pattern) May(text []byte) bool { return mayBytes(&p.need, text) }

// Needs says what every wanted message has.
func (p *Pattern) Needs() Needs { return p.need }

// Field is the value in a message of what a metric's value or dimension names: a field
// or a selector, which the pattern need not have.
func (p *Pattern) Field(message, name string) (string, bool) { return p.field(message, name) }

// Extract reports whether a message is wanted, and the values in it of what the
// pattern names: "$status" for a field, "$3" for the third if it has no name, and
// "$.user.id" for a selector.
func (p *Pattern) Extract(message string) (map[string]string, bool) {
	values := map[string]string{}
	if !p.match(message, values) {
		return nil, false
	}
	return values, true
}

// HasRegex reports whether there are regular expressions in the pattern.
func (p *Pattern) HasRegex() bool { return p.regexes > 0 }

// Terms reports whether the pattern is of terms, which have no names.
func (p *Pattern) Terms() bool { _, ok := p.matcher.(*terms); return ok }

// Fielded reports whether the pattern is of fields.
func (p *Pattern) Fielded() bool { _, ok := p.matcher.(*fields); return ok }
