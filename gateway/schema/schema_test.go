package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The scenarios give models one by one, hold bodies against them (a line each), and
// ask for faults and flat forms.
func TestSchema(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		models := Models{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			name := ""
			d.MaybeScanArgs(t, "name", &name)
			switch d.Cmd {
			case "model":
				models[name] = d.Input
				if _, err := models.Compile(name); err != nil {
					return "does not compile\n"
				}
				return "ok\n"
			case "faults":
				return fmt.Sprintf("%q\n", Faults(d.Input))
			case "flat":
				out, err := models.Flat(name)
				return fmt.Sprintln(out, err)
			}
			s, err := models.Compile(name)
			if err != nil {
				return "does not compile\n"
			}
			var b strings.Builder
			for line := range strings.Lines(d.Input) {
				b.WriteString("[" + strings.Join(s.Check([]byte(line)), ", ") + "]\n")
			}
			return b.String()
		})
	})
}

// A pattern that takes exponential time fails instead.
func TestPatternTime(t *testing.T) {
	s, err := Models{"m": `{"type": "string", "pattern": "^(a+)+$"}`}.Compile("m")
	if err != nil {
		t.Fatal(err)
	}
	if s.Check([]byte(`"`+strings.Repeat("a", 64)+`!"`)) == nil {
		t.Error("it matches")
	}
}

// Nothing is fetched: not a file, and not a page.
func TestNoFetch(t *testing.T) {
	for _, ref := range []string{"file:///etc/passwd", "http://127.0.0.1:1/x", "https://apigateway.amazonaws.com/restapis/a/models/none", "../x"} {
		if _, err := (Models{"m": `{"$ref": "` + ref + `"}`}).Compile("m"); err == nil {
			t.Errorf("%s compiled", ref)
		}
	}
}

// No model and no body ends the process.
func FuzzCheck(f *testing.F) {
	f.Add(`{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}`, `{"a": {"a": 1}}`)
	f.Add(`{"$ref": "#"}`, `1`)
	f.Add(`{"enum": [1e400], "minimum": 1e999999999}`, `1e999999999`)
	f.Add(`{"anyOf": [{"type": "string"}, {"$ref": "https://apigateway.amazonaws.com/restapis/a/models/m"}]}`, `[]`)
	f.Fuzz(func(_ *testing.T, model, body string) {
		Faults(model)
		m := Models{"m": model}
		_, _ = m.Flat("m")
		if s, err := m.Compile("m"); err == nil {
			s.Check([]byte(body))
		}
	})
}
