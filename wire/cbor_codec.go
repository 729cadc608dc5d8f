package wire

import (
	"bytes"
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

// A cborDecoder reads one CBOR text.
type cborDecoder struct {
	*decoder
	cborReader
}

// cborDocument reads the CBOR map of a whole body into the structure v.
func (d *decoder) cborDocument(body []byte, v reflect.Value) error {
	c := &cborDecoder{d, cborReader{buf: body}}
	err := c.object(planOf(v.Type()), v)
	if err == nil && c.pos < len(body) {
		err = c.fail("data after the item")
	}
	if bad, ok := err.(*cborError); ok {
		return d.malformed("Could not parse request body into CBOR: %s at offset %d", bad.reason, bad.offset)
	}
	return err
}

func (c *cborDecoder) object(p *plan, v reflect.Value) error {
	err := c.each(cborMap, func() error {
		key, err := c.bytes(cborText)
		if err != nil {
			return err
		}
		f := p.byName[string(key)]
		if f == nil {
			return c.skip()
		}
		slot := v.Field(f.index)
		if c.null() {
			slot.SetZero()
			return nil
		}
		return c.value(&f.node, f.pointer(slot))
	})
	if err == nil && p.union {
		err = c.checkUnion(p, v)
	}
	return err
}

func (c *cborDecoder) value(n *node, v reflect.Value) error {
	switch n.kind {
	case kString:
		b, err := c.bytes(cborText)
		v.SetString(string(b))
		return err
	case kBlob:
		b, err := c.bytes(cborBytes)
		v.SetBytes(bytes.Clone(b))
		if b == nil && err == nil {
			v.SetBytes([]byte{})
		}
		return err
	case kBool:
		if c.pos < len(c.buf) && (c.buf[c.pos] == 0xf4 || c.buf[c.pos] == 0xf5) {
			v.SetBool(c.buf[c.pos] == 0xf5)
			c.pos++
			return nil
		}
		return c.fail("another type than expected")
	case kInt32, kInt64:
		i, f, isInt, err := c.number()
		if !isInt && err == nil {
			if i = int64(f); f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
				return c.malformed("DECIMAL_VALUE cannot be converted to %s", n.javaName())
			}
		}
		if err == nil && v.OverflowInt(i) {
			return c.malformed("NUMBER_VALUE cannot be converted to %s", n.javaName())
		}
		v.SetInt(i)
		return err
	case kFloat32, kFloat64:
		_, f, _, err := c.number()
		v.SetFloat(f)
		return err
	case kTime:
		return c.time(v)
	}
	return c.composite(n, v)
}

func (c *cborDecoder) composite(n *node, v reflect.Value) error {
	switch n.kind {
	case kStruct:
		return c.object(n.plan, v)
	case kList:
		return c.list(n, v)
	case kMap:
		return c.mapping(n, v)
	case kDocument:
		doc, err := c.any()
		if doc != nil {
			v.Set(reflect.ValueOf(doc))
		}
		return err
	}
	return c.malformed("There is no CBOR for values of type %s", n.typ.Name())
}

// time reads a time: seconds for rpc-v2-cbor, milliseconds for Kinesis.
func (c *cborDecoder) time(v reflect.Value) error {
	if c.major() == cborTag {
		if _, tag, _, err := c.head(); err != nil || tag != 1 {
			return c.malformed("Unexpected value for a timestamp")
		}
	}
	_, f, _, err := c.number()
	if err != nil {
		return err
	}
	if c.protocol == aws.AmzCBOR {
		f /= 1000
	}
	t, ok := unixSeconds(f)
	if !ok {
		return c.malformed("Unexpected value for a timestamp")
	}
	v.Set(reflect.ValueOf(t))
	return nil
}

func (c *cborDecoder) list(n *node, v reflect.Value) error {
	list := reflect.MakeSlice(n.typ, 0, 0)
	size := 0
	err := c.each(cborArray, func() error {
		if c.pos >= len(c.buf) {
			return c.fail("the text ends early")
		}
		if list.Len() == list.Cap() {
			list = grow(list)
		}
		size++
		list = list.Slice(0, size)
		if c.null() {
			return c.nullElement(n)
		}
		return c.value(n.elem, n.elem.pointer(list.Index(size-1)))
	})
	v.Set(list)
	return err
}

func (c *cborDecoder) mapping(n *node, v reflect.Value) error {
	m := reflect.MakeMap(n.typ)
	v.Set(m)
	return c.each(cborMap, func() error {
		key, err := c.bytes(cborText)
		if err != nil {
			return err
		}
		k := reflect.ValueOf(string(key)).Convert(n.typ.Key())
		slot := reflect.New(n.typ.Elem()).Elem()
		if c.null() {
			err = c.nullElement(n)
		} else {
			err = c.value(n.elem, n.elem.pointer(slot))
		}
		m.SetMapIndex(k, slot)
		return err
	})
}

// any reads a document.
func (c *cborDecoder) any() (any, error) {
	switch c.major() {
	case cborUint, cborNegative:
		i, _, _, err := c.number()
		return json.Number(fmt.Sprint(i)), err
	case cborText:
		b, err := c.bytes(cborText)
		return string(b), err
	case cborArray:
		list := []any{}
		err := c.each(cborArray, func() error {
			v, err := c.any()
			list = append(list, v)
			return err
		})
		return list, err
	case cborMap:
		m := map[string]any{}
		err := c.each(cborMap, func() error {
			k, err := c.bytes(cborText)
			if err != nil {
				return err
			}
			key := string(k)
			m[key], err = c.any()
			return err
		})
		return m, err
	case cborSimple:
		if c.null() {
			return nil, nil
		}
		if b := c.buf[c.pos]; b == 0xf4 || b == 0xf5 {
			c.pos++
			return b == 0xf5, nil
		}
		_, f, _, err := c.number()
		return json.Number(appendFloat(nil, f, 64)), err
	}
	return nil, c.fail("an item that a document cannot have")
}

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
