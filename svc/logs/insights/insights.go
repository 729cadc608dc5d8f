// Package insights is the query language of CloudWatch Logs Insights: commands, one
// behind the other, that select, take apart, count and order log events.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
//
// Fields of JSON messages, also of JSON within the lines of Lambda functions, and those
// of Lambda's own lines are found without being asked for.
//
// What differs from AWS on purpose: percentiles are exact up to 20,000 values of a
// group, and within half a percent beyond; count_distinct is exact up to 65,536
// different values, and within about a percent beyond. pattern goes by rules rather than by
// what a machine has learnt. diff, anomaly, lookup, join and what else looks at more than
// one query's events are refused.
package insights

import (
	"errors"
	"fmt"
	"strings"
)

// A Record is a log event, as queries see it.
type Record struct {
	Timestamp, Ingested int64 // milliseconds
	Message             string
	Stream              string
	Log                 string // account and group: "123456789012:name"
	Lambda              bool   // the group is a function's
	Pointer             func() string
}

// byDefault are the fields that results have where the query names none.
var byDefault = []string{"@timestamp", "@message"}

// A Field is one field of a result.
type Field struct{ Name, Value string }

// An Error says what is wrong with a query.
type Error struct{ message string }

// Error implements error.
func (e *Error) Error() string { return e.message }

func errorf(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// ErrTooMuch ends a query that would have to keep too much in memory.
var ErrTooMuch = errors.New("the query keeps too many rows or groups; filter more or limit it")

const (
	// defaultLimit is how many results there are where nobody says, and MaxLimit the most.
	defaultLimit, MaxLimit = 10_000, 100_000
	// maxBytes is about how much of rows a query may keep.
	maxBytes = 256 << 20
	// maxGroups is how many groups stats may make.
	maxGroups = 200_000
)

// A Query does not change, and may be run many times.
type Query struct {
	commands []command
	shown    []string // nil: the default
	limited  bool     // by a command
}

// A command is one of the commands of a query, and knows how to become a stage of its
// run: what it lets through goes to next.
type command interface {
	stage(run *Run, next stage) stage
	// ordered reports whether the command depends on the order of its rows.
	ordered() bool
	// blocks reports whether it lets rows through at the end alone.
	blocks() bool
}

// A stage takes rows. It returns false if it wants no more.
type stage interface {
	push(r *row) bool
	finish()
}

// A Run is a query on its way.
type Run struct {
	query *Query
	first stage
	out   *collector
	kept  int // bytes
	err   error

	Scanned, Matched int64   // records
	Bytes            float64 // of the records scanned
}

// Run starts the query, for at most limit results; 0 is the default. Merged says that
// records will not come the newest first, as they otherwise must.
func (q *Query) Run(limit int, merged bool) *Run {
	if limit <= 0 || q.limited {
		limit = defaultLimit
		if q.limited {
			limit = MaxLimit
		}
	}
	run := &Run{query: q, out: &collector{limit: limit}}
	run.out.run = run
	commands := q.commands
	if merged && !q.sorted() {
		at := len(commands)
		for i, c := range commands {
			if c.ordered() || c.blocks() {
				at = i
				break
			}
		}
		newest := &sortCommand{keys: []sortKey{{of: fieldNamed("@timestamp"), down: true}}}
		commands = append(append(append([]command{}, commands[:at]...), newest), commands[at:]...)
	}
	var next stage = run.out
	counted := false
	for i := len(commands) - 1; i >= 0; i-- {
		if !counted && !anyBlocks(commands[:i+1]) {
			next, counted = &counter{run, next}, true
		}
		c := commands[i]
		if s, ok := c.(*sortCommand); ok {
			c = &sortCommand{s.keys, wanted(commands[i+1:], limit)}
		}
		next = c.stage(run, next)
	}
	if !counted {
		next = &counter{run, next}
	}
	run.first = next
	return run
}

func anyBlocks(commands []command) bool {
	for _, c := range commands {
		if _, more := c.(*unnestCommand); more || c.blocks() || c.ordered() { // from there on rows are no records
			return true
		}
	}
	return false
}

// sorted reports whether the order of the records makes no difference.
func (q *Query) sorted() bool {
	for _, c := range q.commands {
		if c.blocks() {
			return true
		}
		if c.ordered() {
			return false
		}
	}
	return false
}

// Add runs one record through the query. It returns false if no more are needed.
func (run *Run) Add(rec *Record) bool {
	run.Scanned++
	run.Bytes += float64(len(rec.Message))
	return run.first.push(&row{rec: rec}) && run.err == nil
}

// Results ends the run.
func (run *Run) Results() ([][]Field, error) {
	run.first.finish()
	if run.err != nil {
		return nil, run.err
	}
	return run.out.results, nil
}

// keep counts what a row that is kept takes, and reports whether there is room.
func (run *Run) keep(bytes int) bool {
	if run.kept += bytes; run.kept > maxBytes {
		run.err = ErrTooMuch
	}
	return run.err == nil
}

// A counter counts what the filters let through.
type counter struct {
	run  *Run
	next stage
}

func (c *counter) push(r *row) bool {
	c.run.Matched++
	return c.next.push(r)
}

func (c *counter) finish() { c.next.finish() }

// A collector takes what comes out in the end.
type collector struct {
	run     *Run
	limit   int
	results [][]Field
}

func (c *collector) push(r *row) bool {
	if len(c.results) >= c.limit {
		return false
	}
	shown := c.run.query.shown
	if shown == nil {
		shown = byDefault
	}
	result := make([]Field, 0, len(shown)+1)
	size := 64
	for _, name := range shown {
		if v := r.get(name); v.kind != missing {
			f := Field{name, strings.Clone(v.String())} // not what a whole chunk of messages hangs on
			size += len(f.Value) + 48
			result = append(result, f)
		}
	}
	if r.rec != nil && r.rec.Pointer != nil {
		result = append(result, Field{"@ptr", r.rec.Pointer()})
	}
	if !c.run.keep(size) {
		return false
	}
	c.results = append(c.results, result)
	return len(c.results) < c.limit
}

func (c *collector) finish() {}
