package insights

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestScripts runs queries over events. "events" sets them, the oldest first, a second
// apart up to now; "lambda" does so for a function's group.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var records []*Record
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "events", "lambda":
				records = nil
				lines := strings.Split(strings.TrimSuffix(d.Input, "\n"), "\n")
				for i, line := range lines {
					at := now.Add(time.Duration(i-len(lines)+1) * time.Second).UnixMilli()
					records = append(records, &Record{Timestamp: at, Ingested: now.UnixMilli(), Message: strings.ReplaceAll(line, `\t`, "\t"),
						Stream: "s", Log: "000000000000:g", Lambda: d.Cmd == "lambda"})
				}
				return fmt.Sprintln(len(records))
			case "fields":
				var b strings.Builder
				for _, r := range records {
					out, err := json.Marshal(r.Fields())
					if err != nil {
						t.Fatal(err)
					}
					b.Write(append(out, '\n'))
				}
				return b.String()
			}
			return query(d.Input, records)
		})
	})
}

// query runs a query over records, the last of which is the newest.
func query(text string, records []*Record) string {
	q, err := Parse(text, now)
	if err != nil {
		return err.Error() + "\n"
	}
	run := q.Run(0, false)
	for i := len(records) - 1; i >= 0; i-- {
		if !run.Add(records[i]) {
			break
		}
	}
	rows, err := run.Results()
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, row := range rows {
		for i, f := range row {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(f.Name + "=" + f.Value)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d of %d\n", run.Matched, run.Scanned)
	return b.String()
}

// TestPercentiles holds percentiles and counts of many values against those of a sorted
// list.
func TestPercentiles(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 10, maxRanked, maxRanked + 1, 300_000} {
		q, err := Parse("stats pct(@message, 50) as a, pct(@message, 99) as b, count_distinct(@message) as c, stddev(@message) as d, count(*) as n", now)
		if err != nil {
			t.Fatal(err)
		}
		run := q.Run(0, false)
		for _, i := range chance.Perm(n) {
			run.Add(&Record{Message: fmt.Sprint(i + 1)})
		}
		rows, err := run.Results()
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		got := map[string]float64{}
		for _, f := range rows[0] {
			v, ok := parseNumber(f.Value)
			if !ok {
				t.Fatal(f)
			}
			got[f.Name] = v
		}
		near := func(name string, want, within float64) {
			if math.Abs(got[name]-want) > within*want+1e-3 {
				t.Errorf("%s of %d: %v, want %v", name, n, got[name], want)
			}
		}
		exact, about := 0.0, 0.0
		if n > maxRanked {
			exact = 0.006
		}
		if n > maxDistinct {
			about = 0.02
		}
		near("a", math.Ceil(float64(n)*0.5), exact)
		near("b", math.Ceil(float64(n)*0.99), exact)
		near("c", float64(n), about)
		near("d", math.Sqrt((float64(n)*float64(n)-1)/12), 0)
		near("n", float64(n), 0)
	}
}

// TestBounded keeps what a query may keep within limits: groups, rows to be sorted, and
// what is seen already.
func TestBounded(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for _, text := range []string{"stats count(*) by @message", "sort @message | filter ispresent(@message)", "dedup @message | sort @message | filter 1 = 1"} {
		q, err := Parse(text, now)
		if err != nil {
			t.Fatal(err)
		}
		run := q.Run(0, false)
		n := 0
		for ; n < 1_000_000 && run.Add(&Record{Message: fmt.Sprint(n) + long}); n++ {
		}
		if _, err := run.Results(); !errors.Is(err, ErrTooMuch) {
			t.Errorf("%s: %d records, %v", text, n, err)
		}
	}
	// Patterns are kept, texts are not.
	for _, gap := range []string{"", " "} {
		q, err := Parse("pattern @message", now)
		if err != nil {
			t.Fatal(err)
		}
		run := q.Run(0, false)
		n := 0
		for ; n < 30_000 && run.Add(&Record{Message: strings.Repeat(gap, n) + fmt.Sprint(n) + " ms"}); n++ {
		}
		if _, err := run.Results(); errors.Is(err, ErrTooMuch) != (gap != "") || (n == 30_000) != (gap == "") {
			t.Errorf("patterns with gaps of %q: %d records, %v", gap, n, err)
		}
	}
	// The newest few of many need no room.
	q, err := Parse("sort @message desc | limit 3", now)
	if err != nil {
		t.Fatal(err)
	}
	run := q.Run(0, false)
	for i := range 200_000 {
		if !run.Add(&Record{Message: fmt.Sprintf("%06d%s", i, long[:3000])}) {
			t.Fatal("no more was wanted")
		}
	}
	rows, err := run.Results()
	if err != nil || len(rows) != 3 || !strings.HasPrefix(rows[0][1].Value, "199999x") {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// TestMerged runs a query over records that come in any order.
func TestMerged(t *testing.T) {
	for _, text := range []string{"limit 2", "fields @message | limit 2", "filter @message > 0 | dedup @message | limit 2"} {
		q, err := Parse(text, now)
		if err != nil {
			t.Fatal(err)
		}
		run := q.Run(0, true)
		for _, at := range []int64{3, 1, 4, 2} {
			run.Add(&Record{Timestamp: at, Message: fmt.Sprint(at)})
		}
		rows, err := run.Results()
		if err != nil || len(rows) != 2 || !strings.HasSuffix(fmt.Sprint(rows[0]), "4}]") || !strings.HasSuffix(fmt.Sprint(rows[1]), "3}]") {
			t.Errorf("%s: %v %v", text, rows, err)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"fields @timestamp, @message | sort @timestamp desc | limit 20",
		`filter @message like /(?i)error/ and not (a.b = 3 or c in ["x", 4]) | stats count(*) as n, pct(d, 99.9) by bin(5m), e | sort n desc`,
		`parse @message "a=*, b=*" as a, b | filter a > 10 | display concat(a, "-", b), a ^ 2 % 3`,
		"stats avg(@duration)/1000, max(`x y`) by datefloor(@timestamp, 1mo) | dedup a # end",
		"fields jsonParse(@message) as js | unnest js.b into x | unnest x into y | pattern concat(a, y) | sort @sampleCount",
		`fields replace(a, /b+/, "c"), isIpInSubnet(ip, "10.0.0.0/8"), a[0].b, -(-1)`,
	} {
		f.Add(seed, `{"a": "12", "b": [1, {"c": null}], "ip": "10.1.2.3"}`)
	}
	f.Fuzz(func(t *testing.T, text, message string) {
		q, err := Parse(text, now)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		run := q.Run(5, len(message)%2 == 0)
		for i := range 4 {
			run.Add(&Record{Timestamp: int64(i), Message: message[:len(message)*i/3], Lambda: i%2 == 0})
		}
		if rows, err := run.Results(); err == nil && len(rows) > MaxLimit {
			t.Fatal(len(rows))
		}
	})
}
