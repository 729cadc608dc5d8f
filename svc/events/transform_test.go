package events

import (
	"encoding/json"
	"testing"
)

const exampleEvent = `{"version":"0","id":"i","detail-type":"d","source":"s","account":"000000000000","time":"2026-01-02T03:04:05Z","region":"us-east-1","resources":[],` +
	`"detail":{"s":"x","n":1.50,"b":true,"z":null,"o":{"k":"v","n":2},"l":["A","B"],"q":"say \"hi\"","list":[{"id":1},{"id":2},{}]}}`

func TestPaths(t *testing.T) {
	for text, want := range map[string]string{
		"$": exampleEvent, "$.source": `"s"`, "$.detail-type": `"d"`, "$.detail.n": "1.50", "$.detail.o": `{"k":"v","n":2}`, "$.detail.l[1]": `"B"`, "$['detail']['s']": `"x"`, `$["detail"].s`: `"x"`,
		"$.detail.list[*].id": "[1,2]", "$.detail.o.*": `["v",2]`, "$.detail.none": "", "$.detail.l[2]": "", "$.detail.s.x": "", "$.detail.l[*].x": "",
	} {
		p, ok := parsePath(text)
		if !ok {
			t.Errorf("%s is refused", text)
			continue
		}
		if got, _ := p.find(json.RawMessage(exampleEvent)); string(got) != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "detail", "$detail", "$.", "$..x", "$[", "$[x]", "$[-1]", "$['x'", "$[1", "$.a b"} {
		if p, ok := parsePath(text); ok {
			t.Errorf("%q is taken for %v", text, p)
		}
	}
}

// TestRender holds templates against what targets of AWS's get.
func TestRender(t *testing.T) {
	values := map[string]string{"s": `"x"`, "n": "1.50", "b": "true", "o": `{"k":"v","n":2}`, "l": `["A","B"]`, "q": `"say \"hi\""`}
	variable := func(name string) (json.RawMessage, bool) {
		if name == "none" {
			return nil, true
		}
		v, ok := values[name]
		return json.RawMessage(v), ok
	}
	for template, want := range map[string]string{
		`{"a": <s>, "b":<n>,"c":<b>}`:        `{"a": "x", "b":1.50,"c":true}`,
		`{"a": <o>, "l": [<s>, "y"]}`:        `{"a": {"k":"v","n":2}, "l": ["x", "y"]}`,
		`{"a": "<s>/<s>", "b": "<n>"}`:       `{"a": "x/x", "b": "1.50"}`,
		`{"a": <none>, "b": "<none>"}`:       `{"a": "", "b": ""}`,
		`{"a": "<q>"}`:                       `{"a": "say \"hi\""}`,
		`"<l> and <o> and <n>"`:              `"[A,B] and {k:v,n:2} and 1.50"`,
		"\"<s> one\"\n\"<none> two\"":        "\"x one\"\n\" two\"",
		`"{[/ <s>"`:                          `"{[/ x"`,
		`<o>`:                                `{"k":"v","n":2}`,
		`{"a": "<l>"}`:                       "", // a list within quotes makes no JSON
		`<l> and more`:                       "",
		`{"a": "x < y > z", "b": "\"<s>\""}`: `{"a": "x < y > z", "b": "\"x\""}`,
		`{"a": <unknown>}`:                   "",
		`{"a": "<unknown>"}`:                 `{"a": "<unknown>"}`,
	} {
		got, err := render(template, variable)
		if (err != nil) != (want == "") || err == nil && string(got) != want {
			t.Errorf("%s: %s, %v; want %s", template, got, err, want)
		}
	}
}

// FuzzRender: what is no text is JSON, whatever the template.
func FuzzRender(f *testing.F) {
	for _, s := range []string{`{"a": <s>}`, `"<s>"`, `"\"<s>`, `<s`, `{"a":"<s>\`, `[<s>,<s>]`} {
		f.Add(s, `"x"`, "$.detail.l[*]['a']")
	}
	f.Fuzz(func(t *testing.T, template, value, text string) {
		if p, ok := parsePath(text); ok {
			p.find(json.RawMessage(exampleEvent))
		}
		if !json.Valid([]byte(value)) {
			return
		}
		v, _ := json.Marshal(json.RawMessage(value))
		got, err := render(template, func(string) (json.RawMessage, bool) { return v, true })
		if err == nil && len(got) == 0 && template != "" {
			t.Errorf("%q became nothing", template)
		}
	})
}
