package pattern

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs the folder's scripts: the first line of each case is a pattern, the
// others are messages. `match` says which are wanted, `extract` what is found in them.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			text, messages, _ := strings.Cut(d.Input, "\n")
			p, err := Parse(text)
			if err != nil {
				return err.Error() + "\n"
			}
			var b strings.Builder
			for message := range strings.Lines(messages) {
				message = strings.TrimSuffix(message, "\n")
				values, ok := p.Extract(message)
				if ok != p.Match(message) {
					t.Errorf("%s: Match and Extract disagree on %q", text, message)
				}
				fmt.Fprintf(&b, "%-5t %s\n", ok, message)
				if d.Cmd == "extract" {
					for _, k := range slices.Sorted(maps.Keys(values)) {
						fmt.Fprintf(&b, "      %s: %s\n", k, values[k])
					}
				}
			}
			return b.String()
		})
	})
}

func TestErrorsAreErrors(t *testing.T) {
	for _, text := range []string{"{", `{$.a=1`, "[", "a:b", `"a`, "%a", "%(%", "{ $.a > x }", "?"} {
		_, err := Parse(text)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%q): %v is no *Error", text, err)
		}
	}
}

func TestHasRegex(t *testing.T) {
	for text, want := range map[string]bool{"%a%": true, "a": false, "{ $.a = %b% }": true, "[a=%b%]": true, "": false} {
		p, err := Parse(text)
		if err != nil || p.HasRegex() != want {
			t.Errorf("%q: %v, %v", text, p.HasRegex(), err)
		}
	}
}

func TestEmptyPatternWantsAll(t *testing.T) {
	for _, text := range []string{"", "  ", `""`} {
		if p, err := Parse(text); err != nil || !p.Match("anything") || !p.Match("") {
			t.Errorf("%q does not want everything: %v", text, err)
		}
	}
}

// FuzzPattern holds every pattern that parses against every message: nothing panics,
// and both ways to ask agree.
func FuzzPattern(f *testing.F) {
	for _, text := range []string{"", "a -b", `?"a b" ?c`, "%a{,3}[^b]%", `[ip=%1\.%, , w!=3* && w<4, ..., last]`,
		`{ ($.a.b[0] = "x*" || $.['c d'] IS NULL) && $.n[*] >= 1e3 && $.* NOT EXISTS }`} {
		f.Add(text, `{"a": {"b": ["xy"]}, "c d": null, "n": [1, 2000]}`)
		f.Add(text, `127.0.0.1 - "GET /" [a b] 4 5`)
	}
	f.Fuzz(func(t *testing.T, text, message string) {
		p, err := Parse(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Error() == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if _, ok := p.Extract(message); ok != p.Match(message) {
			t.Fatalf("%q: Match and Extract disagree on %q", text, message)
		}
	})
}

// FuzzTerms finds any text by itself in quotes.
func FuzzTerms(f *testing.F) {
	f.Add(`say "hi"\`, "before", "behind")
	f.Fuzz(func(t *testing.T, text, before, behind string) {
		quoted := `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(text) + `"`
		p, err := Parse(quoted)
		if err != nil || !p.Match(before+text+behind) {
			t.Fatalf("%s does not find %q: %v", quoted, text, err)
		}
		if p, err = Parse("-" + quoted); err != nil || p.Match(before+text+behind) {
			t.Fatalf("-%s does not leave out %q: %v", quoted, text, err)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, text := range []string{"ERROR -ARGUMENTS", `[ip, user, ..., status=4*, bytes>1000]`, `{ $.user.id = 1 && $.actions[*] = "GET" }`} {
		b.Run(text, func(b *testing.B) {
			p, err := Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			message := `{"user": {"id": 1, "email": "John.Stiles@example.com"}, "actions": ["PUT", "GET"]}`
			b.SetBytes(int64(len(message)))
			for b.Loop() {
				p.Match(message)
			}
		})
	}
}
