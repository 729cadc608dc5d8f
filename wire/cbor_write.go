package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// appendCBORObject appends the structure v as a map of
// indefinite length.
func appendCBORObject(b []byte, p *plan, v reflect.Value, protocol aws.Protocol) ([]byte, error) {
	b, err := appendCBORMembers(append(b, 0xbf), p, v, protocol)
	return append(b, 0xff), err
}

func appendCBORMembers(b []byte, p *plan, v reflect.Value, protocol aws.Protocol) ([]byte, error) {
	var err error
	for i := range p.fields {
		f := &p.fields[i]
		if !f.written(false) {
			continue
		}
		if m, ok := f.value(v.Field(f.index)); ok {
			if b, err = appendCBOR(appendCBORText(b, f.name), &f.node, m, protocol); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

func appendCBOR(b []byte, n *node, v reflect.Value, protocol aws.Protocol) ([]byte, error) {
	switch n.kind {
	case kString:
		return appendCBORText(b, v.String()), nil
	case kBool:
		if v.Bool() {
			return append(b, 0xf5), nil
		}
		return append(b, 0xf4), nil
	case kInt32, kInt64:
		return appendCBORInt(b, v.Int()), nil
	case kFloat32:
		return binary.BigEndian.AppendUint32(append(b, 0xfa), math.Float32bits(float32(v.Float()))), nil
	case kFloat64:
		return appendCBORFloat(b, v.Float()), nil
	case kTime:
		return appendCBORTime(b, v.Interface().(time.Time).UnixMilli(), protocol), nil
	case kBlob:
		return append(appendCBORHead(b, cborBytes, uint64(v.Len())), v.Bytes()...), nil
	case kStruct:
		return appendCBORObject(b, n.plan, v, protocol)
	case kDocument:
		return appendCBORDocument(b, v.Interface())
	case kList:
		b = appendCBORHead(b, cborArray, uint64(v.Len()))
		for i := range v.Len() {
			var err error
			if b, err = appendCBORElement(b, n.elem, v.Index(i), protocol); err != nil {
				return b, err
			}
		}
		return b, nil
	case kMap:
		b = appendCBORHead(b, cborMap, uint64(v.Len()))
		for _, k := range sortedKeys(v) {
			var err error
			if b, err = appendCBORElement(appendCBORText(b, k.String()), n.elem, v.MapIndex(k), protocol); err != nil {
				return b, err
			}
		}
		return b, nil
	}
	return b, fmt.Errorf("wire: a %v within CBOR", n.typ)
}

func appendCBORElement(b []byte, n *node, v reflect.Value, protocol aws.Protocol) ([]byte, error) {
	if n.ptr {
		if v.IsNil() {
			return append(b, 0xf6), nil
		}
		v = v.Elem()
	}
	return appendCBOR(b, n, v, protocol)
}

func appendCBORFloat(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0xfb), math.Float64bits(f))
}

func appendCBORTime(b []byte, milli int64, protocol aws.Protocol) []byte {
	b = append(b, 0xc1) // tag 1
	if protocol == aws.AmzCBOR {
		return appendCBORInt(b, milli)
	}
	if milli%1000 == 0 {
		return appendCBORInt(b, milli/1000)
	}
	return appendCBORFloat(b, float64(milli)/1000)
}

func appendCBORDocument(b []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case nil:
		return append(b, 0xf6), nil
	case bool:
		return appendCBOR(b, &node{kind: kBool}, reflect.ValueOf(v), aws.CBOR)
	case string:
		return appendCBORText(b, v), nil
	case float64:
		return appendCBORFloat(b, v), nil
	case int:
		return appendCBORInt(b, int64(v)), nil
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return appendCBORInt(b, i), nil
		}
		f, err := v.Float64()
		return appendCBORFloat(b, f), err
	case []any:
		b = appendCBORHead(b, cborArray, uint64(len(v)))
		for _, e := range v {
			if b, err = appendCBORDocument(b, e); err != nil {
				return b, err
			}
		}
		return b, nil
	case map[string]any:
		b = appendCBORHead(b, cborMap, uint64(len(v)))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if b, err = appendCBORDocument(appendCBORText(b, k), v[k]); err != nil {
				return b, err
			}
		}
		return b, nil
	}
	return b, fmt.Errorf("wire: a %T within a CBOR document", v)
}
