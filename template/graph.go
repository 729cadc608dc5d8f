package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/ordered"
)

// Depends are the resources that each of the template's resources needs before it, by
// DependsOn and by what its properties refer to, of those whose conditions let them be.
// It answers for unresolved names and circles in AWS's words.
func (e *Env) Depends() (map[string][]string, error) {
	out := map[string][]string{}
	var lost []string
	for i := range e.Template.Resources {
		r := &e.Template.Resources[i]
		if !e.made(r) {
			continue
		}
		needs, missing, err := e.needs(r.Properties)
		if err != nil {
			return nil, err
		}
		lost = append(lost, missing...)
		for _, name := range r.DependsOn {
			if other, ok := e.Template.Resource(name); !ok {
				lost = append(lost, name)
			} else if e.made(other) {
				needs = append(needs, name)
			}
		}
		slices.Sort(needs)
		out[r.Name] = slices.Compact(needs)
	}
	if lost != nil {
		return nil, unresolved(lost, "Resources")
	}
	if circle := circle(out); circle != nil {
		return nil, fmt.Errorf("Circular dependency between resources: [%s]", strings.Join(circle, ", "))
	}
	return out, e.checkOutputs()
}

func unresolved(names []string, block string) error {
	slices.Sort(names)
	return fmt.Errorf("Template format error: Unresolved resource dependencies [%s] in the %s block of the template", strings.Join(slices.Compact(names), ", "), block)
}

func (e *Env) checkOutputs() error {
	for i := range e.Template.Outputs {
		o := &e.Template.Outputs[i]
		if o.Condition != "" && !e.Conditions[o.Condition] {
			continue
		}
		_, lost, err := e.needs([]any{o.Value, o.Export})
		if err != nil {
			return err
		}
		if lost != nil {
			return unresolved(lost, "Outputs")
		}
	}
	return nil
}

// needs are the resources that a value refers to, and the names that are none's.
func (e *Env) needs(v any) (names, lost []string, err error) {
	err = e.refer(v, func(name, attr string) error {
		r, ok := e.Template.Resource(name)
		switch {
		case ok && e.made(r):
			names = append(names, name)
		case attr != "":
			return fmt.Errorf("Template error: instance of Fn::GetAtt references undefined resource %s", name)
		case !e.known(name):
			lost = append(lost, name)
		}
		return nil
	})
	return names, lost, err
}

// known reports whether a name that is no resource's yields a value.
func (e *Env) known(name string) bool {
	if _, ok := e.Pseudo[name]; ok || name == "AWS::NoValue" {
		return true
	}
	return slices.ContainsFunc(e.Template.Parameters, func(p Parameter) bool { return p.Name == name })
}

// Names calls each for every name that a value refers to, with the attribute where it is
// one of Fn::GetAtt.
func (e *Env) Names(v any, each func(name, attribute string) error) error { return e.refer(v, each) }

// refer calls each for every name that a value refers to, with the attribute where it is
// one of Fn::GetAtt. What a condition leaves out is passed over.
func (e *Env) refer(v any, each func(name, attribute string) error) error {
	if name, argument, ok := Function(v); ok {
		switch name {
		case "Ref":
			return each(Text(argument), "")
		case "Fn::GetAtt":
			resource, attr, _ := attribute(argument)
			return each(resource, cmpText(attr))
		case "Fn::If":
			if list, ok := argument.([]any); ok && len(list) == 3 {
				if yes, ok := e.Conditions[Text(list[0])]; ok && yes {
					return e.refer(list[1], each)
				} else if ok {
					return e.refer(list[2], each)
				}
			}
		case "Fn::Sub":
			return e.referSub(argument, each)
		case "Condition":
			return nil
		}
		return e.refer(argument, each)
	}
	switch v := v.(type) {
	case *ordered.Object:
		for _, name := range v.Names() {
			if err := e.refer(v.Get(name), each); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := e.refer(item, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// cmpText is an attribute's name, or a stand-in where it is evaluated.
func cmpText(attribute any) string {
	if text := Text(attribute); text != "" {
		return text
	}
	return "*"
}

func (e *Env) referSub(argument any, each func(name, attribute string) error) error {
	text, own, err := subArgument(argument)
	if err != nil {
		return err
	}
	err = pieces(text, func(_, variable string) error {
		if variable == "" || own.Has(variable) {
			return nil
		}
		resource, attr, _ := strings.Cut(variable, ".")
		return each(resource, attr)
	})
	if err != nil {
		return err
	}
	return e.refer(own, each)
}

// Attributes are the attributes of each resource that the template asks for by Fn::GetAtt;
// "*" for one that is known only when it is evaluated.
func (e *Env) Attributes() (map[string][]string, error) {
	out := map[string][]string{}
	note := func(name, attr string) error {
		if attr != "" && !slices.Contains(out[name], attr) {
			out[name] = append(out[name], attr)
		}
		return nil
	}
	for i := range e.Template.Resources {
		if r := &e.Template.Resources[i]; e.made(r) {
			if err := e.refer(r.Properties, note); err != nil {
				return nil, err
			}
		}
	}
	for i := range e.Template.Outputs {
		if o := &e.Template.Outputs[i]; o.Condition == "" || e.Conditions[o.Condition] {
			if err := e.refer([]any{o.Value, o.Export}, note); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// circle finds resources that need each other; nil if none do. They come by name.
func circle(needs map[string][]string) []string {
	left := map[string][]string{}
	for name, list := range needs {
		left[name] = list
	}
	for trimmed := true; trimmed; {
		trimmed = false
		for name, list := range left {
			if !slices.ContainsFunc(list, func(n string) bool { _, ok := left[n]; return ok }) {
				delete(left, name)
				trimmed = true
			}
		}
	}
	// What only waits for a circle is none of it.
	for trimmed := true; trimmed; {
		trimmed = false
		for name := range left {
			wanted := false
			for _, list := range left {
				wanted = wanted || slices.Contains(list, name)
			}
			if !wanted {
				delete(left, name)
				trimmed = true
			}
		}
	}
	var out []string
	for name := range left {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
