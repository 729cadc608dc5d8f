package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/ordered"
)

const (
	loop        = "Fn::ForEach::"
	maxRepeats  = 10_000
	maxLoopDeep = 5
)

// Expand writes out the loops of AWS::LanguageExtensions: every member Fn::ForEach::Name of
// an object becomes the members that it stands for. ref is what a Ref to a parameter
// yields.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-foreach.html
func Expand(t *ordered.Object, ref func(name string) (any, bool)) (*ordered.Object, error) {
	x := expander{ref: ref, mappings: ordered.New(), left: maxRepeats}
	if m, ok := t.Get("Mappings").(*ordered.Object); ok {
		x.mappings = m
	}
	v, err := x.value(t, 0)
	if err != nil {
		return nil, err
	}
	return v.(*ordered.Object), nil
}

type expander struct {
	ref      func(name string) (any, bool)
	mappings *ordered.Object
	left     int
}

func (x *expander) value(v any, depth int) (any, error) {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = x.value(v[i], depth); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *ordered.Object:
		out := ordered.New()
		for _, name := range v.Names() {
			if !strings.HasPrefix(name, loop) {
				member, err := x.value(v.Get(name), depth)
				if err != nil {
					return nil, err
				}
				out.Set(name, member)
				continue
			}
			if err := x.loop(out, name, v.Get(name), depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// loop writes what a loop stands for into an object.
func (x *expander) loop(out *ordered.Object, name string, argument any, depth int) error {
	list, ok := argument.([]any)
	if !ok || len(list) != 3 || depth > maxLoopDeep {
		return fmt.Errorf("Transform AWS::LanguageExtensions failed with: %s layout is incorrect", name)
	}
	variable, ok := list[0].(string)
	body, isObject := list[2].(*ordered.Object)
	if !ok || !isObject {
		return fmt.Errorf("Transform AWS::LanguageExtensions failed with: %s layout is incorrect", name)
	}
	items, err := x.collection(list[1])
	if err != nil {
		return fmt.Errorf("Transform AWS::LanguageExtensions failed with: %s: %w", name, err)
	}
	for _, item := range items {
		if x.left--; x.left < 0 {
			return errors.New("Transform AWS::LanguageExtensions failed with: the loops make too many members")
		}
		made, err := x.value(replaceVariable(body, variable, item), depth)
		if err != nil {
			return err
		}
		for _, member := range made.(*ordered.Object).Names() {
			if out.Has(member) {
				return fmt.Errorf("Transform AWS::LanguageExtensions failed with: Duplicate key %s", member)
			}
			out.Set(member, made.(*ordered.Object).Get(member))
		}
	}
	return nil
}

// collection is what a loop goes through.
func (x *expander) collection(v any) ([]string, error) {
	if name, argument, ok := Function(v); ok {
		switch name {
		case "Ref":
			if v, ok = x.ref(Text(argument)); !ok {
				return nil, fmt.Errorf("no parameter %s", Text(argument))
			}
		case "Fn::FindInMap":
			list, _ := argument.([]any)
			if len(list) != 3 {
				return nil, errors.New("Fn::FindInMap needs three parameters")
			}
			var err error
			if v, err = lookUp(x.mappings, x.text(list[0]), x.text(list[1]), x.text(list[2])); err != nil {
				return nil, err
			}
		}
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("the collection is no list")
	}
	var out []string
	for _, item := range list {
		if name, argument, ok := Function(item); ok && name == "Ref" {
			item, _ = x.ref(Text(argument))
		}
		if more, ok := item.([]any); ok {
			out = append(out, texts(more)...)
			continue
		}
		text, ok := scalarText(item)
		if !ok {
			return nil, errors.New("an item of the collection is no text")
		}
		out = append(out, text)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(out)))) != len(out) {
		return nil, errors.New("the collection has an item twice")
	}
	return out, nil
}

func (x *expander) text(v any) string {
	if name, argument, ok := Function(v); ok && name == "Ref" {
		v, _ = x.ref(Text(argument))
	}
	return Text(v)
}

// replaceVariable puts an item in the place of a loop's variable: ${Name}, of which
// &{Name} keeps letters and digits alone, and {"Ref": "Name"}.
func replaceVariable(v any, variable, item string) any {
	plain := strings.Map(func(r rune) rune {
		if alphanumeric(string(r)) {
			return r
		}
		return -1
	}, item)
	replace := strings.NewReplacer("${"+variable+"}", item, "&{"+variable+"}", plain)
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			return replace.Replace(v)
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = walk(v[i])
			}
			return out
		case *ordered.Object:
			if name, argument, ok := Function(v); ok && name == "Ref" && argument == variable {
				return item
			}
			out := ordered.New()
			for _, name := range v.Names() {
				out.Set(replace.Replace(name), walk(v.Get(name)))
			}
			return out
		}
		return v
	}
	return walk(v)
}
