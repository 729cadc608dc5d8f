package template

import (
	"errors"
	"fmt"

	"github.com/tule-cloud/tule/ordered"
)

// Decide finds what each of the template's conditions comes to.
func (e *Env) Decide() error {
	e.Conditions = map[string]bool{}
	under := map[string]bool{}
	for _, name := range e.Template.Conditions.Names() {
		if _, err := e.decide(name, under); err != nil {
			return err
		}
	}
	return nil
}

// decide finds one condition, and what it is made of. under are those that wait for it.
func (e *Env) decide(name string, under map[string]bool) (bool, error) {
	if yes, ok := e.Conditions[name]; ok {
		return yes, nil
	}
	if under[name] {
		return false, fmt.Errorf("Template error: Found circular condition dependency with %s", name)
	}
	if !e.Template.Conditions.Has(name) {
		return false, fmt.Errorf("Template format error: Unresolved condition dependency %s in the Conditions block of the template", name)
	}
	under[name] = true
	yes, err := e.test(e.Template.Conditions.Get(name), under)
	if err == nil {
		e.Conditions[name] = yes
	}
	return yes, err
}

// Condition evaluates the expression of a condition.
func (e *Env) Condition(v any) (bool, error) { return e.test(v, map[string]bool{}) }

func (e *Env) test(v any, under map[string]bool) (bool, error) {
	name, argument, ok := Function(v)
	if !ok {
		return false, errors.New("Template format error: Conditions can only be boolean operations on parameters and other conditions")
	}
	list, isList := argument.([]any)
	switch name {
	case "Condition":
		return e.decide(Text(argument), under)
	case "Fn::Equals":
		if !isList || len(list) != 2 {
			return false, errors.New("Template error: every Fn::Equals object requires a list of 2 string parameters.")
		}
		a, _, err := e.Value(list[0])
		if err != nil {
			return false, err
		}
		b, _, err := e.Value(list[1])
		return Equal(a, b), err
	case "Fn::Not":
		if !isList || len(list) != 1 {
			return false, errors.New("Template error: every Fn::Not object requires one boolean parameter.")
		}
		yes, err := e.test(list[0], under)
		return !yes, err
	case "Fn::And", "Fn::Or":
		if !isList || len(list) < 2 || len(list) > 10 {
			return false, fmt.Errorf("Template error: every %s object requires a list of at least 2 and at most 10 boolean parameters.", name)
		}
		all, any := true, false
		for _, item := range list {
			yes, err := e.test(item, under)
			if err != nil {
				return false, err
			}
			all, any = all && yes, any || yes
		}
		return name == "Fn::And" && all || name == "Fn::Or" && any, nil
	}
	return false, errors.New("Template format error: Conditions can only be boolean operations on parameters and other conditions")
}

// Equal reports whether two values are the same, whether numbers and booleans are written
// as such or as text.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case *ordered.Object:
		b, ok := b.(*ordered.Object)
		if !ok || a.Len() != b.Len() {
			return false
		}
		for _, name := range a.Names() {
			if !b.Has(name) || !Equal(a.Get(name), b.Get(name)) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case Unknown:
		return false
	case nil:
		return b == nil
	}
	x, ok := scalarText(a)
	y, also := scalarText(b)
	return ok && also && x == y
}
