package sam_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/sam"
	"github.com/tule-cloud/tule/template"
)

// shapes are values that a template may have where another is expected.
var shapes = []string{
	`null`, `true`, `1.5`, `""`, `"x"`, `[]`, `["x"]`, `[null]`, `[[]]`, `{}`, `{"x":null}`, `{"x":{"x":"x"},"y":1}`, `{"Ref":"x"}`,
	`{"Ref":{"a":1}}`, `{"Fn::GetAtt":"x.y"}`, `{"Fn::If":["c",{"Ref":"AWS::NoValue"},"x"]}`, `{"Fn::If":["c"]}`, `{"Fn::If":"c"}`, `{"Fn::Sub":[]}`,
}

// TestShapes puts shapes in the place of each value of the scripts' templates: some, which
// change from value to value, or all of them with SAM_SHAPES, which names more templates.
// Whatever that makes of them, the transform answers.
func TestShapes(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.yaml.txt")
	step := 7
	if all := os.Getenv("SAM_SHAPES"); all != "" { // as long as one likes
		files, _ = filepath.Glob(all)
		step = 1
	}
	count, turn := 0, 0
	for _, f := range files {
		for _, in := range templates(t, f) {
			o, err := template.Parse([]byte(in))
			if err != nil {
				continue
			}
			every(o, func() {
				if turn++; turn%step != 0 {
					return
				}
				count++
				defer func() {
					if r := recover(); r != nil {
						t.Fatalf("%v\n%s\n%s", r, f, ordered.JSON(o))
					}
				}()
				_, err := sam.Transform(o, options())
				if wrong := (*sam.Error)(nil); err != nil && !errors.As(err, &wrong) {
					t.Errorf("%T: %v", err, err)
				}
			})
		}
	}
	t.Logf("%d templates", count)
}

// templates are those of a script, or the file.
func templates(t testing.TB, file string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(file, ".yaml.txt") {
		return []string{string(text)}
	}
	for _, part := range strings.Split("\n"+string(text), "\ntransform")[1:] {
		_, part, _ = strings.Cut(part, "\n")
		in, _, _ := strings.Cut(part, "\n----\n")
		out = append(out, in)
	}
	return out
}

// every visits a value with each shape in the place of each value within.
func every(v any, visit func()) {
	swap := func(old any, set func(any)) {
		every(old, visit)
		for _, s := range shapes {
			shape, err := ordered.Parse([]byte(s))
			if err != nil {
				panic(err)
			}
			set(shape)
			visit()
		}
		set(old)
	}
	switch v := v.(type) {
	case *ordered.Object:
		for _, n := range v.Names() {
			swap(v.Get(n), func(s any) { v.Set(n, s) })
		}
	case []any:
		for i, e := range v {
			swap(e, func(s any) { v[i] = s })
		}
	case json.Number, string, bool, nil:
	}
}
