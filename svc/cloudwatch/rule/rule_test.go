package rule

import (
	"slices"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	states := map[string]string{"red": "ALARM", "green": "OK", "blank": "INSUFFICIENT_DATA", "arn:aws:cloudwatch:us-east-1:000000000000:alarm:red": "ALARM", "the (red) one": "ALARM"}
	for text, want := range map[string]bool{
		"TRUE": true, "FALSE": false, "NOT FALSE": true,
		"ALARM(red)": true, "ALARM( green )": false, "OK(green)": true, "INSUFFICIENT_DATA(blank)": true, "OK(none)": false,
		`ALARM("the (red) one")`: true, `ALARM('red')`: true, "ALARM(arn:aws:cloudwatch:us-east-1:000000000000:alarm:red)": true,
		"ALARM(red) AND ALARM(green)": false, "ALARM(red) OR ALARM(green)": true,
		"ALARM(red) OR FALSE AND FALSE": true, "(ALARM(red) OR FALSE) AND FALSE": false, "NOT ALARM(red) OR TRUE": true, "NOT (ALARM(red) OR TRUE)": false,
	} {
		r, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := r.Holds(func(n string) string { return states[n] }); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	r, err := Parse("ALARM(a) AND (OK(b) OR NOT ALARM(a))")
	if err != nil || !slices.Equal(r.Alarms, []string{"a", "b"}) {
		t.Errorf("%v, %v", r, err)
	}
}

func TestWrongRules(t *testing.T) {
	for _, text := range []string{"", "ALARM", "ALARM(", "ALARM()", "ALARM(a", `ALARM("a)`, `ALARM("a" b)`, "ALARM(a) ALARM(b)", "ALARM(a) XOR ALARM(b)", "(TRUE", "TRUE)", "NOT", "AND TRUE", "alarm(a)",
		strings.Repeat("(", 100), strings.Repeat("TRUE OR ", 600) + "TRUE"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%.40s was understood", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`ALARM("a b") AND NOT (OK(b) OR INSUFFICIENT_DATA('c')) OR TRUE`)
	f.Add("ALARM(((")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := Parse(s); err == nil {
			r.Holds(func(string) string { return "OK" })
		}
	})
}
