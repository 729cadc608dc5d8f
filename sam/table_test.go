package sam

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/ordered"
)

// keys are a dict's names, in its order.
func keys(d *dict) string {
	var out []string
	for _, n := range d.names() {
		out = append(out, n.text)
	}
	return strings.Join(out, " ")
}

// The orders are those of Python 2.7.
func TestTable(t *testing.T) {
	d := hashed()
	for _, k := range strings.Fields("get post put patch delete options head trace any connect a b c d e f g h i j k l") {
		d.set(k, 1)
		if k == "delete" && keys(d) != "put delete post patch get" {
			t.Errorf("five: %s", keys(d))
		}
	}
	if got := keys(d); got != "connect any head trace get put post a c b e d g f i h k j l patch options delete" {
		t.Errorf("all: %s", got)
	}
	for _, k := range []string{"get", "a", "j", "nobody"} {
		d.drop(k)
	}
	for _, k := range []string{"x", "get", "zz"} {
		d.set(k, 1)
	}
	if got := keys(d); got != "connect zz any head trace get put post c b e d g f i h k l patch x options delete" {
		t.Errorf("changed: %s", got)
	}
	if got := keys(copyOf(d)); got != keys(d) {
		t.Errorf("copied: %s", got)
	}
	const rebuilt = "head trace get connect zz put post any c b e d g f i h k l patch x options delete"
	if got := keys(d.clone()); got != rebuilt {
		t.Errorf("cloned: %s", got)
	}
	other := hashed()
	if other.update(d); keys(other) != rebuilt {
		t.Errorf("merged: %s", keys(other))
	}
	if d.size() != 22 || !d.has("get") || d.has("a") || d.get("x") != 1 {
		t.Errorf("%d members", d.size())
	}
}

func TestPlainOrder(t *testing.T) {
	d := object(pair{"b", 1}, pair{"a", 2})
	d.set("b", 3)
	d.drop("a")
	d.set("c", 4).set("a", 5)
	if keys(d) != "b c a" || d.get("b") != 3 {
		t.Errorf("%s", keys(d))
	}
	var none *dict
	if none.size() != 0 || none.has("a") || none.get("a") != nil || len(none.names()) != 0 {
		t.Error("no dict has members")
	}
}

func TestPrint(t *testing.T) {
	const given = `{"k": ["it's", "say \"hi\"", "both ' and \"", "tab\t\n\\", "ü€😀", true, null, 1, 1.0, 1e20, 0.00001, {"b": {}, "a": []}]}`
	v, err := ordered.Parse([]byte(given))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{u'k': [u"it's", u'say "hi"', u'both \' and "', u'tab\t\n\\', u'\xfc\u20ac\U0001f600', True, None, 1, 1.0, 1e+20, 1e-05, {u'a': [], u'b': {}}]}`
	if got := str(mark(fromOrdered(v))); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got, want := str([]any{"it's", "tab\t\n\\", "ü€\x00", json.Number("1.5")}), `["it's", 'tab\t\n\\', 'ü€\x00', 1.5]`; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	tree := object(pair{"b", "ü😀\"\\\n\x7f\x01"}, pair{"a", []any{1, json.Number("1.0"), true, nil}})
	if got, want := compact.dump(tree), `{"a":[1,1.0,true,null],"b":"\u00fc\ud83d\ude00\"\\\n\u007f\u0001"}`; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got, want := loose.dump(tree), `{"b": "\u00fc\ud83d\ude00\"\\\n\u007f\u0001", "a": [1, 1.0, true, null]}`; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got, want := lines.dump(object(pair{"a", []any{1}}, pair{"b", object()})), "{\n    \"a\": [\n        1\n    ],\n    \"b\": {}\n}"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		v    any
		kind string
		want bool
	}{
		{"a", "str", true}, {marked("a"), "str", true}, {1, "str", false}, {true, "int", true}, {json.Number("1.5"), "int", false},
		{[]any{"a", object()}, "[str|map]", true}, {[]any{"a", 1}, "[str|map]", false}, {"a", "str|map|[str|map]", true},
		{object(pair{"a", "b"}), "{str}", true}, {object(pair{"a", 1}), "{str}", false}, {[]any{object()}, "{any}|[{any}]", true},
		{"a", "str|", true}, {1, "str|", false}, {"Delete", `"Delete,Retain"`, true}, {"delete", `"Delete,Retain"`, false},
	} {
		if got := fits(c.v, c.kind); got != c.want {
			t.Errorf("%v %s: %v", c.v, c.kind, got)
		}
	}
}

func TestResolve(t *testing.T) {
	r := &resolver{
		parameters: object(pair{"P", "v"}, pair{"L", []any{"a"}}, pair{"Loop", object(pair{"a", ref("Loop")})}),
		mappings:   object(pair{"M", object(pair{"a", object(pair{"b", "c"}, pair{"deep", object(pair{"x", 1})})})}),
	}
	parse := func(text string) any {
		v, err := ordered.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return fromOrdered(v)
	}
	for _, c := range [][2]string{
		{`{"Ref":"P"}`, `"v"`},
		{`[{"Ref":"L"},{"Ref":"Q"},{"Ref":"Loop"}]`, `[["a"],{"Ref":"Q"},{"Ref":"Loop"}]`},
		{`{"Fn::Sub":"${P}-${Q}-${AWS::Region}"}`, `{"Fn::Sub":"v-${Q}-${AWS::Region}"}`},
		{`{"Fn::Sub":["${P}",{"x":{"Ref":"P"}}]}`, `{"Fn::Sub":["v",{"x":"v"}]}`},
		{`{"Fn::FindInMap":["M","a","b"]}`, `"c"`},
		{`{"Fn::FindInMap":["M","a",{"Ref":"AWS::Region"}]}`, `{"Fn::FindInMap":["M","a",{"Ref":"AWS::Region"}]}`},
		{`{"Fn::FindInMap":["M","a","deep"]}`, `{"Fn::FindInMap":["M","a","deep"]}`},
		{`{"Fn::FindInMap":["N","a","b"]}`, `{"Fn::FindInMap":["N","a","b"]}`},
	} {
		if got := compact.dump(r.both(parse(c[0]))); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
	for text, want := range map[string]string{
		`{"Fn::FindInMap":["M"]}`:          "Invalid FindInMap value ['M']. FindInMap expects an array with 3 values.",
		`{"Fn::FindInMap":["M","a"]}`:      "Invalid FindInMap value ['M', 'a']. FindInMap expects an array with 3 values.",
		`{"Fn::Sub":"${L}"}`:               "Invalid Fn::Sub variable value ['a']. Fn::Sub expects all variables to be strings.",
		`[{"Fn::Sub":["${L}", {"L": 1}]}]`: "Invalid Fn::Sub variable value ['a']. Fn::Sub expects all variables to be strings.",
	} {
		f := catch(func() { r.both(parse(text)) })
		if f == nil || len(f.causes) != 1 || f.causes[0].says != want {
			t.Errorf("%s: %+v", text, f)
		}
	}
}

func TestLink(t *testing.T) {
	made := references{"F": {"Alias": "FAliaslive"}}
	ids := renamed{"Layer": "Layer1234567890"}
	for _, c := range [][2]string{
		{`{"Ref":"F.Alias"}`, `{"Ref":"FAliaslive"}`},
		{`{"Ref":"F.Version"}`, `{"Ref":"F.Version"}`},
		{`{"Fn::GetAtt":["F.Alias","Arn"]}`, `{"Fn::GetAtt":["FAliaslive","Arn"]}`},
		{`{"Fn::Sub":"${F.Alias}/${F}/${Layer}/${Layer.Arn}"}`, `{"Fn::Sub":"${FAliaslive}/${F}/${Layer1234567890}/${Layer1234567890.Arn}"}`},
		{`{"Ref":"Layer"}`, `{"Ref":"Layer1234567890"}`},
		{`{"Fn::GetAtt":["Layer","Arn","x"]}`, `{"Fn::GetAtt":["Layer1234567890","Arn","x"]}`},
		{`{"Fn::GetAtt":"Layer.Arn"}`, `{"Fn::GetAtt":"Layer.Arn"}`},
	} {
		v, err := ordered.Parse([]byte(c[0]))
		if err != nil {
			t.Fatal(err)
		}
		if got := compact.dump(made.link(ids.link(fromOrdered(v)))); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
	d := object(pair{"A", object(pair{"DependsOn", "Layer"})}, pair{"B", object(pair{"DependsOn", []any{"x", "Layer"}})})
	ids.depend(d)
	if got := compact.dump(d); got != `{"A":{"DependsOn":"Layer1234567890"},"B":{"DependsOn":["x","Layer1234567890"]}}` {
		t.Error(got)
	}
}

func TestCombined(t *testing.T) {
	if combined([]any{"A"}, "C") != nil {
		t.Error("one condition needs no other")
	}
	var many []any
	for _, n := range strings.Split("abcdefghijkl", "") {
		many = append(many, n)
	}
	d := combined(many, "C")
	if keys(d) != "C1 C" || len(d.get("C1").(*dict).get("Fn::Or").([]any)) != 10 || len(d.get("C").(*dict).get("Fn::Or").([]any)) != 3 {
		t.Errorf("%s", compact.dump(d))
	}
}

func TestTables(t *testing.T) {
	if n := len(policyTemplates()); n != 81 {
		t.Errorf("%d policy templates", n)
	}
	for n, p := range policyTemplates() {
		for _, s := range p.statements {
			if len(s.actions) == 0 || len(s.resources) == 0 {
				t.Errorf("%s: a statement without actions or resources", n)
			}
		}
	}
	if n := len(profiles()); n != 31 {
		t.Errorf("%d profiles of connectors", n)
	}
	for n, p := range profiles() {
		if len(p.access) == 0 || !strings.Contains("role queue topic permission", p.kind) {
			t.Errorf("%s: %+v", n, p)
		}
	}
}
