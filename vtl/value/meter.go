package value

import (
	"context"
	"errors"
	"fmt"
	"regexp"
)

// ErrLimit is what every exceeded limit is, by errors.Is.
var ErrLimit = errors.New("template limit exceeded")

// Meter pays for a template's work: steps of evaluation and bytes of memory
// asked for over its whole run. It belongs to one execution and one goroutine.
type Meter struct {
	Ctx      context.Context
	Steps    int64 // left
	Bytes    int64 // left; what is freed is not given back
	MaxDepth int   // of nesting, when values are walked

	patterns map[string]*regexp.Regexp
	tick     uint
}

// checkEvery is how many steps may pass between two looks at the context.
const checkEvery = 1024

// Step pays for n steps.
func (m *Meter) Step(n int) error {
	m.Steps -= int64(n)
	if m.Steps < 0 {
		return fmt.Errorf("%w: too many steps", ErrLimit)
	}
	if m.tick += uint(n); m.tick >= checkEvery {
		m.tick = 0
		return m.Ctx.Err()
	}
	return nil
}

// bytesPerStep is how much text may be looked at for one step.
const bytesPerStep = 64

// Grow pays for n bytes, before they are allocated.
func (m *Meter) Grow(n int) error {
	m.Bytes -= int64(n)
	if n < 0 || m.Bytes < 0 {
		return fmt.Errorf("%w: too much memory", ErrLimit)
	}
	return nil
}

// most is how many matches of a pattern the memory that is left can hold, and
// one more: paying for so many fails.
func (m *Meter) most() int { return int(m.Bytes/matchSize) + 1 }

// matchSize is what one match of a pattern is charged.
const matchSize = 4 * slot

// slot is what one element of a list or one entry of a map is charged.
const slot = 16

// pattern compiles a regular expression once per execution.
func (m *Meter) pattern(expr string) (*regexp.Regexp, error) {
	if re, ok := m.patterns[expr]; ok {
		return re, nil
	}
	if err := m.Grow(1024 + 64*len(expr)); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, &Exception{Class: "java.util.regex.PatternSyntaxException", Msg: err.Error()}
	}
	if m.patterns == nil {
		m.patterns = map[string]*regexp.Regexp{}
	}
	m.patterns[expr] = re
	return re, nil
}
