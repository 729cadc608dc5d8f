package vtl

import "github.com/tule-cloud/tule/vtl/value"

// ErrLimit is what every error of an exceeded limit is, by errors.Is.
var ErrLimit = value.ErrLimit

// Limits bound one execution. A field that is zero takes its default.
type Limits struct {
	Steps      int64 // nodes rendered and evaluated, elements walked. Default 10,000,000
	Output     int   // bytes of output. Default 10 MiB: API Gateway's payload limit
	Memory     int64 // bytes asked for by values, over the whole run. Default 256 MiB
	Depth      int   // nesting of blocks, macros, evaluated text and values. Default 200
	Iterations int   // of one #foreach, which then ends without an error, as Velocity's maxloops. Default none
}

func (l Limits) orDefault() Limits {
	if l.Steps == 0 {
		l.Steps = 10_000_000
	}
	if l.Output == 0 {
		l.Output = 10 << 20
	}
	if l.Memory == 0 {
		l.Memory = 256 << 20
	}
	if l.Depth == 0 {
		l.Depth = 200
	}
	return l
}

// Limits of Velocity's own, and of the parser.
const (
	macroDepth  = 20  // macro calls within macro calls
	defineDepth = 2   // a #define block within itself; deeper it is null
	parseDepth  = 200 // blocks, parentheses, lists, strings within strings
)
