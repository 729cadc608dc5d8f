package insights

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
)

// MaxQuery is how long a query may be, in bytes.
const MaxQuery = 10_000

// Parse reads a query; now is the time that its function now() means. Its errors are
// *Error.
func Parse(text string, now time.Time) (*Query, error) {
	if len(text) > MaxQuery {
		return nil, errorf("the query is longer than %d characters", MaxQuery)
	}
	s := &scanner{text: text, now: now.Unix()}
	q := &Query{}
	s.take("|")
	for !s.end() {
		if err := s.command(q); err != nil {
			return nil, err
		}
		if s.end() {
			break
		}
		if !s.take("|") {
			return nil, s.bad()
		}
		if s.end() {
			return nil, s.bad()
		}
	}
	return q, nil
}

// absent are the commands that AWS has, and this language has not.
var absent = []string{"diff", "anomaly", "lookup", "source", "join", "subquery"}

// command reads one command.
func (s *scanner) command(q *Query) error {
	switch {
	case s.word("fields"):
		return s.fields(q)
	case s.word("display"):
		return s.display(q)
	case s.word("filter"), s.word("filterindex"):
		e, err := s.expression()
		q.commands = append(q.commands, &filterCommand{e})
		return err
	case s.word("stats"):
		return s.statistics(q)
	case s.word("sort"):
		return s.sort(q)
	case s.word("limit"):
		n, ok := s.number()
		if !ok || n < 1 || n > MaxLimit || n != float64(int(n)) {
			return errorf("limit must be a number from 1 to %d", MaxLimit)
		}
		q.limited = true
		q.commands = append(q.commands, &limitCommand{int(n)})
		return nil
	case s.word("parse"):
		return s.parse(q)
	case s.word("dedup"):
		return s.dedup(q)
	case s.word("pattern"):
		return s.pattern(q)
	case s.word("unnest"):
		return s.unnest(q)
	}
	for _, name := range absent {
		if s.word(name) {
			return errorf("the command %s is not available in this version of Tule", name)
		}
	}
	return s.bad()
}

// show adds names to those that results have.
func (q *Query) show(names ...string) {
	for _, n := range names {
		if !slices.Contains(q.shown, n) {
			q.shown = append(q.shown, n)
		}
	}
}

// columns reads expressions with their names.
func (s *scanner) columns() ([]column, error) {
	var list []column
	for {
		c, err := s.column()
		if err != nil {
			return nil, err
		}
		list = append(list, c)
		if !s.take(",") {
			return list, nil
		}
	}
}

func (s *scanner) column() (c column, err error) {
	s.space()
	from := s.pos
	if c.of, err = s.expression(); err != nil {
		return c, err
	}
	c.name = strings.TrimSpace(s.text[from:s.pos])
	// A field stands for itself.
	if name, err := (&scanner{text: c.name}).whole(); err == nil {
		c.name, c.plain = name, true
	}
	if s.word("as") {
		c.plain = false
		c.name, err = s.name()
	}
	return c, err
}

// whole is the name of a field, if the text is nothing else.
func (s *scanner) whole() (string, error) {
	name, err := s.name()
	if err == nil && !s.end() {
		err = s.bad()
	}
	return name, err
}

func (s *scanner) fields(q *Query) error {
	list, err := s.columns()
	for i := range list {
		q.show(list[i].name)
	}
	q.commands = append(q.commands, &fieldsCommand{list})
	return err
}

func (s *scanner) display(q *Query) error {
	list, err := s.columns()
	q.shown = nil
	for i := range list {
		q.show(list[i].name)
	}
	q.commands = append(q.commands, &fieldsCommand{list})
	return err
}

func (s *scanner) statistics(q *Query) error {
	c := &statsCommand{}
	s.stats = c
	list, err := s.columns()
	s.stats = nil
	if err != nil {
		return err
	}
	if len(c.aggregates) == 0 {
		return errorf("stats needs an aggregation")
	}
	c.columns = list
	if s.word("by") {
		if c.by, err = s.columns(); err != nil {
			return err
		}
	}
	q.shown, s.made = nil, nil
	for _, l := range [][]column{c.by, c.columns} {
		for i := range l {
			q.show(l[i].name)
			if strings.Contains(l[i].name, "(") {
				s.made = append(s.made, l[i].name)
			}
		}
	}
	q.commands = append(q.commands, c)
	return nil
}

func (s *scanner) sort(q *Query) error {
	c := &sortCommand{}
	for {
		s.space()
		from := s.pos
		e, err := s.expression()
		if err != nil {
			return err
		}
		// What stats made is called by its text: sort count(*).
		text := strings.TrimSpace(s.text[from:s.pos])
		k := sortKey{of: func(r *row) value {
			if v, ok := r.added[text]; ok {
				return v
			}
			return e(r)
		}}
		if s.word("desc") {
			k.down = true
		} else {
			s.word("asc")
		}
		if c.keys = append(c.keys, k); !s.take(",") {
			break
		}
	}
	q.commands = append(q.commands, c)
	return nil
}

func (s *scanner) dedup(q *Query) error {
	c := &dedupCommand{}
	for {
		name, err := s.name()
		if err != nil {
			return err
		}
		if c.names = append(c.names, name); !s.take(",") {
			break
		}
	}
	q.commands = append(q.commands, c)
	return nil
}

// parse reads which field is taken apart, by a text with stars or a regular expression.
func (s *scanner) parse(q *Query) (err error) {
	c := &parseCommand{of: fieldNamed("@message")}
	if !s.sees(`"`) && !s.sees("'") && !s.sees("/") {
		if c.of, err = s.operand(); err != nil {
			return err
		}
	}
	if c.re, err = s.regex(); err != nil {
		return err
	}
	if c.re != nil {
		c.names = slices.Clone(c.re.SubexpNames()[1:])
		if s.word("as") {
			if c.names, err = s.names(); err != nil {
				return err
			}
		}
	} else {
		glob, ok, err := s.quoted()
		if err != nil {
			return err
		}
		if !ok || !s.word("as") {
			return s.bad()
		}
		if c.names, err = s.names(); err != nil {
			return err
		}
		c.re = globbed(glob)
	}
	if n := c.re.NumSubexp(); n == 0 || n != len(c.names) {
		return errorf("parse has %d expressions for %d names", n, len(c.names))
	}
	if q.shown == nil {
		q.show(byDefault...)
	}
	for _, n := range c.names {
		if n != "" {
			q.show(n)
		}
	}
	q.commands = append(q.commands, c)
	return nil
}

func (s *scanner) names() (list []string, err error) {
	for {
		name, err := s.name()
		if err != nil {
			return nil, err
		}
		if list = append(list, name); !s.take(",") {
			return list, nil
		}
	}
}

// globbed is a text in which each star stands for as little as may be; one at the end
// for the rest.
func globbed(glob string) *regexp.Regexp {
	parts := strings.Split(glob, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	text := strings.Join(parts, "(.*?)")
	if strings.HasSuffix(glob, "*") {
		text = strings.TrimSuffix(text, "(.*?)") + "(.*)"
	}
	return regexp.MustCompile("(?s)" + text)
}

// A fieldsCommand computes what has not been.
type fieldsCommand struct{ list []column }

func (c *fieldsCommand) ordered() bool { return false }
func (c *fieldsCommand) blocks() bool  { return false }
func (c *fieldsCommand) stage(_ *Run, next stage) stage {
	return passing{next, func(r *row) bool {
		for i := range c.list {
			if col := &c.list[i]; !col.plain {
				r.set(col.name, col.of(r))
			}
		}
		return true
	}}
}

// A passing lets through what a function wants.
type passing struct {
	next stage
	want func(*row) bool
}

func (p passing) push(r *row) bool { return !p.want(r) || p.next.push(r) }
func (p passing) finish()          { p.next.finish() }

type filterCommand struct{ is expression }

func (c *filterCommand) ordered() bool { return false }
func (c *filterCommand) blocks() bool  { return false }
func (c *filterCommand) stage(_ *Run, next stage) stage {
	return passing{next, func(r *row) bool { return c.is(r).is() }}
}

type parseCommand struct {
	of    expression
	re    *regexp.Regexp
	names []string
}

func (c *parseCommand) ordered() bool { return false }
func (c *parseCommand) blocks() bool  { return false }
func (c *parseCommand) stage(_ *Run, next stage) stage {
	return passing{next, func(r *row) bool {
		v := c.of(r)
		if v.kind == missing {
			return true
		}
		found := c.re.FindStringSubmatch(v.String())
		if found == nil {
			return true
		}
		for i, name := range c.names {
			if name != "" {
				r.set(name, textOf(found[i+1]))
			}
		}
		return true
	}}
}

type limitCommand struct{ n int }

func (c *limitCommand) ordered() bool                  { return true }
func (c *limitCommand) blocks() bool                   { return false }
func (c *limitCommand) stage(_ *Run, next stage) stage { return &limiting{next, c.n} }

type limiting struct {
	next stage
	left int
}

func (l *limiting) push(r *row) bool {
	if l.left == 0 {
		return false
	}
	l.left--
	return l.next.push(r) && l.left > 0
}

func (l *limiting) finish() { l.next.finish() }

// A dedupCommand lets the first row through of those that have the same values; and all
// that lack one.
type dedupCommand struct{ names []string }

func (c *dedupCommand) ordered() bool { return true }
func (c *dedupCommand) blocks() bool  { return false }
func (c *dedupCommand) stage(run *Run, next stage) stage {
	seen := map[[2]uint64]struct{}{}
	return passing{next, func(r *row) bool {
		var key strings.Builder
		for _, name := range c.names {
			v := r.get(name)
			if v.kind == missing {
				return true
			}
			key.WriteString(v.String())
			key.WriteByte(0)
		}
		h := xxhash.NewWithSeed(1)
		_, _ = h.WriteString(key.String())
		k := [2]uint64{xxhash.Sum64String(key.String()), h.Sum64()}
		if _, again := seen[k]; again || !run.keep(48) {
			return false
		}
		seen[k] = struct{}{}
		return true
	}}
}

// A sortCommand orders rows.
type sortCommand struct {
	keys []sortKey
	most int // how many rows are wanted, if not 0
}

// wanted is how many rows commands want of those that come to them, at most limit; 0 if
// nobody knows.
func wanted(commands []command, limit int) int {
	for _, c := range commands {
		switch c := c.(type) {
		case *fieldsCommand, *parseCommand:
		case *limitCommand:
			return min(c.n, limit)
		default:
			return 0
		}
	}
	return limit
}

type sortKey struct {
	of   expression
	down bool
}

func (c *sortCommand) ordered() bool { return false }
func (c *sortCommand) blocks() bool  { return true }
func (c *sortCommand) stage(run *Run, next stage) stage {
	return &sorting{sortCommand: c, run: run, next: next}
}

type sorting struct {
	*sortCommand
	run  *Run
	next stage
	rows []sorted
}

type sorted struct {
	*row
	keys []value
	n    int // bytes
}

func (s *sorting) push(r *row) bool {
	one := sorted{row: r, keys: make([]value, len(s.keys))}
	for i := range s.keys {
		v := s.keys[i].of(r)
		v.text = strings.Clone(v.text)
		one.keys[i] = v
	}
	// What is kept holds on to nothing large.
	r.doc, r.docTried = nil, false
	if r.rec != nil {
		rec := *r.rec
		rec.Message = strings.Clone(rec.Message)
		r.rec = &rec
	}
	for k, v := range r.added {
		v.text = strings.Clone(v.text)
		r.added[k] = v
	}
	one.n = r.bytes()
	s.rows = append(s.rows, one)
	if s.most > 0 && len(s.rows) >= 2*s.most+64 {
		s.order()
		for i := s.most; i < len(s.rows); i++ {
			s.run.kept -= s.rows[i].n
			s.rows[i] = sorted{}
		}
		s.rows = s.rows[:s.most]
	}
	return s.run.keep(one.n)
}

func (s *sorting) order() {
	slices.SortStableFunc(s.rows, func(a, b sorted) int {
		for i := range s.keys {
			order := rank(a.keys[i], b.keys[i])
			if s.keys[i].down {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
}

func (s *sorting) finish() {
	s.order()
	for i := range s.rows {
		if !s.next.push(s.rows[i].row) {
			break
		}
	}
	s.rows = nil
	s.next.finish()
}
