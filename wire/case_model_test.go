package wire

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A shape is a shape of botocore's models, and a shapeRef a use of one.
type shape struct {
	Type            string
	Members         map[string]*shapeRef
	Member          *shapeRef
	Key, Value      *shapeRef
	Payload         string
	LocationName    string
	Flattened       bool
	Streaming       bool
	Union           bool
	Document        bool
	Sparse          bool
	TimestampFormat string
	XMLNamespace    *xmlNamespace `json:"xmlNamespace"`
	Exception       bool
	Error           struct {
		Code           string
		HTTPStatusCode int
	}
}

type shapeRef struct {
	Shape           string
	Location        string
	LocationName    string
	QueryName       string
	Flattened       bool
	Streaming       bool
	XMLAttribute    bool
	JSONValue       bool
	HostLabel       bool
	IdempotencyTok  bool `json:"idempotencyToken"`
	TimestampFormat string
	XMLNamespace    *xmlNamespace `json:"xmlNamespace"`
}

type xmlNamespace struct{ URI, Prefix string }

// UnmarshalJSON reads both forms that models have: an object, or only the URI.
func (n *xmlNamespace) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &n.URI)
	}
	type object xmlNamespace
	return json.Unmarshal(b, (*object)(n))
}

// A caseModel makes Go types of a case's shapes, with the tags that generated types
// have. Reflection makes no recursive types: a recursive shape is unrolled as deep as
// the cases go, and has no such member below that.
type caseModel struct {
	shapes map[string]*shape
	open   map[string]int
}

const unrolled = 4

// structure is the Go type of the shape, without the members in leaveOut.
func (m *caseModel) structure(name string, leaveOut ...string) reflect.Type {
	s := m.shapes[name]
	m.open[name]++
	defer func() { m.open[name]-- }()
	facts := []string{cmp.Or(s.LocationName, name)}
	if s.Union {
		facts = append(facts, "union")
	}
	if ns := s.XMLNamespace; ns != nil {
		facts = append(facts, "ns:"+ns.URI)
		if ns.Prefix != "" {
			facts = append(facts, "nsprefix:"+ns.Prefix)
		}
	}
	fields := []reflect.StructField{{
		Name: "_", PkgPath: "cases", Type: reflect.TypeFor[struct{}](), Tag: structTag(facts),
	}}
	for _, member := range slices.Sorted(maps.Keys(s.Members)) {
		if slices.Contains(leaveOut, member) || m.tooDeep(s.Members[member].Shape) {
			continue
		}
		ref := s.Members[member]
		fields = append(fields, reflect.StructField{
			Name: upperFirst(member), Type: m.memberType(ref), Tag: structTag(m.facts(member, s, ref)),
		})
	}
	return reflect.StructOf(fields)
}

func structTag(parts []string) reflect.StructTag {
	return reflect.StructTag("aws:" + strconv.Quote(strings.Join(parts, ",")))
}

// tooDeep reports whether a value of the shape would lead into a shape that is
// unrolled already.
func (m *caseModel) tooDeep(name string) bool {
	for range 8 {
		s := m.shapes[name]
		if s == nil {
			return false
		}
		switch s.Type {
		case "list":
			name = s.Member.Shape
		case "map":
			name = s.Value.Shape
		default:
			return m.open[name] >= unrolled
		}
	}
	return false
}

func (m *caseModel) memberType(ref *shapeRef) reflect.Type {
	s := m.shapes[ref.Shape]
	if s.Type == "blob" && (s.Streaming || ref.Streaming) {
		return reflect.TypeFor[io.ReadCloser]()
	}
	t := m.typeOf(ref.Shape)
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Interface:
		return t
	}
	return reflect.PointerTo(t)
}

func (m *caseModel) typeOf(name string) reflect.Type {
	s := m.shapes[name]
	element := func(ref *shapeRef) reflect.Type {
		t := m.typeOf(ref.Shape)
		if s.Sparse {
			return reflect.PointerTo(t)
		}
		return t
	}
	switch s.Type {
	case "structure":
		if s.Document {
			return anyType
		}
		return m.structure(name)
	case "list":
		return reflect.SliceOf(element(s.Member))
	case "map":
		return reflect.MapOf(reflect.TypeFor[string](), element(s.Value))
	case "blob":
		return reflect.TypeFor[[]byte]()
	case "boolean":
		return reflect.TypeFor[bool]()
	case "integer":
		return reflect.TypeFor[int32]()
	case "long":
		return reflect.TypeFor[int64]()
	case "float":
		return reflect.TypeFor[float32]()
	case "double":
		return reflect.TypeFor[float64]()
	case "timestamp":
		return timeType
	case "string", "character":
		return reflect.TypeFor[string]()
	}
	panic("no Go type for " + s.Type)
}

// facts is the tag that api/gen would write.
func (m *caseModel) facts(member string, owner *shape, ref *shapeRef) []string {
	s := m.shapes[ref.Shape]
	out := []string{cmp.Or(ref.LocationName, member)}
	if ref.Location == "headers" {
		out[0] = ref.LocationName
	}
	add := func(is bool, word string) {
		if is {
			out = append(out, word)
		}
	}
	locations := map[string]string{"header": "header", "headers": "headers", "uri": "uri", "querystring": "query", "statusCode": "status"}
	add(ref.Location != "", locations[ref.Location])
	add(owner.Payload == member, "payload")
	add(s.Type == "blob" && (s.Streaming || ref.Streaming), "stream")
	add(ref.Flattened || s.Flattened, "flat")
	add(ref.XMLAttribute, "attr")
	for level := s; level != nil && out != nil; {
		switch level.Type {
		case "list":
			out = append(out, "elem:"+cmp.Or(level.Member.LocationName, "member"))
			level = m.shapes[level.Member.Shape]
			continue
		case "map":
			out = append(out, "key:"+cmp.Or(level.Key.LocationName, "key"), "val:"+cmp.Or(level.Value.LocationName, "value"))
			level = m.shapes[level.Value.Shape]
			continue
		case "timestamp":
			formats := map[string]string{"iso8601": "iso", "unixTimestamp": "unix", "rfc822": "http"}
			if word := formats[cmp.Or(ref.TimestampFormat, level.TimestampFormat)]; word != "" {
				out = append(out, word)
			}
		}
		break
	}
	if ns := ref.XMLNamespace; ns != nil {
		add(true, "ns:"+ns.URI)
		add(ns.Prefix != "", "nsprefix:"+ns.Prefix)
	}
	add(ref.QueryName != "", "ec2:"+ref.QueryName)
	add(ref.JSONValue, "json")
	add(ref.HostLabel, "host")
	add(ref.IdempotencyTok, "token")
	return out
}

// plain is a Go value as the cases write values: maps, lists, strings and numbers.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Time:
		return float64(x.UnixMilli()) / 1000
	case []byte:
		if x == nil {
			return nil
		}
		return string(x)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		if r, ok := v.Interface().(io.Reader); ok {
			b, _ := io.ReadAll(r)
			if len(b) == 0 {
				return nil
			}
			return string(b)
		}
		return plain(v.Elem())
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "_" {
				if p := plain(v.Field(i)); p != nil {
					out[name] = p
				}
			}
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		out := []any{}
		for i := range v.Len() {
			out = append(out, plain(v.Index(i)))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		out := map[string]any{}
		for _, k := range v.MapKeys() {
			out[k.String()] = plain(v.MapIndex(k))
		}
		return out
	case reflect.Int32, reflect.Int64:
		return float64(v.Int())
	case reflect.Float32, reflect.Float64:
		return number64(v.Float())
	case reflect.Bool:
		return v.Bool()
	}
	if n, ok := v.Interface().(json.Number); ok {
		f, _ := n.Float64()
		return f
	}
	return v.String()
}

// number64 is a number as the cases write it.
func number64(f float64) any {
	text := string(appendFloat(nil, f, 32))
	switch text {
	case "NaN", "Infinity", "-Infinity":
		return text
	}
	f, _ = strconv.ParseFloat(text, 64)
	return f
}

// fill sets v, of the shape's Go type, from a value as the cases write it.
func (m *caseModel) fill(v reflect.Value, name string, ref *shapeRef, given any) {
	s := m.shapes[name]
	if v.Kind() == reflect.Pointer {
		if given == nil {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if v.Type() == closerType {
		v.Set(reflect.ValueOf(io.NopCloser(strings.NewReader(given.(string)))))
		return
	}
	switch s.Type {
	case "structure":
		if s.Document {
			if given != nil {
				v.Set(reflect.ValueOf(given))
			}
			return
		}
		for member, value := range given.(map[string]any) {
			f := v.FieldByName(upperFirst(member))
			if ref := s.Members[member]; ref != nil && f.IsValid() && value != nil {
				m.fill(f, ref.Shape, ref, value)
			}
		}
	case "list":
		list := given.([]any)
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, e := range list {
			m.fill(v.Index(i), s.Member.Shape, s.Member, e)
		}
	case "map":
		v.Set(reflect.MakeMap(v.Type()))
		for k, e := range given.(map[string]any) {
			slot := reflect.New(v.Type().Elem()).Elem()
			m.fill(slot, s.Value.Shape, s.Value, e)
			v.SetMapIndex(reflect.ValueOf(k), slot)
		}
	default:
		fillScalar(v, ref, given)
	}
}

func fillScalar(v reflect.Value, ref *shapeRef, given any) {
	switch x := given.(type) {
	case string:
		switch v.Kind() {
		case reflect.Slice:
			v.SetBytes([]byte(x))
		case reflect.String:
			v.SetString(x)
		default:
			f, _ := parseFloat(x, 64)
			v.SetFloat(f)
		}
	case bool:
		v.SetBool(x)
	case float64:
		switch v.Kind() {
		case reflect.Int32, reflect.Int64:
			v.SetInt(int64(x))
		case reflect.Float32, reflect.Float64:
			v.SetFloat(x)
		default:
			v.Set(reflect.ValueOf(time.UnixMilli(int64(x * 1000)).UTC()))
		}
	default:
		if ref == nil || !ref.JSONValue {
			panic(fmt.Sprintf("a %T for a scalar", given))
		}
		text, _ := json.Marshal(given)
		v.SetString(string(text))
	}
}

// normal is a value of a case in the form that plain gives: members by their Go
// names, no absent members.
func (m *caseModel) normal(name string, ref *shapeRef, given any) any {
	s := m.shapes[name]
	if given == nil || s == nil || s.Document {
		return given
	}
	switch s.Type {
	case "structure":
		out := map[string]any{}
		for member, value := range given.(map[string]any) {
			if r := s.Members[member]; r != nil && value != nil {
				out[upperFirst(member)] = m.normal(r.Shape, r, value)
			}
		}
		return out
	case "list":
		out := []any{}
		for _, e := range given.([]any) {
			out = append(out, m.normal(s.Member.Shape, s.Member, e))
		}
		return out
	case "map":
		out := map[string]any{}
		for k, e := range given.(map[string]any) {
			out[k] = m.normal(s.Value.Shape, s.Value, e)
		}
		return out
	case "float", "double":
		if f, ok := given.(float64); ok {
			return number64(f)
		}
	}
	if _, isText := given.(string); ref != nil && ref.JSONValue && !isText {
		text, _ := json.Marshal(given)
		return string(text)
	}
	return given
}
