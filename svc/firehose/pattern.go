package firehose

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A timePattern is a pattern of Java's DateTimeFormatter, read: letters that repeat, and
// texts. Of Java's letters it has those that a moment has a value for.
// https://docs.oracle.com/javase/8/docs/api/java/time/format/DateTimeFormatter.html
type timePattern []timeField

// A timeField is a text, or n times a letter.
type timeField struct {
	text   string
	letter byte // 0 for a text
	n      int
}

// most is how often a letter may repeat; what is not here is no letter.
var most = map[byte]int{
	'G': 5, 'u': 19, 'y': 19, 'Y': 19, 'D': 3, 'M': 5, 'L': 5, 'd': 2, 'Q': 5, 'q': 5, 'w': 2, 'W': 1, 'E': 5, 'e': 5, 'c': 1, 'F': 1,
	'a': 1, 'h': 2, 'K': 2, 'k': 2, 'H': 2, 'm': 2, 's': 2, 'S': 9, 'A': 19, 'n': 19, 'N': 19, 'V': 2, 'z': 4, 'O': 4, 'X': 5, 'x': 5, 'Z': 5,
}

// parseTimePattern reads a pattern; ok is false if Java would refuse it.
func parseTimePattern(text string) (p timePattern, ok bool) {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\'':
			quoted, n, ok := unquote(text[i:])
			if !ok {
				return nil, false
			}
			p = append(p, timeField{text: quoted})
			i += n
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(text) && text[i+n] == c {
				n++
			}
			if n > most[c] || c == 'V' && n != 2 || c == 'O' && n != 1 && n != 4 {
				return nil, false
			}
			p = append(p, timeField{letter: c, n: n})
			i += n
		case strings.IndexByte("{}#[]", c) >= 0:
			return nil, false // reserved by Java, or its optional sections
		default:
			p = append(p, timeField{text: text[i : i+1]})
			i++
		}
	}
	return p, true
}

// unquote reads a quoted text, in which two quotes are one, as they are alone.
func unquote(text string) (quoted string, n int, ok bool) {
	if strings.HasPrefix(text, "''") {
		return "'", 2, true
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 == len(text) || text[i+1] != '\'' {
			return b.String(), i + 1, true
		}
		b.WriteByte('\'')
		i++
	}
	return "", 0, false
}

// format is the text of a moment.
func (p timePattern) format(t time.Time) string {
	var b strings.Builder
	for _, f := range p {
		switch {
		case f.letter == 0:
			b.WriteString(f.text)
		case strings.IndexByte("VzOXxZ", f.letter) >= 0:
			b.WriteString(f.zone(t))
		case strings.IndexByte("GEeaMLQq", f.letter) >= 0:
			b.WriteString(f.name(t))
		case f.letter == 'S':
			b.WriteString(fmt.Sprintf("%09d", t.Nanosecond())[:f.n])
		case strings.IndexByte("uyY", f.letter) >= 0:
			b.WriteString(f.year(t))
		default:
			fmt.Fprintf(&b, "%0*d", f.n, f.number(t))
		}
	}
	return b.String()
}

// year is a year; two letters are its last two digits.
func (f timeField) year(t time.Time) string {
	year := t.Year()
	if f.letter == 'Y' {
		year, _ = t.ISOWeek()
	}
	if f.n == 2 {
		return fmt.Sprintf("%02d", year%100)
	}
	return fmt.Sprintf("%0*d", f.n, year)
}

// number is the value of what is always a number.
func (f timeField) number(t time.Time) int {
	midnight := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
	switch f.letter {
	case 'D':
		return t.YearDay()
	case 'd':
		return t.Day()
	case 'w':
		_, week := t.ISOWeek()
		return week
	case 'W':
		first := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, t.Location())
		return (t.Day()+(int(first.Weekday())+6)%7-1)/7 + 1
	case 'F':
		return (t.Day()-1)/7 + 1
	case 'c':
		return (int(t.Weekday())+6)%7 + 1
	case 'h':
		return (t.Hour()+11)%12 + 1
	case 'K':
		return t.Hour() % 12
	case 'k':
		return (t.Hour()+23)%24 + 1
	case 'H':
		return t.Hour()
	case 'm':
		return t.Minute()
	case 's':
		return t.Second()
	case 'A':
		return int(midnight / time.Millisecond)
	case 'n':
		return t.Nanosecond()
	default: // 'N'
		return int(midnight)
	}
}

// name is the text of what may be a word: three letters are the short one, four the whole,
// five its first letter.
func (f timeField) name(t time.Time) string {
	quarter := (int(t.Month())-1)/3 + 1
	word, number := "", 0
	switch f.letter {
	case 'G':
		return []string{"AD", "Anno Domini", "A"}[max(f.n, 3)-3]
	case 'a':
		return t.Format("PM")
	case 'E':
		return shorten(t.Weekday().String(), max(f.n, 3))
	case 'e':
		word, number = t.Weekday().String(), (int(t.Weekday())+6)%7+1
	case 'M', 'L':
		word, number = t.Month().String(), int(t.Month())
	default:
		number = quarter
		switch f.n {
		case 3:
			return "Q" + strconv.Itoa(quarter)
		case 4:
			return []string{"1st", "2nd", "3rd", "4th"}[quarter-1] + " quarter"
		case 5:
			return strconv.Itoa(quarter)
		}
	}
	if f.n < 3 {
		return fmt.Sprintf("%0*d", f.n, number)
	}
	return shorten(word, f.n)
}

func shorten(word string, n int) string {
	switch n {
	case 3:
		return word[:3]
	case 5:
		return word[:1]
	}
	return word
}

// zone is the text of a time zone, or of how far it is from UTC.
func (f timeField) zone(t time.Time) string {
	short, offset := t.Zone()
	switch f.letter {
	case 'V':
		if t.Location() == time.UTC {
			return "Z"
		}
		return t.Location().String()
	case 'z':
		return short
	case 'O':
		if offset == 0 {
			return "GMT"
		}
		if f.n == 4 {
			return "GMT" + t.Format("-07:00")
		}
		text := "GMT" + fmt.Sprintf("%+d", offset/3600)
		if m := offset % 3600 / 60; m != 0 {
			text += fmt.Sprintf(":%02d", max(m, -m))
		}
		return text
	}
	if f.letter == 'X' && offset == 0 || f.letter == 'Z' && f.n == 5 && offset == 0 {
		return "Z"
	}
	if f.letter == 'Z' {
		if f.n == 4 {
			return timeField{letter: 'O', n: 4}.zone(t)
		}
		return t.Format(map[bool]string{true: "-07:00", false: "-0700"}[f.n == 5])
	}
	switch f.n {
	case 1:
		if offset%3600 == 0 {
			return t.Format("-07")
		}
		return t.Format("-0700")
	case 2, 4:
		return t.Format("-0700")
	}
	return t.Format("-07:00")
}
