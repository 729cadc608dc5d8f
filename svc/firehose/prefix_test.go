package firehose

import (
	"regexp"
	"testing"
	"time"
)

func regexpMatch(pattern, text string) bool {
	return regexp.MustCompile(`\A` + pattern + `\z`).MatchString(text)
}

func TestTimePatterns(t *testing.T) {
	tokyo := time.FixedZone("JST", 9*3600)
	at := time.Date(2026, 1, 4, 15, 4, 5, 60708090, tokyo) // a Sunday
	for pattern, want := range map[string]string{
		"yyyy/MM/dd/HH": "2026/01/04/15", "yy M d H m s": "26 1 4 15 4 5", "yyyy'-'MM''dd": "2026-01'04", "'year='yyyy": "year=2026",
		"EEE EEEE EEEEE E": "Sun Sunday S Sun", "MMM MMMM MMMMM LLL": "Jan January J Jan", "a h hh K k kk": "PM 3 03 3 15 15", "SSS S SSSSSSSSS": "060 0 060708090",
		"D DDD": "4 004", "Y ww w": "2026 01 1", "Q q QQ QQQ QQQQ": "1 1 01 Q1 1st quarter", "e ee c F W": "7 07 7 1 1", "G GGGG": "AD Anno Domini", "u uu": "2026 26",
		"Z ZZZZ ZZZZZ x xx xxx X XXX O OOOO z": "+0900 GMT+09:00 +09:00 +09 +0900 +09:00 +09 +09:00 GMT+9 GMT+09:00 JST", "A n": "54245060 60708090", "yyyyMMddHHmmss": "20260104150405", "": "",
	} {
		p, ok := parseTimePattern(pattern)
		if got := p.format(at); !ok || got != want {
			t.Errorf("%s: %q, %v; want %q", pattern, got, ok, want)
		}
	}
	if p, _ := parseTimePattern("X XXX x Z ZZZZZ O VV"); p.format(at.UTC()) != "Z Z +00 +0000 Z GMT Z" {
		t.Errorf("%s", p.format(at.UTC()))
	}
	for _, pattern := range []string{"b", "yyyy'", "HHH", "V", "OO", "[yyyy]", "MMMMMM", "#"} {
		if _, ok := parseTimePattern(pattern); ok {
			t.Errorf("%s is a pattern", pattern)
		}
	}
}

func TestPrefixes(t *testing.T) {
	for _, c := range []struct{ prefix, failures, data, failed string }{
		{"", "", "2026/01/02/03/", "processing-failed/2026/01/02/03/"},
		{"p", "", "p2026/01/02/03/", "pprocessing-failed/2026/01/02/03/"},
		{"p/", "e/", "p/2026/01/02/03/", "e/processing-failed/2026/01/02/03/"},
		{"p/!{timestamp:yyyy}", "e/!{firehose:error-output-type}/", "p/2026", "e/processing-failed/2026/01/02/03/"},
		{"!{firehose:random-string}!{firehose:random-string}/", "!{timestamp:HH}/!{firehose:error-output-type}!", "R1R2/", "03/processing-failed!"},
		{"a!b{c}", "", "a!b{c}2026/01/02/03/", "a!b{c}processing-failed/2026/01/02/03/"},
	} {
		var b bucketPlan
		var err error
		if b.prefix, err = parseTemplate(c.prefix); err != nil {
			t.Fatal(err)
		}
		if b.failures, err = parseTemplate(c.failures); err != nil {
			t.Fatal(err)
		}
		b.plain = b.prefix.plain()
		n := 0
		m := &moment{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), failure: processingFailed, random: func() string { n++; return "R" + string(rune('0'+n)) }}
		if data, failed := b.data(m), b.failed(m); data != c.data || failed != c.failed {
			t.Errorf("%s, %s: %s, %s", c.prefix, c.failures, data, failed)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"p/", "!{timestamp:yyyy'-'MM}/!{firehose:random-string}", "!{partitionKeyFromQuery:a}!{", "!{timestamp:G EEEE QQQQ VV OOOO ZZZZZ XXXXX ''}"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		if p, err := parseTemplate(text); err == nil {
			_ = p.text(&moment{at: time.Unix(1e9, 0).UTC(), random: func() string { return "" }})
		}
	})
}
