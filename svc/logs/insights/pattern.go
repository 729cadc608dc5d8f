package insights

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxTokens is how many tokens of a text are told apart; the rest is one.
	maxTokens = 300
	// maxTemplates is how many patterns of one shape are compared with a text.
	maxTemplates = 200
	// alike is the part of the tokens of two texts that are the same if they are one pattern.
	alike = 0.6
)

// pattern reads what texts are to be taken for one another.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Pattern.html
func (s *scanner) pattern(q *Query) error {
	of, err := s.expression()
	if err != nil {
		return err
	}
	q.shown = nil
	q.show("@pattern", "@ratio", "@sampleCount", "@severityLabel")
	q.commands = append(q.commands, &patternCommand{of})
	return nil
}

// A patternCommand counts texts by what they have in common. What looks like a time, an
// address, an id or a number differs without making a difference; of texts of one shape,
// words in a few places may differ too.
type patternCommand struct{ of expression }

func (c *patternCommand) ordered() bool { return false }
func (c *patternCommand) blocks() bool  { return true }
func (c *patternCommand) stage(run *Run, next stage) stage {
	return &clustering{patternCommand: c, run: run, next: next, shapes: map[string][]*template{}}
}

// A clustering is pattern on its way.
type clustering struct {
	*patternCommand
	run    *Run
	next   stage
	shapes map[string][]*template // by what is between their tokens, and the severity
	all    []*template            // as they were met
	total  int64
}

// A template is a pattern: what its texts have in common.
type template struct {
	gaps     []string // before, between and behind the tokens
	tokens   []token
	severity string
	n        int64
}

// A token is a word of a text, or what kind of thing is there.
type token struct{ text, kind string }

func (c *clustering) push(r *row) bool {
	v := c.of(r)
	if v.kind == missing {
		return true
	}
	c.total++
	text := v.String()
	t := &template{severity: severityOf(text)}
	t.gaps, t.tokens = tokens(text)
	shape := strings.Join(t.gaps, "\x00") + "\x00" + t.severity
	like, closest := c.nearest(c.shapes[shape], t.tokens)
	if like == nil || closest < alike && len(c.shapes[shape]) < maxTemplates {
		size := 256 + 2*len(shape)
		for i := range t.tokens {
			t.tokens[i].text = strings.Clone(t.tokens[i].text)
			size += 48 + len(t.tokens[i].text)
		}
		for i := range t.gaps {
			t.gaps[i] = strings.Clone(t.gaps[i])
		}
		if !c.run.keep(size) {
			return false
		}
		c.shapes[shape] = append(c.shapes[shape], t)
		c.all = append(c.all, t)
		like = t
	}
	like.n++
	for i, k := range t.tokens {
		if like.tokens[i] != k {
			like.tokens[i] = token{kind: "Token"}
		}
	}
	return true
}

// nearest is the template that a text has most in common with, and how much.
func (c *clustering) nearest(list []*template, of []token) (best *template, closest float64) {
	for _, t := range list {
		same := 0
		for i := range of {
			if t.tokens[i] == of[i] || t.tokens[i].kind == "Token" {
				same++
			}
		}
		if part := float64(same) / float64(max(len(of), 1)); best == nil || part > closest {
			best, closest = t, part
		}
		if same == len(of) {
			return t, 1
		}
	}
	return best, closest
}

func (c *clustering) finish() {
	slices.SortStableFunc(c.all, func(a, b *template) int { return cmp.Compare(b.n, a.n) })
	for _, t := range c.all {
		r := &row{added: map[string]value{"@pattern": textOf(t.String()), "@ratio": numberOf(float64(t.n) / float64(c.total)), "@sampleCount": numberOf(float64(t.n))}}
		if t.severity != "" {
			r.added["@severityLabel"] = textOf(t.severity)
		}
		if !c.next.push(r) {
			break
		}
	}
	c.next.finish()
}

// String is the pattern as results show it: <Time-1> [INFO] stored <ID-2>.
func (t *template) String() string {
	var b strings.Builder
	n := 0
	for i, k := range t.tokens {
		b.WriteString(t.gaps[i])
		if k.kind == "" {
			b.WriteString(k.text)
			continue
		}
		n++
		b.WriteString("<" + k.kind + "-" + strconv.Itoa(n) + ">")
	}
	b.WriteString(t.gaps[len(t.tokens)])
	return b.String()
}

// tokens takes a text apart: its tokens, and what is before, between and behind them.
func tokens(text string) (gaps []string, list []token) {
	const between = " \t\r\n[](){}<>,;=\"'|&?"
	for {
		n := len(text) - len(strings.TrimLeft(text, between+":"))
		gap := text[:n]
		if text = text[n:]; text == "" {
			return append(gaps, gap), list
		}
		if len(list) == maxTokens {
			return append(gaps, gap, ""), append(list, token{kind: "Token"})
		}
		if n = strings.IndexAny(text, between); n < 0 {
			n = len(text)
		}
		word := strings.TrimRight(text[:n], ".:!")
		if word == "" {
			word = text[:n]
		}
		k := tokenOf(word)
		if last := len(list) - 1; k.kind == "Time" && gap == " " && last >= 0 && list[last].kind == "Time" {
			text = text[len(word):] // a date, and the time behind it
			continue
		}
		gaps, list = append(gaps, gap), append(list, k)
		text = text[len(word):]
		if rest := n - len(word); rest > 0 { // the point at the end of a sentence is none of the word
			gaps, list = append(gaps, ""), append(list, token{text: text[:rest]})
			text = text[rest:]
		}
	}
}

var (
	timeToken   = regexp.MustCompile(`^(\d{4}[-/]\d\d[-/]\d\d([T_]\d\d:\d\d(:\d\d([.,]\d+)?)?)?(Z|[+-]\d\d:?\d\d)?|\d\d:\d\d(:\d\d([.,]\d+)?)?Z?|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d)$`)
	numberToken = regexp.MustCompile(`^[-+]?\d+(\.\d+)?(?i:%|ns|us|µs|ms|s|m|h|b|kb|mb|gb|kib|mib|gib)?$`)
	idToken     = regexp.MustCompile(`^(0x)?[0-9A-Za-z_-]{8,}$`)
	hexToken    = regexp.MustCompile(`^(?i:0x[0-9a-f]+|[0-9a-f]{12,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
)

// tokenOf is a word, or the kind of thing that it looks like.
func tokenOf(word string) token {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-:/") == "" && !hexToken.MatchString(word) {
		return token{text: word} // most words
	}
	host, port, ported := strings.Cut(word, ":")
	switch {
	case timeToken.MatchString(word):
		return token{kind: "Time"}
	case numberToken.MatchString(word):
		return token{kind: "Number"}
	case isAddress(word) || ported && isAddress(host) && numberToken.MatchString(port):
		return token{kind: "IPAddress"}
	case hexToken.MatchString(word), idToken.MatchString(word) && digitsIn(word) >= 3:
		return token{kind: "ID"}
	}
	return token{text: word}
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

func digitsIn(text string) (n int) {
	for _, c := range []byte(text) {
		if '0' <= c && c <= '9' {
			n++
		}
	}
	return n
}

var severityWord = regexp.MustCompile(`(?i)\b(?:(fatal|critical|error|exception|severe)|(warn(?:ing)?)|(info|notice)|(debug|trace))\b`)

// severityOf is the level that a text says it has, or "".
func severityOf(text string) string {
	found := severityWord.FindStringSubmatch(text[:min(len(text), 4096)])
	if found == nil {
		return ""
	}
	for i, label := range []string{"Error", "Warning", "Info", "Debug"} {
		if found[i+1] != "" {
			return label
		}
	}
	return ""
}
