package schema

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// A complaint is what one keyword has against the value at a place.
type complaint struct{ place, text string }

// told is what is wrong with a document, by place.
func told(e *jsonschema.ValidationError, doc any) []string {
	all := problems(e, doc, nil)
	slices.SortStableFunc(all, func(a, b complaint) int {
		return cmp.Or(strings.Compare(a.place, b.place), strings.Compare(a.text, b.text))
	})
	out := make([]string, len(all))
	for i, c := range all {
		out[i] = c.text
	}
	return out
}

// problems are the leaves of a validation's error. One of alternatives is told as one.
func problems(e *jsonschema.ValidationError, doc any, out []complaint) []complaint {
	place := strings.Join(e.InstanceLocation, "/")
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference:
		for _, c := range e.Causes {
			out = problems(c, doc, out)
		}
		return out
	case *kind.AllOf:
		return append(out, complaint{place, "instance failed to match all required schemas"})
	case *kind.AnyOf:
		return append(out, complaint{place, "instance failed to match at least one required schema among " + strconv.Itoa(len(e.Causes))})
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return append(out, complaint{place, fmt.Sprintf("instance failed to match exactly one schema (matched %d)", len(k.Subschemas))})
		}
		return append(out, complaint{place, fmt.Sprintf("instance failed to match exactly one schema (matched 0 out of %d)", len(e.Causes))})
	case *kind.Not:
		return append(out, complaint{place, "instance matched a schema which it should not have"})
	}
	return append(out, complaint{place, problem(e.ErrorKind, at(doc, e.InstanceLocation))})
}

// problem words what one keyword says of an instance.
func problem(kindOf jsonschema.ErrorKind, instance any) string {
	switch k := kindOf.(type) {
	case *kind.Type:
		return "instance type (" + typeOf(instance) + ") does not match any allowed primitive type (allowed: " + allowed(k.Want) + ")"
	case *kind.Required:
		return "object has missing required properties (" + list(k.Missing) + ")"
	case *kind.AdditionalProperties:
		return "object instance has properties which are not allowed by the schema: " + list(k.Properties)
	case *kind.Enum:
		return "instance value (" + compact(instance) + ") not found in enum (possible values: " + compact(k.Want) + ")"
	case *kind.MinLength:
		return fmt.Sprintf("string %s is too short (length: %d, required minimum: %d)", compact(instance), k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("string %s is too long (length: %d, maximum allowed: %d)", compact(instance), k.Got, k.Want)
	case *kind.Pattern:
		return fmt.Sprintf("ECMA 262 regex %s does not match input string %s", compact(k.Want), compact(k.Got))
	case *kind.Format:
		return fmt.Sprintf("string %s is not a valid %s", compact(instance), k.Want)
	case *kind.Dependency:
		return fmt.Sprintf("property %s of object has missing property dependencies (missing: %s)", compact(k.Prop), list(k.Missing))
	case *kind.FalseSchema:
		return "instance is not allowed by the schema"
	}
	if text := bound(kindOf, instance); text != "" {
		return text
	}
	return strings.Join(kindOf.KeywordPath(), "/") + " failed"
}

// bound words the keywords that count or compare.
func bound(kindOf jsonschema.ErrorKind, instance any) string {
	switch k := kindOf.(type) {
	case *kind.Minimum:
		return "numeric instance is lower than the required minimum (minimum: " + number(k.Want) + ", found: " + compact(instance) + ")"
	case *kind.Maximum:
		return "numeric instance is greater than the required maximum (maximum: " + number(k.Want) + ", found: " + compact(instance) + ")"
	case *kind.ExclusiveMinimum:
		return "numeric instance is not strictly greater than the required minimum " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "numeric instance is not strictly lower than the required maximum " + number(k.Want)
	case *kind.MultipleOf:
		return "remainder of division is not zero (" + compact(instance) + " / " + number(k.Want) + ")"
	case *kind.MinItems:
		return fmt.Sprintf("array is too short: must have at least %d elements but instance has %d elements", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("array is too long: must have at most %d elements but instance has %d elements", k.Want, k.Got)
	case *kind.UniqueItems:
		return "array must not contain duplicate elements"
	case *kind.AdditionalItems:
		return fmt.Sprintf("array has %d elements more than the schema allows", k.Count)
	case *kind.MinProperties:
		return fmt.Sprintf("object has too few properties (found %d but schema requires at least %d)", k.Got, k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("object has too many properties (found %d but schema requires at most %d)", k.Got, k.Want)
	}
	return ""
}

// at is the value at a place of a document.
func at(doc any, path []string) any {
	for _, p := range path {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[p]
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			doc = v[i]
		default:
			return nil
		}
	}
	return doc
}

// typeOf is the primitive type of an instance, of which integer is the narrowest.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case json.Number:
		if _, whole := new(big.Int).SetString(string(v), 10); whole {
			return "integer"
		}
		return "number"
	}
	return "object"
}

// allowed lists types; whoever allows a number allows an integer.
func allowed(types []string) string {
	types = slices.Clone(types)
	if slices.Contains(types, "number") && !slices.Contains(types, "integer") {
		types = append(types, "integer")
	}
	return list(types)
}

func list(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	return compact(names)
}

// compact is JSON without spaces; of a long one, the beginning.
func compact(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return ""
	}
	text := strings.TrimSuffix(b.String(), "\n")
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "") + "..."
	}
	return text
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'f', -1, 64)
}
