package template

import (
	"strings"
	"testing"

	"github.com/tule-cloud/tule/ordered"
)

func TestExpand(t *testing.T) {
	ref := func(name string) (any, bool) { return []any{"p", "q"}, name == "P" }
	for _, c := range []struct{ text, want string }{
		{`Resources: {"Fn::ForEach::T": [N, [a, b], {"R${N}": {Type: T, Properties: {x: !Ref N, y: !Sub "${N}-${Z}"}}}]}`,
			`{"Resources":{"Ra":{"Type":"T","Properties":{"x":"a","y":{"Fn::Sub":"a-${Z}"}}},"Rb":{"Type":"T","Properties":{"x":"b","y":{"Fn::Sub":"b-${Z}"}}}}}`},
		{`Outputs: {"Fn::ForEach::T": [N, !Ref P, {"O${N}": {"Fn::ForEach::U": [M, [1.5], {"k&{M}${N}": "${M}"}]}}]}`,
			`{"Outputs":{"Op":{"k15p":"1.5"},"Oq":{"k15q":"1.5"}}}`},
	} {
		o, err := Parse([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Expand(o, ref)
		if err != nil || string(ordered.Compact(got)) != c.want {
			t.Errorf("%s becomes %s, %v", c.text, ordered.Compact(got), err)
		}
	}
	for _, text := range []string{`A: {"Fn::ForEach::T": [N, [a]]}`, `A: {"Fn::ForEach::T": [N, [a, a], {x: 1}]}`, `A: {"Fn::ForEach::T": [N, [a, b], {x: 1}]}`, `A: {"Fn::ForEach::T": [N, !Ref Q, {x: 1}]}`} {
		o, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Expand(o, ref); err == nil || !strings.HasPrefix(err.Error(), "Transform AWS::LanguageExtensions failed") {
			t.Errorf("%s becomes %v, %v", text, got, err)
		}
	}
}
