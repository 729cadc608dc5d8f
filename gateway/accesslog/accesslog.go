// Package accesslog writes the access logs of API Gateway's stages: one line a request,
// in a format of the stage's owner, in which $context variables stand.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html#context-variable-reference-access-logging-only
package accesslog

import (
	"errors"
	"strings"
)

// MaxFormat is how long a format may be, in bytes.
const MaxFormat = 3 << 10

// Absent is what stands for a variable that a request has not.
const Absent = "-"

const prefix = "$context."

// Why a format is none.
var (
	ErrNoRequestID = errors.New("Access Log format must contain $context.requestId")
	ErrTooLong     = errors.New("Access Log format is longer than 3 KB")
)

// A Format is a format taken apart. It is safe for concurrent use.
type Format struct{ parts []part }

// A part is a text, or the name of a variable.
type part struct {
	text     string
	variable bool
}

// Parse takes a format apart. Line breaks in it end no line of the log: they become
// spaces. A format without the request's id, in one of its forms, is refused.
func Parse(format string) (*Format, error) {
	if len(format) > MaxFormat {
		return nil, ErrTooLong
	}
	var f Format
	found, rest := false, strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ").Replace(strings.TrimSpace(format))
	for rest != "" {
		before, after, more := strings.Cut(rest, prefix)
		if before != "" {
			f.parts = append(f.parts, part{text: before})
		}
		if !more {
			break
		}
		name := name(after)
		rest = after[len(name):]
		if name == "" {
			f.parts = append(f.parts, part{text: prefix})
			continue
		}
		found = found || name == "requestId" || name == "extendedRequestId"
		f.parts = append(f.parts, part{text: name, variable: true})
	}
	if !found {
		return nil, ErrNoRequestID
	}
	return &f, nil
}

// name is the variable's name that a text begins with. A dot or a hyphen ends none.
func name(text string) string {
	n := 0
	for n < len(text) {
		c := text[n]
		if c != '_' && c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		n++
	}
	return strings.TrimRight(text[:n], ".-")
}

// Line is the line of a request, of which value knows the variables by their names
// below $context, "identity.sourceIp". What it has not stands as a hyphen; control
// characters, which could forge a line, as spaces.
func (f *Format) Line(value func(name string) string) string {
	var b strings.Builder
	for _, p := range f.parts {
		if !p.variable {
			b.WriteString(p.text)
			continue
		}
		v := value(p.text)
		if v == "" {
			v = Absent
		}
		b.WriteString(strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
				return ' '
			}
			return r
		}, v))
	}
	return b.String()
}
