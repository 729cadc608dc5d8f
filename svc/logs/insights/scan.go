package insights

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A scanner reads a query from its start to its end.
type scanner struct {
	text  string
	pos   int
	depth int // of nested expressions
	now   int64
	// made are the columns that stats made and nobody named: "count(*)".
	made []string
	// stats, if not nil, takes the aggregations that an expression has.
	stats *statsCommand
}

// maxDepth is how deep expressions may be nested.
const maxDepth = 100

func (s *scanner) rest() string { return s.text[s.pos:] }

// space passes over spaces and comments, which go from # to the end of the line.
func (s *scanner) space() {
	for {
		s.pos += len(s.rest()) - len(strings.TrimLeftFunc(s.rest(), unicode.IsSpace))
		if !strings.HasPrefix(s.rest(), "#") {
			return
		}
		n := strings.IndexByte(s.rest(), '\n')
		if n < 0 {
			n = len(s.rest())
		}
		s.pos += n
	}
}

func (s *scanner) end() bool {
	s.space()
	return s.rest() == ""
}

// take reads a token of symbols, if it comes next.
func (s *scanner) take(token string) bool {
	s.space()
	if !strings.HasPrefix(s.rest(), token) {
		return false
	}
	s.pos += len(token)
	return true
}

// sees reports whether a token comes next.
func (s *scanner) sees(token string) bool {
	s.space()
	return strings.HasPrefix(s.rest(), token)
}

// word reads a keyword in any case.
func (s *scanner) word(keyword string) bool {
	s.space()
	rest := s.rest()
	if len(rest) < len(keyword) || !strings.EqualFold(rest[:len(keyword)], keyword) {
		return false
	}
	if r, _ := utf8.DecodeRuneInString(rest[len(keyword):]); isName(r) {
		return false
	}
	s.pos += len(keyword)
	return true
}

// isName reports whether a name may have r without being quoted.
func isName(r rune) bool {
	return r == '_' || r == '@' || r == '.' || r == '$' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// name reads the name of a field: plain, or between backticks.
func (s *scanner) name() (string, error) {
	s.space()
	rest := s.rest()
	if strings.HasPrefix(rest, "`") {
		name, _, closed := strings.Cut(rest[1:], "`")
		if !closed || name == "" {
			return "", s.bad()
		}
		s.pos += len(name) + 2
		return name, nil
	}
	n := strings.IndexFunc(rest, func(r rune) bool { return !isName(r) })
	if n < 0 {
		n = len(rest)
	}
	if n == 0 || '0' <= rest[0] && rest[0] <= '9' || rest[0] == '.' {
		return "", s.bad()
	}
	s.pos += n
	name := rest[:n]
	for { // a[0].b is a.0.b
		rest = s.rest()
		end := strings.IndexByte(rest, ']')
		if !strings.HasPrefix(rest, "[") || end < 2 {
			break
		}
		if _, err := strconv.Atoi(rest[1:end]); err != nil {
			break
		}
		name += "." + rest[1:end]
		s.pos += end + 1
		rest = s.rest()
		n := strings.IndexFunc(rest, func(r rune) bool { return !isName(r) })
		if n < 0 {
			n = len(rest)
		}
		name += rest[:n]
		s.pos += n
	}
	return name, nil
}

// quoted reads a text between quotes of either kind; ok is false if none comes next.
func (s *scanner) quoted() (text string, ok bool, err error) {
	s.space()
	rest := s.rest()
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return "", false, nil
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == rest[0]:
			s.pos += i + 1
			return b.String(), true, nil
		case c == '\\' && i+1 < len(rest):
			i++
			switch rest[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case '\\', '"', '\'', '/':
				b.WriteByte(rest[i])
			default:
				b.WriteByte('\\')
				b.WriteByte(rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", true, s.bad()
}

// regex reads a regular expression between slashes; nil if none comes next.
func (s *scanner) regex() (*regexp.Regexp, error) {
	s.space()
	rest := s.rest()
	if !strings.HasPrefix(rest, "/") {
		return nil, nil
	}
	class := false
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\':
			i++
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			re, err := regexp.Compile(strings.ReplaceAll(rest[1:i], `\/`, "/"))
			if err != nil {
				return nil, errorf("Invalid regular expression: %s", rest[1:i])
			}
			s.pos += i + 1
			return re, nil
		}
	}
	return nil, s.bad()
}

// number reads a number; ok is false if none comes next.
func (s *scanner) number() (f float64, ok bool) {
	s.space()
	rest := s.rest()
	n := 0
	for n < len(rest) && ('0' <= rest[n] && rest[n] <= '9' || rest[n] == '.') {
		n++
	}
	if n > 0 && n+1 < len(rest) && (rest[n] == 'e' || rest[n] == 'E') {
		m := n + 1
		if rest[m] == '+' || rest[m] == '-' {
			m++
		}
		digits := m
		for m < len(rest) && '0' <= rest[m] && rest[m] <= '9' {
			m++
		}
		if m > digits {
			n = m
		}
	}
	f, err := strconv.ParseFloat(rest[:n], 64)
	if err != nil {
		return 0, false
	}
	s.pos += n
	return f, true
}

// A period is a length of time; of months, where it has no length.
type period struct {
	time.Duration
	months int
}

var units = []struct {
	names  string
	period period
}{
	{"ms msec msecs millisecond milliseconds", period{Duration: time.Millisecond}}, {"s sec secs second seconds", period{Duration: time.Second}},
	{"m min mins minute minutes", period{Duration: time.Minute}}, {"h hr hrs hour hours", period{Duration: time.Hour}},
	{"d day days", period{Duration: 24 * time.Hour}}, {"w week weeks", period{Duration: 7 * 24 * time.Hour}},
	{"mo mon month months", period{months: 1}}, {"q qtr quarter quarters", period{months: 3}}, {"y yr year years", period{months: 12}},
}

// period reads a period: 5m, 1 hour.
func (s *scanner) period() (period, error) {
	n, ok := s.number()
	if !ok || n < 1 || n > 1e6 || n != float64(int64(n)) {
		return period{}, s.bad()
	}
	s.space()
	rest := s.rest()
	end := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) })
	if end < 0 {
		end = len(rest)
	}
	for _, u := range units {
		for _, name := range strings.Fields(u.names) {
			if name == rest[:end] {
				s.pos += end
				return period{u.period.Duration * time.Duration(n), u.period.months * int(n)}, nil
			}
		}
	}
	return period{}, s.bad()
}

// bad is the error for what comes next, and should not.
func (s *scanner) bad() error {
	s.space()
	line := 1 + strings.Count(s.text[:s.pos], "\n")
	column := s.pos - strings.LastIndexByte(s.text[:s.pos], '\n')
	if s.rest() == "" {
		return errorf("unexpected end of query at line %d and position %d", line, column)
	}
	r, _ := utf8.DecodeRuneInString(s.rest())
	return errorf("unexpected symbol found %c at line %d and position %d", r, line, column)
}
