package apigateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	api "github.com/tule-cloud/tule/api/apigateway"
)

// A tree is a part of a Swagger document: a map with text keys, a list, or a
// scalar. Asking it for what it does not have yields nothing.
type tree struct{ v any }

// maxDocument is how long a document may be, as AWS has it.
const maxDocument = 6 << 20

// parseTree reads JSON or YAML.
func parseTree(body []byte) (tree, error) {
	bad := api.BadRequestException("Unable to build importer with provided input.")
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if len(body) == 0 || len(body) > maxDocument {
		return tree{}, bad
	}
	var v any
	if body[0] == '{' {
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		if dec.Decode(&v) == nil {
			return tree{v}, nil
		}
	}
	if err := yaml.Unmarshal(body, &v); err != nil {
		return tree{}, bad.Because(err)
	}
	v = normal(v)
	if _, ok := v.(map[string]any); !ok {
		return tree{}, bad
	}
	return tree{v}, nil
}

// normal gives maps text keys: YAML reads the key 200 as a number.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = normal(e)
		}
	case map[any]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[scalar(k)] = normal(e)
		}
		return out
	case []any:
		for i, e := range v {
			v[i] = normal(e)
		}
	}
	return v
}

// scalar is the text of a scalar; the number 2.0 reads "2".
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case time.Time: // YAML takes 2016-09-12 for one
		return v.Format(time.DateOnly)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any, []any:
		return ""
	}
	return fmt.Sprint(v)
}

func (t tree) get(names ...string) tree {
	for _, name := range names {
		m, _ := t.v.(map[string]any)
		t = tree{m[name]}
	}
	return t
}

func (t tree) has(name string) bool {
	m, _ := t.v.(map[string]any)
	_, ok := m[name]
	return ok
}

// keys are a map's, sorted.
func (t tree) keys() []string {
	m, _ := t.v.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

func (t tree) list() []tree {
	items, _ := t.v.([]any)
	out := make([]tree, len(items))
	for i, item := range items {
		out[i] = tree{item}
	}
	return out
}

func (t tree) text() string { return scalar(t.v) }

// optional is the text, or nil if there is none.
func (t tree) optional() *string {
	if s := t.text(); s != "" {
		return &s
	}
	return nil
}

func (t tree) truth() bool { return strings.EqualFold(t.text(), "true") }

// upper is an enumeration's value: swagger writes them in either case.
func (t tree) upper() *string {
	if s := strings.ToUpper(t.text()); s != "" {
		return &s
	}
	return nil
}

func (t tree) texts() []string {
	var out []string
	for _, item := range t.list() {
		out = append(out, item.text())
	}
	return out
}

// json is the part as JSON text; a text is taken for JSON already.
func (t tree) json() string {
	if s, ok := t.v.(string); ok {
		return s
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(t.v) != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// textMap is a map of texts; what is null or asks to pass through is left out.
func (t tree) textMap() map[string]string {
	m, ok := t.v.(map[string]any)
	if !ok {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		if text := (tree{v}).json(); v != nil && text != "__passthrough__" {
			out[k] = text
		}
	}
	return out
}

// follow is what a $ref within the document leads to.
func (t tree) follow(root tree) tree {
	for range 10 {
		ref, ok := strings.CutPrefix(t.get("$ref").text(), "#/")
		if !ok {
			return t
		}
		t = root.get(pointer("/" + ref)...)
	}
	return tree{}
}
