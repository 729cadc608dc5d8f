package ordered

import (
	"encoding/json"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const text = `{
  "z" : 1,
  "a" : {
    "b" : [ "x", true, null, 1.5 ],
    "c" : [ ],
    "d" : { }
  },
  "list" : [ {
    "k" : "<&>\n"
  }, [ 1 ] ]
}`

func TestJSON(t *testing.T) {
	v, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(JSON(v)); got != text {
		t.Errorf("the value reads\n%s", got)
	}
}

func TestYAML(t *testing.T) {
	v, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := YAML(v)
	if err != nil {
		t.Fatal(err)
	}
	want := "---\nz: 1\na:\n  b:\n    - \"x\"\n    - true\n    - null\n    - 1.5\n  c: []\n  d: {}\nlist:\n  - k: \"<&>\\n\"\n  - - 1\n"
	if string(got) != want {
		t.Errorf("the value reads\n%s", got)
	}
}

func TestObject(t *testing.T) {
	o := New().Set("a", 1).Set("b", 2).Set("a", 3)
	o.Object("c").Set("x", "1")
	o.Merge(New().Set("c", New().Set("y", "2")).Set("d", true))
	o.Delete("b")
	o.Delete("nothing")
	if got := string(JSON(o)); strings.Join(strings.Fields(got), "") != `{"a":3,"c":{"x":"1","y":"2"},"d":true}` {
		t.Errorf("the object is %s", got)
	}
	if o.Has("b") || o.Get("a") != 3 || o.Len() != 3 || o.Names()[0] != "a" {
		t.Errorf("the object has %v", o.Names())
	}
}

// What is no single JSON value is refused.
func TestParseWrong(t *testing.T) {
	for _, bad := range []string{"", "{", `{"a"}`, "[1", "1 2", `{} x`, "]", strings.Repeat("[", 10_000)} {
		if v, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%.20s reads %v", bad, v)
		}
	}
}

// What is read and written says the same, in JSON and in YAML.
func FuzzParse(f *testing.F) {
	f.Add(text)
	f.Add(`"\u2028\ud800"`)
	f.Add(`{"": {"~": 1e400}, "1": 2}`)
	f.Fuzz(func(t *testing.T, s string) {
		v, err := Parse([]byte(s))
		if err != nil {
			return
		}
		var a, b any
		if json.Unmarshal([]byte(s), &a) != nil {
			return // a number too long, say
		}
		if err := json.Unmarshal(JSON(v), &b); err != nil {
			t.Fatal(err)
		}
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if string(x) != string(y) {
			t.Fatalf("%s became %s", x, y)
		}
		out, err := YAML(v)
		if err != nil {
			t.Fatal(err)
		}
		var n yaml.Node
		if err := yaml.Unmarshal(out, &n); err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
	})
}
