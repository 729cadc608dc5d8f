package vtl

import (
	"errors"
	"fmt"
)

// Error is a template that cannot be parsed or executed, and where.
type Error struct {
	Name      string // of the template
	Line, Col int    // from 1; 0 where unknown
	Err       error
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.Name, e.Line, e.Col, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// stop ends the template; leave ends the nearest loop, macro, block or
// evaluation, or the one that it names.
var errStop = errors.New("#stop")

type leave struct{ what any }

func (*leave) Error() string { return "#break" }

func isControl(err error) bool {
	if err == errStop {
		return true
	}
	_, ok := err.(*leave)
	return ok
}

// isFor reports whether err is a #break that ends what.
func isFor(err error, what any) bool {
	l, ok := err.(*leave)
	return ok && (l.what == nil || l.what == what)
}
