package template

import (
	"encoding/json"
	"strconv"

	"github.com/tule-cloud/tule/ordered"
)

// noValue is what {"Ref": "AWS::NoValue"} yields: its member, or item, is not there.
type noValue struct{}

// scalarText is a text, number or boolean as text; false for what is none.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	}
	return "", false
}

// Text is a text, number or boolean as text; "" for what is none.
func Text(v any) string {
	text, _ := scalarText(v)
	return text
}

// Function is the name and the argument of an intrinsic function, if that is what a value
// is: an object of one member.
func Function(v any) (name string, argument any, ok bool) {
	o, isObject := v.(*ordered.Object)
	if !isObject || o.Len() != 1 {
		return "", nil, false
	}
	name = o.Names()[0]
	if name == "Ref" || name == "Condition" || len(name) > 4 && name[:4] == "Fn::" {
		return name, o.Get(name), true
	}
	return "", nil, false
}
