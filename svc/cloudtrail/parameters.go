package cloudtrail

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// hidden stands in the place of secrets and of contents, in AWS's words.
const hidden = `"HIDDEN_DUE_TO_SECURITY_REASONS"`

// maxParameters is how long requestParameters and responseElements may be, in bytes.
const maxParameters = 100 << 10

// maxDepth bounds how deep structures nest; some of AWS's contain themselves.
const maxDepth = 24

// parameters writes inputs and outputs as CloudTrail has them: the members that are
// there, by names that begin in lower case, with what the model calls sensitive, and all
// bytes, hidden. It learns once how a type is written.
type parameters struct {
	plans sync.Map // reflect.Type → []member
}

// A member is one of a structure.
type member struct {
	index     int
	name      string // as a JSON text and a colon
	sensitive bool
	naming    bool // it says what a call is about, not what it carries
}

// marshal is x as JSON; nil if there is nothing to say. Of a data event only what names
// things is told, for the rest is its content.
func (p *parameters) marshal(x any, what string, data bool) json.RawMessage {
	v := reflect.ValueOf(x)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	b := p.structure(make([]byte, 0, 256), v, data, 0)
	if len(b) == 2 {
		return nil
	}
	if len(b) > maxParameters {
		return fmt.Appendf(nil, `{"omitted":true,"originalSize":%d,"reason":"%s too large"}`, len(b), what)
	}
	return b
}

func (p *parameters) structure(b []byte, v reflect.Value, data bool, depth int) []byte {
	b = append(b, '{')
	for _, m := range p.plan(v.Type()) {
		f := v.Field(m.index)
		if f.IsZero() || data && !m.naming {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(b, m.name...)
		if m.sensitive && (f.Kind() != reflect.Pointer || f.Elem().Kind() != reflect.Struct) {
			b = append(b, hidden...)
			continue
		}
		b = p.value(b, f, depth+1)
	}
	return append(b, '}')
}

var (
	timeType    = reflect.TypeFor[time.Time]()
	marshalType = reflect.TypeFor[json.Marshaler]()
)

// plan is how the members of a structure are written. What streams is left out.
func (p *parameters) plan(t reflect.Type) []member {
	if known, ok := p.plans.Load(t); ok {
		return known.([]member)
	}
	var out []member
	for i := range t.NumField() {
		f := t.Field(i)
		k := f.Type.Kind()
		if !f.IsExported() || k == reflect.Func || k == reflect.Interface || k == reflect.Chan {
			continue
		}
		facts := strings.Split(f.Tag.Get("aws"), ",") // whose first is the name on the wire
		name := strings.ToLower(f.Name[:1]) + f.Name[1:]
		m := member{index: i, name: string(appendText(nil, name)) + ":"}
		m.sensitive = slices.Contains(facts[1:], "sensitive") || secret(t.Name(), strings.ToLower(name))
		if k == reflect.Pointer {
			k = f.Type.Elem().Kind()
		}
		m.naming = k == reflect.String && names(name)
		out = append(out, m)
	}
	known, _ := p.plans.LoadOrStore(t, out)
	return known.([]member)
}

// secret reports whether a member, by its name in lower case, holds what lets people in
// though the model does not say so.
func secret(structure, member string) bool {
	switch member {
	case "sessiontoken", "password", "secretstring", "clientsecret", "privatekey", "base32stringseed", "qrcodepng",
		"authenticationcode1", "authenticationcode2", "tokencode", "authorizationtoken":
		return true
	case "value": // of API Gateway's API keys
		return strings.Contains(structure, "ApiKey")
	}
	return false
}

// names reports whether a member of that name says which thing is meant.
func names(member string) bool {
	for _, end := range []string{"name", "arn", "id", "url", "type", "identifier", "qualifier", "bucket", "key"} {
		if strings.HasSuffix(strings.ToLower(member), end) {
			return true
		}
	}
	return false
}

// value writes anything that generated types are made of; what is of another make
// (DynamoDB's attribute values) is somebody's data.
func (p *parameters) value(b []byte, v reflect.Value, depth int) []byte {
	if depth > maxDepth {
		return append(b, "null"...)
	}
	if v.Type() == timeType {
		return appendText(b, v.Interface().(time.Time).UTC().Format("Jan 2, 2006, 3:04:05 PM"))
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return append(b, "null"...)
		}
		return p.value(b, v.Elem(), depth)
	}
	if v.Type().Implements(marshalType) || reflect.PointerTo(v.Type()).Implements(marshalType) {
		return append(b, hidden...)
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.NumField() > 0 && len(p.plan(v.Type())) == 0 {
			return append(b, hidden...)
		}
		return p.structure(b, v, false, depth)
	case reflect.Slice:
		return p.list(b, v, depth)
	case reflect.Map:
		return p.object(b, v, depth)
	case reflect.String:
		return appendText(b, v.String())
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10)
	case reflect.Float32, reflect.Float64:
		if text, err := json.Marshal(v.Float()); err == nil {
			return append(b, text...)
		}
	}
	return append(b, "null"...)
}

func (p *parameters) list(b []byte, v reflect.Value, depth int) []byte {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return append(b, hidden...)
	}
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = p.value(b, v.Index(i), depth+1)
	}
	return append(b, ']')
}

func (p *parameters) object(b []byte, v reflect.Value, depth int) []byte {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, k.String()), ':')
		b = p.value(b, v.MapIndex(k), depth+1)
	}
	return append(b, '}')
}

// appendText appends a JSON text.
func appendText(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
			b = append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
