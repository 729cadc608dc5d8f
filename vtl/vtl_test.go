package vtl_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/value"
)

// TestScripts runs testdata/*: "vars" takes the variables that follow as a JSON
// object, "render" renders its input. The argument "newline" adds one to the
// template's end; steps, output, memory, depth and iterations set limits. Output
// that ends with a newline is marked by <newline>.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var doc = "{}"
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "vars":
				doc = d.Input
				return "ok\n"
			case "render":
				return renderScript(t, d, doc)
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func renderScript(t *testing.T, d *datadriven.TestData, doc string) string {
	text := d.Input
	if d.HasArg("newline") {
		text += "\n"
	}
	var lim vtl.Limits
	d.MaybeScanArgs(t, "steps", &lim.Steps)
	d.MaybeScanArgs(t, "output", &lim.Output)
	d.MaybeScanArgs(t, "memory", &lim.Memory)
	d.MaybeScanArgs(t, "depth", &lim.Depth)
	d.MaybeScanArgs(t, "iterations", &lim.Iterations)
	out, err := render(text, vars(t, doc), lim)
	if err != nil {
		return fmt.Sprintf("error: %v\n", err)
	}
	if strings.HasSuffix(out, "\n") {
		return out + "<newline>\n"
	}
	return out + "\n"
}

func vars(t testing.TB, doc string) vtl.Vars {
	v, err := value.DecodeJSON(doc)
	if err != nil {
		t.Fatal(err)
	}
	out := vtl.Vars{}
	for _, e := range v.(*value.Map).Entries() {
		out[e.Key.(string)] = plainLists(e.Value)
	}
	return out
}

// plainLists makes Java lists of JSON arrays, which would print as JSON.
func plainLists(v any) any {
	l, ok := v.(*value.List)
	if !ok {
		return v
	}
	items := make([]any, l.Len())
	for i := range items {
		items[i] = plainLists(l.At(i))
	}
	return value.NewList(value.ArrayList, items...)
}

func render(text string, vars vtl.Vars, lim vtl.Limits) (string, error) {
	t, err := vtl.Parse("t", text)
	if err != nil {
		return "", err
	}
	var w bytes.Buffer
	err = t.Execute(context.Background(), &w, vars, lim)
	return w.String(), err
}
