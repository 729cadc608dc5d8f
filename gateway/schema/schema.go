// Package schema holds bodies against models: documents of JSON Schema draft 4 that
// refer to each other by the URLs that API Gateway gives them.
//
// Problems are told as AWS tells them in $context.error.validationErrorString. Nothing
// is fetched: a reference leads to another model of the same API, or nowhere.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// root is what a model's URL begins with, before the id of its API.
const root = "https://apigateway.amazonaws.com/restapis/"

// A Schema is a model made ready to hold bodies against. It is safe for concurrent use.
type Schema struct{ s *jsonschema.Schema }

// Models are the texts of an API's models, by name.
type Models map[string]string

// Compile makes the named model ready. The models that it refers to are found by the
// last part of the reference, whichever API's id stands in it.
func (m Models) Compile(name string) (*Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(m)
	c.UseRegexpEngine(pattern)
	s, err := c.Compile(root + "-/models/" + name)
	if err != nil {
		return nil, err
	}
	return &Schema{s}, nil
}

// Load implements jsonschema.URLLoader.
func (m Models) Load(url string) (any, error) {
	name, ok := Reference(url)
	if !ok {
		return nil, fmt.Errorf("%s is no model", url)
	}
	text, ok := m[name]
	if !ok {
		return nil, fmt.Errorf("there is no model %s", name)
	}
	doc, err := parse([]byte(text))
	if err != nil {
		return nil, err
	}
	if o, ok := doc.(map[string]any); ok {
		delete(o, "id") // a model goes by its URL
		if o["$schema"] != nil {
			o["$schema"] = "http://json-schema.org/draft-04/schema#" // whatever it says that it is
		}
		m.define(o)
	}
	return doc, nil
}

// define gives a document that refers to #/definitions of models, as Swagger files do,
// those definitions.
func (m Models) define(doc map[string]any) {
	own, _ := doc["definitions"].(map[string]any)
	added := map[string]any{}
	visit(doc, func(o map[string]any) {
		name, ok := strings.CutPrefix(text(o["$ref"]), "#/definitions/")
		if _, known := m[name]; ok && known && own[name] == nil {
			added[name] = map[string]any{"$ref": root + "-/models/" + name}
		}
	})
	if len(added) > 0 {
		maps.Copy(added, own)
		doc["definitions"] = added
	}
}

// Reference is the model that a canonical reference names:
// https://apigateway.amazonaws.com/restapis/{api}/models/{name}.
func Reference(url string) (name string, ok bool) {
	url, _, _ = strings.Cut(url, "#")
	rest, ok := strings.CutPrefix(url, root)
	if !ok {
		return "", false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || parts[1] != "models" || parts[2] == "" {
		return "", false
	}
	return parts[2], true
}

// Check is what is wrong with a body: nothing, or each problem as AWS words it.
func (s *Schema) Check(body []byte) []string {
	doc, err := parse(body)
	if err != nil {
		return []string{"Invalid JSON"}
	}
	err = s.s.Validate(doc)
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return []string{err.Error()}
	}
	return told(invalid, doc)
}

// parse reads one JSON document, with its numbers as they are written.
func parse(body []byte) (any, error) { return jsonschema.UnmarshalJSON(bytes.NewReader(body)) }

// matchTime bounds one match of a pattern, which is the API's and may be a bad one.
const matchTime = 100 * time.Millisecond

type expression struct{ *regexp2.Regexp }

func (e expression) MatchString(s string) bool {
	ok, err := e.Regexp.MatchString(s)
	return ok && err == nil
}

// pattern compiles a regular expression as ECMA 262 has them.
func pattern(text string) (jsonschema.Regexp, error) {
	r, err := regexp2.Compile(text, regexp2.ECMAScript)
	if err != nil {
		return nil, err
	}
	r.MatchTimeout = matchTime
	return expression{r}, nil
}

// visit calls see with every object of a document that may be a schema.
func visit(v any, see func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		see(v)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key != "enum" && key != "default" {
				visit(v[key], see)
			}
		}
	case []any:
		for _, e := range v {
			visit(e, see)
		}
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// Flat is a model with the others that it refers to among its own definitions, and
// so without references to the outside.
func (m Models) Flat(name string) (string, error) {
	definitions, wait := map[string]any{}, []string{name}
	for len(wait) > 0 {
		next := wait[0]
		wait = wait[1:]
		if _, ok := definitions[next]; ok {
			continue
		}
		doc, err := parse([]byte(m[next]))
		if err != nil {
			return "", err
		}
		definitions[next] = doc
		visit(doc, func(o map[string]any) {
			ref := text(o["$ref"])
			if to, ok := Reference(ref); ok && m[to] != "" {
				o["$ref"], wait = "#/definitions/"+to, append(wait, to)
			} else if next != name && strings.HasPrefix(ref, "#") {
				o["$ref"] = "#/definitions/" + next + ref[1:] // its own root moves
			}
		})
	}
	top, ok := definitions[name].(map[string]any)
	if !ok {
		return m[name], nil
	}
	if delete(definitions, name); len(definitions) > 0 {
		if own, ok := top["definitions"].(map[string]any); ok {
			maps.Copy(definitions, own)
		}
		top["definitions"] = definitions
	}
	out, err := json.Marshal(top)
	return string(out), err
}
