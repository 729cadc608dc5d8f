package sam

import (
	"fmt"
	"strings"
)

const (
	fnIf    = "Fn::If"
	fnSub   = "Fn::Sub"
	fnGet   = "Fn::GetAtt"
	fnMap   = "Fn::FindInMap"
	fnRef   = "Ref"
	noValue = "AWS::NoValue"
)

func ref(id any) *dict { return object(pair{fnRef, id}) }

func getAtt(id any, attribute string) *dict {
	return object(pair{fnGet, []any{id, attribute}})
}

// sub is Fn::Sub; without variables it has a text alone.
func sub(text any, variables ...pair) *dict {
	if len(variables) == 0 {
		return object(pair{fnSub, text})
	}
	return object(pair{fnSub, []any{text, object(variables...)}})
}

func join(between string, parts ...any) *dict {
	return object(pair{"Fn::Join", []any{between, parts}})
}

// either is Fn::If.
func either(condition, then, otherwise any) *dict {
	return object(pair{fnIf, []any{condition, then, otherwise}})
}

// when is a value that is there under a condition alone.
func when(condition, v any) *dict { return either(condition, v, ref(noValue)) }

func not(condition any) *dict {
	return object(pair{"Fn::Not", []any{object(pair{"Condition", condition})}})
}

func anyOf(conditions []any) *dict { return object(pair{"Fn::Or", conditionList(conditions)}) }

func conditionList(conditions []any) []any {
	out := make([]any, len(conditions))
	for i, c := range conditions {
		out[i] = object(pair{"Condition", c})
	}
	return out
}

// mostInOr is how many conditions Fn::Or takes.
const mostInOr = 10

// combined are conditions that make one of many, under this name: more of them, numbered,
// where there are more than Fn::Or takes. Fewer than two need none.
func combined(conditions []any, name string) *dict {
	if len(conditions) < 2 {
		return nil
	}
	out := object()
	number := (len(conditions) - 2) / (mostInOr - 1)
	for len(conditions) > 1 {
		n := name
		if number > 0 {
			n = fmt.Sprintf("%s%d", name, number)
			number--
		}
		few := conditions[:min(mostInOr, len(conditions))]
		out.set(n, anyOf(few))
		conditions = append(append([]any{}, conditions[len(few):]...), n)
	}
	return out
}

// isIntrinsic reports whether v is an intrinsic function.
func isIntrinsic(v any) bool {
	d, ok := v.(*dict)
	if !ok || d.size() != 1 {
		return false
	}
	n, _ := d.first()
	return n.text == fnRef || n.text == "Condition" || strings.HasPrefix(n.text, "Fn::")
}

func isIf(v any) bool {
	return isIntrinsic(v) && v.(*dict).has(fnIf)
}

func isNoValue(v any) bool {
	return isIntrinsic(v) && is(v.(*dict).get(fnRef), noValue)
}

// branches are what Fn::If has; wrong is told what is wrong with it.
func branches(v any, wrong func(says string)) (condition, then, otherwise any) {
	list, ok := members(v).get(fnIf).([]any)
	if !ok || len(list) != 3 {
		wrong("Fn::If requires 3 arguments")
	}
	return list[0], list[1], list[2]
}

// referred is the logical id that a Ref or a Fn::GetAtt names, "" if v is neither.
func referred(v any) string {
	if !isIntrinsic(v) {
		return ""
	}
	d := v.(*dict)
	if id, ok := textOf(d.get(fnRef)); ok {
		return id
	}
	switch of := d.get(fnGet).(type) {
	case []any:
		if len(of) == 2 {
			return text(of[0])
		}
	default:
		if parts := strings.Split(text(of), "."); len(parts) == 2 {
			return parts[0]
		}
	}
	return ""
}

// shorthand is a Ref or a Fn::GetAtt as Fn::Sub writes it.
func shorthand(d *dict) string {
	if d.has(fnRef) {
		return "${" + text(d.get(fnRef)) + "}"
	}
	var parts []string
	for _, p := range elements(d.get(fnGet)) {
		parts = append(parts, text(p))
	}
	return "${" + strings.Join(parts, ".") + "}"
}
