package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"

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
