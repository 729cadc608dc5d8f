package filter

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs testdata: `policy scope=…` compiles its input, `body` and
// `attributes` match messages against the last that compiled.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var p *Policy
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "policy":
				scope := Attributes
				if d.HasArg("body") {
					scope = Body
				}
				next, err := Parse(d.Input, scope)
				if err != nil {
					return err.Error() + "\n"
				}
				if p = next; p == nil {
					return "none\n"
				}
				return fmt.Sprintf("%d\n", len(p.alternatives))
			case "body":
				var b strings.Builder
				for line := range strings.Lines(d.Input) {
					fmt.Fprintf(&b, "%v %s\n", p.MatchBody(line), strings.TrimSpace(line))
				}
				return b.String()
			case "attributes":
				var b strings.Builder
				for line := range strings.Lines(d.Input) {
					var have map[string]Attribute
					if err := json.Unmarshal([]byte(line), &have); err != nil {
						d.Fatalf(t, "%v", err)
					}
					ok := p.MatchAttributes(func(name string) (Attribute, bool) { a, ok := have[name]; return a, ok })
					fmt.Fprintf(&b, "%v %s\n", ok, strings.TrimSpace(line))
				}
				return b.String()
			}
			d.Fatalf(t, "no such command")
			return ""
		})
	})
}

// FuzzPolicy checks that whatever text comes is either a policy or an *Error, and that
// matching ends: a body that a policy of one exact value is made of matches it.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{`{"a":["b"]}`, `{"a":{"b":[{"numeric":[">",0,"<=",1e3]}]}}`, `{"$or":[{"a":[1]},{"b":[null]}]}`,
		`{"a":[{"anything-but":{"prefix":"x"}},{"cidr":"10.0.0.0/8"}]}`, `{"a":[{"exists":false}]}`, `[[[[`, `{"a":`, "{\"\\u00\":[1]}"} {
		f.Add(seed, `{"a":"b","b":[{"c":1},[2]]}`)
	}
	f.Fuzz(func(t *testing.T, policy, body string) {
		for _, scope := range []Scope{Attributes, Body} {
			p, err := Parse(policy, scope)
			if err != nil {
				if _, ok := err.(*Error); !ok {
					t.Fatalf("%T: %v", err, err)
				}
				continue
			}
			p.MatchBody(body)
			p.MatchAttributes(func(string) (Attribute, bool) { return Attribute{"String.Array", body}, true })
		}
		text, err := json.Marshal(map[string][]string{"k": {body}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(string(text), Body)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		same, err := json.Marshal(map[string]string{"k": body})
		if err != nil {
			t.Fatal(err)
		}
		if !p.MatchBody(string(same)) {
			t.Errorf("%s does not match %s", text, same)
		}
	})
}

func BenchmarkMatchAttributes(b *testing.B) {
	p, err := Parse(`{"store":["one","two"],"price":[{"numeric":[">",0,"<=",100]}]}`, Attributes)
	if err != nil {
		b.Fatal(err)
	}
	have := map[string]Attribute{"store": {"String", "two"}, "price": {"Number", "99.12"}}
	for b.Loop() {
		if !p.MatchAttributes(func(name string) (Attribute, bool) { a, ok := have[name]; return a, ok }) {
			b.Fatal("no match")
		}
	}
}
