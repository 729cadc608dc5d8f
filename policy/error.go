package policy

import (
	"fmt"
	"strings"
)

// Error says why a document is not a policy. Message is AWS's own text for the
// wire; Detail and the position say more, for people and logs.
type Error struct {
	Message      string // e.g. "Syntax errors in policy."
	Detail       string // e.g. `unknown element "Efect"`; may be empty
	Line, Column int    // from 1, in bytes; 0 when the document as a whole is meant
	TooLarge     bool   // the document is over its size limit: LimitExceeded, not MalformedPolicyDocument
	offset       int
}

const (
	syntaxMessage = "Syntax errors in policy."
	legacyMessage = "The policy failed legacy parsing" // AWS has it without a full stop
)

// Error implements error: the message, and where and what in parentheses.
func (e *Error) Error() string {
	var where []string
	if e.Line > 0 {
		where = append(where, fmt.Sprintf("line %d, column %d", e.Line, e.Column))
	}
	if e.Detail != "" {
		where = append(where, e.Detail)
	}
	if len(where) == 0 {
		return e.Message
	}
	return e.Message + " (" + strings.Join(where, ": ") + ")"
}

func syntaxError(offset int, detail string) *Error {
	return &Error{Message: syntaxMessage, Detail: detail, offset: offset}
}

// locate turns the offset into line and column.
func (e *Error) locate(text string) *Error {
	e.Line, e.Column = position(text, e.offset)
	return e
}

func position(text string, offset int) (line, column int) {
	before := text[:min(max(offset, 0), len(text))]
	return strings.Count(before, "\n") + 1, len(before) - strings.LastIndexByte(before, '\n')
}
