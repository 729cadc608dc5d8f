package wire

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A timeFormat is one of the three that Smithy knows.
type timeFormat uint8

const (
	defaultTime timeFormat = iota
	isoTime                // 2006-01-02T15:04:05.999Z
	unixTime               // seconds, with up to three decimals
	httpTime               // Mon, 02 Jan 2006 15:04:05 GMT
)

const httpLayout = "Mon, 02 Jan 2006 15:04:05 GMT"

// appendTime writes t to the millisecond; finer parts are cut off.
func appendTime(b []byte, t time.Time, f timeFormat) []byte {
	t = t.UTC()
	ms := t.Nanosecond() / int(time.Millisecond)
	switch f {
	case httpTime:
		return t.AppendFormat(b, httpLayout)
	case unixTime:
		return appendUnix(b, t.UnixMilli())
	}
	if ms == 0 {
		return t.AppendFormat(b, "2006-01-02T15:04:05Z")
	}
	return t.AppendFormat(b, "2006-01-02T15:04:05.000Z")
}

func appendUnix(b []byte, milli int64) []byte {
	if milli < 0 {
		b, milli = append(b, '-'), -milli
	}
	b = strconv.AppendInt(b, milli/1000, 10)
	if ms := milli % 1000; ms != 0 {
		digits := strconv.Itoa(int(1000 + ms))[1:]
		b = append(append(b, '.'), strings.TrimRight(digits, "0")...)
	}
	return b
}

// parseTime reads a time in any of the three formats, whichever s has: clients are
// not at one, and no text has two of them.
func parseTime(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, false
	}
	if c := s[0]; c > '9' {
		for _, layout := range []string{httpLayout, "Mon, 02 Jan 2006 15:04:05.999999999 GMT", time.RFC1123Z, time.RFC850, time.ANSIC} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.UTC(), true
			}
		}
		return time.Time{}, false
	}
	if strings.IndexByte(s, ':') > 0 || strings.Count(s, "-") == 2 {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02"} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.UTC(), true
			}
		}
		return time.Time{}, false
	}
	f, ok := parseFloat(s, 64)
	if !ok {
		return time.Time{}, false
	}
	return unixSeconds(f)
}

// unixSeconds is the time f seconds after 1970, to the millisecond; false if a
// year beyond 9999 results.
func unixSeconds(f float64) (time.Time, bool) {
	if math.IsNaN(f) || math.Abs(f) > 253402300799 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), true
}
