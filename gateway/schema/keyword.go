package schema

import (
	"maps"
	"slices"
	"strings"
)

// keywords are those of draft 4.
const keywords = " id $schema $ref title description default multipleOf maximum exclusiveMaximum minimum exclusiveMinimum" +
	" maxLength minLength pattern additionalItems items maxItems minItems uniqueItems maxProperties minProperties required" +
	" additionalProperties definitions properties patternProperties dependencies enum type allOf anyOf oneOf not format "

// Faults are what API Gateway has against the text of a model, as it words them; none
// for one that it takes.
func Faults(model string) []string {
	doc, err := parse([]byte(model))
	if err != nil {
		return []string{"Invalid model schema specified"}
	}
	unknown, refs := map[string]bool{}, 0
	schemaFaults(doc, unknown, &refs)
	var out []string
	if len(unknown) > 0 {
		out = append(out, "Unsupported keyword(s): "+compact(slices.Sorted(maps.Keys(unknown))))
	}
	for range refs {
		out = append(out, "Model reference must be in canonical form")
	}
	if len(out) > 0 {
		out[0] = "Invalid model schema specified. " + out[0]
		return out
	}
	if _, isObject := doc.(map[string]any); !isObject {
		return []string{"Invalid model schema specified"}
	}
	return nil
}

// schemaFaults looks through a schema and those within it.
func schemaFaults(v any, unknown map[string]bool, refs *int) {
	o, ok := v.(map[string]any)
	if !ok {
		return
	}
	for key, value := range o {
		switch key {
		case "properties", "patternProperties", "definitions", "dependencies":
			named, _ := value.(map[string]any)
			for _, inner := range named {
				schemaFaults(inner, unknown, refs)
			}
		case "allOf", "anyOf", "oneOf", "items", "not", "additionalProperties", "additionalItems":
			all, isList := value.([]any)
			if !isList {
				all = []any{value}
			}
			for _, inner := range all {
				schemaFaults(inner, unknown, refs)
			}
		case "$ref":
			if _, canonical := Reference(text(value)); !canonical && !strings.HasPrefix(text(value), "#") {
				*refs++
			}
		default:
			if !strings.Contains(keywords, " "+key+" ") {
				unknown[key] = true
			}
		}
	}
}
