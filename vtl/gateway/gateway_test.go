package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/gateway"
	"github.com/tule-cloud/tule/vtl/value"
)

// TestScripts runs testdata/*: "event" sets the parts of the event that are in
// its JSON object (path, querystring, header, context, stageVariables), "body"
// its body, "render" renders a template and shows the overrides it made, if any.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var ev gateway.Event
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "event":
				ev = event(t, d.Input)
				return "ok\n"
			case "body":
				ev.Body = d.Input
				return "ok\n"
			case "render":
				return renderScript(&ev, d.Input)
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func renderScript(ev *gateway.Event, text string) string {
	t, err := vtl.Parse("t", text)
	if err != nil {
		return fmt.Sprintf("error: %v\n", err)
	}
	r, err := gateway.Render(context.Background(), t, ev, vtl.Limits{})
	if err != nil {
		return fmt.Sprintf("error: %v\n", err)
	}
	out := string(r.Body)
	if !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	return out + show("request", r.Request) + show("response", r.Response)
}

func show(name string, o gateway.Override) string {
	var b strings.Builder
	for _, l := range []struct {
		kind string
		ps   []gateway.Param
	}{{"header", o.Header}, {"querystring", o.Query}, {"path", o.Path}} {
		for _, p := range l.ps {
			fmt.Fprintf(&b, "%s %s %s: %s\n", name, l.kind, p.Name, p.Value)
		}
	}
	if o.Status != 0 {
		fmt.Fprintf(&b, "%s status %d\n", name, o.Status)
	}
	return b.String()
}

func event(t testing.TB, doc string) gateway.Event {
	v, err := value.DecodeJSON(doc)
	if err != nil {
		t.Fatal(err)
	}
	m := v.(*value.Map)
	ev := gateway.Event{Path: params(m, "path"), Query: params(m, "querystring"), Header: params(m, "header"), StageVariables: map[string]string{}}
	for _, p := range params(m, "stageVariables") {
		ev.StageVariables[p.Name] = p.Value
	}
	if c, ok := m.Get("context"); ok {
		ev.Context = map[string]any{}
		for _, e := range c.(*value.Map).Entries() {
			ev.Context[e.Key.(string)] = e.Value
		}
	}
	return ev
}

func params(m *value.Map, name string) (out []gateway.Param) {
	v, _ := m.Get(name)
	in, ok := v.(*value.Map)
	if !ok {
		return nil
	}
	for _, e := range in.Entries() {
		out = append(out, gateway.Param{Name: e.Key.(string), Value: e.Value.(string)})
	}
	return out
}

// TestEventIsNotChanged renders a template that assigns all over.
func TestEventIsNotChanged(t *testing.T) {
	ev := &gateway.Event{
		Body:    `{"a":1}`,
		Header:  []gateway.Param{{Name: "h", Value: "v"}},
		Context: map[string]any{"stage": "prod"},
	}
	tm, err := vtl.Parse("t", `#set($input.path('$').a = 2)#set($context.stage = 'x')#set($context.responseOverride.status = 418)$!input.params().header.put('h','w')$input.json('$') $context.stage $input.params('h')`)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := gateway.Render(context.Background(), tm, ev, vtl.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.Body); got != `{"a":1} x v` && got != `v{"a":2} x v` {
			t.Fatalf("got %q", got)
		}
	}
	if ev.Context["stage"] != "prod" || ev.Header[0].Value != "v" {
		t.Fatalf("the event was changed: %+v", ev)
	}
}
