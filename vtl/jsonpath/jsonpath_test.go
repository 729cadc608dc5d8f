package jsonpath_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tule-cloud/tule/vtl/jsonpath"
	"github.com/tule-cloud/tule/vtl/value"
)

// TestScripts runs testdata/*: "doc" takes the document, "path" evaluates each
// line of its input on it.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var doc any
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "doc":
				v, err := value.DecodeJSON(d.Input)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				doc = v
				return "ok\n"
			case "path":
				var b strings.Builder
				for _, line := range strings.Split(d.Input, "\n") {
					fmt.Fprintln(&b, show(doc, line))
				}
				return b.String()
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func meter() *value.Meter {
	return &value.Meter{Ctx: context.Background(), Steps: 100_000, Bytes: 1 << 20, MaxDepth: 100}
}

func show(doc any, path string) string {
	p, err := jsonpath.Compile(path)
	if err != nil {
		return "error: " + err.Error()
	}
	m := meter()
	v, ok, err := p.Eval(m, doc)
	if err != nil {
		return "error: " + err.Error()
	}
	if !ok {
		return "nothing"
	}
	b, err := value.AppendJSON(m, nil, v)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(b)
}

func TestScanOfSharedListsEnds(t *testing.T) {
	l := value.NewList(value.ArrayList, int32(1))
	for range 60 {
		l = value.NewList(value.ArrayList, l, l)
	}
	p, err := jsonpath.Compile("$..*")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Eval(meter(), l); err == nil {
		t.Fatal("2^60 elements were walked")
	}
	loop := value.NewList(value.ArrayList)
	loop.Push(loop)
	if _, _, err := p.Eval(meter(), loop); err == nil {
		t.Fatal("a list within itself was walked")
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"$", "$.a.b", "$..x[?(@.a == 'b' && !(@.c > 1.5))]", "$['a','b'][0:2].length()", "$[?(@.x in [1,2])]", "$[?(@ =~ /a.*/i)]", "$[?((((@"} {
		f.Add(s)
	}
	doc, err := value.DecodeJSON(`{"a":{"b":[1,2,{"x":[1,"y",null]}]},"x":[{"a":"b","c":2}]}`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		p, err := jsonpath.Compile(path)
		if err != nil {
			return
		}
		v, ok, err := p.Eval(meter(), doc)
		if err == nil && !p.Definite() && ok {
			if _, isList := v.(*value.List); !isList && !strings.Contains(path, "(") {
				t.Fatalf("%s: indefinite, but found %v", path, v)
			}
		}
	})
}
