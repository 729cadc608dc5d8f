package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strconv"

	"github.com/tule-cloud/tule/aws/awsjson"
)

// A jsonDecoder reads one JSON text. Its errors are the *aws.Error that the caller
// gets.
type jsonDecoder struct {
	*decoder
	*awsjson.Reader
}

// jsonDocument reads the JSON text of a whole body into the structure v.
func (d *decoder) jsonDocument(body []byte, v reflect.Value) error {
	return d.json(body, func(j *jsonDecoder) error { return j.object(planOf(v.Type()), v, false) })
}

func (d *decoder) json(body []byte, read func(*jsonDecoder) error) error {
	j := &jsonDecoder{d, awsjson.New(body)}
	if err := read(j); err != nil {
		return j.fail(err, nil, false)
	}
	return j.fail(j.End(), nil, false)
}

// object reads an object into the structure v.
func (j *jsonDecoder) object(p *plan, v reflect.Value, element bool) error {
	if j.Kind() != awsjson.Object {
		return j.fail(j.Object(nil), &node{kind: kStruct, plan: p}, element)
	}
	err := j.Object(func(key []byte) error {
		f := p.byName[string(key)]
		if f == nil || !j.reads(p, f) {
			return nil
		}
		slot := v.Field(f.index)
		if j.Null() {
			slot.SetZero()
			return nil
		}
		return j.value(&f.node, f.pointer(slot), false)
	})
	if err == nil && p.union {
		err = j.checkUnion(p, v)
	}
	return err
}

// checkUnion refuses a union with more than one member.
func (d *decoder) checkUnion(p *plan, v reflect.Value) error {
	set := 0
	for i := range p.fields {
		if _, ok := p.fields[i].value(v.Field(p.fields[i].index)); ok {
			set++
		}
	}
	if set > 1 {
		return d.malformed("Unions must have exactly one member set, and %s has %d", p.name, set)
	}
	return nil
}

// value reads a value that is not null into v, which is what n.pointer gave.
func (j *jsonDecoder) value(n *node, v reflect.Value, element bool) error {
	var err error
	switch n.kind {
	case kString:
		var s string
		if s, err = j.String(); err == nil {
			v.SetString(s)
		}
	case kBool:
		var b bool
		if b, err = j.Bool(); err == nil {
			v.SetBool(b)
		}
	case kInt32, kInt64:
		return j.integer(n, v, element)
	case kFloat32, kFloat64:
		return j.float(n, v, element)
	case kTime:
		return j.time(n, v, element)
	case kBlob:
		return j.blob(n, v, element)
	case kStruct:
		return j.object(n.plan, v, element)
	case kList:
		return j.list(n, v, element)
	case kMap:
		return j.mapping(n, v, element)
	case kHand:
		start := j.Offset()
		if err = v.Addr().Interface().(awsjson.Parser).ParseJSON(j.Reader); err != nil {
			return j.fail(err, n.within(err, start), element || offset(err) != start)
		}
	case kDocument:
		var doc any
		if doc, err = readDocument(j.Reader); err == nil && doc != nil {
			v.Set(reflect.ValueOf(doc))
		}
	case kRaw:
		var raw []byte
		if raw, err = j.Raw(); err == nil {
			v.SetBytes(bytes.Clone(raw))
		}
	default:
		return j.Skip()
	}
	return j.fail(err, n, element)
}

func (j *jsonDecoder) integer(n *node, v reflect.Value, element bool) error {
	text, err := j.Number()
	if err != nil {
		return j.fail(err, n, element)
	}
	i, err := strconv.ParseInt(string(text), 10, n.bits())
	if err != nil {
		f, ok := parseFloat(string(text), 64)
		if !ok || f != math.Trunc(f) || math.Abs(f) >= 1<<53 || n.kind == kInt32 && f != float64(int32(f)) {
			return j.malformed("%s cannot be converted to %s", numberKind(text), n.javaName())
		}
		i = int64(f)
	}
	v.SetInt(i)
	return nil
}

func (j *jsonDecoder) float(n *node, v reflect.Value, element bool) error {
	var text []byte
	var err error
	if j.Kind() == awsjson.String {
		text, err = j.StringBytes()
		if s := string(text); err == nil && s != "NaN" && s != "Infinity" && s != "-Infinity" {
			return j.malformed("STRING_VALUE cannot be converted to %s", n.javaName())
		}
	} else {
		text, err = j.Number()
	}
	if err != nil {
		return j.fail(err, n, element)
	}
	f, ok := parseFloat(string(text), n.bits())
	if !ok {
		return j.malformed("%s cannot be converted to %s", numberKind(text), n.javaName())
	}
	v.SetFloat(f)
	return nil
}

func (j *jsonDecoder) time(n *node, v reflect.Value, element bool) error {
	var text []byte
	var err error
	if j.Kind() == awsjson.String {
		text, err = j.StringBytes()
	} else {
		text, err = j.Number()
	}
	if err != nil {
		return j.fail(err, n, element)
	}
	t, ok := parseTime(string(text))
	if !ok {
		return j.malformed("Unexpected value for a timestamp")
	}
	v.Set(reflect.ValueOf(t))
	return nil
}

func (j *jsonDecoder) blob(n *node, v reflect.Value, element bool) error {
	text, err := j.StringBytes()
	if err != nil {
		return j.fail(err, n, element)
	}
	b, reason := decodeBase64(text)
	if reason != "" {
		return j.malformed("%s", reason)
	}
	v.SetBytes(b)
	return nil
}

// decodeBase64 decodes a blob; reason is what AWS says of one that is not base64.
func decodeBase64(text []byte) (b []byte, reason string) {
	if len(text)%4 != 0 {
		return nil, "Base64 encoded length is expected a multiple of 4 bytes but found: " + strconv.Itoa(len(text))
	}
	b = make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(b, text)
	if err != nil {
		return nil, "Invalid last non-pad Base64 character dectected" // AWS's spelling
	}
	return b[:n], ""
}

func (j *jsonDecoder) list(n *node, v reflect.Value, element bool) error {
	if j.Kind() != awsjson.Array {
		return j.fail(j.Array(nil), n, element)
	}
	list := reflect.MakeSlice(n.typ, 0, 0)
	size := 0
	err := j.Array(func() error {
		if list.Len() == list.Cap() {
			list = grow(list)
		}
		size++
		list = list.Slice(0, size)
		if j.Null() {
			return j.nullElement(n)
		}
		return j.value(n.elem, n.elem.pointer(list.Index(size-1)), true)
	})
	v.Set(list)
	return err
}

// grow returns a copy of list with room for more; what is beyond its length is zero.
func grow(list reflect.Value) reflect.Value {
	larger := reflect.MakeSlice(list.Type(), list.Len(), max(4, 2*list.Len()))
	reflect.Copy(larger, list)
	return larger
}

// nullElement is the error for a null in a list or map that is not sparse.
func (d *decoder) nullElement(n *node) error {
	if n.elem.ptr || n.elem.kind == kDocument {
		return nil
	}
	return d.malformed("Unexpected null value in a collection")
}

func (j *jsonDecoder) mapping(n *node, v reflect.Value, element bool) error {
	if j.Kind() != awsjson.Object {
		return j.fail(j.Object(nil), n, element)
	}
	if slot, ok := v.Addr().Interface().(*map[string]string); ok {
		return j.strings(slot)
	}
	m := reflect.MakeMap(n.typ)
	v.Set(m)
	name := reflect.New(n.typ.Key()).Elem()
	slot := reflect.New(n.typ.Elem()).Elem()
	return j.Object(func(key []byte) error {
		k := string(key) // before the next read overwrites it
		slot.SetZero()
		if j.Null() {
			if err := j.nullElement(n); err != nil {
				return err
			}
		} else if err := j.value(n.elem, n.elem.pointer(slot), true); err != nil {
			return err
		}
		name.SetString(k)
		m.SetMapIndex(name, slot)
		return nil
	})
}

// strings is mapping for the most common of maps.
func (j *jsonDecoder) strings(slot *map[string]string) error {
	m := map[string]string{}
	*slot = m
	text := &node{kind: kString}
	return j.Object(func(key []byte) error {
		k := string(key)
		if j.Null() {
			return j.nullElement(&node{elem: text})
		}
		s, err := j.String()
		m[k] = s
		return j.fail(err, text, true)
	})
}

// readDocument reads any value: objects are map[string]any, arrays []any, numbers
// json.Number.
func readDocument(r *awsjson.Reader) (any, error) {
	switch r.Kind() {
	case awsjson.True, awsjson.False:
		return r.Bool()
	case awsjson.String:
		return r.String()
	case awsjson.Number:
		n, err := r.Number()
		return json.Number(n), err
	case awsjson.Object:
		m := map[string]any{}
		err := r.Object(func(key []byte) error {
			k := string(key)
			v, err := readDocument(r)
			m[k] = v
			return err
		})
		return m, err
	case awsjson.Array:
		list := []any{}
		err := r.Array(func() error {
			v, err := readDocument(r)
			list = append(list, v)
			return err
		})
		return list, err
	}
	return nil, r.Skip()
}
