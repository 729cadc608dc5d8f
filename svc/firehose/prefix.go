package firehose

import (
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/firehose"
)

// The namespaces of expressions in prefixes, and two of their values.
const (
	timestampSpace = "timestamp"
	firehoseSpace  = "firehose"
	fromQuery      = "partitionKeyFromQuery"
	fromLambda     = "partitionKeyFromLambda"
	errorType      = "error-output-type"
	randomString   = "random-string"
)

// randomLength is how long a random string in a prefix is.
const randomLength = 11

// A template is a prefix with expressions of the form !{namespace:value}.
type template []piece

// A piece is a text, if its space is empty, or an expression.
type piece struct {
	space, value string
	time         timePattern // of a timestamp
}

// parseTemplate reads a prefix.
func parseTemplate(text string) (t template, err error) {
	for text != "" {
		before, rest, found := strings.Cut(text, "!{")
		if before != "" {
			t = append(t, piece{value: before})
		}
		if !found {
			break
		}
		inside, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, api.InvalidArgumentException("The prefix has an expression without an end: !{%s", rest)
		}
		e := piece{}
		var ok bool
		e.space, e.value, ok = strings.Cut(inside, ":")
		if !ok || e.value == "" {
			return nil, invalidExpression(inside)
		}
		switch e.space {
		case timestampSpace:
			if e.time, ok = parseTimePattern(e.value); !ok {
				return nil, api.InvalidArgumentException("The prefix has a timestamp whose pattern is not valid: !{%s}", inside)
			}
		case firehoseSpace:
			if e.value != errorType && e.value != randomString {
				return nil, invalidExpression(inside)
			}
		case fromQuery, fromLambda:
		default:
			return nil, invalidExpression(inside)
		}
		t = append(t, e)
		text = after
	}
	return t, nil
}

func invalidExpression(inside string) error {
	return api.InvalidArgumentException("The prefix has an expression that is not valid: !{%s}", inside)
}

// plain reports whether there are no expressions.
func (t template) plain() bool {
	for _, e := range t {
		if e.space != "" {
			return false
		}
	}
	return true
}

// has reports whether there is an expression of a namespace, or firehose's of a value.
func (t template) has(what string) bool {
	for _, e := range t {
		if e.space == what || e.space == firehoseSpace && e.value == what {
			return true
		}
	}
	return false
}

// A moment is what expressions are evaluated with.
type moment struct {
	at      time.Time // in the zone wanted
	failure string    // error-output-type
	random  func() string
	keys    map[string]string // of the partition, by namespace and name
}

// text is the template's text at a moment.
func (t template) text(m *moment) string {
	var b strings.Builder
	for _, e := range t {
		switch e.space {
		case "":
			b.WriteString(e.value)
		case timestampSpace:
			b.WriteString(e.time.format(m.at))
		case fromQuery, fromLambda:
			b.WriteString(m.keys[e.space+":"+e.value])
		default:
			if e.value == errorType {
				b.WriteString(m.failure)
			} else {
				b.WriteString(m.random())
			}
		}
	}
	return b.String()
}

// hours is what AWS adds to a prefix without expressions.
const hours = "2006/01/02/15/"

// data is the prefix of objects.
func (b *bucketPlan) data(m *moment) string {
	text := b.prefix.text(m)
	if b.plain {
		text += m.at.Format(hours)
	}
	return text
}

// failed is the prefix of objects that hold what failed. Without one of its own it is the
// other, with a folder for each kind of failure.
func (b *bucketPlan) failed(m *moment) string {
	switch {
	case len(b.failures) == 0:
		return b.prefix.text(m) + m.failure + "/" + m.at.Format(hours)
	case b.failures.plain():
		return b.failures.text(m) + m.failure + "/" + m.at.Format(hours)
	case !b.failures.has(timestampSpace):
		return b.failures.text(m) + m.at.Format(hours)
	}
	return b.failures.text(m)
}
