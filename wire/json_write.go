package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/tule-cloud/tule/aws/awsjson"
)

// appendJSONObject appends the structure v; bound as written has it.
func appendJSONObject(b []byte, p *plan, v reflect.Value, bound bool) ([]byte, error) {
	b = append(b, '{')
	b, err := appendJSONMembers(b, p, v, bound)
	return append(b, '}'), err
}

func appendJSONMembers(b []byte, p *plan, v reflect.Value, bound bool) ([]byte, error) {
	var err error
	for i := range p.fields {
		f := &p.fields[i]
		if !f.written(bound) {
			continue
		}
		if m, ok := f.value(v.Field(f.index)); ok {
			b = append(awsjson.AppendNext(b), f.jsonKey...)
			if b, err = appendJSON(b, &f.node, m); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

// appendJSON appends the value v, which is what n.value gave.
func appendJSON(b []byte, n *node, v reflect.Value) ([]byte, error) {
	switch n.kind {
	case kString:
		return awsjson.AppendString(b, v.String()), nil
	case kBool, kInt32, kInt64:
		return n.appendText(b, v, unixTime), nil
	case kFloat32, kFloat64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return append(n.appendText(append(b, '"'), v, unixTime), '"'), nil
		}
		return n.appendText(b, v, unixTime), nil
	case kTime:
		if n.time == isoTime || n.time == httpTime {
			return append(n.appendText(append(b, '"'), v, n.time), '"'), nil
		}
		return appendUnix(b, v.Interface().(time.Time).UnixMilli()), nil
	case kBlob:
		return awsjson.AppendBase64(b, v.Bytes()), nil
	case kStruct:
		return appendJSONObject(b, n.plan, v, false)
	case kList:
		return appendJSONList(b, n, v)
	case kMap:
		return appendJSONMap(b, n, v)
	case kHand:
		return appendJSONHand(b, v)
	case kDocument:
		return appendDocument(b, v.Interface())
	case kRaw:
		return append(b, v.Bytes()...), nil
	}
	return b, fmt.Errorf("wire: a %v within JSON", n.typ)
}

func appendJSONHand(b []byte, v reflect.Value) ([]byte, error) {
	if v.CanAddr() {
		return v.Addr().Interface().(awsjson.Appender).AppendJSON(b)
	}
	if a, ok := v.Interface().(awsjson.Appender); ok {
		return a.AppendJSON(b)
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface().(awsjson.Appender).AppendJSON(b)
}

func appendJSONList(b []byte, n *node, v reflect.Value) ([]byte, error) {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendJSONElement(b, n.elem, v.Index(i)); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// appendJSONElement appends an element, or null for the nil of a sparse collection.
// A nil list in a list is an empty one.
func appendJSONElement(b []byte, n *node, v reflect.Value) ([]byte, error) {
	if n.ptr {
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		v = v.Elem()
	}
	return appendJSON(b, n, v)
}

// appendJSONMap appends a map, its keys in order, so that the same output always
// makes the same bytes.
func appendJSONMap(b []byte, n *node, v reflect.Value) ([]byte, error) {
	b = append(b, '{')
	if m, ok := v.Interface().(map[string]string); ok {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			b = awsjson.AppendString(awsjson.AppendKey(b, k), m[k])
		}
		return append(b, '}'), nil
	}
	var err error
	for _, k := range sortedKeys(v) {
		b = awsjson.AppendKey(b, k.String())
		if b, err = appendJSONElement(b, n.elem, v.MapIndex(k)); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch a, b := a.String(), b.String(); {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	return keys
}

// appendDocument appends a document: what readDocument makes, and what a service may
// make of the like.
func appendDocument(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return awsjson.AppendString(b, v), nil
	case json.Number:
		return append(b, v...), nil
	case map[string]any:
		b = append(b, '{')
		for _, k := range slices.Sorted(maps.Keys(v)) {
			var err error
			if b, err = appendDocument(awsjson.AppendKey(b, k), v[k]); err != nil {
				return b, err
			}
		}
		return append(b, '}'), nil
	case []any:
		b = append(b, '[')
		for _, e := range v {
			var err error
			if b, err = appendDocument(awsjson.AppendNext(b), e); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	}
	text, err := json.Marshal(v)
	return append(b, text...), err
}
